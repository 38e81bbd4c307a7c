//! What a script may not do, and what is found out all the same when it does.

use std::time::{Duration, Instant};

use snapbox::{assert_data_eq, str};

use crate::{Case, effect};

#[test]
fn statements_of_the_tool_in_a_section_without_a_transaction() {
    for statement in ["DISCARD ALL", "BEGIN", "COMMIT", "START TRANSACTION", "ROLLBACK"] {
        let case = Case::new();
        case.effect("001", "", "").file(
            "002",
            "001",
            &format!("-- migrate:upgrade transaction:false\nVACUUM effects;\n{statement};\nSELECT 1;"),
        );
        let ran = case.run("upgrade head");
        // Found before anything is run.
        assert_eq!(
            (ran.code, case.effects(), case.rows()),
            (1, String::new(), String::new()),
            "{statement}: {}",
            ran.transcript()
        );
        assert!(ran.stderr.contains("versions/002.sql:7:1"), "{statement}: {}", ran.stderr);
        if statement == "DISCARD ALL" {
            assert_data_eq!(
                ran.transcript(),
                str![[r#"
exit code: 1
----- stderr
error: `DISCARD ALL` would give away the lock that keeps other runs out
 --> versions/002.sql:7:1
  |
7 | DISCARD ALL;
  | ^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: leave it out: settings are put back behind each revision

"#]]
            );
        }
    }
}

#[test]
fn a_script_that_gives_the_lock_away() {
    let case = Case::new();
    let text =
        format!("-- migrate:upgrade transaction:false\nSELECT pg_advisory_unlock_all();\n{}", effect("002", "001"));
    case.effect("001", "", "").file("002", "001", &text);
    let ran = case.run("upgrade head");
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 4
----- stderr
upgraded 001 step 001 ([TIME])
error: this run no longer holds its lock: the script gave it away
note: 002 step 002 (versions/002.sql) stopped partway: what ran of it stays
note: applied before it, and kept: 001
hint: take `pg_advisory_unlock_all()` out of the script

"#]]
    );
    assert_eq!((case.effects(), case.rows()), ("001".to_owned(), "001".to_owned()));
}

#[test]
fn a_block_that_commits_by_itself_and_fails() {
    let case = Case::new();
    let text = "-- migrate:upgrade transaction:false\nDO $$ BEGIN INSERT INTO effects VALUES ('half'); COMMIT; RAISE 'no'; END $$;";
    case.effect("001", "", "").file("002", "001", text);
    let ran = case.run("upgrade head");
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 4
----- stderr
upgraded 001 step 001 ([TIME])
error[P0001]: no
 --> versions/002.sql:6:1
  |
6 | DO $$ BEGIN INSERT INTO effects VALUES ('half'); COMMIT; RAISE 'no'; END $$;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: in: PL/pgSQL function inline_code_block line 1 at RAISE
  = note: line 1 of the block is versions/002.sql:6
  = note: revision 002 stopped partway: what its statement committed by itself before it failed stays; it is not recorded as applied
  = note: applied before it, and kept: 001
  = hint: see what statement 1 has done, then add `--retry-statement` to the same command to run it again, or `--resume-after 1` to take it as done

"#]]
    );
    assert_eq!((case.effects(), case.rows()), ("001,half".to_owned(), "001".to_owned()));
}

#[test]
fn row_level_security_on_the_version_table() {
    let case = Case::new();
    case.chain(2).succeeds("upgrade 001");
    let role = format!("role_of_{}", case.database.name);
    case.ask(&format!(
        "ALTER TABLE aludel_version ENABLE ROW LEVEL SECURITY; CREATE ROLE {role} LOGIN;
         GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
    ));
    let mut command = case.command("upgrade head");
    command.env("PGUSER", &role);
    let url = case.database.url().replace("user=postgres", &format!("user={role}"));
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    let ran = case.project.run(command);
    case.ask(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 1
----- stderr
error: row level security hides rows of public.aludel_version from this role
note: without them the database would look as if nothing were applied; nothing was changed
hint: ALTER TABLE public.aludel_version DISABLE ROW LEVEL SECURITY; or work as its owner

"#]]
    );
    assert_eq!((case.effects(), case.rows()), ("001".to_owned(), "001".to_owned()));
}

#[test]
fn a_trigger_that_swallows_the_version_row() {
    let case = Case::new();
    case.chain(2).succeeds("upgrade 001");
    case.ask(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER nothing BEFORE INSERT OR DELETE OR UPDATE ON aludel_version FOR EACH ROW EXECUTE FUNCTION nothing()",
    );
    let ran = case.run("upgrade head");
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 1
----- stderr
error: upgrade of 002 is to leave the database at 002; it is at 001
note: the script of 002, or a trigger on that table, changes the tool's own rows
note: nothing of revision 002 was kept
hint: take that statement or that trigger out; `aludel stamp` sets rows

"#]]
    );
    assert_eq!((case.effects(), case.rows()), ("001".to_owned(), "001".to_owned()));
}

