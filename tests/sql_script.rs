//! `--sql`: what it prints, run by psql, does what a connected run does; run twice, out of turn or on the wrong database
//! it does nothing.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use postgres::Client;
use snapbox::{IntoData as _, assert_data_eq, str};
use support::{Database, Project, Ran};

/// A project whose configuration leaves the database to `--url`.
fn project(files: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    project.write("migrate.ini", "[migrate]\n");
    for (name, text) in files {
        project.write(&format!("versions/{name}.sql"), text);
    }
    project
}

/// The repository's own example.
fn example() -> Project {
    let project = project(&[]);
    for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("versions").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        project.write(&format!("versions/{name}"), std::fs::read(&path).unwrap());
    }
    project
}

/// Runs the tool, connected to a database.
fn connected(project: &Project, database: &Database, arguments: &[&str]) -> Ran {
    project.aludel(arguments.iter().copied().chain(["--url", &database.url()]))
}

/// Prints a script.
#[track_caller]
fn script(project: &Project, arguments: &[&str]) -> String {
    let ran = project.aludel(arguments.iter().copied().chain(["--sql"])).succeeded();
    // One of the odd forms is an upgrade section without a statement, which is said.
    let said = ran.stderr.lines().filter(|line| !line.starts_with("warning: the upgrade section of"));
    assert_eq!(said.collect::<Vec<_>>(), [""; 0], "a script comes alone");
    ran.stdout
}

/// Runs a script as its head says; what psql printed on standard error.
#[track_caller]
fn run(database: &Database, script: &str) {
    let ran = database.try_psql(&[], script);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
}

/// Everything in a database but the rows of the history, whose times differ by nature, with other times made still.
#[track_caller]
fn state(database: &Database) -> String {
    let dump = database.pg_dump();
    let mut text = String::with_capacity(dump.len());
    let mut in_history = false;
    for line in dump.lines() {
        if line.starts_with("COPY public.aludel_history ") {
            in_history = true;
        }
        if !in_history && !line.contains("aludel_history_id_seq', ") {
            text.push_str(&without_stamps(line));
            text.push('\n');
        }
        in_history &= line != "\\.";
    }
    text
}

/// `line` with each `2026-11-21 10:30:00.123+00` replaced.
fn without_stamps(line: &str) -> String {
    let digits = |text: &str, pattern: &str| {
        text.len() >= pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(c, p)| if p == b'9' { c.is_ascii_digit() } else { c == p })
    };
    const STAMP: &str = "9999-99-99 99:99:99.";
    let mut result = String::new();
    let mut rest = line;
    while let Some(at) = rest.char_indices().find(|(at, _)| digits(&rest[*at..], STAMP)).map(|(at, _)| at) {
        result.push_str(&rest[..at]);
        result.push_str("[NOW]");
        let behind = &rest[at + STAMP.len()..];
        rest = behind.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("+00").unwrap_or(behind);
    }
    result + rest
}

/// What the history says, but for times, runs and clients.
fn history(database: &Database) -> Vec<String> {
    let rows = "SELECT concat_ws(' ', direction, revision, checksum, outcome, sqlstate, message, role, tool)
        FROM aludel_history ORDER BY id";
    database.client().query(rows, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// The rows of the version table.
fn rows(client: &mut Client) -> Vec<String> {
    let rows = client.query("SELECT version_num FROM aludel_version ORDER BY 1", &[]).unwrap_or_default();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Fails with the first line that differs. (snapbox would take every backslash for a slash.)
#[track_caller]
fn assert_equal(one: &str, other: &str) {
    let mut lines = one.lines().zip(other.lines()).enumerate();
    if let Some((number, (one, other))) = lines.find(|(_, (one, other))| one != other) {
        panic!("line {}:\n  {one}\n  {other}", number + 1);
    }
    assert_eq!(one.len(), other.len());
}

#[track_caller]
fn assert_same(one: &Database, other: &Database) {
    assert_equal(&state(one), &state(other));
    assert_eq!(history(other), history(one));
    let mut client = other.client();
    let odd = "SELECT count(*) FROM aludel_history WHERE NOT (started_at <= finished_at
        AND finished_at BETWEEN now() - interval '5 min' AND now())";
    assert_eq!(client.query_one(odd, &[]).unwrap().get::<_, i64>(0), 0);
}

/// Runs both ways from copies of `start`, and compares.
#[track_caller]
fn assert_ways_agree(project: &Project, start: &Database, arguments: &[&str], from_option: &[&str], way: &str) {
    let (by_tool, by_psql) = (start.copy(), start.copy());
    let _ = connected(project, &by_tool, &[&[way], arguments].concat()).succeeded();
    let printed = script(project, &[&[way], arguments, from_option].concat());
    run(&by_psql, &printed);
    assert_same(&by_tool, &by_psql);
}

#[test]
fn the_example_is_the_same_both_ways() {
    assert_ways_agree(&example(), &Database::create(), &["head"], &[], "upgrade");
}

#[test]
fn every_range_of_the_example_is_the_same_both_ways() {
    let project = example();
    let ids = ["001", "002", "003", "004", "005", "006", "007"];
    // What stands above each, itself included.
    let above = |id: &str| match id {
        "003" => vec!["003", "007"],
        "004" | "005" | "006" | "007" => ids.iter().copied().filter(|other| *other >= id).collect(),
        _ => ids.iter().copied().filter(|other| *other >= id).collect::<Vec<_>>(),
    };
    let starts: Vec<Database> = ids
        .iter()
        .map(|id| {
            let database = Database::create();
            let _ = connected(&project, &database, &["upgrade", id]).succeeded();
            database
        })
        .collect();
    let mut pairs = Vec::new();
    for (index, low) in ids.iter().enumerate() {
        for high in above(low) {
            pairs.push((index, *low, high));
        }
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((index, low, high)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let up = ["upgrade", &format!("{low}:{high}")];
                    let (by_tool, by_psql) = (starts[*index].copy(), starts[*index].copy());
                    let _ = connected(&project, &by_tool, &["upgrade", high]).succeeded();
                    run(&by_psql, &script(&project, &up));
                    assert_same(&by_tool, &by_psql);
                    // And back, on what stands there now.
                    let down = ["downgrade", &format!("{high}:{low}")];
                    let _ = connected(&project, &by_tool, &["downgrade", low]).succeeded();
                    run(&by_psql, &script(&project, &down));
                    assert_same(&by_tool, &by_psql);
                }
            });
        }
    });
}

#[test]
fn several_heads_are_named_with_from() {
    let project = example();
    let start = Database::create();
    let _ = connected(&project, &start, &["upgrade", "003"]).succeeded();
    let _ = connected(&project, &start, &["upgrade", "005"]).succeeded();
    assert_ways_agree(&project, &start, &["head"], &["--from", "003,005"], "upgrade");
    assert_ways_agree(&project, &start, &["006"], &["--from", "005,003"], "upgrade");
    assert_ways_agree(&project, &start, &["002"], &["--from", "003,005"], "downgrade");
    assert_ways_agree(&project, &start, &["base"], &["--from", "003,005"], "downgrade");
}

#[test]
fn a_stamp_is_the_same_both_ways() {
    let project = example();
    let start = Database::create();
    for arguments in [&["head"][..], &["003", "004"], &["002"]] {
        assert_ways_agree(&project, &start, arguments, &[], "stamp");
    }
    let _ = connected(&project, &start, &["stamp", "003", "005"]).succeeded();
    assert_ways_agree(&project, &start, &["006"], &["--from", "003,005"], "stamp");
    assert_ways_agree(&project, &start, &["002"], &["--from", "003,005"], "stamp");
    assert_ways_agree(&project, &start, &["base"], &["--from", "003,005"], "stamp");
    start.psql("INSERT INTO aludel_version VALUES ('nobody')");
    assert_ways_agree(&project, &start, &["004", "--purge"], &[], "stamp");
}

