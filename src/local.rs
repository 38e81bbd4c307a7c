//! A private PostgreSQL from the programs installed on this machine, for development and tests.
//!
//! [`Local`] is a project's own cluster: kept in `.aludel/postgres/`, started for a command and stopped after it, or
//! left running until it is told to stop. [`Ephemeral`] is a cluster in memory that is gone when its owner is.
//! Both are reached over a unix socket in a directory that only the server's user may enter, which is why they need no
//! password. Nothing here prints, reads the environment (see [`Variables`]) or speaks PostgreSQL's protocol.

mod binaries;
mod connection;
mod ephemeral;
mod identity;
mod initdb;
mod installation;
mod lease;
mod locked;
mod persistent;
mod postmaster;
mod running;
mod server;
mod start;
mod template_cluster;
mod tree;
mod variables;

pub use binaries::{Binaries, find_binaries};
pub use connection::Connection;
pub use ephemeral::{Ephemeral, EphemeralOptions};
pub use persistent::{Local, Status};
pub use running::{Origin, Running};
pub use server::Keep;
pub use variables::Variables;

use std::path::Path;

use crate::error::Error;

/// Makes the error of an operation on a path: `.map_err(unable("create", path))`.
fn unable<E: std::error::Error + Send + Sync + 'static>(what: &str, path: &Path) -> impl FnOnce(E) -> Error {
    let title = format!("cannot {what} `{}`", path.display());
    move |cause| Error::failed(title).cause(cause)
}
