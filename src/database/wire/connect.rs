//! Making a connection: names to addresses, hosts in turn, the start of a session.

use super::authentication::Authentication;
use super::cancel::CancelKey;
use super::link::{Link, Step};
use super::tls_stream::TlsStream;
use super::transport::{Address, DialError, Transport};
use super::wait::{Interest, Waited, wait};
use crate::database::connect_error::{Attempt, ConnectError, ConnectFailure, of_socket};
use crate::database::connection::{Connection, Security};
use crate::database::conninfo::{Conninfo, Endpoint, Host, SslMode, TargetSession, socket_file};
use crate::database::protection;
use crate::database::query::QueryError;
use crate::database::server_error::ServerError;
use crate::database::tls::{Tls, TlsFailure};
use crate::secret::Covers;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What a connection is made with, beside where it goes.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// `application_name` where the connection string gives none: it tells others who holds a lock. The server keeps
    /// 63 bytes of it.
    pub application_name: String,
    /// A descriptor that ends every wait when it can be read: the reading end of a signal's pipe.
    pub wake: Option<Arc<OwnedFd>>,
    /// What no error and no notice of the server may show.
    pub covers: Covers,
    /// The role to work as. Given at the start of the session, it is what RESET ROLE and RESET ALL come back to.
    pub role: Option<String>,
}

impl ConnectOptions {
    fn wake(&self) -> Option<BorrowedFd<'_>> {
        self.wake.as_deref().map(|wake| wake.as_fd())
    }
}

impl Connection {
    /// Connects to the first host that will do.
    ///
    /// # Errors
    /// What each host answered.
    pub fn connect(conninfo: &Conninfo, options: &ConnectOptions) -> Result<Self, ConnectError> {
        if let Some((key, instead)) = conninfo.unsupported() {
            return Err(ConnectError::before(conninfo, ConnectFailure::Unsupported(key, instead)));
        }
        let wanted = match conninfo.target_session {
            // First whoever is a standby, then whoever answers.
            TargetSession::PreferStandby => vec![TargetSession::Standby, TargetSession::Any],
            wanted => vec![wanted],
        };
        let mut attempts = Vec::new();
        for wanted in wanted {
            for host in in_order(conninfo, conninfo.hosts.iter().collect()) {
                match try_host(conninfo, host, wanted, options) {
                    Ok(connection) => return Ok(connection),
                    Err(failures) => {
                        let goes_on = failures.last().is_none_or(|attempt| attempt.failure.goes_on());
                        attempts.extend(failures);
                        if !goes_on {
                            return Err(ConnectError::new(conninfo, attempts));
                        }
                    }
                }
            }
        }
        Err(ConnectError::new(conninfo, attempts))
    }
}

/// `places` in the order in which they are tried.
fn in_order<T>(conninfo: &Conninfo, mut places: Vec<T>) -> Vec<T> {
    if conninfo.shuffled {
        places.sort_by_cached_key(|_| uuid::Uuid::new_v4());
    }
    places
}

/// Tries the addresses of one host; each gets the whole time, as in libpq. What went wrong with the last of them.
fn try_host(
    conninfo: &Conninfo,
    host: &Host,
    wanted: TargetSession,
    options: &ConnectOptions,
) -> Result<Connection, Vec<Attempt>> {
    let failed = |failure| vec![Attempt { place: host.to_string(), failure, exposed: false }];
    let deadline = || conninfo.connect_timeout.map(|timeout| Instant::now() + timeout);
    let addresses = in_order(conninfo, addresses(host, options, deadline()).map_err(failed)?);
    let mut last = failed(ConnectFailure::Timeout);
    for address in &addresses {
        let deadline = deadline();
        let started = start_by_mode(conninfo, host, address, options, deadline);
        match started.and_then(|connection| check(connection, wanted, deadline).map_err(failed)) {
            Ok(connection) => return Ok(connection),
            Err(failures) if failures.last().is_none_or(|attempt| attempt.failure.goes_on()) => last = failures,
            Err(failures) => return Err(failures),
        }
    }
    Err(last)
}

/// Whether a session has TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    /// If the server can.
    TlsIfOffered,
    Tls,
}

