//! What a series of statements takes away, and where each of those things is found before the first of them runs.
//!
//! Whoever is asked is asked before: what is dropped last may have another name by then than it has now, and the name may belong to
//! something else now. Renames are followed back; whatever cannot be followed for certain is nowhere to be found, rather than
//! somewhere else. Only the text tells: what a function does, or a statement that is put together while it runs, is not seen.

use std::collections::{HashMap, HashSet};

use super::classify::{self, Effect, Object, ObjectName};
use super::lex::{Token, Tokens};

/// Something that holds rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A table or a materialized view.
    Table(ObjectName),
    /// A column of a table.
    Column(ObjectName, String),
    /// All tables of a schema.
    Schema(String),
}

/// Where something is before the first statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    /// There, by that name.
    Now(Holder),
    /// Nowhere yet, if nothing has that name: a statement is to create it.
    Made(Holder),
    /// The text does not tell.
    Unknown,
}

/// Something that a statement takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What the statement does, by the names that hold when it runs.
    pub effect: Effect,
    /// Where that is now.
    pub whereabouts: Whereabouts,
}

/// What is known of names behind the statements so far.
#[derive(Debug, Default)]
pub struct Losses {
    /// The tables that a name meant, one after the other; by the name without its schema.
    tables: HashMap<String, Vec<(Option<String>, Origin)>>,
    /// The columns that a name meant: of which table as it is now, and the column's name now, where that is known.
    columns: HashMap<String, Vec<(ObjectName, Option<String>)>>,
    /// The schemas that a statement is to create.
    schemas: HashSet<String>,
    /// Names of tables and schemas that a statement may have given to something else.
    doubtful: HashSet<String>,
    path: Path,
    /// Whether a table has moved to another schema, so that no schema holds what it holds now.
    moved: bool,
    /// Whether nothing is known of any name any more.
    lost: bool,
}

/// Where a table is now that a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Now(ObjectName),
    Made(ObjectName),
    Unknown,
}

/// What is known of where a name without a schema is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Path {
    /// Where the session begins.
    #[default]
    First,
    /// Elsewhere, until the session is put back.
    Set,
    /// Its schemas themselves are not the same.
    Changed,
}

/// Strings in strings are looked into so deep: a `DO` that has a function made that runs a text.
const DEPTH: usize = 4;

impl Losses {
    /// What `statement` takes away behind those before it, in the order written.
    pub fn of(&mut self, statement: &str) -> Vec<Loss> {
        let mut tokens = Tokens::new(statement);
        let (Some(first), second) = (tokens.next(), tokens.next()) else { return Vec::new() };
        self.sets(statement);
        if first.is("rollback") {
            // What it takes back was told already.
            self.lose_track();
        }
        if first.is("do") && runs_texts(statement) {
            // The names in a text that is put together (`format('%I_old', …)`) stand nowhere.
            self.lose_track();
        } else if makes_a_table(statement) || (first.is("do") && moves(statement)) {
            self.doubt_all(statement);
        }
        let Ok(effects) = classify::effects(statement) else {
            self.doubt_all(statement);
            return Vec::new();
        };
        let is_alter = first.is("alter");
        let conditional = Tokens::new(statement).nth(3).is_some_and(|token| token.is("exists"));
        if is_alter && (effects.is_empty() || conditional) && renames(statement) {
            self.doubt_all(statement);
            if second.is_some_and(|token| token.is("schema")) {
                self.path = Path::Changed;
            }
        }
        effects.into_iter().filter_map(|effect| self.follow(effect)).collect()
    }

    /// `statement` has run already, in this step: only what it sets in the session is set again.
    pub fn passed(&mut self, statement: &str) {
        self.sets(statement);
    }

    /// The session is as it was at the start.
    pub fn session_put_back(&mut self) {
        if self.path == Path::Set {
            self.path = Path::First;
        }
    }

    /// From here on it is not known which statements have run.
    pub fn lose_track(&mut self) {
        self.lost = true;
    }

