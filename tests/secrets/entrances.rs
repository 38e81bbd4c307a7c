//! Every entrance, and behind each of them every failure.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::canary::{clean, clean_arguments, encoded, password};
use crate::{Case, LOUD, Target};

/// Prepares files, variables and arguments so that the tool finds `target` there.
pub type Entrance = fn(&mut Case, &Target, &mut Command);

/// Makes a target one that fails.
type Failure = fn(&mut Target);

/// What goes wrong, what that is of a target, and the exit code.
const FAILURES: [(&str, Failure, i32); 7] = [
    ("refused", |target| target.port = free_port(), 1),
    ("no such host", |target| target.host = "nowhere.invalid".to_owned(), 1),
    ("a wrong password", |target| target.password = target.password.replace('@', "@wrong"), 1),
    ("no such database", |target| target.database = "nowhere".to_owned(), 1),
    ("an sslmode that is none", |target| target.sslmode = "on", 2),
    ("a server without TLS", |target| target.sslmode = "verify-full", 1),
    ("a string that cannot be parsed", |target| target.port = "port".to_owned(), 2),
];

/// A port where nobody listens.
fn free_port() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address").port().to_string()
}

/// A run by this entrance.
fn command(case: &mut Case, entrance: Entrance, target: &Target, arguments: &str, loud: bool) -> Command {
    let mut command = case.project.command(arguments.split_whitespace());
    entrance(case, target, &mut command);
    if loud {
        command.arg("-v").envs(LOUD);
    }
    command
}

#[track_caller]
pub fn through(entrance: Entrance, adapt: fn(&mut Target), on_command_line: bool) {
    let mut case = Case::new();
    let mut target = case.target();
    adapt(&mut target);
    let warned = |stderr: &str| stderr.contains("warning: everyone on this machine can read the password");
    for (failure, break_it, code) in FAILURES {
        let mut broken = target.clone();
        break_it(&mut broken);
        for (arguments, loud) in [("upgrade head", false), ("upgrade head", true), ("status --json", true)] {
            let command = command(&mut case, entrance, &broken, arguments, loud);
            let ran = case.run(command);
            assert_eq!(ran.code, code, "{failure}, {arguments}: {}", ran.transcript());
        }
    }
    for arguments in ["env", "env -v", "env url", "env --json"] {
        let command = command(&mut case, entrance, &target, arguments, false);
        let ran = case.run(command);
        assert_eq!(ran.code, 0, "{arguments}: {}", ran.transcript());
    }
    held(&mut case, entrance, &target, on_command_line);
    for (arguments, code, connects) in [
        ("status", 0, true),
        ("status --json", 0, true),
        ("upgrade head", 1, true),
        ("upgrade head --sql", 0, false),
        ("downgrade base", 0, true),
        ("stamp 001", 0, true),
        ("revision -m more", 0, false),
    ] {
        let command = command(&mut case, entrance, &target, arguments, true);
        let ran = case.run(command);
        assert_eq!(ran.code, code, "{arguments}: {}", ran.transcript());
        assert_eq!(warned(&ran.stderr), on_command_line && connects, "{arguments}: {}", ran.transcript());
    }
    case.clean_server();
}

