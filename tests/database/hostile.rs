//! Roles that may not, schemas in the way, names that are odd.

use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::{Database, Ran};

/// A role of this test alone, which goes with it.
struct Role<'a> {
    name: String,
    database: &'a Database<'static>,
}

impl<'a> Role<'a> {
    fn new(case: &'a Case) -> Self {
        let name = format!("role_{}", case.database.name);
        case.ask(&format!("CREATE ROLE {name} LOGIN"));
        Self { name, database: &case.database }
    }

    /// Runs a command as this role.
    fn run(&self, case: &Case, arguments: &str) -> Ran {
        let mut command = case.command(arguments);
        command.arg("--url").arg(case.database.url().replace("user=postgres", &format!("user={}", self.name)));
        case.project.run(command)
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.database.psql(&format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0};", self.name));
        }
    }
}

#[test]
fn no_right_to_read_the_version_table() {
    let case = Case::new();
    case.chain(2);
    case.succeeds("upgrade 0001");
    let role = Role::new(&case);
    assert_data_eq!(
        role.run(&case, "current").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: cannot read the version table public.aludel_version
note: permission denied for table aludel_version
hint: GRANT SELECT ON public.aludel_version TO role_[DATABASE];

"#]]
    );
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: this role lacks rights: SELECT, INSERT, UPDATE, DELETE on public.aludel_version; INSERT on public.aludel_history; SELECT, INSERT, UPDATE, DELETE on public.aludel_progress
note: the tool's own tables are written by the role that logged in
note: nothing was changed
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_version TO role_[DATABASE];
hint: GRANT SELECT, INSERT ON public.aludel_history TO role_[DATABASE];
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_progress TO role_[DATABASE];

"#]]
    );
    // It may read, and no more.
    case.ask(&format!("GRANT SELECT ON aludel_version TO {}", role.name));
    assert_data_eq!(
        role.run(&case, "current").transcript(),
        str![[r#"
exit code: 0
----- stdout
0001

"#]]
    );
    case.ask(&format!("GRANT CREATE ON SCHEMA public TO {}", role.name));
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: this role lacks rights: INSERT, UPDATE, DELETE on public.aludel_version; INSERT on public.aludel_history; SELECT, INSERT, UPDATE, DELETE on public.aludel_progress
note: the tool's own tables are written by the role that logged in
note: nothing was changed
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_version TO role_[DATABASE];
hint: GRANT SELECT, INSERT ON public.aludel_history TO role_[DATABASE];
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_progress TO role_[DATABASE];

"#]]
    );
    case.ask(&format!("GRANT INSERT, UPDATE, DELETE ON aludel_version TO {}", role.name));
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: this role lacks rights: INSERT on public.aludel_history; SELECT, INSERT, UPDATE, DELETE on public.aludel_progress
note: the tool's own tables are written by the role that logged in
note: nothing was changed
hint: GRANT SELECT, INSERT ON public.aludel_history TO role_[DATABASE];
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_progress TO role_[DATABASE];

"#]]
    );
    case.ask(&format!("GRANT SELECT ON aludel_progress TO {}", role.name));
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: this role lacks rights: INSERT on public.aludel_history; INSERT, UPDATE, DELETE on public.aludel_progress
note: the tool's own tables are written by the role that logged in
note: nothing was changed
hint: GRANT SELECT, INSERT ON public.aludel_history TO role_[DATABASE];
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_progress TO role_[DATABASE];

"#]]
    );
    assert_eq!(case.rows(), "0001");
    case.ask(&format!("GRANT INSERT ON aludel_history TO {}", role.name));
    assert_eq!(role.run(&case, "upgrade head").code, 0);
    assert_eq!(case.rows(), "0002");
    // A run that keeps a journal must be able to write it as well, and hears so before anything runs.
    case.file("0003", "0002", "-- migrate:upgrade transaction:false\nSELECT 1;");
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
warning: cannot read the history, to see whether files were changed: permission denied for table aludel_history
hint: GRANT SELECT ON public.aludel_history TO role_[DATABASE];
error[42501]: this role lacks rights: INSERT, UPDATE, DELETE on public.aludel_progress
note: the tool's own tables are written by the role that logged in
note: nothing was changed
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_progress TO role_[DATABASE];

