//! What comes of a connection string, here and in psql.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aludel::database::connect_error::{ConnectError, ConnectFailure};
use aludel::database::connection::Connection;
use aludel::database::conninfo::{Conninfo, Surroundings};
use aludel::database::tls::TlsFailure;
use aludel::database::wire::connect::ConnectOptions;

use crate::support;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Connected, with TLS.
    Tls,
    /// Connected, without.
    Plain,
    Refused,
}

pub use Outcome::{Plain, Refused, Tls};

const QUESTION: &str = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";

/// Connects as the tool does, with files at `home`.
pub fn connect(text: &str, home: &Path) -> Result<Connection, ConnectError> {
    let surroundings = Surroundings { variable: &|_| None, home: Some(home), user: Some("nobody") };
    let conninfo = Conninfo::parse(text, &surroundings);
    Connection::connect(&conninfo.unwrap_or_else(|error| panic!("{text}: {error}")), &ConnectOptions::default())
}

pub fn ours(text: &str, home: &Path) -> Outcome {
    match connect(text, home) {
        Ok(mut connection) => {
            let rows = connection.query(QUESTION, Some(Instant::now() + Duration::from_secs(60))).expect("an answer");
            let tls = rows[0].get(0) == Some("t");
            assert_eq!(tls, connection.security().tls.is_some(), "what it says of itself");
            if tls { Tls } else { Plain }
        }
        Err(_) => Refused,
    }
}

/// The failure of TLS.
#[track_caller]
pub fn failure(text: &str, home: &Path) -> TlsFailure {
    let error = connect(text, home).expect_err("it is refused");
    match error.attempts.into_iter().last().expect("an attempt").failure {
        ConnectFailure::Tls(failure) => failure,
        other => panic!("{text}: {other:?}"),
    }
}

/// What is told, with its hints.
#[track_caller]
pub fn told(text: &str, home: &Path) -> String {
    let error = aludel::error::Error::from(connect(text, home).expect_err("it is refused"));
    let hints: Vec<String> = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
    format!("{error}{}", hints.concat())
}

/// psql, and libpq's major version; the first that does TLS.
static PSQL: LazyLock<Option<(PathBuf, u32)>> = LazyLock::new(|| {
    let beside = support::server().cluster.binaries().directory.join("psql");
    [beside, "psql".into(), "/usr/bin/psql".into()].into_iter().find_map(|program| {
        let version = Command::new(&program).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let major = version.split_whitespace().nth(2)?.split('.').next()?.parse().ok()?;
        let tried = Command::new(&program).args(["-X", "-d", "host=/nowhere sslmode=require"]).output().ok()?;
        (!String::from_utf8_lossy(&tried.stderr).contains("not compiled in")).then_some((program, major))
    })
});

/// What psql makes of it, if there is one of at least this version.
pub fn psql(text: &str, home: &Path, least: u32) -> Option<Outcome> {
    let (program, _) = PSQL.as_ref().filter(|(_, major)| *major >= least)?;
    let mut command = Command::new(program);
    command.env_clear().env("PATH", support::variables().path.unwrap_or_default()).env("HOME", home);
    if let Some(path) = support::variables().library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    command.args(["-X", "-A", "-t", "-w", "-c", QUESTION, "-d", text]).stdin(Stdio::null());
    let output = command.output().expect("psql runs");
    Some(match (output.status.success(), String::from_utf8_lossy(&output.stdout).trim()) {
        (true, "t") => Tls,
        (true, "f") => Plain,
        (false, "") => Refused,
        other => panic!("{text}: {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    })
}

/// Here and in psql the same comes of it.
#[track_caller]
pub fn same(text: &str, home: &Path, expected: Outcome) {
    same_as(text, home, expected, 10);
}

/// The same, where psql must be of at least this version to know the settings.
#[track_caller]
pub fn same_as(text: &str, home: &Path, expected: Outcome, least: u32) {
    assert_eq!(ours(text, home), expected, "{text}");
    if let Some(theirs) = psql(text, home, least) {
        assert_eq!(theirs, expected, "psql: {text}");
    }
}
