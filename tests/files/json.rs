//! docs/json.md and what the commands print say the same: each field, its type, their order.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Database, Project, feed};
use crate::world::{merged, shop};

/// The fields of docs/json.md and their types, by the heading above their table.
type Documented = BTreeMap<String, Vec<(String, String)>>;

fn documented() -> Documented {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).unwrap();
    let mut tables = Documented::new();
    let mut heading = "";
    for line in text.lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim();
        } else if let Some(row) = line.strip_prefix("| `") {
            let mut cells = row.split(" | ");
            let name = cells.next().unwrap().trim_end_matches('`').to_owned();
            tables.entry(heading.to_owned()).or_default().push((name, cells.next().unwrap().to_owned()));
        }
    }
    tables
}

/// Whether `value` is an object with exactly these fields.
#[track_caller]
fn check(tables: &Documented, value: &Value, fields: &[(String, String)]) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(object.keys().collect::<Vec<_>>(), names);
    for (name, kind) in fields {
        check_type(tables, &object[name], kind, name);
    }
}

#[track_caller]
fn check_type(tables: &Documented, value: &Value, kind: &str, name: &str) {
    let right = match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "string or null" => value.is_string() || value.is_null(),
        "boolean or null" => value.is_boolean() || value.is_null(),
        "number" => value.is_u64(),
        "number or null" => value.is_u64() || value.is_null(),
        "decimal" => value.is_f64(),
        "decimal or null" => value.is_f64() || value.is_null(),
        "list of strings or null" => value.is_null() || value.as_array().unwrap().iter().all(Value::is_string),
        "status or null" => value.is_null() || one(tables, value, "`status`"),
        "error or null" => value.is_null() || one(tables, value, "An error"),
        "list of errors" => value.as_array().unwrap().iter().all(|error| one(tables, error, "An error")),
        "list of places" => value.as_array().unwrap().iter().all(|place| one(tables, place, "A place")),
        "list of steps done" => value.as_array().unwrap().iter().all(|step| one(tables, step, "A step done")),
        "list of stops" => value.as_array().is_some_and(|stops| {
            stops.iter().for_each(|stop| check(tables, stop, &tables["A stop"]));
            true
        }),
        "list of strings" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        "list of revisions" => each(tables, value, &tables["A revision"]) > 0,
        "list of changed files" => each(tables, value, &tables["A changed file"]) > 0,
        "list of parameters" => each(tables, value, &tables["A parameter"]) > 0,
        "list of settings" => each(tables, value, &tables["A setting"]) > 0,
        "list of repeatables" => each(tables, value, &tables["A repeatable"]) > 0,
        // Behind a downgrade there are none.
        "list of repeatable steps" => {
            each(tables, value, &tables["A repeatable step"]);
            true
        }
        "list of steps" => each(tables, value, &tables["A step"]) > 0,
        "list of entries" => each(tables, value, &tables["An entry"]) > 0,
        "list of extensions" => each(tables, value, &tables["An extension"]) > 0,
        _ => panic!("docs/json.md: the type `{kind}` is unknown to its test"),
    };
    assert!(right, "`{name}` is no {kind}: {value}");
}

/// Checks a value against the table below a heading, which panics where it differs.
#[track_caller]
fn one(tables: &Documented, value: &Value, heading: &str) -> bool {
    check(tables, value, &tables[heading]);
    true
}

/// Checks each of a list, and says how many there were: nothing is shown by an empty one.
#[track_caller]
fn each(tables: &Documented, value: &Value, fields: &[(String, String)]) -> usize {
    let items = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    items.iter().for_each(|item| check(tables, item, fields));
    items.len()
}

fn json(project: &Project, arguments: &str) -> Value {
    let ran = project.aludel(arguments.split(' ').chain(["--json"])).succeeded();
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{arguments}: {error}: {}", ran.stdout))
}

