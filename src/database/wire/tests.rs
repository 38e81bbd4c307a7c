//! A server that follows a script: the flows that a real one shows only on a bad day.

use super::connect::ConnectOptions;
use super::event::{Event, Lost, Rows, TransactionStatus};
use crate::database::connect_error::{ConnectError, ConnectFailure};
use crate::database::connection::{Connection, SendError};
use crate::database::conninfo::{Conninfo, Surroundings};
use crate::database::query::QueryError;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn complete(tag: &str) -> Vec<u8> {
    frame(b'C', format!("{tag}\0").as_bytes())
}

fn ready(status: u8) -> Vec<u8> {
    frame(b'Z', &[status])
}

fn complaint(kind: u8, severity: &str, code: &str, message: &str) -> Vec<u8> {
    frame(kind, format!("S{severity}\0V{severity}\0C{code}\0M{message}\0\0").as_bytes())
}

/// What the server answers to the start: no questions, a key, ready.
fn welcome() -> Vec<u8> {
    [
        frame(b'R', &[0; 4]),
        frame(b'S', b"server_version\x0015.18 (Debian 15.18-0+deb12u1)\0"),
        frame(b'K', &[0, 0, 0, 7, 0, 0, 0, 9]),
        ready(b'I'),
    ]
    .concat()
}

fn read_start(socket: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    socket.read_exact(&mut body).unwrap();
    body
}

fn read_message(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    socket.read_exact(&mut head).ok()?;
    let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
    socket.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

/// A server for one connection, and a string that leads to it.
fn serve<T: Send + 'static>(script: impl FnOnce(TcpListener) -> T + Send + 'static) -> (Conninfo, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!("postgresql://u:CANARY@127.0.0.1:{port}/d?connect_timeout=5&sslmode=disable");
    let conninfo = Conninfo::parse(&text, &Surroundings { variable: &|_| None, home: None, user: None }).unwrap();
    (conninfo, spawn(move || script(listener)))
}

/// The same, with the start of the session done.
fn session<T: Send + 'static>(script: impl FnOnce(TcpStream) -> T + Send + 'static) -> (Connection, JoinHandle<T>) {
    let (conninfo, server) = serve(|listener| {
        let (mut socket, _) = listener.accept().unwrap();
        read_start(&mut socket);
        socket.write_all(&welcome()).unwrap();
        script(socket)
    });
    (Connection::connect(&conninfo, &ConnectOptions::default()).unwrap(), server)
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(10))
}

fn refused(answer: Vec<u8>) -> ConnectError {
    let (conninfo, server) = serve(move |listener| {
        let (mut socket, _) = listener.accept().unwrap();
        read_start(&mut socket);
        socket.write_all(&answer).unwrap();
    });
    let error = Connection::connect(&conninfo, &ConnectOptions::default()).unwrap_err();
    server.join().unwrap();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
    error
}

fn lost(connection: &mut Connection) -> Lost {
    loop {
        if let Err(lost) = connection.next_event(soon()) {
            return lost;
        }
    }
}

#[test]
fn the_start_is_one_message() {
    let (conninfo, server) = serve(|listener| {
        let (mut socket, _) = listener.accept().unwrap();
        let start = read_start(&mut socket);
        socket.write_all(&welcome()).unwrap();
        let bye = read_message(&mut socket).unwrap();
        (String::from_utf8_lossy(&start[4..]).into_owned(), bye.0)
    });
    let options = ConnectOptions { application_name: "aludel test".to_owned(), ..ConnectOptions::default() };
    let connection = Connection::connect(&conninfo, &options).unwrap();
    assert_eq!(connection.server_version(), Some(150_018));
    assert_eq!(connection.process(), Some(7));
    connection.close();
    let (start, bye) = server.join().unwrap();
    let expected = "user\0u\0database\0d\0application_name\0aludel test\0client_encoding\0UTF8\0\
                    standard_conforming_strings\0on\0\0";
    assert_eq!(start, expected);
    assert_eq!(bye, b'X');
}

