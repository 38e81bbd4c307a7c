//! The place that an error names: revision files with one fault at a known place, run by the real binary on a real server.
//! Line and column must be the fault's, whatever stands around it.
//!
//! `ALUDEL_ERROR_PLACES=1000 cargo test --test error_places` makes more of them.

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{Database, Project};

/// A small generator (splitmix64): the same files on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }
}

/// What a fault needs around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// Anything.
    Anything,
    /// It must be the last thing of its section: something in it stays open.
    Last,
    /// It cannot stand outside a transaction: there it would be none, or another one.
    Transaction,
}

/// A fault: its text, with `@@` at the place that the error must name (none: the error has no place), the SQLSTATE,
/// empty where the tool itself refuses it. `#` is a number of its own.
const FAULTS: &[(&str, &str, Around)] = &[
    // Syntax.
    ("CREATE TABLE f# (\n    a int,\n    b int @@eger\n);", "42601", Around::Anything),
    ("@@SELEC 1;", "42601", Around::Anything),
    ("SELECT 'ü', 'ß' FORM @@t;", "42601", Around::Anything),
    ("SELECT (1 + 2 -- é )\n    @@;;) FROM t;", "42601", Around::Anything),
    ("SELECT 1 +\n    2 *@@;", "42601", Around::Anything),
    ("SELECT 1,\n    2 *@@", "42601", Around::Last),
    ("INSERT INTO t VALUES@@", "42601", Around::Last),
    ("SELECT E'\\'' || $é$ ; $é$ || /* ; */ \"n\"\"o\" \"p\" @@q;", "42601", Around::Anything),
    ("SELECT 1 ? @@;", "42601", Around::Anything),
    // Analysis: the server knows the character.
    ("SELECT a,\n    'é€𝄞', @@nope\nFROM (VALUES (1)) AS t (a);", "42703", Around::Anything),
    ("DELETE /* é */\nFROM @@nowhere#;", "42P01", Around::Anything),
    ("INSERT INTO @@nowhere# (a)\nVALUES (1);", "42P01", Around::Anything),
    ("SELECT 1,\n    @@no_function#('é');", "42883", Around::Anything),
    ("SELECT '€' || 'é',\n    1 @@+ 'x'::text;", "42883", Around::Anything),
    ("SELECT\n    1,\n    'é'::text, @@'abc'::int;", "22P02", Around::Anything),
    ("CREATE VIEW v# AS\nSELECT 'é',\n    u.a, @@u.nope\nFROM (SELECT 1 AS a) AS u;", "42703", Around::Anything),
    ("CREATE TABLE f# (\n    a int,\n    b @@no_type\n);", "42704", Around::Anything),
    ("SELECT sum(@@count(*)) FROM (VALUES (1)) AS t (a);", "42803", Around::Anything),
    // Functions whose bodies are read at once.
    (
        "CREATE FUNCTION fn#() RETURNS int LANGUAGE sql AS $$\n    SELECT 1;\n    SELECT 'é', @@nope;\n$$;",
        "42703",
        Around::Anything,
    ),
    (
        "CREATE FUNCTION fn#() RETURNS int LANGUAGE plpgsql AS $x$\nBEGIN\n    PERFORM 'é';\n    RETURN @@;\nEND\n$x$;",
        "42601",
        Around::Anything,
    ),
    (
        "CREATE FUNCTION fn#() RETURNS int LANGUAGE sql\nBEGIN ATOMIC\n    SELECT CASE WHEN true THEN 1 END;\n    SELECT @@nope;\nEND;",
        "42703",
        Around::Anything,
    ),
    // At run time: the server knows the statement alone.
    ("@@SELECT 1,\n    1 / 0;", "22012", Around::Anything),
    ("CREATE TABLE f# (a int PRIMARY KEY);\n@@INSERT INTO f#\nVALUES (1), (1);", "23505", Around::Anything),
    ("CREATE TABLE f# (a int CHECK (a > 0));\n\n\n@@INSERT INTO f# VALUES (1),\n(-1);", "23514", Around::Anything),
    ("CREATE TABLE f# (a int NOT NULL); @@INSERT INTO f# VALUES (NULL);", "23502", Around::Anything),
    (
        "CREATE TABLE f# (a int); INSERT INTO f# VALUES (1);;; ;\n@@ALTER TABLE f#\n    ADD CHECK (a > 1);",
        "23514",
        Around::Anything,
    ),
    ("@@SELECT v::int\nFROM (VALUES ('é'::text), ('1')) AS t (v) ORDER BY 1;", "22P02", Around::Anything),
    ("@@DROP TABLE\n    nowhere#;", "42P01", Around::Anything),
    ("CREATE TABLE f# (a int);\n@@CREATE INDEX ON f# (nope);", "42703", Around::Anything),
    ("CREATE TABLE f# (a int);\n@@CREATE TABLE f# (a int);", "42P07", Around::Anything),
    ("SELECT nextval(@@'nowhere#')\n;", "42P01", Around::Anything),
    ("@@SET lock_timeout = 'soon';", "22023", Around::Anything),
    ("@@DO $$\nBEGIN\n    RAISE EXCEPTION 'é: %', 1;\nEND\n$$;", "P0001", Around::Anything),
    ("@@DO $$\nBEGIN\n    PERFORM 1 / 0;\nEND\n$$;", "22012", Around::Anything),
    ("@@DO $$\nDECLARE n int;\nBEGIN\n    SELECT 1 INTO STRICT n WHERE false;\nEND $$;", "P0002", Around::Anything),
    (
        "CREATE FUNCTION fn#() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n    RETURN 1 / 0;\nEND $$;\n\n@@SELECT fn#();",
        "22012",
        Around::Anything,
    ),
    (
        "CREATE TABLE f# (a int);\nCREATE FUNCTION fn#() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    RAISE 'no';\nEND $$;\n\
         CREATE TRIGGER t# BEFORE INSERT ON f# FOR EACH ROW EXECUTE FUNCTION fn#();\n@@INSERT INTO f#\nSELECT 1;",
        "P0001",
        Around::Anything,
    ),
    (
        "CREATE TABLE f# (a int);\nCREATE RULE r# AS ON INSERT TO f# DO ALSO (SELECT 1; SELECT 2);\nINSERT INTO f# VALUES (1);\n\
         INSERT INTO f# VALUES (2);\n@@SELECT 1 / (a - 2)\nFROM f# ORDER BY a DESC;",
        "22012",
        Around::Anything,
    ),
    // The data of a COPY.
    (
        "CREATE TABLE f# (a int, b text);\nCOPY f# (a, b) FROM stdin;\n1\té\n2\t;\n@@x\t'\n4\t\\N\n\\.",
        "22P02",
        Around::Anything,
    ),
    (
        "CREATE TABLE f# (a int PRIMARY KEY);\n-- é\nCOPY f# FROM stdin;\n1\n2\n3\n@@2\n5\n\\.",
        "23505",
        Around::Anything,
    ),
    (
        "CREATE TABLE f# (a int, b int);\nCOPY f# FROM stdin WITH (FORMAT csv, HEADER true);\na,b\n1,2\n@@3\n5,6\n\\.",
        "22P04",
        Around::Anything,
    ),
    ("@@COPY nowhere#\n  FROM stdin;\n1\n\\.", "42P01", Around::Anything),
    (
        "CREATE TABLE p# (a int PRIMARY KEY); CREATE TABLE f# (a int REFERENCES p#);\n@@COPY f#\nFROM stdin;\n1\n\\.",
        "23503",
        Around::Anything,
    ),
    // At the end of the transaction: no statement is at fault.
    (
        "CREATE TABLE p# (a int PRIMARY KEY);\nCREATE TABLE f# (a int REFERENCES p# DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO f# VALUES (1);",
        "23503",
        Around::Transaction,
    ),
    // What the tool itself refuses, before anything runs.
    ("@@COMMIT;", "", Around::Transaction),
    ("SELECT 1;\n  @@BEGIN;", "", Around::Transaction),
    ("@@CREATE INDEX CONCURRENTLY i#\n    ON t (a);", "", Around::Transaction),
    ("@@\\i other.sql", "", Around::Anything),
    ("SELECT 'é' @@\\gexec", "", Around::Anything),
    ("SELECT 'é', @@'open;", "", Around::Last),
    ("SELECT 'é' /* /* */ é */, @@$x$ ;\n $$", "", Around::Last),
    ("/* é */ @@/* /* */ ;", "", Around::Last),
    ("SELECT @@(1 + (2);", "", Around::Last),
    ("SELECT 'é',@@\u{a0}1;", "", Around::Anything),
    ("@@SET standard_conforming_strings = off;", "", Around::Anything),
    ("@@COPY (SELECT 1) TO STDOUT;", "", Around::Anything),
];

