//! Tests of reading a file: batches, places, checks, encodings, windows.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::model::sql::check::{BodySummary, Savepoints, check};
use crate::model::sql::keywords::{Control, Setting};
use crate::model::sql::marker::{MarkerKind, MarkerProblem, Transaction};
use crate::model::sql::problem::{MetaPurpose, Problem};
use crate::model::sql::split::Opener;

fn check_text(text: impl AsRef<[u8]>) -> Result<BodySummary, Vec<BodyError>> {
    check("f.sql", Cursor::new(text), Transaction::Inside)
}

/// The one problem of `text`, its line and column, and the marked text.
fn problem(text: impl AsRef<[u8]>) -> (Problem, usize, usize, String) {
    let errors = check_text(text).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let BodyError { problem, excerpt } = errors.into_iter().next().unwrap();
    let marked = excerpt.line[excerpt.mark].to_owned();
    (problem, excerpt.place.line, excerpt.place.column, marked)
}

fn batches(text: impl AsRef<[u8]>, kind: SectionKind) -> Vec<Batch> {
    let expected = check_text(text.as_ref()).map(|summary| summary.checksum);
    let mut body = Body::new("f.sql", Cursor::new(text.as_ref()), Transaction::Inside, kind);
    let mut batches = Vec::new();
    while let Some(batch) = body.next_batch().unwrap() {
        for range in &batch.statements {
            assert!(batch.text.get(range.clone()).is_some_and(|statement| !statement.trim().is_empty()));
        }
        batches.push(batch);
    }
    assert_eq!(body.finish().map_err(|error| vec![error]), expected);
    batches
}

const FILE: &str = "-- revision: 002
/* header */

-- migrate:upgrade
-- why
CREATE TABLE a (x int);  -- first
;INSERT INTO a VALUES (1)
  -- migrate:downgrade transaction:false
DROP TABLE a;
-- migrate:upgrade
SAVEPOINT s; ROLLBACK TO s;
-- the end
";

#[test]
fn a_file_has_sections_of_batches() {
    let up = batches(FILE, SectionKind::Upgrade);
    assert_eq!(up.len(), 2);
    assert_eq!(up[0].text, "-- why\nCREATE TABLE a (x int);  -- first\n;INSERT INTO a VALUES (1)");
    let texts: Vec<_> = up[0].statements.iter().map(|range| &up[0].text[range.clone()]).collect();
    assert_eq!(texts, ["CREATE TABLE a (x int);", "INSERT INTO a VALUES (1)"]);
    assert_eq!(up[0].start, Place { line: 5, column: 1 });
    assert_eq!(up[0].section.ordinal, 1);
    assert_eq!(up[1].text, "SAVEPOINT s; ROLLBACK TO s;\n-- the end");
    assert_eq!((up[1].section.ordinal, up[1].section.line), (2, 10));
    let down = batches(FILE, SectionKind::Downgrade);
    assert_eq!(down.len(), 1);
    assert_eq!(down[0].text, "DROP TABLE a;");
    assert_eq!(down[0].section.transaction, Transaction::Outside);
    let summary = check_text(FILE).unwrap();
    assert_eq!(summary.checksum, Checksum::of(FILE));
    assert_eq!(summary.sections.iter().map(|section| section.statements).collect::<Vec<_>>(), [2, 1, 2]);
    assert_eq!(summary.sections[1].bytes, "\nDROP TABLE a;\n".len() as u64);
    assert_eq!(summary.sections[2].bytes, "\nSAVEPOINT s; ROLLBACK TO s;\n-- the end\n".len() as u64);
    assert_eq!(summary.savepoints, Savepoints::RolledBackTo);
    assert!(summary.has(SectionKind::Downgrade));
    assert!(!check_text("-- a").unwrap().has(SectionKind::Upgrade));
    let empty = check_text("-- migrate:upgrade\n-- migrate:downgrade\n;;\n").unwrap();
    assert_eq!(empty.sections.iter().map(|section| section.statements).collect::<Vec<_>>(), [0, 0]);
    assert_eq!(batches("-- migrate:upgrade\n-- none\n;\n", SectionKind::Upgrade), []);
}

