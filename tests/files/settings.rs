//! migrate.ini: what cannot be read, and what is named wrongly.

use snapbox::data::Inline;
use snapbox::str;

use crate::support::Project;
use crate::world::{INI, did, empty, same, session, shop};

#[track_caller]
fn refused(ini: &str, expected: Inline) {
    let project = shop();
    project.write("migrate.ini", ini);
    same(session(&project, "heads"), expected);
}

#[test]
fn none() {
    let project = Project::empty();
    same(
        session(&project, "heads\nheads -c elsewhere/migrate.ini\nheads -c ."),
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: there is no `migrate.ini`
hint: type `aludel init` to begin a project here
hint: name the settings of another directory: `-c DIRECTORY/migrate.ini`

$ aludel heads -c elsewhere/migrate.ini
exit code: 2
----- stderr
error: there is no `elsewhere/migrate.ini`
hint: type `aludel init` to begin a project here
hint: name the settings of another directory: `-c DIRECTORY/migrate.ini`

$ aludel heads -c .
exit code: 2
----- stderr
error: there is no `migrate.ini`
hint: type `aludel init` to begin a project here
hint: name the settings of another directory: `-c DIRECTORY/migrate.ini`

"#]],
    );
}

#[test]
fn unknown_keys() {
    refused(
        "[migrate]\nversion_location = versions\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: unknown setting `version_location`
 --> migrate.ini:2:1
  |
2 | version_location = versions
  | ^^^^^^^^^^^^^^^^
  |
  = hint: call it `version_locations`

"#]],
    );
    refused(
        "[migrate]\nsqlalchemy.url = postgres://u:hunter2@h/d\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: unknown setting `sqlalchemy.url`
 --> migrate.ini:2:1
  |
2 | sqlalchemy.url = ***
  | ^^^^^^^^^^^^^^
  |
  = hint: call it `url`

"#]],
    );
    refused(
        "[migrate]\nscript_location = alembic\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: unknown setting `script_location`
 --> migrate.ini:2:1
  |
2 | script_location = ***
  | ^^^^^^^^^^^^^^^
  |
  = hint: name the directory of the revisions: `version_locations = versions`

"#]],
    );
    refused(
        "[migrate]\nzebra = 1\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: unknown setting `zebra`
 --> migrate.ini:2:1
  |
2 | zebra = ***
  | ^^^^^
  |
  = hint: take it out; `aludel env -v` lists the settings that there are
  = hint: values for revisions belong in `[variables]`

"#]],
    );
}

#[test]
fn unknown_sections() {
    refused(
        "[migarte]\nversion_locations = versions\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: section `[migarte]` has no meaning here
 --> migrate.ini:1:2
  |
1 | [migarte]
  |  ^^^^^^^
  |
  = hint: call it `[migrate]`

"#]],
    );
    refused(
        "[alembic]\nversion_locations = versions\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: section `[alembic]` has no meaning here
 --> migrate.ini:1:2
  |
1 | [alembic]
  |  ^^^^^^^
  |
  = hint: call it `[migrate]`

"#]],
    );
    refused(
        "[migrate]\n[loggers]\nkeys = root\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: section `[loggers]` has no meaning here
 --> migrate.ini:2:2
  |
2 | [loggers]
  |  ^^^^^^^
  |
  = hint: remove it: it is for Python's logging

"#]],
    );
    refused(
        "version_locations = versions\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: a key before the first section
 --> migrate.ini:1:1
  |
1 | version_locations = ***
  | ^^^^^^^^^^^^^^^^^
  |
  = hint: write `[migrate]` above it

"#]],
    );
    refused(
        "",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `migrate.ini` has no section `[migrate]`
hint: write `[migrate]` above the settings, or type `aludel init` for a new file

"#]],
    );
}

#[test]
fn given_twice() {
    refused(
        "[migrate]\ntimezone = UTC\ntimezone = local\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `timezone` is given twice in `[migrate]`
 --> migrate.ini:3:1
  |
3 | timezone = ***
  | ^^^^^^^^
  |
 ::: migrate.ini:2:1
  |
2 | timezone = ***
  | ^^^^^^^^ first given here

"#]],
    );
    refused(
        "[migrate]\n[migrate]\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: section `[migrate]` is given twice
 --> migrate.ini:2:2
  |
2 | [migrate]
  |  ^^^^^^^
  |
 ::: migrate.ini:1:2
  |
1 | [migrate]
  |  ^^^^^^^ first given here

"#]],
    );
}

