//! Why no connection could be made: data first, one place that turns it into sentences.

use super::conninfo::tls::Method;
use super::conninfo::{Conninfo, Endpoint, TargetSession};
use super::protection;
use super::server_error::ServerError;
use super::tls::TlsFailure;
use super::wire::tls_stream::BeginError;
use crate::error::Error;
use crate::model::sql::quote::identifier;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// No host of a [`Conninfo`] could be connected to.
#[derive(Debug)]
pub struct ConnectError {
    /// The user asked for.
    pub user: String,
    /// The database asked for.
    pub database: String,
    /// What was tried, in order; at least one.
    pub attempts: Vec<Attempt>,
    /// The file that the password came from, if it came from one.
    pub password_file: Option<PathBuf>,
}

/// One host, and why it did not do.
#[derive(Debug)]
pub struct Attempt {
    /// `host:port` or a socket's file.
    pub place: String,
    /// Why.
    pub failure: ConnectFailure,
    /// Whether the password was given before that, so that whoever sits in between could read it, and nobody said that he may.
    pub exposed: bool,
}

/// Why one host did not do.
#[derive(Debug)]
pub enum ConnectFailure {
    /// Nobody listens there.
    Refused,
    /// No address for the name.
    NoSuchHost(String, io::Error),
    /// No answer in time.
    Timeout,
    /// No such socket.
    SocketMissing(PathBuf),
    /// The socket may not be used by this user.
    SocketForbidden(PathBuf),
    /// The path is longer than the system allows for a socket.
    SocketPathTooLong(PathBuf),
    /// The system could not reach the host.
    Unreachable(io::Error),
    /// The server asks for a password and none is given.
    PasswordMissing,
    /// The server wants to be convinced by a method we do not know.
    Method(String),
    /// The server refused: the SQLSTATE says why.
    Server(Box<ServerError>),
    /// No TLS came about.
    Tls(TlsFailure),
    /// `channel_binding=require`, and the log-in is not tied to the server's certificate.
    NotBound,
    /// The server asks for what `require_auth` does not allow.
    MethodNotAllowed(Method, String),
    /// A setting demands what this program cannot do; and what to do instead.
    Unsupported(&'static str, &'static str),
    /// The server is not of the kind that `target_session_attrs` asks for.
    WrongKind(TargetSession),
    /// What came was not what the protocol foresees, or the connection broke off.
    Protocol(io::Error),
    /// A signal came.
    Woken,
}

impl ConnectFailure {
    /// A breach of the protocol.
    pub(crate) fn protocol(text: &str) -> Self {
        Self::Protocol(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// The server's SQLSTATE, if it said one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.code),
            _ => None,
        }
    }

    /// A word for programs: `ping --json` and the JSON log say it, and a word once said keeps its meaning.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NoSuchHost(..) => "no_such_host",
            Self::Timeout => "timeout",
            Self::SocketMissing(_) => "no_such_socket",
            Self::SocketForbidden(_) => "socket_forbidden",
            Self::SocketPathTooLong(_) => "socket_path_too_long",
            Self::Unreachable(_) => "unreachable",
            Self::PasswordMissing => "password_missing",
            Self::Method(_) => "method_not_supported",
            Self::Tls(TlsFailure::NotOffered) => "tls_not_offered",
            Self::Tls(TlsFailure::UnknownAuthority { .. }) => "tls_unknown_authority",
            Self::Tls(TlsFailure::Expired(_)) => "tls_expired",
            Self::Tls(TlsFailure::WrongName { .. }) => "tls_wrong_name",
            Self::Tls(_) => "tls",
            Self::NotBound => "not_bound",
            Self::MethodNotAllowed(..) => "method_not_allowed",
            Self::Unsupported(..) => "not_supported",
            Self::WrongKind(_) => "wrong_kind_of_server",
            Self::Protocol(_) => "protocol",
            Self::Woken => "stopped",
            Self::Server(error) => match error.code.as_str() {
                "28P01" => "password_wrong",
                "28000" => "not_let_in",
                "3D000" => "no_such_database",
                "42501" => "no_right_to_connect",
                "53300" => "too_many_connections",
                "57P03" => "not_ready",
                _ => "server",
            },
        }
    }

    /// Whether the same server may let us in with TLS instead of without, or the other way round: `pg_hba.conf` refused, or no TLS
    /// came about.
    pub(crate) fn asks_for_the_other_way(&self) -> bool {
        match self {
            // Somebody is at work there: nothing is to be said in the clear.
            Self::Tls(TlsFailure::Injected) => false,
            Self::Tls(_) => true,
            failure => failure.code() == Some("28000"),
        }
    }

    /// Whether the next host of a list is tried after it. As in libpq: after a server's own answer only where it is not ready yet. One
    /// that is full is the right one, and the next may be another.
    pub(crate) fn goes_on(&self) -> bool {
        match self {
            Self::Server(error) => error.code == "57P03",
            // As a server that hangs up without TLS.
            Self::Tls(TlsFailure::Closed) => true,
            Self::PasswordMissing
            | Self::Method(_)
            | Self::Tls(_)
            | Self::NotBound
            | Self::MethodNotAllowed(..)
            | Self::Unsupported(..)
            | Self::Woken => false,
            _ => true,
        }
    }
}

