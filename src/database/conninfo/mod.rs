//! Where the database is: a connection string, the variables that fill it in, and libpq's defaults.
//!
//! It opens no connection. The environment is handed in by whoever may read it.

mod error;
mod key_value;
mod keyword;
mod password_file;
mod service;
mod settings;
pub mod tls;
mod url;
mod variables;

#[cfg(test)]
mod tests;

pub use error::{ConninfoError, ServiceProblem};
pub use password_file::PasswordFileWarning;
pub use settings::Settings;
pub use url::decode;

use self::tls::{AllowedMethods, ChannelBinding, TlsSettings};
use crate::secret::Secret;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian, Fedora and others have the server's socket: a directory that only the system can make.
const SYSTEM_SOCKETS: &str = "/var/run/postgresql";
/// Where PostgreSQL's own build has it.
const BUILT_IN_SOCKETS: &str = "/tmp";

/// Settings that are never passed over, as each asks for a protection or a behaviour that is not here; and what to do instead.
const REFUSED: [(&str, &str); 10] = [
    ("requirepeer", "leave it out, and let the directory of the socket belong to the server's user alone"),
    ("replication", "leave it out: a session for replication cannot migrate"),
    ("sslcrldir", "put the lists into one PEM file, and name it in `sslcrl`"),
    ("sslkeylogfile", "leave it out: the keys of a session are not written"),
    ("scram_client_key", "give the password instead"),
    ("scram_server_key", "give the password instead"),
    ("oauth_issuer", "log in with a password or a certificate"),
    ("oauth_client_id", "log in with a password or a certificate"),
    ("oauth_client_secret", "log in with a password or a certificate"),
    ("oauth_scope", "log in with a password or a certificate"),
];

/// How long a host may take to answer when nobody says: libpq would wait for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A peer that is gone is noticed after these seconds of silence, so many more between probes, and so many probes. The system's own
/// values, which libpq takes, are for hours; and no firewall may forget a connection on which a statement runs for long.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(10), 6);

/// A database to connect to, complete: every default is filled in. Shown as a URL without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conninfo {
    /// The hosts to try, in order; at least one.
    pub hosts: Vec<Host>,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// `application_name`, where the string or `PGAPPNAME` gives one.
    pub application_name: Option<String>,
    /// Command-line options for the server (`-c search_path=x`).
    pub options: Option<String>,
    /// How long each address of a host may take; `None` waits for ever (`connect_timeout=0`).
    pub connect_timeout: Option<Duration>,
    /// Whether TLS is used, and what of the server is checked.
    pub sslmode: SslMode,
    /// What else is asked of TLS.
    pub tls: TlsSettings,
    /// Whether the log-in is tied to the server's certificate.
    pub channel_binding: ChannelBinding,
    /// How the server may let us in.
    pub require_auth: AllowedMethods,
    /// Whether the hosts, and the addresses of each, are tried in a random order (`load_balance_hosts=random`).
    pub shuffled: bool,
    /// Settings of the session that libpq takes from the environment: `PGTZ`, `PGDATESTYLE`, `PGGEQO`.
    pub session: Vec<(&'static str, String)>,
    /// What the server must be.
    pub target_session: TargetSession,
    /// How a dead network is noticed.
    pub keepalive: Keepalive,
    /// Everything as given, for settings that have no field here.
    pub settings: Settings,
    /// The file that a password came from.
    pub password_file: Option<PathBuf>,
    /// What was passed over, and may have been meant.
    pub warnings: Vec<Warning>,
}

/// What was passed over on the way to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A password file.
    PasswordFile(PasswordFileWarning),
    /// The service that `PGSERVICE` names, as the string names a host.
    Service,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PasswordFile(warning) => warning.fmt(formatter),
            Self::Service => formatter.write_str(
                "`PGSERVICE` is passed over, as the `url` names a host itself; `service=NAME` there would count",
            ),
        }
    }
}

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its port; for a socket, the number in the socket's file name.
    pub port: u16,
    /// The password for it.
    pub password: Option<Secret>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in this directory.
    Socket(PathBuf),
    /// A host by name or address, looked up when connecting.
    Name(String),
    /// An address that needs no look-up (`hostaddr`), and the name it goes by.
    Address(IpAddr, Option<String>),
}

