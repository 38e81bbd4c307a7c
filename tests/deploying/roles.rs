//! `role`: everything is done as another role than the one that logs in, and belongs to it.

use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::{feed, server};

/// Two roles of this test alone: one that logs in, and the owner it may work as. The names differ from test to test, since roles
/// belong to the server.
fn roles(case: &Case) -> (String, String) {
    let (deployer, owner) = (format!("deployer_{}", case.database.name), format!("owner {}", case.database.name));
    server().admin(&format!(
        "CREATE ROLE {deployer} LOGIN NOINHERIT; CREATE ROLE \"{owner}\" NOLOGIN; GRANT \"{owner}\" TO {deployer}"
    ));
    case.ask(&format!("CREATE SCHEMA app AUTHORIZATION \"{owner}\""));
    (deployer, owner)
}

/// The names out of a transcript.
fn still(text: &str) -> String {
    text.replace("deployer_[DATABASE]", "deployer").replace("owner [DATABASE]", "the owner")
}

fn as_user(case: &Case, deployer: &str, arguments: &str) -> crate::support::Ran {
    let mut command = case.command(arguments);
    command.env("DATABASE_URL", format!("{}&user={deployer}", case.database.url()));
    case.project.run(command)
}

#[test]
fn everything_belongs_to_the_role_whatever_a_revision_does() {
    let case = Case::with("");
    let (deployer, owner) = roles(&case);
    case.settings(&format!("role = {owner}\nversion_table_schema = app\n"));
    case.revision("001", "", "CREATE TABLE app.one (); SET ROLE NONE;", "DROP TABLE app.one;")
        .revision("002", "001", "CREATE TABLE app.two (); RESET ROLE; CREATE TABLE app.three ();", "")
        .revision("003", "002", "SET SESSION AUTHORIZATION DEFAULT;", "");
    case.project.write(
        "versions/004.sql",
        "-- revision: 004\n-- parents: 003\n\n-- migrate:upgrade transaction:false\nCREATE TABLE app.four ();\nSET ROLE NONE;\n\
         RESET ALL;\nSELECT 1;\n-- migrate:upgrade transaction:true\nCREATE TABLE app.five ();\n",
    );
    as_user(&case, &deployer, "upgrade head").succeeded();
    let owners = "SELECT string_agg(DISTINCT r.rolname, ',') FROM pg_class c JOIN pg_roles r ON r.oid = relowner
        WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'";
    assert_eq!(case.ask(owners), owner);
    assert_eq!(
        case.ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'"),
        "8"
    );
    // Who only reads, reads as the role as well: the one that logs in may not.
    for command in ["status", "current"] {
        as_user(&case, &deployer, command).succeeded();
    }
    case.settings("version_table_schema = app\n");
    assert_eq!(as_user(&case, &deployer, "current").code, 1);
}

#[test]
fn a_printed_script_works_as_the_role() {
    let case = Case::with("");
    let (deployer, owner) = roles(&case);
    case.settings(&format!("role = {owner}\nversion_table_schema = app\n"));
    case.revision("001", "", "CREATE TABLE app.one (); SET ROLE NONE;", "").revision(
        "002",
        "001",
        "CREATE TABLE app.two ();",
        "",
    );
    // A script asks for a schema that may be missing.
    case.ask(&format!("GRANT CREATE ON DATABASE {} TO \"{owner}\"", case.database.name));
    let output = case.command("upgrade head --sql").output().expect("the binary runs");
    let script = String::from_utf8(output.stdout).expect("SQL in UTF-8");
    let url = format!("{}&user={deployer}", case.database.url());
    let mut psql = std::process::Command::new("psql");
    psql.args(["-X", "-q", "-d", &url]);
    let ran = feed(psql, &script);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(case.ask("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'app'"), owner);
    assert_eq!(as_user(&case, &deployer, "current").succeeded().stdout, "002 (head)\n");
}

#[test]
fn a_role_that_is_not_there_or_may_not_be_worked_as() {
    let case = Case::with("role = nobody here\n");
    case.revision("001", "", "", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[22023]: the role "nobody here", which `role` in the settings names, is not there
note: role "nobody here" does not exist
hint: CREATE ROLE "nobody here" NOLOGIN; GRANT "nobody here" TO postgres;

"#]]
    );
    case.settings("role = none\n");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 2
----- stderr
error: `role` is `none`, which is no name of a role in PostgreSQL
 --> migrate.ini:3:8
  |
3 | role = none
  |        ^^^^
  |
  = hint: to work as the role that logs in, leave the setting out

"#]]
    );
    let (deployer, owner) = roles(&case);
    server().admin(&format!("REVOKE \"{owner}\" FROM {deployer}"));
    case.settings(&format!("role = {owner}\n"));
    assert_data_eq!(
        still(&as_user(&case, &deployer, "status").transcript()),
        str![[r#"
exit code: 1
----- stderr
error[42501]: deployer may not work as the role "the owner", as `role` in the settings asks
note: permission denied to set role "the owner"
hint: GRANT "the owner" TO deployer;

"#]]
    );
}

#[test]
fn a_right_that_the_role_lacks_is_granted_to_the_role() {
    let case = Case::with("");
    let (deployer, owner) = roles(&case);
    case.settings(&format!("role = {owner}\n"));
    case.ask("REVOKE CREATE ON SCHEMA public FROM public");
    case.revision("001", "", "", "");
    assert_data_eq!(
        still(&as_user(&case, &deployer, "upgrade head").transcript()),
        str![[r#"
exit code: 1
----- stderr
warning: the upgrade section of 001 is empty: it does nothing (versions/001.sql)
error[42501]: cannot create the tables of versions and history
note: permission denied for schema public
note: nothing was changed
hint: GRANT USAGE, CREATE ON SCHEMA public TO "the owner";

"#]]
    );
}
