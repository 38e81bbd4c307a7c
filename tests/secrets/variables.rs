//! Passwords that revisions are given by variables: the server quotes a statement's values in its errors, and those are shown and
//! kept in the history.

use crate::Case;
use crate::canary::{clean, password};
use crate::support::Database;

const SETTINGS: &str = "[migrate]
url = {{ env.DATABASE_URL }}
[variables]
app_password = {{ env.SECRET }}
";

/// Revisions that fail, or say something, about the value.
const BODIES: [&str; 13] = [
    "CREATE ROLE app_role PASSWORD {{ app_password | literal }} NONSENSE;",
    "SELECT {{ app_password | literal }}::int;",
    "DO $$ BEGIN PERFORM {{ app_password | literal }}::int; END $$;",
    "DO $$ BEGIN EXECUTE {{ ('selec ' ~ app_password) | literal }}; END $$;",
    "DO $$ BEGIN RAISE EXCEPTION 'a' USING DETAIL = {{ app_password | literal }}, HINT = {{ app_password | literal }}; END $$;",
    "DO $$ BEGIN RAISE WARNING '%', {{ app_password | literal }}; RAISE NOTICE '%', {{ app_password | literal }}; END $$;\nSELECT 1 / 0;",
    "CREATE TABLE a (t text UNIQUE); INSERT INTO a VALUES ({{ app_password | literal }}), ({{ app_password | literal }});",
    // The server cuts a value of a row after 64 bytes.
    "CREATE TABLE a (t text, n int NOT NULL); INSERT INTO a VALUES (repeat('x', 50) || {{ app_password | literal }}, NULL);",
    "CREATE TABLE a (t text, n int NOT NULL); INSERT INTO a VALUES ({{ app_password | literal }} || repeat('x', 70), NULL);",
    "SELECT {{ app_password | identifier }};",
    "SELECT {{ app_password | nosuch }};",
    "SELECT {{ app_password }};",
    "SELECT {{ app_password | literal }} '",
];

#[test]
fn what_the_server_says_of_a_value() {
    // The server's log holds a statement that failed, on a server of which nobody reads the log.
    let case = Case { database: Database::create(), ..Case::new() };
    let url = case.database.url();
    let mut recorded = 0;
    for secret in ["@", "'\"\\ "].map(password) {
        for body in BODIES {
            for (kind, typed) in [("", false), (" transaction:false", true)] {
                let text = format!(
                    "-- revision: 001\n-- template: true\n\n-- migrate:upgrade{kind}\n{body}\n-- migrate:downgrade\n"
                );
                case.project.write("versions/001.sql", text);
                case.project
                    .write("migrate.ini", if typed { "[migrate]\nurl = {{ env.DATABASE_URL }}\n" } else { SETTINGS });
                let mut command = case.project.command(["upgrade", "001", "-v"]);
                command.env("DATABASE_URL", &url).env("SECRET", &secret).envs(crate::LOUD);
                if typed {
                    command.arg("-x").arg(format!("app_password={secret}"));
                }
                let ran = case.run(command);
                assert!([1, 4].contains(&ran.code), "{body}: {}", ran.transcript());
                let dump = case.database.pg_dump();
                recorded +=
                    ["failed", "partial"].map(|how| dump.matches(&format!("\t{how}\t")).count()).iter().sum::<usize>();
                clean(format_args!("the database, {body}"), &dump);
                case.database.psql("DROP TABLE IF EXISTS a, aludel_version, aludel_history, aludel_progress");
            }
        }
    }
    assert!(recorded >= 2 * 2 * 10, "{recorded} failures were recorded");
}