#[test]
fn python_is_not_spoken() {
    refused(
        "[migrate]\nversion_locations = %(here)s/versions\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `%(here)s` is not replaced in this file
 --> migrate.ini:2:21
  |
2 | version_locations = %(here)s/versions
  |                     ^^^^^^^^
  |
  = hint: write `{{ here }}`

"#]],
    );
    refused(
        "[migrate]\nurl = postgres://%(user)s@h/d\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `%(user)s` is not replaced in this file
 --> migrate.ini:2:18
  |
2 | url = postgres://%(user)s@h/d
  |                  ^^^^^^^^
  |
  = hint: write `{{ env.user }}` for an environment variable, `{{ x.user }}` for `-x user=...`

"#]],
    );
}

#[test]
fn values_that_are_none() {
    for (line, expected) in [
        (
            "revision_id = sequnce",
            str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `revision_id` is none of `uuid`, `sequence`, `timestamp`
 --> migrate.ini:2:15
  |
2 | revision_id = sequnce
  |               ^^^^^^^
  |
  = hint: write `sequence`

"#]],
        ),
        (
            "timezone = Europe/Paris",
            str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `timezone` is no offset from UTC
 --> migrate.ini:2:12
  |
2 | timezone = Europe/Paris
  |            ^^^^^^^^^^^^
  |
  = hint: write `UTC`, `local` or an offset such as `+02:00`

"#]],
        ),
        (
            "recursive_version_locations = maybe",
            str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `recursive_version_locations` is neither `yes` nor `no`
 --> migrate.ini:2:31
  |
2 | recursive_version_locations = maybe
  |                               ^^^^^
  |
  = hint: write `yes` or `no`

"#]],
        ),
        (
            "truncate_slug_length = 0",
            str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `truncate_slug_length` is no whole number from 1 to 200
 --> migrate.ini:2:24
  |
2 | truncate_slug_length = 0
  |                        ^

"#]],
        ),
        (
            "lock_wait = 5 fortnights",
            str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `lock_wait` is no duration
 --> migrate.ini:2:13
  |
2 | lock_wait = 5 fortnights
  |             ^^^^^^^^^^^^
  |
  = hint: write `[TIME]`, `2s`, `5min`, `1h` or `0`

"#]],
        ),
        (
            "version_table = a.b",
            str![[r#"
$ aludel heads
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

"#]],
        ),
        (
            "transaction = always",
            str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `transaction` is none of `revision`, `run`
 --> migrate.ini:2:15
  |
2 | transaction = always
  |               ^^^^^^

"#]],
        ),
        (
            "post_write_hooks = sh 'open",
            str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `post_write_hooks` has a quote that is not closed
 --> migrate.ini:2:20
  |
2 | post_write_hooks = sh 'open
  |                    ^^^^^^^^

"#]],
        ),
        (
            "file_template = x",
            str![[r#"
$ aludel heads
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

"#]],
        ),
        (
            "url = {{ env.NOTHING_OF_THAT_NAME | nofilter }}",
            str![[r#"
$ aludel heads
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

"#]],
        ),
    ] {
        refused(&format!("[migrate]\n{line}\n"), expected);
    }
}

#[test]
fn broken_lines() {
    refused(
        "[migrate\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: a section's line ends with `]`
 --> migrate.ini:1:1
  |
1 | [migrate
  | ^^^^^^^^
  |
  = hint: write the section as `[name]`, a comment on a line of its own

"#]],
    );
    refused(
        "[migrate]\njust words\n",
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: a line that is neither `key = value`, a `[section]` nor a comment
 --> migrate.ini:2:1
  |
2 | ***
  | ^^^
  |
  = hint: indent the further lines of a value

"#]],
    );
    refused(
        "[migrate]\nurl = postgres://u:hunter2@h/d\n  second = line\n",
        str![[r#"
$ aludel heads
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

"#]],
    );
}

#[test]
fn environments() {
    let project = shop();
    project.write("migrate.ini", format!("{INI}[production]\nversion_locations = nowhere\n[staging]\n"));
    same(
        session(
            &project,
            "heads -n production
             heads -n prodcution
             heads -n zzz
             heads -n staging
             heads -n migrate
             heads -n variables",
        ),
        str![[r#"
$ aludel heads -n production
exit code: 1
----- stderr
error: no such version location: `nowhere`
note: it is named by `version_locations` in the ini, one directory a line, relative to the ini
hint: mkdir -p nowhere

$ aludel heads -n prodcution
exit code: 2
----- stderr
error: `migrate.ini` has no section `[prodcution]`, which `-n` asks for
hint: type `-n production`

$ aludel heads -n zzz
exit code: 2
----- stderr
error: `migrate.ini` has no section `[zzz]`, which `-n` asks for
note: it has `[production]`, `[staging]`

$ aludel heads -n staging
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

$ aludel heads -n migrate
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

$ aludel heads -n variables
exit code: 2
----- stderr
error: `[variables]` is no environment, as `-n` would have it: it holds values for revisions
hint: name a section of your own, such as `[production]`

"#]],
    );
    let mut command = project.command(["heads"]);
    command.env("ALUDEL_ENV", "test");
    did(
        &project.run(command),
        str![[r#"
exit code: 2
----- stderr
error: `migrate.ini` has no section `[test]`, which `ALUDEL_ENV` asks for
note: it has `[production]`, `[staging]`

"#]],
    );
}

#[test]
fn another_file() {
    let project = shop();
    std::fs::rename(project.path().join("versions"), project.path().join("db")).unwrap();
    project.write("conf/other.ini", "[migrate]\nversion_locations = ../db\nurl =\n");
    same(
        session(&project, "-c conf/other.ini show 001"),
        str![[r#"
$ aludel -c conf/other.ini show 001
exit code: 0
----- stdout
Rev: 001
Parent: <base>
Path: conf/../db/001_first_tables.sql
Created: 2025-11-20T09:30:00+00:00

    first tables


"#]],
    );
    let mut command = project.command(["heads"]);
    command.env("ALUDEL_CONFIG", "conf/other.ini");
    did(
        &project.run(command),
        str![[r#"
exit code: 0
----- stdout
004 (shop, store) (effective head)
005 (billing) (head)

"#]],
    );
    same(
        session(&project, "-c conf/other.ini current"),
        str![[r#"
$ aludel -c conf/other.ini current
exit code: 2
----- stderr
error: no database is named
 --> conf/other.ini:3:1
  |
3 | url =
  | ^^^ gives nothing here
  |
  = hint: name one: `--url postgres://user@host/database`, or `url` in the settings
  = hint: `--url local` starts a private PostgreSQL for development and tests

"#]],
    );
}

#[test]
fn here() {
    let project = shop();
    project.write("migrate.ini", "[migrate]\nversion_locations = {{ here }}/versions\n");
    same(
        session(&project, "show 001"),
        str![[r#"
$ aludel show 001
exit code: 0
----- stdout
Rev: 001
Parent: <base>
Path: [CWD]/versions/001_first_tables.sql
Created: 2025-11-20T09:30:00+00:00

    first tables


"#]],
    );
}

#[test]
fn variables() {
    let project = empty();
    project.write("migrate.ini", "[migrate]\nurl = {{ x.dbUrl or \"local\" }}\n");
    same(
        session(&project, "heads -x dburl=a\nheads -x dbUrl=a\nheads -x other=b"),
        str![[r#"
$ aludel heads -x dburl=a
exit code: 2
----- stderr
error: `migrate.ini` reads `x.dbUrl`, not `x.dburl`
hint: type `-x dbUrl=...`

$ aludel heads -x dbUrl=a
exit code: 0
----- stderr
there are no revisions yet
hint: aludel -x dbUrl=... revision -m "first tables"

$ aludel heads -x other=b
exit code: 2
----- stderr
error: `-x other=...` would be passed over: nothing in force reads `x.other`
note: no revision that is a template does either

"#]],
    );
}

/// A command that does not connect needs no `url`; every other setting is read at once. `aludel env` shows what is not set.
#[test]
fn variables_that_are_not_set() {
    let project = empty();
    project.write("migrate.ini", "[migrate]\nurl = postgres://deploy@localhost:1/{{ env.DBNAM }}\n");
    same(
        session(&project, "heads\ncurrent\nenv url"),
        str![[r#"
$ aludel heads
exit code: 0
----- stderr
there are no revisions yet
hint: aludel revision -m "first tables"

$ aludel current
exit code: 2
----- stderr
error: `url` asks for `env.DBNAM`, which is not set
 --> migrate.ini:2:37
  |
2 | url = postgres://deploy@localhost:1/{{ env.DBNAM }}
  |                                     ^^^^^^^^^^^^^^^
  |
  = hint: if it may be missing, say what holds then: `{{ env.DBNAM or "..." }}`

$ aludel env url
exit code: 2
----- stderr
error: `url` asks for `env.DBNAM`, which is not set
 --> migrate.ini:2:37
  |
2 | url = postgres://deploy@localhost:1/{{ env.DBNAM }}
  |                                     ^^^^^^^^^^^^^^^
  |
  = hint: if it may be missing, say what holds then: `{{ env.DBNAM or "..." }}`

"#]],
    );
    let shown = |setting: &str| {
        let ran = project.aludel(["env"]);
        assert_eq!(ran.code, 0, "{}", ran.transcript());
        let line = ran.stdout.lines().find(|line| line.trim_start().starts_with(setting)).expect("the line").to_owned();
        (line.split_whitespace().collect::<Vec<_>>().join(" "), ran.stderr)
    };
    let (line, problem) = shown("url");
    assert_eq!(line, "url postgres://deploy@localhost:1/{{ env.DBNAM }} migrate.ini:2 [migrate]: env.DBNAM (not set)");
    assert!(problem.starts_with("warning: `url` asks for `env.DBNAM`, which is not set\n"), "{problem}");
    let hooks = "url = local\nbefore_upgrade = pg_dump -f {{ env.BACKUPDIR }}/x.dump\non_failure = {{ env.HK }}\n";
    project.write("migrate.ini", format!("[migrate]\n{hooks}[variables]\na = {{{{ env.A }}}}\n"));
    same(
        session(&project, "heads\nenv before_upgrade\nenv on_failure"),
        str![[r#"
$ aludel heads
exit code: 2
----- stderr
error: `before_upgrade` asks for `env.BACKUPDIR`, which is not set
 --> migrate.ini:3:29
  |
3 | before_upgrade = pg_dump -f {{ env.BACKUPDIR }}/x.dump
  |                             ^^^^^^^^^^^^^^^^^^^
  |
  = hint: if it may be missing, say what holds then: `{{ env.BACKUPDIR or "..." }}`

$ aludel env before_upgrade
exit code: 0
----- stdout
pg_dump -f {{ env.BACKUPDIR }}/x.dump

$ aludel env on_failure
exit code: 0

"#]],
    );
    assert_eq!(
        shown("before_upgrade").0,
        "before_upgrade pg_dump -f {{ env.BACKUPDIR }}/x.dump migrate.ini:3 [migrate]: env.BACKUPDIR (not set)"
    );
    assert_eq!(shown("on_failure").0, "on_failure migrate.ini:4 [migrate]: env.HK (not set)");
    assert_eq!(shown("a ").0, "a migrate.ini:6 [variables]");
}

/// An error in the connection string has the place of the setting that gave it, or the variable that did.
#[test]
fn a_connection_string_that_leads_nowhere() {
    let project = empty();
    let mut text = String::new();
    for url in [
        "url = postgres://u@localhost/d?sslmode=verify_full",
        "url = host=localhost user=u port=port",
        "url = mysql://u:S3cr3t@localhost/d",
        "url_command = echo mysql://u:S3cr3t@localhost/d",
        "url_command = echo host=h S3cr3t=a",
        "url_command = echo service=S3cr3t",
        "url_command = echo host=localhost sslmode=S3cr3t",
    ] {
        project.write("migrate.ini", format!("[migrate]\n{url}\n"));
        text.push_str(&session(&project, "current"));
    }
    same(
        text,
        str![[r#"
$ aludel current
exit code: 2
----- stderr
error: cannot read where the database is: `sslmode` must be one of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`
 --> migrate.ini:2:7
  |
2 | url = postgres://u@localhost/d?sslmode=verify_full
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: did you mean `verify-full`?
$ aludel current
exit code: 2
----- stderr
error: cannot read where the database is: `port` must be a number from 1 to 65535
 --> migrate.ini:2:7
  |
2 | url = host=localhost user=u port=port
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
$ aludel current
exit code: 2
----- stderr
error: cannot read where the database is: its scheme is not `postgresql` or `postgres`
 --> migrate.ini:2:7
  |
2 | url = ***
  |       ^^^
  |
  = hint: write `postgresql://user:password@host:5432/database`
$ aludel current
exit code: 2
----- stderr
error: cannot read where the database is: its scheme is not `postgresql` or `postgres`
 --> migrate.ini:2:15
  |
2 | url_command = echo mysql://u:***@localhost/d
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: `url_command` gave it, and what it printed is not shown
  = hint: have it print `postgresql://user:password@host:5432/database`, or `host=... dbname=...`
$ aludel current
exit code: 2
----- stderr
error: cannot read where the database is: a setting does not exist
 --> migrate.ini:2:15
  |
2 | url_command = echo ***
  |               ^^^^^^^^^^^^^^^^^^^^
  |
  = note: `url_command` gave it, and what it printed is not shown
$ aludel current
exit code: 2
----- stderr
error: cannot read where the database is: the service that it names cannot be used
 --> migrate.ini:2:15
  |
2 | url_command = echo ***
  |               ^^^^^^^^^^^^^^^^^^^
  |
  = note: `url_command` gave it, and what it printed is not shown
$ aludel current
exit code: 2
----- stderr
error: cannot read where the database is: `sslmode` must be one of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`
 --> migrate.ini:2:15
  |
2 | url_command = echo ***
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: `url_command` gave it, and what it printed is not shown

"#]],
    );
    project.write("migrate.ini", "[migrate]\nurl = postgres://u@localhost/d\n");
    let mut command = project.command(["current"]);
    command.env("PGSSLMODE", "requires");
    same(
        project.run(command).transcript(),
        str![[r#"
exit code: 2
----- stderr
error: cannot read where the database is: `sslmode` must be one of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`
note: `PGSSLMODE` is set, and the `url` says nothing of it
hint: did you mean `require`?

"#]],
    );
}

/// What a shell makes of a variable that is not set, and a name that is only a part of one that is read.
#[test]
fn values_that_are_not_what_was_meant() {
    let project = empty();
    project.write(
        "migrate.ini",
        "[migrate]\nurl = {{ x.dbUrl or env.DATABASE_URL }}\n[variables]\nsuffix =\n[other]\nurl = local\n",
    );
    project.write(
        "versions/001.sql",
        "-- revision: 001\n-- template: true\n\n-- migrate:upgrade\nCREATE TABLE {{ dbname | identifier }} ();\n-- migrate:downgrade\n",
    );
    let mut text = session(
        &project,
        "heads -x dbUrl=\nplan upgrade head --from base -x suffix= -x dbname=a -q\nplan upgrade head --from base -x dbnam=a\nplan upgrade head --from base --url local -x dbUrl=a",
    );
    let mut command = project.command(["env"]);
    command.env("ALUDEL_ENV", "");
    text.push_str(&format!("ALUDEL_ENV=\n{}", project.run(command).transcript()));
    same(
        text,
        str![[r#"
$ aludel heads -x dbUrl=
exit code: 2
----- stderr
error: `-x dbUrl=` has no value, and `url` asks for it
 --> migrate.ini:2:7
  |
2 | url = {{ x.dbUrl or env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: give it one, or leave `-x dbUrl` out

$ aludel plan upgrade head --from base -x suffix= -x dbname=a -q
exit code: 0
----- stdout
upgrade <base> -> 001

$ aludel plan upgrade head --from base -x dbnam=a
exit code: 2
----- stderr
error: `-x dbnam=...` would be passed over: nothing in force reads `x.dbnam`
note: no revision that is a template does either

$ aludel plan upgrade head --from base --url local -x dbUrl=a
exit code: 2
----- stderr
error: `-x dbUrl=...` would be passed over: nothing in force reads `x.dbUrl`
 --> migrate.ini:2:7
  |
2 | url = {{ x.dbUrl or env.DATABASE_URL }}
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ read here
  |
  = note: `--url` lies over `url`
  = hint: leave `-x dbUrl` out, or leave `--url` out
ALUDEL_ENV=
exit code: 2
----- stderr
error: `ALUDEL_ENV` is set, and names no environment
hint: unset it for the settings of `[migrate]` alone

"#]],
    );
}

/// Variables that say something of the connection, and the ones that do not since the `url` names a server.
#[test]
fn variables_of_the_connection() {
    let project = empty();
    project.write("services.conf", "[shop]\nhost=localhost\nport=1\n");
    let mut text = String::new();
    for url in ["postgres://", "postgres://localhost/d"] {
        project
            .write("migrate.ini", format!("[migrate]\nurl = {url}\nconfirm = {{{{ env.YES or env.YES or 'no' }}}}\n"));
        let mut command = project.command(["env"]);
        command.env("PGSERVICE", "shop").env("PGSERVICEFILE", "services.conf").env("PGTZ", "UTC").env("PGGEQO", "off");
        command.env("PGUSER", "dana").env("YES", "yes").env("PGPASSFILE", "none");
        let ran = project.run(command);
        let lines = ran.stdout.lines().filter(|line| !line.ends_with("default"));
        text.push_str(&lines.map(|line| format!("{line}\n")).collect::<String>());
    }
    same(
        text,
        str![[r#"
file          migrate.ini
database      postgresql://dana@localhost:1/dana

connection
  host         localhost      service shop
  port         1              service shop
  dbname       dana           the user's name
  user         dana           PGUSER
  password                    nobody
  passfile     none           PGPASSFILE
  service      shop           PGSERVICE
  servicefile  services.conf  PGSERVICEFILE
  timezone     UTC            PGTZ
  geqo         off            PGGEQO

settings
  url                                  postgres://       migrate.ini:2 [migrate]
  confirm                              yes               migrate.ini:3 [migrate]: env.YES
file          migrate.ini
database      postgresql://dana@localhost:5432/d

connection
  host      localhost  migrate.ini:2 [migrate]
  dbname    d          migrate.ini:2 [migrate]
  user      dana       PGUSER
  password             nobody
  passfile  none       PGPASSFILE
  timezone  UTC        PGTZ
  geqo      off        PGGEQO

settings
  url                                  postgres://localhost/d  migrate.ini:2 [migrate]
  confirm                              yes                     migrate.ini:3 [migrate]: env.YES

"#]],
    );
}

/// No program is asked for a project that cannot be used, and a program that does not start is told by where it was looked for.
#[test]
fn programs_that_are_not_asked() {
    let project = empty();
    let hooks = "url = postgres://u@localhost:1/d\npassword_command = sh -c 'echo x > asked'\n";
    project.write("migrate.ini", format!("[migrate]\n{hooks}"));
    project
        .write("versions/001.sql", "-- revision: 001\n-- parents: 002\n\n-- migrate:upgrade\n-- migrate:downgrade\n");
    let ran = project.aludel(["upgrade", "head"]);
    assert!(ran.code == 1 && ran.stderr.contains("002"), "{}", ran.transcript());
    assert!(!project.path().join("asked").exists());
    project.write("versions/001.sql", "-- revision: 001\n\n-- migrate:upgrade\n-- migrate:downgrade\n");
    let mut text = String::new();
    for program in ["./get.sh shop", "~/get.sh", "SHOP=1 get", "echo null"] {
        project.write(
            "migrate.ini",
            format!("[migrate]\nurl = postgres://u@localhost:1/d\npassword_command = {program}\n"),
        );
        text.push_str(&session(&project, "current"));
    }
    let section = "[c]\npassword_command = get\n";
    project.write(
        "migrate.ini",
        format!("[migrate]\nurl = postgres://u@localhost:1/d\npassword_command = get\npassword_field = p\n{section}"),
    );
    let ran = project.aludel(["env", "-n", "c"]);
    text.push_str(ran.stdout.lines().find(|line| line.contains("password_field")).expect("the line"));
    same(
        text,
        str![[r#"
$ aludel current
exit code: 1
----- stderr
error: `password_command` cannot run: there is no program `./get.sh`
 --> migrate.ini:3:20
  |
3 | password_command = ./get.sh shop
  |                    ^^^^^^^^^^^^^
  |
  = note: it was looked for in [CWD]
  = hint: install it, or correct the line; no shell reads it
  = hint: beside the ini: `{{ here }}/get.sh`
$ aludel current
exit code: 1
----- stderr
error: `password_command` cannot run: there is no program `~/get.sh`
 --> migrate.ini:3:20
  |
3 | password_command = ~/get.sh
  |                    ^^^^^^^^
  |
  = hint: no shell reads this line; to have one: sh -c '...'
$ aludel current
exit code: 1
----- stderr
error: `password_command` cannot run: there is no program `SHOP=1`
 --> migrate.ini:3:20
  |
3 | password_command = SHOP=1 get
  |                    ^^^^^^^^^^
  |
  = hint: no shell reads this line; to have one: sh -c '...'
$ aludel current
exit code: 1
----- stderr
error: `echo`, which `password_command` runs, printed `null`: nothing is there
 --> migrate.ini:3:20
  |
3 | password_command = echo null
  |                    ^^^^^^^^^
  |
  = note: what it printed is not shown
  password_field                                                   not used: migrate.ini:4 [migrate] is for another password_command
"#]],
    );
}