    fn follow(&mut self, effect: Effect) -> Option<Loss> {
        let whereabouts = match &effect {
            Effect::Drops(Object::Table | Object::MaterializedView, name) => {
                let origin = self.origin(name);
                self.becomes(name.clone(), Origin::Unknown);
                origin.whereabouts(Holder::Table)
            }
            Effect::Truncates(name) => self.origin(name).whereabouts(Holder::Table),
            Effect::Drops(Object::Schema, name) => {
                let name = &name.name;
                let known = !(self.lost || self.moved || self.doubtful.contains(name));
                let made = self.schemas.contains(name);
                self.doubtful.insert(name.clone());
                match (known, made) {
                    (false, _) => Whereabouts::Unknown,
                    (true, false) => Whereabouts::Now(Holder::Schema(name.clone())),
                    (true, true) => Whereabouts::Made(Holder::Schema(name.clone())),
                }
            }
            Effect::DropsColumn { table, column } => {
                let whereabouts = match self.origin(table) {
                    Origin::Now(table) => self
                        .column(&table, column)
                        .map_or(Whereabouts::Unknown, |column| Whereabouts::Now(Holder::Column(table, column))),
                    origin => origin.whereabouts(Holder::Table),
                };
                self.column_becomes(table, column, None);
                whereabouts
            }
            Effect::Drops(Object::View, name) => {
                self.becomes(name.clone(), Origin::Unknown);
                return None;
            }
            Effect::Creates(Object::Table | Object::View | Object::MaterializedView, name) => {
                let untouched = self.origin(name) == Origin::Now(name.clone());
                let origin = if untouched { Origin::Made(name.clone()) } else { Origin::Unknown };
                self.becomes(name.clone(), origin);
                return None;
            }
            Effect::Creates(Object::Schema, name) => {
                self.schemas.insert(name.name.clone());
                return None;
            }
            Effect::RenamesTable { from, to } => {
                let to = ObjectName { schema: from.schema.clone(), name: to.clone() };
                self.is_named(from, to);
                return None;
            }
            Effect::MovesTable { table, schema } => {
                self.moved = true;
                let to = ObjectName { schema: Some(schema.clone()), name: table.name.clone() };
                self.is_named(table, to);
                return None;
            }
            Effect::AddsColumn { table, column } => {
                self.column_becomes(table, column, None);
                return None;
            }
            Effect::RenamesColumn { table, from, to } => {
                let Origin::Now(now) = self.origin(table) else { return None };
                let column = self.column(&now, from);
                self.column_becomes(table, from, None);
                self.column_becomes(table, to, column);
                return None;
            }
            _ => return None,
        };
        Some(Loss { effect, whereabouts })
    }

    /// Where the table is now that `name` means by then.
    fn origin(&self, name: &ObjectName) -> Origin {
        let is_doubtful = |name: &String| self.doubtful.contains(name);
        let pathless = name.schema.is_none() && self.path != Path::First;
        if self.lost || pathless || is_doubtful(&name.name) || name.schema.as_ref().is_some_and(is_doubtful) {
            return Origin::Unknown;
        }
        let meant = self.tables.get(&name.name).into_iter().flatten().rev();
        match meant.clone().find(|(schema, _)| may_be_one(schema.as_ref(), name.schema.as_ref())) {
            None => Origin::Now(name.clone()),
            Some((schema, origin)) if *schema == name.schema => origin.clone(),
            // With its schema here and without it there: it may be the same, and may be another.
            Some(_) => Origin::Unknown,
        }
    }

    /// From here on `name` means another table.
    fn becomes(&mut self, name: ObjectName, origin: Origin) {
        if name.schema.is_none() && self.path != Path::First {
            self.doubtful.insert(name.name);
        } else {
            self.tables.entry(name.name).or_default().push((name.schema, origin));
        }
    }

    /// The table `from` has the name `to` from here on.
    fn is_named(&mut self, from: &ObjectName, to: ObjectName) {
        let origin = self.origin(from);
        self.becomes(from.clone(), Origin::Unknown);
        self.becomes(to, origin);
    }

    /// The name that the column has now which is called so by then, in the table `table` of now.
    fn column(&self, table: &ObjectName, column: &str) -> Option<String> {
        let same =
            |other: &ObjectName| other.name == table.name && may_be_one(other.schema.as_ref(), table.schema.as_ref());
        match self.columns.get(column).into_iter().flatten().rev().find(|(other, _)| same(other)) {
            None => Some(column.to_owned()),
            Some((other, now)) if other == table => now.clone(),
            Some(_) => None,
        }
    }

