//! What a statement does with an extension: whether a server can give what a revision wants is asked before it runs.
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
    },
    /// These are dropped.
    Drops(Vec<String>),
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
    tokens.next().filter(|token| token.is("extension"))?;
    let mut rest: Vec<Token> = tokens.collect();
    let optional = rest.first().is_some_and(|token| token.is("if"));
    if optional {
        let words = rest.iter().take_while(|token| ["if", "not", "exists"].iter().any(|word| token.is(word))).count();
        rest.drain(..words);
    }
    let name = |token: &Token| match token {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        Token::QuotedName(quoted) => Some(quoted.get(1..quoted.len() - 1)?.replace("\"\"", "\"")),
        _ => None,
    };
    if creates {
        let cascade = rest.iter().skip(1).any(|token| token.is("cascade"));
        return Some(ExtensionUse::Creates { name: name(rest.first()?)?, if_missing: optional, cascade });
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
        Some(ExtensionUse::Creates { name: name.to_owned(), if_missing, cascade })
    }

    #[test]
    fn statements_about_extensions() {
        let drops = |names: &[&str]| Some(ExtensionUse::Drops(names.iter().map(|name| (*name).to_owned()).collect()));
        for (statement, used) in [
            ("CREATE EXTENSION pgcrypto;", creates("pgcrypto", false, false)),
            ("create extension if not exists HSTORE with schema x", creates("hstore", true, false)),
            ("/* a */ CREATE -- b\n EXTENSION \"uuid-ossp\"", creates("uuid-ossp", false, false)),
            ("CREATE EXTENSION IF NOT EXISTS \"a\"\"b\" VERSION '1' CASCADE", creates("a\"b", true, true)),
            ("CREATE EXTENSION cascade", creates("cascade", false, false)),
            ("DROP EXTENSION a", drops(&["a"])),
            ("DROP EXTENSION IF EXISTS A, \"B\" CASCADE;", drops(&["a", "B"])),
            ("CREATE EXTENSION", None),
            ("CREATE TABLE extension ()", None),
            ("ALTER EXTENSION a UPDATE", None),
            ("SELECT 'CREATE EXTENSION a'", None),
        ] {
            assert_eq!(extension_use(statement), used, "{statement}");
        }
    }
}
