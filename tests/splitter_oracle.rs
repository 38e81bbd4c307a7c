//! The splitter against the server. A piece sent as a Parse message is rejected with "cannot insert multiple commands"
//! where the split was too coarse, and with a syntax error where it was too fine.

mod support;

use aludel::model::sql::split::{FaultKind, PieceKind, Splitter, Step};
use postgres::{Client, NoTls};

/// A server to ask; nothing is run in it.
fn server_url() -> String {
    support::server().cluster.connection().url()
}

/// A small generator (splitmix64): the same scripts on every machine.
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

    /// Something that the grammar takes for a blank.
    fn blank(&mut self) -> &'static str {
        self.pick(&[
            " ",
            " ",
            " ",
            "\n",
            "\r\n",
            "\t",
            "/* ; */",
            "/* /* ' */ ; $$ */",
            " -- ; ' $$ (\n",
            "/*/**/*/",
            "--\n",
            "/*--*/",
            "\u{c}",
            " -- é\r\n",
        ])
    }

    fn literal(&mut self) -> &'static str {
        self.pick(&[
            "'a;b'",
            "'a'';b'",
            "''",
            "E'\\';'",
            "E'a''\\';'",
            "E'a'\n'\\';'",
            "E'a' -- x;\r\n  '\\';\\\\'",
            "'a\\'",
            "'a'\n'b;'",
            "U&'\\0061;'",
            "U&'a''b;' UESCAPE '!'",
            "B'01'",
            "X'1F'",
            "N'a;'",
            "$$;$$",
            "$$ ' $a$ $$",
            "$a$ ; $$ ; $b$ $a$",
            "$é$ ; $é$",
            "$_1$ ; \" $_1$",
            "$a$ $ $aa$ $a$",
            "e'\\\\'",
            "1",
            "1.5e-3",
            "1.",
            ".5",
            "$$--$$",
            "$$/*$$",
            "'--'",
            "'/*'",
        ])
    }

    fn name(&mut self) -> &'static str {
        self.pick(&[
            "a",
            "b1",
            "\"q;q\"",
            "\"d\"\"q;\"",
            "a$b$c",
            "é$x$",
            "U&\"d\\0061t;a\"",
            "\"--\"",
            "\"/*\"",
            "\"'\"",
            "e",
            "x",
            "u",
            "n",
            "begin",
            "atomic",
            "_$$",
        ])
    }

    fn expression(&mut self, depth: usize) -> String {
        let blank = self.blank();
        match self.below(if depth == 0 { 2 } else { 8 }) {
            0 => self.literal().to_owned(),
            1 => self.name().to_owned(),
            2 => format!("({blank}{}{})", self.expression(depth - 1), self.blank()),
            3 => {
                let operator = self.pick(&["+", "-", "*", "/", "||", "->", "@-", "%", "^", "~~*", "#>>"]);
                format!(
                    "{} {operator}{}{}",
                    self.expression(depth - 1),
                    self.pick(&[" ", " -- ;\n", "/* ; */", "\n"]),
                    self.expression(depth - 1)
                )
            }
            4 => format!(
                "CASE WHEN{blank} {} THEN {}{} ELSE {} END",
                self.expression(depth - 1),
                self.expression(depth - 1),
                self.blank(),
                self.expression(depth - 1)
            ),
            5 => format!(
                "case{blank} {} when 1 then {}{} end",
                self.expression(depth - 1),
                self.expression(depth - 1),
                self.blank()
            ),
            6 => format!("f({}, {})", self.expression(depth - 1), self.expression(depth - 1)),
            _ => format!("ARRAY[{}]::text[]", self.expression(depth - 1)),
        }
    }

    fn select(&mut self) -> String {
        let label = self.pick(&["", " AS end", " AS case", " AS begin", " AS a$$", " AS \";\""]);
        format!("SELECT {}{label},{}{} FROM t", self.expression(3), self.blank(), self.expression(2))
    }

    /// One statement, without its `;`.
    fn statement(&mut self) -> String {
        let blank = self.blank();
        match self.below(16) {
            0..=3 => self.select(),
            4 => format!("INSERT{blank} INTO t VALUES ({}, {})", self.expression(2), self.expression(1)),
            5 => format!(
                "CREATE{blank} FUNCTION {}(a int) RETURNS int LANGUAGE sql{blank} BEGIN {blank} ATOMIC {}; {};{} END",
                self.name(),
                self.select(),
                self.select(),
                self.blank()
            ),
            6 => format!(
                "create or{blank} replace function f() returns table (begin int) language sql begin atomic return {}; end",
                self.expression(3)
            ),
            7 => format!("CREATE PROCEDURE p(){blank} BEGIN ATOMIC INSERT INTO t VALUES ({}); END", self.expression(2)),
            8 => format!(
                "CREATE RULE r AS ON INSERT TO t DO ALSO ({}; {};{blank} {})",
                self.select(),
                self.select(),
                self.select()
            ),
            9 => format!(
                "DO {}",
                self.pick(&[
                    "$$ begin a; end $$",
                    "$x$ begin $$;$$; end $x$",
                    "'begin a; end'",
                    "E'begin \\';\\' end'"
                ])
            ),
            10 => format!("CREATE SCHEMA s{blank} CREATE TABLE a (x int) CREATE VIEW v AS {}", self.select()),
            11 => format!(
                "CREATE FUNCTION f(begin int){blank} RETURNS int LANGUAGE plpgsql AS $f$ begin return $$;$$; end $f$"
            ),
            12 => format!("COMMENT ON TABLE {} IS 'a;'{blank}", self.name()),
            13 => self
                .pick(&[
                    "BEGIN",
                    "END",
                    "COMMIT",
                    "TABLE t",
                    "VALUES (1), (2)",
                    "EXPLAIN SELECT 1",
                    "CREATE TABLE begin (a int)",
                ])
                .to_owned(),
            14 => "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS $$ select 1; $$".to_owned(),
            _ => format!("PREPARE p AS {}", self.select()),
        }
    }

    /// The same text with a few characters put in or taken out. No `case` or `end`: as a label without `AS` in a
    /// `BEGIN ATOMIC` body the splitter takes them for keywords, as psql does.
    fn damaged(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.below(3) {
            let at = text.floor_char_boundary(self.below(text.len()));
            if self.below(2) == 0 {
                text.remove(at);
            } else {
                text.insert_str(
                    at,
                    self.pick(&["'", "\"", "$", "$$", ";", "(", ")", "/*", "*/", "--", "\n", "E", "begin ", "."]),
                );
            }
        }
        text
    }
}

