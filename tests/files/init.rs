//! `init` and `list-templates`.

use snapbox::str;

use crate::support::Project;
use crate::world::{same, session};

#[test]
fn a_project_begins_in_an_empty_directory() {
    let project = Project::empty();
    same(
        session(
            &project,
            "heads
             init
             heads
             history
             history --graph
             branches
             show head
             revision -m 'first tables'
             heads",
        ),
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: there is no `migrate.ini`
hint: type `aludel init` to begin a project here
hint: name the settings of another directory: `-c DIRECTORY/migrate.ini`

$ aludel init
exit code: 0
----- stderr
created migrate.ini
created versions
created versions/.gitkeep
created templates/revision.sql.j2
hint: aludel revision -m "first tables"

$ aludel heads
exit code: 0
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel history
exit code: 0
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel history --graph
exit code: 0
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel branches
exit code: 0
----- stderr
no revision branches

$ aludel show head
exit code: 0

$ aludel revision -m 'first tables'
exit code: 0
----- stdout
versions/789041c98ac3_first_tables.sql
----- stderr
created revision 789041c98ac3, a new base
hint: write its SQL into versions/789041c98ac3_first_tables.sql, then: aludel upgrade 789041c98ac3

$ aludel heads
exit code: 0
----- stdout
789041c98ac3 (head)

"#]],
    );
    assert_eq!(project.list("."), ["migrate.ini", "templates", "versions"]);
    assert_eq!(project.list("versions"), [".gitkeep", "789041c98ac3_first_tables.sql"]);
}

#[test]
fn what_is_there_is_kept() {
    let project = Project::empty();
    project.write("migrate.ini", "[migrate]\n# mine\n").write("versions/1.sql", "mine");
    same(
        session(&project, "init\ninit"),
        str![[r#"
$ aludel init
exit code: 0
----- stderr
kept migrate.ini, which was there
kept versions, which was there
created templates/revision.sql.j2
hint: aludel revision -m "first tables"

$ aludel init
exit code: 0
----- stderr
kept migrate.ini, which was there
kept versions, which was there
kept templates/revision.sql.j2, which was there
hint: aludel revision -m "first tables"

"#]],
    );
    assert_eq!(project.read("migrate.ini"), "[migrate]\n# mine\n");
    assert_eq!(project.list("versions"), ["1.sql"]);
    assert_eq!(project.read("versions/1.sql"), "mine");
}

#[test]
fn elsewhere_and_quietly() {
    let project = Project::empty();
    project.write("in the way/versions", "a file");
    same(
        session(
            &project,
            "init 'my app/db'
             -c 'my app/db/migrate.ini' revision -m one --rev-id 1
             -q init other
             init 'in the way'",
        ),
        str![[r#"
$ aludel init 'my app/db'
exit code: 0
----- stderr
created my app/db/migrate.ini
created my app/db/versions
created my app/db/versions/.gitkeep
created my app/db/templates/revision.sql.j2
hint: cd 'my app/db' && aludel revision -m "first tables"

$ aludel -c 'my app/db/migrate.ini' revision -m one --rev-id 1
exit code: 0
----- stdout
my app/db/versions/1_one.sql
----- stderr
created revision 1, a new base
hint: write its SQL into my app/db/versions/1_one.sql, then: aludel -c 'my app/db/migrate.ini' upgrade 1

$ aludel -q init other
exit code: 0

$ aludel init 'in the way'
exit code: 1
----- stderr
error: `in the way/versions` is in the way: it is not a directory

"#]],
    );
    assert_eq!(project.list("in the way"), ["versions"]);
}

#[test]
fn templates() {
    let project = Project::empty();
    same(
        session(
            &project,
            "list-templates
             init -t alembik
             init -t async
             init -t alembic",
        ),
        str![[r#"
$ aludel list-templates
exit code: 0
----- stdout
generic - a project of its own, for one database
alembic - carries on a database that Alembic has migrated: its version table is taken over

$ aludel init -t alembik
exit code: 2
----- stderr
error: no such template: `alembik`
hint: did you mean `alembic`?

$ aludel init -t async
exit code: 2
----- stderr
error: no such template: `async`
note: there are `generic`, `alembic`

$ aludel init -t alembic
exit code: 0
----- stderr
created migrate.ini
created versions
created versions/.gitkeep
created templates/revision.sql.j2
hint: aludel revision -m "first tables"

"#]],
    );
    assert!(project.read("migrate.ini").contains("\nversion_table = alembic_version\n"));
}
