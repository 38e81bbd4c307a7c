//! Verifications: what their statements are run as, on a connection and on paper alike.
//!
//! A query is given to a block of our own, which runs it and judges its answer: one column that is boolean must have a row, and
//! nothing but true in it. So psql, which judges nothing, means the same by it. All other statements run as they are.
//!
//! What a verification does is taken back: it stands behind a savepoint.

use super::lex::{Token, Tokens};
use super::quote::{dollar, literal};

/// What every message about a failed verification begins with.
pub const FAILED: &str = "verification failed";

/// The SQLSTATE of an answer that is not true: `assert_failure`, which `ASSERT` raises as well.
pub const NOT_TRUE: &str = "P0004";

/// What stands before a verification.
pub const BEGINS: &str = "SAVEPOINT aludel_verification;\n";

/// What stands behind it; two statements. Sent only when everything before it was answered: the transaction of one that failed
/// would come back to life.
pub const ENDS: &str = "ROLLBACK TO SAVEPOINT aludel_verification;\nRELEASE SAVEPOINT aludel_verification;\n";

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
/// by `INTO`, stands by itself: it cannot be part of another.
fn is_judged(statement: &str) -> bool {
    let mut tokens = Tokens::new(statement);
    let mut base = 0_usize;
    let mut token = tokens.next();
    while token == Some(Token::Symbol(b'(')) {
        base += 1;
        token = tokens.next();
    }
    let Some(first) = token else { return false };
    let is_one_of = |token: Token, words: &[&str]| words.iter().any(|word| token.is(word));
    let mut found = is_one_of(first, QUERIES);
    if !found && !first.is("with") {
        return false;
    }
    let mut depth = base;
    let mut before = first;
    for token in tokens {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            // What a `WITH` defines may be called as it likes.
            _ if !found && depth == base && is_one_of(before, &["with", "recursive"]) && !token.is("recursive") => {}
            _ if !found && depth == base && before == Token::Symbol(b',') => {}
            _ if !found && depth == base && is_one_of(token, WRITES) => return false,
            _ if !found && depth == base => found = is_one_of(token, QUERIES),
            _ if !found && before == Token::Symbol(b'(') && is_one_of(token, WRITES) => return false,
            _ if found && depth <= base && token.is("into") && !before.is("as") => return false,
            _ => {}
        }
        before = token;
    }
    found
}

const QUERIES: &[&str] = &["select", "values", "table"];
const WRITES: &[&str] = &["insert", "update", "delete", "merge"];

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
        ] {
            assert!(is_judged(query), "{query}");
        }
        for statement in [
            "INSERT INTO t VALUES (1) RETURNING true",
            "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
            "WITH a AS (DELETE FROM t RETURNING id), b AS (SELECT 1) SELECT count(*) > 1 FROM a",
            "WITH b AS (SELECT 1), a AS MATERIALIZED (UPDATE t SET a = 1 RETURNING true) SELECT * FROM a",
            "SELECT a INTO t FROM s",
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
    fn a_query_is_quoted() {
        let Check::Query { query, block } = check("SELECT $aludel$it's \\$aludel$ = 'a' -- b\n;") else { panic!() };
        assert_eq!(query, "SELECT $aludel$it's \\$aludel$ = 'a' -- b\n");
        assert!(block.starts_with("DO $aludel_$\n"), "{block}");
        assert!(block.contains("E'SELECT $aludel$it''s \\\\$aludel$ = ''a'' -- b\n';"), "{block}");
    }
}
