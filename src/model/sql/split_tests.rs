//! Tests of the splitter: forms, windows, hostile text.

use proptest::prelude::*;

use super::*;

/// All pieces of `text`, read through windows that grow from `window` bytes (0: the whole at once).
fn pieces(text: &str, window: usize) -> Vec<Piece> {
    let mut splitter = Splitter::default();
    let (mut from, mut size) = (0, if window == 0 { text.len() } else { window });
    let mut found = Vec::new();
    loop {
        let end = text.floor_char_boundary((from + size).min(text.len()));
        match splitter.next(&text[..end], from, end == text.len()) {
            Step::Piece(piece) => {
                assert!(piece.range.start >= from && piece.range.end <= piece.next && piece.next <= text.len());
                // Data that are missing at the end of the file are a fault of no length, told once.
                let no_data = from == text.len()
                    && matches!(&piece.kind, PieceKind::Fault(fault) if fault.kind == FaultKind::Unclosed(Opener::CopyData));
                assert!(piece.next > from || no_data, "no progress at {from}: {piece:?}");
                from = piece.next;
                found.push(piece);
                size = if window == 0 { text.len() } else { window };
            }
            Step::More => {
                assert!(end < text.len(), "asks for more than there is");
                size *= 2;
            }
            Step::End => return found,
        }
    }
}

fn statements(text: &str) -> Vec<&str> {
    let is_statement = |piece: &Piece| matches!(piece.kind, PieceKind::Statement(_));
    pieces(text, 0).into_iter().filter(is_statement).map(|piece| &text[piece.range]).collect()
}

#[test]
fn one_statement_each() {
    for text in [
        "select 'a;b';",
        "select 'a'';b';",
        r"select E'\';';",
        r"select E'a''\';', 1;",
        "select E'a'\n'\\';';",
        "select E'a' -- c;\n  '\\';';",
        r"select 'a\', 1;",
        r"select U&'\0061;' , U&'a''b;' uescape '!';",
        "select B'0;1', X'1;F', N'a;b';",
        "select \";\" , \"a\"\";b\", U&\";\";",
        "select $$;$$;",
        "select $a$ ; $b$ ; $$ ; $a$;",
        "select $ünï$ ; $ünï$;",
        "select $_1$ ; $_1$;",
        "select 1 as a$b$c; ",
        "select $1;",
        "select 1/* ; */;",
        "select 1/* /* ; */ ; */;",
        "select 1 -- ;\n;",
        "select 1+-- ;\n2;",
        "select 1 */* ; */ 2;",
        "create rule r as on insert to t do (select 1; select 2);",
        "create function f() returns int begin atomic select 1; select 2; end;",
        "create or replace function f() returns int begin atomic select case when true then 1 end; end;",
        "create procedure f() begin atomic select case when a then case b when 1 then 2 end end; select 1; end;",
        "create function f() returns int begin atomic select 1 as end; select 2 as case; select t.end from t; end;",
        "create function f() returns int begin atomic select (case when true then 1 end); end;",
        "create function f() returns int begin atomic select begin from t; end;",
        "create function f() returns int begin atomic select 1 case; select 2 end, 3 case from t; end;",
        "create function f() returns int begin atomic select a case /* , */ where b; end;",
        "create function f() returns int begin atomic select case when a then 1 end end, case b when 1 then 2 end; end;",
        "create function f() returns int begin atomic select case(a) when 1 then 1. end, case -1 when 1 then .5 end; end;",
        "create function f() returns int begin atomic select t . end, t./**/case, $1 . end from t; end;",
        "create function f() returns int begin atomic select begin atomic from t; end;",
        "create function f() returns int begin atomic create function g() begin atomic select 1 end; end; end;",
        "create procedure f() begin atomic end;",
        "0copy t from stdin;",
        "(copy t from stdin);",
        "copy t from.stdin;",
        "create function begin() returns int language sql as 'select 1';",
        "CREATE FUNCTION f() RETURNS int BEGIN /* x */ ATOMIC; END;",
        "select 1;;",
        "select '\u{a0}\u{2028}';",
        "select 1e5, 1.5e-3, 0x1F, 1_000, 1e'x';",
        "table \u{e9}t\u{e9}$x;",
    ] {
        assert_eq!(
            statements(text),
            [text.trim_end().trim_end_matches(";;").trim_end_matches(';').to_owned() + ";"],
            "{text}"
        );
        assert_eq!(statements(&format!("  -- a\n/* b; */ {text}\nselect 2;")).len(), 2, "followed by another: {text}");
    }
}