"#]]
    );
    assert_eq!((case.rows(), case.ask("SELECT count(*) FROM aludel_progress").trim()), ("0002".to_owned(), "0"));
    case.ask(&format!("GRANT INSERT, UPDATE, DELETE ON aludel_progress TO {}", role.name));
    assert_eq!(role.run(&case, "upgrade head").code, 0);
}

/// The role that a session is given at its start is the one that needs the rights.
#[test]
fn a_role_that_works_as_another_one() {
    let case = Case::new();
    case.chain(2);
    case.succeeds("upgrade 0001");
    let role = Role::new(&case);
    case.ask(&format!(
        "CREATE ROLE own_{0}; GRANT own_{0} TO {1}; ALTER ROLE {1} SET role = own_{0}",
        case.database.name, role.name
    ));
    let ran = role.run(&case, "upgrade head");
    case.ask(&format!("GRANT CREATE ON SCHEMA public TO own_{0}; GRANT ALL ON aludel_version, aludel_history, aludel_progress TO own_{0}", case.database.name));
    let after = role.run(&case, "upgrade head");
    case.ask(&format!("DROP OWNED BY own_{0}; DROP ROLE own_{0}", case.database.name));
    assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: this role lacks rights: SELECT, INSERT, UPDATE, DELETE on public.aludel_version; INSERT on public.aludel_history; SELECT, INSERT, UPDATE, DELETE on public.aludel_progress
note: the tool's own tables are written by own_[DATABASE], the role that the session is given at its start
note: nothing was changed
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_version TO own_[DATABASE];
hint: GRANT SELECT, INSERT ON public.aludel_history TO own_[DATABASE];
hint: GRANT SELECT, INSERT, UPDATE, DELETE ON public.aludel_progress TO own_[DATABASE];

"#]]
    );
    assert_eq!(after.code, 0, "{}", after.transcript());
}

/// A journal that cannot be read is not taken for none.
#[test]
fn a_journal_that_cannot_be_read() {
    let case = Case::new();
    case.chain(2);
    case.succeeds("upgrade 0001");
    case.ask("ALTER TABLE aludel_progress RENAME revision TO something_else");
    for command in ["status", "upgrade head"] {
        let ran = case.run(command);
        assert_eq!(ran.code, 1, "{}", ran.transcript());
        assert!(
            ran.stderr.starts_with(
                "error[42703]: cannot read the table public.aludel_progress\nnote: column \"revision\" does not exist\n"
            ),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(case.rows(), "0001");
}

#[test]
fn no_right_to_make_the_tables() {
    let case = Case::new();
    case.chain(1);
    // Before PostgreSQL 15 everybody has it.
    case.ask("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let role = Role::new(&case);
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: cannot create the tables of versions and history
note: permission denied for schema public
note: nothing was changed
hint: GRANT USAGE, CREATE ON SCHEMA public TO role_[DATABASE];

"#]]
    );
    assert_data_eq!(
        role.run(&case, "ensure-version").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: cannot create the tables of versions and history
note: permission denied for schema public
note: nothing was changed
hint: GRANT USAGE, CREATE ON SCHEMA public TO role_[DATABASE];

"#]]
    );
    case.ask(&format!("GRANT USAGE, CREATE ON SCHEMA public TO {}", role.name));
    assert_eq!(role.run(&case, "upgrade head").code, 0);
}

#[test]
fn no_right_to_see_the_schema() {
    let case = Case::with("version_table_schema = ops\n");
    case.chain(1);
    case.ask("CREATE SCHEMA ops");
    let role = Role::new(&case);
    assert_data_eq!(
        role.run(&case, "current").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: cannot look for the version table
note: permission denied for schema ops
hint: GRANT USAGE ON SCHEMA ops TO role_[DATABASE];

"#]]
    );
    // It may not create schemas, but this one is there.
    case.ask(&format!("GRANT USAGE, CREATE ON SCHEMA ops, public TO {}", role.name));
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 0
----- stderr
upgraded 0001 step 0001 ([TIME])
done 1 revision in [TIME]; at 0001

"#]]
    );
}

#[test]
fn a_schema_that_may_not_be_made() {
    let case = Case::with("version_table_schema = ops\n");
    case.chain(1);
    let role = Role::new(&case);
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[42501]: cannot create the tables of versions and history
note: permission denied for database [DATABASE]
note: nothing was changed
hint: have it made by a role that may: CREATE SCHEMA ops AUTHORIZATION role_[DATABASE];

"#]]
    );
}

