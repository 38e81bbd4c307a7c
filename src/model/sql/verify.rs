//! Verifications: what their statements are run as, on a connection and on paper alike.
//!
//! A query is given to a block of our own, which runs it and judges its answer: one column that is boolean must have a row, and
//! nothing but true in it. So psql, which judges nothing, means the same by it. All other statements run as they are.
//!
//! What a verification does is taken back: it stands behind a savepoint.

use std::iter::Peekable;

use super::lex::{Token, Tokens};
use super::quote::{dollar, identifier, literal};

/// What every message about a failed verification begins with.
pub const FAILED: &str = "verification failed";

/// The SQLSTATE of an answer that is not true: `assert_failure`, which `ASSERT` raises as well.
pub const NOT_TRUE: &str = "P0004";

/// What stands before a verification; two statements. Somebody may have turned `ASSERT` off, for speed.
pub const BEGINS: &str = "SAVEPOINT aludel_verification;\nSET LOCAL plpgsql.check_asserts = on;\n";

/// What stands behind it; two statements. Sent only when everything before it was answered: the transaction of one that failed
/// would come back to life.
pub const ENDS: &str = "ROLLBACK TO SAVEPOINT aludel_verification;\nRELEASE SAVEPOINT aludel_verification;\n";

/// The proof that the verification of `id` passed, for those who go on behind an error: a client that stops at none would bring the
/// transaction of one that failed back to life by [`ENDS`]. The first statement stands last in it, the second behind what ends it. A
/// prepared statement is not taken back to a savepoint, and is not made in a transaction that failed: there, the second one fails, too.
#[must_use]
pub fn proof(id: &str) -> (String, String) {
    const LONGEST_NAME: usize = 63;
    let (before, behind) = ("verification of ", " passed");
    let id = &id[..id.floor_char_boundary(id.len().min(LONGEST_NAME - before.len() - behind.len()))];
    let name = identifier(&format!("{before}{id}{behind}"));
    (format!("PREPARE {name} AS SELECT 1;\n"), format!("DEALLOCATE {name};\n"))
}

/// A statement of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check<'a> {
    /// It runs as it is.
    Statement,
    /// A query whose answer is judged.
    Query {
        /// The query, as it is given to the server to be run.
        query: &'a str,
        /// The block that runs and judges it: one statement.
        block: String,
    },
}

/// What `statement` is in a verification.
#[must_use]
pub fn check(statement: &str) -> Check<'_> {
    if !is_judged(statement) {
        return Check::Statement;
    }
    let query = statement.strip_suffix(';').unwrap_or(statement);
    Check::Query { query, block: block(query) }
}

/// Runs `query` to its end, and raises [`NOT_TRUE`] unless all its rows are true. Whether its answer is boolean is looked at only
/// where something else may have been said: there, as the one value that a test takes, of no row.
fn block(query: &str) -> String {
    let body = format!(
        "
DECLARE
    query pg_catalog.text := {};
    answer pg_catalog.record;
    said pg_catalog.text;
    wrong pg_catalog.text;
BEGIN
    FOR answer IN EXECUTE query LOOP
        said := answer::pg_catalog.text;
        IF wrong IS NULL AND said OPERATOR(pg_catalog.=) '(f)' THEN
            wrong := 'false';
        ELSIF wrong IS NULL AND said OPERATOR(pg_catalog.=) '()' THEN
            wrong := 'null';
        END IF;
    END LOOP;
    IF NOT FOUND THEN
        wrong := 'no row';
    END IF;
    IF wrong IS NOT NULL THEN
        BEGIN
            EXECUTE pg_catalog.concat('SELECT (SELECT * FROM (', query, E'\\n) answer LIMIT 0) IS TRUE');
        EXCEPTION WHEN datatype_mismatch OR syntax_error THEN
            RETURN;
        END;
        RAISE EXCEPTION '{FAILED}: the query returned %', wrong USING ERRCODE = '{NOT_TRUE}';
    END IF;
END
",
        literal(query)
    );
    format!("DO {};\n", dollar(&body))
}