#[test]
fn log_ins_that_fail() {
    for (code, goes_on) in [("28P01", false), ("3D000", false), ("57P03", true), ("53300", false)] {
        let error = refused(complaint(b'E', "FATAL", code, "no"));
        assert_eq!(error.main().unwrap().failure.code(), Some(code));
        assert_eq!(error.main().unwrap().failure.goes_on(), goes_on);
        assert_eq!(error.is_starting_up(), code == "57P03");
        let shown = crate::error::Error::from(error);
        assert_eq!(shown.sqlstate(), Some(code));
        assert!(!shown.hints().is_empty());
    }
    let failure = |answer| refused(answer).attempts.remove(0).failure;
    assert!(matches!(failure(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), ConnectFailure::Protocol(_)));
    assert!(matches!(failure(b"SSH-2.0-OpenSSH_9\r\n".to_vec()), ConnectFailure::Protocol(_)));
    assert!(matches!(failure(Vec::new()), ConnectFailure::Protocol(_)));
    assert!(matches!(failure(frame(b'R', &[0, 0, 0, 7])), ConnectFailure::Method(_)));
    let sasl = [&[0, 0, 0, 10][..], b"SCRAM-SHA-512\0\0"].concat();
    assert!(matches!(failure(frame(b'R', &sasl)), ConnectFailure::Method(_)));
    // A row before the log-in, a SCRAM answer nobody asked for.
    assert!(matches!(failure(frame(b'C', b"X\0")), ConnectFailure::Protocol(_)));
    assert!(matches!(failure(frame(b'R', &[0, 0, 0, 12, b'v'])), ConnectFailure::Protocol(_)));
}

#[test]
fn a_server_that_skips_its_proof_is_not_believed() {
    let (conninfo, server) = serve(|listener| {
        let (mut socket, _) = listener.accept().unwrap();
        read_start(&mut socket);
        let sasl = [&[0, 0, 0, 10][..], b"SCRAM-SHA-256\0\0"].concat();
        socket.write_all(&frame(b'R', &sasl)).unwrap();
        let first = read_message(&mut socket).unwrap();
        socket.write_all(&welcome()).unwrap();
        first.0
    });
    let error = Connection::connect(&conninfo, &ConnectOptions::default()).unwrap_err();
    assert!(error.to_string().contains("did not prove"), "{error}");
    assert_eq!(server.join().unwrap(), b'p');
}

