//! Repeatable files: when they run, in which order, what is recorded, what is said.

use snapbox::{assert_data_eq, str};

use crate::Case;

/// Two revisions, and a repeatable view on what the second makes.
fn views() -> Case {
    with_views("")
}

fn with_views(settings: &str) -> Case {
    let case = Case::with(settings);
    case.revision("001", "", "CREATE TABLE t (id int);\nCREATE TABLE ran (what text);", "DROP TABLE t, ran CASCADE;");
    case.revision(
        "002",
        "001",
        "ALTER TABLE t ADD COLUMN seen boolean;",
        "DROP VIEW IF EXISTS active_users, seen;\nALTER TABLE t DROP COLUMN seen;",
    );
    case.repeatable("active_users", "depends_on: seen", "CREATE OR REPLACE VIEW active_users AS SELECT id FROM seen;");
    case.repeatable("seen", "message: who was seen", "CREATE OR REPLACE VIEW seen AS SELECT id FROM t WHERE seen;");
    case
}

impl Case {
    /// Adds a repeatable file, which notes that it ran.
    fn repeatable(&self, id: &str, header: &str, body: &str) -> &Self {
        let header = if header.is_empty() { String::new() } else { format!("-- {header}\n") };
        let text = format!("-- repeatable: {id}\n{header}\n{body}\nINSERT INTO ran VALUES ('{id}');\n");
        self.project.write(&format!("versions/repeatable/{id}.sql"), text);
        self
    }

    /// An upgrade that is killed where it waits for the advisory lock (7, 7).
    #[track_caller]
    fn killed_at_the_lock(&self) {
        let mut holder = self.database.client();
        holder.batch_execute("SELECT pg_advisory_lock(7, 7)").expect("the lock");
        let mut command = self.command("upgrade head");
        let mut child = command.stderr(std::process::Stdio::null()).spawn().expect("the binary runs");
        let waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while holder.query(waits, &[]).expect("the locks").is_empty() {
            assert!(std::time::Instant::now() < until, "it does not come to its last repeatable");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().expect("a child");
        child.wait().expect("a child");
        holder
            .batch_execute(&format!("SELECT pg_terminate_backend(pid) FROM ({waits}) waiting"))
            .expect("its session ends");
        drop(holder);
    }

    /// Changes a repeatable file.
    fn edit(&self, id: &str) {
        let path = format!("versions/repeatable/{id}.sql");
        self.project.write(&path, format!("{}-- edited\n", self.project.read(&path)));
    }

    /// What ran since it was last asked.
    #[track_caller]
    fn ran(&self) -> String {
        let rows = "WITH gone AS (DELETE FROM ran RETURNING ctid, what)
            SELECT string_agg(what, ' ' ORDER BY ctid) FROM gone";
        self.ask(rows).trim_end().to_owned()
    }
}

#[test]
fn they_run_behind_the_graph_and_again_when_they_change() {
    let case = views();
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   nothing: there is no version table yet
applied   0 of 2
heads     002 (head)
pending   2
          001, step 001
          002 (head), step 002
repeat    2 of 2 to run
          seen, who was seen (waits for 002)
          active_users (waits for 002)
----- stderr
hint: aludel upgrade head

"#]]
    );
    assert_data_eq!(
        case.transcript("plan upgrade head"),
        str![[r#"
exit code: 0
----- stdout
upgrade <base> -> 001, step 001
upgrade 001 -> 002, step 002
repeat seen, who was seen
repeat active_users
----- stderr
2 revisions, 2 repeatables, from base to 002

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran seen who was seen ([TIME])
ran active_users ([TIME])
done 2 revisions, 2 repeatables in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "seen active_users");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 002

"#]]
    );
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   002
applied   2 of 2
heads     002 (head) (current)
pending   0
repeat    0 of 2 to run

"#]]
    );
    case.edit("active_users");
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   002
applied   2 of 2
heads     002 (head) (current)
pending   0
repeat    1 of 2 to run
          active_users (changed)
----- stderr
hint: aludel upgrade head

"#]]
    );
    assert_data_eq!(
        case.transcript("plan upgrade head -v"),
        str![[r#"
exit code: 0
----- stdout
repeat active_users
    creates view active_users
    runs 1 other statement
----- stderr
1 repeatable, from 002 to 002

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
ran active_users ([TIME])
done 1 repeatable in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "active_users");
    // What another depends on: both.
    case.edit("seen");
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   002
applied   2 of 2
heads     002 (head) (current)
pending   0
repeat    2 of 2 to run
          seen, who was seen (changed)
          active_users (seen runs)
----- stderr
hint: aludel upgrade head

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
ran seen who was seen ([TIME])
ran active_users ([TIME])
done 2 repeatables in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "seen active_users");
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-
upgrade|002|done|-|-
repeat|seen|done|-|-
repeat|active_users|done|-|-
repeat|active_users|done|-|-
repeat|seen|done|-|-
repeat|active_users|done|-|-

"#]]
    );
    // Line ends are no change.
    let path = "versions/repeatable/seen.sql";
    case.project.write(path, case.project.read(path).replace('\n', "\r\n"));
    let _ = case.succeeds("upgrade head");
    assert_eq!(case.ran(), "");
}

