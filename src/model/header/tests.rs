use proptest::prelude::*;

use super::*;

/// A header as one line: what it says, or what is wrong and the text that it is at.
fn case(text: &str) -> String {
    match Header::parse(text) {
        Ok(header) => {
            let Header { revision, settings } = header;
            let mut line = format!("{} {:?} {:?}", revision.id, revision.parents, revision.message);
            if !revision.depends_on.is_empty() || !revision.labels.is_empty() {
                line += &format!(" {:?} {:?}", revision.depends_on, revision.labels);
            }
            if settings != Settings::default() {
                line += &format!(
                    " {:?} {} {} {:?} {:?}",
                    settings.created.map(|created| created.to_rfc3339()),
                    settings.transaction,
                    settings.template,
                    settings.lock_timeout.map(Timeout::milliseconds),
                    settings.statement_timeout.map(Timeout::milliseconds),
                );
            }
            line
        }
        Err(error) => format!("{:?} at {:?}", error.problem, &text[error.range]),
    }
}

#[test]
fn every_key_is_read() {
    let text = "-- revision: 002\n-- parents: [001, abc]\n-- message: v2.1 features\n--\n\
        -- created: 2025-11-20T09:30:00+02:00\n-- depends_on: auth\n-- labels: [ shop,till ]\n-- transaction: false\n\
        -- template: true\n-- lock_timeout: 2s\n-- statement_timeout: 5 min\n\n-- migrate:upgrade\nSELECT 1;\n";
    let wanted = r#"002 ["001", "abc"] "v2.1 features" ["auth"] ["shop", "till"] Some("2025-11-20T09:30:00+02:00") false true Some(2000) Some(300000)"#;
    assert_eq!(case(text), wanted);
    assert_eq!(case(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), wanted, "a byte order mark and CRLF");
    let day = case("-- revision: a\n-- created: 2025-01-22\n");
    assert!(day.contains(r#"Some("2025-01-22T00:00:00+00:00")"#), "{day}");
}

#[test]
fn ids_are_what_is_written() {
    for id in ["002", "1e10", "12e4567890ab", "true", "null1", "null", "0x10", "0o7", "1_000", "inf", "no", "_", "été"]
    {
        assert_eq!(case(&format!("-- revision: {id}\n-- parents: {id}\n")), format!("{id} [{id:?}] \"\""));
        assert_eq!(case(&format!("-- revision: '{id}'\n-- parents: [\"{id}\"]\n")), format!("{id} [{id:?}] \"\""));
        assert_eq!(case(&format!("-- revision:\n--   {id}\n-- parents:\n-- - {id}\n")), format!("{id} [{id:?}] \"\""));
    }
    assert_eq!(case("-- revision: ~"), "BadName(Revision, Character('~', 0)) at \"~\"");
}

#[test]
fn forms_of_parents() {
    for (written, parents) in [
        ("", "[]"),
        (" []", "[]"),
        (" [ ]", "[]"),
        (" 001", "[\"001\"]"),
        (" [001]", "[\"001\"]"),
        (" [001, 002]", "[\"001\", \"002\"]"),
        (" [001, 002,]", "[\"001\", \"002\"]"),
        ("\n--   - 001\n--   - 002", "[\"001\", \"002\"]"),
        ("\n-- - 001\n-- - 002", "[\"001\", \"002\"]"),
        (" # none", "[]"),
    ] {
        assert_eq!(case(&format!("-- revision: a\n-- parents:{written}\n")), format!("a {parents} \"\""), "{written}");
    }
    assert_eq!(case("-- revision: a\n-- parents: 001, 002"), "BadName(Parents, Character(',', 3)) at \"001, 002\"");
    assert_eq!(case("-- revision: a\n-- parents: [[a]]"), "WrongType(Parents) at \"[\"");
    assert_eq!(case("-- revision: a\n-- parents: {a: b}"), "WrongType(Parents) at \"{\"");
    assert_eq!(case("-- revision: a\n-- parents: [a, head]"), "BadName(Parents, Reserved(\"head\")) at \"head\"");
}

#[test]
fn messages() {
    for (written, message) in [
        ("v2.1: no", None),
        ("'v2.1: it''s'", Some("v2.1: it's")),
        ("\"a \\\"b\\\" \\u00e9\"", Some("a \"b\" é")),
        ("true", Some("true")),
        ("~", Some("~")),
        ("it's [here] {there} & *all* | of > it", Some("it's [here] {there} & *all* | of > it")),
        ("|\n--   one line", Some("one line")),
        (">\n--   folded\n--   into one", Some("folded into one")),
        ("continued\n--   below", Some("continued below")),
        ("cut # comment", Some("cut")),
        ("|\n--   two\n--   lines", None),
        ("\"bell \\u0007\"", None),
    ] {
        let wanted = message.map(|message| format!("a [] {message:?}"));
        let got = case(&format!("-- revision: a\n-- message: {written}\n"));
        match wanted {
            Some(wanted) => assert_eq!(got, wanted),
            None => assert!(got.contains(" at "), "{got}"),
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, wanted) in [
        ("", r#"Absent at """#),
        ("\n\n", r#"Absent at """#),
        ("\n\u{b} \n2025", r#"Absent at "\u{b}""#),
        ("SELECT 1;\n-- revision: a", r#"Absent at "SELECT 1;""#),
        ("--\n--\n\n-- revision: a", r#"Absent at "--""#),
        ("-- migrate:upgrade\n", r#"Absent at "-- migrate:upgrade""#),
        ("/* licence */\n-- revision: a", r#"Absent at "/* licence */""#),
        ("-- Adds the shop.\n-- See the wiki.\n", r#"Prose at "Adds the shop.""#),
        ("-- revision: a\n-- adds the shop\n-- parents: b\n", r#"Prose at "adds the shop""#),
        ("-- parents: b\n", r#"MissingId(Revision) at "-- parents: b""#),
        ("-- revision:\n", r#"WrongType(Revision) at "revision""#),
        ("-- revision: ''\n", r#"BadName(Revision, Empty) at "''""#),
        ("-- revision: [a, b]\n", r#"WrongType(Revision) at "a, b""#),
        ("-- revision: a-b\n", r#"BadName(Revision, Character('-', 1)) at "a-b""#),
        ("-- revision: a\n-- down_revision: b\n", r#"UnknownKey("down_revision", Some(Parents)) at "down_revision""#),
        ("-- revision: a\n-- parnets: b\n", r#"UnknownKey("parnets", Some(Parents)) at "parnets""#),
        ("-- Revision: a\n", r#"UnknownKey("Revision", Some(Revision)) at "Revision""#),
        ("-- revision: a\n-- note: b\n", r#"UnknownKey("note", None) at "note""#),
        ("-- revision: a\n-- parents: b\n-- revision: c\n", r#"KeyTwice(Revision, 3..11) at "revision""#),
        ("-- revision: a\n-- transaction: yes\n", r#"WrongType(Transaction) at "yes""#),
        ("-- revision: a\n-- transaction:\n", r#"WrongType(Transaction) at "transaction""#),
        ("-- revision: a\n-- created: 2025-1-22\n", r#"WrongType(Created) at "2025-1-22""#),
        ("-- revision: a\n-- created: yesterday\n", r#"WrongType(Created) at "yesterday""#),
        ("-- revision: a\n-- lock_timeout: 2000\n", r#"WrongType(LockTimeout) at "2000""#),
        ("-- revision: a\n-- lock_timeout: 25d\n", r#"WrongType(LockTimeout) at "25d""#),
        ("-- revision: &x a\n", r#"Reference at "a""#),
        ("-- revision: !!str a\n", r#"Reference at "a""#),
        ("-- revision: *x\n", r#"Reference at """#),
        ("-- revision: a\r-- parents: b\r", r#"Control('\r') at "\r""#),
        ("-- revision: a\0\n", r#"Control('\0') at "\0""#),
        ("-- revision: a\n\n-- parents: b\n-- migrate:upgrade", r#"CutOff(Parents) at "parents: b""#),
        ("-- revision: a\n  -- parents: b\n", r#"CutOff(Parents) at "parents: b""#),
        ("-- revision: a\n-- ---\n-- revision: b\n", r#"Yaml("a second document") at "---""#),
    ] {
        assert_eq!(case(text), wanted, "{text:?}");
    }
    assert!(case("-- revision: a\n-- message: 'open\n").starts_with("Yaml("));
    assert!(case("-- revision: a\n-- message: one: two\n").starts_with("Yaml("));
    assert_eq!(case("-- revision: a\n\n-- parents are none: it is a base\nSELECT 1;\n-- parents: x"), "a [] \"\"");
    assert_eq!(case("-- revision: a\n-- migrate:upgrade\n-- parents: x"), "a [] \"\"");
    assert_eq!(case(&format!("-- revision: a\n-- message: {}\n", "x".repeat(LONGEST))), {
        r#"TooLong at "-- revision: a""#
    });
}

#[test]
fn a_place_can_be_found_again() {
    let text = "-- revision: a\n-- parents: [b, c]\n-- labels:\n";
    let at = |key, name| locate(text, key, name).map(|range| &text[range]);
    assert_eq!(at(Key::Revision, None), Some("a"));
    assert_eq!(at(Key::Parents, Some("c")), Some("c"));
    assert_eq!(at(Key::Parents, Some("d")), None);
    assert_eq!(at(Key::Labels, None), Some("labels"));
    assert_eq!(at(Key::Message, None), None);
}

#[test]
fn no_more_is_read_than_the_header_needs() {
    for (bytes, wanted) in [
        (&b"-- revision: a\n"[..], None),
        (b"-- revision: a\n\n", None),
        (b"-- revision: a\n\n-- migrate:up", None),
        (b"-- revision: a\n\n-- migrate:upgrade\nSELECT", Some(35)),
        (b"-- revision: a\nSELECT 1;\n-- b", Some(25)),
        (b"\xef\xbb\xbf-- revision: a\nSELECT 1;\n-- b", Some(28)),
    ] {
        assert_eq!(extent(bytes), wanted, "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(extent(&b"-- x\n".repeat(FARTHEST)), Some(FARTHEST));
    assert_eq!(extent(&b"-".repeat(2 * FARTHEST)), Some(FARTHEST));
}

#[test]
fn encodings() {
    fn problem(bytes: &[u8]) -> Result<&str, Problem> {
        text(bytes).map_err(|error| error.problem)
    }
    assert_eq!(problem(b"\xef\xbb\xbfx"), Ok("x"));
    assert_eq!(problem(b"\xff\xfe-\0"), Err(Problem::Utf16));
    assert_eq!(problem(b"\xfe\xff\0-"), Err(Problem::Utf16));
    assert_eq!(text(b"-- caf\xe9 x"), Err(HeaderError { problem: Problem::NotUtf8, range: 6..7 }));
    assert_eq!(problem(b"-- caf\xc3"), Err(Problem::NotUtf8));
    let cut = [vec![b'-'; FARTHEST - 1], vec![0xc3]].concat();
    assert_eq!(problem(&cut).map(str::len), Ok(FARTHEST - 1));
}

/// Lines that the quick reader may or may not understand, made of what could confuse it.
fn header_like() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["revision", "parents", "message", "labels", "created", "x", "Revision", ""]);
    let colon = prop::sample::select(vec![":", ": ", ":  ", ":\t", " : ", ""]);
    let piece = prop::sample::select(vec![
        "a", "002", "1e10", "~", "null", "[", "]", "[a, b]", "[a,b]", "[ ]", ", ", ",", ": ", ":", " #", "#", "'",
        "''", "\"", "\\", "{", "}", "&a", "*a", "!t", "|", ">", "- ", "-", "?", " ", "  ", "\t", "é", "\u{a0}",
        "\u{2028}", "\u{85}", "\u{feff}", "😀", "%", "@", "`", "---", "...", "<<", "=",
    ]);
    let value = prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat());
    let line = (prop::sample::select(vec!["-- ", "-- ", "-- ", "--", "--  "]), key, colon, value)
        .prop_map(|(dashes, key, colon, value)| format!("{dashes}{key}{colon}{value}"));
    prop::collection::vec(line, 1..4).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_quick_reader_agrees_with_the_thorough_one(text in header_like()) {
        if let Some(quick) = plain::fields(lines::header(&text)) {
            prop_assert_eq!(Ok(quick), yaml::fields(&text));
        }
    }

    #[test]
    fn one_field_the_quick_reader_agrees(value in "[ -~é]{0,12}") {
        let text = format!("-- message: {value}\n-- revision: a");
        if let Some(quick) = plain::fields(lines::header(&text)) {
            prop_assert_eq!(Ok(quick), yaml::fields(&text));
        }
    }

    #[test]
    fn what_is_quoted_reads_back(message in "\\PC{0,30}") {
        let text = format!("-- revision: a\n-- message: {}\n", quoted(&message));
        prop_assert_eq!(Header::parse(&text).map(|header| header.revision.message), Ok(message));
    }

    #[test]
    fn nothing_panics_and_every_place_is_in_the_text(text in "(\\PC|--|\n|: |\\[|'|\u{0}|\t|\r){0,40}") {
        if let Err(error) = Header::parse(&text) {
            prop_assert!(text.get(error.range).is_some());
        }
        let _ = extent(text.as_bytes());
    }

    #[test]
    fn the_extent_is_enough(text in header_like(), rest in "(\n|-- migrate:upgrade\n|SELECT 1;\n|-- x\n|-- parents: b\n){0,6}") {
        let text = format!("{text}\n{rest}");
        if let Some(extent) = extent(text.as_bytes()) {
            prop_assert_eq!(Header::parse(&text[..extent]), Header::parse(&text));
        }
    }
}

#[test]
fn a_long_plain_message_is_one_for_both() {
    let text = format!("-- revision: a\n-- message: {}\n", "word ".repeat(3000));
    assert_eq!(plain::fields(lines::header(&text)), yaml::fields(&text).ok());
}

#[test]
fn repeatable_files() {
    let read = |text: &str| match RepeatableHeader::parse(text) {
        Ok(RepeatableHeader { repeatable: Repeatable { id, depends_on, message }, settings }) => {
            format!(
                "{id} {depends_on:?} {message:?} {} {:?}",
                settings.template,
                settings.lock_timeout.map(Timeout::milliseconds)
            )
        }
        Err(error) => format!("{:?} at {:?}", error.problem, &text[error.range]),
    };
    assert_eq!(
        read(
            "-- repeatable: v\n-- message: a view\n-- depends_on: [u, 002]\n-- template: true\n-- lock_timeout: 1s\n\nSELECT 1;"
        ),
        r#"v ["u", "002"] "a view" true Some(1000)"#
    );
    assert_eq!(read("-- message: a\n"), r#"MissingId(Repeatable) at "-- message: a""#);
    assert_eq!(read("-- repeatable: head\n"), r#"BadName(Repeatable, Reserved("head")) at "head""#);
    for key in ["revision", "parents", "labels", "transaction"] {
        let wrong = read(&format!("-- repeatable: v\n-- {key}: a\n"));
        assert!(wrong.starts_with("NotForRepeatable(") && wrong.ends_with(&format!(" at {key:?}")), "{wrong}");
    }
    assert_eq!(case("-- revision: a\n-- repeatable: b\n"), r#"NotForRevision at "repeatable""#);
}
