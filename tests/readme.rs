//! Runs every command of the README and of docs/ that stands in a `console` block, and compares what it prints.
//!
//! The blocks of one page are one session, in an empty directory, with the binary on the PATH. Times and dates may differ, nothing
//! else. A page is found by itself; nothing is registered here. What a reader need not see:
//!
//! - `<!-- file: NAME -->` before a block of any language writes that block into a file first; one with `#!` can be run.
//! - `<!-- run: COMMAND -->` on a line of its own runs it in the session without showing it; it must succeed.
//! - `tests/pages/PAGE/` (without `.md`), where it is there, is copied into the directory before the session; programs in its `bin/`
//!   come first on the PATH: stand-ins for what is not on this machine.
//!
//! `SNAPSHOTS=overwrite cargo test --test readme` writes the real output into the pages, to be read before it is kept.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a page does, in order.
enum Item {
    /// Writes a file.
    File { name: String, text: String },
    /// Runs a command, expecting its output; the line numbers of the output in the page.
    Run { command: String, output: std::ops::Range<usize> },
    /// Runs a command that the page does not show.
    Hidden(String),
}

fn items(lines: &[&str]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut file = None;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if let Some(name) = line.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->")) {
            file = Some(name.to_owned());
        }
        if let Some(command) = line.strip_prefix("<!-- run: ").and_then(|rest| rest.strip_suffix(" -->")) {
            items.push(Item::Hidden(command.to_owned()));
        }
        if let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) {
            let end = at + 1 + lines[at + 1..].iter().position(|line| *line == "```").expect("a block ends");
            if let Some(name) = file.take() {
                items.push(Item::File { name, text: lines[at + 1..end].join("\n") + "\n" });
            } else if language == "console" {
                session(lines, at + 1..end, &mut items);
            }
            at = end;
        }
        at += 1;
    }
    items
}

fn session(lines: &[&str], block: std::ops::Range<usize>, items: &mut Vec<Item>) {
    let mut at = block.start;
    while at < block.end {
        let mut command = lines[at].strip_prefix("$ ").expect("a console block begins with a command").to_owned();
        at += 1;
        while let Some(more) = lines[at].strip_prefix("> ").filter(|_| at < block.end) {
            write!(command, "\n{more}").unwrap();
            at += 1;
        }
        let start = at;
        while at < block.end && !lines[at].starts_with("$ ") {
            at += 1;
        }
        items.push(Item::Run { command, output: start..at });
    }
}

/// Times, dates, checksums and this machine's own names, made equal.
fn still(text: &str) -> String {
    let mut still = String::new();
    for line in support::without_times(text).lines() {
        let line = line.trim_end();
        // What takes longer than a second is told of; whether something does is the machine's.
        if line.starts_with("running ") && line.ends_with(" ([TIME])") {
            continue;
        }
        let mut words: Vec<String> = Vec::new();
        for word in line.split(' ') {
            let date = word.len() >= 19 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
            // A private server's socket directory is named after the project's directory.
            let socket = word.find("/aludel-").filter(|_| word.contains("host="));
            // So is who ran something after this machine.
            let here = word.starts_with("(dana@");
            words.push(match socket {
                _ if here => "(dana@[HOST])".to_owned(),
                _ if date => "[DATE]".to_owned(),
                Some(at) => format!("{}/aludel-[PROJECT]", &word[..at]),
                None => word.to_owned(),
            });
        }
        if words.starts_with(&["server", "", "", "", "PostgreSQL"].map(str::to_owned)) {
            words = vec!["server [VERSION] [ADDRESS]".to_owned()];
        }
        still.push_str(&words.join(" "));
        still.push('\n');
    }
    still
}

/// The directory of a page's session, with what the page is given.
fn directory_of(page: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let given = Path::new("tests/pages").join(page.file_stem().unwrap());
    if given.is_dir() {
        let copied = Command::new("cp").arg("-R").arg(given.join(".")).arg(directory.path()).status().unwrap();
        assert!(copied.success(), "{} is copied", given.display());
    }
    directory
}

/// Stops the private servers that were started in or below a directory.
fn stop_servers(directory: &Path) {
    if directory.join(".aludel").is_dir() {
        let _ = Command::new(env!("CARGO_BIN_EXE_aludel")).args(["local", "stop"]).current_dir(directory).output();
    }
    let inner = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    inner.filter(|path| path.is_dir() && !path.ends_with(".aludel")).for_each(|path| stop_servers(&path));
}

