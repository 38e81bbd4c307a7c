//! A database as libpq's variables: for a program that is to connect to where this one is.

use super::keyword::KEYWORDS;
use super::{Conninfo, Endpoint, Host, url};
use crate::secret::Secret;

impl Conninfo {
    /// What each of libpq's variables must be for a program to come to `host`, one of this database's at the address that answered;
    /// nothing for one that must not be set. A password is among them.
    #[must_use]
    pub fn variables(&self, host: &Host, application_name: &str) -> Vec<(&'static str, Option<Secret>)> {
        let (name, address) = match &host.endpoint {
            Endpoint::Socket(directory) => (directory.to_string_lossy().into_owned(), None),
            Endpoint::Name(name) => (name.clone(), None),
            Endpoint::Address(address, name) => {
                (name.clone().unwrap_or_else(|| address.to_string()), Some(address.to_string()))
            }
        };
        let value = |keyword: &super::keyword::Keyword| -> Option<Secret> {
            match keyword.name {
                "host" => Some(Secret::new(name.clone())),
                "hostaddr" => address.clone().map(Secret::new),
                "port" => Some(Secret::new(host.port.to_string())),
                "user" => Some(Secret::new(self.user.clone())),
                "dbname" => Some(Secret::new(self.database.clone())),
                "password" => host.password.clone(),
                "options" => self.options.clone().map(Secret::new),
                "application_name" => {
                    Some(Secret::new(self.application_name.clone().unwrap_or_else(|| application_name.to_owned())))
                }
                // A service would win over all of these, and the server that answered is known to be the right one.
                "service" | "servicefile" | "target_session_attrs" | "load_balance_hosts" => None,
                name if keyword.secret => self.settings.secret(name).cloned(),
                name => self.settings.get(name).map(Secret::new),
            }
        };
        KEYWORDS.iter().filter_map(|keyword| Some((keyword.variable?, value(keyword)))).collect()
    }

    /// The passwords that are known here, also as a URL has them.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let given = ["password", "sslpassword"].into_iter().filter_map(|key| self.settings.secret(key));
        let passwords = self.hosts.iter().filter_map(|host| host.password.as_ref()).chain(given);
        passwords.flat_map(|password| [password.clone(), Secret::new(url::encode(password.reveal()))]).collect()
    }
}
