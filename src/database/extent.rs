//! How much a table holds, for whoever is asked whether it may be dropped: counted where that is quick, else estimated as the
//! planner does. It changes nothing, and all that it asks together waits for nobody for long.

use std::fmt;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::conninfo::Conninfo;
use super::query::Answer;
use super::session::Session;
use super::wire::connect::ConnectOptions;
use crate::error::Result;
use crate::model::sql::classify::ObjectName;
use crate::model::sql::losses::{Holder, Whereabouts};
use crate::model::sql::quote::{identifier, literal};
use crate::ui::counted;

/// How much something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It is not there.
    Missing,
    /// It is not there yet.
    Made,
    /// A table, or a column of one.
    Table(Rows),
    /// A schema: so many tables, with so many rows together.
    Schema(usize, Rows),
}

/// A number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// So many.
    Exactly(u64),
    /// So many by the statistics of the last `ANALYZE` and the size now.
    About(u64),
    /// They could not be counted in time, or not all may be read.
    Unknown,
}

/// Up to this many bytes a table is counted: a fraction of a second.
const COUNTED: u64 = 64 << 20;
/// Of a schema with more tables than this, none is counted.
const TABLES: usize = 100;
/// How long one table that is locked is waited for.
const WAIT: Duration = Duration::from_millis(500);
/// How long may be spent in vain on all tables together: on those that are locked, and on counts that take too long.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is left of [`PATIENCE`].
struct Patience {
    left: Duration,
}

impl Session {
    /// How much each of these holds, as it is now.
    ///
    /// # Errors
    /// A signal came.
    pub fn extents<'a>(&mut self, of: impl IntoIterator<Item = &'a Whereabouts>) -> Result<Vec<Extent>> {
        let mut patience = Patience { left: PATIENCE };
        let mut extents = Vec::new();
        for whereabouts in of {
            extents.push(match whereabouts {
                Whereabouts::Unknown => Extent::Table(Rows::Unknown),
                Whereabouts::Now(holder) => self.extent(holder, &mut patience),
                // What is there already may stay in its place (`IF NOT EXISTS`), or not.
                Whereabouts::Made(holder) => match self.extent(holder, &mut patience) {
                    Extent::Missing => Extent::Made,
                    _ => Extent::Table(Rows::Unknown),
                },
            });
            self.check_signal()?;
        }
        Ok(extents)
    }

    fn extent(&mut self, holder: &Holder, patience: &mut Patience) -> Extent {
        let extent = match holder {
            Holder::Table(name) => self.extent_of_table(name, None, patience),
            Holder::Column(table, column) => self.extent_of_table(table, Some(column), patience),
            Holder::Schema(name) => self.extent_of_schema(name, patience),
        };
        extent.unwrap_or(Extent::Table(Rows::Unknown))
    }

    fn extent_of_table(
        &mut self,
        table: &ObjectName,
        column: Option<&String>,
        patience: &mut Patience,
    ) -> Option<Extent> {
        let name = table.to_string();
        let class = format!("pg_catalog.to_regclass({})", literal(&name));
        let column = column.map_or("true".to_owned(), |column| {
            format!(
                "EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) {class}::pg_catalog.oid \
                 AND a.attname OPERATOR(pg_catalog.=) {}::pg_catalog.name AND NOT a.attisdropped)",
                literal(column)
            )
        });
        // A partitioned table has its rows in its partitions. One that was never analyzed says nothing of itself.
        let sql = format!(
            "SELECT {class} IS NOT NULL AND {column}, pg_catalog.sum(p.size), \
             pg_catalog.sum(CASE WHEN p.size OPERATOR(pg_catalog.=) 0 THEN 0 \
             WHEN p.relpages OPERATOR(pg_catalog.>) 0 THEN p.reltuples OPERATOR(pg_catalog./) p.relpages::pg_catalog.float8 \
             OPERATOR(pg_catalog.*) p.size::pg_catalog.float8 \
             OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.float8 END)::pg_catalog.int8, \
             pg_catalog.bool_and(p.size OPERATOR(pg_catalog.=) 0 OR p.relpages OPERATOR(pg_catalog.>) 0) \
             FROM (SELECT c.relpages, c.reltuples, pg_catalog.pg_relation_size(c.oid) FROM pg_catalog.pg_class c \
             WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'm']::pg_catalog.\"char\"[]) \
             AND (c.oid OPERATOR(pg_catalog.=) {class}::pg_catalog.oid OR c.oid OPERATOR(pg_catalog.=) ANY \
             (SELECT t.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({class}) t))) p (relpages, reltuples, size)"
        );
        let answer = self.ask_patiently(&sql, patience)?;
        let row = answer.rows.first()?;
        if row.get(0) != Some("t") {
            return Some(Extent::Missing);
        }
        let size: u64 = row.get(1).and_then(|size| size.parse().ok()).unwrap_or_default();
        let estimate = row.get(2).filter(|_| row.get(3) == Some("t")).and_then(|rows| rows.parse().ok());
        let rows = match estimate {
            Some(rows) if size > COUNTED => Rows::About(rows),
            _ => self.count(&name, patience).map_or(Rows::Unknown, Rows::Exactly),
        };
        Some(Extent::Table(rows))
    }

    fn count(&mut self, table: &str, patience: &mut Patience) -> Option<u64> {
        let answer = self.ask_patiently(&format!("SELECT pg_catalog.count(*) FROM {table}"), patience)?;
        answer.rows.first()?.get(0)?.parse().ok()
    }

    fn extent_of_schema(&mut self, name: &str, patience: &mut Patience) -> Option<Extent> {
        let sql = format!(
            "SELECT c.relname FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c \
             ON c.relnamespace OPERATOR(pg_catalog.=) n.oid AND NOT c.relispartition \
             AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p']::pg_catalog.\"char\"[]) \
             WHERE n.oid OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace({})::pg_catalog.oid",
            literal(&identifier(name))
        );
        let answer = self.ask_patiently(&sql, patience)?;
        if answer.rows.is_empty() {
            return Some(Extent::Missing);
        }
        let tables: Vec<&str> = answer.rows.iter().filter_map(|row| row.get(0)).collect();
        if tables.len() > TABLES {
            return Some(Extent::Schema(tables.len(), Rows::Unknown));
        }
        let mut sum = Rows::Exactly(0);
        for table in &tables {
            let table = ObjectName { schema: Some(name.to_owned()), name: (*table).to_owned() };
            sum = sum.and(match self.extent_of_table(&table, None, patience) {
                Some(Extent::Table(rows)) => rows,
                _ => Rows::Unknown,
            });
        }
        Some(Extent::Schema(tables.len(), sum))
    }

    /// Asks in a transaction of its own that gives up soon, and in which a row that this role may not see is an error: a number
    /// without it would be wrong.
    fn ask_patiently(&mut self, sql: &str, patience: &mut Patience) -> Option<Answer> {
        if patience.left.is_zero() {
            return None;
        }
        let began = Instant::now();
        let begin = format!(
            "BEGIN READ ONLY; SELECT WHERE pg_catalog.set_config('lock_timeout', '{}', true) IS NULL \
             OR pg_catalog.set_config('statement_timeout', '{}', true) IS NULL \
             OR pg_catalog.set_config('row_security', 'off', true) IS NULL",
            patience.left.min(WAIT).as_millis().max(1),
            patience.left.as_millis().max(1)
        );
        let answer = self.ask(&[&begin, sql, "COMMIT"]).ok().and_then(|mut answers| answers.drain(1..).next());
        let answer = answer.filter(|answer| answer.error.is_none());
        if answer.is_none() {
            patience.left = patience.left.saturating_sub(began.elapsed());
        }
        answer
    }
}

