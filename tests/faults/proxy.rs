//! A proxy from a port to the server's unix socket, between the tool and PostgreSQL: it knows where a message ends, and does
//! something at a chosen one, in either direction.
//!
//! A test keeps one, and arms it anew for each run. Only the run's first connection meets the fault.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Which of the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// What of the chosen message is passed on before the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    Nothing,
    Bytes(usize),
    All,
}

/// A place in what the first connection says.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub direction: Direction,
    /// The message with this number, from 0; the start-up packet is the client's first.
    pub message: usize,
    pub passed: Passed,
}

/// What the proxy does behind the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Passes everything on, as if nothing had been.
    GoOn,
    /// Closes both sockets in good order.
    Close,
    /// Closes both; the client sees a reset.
    Reset,
    /// Keeps both open and passes nothing on any more, in either direction.
    Hole,
}

/// A fault to come.
pub struct Fault {
    pub at: Point,
    /// Done at that moment, while the message is held.
    pub act: Box<dyn Fn() -> Then + Send + Sync>,
}

/// What a message was: its type and the first bytes of it, and its length.
#[derive(Clone, Debug)]
pub struct Heard {
    pub start: String,
    pub text: Vec<u8>,
}

/// Passes connections on to the server: it is not asked for a password there, and a thousand log-ins cost nothing.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    server: PathBuf,
    over: AtomicBool,
    armed: Mutex<Armed>,
}

#[derive(Default)]
struct Armed {
    fault: Option<Arc<Fault>>,
    connections: usize,
    heard: [Vec<Heard>; 2],
    hit: bool,
    links: Vec<Weak<Link>>,
}

/// A connection on both sides of the proxy.
struct Link {
    // The same calls work on both kinds of socket.
    client: UnixStream,
    server: UnixStream,
    first: bool,
    hole: AtomicBool,
    reset: AtomicBool,
}

impl State {
    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Listens on a free port.
    pub fn start(server: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            server: server.to_owned(),
            over: AtomicBool::new(false),
            armed: Mutex::new(Armed::default()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                // A server that is down: the client sees its connection closed.
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&shared.server)) else { continue };
                let _ = client.set_nodelay(true);
                let mut armed = shared.armed();
                let first = armed.connections == 0;
                armed.connections += 1;
                let link = Arc::new(Link {
                    client: UnixStream::from(OwnedFd::from(client)),
                    server,
                    first,
                    hole: AtomicBool::new(false),
                    reset: AtomicBool::new(false),
                });
                armed.links.push(Arc::downgrade(&link));
                drop(armed);
                for direction in [Direction::ToServer, Direction::ToClient] {
                    let (link, shared) = (Arc::clone(&link), Arc::clone(&shared));
                    std::thread::spawn(move || {
                        let _ = link.pass(direction, &shared);
                        link.end();
                    });
                }
            }
        });
        Self { port, state }
    }

    /// Ends what is open, and waits for a new first connection with this fault.
    pub fn arm(&self, fault: Option<Fault>) {
        let mut armed = self.state.armed();
        for link in armed.links.drain(..).filter_map(|link| link.upgrade()) {
            link.close();
        }
        *armed = Armed { fault: fault.map(Arc::new), ..Armed::default() };
    }

    /// Does this to the connections that are open now.
    pub fn strike(&self, then: Then) {
        let links: Vec<_> = self.state.armed().links.iter().filter_map(Weak::upgrade).collect();
        for link in links {
            match then {
                Then::GoOn => {}
                Then::Hole => link.hole.store(true, Ordering::SeqCst),
                Then::Close => link.close(),
                Then::Reset => {
                    link.reset.store(true, Ordering::SeqCst);
                    link.end();
                }
            }
        }
    }

    /// What the first connection said, message by message, in each direction.
    pub fn heard(&self) -> [Vec<Heard>; 2] {
        self.state.armed().heard.clone()
    }

    /// Whether the fault's point was reached.
    pub fn was_hit(&self) -> bool {
        self.state.armed().hit
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.arm(None);
        // The listener sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Link {
    /// Passes messages of one direction on until the end, or a fault that ends it.
    fn pass(&self, direction: Direction, state: &State) -> std::io::Result<()> {
        let (from, mut to) = match direction {
            Direction::ToServer => (&self.client, &self.server),
            Direction::ToClient => (&self.server, &self.client),
        };
        let mut from = BufReader::with_capacity(1 << 16, from);
        for number in 0.. {
            // Only the client's first packet has no type.
            let mut message = vec![0; if number == 0 && direction == Direction::ToServer { 4 } else { 5 }];
            from.read_exact(&mut message)?;
            let head = message.len();
            let length = u32::from_be_bytes(message[head - 4..].try_into().expect("four bytes")) as usize;
            message.resize(head + length - 4, 0);
            from.read_exact(&mut message[head..])?;
            let mut passed = 0;
            if let Some(fault) = self.first.then(|| self.hear(direction, number, &message, state)).flatten() {
                passed = match fault.at.passed {
                    Passed::Nothing => 0,
                    Passed::Bytes(bytes) => bytes.min(message.len()),
                    Passed::All => message.len(),
                };
                to.write_all(&message[..passed])?;
                match (fault.act)() {
                    Then::GoOn => {}
                    Then::Close => return Ok(()),
                    Then::Reset => {
                        self.reset.store(true, Ordering::SeqCst);
                        return Ok(());
                    }
                    Then::Hole => self.hole.store(true, Ordering::SeqCst),
                }
            }
            // What goes into the hole is read all the same: neither side is to see that the other does not take it.
            if !self.hole.load(Ordering::SeqCst) {
                to.write_all(&message[passed..])?;
            }
        }
        Ok(())
    }

    /// Notes a message of the first connection; the fault that stands at it.
    fn hear(&self, direction: Direction, number: usize, message: &[u8], state: &State) -> Option<Arc<Fault>> {
        let mut armed = state.armed();
        let start = String::from_utf8_lossy(&message[..message.len().min(60)]).into_owned();
        armed.heard[direction as usize].push(Heard { start, text: message.to_vec() });
        let here = |fault: &&Arc<Fault>| fault.at.direction == direction && fault.at.message == number;
        let fault = armed.fault.as_ref().filter(here).cloned();
        armed.hit |= fault.is_some();
        fault
    }

    /// Ends both sides, unless neither may see that the other is gone.
    fn end(&self) {
        if self.hole.load(Ordering::SeqCst) {
            // `arm` ends it.
            while self.hole.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return;
        }
        if self.reset.load(Ordering::SeqCst) {
            // What is closed without lingering, and without having said goodbye, is reset.
            let _ = rustix::net::sockopt::set_socket_linger(&self.client, Some(Duration::ZERO));
            let _ = self.client.shutdown(Shutdown::Read);
            let _ = self.server.shutdown(Shutdown::Both);
        } else {
            self.close();
        }
    }

    fn close(&self) {
        self.hole.store(false, Ordering::SeqCst);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}
