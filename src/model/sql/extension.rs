//! What a statement does with an extension, and with schemas that one may go into: whether a server can give what a revision wants is
//! asked before it runs.
//!
//! Only what the text says is found. What a function's body or a `DO` block creates is not.

use super::lex::{Token, Tokens};

/// What is done with an extension; names as the server keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionUse {
    /// It is created.
    Creates {
        /// Its name.
        name: String,
        /// `IF NOT EXISTS`: one that is there already is no error.
        if_missing: bool,
        /// `CASCADE`: what it requires is created with it.
        cascade: bool,
        /// `VERSION`: another one than the server would choose.
        version: Option<String>,
        /// `SCHEMA`: where it goes; it must be there.
        schema: Option<String>,
    },
    /// These are dropped.
    Drops(Vec<String>),
    /// A schema is created.
    CreatesSchema(String),
}

/// What `statement` does with an extension, if it is about one.
#[must_use]
pub fn extension_use(statement: &str) -> Option<ExtensionUse> {
    let mut tokens = Tokens::new(statement);
    let creates = match tokens.next()? {
        first if first.is("create") => true,
        first if first.is("drop") => false,
        _ => return None,
    };
    let object = tokens.next()?;
    if !(object.is("extension") || creates && object.is("schema")) {
        return None;
    }
    let mut rest: Vec<Token> = tokens.collect();
    let optional = rest.first().is_some_and(|token| token.is("if"));
    if optional {
        let words = rest.iter().take_while(|token| ["if", "not", "exists"].iter().any(|word| token.is(word))).count();
        rest.drain(..words);
    }
    let name = |token: &Token| match token {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        Token::QuotedName(quoted) => Some(quoted.get(1..quoted.len() - 1)?.replace("\"\"", "\"")),
        Token::String(quoted) => Some(quoted.get(1..quoted.len() - 1)?.replace("''", "'")),
        _ => None,
    };
    if object.is("schema") {
        // `CREATE SCHEMA AUTHORIZATION owner` names it after the owner.
        let named = rest.iter().find(|token| !token.is("authorization"))?;
        return name(named).map(ExtensionUse::CreatesSchema);
    }
    if creates {
        let (first, options) = rest.split_first()?;
        let option = |word: &str| {
            let at = options.iter().position(|token| token.is(word))?;
            options.get(at + 1).and_then(name)
        };
        return Some(ExtensionUse::Creates {
            name: name(first)?,
            if_missing: optional,
            cascade: options.iter().any(|token| token.is("cascade")),
            version: option("version"),
            schema: option("schema"),
        });
    }
    // `a, b CASCADE`: every other token, up to the first that no comma stands before.
    let mut names = Vec::new();
    for pair in rest.chunks(2) {
        names.extend(name(&pair[0]));
        if pair.get(1) != Some(&Token::Symbol(b',')) {
            break;
        }
    }
    Some(ExtensionUse::Drops(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creates(name: &str, if_missing: bool, cascade: bool) -> Option<ExtensionUse> {
        placed(name, if_missing, cascade, None, None)
    }

    fn placed(
        name: &str,
        if_missing: bool,
        cascade: bool,
        version: Option<&str>,
        schema: Option<&str>,
    ) -> Option<ExtensionUse> {
        let [version, schema] = [version, schema].map(|word| word.map(str::to_owned));
        Some(ExtensionUse::Creates { name: name.to_owned(), if_missing, cascade, version, schema })
    }

    #[test]
    fn statements_about_extensions() {
        let drops = |names: &[&str]| Some(ExtensionUse::Drops(names.iter().map(|name| (*name).to_owned()).collect()));
        for (statement, used) in [
            ("CREATE EXTENSION pgcrypto;", creates("pgcrypto", false, false)),
            ("create extension if not exists HSTORE with schema X", placed("hstore", true, false, None, Some("x"))),
            ("CREATE EXTENSION a VERSION '1.0' SCHEMA \"X\"", placed("a", false, false, Some("1.0"), Some("X"))),
            ("CREATE EXTENSION a VERSION \"1.0\"", placed("a", false, false, Some("1.0"), None)),
            ("/* a */ CREATE -- b\n EXTENSION \"uuid-ossp\"", creates("uuid-ossp", false, false)),
            (
                "CREATE EXTENSION IF NOT EXISTS \"a\"\"b\" VERSION '1' CASCADE",
                placed("a\"b", true, true, Some("1"), None),
            ),
            ("CREATE EXTENSION cascade", creates("cascade", false, false)),
            ("DROP EXTENSION a", drops(&["a"])),
            ("DROP EXTENSION IF EXISTS A, \"B\" CASCADE;", drops(&["a", "B"])),
            ("CREATE SCHEMA IF NOT EXISTS A", Some(ExtensionUse::CreatesSchema("a".into()))),
            ("CREATE SCHEMA AUTHORIZATION b", Some(ExtensionUse::CreatesSchema("b".into()))),
            ("DROP SCHEMA a", None),
            ("CREATE EXTENSION", None),
            ("CREATE TABLE extension ()", None),
            ("ALTER EXTENSION a UPDATE", None),
            ("SELECT 'CREATE EXTENSION a'", None),
        ] {
            assert_eq!(extension_use(statement), used, "{statement}");
        }
    }
}