#[test]
fn a_session_that_may_only_read() {
    let case = Case::new();
    case.chain(2);
    case.succeeds("upgrade 0001");
    let role = Role::new(&case);
    case.ask(&format!(
        "GRANT ALL ON aludel_version, aludel_history, aludel_progress TO {0}; ALTER ROLE {0} SET default_transaction_read_only = on",
        role.name
    ));
    assert_data_eq!(
        role.run(&case, "current").transcript(),
        str![[r#"
exit code: 0
----- stdout
0001

"#]]
    );
    assert_data_eq!(
        role.run(&case, "upgrade head").transcript(),
        str![[r#"
exit code: 1
----- stderr
error[25006]: transactions are read-only here: `default_transaction_read_only` is on
note: on postgresql://role_[DATABASE]@/[DATABASE]?host=[SOCKET]
note: nothing was changed
hint: if that is not deliberate: SET default_transaction_read_only = off; ALTER ROLE role_[DATABASE] RESET default_transaction_read_only;

"#]]
    );
    assert_eq!(case.rows(), "0001");
}

#[test]
fn odd_names() {
    let longest = "ü".repeat(31) + "x";
    for (schema, version, history) in [
        ("od'd \"Schema", "it's \"the\" Version", "$$ history; --"),
        (&*longest, &*longest, "h"),
        ("select", "user", "table"),
    ] {
        let case = Case::with(&format!(
            "version_table_schema = {schema}\nversion_table = {version}\nhistory_table = {history}\n"
        ));
        case.chain(2);
        case.succeeds("upgrade head");
        case.succeeds("downgrade -1");
        assert_eq!(case.succeeds("current").stdout, "0001\n");
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let table = |name: &str| format!("{}.{}", quoted(schema), quoted(name));
        assert_eq!(case.ask(&format!("SELECT version_num FROM {}", table(version))), "0001\n");
        assert_eq!(case.ask(&format!("SELECT count(*) FROM {}", table(history))), "3\n");
        // The script on paper means the same tables.
        let script = case.succeeds("upgrade 0001:0002 --sql").stdout;
        case.database.psql(&script);
        assert_eq!(case.succeeds("current").stdout, "0002 (head)\n");
    }
}

#[test]
fn a_name_that_is_too_long() {
    let case = Case::with(&format!("version_table = {}\n", "x".repeat(64)));
    case.chain(1);
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 2
----- stderr
error: `version_table` is 64 bytes long; PostgreSQL's names end after 63
 --> migrate.ini:3:17
  |
3 | version_table = xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

"#]]
    );
}

#[test]
fn a_version_table_that_is_something_else() {
    let case = Case::new();
    case.chain(1);
    case.ask("CREATE TABLE aludel_version (id int)");
    assert_data_eq!(
        case.transcript("current"),
        str![[r#"
exit code: 1
----- stderr
error[42703]: cannot read the version table public.aludel_version
note: column "version_num" does not exist

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[42703]: cannot read the version table public.aludel_version
note: column "version_num" does not exist

"#]]
    );
}

/// Where the database keeps another encoding, the server still says characters, or bytes where it knows none.
#[test]
fn other_encodings() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let case = Case::new();
        let name = format!("{}_{}", case.database.name, encoding.to_lowercase());
        case.ask(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        ));
        case.revision("001", "", "CREATE TABLE a (text text);\nINSERT INTO a VALUES ('éé'), (nonsense);", "");
        let mut command = case.command("upgrade head --url");
        command.arg(case.database.url().replace(&case.database.name, &name));
        let ran = case.project.run(command);
        assert!(ran.stderr.contains("--> versions/001.sql:7:31\n"), "{encoding}: {}", ran.transcript());
        case.ask(&format!("DROP DATABASE {name}"));
    }
}
