//! Where the server programs are: `initdb` and `postgres`, which Linux distributions keep out of `PATH`.
//!
//! The order is the one of `PG_BIN`, `PATH`, `pg_config`, then the newest version in the places where packages put
//! them. `pg_config` may belong to a client library, so both files must exist wherever they are looked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Variables;
use crate::error::{Error, Result};

/// The server programs of one version of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The directory that holds `initdb` and `postgres`.
    pub directory: PathBuf,
    /// The major version: data directories of another one cannot be used.
    pub major: u32,
    /// What `postgres --version` says.
    pub version: String,
}

/// Where packages put them: the parent, what stands before the version's number, what follows.
const PLACES: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Library/PostgreSQL", "", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The oldest major version whose options the launcher uses.
const OLDEST: u32 = 12;

/// The server programs, of major version `want` where it is given.
///
/// # Errors
/// None are installed (the hints say how to install them), none of that version, or `PG_BIN` does not hold them.
pub fn find_binaries(variables: &Variables, want: Option<u32>) -> Result<Binaries> {
    if let Some(directory) = &variables.pg_bin {
        let Some(found) = inspect(directory, variables) else {
            return Err(Error::failed(format!(
                "PG_BIN is `{}`, which does not hold PostgreSQL's `initdb` and `postgres`",
                directory.display()
            ))
            .hint("set PG_BIN to their directory, such as /usr/lib/postgresql/15/bin, or unset it"));
        };
        return choose([found], want);
    }
    let in_path = std::env::split_paths(variables.search_path());
    let candidates = in_path.chain(pg_config(variables)).chain(packaged());
    choose(candidates.filter_map(|directory| inspect(&directory, variables)), want)
}

/// The first that fits; the error names what was found instead.
fn choose(found: impl IntoIterator<Item = Binaries>, want: Option<u32>) -> Result<Binaries> {
    let mut others: Vec<Binaries> = Vec::new();
    for binaries in found {
        if want.map_or(binaries.major >= OLDEST, |want| binaries.major == want) {
            return Ok(binaries);
        }
        if !others.contains(&binaries) {
            others.push(binaries);
        }
    }
    let title = match want {
        Some(want) => format!("PostgreSQL {want} is not installed here"),
        None => "no PostgreSQL server is installed here".to_owned(),
    };
    let mut error = Error::failed(title).note(
        "looked for the programs `initdb` and `postgres` in PG_BIN, PATH, `pg_config --bindir` and where packages put them",
    );
    for other in &others {
        error = error.note(format!("found {} in `{}`", other.version, other.directory.display()));
    }
    Err(with_installation_hints(error, want))
}

/// What to type on each system.
fn with_installation_hints(error: Error, want: Option<u32>) -> Error {
    let (debian, redhat, alpine, homebrew) = match want {
        Some(want) => (
            format!("postgresql-{want}"),
            format!("postgresql{want}-server"),
            format!("postgresql{want}"),
            format!("postgresql@{want}"),
        ),
        None => ("postgresql".into(), "postgresql-server".into(), "postgresql".into(), "postgresql@18".into()),
    };
    error
        .hint(format!("Debian, Ubuntu: apt-get install {debian}"))
        .hint(format!("Fedora, RHEL: dnf install {redhat}"))
        .hint(format!("Alpine: apk add {alpine}"))
        .hint(format!("macOS: brew install {homebrew}"))
        .hint("or set PG_BIN to the directory that holds them, or give the URL of a server")
}

/// The programs in `directory`, if both are there and the server tells its version.
fn inspect(directory: &Path, variables: &Variables) -> Option<Binaries> {
    let server = directory.join("postgres");
    if !directory.is_absolute() || !server.is_file() || !directory.join("initdb").is_file() {
        return None;
    }
    let version = answer(Command::new(server).arg("--version"), variables)?;
    Some(Binaries { directory: directory.to_owned(), major: major(&version)?, version })
}

