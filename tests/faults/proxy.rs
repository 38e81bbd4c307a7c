//! A proxy from a port to the server's unix socket, between the tool and PostgreSQL that cuts a connection at a chosen message.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Which of the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// Where the first connection is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub direction: Direction,
    /// Before the message with this number, from 0, is passed on; the start-up packet is the client's first.
    pub message: usize,
    /// Half of that message is passed on all the same.
    pub half: bool,
}

/// Passes connections on to the server: it is not asked for a password there, and a hundred log-ins cost nothing.
pub struct Proxy {
    pub port: u16,
    /// What the first connection said, message by message: the type, and the first bytes.
    pub heard: Arc<Mutex<[Vec<String>; 2]>>,
}

impl Proxy {
    /// Listens on a free port; it ends with the test's process.
    pub fn start(server: &Path, cut: Option<Cut>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
        let told = Arc::clone(&heard);
        let number = AtomicUsize::new(0);
        let server = server.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = UnixStream::connect(&server) else { continue };
                // The same calls work on both kinds of socket.
                let client = UnixStream::from(OwnedFd::from(client));
                let first = number.fetch_add(1, Ordering::SeqCst) == 0;
                for (from, to, direction) in
                    [(&client, &server, Direction::ToServer), (&server, &client, Direction::ToClient)]
                {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let cut = cut.filter(|cut| first && cut.direction == direction);
                    let told = first.then(|| Arc::clone(&told));
                    std::thread::spawn(move || {
                        let _ = pass(&from, &to, direction, cut, told.as_deref());
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, heard }
    }
}

/// Passes messages on until the end, or the cut.
fn pass(
    mut from: &UnixStream,
    mut to: &UnixStream,
    direction: Direction,
    cut: Option<Cut>,
    told: Option<&Mutex<[Vec<String>; 2]>>,
) -> std::io::Result<()> {
    for number in 0.. {
        // Only the client's first packet has no type.
        let mut message = vec![0; if number == 0 && direction == Direction::ToServer { 4 } else { 5 }];
        from.read_exact(&mut message)?;
        let head = message.len();
        let length = u32::from_be_bytes(message[head - 4..].try_into().expect("four bytes")) as usize;
        message.resize(head + length - 4, 0);
        from.read_exact(&mut message[head..])?;
        if let Some(told) = told {
            let start = String::from_utf8_lossy(&message[..message.len().min(60)]).into_owned();
            told.lock().expect("no panic")[direction as usize].push(start);
        }
        match cut {
            Some(cut) if cut.message == number => {
                return to.write_all(&message[..if cut.half { message.len() / 2 } else { 0 }]);
            }
            _ => to.write_all(&message)?,
        }
    }
    Ok(())
}
