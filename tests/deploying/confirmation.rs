//! A person is asked before anything is changed, and only a typed `yes` goes on.

use rustix::process::Signal;
use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::{Ran, feed};
use crate::terminal::Terminal;

const CONFIRM: &str = "confirm = yes\n";
const QUESTION: &str = "Type yes to go on: ";

#[test]
fn what_will_be_run_and_lost_is_shown_and_yes_goes_on() {
    let case = Case::with("\n[production]\nconfirm = yes\n");
    case.shop().succeeds("upgrade head");
    case.ask("INSERT INTO account SELECT n FROM generate_series(1, 1234) n");
    let mut at = case.sits_at("-n production downgrade base");
    at.until(QUESTION).types("yes");
    let shown = case.screen(at);
    assert_data_eq!(
        shown.as_str(),
        str![[r#"
exit code: 0
database     [DATABASE] on [SOCKET]/.s.PGSQL.5432
user         postgres
environment  production
to be run    2 revisions, from 002 to base
             downgrade 002 -> 001, step 002
             downgrade 001 -> <base>, step 001
to be lost   002: column account.email (1,234 rows)
             001: table account (1,234 rows)
Type yes to go on: yes
downgraded 002 step 002 ([TIME])
downgraded 001 step 001 ([TIME])
done 2 revisions in [TIME]; nothing is applied

"#]]
    );
    // The page for users shows this very screen, with other names.
    let page = include_str!("../../docs/deploying.md");
    let block = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a screen");
    let renamed =
        shown.replace("[DATABASE] on [SOCKET]/.s.PGSQL.5432", "shop on db.internal:5432").replace("postgres", "deploy");
    assert!(renamed.contains(block), "{renamed}");
    assert_eq!(case.rows(), "");
    let mut at = case.sits_at("-n production upgrade head");
    at.until(QUESTION).types("yes");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 0
database     [DATABASE] on [SOCKET]/.s.PGSQL.5432
user         postgres
environment  production
to be run    2 revisions, from base to 002
             upgrade <base> -> 001, step 001
                 creates table account
             upgrade 001 -> 002, step 002
                 adds column account.email
Type yes to go on: yes
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
    assert_eq!(case.rows(), "002");
}

#[test]
fn any_other_answer_runs_nothing() {
    let case = Case::with(CONFIRM);
    case.shop();
    for answer in ["no", "", "y", "YES", "yes please", "ye s"] {
        let mut at = case.sits_at("upgrade head");
        at.until(QUESTION).types(answer);
        let shown = case.screen(at);
        assert!(shown.starts_with("exit code: 1\n"), "{answer}: {shown}");
        assert!(shown.ends_with("error: not confirmed\nnote: nothing was run\n"), "{answer}: {shown}");
    }
    // Ctrl-D
    let mut at = case.sits_at("upgrade head");
    at.until(QUESTION).types("\u{4}");
    assert!(case.screen(at).contains("error: not confirmed"));
    assert_eq!(case.ask("SELECT to_regclass('aludel_version') IS NULL"), "t");
}

#[test]
fn at_a_terminal_what_takes_away_always_asks() {
    let case = Case::with("");
    case.shop();
    // An upgrade does not.
    let at = case.sits_at("upgrade head --metrics run.prom");
    assert!(case.screen(at).starts_with("exit code: 0\n"));
    // Whoever declines has not failed: what the last run was like stays.
    let metrics = case.project.read("run.prom");
    let mut at = case.sits_at("-q downgrade -1 --metrics run.prom");
    at.until(QUESTION).types("no");
    assert!(case.screen(at).starts_with("exit code: 1\n"));
    assert_eq!(case.project.read("run.prom"), metrics);
    let mut at = case.sits_at("-q downgrade -1");
    at.until(QUESTION).types("no");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 1
database    [DATABASE] on [SOCKET]/.s.PGSQL.5432
user        postgres
to be run   1 revision, from 002 to 001
            downgrade 002 -> 001, step 002
to be lost  002: column account.email (0 rows)
Type yes to go on: no
error: not confirmed
note: nothing was run

"#]]
    );
    let mut at = case.sits_at("stamp --purge 001");
    at.until(QUESTION).types("yes");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 0
database       [DATABASE] on [SOCKET]/.s.PGSQL.5432
user           postgres
to be stamped  from 002 to 001
               no longer taken for applied: 002
Type yes to go on: yes
stamped 001 (it was 002); nothing was run
no longer taken for applied: 002

"#]]
    );
    assert_eq!(case.rows(), "001");
    // It undoes what it applies again.
    let mut at = case.sits_at("redo");
    at.until("to be lost  ").until(QUESTION).types("no");
    assert!(case.screen(at).starts_with("exit code: 1\n"));
    // Piped, it goes on as ever; and `--yes` answers anywhere.
    case.succeeds("stamp --purge 002");
    case.succeeds("redo");
    let at = case.sits_at("downgrade -y 001");
    assert!(!case.screen(at).contains(QUESTION));
    case.succeeds("downgrade base");
    assert_eq!(case.rows(), "");
}

