//! Files that were changed after they were applied: told of, refused, accepted.

use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::Project;

/// 0001 to 0003 in a line, applied.
fn applied() -> Case {
    let case = Case::new();
    case.chain(3);
    case.succeeds("upgrade head");
    case
}

/// Puts a comment into the file of a revision of the chain.
fn change(case: &Case, id: &str) {
    let path = format!("versions/{id}.sql");
    let text = case.project.read(&path);
    case.project.write(&path, text.replace("-- migrate:downgrade", "-- a comment\n\n-- migrate:downgrade"));
}

#[test]
fn status_shows_it() {
    let case = applied();
    change(&case, "0002");
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   0003
applied   3 of 3
changed   0002 (versions/0002.sql): applied [..]Z by postgres (dana) as 928ba3b06a9b, now af4a2c79a4fd
heads     0003 (head) (current)
pending   0
----- stderr
hint: put it back, or accept it as now written: aludel repair 0002

"#]]
    );
    let status: serde_json::Value = serde_json::from_str(&case.succeeds("status --json").stdout).unwrap();
    let changed = &status["changed"][0];
    assert_eq!(changed["revision"], "0002");
    assert_eq!(changed["recorded_as"], "upgrade");
    let plan: serde_json::Value =
        serde_json::from_str(&case.succeeds("plan upgrade 0002 --from base --json").stdout).unwrap();
    assert_eq!(changed["checksum"], plan["steps"][1]["checksum"]);
    let recorded = case.ask("SELECT checksum FROM aludel_history WHERE revision = '0002'");
    assert_eq!(changed["recorded_checksum"], recorded.trim_end());
}