/// Starts a session with TLS or without, and in the other way after that where `sslmode` allows both: after a refusal that the
/// other way may escape (`hostssl` and `hostnossl` in `pg_hba.conf`), and in plain where TLS does not come about.
fn start_by_mode(
    conninfo: &Conninfo,
    host: &Host,
    address: &Address,
    options: &ConnectOptions,
    deadline: Option<Instant>,
) -> Result<Connection, Vec<Attempt>> {
    let (first, second) = match conninfo.sslmode {
        // A socket does not leave the machine: libpq passes over `sslmode` there.
        _ if matches!(address, Address::Unix(_)) => (Way::Plain, None),
        SslMode::Disable => (Way::Plain, None),
        SslMode::Allow => (Way::Plain, Some(Way::Tls)),
        SslMode::Prefer => (Way::TlsIfOffered, Some(Way::Plain)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Way::Tls, None),
    };
    let attempt = |way| {
        let mut readable = false;
        start(conninfo, host, address, options, deadline, way, &mut readable).map_err(|failure| {
            let exposed = readable && protection::exposes(conninfo, &at(host, address));
            Attempt { place: host.to_string(), failure, exposed }
        })
    };
    let failed = match attempt(first) {
        Ok(connection) => return Ok(connection),
        Err(failed) => failed,
    };
    let Some(second) = second.filter(|_| failed.failure.asks_for_the_other_way()) else { return Err(vec![failed]) };
    match attempt(second) {
        Ok(mut connection) => {
            if let ConnectFailure::Tls(failure) = failed.failure {
                connection.give_up_tls(failure);
            }
            Ok(connection)
        }
        Err(other) if other.failure.to_string() == failed.failure.to_string() => Err(vec![other]),
        Err(other) => Err(vec![failed, other]),
    }
}