impl From<TlsFailure> for ConnectFailure {
    fn from(failure: TlsFailure) -> Self {
        Self::Tls(failure)
    }
}

impl From<BeginError> for ConnectFailure {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Tls(failure) => Self::Tls(failure),
            BeginError::Io(error) => Self::Protocol(error),
            BeginError::Timeout => Self::Timeout,
            BeginError::Woken => Self::Woken,
        }
    }
}

impl From<io::Error> for ConnectFailure {
    fn from(error: io::Error) -> Self {
        Self::Protocol(error)
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => formatter.write_str("nobody listens there"),
            Self::NoSuchHost(name, _) => write!(formatter, "the name `{name}` has no address"),
            Self::Timeout => formatter.write_str("no answer in time"),
            Self::SocketMissing(_) => formatter.write_str("there is no such socket"),
            Self::SocketForbidden(_) => formatter.write_str("this user may not use the socket"),
            Self::SocketPathTooLong(_) => formatter.write_str("the path is too long for a socket"),
            Self::Unreachable(error) => write!(formatter, "{error}"),
            Self::PasswordMissing => formatter.write_str("the server asks for a password, and none is given"),
            Self::Method(name) => write!(formatter, "the server asks for {name}, which is not supported"),
            Self::Server(error) => write!(formatter, "{error}"),
            Self::Tls(failure) => write!(formatter, "{failure}"),
            Self::NotBound => formatter
                .write_str("`channel_binding=require`, and the server's way to log in is not tied to its certificate"),
            Self::MethodNotAllowed(method, written) => {
                let asked = match method {
                    Method::Password => "asks for a password in clear text",
                    Method::Md5 => "asks for a password by MD5",
                    Method::Scram => "asks for a password by SCRAM-SHA-256",
                    Method::None => "lets everybody in",
                };
                write!(formatter, "the server {asked}, which `require_auth={written}` does not allow")
            }
            Self::Unsupported(key, _) => write!(formatter, "the setting `{key}` is not supported"),
            Self::WrongKind(_) => formatter.write_str("the server is not what `target_session_attrs` asks for"),
            Self::Protocol(error) => write!(formatter, "the server does not answer as PostgreSQL: {error}"),
            Self::Woken => formatter.write_str("interrupted"),
        }
    }
}

impl ConnectError {
    /// The attempt that says most: a server's own answer, else the last.
    #[must_use]
    pub fn main(&self) -> Option<&Attempt> {
        let answered = self.attempts.iter().rev().find(|attempt| attempt.failure.code().is_some());
        answered.or(self.attempts.last())
    }

