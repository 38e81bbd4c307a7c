//! Revisions that stopped partway: a rerun goes on where they stopped, or says what it needs to know.

use snapbox::{assert_data_eq, str};

use crate::Case;

/// Statements of every kind; the third fails while `blocked` is there.
const MIXED: &str = "-- migrate:upgrade
CREATE TABLE effects (n int);
INSERT INTO effects VALUES (1);

-- migrate:upgrade transaction:false
SET my.value = '3';
INSERT INTO effects VALUES (2);
INSERT INTO effects SELECT current_setting('my.value')::int / (SELECT count(*) FROM pg_class WHERE relname = 'free');
VACUUM effects;

-- migrate:upgrade
INSERT INTO effects VALUES (5);

-- migrate:downgrade
DROP TABLE effects;
";

fn stopped() -> Case {
    let case = Case::new();
    case.file("001", "", MIXED);
    assert_eq!(case.run("upgrade head").code, 4);
    case
}

fn free(case: &Case) {
    let _ = case.ask("CREATE TABLE free ()");
}

/// The journal's rows: statement, state.
pub(crate) fn journal(case: &Case) -> String {
    case.ask("SELECT revision || '|' || direction || '|' || statement || '|' || state FROM aludel_progress")
}

/// The transcript with the time of the stop replaced.
pub(crate) fn transcript(case: &Case, arguments: &str) -> String {
    crate::support::without_stops(&case.transcript(arguments))
}

#[test]
fn a_rerun_goes_on_and_sets_again_what_the_session_lost() {
    let case = stopped();
    assert_eq!(journal(&case), "001|upgrade|4|done\n");
    assert_data_eq!(
        transcript(&case, "status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   nothing is applied
applied   0 of 1
heads     001 (head)
pending   1
          001 (head), step 001
partial   the upgrade of 001 stopped partway, after statement 4, on [WHEN]
----- stderr
hint: aludel upgrade head

"#]]
    );
    free(&case);
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 001 stopped after statement 4: it goes on with statement 5 of 7
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ask("SELECT n FROM effects ORDER BY 1"), "1\n2\n3\n5\n");
    assert_eq!((journal(&case), case.rows()), (String::new(), "001".to_owned()));
}

#[test]
fn the_statement_that_failed_may_be_edited_and_those_before_it_may_not() {
    let case = stopped();
    case.file("001", "", &MIXED.replace("VALUES (2)", "VALUES (22)"));
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: the upgrade of 001 cannot go on: the statements that ran are no longer in its file
note: the upgrade of 001 stopped after statement 4 on [WHEN] (versions/001.sql)
note: nothing was run
hint: put statements 1 to 4 back as they were: what comes behind may be edited
hint: or, where the file is right, add `--resume-after 4` to take the file's first 4 statements as done

"#]]
    );
    // Line ends do not count.
    let mended = MIXED.replace("/ (SELECT", "* (SELECT 1 + ").replace('\n', "\r\n");
    case.file("001", "", &mended);
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 001 stopped after statement 4, its file edited since: it goes on with statement 5 of 7
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ask("SELECT n FROM effects ORDER BY 1"), "1\n2\n3\n5\n");
}

