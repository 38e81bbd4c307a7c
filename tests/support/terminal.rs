//! A pseudo-terminal at which a test sits in a person's place.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A program whose standard input and error are a terminal.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What stands on the screen so far.
    shown: String,
}

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

impl Terminal {
    /// Starts the program; its standard output is a pipe that nobody reads much of.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, None)
    }

    /// The same with its standard error elsewhere: `aludel ... 2>log`.
    pub fn start_with(command: &mut Command, stderr: Option<Stdio>) -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&ours).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let name = ptsname(&ours, Vec::new()).expect("a terminal has a name");
        let theirs =
            File::options().read(true).write(true).open(name.to_str().expect("a path")).expect("its other side");
        let again = || Stdio::from(theirs.try_clone().expect("a descriptor"));
        let child = command
            .stdin(again())
            .stderr(stderr.unwrap_or_else(again))
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        drop(theirs);
        let keyboard = File::from(ours);
        let mut output = keyboard.try_clone().expect("a descriptor");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The system says EIO when the last one on the other side is gone.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard, screen, shown: String::new() }
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + LIMIT;
        while !self.shown.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` is not shown: {}", self.shown)
                }
            }
        }
        self
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) -> &mut Self {
        writeln!(self.keyboard, "{line}").expect("the keyboard works");
        self
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        let process = Pid::from_child(&self.child);
        kill_process(process, signal).expect("the signal is sent");
        self
    }

    /// Waits for the end: the exit code, and all that was shown.
    #[track_caller]
    pub fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.screen.recv_timeout(Duration::from_millis(50)) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if self.child.try_wait().expect("the program can be waited for").is_some() {
                        break;
                    }
                }
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.shown);
        }
        let status = self.child.wait().expect("the program ends");
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(100)) {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        (status.code().unwrap_or(-1), without_bar(&self.shown.replace("\r\n", "\n")))
    }
}

/// Without the progress bar, which is there or not as time goes, and what moves the cursor for it.
fn without_bar(shown: &str) -> String {
    let mut text = String::new();
    let mut parts = shown.split("\u{1b}[");
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        text.push_str(&part[end..]);
    }
    let bar = |piece: &&str| !piece.contains(['█', '░']);
    text.split('\n').map(|line| line.split('\r').filter(bar).collect::<String>()).collect::<Vec<_>>().join("\n")
}
