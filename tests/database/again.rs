//! What is to be typed after a run that stopped: it means the same from where the database stands by then.

use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::resume::{journal, transcript};

/// A chain of three; 002 and 003 do without a transaction what fails until the table `free` is there.
fn chain() -> Case {
    let case = Case::new();
    let blocked = "SELECT 1 / (SELECT count(*) FROM pg_class WHERE relname = 'free');";
    case.revision("001", "", "CREATE TABLE t001 ();", "DROP TABLE t001;");
    case.file(
        "002",
        "001",
        &format!(
            "-- migrate:upgrade transaction:false\nCREATE TABLE t002 ();\n{blocked}\n\
             -- migrate:downgrade transaction:false\nDROP TABLE t002;\n{blocked}\n"
        ),
    );
    case.revision("003", "002", "CREATE TABLE t003 ();", "DROP TABLE t003;");
    case
}

/// The chain with everything applied, where nothing can be undone or applied any more.
fn applied() -> Case {
    let case = chain();
    set_free(&case, true);
    case.succeeds("upgrade head");
    set_free(&case, false);
    case
}

fn set_free(case: &Case, free: bool) {
    let _ = case.ask(if free { "CREATE TABLE free ()" } else { "DROP TABLE free" });
}

#[test]
fn a_downgrade_that_counts_stops_partway() {
    let case = applied();
    assert_data_eq!(
        transcript(&case, "downgrade -2"),
        str![[r#"
exit code: 4
----- stderr
downgraded 003 step 003 ([TIME])
error[22012]: division by zero
  --> versions/002.sql:10:1
   |
10 | SELECT 1 / (SELECT count(*) FROM pg_class WHERE relname = 'free');
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: revision 002 stopped partway: the first of its 2 statements ran and stays; it is still recorded as applied
   = note: undone before it, and kept: 003
   = hint: run `aludel downgrade 001`: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    set_free(&case, true);
    assert_data_eq!(
        transcript(&case, "downgrade -2"),
        str![[r#"
exit code: 1
----- stderr
error: the downgrade of 002 stopped partway, after statement 1
note: what was typed counts from where the database stands, and may go too far
note: nothing was run
hint: finish it first: aludel downgrade 001

"#]]
    );
    assert_data_eq!(
        transcript(&case, "plan downgrade -1"),
        str![[r#"
exit code: 1
----- stderr
error: the downgrade of 002 stopped partway, after statement 1
note: what was typed counts from where the database stands, and may go too far
note: nothing was run
hint: finish it first: aludel downgrade 001

"#]]
    );
    assert_eq!(case.rows(), "002");
    case.succeeds("downgrade 001");
    assert_eq!((case.rows(), case.tables()), ("001".into(), "free,t001".into()));
}

#[test]
fn an_upgrade_that_counts_stops_partway() {
    let case = chain();
    case.project.write("other.ini", case.project.read("migrate.ini"));
    assert_data_eq!(
        transcript(&case, "-c other.ini upgrade +2"),
        str![[r#"
exit code: 4
----- stderr
upgraded 001 step 001 ([TIME])
error[22012]: division by zero
 --> versions/002.sql:7:1
  |
7 | SELECT 1 / (SELECT count(*) FROM pg_class WHERE relname = 'free');
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 002 stopped partway: the first of its 2 statements ran and stays; it is not recorded as applied
  = note: applied before it, and kept: 001
  = hint: run `aludel -c other.ini upgrade 002`: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    set_free(&case, true);
    assert_data_eq!(
        transcript(&case, "-c other.ini upgrade +2"),
        str![[r#"
exit code: 1
----- stderr
error: the upgrade of 002 stopped partway, after statement 1
note: what was typed counts from where the database stands, and may go too far
note: nothing was run
hint: finish it first: aludel -c other.ini upgrade 002

"#]]
    );
    assert_eq!(case.rows(), "001");
    case.succeeds("upgrade 002");
    assert_eq!((case.rows(), case.tables()), ("002".into(), "free,t001,t002".into()));
}

/// Nothing is half done, and yet the same target would go too far.
#[test]
fn a_target_that_counts_and_a_revision_that_fails_as_a_whole() {
    let case = Case::new();
    case.chain(2);
    case.link(3, "SELECT 1 / 0;");
    assert_data_eq!(
        transcript(&case, "upgrade +3"),
        str![[r#"
exit code: 1
----- stderr
upgraded 0001 step 0001 ([TIME])
upgraded 0002 step 0002 ([TIME])
error[22012]: division by zero
 --> versions/0003.sql:7:1
  |
7 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of revision 0003 was kept
  = note: applied before it, and kept: 0001, 0002
  = hint: to go on: run `aludel upgrade 0003`

"#]]
    );
    // The same without anything that was kept.
    assert_data_eq!(
        transcript(&case, "upgrade +1"),
        str![[r#"
exit code: 1
----- stderr
error[22012]: division by zero
 --> versions/0003.sql:7:1
  |
7 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of revision 0003 was kept

"#]]
    );
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[22012]: division by zero
 --> versions/0003.sql:7:1
  |
7 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: nothing of revision 0003 was kept

"#]]
    );
}

#[test]
fn a_target_that_counts_in_a_branch() {
    let case = Case::new();
    case.revision("001", "", "", "");
    case.file(
        "a2",
        "001",
        "-- migrate:upgrade\n-- migrate:downgrade transaction:false\nCREATE TABLE gone ();\nSELECT 1 / 0;\n",
    );
    case.revision("b2", "001", "", "");
    case.succeeds("upgrade heads");
    assert_data_eq!(
        transcript(&case, "downgrade a2@-1"),
        str![[r#"
exit code: 4
----- stderr
error[22012]: division by zero
 --> versions/a2.sql:8:1
  |
8 | SELECT 1 / 0;
  | ^^^^^^^^^^^^^
  |
  = note: revision a2 stopped partway: the first of its 2 statements ran and stays; it is still recorded as applied
  = hint: run `aludel downgrade a2@001`: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    assert_data_eq!(
        transcript(&case, "downgrade a2@-1"),
        str![[r#"
exit code: 1
----- stderr
error: the downgrade of a2 stopped partway, after statement 1
note: what was typed counts from where the database stands, and may go too far
note: nothing was run
hint: finish it first: aludel downgrade a2@001

"#]]
    );
}

#[test]
fn a_redo_that_stops_on_its_way_down() {
    let case = applied();
    set_free(&case, true);
    case.succeeds("downgrade 002");
    set_free(&case, false);
    assert_data_eq!(
        transcript(&case, "redo"),
        str![[r#"
exit code: 4
----- stderr
error[22012]: division by zero
  --> versions/002.sql:10:1
   |
10 | SELECT 1 / (SELECT count(*) FROM pg_class WHERE relname = 'free');
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: revision 002 stopped partway: the first of its 2 statements ran and stays; it is still recorded as applied
   = hint: run `aludel downgrade 001`, then `aludel upgrade 002`: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    assert_data_eq!(
        transcript(&case, "redo"),
        str![[r#"
exit code: 1
----- stderr
error: the downgrade of 002 stopped partway, after statement 1
note: what was typed counts from where the database stands, and may go too far
note: nothing was run
hint: finish it first: aludel downgrade 001

"#]]
    );
    set_free(&case, true);
    case.succeeds("downgrade 001");
    case.succeeds("upgrade 002");
    assert_eq!(case.tables(), "free,t001,t002");
}

#[test]
fn a_redo_that_stops_on_its_way_up() {
    let case = chain();
    case.file(
        "002",
        "001",
        "-- migrate:upgrade transaction:false\nCREATE TABLE t002 ();\nSELECT 1 / (SELECT count(*) FROM pg_class WHERE relname = 'free');\n\
         -- migrate:downgrade\nDROP TABLE t002;\n",
    );
    set_free(&case, true);
    case.succeeds("upgrade head");
    set_free(&case, false);
    assert_data_eq!(
        transcript(&case, "redo 2"),
        str![[r#"
exit code: 4
----- stderr
downgraded 003 step 003 ([TIME])
downgraded 002 step 002 ([TIME])
error[22012]: division by zero
 --> versions/002.sql:7:1
  |
7 | SELECT 1 / (SELECT count(*) FROM pg_class WHERE relname = 'free');
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: revision 002 stopped partway: the first of its 2 statements ran and stays; it is not recorded as applied
  = note: undone before it, and kept: 003, 002
  = hint: run `aludel upgrade 003`: it goes on with statement 2; those before it must stay as they are in the file

"#]]
    );
    assert_data_eq!(
        transcript(&case, "redo"),
        str![[r#"
exit code: 1
----- stderr
error: the upgrade of 002 stopped partway, after statement 1, and 002 stands on 001
note: nothing was run
hint: finish it first: aludel upgrade 002
hint: or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION

"#]]
    );
    set_free(&case, true);
    case.succeeds("upgrade 003");
    assert_eq!((case.rows(), case.tables()), ("003".into(), "free,t001,t002,t003".into()));
}

#[test]
fn a_revision_that_is_half_undone_is_not_applied() {
    let case = applied();
    assert_eq!(case.run("downgrade 001").code, 4);
    for command in ["current --check-heads", "upgrade 002", "upgrade head", "upgrade +1", "current --json", "status"] {
        let told = transcript(&case, command);
        match command {
            "current --check-heads" => assert_data_eq!(
                told,
                str![[r#"
exit code: 3
----- stdout
002
----- stderr
error: the downgrade of 002 stopped partway, after statement 1, on [WHEN], and 002 is still recorded as applied
hint: finish it first: aludel downgrade 001, then: aludel upgrade 002
hint: or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION

error: the database is not at every head: 003 not applied
hint: aludel upgrade heads

"#]]
            ),
            "upgrade 002" => assert_data_eq!(
                told,
                str![[r#"
exit code: 1
----- stderr
error: the downgrade of 002 stopped partway, after statement 1, on [WHEN], and 002 is still recorded as applied
note: nothing was run
hint: finish it first: aludel downgrade 001, then: aludel upgrade 002
hint: or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION

"#]]
            ),
            "current --json" => {
                let stop = "\"revision\": \"002\",\n      \"direction\": \"downgrade\",\n      \"statement\": 1";
                assert!(told.contains("\"at_heads\": false") && told.contains(stop), "{told}");
            }
            "status" => assert_data_eq!(
                told,
                str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   002
applied   2 of 3
heads     003 (head)
pending   1
          003 (head), step 003
partial   the downgrade of 002 stopped partway, after statement 1, on [WHEN]
----- stderr
hint: finish it first: aludel downgrade 001, then: aludel upgrade 002
hint: or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION

"#]]
            ),
            _ => assert!(told.starts_with("exit code: 1\n----- stderr\nerror: the downgrade of 002 stopped"), "{told}"),
        }
    }
    set_free(&case, true);
    case.succeeds("downgrade 001");
    case.succeeds("upgrade 003");
    case.succeeds("current --check-heads");
    assert_eq!(case.tables(), "free,t001,t002,t003");
}

/// At every head, and one of them half undone.
#[test]
fn heads_of_which_one_is_half_undone() {
    let case = Case::new();
    case.file(
        "001",
        "",
        "-- migrate:upgrade\nCREATE TABLE t001 ();\n\
         -- migrate:downgrade transaction:false\nDROP TABLE t001;\nSELECT 1 / 0;\n",
    );
    case.succeeds("upgrade head");
    case.succeeds("current --check-heads");
    assert_eq!(case.run("downgrade base").code, 4);
    assert_data_eq!(
        transcript(&case, "current --check-heads"),
        str![[r#"
exit code: 3
----- stdout
001 (head)
----- stderr
error: the downgrade of 001 stopped partway, after statement 1, on [WHEN], and 001 is still recorded as applied
hint: finish it first: aludel downgrade base, then: aludel upgrade 001
hint: or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION

"#]]
    );
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: the downgrade of 001 stopped partway, after statement 1, on [WHEN], and 001 is still recorded as applied
note: nothing was run
hint: finish it first: aludel downgrade base, then: aludel upgrade 001
hint: or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION

"#]]
    );
}

/// What was done is not what is done: the table was dropped since.
#[test]
fn a_section_without_a_transaction_that_was_edited_away() {
    let case = Case::new();
    let text = |section: &str, more: &str| {
        format!("-- migrate:upgrade{section}\nCREATE TABLE t001 ();\n{more}\n-- migrate:downgrade\nDROP TABLE t001;\n")
    };
    case.file("001", "", &text(" transaction:false", "SELECT 1 / 0;"));
    assert_eq!(case.run("upgrade head").code, 4);
    case.file("001", "", &text("", ""));
    for command in ["upgrade head", "downgrade base", "upgrade head"] {
        case.succeeds(command);
    }
    assert_eq!(case.tables(), "t001");
    assert_eq!(case.ask("SELECT count(*) FROM aludel_progress"), "0\n");
}

/// The same where scripts on paper did it.
#[test]
fn a_section_without_a_transaction_that_was_edited_away_and_printed() {
    let case = Case::new();
    let text = |section: &str, more: &str| {
        format!("-- migrate:upgrade{section}\nCREATE TABLE t001 ();\n{more}\n-- migrate:downgrade\nDROP TABLE t001;\n")
    };
    case.file("001", "", &text(" transaction:false", "SELECT 1 / 0;"));
    assert_eq!(case.run("upgrade head").code, 4);
    case.file("001", "", &text("", ""));
    let _ = case.ask("DROP TABLE t001");
    for arguments in ["upgrade base:head --sql", "downgrade head:base --sql"] {
        let _ = case.ask(&case.succeeds(arguments).stdout);
    }
    case.succeeds("upgrade head");
    assert_eq!(case.tables(), "t001");
}

/// Somebody else has decided: a row of the journal that the version table contradicts is never gone on with.
#[test]
fn an_upgrade_in_the_journal_of_what_is_applied() {
    let case = chain();
    assert_eq!(case.run("upgrade 002").code, 4);
    let _ = case.ask("UPDATE aludel_version SET version_num = '002'");
    assert!(!case.succeeds("status").stdout.contains("partial"));
    assert!(case.succeeds("current --json").stdout.contains("\"partial\": []"));
    set_free(&case, true);
    // `redo` would otherwise pass over the statement that it has just undone.
    assert_data_eq!(
        transcript(&case, "redo"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 002 stopped partway, after statement 1, on [WHEN]: no longer true, for 002 is applied by now
downgraded 002 step 002 ([TIME])
upgraded 002 step 002 ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
    assert_eq!(case.tables(), "free,t001,t002");
    assert_eq!(case.ask("SELECT count(*) FROM aludel_progress"), "0\n");
}

#[test]
fn a_downgrade_in_the_journal_of_what_is_not_applied() {
    let case = applied();
    assert_eq!(case.run("downgrade 001").code, 4);
    let _ = case.ask("UPDATE aludel_version SET version_num = '001'");
    set_free(&case, true);
    assert_data_eq!(
        transcript(&case, "upgrade 002"),
        str![[r#"
exit code: 0
----- stderr
the downgrade of 002 stopped partway, after statement 1, on [WHEN]: no longer true, for 002 is not applied by now
upgraded 002 step 002 ([TIME])
done 1 revision in [TIME]; at 002

"#]]
    );
    case.succeeds("downgrade 001");
    assert_eq!((case.rows(), case.tables()), ("001".into(), "free,t001".into()));
}

/// A stamp ends what it decides, says so before, and leaves the rest.
#[test]
fn a_stamp_ends_what_it_decides() {
    let case = Case::new();
    let bare = |id: &str| {
        format!("-- migrate:upgrade transaction:false\nCREATE TABLE {id} ();\nSELECT 1 / 0;\n-- migrate:downgrade\n")
    };
    case.revision("001", "", "", "").file("a2", "001", &bare("a2")).file("b2", "001", &bare("b2"));
    case.revision("b3", "b2", "", "");
    assert_eq!((case.run("upgrade a2").code, case.run("upgrade b2").code), (4, 4));
    assert_data_eq!(
        transcript(&case, "stamp b3"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of a2 stopped partway, after statement 1, on [WHEN]
the upgrade of b2 stopped partway, after statement 1, on [WHEN]: the stamp ends that
stamped b3 (it was 001); nothing was run

"#]]
    );
    assert_data_eq!(
        transcript(&case, "stamp b3"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of a2 stopped partway, after statement 1, on [WHEN]
nothing to do: the database is stamped b3 already

"#]]
    );
    assert_eq!(journal(&case), "a2|upgrade|1|done\n");
    case.succeeds("stamp --purge b3");
    assert_eq!((journal(&case), case.rows()), (String::new(), "b3".into()));
}

/// The same on paper, where nobody knows what is in the journal.
#[test]
fn a_printed_stamp_ends_what_it_decides() {
    let case = Case::new();
    let bare = |id: &str| {
        format!("-- migrate:upgrade transaction:false\nCREATE TABLE {id} ();\nSELECT 1 / 0;\n-- migrate:downgrade\n")
    };
    case.revision("001", "", "", "").file("a2", "001", &bare("a2")).file("b2", "001", &bare("b2"));
    assert_eq!((case.run("upgrade a2").code, case.run("upgrade b2").code), (4, 4));
    let print = |arguments: &str| {
        let script = case.succeeds(arguments).stdout;
        let _ = case.ask(&script);
        journal(&case)
    };
    assert_eq!(print("stamp 001:b2 --sql"), "a2|upgrade|1|done\n");
    assert_eq!(case.rows(), "b2");
    assert_eq!(print("stamp b2:base --sql"), "");
}
