//! How a local server is reached, as libpq writes it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The address of a local server: a unix socket's directory, or 127.0.0.1 with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The directory of the socket.
    pub socket_directory: PathBuf,
    /// The port: a part of the socket's name, and the TCP port of a server that listens.
    pub port: u16,
    /// The database.
    pub database: String,
}

/// The role that owns every local cluster.
pub(super) const SUPERUSER: &str = "postgres";

impl Connection {
    /// `postgresql:///aludel?host=/tmp/aludel-1f0c&user=postgres`: understood by libpq, psql and this tool.
    #[must_use]
    pub fn url(&self) -> String {
        let host = encoded(self.socket_directory.as_os_str().as_bytes());
        let port = if self.port == DEFAULT_PORT { String::new() } else { format!("&port={}", self.port) };
        format!("postgresql:///{}?host={host}{port}&user={SUPERUSER}", encoded(self.database.as_bytes()))
    }

    /// The same server with another database.
    #[must_use]
    pub fn database(&self, name: impl Into<String>) -> Self {
        Self { database: name.into(), ..self.clone() }
    }

    /// `postgresql://postgres:secret@127.0.0.1:40123/postgres`, for a server that was told to listen.
    #[must_use]
    pub fn tcp_url(&self, password: &str) -> String {
        let (password, database) = (encoded(password.as_bytes()), encoded(self.database.as_bytes()));
        format!("postgresql://{SUPERUSER}:{password}@127.0.0.1:{}/{database}", self.port)
    }
}

/// The port that libpq assumes.
pub(super) const DEFAULT_PORT: u16 = 5432;

/// The longest path of a unix socket: 107 bytes on Linux, 103 on macOS; PostgreSQL refuses to start with a longer one.
const LONGEST_SOCKET: usize = 103;

/// Whether a server on `port` can have its socket in `directory`.
pub(super) fn socket_fits(directory: &Path, port: u16) -> bool {
    directory.as_os_str().len() + format!("/.s.PGSQL.{port}").len() <= LONGEST_SOCKET
}

/// Percent-encoded for a URL; a slash is kept, for paths in a query may hold it.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_socket_and_role() {
        let mut connection = Connection { socket_directory: "/tmp/a b".into(), port: 5432, database: "aludel".into() };
        assert_eq!(connection.url(), "postgresql:///aludel?host=/tmp/a%20b&user=postgres");
        connection.port = 40123;
        assert_eq!(connection.url(), "postgresql:///aludel?host=/tmp/a%20b&port=40123&user=postgres");
        assert_eq!(connection.tcp_url("p@ss/%"), "postgresql://postgres:p%40ss/%25@127.0.0.1:40123/aludel");
        assert_eq!(connection.database("é").url().split('?').next(), Some("postgresql:///%C3%A9"));
    }

    #[test]
    fn a_long_directory_has_no_room_for_a_socket() {
        assert!(socket_fits(Path::new("/tmp/aludel-0123456789"), 65_535));
        assert!(!socket_fits(Path::new(&format!("/tmp/{}", "x".repeat(90))), 5432));
    }
}
