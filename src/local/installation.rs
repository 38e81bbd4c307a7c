//! Programs, the identity they run as, and the environment: what every step of launching needs together.

use std::path::Path;
use std::process::Command;

use super::identity::Identity;
use super::{Binaries, Variables};
use crate::error::Result;

/// An installed PostgreSQL, ready to be run as somebody who may.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    pub(super) variables: Variables,
    pub(super) binaries: Binaries,
    pub(super) identity: Identity,
}

impl Installation {
    /// Pairs `binaries` with an identity that can run them and enter `place`.
    pub(super) fn new(variables: &Variables, binaries: Binaries, place: &Path, owner: Option<u32>) -> Result<Self> {
        let identity = Identity::choose(variables, &binaries, place, owner)?;
        Ok(Self { variables: variables.clone(), binaries, identity })
    }

    /// A server program, as the server's user.
    pub(super) fn server_program(&self, name: &str) -> Command {
        self.identity.command(self.binaries.directory.join(name), &self.variables)
    }

    /// A program of the system, as the server's user.
    pub(super) fn system_program(&self, name: &str) -> Command {
        self.identity.command(name, &self.variables)
    }
}