/// `15` of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also of `19beta1` and `18devel`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    number.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// The directory that `pg_config` names.
fn pg_config(variables: &Variables) -> Option<PathBuf> {
    let program = variables.program("pg_config")?;
    answer(Command::new(program).arg("--bindir"), variables).map(PathBuf::from)
}

/// The directories of packages, the newest version first.
fn packaged() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> =
        PLACES.iter().flat_map(|(parent, prefix, rest)| versions(Path::new(parent), prefix, rest)).collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, directory)| directory).collect()
}

/// Every `parent/<prefix><number>/rest`, with its number.
fn versions(parent: &Path, prefix: &str, rest: &str) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join(rest)))
        })
        .collect()
}

/// The first line that a program prints, if it succeeds.
fn answer(command: &mut Command, variables: &Variables) -> Option<String> {
    command.env_clear().env("PATH", variables.search_path()).env("LC_ALL", "C");
    if let Some(path) = &variables.library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with programs that claim to be of `version`. A shell writes them: were they ever open for writing
    /// in this process, a program started by another test could hold them open, and they would be "busy".
    fn fake(version: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let script = r#"for f in initdb postgres; do printf '#!/bin/sh\necho "%s"\n' "$1" >$f; chmod +x $f; done"#;
        let text = format!("postgres (PostgreSQL) {version}");
        let status = Command::new("sh").current_dir(&directory).args(["-c", script, "sh", &text]).status();
        assert!(status.unwrap().success());
        directory
    }

    #[test]
    fn versions_of_every_kind_are_read() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 19beta1", Some(19)),
            ("postgres (PostgreSQL) 18devel", Some(18)),
            ("postgres (PostgreSQL) ", None),
            ("usage: postgres", None),
        ];
        for (text, expected) in cases {
            assert_eq!(major(text), expected, "{text}");
        }
    }

    #[test]
    fn pg_bin_is_taken_before_path_and_path_in_its_order() {
        let (old, new) = (fake("14.1"), fake("16.2"));
        let path = std::env::join_paths([old.path(), new.path()]).unwrap();
        let mut variables = Variables { path: Some(path), ..Variables::default() };
        assert_eq!(find_binaries(&variables, None).unwrap().directory, old.path());
        assert_eq!(find_binaries(&variables, Some(16)).unwrap().directory, new.path());
        variables.pg_bin = Some(new.path().to_owned());
        assert_eq!(find_binaries(&variables, None).unwrap().major, 16);
    }

    #[test]
    fn pg_bin_is_never_passed_over() {
        let (wrong, empty) = (fake("14.1"), tempfile::tempdir().unwrap());
        let variables = Variables { pg_bin: Some(wrong.path().to_owned()), ..Variables::default() };
        let error = find_binaries(&variables, Some(15)).unwrap_err();
        assert_eq!(error.title(), "PostgreSQL 15 is not installed here");
        assert!(error.notes()[1].starts_with("found postgres (PostgreSQL) 14.1 in `"), "{:?}", error.notes());
        assert_eq!(error.hints()[0], "Debian, Ubuntu: apt-get install postgresql-15");
        let variables = Variables { pg_bin: Some(empty.path().to_owned()), ..Variables::default() };
        assert!(find_binaries(&variables, None).unwrap_err().title().starts_with("PG_BIN is `"));
    }

    #[test]
    fn where_there_are_none_it_says_what_to_install() {
        let error = choose([], None).unwrap_err();
        assert_eq!(error.title(), "no PostgreSQL server is installed here");
        assert_eq!(error.hints().len(), 5);
        assert!(choose([inspect(fake("9.6.1").path(), &Variables::default()).unwrap()], None).is_err());
    }

    #[test]
    fn the_newest_packaged_version_is_found_by_number() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["pgsql-9", "pgsql-15", "pgsql-x", "other-17"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let mut numbers: Vec<u32> = versions(parent.path(), "pgsql-", "bin").into_iter().map(|found| found.0).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [9, 15]);
    }
}
