//! What a statement sets in the session, by the names of PostgreSQL's own parameters, and which of many such statements
//! a new session needs to stand where an old one stood.
//!
//! The forms are those of `SET`, `RESET` and `set_config` in PostgreSQL's grammar (13 to 18). What holds for one transaction
//! alone is nothing here.

use super::lex::{Token, Tokens};

/// What a statement sets in the session; it does nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionSetting {
    /// These parameters, in lower case, whether it gives them a value or their first one.
    Of(Vec<String>),
    /// All but those that `RESET ALL` leaves as they are.
    All,
}

/// What sets who works: it ends what `SET ROLE` has set.
const SESSION_AUTHORIZATION: &str = "session_authorization";

/// What `RESET ALL` leaves as it is (`GUC_NO_RESET_ALL`), but for what belongs to one transaction.
const NOT_IN_ALL: [&str; 3] = ["role", SESSION_AUTHORIZATION, "seed"];

/// They belong to one transaction, however they are set.
const OF_TRANSACTION: [&str; 3] = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"];

impl SessionSetting {
    /// Whether it names the parameter, given in lower case.
    #[must_use]
    pub fn names(&self, parameter: &str) -> bool {
        matches!(self, Self::Of(names) if names.iter().any(|name| name == parameter))
    }

    /// Whether nothing is left behind it of what was set before of the parameter.
    fn ends(&self, parameter: &str) -> bool {
        match self {
            Self::All => !NOT_IN_ALL.contains(&parameter),
            Self::Of(_) => self.names(parameter) || (parameter == "role" && self.names(SESSION_AUTHORIZATION)),
        }
    }

    fn of<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Option<Self> {
        let names: Vec<String> = names
            .into_iter()
            .map(|name| name.into().to_ascii_lowercase())
            .filter(|name| !OF_TRANSACTION.contains(&name.as_str()))
            .collect();
        (!names.is_empty()).then_some(Self::Of(names))
    }
}

/// What `statement` sets in the session, where it does nothing but that: `SET`, `RESET`, and a `SELECT` of nothing but
/// `set_config(…)` with literals. A new session needs it again.
#[must_use]
pub fn session_setting(statement: &str) -> Option<SessionSetting> {
    let mut tokens = Tokens::new(statement);
    let first = tokens.next()?;
    let rest: Vec<Token> = tokens.filter(|token| *token != Token::Symbol(b';')).collect();
    if first.is("set") {
        set(&rest)
    } else if first.is("reset") {
        reset(&rest)
    } else if first.is("select") {
        set_config(&rest)
    } else {
        None
    }
}

/// Which of `settings`, in order, a new session needs: those that set something which no later one sets again. One that names
/// what is gone since, as a role that was dropped, is not among them where the script left it before.
#[must_use]
pub fn net(settings: &[SessionSetting]) -> Vec<usize> {
    let is_needed = |index: &usize| {
        let later = &settings[index + 1..];
        match &settings[*index] {
            SessionSetting::All => !later.contains(&SessionSetting::All),
            SessionSetting::Of(names) => names.iter().any(|name| !later.iter().any(|setting| setting.ends(name))),
        }
    };
    (0..settings.len()).filter(is_needed).collect()
}

/// What stands behind `SET`.
fn set(tokens: &[Token]) -> Option<SessionSetting> {
    match tokens {
        // `session.user` and `local.user` are names, too.
        [_, Token::Symbol(b'.'), ..] => assigned(tokens),
        [first, second, ..] if first.is("session") && second.is("authorization") => {
            SessionSetting::of([SESSION_AUTHORIZATION])
        }
        [first, second, modes @ ..] if first.is("session") && second.is("characteristics") => characteristics(modes),
        [first, rest @ ..] if first.is("session") => set(rest),
        [first, second, ..] if first.is("time") && second.is("zone") => SessionSetting::of(["timezone"]),
        [first, second, ..] if first.is("xml") && second.is("option") => SessionSetting::of(["xmloption"]),
        [first, ..] if ["local", "transaction", "constraints"].iter().any(|word| first.is(word)) => None,
        [first, ..] if first.is("names") => SessionSetting::of(["client_encoding"]),
        _ => assigned(tokens),
    }
}

