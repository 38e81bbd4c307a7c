//! `postmaster.pid`: what a running server writes into its data directory, and what `pg_ctl` reads there.

use std::path::{Path, PathBuf};

/// The lines of `postmaster.pid` that matter here. The file outlives a server that was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub(super) pid: u32,
    pub(super) port: u16,
    /// The first directory of sockets; none where the server has TCP alone.
    pub(super) socket_directory: Option<PathBuf>,
    /// Whether it accepts connections (versions from 10 write that).
    pub(super) ready: bool,
}

impl Postmaster {
    /// Reads the file in `data`; nothing where there is none, or one that is being written.
    pub(super) fn read(data: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::read_to_string(Self::path(data)) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the file is.
    pub(super) fn path(data: &Path) -> PathBuf {
        data.join("postmaster.pid")
    }

    /// Lines: pid, data directory, start time, port, socket directory, TCP address, memory key, state.
    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let socket_directory = lines.get(4).filter(|line| !line.is_empty()).map(PathBuf::from);
        Some(Self {
            pid: lines.first()?.trim().parse().ok().filter(|pid| *pid > 1)?,
            port: lines.get(3)?.trim().parse().ok()?,
            socket_directory,
            ready: lines.get(7).is_some_and(|state| state.trim() == "ready"),
        })
    }

    /// The path of its socket.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        Some(self.socket_directory.as_ref()?.join(format!(".s.PGSQL.{}", self.port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_at_every_stage_of_a_start() {
        let whole = "4711\n/data\n1700000000\n5432\n/tmp/s\n\n  1234  5\nready   \n";
        let expected = Postmaster { pid: 4711, port: 5432, socket_directory: Some("/tmp/s".into()), ready: true };
        assert_eq!(Postmaster::parse(whole), Some(expected.clone()));
        assert_eq!(expected.socket(), Some("/tmp/s/.s.PGSQL.5432".into()));
        let starting = whole.replace("ready   ", "starting");
        assert_eq!(Postmaster::parse(&starting), Some(Postmaster { ready: false, ..expected.clone() }));
        let no_socket = whole.replace("/tmp/s", "");
        assert_eq!(Postmaster::parse(&no_socket), Some(Postmaster { socket_directory: None, ..expected }));
        for length in 0..20 {
            assert_eq!(Postmaster::parse(&whole[..length]), None, "{length}");
        }
        assert_eq!(Postmaster::parse("0\n/data\n1\n5432\n"), None);
    }
}
