//! Four times the text is about four times the work, whatever the text: no input makes a reader quadratic.
//!
//! What is measured is the processor time of this thread, so other programs on the machine do not count. Four times the
//! text took at most five times as long when this was written; sixteen times would be quadratic; nine times is refused,
//! and only where it is seen five times in a row.
//!
//! A build for tests reads about a megabyte in a second, so 20 KB stand for the rest. In full, SQL at 2.5 and 10 MB and all
//! else at 250 KB and 1 MB: `ALUDEL_LINEAR_BYTES=10000000 cargo test --release --test linear`.
#![allow(clippy::disallowed_methods)]

use aludel::config::ini::Ini;
use aludel::config::mask;
use aludel::database::conninfo::{Conninfo, Surroundings};
use aludel::model::header::{self, Header};
use aludel::model::range::{Range, Route};
use aludel::model::sql::body::Body;
use aludel::model::sql::check::check;
use aludel::model::sql::classify::{class, effects};
use aludel::model::sql::marker::{SectionKind, Transaction};
use aludel::model::sql::psql::without_variables;
use aludel::model::target::Target;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

/// Work that takes less is not quadratic at these sizes, and its time is mostly noise.
const LITTLE: f64 = 0.02;

/// How long the longest text is.
fn bytes() -> usize {
    std::env::var("ALUDEL_LINEAR_BYTES").map_or(20_000, |bytes| bytes.parse().expect("a number"))
}

fn processor_seconds(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let start = now();
    work();
    now() - start
}

/// Whether `work` is linear in the size of the text that `text` makes: about `size` bytes, and four times as many.
fn is_linear(size: usize, text: &dyn Fn(usize) -> String, work: &dyn Fn(&str)) -> Result<(), String> {
    let (small, large) = (text(size / 4), text(size));
    let mut seen = Vec::new();
    for _ in 0..5 {
        let all = processor_seconds(|| work(&large));
        if all < LITTLE {
            return Ok(());
        }
        let quarter = processor_seconds(|| work(&small));
        if all < 9.0 * quarter {
            return Ok(());
        }
        seen.push(format!("{:.0} ms and {:.0} ms", quarter * 1e3, all * 1e3));
    }
    Err(seen.join(", "))
}

/// A reader of text, and its name.
type Reader<'a> = (&'a str, &'a (dyn Fn(&str) + Sync));