/// A parameter and its value.
fn assigned(tokens: &[Token]) -> Option<SessionSetting> {
    let (name, value) = parameter(tokens)?;
    match value {
        // With `FROM CURRENT` it becomes what it is.
        [first, ..] if first.is("from") => None,
        [first, ..] if *first == Token::Symbol(b'=') || first.is("to") => SessionSetting::of([name]),
        [_, ..] if name == "role" => SessionSetting::of([name]),
        [_, ..] if name == "schema" => SessionSetting::of(["search_path"]),
        _ => None,
    }
}

/// The modes of transactions to come.
fn characteristics(modes: &[Token]) -> Option<SessionSetting> {
    let says = |words: &[&str]| modes.iter().any(|token| words.iter().any(|word| token.is(word)));
    let parameters = [
        ("default_transaction_isolation", says(&["isolation"])),
        ("default_transaction_read_only", says(&["only", "write"])),
        ("default_transaction_deferrable", says(&["deferrable"])),
    ];
    SessionSetting::of(parameters.into_iter().filter_map(|(name, is_said)| is_said.then_some(name)))
}

/// What stands behind `RESET`.
fn reset(tokens: &[Token]) -> Option<SessionSetting> {
    match tokens {
        [first] if first.is("all") => Some(SessionSetting::All),
        [first, second] if first.is("session") && second.is("authorization") => {
            SessionSetting::of([SESSION_AUTHORIZATION])
        }
        [first, second] if first.is("time") && second.is("zone") => SessionSetting::of(["timezone"]),
        _ => match parameter(tokens)? {
            (name, []) => SessionSetting::of([name]),
            _ => None,
        },
    }
}

/// The name of a parameter, in lower case and without its quotes, and what stands behind it.
fn parameter<'a, 't>(tokens: &'a [Token<'t>]) -> Option<(String, &'a [Token<'t>])> {
    let part = |token: &Token| match token {
        Token::Word(name) => Some(name.to_ascii_lowercase()),
        Token::QuotedName(name) => Some(unquoted(name, '"')?.to_ascii_lowercase()),
        _ => None,
    };
    let (first, mut rest) = tokens.split_first()?;
    let mut name = part(first)?;
    while let [Token::Symbol(b'.'), next, behind @ ..] = rest {
        name = format!("{name}.{}", part(next)?);
        rest = behind;
    }
    Some((name, rest))
}

/// `[pg_catalog.]set_config('name', 'value', false), …` as pg_dump writes one, and nothing beside it.
fn set_config(tokens: &[Token]) -> Option<SessionSetting> {
    let mut names = Vec::new();
    let mut rest = tokens;
    loop {
        if let [schema, Token::Symbol(b'.'), behind @ ..] = rest
            && schema.is("pg_catalog")
        {
            rest = behind;
        }
        let [
            function,
            Token::Symbol(b'('),
            Token::String(name),
            Token::Symbol(b','),
            value,
            Token::Symbol(b','),
            local,
            Token::Symbol(b')'),
            behind @ ..,
        ] = rest
        else {
            return None;
        };
        let is_literal = matches!(value, Token::String(_)) || value.is("null");
        if !function.is("set_config") || !is_literal {
            return None;
        }
        if local.is("false") {
            names.push(unquoted(name, '\'')?);
        } else if !local.is("true") {
            return None;
        }
        match behind {
            [] => return SessionSetting::of(names),
            [Token::Symbol(b','), next @ ..] => rest = next,
            _ => return None,
        }
    }
}

