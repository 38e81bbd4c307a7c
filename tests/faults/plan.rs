//! The revisions of the matrix: a fork, a merge, and one without a transaction. Each leaves its id in `effects`, which has no
//! key, and a table; and each passes gates that a test may hold shut, to do something at that moment.

use std::collections::BTreeSet;

use crate::support::Project;

/// Ids and parents.
pub const REVISIONS: [(&str, &[&str]); 5] =
    [("001", &[]), ("002", &["001"]), ("003", &["001"]), ("004", &["002", "003"]), ("005", &["004"])];
pub const HEAD: &str = "005";

/// The revision that runs without a transaction, unless the whole run is one.
pub const BARE: &str = "005";

/// What a test's database begins with. A gate is shut while somebody holds its advisory lock.
pub const SETUP: &str = "
    CREATE SCHEMA IF NOT EXISTS gate;
    CREATE OR REPLACE FUNCTION gate.pass(name text) RETURNS text LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(77, pg_catalog.hashtext(name)); RETURN name; END';
    CREATE OR REPLACE FUNCTION gate.index(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE
        AS 'BEGIN RETURN gate.pass(name); END';
    CREATE OR REPLACE FUNCTION gate.at_commit() RETURNS trigger LANGUAGE plpgsql
        AS $$BEGIN PERFORM gate.pass(NEW.id || ' commit'); RETURN NULL; END$$;
    CREATE TABLE effects (id text);
    CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION gate.at_commit();";

/// The same once more, on a database that was used.
pub const AGAIN: &str = "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public;";

/// Where a run can be stopped for a moment, in order.
pub fn gates(bare: bool) -> Vec<String> {
    let of = |(id, _): &(&'static str, _)| {
        let places = if bare && *id == BARE { ["a commit", "index", "b commit"] } else { ["body", "end", "commit"] };
        places.map(|place| format!("{id} {place}"))
    };
    REVISIONS.iter().flat_map(of).collect()
}

/// What a revision writes into `effects`.
pub fn effects_of(id: &str, bare: bool) -> Vec<String> {
    if bare && id == BARE { vec![format!("{id} a"), format!("{id} b")] } else { vec![id.to_owned()] }
}

/// Those that no other one of the set needs.
pub fn heads<'a>(applied: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let needed: BTreeSet<&str> =
        REVISIONS.iter().filter(|(id, _)| applied.contains(id)).flat_map(|(_, parents)| *parents).copied().collect();
    applied.iter().copied().filter(|id| !needed.contains(id)).collect()
}

/// Writes the files; with `bare`, one of them has a section without a transaction.
pub fn write(project: &Project, bare: bool) {
    for (id, parents) in REVISIONS {
        let text = if bare && id == BARE { without_transaction(id) } else { transactional(id) };
        project.write(&format!("versions/{id}.sql"), header(id, parents) + &text);
    }
}

pub fn header(id: &str, parents: &[&str]) -> String {
    format!("-- revision: {id}\n-- parents: [{}]\n-- message: step {id}\n\n", parents.join(", "))
}

pub fn transactional(id: &str) -> String {
    format!(
        "-- migrate:upgrade\nSELECT gate.pass('{id} body');\nCREATE TABLE t{id} (id int);\n\
         INSERT INTO effects VALUES ('{id}');\nSELECT gate.pass('{id} end');\n"
    )
}

fn without_transaction(id: &str) -> String {
    format!(
        "-- migrate:upgrade transaction:false\nINSERT INTO effects VALUES ('{id} a');\n\
         CREATE INDEX CONCURRENTLY i{id} ON effects (gate.index('{id} index' || left(id, 0)));\n\
         INSERT INTO effects VALUES ('{id} b');\nVACUUM effects;\nALTER TABLE effects ALTER COLUMN id SET NOT NULL;\n"
    )
}

/// These and all that they need.
pub fn with_ancestors<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'static str> {
    let mut wanted: BTreeSet<&str> = ids.into_iter().collect();
    let mut found = BTreeSet::new();
    for (id, parents) in REVISIONS.iter().rev() {
        if wanted.contains(id) {
            found.insert(*id);
            wanted.extend(*parents);
        }
    }
    found
}