#[test]
fn where_nobody_listens() {
    let connect = |text: &str| {
        let conninfo =
            Conninfo::parse(text, &Surroundings { variable: &|_| None, home: None, user: Some("u") }).unwrap();
        let mut error = Connection::connect(&conninfo, &ConnectOptions::default()).unwrap_err();
        error.attempts.remove(0).failure
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert!(matches!(connect(&format!("postgresql://127.0.0.1:{port}/d")), ConnectFailure::Refused));
    assert!(matches!(connect("host=/nowhere"), ConnectFailure::SocketMissing(_)));
    assert!(matches!(connect(&format!("host=/{}", "x".repeat(120))), ConnectFailure::SocketPathTooLong(_)));
    assert!(matches!(connect("host=127.0.0.1 requirepeer=u"), ConnectFailure::Unsupported("requirepeer", _)));
    // Where the network eats questions, the look-up takes longer than it may.
    let unknown = connect("postgresql://no-such-host.invalid/d?connect_timeout=3");
    assert!(matches!(unknown, ConnectFailure::NoSuchHost(..) | ConnectFailure::Timeout), "{unknown}");
}

#[test]
fn a_silent_server_takes_its_time_and_no_more() {
    let (mut conninfo, server) = serve(|listener| {
        let (mut socket, _) = listener.accept().unwrap();
        read_start(&mut socket);
        let _ = socket.read(&mut [0]);
    });
    conninfo.connect_timeout = Some(Duration::from_millis(200));
    let began = Instant::now();
    let error = Connection::connect(&conninfo, &ConnectOptions::default()).unwrap_err();
    assert!(matches!(error.attempts[0].failure, ConnectFailure::Timeout), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
    server.join().unwrap();
}

/// Each address has the whole time: the first that is silent takes nothing from the second.
#[test]
fn every_address_has_its_time() {
    use std::net::ToSocketAddrs as _;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let others = ("localhost", port).to_socket_addrs().unwrap().filter(|address| !address.is_ipv4());
    let others: Vec<TcpListener> = others.filter_map(|address| TcpListener::bind(address).ok()).collect();
    let text = format!("host=localhost port={port} sslmode=disable");
    let surroundings = Surroundings { variable: &|_| None, home: None, user: Some("u") };
    let mut conninfo = Conninfo::parse(&text, &surroundings).unwrap();
    let time = Duration::from_millis(300);
    conninfo.connect_timeout = Some(time);
    let began = Instant::now();
    let error = Connection::connect(&conninfo, &ConnectOptions::default()).unwrap_err();
    assert!(matches!(error.attempts[0].failure, ConnectFailure::Timeout), "{error}");
    assert!(began.elapsed() >= time * (1 + u32::try_from(others.len()).unwrap()));
}

#[test]
fn the_next_host_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = listener.local_addr().unwrap().port();
    drop(listener);
    let (conninfo, server) = serve(|listener| {
        for standby in ["on", "off"] {
            let (mut socket, _) = listener.accept().unwrap();
            read_start(&mut socket);
            let status = frame(b'S', format!("in_hot_standby\0{standby}\0").as_bytes());
            let read_only = frame(b'S', b"default_transaction_read_only\0off\0");
            let answer = [frame(b'R', &[0; 4]), status, read_only, ready(b'I')].concat();
            socket.write_all(&answer).unwrap();
        }
    });
    let live = conninfo.hosts[0].port;
    let text = format!(
        "host=127.0.0.1,127.0.0.1,127.0.0.1 port={dead},{live},{live} \
         target_session_attrs=read-write sslmode=disable"
    );
    let conninfo = Conninfo::parse(&text, &Surroundings { variable: &|_| None, home: None, user: Some("u") }).unwrap();
    let connection = Connection::connect(&conninfo, &ConnectOptions::default()).unwrap();
    assert_eq!(connection.parameter("in_hot_standby"), Some("off"));
    server.join().unwrap();
}

#[test]
fn an_error_in_the_middle_of_a_pipeline() {
    let (mut connection, server) = session(|mut socket| {
        let mut seen = Vec::new();
        for number in 0..3 {
            seen.push(read_message(&mut socket).unwrap().1);
            let answer = match number {
                1 => [complete("A"), complaint(b'E', "ERROR", "42601", "bad"), ready(b'E')].concat(),
                _ => [complete("B"), complete("INSERT 0 2"), ready(b'I')].concat(),
            };
            socket.write_all(&answer).unwrap();
        }
        seen
    });
    for text in ["one", "two", "three"] {
        connection.send(text, Rows::Discard).unwrap();
    }
    assert_eq!(connection.in_flight(), 3);
    let mut told = Vec::new();
    while connection.in_flight() > 0 {
        told.push(match connection.next_event(soon()).unwrap() {
            Event::Complete(tag) => format!("{}:{:?}", tag.verb(), tag.rows()),
            Event::Error(error) => error.code,
            Event::Ready(status) => format!("{status:?}"),
            other => panic!("{other:?}"),
        });
    }
    let expected =
        ["B:None", "INSERT:Some(2)", "Idle", "A:None", "42601", "Failed", "B:None", "INSERT:Some(2)", "Idle"];
    assert_eq!(told, expected);
    assert_eq!(server.join().unwrap(), [b"one\0".to_vec(), b"two\0".to_vec(), b"three\0".to_vec()]);
    let lost = lost(&mut connection);
    assert_eq!((lost.unanswered, lost.sent_everything), (0, true));
}

#[test]
fn the_end_in_the_middle_of_a_message() {
    let (mut connection, server) = session(|mut socket| {
        read_message(&mut socket).unwrap();
        socket.write_all(&complete("COMMIT")).unwrap();
        socket.write_all(&ready(b'I')[..3]).unwrap();
    });
    connection.send("COMMIT", Rows::Discard).unwrap();
    assert!(matches!(connection.next_event(soon()).unwrap(), Event::Complete(_)));
    let first = lost(&mut connection);
    assert!(first.fatal.is_none() && first.sent_everything);
    assert_eq!((first.unanswered, first.cause.kind()), (1, std::io::ErrorKind::UnexpectedEof));
    connection.send("more", Rows::Discard).unwrap();
    assert_eq!(lost(&mut connection).unanswered, 1, "the first account stands");
    server.join().unwrap();
}

#[test]
fn the_last_words_of_a_server_that_hangs_up_while_we_write() {
    let (mut connection, server) = session(|mut socket| {
        socket.read_exact(&mut [0; 1000]).unwrap();
        socket.write_all(&complaint(b'E', "FATAL", "57P01", "terminating connection")).unwrap();
        // What was sent and not read makes this a reset.
    });
    connection.send(&"x".repeat(8_000_000), Rows::Discard).unwrap();
    server.join().unwrap();
    let lost = lost(&mut connection);
    assert_eq!(lost.fatal.unwrap().code, "57P01");
    assert!(!lost.sent_everything);
    assert_eq!(lost.unanswered, 0, "a message that was not handed over whole was not run");
}

#[test]
fn both_sides_talk_at_once() {
    let (mut connection, server) = session(|mut socket| {
        // The server writes 20 MB of notices before it reads a byte of ours.
        let notice = complaint(b'N', "NOTICE", "00000", &"n".repeat(1_000_000));
        for _ in 0..20 {
            socket.write_all(&notice).unwrap();
        }
        let message = read_message(&mut socket).unwrap();
        socket.write_all(&[complete("DO"), ready(b'I')].concat()).unwrap();
        message.1.len()
    });
    connection.send_parts(&["a".repeat(10_000_000).as_str(), "b", "", "c"], Rows::Discard).unwrap();
    let mut notices = 0;
    loop {
        match connection.next_event(soon()).unwrap() {
            Event::Notice(_) => notices += 1,
            Event::Ready(_) => break,
            Event::Complete(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(notices, 20);
    assert_eq!(server.join().unwrap(), 10_000_003);
    assert_eq!(connection.unsent(), 0);
}

#[test]
fn copying_in() {
    let (mut connection, server) = session(|mut socket| {
        let mut told = Vec::new();
        for _ in 0..2 {
            read_message(&mut socket).unwrap();
            socket.write_all(&frame(b'G', &[0, 0, 0])).unwrap();
            loop {
                let (tag, body) = read_message(&mut socket).unwrap();
                told.push((tag as char, body));
                if tag != b'd' {
                    break;
                }
            }
            socket.write_all(&[complete("COPY 2"), ready(b'I')].concat()).unwrap();
        }
        told
    });
    connection.send("COPY t FROM STDIN", Rows::Discard).unwrap();
    assert_eq!(connection.next_event(soon()).unwrap(), Event::CopyIn);
    connection.copy_data(b"1\n").unwrap();
    connection.copy_data(b"2\n").unwrap();
    connection.copy_done();
    assert!(matches!(connection.next_event(soon()).unwrap(), Event::Complete(tag) if tag.rows() == Some(2)));
    assert_eq!(connection.next_event(soon()).unwrap(), Event::Ready(TransactionStatus::Idle));
    connection.execute("COPY t FROM STDIN", soon()).unwrap();
    let told = server.join().unwrap();
    let tags: String = told.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, "ddcf");
    assert_eq!(told[1].1, b"2\n");
}

#[test]
fn a_cancel_is_awaited() {
    let (conninfo, server) = serve(|listener| {
        let (mut socket, _) = listener.accept().unwrap();
        read_start(&mut socket);
        socket.write_all(&welcome()).unwrap();
        let (mut request, _) = listener.accept().unwrap();
        let body = read_start(&mut request);
        std::thread::sleep(Duration::from_millis(150));
        drop(request);
        let (silent, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0]);
        drop(silent);
        body
    });
    let connection = Connection::connect(&conninfo, &ConnectOptions::default()).unwrap();
    let began = Instant::now();
    connection.cancel(Duration::from_secs(5)).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(140));
    assert!(connection.cancel(Duration::from_millis(100)).is_err(), "a server that does not close is not waited for");
    drop(connection);
    assert_eq!(server.join().unwrap(), [4, 210, 22, 46, 0, 0, 0, 7, 0, 0, 0, 9]);
}

#[test]
fn what_cannot_be_sent() {
    let (mut connection, server) = session(|mut socket| read_message(&mut socket));
    assert_eq!(connection.send("a\0b", Rows::Discard), Err(SendError::Nul(1)));
    assert_eq!(connection.send_parts(&["abc", "d\0"], Rows::Discard), Err(SendError::Nul(4)));
    let error = connection.query_pipeline(&["a", "\0"], soon()).unwrap_err();
    assert!(matches!(error, QueryError::Send(SendError::Nul(0))));
    assert_eq!((connection.in_flight(), connection.unsent()), (0, 0));
    drop(connection);
    assert_eq!(server.join().unwrap(), None);
}

#[test]
fn waits_end_by_the_clock_and_by_a_wake_up() {
    let (reading, mut writing) = UnixStream::pair().unwrap();
    let wake: Arc<OwnedFd> = Arc::new(reading.into());
    let (conninfo, server) = serve(|listener| {
        let (mut socket, _) = listener.accept().unwrap();
        read_start(&mut socket);
        socket.write_all(&welcome()).unwrap();
        read_message(&mut socket).unwrap();
        let _ = socket.read(&mut [0]);
    });
    let options = ConnectOptions { wake: Some(Arc::clone(&wake)), ..ConnectOptions::default() };
    let mut connection = Connection::connect(&conninfo, &options).unwrap();
    connection.send("select 1", Rows::Keep).unwrap();
    let deadline = Some(Instant::now() + Duration::from_millis(30));
    assert_eq!(connection.next_event(deadline).unwrap(), Event::Timeout);
    assert_eq!(connection.next_event(Some(Instant::now())).unwrap(), Event::Timeout);
    assert!(matches!(connection.settle(Some(Instant::now())), Err(QueryError::Timeout)));
    assert!(matches!(connection.query("select 2", soon()), Err(QueryError::Busy)));
    writing.write_all(b"!").unwrap();
    assert_eq!(connection.next_event(None).unwrap(), Event::Woken);
    // A message too large to be queued is taken all the same.
    connection.send(&"y".repeat(9_000_000), Rows::Discard).unwrap();
    assert_eq!(connection.in_flight(), 2);
    rustix::io::read(&*wake, &mut [0; 8]).unwrap();
    drop(connection);
    server.join().unwrap();
}
