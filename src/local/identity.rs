//! As whom the server runs: PostgreSQL refuses to be root, and no flag turns that off.
//!
//! For root it is the user `postgres` or `nobody`; where that user cannot reach the programs or the data (a project
//! under `/root`), a user namespace in which root bears another number, made by `unshare` of util-linux.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Binaries, Variables};
use crate::error::{Error, Result};

/// As whom the server and everything beside it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The user of this process, who is not root.
    Own,
    /// Another user: possible for root alone. Its files are that user's.
    User(User),
    /// Root, seen as this user inside a namespace. Its files are root's.
    Namespace(User),
}

/// A line of `/etc/passwd`: the server looks its own name up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Identity {
    /// One that can run `binaries` and enter `place`, and that is `owner` where data are there already.
    ///
    /// # Errors
    /// The data belong to somebody else, or nobody fits.
    pub(super) fn choose(variables: &Variables, binaries: &Binaries, place: &Path, owner: Option<u32>) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let users = users();
        let named = |name: &str| users.iter().find(|user| user.name == name).cloned();
        let usual: Vec<User> = ["postgres", "nobody"].into_iter().filter_map(named).collect();
        let namespaces = usual.iter().cloned().map(Self::Namespace);
        let candidates: Vec<Self> = match owner {
            Some(0) => namespaces.collect(),
            Some(uid) => users.iter().find(|user| user.uid == uid).cloned().map(Self::User).into_iter().collect(),
            None => usual.iter().cloned().map(Self::User).chain(namespaces).collect(),
        };
        candidates
            .into_iter()
            .find(|candidate| candidate.reaches(variables, binaries, place))
            .ok_or_else(|| nobody_fits(binaries, place, owner))
    }

    /// A command that runs as this identity, in `/`, with a clean environment.
    pub(super) fn command(&self, program: impl AsRef<OsStr>, variables: &Variables) -> Command {
        let mut command = match self {
            Self::Own => Command::new(program),
            Self::User(user) => {
                // Only root gets here, and then the standard library empties the supplementary groups as well.
                let mut command = Command::new(program);
                command.uid(user.uid).gid(user.gid);
                command
            }
            Self::Namespace(user) => {
                let mut command = Command::new("unshare");
                command.arg("--user").arg(format!("--map-user={}", user.uid));
                command.arg(format!("--map-group={}", user.gid)).arg("--").arg(program);
                command
            }
        };
        command.env_clear().env("PATH", variables.search_path()).env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(path) = &variables.library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Makes the server's user the owner of `path`.
    pub(super) fn give(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::User(user) => std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid)),
            Self::Own | Self::Namespace(_) => Ok(()),
        }
    }

    /// The owner of the server's files, as everybody outside sees it.
    pub(super) fn uid(&self) -> u32 {
        match self {
            Self::User(user) => user.uid,
            Self::Own | Self::Namespace(_) => rustix::process::geteuid().as_raw(),
        }
    }

    /// Whether it can enter `place` and run the server program; tried, for permissions have many sources.
    fn reaches(&self, variables: &Variables, binaries: &Binaries, place: &Path) -> bool {
        let script = r#"cd "$1" && test -x "$2/initdb" && exec "$2/postgres" --version"#;
        let mut command = self.command("sh", variables);
        command.args(["-c", script, "sh"]).arg(place).arg(&binaries.directory);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

/// Everybody in `/etc/passwd`.
fn users() -> Vec<User> {
    let text = std::fs::read("/etc/passwd").unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(user).collect()
}

/// One line of `/etc/passwd`: name, password, uid, gid, and more.
fn user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    Some(User { name, uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

fn nobody_fits(binaries: &Binaries, place: &Path, owner: Option<u32>) -> Error {
    let place = place.display();
    let error = Error::failed("PostgreSQL does not run as root, and no other user can run it here");
    match owner {
        Some(0) => error
            .note(format!("the data in `{place}` belong to root, which needs a user namespace (`unshare --user`)"))
            .hint("install util-linux, or allow user namespaces in this container"),
        Some(uid) => error
            .note(format!("the data belong to the user number {uid}, who cannot enter `{place}`"))
            .hint(format!("let that user enter `{place}` (chmod o+x on it and the directories above it)")),
        None => error
            .note(format!(
                "tried `postgres` and `nobody` (they need to enter `{place}` and `{}`), then a user namespace",
                binaries.directory.display()
            ))
            .hint("run this as an ordinary user, or move the project to a place that `postgres` can enter"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd() {
        let expected = User { name: "postgres".into(), uid: 101, gid: 104 };
        assert_eq!(
            user("postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash"),
            Some(expected)
        );
        for broken in ["", "# comment", "+::::::", "a:x:y:z"] {
            assert_eq!(user(broken), None, "{broken}");
        }
    }
}
