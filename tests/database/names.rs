//! The tool's tables by any name that PostgreSQL knows: exactly the objects that were named are made and used.
//! `ALUDEL_NAMES=1000 cargo test --test database any_names` tries more of them.

use std::cell::{Cell, RefCell};

use postgres::Client;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::Case;

/// Names with what has a meaning in SQL, the shell, a template or an ini, and with what has none anywhere.
fn name() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(
        "\"'$\\;.,%{}[]()#-/*=:?!&|<>`~@ _aZ0\u{a0}üß\u{202e}\u{1f389}".chars().collect::<Vec<_>>(),
    );
    let character =
        prop_oneof![2 => odd, 1 => any::<char>().prop_filter("refused", |character| !character.is_control())];
    let short = prop::collection::vec(character.clone(), 1..8);
    let long = prop::collection::vec(character, 15..64);
    let refused = prop::collection::vec(any::<char>(), 1..8);
    prop_oneof![12 => short, 12 => long, 1 => refused].prop_map(|characters| {
        let mut name: String = characters.into_iter().filter(|character| *character != '\0').collect();
        name.truncate(name.floor_char_boundary(63));
        name
    })
}

/// A schema and the names of the three tables; now and then tables whose names are nearly the same.
fn names() -> impl Strategy<Value = [String; 4]> {
    let alike = "[a-c]{60}".prop_map(|stem| ["", "1", "2"].map(|end| format!("{stem}{end}")));
    let nested = Just(["v", "v_pkc", "v_pk2"].map(str::to_owned));
    let tables = prop_oneof![8 => [name(), name(), name()], 1 => alike, 1 => nested];
    (name(), tables).prop_map(|(schema, [version, history, progress])| [schema, version, history, progress])
}

/// Whether the tool takes it: the ini has no blanks at a value's ends, and what cannot be meant is refused.
fn is_taken(name: &str) -> bool {
    let comment = [" #", " ;", "\t#", "\t;"].iter().any(|comment| name.contains(comment));
    let quoted = name.starts_with('"') && name.ends_with('"');
    !name.is_empty() && !comment && !quoted && !name.contains(char::is_control)
}

/// Every relation that somebody made, but for indexes and sequences; sorted.
fn tables(client: &mut Client) -> Vec<(String, String)> {
    let sql = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind NOT IN ('i', 'S')";
    let mut found: Vec<_> =
        client.query(sql, &[]).expect("pg_class").iter().map(|row| (row.get(0), row.get(1))).collect();
    found.sort();
    found
}

/// Drops all schemas but PostgreSQL's own.
const CLEAR: &str = "DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
END $$";

#[test]
fn any_names() {
    #[allow(clippy::disallowed_methods, reason = "tests stand above config.rs")]
    let cases = std::env::var("ALUDEL_NAMES").map_or(50, |count| count.parse().expect("a number"));
    let keys = ["version_table_schema", "version_table", "history_table", "progress_table"];
    let settings: String = keys.map(|key| format!("{key} = {{{{ x.{key} }}}}\n")).concat();
    let case = Case::with(&settings);
    case.revision("001", "", "CREATE TABLE public.one ();", "DROP TABLE public.one;");
    case.revision("002", "001", "CREATE TABLE public.two ();", "DROP TABLE public.two;");
    let client = RefCell::new(case.database.client());
    let taken = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&names(), |names| {
        let client = &mut client.borrow_mut();
        client.batch_execute(CLEAR).expect("what the case before this one left");
        let run = |arguments: &str| {
            let mut command = case.command(arguments);
            for (key, name) in keys.iter().zip(&names) {
                command.arg("-x").arg(format!("{key}={name}"));
            }
            case.project.run(command)
        };
        let [schema, own @ ..] = names.each_ref().map(|name| name.trim().to_owned());
        let mut different = own.to_vec();
        different.sort();
        different.dedup();
        if !own.iter().chain([&schema]).all(|name| is_taken(name)) || different.len() < 3 {
            let ran = run("upgrade head");
            prop_assert_eq!(ran.code, 2, "{}", ran.transcript());
            prop_assert_eq!(tables(client), []);
            return Ok(());
        }
        taken.set(taken.get() + 1);
        let expected: Vec<(String, String)> = own.iter().map(|name| (schema.clone(), name.clone())).collect();
        let in_public = |names: &[&str]| {
            let mut all = expected.clone();
            all.extend(names.iter().map(|name| ("public".to_owned(), (*name).to_owned())));
            all.sort();
            all
        };
        let ran = run("ensure-version");
        prop_assert_eq!(ran.code, 0, "{}", ran.transcript());
        prop_assert_eq!(tables(client), in_public(&[]));
        for (arguments, current, public) in [
            ("upgrade head", "002 (head)\n", &["one", "two"][..]),
            ("downgrade -1", "001\n", &["one"]),
            ("downgrade base", "", &[]),
        ] {
            let ran = run(arguments);
            prop_assert_eq!(ran.code, 0, "{}", ran.transcript());
            let ran = run("current");
            prop_assert_eq!((ran.code, &*ran.stdout), (0, current), "{}", ran.transcript());
            prop_assert_eq!(tables(client), in_public(public));
        }
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(taken.get() * 2 > cases, "{} of {cases} were taken", taken.get());
}