/// `sslmode`, with libpq's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always, whoever answers.
    Require,
    /// Always, with a certificate that a known authority signed.
    VerifyCa,
    /// The same, and the certificate must be the host's.
    VerifyFull,
}

/// `target_session_attrs`, with libpq's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSession {
    /// Any server.
    Any,
    /// One that accepts writes.
    ReadWrite,
    /// One that does not.
    ReadOnly,
    /// Not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby if there is one.
    PreferStandby,
}

/// TCP's ways to notice a dead peer; `None` leaves the system's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Whether probes are sent at all.
    pub on: bool,
    /// Silence before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Probes without an answer before the connection counts as lost.
    pub count: Option<u32>,
    /// How long sent data may stay unacknowledged.
    pub user_timeout: Option<Duration>,
}

/// Every setting that there is, with the environment variable that stands in for it.
pub fn keywords() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    keyword::KEYWORDS.iter().map(|keyword| (keyword.name, keyword.variable))
}

/// Settings of the session that libpq takes from the environment alone, each with its variable.
pub const SESSION: [(&str, &str); 3] = [("timezone", "PGTZ"), ("datestyle", "PGDATESTYLE"), ("geqo", "PGGEQO")];

/// What the machine around the program says: read by `config.rs`, handed in.
pub struct Surroundings<'a> {
    /// An environment variable's value, also an empty one: what is set is given, as in libpq.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The home directory, where the files are that nobody names.
    pub home: Option<&'a Path>,
    /// The user where no other is given: the name of who runs the program.
    pub user: Option<&'a str>,
}

impl Surroundings<'_> {
    /// The value of a variable, also an empty one.
    fn given(&self, name: &'static str) -> Result<Option<String>, ConninfoError> {
        let value = (self.variable)(name).map(OsString::into_string).transpose();
        // It is set, and must not be taken for one that is not.
        value.map_err(|_| ConninfoError::Variable(name))
    }
}

impl Conninfo {
    /// The database that `text` and `surroundings` name. Reads a password file where no password is given.
    ///
    /// # Errors
    /// A string that cannot be parsed, a setting that cannot be used.
    pub fn parse(text: &str, surroundings: &Surroundings<'_>) -> Result<Self, ConninfoError> {
        Self::resolve(Settings::parse(text)?, surroundings)
    }

    /// The same for settings already parsed; `Settings::default()` is the database the variables alone name.
    ///
    /// # Errors
    /// A setting that cannot be used.
    pub fn resolve(mut settings: Settings, surroundings: &Surroundings<'_>) -> Result<Self, ConninfoError> {
        let warnings: Vec<Warning> = service::fill(&mut settings, surroundings)?.into_iter().collect();
        settings.fill(surroundings)?;
        refuse_joined(&settings, None)?;
        let sslmode = ssl_mode(&settings)?;
        let orders = [("disable", false), ("random", true)];
        let user = settings.get("user").or(surroundings.user).ok_or(ConninfoError::NoUser)?.to_owned();
        let database = settings.get("dbname").unwrap_or(&user).to_owned();
        let application_name =
            settings.get("application_name").or_else(|| settings.get("fallback_application_name")).map(str::to_owned);
        let mut conninfo = Self {
            hosts: hosts(&settings)?,
            user,
            database,
            application_name,
            options: settings.get("options").map(str::to_owned),
            connect_timeout: connect_timeout(&settings)?,
            sslmode,
            tls: tls::read(&settings, sslmode, surroundings.home)?,
            channel_binding: tls::channel_binding(&settings)?,
            require_auth: tls::require_auth(&settings)?,
            shuffled: one_of(&settings, "load_balance_hosts", "`disable` or `random`", &orders, false)?,
            session: session(surroundings)?,
            target_session: target_session(&settings)?,
            keepalive: keepalive(&settings)?,
            password_file: None,
            warnings,
            settings,
        };
        conninfo.find_passwords(surroundings.home);
        Ok(conninfo)
    }

