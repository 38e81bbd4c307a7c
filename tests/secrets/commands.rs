//! Passwords and URLs that programs say: `password_command` and `url_command`, with stand-ins for secret stores' clients.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::canary::{HEAD, clean, clean_files, encoded, password};
use crate::entrances::{all, through};
use crate::support::{Database, Project, Ran, feed, variables};
use crate::{Case, LOUD, Target};

/// What asks the stand-in of the AWS client for the secret `shop`.
const AWS: &str = "aws secretsmanager get-secret-value --secret-id shop --query SecretString --output text";

/// Puts the stand-ins first on the PATH, and `secret` into the store, as `shop` and for the others as `password`.
fn store(case: &mut Case, command: &mut Command, secret: &str) {
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pages/environments/bin");
    let path = variables().path.unwrap_or_default();
    command.env("PATH", format!("{programs}:{}", path.to_string_lossy()));
    command.env("AWS_ACCESS_KEY_ID", "x").env("SECRETS", case.project.path().join("secrets"));
    case.write_secret("secrets/shop", secret);
    case.write_secret("secrets/password", secret);
}

fn settings(case: &Case, target: &Target, more: &str) {
    case.project.write("migrate.ini", format!("[migrate]\nurl = {}\n{more}\n", target.without_password()));
}

#[test]
fn a_password_of_the_aws_client() {
    through(
        |case, target, command| {
            store(case, command, &target.password);
            settings(case, target, &format!("password_command = {AWS}"));
        },
        all,
        false,
    );
}

#[test]
fn a_field_of_json_with_the_user_beside_it() {
    through(
        |case, target, command| {
            let secret = serde_json::json!({ "username": target.user, "password": target.password, "port": 5432 });
            store(case, command, &secret.to_string());
            let url = target.without_password().replace("postgres@", "");
            let fields = "password_field = password\nuser_field = username";
            case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\npassword_command = {AWS}\n{fields}\n"));
            command.env("PGUSER", "nobody");
        },
        all,
        false,
    );
}

#[test]
fn a_url_of_the_aws_client() {
    through(
        |case, target, command| {
            store(case, command, &target.encoded());
            let text = format!("[migrate]\nurl = local\n[production]\nurl_command = {AWS}\n");
            case.project.write("migrate.ini", text);
            command.env("ALUDEL_ENV", "production");
        },
        all,
        false,
    );
}

/// A URL and a password from two programs, the URL as a nested field.
#[test]
fn a_url_and_a_password_of_vault() {
    through(
        |case, target, command| {
            store(case, command, &target.password);
            let url = serde_json::json!({ "data": { "url": target.without_password() } });
            case.write_secret("secrets/urls", &url.to_string());
            let text = "[migrate]\nurl_command = cat secrets/urls\nurl_field = data.url\n\
                        password_command = vault kv get -field=password secret/shop\n";
            case.project.write("migrate.ini", text);
        },
        all,
        false,
    );
}

#[test]
fn gcloud() {
    let mut case = Case::new();
    let target = case.target();
    settings(&case, &target, "password_command = gcloud secrets versions access latest --secret=shop");
    let mut command = case.project.command(["upgrade", "001"]);
    store(&mut case, &mut command, &target.password);
    assert_eq!(case.run(command).code, 0);
}

