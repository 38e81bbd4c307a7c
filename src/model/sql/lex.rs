//! The smallest pieces of SQL text: where a quote, a comment or a word ends, by the rules of PostgreSQL's own
//! scanner (manual, 4.1). Used by the splitter for speed and by the classifier through [`Tokens`].
//!
//! All functions take bytes of valid UTF-8 and a position; none looks before it, panics, or is slower than linear.

use memchr::{memchr, memchr2, memmem};

use super::marker::is_meant;

/// What a byte can begin, outside quotes and comments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Space, tab, form feed, line feed, carriage return.
    Blank,
    /// A letter, `_`, or any byte of a character beyond ASCII.
    Word,
    /// A digit.
    Digit,
    /// Nothing that matters to finding a statement's end.
    Plain,
    /// `'`
    Quote,
    /// `"`
    DoubleQuote,
    /// `$`
    Dollar,
    /// `-`
    Dash,
    /// `/`
    Slash,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `\`
    Backslash,
    /// A control character that PostgreSQL (before 16: vertical tab, too) rejects.
    Control,
}

/// [`Class`] of every byte.
pub(super) static CLASS: [Class; 256] = {
    let mut table = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => Class::Blank,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => Class::Word,
            b'0'..=b'9' => Class::Digit,
            b'\'' => Class::Quote,
            b'"' => Class::DoubleQuote,
            b'$' => Class::Dollar,
            b'-' => Class::Dash,
            b'/' => Class::Slash,
            b'(' => Class::Open,
            b')' => Class::Close,
            b';' => Class::Semicolon,
            b'\\' => Class::Backslash,
            0..0x20 | 0x7f => Class::Control,
            _ => Class::Plain,
        };
        byte += 1;
    }
    table
};

/// Whether a byte goes on with a word: [`Class::Word`], a digit, or `$`.
static IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(CLASS[byte], Class::Word | Class::Digit | Class::Dollar);
        byte += 1;
    }
    table
};

/// Where a quote or a comment ends, as far as the text at hand shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Just behind its last byte.
    At(usize),
    /// Not in this text, or more text is needed to be sure.
    Beyond,
}

/// The end of the word that begins at `from`, and whether it is all ASCII.
pub(super) fn word_end(text: &[u8], from: usize) -> (usize, bool) {
    let mut at = from + 1;
    let mut seen = text[from];
    while at < text.len() && IN_WORD[text[at] as usize] {
        seen |= text[at];
        at += 1;
    }
    (at, seen.is_ascii())
}

/// Whether `character` outside quotes is surely a slip: it looks like a blank, or like nothing at all.
///
/// PostgreSQL takes every character beyond ASCII for a letter, so it answers a no-break space with a syntax error
/// at an invisible place, or makes a table whose name ends in it; those that turn the direction of writing hide code.
pub(in crate::model) fn is_odd(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{a0}' | '\u{ad}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200b}' | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{3000}' | '\u{feff}')
}

/// The end of the digits that begin at `from`.
pub(super) fn digits_end(text: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < text.len() && text[at].is_ascii_digit() {
        at += 1;
    }
    at
}

/// The end of a `'…'` or `"…"` whose opening quote is at `from`. A doubled quote is taken for the end of one and
/// the start of the next, which comes to the same.
pub(super) fn quote_end(text: &[u8], from: usize) -> End {
    let quote = text[from];
    // Most strings are short: a few bytes by hand are quicker than a call.
    let mut at = from + 1;
    let near = text.len().min(at + 16);
    while at < near {
        if text[at] == quote {
            return End::At(at + 1);
        }
        at += 1;
    }
    memchr(quote, &text[at..]).map_or(End::Beyond, |found| End::At(at + found + 1))
}

/// The end of an `E'…'` whose opening quote is at `from`, with the parts that continue it on later lines.
pub(super) fn escape_quote_end(text: &[u8], from: usize, at_end: bool) -> End {
    let mut at = from + 1;
    loop {
        let Some(found) = memchr2(b'\'', b'\\', &text[at..]) else { return End::Beyond };
        at += found;
        if text[at] == b'\\' {
            at += 2;
            if at > text.len() {
                return End::Beyond;
            }
            continue;
        }
        at += 1;
        match continuation(text, at, at_end) {
            Continuation::No => return End::At(at),
            Continuation::At(next) => at = next,
            Continuation::Unknown => return End::Beyond,
        }
    }
}

enum Continuation {
    No,
    At(usize),
    Unknown,
}

/// Whether the string that just closed before `from` goes on: with a second quote at once (a doubled one), or with
/// one behind blanks and `--` comments that hold a line end. A section marker in between ends it.
fn continuation(text: &[u8], from: usize, at_end: bool) -> Continuation {
    if text.get(from) == Some(&b'\'') {
        return Continuation::At(from + 1);
    }
    let unknown = if at_end { Continuation::No } else { Continuation::Unknown };
    let (mut at, mut newline) = (from, false);
    loop {
        match text.get(at) {
            None => return unknown,
            Some(b'\n' | b'\r') => {
                newline = true;
                at += 1;
            }
            Some(b' ' | b'\t' | 0x0c) => at += 1,
            Some(b'\'') if newline => return Continuation::At(at + 1),
            Some(b'-') if text.get(at + 1) == Some(&b'-') => {
                let Some(length) = memchr2(b'\n', b'\r', &text[at..]) else { return unknown };
                let comment = &text[at..at + length];
                if (starts_line(text, at) && is_marker(comment)) || is_meant(comment) {
                    return Continuation::No;
                }
                at += length;
            }
            Some(b'-') if at + 1 == text.len() => return unknown,
            Some(_) => return Continuation::No,
        }
    }
}

/// The delimiter `$tag$` or `$$` that begins at the `$` at `from`; nothing where the `$` begins none.
pub(super) fn dollar_delimiter(text: &[u8], from: usize) -> Option<End> {
    let mut at = from + 1;
    if text.get(at).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    while at < text.len() && text[at] != b'$' && IN_WORD[text[at] as usize] {
        at += 1;
    }
    match text.get(at) {
        Some(b'$') => Some(End::At(at + 1)),
        Some(_) => None,
        None => Some(End::Beyond),
    }
}

/// The end of a dollar quote whose delimiter is `text[from..delimiter_end]`.
pub(super) fn dollar_quote_end(text: &[u8], from: usize, delimiter_end: usize) -> End {
    memmem::find(&text[delimiter_end..], &text[from..delimiter_end])
        .map_or(End::Beyond, |found| End::At(delimiter_end + found + (delimiter_end - from)))
}

/// The end of the block comment (they nest) that begins with the `/*` at `from`.
pub(super) fn block_comment_end(text: &[u8], from: usize) -> End {
    let (mut at, mut depth) = (from + 2, 1_usize);
    loop {
        let Some(found) = text.get(at..).and_then(|rest| memchr2(b'*', b'/', rest)) else { return End::Beyond };
        at += found;
        match (text[at], text.get(at + 1)) {
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return End::At(at);
                }
            }
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// The end of the `--` comment at `from`: the place of its line end, or the end of the text.
pub(super) fn line_comment_end(text: &[u8], from: usize) -> usize {
    memchr2(b'\n', b'\r', &text[from..]).map_or(text.len(), |length| from + length)
}

/// Whether only blanks stand between the last line end (or the text's start) and `at`.
pub(super) fn starts_line(text: &[u8], at: usize) -> bool {
    let mut before = at;
    while before > 0 && matches!(text[before - 1], b' ' | b'\t' | 0x0c) {
        before -= 1;
    }
    before == 0 || matches!(text[before - 1], b'\n' | b'\r')
}

/// Whether a `--` comment is meant as a section marker, well written or not: `migrate` and a colon come first.
///
/// Wide on purpose: `--migrate:downgrade` taken for a comment would run the downgrade as part of the upgrade.
pub(super) fn is_marker(comment: &[u8]) -> bool {
    let Some(rest) = comment.strip_prefix(b"--") else { return false };
    let rest = rest.trim_ascii_start();
    const WORD: &[u8] = b"migrate";
    rest.len() > WORD.len()
        && rest[..WORD.len()].eq_ignore_ascii_case(WORD)
        && rest[WORD.len()..].trim_ascii_start().starts_with(b":")
}

/// A token of a statement; comments and blanks are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A keyword or a name without quotes, as written.
    Word(&'t str),
    /// A quoted name, with its quotes.
    QuotedName(&'t str),
    /// A string of any form, with its quotes; the `E`, `U&`, `B` before it may stand alone as a word.
    String(&'t str),
    /// Digits.
    Number(&'t str),
    /// Any other byte.
    Symbol(u8),
}

impl Token<'_> {
    /// Its length in bytes.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Word(text) | Self::QuotedName(text) | Self::String(text) | Self::Number(text) => text.len(),
            Self::Symbol(_) => 1,
        }
    }

    /// Whether it is this keyword (given in capitals).
    pub(super) fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// The tokens of one statement, made only as they are asked for.
#[derive(Clone)]
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    /// The tokens of `text`.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte behind the last token.
    pub(super) fn position(&self) -> usize {
        self.at
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let bytes = self.text.as_bytes();
        let to = |end: End| match end {
            End::At(at) => at,
            End::Beyond => bytes.len(),
        };
        loop {
            let from = self.at;
            let class = CLASS[*bytes.get(from)? as usize];
            let next = bytes.get(from + 1);
            let (end, token): (usize, fn(&'t str) -> Token<'t>) = match class {
                Class::Blank => {
                    self.at += 1;
                    continue;
                }
                Class::Dash if next == Some(&b'-') => {
                    self.at = line_comment_end(bytes, from);
                    continue;
                }
                Class::Slash if next == Some(&b'*') => {
                    self.at = to(block_comment_end(bytes, from));
                    continue;
                }
                Class::Word if matches!(bytes[from], b'e' | b'E') && next == Some(&b'\'') => {
                    (to(escape_quote_end(bytes, from + 1, true)), Token::String)
                }
                Class::Word => (word_end(bytes, from).0, Token::Word),
                Class::Digit => (digits_end(bytes, from), Token::Number),
                Class::Quote => {
                    // Doubled quotes belong to the same string here.
                    let mut end = to(quote_end(bytes, from));
                    while bytes.get(end) == Some(&b'\'') {
                        end = to(quote_end(bytes, end));
                    }
                    (end, Token::String)
                }
                Class::DoubleQuote => {
                    let mut end = to(quote_end(bytes, from));
                    while bytes.get(end) == Some(&b'"') {
                        end = to(quote_end(bytes, end));
                    }
                    (end, Token::QuotedName)
                }
                Class::Dollar => match dollar_delimiter(bytes, from) {
                    Some(End::At(delimiter)) => (to(dollar_quote_end(bytes, from, delimiter)), Token::String),
                    _ => (from + 1, |_| Token::Symbol(b'$')),
                },
                _ => {
                    self.at = from + 1;
                    return Some(Token::Symbol(bytes[from]));
                }
            };
            self.at = end;
            return Some(token(&self.text[from..end]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_string_goes_on_behind_a_line_end() {
        let end = |text: &str| escape_quote_end(text.as_bytes(), 0, true);
        assert_eq!(end(r"'a\'b'"), End::At(6));
        assert_eq!(end(r"'a''b\''"), End::At(8));
        assert_eq!(end("'a' 'b'"), End::At(3));
        assert_eq!(end("'a' -- c\n 'b\\'' x"), End::At(15));
        assert_eq!(end("'a'\n-- migrate:downgrade\n'b'"), End::At(3));
        assert_eq!(end(r"'a\"), End::Beyond);
    }

    #[test]
    fn comments_nest() {
        assert_eq!(block_comment_end(b"/* /* */ */x", 0), End::At(11));
        assert_eq!(block_comment_end(b"/*/*/**/*/*/", 0), End::At(12));
        assert_eq!(block_comment_end(b"/*/", 0), End::Beyond);
    }

    #[test]
    fn tokens_leave_out_comments() {
        let tokens: Vec<_> = Tokens::new("a/*b*/ -- c\n$x$ ; $x$ \"d\"\"e\" E'\\'' 'f''g' $1").collect();
        assert_eq!(
            tokens,
            [
                Token::Word("a"),
                Token::String("$x$ ; $x$"),
                Token::QuotedName("\"d\"\"e\""),
                Token::String("E'\\''"),
                Token::String("'f''g'"),
                Token::Symbol(b'$'),
                Token::Number("1"),
            ]
        );
    }
}
