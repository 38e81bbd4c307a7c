//! Making a connection: names to addresses, hosts in turn, the start of a session.

use super::authentication::Authentication;
use super::cancel::CancelKey;
use super::link::{Link, Step};
use super::transport::{Address, DialError, Transport};
use super::wait::{Interest, Waited, wait};
use crate::database::connect_error::{Attempt, ConnectError, ConnectFailure, of_socket};
use crate::database::connection::Connection;
use crate::database::conninfo::{Conninfo, Endpoint, Host, SslMode, TargetSession, socket_file};
use crate::database::query::QueryError;
use crate::database::server_error::ServerError;
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
        if let Some(key) = conninfo.unsupported() {
            return Err(ConnectError::before(conninfo, ConnectFailure::Unsupported(key)));
        }
        let wanted = match conninfo.target_session {
            // First whoever is a standby, then whoever answers.
            TargetSession::PreferStandby => vec![TargetSession::Standby, TargetSession::Any],
            wanted => vec![wanted],
        };
        let mut attempts = Vec::new();
        for wanted in wanted {
            for host in &conninfo.hosts {
                match try_host(conninfo, host, wanted, options) {
                    Ok(connection) => return Ok(connection),
                    Err(failure) => {
                        let goes_on = failure.goes_on();
                        attempts.push(Attempt { place: host.to_string(), failure });
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

/// Tries the addresses of one host; each gets an equal share of the time that is left.
fn try_host(
    conninfo: &Conninfo,
    host: &Host,
    wanted: TargetSession,
    options: &ConnectOptions,
) -> Result<Connection, ConnectFailure> {
    // A socket does not leave the machine: libpq passes over `sslmode` there.
    if conninfo.sslmode >= SslMode::Require && !matches!(host.endpoint, Endpoint::Socket(_)) {
        return Err(ConnectFailure::TlsDemanded);
    }
    let deadline = conninfo.connect_timeout.map(|timeout| Instant::now() + timeout);
    let addresses = addresses(host, options, deadline)?;
    let mut last = ConnectFailure::Timeout;
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let now = Instant::now();
        let share = deadline.map(|deadline| now + deadline.saturating_duration_since(now) / left);
        match start(conninfo, host, address, options, share).and_then(|connection| check(connection, wanted, share)) {
            Ok(connection) => return Ok(connection),
            Err(failure) if failure.goes_on() => last = failure,
            Err(failure) => return Err(failure),
        }
    }
    Err(last)
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

/// Opens the socket and a session on it: one message there, and then as many as the log-in asks for.
fn start(
    conninfo: &Conninfo,
    host: &Host,
    address: &Address,
    options: &ConnectOptions,
    deadline: Option<Instant>,
) -> Result<Connection, ConnectFailure> {
    let path = match address {
        Address::Unix(path) => path.clone(),
        Address::Tcp(_) => PathBuf::new(),
    };
    let dialled = Transport::dial(address, &conninfo.keepalive, options.wake(), deadline);
    let transport = dialled.map_err(|error| match error {
        DialError::Io(error) => of_socket(&host.endpoint, path, error),
        DialError::Timeout => ConnectFailure::Timeout,
        DialError::Woken => ConnectFailure::Woken,
        DialError::PathTooLong => ConnectFailure::SocketPathTooLong(path),
    })?;
    let mut link = Link::new(transport, options.wake.clone());
    let mut startup = vec![
        ("user", conninfo.user.as_str()),
        ("database", &conninfo.database),
        ("application_name", conninfo.application_name.as_deref().unwrap_or(&options.application_name)),
        // The files are UTF-8, whatever the role's defaults are; backslashes mean what the splitter thinks.
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
    ];
    startup.extend(options.role.as_deref().map(|role| ("role", role)));
    startup.extend(conninfo.options.as_deref().map(|options| ("options", options)));
    link.queue(|buffer| frontend::startup_message(startup, buffer))?;
    let mut authentication = Authentication::new(&conninfo.user, host.password.as_ref());
    let mut inside = false;
    let mut parameters = BTreeMap::new();
    let mut key = None;
    loop {
        match receive(&mut link, deadline)? {
            Message::ErrorResponse(body) => {
                return Err(ConnectFailure::Server(Box::new(ServerError::read(body.fields())?)));
            }
            Message::NoticeResponse(_) => {}
            message if !inside => inside = authentication.answer(&message, &mut link)?,
            Message::ParameterStatus(body) => {
                parameters.insert(body.name()?.to_owned(), body.value()?.to_owned());
            }
            Message::BackendKeyData(body) => {
                let (process, secret) = (body.process_id(), body.secret_key());
                key = Some(CancelKey { address: address.clone(), process, secret });
            }
            Message::ReadyForQuery(_) => {
                let host = at(host, address);
                return Ok(Connection::started(link, parameters, key, host, options.covers.clone()));
            }
            _ => return Err(ConnectFailure::protocol("a message that has no place at the start of a session")),
        }
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
                return Err(ConnectFailure::Protocol(end));
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