/// A program, what is added to the settings, and what is said of it. `secret` holds the password.
const FAILURES: [(&str, &str, &str); 16] = [
    ("awz secret", "", "`SETTING` cannot run: there is no program `awz`"),
    ("./secret", "", "`SETTING` cannot run: `./secret` may not be executed"),
    (
        "aws secretsmanager get-secret-value --secret-id no",
        "",
        "`aws`, which `SETTING` runs, failed with exit status 254",
    ),
    ("aws --version", "", "`aws`, which `SETTING` runs, failed with exit status 252"),
    ("sh -c 'cat secret; exit 3'", "", "`sh`, which `SETTING` runs, failed with exit status 3"),
    ("sh -c 'cat secret; kill -9 $$'", "", "`sh`, which `SETTING` runs, was ended by signal 9"),
    ("sh -c 'cat secret; sleep 600'", "command_timeout = 300ms", "`sh`, which `SETTING` runs, took longer than 300 ms"),
    ("true", "", "`true`, which `SETTING` runs, printed nothing"),
    ("cat secret secret", "", "`cat`, which `SETTING` runs, printed several lines"),
    ("sh -c 'cat secret; printf \"\\0\"'", "", "`sh`, which `SETTING` runs, printed a NUL character"),
    ("sh -c 'printf \"x\\0\"; cat secret'", "", "`sh`, which `SETTING` runs, printed a NUL character"),
    ("sh -c 'printf \"\\377\"; cat secret'", "", "`sh`, which `SETTING` runs, printed something that is not UTF-8"),
    ("sh -c 'cat secret; head -c 70000 /dev/zero'", "", "`sh`, which `SETTING` runs, printed more than 64 KiB"),
    ("cat json", "", "`cat`, which `SETTING` runs, printed JSON, of which one field is wanted"),
    ("cat json", "FIELD = pasword", "`cat`, which `SETTING` runs, printed JSON without the field `pasword`"),
    (
        "cat secret",
        "FIELD = password",
        "`cat`, which `SETTING` runs, printed no JSON, of which the field `password` is wanted",
    ),
];

#[test]
fn every_failure_of_a_program() {
    let mut case = Case::new();
    let target = case.target();
    case.write_secret("secret", &format!("{}\n", target.password));
    case.write_secret("json", &serde_json::json!({ "password": target.password, "user": HEAD }).to_string());
    for (setting, url) in
        [("password_command", format!("url = {}\n", target.without_password())), ("url_command", String::new())]
    {
        for (program, more, said) in FAILURES {
            let more = more.replace("FIELD", &setting.replace("command", "field"));
            case.project.write("migrate.ini", format!("[migrate]\n{url}{setting} = {program}\n{more}\n"));
            for arguments in ["upgrade head", "status --json", "current -v"] {
                let mut command = case.project.command(arguments.split(' '));
                store(&mut case, &mut command, "unused");
                command.env("PGPASSWORD", &target.password).envs(LOUD);
                let ran = case.run(command);
                let said = said.replace("SETTING", setting);
                assert!(ran.code == 1 && ran.stdout.is_empty(), "{program}: {}", ran.transcript());
                assert!(ran.stderr.contains(&format!("error: {said}")), "{program}: {}", ran.transcript());
                let line = if url.is_empty() { 2 } else { 3 };
                let place = match more.split_once(" = ").filter(|(key, _)| key.ends_with("field")) {
                    Some((key, _)) => format!("migrate.ini:{}:{}", line + 1, key.len() + 4),
                    None => format!("migrate.ini:{line}:{}", setting.len() + 4),
                };
                assert!(ran.stderr.contains(&place), "{program}: {}", ran.transcript());
            }
        }
    }
    // What a program says on its standard error is shown; what it may print is told by its fields' names.
    let says = |case: &mut Case, program: &str, wanted: &str| {
        settings(case, &target, &format!("password_command = {program}"));
        let mut command = case.project.command(["status"]);
        store(case, &mut command, "unused");
        let ran = case.run(command);
        assert!(ran.stderr.contains(wanted), "{}", ran.transcript());
    };
    says(
        &mut case,
        "aws secretsmanager get-secret-value --secret-id no",
        "An error occurred (ResourceNotFoundException)",
    );
    says(&mut case, "cat json", "there are `password`, `user`");
    let tables = case.database.psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'aludel%'");
    assert_eq!(tables.trim(), "0", "nothing was touched");
}