#[test]
fn places_of_the_server_are_places_of_the_file() {
    let text = "\u{feff}-- h\r\n-- migrate:upgrade\r\nSELECT 'é😀';\r\n  SELECT nope, 1;\r\nSELECT 2;";
    let batch = &batches(text, SectionKind::Upgrade)[0];
    let position = batch.text[..batch.text.find("nope").unwrap()].chars().count() + 1;
    let excerpt = batch.at_position(position);
    assert_eq!((excerpt.place, &excerpt.line[excerpt.mark.clone()]), (Place { line: 4, column: 10 }, "nope"));
    assert_eq!(batch.statement_at(position), Some(1));
    let excerpt = batch.at_statement(2);
    assert_eq!((excerpt.place, &excerpt.line[excerpt.mark.clone()]), (Place { line: 5, column: 1 }, "SELECT 2;"));
    assert_eq!(batch.at_statement(9).place.line, 5);
    assert_eq!(batch.at_position(0).place, Place { line: 3, column: 1 });
    assert_eq!(batch.at_position(9999).place.line, 5);
}

#[test]
fn copy_data_travel_alone() {
    let text = "-- migrate:upgrade\n\\restrict x\nSELECT 1;\n-- c\nCOPY t FROM STDIN;\n 1\n\\N\n\\.\nSELECT 2;\n\\unrestrict x\n";
    let found: Vec<_> = batches(text, SectionKind::Upgrade)
        .into_iter()
        .map(|batch| (batch.kind, batch.text, batch.start.line))
        .collect();
    assert_eq!(
        found,
        [
            (BatchKind::Statements, "SELECT 1;".to_owned(), 3),
            (BatchKind::CopyFromStdin { data_line: 6 }, "-- c\nCOPY t FROM STDIN;".to_owned(), 4),
            (BatchKind::CopyData { last: true }, " 1\n\\N\n".to_owned(), 6),
            (BatchKind::Statements, "SELECT 2;".to_owned(), 9),
        ]
    );
    assert_eq!(check_text(text).unwrap().copies, 1);
    let large = format!("-- migrate:upgrade\nCOPY t FROM STDIN;\n{}\\.\nSELECT 1;", "12345678\n".repeat(100_000));
    let found = batches(&large, SectionKind::Upgrade);
    let data: String = found[1..found.len() - 1].iter().map(|batch| batch.text.as_str()).collect();
    assert_eq!(data.len(), 900_000);
    assert!(found.iter().all(|batch| batch.text.len() <= BATCH));
    assert_eq!(found[found.len() - 2].kind, BatchKind::CopyData { last: true });
    assert_eq!(found[found.len() - 1].start.line, 100_004);
}

#[test]
fn batches_are_of_a_size_and_large_statements_stand_alone() {
    let line = "INSERT INTO t (a, b) VALUES (1, 'some text that is not short');\n";
    let text = format!(
        "-- migrate:upgrade\n{}SELECT '{}'; -- a: long one\nSELECT 1;\n-- migrate:downgrade\n",
        line.repeat(20_000),
        "x\n".repeat(400_000)
    );
    let found = batches(&text, SectionKind::Upgrade);
    assert_eq!(found.iter().map(|batch| batch.statements.len()).sum::<usize>(), 20_002);
    let large = &found[found.len() - 2];
    assert_eq!((large.statements.len(), large.start.line), (1, 20_002));
    assert!(large.text.ends_with("x\n';"));
    assert_eq!(found[found.len() - 1].text, "-- a: long one\nSELECT 1;");
    assert_eq!(found[found.len() - 1].start, Place { line: 420_002, column: 4 });
    assert!(found[..found.len() - 2].iter().all(|batch| batch.text.len() <= BATCH && batch.text.len() > BATCH / 2));
    for batch in &found {
        let excerpt = batch.at_statement(0);
        assert_eq!(excerpt.place.line, batch.start.line + usize::from(batch.text.starts_with("--")));
    }
    // What stands before it on its line is not forgotten with the text that was read.
    let wrong =
        check("f.sql", Cursor::new(text.replace("a: long one", "migrate:downgrade")), Transaction::Inside).unwrap_err();
    assert_eq!(wrong[0].problem, Problem::Marker(MarkerProblem::BehindSomething));
    assert_eq!((wrong.len(), wrong[0].excerpt.place), (1, Place { line: 420_002, column: 4 }));
}

