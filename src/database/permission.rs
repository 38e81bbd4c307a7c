//! What to grant where a statement of a file was refused for want of a right (42501).
//!
//! The server names the object only in its sentence, without its schema, and in English unless `lc_messages` says otherwise: what cannot be
//! read there is left without a hint. What the tool's own tables need is said where they are used.

use super::server_error::ServerError;
use crate::model::sql::privilege;
use crate::model::sql::quote::identifier;

/// What to type, and by whom, so that `role` (quoted) may run `statement`; empty where that cannot be told.
pub(super) fn hints(error: &ServerError, statement: &str, role: &str) -> Vec<String> {
    if error.code != "42501" {
        return Vec::new();
    }
    if let Some((kind, name)) = object(&error.message, "permission denied for ") {
        let Some(privileges) = privilege::missing(statement, kind) else {
            return vec![format!("its owner, or a superuser, may grant {role} what is missing")];
        };
        let on = match kind {
            "table" | "view" | "materialized view" | "foreign table" => String::new(),
            other => format!("{} ", other.replace("foreign-data", "foreign data").to_uppercase()),
        };
        let grant = format!("GRANT {privileges} ON {on}{} TO {role};", identifier(name));
        return vec![format!("its owner, or a superuser, types: {grant}")];
    }
    if object(&error.message, "must be owner of ").is_some() {
        return vec![format!(
            "{role} must be a member of the role that owns it; `role = ROLE` in the settings has all done as that role"
        )];
    }
    Vec::new()
}

/// The kind and the name of the object in `permission denied for table account`.
fn object<'m>(message: &'m str, before: &str) -> Option<(&'static str, &'m str)> {
    const KINDS: [&str; 14] = [
        "table",
        "view",
        "materialized view",
        "foreign table",
        "schema",
        "database",
        "sequence",
        "type",
        "language",
        "foreign-data wrapper",
        "foreign server",
        "function",
        "procedure",
        "relation",
    ];
    let rest = message.strip_prefix(before)?;
    KINDS.iter().find_map(|kind| Some((*kind, rest.strip_prefix(kind)?.strip_prefix(' ')?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type() {
        let said = |message: &str, statement: &str| {
            let error = ServerError { code: "42501".to_owned(), message: message.to_owned(), ..ServerError::default() };
            hints(&error, statement, "deploy").join("; ")
        };
        assert_eq!(
            said("permission denied for table Users", "INSERT INTO \"Users\" VALUES (1)"),
            "its owner, or a superuser, types: GRANT INSERT ON \"Users\" TO deploy;"
        );
        assert_eq!(
            said("permission denied for schema app", "CREATE TABLE app.a ()"),
            "its owner, or a superuser, types: GRANT USAGE, CREATE ON SCHEMA app TO deploy;"
        );
        assert_eq!(
            said("permission denied for table users", "DO $$ $$"),
            "its owner, or a superuser, may grant deploy what is missing"
        );
        assert_eq!(
            said("must be owner of table users", "DROP TABLE users"),
            "deploy must be a member of the role that owns it; `role = ROLE` in the settings has all done as that role"
        );
        assert_eq!(said("permission denied to create role", "CREATE ROLE a"), "");
        assert_eq!(said("Zugriff verweigert", "DROP TABLE users"), "");
    }
}
