//! Repeatable files without a database: what is refused, what is printed, how one is made.

use snapbox::str;

use crate::world::{same, session, with};

const REVISIONS: [(&str, &str); 2] = [
    ("001.sql", "-- revision: 001\n\n-- migrate:upgrade\nCREATE TABLE t (id int);\n"),
    ("002.sql", "-- revision: 002\n-- parents: 001\n\n-- migrate:upgrade\nCREATE TABLE u (id int);\n"),
];

#[test]
fn ids_and_what_they_depend_on() {
    let project = with(REVISIONS);
    for (name, header) in [
        ("a", "a\n-- depends_on: [b, 002]"),
        ("b", "b\n-- depends_on: c"),
        ("c", "c\n-- depends_on: [a]"),
        ("d", "twice"),
        ("e", "twice"),
        ("f", "001"),
        ("g", "g\n-- depends_on: [twicee, 2, nothing_like_it]"),
    ] {
        project.write(&format!("versions/repeatable/{name}.sql"), format!("-- repeatable: {header}\n\nSELECT 1;\n"));
    }
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `001` is the id of a revision and of a repeatable file
 --> versions/repeatable/f.sql:1:16
  |
1 | -- repeatable: 001
  |                ^^^
  |
 ::: versions/001.sql:1:14
  |
1 | -- revision: 001
  |              ^^^
  |
  = hint: give the repeatable file another id

error: 2 repeatable files have the id `twice`
 --> versions/repeatable/d.sql:1:16
  |
1 | -- repeatable: twice
  |                ^^^^^
  |
 ::: versions/repeatable/e.sql:1:16
  |
1 | -- repeatable: twice
  |                ^^^^^
  |
  = hint: give one of them another id

error: the repeatable g depends on something that no file defines: `twicee`
 --> versions/repeatable/g.sql:2:17
  |
2 | -- depends_on: [twicee, 2, nothing_like_it]
  |                 ^^^^^^
  |
  = hint: did you mean `twice`?

error: the repeatable g depends on something that no file defines: `2`
 --> versions/repeatable/g.sql:2:25
  |
2 | -- depends_on: [twicee, 2, nothing_like_it]
  |                         ^
  |
  = hint: write the id of a repeatable file or of a revision

error: the repeatable g depends on something that no file defines: `nothing_like_it`
 --> versions/repeatable/g.sql:2:28
  |
2 | -- depends_on: [twicee, 2, nothing_like_it]
  |                            ^^^^^^^^^^^^^^^
  |
  = hint: write the id of a repeatable file or of a revision

error: repeatable files need each other in a circle: a -> b -> c -> a
 --> versions/repeatable/a.sql:2:17
  |
2 | -- depends_on: [b, 002]
  |                 ^
  |
 ::: versions/repeatable/b.sql:2:16
  |
2 | -- depends_on: c
  |                ^
  |
 ::: versions/repeatable/c.sql:2:17
  |
2 | -- depends_on: [a]
  |                 ^
  |
  = hint: take one of them out of `depends_on`

"#]],
    );
}

