//! A connection string as written: which settings it gives, before any default.

use super::error::ConninfoError;
use super::{Surroundings, key_value, keyword, url};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::fmt;

/// The settings that a connection string gives, by libpq's names. Not shown: what was not looked into yet may hold a password
/// anywhere (`port=1;password=p`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    plain: BTreeMap<&'static str, String>,
    secret: BTreeMap<&'static str, Secret>,
}

impl Settings {
    /// The settings of `text`: a URL (also SQLAlchemy's, `postgresql+asyncpg://`) or libpq's `key=value` form.
    ///
    /// # Errors
    /// What cannot be parsed; no part of `text` that might be a password is in the error.
    pub fn parse(text: &str) -> Result<Self, ConninfoError> {
        let text = text.trim_matches(key_value::is_blank);
        if text.contains('\0') {
            return Err(ConninfoError::Nul);
        }
        match url::after_scheme(text)? {
            Some((driver, rest)) => url::parse(rest, driver),
            None => key_value::parse(text),
        }
    }

    /// The value of the setting `key`, unless it is missing, empty or secret: where empty stands for the default, as libpq has it
    /// of names and files.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.written(key).filter(|value| !value.is_empty())
    }

    /// The value of the setting `key`, also an empty one, unless it is missing or secret: where empty is no value, as libpq has it
    /// of numbers and of words to choose from.
    pub(super) fn written(&self, key: &str) -> Option<&str> {
        self.plain.get(key).map(String::as_str)
    }

    /// The value of a secret setting, unless it is missing or empty.
    #[must_use]
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        self.secret.get(key).filter(|value| !value.reveal().is_empty())
    }

    /// The values of the secret settings.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        self.secret.values().filter(|value| !value.reveal().is_empty()).cloned().collect()
    }

    /// Gives `key` a value; a later one wins, as in libpq. `show_key`: the name cannot be a part of a password.
    pub(super) fn set(&mut self, key: &str, value: String, show_key: bool) -> Result<(), ConninfoError> {
        // An older way to say it, which libpq still reads.
        if key == "requiressl" {
            let mode = if value.starts_with('1') { "require" } else { "prefer" };
            return self.set("sslmode", mode.to_owned(), show_key);
        }
        let Some(known) = keyword::find(key) else {
            return Err(unknown(key, show_key));
        };
        self.insert(known, value);
        Ok(())
    }

    fn insert(&mut self, keyword: &'static keyword::Keyword, value: String) {
        if keyword.secret {
            self.secret.insert(keyword.name, Secret::new(value));
        } else {
            self.plain.insert(keyword.name, value);
        }
    }

    /// Fills in what is missing from the variables that stand in for settings.
    pub(super) fn fill(&mut self, surroundings: &Surroundings<'_>) -> Result<(), ConninfoError> {
        // An address of another host must not reach a string that names one itself; services are read before.
        let names_server = self.names_server();
        for keyword in keyword::KEYWORDS {
            let foreign =
                matches!(keyword.name, "service" | "servicefile") || (names_server && keyword.name == "hostaddr");
            let Some(name) = keyword.variable.filter(|_| !self.is_given(keyword.name) && !foreign) else { continue };
            if let Some(value) = surroundings.given(name)? {
                self.insert(keyword, value);
            }
        }
        // An older way to say it, which libpq still reads.
        if !self.is_given("sslmode") && surroundings.given("PGREQUIRESSL")?.is_some_and(|value| value.starts_with('1'))
        {
            self.plain.insert("sslmode", "require".to_owned());
        }
        Ok(())
    }

    /// Whether it says where the server is; `host=''` is the default socket.
    #[must_use]
    pub fn names_server(&self) -> bool {
        self.is_given("host") || self.get("hostaddr").is_some()
    }

    /// Whether the setting `key` is given. An empty value is given, as in libpq: no service and no variable stands in for it.
    #[must_use]
    pub fn is_given(&self, key: &str) -> bool {
        self.plain.contains_key(key) || self.secret.contains_key(key)
    }

    /// Gives `key` a value if it has none. It is no older way to say something: `requiressl` in a service must not take the place of the
    /// `sslmode` of a string, and libpq refuses it there.
    pub(super) fn set_if_missing(&mut self, key: &str, value: &str) -> Result<(), ConninfoError> {
        match keyword::find(key) {
            Some(known) if self.is_given(known.name) => Ok(()),
            Some(_) => self.set(key, value.to_owned(), true),
            None => Err(unknown(key, true)),
        }
    }

    /// The entries of a setting that may be a list (`host`, `hostaddr`, `port`); empty if it is missing.
    pub(super) fn list(&self, key: &str) -> Vec<&str> {
        self.get(key).map_or_else(Vec::new, |value| value.split(',').map(str::trim).collect())
    }
}

/// The error for a setting that there is not; `show_key`: its name cannot be a part of a password.
fn unknown(key: &str, show_key: bool) -> ConninfoError {
    let shown = (show_key && keyword::may_be_name(key)).then(|| key.to_owned());
    ConninfoError::Unknown { key: shown, nearest: keyword::meant(key) }
}

/// Writes `postgresql://user:***@host:port/database`; one socket directory goes where libpq reads it, in the query.
pub(super) fn write_url(
    formatter: &mut fmt::Formatter<'_>,
    user: Option<&str>,
    password: bool,
    hosts: &[(&str, Option<&str>)],
    database: Option<&str>,
) -> fmt::Result {
    formatter.write_str("postgresql://")?;
    if user.is_some() || password {
        write!(formatter, "{}{}@", url::encode(user.unwrap_or("")), if password { ":***" } else { "" })?;
    }
    let socket = match hosts {
        [(directory, port)] if directory.starts_with('/') => Some((*directory, *port)),
        _ => None,
    };
    if socket.is_none() {
        for (index, (name, port)) in hosts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let encoded = url::encode(name);
            let name = if name.contains(':') { format!("[{}]", encoded.replace("%3A", ":")) } else { encoded };
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            write!(formatter, "{comma}{name}{port}")?;
        }
    }
    if let Some(database) = database {
        write!(formatter, "/{}", url::encode(database))?;
    }
    let socket = socket.map(|(directory, port)| (url::encode(directory).replace("%2F", "/"), port));
    match socket {
        Some((directory, Some(port))) if port != "5432" => write!(formatter, "?host={directory}&port={port}"),
        Some((directory, _)) => write!(formatter, "?host={directory}"),
        None => Ok(()),
    }
}