#[test]
fn statements_beside_each_other() {
    for (text, expected) in [
        ("begin; end; case; select 1", vec!["begin;", "end;", "case;", "select 1"]),
        ("a;b -- c", vec!["a;", "b"]),
        ("a /* c */", vec!["a"]),
        ("-- only\n/* comments */", vec![]),
        ("", vec![]),
        (";;", vec![]),
        ("select 1 as begin; select 2;", vec!["select 1 as begin;", "select 2;"]),
        ("create table begin (a int); select 1;", vec!["create table begin (a int);", "select 1;"]),
        ("do $$ begin a; end $$; select 1;", vec!["do $$ begin a; end $$;", "select 1;"]),
        ("a)); b;", vec!["a));", "b;"]),
        ("select E'a'\n-- migrate:downgrade\n'b';", vec!["select E'a'", "'b';"]),
        ("select 1\n  -- migrate:upgrade\nselect 2", vec!["select 1", "select 2"]),
        ("select 1 -- migrate:upgrade\n, 2;", vec!["select 1 -- migrate:upgrade\n, 2;"]),
        ("select '\n-- migrate:upgrade\n';", vec!["select '\n-- migrate:upgrade\n';"]),
        ("/*\n-- migrate:upgrade\n*/ a;", vec!["a;"]),
        ("select 1 \\gset\nselect 2;", vec!["select 1", "select 2;"]),
    ] {
        assert_eq!(statements(text), expected, "{text}");
    }
}

#[test]
fn markers_meta_commands_and_empty_statements() {
    let text = "\u{20}\t-- migrate:upgrade x\r\n;\\restrict a;b\r\n--Migrate :down\n\\i f";
    let found: Vec<_> = pieces(text, 0).into_iter().map(|piece| (piece.kind, &text[piece.range])).collect();
    assert_eq!(
        found,
        [
            (PieceKind::Marker, "-- migrate:upgrade x"),
            (PieceKind::Empty, ";"),
            (PieceKind::Meta, "\\restrict a;b"),
            (PieceKind::Marker, "--Migrate :down"),
            (PieceKind::Meta, "\\i f"),
        ]
    );
}

#[test]
fn copy_data_are_lines_up_to_a_backslash_and_a_dot() {
    for (text, copy, data) in [
        ("copy t from stdin; -- x\n1\t\\N\n;'\n\\.\nselect 1;", "copy t from stdin;", "1\t\\N\n;'\n"),
        (
            "COPY s.\"T\" (a, b) FROM STDIN WITH (FORMAT csv) ;\r\n1,2\r\n\\.\r\nselect 1;",
            "COPY s.\"T\" (a, b) FROM STDIN WITH (FORMAT csv) ;",
            "1,2\r\n",
        ),
        ("copy t from stdin;\n\\.\nselect 1;", "copy t from stdin;", ""),
        ("copy t from stdin;\na\\.\n\\.b\n\\.\nselect 1;", "copy t from stdin;", "a\\.\n\\.b\n"),
        ("copy t from stdin;\n-- migrate:downgrade\n\\.\nselect 1;", "copy t from stdin;", "-- migrate:downgrade\n"),
    ] {
        let found = pieces(text, 0);
        assert_eq!(&text[found[0].range.clone()], copy);
        assert_eq!(found[1].kind, PieceKind::CopyData { last: true }, "{text}");
        assert_eq!(&text[found[1].range.clone()], data);
        assert_eq!(&text[found[2].range.clone()], "select 1;");
    }
    for text in [
        "copy t from 'f'; select 1;",
        "copy (select a from stdin) to stdout; select 1;",
        "copy t from program 'stdin'; select 1;",
        "copy t to stdout; select 1;",
        "copy \"from\" to 'stdin'; select 1;",
    ] {
        assert_eq!(statements(text).len(), 2, "{text}");
    }
}