#[test]
fn upgrade_warns_and_goes_on() {
    let case = applied();
    change(&case, "0001");
    change(&case, "0002");
    case.link(4, "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
warning: 2 files were changed after they were applied
  0001 (versions/0001.sql): applied [..]Z by postgres (dana) as c643e38c5452, now 454a406f9fda
  0002 (versions/0002.sql): applied [..]Z by postgres (dana) as 928ba3b06a9b, now af4a2c79a4fd
hint: put them back, or accept them as now written: aludel repair 0001 0002
upgraded 0004 step 0004 ([TIME])
done 1 revision in [TIME]; at 0004

"#]]
    );
    assert_data_eq!(
        case.transcript("-q upgrade head"),
        str![[r#"
exit code: 0
----- stderr
warning: 2 files were changed after they were applied
  0001 (versions/0001.sql): applied [..]Z by postgres (dana) as c643e38c5452, now 454a406f9fda
  0002 (versions/0002.sql): applied [..]Z by postgres (dana) as 928ba3b06a9b, now af4a2c79a4fd

"#]]
    );
    assert_eq!(case.rows(), "0004");
}

#[test]
fn error_refuses_before_anything_runs() {
    let case = applied();
    case.project.write("migrate.ini", format!("[migrate]\nurl = {}\nchecksum = error\n", case.database.url()));
    change(&case, "0002");
    case.link(4, "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: 1 file was changed after it was applied
note: 0002 (versions/0002.sql): applied [..]Z by postgres (dana) as 928ba3b06a9b, now af4a2c79a4fd
note: `checksum = error` (migrate.ini:3 [migrate]) refuses that; nothing was run
hint: put it back, or accept it as now written: aludel repair 0002

"#]]
    );
    assert_eq!(case.rows(), "0003");
    // Down to 0002 nothing of the changed file is run.
    case.succeeds("downgrade 0002");
    assert_data_eq!(
        case.transcript("downgrade 0001"),
        str![[r#"
exit code: 1
----- stderr
error: 1 file was changed after it was applied, and would be run as it is now
note: 0002 (versions/0002.sql): applied [..]Z by postgres (dana) as 928ba3b06a9b, now af4a2c79a4fd
note: `checksum = error` (migrate.ini:3 [migrate]) refuses that; nothing was run
hint: put it back, or accept it as now written: aludel repair 0002

"#]]
    );
    assert_eq!(case.rows(), "0002");
    case.succeeds("status");
    case.succeeds("repair 0002");
    case.succeeds("upgrade head");
    assert_eq!(case.rows(), "0004");
}

#[test]
fn an_environment_may_ask_for_less() {
    let case = applied();
    let url = case.database.url();
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\nchecksum = error\n[dev]\nchecksum = off\n"));
    change(&case, "0002");
    assert_eq!(case.run("upgrade head").code, 1);
    assert_eq!(case.succeeds("-n dev upgrade head").stderr, "nothing to do: at 0003\n");
    assert!(!case.succeeds("-n dev status").stdout.contains("changed"));
    // Asked for by name, it looks all the same.
    assert!(case.succeeds("-n dev repair").stderr.starts_with("accepted 0002 "));
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\nchecksum = erorr\n"));
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 2
----- stderr
error: `checksum` is none of `warn`, `error`, `off`
 --> migrate.ini:3:12
  |
3 | checksum = erorr
  |            ^^^^^
  |
  = hint: write `error`

"#]]
    );
}

#[test]
fn downgrade_warns_of_what_it_runs() {
    let case = applied();
    change(&case, "0001");
    change(&case, "0003");
    assert_data_eq!(
        case.transcript("downgrade 0002"),
        str![[r#"
exit code: 0
----- stderr
warning: 1 file was changed after it was applied, and is run as it is now
  0003 (versions/0003.sql): applied [..]Z by postgres (dana) as aaca4c6a2c1b, now 6484ae16661f
hint: put it back, or accept it as now written: aludel repair 0003
downgraded 0003 step 0003 ([TIME])
done 1 revision in [TIME]; at 0002

"#]]
    );
    // What is not applied may change as it likes.
    change(&case, "0003");
    assert!(!case.succeeds("status").stdout.contains("0003 (versions"));
}

#[test]
fn redo_is_for_a_file_that_is_being_written() {
    let case = applied();
    change(&case, "0003");
    assert!(!case.succeeds("redo").stderr.contains("warning"));
    assert!(!case.succeeds("status").stdout.contains("changed"));
}

#[test]
fn the_last_text_counts() {
    let case = applied();
    let first = case.project.read("versions/0003.sql");
    case.succeeds("downgrade 0002");
    change(&case, "0003");
    case.succeeds("upgrade head");
    assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0003\n");
    case.project.write("versions/0003.sql", first);
    assert!(case.succeeds("upgrade head").stderr.starts_with("warning: 1 file was changed"));
    // Undone, and then stamped: nobody knows with which text it was done.
    case.succeeds("downgrade 0002");
    case.succeeds("stamp 0003");
    assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0003\n");
}

#[test]
fn repair_accepts() {
    let case = applied();
    change(&case, "0001");
    change(&case, "0002");
    assert_data_eq!(
        case.transcript("repair 0001"),
        str![[r#"
exit code: 0
----- stderr
accepted 0001 (versions/0001.sql): applied [..]Z by postgres (dana) as c643e38c5452, now 454a406f9fda

"#]]
    );
    assert_data_eq!(
        case.transcript("repair"),
        str![[r#"
exit code: 0
----- stderr
accepted 0002 (versions/0002.sql): applied [..]Z by postgres (dana) as 928ba3b06a9b, now af4a2c79a4fd

"#]]
    );
    assert_data_eq!(
        case.transcript("repair"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: no file was changed after it was applied

"#]]
    );
    assert_data_eq!(
        case.transcript("repair 0003"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: no file of 0003 was changed after it was applied

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 0003

"#]]
    );
    assert_data_eq!(
        case.ask("SELECT direction, revision, outcome, length(checksum) FROM aludel_history WHERE id > 3 ORDER BY id"),
        str![[r#"
repair|0001|accepted|64
repair|0002|accepted|64

"#]]
    );
    assert_eq!(case.rows(), "0003");
    // Changed once more: the text that was accepted is the one it is compared with.
    change(&case, "0002");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
warning: 1 file was changed after it was applied
  0002 (versions/0002.sql): accepted [..]Z by postgres (dana) as af4a2c79a4fd, now 9ac9d454a31c
hint: put it back, or accept it as now written: aludel repair 0002
nothing to do: at 0003

"#]]
    );
}

#[test]
fn repair_is_one_transaction() {
    let case = applied();
    change(&case, "0001");
    change(&case, "0002");
    case.ask(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END';
        CREATE TRIGGER t BEFORE INSERT ON aludel_history FOR EACH ROW
            WHEN (new.revision = '0002' AND new.outcome = 'accepted') EXECUTE FUNCTION f();",
    );
    assert_data_eq!(
        case.transcript("repair"),
        str![[r#"
exit code: 1
----- stderr
error[P0001]: 0002 step 0002 (versions/0002.sql): not today
note: nothing of revision 0002 was kept
note: 0001 went back with it

"#]]
    );
    assert_eq!(case.ask("SELECT count(*) FROM aludel_history WHERE outcome = 'accepted'"), "0\n");
}

#[test]
fn repair_refuses() {
    let case = applied();
    case.link(4, "");
    assert_data_eq!(
        case.transcript("repair 0004"),
        str![[r#"
exit code: 1
----- stderr
error: 0004 is not applied: its file may change as it likes
note: nothing was accepted

"#]]
    );
    assert_data_eq!(
        case.transcript("repair 0005"),
        str![[r#"
exit code: 1
----- stderr
error: no revision or label is, or begins with, `0005`
hint: did you mean `0001`?

"#]]
    );
    case.project.write("versions/0002.sql", case.project.read("versions/0002.sql") + "SELECT 'open\n");
    assert_data_eq!(
        case.transcript("repair"),
        str![[r#"
exit code: 1
----- stderr
error: a quoted text is opened here and never closed
  --> versions/0002.sql:11:8
   |
11 | SELECT 'open
   |        ^
   |
   = note: nothing was accepted
   = hint: a quote inside a quoted text is written twice: `'it''s'`

"#]]
    );
    assert_eq!(case.ask("SELECT count(*) FROM aludel_history"), "3\n");
}

#[test]
fn line_ends_do_not_count_and_a_character_does() {
    let case = applied();
    for number in 1..=3 {
        let path = format!("versions/000{number}.sql");
        let text = case.project.read(&path);
        let (windows, marked) = (text.replace('\n', "\r\n"), format!("\u{feff}{text}"));
        for same in [windows.clone(), marked, format!("\u{feff}{windows}")] {
            case.project.write(&path, same);
            assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0003\n");
        }
        case.project.write(&path, text.replacen("step", "Step", 1));
        assert!(case.succeeds("upgrade head").stderr.starts_with("warning: 1 file was changed"));
        case.project.write(&path, text);
    }
}

#[test]
fn a_large_file_is_read_anew() {
    let case = Case::new();
    let body = format!("SELECT 1;\n-- {}\n", "x".repeat(100_000));
    case.revision("0001", "", &body, "").succeeds("upgrade head");
    assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0001\n");
    let text = case.project.read("versions/0001.sql");
    case.project.write("versions/0001.sql", text.replace('\n', "\r\n"));
    assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0001\n");
    case.project.write("versions/0001.sql", text.replacen("xx", "xy", 1));
    assert!(case.succeeds("upgrade head").stderr.starts_with("warning: 1 file was changed"));
    assert!(case.succeeds("status").stdout.contains("changed   0001"));
}

#[test]
fn of_a_template_the_template_counts() {
    let case = Case::with("[variables]\nname = first\n");
    case.project.write(
        "versions/0001.sql",
        "-- revision: 0001\n-- parents:\n-- message: m\n-- template: true\n\n-- migrate:upgrade\nCREATE TABLE {{ name | identifier }} ();\n",
    );
    case.succeeds("upgrade head");
    assert_eq!(case.succeeds("-x name=second upgrade head").stderr, "nothing to do: at 0001\n");
    let text = case.project.read("versions/0001.sql");
    case.project.write("versions/0001.sql", text.replace("{{ name | identifier }}", "first"));
    assert!(case.succeeds("upgrade head").stderr.starts_with("warning: 1 file was changed"));
    case.succeeds("repair");
    assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0001\n");
}

#[test]
fn a_script_run_by_psql_is_known() {
    let case = Case::new();
    case.chain(2);
    let script = case.succeeds("upgrade head --sql").stdout;
    case.database.psql(&script);
    assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0002\n");
    change(&case, "0001");
    assert!(case.succeeds("upgrade head").stderr.contains("0001 (versions/0001.sql): applied"));
}

#[test]
fn without_a_history_nothing_is_said() {
    let case = applied();
    case.ask("DROP TABLE aludel_history");
    change(&case, "0002");
    assert_eq!(case.succeeds("upgrade head").stderr, "nothing to do: at 0003\n");
    assert_eq!(case.succeeds("repair").stderr, "nothing to do: no file was changed after it was applied\n");
}

#[test]
fn a_history_that_may_not_be_read() {
    let case = applied();
    let role = format!("writer_{}", case.database.name);
    case.ask(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON aludel_version TO {role};
        GRANT SELECT ON aludel_progress TO {role}; GRANT INSERT ON aludel_history TO {role};"
    ));
    let url = case.database.url().replace("user=postgres", &format!("user={role}"));
    let ran = |project: &Project, arguments: &str| {
        let ran = project.aludel(arguments.split(' ').chain(["--url", &url])).transcript();
        ran.replace(&role, "[ROLE]")
    };
    assert_data_eq!(
        ran(&case.project, "upgrade head"),
        str![[r#"
exit code: 0
----- stderr
warning: cannot read the history, to see whether files were changed: permission denied for table aludel_history
hint: GRANT SELECT ON public.aludel_history TO writer_[DATABASE];
nothing to do: at 0003

"#]]
    );
    case.project.write("migrate.ini", "[migrate]\nchecksum = error\n");
    assert_data_eq!(
        ran(&case.project, "upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[42501]: cannot read the history, to see whether files were changed
note: permission denied for table aludel_history
hint: GRANT SELECT ON public.aludel_history TO writer_[DATABASE];

"#]]
    );
    case.ask(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn many_are_counted() {
    let case = Case::new();
    case.chain(12).succeeds("upgrade head");
    (1..=12).for_each(|number| change(&case, &format!("{number:04}")));
    let said = case.succeeds("upgrade head").stderr;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "warning: 12 files were changed after they were applied");
    assert!(lines[10].starts_with("  0010 (versions/0010.sql): applied "), "{said}");
    assert_eq!(lines[11], "  and 2 more");
    // All of them: naming them one by one would fill the screen.
    assert_eq!(lines[12], "hint: put them back, or accept them as now written: aludel repair");
}