/// The answer to a machine holds the error, and nothing of what was printed.
#[test]
fn an_answer_in_json() {
    let mut case = Case::new();
    let target = case.target();
    case.write_secret("json", &serde_json::json!({ "password": target.password }).to_string());
    settings(&case, &target, "password_command = cat json\npassword_field = pasword");
    let ran = Ran::of(&feed(case.project.command(["serve-once"]), r#"{"action": "up"}"#), |text| text);
    clean("the answer", &ran.transcript());
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert_eq!(answer["error"]["places"][0]["line"], 4, "{answer}");
    assert_eq!(answer["error"]["hints"][0], "did you mean `password`?", "{answer}");
}

/// A program that counts how often it is run, and the count.
fn counted(case: &mut Case, secret: &str) {
    let script = format!("#!/bin/sh\necho x >> \"$(dirname \"$0\")/count\"\ncat \"$(dirname \"$0\")/{secret}\"\n");
    case.project.write("say", script);
    let executable: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(case.project.path().join("say"), executable).expect("the permissions are set");
    case.project.write("count", "");
}

#[test]
fn it_is_run_once_and_only_by_who_connects() {
    let mut case = Case::new();
    let target = case.target();
    let secret = serde_json::json!({ "u": target.user, "p": target.password }).to_string();
    case.write_secret("secret", &secret);
    counted(&mut case, "secret");
    let url = target.without_password().replace("postgres@", "");
    let text = format!(
        "[migrate]\nurl = {url}\npassword_command = ./say\npassword_field = p\nuser_field = u\n\
         [local]\nurl = local\n[other]\nurl = {}\n[given]\nurl = {}\npassword_command = ./say\n",
        target.without_password(),
        target.encoded()
    );
    case.write_secret("migrate.ini", &text);
    let other = target.without_password();
    for (arguments, times, code) in [
        ("upgrade 001", 1, 0),
        ("status", 1, 0),
        ("redo", 1, 0),
        ("show current", 1, 0),
        ("ensure-version", 1, 0),
        ("heads", 0, 0),
        ("plan upgrade head --from base", 0, 0),
        ("upgrade head --sql", 0, 0),
        ("revision -m more", 0, 0),
        ("env", 0, 0),
        ("env --json", 0, 0),
        ("local status", 0, 0),
        // A password of its own.
        ("-n given status", 0, 0),
        // The password of one server is not sent to another.
        ("-n other status", 0, 1),
        (&*format!("status --url {other}"), 0, 1),
        ("-n local current", 0, 0),
    ] {
        case.project.write("count", "");
        let ran = case.run(case.project.command(arguments.split(' ')));
        assert_eq!(ran.code, code, "{arguments}: {}", ran.transcript());
        assert_eq!(case.project.read("count").lines().count(), times, "{arguments}: {}", ran.transcript());
    }
    assert_eq!(case.run(case.project.command(["-n", "local", "local", "destroy", "--yes"])).code, 0);
}

/// URL, program, PGPASSWORD, password file: the first that is there is taken, right or wrong.
#[test]
fn which_password_is_taken() {
    let mut case = Case::new();
    let target = case.target();
    let wrong = password("wrong");
    case.write_secret("right", &target.password);
    case.write_secret("wrong", &wrong);
    let file = case
        .write_secret("passwords", &format!("*:*:*:*:{}\n", target.password.replace('\\', "\\\\").replace(':', "\\:")));
    for (in_url, program, variable, right) in [
        (Some(true), Some(false), Some(false), true),
        (Some(false), Some(true), Some(true), false),
        (None, Some(true), Some(false), true),
        (None, Some(false), Some(true), false),
        (None, Some(false), None, false),
        (None, None, Some(false), false),
        (None, None, None, true),
    ] {
        let url = match in_url {
            Some(true) => target.encoded(),
            Some(false) => target.url(&wrong),
            None => target.without_password(),
        };
        let program =
            program.map(|right| format!("password_command = cat {}\n", if right { "right" } else { "wrong" }));
        case.write_secret("migrate.ini", &format!("[migrate]\nurl = {url}\n{}", program.clone().unwrap_or_default()));
        let mut command = case.project.command(["status"]);
        command.env("PGPASSFILE", &file);
        if let Some(right) = variable {
            command.env("PGPASSWORD", if right { &target.password } else { &wrong });
        }
        let ran = case.run(command);
        assert_eq!(ran.code == 0, right, "{in_url:?} {program:?} {variable:?}: {}", ran.transcript());
        let warning = "warning: a password stands in migrate.ini:2";
        assert_eq!(ran.stderr.matches(warning).count(), usize::from(in_url.is_some()), "{}", ran.transcript());
    }
    // Nobody is warned where nothing is connected to.
    let ran = case.run(case.project.command(["heads"]));
    assert!(!ran.stderr.contains("warning"), "{}", ran.transcript());
}

/// A service counts as the URL that names it: with a password of its own no program is run, not even for the user.
#[test]
fn a_service_before_a_program() {
    let mut case = Case::new();
    let target = case.target();
    let Target { host, port, database, .. } = &target;
    let service = format!("host={host}\nport={port}\ndbname={database}\n");
    let file = case
        .write_secret("services.conf", &format!("[with]\n{service}password={}\n[without]\n{service}", target.password));
    case.write_secret("secret", &serde_json::json!({ "u": target.user, "p": target.password }).to_string());
    counted(&mut case, "secret");
    for (service, times, origin) in
        [("with", 0, "service with"), ("without", 1, "password_command, migrate.ini:3 [migrate]")]
    {
        let fields = "password_command = ./say\npassword_field = p\nuser_field = u\n";
        case.project.write("migrate.ini", format!("[migrate]\nurl = postgresql://?service={service}\n{fields}"));
        case.project.write("count", "");
        let run = |arguments: &str| {
            let mut command = case.project.command(arguments.split(' '));
            command.env("PGSERVICEFILE", &file).env("PGSSLMODE", "disable").env("PGPASSWORD", "x");
            command.env("PGUSER", if service == "with" { target.user } else { "nobody" });
            case.run(command)
        };
        let env: serde_json::Value = serde_json::from_str(&run("env --json").stdout).expect("JSON");
        let part = |name: &str| {
            let parts = env["connection"].as_array().expect("a list");
            parts.iter().find(|part| part["name"] == name).expect("the part")["origin"].clone()
        };
        assert_eq!((part("password"), part("host")), (origin.into(), format!("service {service}").into()), "{env}");
        assert_eq!(part("sslmode"), "PGSSLMODE");
        assert_eq!(case.project.read("count"), "");
        let ran = run("status");
        assert_eq!(ran.code, 0, "{service}: {}", ran.transcript());
        assert_eq!(case.project.read("count").lines().count(), times, "{service}");
    }
}

/// A signal ends the program and the run.
#[test]
fn a_signal_while_a_program_runs() {
    let case = Case::new();
    settings(&case, &case.target(), "password_command = sh -c 'echo x > begun; sleep 613'");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let _ = std::fs::remove_file(case.project.path().join("begun"));
        let mut command = case.project.command(["upgrade", "head"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let start = Instant::now();
        while !case.project.path().join("begun").exists() {
            assert!(start.elapsed() < Duration::from_secs(30), "the program does not run");
            std::thread::sleep(Duration::from_millis(5));
        }
        let group = crate::canary::children(child.id());
        assert_eq!(group.len(), 1, "the program alone");
        let kill = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(&format!("error: stopped by SIG{signal}")), "{said}");
        assert!(start.elapsed() < Duration::from_secs(60));
        let left = Command::new("pgrep").args(["-f", "^sleep 613$"]).output().expect("pgrep runs");
        assert!(left.stdout.is_empty(), "the program is gone: {}", String::from_utf8_lossy(&left.stdout));
    }
}

/// A password that a program said is covered where the server quotes it.
#[test]
fn what_the_server_says_of_it() {
    // The server's log holds the statement, on a server of which nobody reads the log.
    let mut case = Case { database: Database::create(), ..Case::new() };
    let secret = password("'\"@");
    case.write_secret("secret", &secret);
    let literal = secret.replace('\'', "''");
    case.write_secret(
        "versions/001.sql",
        &format!("-- revision: 001\n\n-- migrate:upgrade\nSELECT '{literal}'::int;\n-- migrate:downgrade\n"),
    );
    let url = case.database.url();
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\npassword_command = cat secret\n"));
    let ran = case.run(case.project.command(["upgrade", "001", "-v"]));
    assert!(ran.code == 1 && ran.stderr.contains("invalid input syntax"), "{}", ran.transcript());
    let dump = case.database.pg_dump();
    assert!(dump.contains("\tfailed\t"), "{dump}");
    clean("the database", &dump);
}

/// `aludel env` shows where the password comes from, and neither it nor what the program would print.
#[test]
fn the_settings_in_force() {
    let project = Project::empty();
    let url = format!("postgres://u:{}@h/d", password("%40"));
    project.write("migrate.ini", format!("[migrate]\nurl = {url}\n[variables]\napp_token = {}\n", password("")));
    for arguments in ["env", "env -v", "env --json", "env url"] {
        let ran = project.aludel(arguments.split(' ')).succeeded();
        clean(arguments, &ran.transcript());
        assert!(ran.stdout.contains("***@h"), "{}", ran.transcript());
    }
    clean_files(project.path(), &[project.path().join("migrate.ini")].into());
}

/// A store replaces the password while a run is under way: what connects later gets the new one.
#[test]
fn a_password_that_is_replaced_during_the_run() {
    renewed("rotating", "rotating", |_, password| password.to_owned(), "url = URL\npassword_command = cat secret\n");
}

/// A store that changes two users by turns says the user as well.
#[test]
fn a_user_that_is_replaced_during_the_run() {
    let secret = |url: &str, password: &str| {
        let user = url.split("//").nth(1).and_then(|rest| rest.split('@').next()).expect("a user");
        serde_json::json!({ "u": user, "p": password }).to_string()
    };
    let text = "url = BARE\npassword_command = cat secret\npassword_field = p\nuser_field = u\n";
    renewed("turn_a", "turn_b", secret, text);
}

#[test]
fn a_url_whose_password_is_replaced_during_the_run() {
    let secret = |url: &str, password: &str| url.replacen('@', &format!(":{}@", encoded(password)), 1);
    renewed("in_a_url", "in_a_url", secret, "url_command = cat secret\n");
}

/// A run whose session is ended, after a hook before it has replaced who logs in. `secret` is what the store holds for a URL and a password.
#[track_caller]
fn renewed(user: &str, next: &str, secret: fn(&str, &str) -> String, text: &str) {
    let mut case = Case::new();
    let target = case.target();
    // No canaries: the server's log holds what the test itself does.
    let (first, second) = ("the first one", "the second one");
    let url = |user: &str| target.without_password().replace("postgres@", &format!("{user}@"));
    case.database.psql(&format!("CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{first}';"));
    if next != user {
        case.database.psql(&format!("CREATE ROLE {next} SUPERUSER LOGIN;"));
    }
    case.write_secret("secret", &secret(&url(user), first));
    case.write_secret("next", &secret(&url(next), second));
    let shut = if next == user { String::new() } else { format!("ALTER ROLE {user} PASSWORD 'another one';") };
    case.write_secret("rotate.sql", &format!("ALTER ROLE {next} PASSWORD '{second}'; {shut}"));
    case.project.write("rotate.sh", "psql -X -q -f rotate.sql && cp next secret\n");
    // The session is ended within COMMIT.
    case.project.write(
        "versions/001.sql",
        "-- revision: 001\n\n-- migrate:upgrade\nCREATE TABLE a (id int);\n\
         CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;\n\
         CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ends();\n\
         INSERT INTO a VALUES (1);\n-- migrate:downgrade\n",
    );
    let text = text.replace("URL", &url(user)).replace("BARE", &target.without_password().replace("postgres@", ""));
    case.project.write("migrate.ini", format!("[migrate]\n{text}before_upgrade = sh rotate.sh\n"));
    let began = Instant::now();
    let ran = case.run(case.project.command(["upgrade", "001"]));
    // Not 5: it was learnt, by the new password, that nothing was committed.
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(ran.stderr.contains("nothing of revision 001 was kept"), "{}", ran.transcript());
    assert!(began.elapsed() < Duration::from_secs(20), "{}", ran.transcript());
    assert_eq!(case.database.psql("SELECT count(*) FROM pg_class WHERE relname = 'a'"), "0\n");
    for role in [user, next] {
        case.database.psql(&format!("DROP OWNED BY {role}; DROP ROLE {role};"));
        if next == user {
            break;
        }
    }
}

/// A password that the server refuses is said to come from its program; the one of a URL from the program that printed it.
#[test]
fn who_said_a_password_that_is_wrong() {
    let mut case = Case::new();
    let target = case.target();
    let wrong = password("wrong");
    case.write_secret("wrong", &wrong);
    case.write_secret("url", &target.url(&wrong));
    let url = format!("url = {}", target.without_password());
    for (text, said) in [
        (format!("{url}\npassword_command = cat wrong"), Some("`password_command`, migrate.ini:3 [migrate]")),
        ("url_command = cat url".to_owned(), Some("`url_command`, migrate.ini:2 [migrate]")),
        (url.clone(), None),
    ] {
        case.project.write("migrate.ini", format!("[migrate]\n{text}\n"));
        let mut command = case.project.command(["status"]);
        if said.is_none() {
            command.env("PGPASSWORD", &wrong);
        }
        let ran = case.run(command);
        assert!(ran.code == 1 && ran.stderr.starts_with("error[28P01]"), "{}", ran.transcript());
        let notes: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("note: the password came")).collect();
        let wanted: Vec<String> = said.iter().map(|said| format!("note: the password came from {said}")).collect();
        assert_eq!(notes, wanted, "{}", ran.transcript());
    }
}

/// A `password_command` that goes with another `url` is not asked, and the error says so: it stands in the settings.
#[test]
fn a_password_that_was_not_asked_for() {
    let mut case = Case::new();
    let target = case.target();
    case.write_secret("secret", &target.password);
    let url = target.without_password();
    let ini = format!("[migrate]\nurl = {url}\npassword_command = cat secret\n[production]\nurl = {url}\n");
    case.project.write("migrate.ini", ini);
    for (arguments, notes) in
        [(&["-n", "production"][..], 1), (&["--url", &url], 1), (&["--url", "local"], 0), (&[], 0)]
    {
        let ran = case.run(case.project.command(arguments.iter().copied().chain(["status"])));
        let said = "note: `password_command`, migrate.ini:3 [migrate], goes with another `url`, and was not asked\n";
        assert_eq!(ran.stderr.matches(said).count(), notes, "{arguments:?}: {}", ran.transcript());
        assert_eq!(ran.code, i32::from(notes > 0), "{arguments:?}: {}", ran.transcript());
    }
    let _ = case.project.aludel(["local", "destroy"]);
}

/// The example of docs/environments.md, with a password that a URL must encode.
#[test]
fn a_secret_that_holds_the_whole_connection() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/environments.md")).expect("the page");
    let line = page.lines().find(|line| line.starts_with("url_command = sh -c 'aws")).expect("the example");
    let mut case = Case::new();
    let Target { host, port, database, user, password, .. } = case.target();
    case.project.write("migrate.ini", format!("[migrate]\n{line}\n"));
    let secret = serde_json::json!({
        "host": host, "port": port.parse::<u16>().expect("a number"), "dbname": database, "username": user, "password": password
    });
    let mut command = case.project.command(["current"]);
    store(&mut case, &mut command, &secret.to_string());
    command.env("PGSSLMODE", "disable");
    let ran = case.run(command);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
}
