//! What text means to psql beyond what it means to the server, and how a printed script says it so that both agree.

use std::borrow::Cow;

use super::lex::Tokens;

/// `text`, whole statements, with a blank behind each `:` that psql would take for the start of a variable.
///
/// psql puts the value of its variable `USER` in place of the `:USER` of `a[1:USER]`, and also in place of `:"USER"`
/// and `:'USER'`; which names it knows depends on the person who runs it. To the server a blank behind the colon is
/// nothing. Quotes, comments, `::` and `:=` stay as they are, and so do bounds that are numbers, `a[1:2]`.
#[must_use]
pub fn without_variables(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memchr::memchr(b':', bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let mut result = String::new();
    let mut copied = 0;
    let mut tokens = Tokens::new(text);
    // Behind the first colon of `::`.
    let mut cast = None;
    while let Some(token) = tokens.next() {
        let end = tokens.position();
        if token.len() != 1 || bytes[end - 1] != b':' {
            continue;
        }
        if cast == Some(end - 1) {
            cast = None;
            continue;
        }
        if bytes.get(end) == Some(&b':') {
            cast = Some(end);
            continue;
        }
        if starts_variable(&bytes[end..]) {
            result.push_str(&text[copied..end]);
            result.push(' ');
            copied = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    result.push_str(&text[copied..]);
    Cow::Owned(result)
}

/// Whether psql looks for a variable in what follows a colon.
fn starts_variable(rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'\'' | b'"' | b'{') => true,
        Some(_) => {
            let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || !byte.is_ascii();
            rest.iter().take_while(in_name).any(|byte| !byte.is_ascii_digit())
        }
        None => false,
    }
}

/// `text` as one quoted argument of a psql meta-command. A line end would end the command: it becomes a blank.
#[must_use]
pub fn argument(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_before_a_name_is_followed_by_a_blank() {
        for (text, expected) in [
            ("SELECT a[1:n], a[:USER]", "SELECT a[1: n], a[: USER]"),
            ("SELECT a[1:\"USER\"], a[1:'2'], a[:é]", "SELECT a[1: \"USER\"], a[1: '2'], a[: é]"),
            ("SELECT a[1:2], a[x:1n]", "SELECT a[1:2], a[x: 1n]"),
            ("SELECT 1::int, '1' :: text, a[x:::int]", "SELECT 1::int, '1' :: text, a[x::: int]"),
            ("SELECT f(a := b, c:=d)", "SELECT f(a := b, c:=d)"),
            (
                "SELECT ':n', E'\\':n', $$:n$$, \":n\" -- :n\n/* :n */",
                "SELECT ':n', E'\\':n', $$:n$$, \":n\" -- :n\n/* :n */",
            ),
            ("SELECT a[1:", "SELECT a[1:"),
        ] {
            assert_eq!(without_variables(text), expected);
        }
    }

    #[test]
    fn an_argument_is_one_line() {
        assert_eq!(argument("it's \\x\n:USER `date`"), "'it''s \\\\x :USER `date`'");
    }
}