/// Each text through each reader; `prefix` and then a unit again and again.
fn each(size: usize, prefixes: &[&str], units: &[&str], readers: &[Reader<'_>]) {
    let cases: Vec<(&str, &str)> =
        prefixes.iter().flat_map(|prefix| units.iter().map(move |unit| (*prefix, *unit))).collect();
    let half = |odd: usize| {
        let mut wrong = Vec::new();
        for (prefix, unit) in cases.iter().skip(odd).step_by(2) {
            let text = |size: usize| format!("{prefix}{}", unit.repeat(size / unit.len()));
            for (name, read) in readers {
                if let Err(seen) = is_linear(size, &text, &**read) {
                    wrong.push(format!("{name} of {prefix:?} and many {unit:?}: {seen}"));
                }
            }
        }
        wrong
    };
    let wrong = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut wrong = half(0);
        wrong.extend(other.join().expect("the other half"));
        wrong
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn quadratic_work_is_seen() {
    let pairs = |text: &str| {
        let bytes = text.as_bytes();
        let equal = bytes.iter().map(|one| bytes.iter().filter(|other| *other == one).count()).sum::<usize>();
        black_box(equal);
    };
    let text = |size: usize| "a".repeat(size);
    assert!(is_linear(12_000, &text, &pairs).is_err());
}

fn check_all(text: &str) {
    let _ = black_box(check("f.sql", text.as_bytes(), Transaction::Inside));
}

fn batches(text: &str) {
    let mut body = Body::new("f.sql", text.as_bytes(), Transaction::Outside, SectionKind::Upgrade);
    while let Ok(Some(batch)) = body.next_batch() {
        black_box(batch.at_position(batch.text.len()));
    }
}

fn classify(text: &str) {
    black_box((class(text), without_variables(text).len()));
    // The parser is not linear; what it is given is bounded, and these are beyond the bound.
    if text.len() >= 250_000 {
        black_box(effects(text).is_ok());
    }
}

#[test]
fn sql() {
    let prefixes = [
        "-- migrate:upgrade\n",
        "-- migrate:upgrade\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC ",
        "-- migrate:upgrade\nCOPY t FROM STDIN;\n",
        "-- migrate:upgrade\nSELECT E'",
        "-- migrate:upgrade\nALTER TABLE a ADD COLUMN b int DEFAULT ",
    ];
    let units = [
        "(",
        ")",
        "$",
        "$a$",
        "$a ",
        "/*",
        "*/",
        "/",
        "'",
        "''",
        "\"",
        ";",
        "--\n",
        "-- migrate:\n",
        "--\r",
        "e'\\",
        "e'a'\n",
        "\\",
        "\\\n",
        "\\.",
        "BEGIN ATOMIC ",
        "CREATE FUNCTION ",
        "CASE ",
        "CASE WHEN 1 THEN ",
        "end;",
        "COPY t FROM STDIN;\n",
        "SELECT 1;\n",
        "(((SELECT 1)))",
        ":a ",
        "::",
        "\u{a0}",
        "\u{a0};",
        "é",
        "a",
        "1",
        ".",
        ",",
        "<<<<<<< \n",
        " ",
        "\n",
    ];
    each(bytes(), &prefixes, &units, &[("check", &check_all), ("batches", &batches), ("class", &classify)]);
}

#[test]
fn headers() {
    let prefixes = ["-- revision: 1\n-- message: ", "-- revision: 1\n-- parents: ", "-- revision: 1\n-- ", ""];
    let units = [
        "[",
        "]",
        "{",
        "- ",
        "-- ",
        "--\n",
        "-- a: b\n",
        "? ",
        ": ",
        "\"",
        "\\",
        "'",
        "&a ",
        "*a ",
        "!!str ",
        "|\n--  ",
        "#",
        "a",
        "a, ",
        "é",
        "\n",
        "\r\n",
        "\t",
        "-- message: a\n",
        "/*\n",
        "---\n",
    ];
    let read = |text: &str| {
        black_box((Header::parse(text).is_ok(), header::extent(text.as_bytes())));
        let beginning = &text[..text.floor_char_boundary(header::LONGEST - 1)];
        black_box((Header::parse(beginning).is_ok(), header::quoted(text).len()));
    };
    each(bytes().min(1_000_000), &prefixes, &units, &[("header", &read)]);
    // Below the limit of its length, where it is read whole.
    each(header::LONGEST - 100, &prefixes, &units, &[("short header", &read)]);
}

#[test]
fn settings() {
    let prefixes = ["", "[migrate]\nurl = ", "[migrate]\npassword", "[migrate]\na\n", "[migrate]\nb = {{ "];
    let units = [
        "[",
        "[a]\n",
        "]",
        "=",
        ":",
        "a=\n",
        "\n a",
        "a\n ",
        "%(",
        "%(a)1",
        "{{ ",
        "}}",
        "{% ",
        "\"",
        "'",
        "//",
        "@",
        "://:@",
        "password ",
        "password=",
        "--token ",
        "-",
        "a",
        "é",
        "#\n",
        "\r",
        "\0",
    ];
    let ini = |text: &str| {
        if let Ok(ini) = Ini::from_bytes("migrate.ini", text.as_bytes()) {
            for section in ini.sections() {
                for entry in section.entries.iter().take(1).chain(section.entries.last()) {
                    black_box((ini.value_excerpt(entry, ini.value_place(entry)), ini.slip_excerpt(entry, "url")));
                }
            }
        }
    };
    let masked = |text: &str| {
        let ranges = mask::hidden(text, 0, true);
        black_box((mask::cover(text, &ranges, 0..text.len()), mask::is_near_secret_name(text)));
    };
    each(bytes().min(1_000_000), &prefixes, &units, &[("ini", &ini), ("mask", &masked)]);
}

#[test]
fn targets_and_urls() {
    let prefixes =
        ["", "a@", "head", "postgresql://", "postgresql://u:", "postgresql://h/d?", "host=h ", "host=", "host='"];
    let units = [
        "+",
        "-",
        "1",
        "@",
        ":",
        "a",
        "a:",
        "é",
        ".",
        "/",
        "?",
        "&",
        "=",
        "a=1&",
        "host=a&",
        "%",
        "%41",
        "%C3",
        ",",
        "a,",
        "[",
        "]",
        "[::1],",
        "'",
        "\\",
        " ",
        "a ",
        "user=u ",
        "password=p ",
        "//",
        "://",
        ";",
    ];
    let target = |text: &str| {
        black_box((Target::parse(text).is_ok(), Range::parse(text).is_ok(), Route::parse(text).is_ok()));
    };
    let url = |text: &str| {
        let conninfo = Conninfo::parse(text, &Surroundings { variable: &|_| None, home: None, user: Some("me") });
        black_box(conninfo.map_or_else(|error| error.to_string(), |conninfo| conninfo.to_string()));
    };
    each(bytes().min(1_000_000), &prefixes, &units, &[("target", &target), ("url", &url)]);
}