#[test]
fn headers_and_bodies() {
    let project = with(REVISIONS);
    project.write("versions/003.sql", "-- repeatable: a\n\nSELECT 1;\n");
    for (name, text) in [
        ("a", "-- revision: a\n\nSELECT 1;\n"),
        ("b", "-- message: b\n\nSELECT 1;\n"),
        ("c", "-- repeatable: c\n-- parents: 001\n"),
        ("d", "-- repeatable: d\n-- transaction: false\n"),
        ("e", "-- repeatable: e\n-- depend_on: 001\n"),
        ("f", "CREATE VIEW f AS SELECT 1;\n"),
    ] {
        project.write(&format!("versions/repeatable/{name}.sql"), text);
    }
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: a repeatable file stands among the revisions
 --> versions/003.sql:1:4
  |
1 | -- repeatable: a
  |    ^^^^^^^^^^
  |
  = hint: move it into the directory `repeatable` of a version location

error: a repeatable file has no `revision`
 --> versions/repeatable/a.sql:1:4
  |
1 | -- revision: a
  |    ^^^^^^^^
  |
  = hint: its id stands under `repeatable`
  = hint: a revision's file belongs into the version location itself, not into `repeatable`

error: the header does not say `repeatable`
 --> versions/repeatable/b.sql:1:1
  |
1 | -- message: b
  | ^^^^^^^^^^^^^
  |
  = hint: add a line `-- repeatable: <id>`

error: a repeatable file has no `parents`
 --> versions/repeatable/c.sql:2:4
  |
2 | -- parents: 001
  |    ^^^^^^^
  |
  = hint: what must run before it stands under `depends_on`

error: a repeatable file has no `transaction`
 --> versions/repeatable/d.sql:2:4
  |
2 | -- transaction: false
  |    ^^^^^^^^^^^
  |
  = hint: leave it out: it always runs in a transaction

error: unknown key `depend_on` in the header
 --> versions/repeatable/e.sql:2:4
  |
2 | -- depend_on: 001
  |    ^^^^^^^^^
  |
  = hint: did you mean `depends_on`?

error: the file has no header
 --> versions/repeatable/f.sql:1:1
  |
1 | CREATE VIEW f AS SELECT 1;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: the header is the file's first run of `--` lines, before anything else
  = note: a repeatable file begins like this:
          -- repeatable: active_users
          -- message: who was seen this month
          
          CREATE OR REPLACE VIEW ...

"#]],
    );
    let project = with(REVISIONS);
    for (name, body) in [
        ("a", "SELECT 1;\n-- migrate:downgrade\nSELECT 1;\n"),
        ("b", "-- migrate:upgrade transaction:false\nSELECT 1;\n"),
        ("c", "SELECT 1;\nCOMMIT;\n"),
        ("d", "VACUUM;\n"),
    ] {
        project.write(&format!("versions/repeatable/{name}.sql"), format!("-- repeatable: {name}\n\n{body}"));
    }
    same(
        session(&project, "upgrade head --sql"),
        str![[r#"
$ aludel upgrade head --sql
exit code: 1
----- stderr
error: a repeatable file has no downgrade
 --> versions/repeatable/a.sql:4:1
  |
4 | -- migrate:downgrade
  | ^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing was run
  = hint: a revision drops what it made

error: a repeatable file always runs in a transaction
 --> versions/repeatable/b.sql:3:1
  |
3 | -- migrate:upgrade transaction:false
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: put what cannot be in one into a revision

error: COMMIT in a repeatable file, which runs in a transaction
 --> versions/repeatable/c.sql:4:1
  |
4 | COMMIT;
  | ^^^^^^^
  |
  = hint: leave it out, or put it into a revision

error: VACUUM in a repeatable file, which runs in a transaction
 --> versions/repeatable/d.sql:3:1
  |
3 | VACUUM;
  | ^^^^^^^
  |
  = hint: leave it out, or put it into a revision

"#]],
    );
}

#[test]
fn a_script_runs_all_of_them() {
    let project = with(REVISIONS);
    project.write(
        "versions/repeatable/a.sql",
        "-- repeatable: a\n-- message: a view\n-- depends_on: [b, \"002\"]\n\nCREATE OR REPLACE VIEW a AS SELECT 1 AS b;\n",
    );
    project
        .write("versions/repeatable/b.sql", "-- repeatable: b\n-- depends_on: 001\n\n-- migrate:upgrade\nSELECT 1;\n");
    let titles = |arguments: &str| {
        let printed = session(&project, arguments);
        printed.lines().filter(|line| line.starts_with("\\echo")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        titles("upgrade head --sql"),
        [
            "\\echo 'upgrade 001 (versions/001.sql)'",
            "\\echo 'upgrade 002 (versions/002.sql)'",
            "\\echo 'repeat b (versions/repeatable/b.sql)'",
            "\\echo 'repeat a a view (versions/repeatable/a.sql)'",
        ]
    );
    assert_eq!(
        titles("upgrade 001 --sql"),
        ["\\echo 'upgrade 001 (versions/001.sql)'", "\\echo 'repeat b (versions/repeatable/b.sql)'"]
    );
    assert_eq!(titles("downgrade 002:002 --sql"), [""; 0]);
    let printed = session(&project, "upgrade 002:002 --sql");
    let (_, step) = printed.split_once("repeat a a view").expect("a step");
    same(
        step.to_owned(),
        str![[r#"
 (versions/repeatable/a.sql)
-- ==========================================================================

\echo 'repeat a a view (versions/repeatable/a.sql)'

-- What the step before has set in this session ends here.
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
DEALLOCATE ALL;
CLOSE ALL;
UNLISTEN *;
DISCARD TEMP;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

BEGIN ISOLATION LEVEL READ COMMITTED;

-- Only where the database is at 002; nobody else moves it meanwhile.
LOCK TABLE public.aludel_version IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL aludel.revision = 'a';
DO $aludel$
BEGIN
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['002']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'repeat of a expects the database at 002; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;

-- repeatable: a
-- message: a view
-- depends_on: [b, "002"]

CREATE OR REPLACE VIEW a AS SELECT 1 AS b;

-- a was run: the history says so.
RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $aludel$
BEGIN
    IF COALESCE(pg_catalog.current_setting('aludel.revision', true), '') OPERATOR(pg_catalog.<>) 'a' THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_locks WHERE granted AND mode OPERATOR(pg_catalog.=) 'ShareRowExclusiveLock'
            AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND relation OPERATOR(pg_catalog.=) 'public.aludel_version'::pg_catalog.regclass) THEN
            RAISE EXCEPTION 'the script of a reset all settings' USING ERRCODE = 'ALU05',
                HINT = 'leave out RESET ALL: settings are put back behind each revision anyway';
        END IF;
        RAISE EXCEPTION 'the script of a ended its transaction on its own' USING ERRCODE = 'ALU02';
    END IF;
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['002']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'repeat of a is to leave the database at 002; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;
INSERT INTO public.aludel_history
    (version_table, run, direction, revision, checksum, outcome, tool, role, started_at, finished_at)
VALUES
    ('aludel_version', 'sql', 'repeat', 'a', '0e9f49a3d5f92655b174225be64036ad50389ed24a2ce779c04c3eb1ccf8f1bd', 'done', 'aludel 0.1.0', SESSION_USER,
    pg_catalog.transaction_timestamp(),
    pg_catalog.clock_timestamp());

COMMIT;


"#]],
    );
}

#[test]
fn a_new_one() {
    let project = with(REVISIONS);
    same(
        session(&project, "revision --repeatable active_users -m 'who: seen' --depends-on 002"),
        str![[r#"
$ aludel revision --repeatable active_users -m 'who: seen' --depends-on 002
exit code: 0
----- stdout
versions/repeatable/active_users.sql
----- stderr
created the repeatable active_users
hint: write its SQL into versions/repeatable/active_users.sql, then: aludel upgrade head

"#]],
    );
    assert_eq!(
        project.read("versions/repeatable/active_users.sql"),
        "-- repeatable: active_users\n-- message: \"who: seen\"\n-- created: 2025-01-02T03:04:05Z\n-- depends_on: 002\n\n\
         -- Run again whenever this file changes, so: CREATE OR REPLACE, or DROP ... IF EXISTS before.\n"
    );
    same(
        session(&project, "revision --repeatable active_users"),
        str![[r#"
$ aludel revision --repeatable active_users
exit code: 1
----- stderr
error: the id `active_users` is taken by a repeatable file
note: in versions/repeatable/active_users.sql

"#]],
    );
    same(
        session(&project, "revision --repeatable 002"),
        str![[r#"
$ aludel revision --repeatable 002
exit code: 1
----- stderr
error: the id `002` is taken by a revision
note: in versions/002.sql

"#]],
    );
    same(
        session(&project, "revision --repeatable other --depends-on 02"),
        str![[r#"
$ aludel revision --repeatable other --depends-on 02
exit code: 1
----- stderr
error: there is no repeatable file and no revision `02`
hint: write the whole id: `aludel history` lists the revisions

"#]],
    );
    same(
        session(&project, "revision --rev-id active_users"),
        str![[r#"
$ aludel revision --rev-id active_users
exit code: 1
----- stderr
error: the id `active_users` is taken by a repeatable file
note: in versions/repeatable/active_users.sql

"#]],
    );
    same(
        session(&project, "revision --repeatable other --head 001"),
        str![[r#"
$ aludel revision --repeatable other --head 001
exit code: 2
----- stderr
error: the argument '--repeatable <ID>' cannot be used with '--head <REVISION>'

Usage: aludel revision --repeatable <ID>

For more information, try '--help'.

"#]],
    );
    project.write("templates/repeatable.sql.j2", "-- repeatable: {{ repeatable | yaml }}\n");
    same(
        session(&project, "revision --repeatable other -m lost"),
        str![[r#"
$ aludel revision --repeatable other -m lost
exit code: 1
----- stderr
error: the template lost `message`
note: the file was made by `templates/repeatable.sql.j2`
note: nothing was written
hint: the header needs it: `-- message: {{ message | yaml }}` in a template

"#]],
    );
    same(
        session(&project, "revision --repeatable other"),
        str![[r#"
$ aludel revision --repeatable other
exit code: 0
----- stdout
versions/repeatable/other.sql
----- stderr
created the repeatable other
hint: write its SQL into versions/repeatable/other.sql, then: aludel upgrade head

"#]],
    );
    assert_eq!(project.read("versions/repeatable/other.sql"), "-- repeatable: other\n");
}

#[test]
fn a_directory_that_is_called_another_way() {
    let project = with(REVISIONS);
    project.write("versions/repeatables/notes.txt", "not SQL");
    assert_eq!(project.aludel(["heads"]).code, 0);
    project.write("versions/repeatables/v.sql", "-- repeatable: v\n\nSELECT 1;\n");
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: nothing reads the `.sql` files in `versions/repeatables`
hint: where they are repeatable files, call it `repeatable`

"#]],
    );
}

#[test]
fn a_directory_within_it() {
    let project = with([("1.sql", "-- revision: 1\n\n-- migrate:upgrade\n")]);
    project.write("versions/repeatable/b.sql", "-- repeatable: b\n\nSELECT 1;\n");
    project.write("versions/repeatable/views/a.sql", "-- repeatable: a\n\nSELECT 1;\n");
    project.write("versions/repeatable/notes/a.txt", "");
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: nothing reads the `.sql` files in `versions/repeatable/views`
hint: move them into `repeatable`, or set `recursive_version_locations = yes`

"#]],
    );
    project.write("migrate.ini", project.read("migrate.ini") + "recursive_version_locations = yes\n");
    let printed = session(&project, "upgrade head --sql");
    let steps: Vec<&str> = printed.lines().filter(|line| line.starts_with("\\echo ")).collect();
    assert_eq!(
        steps,
        [
            "\\echo 'upgrade 1 (versions/1.sql)'",
            "\\echo 'repeat b (versions/repeatable/b.sql)'",
            "\\echo 'repeat a (versions/repeatable/views/a.sql)'",
        ],
        "{printed}"
    );
}
