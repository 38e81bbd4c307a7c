//! Where a new file comes to lie, whatever its message and its id are: in the versions directory, where nothing was, with the
//! permissions that the umask leaves. Nothing else of the project or around it changes.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use aludel::model::revision::Name;
use aludel::project::{FileTemplate, NewRevision, Writer};
use chrono::DateTime;
use proptest::prelude::*;

use crate::support::{Project, Ran};
use crate::world::empty;

/// Everything under a directory: its files with their contents.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.insert(path.clone(), Vec::new());
            found.extend(tree(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap_or_default());
        }
    }
    found
}

/// A project inside a directory that is watched, and the file that `revision` with these arguments makes in it.
struct Watched {
    around: Project,
    path: PathBuf,
}

impl Watched {
    fn new() -> Self {
        let around = Project::empty();
        let path = around.path().join("project");
        around.write("project/migrate.ini", crate::world::INI).write("x.sql", "mine").write("project/x", "mine");
        std::fs::create_dir(path.join("versions")).unwrap();
        Self { around, path }
    }

    /// Runs `revision` under this umask; nothing that was there is changed, and what is new is the returned file alone.
    #[track_caller]
    fn revision(&self, umask: &str, arguments: &[&str]) -> (Ran, Option<PathBuf>) {
        let before = tree(self.around.path());
        let binary = self.around.command([] as [&str; 0]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "umask $UMASK; exec \"$@\"", "sh"]).arg(binary.get_program()).arg("revision").args(arguments);
        shell.env_clear().envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("UMASK", umask).current_dir(&self.path);
        let ran = self.around.run(shell);
        let mut after = tree(self.around.path());
        for (path, bytes) in before {
            assert_eq!(after.remove(&path), Some(bytes), "{arguments:?}: {} is another", path.display());
        }
        assert!(after.len() <= 1, "{arguments:?}: {after:?}");
        let made = after.into_keys().next();
        assert_eq!(made.is_some(), ran.code == 0, "{arguments:?}: {}", ran.transcript());
        if let Some(made) = &made {
            let real = made.canonicalize().unwrap();
            assert_eq!(real.parent(), Some(&*self.path.join("versions").canonicalize().unwrap()), "{arguments:?}");
            assert!(real.is_file() && !made.is_symlink());
        }
        (ran, made)
    }
}

/// What somebody might type, or have made of a ticket's title.
const ODD: [&str; 24] = [
    "../../x",
    "../x",
    "/etc/passwd",
    "/tmp/x",
    "-rf",
    "--help",
    "; rm -rf .",
    "$(touch x)",
    "`touch x`",
    "C:\\x",
    "a\\b",
    "..",
    ".",
    "~",
    "x\0",
    "two\nlines",
    "\r",
    "\t",
    "\u{1b}[2J",
    "🎉",
    "con",
    "x.sql",
    "%s%(rev)s{{ x }}",
    "<>:\"|?*",
];

#[test]
fn messages() {
    let watched = Watched::new();
    let long = "long ".repeat(2000);
    for (number, message) in ODD.iter().copied().chain([&*long]).enumerate() {
        let (id, message) = (format!("--rev-id=r{number}"), format!("--message={message}"));
        if message.contains('\0') {
            continue;
        }
        let (ran, made) = watched.revision("022", &[&id, &message]);
        // A control character is the only thing that a line cannot hold.
        let refused = message.contains(char::is_control);
        assert_eq!(ran.code, if refused { 2 } else { 0 }, "{message}: {}", ran.transcript());
        assert_eq!(made.is_none(), refused);
    }
}

