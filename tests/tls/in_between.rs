//! Somebody between the tool and the server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aludel::database::connect_error::ConnectFailure;
use aludel::database::tls::TlsFailure;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::{AUTHORITY, Files, Wanted};
use crate::outcome::{Outcome, Plain, Refused, Tls, connect, failure, ours, psql, same};
use crate::server::RIGHT;

/// A port where `meet` answers each connection; the settings that lead there.
pub fn between(address: &str, meet: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let meet = Arc::new(meet);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, meet) = (socket.expect("a connection"), Arc::clone(&meet));
            thread::spawn(move || meet(socket));
        }
    });
    RIGHT.at("db.example.com").replace(&format!("port={}", RIGHT.port), &format!("port={port}"))
}

/// Passes everything on to the server at `port`.
pub fn pass(client: &TcpStream, first: &[u8], port: u16) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    server.write_all(first).expect("the server reads");
    let (mut from, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let mut client = client;
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
}

/// Answers the question for TLS with `answer`, and passes on what comes then.
fn answering(answer: &'static [u8]) -> String {
    between("127.0.0.1", move |mut client| {
        let mut request = [0; 8];
        if client.read_exact(&mut request).is_err() {
            return;
        }
        if request == [0, 0, 0, 8, 4, 210, 22, 47] {
            let _ = client.write_all(answer);
            pass(&client, &[], RIGHT.port);
        } else {
            pass(&client, &request, RIGHT.port);
        }
    })
}

#[test]
fn who_answers_that_there_is_no_tls() {
    let files = Files::new();
    let text = answering(b"N");
    for (mode, expected) in [
        ("disable", Plain),
        ("allow", Plain),
        ("prefer", Plain),
        ("require", Refused),
        ("verify-ca", Refused),
        ("verify-full", Refused),
    ] {
        let text = format!("{text} sslmode={mode} {}", files.roots("right.crt"));
        same(&text, files.path(), expected);
        if expected == Refused {
            assert_eq!(failure(&text, files.path()), TlsFailure::NotOffered);
        }
    }
    // The certificate cannot be shown to SCRAM then.
    same(&format!("{text} sslmode=prefer channel_binding=require"), files.path(), Refused);
}

/// CVE-2021-23222: what comes with the answer was not encrypted, and is not the server's.
#[test]
fn who_puts_in_more_than_the_answer() {
    let files = Files::new();
    for answer in [&b"SR\0\0\0\x08\0\0\0\0"[..], b"NR\0\0\0\x08\0\0\0\0"] {
        let text = answering(answer);
        for mode in ["prefer", "require", "verify-full"] {
            let text = format!("{text} sslmode={mode} {}", files.roots("right.crt"));
            assert_eq!(failure(&text, files.path()), TlsFailure::Injected, "{mode}");
            // In `prefer`, libpq takes it for a reason to go on in plain.
            if answer.starts_with(b"S") && mode != "prefer" {
                assert_eq!(psql(&text, files.path(), 10).unwrap_or(Refused), Refused);
            }
        }
    }
}

/// CVE-2024-10977: an error before TLS is anybody's, and is not shown.
#[test]
fn who_answers_with_an_error() {
    let files = Files::new();
    let text = answering(b"E\0\0\0\x1bSFATAL\0C08P01\0Msend money\0\0");
    let error = connect(&format!("{text} sslmode=require"), files.path()).expect_err("it is refused");
    assert!(matches!(error.attempts[..], [ref one] if matches!(one.failure, ConnectFailure::Tls(TlsFailure::Broken))));
    assert!(!aludel::error::Error::from(error).to_string().contains("send money"));
}

#[test]
fn who_is_no_postgresql() {
    let files = Files::new();
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9\r\n", b"?"] {
        let text = answering(answer);
        assert_eq!(ours(&format!("{text} sslmode=require"), files.path()), Refused);
    }
    let text = between("127.0.0.1", drop);
    assert_eq!(ours(&format!("{text} sslmode=require"), files.path()), Refused);
}

/// Hears the beginning of TLS, and hangs up.
pub fn listening() -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    let text = between("127.0.0.1", move |mut client| {
        let mut said = vec![0; 4096];
        let _ = client.read_exact(&mut said[..8]);
        let _ = client.write_all(b"S");
        let count = client.read(&mut said).unwrap_or(0);
        kept.lock().expect("the list").push(said[..count].to_vec());
    });
    (text, heard)
}

/// Ends TLS itself, and speaks to the server in plain: with its own certificate, and with PostgreSQL's name or without.
fn terminating(wanted: &Wanted<'_>, direct: bool, protocols: &[&[u8]]) -> String {
    let pair = AUTHORITY.sign(wanted);
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).expect("a certificate");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let config = Arc::new(config);
    between("127.0.0.1", move |mut client| {
        if !direct {
            let mut request = [0; 8];
            let _ = client.read_exact(&mut request);
            let _ = client.write_all(b"S");
        }
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        let Ok(server) = TcpStream::connect(("127.0.0.1", RIGHT.port)) else { return };
        relay(StreamOwned::new(session, client), server);
    })
}

/// One thread for both directions: it asks each side in turn.
fn relay(mut client: StreamOwned<ServerConnection, TcpStream>, mut server: TcpStream) {
    let pause = Some(std::time::Duration::from_millis(2));
    client.sock.set_read_timeout(pause).expect("a timeout");
    server.set_read_timeout(pause).expect("a timeout");
    let mut buffer = [0; 16 * 1024];
    let waits =
        |error: &std::io::Error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => server.write_all(&buffer[..count]).expect("the server reads"),
            Err(error) if waits(&error) => {}
            Err(_) => return,
        }
        match server.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if client.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            Err(error) if waits(&error) => {}
            Err(_) => return,
        }
    }
}

/// What the server sees is a connection without TLS.
fn reaches(text: &str, files: &Files) -> Outcome {
    match connect(text, files.path()) {
        Ok(connection) if connection.security().tls.is_some() => Tls,
        Ok(_) => Plain,
        Err(_) => Refused,
    }
}

#[test]
fn who_has_a_good_certificate_and_is_not_the_server() {
    let files = Files::new();
    let right = Wanted { names: &["db.example.com"], ..Wanted::default() };
    let text = format!("{} sslmode=verify-full {}", terminating(&right, false, &[]), files.roots("right.crt"));
    assert_eq!(reaches(&text, &files), Tls, "nothing tells it from the server");
    // Only the log-in would: it is tied to the certificate.
    assert_eq!(reaches(&format!("{text} channel_binding=require"), &files), Refused);
}

#[test]
fn tls_at_once() {
    let files = Files::new();
    let right = Wanted { names: &["db.example.com"], ..Wanted::default() };
    let rest = format!("sslmode=verify-full sslnegotiation=direct {}", files.roots("right.crt"));
    let text = terminating(&right, true, &[b"postgresql"]);
    assert_eq!(reaches(&format!("{text} {rest}"), &files), Tls);
    let text = terminating(&right, true, &[]);
    assert_eq!(failure(&format!("{text} {rest}"), files.path()), TlsFailure::NotDirect);
    // A server of before 17 takes the beginning of TLS for a message without a meaning.
    if RIGHT.server.cluster.binaries().major < 17 {
        assert_eq!(ours(&format!("{} {rest}", RIGHT.at("db.example.com")), files.path()), Refused);
    } else {
        assert_eq!(ours(&format!("{} {rest}", RIGHT.at("db.example.com")), files.path()), Tls);
    }
}