/// What is wrong in a page; nothing where all is as it says.
fn check(page: &Path) -> String {
    let source = fs::read_to_string(page).unwrap();
    let lines: Vec<&str> = source.lines().collect();
    let items = items(&lines);
    let directory = directory_of(page);
    let home = tempfile::tempdir().unwrap();
    let mut script = String::from("exec 2>&1\n");
    for (index, item) in items.iter().enumerate() {
        match item {
            Item::File { name, text } => {
                writeln!(script, "mkdir -p \"$(dirname {name})\"; cat > {name} <<'END_OF_FILE'\n{text}END_OF_FILE")
                    .unwrap();
                if text.starts_with("#!") {
                    writeln!(script, "chmod +x {name}").unwrap();
                }
            }
            Item::Run { command, .. } => {
                writeln!(script, "echo '=={index}=='\n{command}").unwrap();
            }
            Item::Hidden(command) => {
                writeln!(script, "{{ {command}\n}} > \"$HOME/hidden\" || {{ echo 'hidden command failed'; exit 1; }}")
                    .unwrap();
            }
        }
    }
    let path = home.path().join("session");
    fs::write(&path, script).unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_aludel")).parent().unwrap();
    let postgres = support::server().cluster.binaries().directory.clone();
    let programs =
        [&directory.path().join("bin"), binaries, &postgres].map(|path| path.display().to_string()).join(":");
    let output = Command::new("bash")
        .arg(&path)
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"))
        .env("HOME", home.path())
        .env("USER", "dana")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    stop_servers(directory.path());
    let mut parts = std::collections::HashMap::new();
    let mut current: Option<usize> = None;
    for line in printed.lines() {
        let mark = line.strip_prefix("==").and_then(|rest| rest.strip_suffix("==")).and_then(|n| n.parse().ok());
        match (mark, current) {
            (Some(index), _) => {
                current = Some(index);
                parts.insert(index, String::new());
            }
            (None, Some(index)) => writeln!(parts.get_mut(&index).unwrap(), "{line}").unwrap(),
            (None, None) => panic!("{}: printed before the first command: {line}", page.display()),
        }
    }
    let mut wrong = String::new();
    let mut new_lines: Vec<String> = Vec::new();
    let mut copied = 0;
    for (index, item) in items.iter().enumerate() {
        let Item::Run { command, output } = item else { continue };
        let got = parts
            .get(&index)
            .unwrap_or_else(|| panic!("{}: `{command}` never ran; the session printed:\n{printed}", page.display()));
        let expected = lines[output.clone()].iter().fold(String::new(), |text, line| text + line + "\n");
        new_lines.extend(lines[copied..output.start].iter().map(|line| (*line).to_owned()));
        copied = output.end;
        if still(got) == still(&expected) {
            new_lines.extend(lines[output.clone()].iter().map(|line| (*line).to_owned()));
        } else {
            new_lines.extend(got.lines().map(|line| line.trim_end().to_owned()));
            write!(wrong, "\n$ {command}\n--- in {}\n{expected}--- printed\n{got}", page.display()).unwrap();
        }
    }
    new_lines.extend(lines[copied..].iter().map(|line| (*line).to_owned()));
    #[expect(clippy::disallowed_methods, reason = "the variable that snapbox reads, too")]
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite");
    if overwrite {
        fs::write(page, new_lines.join("\n") + "\n").unwrap();
        return String::new();
    }
    wrong
}

/// Whether a page has something to run.
fn has_session(page: &Path) -> bool {
    fs::read_to_string(page).unwrap().lines().any(|line| line == "```console")
}

#[test]
fn the_readme_prints_what_it_says() {
    let page = Path::new("README.md");
    assert!(has_session(page));
    let wrong = check(page);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_pages_of_docs_print_what_they_say() {
    let mut pages: Vec<_> = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md") && has_session(path));
    let wrong: String = std::thread::scope(|scope| {
        let pages: Vec<_> = pages.iter().map(|page| scope.spawn(|| check(page))).collect();
        pages.into_iter().map(|page| page.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{wrong}");
    assert!(!pages.is_empty(), "docs/ has a page with a session");
}

/// Each command that docs/workflows.md promises in a table is typed in the session of its team.
#[test]
fn the_commands_of_the_workflows_are_run() {
    let text = fs::read_to_string("docs/workflows.md").unwrap();
    let mut promised = 0;
    for team in text.split("\n## ").skip(1) {
        let typed: Vec<&str> = team.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        for row in team.lines().filter(|line| line.starts_with("| ") && line.contains("| `aludel ")) {
            let command = row.split("| `aludel ").nth(1).and_then(|rest| rest.split('`').next()).unwrap();
            let command = format!("aludel {command}");
            promised += 1;
            assert!(typed.iter().any(|line| line.contains(&command)), "`{command}` is not run: {row}");
        }
    }
    assert!(promised > 40, "only {promised} commands are promised: the test reads nothing");
}