#[test]
fn the_files_alone() {
    let tables = documented();
    let (shop, merged) = (shop(), merged());
    merged.write("versions/repeatable/a.sql", "-- repeatable: a\n-- depends_on: 001\n\nSELECT 1;\n");
    for arguments in ["heads", "history", "show 001"] {
        assert!(each(&tables, &json(&shop, arguments), &tables["A revision"]) > 0, "{arguments}");
    }
    let points = json(&merged, "branches");
    let fields = [&tables["A revision"][..], &tables["`branches`"][..]].concat();
    assert_eq!(each(&tables, &points, &fields), 1);
    for arguments in ["plan upgrade head --from base", "plan downgrade base --from head"] {
        let plan = json(&merged, arguments);
        check(&tables, &plan, &tables["`plan`"]);
        assert_eq!(plan["steps"].as_array().map(Vec::len), Some(6), "{arguments}");
        let repeatables = usize::from(plan["direction"] == "upgrade");
        assert_eq!(plan["repeatables"].as_array().map(Vec::len), Some(repeatables), "{arguments}");
    }
    assert_eq!(json(&merged, "heads")[0]["is_current"], Value::Null);
}

#[test]
fn the_settings() {
    let (tables, project) = (documented(), shop());
    project.write(
        "migrate.ini",
        "[migrate]\nurl = {{ x.dbUrl or env.DATABASE_URL }}\npassword_command = say\n\
         [production]\nurl = postgres://u:hunter2@h/d\n[variables]\nschema = shop\n",
    );
    let env = json(&project, "env -n production");
    check(&tables, &env, &tables["`env`"]);
    assert_eq!(env["environment"], "production");
    assert_eq!(env["database"], "postgresql://u:***@h:5432/d");
    let setting = |env: &Value, name: &str| {
        let settings = env["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["name"] == name).unwrap().clone()
    };
    assert_eq!(setting(&env, "url")["values"], serde_json::json!(["postgres://u:***@h/d"]));
    assert_eq!(setting(&env, "password_command")["passed_over"], "migrate.ini:3 [migrate]");
    let host = env["connection"].as_array().unwrap().iter().find(|one| one["name"] == "host").unwrap();
    assert_eq!(host, &serde_json::json!({ "name": "host", "value": "h", "origin": "migrate.ini:5 [production]" }));
    let env = json(&project, "env -x dbUrl=postgres://h/d");
    assert_eq!(setting(&env, "url")["reads"], serde_json::json!(["x.dbUrl"]));
    assert_eq!(setting(&env, "url")["unset"], serde_json::json!(["env.DATABASE_URL"]));
    let ran = project.aludel(["env", "--json"]).succeeded();
    let env: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&env["database"], &env["problem"]["message"]), (&Value::Null, &Value::from("no database is named")));
}

#[test]
fn with_a_database() {
    let (tables, project, database) = (documented(), merged(), Database::create());
    project.write("versions/repeatable/a.sql", "-- repeatable: a\n\nSELECT 1;\n");
    project.write("migrate.ini", format!("[migrate]\nurl = {}\n", database.url()));
    let _ = project.aludel(["upgrade", "001"]).succeeded();
    let file = "versions/001_first_tables.sql";
    project.write(file, project.read(file) + "-- changed\n");
    let _ = project.aludel(["stamp", "003"]).succeeded();
    let current = json(&project, "current");
    check(&tables, &current, &tables["`current`"]);
    assert_eq!(current["rows"], serde_json::json!(["003"]));
    assert_eq!(current["at_heads"], false);
    assert_eq!(current["current"][0]["is_current"], true);
    // A revision that stopped partway, as a run would leave it.
    let _ = database.psql(
        "INSERT INTO aludel_progress
            (version_table, revision, direction, statement, state, file_checksum, statements_checksum, run, changed_at)
        VALUES ('aludel_version', '004', 'upgrade', 2, 'running', 'f', 's', 'r', pg_catalog.now())",
    );
    let status = json(&project, "status");
    check(&tables, &status, &tables["`status`"]);
    assert_eq!((&status["partial"][0]["statement"], &status["partial"][0]["done"]), (&2.into(), &false.into()));
    assert_eq!(status["applied"], serde_json::json!(["001", "002", "003"]));
    let pending: Vec<&Value> = status["pending"].as_array().unwrap().iter().map(|one| &one["revision"]).collect();
    assert_eq!(pending, ["004", "005", "006"]);
    let marked: Vec<Value> =
        json(&project, "history -i").as_array().unwrap().iter().map(|one| one["is_current"].clone()).collect();
    assert_eq!(Value::Array(marked), serde_json::json!([false, false, true, false, false, false]));
}

