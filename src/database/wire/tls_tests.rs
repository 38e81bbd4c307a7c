//! What a socket with TLS holds back, and what it counts as written.

use super::tls_stream::TlsStream;
use super::wait::{Interest, Waited};
use crate::database::conninfo::{Conninfo, Surroundings};
use crate::database::tls::Tls;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// A socket with TLS, and a server that does what `script` says.
fn pair<T: Send + 'static>(
    script: impl FnOnce(StreamOwned<ServerConnection, TcpStream>) -> T + Send + 'static,
) -> (TlsStream, JoinHandle<T>) {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let private = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![key.cert.der().clone()], private).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        script(StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket))
    });
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let text = "host=localhost user=u sslmode=require";
    let conninfo = Conninfo::parse(text, &Surroundings { variable: &|_| None, home: None, user: None }).unwrap();
    let tls = Tls::prepare(&conninfo.tls, conninfo.sslmode, &conninfo.hosts[0]).unwrap();
    let stream = TlsStream::begin(socket, &tls, None, soon());
    (stream.unwrap_or_else(|error| panic!("{error:?}")), server)
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

fn read(stream: &mut TlsStream, buffer: &mut [u8]) -> usize {
    loop {
        match stream.read(buffer) {
            Ok(count) => return count,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        assert_eq!(stream.wait(Interest::Read, None, soon()).unwrap(), Waited::Readable);
    }
}

#[test]
fn a_wait_does_not_sleep_on_what_is_decrypted() {
    let (done, wait_for_done): (Sender<()>, Receiver<()>) = channel();
    let (mut stream, server) = pair(move |mut server| {
        server.write_all(b"0123456789").unwrap();
        server.flush().unwrap();
        // Nothing more is on its way while the client waits.
        let _ = wait_for_done.recv_timeout(Duration::from_secs(20));
    });
    let mut buffer = [0; 4];
    assert_eq!(read(&mut stream, &mut buffer), 4);
    let began = Instant::now();
    assert_eq!(stream.wait(Interest::Read, None, soon()).unwrap(), Waited::Readable);
    assert_eq!(stream.wait(Interest::Both, None, soon()).unwrap(), Waited::Readable);
    assert!(began.elapsed() < Duration::from_secs(5));
    // A wake-up goes before what is there to be read.
    let (mut signal, wake) = UnixStream::pair().unwrap();
    assert_eq!(stream.wait(Interest::Read, Some(wake.as_fd()), soon()).unwrap(), Waited::Readable);
    signal.write_all(b"x").unwrap();
    assert_eq!(stream.wait(Interest::Read, Some(wake.as_fd()), soon()).unwrap(), Waited::Woken);
    assert_eq!((read(&mut stream, &mut buffer), &buffer), (4, b"4567"));
    assert_eq!(read(&mut stream, &mut buffer), 2);
    let now = Some(Instant::now());
    assert_eq!(stream.wait(Interest::Read, None, now).unwrap(), Waited::Timeout);
    done.send(()).unwrap();
    server.join().unwrap();
    assert_eq!(read(&mut stream, &mut buffer), 0, "the server hung up, without a goodbye");
}

/// Reads until nothing has come for a while.
fn read_on(server: &mut StreamOwned<ServerConnection, TcpStream>, into: &mut Vec<u8>) {
    server.sock.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    // The end by the clock; what came before it is there.
    assert!(server.read_to_end(into).is_err());
    server.sock.set_read_timeout(None).unwrap();
}

#[test]
fn what_is_not_handed_over_whole_is_not_written() {
    let (go, wait_to_go) = channel::<()>();
    let (tell, told) = channel::<usize>();
    let (mut stream, server) = pair(move |mut server| {
        // The handshake's end.
        let mut text = vec![0; 1];
        server.read_exact(&mut text).unwrap();
        wait_to_go.recv_timeout(Duration::from_secs(20)).unwrap();
        read_on(&mut server, &mut text);
        tell.send(text.len()).unwrap();
        server.read_to_end(&mut text).unwrap_or_default();
        text
    });
    let text: Vec<u8> = (0..30_000_000_u32).map(|number| number.to_le_bytes()[1] ^ number.to_le_bytes()[0]).collect();
    let mut written = 0;
    let mut stopped = false;
    while written < text.len() {
        // In slices of odd sizes, as messages are.
        let (head, tail) = text[written..].split_at((text.len() - written).min(5));
        match stream.write(&[IoSlice::new(head), IoSlice::new(tail)]) {
            Ok(count) => written += count,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                if !stopped {
                    stopped = true;
                    // The server reads all there is: what counts as written, and nothing of what does not.
                    go.send(()).unwrap();
                    assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), written);
                }
                assert_eq!(stream.wait(Interest::Write, None, soon()).unwrap(), Waited::Writable);
            }
        }
    }
    assert!(stopped, "the server never lagged behind");
    // What TLS itself said after the handshake: a socket with something unread would be reset.
    assert_eq!(stream.read(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(stream);
    let received = server.join().unwrap();
    assert!(received == text, "{} bytes of {}", received.len(), text.len());
}
