//! Connection URLs: libpq's (manual, 34.1.1.2) and SQLAlchemy's, whose `+driver` is dropped.
//!
//! One rule is wider than libpq's, which ends the user and password at the first `@`: here the last `@` before the
//! path does, so that a password may hold a raw `@`. A raw `/` cannot be told from the path and is refused.

use super::error::ConninfoError;
use super::keyword;
use super::settings::Settings;
use std::fmt::Write as _;

/// Whether the scheme names a SQLAlchemy driver, and what follows `://`; nothing if `text` is no URL.
pub(super) fn after_scheme(text: &str) -> Result<Option<(bool, &str)>, ConninfoError> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
    if !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c)) {
        return Ok(None);
    }
    let (base, driver) = scheme.split_once('+').map_or((scheme, false), |(base, _)| (base, true));
    match base.to_ascii_lowercase().as_str() {
        "postgresql" | "postgres" => Ok(Some((driver, rest))),
        _ => Err(ConninfoError::Scheme),
    }
}

/// The settings of the URL whose text after `://` is `rest`.
pub(super) fn parse(rest: &str, driver: bool) -> Result<Settings, ConninfoError> {
    let (authority, tail) = rest.split_at(authority_end(rest));
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if path.contains('@') {
        return Err(ConninfoError::Ambiguous);
    }
    // Where a password has a raw `/` or `?`, its end and the true `@` lie in the query: such an error names nothing.
    parse_parts(authority, path, query, driver).map_err(|error| match error {
        _ if query.contains('@') => ConninfoError::Ambiguous,
        error => error,
    })
}

/// Where the path or the query begins. A `?` before every `@` belongs to the password, as libpq reads it.
fn authority_end(rest: &str) -> usize {
    let slash = rest.find('/').unwrap_or(rest.len());
    match rest[..slash].find('?') {
        Some(question) if rest[..question].contains('@') || !rest[question..slash].contains('@') => question,
        _ => slash,
    }
}

fn parse_parts(authority: &str, path: &str, query: &str, driver: bool) -> Result<Settings, ConninfoError> {
    let mut settings = Settings::default();
    let hosts = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            set_if_there(&mut settings, "user", user)?;
            set_if_there(&mut settings, "password", password)?;
            hosts
        }
        None => authority,
    };
    set_hosts(&mut settings, hosts)?;
    set_if_there(&mut settings, "dbname", path.strip_prefix('/').unwrap_or(path))?;
    let mut show_keys = true;
    let mut extra_hosts = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(ConninfoError::Equals)?;
        let (key, value) = (decode(key)?, decode(value)?);
        match (key.as_str(), driver) {
            ("ssl", _) => settings.set("sslmode", ssl_mode(&value).to_owned(), true)?,
            ("host", true) => extra_hosts.push(value),
            ("timeout", true) => settings.set("connect_timeout", value, true)?,
            (name, true) if DRIVER_ONLY.contains(&name) => {}
            _ => settings.set(&key, value, show_keys)?,
        }
        show_keys &= !keyword::is_secret(&key);
    }
    if !extra_hosts.is_empty() {
        set_driver_hosts(&mut settings, &extra_hosts)?;
    }
    Ok(settings)
}

/// Sets `key` unless its part of the URL is empty: that is not given, as libpq reads it. In the query it would be.
fn set_if_there(settings: &mut Settings, key: &str, part: &str) -> Result<(), ConninfoError> {
    if part.is_empty() { Ok(()) } else { settings.set(key, decode(part)?, false) }
}

/// What asyncpg and psycopg read from a URL and only they can act on.
const DRIVER_ONLY: [&str; 7] = [
    "async_fallback",
    "command_timeout",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
];

/// The `sslmode` that JDBC's and asyncpg's `ssl=` asks for (libpq maps `ssl=true` in the same way).
fn ssl_mode(value: &str) -> &str {
    match value {
        "true" | "True" | "1" | "on" => "require",
        "false" | "False" | "0" | "off" => "disable",
        mode => mode,
    }
}

/// Sets `host` and `port` from `h1:1,[::1]:2,%2Fdir`.
fn set_hosts(settings: &mut Settings, hosts: &str) -> Result<(), ConninfoError> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for entry in hosts.split(',') {
        let (name, port) = match entry.strip_prefix('[') {
            Some(inside) => {
                let (name, after) = inside.split_once(']').ok_or(ConninfoError::Brackets)?;
                match after.strip_prefix(':') {
                    Some(port) => (name, port),
                    None if after.is_empty() => (name, ""),
                    None => return Err(ConninfoError::Brackets),
                }
            }
            None => entry.split_once(':').unwrap_or((entry, "")),
        };
        if port.contains(':') {
            return Err(ConninfoError::Brackets);
        }
        names.push(decode(name)?);
        ports.push(decode(port)?);
    }
    if names.len() > 1 || !names[0].is_empty() {
        settings.set("host", names.join(","), false)?;
    }
    // As in libpq, a list of hosts gives each its port, the default where there is none.
    if ports.len() > 1 || !ports[0].is_empty() {
        settings.set("port", ports.join(","), false)?;
    }
    Ok(())
}

/// SQLAlchemy's `?host=a:1&host=b:2`, or one socket directory.
fn set_driver_hosts(settings: &mut Settings, hosts: &[String]) -> Result<(), ConninfoError> {
    let split: Vec<(&str, &str)> = hosts
        .iter()
        .map(|host| match host.rsplit_once(':') {
            Some((name, port)) if !host.starts_with('/') && !name.contains(':') => (name, port),
            _ => (host.as_str(), ""),
        })
        .collect();
    settings.set("host", split.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(","), true)?;
    if split.iter().any(|(_, port)| !port.is_empty()) {
        settings.set("port", split.iter().map(|(_, port)| *port).collect::<Vec<_>>().join(","), true)?;
    }
    Ok(())
}

/// `text` with `%XX` turned into bytes that must be UTF-8.
///
/// # Errors
/// They are not, or `%` stands before something else.
pub fn decode(text: &str) -> Result<String, ConninfoError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next().unwrap_or("").as_bytes());
    for piece in pieces {
        let digits = piece.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok()).ok_or(ConninfoError::Percent)?;
        bytes.push(byte);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| ConninfoError::Percent)?;
    if decoded.contains('\0') { Err(ConninfoError::Nul) } else { Ok(decoded) }
}

/// `text` for a URL: what has a meaning there, blanks and control characters as `%XX`.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_alphanumeric() || "-._~".contains(character) {
            encoded.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