    fn column_becomes(&mut self, table: &ObjectName, column: &str, now: Option<String>) {
        if let Origin::Now(table) = self.origin(table) {
            self.columns.entry(column.to_owned()).or_default().push((table, now));
        }
    }

    /// Looks for what changes where names without a schema are looked for: the path itself, and who looks (`"$user"`).
    fn sets(&mut self, statement: &str) {
        let Some(first) = Tokens::new(statement).next() else { return };
        let mut names = HashSet::new();
        let mut says = |of: &[&str]| {
            if names.is_empty() {
                words(statement, 0, &mut names);
            }
            of.iter().any(|word| names.contains(*word))
        };
        let who = ["role", "authorization", "session_authorization"];
        let sets = if ["set", "reset", "discard"].iter().any(|word| first.is(word)) {
            says(&["search_path", "schema", "all"]) || says(&who)
        } else if ["do", "select", "with", "call", "values"].iter().any(|word| first.is(word)) {
            says(&["search_path"]) || (says(&["set", "set_config"]) && says(&who))
        } else {
            false
        };
        if sets && self.path == Path::First {
            self.path = Path::Set;
        }
    }

    fn doubt_all(&mut self, statement: &str) {
        words(statement, 0, &mut self.doubtful);
    }
}

impl Origin {
    fn whereabouts(self, holder: fn(ObjectName) -> Holder) -> Whereabouts {
        match self {
            Self::Now(name) => Whereabouts::Now(holder(name)),
            Self::Made(name) => Whereabouts::Made(holder(name)),
            Self::Unknown => Whereabouts::Unknown,
        }
    }
}

/// Whether things of one name may be one thing, by their schemas.
fn may_be_one(one: Option<&String>, other: Option<&String>) -> bool {
    one.is_none() || other.is_none() || one == other
}

/// Whether a statement that is not followed may give names to other things.
fn moves(statement: &str) -> bool {
    let mut names = HashSet::new();
    words(statement, 0, &mut names);
    ["rename", "schema", "create", "into"].iter().any(|word| names.contains(*word))
}

/// Whether a `DO` block has texts run as statements.
fn runs_texts(statement: &str) -> bool {
    let mut names = HashSet::new();
    words(statement, 0, &mut names);
    names.contains("execute")
}

/// Whether an `ALTER` renames something, or moves it to another schema.
fn renames(statement: &str) -> bool {
    let mut pairs = Tokens::new(statement).zip(Tokens::new(statement).skip(1));
    pairs.any(|(one, next)| next.is("rename") || (one.is("set") && next.is("schema")))
}

/// `SELECT … INTO`
fn makes_a_table(statement: &str) -> bool {
    let first = Tokens::new(statement).next();
    if !first.is_some_and(|first| first.is("select") || first.is("with")) {
        return false;
    }
    let mut before = None;
    Tokens::new(statement).any(|token| {
        let before = before.replace(token);
        token.is("into") && !before.is_some_and(|before| before.is("insert") || before.is("merge"))
    })
}

/// All that may be a name in `text`, also in its strings, as the server would know it.
fn words(text: &str, depth: usize, found: &mut HashSet<String>) {
    for token in Tokens::new(text) {
        match token {
            Token::Word(word) => _ = found.insert(word.to_lowercase()),
            Token::QuotedName(name) => _ = found.insert(name.trim_matches('"').replace("\"\"", "\"")),
            Token::String(string) if depth < DEPTH => {
                if let Some(inner) = inside(string) {
                    found.insert(inner.to_owned());
                    words(inner, depth + 1, found);
                }
            }
            Token::String(_) | Token::Number(_) | Token::Symbol(_) => {}
        }
    }
}

