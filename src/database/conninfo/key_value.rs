//! libpq's `key=value` form (manual, 34.1.1.1): blanks around `=`, single quotes, backslashes.

use super::error::ConninfoError;
use super::settings::Settings;

/// The settings of `text`.
pub(super) fn parse(text: &str) -> Result<Settings, ConninfoError> {
    let mut settings = Settings::default();
    let mut rest = text.trim_start();
    if rest.is_empty() || !rest.contains('=') {
        return Err(ConninfoError::Form);
    }
    // A password with a space and no quotes spills into what looks like the next key: do not show that key.
    let mut show_keys = true;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).ok_or(ConninfoError::Equals)?;
        let key = &rest[..end];
        rest = rest[end..].trim_start().strip_prefix('=').ok_or(ConninfoError::Equals)?.trim_start();
        let (value, after) = take_value(rest)?;
        rest = after.trim_start();
        settings.set(key, value, show_keys)?;
        show_keys &= key != "password";
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
            blank if !quoted && blank.is_whitespace() => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted { Err(ConninfoError::Quote) } else { Ok((value, "")) }
}
