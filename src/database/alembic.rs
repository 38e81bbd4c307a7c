//! Whether Alembic has migrated a database: for a hint to somebody who has not said so in the settings.

use super::session::Session;
use crate::model::bookkeeping::COLUMN;
use crate::model::sql::quote::identifier;

/// The version table that Alembic makes where nobody names another.
const TABLE: &str = "alembic_version";

impl Session {
    /// Whether `alembic_version` holds a row, in the schema of this session's tables; no, where that cannot be asked.
    pub fn has_alembic_rows(&mut self) -> bool {
        let sql = format!("SELECT {COLUMN} FROM {}.{TABLE} LIMIT 1", identifier(&self.tables.schema));
        self.connection.query(&sql, self.overdue()).is_ok_and(|rows| !rows.is_empty())
    }
}
