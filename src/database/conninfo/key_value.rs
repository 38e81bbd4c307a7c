//! libpq's `key=value` form (manual, 34.1.1.1): blanks around `=`, single quotes, backslashes.

use super::error::ConninfoError;
use super::keyword;
use super::settings::Settings;

/// C's `isspace`: what parts the pairs. Any other blank, a no-break space for one, is a character like others.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

/// The settings of `text`.
pub(super) fn parse(text: &str) -> Result<Settings, ConninfoError> {
    let mut settings = Settings::default();
    let mut rest = text.trim_start_matches(is_blank);
    let first = rest.split(|character| character == '=' || is_blank(character)).next().unwrap_or_default();
    // `user:password@host/database?sslmode=require`, JSON: what stands before the first `=` is no name, and may be a password.
    let is_word = first.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if first.is_empty() || !is_word || !rest.contains('=') {
        return Err(ConninfoError::Form);
    }
    // A password with a space and no quotes spills into what looks like the next key: do not show that key.
    let mut show_keys = true;
    while !rest.is_empty() {
        let end = rest.find(|character| character == '=' || is_blank(character)).ok_or(ConninfoError::Equals)?;
        let key = &rest[..end];
        let value = rest[end..].trim_start_matches(is_blank).strip_prefix('=').ok_or(ConninfoError::Equals)?;
        rest = value.trim_start_matches(is_blank);
        let (value, after) = take_value(rest)?;
        rest = after.trim_start_matches(is_blank);
        settings.set(key, value, show_keys)?;
        show_keys &= !keyword::is_secret(key);
    }
    Ok(settings)
}

/// The value at the start of `text`, unquoted, and what follows it.
fn take_value(text: &str) -> Result<(String, &str), ConninfoError> {
    let (quoted, text) = match text.strip_prefix('\'') {
        Some(inside) => (true, inside),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            blank if !quoted && is_blank(blank) => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted { Err(ConninfoError::Quote) } else { Ok((value, "")) }
}