#[test]
fn they_wait_for_the_newest_revision() {
    let case = views();
    case.repeatable("early", "depends_on: 001", "CREATE OR REPLACE VIEW early AS SELECT id FROM t;");
    assert_data_eq!(
        case.transcript("upgrade +1"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 step 001 ([TIME])
ran early ([TIME])
done 1 revision, 1 repeatable in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ran(), "early");
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   001
applied   1 of 2
heads     002 (head)
pending   1
          002 (head), step 002
repeat    2 of 3 to run
          seen, who was seen (waits for 002)
          active_users (waits for 002)
----- stderr
hint: aludel upgrade head

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade +1"),
        str![[r#"
exit code: 0
----- stderr
upgraded 002 step 002 ([TIME])
ran seen who was seen ([TIME])
ran active_users ([TIME])
done 1 revision, 2 repeatables in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "seen active_users");
}

#[test]
fn they_run_again_behind_a_downgrade() {
    let case = views();
    let _ = case.succeeds("upgrade head");
    assert_eq!(case.ran(), "seen active_users");
    assert_data_eq!(
        case.transcript("downgrade -1"),
        str![[r#"
exit code: 0
----- stderr
downgraded 002 step 002 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ran(), "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 002 step 002 ([TIME])
ran seen who was seen ([TIME])
ran active_users ([TIME])
done 1 revision, 2 repeatables in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "seen active_users");
    assert_data_eq!(
        case.transcript("redo"),
        str![[r#"
exit code: 0
----- stderr
downgraded 002 step 002 ([TIME])
upgraded 002 step 002 ([TIME])
ran seen who was seen ([TIME])
ran active_users ([TIME])
done 2 revisions, 2 repeatables in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "seen active_users");
    let _ = case.succeeds("upgrade head");
    assert_eq!(case.ran(), "");
}

#[test]
fn one_that_fails() {
    let case = views();
    case.repeatable("broken", "", "CREATE OR REPLACE VIEW broken AS\nSELECT idd FROM t;");
    case.repeatable("z", "depends_on: broken", "SELECT 1;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
error[42703]: column "idd" does not exist
 --> versions/repeatable/broken.sql:4:8
  |
4 | SELECT idd FROM t;
  |        ^^^
  |
  = note: nothing of the repeatable broken was kept
  = note: applied before it, and kept: 001, 002
  = hint: Perhaps you meant to reference the column "t.id".

"#]]
    );
    // In load order, what does not depend on it may have run before it, and nothing behind it.
    assert_eq!(case.ran(), "");
    assert_eq!(case.rows(), "002");
    case.repeatable(
        "broken",
        "",
        "-- migrate:upgrade\nSELECT 1;\n-- migrate:verify\nSELECT false;\n-- migrate:upgrade",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[P0004]: verification failed: the query returned false
 --> versions/repeatable/broken.sql:6:1
  |
6 | SELECT false;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of the repeatable broken was kept

"#]]
    );
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-
upgrade|002|done|-|-
repeat|broken|failed|42703|column "idd" does not exist
repeat|broken|failed|P0004|verification failed: the query returned false

"#]]
    );
    case.repeatable("broken", "", "SELECT 1;");
    let _ = case.succeeds("upgrade head");
    assert_eq!(case.ran(), "broken seen active_users z");
}

#[test]
fn one_that_changes_the_version_table() {
    let case = views();
    case.repeatable("zz", "", "DELETE FROM aludel_version;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran seen who was seen ([TIME])
ran active_users ([TIME])
error: repeat of zz is to leave the database at 002; it is at base
note: the script of zz, or a trigger on that table, changes the tool's own rows
note: nothing of the repeatable zz was kept
note: applied before it, and kept: 001, 002
note: run before it, and kept: seen, active_users
hint: take that statement or that trigger out; `aludel stamp` sets rows

"#]]
    );
    assert_eq!(case.rows(), "002");
    let script = case.succeeds("upgrade 002:head --sql").stdout;
    let ran = case.database.try_psql(&[], &script);
    let said = "ERROR:  repeat of zz is to leave the database at 002; it is at base\n";
    assert!(ran.code == 3 && ran.stderr.contains(said), "{}", ran.transcript());
    assert_eq!(case.rows(), "002");
}

#[test]
fn one_that_resets_all_settings() {
    let case = views();
    case.succeeds("upgrade head");
    case.repeatable("f", "", "RESET ALL;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[ALU05]: f (versions/repeatable/f.sql): the script of f reset all settings
note: nothing of the repeatable f was kept
hint: leave out RESET ALL: settings are put back behind each revision anyway

"#]]
    );
}

#[test]
fn one_is_due_behind_a_failure_though_its_file_is_as_it_was() {
    let case = views();
    case.succeeds("upgrade head");
    let path = "versions/repeatable/active_users.sql";
    let good = case.project.read(path);
    case.project.write(path, "-- repeatable: active_users\n\nSELECT 1/0;\n");
    assert_eq!(case.run("upgrade head").code, 1);
    case.ask("DROP VIEW active_users");
    case.project.write(path, good);
    let status = case.succeeds("status").stdout;
    assert!(status.contains("          active_users (it failed)\n"), "{status}");
    case.succeeds("upgrade head");
    assert_eq!(case.ran(), "seen active_users active_users");
    let status = case.succeeds("status").stdout;
    assert!(status.contains("repeat    0 of 2 to run\n"), "{status}");
}

#[test]
fn nothing_runs_behind_one_that_fails() {
    // They leave the rows of the version table as they are, so each waits for the one before it.
    // A transaction that fails at its COMMIT is over: nothing else would keep the next one from its own.
    let at_commit = "CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
INSERT INTO c VALUES (1);";
    for wrong in ["SELECT 1/0;", at_commit] {
        let case = views();
        for index in 0..20 {
            case.repeatable(&format!("a{index:02}"), "", if index == 9 { wrong } else { "" });
        }
        let ran = case.run("upgrade head");
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        assert_eq!(case.ran(), (0..9).map(|index| format!("a{index:02}")).collect::<Vec<_>>().join(" "));
        case.repeatable("a09", "", "");
        let _ = case.succeeds("upgrade head");
        assert_eq!(case.ran().split(' ').count(), 13);
    }
}

#[test]
fn in_one_transaction_for_the_run() {
    let case = with_views("transaction = run\n");
    case.repeatable("broken", "", "SELECT 1/0;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[22012]: division by zero
 --> versions/repeatable/broken.sql:3:1
  |
3 | SELECT 1/0;
  | ^^^^^^^^^^^
  |
  = note: nothing of the repeatable broken was kept
  = note: `transaction = run`: 001, 002 went back with it

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
    case.repeatable("broken", "", "SELECT 1;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
ran broken ([TIME])
ran seen who was seen ([TIME])
ran active_users ([TIME])
done 2 revisions, 3 repeatables in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "broken seen active_users");
}

#[test]
fn settings_templates_and_what_one_leaves_behind() {
    let case = views();
    case.project.write(
        "versions/repeatable/b.sql",
        "-- repeatable: b\n-- template: true\n-- statement_timeout: 7s\n-- lock_timeout: 3s\n\n\
         INSERT INTO ran SELECT concat_ws(' ', {{ name | literal }}, current_setting('statement_timeout'), current_setting('lock_timeout'));\n\
         SET search_path = nowhere; SET ROLE pg_monitor;\n",
    );
    let ran = case.run("upgrade head -x name=x");
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert_eq!(case.ran(), "x 7s 3s seen active_users");
    // The text counts as it is written.
    let _ = case.succeeds("upgrade head -x name=y");
    assert_eq!(case.ran(), "");
}

#[test]
fn as_json() {
    let case = views();
    let json = |arguments: &str| -> serde_json::Value {
        serde_json::from_str(&case.succeeds(arguments).stdout).expect("JSON")
    };
    let files = ["seen", "active_users"].map(|id| format!("versions/repeatable/{id}.sql"));
    assert_eq!(
        json("status --json")["repeatables"],
        serde_json::json!([
            {"repeatable": "seen", "message": "who was seen", "file": files[0], "state": "waiting", "waits_for": ["002"]},
            {"repeatable": "active_users", "message": "", "file": files[1], "state": "waiting", "waits_for": ["002"]},
        ])
    );
    let planned = &json("plan upgrade head --json")["repeatables"];
    assert_eq!(planned[0]["repeatable"], "seen");
    assert_eq!(planned[0]["checksum"].as_str().expect("a checksum").len(), 64);
    assert_eq!(planned[1]["file"], files[1]);
    assert_eq!(json("plan upgrade +1 --json")["repeatables"], serde_json::json!([]));
    let _ = case.succeeds("upgrade head");
    case.edit("seen");
    let states = json("status --json");
    let state = |index: usize| states["repeatables"][index]["state"].clone();
    assert_eq!((state(0), state(1)), ("changed".into(), "needs".into()));
    assert_eq!(states["at_heads"], true);
}

#[test]
fn who_may_not_read_the_history() {
    let case = views();
    let _ = case.succeeds("upgrade head");
    let role = format!("reader_{}", case.database.name);
    case.ask(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON aludel_version TO {role}"));
    let url = case.database.url().replace("user=postgres", &format!("user={role}"));
    let transcript = case.project.aludel(["status", "--url", &url]).transcript().replace(&role, "[ROLE]");
    assert_data_eq!(
        transcript,
        str![[r#"
exit code: 1
----- stderr
error[42501]: cannot read the history, to see which repeatable files were run
note: permission denied for table aludel_history
hint: GRANT SELECT ON public.aludel_history TO reader_[DATABASE];

"#]]
    );
}

#[test]
fn one_that_cannot_be_run_again() {
    let case = views();
    case.repeatable("plain", "", "CREATE VIEW plain AS SELECT id FROM t;");
    let _ = case.succeeds("upgrade head");
    case.edit("plain");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[42P07]: relation "plain" already exists
 --> versions/repeatable/plain.sql:3:1
  |
3 | CREATE VIEW plain AS SELECT id FROM t;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of the repeatable plain was kept
  = hint: it runs again whenever its file changes: `CREATE OR REPLACE`, or `DROP ... IF EXISTS` before it

"#]]
    );
}

#[test]
fn a_killed_run_goes_on_with_what_is_missing() {
    let case = views();
    case.repeatable("waits", "depends_on: active_users", "SELECT pg_advisory_xact_lock(7, 7);");
    case.killed_at_the_lock();
    assert_eq!((case.rows(), case.ran()), ("002".into(), "seen active_users".into()));
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
ran waits ([TIME])
done 1 repeatable in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ran(), "waits");
}

/// A view, and one on it, which the first takes with it whenever it is made; `between` runs before the second.
fn cascading(between: &str) -> Case {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE t (id int);\nCREATE TABLE ran (what text);", "");
    case.repeatable("a", "depends_on: '001'", "DROP VIEW IF EXISTS a CASCADE;\nCREATE VIEW a AS SELECT id FROM t;");
    case.repeatable("b", "depends_on: a", &format!("{between}CREATE OR REPLACE VIEW b AS SELECT id FROM a;"));
    let _ = case.succeeds("upgrade head");
    assert_eq!(case.ran(), "a b");
    case
}

impl Case {
    /// Runs what is left, and nothing then.
    #[track_caller]
    fn brings_back(&self, ran: &str) {
        assert_eq!(self.ask("SELECT to_regclass('b') IS NULL"), "t\n");
        let _ = self.succeeds("upgrade head");
        assert_eq!((self.ran().as_str(), self.ask("TABLE b").as_str()), (ran, ""));
        let _ = self.succeeds("upgrade head");
        assert_eq!(self.ran(), "");
    }
}

#[test]
fn one_is_due_though_the_run_ended_behind_what_it_depends_on() {
    let case = cascading("SELECT pg_advisory_xact_lock(7, 7);\n");
    case.edit("a");
    case.killed_at_the_lock();
    assert_eq!(case.ran(), "a");
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   001
applied   1 of 1
heads     001 (head) (current)
pending   0
repeat    1 of 2 to run
          b (a ran since)
----- stderr
hint: aludel upgrade head

"#]]
    );
    case.brings_back("b");

    let case = cascading("");
    case.edit("a");
    case.repeatable("aa", "", "SELECT 1/0;");
    assert_eq!(case.run("upgrade head").code, 1);
    assert_eq!(case.ran(), "a");
    case.repeatable("aa", "", "");
    case.brings_back("aa b");

    // Below the heads, it waits for no more than what it depends on.
    let case = cascading("");
    case.edit("a");
    case.revision("002", "001", "", "");
    let _ = case.succeeds("upgrade 001");
    assert_eq!(case.ran(), "a b");
}

#[test]
fn they_run_again_behind_a_stamp() {
    let case = views();
    let _ = case.succeeds("upgrade head");
    assert_eq!(case.ran(), "seen active_users");
    // Somebody has undone it by hand, with what stands on it.
    case.ask("ALTER TABLE t DROP COLUMN seen CASCADE");
    let _ = case.succeeds("stamp 001");
    let _ = case.succeeds("upgrade head");
    assert_eq!((case.ran().as_str(), case.ask("TABLE active_users").as_str()), ("seen active_users", ""));
    let _ = case.succeeds("upgrade head");
    assert_eq!(case.ran(), "");
}

#[test]
fn a_check_of_the_heads_sees_them() {
    let case = views();
    let check = |code: i32, up_to_date: bool| {
        let ran = case.run("current --check-heads --json");
        let current: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let status = case.succeeds("status --json").stdout;
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        assert_eq!((ran.code, &current["at_heads"], &status["at_heads"]), (code, &true.into(), &true.into()));
        assert_eq!((&current["up_to_date"], &status["up_to_date"]), (&up_to_date.into(), &up_to_date.into()));
    };
    assert_eq!(case.run("current --check-heads").code, 3);
    let _ = case.succeeds("upgrade head");
    check(0, true);
    case.edit("seen");
    check(3, false);
    assert_data_eq!(
        case.transcript("current --check-heads"),
        str![[r#"
exit code: 3
----- stdout
002 (head)
----- stderr
error: 2 repeatable files to be run: seen, active_users
hint: aludel upgrade heads

"#]]
    );
    case.repeatable("seen", "", "SELECT 1/0;");
    assert_eq!(case.run("upgrade head").code, 1);
    check(3, false);
}

#[test]
fn a_view_that_loses_a_column() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE t (id int, name text);\nCREATE TABLE ran (what text);", "");
    case.repeatable("v", "", "CREATE OR REPLACE VIEW v AS SELECT id, name FROM t;");
    let _ = case.succeeds("upgrade head");
    case.repeatable("v", "", "CREATE OR REPLACE VIEW v AS SELECT id FROM t;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[42P16]: cannot drop columns from view
 --> versions/repeatable/v.sql:3:1
  |
3 | CREATE OR REPLACE VIEW v AS SELECT id FROM t;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of the repeatable v was kept
  = hint: `CREATE OR REPLACE` only adds columns at a view's end: write `DROP VIEW IF EXISTS ...;` before it
  = hint: where others stand on it, with `CASCADE`; `depends_on: v` in their repeatable files has them run behind it

"#]]
    );
    case.repeatable("v", "", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT id FROM t;");
    let _ = case.succeeds("upgrade head");
}

#[test]
fn what_others_depend_on() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE t (id int);\nCREATE TABLE ran (what text);", "DROP TABLE t;");
    case.repeatable("f", "", "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    case.repeatable("v", "depends_on: f", "CREATE OR REPLACE VIEW v AS SELECT id, f() FROM t;");
    let _ = case.succeeds("upgrade head");
    case.repeatable("f", "", "CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 1::text';");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[42P13]: cannot change return type of existing function
 --> versions/repeatable/f.sql:3:1
  |
3 | CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 1::text';
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of the repeatable f was kept
  = hint: Use DROP FUNCTION f() first.
  = hint: where others stand on it, with `CASCADE`; `depends_on: f` in their repeatable files has them run behind it

"#]]
    );
    case.repeatable("f", "", "DROP FUNCTION IF EXISTS f();");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[2BP01]: cannot drop function f() because other objects depend on it
 --> versions/repeatable/f.sql:3:1
  |
3 | DROP FUNCTION IF EXISTS f();
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: detail: view v depends on function f()
  = note: nothing of the repeatable f was kept
  = hint: Use DROP ... CASCADE to drop the dependent objects too.
  = hint: where others stand on it, with `CASCADE`; `depends_on: f` in their repeatable files has them run behind it

"#]]
    );
    // A revision cannot know that a file makes it.
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 1
----- stderr
error[2BP01]: cannot drop table t because other objects depend on it
  --> versions/001.sql:10:1
   |
10 | DROP TABLE t;
   | ^^^^^^^^^^^^^
   |
   = note: detail: view v depends on table t
   = note: nothing of the downgrade was kept: revision 001 is still applied
   = hint: Use DROP ... CASCADE to drop the dependent objects too.
   = hint: v is made by versions/repeatable/v.sql: drop it first, by `DROP ... IF EXISTS`, and, in an upgrade, change that file, so that it is run again

"#]]
    );
}

#[test]
fn one_whose_file_is_gone() {
    let case = views();
    let _ = case.succeeds("upgrade head");
    std::fs::remove_file(case.project.path().join("versions/repeatable/active_users.sql")).unwrap();
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   002
applied   2 of 2
heads     002 (head) (current)
pending   0
repeat    0 of 1 to run
gone      active_users: no file makes it any more; it stays until a revision drops it

"#]]
    );
    let gone = || {
        let status: serde_json::Value = serde_json::from_str(&case.succeeds("status --json").stdout).expect("JSON");
        status["repeatables_gone"].clone()
    };
    assert_eq!(gone(), serde_json::json!(["active_users"]));
    case.revision("003", "002", "DROP VIEW active_users;", "");
    let _ = case.succeeds("upgrade head");
    assert_eq!(gone(), serde_json::json!([]));
}

#[test]
fn its_id_is_no_target() {
    let case = views();
    for command in ["show seen", "upgrade seen"] {
        assert_data_eq!(
            case.transcript(command),
            str![[r#"
exit code: 1
----- stderr
error: `seen` is a repeatable file, not a revision: versions/repeatable/seen.sql
hint: `aludel upgrade heads` runs it when it is due; `aludel status` tells whether it is

"#]]
        );
    }
    let mut command = case.command("edit active_users");
    command.env("EDITOR", "echo editing");
    assert_eq!(case.project.run(command).succeeded().stdout, "editing versions/repeatable/active_users.sql\n");
}
