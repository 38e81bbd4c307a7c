//! What a statement of a section without a transaction needs: whether it can be in a transaction with its own record
//! after all, and, where it cannot, what tells whether it ran when nobody saw its end.
//!
//! The rules are those of [`keywords`](super::keywords) and of `PreventInTransactionBlock` in PostgreSQL's sources. Nothing is
//! asked here; who can ask the server gets the question.

use super::classify::{self, Effect, Manner, ObjectName};
use super::keywords::{Class, class};
use super::lex::{Token, Tokens};
use super::session_setting::session_setting;

/// Whether a statement can be in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// It can.
    Can,
    /// The server says: a procedure may commit, a table may be partitioned.
    Perhaps,
    /// The server refuses it there.
    Cannot,
}

/// Whether `statement` can be in a transaction, as far as its text says.
#[must_use]
pub fn company(statement: &str) -> Company {
    match class(statement) {
        Class::NeverInTransaction(_) => Company::Cannot,
        Class::SometimesInTransaction(_) => Company::Perhaps,
        _ if commits(statement) => Company::Cannot,
        _ if runs_code(statement) => Company::Perhaps,
        _ => Company::Can,
    }
}

/// `DO` and `CALL`, which outside a transaction may commit as often as they like.
fn runs_code(statement: &str) -> bool {
    Tokens::new(statement).next().is_some_and(|token| token.is("do") || token.is("call"))
}

/// A `DO` whose text says that it commits or rolls back: to try it in a transaction would run what stands before that, and not all
/// that code does is rolled back. What a procedure does, its `CALL` does not show.
fn commits(statement: &str) -> bool {
    let mut tokens = Tokens::new(statement);
    tokens.next().is_some_and(|token| token.is("do"))
        && tokens.any(|token| matches!(token, Token::String(text) if code_commits(text)))
}

/// The same of a `DO`'s text in any of PostgreSQL's own languages, with its quotes. A table that is `ON COMMIT DROP` does not commit.
fn code_commits(quoted: &str) -> bool {
    if quoted.starts_with(['e', 'E']) {
        // Where a word begins is behind its escapes.
        let code = quoted.to_ascii_lowercase();
        return code.contains("commit") || code.contains("rollback");
    }
    let code = match quoted.strip_prefix('$').and_then(|rest| rest.find('$')) {
        Some(tag) => quoted[tag + 2..].to_owned(),
        None => quoted.trim_matches('\'').replace("''", "'"),
    };
    let mut before = None;
    Tokens::new(&code).any(|token| {
        let is_on = before.replace(token).is_some_and(|before: Token| before.is("on"));
        ["commit", "rollback", "spi_commit", "spi_rollback"].iter().any(|word| token.is(word)) && !is_on
    })
}

/// What tells whether a statement that ran alone was carried out, when its end was not seen or it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It does no harm to run it again.
    Harmless,
    /// The index: there and valid, it was; there and not valid, it is to be dropped first.
    Built {
        /// The index; its schema is the table's.
        index: String,
        /// The table.
        table: ObjectName,
    },
    /// The index: gone, it was.
    Dropped(ObjectName),
    /// Nothing that could be read.
    None,
}

/// What tells whether `statement` was carried out.
#[must_use]
pub fn trace(statement: &str) -> Trace {
    let Class::NeverInTransaction(name) = class(statement) else {
        return if matches!(class(statement), Class::SometimesInTransaction("REINDEX" | "CLUSTER" | "REPACK")) {
            Trace::Harmless
        } else {
            Trace::None
        };
    };
    if ["VACUUM", "REINDEX", "CLUSTER", "REPACK", "ALTER SYSTEM"].iter().any(|word| name.starts_with(word)) {
        return Trace::Harmless;
    }
    match classify::effects(statement).unwrap_or_default().as_slice() {
        [Effect::CreatesIndex { name: Some(index), table, manner: Manner::Concurrently }] => {
            Trace::Built { index: index.clone(), table: table.clone() }
        }
        [Effect::DropsIndex { name, manner: Manner::Concurrently }] => Trace::Dropped(name.clone()),
        _ => Trace::None,
    }
}

