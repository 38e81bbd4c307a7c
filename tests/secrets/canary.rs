//! Passwords that can be told from everything else, and the search for any trace of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Every password of these tests begins with this, so that one that was cut off is found,
pub const HEAD: &str = "cAnArYhEaD";
/// and ends with this, so that one whose middle was taken for the end of it is found.
pub const TAIL: &str = "cAnArYtAiL";

/// `text` between [`HEAD`] and [`TAIL`].
pub fn password(text: &str) -> String {
    format!("{HEAD}{text}{TAIL}")
}

/// `text` for a URL: every byte but letters and digits as `%XX`.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { percent(&[byte]) })
        .collect()
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
}

/// What base64 makes of `text` wherever it stands in what is encoded: three texts, without the characters at their ends
/// that depend on the neighbours.
fn base64(text: &str) -> [String; 3] {
    [0, 1, 2].map(|offset| {
        let whole = STANDARD_NO_PAD.encode([&vec![b' '; offset], text.as_bytes()].concat());
        let start = (offset * 8).div_ceil(6);
        let end = (offset + text.len()) * 8 / 6;
        whole[start..end].to_owned()
    })
}

/// The first trace of a password in `text`, in whatever case: as it is, with every byte as `%XX` or in hexadecimal, in base64.
pub fn trace(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    for part in [HEAD, TAIL] {
        let small = part.to_lowercase();
        let hexadecimal = |bytes: &str| percent(bytes.as_bytes()).replace('%', "");
        for form in [small.clone(), percent(part.as_bytes()), hexadecimal(part), hexadecimal(&small)] {
            if let Some(at) = lower.find(&form) {
                let start = lower.floor_char_boundary(at.saturating_sub(80));
                return Some(lower[start..lower.ceil_char_boundary(at + 80)].to_owned());
            }
        }
        if let Some(form) = base64(part).into_iter().find(|form| text.contains(form)) {
            return Some(format!("base64 {form}"));
        }
    }
    None
}

/// No trace of a password in `text`, which `what` describes.
#[track_caller]
pub fn clean(what: impl std::fmt::Display, text: &str) {
    if let Some(trace) = trace(text) {
        panic!("{what}: {trace}");
    }
}

/// No trace in the names and the contents of the files under `directory`, but for those that the test wrote itself.
#[track_caller]
pub fn clean_files(directory: &Path, written: &BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        clean("the name of a file", &path.to_string_lossy());
        if path.is_dir() && !path.is_symlink() {
            clean_files(&path, written);
        } else if path.is_file() && !written.contains(&path) {
            let bytes = std::fs::read(&path).expect("the file is read");
            clean(path.display(), &String::from_utf8_lossy(&bytes));
        }
    }
}

/// No trace in the arguments of a process, nor of those it started.
#[track_caller]
pub fn clean_arguments(pid: u32) {
    // A process that has ended has no arguments.
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    clean(format_args!("the arguments of process {pid}"), &String::from_utf8_lossy(&arguments));
    children(pid).into_iter().for_each(clean_arguments);
}

/// The processes that `pid` started and that still run.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// A search that finds nothing proves nothing.
#[test]
fn every_form_is_found() {
    for middle in ["", "@", "%40@/:?#&= '\\é", "ü"] {
        let secret = password(middle);
        for text in [
            secret.clone(),
            secret.to_uppercase(),
            format!("postgres://user:{secret}@host/d"),
            encoded(&secret),
            percent(secret.as_bytes()),
            percent(secret.as_bytes()).replace('%', ""),
            secret[..HEAD.len()].to_owned(),
            secret[secret.len() - TAIL.len()..].to_owned(),
        ] {
            assert!(trace(&text).is_some(), "{text}");
        }
        for before in ["", "u", "us", "user:", "postgres:"] {
            assert!(trace(&STANDARD_NO_PAD.encode(format!("{before}{secret}"))).is_some(), "{before}");
        }
    }
    assert_eq!(trace("postgresql://postgres:***@127.0.0.1/x, a canary in a mine"), None);
}

/// The same for files and processes.
#[test]
fn a_file_and_a_process_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("inner")).expect("a directory");
    let file = directory.path().join("inner/file");
    std::fs::write(&file, [b"\xff ", password("").as_bytes()].concat()).expect("a file");
    clean_files(directory.path(), &BTreeSet::from([file]));
    let found = |search: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(search).is_err();
    assert!(found(&|| clean_files(directory.path(), &BTreeSet::new())));
    // A shell whose child was given it, and which both wait for their standard input to end.
    let mut shell = std::process::Command::new("sh")
        .args(["-c", "sh -c 'read line; true' sh $SECRET; true"])
        .env("SECRET", password(""))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("sh runs");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !found(&|| clean_arguments(shell.id())) {
        assert!(std::time::Instant::now() < deadline, "the arguments of {:?} were not searched", children(shell.id()));
    }
    drop(shell.stdin.take());
    let _ = shell.wait();
}