#[test]
fn what_is_refused() {
    let meta = |command: &str, purpose| Problem::MetaCommand { command: command.to_owned(), purpose };
    for (text, expected, line, column, marked) in [
        ("BEGIN;", Problem::TransactionControl(Control::Begin, SectionKind::Upgrade), 2, 1, "BEGIN;"),
        (
            "SELECT 1;\n  COMMIT AND CHAIN;",
            Problem::TransactionControl(Control::Commit, SectionKind::Upgrade),
            3,
            3,
            "COMMIT AND CHAIN;",
        ),
        ("VACUUM;", Problem::NeverInTransaction("VACUUM", SectionKind::Upgrade), 2, 1, "VACUUM;"),
        ("SET NAMES 'x';", Problem::Setting(Setting::ClientEncoding), 2, 1, "SET NAMES 'x';"),
        ("COPY t TO STDOUT;", Problem::CopyToStdout, 2, 1, "COPY t TO STDOUT;"),
        ("\\i other.sql", meta("\\i", MetaPurpose::Include), 2, 1, "\\i"),
        ("SELECT 1 \\gexec", meta("\\gexec", MetaPurpose::Execute), 2, 10, "\\gexec"),
        ("SELECT 1 \\; SELECT 2;", meta("\\;", MetaPurpose::Other), 2, 10, "\\;"),
        ("SELECT 1 \\restrict x", meta("\\restrict", MetaPurpose::Other), 2, 10, "\\restrict"),
        ("\\.", meta("\\.", MetaPurpose::EndOfData), 2, 1, "\\."),
        ("SELECT 'é", Problem::Unclosed(Opener::String), 2, 8, "'"),
        ("SELECT\u{a0}1;", Problem::OddCharacter('\u{a0}'), 2, 7, "\u{a0}"),
        ("COPY t FROM STDIN;\n1\n2\n", Problem::Unclosed(Opener::CopyData), 2, 1, "COPY t FROM STDIN;"),
        ("COPY t FROM STDIN; SELECT 1;\n\\.\n", Problem::TextAfterCopy, 2, 20, "SELECT 1;"),
        ("-- x\rSELECT 1;", Problem::CarriageReturnInComment, 2, 5, "\r"),
        ("SELECT '\0';", Problem::Nul, 2, 9, "\0"),
    ] {
        let text = format!("-- migrate:upgrade\n{text}");
        assert_eq!(problem(&text), (expected, line, column, marked.to_owned()), "{text}");
        assert!(Body::new("f", Cursor::new(&text), Transaction::Inside, SectionKind::Downgrade).next_batch().is_err());
    }
    assert_eq!(
        problem("SELECT 1; SELECT 2;\n-- migrate:upgrade\n"),
        (Problem::BeforeFirstSection, 1, 1, "SELECT 1;".to_owned())
    );
    let nearest =
        MarkerProblem::Kind { found: "up".to_owned(), nearest: Some(MarkerKind::Section(SectionKind::Upgrade)) };
    assert_eq!(problem("-- h\n-- migrate:up\nBEGIN;"), (Problem::Marker(nearest), 2, 12, "up".to_owned()));
    let bare = |text: &str| problem(format!("-- h\n-- migrate:upgrade transaction:false\n{text}")).0;
    assert_eq!(bare("BEGIN;"), Problem::ControlOutside(Control::Begin));
    assert_eq!(bare("DISCARD ALL;"), Problem::DiscardAll);
    for good in [
        "-- migrate:upgrade transaction:false\nVACUUM; CREATE INDEX CONCURRENTLY i ON t (a);",
        "-- migrate:upgrade\nSET client_encoding = 'UTF8'; SAVEPOINT a;\r\n-- c\r\n",
        "",
        "\u{feff}",
    ] {
        assert!(check_text(good).is_ok(), "{good}");
    }
}

