//! Connection strings that were typed wrong, or in the wrong place: that is when they are quoted.

use std::collections::BTreeSet;

use aludel::config::keys::{KEYS, Kind};

use crate::canary::{HEAD, TAIL, password};
use crate::{Case, LOUD};

/// What may stand between the two ends of a password.
const ODD: &str = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~é\u{a0}\t";

/// Strings with a password in them, most of them wrong in one way.
fn strings() -> Vec<String> {
    let odd = ODD.chars().flat_map(|character| {
        let secret = password(&character.to_string());
        [
            format!("postgres://u:{secret}@127.0.0.1:1/d"),
            format!("postgres://u:{secret}@/d?host=/nowhere"),
            format!("host=127.0.0.1 port=1 user=u password={secret} dbname=d"),
        ]
    });
    let secret = password("");
    let others = [
        format!("postgres://u:{secret}"),
        format!("postgres://u:{secret}@127.0.0.1:x/d"),
        format!("postgres://u:{secret}@[::1/d"),
        format!("postgres://u:{secret}@a,b:1,2/d?port=1,2,3"),
        format!("postgres//u:{secret}@127.0.0.1:1/d"),
        format!("postgres:/u:{secret}@127.0.0.1:1/d"),
        format!("u:{secret}@127.0.0.1:1/d"),
        format!("u:{secret}@127.0.0.1:1/d?sslmode=require"),
        format!("postgres:/u:{secret}@127.0.0.1:1/d?sslmode=require"),
        format!("u:{HEAD}=={TAIL}@127.0.0.1:1/d"),
        format!("{{\"password\":\"{HEAD}={TAIL}\"}}"),
        format!("postgres://127.0.0.1:1/d?sslpassword={HEAD}&{TAIL}?x=1"),
        format!("host=127.0.0.1 sslpassword={HEAD} {TAIL}=1"),
        format!("mysql://u:{secret}@127.0.0.1:1/d"),
        format!("jdbc:postgresql://127.0.0.1:1/d?user=u&password={secret}"),
        format!("postgres://u:{HEAD}%zz{TAIL}@127.0.0.1:1/d"),
        format!("postgres://u:{HEAD}%00{TAIL}@127.0.0.1:1/d"),
        format!("postgres://127.0.0.1:1/d?passwort={secret}"),
        format!("postgres://127.0.0.1:1/d?{secret}"),
        format!("postgres://127.0.0.1:1/d?x=1&password={secret}"),
        format!("host=127.0.0.1 passwd={secret}"),
        format!("host=127.0.0.1 password='{secret}"),
        format!("host=127.0.0.1 password = {secret} {secret}"),
        format!("Host=127.0.0.1;Port=1;Username=u;Password={secret};Database=d"),
        format!("host=127.0.0.1;port=1;password={secret}"),
        format!("Driver={{PostgreSQL}};Server=127.0.0.1;Uid=u;Pwd={secret};"),
        format!("PGPASSWORD={secret} psql"),
        secret,
    ];
    odd.chain(others).collect()
}

/// In the environment, where only the tool's words about it are shown.
#[test]
fn a_variable_that_is_wrong() {
    let case = Case::new();
    for string in strings() {
        let mut command = case.project.command(["current", "-v"]);
        let ran = case.run({
            command.env("DATABASE_URL", &string).env("USER", "u").envs(LOUD);
            command
        });
        assert!(ran.code == 1 || ran.code == 2, "{string}: {}", ran.transcript());
    }
}

/// In the ini, whose lines are shown where they are wrong.
#[test]
fn an_ini_that_is_wrong() {
    let mut case = Case::new();
    for string in strings() {
        for text in
            [format!("[migrate]\nurl = {string}\n"), format!("[migrate]\nurl = {{{{ env.X or \"{string}\" }}}}\n")]
        {
            case.write_secret("migrate.ini", &text);
            let ran = case.run(case.project.command(["current", "-v"]));
            assert!(ran.code == 1 || ran.code == 2, "{text}: {}", ran.transcript());
        }
    }
    let url = format!("postgres://u:{}@127.0.0.1:1/d", password("@/"));
    for text in [
        format!("[migrate]\nulr = {url}\n"),
        format!("[migrate]\nurl {url}\n"),
        format!("[migrate]\nurl\n{url}\n"),
        format!("[migrate]\nurl =\n{url}\n"),
        format!("[migrate]\nurl =\n  {url}\n  {url}\n"),
        format!("[migrate]\n{url}\n"),
        format!("[migrate]\nlock_wait = {url}\n"),
        format!("[migrate]\nurl = {{{{ {url} }}}}\n"),
        format!("[migrate]\nurl = {{{{ '{url}' | nosuch }}}}\n"),
        format!("[migrate]\nurl = {{{{ '{url}' + 1 }}}}\n"),
        format!("[migrate]\nurl = {{{{ '{url}\n"),
        format!("[migrate]\nurl = {url}\nurl = {url}\n"),
        format!("[migrat]\nurl = {url}\n"),
        format!("[alembic]\nsqlalchemy.url = {url}\n"),
        format!("url = {url}\n"),
        format!("{url}\n"),
        format!("[{url}]\n"),
        format!("[migrate]\nurl = local\n[prod\nurl = {url}\n"),
        format!("[migrate]\npassword = {}\n", password("")),
        format!("[migrate]\ndb_pasword = {}\n", password("")),
        format!("[migrate]\nurl = postgres://u@127.0.0.1:1/d\n password={}\n", password("")),
    ] {
        case.write_secret("migrate.ini", &text);
        let ran = case.run(case.project.command(["current", "-v"]));
        assert!(ran.code == 1 || ran.code == 2, "{text}: {}", ran.transcript());
    }
}