/// What stands between `quote`s, doubled ones being one; nothing where it is written in another way.
fn unquoted(text: &str, quote: char) -> Option<String> {
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_sets() {
        for (statement, expected) in [
            ("SET search_path TO a, b;", "search_path"),
            ("set Search_Path = ''", "search_path"),
            ("SET \"Search_Path\" = ''", "search_path"),
            ("SET SESSION maintenance_work_mem = '1GB'", "maintenance_work_mem"),
            ("SET app.\"User\" TO DEFAULT", "app.user"),
            ("SET session.user_id = '1'", "session.user_id"),
            ("SET local.names TO a", "local.names"),
            ("SET /* c */ TIME ZONE 'UTC'", "timezone"),
            ("SET SESSION TIME ZONE LOCAL", "timezone"),
            ("SET TimeZone = 'UTC'", "timezone"),
            ("set role owner", "role"),
            ("SET SESSION ROLE 'owner'", "role"),
            ("SET role = owner", "role"),
            ("SET SESSION AUTHORIZATION a", "session_authorization"),
            ("SET SESSION SESSION AUTHORIZATION DEFAULT", "session_authorization"),
            ("SET session_authorization TO a", "session_authorization"),
            ("SET NAMES 'UTF8'", "client_encoding"),
            ("SET SCHEMA 'a'", "search_path"),
            ("SET XML OPTION DOCUMENT", "xmloption"),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "default_transaction_read_only"),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE, READ WRITE",
                "default_transaction_isolation default_transaction_read_only default_transaction_deferrable",
            ),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
                "default_transaction_isolation",
            ),
            ("RESET work_mem;", "work_mem"),
            ("RESET a.b", "a.b"),
            ("RESET ROLE", "role"),
            ("RESET SESSION AUTHORIZATION", "session_authorization"),
            ("RESET TIME ZONE", "timezone"),
            ("SELECT pg_catalog.set_config('search_path', '', false);", "search_path"),
            ("SELECT set_config('A.b', 'c', false), pg_catalog.set_config('d', NULL, FALSE)", "a.b d"),
            ("SELECT set_config('a', 'b', false), set_config('c', 'd', true)", "a"),
        ] {
            let setting = session_setting(statement);
            assert!(
                matches!(&setting, Some(SessionSetting::Of(names)) if names.join(" ") == expected),
                "{statement}: {setting:?}"
            );
        }
        assert_eq!(session_setting("RESET ALL;"), Some(SessionSetting::All));
    }

    #[test]
    fn what_sets_nothing_or_more_than_that() {
        for statement in [
            "",
            "SET",
            "SET LOCAL search_path TO a",
            "SET TRANSACTION READ ONLY",
            "SET SESSION TRANSACTION READ ONLY",
            "SET transaction_read_only = on",
            "RESET TRANSACTION ISOLATION LEVEL",
            "SET CONSTRAINTS ALL DEFERRED",
            "SET search_path FROM CURRENT",
            "SELECT set_config('a', 'b', true)",
            "SELECT set_config('a', f(), false)",
            "SELECT set_config('a', 'b', f())",
            "SELECT set_config('a', 'b', false), f()",
            "SELECT set_config('a', 'b', false) FROM t",
            "SELECT my.set_config('a', 'b', false)",
            "INSERT INTO t VALUES (1)",
        ] {
            assert_eq!(session_setting(statement), None, "{statement}");
        }
    }

    #[test]
    fn what_a_new_session_needs() {
        for (script, expected) in [
            ("", ""),
            ("SET a TO 1; SET b TO 1", "0 1"),
            ("SET a TO 1; SET b TO 1; SET A TO 2", "1 2"),
            ("SET a TO 1; RESET a", "1"),
            ("SET ROLE gone; SET a TO 1; RESET ROLE", "1 2"),
            ("SET ROLE a; SET SESSION AUTHORIZATION b", "1"),
            ("SET SESSION AUTHORIZATION b; SET ROLE a", "0 1"),
            ("SET SESSION AUTHORIZATION b; SET ROLE a; RESET ROLE", "0 2"),
            ("SET SESSION AUTHORIZATION b; SET ROLE a; RESET SESSION AUTHORIZATION", "2"),
            ("SET ROLE a; SET b TO 1; SET SEED TO 0; RESET ALL", "0 2 3"),
            ("RESET ALL; SET a TO 1; RESET ALL; SET a TO 2", "2 3"),
            ("SELECT set_config('a', '1', false), set_config('b', '1', false); SET a TO 2", "0 1"),
            ("SELECT set_config('a', '1', false), set_config('b', '1', false); SET a TO 2; RESET b", "1 2"),
            ("SET TIME ZONE 'UTC'; SET timezone TO 'CET'", "1"),
            ("SET SCHEMA 'a'; SET search_path TO b", "1"),
        ] {
            let settings: Vec<SessionSetting> = script.split(';').filter_map(session_setting).collect();
            assert_eq!(settings.len(), script.split(';').filter(|statement| !statement.is_empty()).count(), "{script}");
            let indexes: Vec<String> = net(&settings).iter().map(usize::to_string).collect();
            assert_eq!(indexes.join(" "), expected, "{script}");
        }
    }
}
