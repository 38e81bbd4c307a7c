//! What a run that goes on takes for granted: that the statements are those that ran, that an index is the one that was built, that
//! names mean what they meant. Where one of these does not hold, it stops and says so.

use rustix::process::Signal;
use snapbox::{assert_data_eq, str};

use crate::{Case, eventually};

/// A case whose revision 001 runs this without a transaction.
fn bare(body: &str) -> Case {
    let case = Case::new();
    write(&case, body);
    case
}

fn write(case: &Case, body: &str) {
    case.file("001", "", &format!("-- migrate:upgrade transaction:false\n{body}\n-- migrate:downgrade\n"));
}

/// Runs `upgrade head` until a session waits for a lock on `table`, and ends the tool and its session there.
fn killed_while_waiting(case: &Case, table: &str) {
    let mut holder = case.database.client();
    let mut lock = holder.transaction().expect("a transaction");
    lock.batch_execute(&format!("LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")).expect("the lock");
    let run = case.start("upgrade head");
    let waits = "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("a statement that waits", || !case.ask(waits).is_empty());
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, -1);
    let _ = case.ask(&format!("SELECT pg_terminate_backend(pid) FROM ({waits}) waits"));
    lock.rollback().expect("the end of it");
    drop(holder);
    case.wait_until_alone();
}

/// The transcript with the time of the stop replaced.
fn transcript(case: &Case, arguments: &str) -> String {
    crate::support::without_stops(&case.run(arguments).transcript())
}

const HALF: &str = "DO $$ BEGIN INSERT INTO effects VALUES ('half'); COMMIT; RAISE 'no'; END $$;";