/// A setting that was given the wrong variable.
#[test]
fn a_variable_in_another_setting() {
    let case = Case::new();
    let mut seen = BTreeSet::new();
    for key in KEYS {
        // Paths are shown, and so are the names of tables and commands: that is what these settings are for. The name of a new
        // file is no template.
        let shown = matches!(key.kind, Kind::Directories | Kind::Directory | Kind::Commands | Kind::Identifier);
        if shown || matches!(key.kind, Kind::Url | Kind::FileName) {
            continue;
        }
        seen.insert(key.name);
        case.project.write("migrate.ini", format!("[migrate]\n{} = {{{{ env.DATABASE_URL }}}}\n", key.name));
        let mut command = case.project.command(["status", "-v"]);
        command.env("DATABASE_URL", format!("postgres://u:{}@127.0.0.1:1/d", password("@"))).envs(LOUD);
        let ran = case.run(command);
        assert!(ran.code == 2, "{}: {}", key.name, ran.transcript());
    }
    assert!(seen.contains("lock_timeout") && seen.contains("checksum"), "{seen:?}");
}

/// `aludel upgrade head $DATABASE_URL`: who forgets `--url` has the password in the log of the deployment.
#[test]
fn the_wrong_place_on_the_command_line() {
    let mut case = Case::new();
    case.write_secret("migrate.ini", "[migrate]\nurl = {{ env.X }}\n");
    let query = format!("postgresql://127.0.0.1:1/d?user=u&password={}", password("%40"));
    let pair = format!("password={}", password(""));
    for url in [format!("postgres://u:{}@127.0.0.1:1/d", password("@")), query, pair] {
        for before in [
            "",
            "--",
            "upgrade",
            "upgrade head",
            "upgrade head --lock-wait",
            "upgrade --ulr",
            "downgrade",
            "stamp",
            "stamp --purge",
            "repair",
            "redo",
            "status",
            "current",
            "history",
            "history -r",
            "show",
            "edit",
            "plan",
            "plan upgrade",
            "plan upgrade head --from",
            "merge",
            "revision --head",
            "revision --rev-id",
            "revision --branch-label",
            "revision --depends-on",
            "revision --version-path",
            "status -n",
            "status -c",
            "status -x",
            "init --template",
            "local",
            "local stop",
        ] {
            let mut command = case.project.command(before.split_whitespace());
            command.arg(&url).env("EDITOR", "true");
            let ran = case.run(command);
            assert!(ran.code == 1 || ran.code == 2, "{before} {url}: {}", ran.transcript());
        }
    }
    // Behind an option without a blank, and where no name is given at all.
    for argument in [format!("-xpostgres://u:{}@h/d?a=b", password("@")), format!("-x{}", password(""))] {
        let mut command = case.project.command(["status"]);
        command.arg(argument);
        assert_eq!(case.run(command).code, 2);
    }
    // In a variable that means something else.
    for name in ["ALUDEL_ENV", "ALUDEL_CONFIG", "PGHOST", "PGSERVICE", "PGUSER", "PGDATABASE", "PGAPPNAME"] {
        for value in [format!("postgres://u:{}@127.0.0.1:1/d", password("@")), format!("password={}", password(""))] {
            // A name may hold a `=`.
            if value.contains("//") || name.starts_with("ALUDEL") || name == "PGHOST" {
                let mut command = case.project.command(["status"]);
                command.env("X", "connect_timeout=1").env(name, value);
                let ran = case.run(command);
                assert_eq!(ran.code, 2, "{name}: {}", ran.transcript());
            }
        }
    }
    // It would be the name of a directory.
    let mut command = case.project.command(["init"]);
    command.arg(format!("postgres://u:{}@127.0.0.1:1/d", password("@")));
    assert_eq!(case.run(command).code, 2);
}