#[test]
fn what_is_wrong_has_a_place() {
    use FaultKind::*;
    for (text, kind, marked) in [
        ("a; select 'b;\nc", Unclosed(Opener::String), "'"),
        (r"select E'b\'", Unclosed(Opener::String), "'"),
        ("select \"b;", Unclosed(Opener::QuotedName), "\""),
        ("select $a$ $b$;", Unclosed(Opener::DollarQuote), "$a$"),
        ("a; /* b /* */", Unclosed(Opener::Comment), "/*"),
        ("select 1 /* b", Unclosed(Opener::Comment), "/*"),
        ("select (1; (select", Unclosed(Opener::Parenthesis), "("),
        ("select (1\n-- migrate:downgrade\n", Unclosed(Opener::Parenthesis), "("),
        ("create function f() begin atomic select 1;", Unclosed(Opener::Body), "atomic"),
        ("copy t from stdin;\n1\n2", Unclosed(Opener::CopyData), "1\n2"),
        ("copy t from stdin;", Unclosed(Opener::CopyData), "copy t from stdin;"),
        ("copy t from stdin", Unclosed(Opener::CopyData), "copy t from stdin"),
        ("copy t from stdin; x \n\\.\n", TextAfterCopy, "x"),
        ("select\u{a0}1;", Odd('\u{a0}'), "\u{a0}"),
        ("select 1;\u{2028}", Odd('\u{2028}'), "\u{2028}"),
        ("\u{feff}select 1", Odd('\u{feff}'), "\u{feff}"),
        ("select \u{b} 1", Odd('\u{b}'), "\u{b}"),
        ("select \0 1", Odd('\0'), "\0"),
        ("-- a\rdrop table t;", CarriageReturnInComment, "\r"),
        ("select 1 -- a\r, 2;", CarriageReturnInComment, "\r"),
    ] {
        let faults: Vec<_> = pieces(text, 0)
            .into_iter()
            .flat_map(|piece| match piece.kind {
                PieceKind::Statement(statement) => statement.faults,
                PieceKind::Fault(fault) => vec![fault],
                _ => Vec::new(),
            })
            .collect();
        assert!(!faults.is_empty(), "{text:?}");
        assert_eq!((faults[0].kind, &text[faults[0].range.clone()]), (kind, marked), "{text:?}");
    }
    for good in ["-- a\r\nselect 1;\r\n", "-- a\r\r\nselect\r1;", "-- a\r", "select '\u{a0}' -- \u{a0}"] {
        assert!(!pieces(good, 0).iter().any(|piece| match &piece.kind {
            PieceKind::Statement(statement) => !statement.faults.is_empty(),
            kind => matches!(kind, PieceKind::Fault(_)),
        }));
    }
}