    /// The first setting that asks for something this program cannot do and that must not be passed over, and what to do instead.
    #[must_use]
    pub fn unsupported(&self) -> Option<(&'static str, &'static str)> {
        let get = |key: &str| self.settings.get(key);
        // An empty one asks for nothing, as in libpq.
        let asks = |key: &str| get(key).is_some() || self.settings.secret(key).is_some();
        let refused = REFUSED.iter().find(|(key, _)| asks(key));
        let newer = |key: &str| get(key).is_some_and(|version| version != "3.0" && version != "latest");
        let asked = [
            ("gssencmode", get("gssencmode") == Some("require"), "leave it out: there is no GSSAPI here; use TLS"),
            ("sslkey", get("sslkey").is_some_and(is_engine), "name a PEM file: there are no OpenSSL engines here"),
            ("min_protocol_version", newer("min_protocol_version"), "leave it out: version 3.0 is spoken"),
        ];
        refused.copied().or_else(|| asked.into_iter().find(|(_, asked, _)| *asked).map(|(key, _, hint)| (key, hint)))
    }

    /// Gives every host its password: the setting's, or that of the first fitting line of the password file.
    fn find_passwords(&mut self, home: Option<&Path>) {
        if let Some(password) = self.settings.secret("password") {
            self.hosts.iter_mut().for_each(|host| host.password = Some(password.clone()));
            return;
        }
        let in_home = || Some(home?.join(".pgpass"));
        let Some(path) = self.settings.get("passfile").map(PathBuf::from).or_else(in_home) else { return };
        match password_file::read(&path) {
            Ok(Some(text)) => {
                for host in &mut self.hosts {
                    let name = host.endpoint.name_in_password_file();
                    host.password = password_file::find(&text, &name, host.port, &self.database, &self.user);
                }
                self.password_file = self.hosts.iter().any(|host| host.password.is_some()).then_some(path);
            }
            Ok(None) => {}
            Err(warning) => self.warnings.push(Warning::PasswordFile(warning)),
        }
    }
}

impl Endpoint {
    /// libpq looks the default socket up as `localhost`, another socket by its directory.
    fn name_in_password_file(&self) -> String {
        match self {
            Self::Socket(directory) if directory == default_sockets() => "localhost".to_owned(),
            endpoint => endpoint.shown(),
        }
    }

    /// The name as a message shows it.
    fn shown(&self) -> String {
        match self {
            Self::Socket(directory) => directory.to_string_lossy().into_owned(),
            Self::Name(name) | Self::Address(_, Some(name)) => name.clone(),
            Self::Address(address, None) => address.to_string(),
        }
    }
}

impl fmt::Display for Host {
    /// `host:5432`, `[::1]:5432`, or the socket's file.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.endpoint.shown();
        match &self.endpoint {
            Endpoint::Socket(directory) => write!(formatter, "{}", socket_file(directory, self.port).display()),
            _ if name.contains(':') => write!(formatter, "[{name}]:{}", self.port),
            _ => write!(formatter, "{name}:{}", self.port),
        }
    }
}

impl fmt::Display for Conninfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<(String, String)> =
            self.hosts.iter().map(|host| (host.endpoint.shown(), host.port.to_string())).collect();
        let hosts: Vec<(&str, Option<&str>)> =
            shown.iter().map(|(name, port)| (name.as_str(), Some(port.as_str()))).collect();
        let password = self.hosts.iter().any(|host| host.password.is_some());
        settings::write_url(formatter, Some(&self.user), password, &hosts, Some(&self.database))
    }
}

/// Where the socket is where no host is given. libpq has it built in, and so it is not chosen by who listens where: in `/tmp`
/// anybody can, and would be given the password.
fn default_sockets() -> &'static Path {
    let system = Path::new(SYSTEM_SOCKETS);
    if system.is_dir() { system } else { Path::new(BUILT_IN_SOCKETS) }
}