#[test]
fn what_the_user_says_is_done() {
    let case = stopped();
    assert_data_eq!(
        transcript(&case, "upgrade head --resume-after 1"),
        str![[r#"
exit code: 1
----- stderr
error: statements 1 to 2 of 001 are one transaction
note: it has run as a whole, or not at all (versions/001.sql)
note: nothing was run
hint: add `--resume-after 0` to begin with its first statement
hint: add `--resume-after 2` to take the file's first 2 statements as done

"#]]
    );
    assert_data_eq!(
        transcript(&case, "upgrade head --resume-after 8"),
        str![[r#"
exit code: 2
----- stderr
error: 001 has only 7 statements
note: nothing was run

"#]]
    );
    assert_data_eq!(
        transcript(&case, "upgrade head --retry-statement"),
        str![[r#"
exit code: 2
----- stderr
error: there is no statement to run again: the upgrade of 001 stopped after statement 4, which is done
note: nothing was run
hint: leave `--retry-statement` out: it goes on with the next one

"#]]
    );
    assert_data_eq!(
        transcript(&case, "upgrade head --resume-after 5"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 001 stopped after statement 4: it goes on with statement 6 of 7
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ask("SELECT n FROM effects ORDER BY 1"), "1\n2\n5\n");
    assert_data_eq!(
        transcript(&case, "downgrade base --resume-after 1"),
        str![[r#"
exit code: 2
----- stderr
error: no revision of this run stopped partway: there is nothing to resume
note: nothing was run
hint: run it without `--resume-after` and `--retry-statement`; `aludel status` shows what stopped

"#]]
    );
}

/// A block that commits as it goes: nobody can tell how far it came.
#[test]
fn a_block_that_commits_by_itself_is_asked_for() {
    let case = Case::new();
    let block = "DO $$ BEGIN INSERT INTO effects VALUES (1); COMMIT; PERFORM 1 / (SELECT count(*) FROM free); END $$;";
    case.file(
        "001",
        "",
        &format!(
            "-- migrate:upgrade transaction:false\nCREATE TABLE effects (n int);\n{block}\n-- migrate:downgrade\n"
        ),
    );
    let _ = case.ask("CREATE TABLE free (n int)");
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 4
----- stderr
error[22012]: division by zero
 --> versions/001.sql:7:1
  |
7 | DO $$ BEGIN INSERT INTO effects VALUES (1); COMMIT; PERFORM 1 / (SELECT count(*) FROM free); END $$;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: in: SQL statement "SELECT 1 / (SELECT count(*) FROM free)"
                PL/pgSQL function inline_code_block line 1 at PERFORM
  = note: line 1 of the block is versions/001.sql:7
  = note: revision 001 stopped partway: the first of its 2 statements ran and stays; it is not recorded as applied
  = hint: see what statement 2 has done, then add `--retry-statement` to the same command to run it again, or `--resume-after 2` to take it as done

"#]]
    );
    assert_eq!(journal(&case), "001|upgrade|2|running\n");
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error: the upgrade of 001 cannot go on by itself: nothing tells whether statement 2 was carried out
note: the upgrade of 001 stopped in statement 2 on [WHEN] (versions/001.sql)
note: nothing was run
hint: look at what it has done; add `--retry-statement` to run it again
hint: or, where all of it is done, add `--resume-after 2` to take the file's first 2 statements as done

"#]]
    );
    let _ = case.ask("INSERT INTO free VALUES (1)");
    assert_data_eq!(
        transcript(&case, "upgrade head --retry-statement"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 001 stopped in statement 2: it goes on with statement 2 of 2
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!(case.ask("SELECT n FROM effects"), "1\n1\n");
}

/// What was running is looked for in the catalogs.
#[test]
fn an_index_that_was_being_built() {
    let case = Case::new();
    let _ = case.ask("CREATE TABLE t (n int)");
    case.file(
        "001",
        "",
        "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY t_n ON t (n);\n-- migrate:downgrade\n",
    );
    // A run that is killed in the statement leaves this mark, and the index in one of three states.
    for (index, expected) in [
        ("", ""),
        ("CREATE INDEX t_n ON t (n)", "001: statement 1 was carried out before\n"),
        (
            "CREATE INDEX t_n ON t (n); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_n'::regclass",
            "001: index public.t_n was left behind, not valid; dropping it first\n",
        ),
    ] {
        let script = case.run("upgrade head --sql").stdout;
        let mark = script.split("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n").nth(1).expect("a mark");
        let mark = mark.split("COMMIT;").next().expect("its end");
        let _ = case.run("ensure-version");
        let _ = case.ask(&format!("BEGIN; {mark} COMMIT; {index}"));
        let ran = case.run("upgrade head");
        assert_eq!(ran.code, 0, "{}", ran.transcript());
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        assert_eq!(case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass"), "t\n");
        let _ = case.ask("DROP INDEX t_n; DELETE FROM aludel_version");
    }
}

/// `IF NOT EXISTS` passes over what a failed build left; the tool does not take that for success.
#[test]
fn an_index_that_is_not_valid_is_no_success() {
    let case = Case::new();
    let _ = case.ask(
        "CREATE TABLE t (n int); CREATE INDEX t_n ON t (n);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_n'::regclass",
    );
    case.file(
        "001",
        "",
        "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS t_n ON t (n);\n-- migrate:downgrade\n",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
notice: 001: relation "t_n" already exists, skipping
error[ALU04]: 001 step 001 (versions/001.sql): index "t_n" is not valid
note: `IF NOT EXISTS` passed over what was there before
note: nothing of revision 001 was kept
note: index t_n is not valid
hint: DROP INDEX CONCURRENTLY t_n;

"#]]
    );
    assert_data_eq!(
        transcript(&case, "upgrade head"),
        str![[r#"
exit code: 1
----- stderr
notice: 001: relation "t_n" already exists, skipping
error[ALU04]: 001 step 001 (versions/001.sql): index "t_n" is not valid
note: `IF NOT EXISTS` passed over what was there before
note: nothing of revision 001 was kept
note: index t_n is not valid
hint: DROP INDEX CONCURRENTLY t_n;

"#]]
    );
    // It may be another's: nobody but the user drops it.
    let _ = case.ask("DROP INDEX t_n");
    case.succeeds("upgrade head");
    assert_eq!(case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_n'::regclass"), "t\n");
}

/// A plan does not pull the ground from under what is unfinished; a stamp is the user's word, and ends it.
#[test]
fn what_stands_beside_an_unfinished_revision() {
    let case = Case::new();
    case.revision("001", "", "CREATE TABLE a ();", "DROP TABLE a;");
    case.file(
        "002",
        "001",
        "-- migrate:upgrade transaction:false\nCREATE TABLE b ();\nSELECT 1 / 0;\n-- migrate:downgrade\nDROP TABLE b;\n",
    );
    assert_eq!(case.run("upgrade head").code, 4);
    assert_data_eq!(
        transcript(&case, "downgrade base"),
        str![[r#"
exit code: 1
----- stderr
error: the upgrade of 002 stopped partway, after statement 1, and 002 stands on 001
note: nothing was run
hint: finish it first: aludel upgrade 002
hint: or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION

"#]]
    );
    assert_data_eq!(
        transcript(&case, "upgrade 001"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 002 stopped partway, after statement 1, on [WHEN]
nothing to do: at 001

"#]]
    );
    assert_data_eq!(
        transcript(&case, "stamp 002"),
        str![[r#"
exit code: 0
----- stderr
the upgrade of 002 stopped partway, after statement 1, on [WHEN]: the stamp ends that
stamped 002 (it was 001); nothing was run

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 0
----- stderr
downgraded 002 step 002 ([TIME])
downgraded 001 step 001 ([TIME])
done 2 revisions in [TIME]; nothing is applied

"#]]
    );
}

/// The marks are written by the role that logged in, and the script's own role is back behind each.
#[test]
fn a_script_that_works_as_another_role() {
    let case = Case::new();
    let _ = case.ask("CREATE ROLE worker_of_resume; GRANT ALL ON SCHEMA public TO worker_of_resume");
    case.file(
        "001",
        "",
        "-- migrate:upgrade transaction:false
SET ROLE worker_of_resume;
CREATE TABLE mine (n int);
CREATE INDEX CONCURRENTLY mine_n ON mine (n);
CREATE TABLE mine_too ();
-- migrate:downgrade
DROP TABLE mine, mine_too;
",
    );
    case.succeeds("upgrade head");
    assert_eq!(
        case.ask("SELECT relname, relowner::regrole FROM pg_class WHERE relname LIKE 'mine%' ORDER BY 1"),
        "mine|worker_of_resume\nmine_n|worker_of_resume\nmine_too|worker_of_resume\n"
    );
    case.succeeds("downgrade base");
    let _ = case.ask("DROP OWNED BY worker_of_resume; DROP ROLE worker_of_resume");
}
