//! A program that the settings name, run without a shell for what it prints on its standard output.
//!
//! It is given nothing to read, and its time and its output are limited. It is a process group of its own,
//! so that all of it is killed where it has to be. What is wrong with it in a user's words is for those to say who know what it was for.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::Error;

/// How long the end of a program may go unseen: it may leave behind others that hold its output open.
const LOOK: Duration = Duration::from_millis(50);

/// How much of a line is told at once.
const LONGEST_LINE: u64 = 8 * 1024;

/// What a program may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time; `None` is for ever.
    pub time: Option<Duration>,
    /// Bytes on its standard output.
    pub bytes: usize,
}

/// Why there is no output. Nothing of it is kept.
#[derive(Debug)]
pub enum ChildError {
    /// It could not be started.
    NotStarted(io::Error),
    /// It ended, and not with success.
    Failed(ExitStatus),
    /// It took longer than this, and was killed.
    TookTooLong(Duration),
    /// It printed more than this, and was killed.
    PrintedTooMuch(usize),
    /// The descriptor that wakes became readable; it was killed.
    Woken,
    /// Its output could not be read; it was killed.
    Unreadable(io::Error),
}

/// What `words` (the program and its arguments, at least one) prints. `stderr`: where its standard error goes. `wake`: where this can be read, it is killed.
///
/// # Errors
/// It cannot be run, fails, or goes beyond its limits.
pub fn output(
    words: &[String],
    limits: Limits,
    stderr: Stdio,
    wake: Option<BorrowedFd<'_>>,
) -> Result<Vec<u8>, ChildError> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| ChildError::NotStarted(io::ErrorKind::NotFound.into()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).process_group(0);
    let mut group = Group(command.spawn().map_err(ChildError::NotStarted)?);
    let deadline = limits.time.map(|time| (Instant::now() + time, time));
    let (bytes, status) = group.watch(limits.bytes, deadline, wake)?;
    if status.success() { Ok(bytes) } else { Err(ChildError::Failed(status)) }
}

