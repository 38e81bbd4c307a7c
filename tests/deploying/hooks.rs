//! Hooks: what is run around a run, under its lock.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use snapbox::{assert_data_eq, str};

use crate::support::Ran;
use crate::{Case, Started};

/// A project with two revisions and these hooks.
fn case(hooks: &str) -> Case {
    let case = Case::with(hooks);
    case.shop();
    case
}

/// Nothing at all was made in the database.
#[track_caller]
fn untouched(case: &Case) {
    assert_eq!(case.ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");
}

#[test]
fn hooks_run_around_a_run_and_are_told_what_it_is() {
    let case = case(
        "before_upgrade =\n  sh -c 'cat > before.json; echo dumping; echo to stderr >&2'\n  sh -c 'echo second'\n\
         after_upgrade = sh -c 'cat > after.json; aludel_run=$ALUDEL_RUN; echo $ALUDEL_HOOK $ALUDEL_DIRECTION'\n\
         before_downgrade = echo before down\nafter_downgrade = echo after down\n",
    );
    let ran = case.run("upgrade head");
    // What is written on two streams comes in no order.
    let in_order = |text: String| {
        let (one, other) = ("before_upgrade: dumping\n", "before_upgrade: to stderr\n");
        text.replace(&format!("{other}{one}"), &format!("{one}{other}"))
    };
    assert_data_eq!(
        in_order(ran.stderr),
        str![[r#"
before_upgrade: dumping
before_upgrade: to stderr
ran before_upgrade `sh -c 'cat > before.json; echo dumping; echo to stderr >&2'` ([TIME])
before_upgrade: second
ran before_upgrade `sh -c 'echo second'` ([TIME])
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
after_upgrade: after_upgrade upgrade
ran after_upgrade `sh -c 'cat > after.json; aludel_run=$ALUDEL_RUN; echo $ALUDEL_HOOK $ALUDEL_DIRECTION'` ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
    let read = |name: &str| -> serde_json::Value { serde_json::from_str(&case.project.read(name)).expect("JSON") };
    let (mut before, mut after) = (read("before.json"), read("after.json"));
    let run = case.ask("SELECT DISTINCT run FROM aludel_history");
    assert_eq!(before["run"], run);
    assert_eq!(after["run"], run);
    for document in [&mut before, &mut after] {
        document["run"] = "RUN".into();
    }
    assert!(after["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    after["seconds"] = 1.into();
    assert_data_eq!(
        serde_json::to_string_pretty(&before).expect("JSON"),
        str![[r#"
{
  "direction": "upgrade",
  "rows_before": [],
  "rows_after": [
    "002"
  ],
  "steps": [
    {
      "revision": "001",
      "message": "step 001",
      "file": "versions/001.sql",
      "checksum": "2908698ac0769b3b02576a93b650db9de370c99c2c4dc20bd271b04763ae927d",
      "one_transaction": true,
      "delete_rows": [],
      "insert_rows": [
        "001"
      ]
    },
    {
      "revision": "002",
      "message": "step 002",
      "file": "versions/002.sql",
      "checksum": "fc3d80f382c9050b92a124ce86f72181038c529bcd3161db54731b0355687479",
      "one_transaction": true,
      "delete_rows": [
        "001"
      ],
      "insert_rows": [
        "002"
      ]
    }
  ],
  "repeatables": [],
  "hook": "before_upgrade",
  "run": "RUN",
  "outcome": null,
  "seconds": null,
  "error": null
}
"#]]
    );
    assert_eq!(after["outcome"], "done");
    // Its fields, behind those of a plan, are those that docs/json.md lists.
    let page = include_str!("../../docs/json.md");
    let table = page.split("\n## Hooks\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let listed: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let fields: Vec<&String> = before.as_object().expect("an object").keys().skip(5).collect();
    assert_eq!(fields, listed);
    assert_eq!(after["steps"], before["steps"]);
    // Nothing to do: no hooks.
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 002

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade -1"),
        str![[r#"
exit code: 0
----- stderr
before_downgrade: before down
ran before_downgrade `echo before down` ([TIME])
downgraded 002 step 002 ([TIME])
after_downgrade: after down
ran after_downgrade `echo after down` ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    // Both ways, each with its own.
    assert_data_eq!(
        in_order(case.transcript("redo")),
        str![[r#"
exit code: 0
----- stderr
before_downgrade: before down
ran before_downgrade `echo before down` ([TIME])
before_upgrade: dumping
before_upgrade: to stderr
ran before_upgrade `sh -c 'cat > before.json; echo dumping; echo to stderr >&2'` ([TIME])
before_upgrade: second
ran before_upgrade `sh -c 'echo second'` ([TIME])
downgraded 001 step 001 ([TIME])
upgraded 001 step 001 ([TIME])
after_downgrade: after down
ran after_downgrade `echo after down` ([TIME])
after_upgrade: after_upgrade upgrade
ran after_upgrade `sh -c 'cat > after.json; aludel_run=$ALUDEL_RUN; echo $ALUDEL_HOOK $ALUDEL_DIRECTION'` ([TIME])
done 2 revisions in [TIME]; at 001

"#]]
    );
}

#[test]
fn a_backup_is_made_of_the_very_database_before_anything_runs() {
    let case = case(
        "before_upgrade = sh -c 'pg_dump | gzip > backup.gz && psql -X -Atc \"SELECT current_database(), current_user\"'\n",
    );
    case.ask("CREATE TABLE before ()");
    let mut command = case.command("upgrade head");
    // What the environment says of other servers does not reach it.
    command.env("PGHOST", "nowhere.invalid").env("PGSERVICE", "other").env("PGDATABASE", "other").env("PGOPTIONS", "");
    let ran = case.project.run(command).succeeded();
    assert!(ran.stderr.contains("before_upgrade: [DATABASE]|postgres\n"), "{}", ran.stderr);
    let unzip = std::process::Command::new("gunzip").arg("-c").arg(case.project.path().join("backup.gz")).output();
    let dump = String::from_utf8(unzip.expect("gunzip runs").stdout).expect("UTF-8");
    assert!(dump.contains("CREATE TABLE public.before"), "{dump}");
    assert!(!dump.contains("account") && !dump.contains("aludel"), "{dump}");
}

#[test]
fn a_failing_hook_stops_everything() {
    let fails = |hook: &str| {
        let case = case(&format!(
            "before_upgrade =\n  echo first\n  {hook}\n  echo never\non_failure = sh -c 'cat > failed.json'\n"
        ));
        let transcript = case.transcript("upgrade head");
        untouched(&case);
        assert!(case.project.read("failed.json").contains("\"outcome\":\"failed\""));
        transcript
    };
    assert_data_eq!(
        fails("sh -c 'echo no space left >&2; exit 3'"),
        str![[r#"
exit code: 1
----- stderr
before_upgrade: first
ran before_upgrade `echo first` ([TIME])
before_upgrade: no space left
ran on_failure `sh -c 'cat > failed.json'` ([TIME])
error: before_upgrade failed: exit status: 3
 --> migrate.ini:5:3
  |
5 |   sh -c 'echo no space left >&2; exit 3'
  |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: no revision was run

"#]]
    );
    assert_data_eq!(
        fails("sh -c 'kill -9 $$'"),
        str![[r#"
exit code: 1
----- stderr
before_upgrade: first
ran before_upgrade `echo first` ([TIME])
ran on_failure `sh -c 'cat > failed.json'` ([TIME])
error: before_upgrade failed: signal: 9 (SIGKILL)
 --> migrate.ini:5:3
  |
5 |   sh -c 'kill -9 $$'
  |   ^^^^^^^^^^^^^^^^^^
  |
  = note: no revision was run

"#]]
    );
}

/// Behind the run it would be too late: the next run has nothing to do, and runs no hooks.
#[test]
fn a_program_that_is_not_there_is_found_before_anything_is_run() {
    let case = case(
        "before_upgrade = sh -c 'touch ran'\nafter_upgrade =\n  no_such_program --now\n  db/users.sql\non_failure = ./none\n",
    );
    case.project.write("db/users.sql", "SELECT 1;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: after_upgrade cannot run: there is no program `no_such_program`
 --> migrate.ini:5:3
  |
5 |   no_such_program --now
  |   ^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: install it, or correct the line; no shell reads it

error: after_upgrade cannot run: `db/users.sql` may not be executed
 --> migrate.ini:6:3
  |
6 |   db/users.sql
  |   ^^^^^^^^^^^^
  |
  = hint: chmod +x db/users.sql
  = hint: an SQL file is run by `after_upgrade = sql: db/users.sql`

error: on_failure cannot run: there is no program `./none`
 --> migrate.ini:7:14
  |
7 | on_failure = ./none
  |              ^^^^^^
  |
  = note: it was looked for in [CWD]
  = hint: install it, or correct the line; no shell reads it
  = hint: beside the ini: `{{ here }}/none`

"#]]
    );
    untouched(&case);
    assert!(!case.project.path().join("ran").exists());
    assert!(case.transcript("ping").contains("there is no program `no_such_program`"));
}

#[test]
fn quiet_shows_what_a_hook_said_only_where_it_failed() {
    let case = case("before_upgrade = sh -c 'seq 1 12'\nafter_upgrade = sh -c 'seq 1 12; exit 1'\n");
    assert_data_eq!(
        case.transcript("-q upgrade head"),
        str![[r#"
exit code: 6
----- stderr
error: after_upgrade failed: exit status: 1
 --> migrate.ini:4:17
  |
4 | after_upgrade = sh -c 'seq 1 12; exit 1'
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: it said: 3
            4
            5
            6
            7
            8
            9
            10
            11
            12
  = note: the upgrade itself is done: the database is at 002
  = hint: run what is left by hand: the next run finds nothing to do, and runs no hooks

"#]]
    );
}

#[test]
fn a_shells_words_without_a_shell() {
    let case = case("before_upgrade = pg_dump|gzip > x\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 2
----- stderr
error: `before_upgrade` asks for a shell, and none reads it
 --> migrate.ini:3:18
  |
3 | before_upgrade = pg_dump|gzip > x
  |                  ^^^^^^^^^^^^^^^^
  |
  = hint: to have one: bash -o pipefail -c '...'; for a variable alone: {{ env.NAME }}

"#]]
    );
    untouched(&case);
}

#[test]
fn a_hook_behind_the_run_that_fails_leaves_it_done() {
    let case = case("after_upgrade =\n  false\n  echo never\non_failure = sh -c 'cat > failed.json; exit 7'\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 6
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
warning: on_failure failed: exit status: 7 (migrate.ini:6 [migrate])
error: after_upgrade failed: exit status: 1
 --> migrate.ini:4:3
  |
4 |   false
  |   ^^^^^
  |
  = note: the upgrade itself is done: the database is at 002
  = hint: run what is left by hand: the next run finds nothing to do, and runs no hooks

"#]]
    );
    assert_eq!(case.rows(), "002");
    let failed = case.project.read("failed.json");
    assert!(
        failed.contains("\"hook\":\"on_failure\"") && failed.contains("\"error\":\"after_upgrade failed: "),
        "{failed}"
    );
}

#[test]
fn a_run_that_fails_is_told_to_on_failure_alone() {
    let case = case("after_upgrade = echo never\non_failure = sh -c 'cat > failed.json'\n");
    case.revision("003", "002", "SELECT 1 / 0;", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran on_failure `sh -c 'cat > failed.json'` ([TIME])
error[22012]: division by zero
 --> versions/003.sql:6:1
  |
6 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of revision 003 was kept
  = note: applied before it, and kept: 001, 002

"#]]
    );
    let failed = case.project.read("failed.json");
    assert!(failed.contains("\"outcome\":\"failed\"") && failed.contains("\"error\":\"division by zero\""), "{failed}");
}

#[test]
fn much_output_a_stdin_that_nobody_reads_and_what_a_hook_leaves_behind() {
    // More than a pipe holds, on both sides; a line longer than is told at once; a program that stays and holds the pipe.
    let case = case(
        "before_upgrade =\n  sh -c 'yes 0123456789012345678901234567890123456789 | head -n 50000; head -c 30000 /dev/zero | tr \"\\\\0\" x'\n\
         after_upgrade = sh -c 'sleep 600 & echo left'\n",
    );
    for number in 3..300 {
        case.revision(&format!("{number:03}"), &format!("{:03}", number - 1), &format!("SELECT {number};"), "");
    }
    let ran = case.succeeds("upgrade head");
    assert_eq!(ran.stderr.matches("before_upgrade: 0123456789").count(), 50_000);
    let long = ran.stderr.lines().filter_map(|line| line.strip_prefix("before_upgrade: x"));
    assert_eq!(long.map(|line| line.len() + 1).sum::<usize>(), 30_000);
}

#[test]
fn the_session_outlives_a_long_hook_and_keeps_the_lock() {
    let case = case("idle_in_transaction_session_timeout = 1s\nbefore_upgrade = sh -c 'touch begun; sleep 4'\n");
    let running = Started::new(&case, "upgrade head");
    running.until("begun");
    let other = case.run("upgrade head --lock-wait 500ms");
    assert!(other.stderr.contains("another run holds the lock"), "{}", other.transcript());
    running.end().succeeded();
    assert_eq!(case.rows(), "002");
}

#[test]
fn a_connection_that_is_lost_during_a_hook_is_found_before_anything_runs() {
    let case = case(
        "before_upgrade = psql -X -qAtc \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()\" -o /dev/null\n",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
ran before_upgrade `psql -X -qAtc "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()" -o /dev/null` ([TIME])
error: the server ended the session: terminating connection due to administrator command
note: on postgresql://postgres@/[DATABASE]?host=[SOCKET]
note: no revision was run

"#]]
    );
    untouched(&case);
}

/// Waits until the process is gone whose number a hook has written into this file.
#[track_caller]
fn goes(case: &Case, file: &str) {
    let number = case.project.read(file);
    let began = Instant::now();
    loop {
        // One that has ended and that nobody has waited for is there still.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", number.trim())).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{stat}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_ends_the_hook_and_all_it_has_started() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let case = case(
            "before_upgrade = sh -c 'trap \"touch heard; exit\" HUP INT TERM; sleep 600 & echo $! > child; touch begun; wait'\n\
             on_failure = sh -c 'cat > failed.json'\n",
        );
        let running = Started::new(&case, "upgrade head");
        running.until("begun");
        running.signal(signal);
        let ran = running.end();
        assert_eq!(ran.code, code, "{}", ran.transcript());
        assert!(case.project.path().join("heard").exists(), "it was asked, not killed");
        if code == 143 {
            assert_data_eq!(
                ran.transcript(),
                str![[r#"
exit code: 143
----- stderr
warning: SIGTERM: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
ran on_failure `sh -c 'cat > failed.json'` ([TIME])
error: stopped by SIGTERM while before_upgrade ran
 --> migrate.ini:3:18
  |
3 | before_upgrade = sh -c 'trap "touch heard; exit" HUP INT TERM; sleep 600 & echo $! > child; touch begun; wait'
  |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: no revision was run

"#]]
            );
        }
        assert!(case.project.read("failed.json").contains("\"outcome\":\"interrupted\""));
        goes(&case, "child");
        untouched(&case);
    }
}

#[test]
fn a_second_signal_leaves_and_takes_the_hook_along() {
    let stays = "sh -c 'trap \"\" HUP INT TERM; echo $$ > hook; touch begun; while :; do sleep 1; done'";
    for hooks in [
        format!("before_upgrade = {stays}\n"),
        format!("before_upgrade = sh -c 'touch first; sleep 600'\non_failure = {stays}\n"),
    ] {
        let case = case(&hooks);
        let mut running = Started::new(&case, "upgrade head");
        if hooks.contains("on_failure") {
            running.until("first");
            running.signal(Signal::INT);
        }
        running.until("begun");
        if !hooks.contains("on_failure") {
            running.signal(Signal::INT);
            running.until_said("SIGINT");
        }
        running.signal(Signal::INT);
        let ran = running.end();
        assert_eq!(ran.code, 130, "{}", ran.transcript());
        assert!(!ran.stderr.contains("error"), "at once: {}", ran.stderr);
        goes(&case, "hook");
        untouched(&case);
    }
}

#[test]
fn a_signal_ends_the_program_behind_a_failure() {
    let case = case("before_upgrade = false\non_failure = sh -c 'echo $$ > hook; touch begun; sleep 600'\n");
    let running = Started::new(&case, "upgrade head");
    running.until("begun");
    running.signal(Signal::TERM);
    assert_data_eq!(
        running.end().transcript(),
        str![[r#"
exit code: 1
----- stderr
warning: SIGTERM: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
warning: stopped by SIGTERM while on_failure ran (migrate.ini:4 [migrate])
error: before_upgrade failed: exit status: 1
 --> migrate.ini:3:18
  |
3 | before_upgrade = false
  |                  ^^^^^
  |
  = note: no revision was run

"#]]
    );
    goes(&case, "hook");
}

#[test]
fn a_hook_has_no_terminal() {
    // What the system does with a program that reads from the terminal of another.
    let case = case("before_upgrade = sh -c 'kill -TTIN $$; touch went_on'\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: before_upgrade asked at a terminal, and was ended
 --> migrate.ini:3:18
  |
3 | before_upgrade = sh -c 'kill -TTIN $$; touch went_on'
  |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: a hook has none: the terminal is the run's
  = note: no revision was run
  = hint: have it go on without: by an option (`--no-password`, `--yes`), or by what it reads from a file

"#]]
    );
    untouched(&case);
    assert!(!case.project.path().join("went_on").exists());
}

#[test]
fn the_last_lines_of_a_hook_are_told_to_whoever_reads_slowly() {
    let case = case("before_upgrade = sh -c 'seq 1 9000; touch written'\n");
    let running = Started::new(&case, "upgrade head");
    running.until("written");
    // Longer than the output of one that has ended is waited for.
    std::thread::sleep(Duration::from_secs(2));
    let ran = running.end().succeeded();
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("before_upgrade: ")).count(), 9000);
}

#[test]
fn what_moves_a_cursor_is_not_passed_on() {
    let case = case("before_upgrade = printf '10%%\\r20%%\\r\\a\\033[31mred\\033[0m\\033[2K\\tend\\r\\n'\n");
    let ran = case.succeeds("upgrade head");
    assert!(ran.stderr.starts_with("before_upgrade: 10%\\r20%\\rred\tend\n"), "{}", ran.stderr);
}

#[test]
fn a_program_that_changes_where_the_database_stands_or_ends_the_session_is_told_of() {
    let case = case("after_upgrade = psql -X -qc \"UPDATE aludel_version SET version_num = '001'\"\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 6
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran after_upgrade `psql -X -qc "UPDATE aludel_version SET version_num = '001'"` ([TIME])
error: the database was at 002, and is at 001 behind after_upgrade
 --> migrate.ini:3:17
  |
3 | after_upgrade = psql -X -qc "UPDATE aludel_version SET version_num = '001'"
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: the program has changed public.aludel_version
  = note: the upgrade itself is done: the database is at 001
  = hint: take that out of it; `aludel stamp` sets rows

"#]]
    );
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let case = self::case(&format!("after_upgrade = psql -X -qAtc \"{end}\" -o /dev/null\n"));
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 6
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran after_upgrade `psql -X -qAtc "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()" -o /dev/null` ([TIME])
error: the server ended the session: terminating connection due to administrator command
note: on postgresql://postgres@/[DATABASE]?host=[SOCKET]
note: the upgrade itself is done: the database is at 002
hint: run what is left by hand: the next run finds nothing to do, and runs no hooks

"#]]
    );
}

#[test]
fn a_hook_that_waits_for_its_own_run_is_refused() {
    let case = case(&format!("before_upgrade = {} upgrade head\n", env!("CARGO_BIN_EXE_aludel")));
    let ran = case.run("upgrade head");
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    let said: Vec<&str> =
        ran.stderr.lines().take(4).map(|line| line.split(" process").next().unwrap_or(line)).collect();
    assert_eq!(
        said,
        [
            "before_upgrade: error: this is started by a hook of the run that holds the lock: each would wait for the other",
            "before_upgrade: note: held by server",
            "before_upgrade: note: nothing was changed",
            "before_upgrade: hint: take it out of the hook, and run it behind that run",
        ]
    );
    untouched(&case);
    // On another database it is as good as any.
    let other = crate::support::Database::create();
    case.settings(&format!(
        "before_upgrade = {} upgrade head --url {} --config other.ini\n",
        env!("CARGO_BIN_EXE_aludel"),
        other.url()
    ));
    case.project.write("other.ini", "[migrate]\n");
    let _ = case.succeeds("upgrade head");
    assert_eq!(other.psql("SELECT version_num FROM aludel_version"), "002\n");
}

#[test]
fn sql_that_a_hook_before_it_rewrites_is_refused() {
    let case = case("before_upgrade =\n  sh -c 'echo \"CREATE TABLE other ();\" > a.sql'\n  sql: a.sql\n");
    case.project.write("a.sql", "CREATE TABLE checked ();\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
ran before_upgrade `sh -c 'echo "CREATE TABLE other ();" > a.sql'` ([TIME])
error: the file changed while it was being run: before_upgrade (a.sql)
 --> migrate.ini:5:3
  |
5 |   sql: a.sql
  |   ^^^^^^^^^^
  |
  = note: no revision was run
  = hint: run the same command again

"#]]
    );
    assert_eq!(case.ask("SELECT to_regclass('other') IS NULL AND to_regclass('checked') IS NULL"), "t");
}

#[test]
fn a_hook_that_takes_too_long_is_ended() {
    let case = case("hook_timeout = 500ms\nbefore_upgrade = sleep 600\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: before_upgrade took longer than `hook_timeout` allows ([TIME]), and was ended
 --> migrate.ini:4:18
  |
4 | before_upgrade = sleep 600
  |                  ^^^^^^^^^
  |
  = note: no revision was run

"#]]
    );
    untouched(&case);
}

#[test]
fn a_password_that_a_hook_writes_is_not_shown() {
    let case = case("before_upgrade =\n  sh -c 'echo $PGPASSWORD $DATABASE_URL'\n  false --password=hunter22x\n");
    let mut command = case.command("upgrade head");
    command.env("DATABASE_URL", case.database.url() + "&password=se%2Fcret%21");
    let ran = case.project.run(command);
    let all = ran.transcript();
    for secret in ["se/cret!", "se%2Fcret%21", "hunter22x"] {
        assert!(!all.contains(secret), "{all}");
    }
    assert!(
        all.contains("before_upgrade: *** postgresql:///[DATABASE]?host=[SOCKET]&user=postgres&password=***\n"),
        "{all}"
    );
    assert!(all.contains("before_upgrade failed: exit status: 1") && all.contains("false --password=***"), "{all}");
}

#[test]
fn sql_is_run_in_the_session_of_the_run() {
    let case = case(
        "before_upgrade =\n  sql: db/before.sql\nafter_upgrade =\n  sql: db/after.sql\nafter_downgrade = sql: db/after.sql\n",
    );
    case.project
        .write(
            "db/before.sql",
            "SET search_path = pg_catalog;\nCREATE TABLE public.noted (at timestamptz DEFAULT now());\n",
        )
        .write("db/after.sql", "INSERT INTO noted DEFAULT VALUES;\nSELECT count(*) FROM account");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
ran before_upgrade `sql: db/before.sql` ([TIME])
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran after_upgrade `sql: db/after.sql` ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ask("SELECT count(*) FROM noted"), "1");
    // It is no revision: the history has none of it.
    assert_eq!(case.ask("SELECT string_agg(revision, ',' ORDER BY id) FROM aludel_history"), "001,002");
    // One transaction: what ran before the error is not kept.
    case.project.write("db/after.sql", "INSERT INTO noted DEFAULT VALUES;\nSELECT count(*)\nFROM accont;");
    assert_data_eq!(
        case.transcript("downgrade -1"),
        str![[r#"
exit code: 6
----- stderr
downgraded 002 step 002 ([TIME])
error[42P01]: relation "accont" does not exist
 --> db/after.sql:3:6
  |
3 | FROM accont;
  |      ^^^^^^
  |
  = note: nothing of after_downgrade (db/after.sql) was kept
  = note: in after_downgrade, which migrate.ini:7 asks for
  = note: the downgrade itself is done: the database is at 001
  = hint: run what is left by hand: the next run finds nothing to do, and runs no hooks

"#]]
    );
    assert_eq!(case.ask("SELECT count(*) FROM noted"), "1");
    assert_eq!(case.rows(), "001");
}

#[test]
fn sql_that_is_wrong_is_refused_before_anything_runs() {
    let case = case(
        "before_upgrade =\n  touch ran\n  sql: a.sql\n  sql: missing.sql\nafter_upgrade =\n  sql: b.sql\n  sql: c.sql\n",
    );
    case.project
        .write("a.sql", "CREATE TABLE a ();\nVACUUM;\n")
        .write("b.sql", "SELECT 1;\nCOMMIT;\n")
        .write("c.sql", "-- migrate:downgrade\nSELECT 'never closed;\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: VACUUM in the SQL of a hook, which runs in a transaction
 --> a.sql:2:1
  |
2 | VACUUM;
  | ^^^^^^^
  |
  = note: nothing was run
  = hint: leave it out, or run it by a command: `psql -c "..."`; libpq's variables say where

error: before_upgrade cannot read `missing.sql`
 --> migrate.ini:6:3
  |
6 |   sql: missing.sql
  |   ^^^^^^^^^^^^^^^^
  |
  = note: caused by: No such file or directory (os error 2)
  = hint: the path is relative to the ini

error: COMMIT in the SQL of a hook, which runs in a transaction
 --> b.sql:2:1
  |
2 | COMMIT;
  | ^^^^^^^
  |
  = hint: leave it out, or run it by a command: `psql -c "..."`; libpq's variables say where

error: the SQL of a hook has no sections
 --> c.sql:1:1
  |
1 | -- migrate:downgrade
  | ^^^^^^^^^^^^^^^^^^^^
  |
  = hint: take the lines `-- migrate:...` out: it is one transaction

"#]]
    );
    assert_eq!(case.project.list("").iter().filter(|name| *name == "ran").count(), 0);
    untouched(&case);
}

/// Nobody checks what comes behind a failure but the run itself: rows that are gone would have everything run again.
#[test]
fn on_failure_that_changes_the_rows_is_told_of() {
    for hook in ["sql: rows.sql", "psql -X -q -f rows.sql"] {
        let case = case(&format!("before_downgrade = false\non_failure = {hook}\n"));
        case.project.write("rows.sql", "DELETE FROM aludel_version;");
        case.succeeds("upgrade head");
        let ran = case.run("downgrade -1");
        let said = "warning: on_failure has changed public.aludel_version: the database was at 002, and is at base\n";
        assert!(ran.code == 1 && ran.stderr.contains(said), "{}", ran.transcript());
    }
}

#[test]
fn sql_before_the_run_that_fails_stops_it() {
    let case = case("before_upgrade = sql: a.sql\non_failure = sql: failed.sql\n");
    case.project
        .write("a.sql", "SELECT 1;\nSELECT 1 / 0;\n")
        .write("failed.sql", "CREATE TABLE IF NOT EXISTS failures (); INSERT INTO failures DEFAULT VALUES;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
ran on_failure `sql: failed.sql` ([TIME])
error[22012]: division by zero
 --> a.sql:2:1
  |
2 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of before_upgrade (a.sql) was kept
  = note: in before_upgrade, which migrate.ini:3 asks for
  = note: no revision was run

"#]]
    );
    assert_eq!(case.rows(), "");
    assert_eq!(case.ask("SELECT count(*) FROM failures"), "1");
}

#[test]
fn sql_behind_a_failure_runs_in_a_database_that_has_no_tables_yet() {
    let case = case("before_upgrade = false\non_failure = sql: failed.sql\n");
    case.project.write("failed.sql", "CREATE TABLE failures ();");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
ran on_failure `sql: failed.sql` ([TIME])
error: before_upgrade failed: exit status: 1
 --> migrate.ini:3:18
  |
3 | before_upgrade = false
  |                  ^^^^^
  |
  = note: no revision was run

"#]]
    );
    assert_eq!(
        case.ask("SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "failures"
    );
}

#[test]
fn a_hook_that_changes_where_the_database_stands_is_refused() {
    let case = case("after_upgrade = sql: after.sql\n");
    case.project.write("after.sql", "CREATE TABLE gone ();\nUPDATE aludel_version SET version_num = '001';\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 6
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
error: hook of after_upgrade is to leave the database at 002; it is at 001
 --> migrate.ini:3:17
  |
3 | after_upgrade = sql: after.sql
  |                 ^^^^^^^^^^^^^^
  |
  = note: the script of after_upgrade, or a trigger on that table, changes the tool's own rows
  = note: nothing of after_upgrade (after.sql) was kept
  = note: the upgrade itself is done: the database is at 002
  = hint: take that statement or that trigger out; `aludel stamp` sets rows
  = hint: run what is left by hand: the next run finds nothing to do, and runs no hooks

"#]]
    );
    assert_eq!((case.rows(), case.ask("SELECT to_regclass('gone') IS NULL")), ("002".to_owned(), "t".to_owned()));
}

#[test]
fn a_script_holds_the_sql_of_hooks_and_names_the_programs() {
    let case = case("before_upgrade =\n  pg_dump -f backup.sql\n  sql: before.sql\nafter_upgrade = sql: after.sql\n");
    case.project
        .write("before.sql", "SET search_path = pg_catalog;\nCREATE TABLE public.noted (n int)")
        .write("after.sql", "INSERT INTO noted VALUES (1); -- behind\n");
    let script = case.succeeds("upgrade head --sql").stdout;
    assert!(script.contains("which no script can: before_upgrade `pg_dump -f backup.sql`\n"), "{script}");
    case.database.psql(&script);
    assert_eq!(case.rows(), "002");
    assert_eq!(case.ask("SELECT n FROM noted"), "1");
    // Run again, it stops at its first check: nothing of a hook is repeated.
    let again = case.database.try_psql(&["-v", "ON_ERROR_STOP=1"], &script);
    assert!(again.stderr.contains("expects the database at base; it is at 002"), "{}", again.stderr);
    assert_eq!(case.ask("SELECT count(*) FROM noted"), "1");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 002

"#]]
    );
}

#[test]
fn hooks_work_as_the_environment_says() {
    let case = case(
        "before_upgrade = echo everywhere\n\n[production]\nbefore_upgrade = sh -c 'echo $ALUDEL_ENV; basename $ALUDEL_CONFIG'\n",
    );
    let said = |ran: Ran| -> String {
        let lines = ran.stderr.lines().filter_map(|line| line.strip_prefix("before_upgrade: ").map(str::to_owned));
        lines.collect::<Vec<_>>().join(",")
    };
    assert_eq!(said(case.succeeds("upgrade +1")), "everywhere");
    assert_eq!(said(case.succeeds("-n production upgrade +1")), "production,migrate.ini");
}

#[test]
fn hooks_with_a_private_server() {
    let case = case(
        "before_upgrade = psql -X -Atc 'SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE $$aludel %$$'\n",
    );
    let ran = case.run("--url local upgrade head");
    let _ = case.run("local destroy -y");
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert!(ran.stderr.contains("before_upgrade: 2\n"), "{}", ran.stderr);
}

#[test]
fn a_signal_cancels_the_sql_of_a_hook() {
    let case = case("before_upgrade =\n  touch begun\n  sql: long.sql\non_failure = sh -c 'cat > failed.json'\n");
    case.project.write("long.sql", "CREATE TABLE gone ();\nSELECT pg_sleep(600);\n");
    let running = Started::new(&case, "upgrade head");
    running.until("begun");
    while case
        .ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
        != "1"
    {}
    running.signal(Signal::INT);
    assert_data_eq!(
        running.end().transcript(),
        str![[r#"
exit code: 130
----- stderr
ran before_upgrade `touch begun` ([TIME])
warning: SIGINT: cancelling what runs; a second signal leaves at once, and the server then finishes or rolls back by itself
ran on_failure `sh -c 'cat > failed.json'` ([TIME])
error: stopped by SIGINT
 --> migrate.ini:5:3
  |
5 |   sql: long.sql
  |   ^^^^^^^^^^^^^
  |
  = note: nothing of before_upgrade (long.sql) was kept
  = note: no revision was run

"#]]
    );
    assert!(case.project.read("failed.json").contains("\"outcome\":\"interrupted\""));
    assert_eq!(case.ask("SELECT to_regclass('gone') IS NULL AND to_regclass('account') IS NULL"), "t");
}