    /// Whether waiting may help: a server is starting up or shutting down (57P03).
    #[must_use]
    pub fn is_starting_up(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.failure.code() == Some("57P03"))
    }

    /// Whether the server refused whoever came: a password that is wrong by now, a role that may not log in any more.
    #[must_use]
    pub fn is_log_in_refused(&self) -> bool {
        self.main().is_some_and(|attempt| matches!(attempt.failure.code(), Some("28P01" | "28000")))
    }

    /// Whether a signal ended the attempt.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.attempts.iter().any(|attempt| matches!(attempt.failure, ConnectFailure::Woken))
    }

    /// An error about one host before anything was tried.
    pub(crate) fn before(conninfo: &Conninfo, failure: ConnectFailure) -> Self {
        let place = conninfo.hosts.first().map(ToString::to_string).unwrap_or_default();
        Self::new(conninfo, vec![Attempt { place, failure, exposed: false }])
    }

    pub(crate) fn new(conninfo: &Conninfo, attempts: Vec<Attempt>) -> Self {
        let (user, database) = (conninfo.user.clone(), conninfo.database.clone());
        Self { user, database, attempts, password_file: conninfo.password_file.clone() }
    }

    /// What to try next.
    fn hints(&self, attempt: &Attempt) -> Vec<String> {
        let (user, database, place) = (&self.user, &self.database, &attempt.place);
        let hint = match &attempt.failure {
            ConnectFailure::SocketMissing(_) => {
                "start the server, or say where it listens: `host=...` in the URL (a directory, or a name), or `PGHOST`; \
                 `pg_lsclusters` shows what runs"
                    .to_owned()
            }
            ConnectFailure::Refused => {
                "start the server, or correct host and port in the URL; `pg_lsclusters` or `pg_isready` show what runs"
                    .to_owned()
            }
            ConnectFailure::NoSuchHost(name, _) => format!("check the spelling: `getent hosts {name}`"),
            ConnectFailure::Timeout => {
                format!("check that a firewall lets you reach `{place}`, or allow more time: `connect_timeout=60`")
            }
            ConnectFailure::SocketForbidden(_) => "connect as a user who may, or by TCP: `host=localhost`".to_owned(),
            ConnectFailure::SocketPathTooLong(_) => "move the socket to a shorter path".to_owned(),
            ConnectFailure::PasswordMissing => {
                "give it by `password_command` in the settings, by `PGPASSWORD` or in `~/.pgpass`".to_owned()
            }
            ConnectFailure::Tls(failure) => return failure.hint().into_iter().collect(),
            ConnectFailure::NotBound => {
                "it needs TLS (`sslmode=require` or more) and `scram-sha-256` in the server's `pg_hba.conf`".to_owned()
            }
            ConnectFailure::MethodNotAllowed(..) => {
                "if it is the server that you mean, let its `pg_hba.conf` use another method, or change `require_auth`".to_owned()
            }
            ConnectFailure::Unsupported(_, instead) => (*instead).to_owned(),
            ConnectFailure::WrongKind(_) => "add the other servers to the list of hosts".to_owned(),
            ConnectFailure::Protocol(_) => {
                "check the port: something other than PostgreSQL may answer there".to_owned()
            }
            ConnectFailure::Server(error) => match error.code.as_str() {
                "28P01" => format!("check the password of `{user}`, or the user: `postgresql://user:password@…`"),
                "28000" if error.message.contains("client certificate") => {
                    "`sslcert=FILE` and `sslkey=FILE` with a certificate of an authority that the server trusts".to_owned()
                }
                "28000" => return not_let_in(error, user, database, place),
                "3D000" => format!("create it: `createdb {} {database}`", options(place, user)),
                "53300" => match error.routine.as_deref() {
                    Some("InitializeSessionUserId") => format!(
                        "close connections of this role that nobody needs, or: ALTER ROLE {} CONNECTION LIMIT -1;",
                        identifier(user)
                    ),
                    Some("CheckMyDatabase") => format!(
                        "close connections that nobody needs, or: ALTER DATABASE {} CONNECTION LIMIT -1;",
                        identifier(database)
                    ),
                    _ => "close connections that nobody needs, or raise `max_connections`".to_owned(),
                },
                "55000" if error.routine.as_deref() == Some("CheckMyDatabase") => format!(
                    "have a superuser let them in, from another database: ALTER DATABASE {} ALLOW_CONNECTIONS true;",
                    identifier(database)
                ),
                "57P03" => "wait until the server is ready, and try again".to_owned(),
                // PgBouncer's words; a server takes any.
                "08P01" if error.routine.is_none() && error.message.contains("startup parameter") => {
                    "take it out of the URL or of PGOPTIONS, or let the pooler pass over it (`ignore_startup_parameters`)"
                        .to_owned()
                }
                "42501" => format!("GRANT CONNECT ON DATABASE {} TO {};", identifier(database), identifier(user)),
                _ => return error.hint.iter().cloned().collect(),
            },
            ConnectFailure::Unreachable(_) => {
                format!("check the network on the way to `{place}`: its address, a VPN, a firewall")
            }
            ConnectFailure::Method(_) => {
                format!("have `pg_hba.conf` ask for `scram-sha-256` where `{user}` comes from")
            }
            ConnectFailure::Woken => return Vec::new(),
        };
        vec![hint]
    }
}