/// Forms that psql and the server may read differently. Each is a revision of its own in [`odd_project`].
const ODD: &[(&str, &str)] = &[
    (
        "psql's variables: `USER`, `HOST`, `PORT` are always set",
        r#"CREATE TABLE slices (a int[], "USER" int, port int, n int, "HOST" text);
INSERT INTO slices VALUES ('{1,2,3,4}', 2, 3, 4, ':''USER'' :USER :"USER" :{?USER}');
CREATE TABLE sliced AS SELECT a[1:"USER"] AS b, a[:n] AS c, a[1:port] AS d, a[2:'3'] AS e, a[1:2] AS f, 1::text AS g,
    a[:"USER"] AS h, '{"a": 1}'::jsonb -> 'a' AS i, '{"a":{"b":1}}'::jsonb #>> '{a,b}' AS j, '{"a":1}'::jsonb ? 'a' AS k,
    '{"USER":"a"}'::jsonb @> '{"USER":"a"}' AS l, $$:USER :'USER'$$ AS m, E'\':USER' AS n, "HOST" AS o FROM slices; -- :USER
CREATE FUNCTION slicing(a int[], "USER" int) RETURNS int[] LANGUAGE sql BEGIN ATOMIC SELECT a[1:"USER"]; SELECT a[:"USER"]; END;
CREATE VIEW slice AS SELECT a[n:port] AS b, a[1:"USER"] AS c FROM slices;"#,
    ),
    (
        "backslashes",
        r"CREATE TABLE back (a text, b text);
INSERT INTO back VALUES ('\', '\!echo'), ('\\', E'\\'), ('C:\new\', $$\q$$), ('
\q
', E'\'\\q');
COMMENT ON TABLE back IS '\gexec';",
    ),
    (
        "quotes within quotes; it's a message; `date` $USER",
        r#"CREATE FUNCTION quoting() RETURNS text LANGUAGE plpgsql AS $_$ BEGIN RETURN $$;$$ || '$_' || $q$ ' $q$; END; $_$;
CREATE TABLE "odd ; ' -- name" ("a""b;" text DEFAULT ';--' /* ; /* ; */ ' */, "$$" int);
CREATE TABLE unicode (a text DEFAULT U&'d\0061t', b text DEFAULT 'é€𝄞', "ñ" int, c text DEFAULT 'a'
  'b;');
CREATE RULE two AS ON INSERT TO unicode DO ALSO (SELECT 1; SELECT 2);
;;"#,
    ),
    ("ends in a comment", "CREATE TABLE ending_1 (a int); -- the end ;"),
    ("ends without a semicolon", "CREATE TABLE ending_2 (a int)"),
    ("ends without a semicolon, in a comment", "CREATE TABLE ending_3 (a int) -- the end ;"),
    ("ends without a semicolon, in a long comment", "CREATE TABLE ending_4 (a int) /* the end ; */"),
    ("ends in an open E string's neighbour", "SELECT E'a' -- 'b"),
    ("nothing at all", "-- only a comment"),
    (
        "data",
        "CREATE TABLE data (a int, b text);\nCOPY data (a, b) FROM stdin;\n1\té;\n2\t'\n3\t\\N\n4\t:USER -- $$ \\\\q\n5\tCOMMIT;\n\\.\n\
         COPY data FROM STDIN WITH (FORMAT csv); -- as a table\n6,\"a\nb\"\n7,\"\\n\"\n\\.\n\
         COPY data FROM stdin;\n\\.\nINSERT INTO data VALUES (8, 'last');",
    ),
    ("data last", "CREATE TABLE data_2 (a int);\nCOPY data_2 FROM stdin;\n1\n2\n\\."),
    (
        "a dump",
        "\\restrict abc\nSET statement_timeout = 0;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\
         SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.dumped (a integer);\n\\unrestrict abc",
    ),
    (
        "a temporary table, and settings",
        "CREATE TEMP TABLE data (x int); SET search_path = pg_temp; SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Kolkata';",
    ),
    ("they are gone", "CREATE TEMP TABLE data (x int); CREATE TABLE date_1 AS SELECT '2026-02-03'::date::text AS d;"),
    ("a role", "SET ROLE pg_monitor; PREPARE p AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1; LISTEN l;"),
    ("it is gone", "PREPARE p AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1; CREATE TABLE owned (a int);"),
    (
        "a script's own search_path",
        "CREATE SCHEMA bad; CREATE FUNCTION bad.never(text, text) RETURNS bool LANGUAGE sql AS 'SELECT 1/0 = 0';
CREATE OPERATOR bad.= (LEFTARG = text, RIGHTARG = text, FUNCTION = bad.never);
CREATE OPERATOR bad.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = bad.never);
SET search_path = bad, pg_catalog, public;",
    ),
    ("an escape character", "CREATE TABLE escape AS SELECT '\u{1b}[31mred\u{1b}[0m' AS a, '\u{7}' AS b;"),
];

fn odd_project(ini: &str, last: &[(&str, &str)]) -> Project {
    let project = project(&[]);
    project.write("migrate.ini", ini);
    for (index, (message, body)) in ODD.iter().chain(last).enumerate() {
        let parent = if index == 0 { String::new() } else { format!("r{:02}", index - 1) };
        let message = message.replace('\'', "''");
        // A body that begins with its own marker brings its sections along.
        let marker = if body.starts_with("-- migrate:") { "" } else { "-- migrate:upgrade\n" };
        let text = format!(
            "-- revision: r{index:02}\n-- parents: {parent}\n-- message: '{message}'\n\n{marker}{body}\n-- migrate:downgrade\n"
        );
        let text = if index % 3 == 1 { text.replace('\n', "\r\n") } else { text };
        project.write(&format!("versions/r{index:02}.sql"), text);
    }
    project
}

#[test]
fn odd_forms_are_the_same_both_ways() {
    let bare = [
        (
            "outside a transaction",
            "-- migrate:upgrade transaction:false\nCREATE TABLE bare (a int[], \"USER\" int);\nCREATE INDEX CONCURRENTLY bare_a ON bare (a);\n\
             -- migrate:upgrade\nINSERT INTO bare VALUES ('{1,2}', 1)\n\
             -- migrate:upgrade transaction:false\nSET lock_timeout = '7s';\nCOPY bare FROM stdin;\n{3}\t4\n\\.\nVACUUM bare",
        ),
        ("data behind it", "CREATE TABLE behind AS SELECT current_setting('lock_timeout') AS a"),
    ];
    // A connected run sets limits of its own on its session; a script has those of whoever runs it.
    let project = odd_project("[migrate]\nlock_timeout = 0\n", &bare);
    assert_ways_agree(&project, &Database::create(), &["head"], &[], "upgrade");
}

#[test]
fn odd_forms_in_one_transaction_are_the_same_both_ways() {
    let project = odd_project("[migrate]\ntransaction = run\nversion_table_schema = Odd \"Schema\n", &[]);
    let (by_tool, by_psql) = (Database::create(), Database::create());
    let _ = connected(&project, &by_tool, &["upgrade", "head"]).succeeded();
    run(&by_psql, &script(&project, &["upgrade", "head"]));
    let still = |database: &Database| {
        // The history's rows: they stand in another schema here.
        let dump = state(database);
        let (before, behind) = dump.split_once("COPY \"Odd \"\"Schema\".aludel_history").unwrap();
        format!("{before}{}", behind.split_once("\n\\.\n").unwrap().1)
    };
    assert_equal(&still(&by_tool), &still(&by_psql));
}

#[test]
fn a_template_is_the_same_both_ways() {
    let project = project(&[(
        "a",
        "-- revision: a\n-- template: true\n-- migrate:upgrade\nCREATE TABLE {{ name | identifier }} (a text DEFAULT {{ text | literal }});\n\
         -- migrate:downgrade\nDROP TABLE {{ name | identifier }};\n",
    )]);
    let (by_tool, by_psql) = (Database::create(), Database::create());
    let variables = ["-x", "name=user", "-x", "text=it's \\ :USER"];
    let _ = connected(&project, &by_tool, &[&["upgrade", "head"][..], &variables].concat()).succeeded();
    run(&by_psql, &script(&project, &[&["upgrade", "head"][..], &variables].concat()));
    assert_same(&by_tool, &by_psql);
}