#[test]
fn all_problems_are_found() {
    let errors = check_text("-- migrate:upgrade\nBEGIN;\nSELECT\u{a0}1,\u{2003}2;\n\\c x\nCOMMIT;\nVACUUM;\n/* open")
        .unwrap_err();
    let lines: Vec<_> = errors.iter().map(|error| error.excerpt.place.line).collect();
    assert_eq!(lines, [2, 3, 3, 4, 5, 6, 7]);
    let many = check_text("-- migrate:upgrade\n".to_owned() + &"COMMIT;".repeat(5000)).unwrap_err();
    assert_eq!(many.len(), crate::model::sql::check::MOST_ERRORS);
}

#[test]
fn encodings() {
    let utf16 = |big: bool, mark: bool| {
        let text = format!("{}-- migrate", if mark { "\u{feff}" } else { "" });
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect::<Vec<u8>>()
    };
    for bytes in [utf16(true, true), utf16(false, true), utf16(true, false), utf16(false, false)] {
        assert_eq!(problem(bytes).0, Problem::Utf16);
    }
    assert_eq!(
        problem(b"-- migrate:upgrade\nSELECT 'caf\xe9 x';\n"),
        (Problem::NotUtf8(0xe9), 2, 12, "\u{fffd}".to_owned())
    );
    assert_eq!(problem(b"-- a\xc3"), (Problem::NotUtf8(0xc3), 1, 5, "\u{fffd}".to_owned()));
    let far =
        [b"-- migrate:upgrade\n".to_vec(), "SELECT 'é';\n".repeat(30_000).into_bytes(), b"  \xff".to_vec()].concat();
    assert_eq!(problem(far), (Problem::NotUtf8(0xff), 30_002, 3, "\u{fffd}".to_owned()));
}

#[test]
fn a_failed_read_is_told() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("broken"))
        }
    }
    let errors = check("f.sql", Failing, Transaction::Inside).unwrap_err();
    assert!(matches!(&errors[0].problem, Problem::Reading { message, .. } if message == "broken"));
}

/// Gives a few bytes at a time, as a pipe may.
struct Trickle<'t>(&'t [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.1).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_statement_arrives_once_at_its_place(
        parts in prop::collection::vec((0_usize..6, 1_usize..60_000), 1..12), trickle in 1_usize..70_000
    ) {
        let mut text = String::from("-- h\n-- migrate:upgrade\n");
        let mut lines = Vec::new();
        for (kind, size) in parts {
            let line = text.lines().count() + 1;
            let statement = match kind {
                0 => format!("SELECT '{}\n';", "é".repeat(size)),
                1 => format!("-- {}\nSELECT 1;", "c".repeat(size)),
                2 => format!("SELECT {} 2;", " ".repeat(size)),
                3 => format!("SELECT $a${}$a$;", "$b$\r\n".repeat(size / 8)),
                _ => "INSERT INTO t VALUES (1);".to_owned(),
            };
            lines.push(line + usize::from(kind == 1));
            text.push_str(&statement);
            text.push('\n');
        }
        let mut body = Body::new("f", Trickle(text.as_bytes(), trickle), Transaction::Inside, SectionKind::Upgrade);
        let (mut found, mut joined) = (Vec::new(), String::new());
        while let Some(batch) = body.next_batch().unwrap() {
            found.extend((0..batch.statements.len()).map(|index| batch.at_statement(index).place));
            joined.push_str(&batch.text);
            joined.push('\n');
        }
        prop_assert_eq!(found, lines.into_iter().map(|line| Place { line, column: 1 }).collect::<Vec<_>>());
        prop_assert_eq!(joined.as_str(), &text["-- h\n-- migrate:upgrade\n".len()..]);
        prop_assert_eq!(body.finish().unwrap(), Checksum::of(&text));
    }
}