#[test]
fn hostile_text_takes_linear_time() {
    let started = std::time::Instant::now();
    for unit in [
        "(",
        ")",
        "$",
        "$a",
        "$a$",
        "$a.",
        "/*",
        "/",
        "*",
        "'",
        "\"",
        "-",
        "--",
        "--\r",
        "-- migrate",
        "E'",
        "E'\\",
        "E'a'\n",
        "E'a' ",
        "\\",
        "\\.",
        ";",
        " ",
        "\n",
        "\r",
        "\u{a0}",
        "begin atomic ",
        "case ",
        "copy ",
        "\0",
        "é",
    ] {
        for prefix in ["", "create function begin atomic ", "copy t from stdin;\n", "select '"] {
            pieces(&format!("{prefix}{}", unit.repeat(400_000 / unit.len())), 64);
        }
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// Text made of what matters to a splitter.
fn tricky() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "'",
        "''",
        "E'",
        "e'\\'",
        "\\",
        "\"",
        "$",
        "$$",
        "$a$",
        "$é$",
        "a$",
        "/*",
        "*/",
        "-",
        "--",
        "-- x\n",
        "\n",
        "\r",
        "\r\n",
        " ",
        "(",
        ")",
        ";",
        ";\n",
        "begin",
        "atomic",
        "end",
        "case",
        "as",
        ".",
        "create ",
        "function ",
        "or ",
        "replace ",
        "procedure ",
        "copy ",
        "from ",
        "stdin;",
        "stdin;\n",
        "\\.",
        "\n\\.\n",
        "\n-- migrate:upgrade\n",
        "-- migrate:downgrade",
        "1",
        "x",
        "é",
        "\u{a0}",
        "U&'",
        "*",
        "/",
    ]);
    prop::collection::vec(atom, 0..40).prop_map(|atoms| atoms.concat())
}

#[test]
fn data_that_are_missing_are_one_fault() {
    for text in ["copy t from stdin;\n", "copy t from stdin;;\n", "copy t from stdin;\n1\n"] {
        for window in [0, 1, 7] {
            let found = pieces(text, window);
            let faults = found.iter().filter(|piece| matches!(piece.kind, PieceKind::Fault(_))).count();
            assert_eq!(faults, 1, "{text:?}, {window}: {found:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn windows_of_any_size_give_the_same_pieces(text in tricky(), window in 1_usize..20) {
        // Data of a COPY come in as many chunks as the windows make; joined they are the same.
        let joined = |found: Vec<Piece>| {
            let mut joined: Vec<Piece> = Vec::new();
            for piece in found {
                match joined.last_mut() {
                    Some(before)
                        if before.kind == (PieceKind::CopyData { last: false })
                            && matches!(piece.kind, PieceKind::CopyData { .. }) =>
                    {
                        *before = Piece { kind: piece.kind, range: before.range.start..piece.range.end, next: piece.next };
                    }
                    Some(before)
                        if before.kind == (PieceKind::CopyData { last: false })
                            && matches!(piece.kind, PieceKind::Fault(_)) =>
                    {
                        let range = before.range.start..piece.range.end;
                        let kind = FaultKind::Unclosed(Opener::CopyData);
                        let fault = PieceKind::Fault(Fault { kind, range: range.clone() });
                        *before = Piece { kind: fault, range, next: piece.next };
                    }
                    _ => joined.push(piece),
                }
            }
            joined
        };
        prop_assert_eq!(joined(pieces(&text, window)), joined(pieces(&text, 0)));
    }

    #[test]
    fn between_pieces_are_only_blanks_and_comments(text in tricky()) {
        let mut from = 0;
        let mut after_copy = false;
        for piece in pieces(&text, 0) {
            // A marker line that a lone carriage return ends is a fault instead.
            let broken = matches!(piece.kind, PieceKind::Fault(_));
            prop_assert!(after_copy || broken || is_gap(&text, from..piece.range.start), "before {:?}", piece);
            after_copy = matches!(&piece.kind, PieceKind::Statement(statement) if statement.takes_data);
            let faulty = matches!(&piece.kind, PieceKind::Statement(statement) if !statement.faults.is_empty());
            let behind = &text[piece.range.end..piece.next];
            prop_assert!(
                after_copy || faulty || behind.starts_with("\\.") || is_gap(&text, piece.range.end..piece.next),
                "behind {:?}", piece
            );
            from = piece.next;
        }
        prop_assert!(is_gap(&text, from..text.len()));
    }
}

/// Whether `range` of `text` holds nothing but blanks and comments.
fn is_gap(text: &str, range: Range<usize>) -> bool {
    matches!(gap(&text.as_bytes()[..range.end], range.start, true), Gap::Step(Step::End))
}