/// `aludel downgrade -1 2>log`, or `2>&1 | tee log`: the person who typed it is still there.
#[test]
fn the_question_is_asked_at_the_terminal_where_standard_error_goes_elsewhere() {
    let case = Case::with("");
    case.shop().succeeds("upgrade head");
    for arguments in ["downgrade -1", "--log-format json downgrade -1"] {
        let log = case.project.path().join("log");
        let file = std::fs::File::create(&log).expect("a file");
        let mut at = Terminal::start_with(&mut case.command(arguments), Some(file.into()));
        at.until("to be lost  002: column account.email (0 rows)").until(QUESTION).types("no");
        assert!(case.screen(at).starts_with("exit code: 1\n"), "{arguments}");
        let log = case.project.read("log");
        assert!(log.contains("not confirmed") && !log.contains(QUESTION), "{log}");
        assert_eq!(case.rows(), "002");
    }
}

#[test]
fn where_nobody_can_be_asked_it_is_refused() {
    let case = Case::with(CONFIRM);
    case.shop();
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 2
----- stderr
error: `confirm = yes` wants a person to be asked, and nobody is at a terminal
 --> migrate.ini:3:11
  |
3 | confirm = yes
  |           ^^^
  |
  = note: nothing was run
  = hint: where a machine is to decide: aludel upgrade head --yes

"#]]
    );
    for (command, hint) in [
        ("downgrade -1", "aludel downgrade -1 --yes"),
        ("redo", "aludel redo --yes"),
        ("stamp 001", "aludel stamp 001 --yes"),
        ("stamp --purge 001", "aludel stamp 001 --purge --yes"),
        ("repair 001", "aludel repair 001 --yes"),
    ] {
        let ran = case.run(command);
        assert_eq!(ran.code, 2, "{}", ran.transcript());
        assert!(ran.stderr.ends_with(&format!("hint: where a machine is to decide: {hint}\n")), "{}", ran.stderr);
    }
    case.succeeds("upgrade head --yes");
    case.succeeds("redo --yes");
    case.succeeds("downgrade -y -1");
    case.succeeds("stamp 002 --yes");
    // What changes nothing asks nobody.
    for command in ["status", "plan upgrade head", "upgrade head --sql", "current"] {
        case.succeeds(command);
    }
    assert_eq!(case.rows(), "002");
}

#[test]
fn nothing_to_do_is_not_asked_for() {
    let case = Case::with(CONFIRM);
    case.shop().succeeds("upgrade head --yes");
    for (command, said) in [
        ("upgrade head", "nothing to do: at 002\n"),
        ("stamp 002", "nothing to do: the database is stamped 002 already\n"),
        ("repair", "nothing to do: no file was changed after it was applied\n"),
    ] {
        let at = case.sits_at(command);
        assert_eq!(case.screen(at), format!("exit code: 0\n{said}"));
    }
}

#[test]
fn redo_stamp_and_repair_ask_too() {
    let case = Case::with(CONFIRM);
    case.shop().succeeds("upgrade head --yes");
    let mut at = case.sits_at("redo");
    at.until(QUESTION).types("yes");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 0
database    [DATABASE] on [SOCKET]/.s.PGSQL.5432
user        postgres
to be run   2 revisions, from 002 to 002
            downgrade 002 -> 001, step 002
            upgrade 001 -> 002, step 002
                adds column account.email
to be lost  002: column account.email (0 rows)
Type yes to go on: yes
downgraded 002 step 002 ([TIME])
upgraded 002 step 002 ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
    let mut at = case.sits_at("stamp 001");
    at.until(QUESTION).types("no");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 1
database       [DATABASE] on [SOCKET]/.s.PGSQL.5432
user           postgres
to be stamped  from 002 to 001
               no longer taken for applied: 002
Type yes to go on: no
error: not confirmed
note: nothing was run

"#]]
    );
    case.revision("001", "", "CREATE TABLE account (id int); -- later", "DROP TABLE account;");
    let mut at = case.sits_at("repair");
    at.until(QUESTION).types("yes");
    let shown = case.screen(at);
    assert!(shown.contains("to accept  001 (versions/001.sql): applied "), "{shown}");
    assert!(shown.contains("\naccepted 001 "), "{shown}");
}