#[test]
fn a_retry_runs_that_statement_and_no_other() {
    let case = bare(&format!("CREATE TABLE effects (id text);\nINSERT INTO effects VALUES ('one');\n{HALF}"));
    assert_eq!(case.run("upgrade head").code, 4);
    assert_eq!(case.effects(), "half,one");
    let ran = case.run("upgrade head");
    assert!(ran.stderr.contains("nothing tells whether statement 3 was carried out"), "{}", ran.transcript());
    // One more in front: the third is another one.
    write(&case, &format!("SELECT 0;\nCREATE TABLE effects (id text);\nINSERT INTO effects VALUES ('one');\n{HALF}"));
    assert_data_eq!(
        transcript(&case, "upgrade head --retry-statement"),
        str![[r#"
exit code: 1
----- stderr
error: the upgrade of 001 cannot go on: the statements that ran are no longer in its file
note: the upgrade of 001 stopped in statement 3 on [WHEN] (versions/001.sql)
note: whether statement 3 was carried out is not known
note: nothing was run
hint: put statements 1 to 2 back as they were: what comes behind may be edited
hint: or, where the file is right, add `--resume-after 2` to take the file's first 2 statements as done

"#]]
    );
    // The third itself may be edited.
    write(
        &case,
        "CREATE TABLE effects (id text);\nINSERT INTO effects VALUES ('one');\nINSERT INTO effects VALUES ('two');",
    );
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: the upgrade of 001 cannot go on by itself: statement 3 was running, and is another one in the file now
note: the upgrade of 001 stopped in statement 3 on [WHEN] (versions/001.sql)
note: nothing was run
hint: put statement 3 back as it was
hint: or look at what it has done; add `--retry-statement` to run what the file says now
hint: or, where nothing of that is needed, add `--resume-after 3` to take the file's first 3 statements as done

"#]]
    );
    assert_eq!(case.effects(), "half,one");
    case.succeeds("upgrade head --retry-statement");
    assert_eq!((case.effects(), case.rows()), ("half,one,two".to_owned(), "001".to_owned()));
}

#[test]
fn a_mark_that_waits_is_no_reason_to_run_a_statement_again() {
    let case = bare("SET lock_timeout = '500ms';\nCALL once();");
    let _ = case.ask(
        "CREATE TABLE effects (id text); CREATE PROCEDURE once() LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO effects VALUES ('once'); COMMIT; PERFORM pg_sleep(1); END $$",
    );
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    let mut holder = case.database.client();
    let mut lock = holder.transaction().expect("a transaction");
    lock.batch_execute("LOCK TABLE aludel_progress").expect("the lock");
    std::thread::sleep(std::time::Duration::from_secs(3));
    lock.rollback().expect("the end of it");
    let _ = run.end().succeeded();
    assert_eq!((case.effects(), case.rows()), ("once".to_owned(), "001".to_owned()));
}

#[test]
fn another_index_of_the_name_is_not_dropped_in_its_place() {
    let case = bare("SET search_path = s1, s2;\nDROP INDEX CONCURRENTLY i;");
    let _ = case.ask(
        "CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE TABLE s1.t (n int); CREATE TABLE s2.t (n int);
         CREATE INDEX i ON s1.t (n); CREATE INDEX i ON s2.t (n)",
    );
    killed_while_waiting(&case, "s1.t");
    // It had gone through.
    let _ = case.ask("DROP INDEX s1.i");
    let ran = case.succeeds("upgrade head");
    assert!(ran.stderr.contains("001: statement 2 was carried out before"), "{}", ran.stderr);
    assert_eq!(case.ask("SELECT to_regclass('s2.i')"), "s2.i");
}

#[test]
fn another_index_of_the_name_is_not_the_one_that_was_to_be_built() {
    let case = bare("CREATE UNIQUE INDEX CONCURRENTLY i ON t (n);");
    let _ = case.ask("CREATE TABLE t (n int, m int); CREATE INDEX i ON t (m)");
    killed_while_waiting(&case, "t");
    let ran = case.run("upgrade head");
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(ran.stderr.contains("error[42P07]"), "{}", ran.transcript());
    assert_eq!(case.rows(), "");
    let _ = case.ask("DROP INDEX i");
    case.succeeds("upgrade head");
    assert_eq!(case.ask("SELECT indisunique FROM pg_index WHERE indexrelid = 'i'::regclass"), "t");
}

#[test]
fn what_somebody_else_left_is_not_dropped() {
    // Of a partitioned table's index nobody says that it is valid, until its parts are.
    let case = bare("CREATE INDEX CONCURRENTLY i ON t (n);");
    let _ =
        case.ask("CREATE TABLE t (n int) PARTITION BY RANGE (n); CREATE INDEX i ON ONLY t (n); CREATE TABLE u (n int)");
    let ran = case.run("upgrade head");
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    write(&case, "CREATE INDEX CONCURRENTLY k ON u (n);");
    case.succeeds("upgrade head");
    assert_eq!(case.ask("SELECT to_regclass('i')"), "i");

    // What a DBA's own attempt left.
    let case = bare("CREATE UNIQUE INDEX CONCURRENTLY i ON t (n);");
    let _ = case.ask("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1)");
    assert_ne!(
        case.database.try_psql(&["-v", "ON_ERROR_STOP=1"], "CREATE UNIQUE INDEX CONCURRENTLY i ON t (n)").code,
        0
    );
    let oid = case.ask("SELECT 'i'::regclass::oid");
    for _ in 0..2 {
        let ran = case.run("upgrade head");
        assert!(ran.stderr.contains("error[42P07]"), "{}", ran.transcript());
        assert!(ran.stderr.contains("DROP INDEX CONCURRENTLY i;"), "{}", ran.transcript());
        assert_eq!(case.ask("SELECT 'i'::regclass::oid"), oid);
    }
}

#[test]
fn an_index_on_another_table_is_not_passed_over() {
    let case = bare("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (n);");
    let _ = case.ask("CREATE TABLE t (n int); CREATE TABLE u (n int); CREATE INDEX i ON u (n)");
    assert_data_eq!(
        case.run("upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
notice: 001: relation "i" already exists, skipping
error[ALU04]: 001 step 001 (versions/001.sql): there is no index "i" on t: something else has that name
note: `IF NOT EXISTS` passed over what was there before
note: nothing of revision 001 was kept

"#]]
    );
}

#[test]
fn who_takes_a_failed_index_for_done_keeps_what_it_left() {
    let case = bare("CREATE UNIQUE INDEX CONCURRENTLY i ON t (n);\nCREATE TABLE behind ();");
    let _ = case.ask("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1)");
    assert_eq!(case.run("upgrade head").code, 4);
    assert_data_eq!(
        transcript(&case, "upgrade head --resume-after 1"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 001 stopped in statement 1: it goes on with statement 2 of 2; index public.i, if it is not valid, stays so
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"), "f");
}

#[test]
fn what_was_left_goes_though_the_file_no_longer_builds_it() {
    let case = bare("CREATE UNIQUE INDEX CONCURRENTLY i ON t (n);\nCREATE TABLE behind ();");
    let _ = case.ask("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1)");
    assert_eq!(case.run("upgrade head").code, 4);
    write(&case, "CREATE TABLE behind ();");
    let ran = case.succeeds("upgrade head");
    assert!(ran.stderr.contains("001: index public.i was left behind"), "{}", ran.stderr);
    assert_eq!(case.ask("SELECT to_regclass('i') IS NULL"), "t");
}

#[test]
fn a_session_that_a_new_one_is_not() {
    // What is computed is not run again; names would mean something else.
    let case = bare(
        "SELECT set_config('search_path', 'a' || 'pp', false);\nCREATE TABLE a (n int);\nSELECT 1 / count(*) FROM u;\nCREATE TABLE b (n int);",
    );
    let _ = case.ask("CREATE SCHEMA app; CREATE TABLE app.u ()");
    assert_eq!(case.run("upgrade head").code, 4);
    let _ = case.ask("ALTER TABLE app.u ADD COLUMN n int; INSERT INTO app.u VALUES (1)");
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 4
----- stderr
the upgrade of 001 stopped after statement 2: it goes on with statement 3 of 4
error: 001 step 001 (versions/001.sql) cannot go on: its statements left a session that a new one is not
note: the schemas where names are looked up: app, and now public
note: `search_path`: app, and now "$user", public
note: `SET` and `set_config` with plain values are run again; what was computed, and temporary tables, are gone
note: nothing more was run
note: 001 step 001 (versions/001.sql) stopped partway: what ran of it stays
hint: write what the rest needs into the file, behind statement 2, then add `--resume-after 2` to the same command

"#]]
    );
    assert_eq!(
        case.ask("SELECT string_agg(relnamespace::regnamespace::text, ',') FROM pg_class WHERE relname IN ('a', 'b')"),
        "app"
    );
    // The way out that it names.
    write(
        &case,
        "SELECT set_config('search_path', 'a' || 'pp', false);\nCREATE TABLE a (n int);\nSET search_path = app;\nSELECT 1 / count(*) FROM u;\nCREATE TABLE b (n int);",
    );
    case.succeeds("upgrade head --resume-after 2");
    assert_eq!(
        case.ask("SELECT string_agg(relnamespace::regnamespace::text, ',') FROM pg_class WHERE relname IN ('a', 'b')"),
        "app,app"
    );

    // A temporary table that hides another one.
    let case = bare("CREATE TEMP TABLE stage (n int);\nSELECT 1 / count(*) FROM u;\nDELETE FROM stage;");
    let _ = case.ask("CREATE TABLE stage (n int); INSERT INTO stage VALUES (1); CREATE TABLE u (n int)");
    assert_eq!(case.run("upgrade head").code, 4);
    let _ = case.ask("INSERT INTO u VALUES (1)");
    let ran = case.run("upgrade head");
    assert_eq!(ran.code, 4, "{}", ran.transcript());
    assert!(ran.stderr.contains("temporary tables: stage, and now none"), "{}", ran.transcript());
    assert_eq!(case.ask("SELECT count(*) FROM stage"), "1");
}

#[test]
fn settings_that_are_run_again_leave_the_same_session() {
    let case = bare(
        "SET search_path = app;\nCREATE TABLE a (n int);\nSELECT set_config('my.value', '1', false);\nSELECT 1 / count(*) FROM u;\nCREATE TABLE b (n int);",
    );
    let _ = case.ask("CREATE SCHEMA app; CREATE TABLE app.u (n int)");
    assert_eq!(case.run("upgrade head").code, 4);
    let _ = case.ask("INSERT INTO app.u VALUES (1)");
    case.succeeds("upgrade head");
    assert_eq!(case.ask("SELECT to_regclass('app.b')"), "app.b");
}

#[test]
fn two_projects_in_one_database() {
    let (one, settings) = (Case::new(), "version_table = other_version\n");
    let two = crate::support::Project::empty();
    two.write("migrate.ini", format!("[migrate]\nurl = {}\n{settings}", one.database.url()));
    write(&one, "CREATE TABLE effects (id text);\nINSERT INTO effects VALUES ('one');\nSELECT 1 / count(*) FROM free;");
    two.write("versions/001.sql", "-- revision: 001\n-- message: other\n\n-- migrate:upgrade transaction:false\nCREATE TABLE mine ();\nCREATE TABLE more ();\n-- migrate:downgrade\n");
    let _ = one.ask("CREATE TABLE free (n int)");
    assert_eq!(one.run("upgrade head").code, 4);
    // The other's 001 is another one.
    let ran = two.aludel(["upgrade", "head"]).succeeded();
    assert!(!ran.stderr.contains("stopped"), "{}", ran.transcript());
    let _ = two.aludel(["stamp", "base"]).succeeded();
    let _ = two.aludel(["stamp", "head"]).succeeded();
    let _ = one.ask("INSERT INTO free VALUES (1)");
    let ran = one.succeeds("upgrade head");
    assert!(ran.stderr.contains("goes on with statement 3 of 3"), "{}", ran.transcript());
    assert_eq!(one.effects(), "one");
    let status = two.aludel(["status"]).succeeded();
    assert!(!status.stdout.contains("changed"), "{}", status.transcript());
}

#[test]
fn an_index_that_fails_again_is_told_of_again() {
    let case = bare("CREATE UNIQUE INDEX CONCURRENTLY i ON t (n);");
    let _ = case.ask("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1)");
    let first = case.run("upgrade head");
    for _ in 0..2 {
        let again = case.run("upgrade head");
        let told = |ran: &crate::support::Ran| {
            ran.stderr.split_once("error[23505]").map(|(_, told)| told.to_owned()).expect("the duplicate")
        };
        assert_eq!((again.code, told(&again)), (4, told(&first)));
        assert!(again.stderr.contains("dropping it first"), "{}", again.stderr);
    }
    let _ = case.ask("TRUNCATE t");
    case.succeeds("upgrade head");
}

#[test]
fn what_an_earlier_run_did_is_not_forgotten() {
    let case = bare("CREATE TABLE a ();\nSELECT 1 / count(*) FROM u;");
    let _ = case.ask("CREATE TABLE u ()");
    assert_eq!(case.run("upgrade head").code, 4);
    assert_data_eq!(
        transcript(&case, "upgrade head --resume-after 0"),
        str![[r#"
exit code: 4
----- stderr
the upgrade of 001 stopped after statement 1: it goes on with statement 1 of 2
error[42P07]: relation "a" already exists
 --> versions/001.sql:6:1
  |
6 | CREATE TABLE a ();
  | ^^^^^^^^^^^^^^^^^^
  |
  = note: what an earlier run has done of revision 001 stays; it is not recorded as applied

"#]]
    );
}

#[test]
fn an_index_that_somebody_else_is_building() {
    let case = bare("CREATE INDEX CONCURRENTLY i ON t (slow(n));");
    let _ = case.ask(
        "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 200);
         CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN n; END $$",
    );
    std::thread::scope(|scope| {
        let built = scope
            .spawn(|| case.database.try_psql(&["-v", "ON_ERROR_STOP=1"], "CREATE INDEX CONCURRENTLY i ON t (slow(n))"));
        case.wait_for_sleep();
        let run = case.start("upgrade head");
        eventually("the wait for it", || case.ask("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0");
        run.signal(Signal::INT);
        assert_eq!(run.end().code, 130);
        assert_eq!(built.join().expect("no panic").code, 0);
    });
    // It says that the name is taken, and leaves the index alone.
    let ran = case.run("upgrade head");
    assert!(ran.stderr.contains("error[42P07]"), "{}", ran.transcript());
    assert_eq!(case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"), "t");
}

#[test]
fn a_run_that_is_under_way() {
    let case = bare("CREATE TABLE a ();\nDO $$ BEGIN COMMIT; PERFORM pg_sleep(3); END $$;");
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    let told = transcript(&case, "status");
    let _ = run.end().succeeded();
    assert_data_eq!(
        told,
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   nothing is applied
applied   0 of 1
heads     001 (head)
pending   1
          001 (head), step 001
partial   the upgrade of 001 has come so far: in statement 2, on [WHEN]
running   server process [..] (`aludel [..]`, role postgres), connected for [TIME]

"#]]
    );
}

#[test]
fn a_setting_that_a_later_one_ends_is_not_made_again() {
    let case = Case::new();
    // Roles are the server's: the name is this database's own.
    let role = format!("gone_{}", case.database.name);
    write(&case, &format!("SET ROLE {role};\nSELECT 1;\nRESET ROLE;\nDROP ROLE {role};\nSELECT 1 / count(*) FROM u;"));
    let _ = case.ask(&format!("CREATE ROLE {role}; CREATE TABLE u (n int)"));
    assert_eq!(case.run("upgrade head").code, 4);
    let _ = case.ask("INSERT INTO u VALUES (1)");
    let ran = case.succeeds("upgrade head");
    assert!(ran.stderr.contains("goes on with statement 5 of 5"), "{}", ran.stderr);
}

#[test]
fn what_a_reindex_leaves_is_named() {
    let case = bare("REINDEX INDEX CONCURRENTLY i;");
    let _ = case.ask("CREATE TABLE t (n int); CREATE INDEX i ON t (n)");
    // It waits for this transaction between its phases, and its new index is there by then.
    let mut holder = case.database.client();
    let mut open = holder.transaction().expect("a transaction");
    open.batch_execute("INSERT INTO t VALUES (1)").expect("a row");
    let run = case.start("upgrade head");
    eventually("the new index", || case.ask("SELECT to_regclass('i_ccnew') IS NOT NULL") == "t");
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, -1);
    let _ = case.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'REINDEX%'");
    open.rollback().expect("the end of it");
    drop(holder);
    case.wait_until_alone();
    let ran = case.succeeds("upgrade head");
    assert!(
        ran.stderr.contains("hint: where none is under way: DROP INDEX CONCURRENTLY i_ccnew;"),
        "{}",
        ran.transcript()
    );
}