/// The databases of a server, each with its size in bytes; nothing where it does not answer.
#[must_use]
pub fn databases(conninfo: &Conninfo) -> Option<Vec<(String, u64)>> {
    let sql = "SELECT d.datname, pg_catalog.pg_database_size(d.oid) FROM pg_catalog.pg_database d \
               WHERE NOT d.datistemplate ORDER BY d.datname";
    let mut connection = Connection::connect(conninfo, &ConnectOptions::default()).ok()?;
    let rows = connection.query(sql, Some(Instant::now() + PATIENCE)).ok()?;
    connection.close();
    rows.iter().map(|row| Some((row.get(0)?.to_owned(), row.get(1)?.parse().ok()?))).collect()
}

impl Rows {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exactly(one), Self::Exactly(other)) => Self::Exactly(one + other),
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Exactly(one) | Self::About(one), Self::Exactly(other) | Self::About(other)) => {
                Self::About(one + other)
            }
        }
    }
}

impl fmt::Display for Extent {
    /// `3 rows`, `not there`, `made in this run`, `2 tables, 3 rows`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("not there"),
            Self::Made => formatter.write_str("made in this run"),
            Self::Table(rows) => rows.fmt(formatter),
            Self::Schema(0, _) => formatter.write_str("no tables"),
            Self::Schema(tables, rows) => write!(formatter, "{}, {rows}", counted(*tables, "table")),
        }
    }
}

impl fmt::Display for Rows {
    /// `3 rows`, `about 1.2 million rows`, `rows not counted`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(1) => formatter.write_str("1 row"),
            Self::Exactly(rows) => write!(formatter, "{} rows", grouped(*rows)),
            Self::About(rows) => write!(formatter, "about {} rows", rounded(*rows)),
            Self::Unknown => formatter.write_str("rows not counted"),
        }
    }
}

/// `1,204,331`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Two digits of it: `1.2 million`, `340,000`.
fn rounded(number: u64) -> String {
    let unit = 10_u64.pow(number.checked_ilog10().unwrap_or_default().saturating_sub(1));
    let number = (number + unit / 2) / unit * unit;
    for (size, name) in [(1_000_000_000, "billion"), (1_000_000, "million")] {
        if number >= size {
            let tenths = number / (size / 10);
            return match tenths % 10 {
                0 => format!("{} {name}", grouped(tenths / 10)),
                tenth => format!("{}.{tenth} {name}", grouped(tenths / 10)),
            };
        }
    }
    grouped(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_words() {
        for (extent, words) in [
            (Rows::Exactly(0), "0 rows"),
            (Rows::Exactly(1), "1 row"),
            (Rows::Exactly(1_204_331), "1,204,331 rows"),
            (Rows::About(7), "about 7 rows"),
            (Rows::About(344_900), "about 340,000 rows"),
            (Rows::About(999_999), "about 1 million rows"),
            (Rows::About(1_204_331), "about 1.2 million rows"),
            (Rows::About(34_500_000_000), "about 35 billion rows"),
        ] {
            assert_eq!(Extent::Table(extent).to_string(), words);
        }
        let (one, some) = (Rows::Exactly(1), Rows::About(20));
        for (extent, words) in [
            (Extent::Missing, "not there"),
            (Extent::Made, "made in this run"),
            (Extent::Schema(0, Rows::Exactly(0)), "no tables"),
            (Extent::Schema(1, one.and(one)), "1 table, 2 rows"),
            (Extent::Schema(3, one.and(some).and(one)), "3 tables, about 22 rows"),
            (Extent::Schema(3, some.and(Rows::Unknown).and(one)), "3 tables, rows not counted"),
        ] {
            assert_eq!(extent.to_string(), words);
        }
    }
}