#[test]
fn a_verification_is_of_the_section_before_it() {
    let text = "-- migrate:upgrade transaction:false\nVACUUM;\n-- migrate:verify\nSELECT 1;\nSELECT 2\n-- migrate:upgrade\n\
                -- migrate:downgrade\n-- c\n-- migrate:verify\nSELECT 3;\n-- migrate:verify\nSELECT 4;\n";
    let summary = check_text(text).unwrap();
    let sections = |kind| {
        let said = |section: &crate::model::sql::check::SectionSummary| {
            let Section { ordinal, verifies, transaction, .. } = section.section;
            (ordinal, verifies, transaction, section.statements)
        };
        summary.of_kind(kind).map(said).collect::<Vec<_>>()
    };
    let (inside, outside) = (Transaction::Inside, Transaction::Outside);
    assert_eq!(sections(SectionKind::Upgrade), [(1, false, outside, 1), (2, true, inside, 2), (3, false, inside, 0)]);
    assert_eq!(sections(SectionKind::Downgrade), [(1, false, inside, 0), (2, true, inside, 1), (3, true, inside, 1)]);
    let texts: Vec<String> = batches(text, SectionKind::Downgrade).into_iter().map(|batch| batch.text).collect();
    assert_eq!(texts, ["SELECT 3;", "SELECT 4;"]);
    // Also where the header says that sections run outside one.
    let summary = check("f.sql", Cursor::new("-- migrate:upgrade\n-- migrate:verify\nSELECT 1;"), outside).unwrap();
    assert_eq!(summary.sections[1].section.transaction, inside);
    for (text, expected) in [
        ("-- migrate:verify\nSELECT 1;", Problem::Marker(MarkerProblem::NothingToVerify)),
        ("-- migrate:upgrade\n-- migrate:verify\nCOMMIT;", Problem::ControlInVerify("COMMIT")),
        ("-- migrate:upgrade\n-- migrate:verify\nSAVEPOINT a;", Problem::ControlInVerify("SAVEPOINT")),
        ("-- migrate:upgrade\n-- migrate:verify\nROLLBACK TO a;", Problem::ControlInVerify("ROLLBACK TO")),
        ("-- migrate:upgrade\n-- migrate:verify\nVACUUM;", Problem::NeverInTransaction("VACUUM", SectionKind::Upgrade)),
        (
            "-- migrate:upgrade\n-- migrate:verify\n\\i a.sql",
            Problem::MetaCommand { command: "\\i".into(), purpose: MetaPurpose::Include },
        ),
    ] {
        assert_eq!(problem(text).0, expected, "{text}");
    }
}

#[test]
fn a_repeatable_file_needs_no_marker() {
    let texts = |text: &str| {
        let summary = check("f.sql", Cursor::new(text), Form::Script).unwrap();
        let statements = |verifies| {
            let of = summary.of_kind(SectionKind::Upgrade).filter(move |section| section.section.verifies == verifies);
            of.map(|section| section.statements).sum::<usize>()
        };
        let counts = (statements(false), statements(true));
        let mut body = Body::new("f.sql", Cursor::new(text), Form::Script, SectionKind::Upgrade);
        let mut texts = Vec::new();
        while let Some(batch) = body.next_batch().unwrap() {
            texts.extend(batch.statements.iter().map(|range| batch.text[range.clone()].to_owned()));
        }
        (counts, texts.join(" "))
    };
    let header = "-- repeatable: a\n\n";
    assert_eq!(texts(&format!("{header}SELECT 1;\nSELECT 2")), ((2, 0), "SELECT 1; SELECT 2".to_owned()));
    assert_eq!(texts(&format!("{header}-- migrate:upgrade\nSELECT 1;")), ((1, 0), "SELECT 1;".to_owned()));
    assert_eq!(
        texts(&format!("{header}SELECT 1;\n-- migrate:verify\nSELECT 2;")),
        ((1, 1), "SELECT 1; SELECT 2;".to_owned())
    );
    assert_eq!(texts(header), ((0, 0), String::new()));
    for (text, expected) in [
        ("-- migrate:downgrade\n", MarkerProblem::DowngradeOfScript),
        ("-- migrate:upgrade transaction:false\n", MarkerProblem::ScriptOutside),
    ] {
        let errors = check("f.sql", Cursor::new(text), Form::Script).unwrap_err();
        assert_eq!(errors[0].problem, Problem::Marker(expected));
    }
}
