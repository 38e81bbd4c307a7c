//! What a statement leaves in a session that the tool can neither see nor take back: a session that a pooler gives to another
//! client next must not hold it.
//!
//! Only what the text says is found. A function's body is not looked into.

use super::lex::{Token, Tokens};

/// What is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A prepared statement: it outlives the transaction even where that is rolled back.
    Prepared,
    /// A custom setting (`app.tenant`), which no view lists.
    Setting,
}

/// What `statement` leaves in its session.
#[must_use]
pub fn leftover(statement: &str) -> Option<Leftover> {
    let tokens: Vec<Token> = Tokens::new(statement).collect();
    let is = |index: usize, word: &str| tokens.get(index).is_some_and(|token| token.is(word));
    if is(0, "prepare") && !is(1, "transaction") {
        return Some(Leftover::Prepared);
    }
    let name = 1 + usize::from(is(1, "session"));
    let custom = matches!(tokens.get(name), Some(Token::Word(_) | Token::QuotedName(_)))
        && tokens.get(name + 1) == Some(&Token::Symbol(b'.'));
    let sets = |index: usize| is(index, "set_config") && leaves_setting(&tokens[index + 1..]);
    ((is(0, "set") && custom) || (0..tokens.len()).any(sets)).then_some(Leftover::Setting)
}

/// Whether the arguments of a `set_config` name a custom setting, and are not known to be for the transaction alone.
fn leaves_setting(arguments: &[Token]) -> bool {
    let [Token::Symbol(b'('), Token::String(name), Token::Symbol(b','), rest @ ..] = arguments else { return false };
    let mut depth = 1;
    let end = rest.iter().position(|token| {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let last = end.and_then(|end| rest[..end].last());
    name.contains('.') && !last.is_some_and(|last| last.is("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_told_from_what_goes() {
        for (statement, left) in [
            ("PREPARE one AS SELECT 1", Some(Leftover::Prepared)),
            ("prepare transaction 'a'", None),
            ("SET app.tenant = 'x'", Some(Leftover::Setting)),
            ("SET SESSION \"app\".tenant TO 1", Some(Leftover::Setting)),
            ("SET LOCAL app.tenant = 'x'", None),
            ("SET search_path = app.tenant", None),
            ("SET SESSION AUTHORIZATION x", None),
            ("SELECT 1, pg_catalog.set_config('app.tenant', lower('X'), false)", Some(Leftover::Setting)),
            ("SELECT set_config('app.tenant', lower('X'), is_local)", Some(Leftover::Setting)),
            ("SELECT set_config('app.tenant', lower('X'), true), (2)", None),
            ("SELECT set_config('search_path', '', false)", None),
            ("UPDATE a SET b.c = 1", None),
        ] {
            assert_eq!(leftover(statement), left, "{statement}");
        }
    }
}