/// Bodies that verify, and what psql says of those that fail.
const VERIFIED: &[&str] = &[
    "SELECT count(*) = 3 FROM t; -- three",
    "SET search_path = a; INSERT INTO public.t VALUES (4), (5); SELECT count(*) = 5 FROM public.t;\nDO $$ BEGIN ASSERT true; END $$",
    "SELECT '\\' = E'\\\\' -- it's :USER $aludel$\n;\nSELECT (ARRAY[1, 2])[1:\"id\"] = ARRAY[1] FROM t WHERE id = 1",
    "COPY t FROM stdin;\n4\n\\.\nSELECT 4 IN (SELECT id FROM t);",
    "SELECT id FROM t WHERE false; SELECT 'f'; SELECT null",
    "SELECT false",
    "SELECT true WHERE false;",
    "SELECT true; SELECT id < 3 FROM t; SELECT true",
    "SELECT null::boolean",
    "SELECT 1/count(*) FROM t WHERE id = 4;",
    "SELECT idd FROM t;",
    "INSERT INTO t VALUES ('x');",
    "DO $$ BEGIN ASSERT false; END $$;",
];

#[test]
fn a_verification_is_the_same_both_ways() {
    let mut failed = 0;
    for verification in VERIFIED {
        for (before, setting) in [("", ""), (" transaction:false", ""), ("", "transaction = run\n")] {
            let project = project(&[(
                "a",
                &format!(
                    "-- revision: a\n-- migrate:upgrade\nCREATE TABLE t (id int); INSERT INTO t VALUES (1), (2), (3);\n\
                     -- migrate:upgrade{before}\nCREATE TABLE u ();\n-- migrate:verify\n{verification}\n\
                     -- migrate:upgrade\nCREATE TABLE v ();\n"
                ),
            )]);
            project.write("migrate.ini", format!("[migrate]\n{setting}"));
            let (by_tool, by_psql) = (Database::create(), Database::create());
            let ran = connected(&project, &by_tool, &["upgrade", "head"]);
            let psql = by_psql.try_psql(&[], &script(&project, &["upgrade", "head"]));
            assert_eq!(ran.code == 0, psql.code == 0, "{verification}\n{}\n{}", ran.stderr, psql.stderr);
            if ran.code == 0 {
                assert_same(&by_tool, &by_psql);
                continue;
            }
            failed += 1;
            // The error is the same, but for the word before it where the server's own; and so is what stays.
            let said = ran.stderr.lines().next().unwrap().split_once("]: verification failed: ").unwrap().1.to_owned();
            assert!(psql.stderr.contains(&said), "{said}\n{}", psql.stderr);
            let marks = |state: String| {
                let lines = state.lines().filter(|line| !line.contains("\tupgrade\t")).map(str::to_owned);
                lines.collect::<Vec<_>>().join("\n")
            };
            if setting.is_empty() {
                assert_equal(&marks(state(&by_tool)), &marks(state(&by_psql)));
            }
        }
    }
    assert_eq!(failed, 3 * 8);
}

/// `script` without what only psql understands, as it is pasted into another client that goes on behind an error; psql's own way
/// of taking it then.
fn heedless(database: &Database, script: &str) -> Ran {
    let lines = script.lines().filter(|line| !line.starts_with('\\') || *line == "\\.");
    database.try_psql(&["-v", "ON_ERROR_STOP=0"], &lines.fold(String::new(), |text, line| text + line + "\n"))
}

#[test]
fn behind_a_failed_verification_nothing_is_kept_though_the_client_goes_on() {
    const HEADER: &str = "-- revision: b\n-- parents: a\n\n";
    let revision = |body: &str| ("b", format!("{HEADER}{body}"));
    let checks = "-- migrate:verify\nSELECT true;\n-- migrate:upgrade\nINSERT INTO t VALUES (2);\n-- migrate:verify\nSELECT HOLDS;\n";
    let upgrade = format!("-- migrate:upgrade\nCREATE TABLE u ();\n{checks}");
    for (setting, (name, text), arguments) in [
        ("", revision(&upgrade), ["upgrade", "a:head"]),
        ("transaction = run\n", revision(&upgrade), ["upgrade", "a:head"]),
        (
            "",
            revision("-- migrate:upgrade\n-- migrate:downgrade\nDROP TABLE t;\n-- migrate:verify\nSELECT HOLDS;\n"),
            ["downgrade", "b:a"],
        ),
        (
            "",
            (
                "repeatable/r",
                format!("-- repeatable: r\n\n{}", &upgrade[..upgrade.find("-- migrate:verify").unwrap()])
                    + "-- migrate:verify\nSELECT HOLDS;\n",
            ),
            ["upgrade", "a:head"],
        ),
        // What ran before it stays, as connected; nothing behind it is kept, nor marked, nor is the revision recorded.
        (
            "",
            revision(
                "-- migrate:upgrade transaction:false\n-- migrate:verify\nSELECT HOLDS;\n\
                 -- migrate:upgrade transaction:false\nCREATE TABLE u ();\nVACUUM t;\nCREATE TABLE v ();\n\
                 -- migrate:upgrade\nCREATE TABLE w ();\n",
            ),
            ["upgrade", "a:head"],
        ),
    ] {
        let project = project(&[("a", "-- revision: a\n-- migrate:upgrade\nCREATE TABLE t (id int);\n")]);
        project.write("migrate.ini", format!("[migrate]\n{setting}"));
        let start = Database::create();
        let _ = connected(&project, &start, &["upgrade", "a"]).succeeded();
        let write = |holds: &str| project.write(&format!("versions/{name}.sql"), text.replace("HOLDS", holds));
        if arguments[0] == "downgrade" {
            write("true");
            let _ = connected(&project, &start, &["upgrade", "head"]).succeeded();
        }
        for holds in ["false", "1/0 = 0", "true FROM nothing", "tru e e"] {
            write(holds);
            let (database, expected) = (start.copy(), start.copy());
            let failing = script(&project, &arguments);
            let ran = heedless(&database, &failing);
            assert!(ran.stderr.contains("\" does not exist\n"), "{text}\n{}", ran.transcript());
            assert_same(&start, &database);
            // Mended, it can be run in the same session.
            write("true");
            let good = script(&project, &arguments);
            let ran = heedless(&database, &format!("{failing}{good}"));
            assert!(ran.stderr.ends_with("commands ignored until end of transaction block\n"), "{}", ran.transcript());
            run(&expected, &good);
            assert_same(&expected, &database);
        }
    }
}

#[test]
fn repeatable_files_are_the_same_both_ways() {
    let project = example();
    for (id, header, body) in [
        ("b_view", "depends_on: [c_function]", "CREATE OR REPLACE VIEW b_view AS SELECT c_function() AS it"),
        (
            "c_function",
            "statement_timeout: 5s",
            "CREATE OR REPLACE FUNCTION c_function() RETURNS text LANGUAGE sql AS $$ SELECT ':USER' $$;\nSET search_path = a;",
        ),
        (
            "d_early",
            "depends_on: [\"001\"]",
            "CREATE OR REPLACE VIEW d_early AS SELECT 1 AS one;\n-- migrate:verify\nSELECT one = 1 FROM d_early;",
        ),
    ] {
        project
            .write(&format!("versions/repeatable/{id}.sql"), format!("-- repeatable: {id}\n-- {header}\n\n{body}\n"));
    }
    assert_ways_agree(&project, &Database::create(), &["head"], &[], "upgrade");
    assert_ways_agree(&project, &Database::create(), &["002"], &[], "upgrade");
    // What a script has run, a connected run knows; and a script runs it again.
    let database = Database::create();
    let printed = script(&project, &["upgrade", "head"]);
    run(&database, &printed);
    let nothing = connected(&project, &database, &["upgrade", "head"]).succeeded();
    assert!(nothing.stderr.starts_with("nothing to do"), "{}", nothing.stderr);
    let before = state(&database);
    run(&database, &script(&project, &["upgrade", "head:head"]));
    assert_equal(&state(&database), &before);
    let repeats: Vec<String> = history(&database).into_iter().filter(|row| row.starts_with("repeat ")).collect();
    assert_eq!(repeats.len(), 6);
    assert_eq!(repeats[..3], repeats[3..]);
}

#[test]
fn the_sql_of_hooks_is_the_same_both_ways() {
    let project = project(&[(
        "a",
        "-- revision: a\n-- migrate:upgrade\nCREATE SCHEMA app; CREATE TABLE app.t (id int); CREATE TABLE said (of text);\n\
         SET search_path = app; SET work_mem = '64MB'; SET statement_timeout = '9min';\n",
    )]);
    project.write(
        "migrate.ini",
        "[migrate]\nbefore_upgrade = sql: before.sql\nafter_upgrade =\n  sql: after.sql\n  sql: after.sql\n",
    );
    project.write("before.sql", "SET search_path = nowhere; SET work_mem = '65MB';\n");
    // What it begins with is the session as the run found it, whatever was set in between.
    let settings = "concat_ws(' ', current_setting('search_path'), current_setting('work_mem'), current_setting('statement_timeout'))";
    project.write(
        "after.sql",
        format!("INSERT INTO said SELECT {settings}; SET work_mem = '66MB'; SET search_path = app;\n"),
    );
    assert_ways_agree(&project, &Database::create(), &["head"], &[], "upgrade");
}