#[test]
fn a_version_table_that_another_session_keeps() {
    // Whatever the limits are, nobody waits for ever.
    for settings in ["", "lock_timeout = 0\n"] {
        let case = Case::with(settings);
        case.chain(2).succeeds("upgrade 001");
        let mut other = case.database.client();
        let held = "SET application_name = 'a report'; BEGIN; LOCK TABLE aludel_version";
        other.batch_execute(held).expect("a lock");
        for command in ["status", "current", "upgrade head --lock-wait 1s", "stamp head"] {
            let began = Instant::now();
            let ran = case.run(command);
            assert!(began.elapsed() < Duration::from_secs(5), "{command}: {:?}", began.elapsed());
            let pid = case.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'a report'");
            assert_data_eq!(
                ran.transcript().replace(&pid, "[PID]"),
                str![[r#"
exit code: 1
----- stderr
error[55P03]: another session holds the table public.aludel_version
note: held by server process [PID] (role postgres, `a report`), idle in transaction for [TIME]: SET application_name = 'a report'; BEGIN; LOCK TABLE aludel_version
note: nothing was changed
hint: wait until its transaction ends; or, if nobody needs it: SELECT pg_terminate_backend([PID]);

"#]]
            );
        }
        other.batch_execute("ROLLBACK").expect("a rollback");
        case.succeeds("upgrade head");
        assert_eq!(case.effects(), "001,002");
    }
}

#[test]
fn another_database_than_the_settings_mean() {
    let case = Case::new();
    case.chain(1);
    let url = case.database.url();
    let id = case.ask("SELECT system_identifier FROM pg_control_system()");
    let settings = |text: &str| case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n{text}"));
    settings("expect_database = shop\n");
    assert_data_eq!(
        case.run("upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error: this is the database [DATABASE], and `expect_database` expects shop
 --> migrate.ini:3:19
  |
3 | expect_database = shop
  |                   ^^^^
  |
  = note: on postgresql://postgres@/[DATABASE]?host=[SOCKET]
  = note: nothing was changed
  = hint: correct the URL, or `expect_database`

"#]]
    );
    settings("expect_system_id = 7301234567890123456\n");
    let ran = case.run("upgrade head");
    assert_data_eq!(
        ran.transcript().replace(&id, "[IDENTIFIER]"),
        str![[r#"
exit code: 1
----- stderr
error: this server's system identifier is [IDENTIFIER], and `expect_system_id` expects 7301234567890123456
 --> migrate.ini:3:20
  |
3 | expect_system_id = 7301234567890123456
  |                    ^^^^^^^^^^^^^^^^^^^
  |
  = note: on postgresql://postgres@/[DATABASE]?host=[SOCKET]
  = note: nothing was changed
  = hint: correct the URL, or `expect_system_id`

"#]]
    );
    // What only asks is told as well: its answer would be about another database.
    for command in ["status", "current", "stamp head", "ensure-version", "downgrade base"] {
        assert_eq!(
            case.run(command).transcript().replace(&id, "[IDENTIFIER]"),
            ran.transcript().replace(&id, "[IDENTIFIER]"),
            "{command}"
        );
    }
    // A section lies over the rest.
    let name = &case.database.name;
    settings(&format!("expect_database = {name}\n\n[production]\nexpect_database = shop\n"));
    assert_eq!(case.run("-n production upgrade head").code, 1);
    assert_eq!(case.rows(), "");
    settings(&format!("expect_database = {name}\nexpect_system_id = {id}\n"));
    case.succeeds("upgrade head");
    assert_eq!(case.rows(), "001");
}

#[test]
fn expectations_that_say_nothing() {
    let case = Case::new();
    case.chain(1);
    for text in ["expect_database = {{ env.NOWHERE }}", "expect_system_id = 12a", "expect_system_id ="] {
        case.project.write("migrate.ini", format!("[migrate]\nurl = {}\n{text}\n", case.database.url()));
        let ran = case.run("upgrade head");
        assert_eq!(ran.code, 2, "{text}: {}", ran.transcript());
        assert!(ran.stderr.contains("--> migrate.ini:3:"), "{text}: {}", ran.stderr);
    }
    assert_eq!(case.rows(), "");
}

#[test]
fn transactions_that_may_only_read() {
    let case = Case::new();
    case.chain(2).succeeds("upgrade 001");
    let name = &case.database.name;
    case.ask(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let refused = case.run("upgrade head");
    assert_data_eq!(
        refused.transcript(),
        str![[r#"
exit code: 1
----- stderr
error[25006]: transactions are read-only here: `default_transaction_read_only` is on
note: on postgresql://postgres@/[DATABASE]?host=[SOCKET]
note: nothing was changed
hint: if that is not deliberate: SET default_transaction_read_only = off; ALTER DATABASE [DATABASE] RESET default_transaction_read_only;

"#]]
    );
    case.succeeds("status");
    let mut command = case.command("upgrade head");
    command.env("PGOPTIONS", "-c default_transaction_read_only=on");
    let ran = case.project.run(command);
    assert!(ran.stderr.contains("hint: take `default_transaction_read_only` out of `options`"), "{}", ran.stderr);
    // The hint is right.
    let mut other = case.database.client();
    let hint =
        format!("SET default_transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only;");
    assert!(refused.stderr.contains(&case.project.still(hint.clone())), "{}", refused.stderr);
    for statement in hint.split_inclusive(';') {
        other.batch_execute(statement).expect("it may");
    }
    case.succeeds("upgrade head");
    assert_eq!((case.effects(), case.history()), ("001,002".to_owned(), "001 done, 002 done".to_owned()));
}

#[test]
fn a_printed_script_beside_a_run() {
    let case = Case::new();
    case.chain(1).effect("002", "001", "SELECT pg_sleep(1.5);");
    let script = case.succeeds("upgrade head --sql").stdout;
    let run = case.start("upgrade head");
    case.wait_for_sleep();
    let beside = case.database.try_psql(&["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"], &script);
    assert_eq!(beside.code, 3, "{}", beside.transcript());
    assert!(beside.stderr.contains("ALU03"), "{}", beside.stderr);
    assert_eq!(run.end().code, 0);
    assert_eq!(case.effects(), "001,002");
}
