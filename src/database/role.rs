//! The role that a session is told to work as (`role` in the settings), and why it may not.
//!
//! It is asked for at the start of the session: then RESET ROLE, RESET ALL and a pipeline that is rolled back come back to it by
//! themselves. A pooler gives a server connection to one client after the other, and passes no such thing on: there it is refused.

use super::connect_error::{ConnectError, ConnectFailure};
use super::preflight::Preflight;
use super::session::Session;
use crate::error::{Error, Result};
use crate::model::sql::quote::identifier;

/// The error of a connection that the server refused because of the role; none where that is not the reason.
pub(super) fn refused(error: &ConnectError, role: &str, user: &str) -> Option<Error> {
    let ConnectFailure::Server(server) = &error.main()?.failure else { return None };
    let (role, user) = (identifier(role), identifier(user));
    match (server.routine.as_deref(), server.code.as_str()) {
        // The words of the server's check of a setting; it has no other code for a name that is not there.
        (Some("call_string_check_hook"), "42501") => Some(
            Error::failed(format!("{user} may not work as the role {role}, as `role` in the settings asks"))
                .code("42501")
                .note(server.message.clone())
                .hint(format!("GRANT {role} TO {user};")),
        ),
        (Some("call_string_check_hook"), "22023") => Some(
            Error::failed(format!("the role {role}, which `role` in the settings names, is not there"))
                .code("22023")
                .note(server.message.clone())
                .hint(format!("CREATE ROLE {role} NOLOGIN; GRANT {role} TO {user};")),
        ),
        // PgBouncer's words; a server takes any.
        (None, "08P01") if server.message.contains("startup parameter") && server.message.contains("role") => {
            Some(through_a_pooler(&role).note(server.message.clone()))
        }
        _ => None,
    }
}

fn through_a_pooler(role: &str) -> Error {
    Error::failed(format!("a pooler stands before the server, and does not let a session begin as the role {role}"))
        .note("nothing was changed")
        .hint("give the server's own address, past the pooler; or log in as that role, without `role` in the settings")
}

impl Session {
    /// Refuses a session that was to work as another role than it does: something between has passed over it.
    pub(super) fn check_role(&self, found: &Preflight) -> Result<()> {
        match (&self.options.role, &found.role) {
            (Some(asked), Some(found)) if asked != found => {
                Err(through_a_pooler(&identifier(asked)).note(format!("the session works as {}", identifier(found))))
            }
            _ => Ok(()),
        }
    }
}
