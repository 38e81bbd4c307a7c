//! The splitter against the server. A piece sent as a Parse message is rejected with "cannot insert multiple commands"
//! where the split was too coarse, and with a syntax error where it was too fine.
//!
//! Each seed makes two scripts, a valid one and a damaged one. `ALUDEL_SPLITTER_SCRIPTS=10000 cargo test --test
//! splitter_oracle` makes more of them.
#![allow(clippy::disallowed_methods)]

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
            "U&'d!0061;' UESCAPE '!'",
            "u&'a'\n'\\003b;'",
            "'a' -- ;\n\n  -- '\n'b;'",
            "e'a'\n\n'\\\\'\n'\\';'",
            "E'\\x3b;\\u003b'",
            "b'0'\n'1'",
            "$$\n-- c;\n\\d\n$$",
            "$body$ BEGIN ATOMIC; $body$",
            "$A$ $a$ ; $A$",
            "'\n\\i x;\n'",
            "'\n\\.\n'",
            "0.5",
            "$1",
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
            "a$b$",
            "\"a\nb;\"",
            "atomic$",
        ])
    }

    fn column(&mut self) -> String {
        let reserved = ["t.case", "t.end", "t . begin", "t/**/./**/\"end\"", "(r).end", "t. -- ;\n case"];
        if self.below(4) == 0 { self.pick(&reserved).to_owned() } else { self.name().to_owned() }
    }

    fn expression(&mut self, depth: usize) -> String {
        let blank = self.blank();
        match self.below(if depth == 0 { 2 } else { 8 }) {
            0 => self.literal().to_owned(),
            1 => self.column(),
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
        let label = self.label();
        let (first, blank, second) = (self.expression(3), self.blank(), self.expression(2));
        let rest = self.rest();
        format!("SELECT {first}{label},{blank}{second}{rest}")
    }

    /// A column's label, with `AS` or without.
    fn label(&mut self) -> &'static str {
        self.pick(&[
            "",
            "",
            " AS end",
            " AS case",
            " AS begin",
            " AS a$$",
            " AS \";\"",
            " case",
            " end",
            " CASE -- ;\n",
            "/**/end",
            " begin",
            " atomic",
            " \"case\"",
        ])
    }

    /// What follows a list of columns: its last label, and the clauses behind it.
    fn rest(&mut self) -> String {
        let label = self.label();
        let clause = self.pick(&[
            "",
            " FROM t",
            " FROM t",
            " WHERE a",
            " GROUP BY a",
            " HAVING a",
            " ORDER BY a",
            " LIMIT 1",
            " OFFSET 1",
            " FETCH FIRST ROW ONLY",
            " FOR UPDATE",
            " UNION SELECT 1 case",
            " EXCEPT ALL SELECT a end",
            " INTERSECT SELECT 1 end FROM t",
            " WINDOW w AS ()",
        ]);
        format!("{label}{}{clause}", self.blank())
    }

    /// A statement that a `BEGIN ATOMIC` body may hold.
    fn body_statement(&mut self) -> String {
        match self.below(9) {
            0..=3 => self.select(),
            4 => format!("RETURN {}", self.expression(3)),
            5 => format!("INSERT INTO t SELECT {}{} ON CONFLICT DO NOTHING", self.expression(2), self.label()),
            6 => format!("UPDATE t SET a = {} RETURNING {}{}", self.expression(2), self.expression(1), self.label()),
            7 => format!("DELETE FROM t WHERE {} RETURNING {}{}", self.expression(2), self.name(), self.label()),
            _ => format!("WITH x AS (SELECT 1 case, 2 end) SELECT {}{}", self.expression(2), self.rest()),
        }
    }

    /// One statement, without its `;`.
    fn statement(&mut self) -> String {
        let blank = self.blank();
        match self.below(21) {
            0..=3 => self.select(),
            4 => format!("INSERT{blank} INTO t VALUES ({}, {})", self.expression(2), self.expression(1)),
            5 | 15 => {
                let body: String =
                    (0..self.below(4)).map(|_| format!("{}{};", self.body_statement(), self.blank())).collect();
                let name = self.pick(&["f", "\"f;\"", "s.begin", "atomic", "f$$"]);
                let head = format!("CREATE{blank} FUNCTION {name}(a int) RETURNS int LANGUAGE sql");
                format!("{head}{blank} BEGIN {blank} ATOMIC {body}{} END", self.blank())
            }
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
            16 => {
                let elements: String = (0..1 + self.below(3))
                    .map(|_| match self.below(4) {
                        0 => " CREATE TABLE a (x int DEFAULT 1)".to_owned(),
                        1 => format!(" CREATE VIEW v AS {}", self.select()),
                        2 => " GRANT SELECT ON a TO PUBLIC".to_owned(),
                        _ => format!("{} CREATE INDEX i ON a (x)", self.blank()),
                    })
                    .collect();
                format!("CREATE SCHEMA s{elements}")
            }
            17 => format!("SELECT 1 +-- c;\n{} -- ' \n", self.expression(2)),
            18 => format!(
                "CREATE FUNCTION g() RETURNS int LANGUAGE {} AS {}",
                self.pick(&["sql", "plpgsql", "'sql;'"]),
                self.pick(&[
                    "$f$ BEGIN; CASE a; $$ END; $f$",
                    "$$ SELECT 1; SELECT 2 $$",
                    "'begin; it''s; end'",
                    "$a$b$a$, $b$;$b$",
                    "'a;'\n'b;'",
                ])
            ),
            19 => self
                .pick(&[
                    "SET standard_conforming_strings = on",
                    "SELECT 'C:\\'",
                    "SELECT '\\'';'",
                    "SELECT 'a\\' || ';'",
                    "SELECT U&\"d\\0061ta;\" FROM t",
                    "SELECT ':x', a[1:2], b::int",
                    "SELECT a[1 :n], b :: text",
                    "CREATE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING",
                    "CREATE RULE r AS ON DELETE TO t DO (SELECT 1; ; SELECT 2 end;)",
                    "CREATE TRIGGER begin BEFORE INSERT ON t EXECUTE FUNCTION f('a;', $$;$$)",
                    "CREATE PROCEDURE atomic(begin int) BEGIN ATOMIC END",
                    "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN 1 = 1 THEN 2 END",
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT begin atomic, atomic begin; END",
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1. end, .5 case; SELECT t.end end; END",
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1. THEN 1. END end; END",
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1 case; END; END",
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC CREATE TABLE x AS SELECT 1 case WITH NO DATA; END",
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC CREATE SCHEMA s CREATE VIEW v AS SELECT 1 case CREATE TABLE t (); END",
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ; ; SELECT end_, case_ FROM t; END",
                ])
                .to_owned(),
            20 => format!("MERGE INTO t USING u ON {} WHEN MATCHED THEN DELETE", self.expression(2)),
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

    /// The same text with a few characters put in or taken out.
    fn damaged(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.below(3) {
            let at = text.floor_char_boundary(self.below(text.len()));
            if self.below(2) == 0 {
                text.remove(at);
            } else {
                text.insert_str(
                    at,
                    self.pick(&[
                        "'", "\"", "$", "$$", ";", "(", ")", "/*", "*/", "--", "\n", "E", "begin ", ".", " case ",
                        " end ", "; end;", " as ", "atomic ", "1", "U&",
                    ]),
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
    let wanted = std::env::var("ALUDEL_SPLITTER_SCRIPTS").ok().map(|count| count.parse().expect("a number"));
    let seeds: usize = wanted.unwrap_or(5000) / 2;
    let (mut pieces, mut valid_damaged) = (0, 0);
    for seed in 0..seeds {
        let mut random = Random(seed as u64);
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
    assert!(pieces >= 5 * seeds, "{pieces}");
    assert!(valid_damaged >= seeds / 8, "{valid_damaged}");
}
