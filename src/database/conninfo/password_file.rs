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

/// The password that the first fitting line of `text` gives. `hosts`: the names under which the host may stand.
pub(super) fn find(text: &str, hosts: &[&str], port: u16, database: &str, user: &str) -> Option<Secret> {
    let port = port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (host, rest) = field(line)?;
        let (line_port, rest) = field(rest)?;
        let (line_database, rest) = field(rest)?;
        let (line_user, rest) = field(rest)?;
        let fits = |pattern: &str, value: &str| pattern == "*" || unescape(pattern) == value;
        let matching = hosts.iter().any(|name| fits(host, name))
            && fits(line_port, &port)
            && fits(line_database, database)
            && fits(line_user, user);
        matching.then(|| Secret::new(unescape(rest)))
    })
}

/// `line` up to its first `:` without a backslash, and what follows that.
fn field(line: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = line.bytes().position(|byte| {
        let ends = byte == b':' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((&line[..end], &line[end + 1..]))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    plain
}