/// The statements that the splitter finds, each with whether it finds something in it unclosed.
fn split(text: &str) -> Vec<(&str, bool)> {
    let (mut splitter, mut from, mut found) = (Splitter::default(), 0, Vec::new());
    loop {
        match splitter.next(text, from, true) {
            Step::Piece(piece) => {
                from = piece.next;
                if let PieceKind::Statement(statement) = piece.kind {
                    let unclosed = statement.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Unclosed(_)));
                    found.push((&text[piece.range], unclosed));
                }
            }
            Step::End => return found,
            Step::More => panic!("asks for more than all"),
        }
    }
}

/// What the server's grammar says of a text.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It got past the grammar, whatever it means.
    One,
    Several,
    SyntaxError(String),
    /// The scanner's own complaint (an empty quoted name, a wrong escape), or one about a value.
    Unclear,
}

fn verdict(client: &mut Client, text: &str) -> Verdict {
    let Err(error) = client.prepare(text) else { return Verdict::One };
    let Some(error) = error.as_db_error() else { panic!("{error}: {text}") };
    let (code, message) = (error.code().code(), error.message());
    if message.contains("cannot insert multiple commands") {
        Verdict::Several
    } else if code == "42601" && (message.starts_with("syntax error") || message.starts_with("unterminated")) {
        Verdict::SyntaxError(message.to_owned())
    } else if code == "42601" || code.starts_with("22") {
        Verdict::Unclear
    } else {
        Verdict::One
    }
}

#[test]
fn the_server_agrees() {
    let mut client = Client::connect(&server_url(), NoTls).unwrap();
    client.batch_execute("SET standard_conforming_strings = on; SET client_encoding = 'UTF8'").unwrap();
    let (mut pieces, mut valid_damaged) = (0, 0);
    for seed in 0..4000 {
        let mut random = Random(seed);
        let statements: Vec<String> = (0..1 + random.below(6)).map(|_| random.statement()).collect();
        let mut text = random.blank().to_owned();
        for statement in &statements {
            text.push_str(statement);
            text.push_str(random.pick(&[";", " ;", "\n;\n", "; -- x\n", ";;", ";/* ; */"]));
        }
        let found = split(&text);
        assert_eq!(found.len(), statements.len(), "seed {seed}: {text}\n{found:#?}");
        for ((piece, fault), statement) in found.into_iter().zip(&statements) {
            assert!(!fault && piece.starts_with(statement.trim_end()), "seed {seed}: {piece}");
            assert!(matches!(verdict(&mut client, piece), Verdict::One | Verdict::Unclear), "seed {seed}: {piece}");
            pieces += 1;
        }
        let damaged = random.damaged(&text);
        // "Several" is said after the whole text was read; one statement may hide an error of meaning.
        let is_valid = verdict(&mut client, &damaged) == Verdict::Several;
        valid_damaged += usize::from(is_valid);
        for (piece, fault) in split(&damaged) {
            match verdict(&mut client, piece) {
                Verdict::Several => panic!("seed {seed}: too coarse: {piece}"),
                Verdict::SyntaxError(message) if is_valid => {
                    panic!("seed {seed}: too fine ({message}): {piece}\nof {damaged}")
                }
                Verdict::One => assert!(!fault, "seed {seed}: a fault in what the server reads: {piece}"),
                Verdict::SyntaxError(_) | Verdict::Unclear => {}
            }
            pieces += 1;
        }
    }
    assert!(pieces >= 20_000, "{pieces}");
    assert!(valid_damaged >= 500, "{valid_damaged}");
}