/// What to try where the server lets nobody in so: SQLSTATE 28000 has several causes, and which one it is, the server's own function
/// tells in every language.
fn not_let_in(error: &ServerError, user: &str, database: &str, place: &str) -> Vec<String> {
    let socket = place.contains("/.s.PGSQL.");
    match error.routine.as_deref() {
        Some("InitializeSessionUserId") => {
            let role = identifier(user);
            // Which of the two it is, only words tell, which may be of any language.
            if error.message.contains("not permitted to log in") {
                return vec![format!("ALTER ROLE {role} LOGIN;")];
            }
            vec![
                format!("have the role made: CREATE ROLE {role} LOGIN;"),
                format!("or, where it is there, let it log in: ALTER ROLE {role} LOGIN;"),
            ]
        }
        Some("ClientAuthentication") => {
            let line = match socket {
                true => format!("local {database} {user} scram-sha-256"),
                false => format!("host {database} {user} ADDRESS/32 scram-sha-256"),
            };
            let mut hints = vec![format!(
                "have a line put into the server's `pg_hba.conf`: {line}; then: SELECT pg_reload_conf();"
            )];
            if !socket && !error.message.contains("SSL encryption") {
                hints.push("or, where it lets in only who comes by TLS: `sslmode=require`".to_owned());
            }
            hints
        }
        Some("auth_failed") if socket => vec![
            format!("run it as the system's user `{user}` (`sudo -u {user} ...`), as `peer` asks"),
            "or by TCP, with a password: `host=localhost`".to_owned(),
        ],
        _ => vec![format!("let `{user}` in: create the role (`createuser {user}`), or a line in `pg_hba.conf`")],
    }
}

/// The options by which PostgreSQL's own programs reach `place`: `host:5432`, `[::1]:5432`, or a socket's file.
fn options(place: &str, user: &str) -> String {
    let (host, port) = match place.rsplit_once("/.s.PGSQL.") {
        Some(socket) => socket,
        None => place.rsplit_once(':').unwrap_or((place, "5432")),
    };
    format!("-h {} -p {port} -U {user}", host.trim_start_matches('[').trim_end_matches(']'))
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.main() {
            Some(Attempt { place, failure, .. }) => write!(formatter, "cannot connect to `{place}`: {failure}"),
            None => formatter.write_str("cannot connect: no host is given"),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        let mut shown = Self::failed(error.to_string());
        let Some(main) = error.main() else { return shown };
        shown = shown.reason(main.failure.word());
        if let ConnectFailure::Server(server) = &main.failure {
            shown = shown.code(&server.code);
            shown = server.detail.iter().fold(shown, |shown, detail| shown.note(detail));
        }
        if let Some(file) = error.password_file.as_ref().filter(|_| main.failure.code() == Some("28P01")) {
            shown = shown.note(format!("the password came from `{}`", file.display()));
        }
        if let ConnectFailure::NoSuchHost(_, cause) = &main.failure {
            shown = shown.note(cause.to_string());
        }
        let others = error.attempts.iter().filter(|attempt| !std::ptr::eq(*attempt, main));
        shown = others.fold(shown, |shown, other| shown.note(format!("`{}`: {}", other.place, other.failure)));
        let exposed = error.attempts.iter().find(|attempt| attempt.exposed);
        shown = exposed.iter().fold(shown, |shown, exposed| {
            shown.note(format!(
                "the password went to `{}` unencrypted: whoever sits in between can read it",
                exposed.place
            ))
        });
        shown = error.hints(main).into_iter().fold(shown, Self::hint);
        exposed.iter().fold(shown, |shown, _| shown.hint(protection::ENCRYPT))
    }
}

/// The failure that the system's refusal to open a socket means.
pub(crate) fn of_socket(endpoint: &Endpoint, path: PathBuf, error: io::Error) -> ConnectFailure {
    let socket = matches!(endpoint, Endpoint::Socket(_));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        io::ErrorKind::TimedOut => ConnectFailure::Timeout,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if socket => ConnectFailure::SocketMissing(path),
        io::ErrorKind::PermissionDenied if socket => ConnectFailure::SocketForbidden(path),
        _ => ConnectFailure::Unreachable(error),
    }
}
