//! The quick reader: lines that mean in YAML just what they seem to mean. It answers for all lines of a header or
//! for none, and reports nothing: whatever it does not understand is `yaml`'s to read or to refuse.

use super::fields::{Fields, Key, Text, Value};
use super::lines::Line;

/// The fields of these lines, where each is blank or `key: value` and each value is an empty, plain or simply quoted
/// scalar, or a `[list, of, names]`.
pub(super) fn fields<'a>(lines: impl Iterator<Item = Line<'a>>) -> Option<Fields<'a>> {
    let mut fields = Fields::default();
    for line in lines {
        if line.range().end > super::LONGEST {
            return None;
        }
        if line.content.is_empty() {
            continue;
        }
        let (key, rest) = line.content.split_once(':')?;
        let key_range = line.offset..line.offset + key.len();
        let key = Key::parse(key)?;
        let value = value(rest, key_range.end + 1)?;
        fields.add(key, key_range, value).ok()?;
    }
    (!fields.is_empty()).then_some(fields)
}

/// The value written behind a key's colon; `offset` is the byte at which `rest` begins.
fn value(rest: &str, offset: usize) -> Option<Value<'_>> {
    let text = rest.trim_start_matches(' ');
    let range_start = offset + rest.len() - text.len();
    let text = text.trim_end_matches(' ');
    if text.is_empty() {
        return Some(Value::Nothing);
    }
    if !rest.starts_with(' ') {
        return None;
    }
    let range = range_start..range_start + text.len();
    let scalar = |inner| Some(Value::Scalar(Text { text: std::borrow::Cow::Borrowed(inner), range }));
    match text.as_bytes()[0] {
        b'[' => list(&text[1..], range_start + 1).map(Value::List),
        b'"' => scalar(between(text, '"').filter(|inner| inner.chars().all(|c| is_sure(c) && c != '"' && c != '\\'))?),
        b'\'' => scalar(between(text, '\'').filter(|inner| inner.chars().all(|c| is_sure(c) && c != '\''))?),
        _ => scalar(Some(text).filter(|text| is_plain(text))?),
    }
}

fn between(text: &str, quote: char) -> Option<&str> {
    text.strip_prefix(quote)?.strip_suffix(quote)
}

/// Names between brackets, the first of which is gone already.
fn list(text: &str, mut offset: usize) -> Option<Vec<Text<'_>>> {
    let text = text.strip_suffix(']')?;
    if text.bytes().all(|byte| byte == b' ') {
        return Some(Vec::new());
    }
    let mut items = Vec::new();
    for item in text.split(',') {
        let name = item.trim_start_matches(' ');
        let start = offset + item.len() - name.len();
        let name = name.trim_end_matches(' ');
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        items.push(Text { text: name.into(), range: start..start + name.len() });
        offset += item.len() + 1;
    }
    Some(items)
}

/// Whether `text` as it stands is a scalar of one line that means itself: it begins with a letter, a digit or `_`,
/// and holds nothing that YAML could take for a comment, a mapping, a line break or the end.
pub(super) fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && !text.ends_with([' ', ':'])
        && text.chars().all(is_sure)
        && !text.contains(": ")
        && !text.contains(" #")
}

/// Whether a character has no meaning of its own inside a scalar that has begun: visible ASCII, a blank, or a letter or
/// digit of any script. (Not: tabs, control characters, exotic blanks and line ends, marks that do not show.)
fn is_sure(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && c.is_alphanumeric())
}