/// The addresses of a host. A name is looked up on another thread, as the system's look-up cannot be interrupted.
fn addresses(host: &Host, options: &ConnectOptions, deadline: Option<Instant>) -> Result<Vec<Address>, ConnectFailure> {
    let port = host.port;
    let name = match &host.endpoint {
        Endpoint::Socket(directory) => return Ok(vec![Address::Unix(socket_file(directory, port))]),
        Endpoint::Address(address, _) => return Ok(vec![Address::Tcp(SocketAddr::new(*address, port))]),
        Endpoint::Name(name) => name.clone(),
    };
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![Address::Tcp(SocketAddr::new(address, port))]);
    }
    let (sender, receiver) = channel();
    let asked = name.clone();
    std::thread::spawn(move || {
        let found = (asked.as_str(), port).to_socket_addrs().map(|found| found.map(Address::Tcp).collect());
        // Nobody listens any more where the time ran out.
        let _ = sender.send(found);
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(Ok(found)) => {
                let found: Vec<Address> = found;
                let none = || io::Error::new(io::ErrorKind::NotFound, "no address");
                return if found.is_empty() { Err(ConnectFailure::NoSuchHost(name, none())) } else { Ok(found) };
            }
            Ok(Err(error)) => return Err(ConnectFailure::NoSuchHost(name, error)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(ConnectFailure::NoSuchHost(name, io::ErrorKind::Other.into()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(ConnectFailure::Timeout);
        }
        let woken = options.wake().map(|wake| wait(wake, Interest::Read, None, Some(Instant::now()))).transpose()?;
        if woken == Some(Waited::Readable) {
            return Err(ConnectFailure::Woken);
        }
    }
}

/// Opens the socket and a session on it: one message there, and then as many as the log-in asks for. `readable`: whether the password
/// was given so that it can be read on its way.
fn start(
    conninfo: &Conninfo,
    host: &Host,
    address: &Address,
    options: &ConnectOptions,
    deadline: Option<Instant>,
    way: Way,
    readable: &mut bool,
) -> Result<Connection, ConnectFailure> {
    let path = match address {
        Address::Unix(path) => path.clone(),
        Address::Tcp(_) => PathBuf::new(),
    };
    let dialled = Transport::dial(address, &conninfo.keepalive, options.wake(), deadline);
    let mut transport = dialled.map_err(|error| match error {
        DialError::Io(error) => of_socket(&host.endpoint, path, error),
        DialError::Timeout => ConnectFailure::Timeout,
        DialError::Woken => ConnectFailure::Woken,
        DialError::PathTooLong => ConnectFailure::SocketPathTooLong(path),
    })?;
    let mut tls = None;
    if way != Way::Plain {
        if conninfo.tls.direct || transport.ask_for_tls(options.wake(), deadline)? {
            // Files are read now, and not where nothing comes of it.
            let prepared = Tls::prepare(&conninfo.tls, conninfo.sslmode, host)?;
            transport = transport.secure(&prepared, options.wake(), deadline)?;
            tls = Some(prepared);
        } else if way == Way::Tls {
            return Err(TlsFailure::NotOffered.into());
        }
    }
    let mut link = Link::new(transport, options.wake.clone());
    let mut startup = vec![
        ("user", conninfo.user.as_str()),
        ("database", &conninfo.database),
        ("application_name", conninfo.application_name.as_deref().unwrap_or(&options.application_name)),
        // The files are UTF-8, whatever the role's defaults are; backslashes mean what the splitter thinks.
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
    ];
    startup.extend(conninfo.session.iter().map(|(name, value)| (*name, value.as_str())));
    startup.extend(options.role.as_deref().map(|role| ("role", role)));
    startup.extend(conninfo.options.as_deref().map(|options| ("options", options)));
    link.queue(|buffer| frontend::startup_message(startup, buffer))?;
    let mut authentication = Authentication::new(conninfo, host.password.as_ref());
    let mut inside = false;
    let mut parameters = BTreeMap::new();
    let mut key = None;
    loop {
        let message = receive(&mut link, deadline).map_err(|failure| refused_certificate(failure, tls.as_ref()))?;
        match message {
            Message::ErrorResponse(body) => {
                return Err(ConnectFailure::Server(Box::new(ServerError::read(body.fields())?)));
            }
            Message::NoticeResponse(_) => {}
            message if !inside => {
                inside = authentication.answer(&message, &mut link)?;
                *readable = authentication.gave_readable() && link.tls().is_none();
            }
            Message::ParameterStatus(body) => {
                parameters.insert(body.name()?.to_owned(), body.value()?.to_owned());
            }
            Message::BackendKeyData(body) => {
                let (process, secret) = (body.process_id(), body.secret_key());
                key = Some(CancelKey { address: address.clone(), process, secret, tls: tls.clone() });
            }
            Message::ReadyForQuery(_) => {
                let host = at(host, address);
                let security = Security {
                    tls: link.tls().map(TlsStream::summary),
                    password: authentication.used_password(),
                    given_up: None,
                    unchecked: tls.and_then(|tls| tls.unchecked),
                };
                return Ok(Connection::started(link, parameters, key, host, security, options.covers.clone()));
            }
            _ => return Err(ConnectFailure::protocol("a message that has no place at the start of a session")),
        }
    }
}

/// A server may say only after TLS began (1.3) what it thinks of our certificate.
fn refused_certificate(failure: ConnectFailure, tls: Option<&Tls>) -> ConnectFailure {
    match failure {
        ConnectFailure::Tls(TlsFailure::CertificateRefused { alert, .. }) => {
            let shown = tls.is_some_and(Tls::showed_certificate);
            TlsFailure::CertificateRefused { alert, shown }.into()
        }
        failure => failure,
    }
}

/// `host` at the address that answered.
fn at(host: &Host, address: &Address) -> Host {
    let endpoint = match (address, &host.endpoint) {
        (Address::Tcp(address), Endpoint::Name(name)) => Endpoint::Address(address.ip(), Some(name.clone())),
        (_, endpoint) => endpoint.clone(),
    };
    Host { endpoint, ..host.clone() }
}

fn receive(link: &mut Link, deadline: Option<Instant>) -> Result<Message, ConnectFailure> {
    loop {
        if let Some(message) = link.incoming.next() {
            return Ok(message);
        }
        match link.step(deadline) {
            Step::Progress => {}
            Step::Timeout => return Err(ConnectFailure::Timeout),
            Step::Woken => return Err(ConnectFailure::Woken),
            Step::Ended => {
                // What came before the end, an error for instance, is read first.
                if let Some(message) = link.incoming.next() {
                    return Ok(message);
                }
                let end = link.take_end().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                return Err(TlsFailure::within(&end).map_or(ConnectFailure::Protocol(end), ConnectFailure::Tls));
            }
        }
    }
}

/// Whether the server is of the wanted kind. From version 14 on it says so by itself.
fn check(
    mut connection: Connection,
    wanted: TargetSession,
    deadline: Option<Instant>,
) -> Result<Connection, ConnectFailure> {
    if wanted == TargetSession::Any {
        return Ok(connection);
    }
    let reported = |connection: &Connection, name: &str| connection.parameter(name).map(|value| value == "on");
    let (standby, read_only) =
        match (reported(&connection, "in_hot_standby"), reported(&connection, "default_transaction_read_only")) {
            (Some(standby), Some(read_only)) => (standby, read_only),
            _ => {
                let question = "SELECT pg_catalog.pg_is_in_recovery()::text, \
                            pg_catalog.current_setting('default_transaction_read_only')";
                let rows = connection.query(question, deadline).map_err(|error| match error {
                    QueryError::Server(error) => ConnectFailure::Server(error),
                    QueryError::Timeout => ConnectFailure::Timeout,
                    QueryError::Woken => ConnectFailure::Woken,
                    error => ConnectFailure::Protocol(io::Error::other(error)),
                })?;
                let is = |column: usize, value: &str| rows.first().and_then(|row| row.get(column)) == Some(value);
                (is(0, "true"), is(1, "on"))
            }
        };
    let suits = match wanted {
        TargetSession::Any | TargetSession::PreferStandby => true,
        TargetSession::ReadWrite => !standby && !read_only,
        TargetSession::ReadOnly => standby || read_only,
        TargetSession::Primary => !standby,
        TargetSession::Standby => standby,
    };
    if suits { Ok(connection) } else { Err(ConnectFailure::WrongKind(wanted)) }
}