/// The file of the socket that a server with `port` makes in `directory`.
#[must_use]
pub fn socket_file(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

/// Refuses values into which further settings were written: `host=h;password=p`, as .NET and ODBC have it. All of it would
/// be shown as a host's name, or a database's. A URL would be, too: `PGHOST=postgresql://u:p@h`. `service`: the one that is used.
fn refuse_joined(settings: &Settings, service: Option<&str>) -> Result<(), ConninfoError> {
    let odd = |character: char| matches!(character, ';' | '=') || character.is_whitespace();
    let hosts = settings.list("host");
    let is_url = |value: &str| value.contains("://");
    let value = |key: &str| if key == "service" { service } else { settings.get(key) };
    // A name may hold `://`: that of an application, the address of what it does.
    let with_password = |key: &&str| {
        let rest = value(key).and_then(|value| value.split_once("://"));
        rest.is_some_and(|(_, rest)| rest.contains('@'))
    };
    let names = ["user", "dbname", "application_name", "service"];
    let url = Some("host").filter(|_| hosts.iter().any(|host| is_url(host)));
    if let Some(key) = url.or_else(|| names.into_iter().find(with_password)) {
        return Err(ConninfoError::Url { key });
    }
    let of_host = |host: &&str| if host.starts_with('/') { host.contains(';') } else { host.contains(odd) };
    let joined = |key: &&str| {
        let rest = value(key).and_then(|value| value.split_once(';'));
        rest.is_some_and(|(_, rest)| rest.contains('='))
    };
    let host = Some("host").filter(|_| hosts.iter().any(of_host));
    host.or_else(|| names.into_iter().find(joined)).map_or(Ok(()), |key| Err(ConninfoError::Joined { key }))
}

/// The hosts, each with its port and without a password.
fn hosts(settings: &Settings) -> Result<Vec<Host>, ConninfoError> {
    let (names, addresses, ports) = (settings.list("host"), settings.list("hostaddr"), settings.list("port"));
    let count = names.len().max(addresses.len()).max(1);
    let unequal = |list: &[&str]| !list.is_empty() && list.len() != count;
    if unequal(&names) || unequal(&addresses) || (ports.len() > 1 && ports.len() != count) {
        return Err(ConninfoError::Counts);
    }
    let entry = |list: &[&str], index: usize| list.get(index).filter(|text| !text.is_empty()).map(|t| (*t).to_owned());
    (0..count)
        .map(|index| {
            let port = port(entry(&ports, if ports.len() == 1 { 0 } else { index }).as_deref())?;
            let endpoint = endpoint(entry(&names, index), entry(&addresses, index).as_deref())?;
            Ok(Host { endpoint, port, password: None })
        })
        .collect()
}

fn port(text: Option<&str>) -> Result<u16, ConninfoError> {
    let Some(text) = text else { return Ok(5432) };
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or(ConninfoError::value("port", "a number from 1 to 65535"))
}

fn endpoint(name: Option<String>, address: Option<&str>) -> Result<Endpoint, ConninfoError> {
    if let Some(address) = address {
        let address = address.parse();
        let address = address.map_err(|_| ConninfoError::value("hostaddr", "an IP address"))?;
        return Ok(Endpoint::Address(address, name));
    }
    match name {
        Some(name) if name.starts_with('/') => Ok(Endpoint::Socket(PathBuf::from(name))),
        Some(name) if name.starts_with('@') => {
            Err(ConninfoError::value("host", "a name or a directory (abstract sockets are not used)"))
        }
        Some(name) => Ok(Endpoint::Name(name)),
        None => Ok(Endpoint::Socket(default_sockets().to_owned())),
    }
}

/// Whether `sslkey` names a key in a device (`engine:id`), as libpq reads it.
fn is_engine(key: &str) -> bool {
    key.contains(':') && !key.starts_with(':') && !key.contains('/')
}

/// What the environment sets on the session (manual, 34.15); `PGOPTIONS` is a setting.
fn session(surroundings: &Surroundings<'_>) -> Result<Vec<(&'static str, String)>, ConninfoError> {
    let mut session = Vec::new();
    for (setting, name) in SESSION {
        // libpq leaves `default` to the server.
        let value = surroundings.given(name)?.filter(|value| !value.eq_ignore_ascii_case("default"));
        session.extend(value.map(|value| (setting, value)));
    }
    Ok(session)
}

/// The meaning of a setting that has a few words to choose from; `default` where it is missing.
fn one_of<T: Copy>(
    settings: &Settings,
    key: &'static str,
    expected: &'static str,
    words: &[(&'static str, T)],
    default: T,
) -> Result<T, ConninfoError> {
    let Some(value) = settings.written(key) else { return Ok(default) };
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words = words.iter().map(|(word, _)| *word).filter(|word| !word.is_empty());
        ConninfoError::word(key, expected, value, words)
    })
}

/// A whole number, if the setting is there.
fn number(settings: &Settings, key: &'static str) -> Result<Option<i64>, ConninfoError> {
    let Some(text) = settings.written(key) else { return Ok(None) };
    let number = text.trim().parse::<i32>();
    number.map(|number| Some(number.into())).map_err(|_| ConninfoError::word(key, "a whole number", text, []))
}

/// A number of `unit`s above zero; zero and less mean the system's own value, as in libpq.
fn duration(settings: &Settings, key: &'static str, unit: Duration) -> Result<Option<Duration>, ConninfoError> {
    let count = number(settings, key)?.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    Ok(count.map(|count| unit * count))
}

fn connect_timeout(settings: &Settings) -> Result<Option<Duration>, ConninfoError> {
    match number(settings, "connect_timeout")? {
        None => Ok(Some(CONNECT_TIMEOUT)),
        Some(_) => duration(settings, "connect_timeout", Duration::from_secs(1)),
    }
}

fn keepalive(settings: &Settings) -> Result<Keepalive, ConninfoError> {
    let second = Duration::from_secs(1);
    // A zero that is written asks for the system's value.
    let or_else =
        |key: &str, given: Option<Duration>, own| if settings.written(key).is_none() { Some(own) } else { given };
    Ok(Keepalive {
        on: number(settings, "keepalives")? != Some(0),
        idle: or_else("keepalives_idle", duration(settings, "keepalives_idle", second)?, KEEPALIVE.0),
        interval: or_else("keepalives_interval", duration(settings, "keepalives_interval", second)?, KEEPALIVE.1),
        count: match number(settings, "keepalives_count")? {
            None => Some(KEEPALIVE.2),
            Some(count) => u32::try_from(count).ok().filter(|count| *count > 0),
        },
        user_timeout: duration(settings, "tcp_user_timeout", Duration::from_millis(1))?,
    })
}

fn ssl_mode(settings: &Settings) -> Result<SslMode, ConninfoError> {
    let system_roots = settings.get("sslrootcert") == Some("system");
    let mode = match settings.written("sslmode") {
        None if system_roots => SslMode::VerifyFull,
        None | Some("prefer") => SslMode::Prefer,
        Some("disable") => SslMode::Disable,
        Some("allow") => SslMode::Allow,
        Some("require") => SslMode::Require,
        Some("verify-ca") => SslMode::VerifyCa,
        Some("verify-full") => SslMode::VerifyFull,
        Some(other) => {
            let expected = "one of `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`";
            let words = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
            return Err(ConninfoError::word("sslmode", expected, other, words));
        }
    };
    if system_roots && mode != SslMode::VerifyFull {
        return Err(ConninfoError::value("sslmode", "`verify-full` with `sslrootcert=system`"));
    }
    Ok(mode)
}

fn target_session(settings: &Settings) -> Result<TargetSession, ConninfoError> {
    match settings.written("target_session_attrs") {
        None | Some("any") => Ok(TargetSession::Any),
        Some("read-write") => Ok(TargetSession::ReadWrite),
        Some("read-only") => Ok(TargetSession::ReadOnly),
        Some("primary") => Ok(TargetSession::Primary),
        Some("standby") => Ok(TargetSession::Standby),
        Some("prefer-standby") => Ok(TargetSession::PreferStandby),
        Some(other) => {
            let expected = "one of `any`, `read-write`, `read-only`, `primary`, `standby`, `prefer-standby`";
            let words = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"];
            Err(ConninfoError::word("target_session_attrs", expected, other, words))
        }
    }
}