#[test]
fn who_sits_at_the_prompt_keeps_nobody_waiting() {
    let case = Case::with(CONFIRM);
    case.shop();
    let mut lunch = case.sits_at("upgrade head");
    lunch.until(QUESTION);
    case.succeeds("upgrade 001 --yes --lock-wait 0");
    lunch.types("yes");
    let shown = case.screen(lunch);
    assert_data_eq!(
        shown.split_once(QUESTION).expect("it asked").1,
        str![[r#"
yes
error: what would be run is no longer what was confirmed
note: the database was at base, and is at 001 by now
note: nothing was run
hint: run the same command again, and look at what it shows

"#]]
    );
    assert_eq!(case.rows(), "001");
}

#[test]
fn a_file_that_changes_meanwhile_is_not_run() {
    let case = Case::with(CONFIRM);
    // Larger than what is kept of a file.
    let large = format!("CREATE TABLE large ();\n-- {}\n", "x".repeat(20_000));
    for up in ["CREATE TABLE small ();", &large] {
        case.revision("001", "", up, "");
        let mut at = case.sits_at("upgrade head");
        at.until(QUESTION);
        case.revision("001", "", &format!("{up} -- more"), "");
        at.types("yes");
        let shown = case.screen(at);
        assert_data_eq!(
            shown.split_once(QUESTION).expect("it asked").1,
            str![[r#"
yes
error: what would be run is no longer what was confirmed
note: the file has changed since: 001 step 001 (versions/001.sql)
note: nothing was run
hint: run the same command again, and look at what it shows

"#]]
        );
        assert_eq!(case.ask("SELECT to_regclass('small') IS NULL AND to_regclass('large') IS NULL"), "t");
    }
}

#[test]
fn a_signal_at_the_prompt_ends_it_with_nothing_done() {
    let case = Case::with(CONFIRM);
    case.shop();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut at = case.sits_at("upgrade head");
        at.until(QUESTION).signal(signal);
        let shown = case.screen(at);
        assert!(shown.starts_with(&format!("exit code: {code}\n")), "{shown}");
        assert!(shown.contains("error: stopped by SIG") && shown.ends_with("note: nothing was run\n"), "{shown}");
    }
    assert_eq!(case.ask("SELECT to_regclass('aludel_version') IS NULL"), "t");
}

#[test]
fn the_session_stays_alive_at_the_prompt() {
    // The server would end it after a second.
    let case = Case::with("confirm = yes\nidle_in_transaction_session_timeout = 1s\n");
    case.shop();
    let mut at = case.sits_at("upgrade head");
    at.until(QUESTION);
    std::thread::sleep(std::time::Duration::from_secs(3));
    at.types("yes");
    assert!(case.screen(at).starts_with("exit code: 0\n"));
    assert_eq!(case.rows(), "002");
}

#[test]
fn what_is_lost_is_told_with_its_rows() {
    // Nothing of this session would give up waiting for a lock.
    let case = Case::with("confirm = yes\nlock_timeout = 0\n");
    case.revision(
        "001",
        "",
        "CREATE TABLE wide (n int, filler text) WITH (fillfactor = 10, autovacuum_enabled = off);
         CREATE TABLE parts (n int) PARTITION BY RANGE (n);
         CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE \"Odd name\" (n int); CREATE TABLE locked (); CREATE TABLE emptied (); CREATE SCHEMA s;
         CREATE SCHEMA bare;",
        "DROP TABLE wide, parts, \"Odd name\", locked, gone;
         TRUNCATE emptied; DELETE FROM s.t;
         ALTER TABLE emptied DROP COLUMN IF EXISTS nope;
         DROP SCHEMA s CASCADE; DROP SCHEMA bare; DROP SCHEMA nowhere;",
    )
    .succeeds("upgrade head --yes");
    // About 100 MB, of which a count reads all.
    case.ask("INSERT INTO wide SELECT n, repeat('x', 700) FROM generate_series(1, 12000) n; ANALYZE wide");
    case.ask("INSERT INTO parts VALUES (1), (2), (3); CREATE TABLE s.t (n int)");
    case.ask("CREATE TABLE s.u AS SELECT 1 UNION SELECT 2");
    let mut other = case.database.client();
    let mut holder = other.transaction().expect("a transaction");
    holder.batch_execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE").expect("the table is locked");
    let mut at = case.sits_at("downgrade base");
    at.until(QUESTION).types("no");
    drop(holder);
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 1
database    [DATABASE] on [SOCKET]/.s.PGSQL.5432
user        postgres
to be run   1 revision, from 001 to base
            downgrade 001 -> <base>, step 001
to be lost  001: table wide (about 12,000 rows)
            001: table parts (3 rows)
            001: table "Odd name" (0 rows)
            001: table locked (rows not counted)
            001: table gone (not there)
            001: all rows of emptied (0 rows)
            001: all rows of s.t (0 rows)
            001: column emptied.nope (not there)
            001: schema s (2 tables, 2 rows)
            001: schema bare (no tables)
            001: schema nowhere (not there)
Type yes to go on: no
error: not confirmed
note: nothing was run

"#]]
    );
}

#[test]
fn what_is_renamed_on_the_way_is_counted_under_the_name_it_has_now() {
    let case = Case::with("confirm = yes\nbefore_downgrade = sql: before.sql\nafter_downgrade = sql: after.sql\n");
    case.revision("001", "", "CREATE TABLE users (n int);", "DROP TABLE users;")
        .revision("002", "001", "ALTER TABLE users RENAME TO people;", "ALTER TABLE people RENAME TO users;")
        .revision(
            "003",
            "002",
            "CREATE TABLE users (old int); CREATE TABLE kept (a int);",
            "ALTER TABLE kept RENAME a TO b; ALTER TABLE kept DROP b; DROP TABLE users;",
        )
        .succeeds("upgrade head --yes");
    case.revision("004", "003", "", "SET search_path = nowhere; DROP TABLE IF EXISTS kept, public.kept;")
        .succeeds("upgrade head --yes");
    case.project.write("before.sql", "TRUNCATE kept;").write("after.sql", "DROP TABLE IF EXISTS other, people;");
    case.ask("INSERT INTO people VALUES (1), (2), (3); CREATE TABLE other (); INSERT INTO kept VALUES (1)");
    let mut at = case.sits_at("downgrade base");
    at.until(QUESTION).types("no");
    let shown = case.screen(at);
    let lost = shown.split_once("to be lost  ").and_then(|(_, rest)| rest.split_once("Type")).expect("what is lost").0;
    assert_data_eq!(
        lost,
        str![[r#"
before_downgrade: all rows of kept (1 row)
            004: table kept (rows not counted)
            004: table public.kept (rows not counted)
            003: column kept.b (rows not counted)
            003: table users (0 rows)
            001: table users (3 rows)
            after_downgrade: table other (0 rows)
            after_downgrade: table people (rows not counted)

"#]]
    );
    // What is made on the way holds nothing yet.
    let case = Case::with(CONFIRM);
    case.revision("001", "", "CREATE TABLE a ();", "").revision("002", "001", "DROP TABLE a;", "");
    let mut at = case.sits_at("upgrade head");
    at.until("to be lost  002: table a (made in this run)").until(QUESTION).types("no");
    case.ask("CREATE TABLE a ()");
    let mut at = case.sits_at("upgrade head");
    at.until("to be lost  002: table a (rows not counted)").until(QUESTION).types("no");
}

#[test]
fn what_has_run_already_of_a_revision_is_not_followed_again() {
    let case = Case::with(CONFIRM);
    let up = "\n-- migrate:upgrade transaction:false\nCREATE TABLE x AS SELECT 1;\nALTER TABLE x RENAME TO y;\nSELECT 1 / 0;\nDROP TABLE y;";
    case.revision("001", "", up, "");
    assert_eq!(case.run("upgrade head --yes").code, 4);
    let mut at = case.sits_at("upgrade head");
    at.until("to be lost  001: table y (1 row)").until(QUESTION).types("no");
    case.screen(at);
}

#[test]
fn a_name_does_not_write_over_the_question() {
    let case = Case::with(CONFIRM);
    let odd = "\"a\u{1b}[2Kb\"";
    case.revision("001", "", &format!("CREATE TABLE {odd} ();"), &format!("DROP TABLE {odd};"))
        .succeeds("upgrade head -y");
    let mut at = case.sits_at("downgrade base");
    at.until(r#"to be lost  001: table "a\u{1b}[2Kb" (0 rows)"#).until(QUESTION).types("no");
    case.screen(at);
}

#[test]
fn rows_that_this_role_may_not_see_are_not_counted() {
    let case = Case::with("");
    let role = format!("r_{}", case.ask("SELECT current_database()"));
    case.ask(&format!("CREATE ROLE {role}; GRANT CREATE, USAGE ON SCHEMA public TO {role}"));
    case.settings(&format!("confirm = yes\nrole = {role}\n"));
    let secured = "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;";
    case.revision("001", "", &format!("CREATE TABLE t (n int); {secured}"), "DROP TABLE t;")
        .succeeds("upgrade head --yes");
    case.ask("INSERT INTO t VALUES (1)");
    let mut at = case.sits_at("downgrade base");
    at.until(&format!("user        postgres as {role}"));
    at.until("to be lost  001: table t (rows not counted)").until(QUESTION).types("no");
    case.screen(at);
    case.ask(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn what_holds_many_tables_does_not_hold_the_question() {
    let case = Case::with("confirm = yes\nlock_timeout = 0\n");
    let tables: Vec<String> = (0..30).map(|number| format!("t{number}")).collect();
    let made: String = tables.iter().map(|table| format!("CREATE TABLE {table} (); ")).collect();
    case.revision("001", "", &made, &format!("DROP TABLE {};", tables.join(", "))).succeeds("upgrade head --yes");
    let mut other = case.database.client();
    let mut holder = other.transaction().expect("a transaction");
    holder.batch_execute(&format!("LOCK TABLE {}", tables.join(", "))).expect("the tables are locked");
    let began = std::time::Instant::now();
    let mut at = case.sits_at("downgrade base");
    at.until("001: table t29 (rows not counted)").until(QUESTION).types("no");
    assert!(began.elapsed() < std::time::Duration::from_secs(12), "{:?}", began.elapsed());
    case.screen(at);
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let case = Case::with(CONFIRM);
    case.shop();
    let mut at = case.sits_at("upgrade head");
    at.types("yes").until(QUESTION).types("no");
    assert!(case.screen(at).ends_with("error: not confirmed\nnote: nothing was run\n"));
}

#[test]
fn a_session_that_ends_at_the_prompt_is_told_of() {
    let case = Case::with(CONFIRM);
    case.shop();
    let mut at = case.sits_at("upgrade head");
    at.until(QUESTION);
    case.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    at.types("yes");
    let shown = case.screen(at);
    assert!(shown.starts_with("exit code: 1\n"), "{shown}");
    assert!(shown.contains("error: the server ended the session: terminating connection"), "{shown}");
    assert!(shown.ends_with("note: nothing was run\nhint: run the same command again\n"), "{shown}");
}

#[test]
fn what_would_be_refused_is_not_asked_for() {
    let case = Case::with(CONFIRM);
    case.shop().revision("003_too_long", "002", "SELECT 1;", "").succeeds("upgrade 002 --yes");
    case.ask("ALTER TABLE aludel_version ALTER COLUMN version_num TYPE varchar(10)");
    for command in ["upgrade head", "stamp 003_too_long"] {
        let at = case.sits_at(command);
        let shown = case.screen(at);
        assert!(shown.contains("error: the id `003_too_long` does not fit"), "{shown}");
        assert!(!shown.contains(QUESTION), "{shown}");
    }
}

#[test]
fn a_text_that_was_not_shown_is_not_accepted() {
    let case = Case::with(CONFIRM);
    // Larger than what is kept of a file.
    let large = format!("-- {}\n", "x".repeat(20_000));
    for more in ["", &large] {
        case.shop();
        case.succeeds("upgrade head --yes");
        case.revision("002", "001", &format!("SELECT 1; {more}"), "");
        let mut at = case.sits_at("repair");
        at.until(QUESTION);
        case.revision("002", "001", &format!("SELECT 2; {more}"), "");
        at.types("yes");
        let shown = case.screen(at);
        assert!(shown.contains("error: what would be run is no longer what was confirmed\n"), "{shown}");
        assert!(!shown.contains("\naccepted "), "{} {shown}", more.len());
    }
}

#[test]
fn destroying_a_private_server_asks() {
    let case = Case::with("");
    let at = case.sits_at("local destroy");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 0
nothing to do: there are no data

"#]]
    );
    case.succeeds("local start");
    let mut at = case.sits_at("local destroy");
    at.until(QUESTION).types("no");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 1
to be deleted  [..]/.aludel/postgres/data ([..] MB)
databases      aludel ([..] MB)
               postgres ([..] MB)
Type yes to go on: no
error: not confirmed
note: nothing was deleted

"#]]
    );
    case.succeeds("local stop");
    let mut at = case.sits_at("local destroy");
    at.until("databases      all in it (the server is not running)").until(QUESTION).types(" yes ");
    let shown = case.screen(at);
    assert!(shown.ends_with("its data are deleted; it was not running\n"), "{shown}");
}

#[test]
fn a_program_says_yes_in_its_request() {
    let case = Case::with(CONFIRM);
    case.shop();
    let request = |request: &str| Ran::of(&feed(case.command("serve-once"), request), |text| case.project.still(text));
    let refused = request(r#"{"action": "up"}"#);
    assert_eq!(refused.code, 2, "{}", refused.transcript());
    assert!(refused.stderr.contains("`confirm = yes` wants a person to be asked"), "{}", refused.stderr);
    request(r#"{"action": "up", "yes": true}"#).succeeded();
    assert_eq!(case.rows(), "002");
}

#[test]
fn repeatable_files_and_hooks_are_shown_and_wrong_hooks_told_before_the_question() {
    let case = Case::with(
        "confirm = yes\nbefore_upgrade =\n  true\n  sql: a.sql\nafter_upgrade = echo done\non_failure = false\n",
    );
    case.shop();
    case.project
        .write(
            "versions/repeatable/seen.sql",
            "-- repeatable: seen\nCREATE OR REPLACE VIEW seen AS SELECT id FROM account;\n",
        )
        .write("a.sql", "SELECT 1;");
    let mut at = case.sits_at("upgrade head");
    at.until(QUESTION).types("yes");
    assert_data_eq!(
        case.screen(at),
        str![[r#"
exit code: 0
database    [DATABASE] on [SOCKET]/.s.PGSQL.5432
user        postgres
to be run   2 revisions, 1 repeatable, from base to 002
            upgrade <base> -> 001, step 001
                creates table account
            upgrade 001 -> 002, step 002
                adds column account.email
            repeat seen
                creates view seen
hooks       before_upgrade `true`
            before_upgrade `sql: a.sql`
            after_upgrade `echo done`
            on_failure `false`
Type yes to go on: yes
ran before_upgrade `true` ([TIME])
ran before_upgrade `sql: a.sql` ([TIME])
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran seen ([TIME])
after_upgrade: done
ran after_upgrade `echo done` ([TIME])
done 2 revisions, 1 repeatable in [TIME]; at 002

"#]]
    );
    case.project
        .write("versions/repeatable/seen.sql", "-- repeatable: seen\nCREATE OR REPLACE VIEW seen AS SELECT 1 AS id;\n");
    let mut at = case.sits_at("upgrade head");
    at.until(QUESTION);
    case.project
        .write("versions/repeatable/seen.sql", "-- repeatable: seen\nCREATE OR REPLACE VIEW seen AS SELECT 2 AS id;\n");
    at.types("yes");
    assert!(case.screen(at).contains("note: the file has changed since: "));
    // The hooks' files are as they were shown, too.
    let mut at = case.sits_at("upgrade head");
    at.until(QUESTION);
    case.project.write("a.sql", "SELECT 2;");
    at.types("yes");
    let shown = case.screen(at);
    assert!(
        shown.contains("note: the file has changed since: before_upgrade `sql: a.sql`\nnote: nothing was run"),
        "{shown}"
    );
    assert!(!shown.contains("ran "), "{shown}");
    case.project.write("a.sql", "COMMIT;");
    let at = case.sits_at("upgrade head");
    let shown = case.screen(at);
    assert!(shown.contains("error: COMMIT in the SQL of a hook") && !shown.contains(QUESTION), "{shown}");
}