/// What `act` returns. What comes meanwhile on the standard error that it is given for a program is told to `hear` line by line, as far
/// as `most` bytes.
///
/// # Errors
/// The system has no descriptor left.
pub fn with_standard_error<T: Send>(
    most: usize,
    act: impl FnOnce(Stdio) -> T + Send,
    mut hear: impl FnMut(&str),
) -> io::Result<T> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut reader = BufReader::new(ours.try_clone()?);
    std::thread::scope(|scope| {
        let actor = scope.spawn(move || {
            let result = act(Stdio::from(OwnedFd::from(theirs)));
            // What it left behind may hold the other end open.
            let _ = ours.shutdown(Shutdown::Read);
            result
        });
        let (mut heard, mut line) = (0, Vec::new());
        while let Ok(count @ 1..) = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            if heard < most {
                hear(String::from_utf8_lossy(&line).trim_end());
            }
            heard += count;
            line.clear();
        }
        Ok(actor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Whether a program would start, as far as that is known before: it is there (in one of the directories of `path`, where its name has
/// no `/`), and may be executed.
///
/// # Errors
/// What starting it would answer.
pub fn find(program: &str, path: &OsStr) -> io::Result<()> {
    let is_program = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    let is_found = match program.contains('/') {
        true => is_program(Path::new(program)),
        false => std::env::split_paths(path).any(|directory| is_program(&directory.join(program))),
    };
    let forbidden = program.contains('/') && Path::new(program).exists();
    match (is_found, forbidden) {
        (true, _) => Ok(()),
        (false, true) => Err(io::ErrorKind::PermissionDenied.into()),
        (false, false) => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The error for a program that did not start. `failed` makes it of what stands behind "cannot run:"; `shown` is the program's name
/// for people, `program` what was run.
pub fn not_started(failed: impl FnOnce(String) -> Error, shown: &str, program: &str, cause: io::Error) -> Error {
    let path = Path::new(program);
    let is_file = program.contains('/') && path.is_file();
    match cause.kind() {
        io::ErrorKind::NotFound if is_file => {
            let error = failed(format!("there is no program of the name in the first line of `{shown}`"));
            match std::fs::read(path).unwrap_or_default().split(|byte| *byte == b'\n').next() {
                Some([.., b'\r']) => {
                    error.hint("that line ends in a carriage return: save the file with Unix line ends")
                }
                _ => error.hint("install it, or correct that line"),
            }
        }
        io::ErrorKind::NotFound => {
            let error = failed(format!("there is no program `{shown}`"));
            if is_for_a_shell(program) {
                return error.hint("no shell reads this line; to have one: sh -c '...'");
            }
            let error = error.hint("install it, or correct the line; no shell reads it");
            let directory = path.parent().filter(|_| program.contains('/') && path.is_relative() && shown == program);
            match directory.and_then(|directory| std::path::absolute(Path::new(".").join(directory)).ok()) {
                Some(directory) => error
                    .note(format!("it was looked for in {}", directory.display()))
                    .hint(format!("beside the ini: `{{{{ here }}}}/{}`", program.trim_start_matches("./"))),
                None => error,
            }
        }
        io::ErrorKind::PermissionDenied if is_file => {
            failed(format!("`{shown}` may not be executed")).hint(format!("chmod +x {shown}"))
        }
        _ => failed(format!("`{shown}` does not start")).cause(cause),
    }
}

/// Whether somebody who wrote this first word of a line had a shell in mind.
fn is_for_a_shell(word: &str) -> bool {
    let assigns = word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
    word.starts_with('~') || assigns || word.contains(['|', '>', '<', '&', ';', '$', '*'])
}

/// A program that is killed with its whole group, unless it has ended, where nobody waits for it any more.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = self.0.wait();
        }
    }
}

impl Group {
    /// Its output and how it ended.
    fn watch(
        &mut self,
        most: usize,
        deadline: Option<(Instant, Duration)>,
        wake: Option<BorrowedFd<'_>>,
    ) -> Result<(Vec<u8>, ExitStatus), ChildError> {
        let mut output =
            self.0.stdout.take().ok_or_else(|| ChildError::Unreadable(io::ErrorKind::BrokenPipe.into()))?;
        let mut bytes = Vec::new();
        let mut open = true;
        let mut pause = Duration::from_millis(1);
        loop {
            let left = match deadline {
                Some((deadline, time)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(ChildError::TookTooLong(time));
                    }
                    left
                }
                None => LOOK,
            };
            // A closed output is readable at once, for ever.
            let timeout = if open { LOOK } else { pause }.min(left);
            let (readable, woken) =
                wait(open.then(|| output.as_fd()), wake, timeout).map_err(ChildError::Unreadable)?;
            if woken {
                return Err(ChildError::Woken);
            }
            if readable {
                open = read(&mut output, &mut bytes, most)?;
                continue;
            }
            if let Some(status) = self.0.try_wait().map_err(ChildError::Unreadable)? {
                // What it printed before it ended is there by now.
                while open && wait(Some(output.as_fd()), None, Duration::ZERO).map_err(ChildError::Unreadable)?.0 {
                    open = read(&mut output, &mut bytes, most)?;
                }
                return Ok((bytes, status));
            }
            if !open {
                pause = (pause * 2).min(LOOK);
            }
        }
    }
}

/// Reads some more into `bytes`; whether there may be more after it.
fn read(output: &mut impl Read, bytes: &mut Vec<u8>, most: usize) -> Result<bool, ChildError> {
    let mut buffer = [0; 4096];
    match output.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) if bytes.len() + count > most => Err(ChildError::PrintedTooMuch(most)),
        Ok(count) => {
            bytes.extend_from_slice(&buffer[..count]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(ChildError::Unreadable(error)),
    }
}

/// Waits until one of the two can be read, or the time is over: whether the first can, whether the second.
fn wait(output: Option<BorrowedFd<'_>>, wake: Option<BorrowedFd<'_>>, time: Duration) -> io::Result<(bool, bool)> {
    let watched: Vec<(bool, BorrowedFd<'_>)> =
        output.map(|fd| (true, fd)).into_iter().chain(wake.map(|fd| (false, fd))).collect();
    let mut polled: Vec<PollFd<'_>> =
        watched.iter().map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = Timespec::try_from(time).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok((false, false)),
        Err(error) => return Err(error.into()),
    }
    let ready = |first: bool| {
        watched.iter().zip(&polled).any(|((is_output, _), fd)| *is_output == first && !fd.revents().is_empty())
    };
    Ok((ready(true), ready(false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limits: Limits) -> Result<Vec<u8>, ChildError> {
        output(&["sh", "-c", script].map(str::to_owned), limits, Stdio::inherit(), None)
    }

    const LIMITS: Limits = Limits { time: Some(Duration::from_secs(20)), bytes: 100_000 };

    #[test]
    fn what_it_prints() {
        assert_eq!(shell("printf 'a b'; cat", LIMITS).unwrap(), b"a b");
        assert_eq!(shell("sleep 0.1; echo a; exec 1>&-; sleep 0.1", LIMITS).unwrap(), b"a\n");
        assert_eq!(shell("head -c 100000 /dev/zero", LIMITS).unwrap().len(), 100_000);
        assert_eq!(shell("true", Limits { time: None, bytes: 0 }).unwrap(), b"");
        // Nothing that is open here is handed on.
        let open = tempfile::NamedTempFile::new().unwrap();
        let descriptors = String::from_utf8(shell("ls -l /proc/$$/fd", LIMITS).unwrap()).unwrap();
        assert!(descriptors.contains("0 -> /dev/null"), "{descriptors}");
        assert!(!descriptors.contains(&*open.path().to_string_lossy()), "{descriptors}");
    }

    #[test]
    fn what_it_leaves_behind_is_not_waited_for() {
        let start = Instant::now();
        assert_eq!(shell("sleep 5 & echo a", LIMITS).unwrap(), b"a\n");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }

    #[test]
    fn what_goes_wrong() {
        for program in ["no_such_program", "/"] {
            let result = output(&[program.to_owned()], LIMITS, Stdio::inherit(), None);
            assert!(matches!(result, Err(ChildError::NotStarted(_))), "{program}");
        }
        assert!(matches!(shell("echo a; exit 3", LIMITS), Err(ChildError::Failed(status)) if status.code() == Some(3)));
        assert!(matches!(shell("kill -9 $$", LIMITS), Err(ChildError::Failed(status)) if status.code().is_none()));
        assert!(matches!(shell("yes", LIMITS), Err(ChildError::PrintedTooMuch(100_000))));
    }

    #[test]
    fn what_is_found() {
        let path = OsStr::new("/nowhere:/bin:/usr/bin");
        assert!(find("sh", path).is_ok() && find("/bin/sh", path).is_ok());
        let kind = |program: &str, path: &str| find(program, OsStr::new(path)).unwrap_err().kind();
        assert_eq!(kind("sh", "/nowhere"), io::ErrorKind::NotFound);
        assert_eq!(kind("no_such_program", "/bin"), io::ErrorKind::NotFound);
        assert_eq!(kind("./no_such_program", "/bin"), io::ErrorKind::NotFound);
        assert_eq!(kind("/etc/passwd", "/bin"), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn why_it_does_not_start() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str, mode: u32| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
            path.to_string_lossy().into_owned()
        };
        let said = |program: &str| {
            let Err(ChildError::NotStarted(cause)) = output(&[program.to_owned()], LIMITS, Stdio::inherit(), None)
            else {
                panic!("{program}")
            };
            let error = not_started(Error::failed, program, program, cause);
            (error.title().replace(program, "PROGRAM"), error.notes().join("; "), error.hints().join("; "))
        };
        let (here, nothing) = (std::path::absolute(".").unwrap(), String::new());
        for (program, title, note, hint) in [
            (
                &*file("crlf", "#!/bin/sh\r\ntrue\r\n", 0o755),
                "there is no program of the name in the first line of `PROGRAM`",
                nothing.clone(),
                "that line ends in a carriage return: save the file with Unix line ends",
            ),
            (
                &file("nobody", "#!/no/such/program\n", 0o755),
                "there is no program of the name in the first line of `PROGRAM`",
                nothing.clone(),
                "install it, or correct that line",
            ),
            (
                "./no/get.sh",
                "there is no program `PROGRAM`",
                format!("it was looked for in {}/no", here.display()),
                "install it, or correct the line; no shell reads it; beside the ini: `{{ here }}/no/get.sh`",
            ),
            (
                "no_such_program",
                "there is no program `PROGRAM`",
                nothing.clone(),
                "install it, or correct the line; no shell reads it",
            ),
            (
                "~/get.sh",
                "there is no program `PROGRAM`",
                nothing.clone(),
                "no shell reads this line; to have one: sh -c '...'",
            ),
            (
                "PGUSER=me",
                "there is no program `PROGRAM`",
                nothing.clone(),
                "no shell reads this line; to have one: sh -c '...'",
            ),
        ] {
            assert_eq!(said(program), (title.to_owned(), note, hint.to_owned()), "{program}");
        }
        let plain = file("plain", "#!/bin/sh\n", 0o644);
        assert_eq!(said(&plain).2, format!("chmod +x {plain}"));
    }

    #[test]
    fn its_standard_error_is_told_while_it_runs() {
        let directory = tempfile::tempdir().unwrap();
        let heard = directory.path().join("heard");
        // It ends once its first line was heard.
        let script = format!("echo one >&2; until [ -e {} ]; do sleep 0.01; done; printf two >&2", heard.display());
        let words = ["sh", "-c", &script].map(str::to_owned);
        let mut lines = Vec::new();
        let result = with_standard_error(
            100,
            |stderr| output(&words, LIMITS, stderr, None),
            |line| {
                std::fs::write(&heard, "").unwrap();
                lines.push(line.to_owned());
            },
        );
        assert!(result.unwrap().is_ok());
        assert_eq!(lines, ["one", "two"]);
    }

    /// The processes that run `marker`.
    fn running(marker: &str) -> usize {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        arguments.filter(|text| String::from_utf8_lossy(text).replace('\0', " ").contains(marker)).count()
    }

    #[test]
    fn the_whole_group_is_killed() {
        let short = Limits { time: Some(Duration::from_millis(300)), ..LIMITS };
        // Of this process: the same test may run in another one.
        let sleep = |number: u32| format!("sleep 61{number}.{}", std::process::id());
        let (first, second, third) = (sleep(1), sleep(2), sleep(3));
        for (script, marker) in [(format!("{first} & {first}"), &first), (format!("exec 1>&-; {second}"), &second)] {
            assert!(matches!(shell(&script, short), Err(ChildError::TookTooLong(_))));
            let deadline = Instant::now() + Duration::from_secs(10);
            while running(marker) > 0 {
                assert!(Instant::now() < deadline, "{marker} is still there");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(writer);
        let words: Vec<String> = third.split(' ').map(str::to_owned).collect();
        assert!(matches!(output(&words, LIMITS, Stdio::inherit(), Some(reader.as_fd())), Err(ChildError::Woken)));
        assert_eq!(running(&third), 0);
    }
}