/// A statement that is right, with something in it that could put a count out.
fn filler(random: &mut Random, case: usize, number: usize) -> String {
    let name = format!("x{case}_{number}");
    match random.below(14) {
        0 => format!("CREATE TABLE {name} (\n    a int,\n    \"ü;é\" text DEFAULT ';'\n);"),
        1 => format!("CREATE TABLE {name} (a int); INSERT INTO {name} VALUES (1),\n(2); DROP TABLE {name};"),
        2 => "SELECT 'é', '€', '𝄞', 'a''b', E'\\'', $$;$$;".to_owned(),
        3 => "DO $x$\nBEGIN\n    PERFORM 1; -- ;\nEND\n$x$;".to_owned(),
        4 => "-- Une remarque : ça, là-bas ; « fin ».\n".to_owned(),
        5 => "/* über\n   /* zwei ; */ Zeilen\n*/".to_owned(),
        6 => format!(
            "CREATE FUNCTION {name}() RETURNS int LANGUAGE sql\nBEGIN ATOMIC\n    SELECT 1;\n    SELECT 2;\nEND;"
        ),
        7 => format!("CREATE TABLE {name} (a text);\nCOPY {name} FROM stdin;\né;\n'\n$$\n\\.\n"),
        8 => ";\n;;".to_owned(),
        9 => "SELECT 1 AS \"naïve\"\n\n\n    , 2;".to_owned(),
        10 => "\n\n\t".to_owned(),
        11 => "COMMENT ON SCHEMA public IS 'こんにちは;\nzwei';".to_owned(),
        12 => "SET LOCAL search_path = public; RESET search_path;".to_owned(),
        _ => "SELECT count(*) FROM (VALUES (1), (2)) AS v (\"é\") -- ende\n;".to_owned(),
    }
}