/// A small generator (splitmix64): the same graphs on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

/// A graph of some revisions, each of which makes a table, with ids in no order.
fn random_graph(random: &mut Random) -> (Project, Vec<String>) {
    let count = 2 + random.below(6);
    let ids: Vec<String> = (0..count).map(|index| format!("{:03x}n{index}", random.below(4096))).collect();
    let project = project(&[]);
    for (index, id) in ids.iter().enumerate() {
        let mut parents = BTreeSet::new();
        for _ in 0..[0, 1, 1, 1, 2, 2][random.below(6)] {
            if index > 0 {
                parents.insert(ids[index - 1 - random.below(index.min(3))].clone());
            }
        }
        let depends = if index > 1 && random.below(4) == 0 { Some(&ids[random.below(index)]) } else { None };
        let depends =
            depends.filter(|id| !parents.contains(*id)).map_or(String::new(), |id| format!("-- depends_on: {id}\n"));
        let label = if random.below(5) == 0 { format!("-- labels: l{index}\n") } else { String::new() };
        let parents: Vec<String> = parents.into_iter().collect();
        project.write(
            &format!("versions/{id}.sql"),
            format!(
                "-- revision: {id}\n-- parents: [{}]\n{depends}{label}-- migrate:upgrade\nCREATE TABLE t{index} ()\n\
                 -- migrate:downgrade\nDROP TABLE t{index}",
                parents.join(", ")
            ),
        );
    }
    (project, ids)
}

/// Tables, rows and history at once.
fn glance(client: &mut Client) -> (Vec<String>, Vec<String>, Vec<String>) {
    let mut list =
        |sql| client.query(sql, &[]).unwrap_or_default().iter().map(|row| row.get(0)).collect::<Vec<String>>();
    (
        list("SELECT relname::text FROM pg_class WHERE relname ~ '^t[0-9]' ORDER BY 1"),
        list("SELECT version_num FROM aludel_version ORDER BY 1"),
        list("SELECT direction || ' ' || revision || checksum || outcome FROM aludel_history ORDER BY id"),
    )
}

#[test]
fn random_graphs_are_the_same_both_ways() {
    const GRAPHS: usize = 200;
    let next = AtomicUsize::new(0);
    let (moved, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (by_tool, by_psql) = (Database::create(), Database::create());
                let (mut tool, mut psql) = (by_tool.client(), by_psql.client());
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= GRAPHS {
                        break;
                    }
                    let mut random = Random(number as u64);
                    let (project, ids) = random_graph(&mut random);
                    let target = if random.below(3) == 0 { "heads" } else { &ids[random.below(ids.len())] };
                    let below =
                        if random.below(2) == 0 { "base".to_owned() } else { ids[random.below(ids.len())].clone() };
                    for (way, target) in [("upgrade", target), ("downgrade", &below)] {
                        let at = rows(&mut tool).join(",");
                        let from = if at.is_empty() { "base" } else { &at };
                        let printed = project.aludel([way, target, "--sql", "--from", from]);
                        let ran = connected(&project, &by_tool, &[way, target]);
                        assert_eq!(printed.code, ran.code, "{}{}", printed.transcript(), ran.transcript());
                        let count = if ran.code == 0 { &moved } else { &refused };
                        count.fetch_add(1, Ordering::Relaxed);
                        if ran.code == 0 {
                            run(&by_psql, &printed.stdout);
                        }
                        assert_eq!(glance(&mut psql), glance(&mut tool), "graph {number}: {way} {target} from {from}");
                    }
                    for client in [&mut tool, &mut psql] {
                        client.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").unwrap();
                    }
                }
            });
        }
    });
    let (moved, refused) = (moved.into_inner(), refused.into_inner());
    assert!(moved > GRAPHS && refused < GRAPHS, "{moved} moved, {refused} refused");
}

/// Three revisions, the second of which the caller writes.
fn chain(second: &str) -> Project {
    project(&[
        (
            "1",
            "-- revision: a1\n-- migrate:upgrade\nCREATE TABLE one (a int);\n-- migrate:downgrade\nDROP TABLE one;\n",
        ),
        (
            "2",
            &format!(
                "-- revision: b2\n-- parents: a1\n-- migrate:upgrade\n{second}\n-- migrate:downgrade\nDROP TABLE two;\n"
            ),
        ),
        (
            "3",
            "-- revision: c3\n-- parents: b2\n-- migrate:upgrade\nCREATE TABLE three (a int);\n-- migrate:downgrade\nDROP TABLE three;\n",
        ),
    ])
}

const GOOD: &str = "CREATE TABLE two (a int);";

/// `script` without psql's settings, as where somebody has taken them out.
fn unset(script: &str) -> String {
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("\\set ")).collect();
    assert!(lines.len() < script.lines().count());
    lines.join("\n")
}

#[test]
fn a_script_that_is_run_again_changes_nothing() {
    let project = chain(GOOD);
    let database = Database::create();
    let printed = script(&project, &["upgrade", "head"]);
    run(&database, &printed);
    let (before, told) = (state(&database), history(&database));
    for arguments in
        [&[][..], &["-v", "ON_ERROR_STOP=0"], &["-v", "ON_ERROR_STOP=1"], &["-v", "AUTOCOMMIT=off"], &["-1"]]
    {
        let ran = database.try_psql(arguments, &printed);
        assert_eq!(ran.code, 3, "{}", ran.transcript());
        assert!(ran.stderr.contains("upgrade of a1 expects the database at base; it is at c3"), "{}", ran.stderr);
        assert_eq!((state(&database), history(&database)), (before.clone(), told.clone()));
    }
    // The checks alone hold, too.
    for arguments in [&["-v", "ON_ERROR_STOP=0"][..], &["-v", "AUTOCOMMIT=off"], &["-v", "AUTOCOMMIT=off", "-1"]] {
        let ran = database.try_psql(arguments, &unset(&printed));
        assert_eq!(ran.stderr.matches("expects the database at").count(), 3, "{}", ran.stderr);
        assert_eq!((state(&database), history(&database)), (before.clone(), told.clone()));
    }
}

#[test]
fn a_script_runs_under_any_setting_of_psql() {
    let project = chain(GOOD);
    let printed = script(&project, &["upgrade", "head"]);
    let expected = Database::create();
    let _ = connected(&project, &expected, &["upgrade", "head"]).succeeded();
    for arguments in [
        &["-v", "ON_ERROR_STOP=0"][..],
        &["-v", "AUTOCOMMIT=off"],
        &["-v", "ON_ERROR_ROLLBACK=on"],
        &["-v", "one=two", "-v", "a1=b2"],
    ] {
        let database = Database::create();
        let ran = database.try_psql(arguments, &printed);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert_same(&expected, &database);
    }
    // One transaction around everything: psql says that BEGIN and COMMIT are there already.
    let database = Database::create();
    assert_eq!(database.try_psql(&["-1"], &printed).code, 0);
    assert_same(&expected, &database);
}

#[test]
fn a_script_out_of_turn_changes_nothing() {
    let project = chain(GOOD);
    let printed = script(&project, &["upgrade", "b2:c3"]);
    let database = Database::create();
    let _ = connected(&project, &database, &["upgrade", "a1"]).succeeded();
    let before = state(&database);
    for script in [&printed, &unset(&printed)] {
        let ran = database.try_psql(&[], script);
        assert!(ran.stderr.contains("upgrade of c3 expects the database at b2; it is at a1"), "{}", ran.transcript());
        assert_eq!(state(&database), before);
    }
    // A database that the tool has never seen does not get its tables.
    let wrong = Database::create();
    wrong.psql("CREATE TABLE theirs (a int)");
    let before = state(&wrong);
    for script in [printed.clone(), unset(&printed), script(&project, &["downgrade", "c3:a1"])] {
        let ran = wrong.try_psql(&[], &script);
        assert!(ran.stderr.contains("relation \"public.aludel_version\" does not exist"), "{}", ran.transcript());
        assert_eq!(state(&wrong), before);
    }
}

