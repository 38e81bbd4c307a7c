//! A server far away: a local port that leads to the server's socket, with a delay each way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Listens until the process ends, and returns the port; what passes is half of `round_trip` late each way.
pub fn start(socket: PathBuf, round_trip: Duration) -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = UnixStream::connect(&socket) else { continue };
            let _ = client.set_nodelay(true);
            let (Ok(back), Ok(forth)) = (client.try_clone(), server.try_clone()) else { continue };
            pass(client, forth, round_trip / 2, |server| _ = server.shutdown(Shutdown::Write));
            pass(server, back, round_trip / 2, |client: &TcpStream| _ = client.shutdown(Shutdown::Write));
        }
    });
    Ok(port)
}

/// Carries bytes over, each `delay` after it came: a line's length, not its width, is what slows it.
fn pass<R: Read + Send + 'static, W: Write + Send + 'static>(
    mut from: R,
    mut to: W,
    delay: Duration,
    end: impl FnOnce(&W) + Send + 'static,
) {
    let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in receiver {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        end(&to);
    });
}