/// More statements than one message holds.
fn long_filler(random: &mut Random) -> String {
    let long = "é".repeat(1000 + random.below(1000));
    format!("SELECT '{long}';\n").repeat(100 + random.below(200))
}

struct Case {
    name: String,
    file: String,
    code: &'static str,
    /// Line and column, where there are any.
    place: Option<(usize, usize)>,
    fault: String,
}

fn case(number: usize) -> Case {
    let mut random = Random(number as u64);
    let (fault, code, around) = FAULTS[number % FAULTS.len()];
    let round = number / FAULTS.len();
    let fault = fault.replace('#', &number.to_string());
    // Each fault once in each of these places, then at random.
    let bare = around != Around::Transaction && if round < 4 { round == 1 } else { random.below(4) == 0 };
    let second = if round < 4 { round == 2 } else { random.below(4) == 0 };
    let long = if round < 4 { round == 3 } else { random.below(10) == 0 };

    let mut text = format!("-- revision: r{number}\n-- message: Fehler Nr. {number}, é\n\n");
    text.push_str(random.pick(&["", "\n\n", "-- é\n"]));
    let section = if bare { "-- migrate:upgrade transaction:false\n" } else { "-- migrate:upgrade\n" };
    let some = |random: &mut Random, text: &mut String, from: usize| {
        for index in 0..random.below(6) {
            text.push_str(&filler(random, number, from + index));
            text.push_str(random.pick(&["\n", " ", "\n\n", "\n    "]));
        }
        // A COPY, and its end, stand at the start of a line.
        if !text.ends_with('\n') {
            text.push('\n');
        }
    };
    if second {
        text.push_str(random.pick(&["-- migrate:upgrade\n", section]));
        some(&mut random, &mut text, 10);
        text.push_str("-- migrate:downgrade\nSELECT 'downgrade';\n");
    }
    text.push_str(section);
    if long {
        text.push_str(&long_filler(&mut random));
    }
    some(&mut random, &mut text, 20);
    text.push_str(&fault);
    text.push('\n');
    if around != Around::Last {
        some(&mut random, &mut text, 30);
    }
    text.push_str("-- migrate:downgrade\nSELECT 1;\n");

    let place = text.find("@@").map(|at| {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        (text[..at].matches('\n').count() + 1, text[line_start..at].chars().count() + 1)
    });
    let mut file = text.replace("@@", "");
    if random.below(2) == 0 {
        file = file.replace('\n', "\r\n");
    }
    if random.below(4) == 0 {
        file.insert(0, '\u{feff}');
    }
    Case { name: format!("r{number}"), file, code, place, fault }
}

/// `versions/r7.sql:12:5` in what the tool said.
fn named_place(stderr: &str, name: &str) -> Option<(usize, usize)> {
    let path = format!("--> versions/{name}.sql:");
    let (line, column) = stderr.split_once(&path)?.1.lines().next()?.split_once(':')?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[test]
fn an_error_names_the_place_of_the_fault() {
    #[allow(clippy::disallowed_methods, reason = "tests stand above config.rs")]
    let wanted = std::env::var("ALUDEL_ERROR_PLACES").ok().map(|count| count.parse().expect("a number"));
    let cases = wanted.unwrap_or(FAULTS.len() * 6);
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let database = Database::create();
                database.psql("CREATE TABLE t (a int);");
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cases {
                        break;
                    }
                    let case = case(number);
                    let project = Project::empty();
                    project.write("migrate.ini", format!("[migrate]\nurl = {}\n", database.url()));
                    project.write(&format!("versions/{}.sql", case.name), &case.file);
                    let ran = project.aludel(["upgrade", "head"]);
                    let named = named_place(&ran.stderr, &case.name);
                    let coded = ran.stderr.contains(&format!("error[{}]", case.code));
                    let right_code = if case.code.is_empty() { ran.stderr.contains("error: ") } else { coded };
                    if named != case.place || !right_code || !matches!(ran.code, 1 | 4) {
                        let Case { name, code, place, fault, .. } = case;
                        let heading = format!("{name}: {place:?} {code} wanted, {named:?} named\n{fault}");
                        wrong.lock().unwrap().push(format!("{heading}\n{}", ran.transcript()));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {cases} wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
}