#[test]
fn a_revision_that_fails_leaves_what_was_before_it() {
    for broken in [
        "CREATE TABLE two (a int); SELECT 1/0;",
        "CREATE TABLE two (a int); INSERT INTO two VALUES ('x');",
        "CREATE TABLE two (a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO two VALUES (1), (1);",
        "CREATE TABLE two (a int); UPDATE aludel_version SET version_num = 'c3';",
        "CREATE TABLE two (a int); DELETE FROM aludel_version;",
        "CREATE TABLE two (a int); INSERT INTO aludel_version VALUES ('x');",
        "CREATE TABLE two (a int);\nCOPY two FROM stdin;\n1\nx\n\\.",
    ] {
        let project = chain(broken);
        let database = Database::create();
        let ran = database.try_psql(&[], &script(&project, &["upgrade", "head"]));
        assert_eq!(ran.code, 3, "{broken}: {}", ran.transcript());
        let current = connected(&project, &database, &["current"]).succeeded();
        assert_eq!(current.stdout, "a1\n", "{broken}");
        let expected = Database::create();
        let _ = connected(&project, &expected, &["upgrade", "a1"]).succeeded();
        assert_same(&expected, &database);
        // Mended, the rest is printed from there, or run.
        project.write("versions/2.sql", chain(GOOD).read("versions/2.sql"));
        let _ = connected(&project, &expected, &["upgrade", "head"]).succeeded();
        let rerun = database.copy();
        run(&database, &script(&project, &["upgrade", "a1:head"]));
        assert_same(&expected, &database);
        let _ = connected(&project, &rerun, &["upgrade", "head"]).succeeded();
        assert_same(&expected, &rerun);
        let again = connected(&project, &database, &["upgrade", "head"]).succeeded();
        assert_eq!(again.stderr, "nothing to do: at c3\n");
    }
}

#[test]
fn without_its_settings_a_failed_revision_still_leaves_nothing() {
    // psql goes on behind the error: nothing of b2 is kept, and c3 refuses.
    for broken in [
        "CREATE TABLE two (a int); SELECT 1/0; CREATE TABLE more (a int);",
        "CREATE TABLE two (a int); SELEC; SELECT 1",
    ] {
        let project = chain(broken);
        let (database, expected) = (Database::create(), Database::create());
        let _ = connected(&project, &expected, &["upgrade", "a1"]).succeeded();
        for arguments in [&["-v", "ON_ERROR_STOP=0"][..], &["-v", "AUTOCOMMIT=off"]] {
            let _ = database.try_psql(arguments, &unset(&script(&project, &["upgrade", "head"])));
            assert_same(&expected, &database);
        }
    }
}

#[test]
fn a_script_that_ends_its_transaction_is_not_recorded() {
    let project =
        chain("CREATE TABLE two (a int);\nCREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';\nCALL p();");
    let database = Database::create();
    let ran = database.try_psql(&[], &script(&project, &["upgrade", "head"]));
    assert_eq!(ran.code, 3);
    assert_eq!(connected(&project, &database, &["current"]).succeeded().stdout, "a1\n");
}