#[test]
fn ids_labels_and_directories() {
    let watched = Watched::new();
    let long = "x".repeat(10_000);
    for odd in ODD.iter().copied().chain([&*long]) {
        if odd.contains('\0') {
            continue;
        }
        // Words may be ids, and lie in the directory as such.
        let is_word = odd.chars().all(|character| character.is_alphanumeric() || character == '_');
        let arguments = [format!("--rev-id={odd}"), format!("--branch-label={odd}"), format!("--version-path={odd}")];
        for argument in arguments {
            let (ran, made) = watched.revision("022", &[&argument, "--head=base"]);
            let fits = match &argument[..5] {
                // A device's name on another system.
                "--rev" => is_word && odd.len() < 100 && odd != "con",
                "--bra" => is_word,
                _ => false,
            };
            assert_eq!(made.is_some(), fits, "{argument}: {}", ran.transcript());
            made.into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
        }
    }
}

#[test]
fn permissions() {
    for (umask, mode) in [("000", 0o666), ("022", 0o644), ("027", 0o640), ("077", 0o600)] {
        let watched = Watched::new();
        let (ran, made) = watched.revision(umask, &["-m", "x"]);
        let mode_of = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(made.map(|path| mode_of(&path)), Some(mode), "{umask}: {}", ran.transcript());
    }
}

/// The name that a new file would get is a link to a file elsewhere, which is there or not.
#[test]
fn a_link_in_the_way() {
    for there in ["../../x.sql", "../../nothing.sql", "/nothing/at/all"] {
        let watched = Watched::new();
        symlink(there, watched.path.join("versions/001_x.sql")).unwrap();
        let (ran, _) = watched.revision("022", &["-m", "x"]);
        assert_ne!(ran.code, 0, "{}", ran.transcript());
    }
    // The directory itself may be a link.
    let watched = Watched::new();
    std::fs::remove_dir(watched.path.join("versions")).unwrap();
    std::fs::create_dir(watched.around.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", watched.path.join("versions")).unwrap();
    let (ran, made) = watched.revision("022", &["-m", "x"]);
    assert_eq!(made.map(|path| path.file_name().unwrap().to_owned()), Some("001_x.sql".into()), "{}", ran.transcript());
}

/// Many at once: each file is made once, and says what the one that reports it wrote.
#[test]
fn many_at_once() {
    let project = empty();
    let runs: Vec<Ran> = std::thread::scope(|scope| {
        let run = |number: u32| {
            let project = &project;
            move || {
                project.aludel([
                    "revision",
                    "--rev-id=same",
                    "--head=base",
                    "-m",
                    "same",
                    &format!("--branch-label=l{number}"),
                ])
            }
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(run(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<usize> = (0..8).filter(|number| runs[*number].code == 0).collect();
    let [won] = won[..] else { panic!("{runs:?}") };
    assert_eq!(project.list("versions"), ["same_same.sql"]);
    assert!(project.read("versions/same_same.sql").contains(&format!("-- labels: l{won}\n")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any message at all, with the usual name of a file and with nothing but the message beside the id.
    #[test]
    fn any_message(message in ".{0,200}|[./\\\\~$;-]{1,12}|\\PC{0,60}", length in 1_usize..200, front in any::<bool>()) {
        let around = tempfile::tempdir().unwrap();
        let directory = around.path().join("versions");
        std::fs::create_dir(&directory).unwrap();
        let template = if front { "%(slug)s_%(rev)s" } else { "%(rev)s_%(slug)s" };
        let writer = Writer {
            file_template: FileTemplate::parse(template, length).unwrap(),
            recursive: true,
            template: around.path().join("none"),
            hooks: Vec::new(),
        };
        let new = NewRevision {
            id: Name::new("r1").unwrap(),
            parents: Vec::new(),
            depends_on: Vec::new(),
            labels: Vec::new(),
            message: message.clone(),
            created: DateTime::parse_from_rfc3339("2025-11-20T09:30:00Z").unwrap(),
            directory: directory.clone(),
        };
        let outcome = writer.write(&new);
        prop_assert_eq!(std::fs::read_dir(around.path()).unwrap().count(), 1);
        let files: Vec<PathBuf> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        match outcome {
            Ok(path) => prop_assert_eq!(files, [path]),
            Err(error) => {
                prop_assert!(message.contains(char::is_control), "{}", error);
                prop_assert_eq!(files, [] as [PathBuf; 0]);
            }
        }
    }
}
