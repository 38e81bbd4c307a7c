//! Which privilege a statement lacks on what it was refused (manual, 5.8): so much as its first words tell.
//!
//! Nothing here knows who was refused, or what else that role may do.

use super::lex::Tokens;

/// The privileges to grant on an object of this kind (`table`, as the server names it) for `statement`, as GRANT takes them; none where its
/// words do not tell.
#[must_use]
pub fn missing(statement: &str, kind: &str) -> Option<&'static str> {
    let mut tokens = Tokens::new(statement);
    let verb = tokens.next()?;
    let has = |keyword: &str| Tokens::new(statement).any(|token| token.is(keyword));
    let creates = verb.is("CREATE") || verb.is("ALTER");
    match kind {
        "table" | "view" | "materialized view" | "foreign table" => [
            ("SELECT", "SELECT"),
            ("INSERT", "INSERT"),
            ("UPDATE", "SELECT, UPDATE"),
            ("DELETE", "SELECT, DELETE"),
            ("TRUNCATE", "TRUNCATE"),
        ]
        .iter()
        .find(|(word, _)| verb.is(word))
        .map(|(_, privileges)| *privileges)
        .or_else(|| match () {
            () if verb.is("COPY") => Some(if has("FROM") { "INSERT" } else { "SELECT" }),
            () if creates && has("TRIGGER") => Some("TRIGGER"),
            () if creates && has("REFERENCES") => Some("REFERENCES"),
            () => None,
        }),
        "schema" => Some(if creates { "USAGE, CREATE" } else { "USAGE" }),
        "database" => creates.then_some("CREATE"),
        "sequence" | "type" | "language" | "foreign-data wrapper" | "foreign server" => Some("USAGE"),
        "function" | "procedure" => Some("EXECUTE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing() {
        for (statement, kind, privileges) in [
            ("/* a */ SELECT * FROM t", "table", Some("SELECT")),
            ("insert into t values (1)", "table", Some("INSERT")),
            ("UPDATE t SET a = 1", "view", Some("SELECT, UPDATE")),
            ("COPY t FROM stdin", "table", Some("INSERT")),
            ("COPY t TO stdout", "table", Some("SELECT")),
            ("CREATE TABLE b (a int REFERENCES t)", "table", Some("REFERENCES")),
            ("CREATE TRIGGER b AFTER INSERT ON t EXECUTE FUNCTION f()", "table", Some("TRIGGER")),
            ("DO $$BEGIN DELETE FROM t; END$$", "table", None),
            ("CREATE TABLE a.b ()", "schema", Some("USAGE, CREATE")),
            ("SELECT a.f()", "schema", Some("USAGE")),
            ("CREATE SCHEMA a", "database", Some("CREATE")),
            ("SELECT f()", "function", Some("EXECUTE")),
            ("SELECT 1", "large object", None),
            ("", "table", None),
        ] {
            assert_eq!(missing(statement, kind), privileges, "{statement} on {kind}");
        }
    }
}