#[test]
fn a_range_is_for_paper_and_a_downgrade_needs_one() {
    let project = chain(GOOD);
    assert_data_eq!(
        project.aludel(["downgrade", "a1", "--sql"]).transcript(),
        str![[r#"
exit code: 2
----- stderr
error: a downgrade on paper needs to know where the database stands
hint: aludel downgrade FROM:a1 --sql

"#]]
        .raw()
    );
    assert_data_eq!(
        project.aludel(["upgrade", "a1:c3", "--sql", "--from", "a1"]).transcript(),
        str![[r#"
exit code: 2
----- stderr
error: `a1:` and --from both say where the database stands
hint: give one of them

"#]]
        .raw()
    );
    assert_data_eq!(
        project.aludel(["upgrade", "head", "--from", "a1"]).transcript(),
        str![[r#"
exit code: 2
----- stderr
error: the following required arguments were not provided:
  --sql

Usage: aludel upgrade --sql --from <ID,ID> <TARGET>

For more information, try '--help'.

"#]]
        .raw()
    );
    assert_data_eq!(
        project.aludel(["upgrade", "c3:head", "--sql", "-q"]).transcript(),
        str![[r#"
exit code: 0
----- stdout
-- aludel 0.1.0: upgrade from c3 to c3
-- Nothing to do.

"#]]
        .raw()
    );
    assert_eq!(project.aludel(["upgrade", "head", "--sql", "-q"]), project.aludel(["upgrade", "head", "--sql"]));
}

#[test]
fn the_text_is_for_a_person_to_review() {
    let project = project(&[]);
    project.write("migrate.ini", "[migrate]\nlock_timeout = 5s\n");
    project.write(
        "versions/001_people.sql",
        "-- revision: 001\n-- message: people\n\n-- migrate:upgrade\n\n-- Who can log in.\nCREATE TABLE people (\n    name text PRIMARY KEY\n);\n\n\
         -- migrate:downgrade\nDROP TABLE people;\n",
    );
    project.write(
        "versions/002_search.sql",
        "-- revision: 002\n-- parents: 001\n-- message: search people's names\n\n-- migrate:upgrade transaction:false\n\
         CREATE INDEX CONCURRENTLY people_search ON people (lower(name));\n\n-- migrate:upgrade\nANALYZE people\n\n-- migrate:downgrade\nDROP INDEX people_search;\n",
    );
    assert_data_eq!(script(&project, &["upgrade", "head"]), str![[r#"
-- aludel 0.1.0: upgrade from base to 002
--
-- To be run with psql: psql -X -d DATABASE -f FILE
-- Each step first checks that the database stands where it expects, so a script that is run twice, out of
-- turn, or on the wrong database stops there and changes nothing.
-- A role or a setting to run it with is given as PGOPTIONS='-c role=NAME': a SET would last for one step.

\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set QUIET on

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

-- One run at a time: this session has the lock until it ends.
DO $aludel$
BEGIN
    IF NOT pg_catalog.pg_try_advisory_lock(3925877769832243540) THEN
        RAISE EXCEPTION 'another run holds the lock on this database' USING ERRCODE = 'ALU03';
    END IF;
END
$aludel$;

-- Where the database stands, and what has been run in it.
SET client_min_messages = warning;

CREATE TABLE IF NOT EXISTS public.aludel_version (
    version_num pg_catalog.text NOT NULL,
    CONSTRAINT aludel_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE IF NOT EXISTS public.aludel_history (
    id             pg_catalog.int8 GENERATED ALWAYS AS IDENTITY,
    version_table  pg_catalog.text NOT NULL,
    run            pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    checksum       pg_catalog.text,
    outcome        pg_catalog.text NOT NULL,
    sqlstate       pg_catalog.text,
    message        pg_catalog.text,
    started_at     pg_catalog.timestamptz NOT NULL,
    finished_at    pg_catalog.timestamptz NOT NULL,
    role           pg_catalog.text NOT NULL,
    client_user    pg_catalog.text,
    client_host    pg_catalog.text,
    tool           pg_catalog.text NOT NULL,
    CONSTRAINT aludel_history_pkc PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS public.aludel_progress (
    version_table  pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    statement      pg_catalog.int8 NOT NULL,
    state          pg_catalog.text NOT NULL,
    file_checksum        pg_catalog.text NOT NULL,
    statements_checksum  pg_catalog.text NOT NULL,
    statement_checksum   pg_catalog.text,
    index_oid      pg_catalog.oid,
    index_name     pg_catalog.text,
    session        pg_catalog.text,
    run            pg_catalog.text NOT NULL,
    changed_at     pg_catalog.timestamptz NOT NULL,
    CONSTRAINT aludel_progress_pkc PRIMARY KEY (version_table, revision, direction)
);

RESET client_min_messages;


-- ==========================================================================
-- upgrade 001 people (versions/001_people.sql)
-- ==========================================================================

\echo 'upgrade 001 people (versions/001_people.sql)'

BEGIN ISOLATION LEVEL READ COMMITTED;

-- Only where the database is at base; nobody else moves it meanwhile.
LOCK TABLE public.aludel_version IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL aludel.revision = '001';
DO $aludel$
BEGIN
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY[]::pg_catalog.text[] THEN
        RAISE EXCEPTION 'upgrade of 001 expects the database at base; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;

-- Who can log in.
CREATE TABLE people (
    name text PRIMARY KEY
);

-- 001 is applied: the version table and the history say so.
RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $aludel$
BEGIN
    IF COALESCE(pg_catalog.current_setting('aludel.revision', true), '') OPERATOR(pg_catalog.<>) '001' THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_locks WHERE granted AND mode OPERATOR(pg_catalog.=) 'ShareRowExclusiveLock'
            AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND relation OPERATOR(pg_catalog.=) 'public.aludel_version'::pg_catalog.regclass) THEN
            RAISE EXCEPTION 'the script of 001 reset all settings' USING ERRCODE = 'ALU05',
                HINT = 'leave out RESET ALL: settings are put back behind each revision anyway';
        END IF;
        RAISE EXCEPTION 'the script of 001 ended its transaction on its own' USING ERRCODE = 'ALU02';
    END IF;
    INSERT INTO public.aludel_version (version_num) VALUES ('001');
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['001']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'upgrade of 001 is to leave the database at 001; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;
INSERT INTO public.aludel_history
    (version_table, run, direction, revision, checksum, outcome, tool, role, started_at, finished_at)
VALUES
    ('aludel_version', 'sql', 'upgrade', '001', '434b70db109babe01173662daa4ccdaeb8985d18a7c9f86d347710a653c9c94a', 'done', 'aludel 0.1.0', SESSION_USER,
    pg_catalog.transaction_timestamp(),
    pg_catalog.clock_timestamp());
DELETE FROM public.aludel_progress WHERE version_table OPERATOR(pg_catalog.=) 'aludel_version' AND revision OPERATOR(pg_catalog.=) '001';

COMMIT;


-- ==========================================================================
-- upgrade 002 search people's names (versions/002_search.sql)
-- ==========================================================================

\echo 'upgrade 002 search people''s names (versions/002_search.sql)'

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

-- Only where the database is at 001. What follows cannot be in a transaction.
RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $aludel$
BEGIN
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['001']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'upgrade of 002 expects the database at 001; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
    IF EXISTS (SELECT FROM public.aludel_progress WHERE version_table OPERATOR(pg_catalog.=) 'aludel_version' AND revision OPERATOR(pg_catalog.=) '002' AND direction OPERATOR(pg_catalog.=) 'upgrade') THEN
        RAISE EXCEPTION 'the upgrade of 002 stopped partway before' USING ERRCODE = 'ALU01';
    END IF;
    PERFORM pg_catalog.set_config('aludel.started',
        EXTRACT(epoch FROM pg_catalog.clock_timestamp())::pg_catalog.text, false);
END
$aludel$;

-- Statement 1 may have to be outside a transaction: the journal says that it runs, then that it is done.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
DO $aludel$
BEGIN
    PERFORM pg_catalog.set_config('aludel.index', COALESCE((
        SELECT found.oid::pg_catalog.text FROM (
        SELECT c.oid, n.nspname, c.relname, i.indisvalid, EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index b
        WHERE b.index_relid OPERATOR(pg_catalog.=) c.oid AND b.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()) FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('people')::pg_catalog.oid
        AND c.relname OPERATOR(pg_catalog.=) 'people_search'::pg_catalog.name) found), ''), true);
END
$aludel$;
SET LOCAL session_authorization TO DEFAULT;
SET LOCAL role TO DEFAULT;
INSERT INTO public.aludel_progress
    (version_table, revision, direction, statement, state, file_checksum, statements_checksum,
    statement_checksum, index_oid, index_name, session, run, changed_at)
VALUES
    ('aludel_version', '002', 'upgrade', 1, 'running', '8452c579a3a7383c6ee1c6ddf4277622ddc83e6d649a074315efcb84ab26e5d4',
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '91bba1a4970d9d65f578fd10650abd9c943047f33b5bdf5369dc3743acd7ec34', CASE WHEN pg_catalog.current_setting('aludel.index') OPERATOR(pg_catalog.<>) '' THEN pg_catalog.current_setting('aludel.index')::pg_catalog.oid END,
    (CASE WHEN pg_catalog.current_setting('aludel.index') OPERATOR(pg_catalog.<>) '' THEN pg_catalog.current_setting('aludel.index')::pg_catalog.oid END)::pg_catalog.regclass::pg_catalog.text, NULL,
    'sql',
    pg_catalog.clock_timestamp())
ON CONFLICT (version_table, revision, direction) DO UPDATE SET
    statement = EXCLUDED.statement, state = EXCLUDED.state,
    file_checksum = EXCLUDED.file_checksum, statements_checksum = EXCLUDED.statements_checksum,
    statement_checksum = EXCLUDED.statement_checksum,
    index_oid = EXCLUDED.index_oid, index_name = EXCLUDED.index_name, session = EXCLUDED.session,
    run = EXCLUDED.run, changed_at = EXCLUDED.changed_at;
COMMIT;

-- Without a limit on waiting for locks: to give up outside a transaction leaves things half done.
SET lock_timeout = 0;

CREATE INDEX CONCURRENTLY people_search ON people (lower(name));

DO $aludel$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('people')::pg_catalog.oid
        AND c.relname OPERATOR(pg_catalog.=) 'people_search'::pg_catalog.name) THEN
        RAISE EXCEPTION 'there is no index "people_search" on people: something else has that name' USING ERRCODE = 'ALU04';
    ELSIF EXISTS (
        SELECT FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('people')::pg_catalog.oid
        AND c.relname OPERATOR(pg_catalog.=) 'people_search'::pg_catalog.name
        AND NOT i.indisvalid) THEN
        RAISE EXCEPTION 'index "people_search" is not valid' USING ERRCODE = 'ALU04';
    END IF;
END
$aludel$;

BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout = 0;
SET LOCAL statement_timeout = 0;
SET LOCAL session_authorization TO DEFAULT;
SET LOCAL role TO DEFAULT;
DO $aludel$
BEGIN
    IF NOT EXISTS (SELECT FROM public.aludel_progress WHERE version_table OPERATOR(pg_catalog.=) 'aludel_version' AND revision OPERATOR(pg_catalog.=) '002' AND direction OPERATOR(pg_catalog.=) 'upgrade'
        AND statement OPERATOR(pg_catalog.=) 1 AND state OPERATOR(pg_catalog.=) 'running') THEN
        RAISE EXCEPTION 'in the journal, statement 1 of the upgrade of 002 is not running' USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;
INSERT INTO public.aludel_progress
    (version_table, revision, direction, statement, state, file_checksum, statements_checksum,
    statement_checksum, index_oid, index_name, session, run, changed_at)
VALUES
    ('aludel_version', '002', 'upgrade', 1, 'done', '8452c579a3a7383c6ee1c6ddf4277622ddc83e6d649a074315efcb84ab26e5d4',
    '91bba1a4970d9d65f578fd10650abd9c943047f33b5bdf5369dc3743acd7ec34',
    NULL, NULL,
    NULL, NULL,
    'sql',
    pg_catalog.clock_timestamp())
ON CONFLICT (version_table, revision, direction) DO UPDATE SET
    statement = EXCLUDED.statement, state = EXCLUDED.state,
    file_checksum = EXCLUDED.file_checksum, statements_checksum = EXCLUDED.statements_checksum,
    statement_checksum = EXCLUDED.statement_checksum,
    index_oid = EXCLUDED.index_oid, index_name = EXCLUDED.index_name, session = EXCLUDED.session,
    run = EXCLUDED.run, changed_at = EXCLUDED.changed_at;
COMMIT;

RESET lock_timeout;

BEGIN ISOLATION LEVEL READ COMMITTED;

-- Only where the database is still at 001.
RESET SESSION AUTHORIZATION;
RESET ROLE;
LOCK TABLE public.aludel_version IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL aludel.revision = '002';
DO $aludel$
BEGIN
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['001']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'upgrade of 002 expects the database at 001; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;
DO $aludel$
BEGIN
    IF NOT EXISTS (SELECT FROM public.aludel_progress WHERE version_table OPERATOR(pg_catalog.=) 'aludel_version' AND revision OPERATOR(pg_catalog.=) '002' AND direction OPERATOR(pg_catalog.=) 'upgrade'
        AND statement OPERATOR(pg_catalog.=) 1 AND state OPERATOR(pg_catalog.=) 'done') THEN
        RAISE EXCEPTION 'in the journal, statement 1 of the upgrade of 002 is not done' USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;

ANALYZE people
;

-- 002 is applied: the version table and the history say so.
RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $aludel$
BEGIN
    IF COALESCE(pg_catalog.current_setting('aludel.revision', true), '') OPERATOR(pg_catalog.<>) '002' THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_locks WHERE granted AND mode OPERATOR(pg_catalog.=) 'ShareRowExclusiveLock'
            AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND relation OPERATOR(pg_catalog.=) 'public.aludel_version'::pg_catalog.regclass) THEN
            RAISE EXCEPTION 'the script of 002 reset all settings' USING ERRCODE = 'ALU05',
                HINT = 'leave out RESET ALL: settings are put back behind each revision anyway';
        END IF;
        RAISE EXCEPTION 'the script of 002 ended its transaction on its own' USING ERRCODE = 'ALU02';
    END IF;
    UPDATE public.aludel_version SET version_num = '002' WHERE version_num OPERATOR(pg_catalog.=) '001';
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['002']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'upgrade of 002 is to leave the database at 002; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;
INSERT INTO public.aludel_history
    (version_table, run, direction, revision, checksum, outcome, tool, role, started_at, finished_at)
VALUES
    ('aludel_version', 'sql', 'upgrade', '002', '8452c579a3a7383c6ee1c6ddf4277622ddc83e6d649a074315efcb84ab26e5d4', 'done', 'aludel 0.1.0', SESSION_USER,
    CASE WHEN pg_catalog.current_setting('aludel.started', true) OPERATOR(pg_catalog.<>) ''
        THEN pg_catalog.to_timestamp(pg_catalog.current_setting('aludel.started', true)::pg_catalog.float8)
        ELSE pg_catalog.transaction_timestamp() END,
    pg_catalog.clock_timestamp());
DELETE FROM public.aludel_progress WHERE version_table OPERATOR(pg_catalog.=) 'aludel_version' AND revision OPERATOR(pg_catalog.=) '002';

COMMIT;


"#]].raw());
    assert_data_eq!(script(&project, &["downgrade", "002:001"]), str![[r#"
-- aludel 0.1.0: downgrade from 002 to 001
--
-- To be run with psql: psql -X -d DATABASE -f FILE
-- Each step first checks that the database stands where it expects, so a script that is run twice, out of
-- turn, or on the wrong database stops there and changes nothing.
-- A role or a setting to run it with is given as PGOPTIONS='-c role=NAME': a SET would last for one step.

\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set QUIET on

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

-- One run at a time: this session has the lock until it ends.
DO $aludel$
BEGIN
    IF NOT pg_catalog.pg_try_advisory_lock(3925877769832243540) THEN
        RAISE EXCEPTION 'another run holds the lock on this database' USING ERRCODE = 'ALU03';
    END IF;
END
$aludel$;

-- A database at 002 has the version table: one without it is the wrong one.
BEGIN;
LOCK TABLE public.aludel_version IN SHARE ROW EXCLUSIVE MODE;

SET LOCAL client_min_messages = warning;
CREATE TABLE IF NOT EXISTS public.aludel_history (
    id             pg_catalog.int8 GENERATED ALWAYS AS IDENTITY,
    version_table  pg_catalog.text NOT NULL,
    run            pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    checksum       pg_catalog.text,
    outcome        pg_catalog.text NOT NULL,
    sqlstate       pg_catalog.text,
    message        pg_catalog.text,
    started_at     pg_catalog.timestamptz NOT NULL,
    finished_at    pg_catalog.timestamptz NOT NULL,
    role           pg_catalog.text NOT NULL,
    client_user    pg_catalog.text,
    client_host    pg_catalog.text,
    tool           pg_catalog.text NOT NULL,
    CONSTRAINT aludel_history_pkc PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS public.aludel_progress (
    version_table  pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    statement      pg_catalog.int8 NOT NULL,
    state          pg_catalog.text NOT NULL,
    file_checksum        pg_catalog.text NOT NULL,
    statements_checksum  pg_catalog.text NOT NULL,
    statement_checksum   pg_catalog.text,
    index_oid      pg_catalog.oid,
    index_name     pg_catalog.text,
    session        pg_catalog.text,
    run            pg_catalog.text NOT NULL,
    changed_at     pg_catalog.timestamptz NOT NULL,
    CONSTRAINT aludel_progress_pkc PRIMARY KEY (version_table, revision, direction)
);
COMMIT;


-- ==========================================================================
-- downgrade 002 search people's names (versions/002_search.sql)
-- ==========================================================================

\echo 'downgrade 002 search people''s names (versions/002_search.sql)'

BEGIN ISOLATION LEVEL READ COMMITTED;

-- Only where the database is at 002; nobody else moves it meanwhile.
LOCK TABLE public.aludel_version IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL aludel.revision = '002';
DO $aludel$
BEGIN
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['002']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'downgrade of 002 expects the database at 002; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;

DROP INDEX people_search;

-- 002 is undone: the version table and the history say so.
RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $aludel$
BEGIN
    IF COALESCE(pg_catalog.current_setting('aludel.revision', true), '') OPERATOR(pg_catalog.<>) '002' THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_locks WHERE granted AND mode OPERATOR(pg_catalog.=) 'ShareRowExclusiveLock'
            AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND relation OPERATOR(pg_catalog.=) 'public.aludel_version'::pg_catalog.regclass) THEN
            RAISE EXCEPTION 'the script of 002 reset all settings' USING ERRCODE = 'ALU05',
                HINT = 'leave out RESET ALL: settings are put back behind each revision anyway';
        END IF;
        RAISE EXCEPTION 'the script of 002 ended its transaction on its own' USING ERRCODE = 'ALU02';
    END IF;
    UPDATE public.aludel_version SET version_num = '001' WHERE version_num OPERATOR(pg_catalog.=) '002';
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['001']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'downgrade of 002 is to leave the database at 001; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;
INSERT INTO public.aludel_history
    (version_table, run, direction, revision, checksum, outcome, tool, role, started_at, finished_at)
VALUES
    ('aludel_version', 'sql', 'downgrade', '002', '8452c579a3a7383c6ee1c6ddf4277622ddc83e6d649a074315efcb84ab26e5d4', 'done', 'aludel 0.1.0', SESSION_USER,
    pg_catalog.transaction_timestamp(),
    pg_catalog.clock_timestamp());
DELETE FROM public.aludel_progress WHERE version_table OPERATOR(pg_catalog.=) 'aludel_version' AND revision OPERATOR(pg_catalog.=) '002';

COMMIT;


"#]].raw());
    assert_data_eq!(
        script(&project, &["stamp", "002", "--purge"]),
        str![[r#"
-- aludel 0.1.0: stamp 002
--
-- To be run with psql: psql -X -d DATABASE -f FILE
-- It replaces what the database says of itself, whatever that is.
-- A role or a setting to run it with is given as PGOPTIONS='-c role=NAME': a SET would last for one step.

\set ON_ERROR_STOP on
\set ON_ERROR_ROLLBACK off
\set AUTOCOMMIT on
\set QUIET on

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

-- One run at a time: this session has the lock until it ends.
DO $aludel$
BEGIN
    IF NOT pg_catalog.pg_try_advisory_lock(3925877769832243540) THEN
        RAISE EXCEPTION 'another run holds the lock on this database' USING ERRCODE = 'ALU03';
    END IF;
END
$aludel$;

-- Where the database stands, and what has been run in it.
SET client_min_messages = warning;

CREATE TABLE IF NOT EXISTS public.aludel_version (
    version_num pg_catalog.text NOT NULL,
    CONSTRAINT aludel_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE IF NOT EXISTS public.aludel_history (
    id             pg_catalog.int8 GENERATED ALWAYS AS IDENTITY,
    version_table  pg_catalog.text NOT NULL,
    run            pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    checksum       pg_catalog.text,
    outcome        pg_catalog.text NOT NULL,
    sqlstate       pg_catalog.text,
    message        pg_catalog.text,
    started_at     pg_catalog.timestamptz NOT NULL,
    finished_at    pg_catalog.timestamptz NOT NULL,
    role           pg_catalog.text NOT NULL,
    client_user    pg_catalog.text,
    client_host    pg_catalog.text,
    tool           pg_catalog.text NOT NULL,
    CONSTRAINT aludel_history_pkc PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS public.aludel_progress (
    version_table  pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    statement      pg_catalog.int8 NOT NULL,
    state          pg_catalog.text NOT NULL,
    file_checksum        pg_catalog.text NOT NULL,
    statements_checksum  pg_catalog.text NOT NULL,
    statement_checksum   pg_catalog.text,
    index_oid      pg_catalog.oid,
    index_name     pg_catalog.text,
    session        pg_catalog.text,
    run            pg_catalog.text NOT NULL,
    changed_at     pg_catalog.timestamptz NOT NULL,
    CONSTRAINT aludel_progress_pkc PRIMARY KEY (version_table, revision, direction)
);

RESET client_min_messages;


-- ==========================================================================
-- stamp 002
-- ==========================================================================

\echo 'stamp 002'

BEGIN ISOLATION LEVEL READ COMMITTED;

-- Nobody else changes the version table until this is done.
LOCK TABLE public.aludel_version IN SHARE ROW EXCLUSIVE MODE;
SET LOCAL aludel.revision = '002';
DO $aludel$
BEGIN
END
$aludel$;

-- The database is taken to be at 002 from now on; nothing else is run.
RESET SESSION AUTHORIZATION;
RESET ROLE;
DO $aludel$
BEGIN
    IF COALESCE(pg_catalog.current_setting('aludel.revision', true), '') OPERATOR(pg_catalog.<>) '002' THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_locks WHERE granted AND mode OPERATOR(pg_catalog.=) 'ShareRowExclusiveLock'
            AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND relation OPERATOR(pg_catalog.=) 'public.aludel_version'::pg_catalog.regclass) THEN
            RAISE EXCEPTION 'the script of 002 reset all settings' USING ERRCODE = 'ALU05',
                HINT = 'leave out RESET ALL: settings are put back behind each revision anyway';
        END IF;
        RAISE EXCEPTION 'the script of 002 ended its transaction on its own' USING ERRCODE = 'ALU02';
    END IF;
    DELETE FROM public.aludel_version;
    INSERT INTO public.aludel_version (version_num) VALUES ('002');
    IF ARRAY(SELECT version_num::pg_catalog.text FROM public.aludel_version ORDER BY version_num COLLATE pg_catalog."C")
        OPERATOR(pg_catalog.<>) ARRAY['002']::pg_catalog.text[] THEN
        RAISE EXCEPTION 'stamp of 002 is to leave the database at 002; it is at %', COALESCE((
            SELECT pg_catalog.string_agg(version_num, ',' ORDER BY version_num COLLATE pg_catalog."C")
            FROM public.aludel_version), 'base') USING ERRCODE = 'ALU01';
    END IF;
END
$aludel$;
INSERT INTO public.aludel_history
    (version_table, run, direction, revision, outcome, tool, role, started_at, finished_at)
VALUES
    ('aludel_version', 'sql', 'stamp', '002', 'stamped', 'aludel 0.1.0', SESSION_USER,
    pg_catalog.transaction_timestamp(),
    pg_catalog.clock_timestamp());
DELETE FROM public.aludel_progress WHERE version_table OPERATOR(pg_catalog.=) 'aludel_version';

COMMIT;


"#]]
        .raw()
    );
    let database = Database::create();
    let printed = script(&project, &["upgrade", "head"]);
    assert_data_eq!(
        database.try_psql(&[], &printed).transcript(),
        str![[r#"
exit code: 0
----- stdout
upgrade 001 people (versions/001_people.sql)
upgrade 002 search people's names (versions/002_search.sql)

"#]]
        .raw()
    );
    assert_data_eq!(
        project.still(database.try_psql(&[], &printed).transcript()),
        str![[r#"
exit code: 3
----- stdout
upgrade 001 people (versions/001_people.sql)
----- stderr
ERROR:  upgrade of 001 expects the database at base; it is at 002
CONTEXT:  PL/pgSQL function inline_code_block line 5 at RAISE

"#]]
        .raw()
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_large_body_is_not_held_in_memory() {
    use std::io::Read as _;
    let project = project(&[]);
    let mut text = "-- revision: a\n-- migrate:upgrade\nCREATE TABLE t (a text, b text[]);\n".to_owned();
    let line = format!("INSERT INTO t VALUES ('{}', (ARRAY['a'])[1:array_length(ARRAY[1], 1)]);\n", "x".repeat(4000));
    text.push_str(&line.repeat(6000));
    text.push_str("COPY t FROM stdin;\n");
    text.push_str(&format!("{}\t{{}}\n", "y".repeat(1000)).repeat(26_000));
    text.push_str("\\.\n-- migrate:downgrade\n");
    let size = text.len() as u64;
    assert!(size > 50_000_000);
    project.write("versions/a.sql", text);
    let mut command = project.command(["upgrade", "head", "--sql"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    // Nearly all of it is read; then the tool waits for the pipe, and can be looked at.
    let mut read = std::io::copy(&mut pipe.by_ref().take(size - 500_000), &mut std::io::sink()).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    read += std::io::copy(&mut pipe, &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success() && read > size);
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 40_000, "{peak} kB");
}

#[test]
fn a_plan_is_what_an_upgrade_runs() {
    let project = example();
    for (start, way, target) in [
        ("base", "upgrade", "head"),
        ("002", "upgrade", "heads"),
        ("head", "downgrade", "002"),
        ("head", "downgrade", "base"),
    ] {
        let database = Database::create();
        if start != "base" {
            let _ = connected(&project, &database, &["upgrade", start]).succeeded();
        }
        let before = if start == "base" { 0 } else { history(&database).len() };
        let plan = connected(&project, &database, &["plan", way, target, "--json"]).succeeded();
        assert_eq!(plan.stderr, "");
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        // The same without a database.
        let paper = project.aludel(["plan", way, target, "--from", start, "--json"]).succeeded();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&paper.stdout).unwrap(), plan);
        let lines = connected(&project, &database, &["plan", way, target]).succeeded().stdout;
        let ran = connected(&project, &database, &[way, target]).succeeded();
        let steps = plan["steps"].as_array().unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let planned: Vec<String> = steps.iter().map(|step| text(&step["revision"])).collect();
        let told: Vec<&str> = ran
            .stderr
            .lines()
            .filter_map(|line| {
                line.strip_prefix(&format!("{way}d "))
                    .or(line.strip_prefix("upgraded ").or(line.strip_prefix("downgraded ")))
            })
            .collect();
        assert_eq!(told.iter().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(), planned);
        let recorded: Vec<String> = history(&database)[before..].to_vec();
        let expected: Vec<String> = steps
            .iter()
            .map(|step| format!("{way} {} {} done", text(&step["revision"]), text(&step["checksum"])))
            .collect();
        assert!(recorded.iter().zip(&expected).all(|(row, start)| row.starts_with(start)), "{recorded:?} {expected:?}");
        assert_eq!((recorded.len(), lines.lines().count()), (planned.len(), planned.len()));
        for (line, revision) in lines.lines().zip(&planned) {
            assert!(line.starts_with(way) && line.contains(revision.as_str()), "{line}");
        }
        let at: Vec<String> = plan["rows_after"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(rows(&mut database.client()), at);
        let nothing = connected(&project, &database, &["plan", way, target]).succeeded();
        assert_eq!(nothing.stdout, "");
    }
}

#[test]
fn what_psql_and_the_tool_run_is_the_same() {
    // Not a script of ours: a plain file, as somebody has it, run by psql -f and as a revision.
    let plain: String = ODD
        .iter()
        .filter(|(message, _)| !message.contains("psql's") && !message.contains("gone") && !message.contains("role"))
        .filter(|(message, _)| {
            !message.starts_with("a temporary") && !message.contains("search_path") && *message != "a dump"
        })
        .map(|(_, body)| format!("{body}\n;\n"))
        .collect();
    let project = project(&[("a", &format!("-- revision: a\n-- migrate:upgrade\n{plain}"))]);
    let (by_tool, by_psql) = (Database::create(), Database::create());
    let _ = connected(&project, &by_tool, &["upgrade", "head"]).succeeded();
    by_tool.psql("DROP TABLE aludel_version, aludel_history, aludel_progress");
    by_psql.psql(&plain);
    assert!(state(&by_tool).contains("CREATE TABLE public.ending_4"));
    assert_equal(&state(&by_tool), &state(&by_psql));
}