/// Whether it is a query that changes nothing: `SELECT`, `VALUES`, `TABLE`, with or without `WITH`. One that writes, in a `WITH` or
/// by `INTO`, stands by itself: it cannot be part of another. What begins like a query and cannot be told is judged.
fn is_judged(statement: &str) -> bool {
    let mut reading = Reading { tokens: Tokens::new(statement).peekable(), depth: 0 };
    let writes = match reading.first() {
        Some(token) if is_one_of(token, QUERIES) => false,
        Some(token) if token.is("with") => reading.with_writes(true),
        _ => return false,
    };
    !writes && !reading.goes_into()
}

const QUERIES: &[&str] = &["select", "values", "table"];
const WRITES: &[&str] = &["insert", "update", "delete", "merge"];

fn is_one_of(token: Token, words: &[&str]) -> bool {
    words.iter().any(|word| token.is(word))
}

/// A statement that is read from front to back.
struct Reading<'t> {
    tokens: Peekable<Tokens<'t>>,
    /// Open parentheses.
    depth: usize,
}

impl<'t> Reading<'t> {
    fn next(&mut self) -> Option<Token<'t>> {
        let token = self.tokens.next()?;
        match token {
            Token::Symbol(b'(') => self.depth += 1,
            Token::Symbol(b')') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Some(token)
    }

    /// Takes the next token where it is this word.
    fn takes(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| token.is(word)).is_some()
    }

    fn at(&mut self, symbol: u8) -> bool {
        self.tokens.peek() == Some(&Token::Symbol(symbol))
    }

    /// The first token behind opening parentheses.
    fn first(&mut self) -> Option<Token<'t>> {
        while self.at(b'(') {
            self.next();
        }
        self.next()
    }

    /// Passes over the rest of the parentheses that stand `depth` deep, and what closes them.
    fn close(&mut self, depth: usize) {
        while self.depth >= depth && self.next().is_some() {}
    }

    /// Whether a statement writes whose `WITH` was read; it stands at the first word behind that then. Within one that is not `top`
    /// nothing may write but the statement itself.
    fn with_writes(&mut self, top: bool) -> bool {
        let mut writes = false;
        let mut first = true;
        loop {
            let name = self.next();
            let is_keyword = first && name.is_some_and(|name| name.is("recursive"));
            // One may be called that, too.
            if is_keyword && !self.at(b'(') && !self.tokens.peek().is_some_and(|token| token.is("as")) {
                self.next();
            }
            first = false;
            if self.at(b'(') {
                self.next();
                self.close(self.depth);
            }
            if !self.takes("as") {
                return writes;
            }
            self.takes("not");
            self.takes("materialized");
            if !self.at(b'(') {
                return writes;
            }
            let depth = self.depth + 1;
            writes |= match self.first() {
                Some(token) if token.is("with") && top => self.with_writes(false),
                Some(token) => is_one_of(token, WRITES),
                None => false,
            };
            self.close(depth);
            if self.takes("search") {
                // The columns of `BY` may be called `set`.
                let mut before = None;
                while let Some(token) = self.next() {
                    if token.is("set") && before.is_some_and(|before: Token| !is_separator(before)) {
                        self.next();
                        break;
                    }
                    before = Some(token);
                }
            }
            if self.takes("cycle") {
                while self.next().is_some_and(|token| !token.is("using")) {}
                self.next();
            }
            if !self.at(b',') {
                return writes | self.first().is_some_and(|token| is_one_of(token, WRITES));
            }
            self.next();
        }
    }

    /// Whether the query whose first word was read makes a table: `INTO`, which is reserved, and may be a column all the same.
    fn goes_into(&mut self) -> bool {
        let base = self.depth;
        let mut before = None;
        while let Some(token) = self.next() {
            let is_name = before.is_some_and(|before: Token| before.is("as") || before == Token::Symbol(b'.'));
            if self.depth <= base && token.is("into") && !is_name {
                return true;
            }
            before = Some(token);
        }
        false
    }
}

