//! `.pgpass` (manual, 34.16): lines `host:port:database:user:password`, `\:` and `\\` escaped, `*` for anything.

use crate::secret::Secret;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why a password file was passed over: libpq warns and goes on, and so do we.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordFileWarning {
    /// Others can read it.
    Readable(PathBuf),
    /// It is not a plain file.
    NotAFile(PathBuf),
    /// It is there and could not be read.
    Unreadable(PathBuf, io::ErrorKind),
}

impl fmt::Display for PasswordFileWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readable(path) => {
                let path = path.display();
                write!(formatter, "password file `{path}` is not used: others can read it (`chmod 600 {path}`)")
            }
            Self::NotAFile(path) => write!(formatter, "password file `{}` is not a plain file", path.display()),
            Self::Unreadable(path, kind) => {
                write!(formatter, "password file `{}` is not used: {kind}", path.display())
            }
        }
    }
}

/// The text of the password file at `path`; nothing where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, PasswordFileWarning> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(PasswordFileWarning::Unreadable(path.to_owned(), error.kind())),
    };
    if !metadata.is_file() {
        return Err(PasswordFileWarning::NotAFile(path.to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(PasswordFileWarning::Readable(path.to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| PasswordFileWarning::Unreadable(path.to_owned(), error.kind()))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The password that the first fitting line of `text` gives; an empty one is none.
pub(super) fn find(text: &str, host: &str, port: u16, database: &str, user: &str) -> Option<Secret> {
    let fields = [host, &port.to_string(), database, user];
    let rest = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| fields.into_iter().try_fold(line, after_field))?;
    let password = unescape(rest);
    (!password.is_empty()).then(|| Secret::new(password))
}

/// What follows the field at the start of `line`, if it is `value` or `*`. It is compared as it is read, as libpq does it: the
/// colons of `::1` need no backslash.
fn after_field<'a>(line: &'a str, value: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut rest = line;
    for character in value.chars() {
        rest = rest.strip_prefix('\\').unwrap_or(rest).strip_prefix(character)?;
    }
    rest.strip_prefix(':')
}

/// `text` up to the first `:` without a backslash, and without backslashes.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' => break,
            '\\' => plain.push(characters.next().unwrap_or('\\')),
            other => plain.push(other),
        }
    }
    plain
}
