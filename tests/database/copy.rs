//! COPY with its data inline, dumps as revisions, and settings that a script leaves behind.

use snapbox::{assert_data_eq, str};

use crate::Case;

#[test]
fn inline_data() {
    let case = Case::new();
    case.revision(
        "001",
        "",
        "CREATE TABLE a (id int, text text);\nCOPY a FROM STDIN;\n1\tone; 'two'\n2\t\\N\n\\.\nINSERT INTO a VALUES (3, '$$');\nCOPY a (id) FROM STDIN WITH (FORMAT csv);\n4\n\\.\nCOPY a FROM STDIN;\n\\.\nINSERT INTO a VALUES (5, '');",
        "DROP TABLE a;",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_data_eq!(
        case.ask("SELECT id, text FROM a ORDER BY id"),
        str![[r#"
1|one; 'two'
2|
3|$$
4|
5|

"#]]
    );
}

#[test]
fn data_the_server_does_not_take() {
    let case = Case::new();
    case.revision(
        "001",
        "",
        "CREATE TABLE a (id int);\nCOPY a FROM STDIN;\n1\n2\nthree\n4\n\\.\nCREATE TABLE behind ();",
        "",
    );
    case.revision("002", "001", "CREATE TABLE later ();", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[22P02]: invalid input syntax for type integer: "three"
  --> versions/001.sql:10:1
   |
10 | three
   | ^^^^^
   |
   = note: in: COPY a, line 3, column id: "three"
   = note: nothing of revision 001 was kept

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
    // The statement itself is wrong: no data are asked for.
    case.revision("001", "", "COPY nowhere FROM STDIN;\n1\n2\n\\.\nCREATE TABLE behind ();", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[42P01]: relation "nowhere" does not exist
 --> versions/001.sql:6:1
  |
6 | COPY nowhere FROM STDIN;
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 001 was kept

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
    // The statement behind the data is wrong.
    case.revision("001", "", "CREATE TABLE a (id int);\nCOPY a FROM STDIN;\n1\n\\.\nSELECT 1;\nSELECT 1 / 0;", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[22012]: division by zero
  --> versions/001.sql:11:1
   |
11 | SELECT 1 / 0;
   | ^^^^^^^^^^^^^
   |
   = note: nothing of revision 001 was kept

"#]]
    );
    assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
}

#[test]
fn five_megabytes_of_data() {
    let lines: String = (0..100_000).map(|n| format!("{n}\t{}\n", "x".repeat(45))).collect();
    let case = Case::new();
    let up = |lines: &str| {
        format!("CREATE TABLE a (id int, text text);\nCOPY a FROM STDIN;\n{lines}\\.\nCREATE TABLE b ();")
    };
    case.revision("001", "", &up(&lines), "DROP TABLE a, b;");
    case.succeeds("upgrade head");
    assert_eq!(case.ask("SELECT count(*), sum(id), min(length(text)) FROM a"), "100000|4999950000|45\n");
    case.succeeds("downgrade base");
    // Bad data late, and early: then the server answers while data are still being sent.
    for line in [99_000, 3] {
        let bad = lines.replacen(&format!("\n{line}\t"), "\nbad\t", 1);
        case.revision("001", "", &up(&bad), "DROP TABLE a, b;");
        let failed = case.run("upgrade head");
        assert_eq!(failed.code, 1, "{}", failed.transcript());
        assert!(failed.stderr.contains(&format!("COPY a, line {}", line + 1)), "{}", failed.transcript());
        assert_eq!((case.rows(), case.tables()), (String::new(), String::new()));
    }
}

/// A `pg_dump` is a revision as it is; what it sets does not reach the next one.
#[test]
fn a_dump_as_a_revision() {
    let source = Case::example();
    source.succeeds("upgrade head");
    source.ask("DROP TABLE aludel_version, aludel_history, aludel_progress; INSERT INTO users (email, password_hash, full_name) VALUES ('a@b', 'x', E'tab\\there');");
    let dump = source.database.pg_dump();
    assert!(dump.contains("\\restrict"), "the dump has what this is about");

    let case = Case::new();
    let script = if crate::support::server().cluster.binaries().major < 17 {
        // What a pg_dump that is newer than the server writes, and a user takes out.
        dump.replace("SET transaction_timeout = 0;\n", "")
    } else {
        dump.clone()
    };
    case.revision("001", "", &script, "");
    // Needs the search_path that the dump emptied.
    case.revision("002", "001", "CREATE TABLE unqualified AS SELECT full_name FROM users;", "DROP TABLE unqualified;");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 step 001 ([TIME])
upgraded 002 step 002 ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
    assert_eq!(case.ask("SELECT full_name FROM unqualified"), "tab\there\n");
    let undone = |case: &Case| {
        case.ask("DROP TABLE IF EXISTS unqualified, aludel_version, aludel_history, aludel_progress");
        case.database.pg_dump()
    };
    assert!(undone(&case) == dump, "the copy dumps as the original");
}

#[test]
fn what_a_script_leaves_behind() {
    let case = Case::new();
    let role = format!("left_{}", case.database.name);
    case.ask(&format!("CREATE ROLE {role}"));
    case.revision(
        "001",
        "",
        &format!(
            "CREATE SCHEMA other;
GRANT ALL ON SCHEMA public, other TO {role};
CREATE TEMP TABLE rest (id int);
PREPARE p AS SELECT 1;
DECLARE c CURSOR WITH HOLD FOR SELECT 1;
LISTEN channel;
NOTIFY channel;
SET session_replication_role = replica;
SET search_path = other;
SET TIME ZONE 'Asia/Tokyo';
SET statement_timeout = '1h';
SELECT set_config('my.setting', 'left', false);
SET ROLE {role};"
        ),
        "",
    );
    case.revision(
        "002",
        "001",
        "CREATE TABLE facts AS SELECT current_user = session_user AS role, current_setting('search_path') AS path,
    current_setting('session_replication_role') AS replication, current_setting('TimeZone') = 'Asia/Tokyo' AS tokyo,
    current_setting('statement_timeout') AS timeout, coalesce(current_setting('my.setting', true), '') AS mine,
    (SELECT count(*) FROM pg_prepared_statements) AS prepared, (SELECT count(*) FROM pg_cursors WHERE name = 'c') AS cursors,
    to_regclass('pg_temp.rest') IS NULL AS no_temp;",
        "",
    );
    case.revision(
        "003",
        "002",
        "CREATE TEMP TABLE rest ();\nCREATE TABLE channels AS SELECT count(*) FROM pg_listening_channels();",
        "",
    );
    case.succeeds("upgrade head");
    assert_data_eq!(
        case.ask("SELECT * FROM facts"),
        str![[r#"
t|"$user", public|origin|f|0||0|0|t

"#]]
    );
    assert_eq!(
        case.ask("SELECT count(*) FROM pg_class WHERE relname = 'facts' AND relnamespace = 'public'::regnamespace"),
        "1\n"
    );
    assert_eq!(case.rows(), "003");
    // UNLISTEN takes effect with the COMMIT of 002.
    assert_eq!(case.ask("SELECT * FROM channels"), "0\n");
    case.ask(&format!("DROP OWNED BY {role}; DROP ROLE {role};"));
}

/// What the role or the URL sets for every session holds for every revision, not for the first alone.
#[test]
fn a_role_that_works_as_another() {
    let case = Case::new();
    let (login, owner) = (format!("login_{}", case.database.name), format!("owner_{}", case.database.name));
    case.ask(&format!(
        "CREATE ROLE {owner}; CREATE ROLE {login} LOGIN IN ROLE {owner}; ALTER ROLE {login} SET role = '{owner}';
         ALTER ROLE {login} SET search_path = 'app';
         CREATE SCHEMA app AUTHORIZATION {owner}; GRANT CREATE, USAGE ON SCHEMA public TO {owner};"
    ));
    case.chain(3);
    let url = case.database.url().replacen("user=postgres", &format!("user={login}"), 1);
    assert_ne!(url, case.database.url());
    let mut command = case.command("upgrade head --url");
    command.arg(url);
    let ran = case.project.run(command);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let owners = case.ask("SELECT relnamespace::regnamespace, relowner::regrole::text LIKE 'owner%', count(*) FROM pg_class WHERE relname LIKE 't000%' GROUP BY 1, 2");
    assert_eq!(owners, "app|t|3\n");
    case.ask(&format!("DROP OWNED BY {owner}; DROP ROLE {login}; DROP ROLE {owner};"));
}