/// Whether the statement, when the server refuses it, has surely done nothing, though it ran alone.
#[must_use]
pub fn fails_whole(statement: &str) -> bool {
    match class(statement) {
        Class::NeverInTransaction(name) => {
            matches!(
                name,
                "CREATE DATABASE" | "DROP DATABASE" | "CREATE TABLESPACE" | "DROP TABLESPACE" | "ALTER SYSTEM"
            )
        }
        Class::SometimesInTransaction(_) => false,
        _ => !runs_code(statement),
    }
}

/// Whether the statement sets `lock_timeout` for the session: then it is the script's own choice.
#[must_use]
pub fn sets_lock_timeout(statement: &str) -> bool {
    session_setting(statement).is_some_and(|setting| setting.names("lock_timeout"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: Option<&str>, name: &str) -> ObjectName {
        ObjectName { schema: schema.map(str::to_owned), name: name.to_owned() }
    }

    #[test]
    fn what_can_be_in_a_transaction() {
        for (statement, expected) in [
            ("INSERT INTO t VALUES (1);", Company::Can),
            ("ALTER TYPE e ADD VALUE 'x';", Company::Can),
            ("DO $$ BEGIN INSERT INTO t VALUES (1); END $$;", Company::Perhaps),
            ("DO $$ BEGIN COMMIT; END $$;", Company::Cannot),
            ("do language plpgsql $a$ begin perform 1; rollback; end $a$", Company::Cannot),
            ("DO 'BEGIN RAISE NOTICE ''a''; COMMIT; END'", Company::Cannot),
            ("DO E'BEGIN PERFORM 1;\\nCOMMIT; END'", Company::Cannot),
            ("DO $$ plpy.commit() $$ LANGUAGE plpython3u", Company::Cannot),
            ("DO $$ BEGIN RAISE NOTICE 'COMMIT'; /* COMMIT */ PERFORM 1; -- COMMIT\nEND $$", Company::Perhaps),
            ("DO $$ BEGIN CREATE TEMP TABLE t (a int) ON COMMIT DROP; PERFORM commits(); END $$", Company::Perhaps),
            ("call p();", Company::Perhaps),
            ("REINDEX TABLE t;", Company::Perhaps),
            ("VACUUM t;", Company::Cannot),
            ("CREATE INDEX CONCURRENTLY i ON t (a);", Company::Cannot),
        ] {
            assert_eq!(company(statement), expected, "{statement}");
        }
    }

    #[test]
    fn what_tells_whether_it_ran() {
        for (statement, expected) in [
            ("VACUUM ANALYZE t", Trace::Harmless),
            ("REINDEX INDEX CONCURRENTLY i", Trace::Harmless),
            ("REINDEX TABLE t", Trace::Harmless),
            (
                "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON s.t (a)",
                Trace::Built { index: "I".to_owned(), table: name(Some("s"), "t") },
            ),
            ("CREATE INDEX CONCURRENTLY ON t (a)", Trace::None),
            ("DROP INDEX CONCURRENTLY s.i", Trace::Dropped(name(Some("s"), "i"))),
            ("CREATE DATABASE d", Trace::None),
            ("DO $$ BEGIN COMMIT; END $$", Trace::None),
        ] {
            assert_eq!(trace(statement), expected, "{statement}");
        }
    }

    #[test]
    fn what_fails_as_a_whole() {
        assert!(fails_whole("CREATE DATABASE d"));
        assert!(fails_whole("SELECT vacuums()"));
        for statement in ["DO $$ BEGIN COMMIT; END $$", "CALL p()", "CREATE INDEX CONCURRENTLY i ON t (a)", "VACUUM"] {
            assert!(!fails_whole(statement), "{statement}");
        }
    }

    #[test]
    fn whose_choice_a_lock_timeout_is() {
        assert!(sets_lock_timeout("SET lock_timeout = '5s';"));
        assert!(sets_lock_timeout("SELECT set_config('lock_timeout', '5s', false)"));
        assert!(!sets_lock_timeout("SET LOCAL lock_timeout = '5s'"));
        assert!(!sets_lock_timeout("SET statement_timeout = 0"));
    }
}
