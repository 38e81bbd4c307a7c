//! How much a table holds, for whoever is asked whether it may be dropped: counted where that is quick, else estimated as the
//! planner does. It changes nothing and waits for nobody for long.

use std::fmt;

use super::session::Session;
use crate::error::Result;
use crate::model::sql::classify::ObjectName;
use crate::model::sql::quote::literal;

/// How much a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// There is no such table.
    Missing,
    /// So many rows.
    Rows(u64),
    /// So many rows by the statistics of its last `ANALYZE` and its size now.
    About(u64),
    /// It could not be counted in time, or may not be read.
    Unknown,
}

/// Up to this many bytes a table is counted: a fraction of a second.
const COUNTED: u64 = 64 << 20;
/// How long a count may take, and how long it may wait for a lock, in milliseconds.
const PATIENCE: u32 = 2_000;

impl Session {
    /// How much the table holds that has this name in this session.
    ///
    /// # Errors
    /// A signal came.
    pub fn extent(&mut self, table: &ObjectName) -> Result<Extent> {
        let extent = self.ask_extent(table);
        self.check_signal()?;
        Ok(extent.unwrap_or(Extent::Unknown))
    }

    fn ask_extent(&mut self, table: &ObjectName) -> Option<Extent> {
        let name = table.to_string();
        let class = format!("pg_catalog.to_regclass({})", literal(&name));
        // A partitioned table has its rows in its partitions. One that was never analyzed says nothing of itself.
        let sql = format!(
            "SELECT {class} IS NULL, pg_catalog.sum(p.size), \
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
        let rows = self.run(&sql, "cannot ask for the size of a table").ok()?;
        let row = rows.first()?;
        if row.get(0) == Some("t") {
            return Some(Extent::Missing);
        }
        let size: u64 = row.get(1).and_then(|size| size.parse().ok()).unwrap_or_default();
        let estimate = row.get(2).filter(|_| row.get(3) == Some("t")).and_then(|rows| rows.parse().ok());
        match estimate {
            Some(rows) if size > COUNTED => Some(Extent::About(rows)),
            _ => self.count(&name),
        }
    }

    fn count(&mut self, table: &str) -> Option<Extent> {
        let sql = format!(
            "SELECT WHERE pg_catalog.set_config('lock_timeout', '{PATIENCE}', true) IS NULL \
             OR pg_catalog.set_config('statement_timeout', '{PATIENCE}', true) IS NULL;\n\
             SELECT pg_catalog.count(*) FROM {table}"
        );
        let rows = self.run(&sql, "cannot count rows").ok()?;
        rows.last()?.get(0)?.parse().ok().map(Extent::Rows)
    }
}

impl fmt::Display for Extent {
    /// `3 rows`, `about 1.2 million rows`, `not there`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("not there"),
            Self::Rows(1) => formatter.write_str("1 row"),
            Self::Rows(rows) => write!(formatter, "{} rows", grouped(*rows)),
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
            (Extent::Rows(0), "0 rows"),
            (Extent::Rows(1), "1 row"),
            (Extent::Rows(1_204_331), "1,204,331 rows"),
            (Extent::About(7), "about 7 rows"),
            (Extent::About(344_900), "about 340,000 rows"),
            (Extent::About(999_999), "about 1 million rows"),
            (Extent::About(1_204_331), "about 1.2 million rows"),
            (Extent::About(34_500_000_000), "about 35 billion rows"),
            (Extent::Missing, "not there"),
        ] {
            assert_eq!(extent.to_string(), words);
        }
    }
}