/// While a revision runs, neither other sessions nor other processes see the password.
#[track_caller]
fn held(case: &mut Case, entrance: Entrance, target: &Target, on_command_line: bool) {
    let mut client = case.database.client();
    client.batch_execute("SELECT pg_advisory_lock(1)").expect("the lock");
    let mut command = command(case, entrance, target, "upgrade 001", true);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let deadline = Instant::now() + Duration::from_secs(30);
    let waiting = "SELECT a::text FROM pg_stat_activity a WHERE datname = current_database()
        AND EXISTS (SELECT 1 FROM pg_locks l WHERE NOT l.granted AND l.locktype = 'advisory' AND l.database = a.datid)";
    let activity = loop {
        let rows = client.query(waiting, &[]).expect("the activity");
        if !rows.is_empty() {
            break rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n");
        }
        assert!(Instant::now() < deadline, "the revision does not run");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(activity.contains("aludel ") && activity.contains("pg_advisory_xact_lock"), "{activity}");
    clean("pg_stat_activity", &activity);
    if !on_command_line {
        clean_arguments(child.id());
    }
    client.batch_execute("SELECT pg_advisory_unlock(1)").expect("the lock is let go");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    clean("the run that was held", &said);
}

/// As everything is written.
pub fn all(_: &mut Target) {}

/// With a password whose only odd character is `@`, and may stand in a URL as it is.
fn plain(target: &mut Target) {
    (target.user, target.password) = ("plain", password("@"));
}

fn ini(case: &mut Case, url: &str) {
    case.write_secret("migrate.ini", &format!("[migrate]\nurl = {url}\n"));
}

#[test]
fn a_url_in_the_ini() {
    through(|case, target, _| ini(case, &target.encoded()), all, false);
}

#[test]
fn a_url_with_a_raw_at_sign() {
    through(|case, target, _| ini(case, &target.url(&target.password)), plain, false);
}

#[test]
fn a_url_of_sqlalchemy() {
    through(|case, target, _| ini(case, &target.encoded().replace("postgresql:", "postgresql+asyncpg:")), all, false);
}

#[test]
fn a_password_in_a_urls_query() {
    through(
        |case, target, _| ini(case, &format!("{}&password={}", target.without_password(), encoded(&target.password))),
        all,
        false,
    );
}

#[test]
fn pairs_in_the_ini() {
    through(|case, target, _| ini(case, &target.pairs()), all, false);
}

#[test]
fn a_section_of_the_ini() {
    through(
        |case, target, command| {
            let url = target.encoded();
            case.write_secret("migrate.ini", &format!("[migrate]\nurl = local\n[production]\nurl = {url}\n"));
            command.args(["-n", "production"]);
        },
        all,
        false,
    );
}

#[test]
fn a_variable_in_the_ini() {
    through(|_, target, command| _ = command.env("DATABASE_URL", target.encoded()), all, false);
}

#[test]
fn a_variable_that_holds_the_password_alone() {
    through(
        |case, target, command| {
            ini(case, &target.url("{{ env.SECRET }}"));
            command.env("SECRET", &target.password);
        },
        plain,
        false,
    );
}

#[test]
fn the_option_url() {
    through(|_, target, command| _ = command.arg("--url").arg(target.encoded()), all, true);
}

#[test]
fn the_option_url_with_pairs() {
    through(|_, target, command| _ = command.arg(format!("--url={}", target.pairs())), all, true);
}

#[test]
fn the_option_x() {
    through(
        |case, target, command| {
            case.project.write("migrate.ini", "[migrate]\nurl = {{ x.dbUrl }}\n");
            command.arg("-x").arg(format!("dbUrl={}", target.encoded()));
        },
        all,
        true,
    );
}

#[test]
fn pgpassword() {
    through(
        |_, target, command| {
            command.env("DATABASE_URL", target.without_password()).env("PGPASSWORD", &target.password);
        },
        all,
        false,
    );
}

#[test]
fn variables_alone() {
    through(
        |case, target, command| {
            case.project.write("migrate.ini", "[migrate]\nurl = postgresql://\n");
            let Target { host, port, database, user, password, sslmode } = target;
            command.envs([("PGHOST", &**host), ("PGPORT", port), ("PGDATABASE", database)]);
            command.envs([("PGUSER", *user), ("PGPASSWORD", password), ("PGSSLMODE", sslmode)]);
        },
        all,
        false,
    );
}

/// The line of a password file.
fn line(target: &Target) -> String {
    format!("*:*:*:{}:{}\n", target.user, target.password.replace('\\', "\\\\").replace(':', "\\:"))
}

#[test]
fn a_password_file_at_home() {
    through(
        |case, target, command| {
            let file = case.write_secret("home/.pgpass", &line(target));
            command.env("HOME", file.with_file_name("")).env("DATABASE_URL", target.without_password());
        },
        all,
        false,
    );
}

#[test]
fn pgpassfile() {
    through(
        |case, target, command| {
            let file = case.write_secret("passwords", &line(target));
            command.env("PGPASSFILE", file).env("DATABASE_URL", target.without_password());
        },
        all,
        false,
    );
}

#[test]
fn a_password_file_that_the_url_names() {
    through(
        |case, target, command| {
            let file = case.write_secret("passwords", &line(target));
            command.env("DATABASE_URL", format!("{}&passfile={}", target.without_password(), file.display()));
        },
        all,
        false,
    );
}

/// A service file with the target in it.
fn service_file(case: &mut Case, target: &Target) -> std::path::PathBuf {
    let Target { host, port, database, user, password, sslmode } = target;
    let text = format!(
        "# ours\n[other]\nhost=nowhere.invalid\n[shop]\nhost={host}\nport={port}\ndbname={database}\nuser={user}\n\
         password={password}\nsslmode={sslmode}\n"
    );
    case.write_secret("services.conf", &text)
}

#[test]
fn a_service_that_the_url_names() {
    through(
        |case, target, command| {
            let file = service_file(case, target);
            command.env("DATABASE_URL", "postgresql://?service=shop").env("PGSERVICEFILE", file);
        },
        all,
        false,
    );
}

#[test]
fn pgservice() {
    through(
        |case, target, command| {
            let home = service_file(case, target).with_file_name("home");
            std::fs::create_dir_all(&home).expect("a directory");
            let own = case.project.read("services.conf");
            case.write_secret("home/.pg_service.conf", &own);
            case.project.write("migrate.ini", "[migrate]\nurl = postgresql://\n");
            command.env("PGSERVICE", "shop").env("HOME", home);
        },
        all,
        false,
    );
}

/// A line that is no setting may be the one with the password.
#[test]
fn a_service_file_that_cannot_be_read() {
    let mut case = Case::new();
    let secret = password("@");
    for text in [format!("[shop]\n{secret}\n"), format!("[shop]\npasswort={secret}\n"), format!("[{secret}]\nhost=h\n")]
    {
        let file = case.write_secret("services.conf", &text);
        for loud in [false, true] {
            let mut command = case.project.command(["upgrade", "head"]);
            command.env("DATABASE_URL", "postgresql://?service=shop").env("PGSERVICEFILE", &file).env("PGUSER", "x");
            if loud {
                command.arg("-v").envs(LOUD);
            }
            let ran = case.run(command);
            assert!(ran.code == 2 && ran.stderr.contains("the service `shop` cannot be used"), "{}", ran.transcript());
        }
    }
}