#[test]
fn log_and_ping() {
    let (tables, project, database) = (documented(), Project::empty(), Database::create());
    project.write("migrate.ini", format!("[migrate]\nurl = {}\n", database.url()));
    let revision = |id: &str, parent: &str, up: &str| {
        project.write(
            &format!("versions/{id}.sql"),
            format!("-- revision: {id}\n-- parents: {parent}\n\n-- migrate:upgrade\n{up}\n"),
        );
    };
    revision("001", "", "CREATE TABLE a ();");
    revision("002", "001", "CREATE EXTENSION IF NOT EXISTS plpgsql;\nCREATE EXTENSION no_such_extension;");
    assert_eq!(project.aludel(["upgrade", "head"]).code, 1);
    let _ = project.aludel(["stamp", "001"]).succeeded();
    let log = json(&project, "log");
    check(&tables, &log, &tables["`log`"]);
    assert_eq!(log["entries"].as_array().map(Vec::len), Some(2));
    let ran = project.aludel(["ping", "--json"]);
    assert_eq!(ran.code, 3, "{}", ran.transcript());
    let ping: Value = serde_json::from_str(&ran.stdout).unwrap();
    check(&tables, &ping, &tables["`ping`"]);
    assert_eq!(ping["problems"][0]["reason"], "extension_not_available");
    let ran = shop().aludel(["ping", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    let ping: Value = serde_json::from_str(&ran.stdout).unwrap();
    let empty = |(name, kind): &(String, String)| {
        // Nothing was found out, so it has none.
        if name == "extensions" { (name.clone(), "list of strings".to_owned()) } else { (name.clone(), kind.clone()) }
    };
    check(&tables, &ping, &tables["`ping`"].iter().map(empty).collect::<Vec<_>>());
    assert_eq!((&ping["ok"], &ping["error"]["reason"]), (&false.into(), &"refused".into()));
}

#[test]
fn an_error_prints_nothing() {
    for arguments in ["show 999", "history -r 999:", "plan upgrade 999 --from base", "current", "status"] {
        let ran = shop().aludel(arguments.split(' ').chain(["--json"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{arguments}: {}", ran.stderr);
    }
}

#[test]
fn a_request_and_its_answer() {
    let (tables, project, database) = (documented(), merged(), Database::create());
    project.write("versions/repeatable/a.sql", "-- repeatable: a\n\nSELECT 1;\n");
    project.write("migrate.ini", format!("[migrate]\nurl = {}\n", database.url()));
    let ask = |request: &str| -> Value {
        let output = feed(project.command(["serve-once"]), request);
        let answer = serde_json::from_slice(&output.stdout).expect("an answer");
        check(&tables, &answer, &tables["`serve-once`"]);
        answer
    };
    project.write("versions/repeatable/a.sql", "-- repeatable: a\n-- depends_on: 001\n\nSELECT 1;\n");
    let upgraded = ask(r#"{"action": "up", "target": "001"}"#);
    assert_eq!(upgraded["steps"].as_array().map(Vec::len), Some(2));
    assert_eq!((&upgraded["steps"][1]["action"], &upgraded["steps"][1]["revision"]), (&"repeat".into(), &"a".into()));
    project.write("versions/001_first_tables.sql", project.read("versions/001_first_tables.sql") + "-- changed\n");
    let _ = database.psql(
        "INSERT INTO aludel_progress
            (version_table, revision, direction, statement, state, file_checksum, statements_checksum, run, changed_at)
        VALUES ('aludel_version', '002', 'upgrade', 2, 'running', 'f', 's', 'r', pg_catalog.now())",
    );
    assert_eq!(ask(r#"{"action": "status"}"#)["status"]["applied"], serde_json::json!(["001"]));
    project.write("versions/002.sql", "-- revision: 002\n-- parents: [\n\n-- migrate:upgrade\n");
    let refused = ask(r#"{"action": "up", "target": "002"}"#);
    assert_eq!(refused["error"]["places"].as_array().map(Vec::len), Some(1), "{refused}");
}