/// What stands between the quotes of a string.
fn inside(string: &str) -> Option<&str> {
    let quote = string.find(['\'', '$'])?;
    let opening = match string[quote..].starts_with('$') {
        true => quote + string[quote + 1..].find('$')? + 2,
        false => quote + 1,
    };
    let closing = string.len().checked_sub(opening - quote)?;
    string.get(opening..closing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is lost by statements, each loss as `name: where`.
    fn lost(script: &str) -> String {
        let mut losses = Losses::default();
        let mut said = Vec::new();
        // A bar ends a step; none of these hold a semicolon inside.
        for step in script.split('|') {
            for statement in step.split(';').filter(|statement| !statement.trim().is_empty()) {
                for Loss { effect, whereabouts } in losses.of(statement) {
                    let holder = |holder: &Holder| match holder {
                        Holder::Table(name) => name.to_string(),
                        Holder::Column(table, column) => format!("{table}.{column}"),
                        Holder::Schema(name) => format!("schema {name}"),
                    };
                    let (_, what) = effect
                        .to_string()
                        .rsplit_once(' ')
                        .map(|(verb, what)| (verb.to_owned(), what.to_owned()))
                        .unwrap();
                    said.push(match &whereabouts {
                        Whereabouts::Now(found) => format!("{what}={}", holder(found)),
                        Whereabouts::Made(found) => format!("{what}=new {}", holder(found)),
                        Whereabouts::Unknown => format!("{what}=?"),
                    });
                }
            }
            losses.session_put_back();
        }
        said.join(" ")
    }

    #[test]
    fn what_is_dropped_is_found_under_the_name_it_has_now() {
        for (script, expected) in [
            ("DROP TABLE a, s.b", "a=a s.b=s.b"),
            ("TRUNCATE a; DELETE FROM a; DROP MATERIALIZED VIEW m", "a=a a=a m=m"),
            // The table was renamed on the way up: the way down renames it back, and drops it.
            ("DROP TABLE people | DROP TABLE users", "people=people users=users"),
            ("ALTER TABLE people RENAME TO users | DROP TABLE users", "users=people"),
            ("ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME TO c; DROP TABLE c", "c=a"),
            (
                "ALTER TABLE a RENAME TO t; ALTER TABLE b RENAME TO a; ALTER TABLE t RENAME TO b; DROP TABLE a, b",
                "a=b b=a",
            ),
            ("ALTER TABLE s.a RENAME TO b; DROP TABLE s.b, x.b", "s.b=s.a x.b=x.b"),
            ("ALTER TABLE s.a SET SCHEMA x; DROP TABLE x.a, s.a", "x.a=s.a s.a=?"),
            ("ALTER TABLE a RENAME TO b; DROP TABLE a", "a=?"),
            ("ALTER TABLE s.a RENAME TO b; DROP TABLE b", "b=?"),
            ("ALTER TABLE IF EXISTS a RENAME TO b; DROP TABLE b, a", "b=? a=?"),
            ("DROP TABLE a; DROP TABLE IF EXISTS a", "a=a a=?"),
            ("CREATE TABLE a (); DROP TABLE a; DROP TABLE a", "a=new a a=?"),
            ("CREATE TABLE new (); DROP TABLE a; ALTER TABLE new RENAME TO a; DROP TABLE a", "a=a a=new new"),
            ("ALTER MATERIALIZED VIEW a RENAME TO b; DROP MATERIALIZED VIEW b", "b=?"),
            ("SELECT 1 INTO a; DROP TABLE a", "a=?"),
            ("WITH x AS (SELECT 1) INSERT INTO b SELECT * FROM a; DROP TABLE a, b", "a=a b=b"),
            ("DO 'BEGIN ALTER TABLE a RENAME TO b END'; DROP TABLE a, b, c", "a=? b=? c=c"),
            ("DO $$ BEGIN EXECUTE 'ALTER TABLE a RENAME TO b' END $$; DROP TABLE a, b", "a=? b=?"),
            ("DO $$ BEGIN UPDATE a SET b = 1 END $$; DROP TABLE a", "a=a"),
            ("ALTER TABLE a OWNER TO b; DROP TABLE a", "a=a"),
            ("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT EXECUTE ON FUNCTIONS TO b; DROP TABLE s.a", "s.a=s.a"),
            ("ALTER MATERIALIZED VIEW a SET SCHEMA s; DROP MATERIALIZED VIEW a, s.b", "a=? s.b=?"),
            ("ALTER TABLE a RENAM TO b; DROP TABLE a, b", "a=? b=?"),
            ("SAVEPOINT x; ALTER TABLE a RENAME TO b; ROLLBACK TO x; DROP TABLE a", "a=?"),
        ] {
            assert_eq!(lost(script), expected, "{script}");
        }
    }

    /// A text that is put together names no table: all may have been moved.
    #[test]
    fn behind_a_block_that_runs_texts_nothing_is_known() {
        let block = "DO $$ BEGIN EXECUTE format('ALTER TABLE %I RENAME TO %I', 'z', 'z_old'); END $$";
        assert_eq!(lost(&format!("{block}; DROP TABLE z_old, kept")), "z_old=? kept=?");
        assert_eq!(lost("DO $$ BEGIN PERFORM 1; END $$; DROP TABLE kept"), "kept=kept");
    }

    #[test]
    fn what_has_run_already_is_not_followed_again() {
        let mut losses = Losses::default();
        losses.passed("ALTER TABLE a RENAME TO b");
        let whereabouts = |losses: &mut Losses| losses.of("DROP TABLE b").pop().unwrap().whereabouts;
        assert_eq!(
            whereabouts(&mut losses),
            Whereabouts::Now(Holder::Table(ObjectName { schema: None, name: "b".into() }))
        );
        losses.passed("SET search_path = s");
        assert_eq!(whereabouts(&mut losses), Whereabouts::Unknown);
    }

    #[test]
    fn columns_are_followed_too() {
        for (script, expected) in [
            ("ALTER TABLE a DROP COLUMN c", "a.c=a.c"),
            ("ALTER TABLE a RENAME COLUMN c TO d; ALTER TABLE a DROP d, DROP c", "a.d=a.c a.c=?"),
            ("ALTER TABLE a RENAME TO b; ALTER TABLE b RENAME c TO d; ALTER TABLE b DROP d", "b.d=a.c"),
            ("ALTER TABLE a ADD c int; ALTER TABLE a DROP c", "a.c=?"),
            ("ALTER TABLE s.a RENAME c TO d; ALTER TABLE a DROP d; ALTER TABLE x.a DROP d", "a.d=? x.a.d=?"),
            ("CREATE TABLE a (c int); ALTER TABLE a DROP c", "a.c=new a"),
        ] {
            assert_eq!(lost(script), expected, "{script}");
        }
    }

    #[test]
    fn names_without_a_schema_are_not_known_under_another_search_path() {
        for (script, expected) in [
            ("SET search_path = s; DROP TABLE a, s.b", "a=? s.b=s.b"),
            ("SET LOCAL search_path TO s | DROP TABLE a", "a=a"),
            ("SET SCHEMA 's'; DROP TABLE a", "a=?"),
            ("SET ROLE b; DROP TABLE a", "a=?"),
            ("SET SESSION AUTHORIZATION b; DROP TABLE a", "a=?"),
            ("SELECT pg_catalog.set_config('search_path', '', false); DROP TABLE a", "a=?"),
            ("SELECT set_config('role', 'b', true); DROP TABLE a", "a=?"),
            ("DO $$ BEGIN SET search_path = s END $$; DROP TABLE a", "a=?"),
            ("SET lock_timeout = 1; SELECT set_config('app.x', 'y', true); DROP TABLE a", "a=a"),
            ("SET search_path = s; ALTER TABLE a RENAME TO b | DROP TABLE a, s.b, c", "a=? s.b=? c=c"),
            ("SET search_path = s; ALTER TABLE a DROP c | ALTER TABLE a DROP d", "a.c=? a.d=a.d"),
        ] {
            assert_eq!(lost(script), expected, "{script}");
        }
    }

    #[test]
    fn a_schema_is_known_while_nothing_moves() {
        for (script, expected) in [
            ("DROP SCHEMA s CASCADE; DROP TABLE s.a", "s=schema s s.a=?"),
            ("CREATE SCHEMA s; DROP SCHEMA s", "s=new schema s"),
            ("ALTER TABLE a SET SCHEMA s; DROP SCHEMA s CASCADE", "s=?"),
            ("ALTER SCHEMA r RENAME TO s; DROP SCHEMA s; DROP TABLE s.a, r.a, x.b, b", "s=? s.a=? r.a=? x.b=x.b b=?"),
        ] {
            assert_eq!(lost(script), expected, "{script}");
        }
    }
}