/// Whether a column's name stands behind it.
fn is_separator(token: Token) -> bool {
    token == Token::Symbol(b',') || token.is("by")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_judged_and_nothing_else() {
        for query in [
            "SELECT true",
            "/* a */ select 1 -- b",
            "TABLE t;",
            "VALUES (true), (false)",
            "((SELECT true) UNION ALL SELECT false)",
            "WITH a AS (SELECT 1) SELECT true FROM a",
            "WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a), insert AS NOT MATERIALIZED (VALUES (1)) TABLE insert",
            "(WITH delete AS (SELECT (1)) SELECT true FROM delete)",
            "SELECT 1 AS into",
            "SELECT update FROM t WHERE 'into' = \"into\"",
            "SELECT t.into, (t).into FROM tt t",
            "WITH bad AS (SELECT id FROM t WHERE (delete)) SELECT count(*) = 0 FROM bad",
            "WITH a AS (SELECT max(delete) FROM t) SELECT false FROM a",
            "WITH a (merge) AS (SELECT false) SELECT * FROM a",
            "WITH r AS (SELECT 1) (SELECT false)",
            "WITH r AS (SELECT 1) ((SELECT false) UNION SELECT true)",
            "WITH recursive AS (SELECT false) TABLE recursive",
            "WITH RECURSIVE recursive (a) AS (SELECT false) TABLE recursive",
            "WITH \"a b\" AS (WITH delete AS (SELECT 1) SELECT 1) SELECT false",
            "WITH RECURSIVE a (set) AS (SELECT 1) SEARCH DEPTH FIRST BY set, set SET o, b AS (SELECT 1) SELECT false",
            "WITH RECURSIVE a (n) AS (SELECT 1) SEARCH BREADTH FIRST BY n SET o CYCLE n SET c TO 1 DEFAULT 2 USING delete \
             SELECT false FROM a",
            // Whatever that may be.
            "WITH a SELECT false",
        ] {
            assert!(is_judged(query), "{query}");
        }
        for statement in [
            "INSERT INTO t VALUES (1) RETURNING true",
            "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
            "WITH a AS (DELETE FROM t RETURNING id), b AS (SELECT 1) SELECT count(*) > 1 FROM a",
            "WITH b AS (SELECT 1), a AS MATERIALIZED (UPDATE t SET a = 1 RETURNING true) SELECT * FROM a",
            "SELECT a INTO t FROM s",
            "(SELECT a INTO t FROM s)",
            "WITH a AS (SELECT 1) SELECT * INTO t FROM a",
            "WITH a AS (SELECT 1) (SELECT * INTO t FROM a)",
            "WITH gone AS (WITH k AS (SELECT 1 AS id) DELETE FROM t USING k RETURNING 1) SELECT count(*) = 1 FROM gone",
            "WITH RECURSIVE a (n) AS (SELECT 1) CYCLE n SET c USING p, b AS NOT MATERIALIZED (DELETE FROM t RETURNING 1) SELECT 1",
            "WITH a (x, y) AS (MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE RETURNING 1, 2) SELECT 1",
            "EXPLAIN SELECT true",
            "DO $$ BEGIN ASSERT true; END $$",
            "SET search_path = a",
            "SHOW all",
            "(",
            "",
        ] {
            assert!(!is_judged(statement), "{statement}");
        }
    }

    #[test]
    fn the_name_of_a_proof_fits() {
        let (given, asked) = proof("it's \"1\"");
        assert_eq!(given, "PREPARE \"verification of it's \"\"1\"\" passed\" AS SELECT 1;\n");
        assert_eq!(asked, "DEALLOCATE \"verification of it's \"\"1\"\" passed\";\n");
        let (_, asked) = proof(&"é".repeat(30));
        assert_eq!(asked, format!("DEALLOCATE \"verification of {} passed\";\n", "é".repeat(20)));
    }

    #[test]
    fn a_query_is_quoted() {
        let Check::Query { query, block } = check("SELECT $aludel$it's \\$aludel$ = 'a' -- b\n;") else { panic!() };
        assert_eq!(query, "SELECT $aludel$it's \\$aludel$ = 'a' -- b\n");
        assert!(block.starts_with("DO $aludel_$\n"), "{block}");
        assert!(block.contains("E'SELECT $aludel$it''s \\\\$aludel$ = ''a'' -- b\n';"), "{block}");
    }
}
