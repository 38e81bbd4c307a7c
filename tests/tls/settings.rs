//! Every line of the tables in `docs/connections.md`: a line without a case here fails.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aludel::database::connect_error::ConnectError;
use aludel::database::connection::Connection;
use aludel::database::conninfo::tls::{Authorities, CertificateMode, ChannelBinding, TlsVersion};
use aludel::database::conninfo::{Conninfo, ConninfoError, Endpoint, Settings, SslMode, Surroundings, TargetSession};
use aludel::database::wire::connect::ConnectOptions;

use crate::certificates::{AUTHORITY, Files, Pair, Wanted, locked};
use crate::outcome::{Refused, ours};
use crate::server::{PASSWORD, RIGHT, WITHOUT};

/// The cells of the table under a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string("docs/connections.md").expect("the manual");
    let section = text.split(&format!("\n## {heading}\n")).nth(1).expect("the heading");
    let rows = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let rows: Vec<Vec<String>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(rows.len() > 5, "{heading}");
    rows
}

#[test]
fn the_table_of_modes() {
    let files = Files::new();
    for row in table("TLS") {
        let mode = row[0].split('`').nth(1).expect("a mode");
        let wrong = files.roots("wrong.crt");
        let right = files.roots("right.crt");
        let cases = [
            format!("{} sslmode={mode} {right}", WITHOUT.at("db.example.com")),
            format!("{} sslmode={mode} {wrong}", RIGHT.at("db.example.com")),
            format!("{} sslmode={mode} {right}", RIGHT.at("other.example.com")),
        ];
        for (cell, case) in row[1..].iter().zip(cases) {
            assert_eq!(cell.starts_with("refuses"), ours(&case, files.path()) == Refused, "{cell}: {case}");
            assert!(cell.starts_with("refuses") || cell.starts_with("goes on"), "{cell}");
        }
    }
}

type Variables = BTreeMap<String, String>;

fn resolve(text: &str, variables: &Variables) -> Result<Conninfo, ConninfoError> {
    let variable = |name: &str| variables.get(name).map(Into::into);
    let home = variables.get("HOME").map(Path::new);
    let surroundings = Surroundings { variable: &variable, home, user: Some("me") };
    let settings = if text.is_empty() { Settings::default() } else { Settings::parse(text)? };
    Conninfo::resolve(settings, &surroundings)
}

/// A line of the table.
struct Line {
    setting: String,
    variable: String,
    says: String,
    files: Files,
}

impl Line {
    /// What `value` makes of `base`, by the setting and by the variable, as far as there are both.
    fn both(&self, value: &str, base: &str) -> Vec<Result<Conninfo, ConninfoError>> {
        let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
        let none = Variables::new();
        let mut found = Vec::new();
        if !self.setting.is_empty() {
            found.push(resolve(&format!("{base} {}='{quoted}'", self.setting), &none));
        }
        if !self.variable.is_empty() {
            found.push(resolve(base, &Variables::from([(self.variable.clone(), value.to_owned())])));
        }
        found
    }

    #[track_caller]
    fn every(&self, value: &str, base: &str, holds: impl Fn(&Conninfo) -> bool) {
        for conninfo in self.both(value, base) {
            let conninfo = conninfo.unwrap_or_else(|error| panic!("{}: {error}", self.setting));
            assert!(holds(&conninfo), "{} {}: {conninfo:?}", self.setting, self.variable);
        }
    }

    /// The value is an error of the connection string.
    #[track_caller]
    fn wrong(&self, value: &str, base: &str) {
        for conninfo in self.both(value, base) {
            assert!(matches!(conninfo, Err(ConninfoError::Value { .. })), "{}={value}: {conninfo:?}", self.setting);
        }
    }

    /// The setting is refused by name when it comes to connecting.
    #[track_caller]
    fn refused(&self, value: &str) {
        self.every(value, &RIGHT.at("db.example.com"), |conninfo| {
            let error = Connection::connect(conninfo, &ConnectOptions::default()).expect_err("it is refused");
            let told = aludel::error::Error::from(error);
            !told.hints().is_empty() && told.to_string().contains(&format!("`{}` is not supported", self.setting))
        });
    }

    /// It changes nothing, and a connection comes about.
    #[track_caller]
    fn ignored(&self, value: &str) {
        assert!(self.says.starts_with("no effect"), "{}", self.says);
        self.every(value, &RIGHT.at("db.example.com"), |conninfo| connects(conninfo).is_ok());
    }

    /// The question `sql` is answered with `expected` in a session.
    #[track_caller]
    fn asked(&self, value: &str, sql: &str, expected: &str) {
        self.every(value, &RIGHT.at("db.example.com"), |conninfo| {
            let mut connection = connects(conninfo).expect("a connection");
            connection.query(sql, None).expect("an answer")[0].get(0) == Some(expected)
        });
    }
}

fn connects(conninfo: &Conninfo) -> Result<Connection, ConnectError> {
    Connection::connect(conninfo, &ConnectOptions::default())
}

#[test]
fn the_table_of_settings() {
    for row in table("Settings and variables") {
        let [setting, variable, says] = &row[..] else { panic!("{row:?}") };
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        let line = Line { setting: plain(setting), variable: plain(variable), says: says.clone(), files: Files::new() };
        let refused = says == "refused";
        check(if line.setting.is_empty() { &line.variable } else { &line.setting }, &line, refused);
    }
}

/// The case of a line.
fn check(name: &str, line: &Line, refused: bool) {
    let second = |count| Some(Duration::from_secs(count));
    let file = |name: &str| line.files.path().join(name).to_string_lossy().into_owned();
    let home = |conninfo: &Conninfo| conninfo.hosts[0].endpoint.clone();
    match name {
        "host" => {
            line.every("db", "", |conninfo| home(conninfo) == Endpoint::Name("db".to_owned()));
            line.every("/run/x", "", |conninfo| home(conninfo) == Endpoint::Socket(PathBuf::from("/run/x")));
            line.every("a,b", "", |conninfo| conninfo.hosts.len() == 2);
            line.wrong("@x", "");
        }
        "hostaddr" => {
            let ours =
                |conninfo: &Conninfo| matches!(home(conninfo), Endpoint::Address(address, _) if address.is_loopback());
            line.every("127.0.0.1", "", ours);
            line.wrong("db", "");
            let foreign = Variables::from([("PGHOSTADDR".to_owned(), "127.0.0.1".to_owned())]);
            assert!(!ours(&resolve("host=db", &foreign).expect("settings")));
        }
        "port" => line.every("77", "host=h", |conninfo| conninfo.hosts[0].port == 77),
        "dbname" => line.every("shop", "host=h", |conninfo| conninfo.database == "shop"),
        "user" => line.every("shop", "host=h", |conninfo| conninfo.user == "shop" && conninfo.database == "shop"),
        "password" => {
            let without = RIGHT.at("db.example.com").replace(&format!(" password={PASSWORD}"), "");
            line.every(PASSWORD, &without, |conninfo| connects(conninfo).is_ok());
            line.every("wrong", &without, |conninfo| connects(conninfo).is_err());
        }
        "passfile" => {
            let path = line.files.write("passwords", &format!("*:*:*:other:{PASSWORD}\n"));
            let without = RIGHT.at("db.example.com").replace(&format!(" password={PASSWORD}"), "");
            line.every(&path.to_string_lossy(), &without, |conninfo| connects(conninfo).is_ok());
            line.files.allow("passwords", 0o644);
            line.every(&path.to_string_lossy(), &without, |conninfo| conninfo.warnings.len() == 1);
            line.files.write(".pgpass", &format!("*:*:*:other:{PASSWORD}\n"));
            let home = Variables::from([("HOME".to_owned(), line.files.path().to_string_lossy().into_owned())]);
            assert!(connects(&resolve(&without, &home).expect("settings")).is_ok());
        }
        "service" | "servicefile" | "PGSYSCONFDIR" => service(name, line),
        "options" => line.asked("-c search_path=x", "SHOW search_path", "x"),
        "application_name" => line.asked("me", "SHOW application_name", "me"),
        "fallback_application_name" => {
            line.asked("me", "SHOW application_name", "me");
            line.every("me", "application_name=other", |conninfo| {
                conninfo.application_name.as_deref() == Some("other")
            });
        }
        "client_encoding" => {
            line.ignored("LATIN1");
            line.asked("LATIN1", "SHOW client_encoding", "UTF8");
        }
        "PGTZ" => line.asked("Asia/Tokyo", "SHOW timezone", "Asia/Tokyo"),
        "PGDATESTYLE" => line.asked("German", "SHOW datestyle", "German, DMY"),
        "PGGEQO" => line.asked("off", "SHOW geqo", "off"),
        "connect_timeout" => {
            line.every("7", "host=h", |conninfo| conninfo.connect_timeout == second(7));
            line.every("0", "host=h", |conninfo| conninfo.connect_timeout.is_none());
            assert_eq!(resolve("host=h", &Variables::new()).expect("settings").connect_timeout, second(10));
        }
        "keepalives" => line.every("0", "host=h", |conninfo| !conninfo.keepalive.on),
        "keepalives_idle" => {
            line.every("7", "host=h", |conninfo| conninfo.keepalive.idle == second(7));
            assert_eq!(resolve("host=h", &Variables::new()).expect("settings").keepalive.idle, second(60));
        }
        "keepalives_interval" => {
            line.every("7", "host=h", |conninfo| conninfo.keepalive.interval == second(7));
            assert_eq!(resolve("host=h", &Variables::new()).expect("settings").keepalive.interval, second(10));
        }
        "keepalives_count" => {
            line.every("7", "host=h", |conninfo| conninfo.keepalive.count == Some(7));
            assert_eq!(resolve("host=h", &Variables::new()).expect("settings").keepalive.count, Some(6));
        }
        "tcp_user_timeout" => {
            line.every("1500", "host=h", |conninfo| {
                conninfo.keepalive.user_timeout == Some(Duration::from_millis(1500))
            });
        }
        "target_session_attrs" => {
            let base = RIGHT.at("db.example.com");
            line.every("primary", &base, |conninfo| connects(conninfo).is_ok());
            line.every("prefer-standby", &base, |conninfo| connects(conninfo).is_ok());
            line.every("read-write", &base, |conninfo| connects(conninfo).is_ok());
            line.every("standby", &base, |conninfo| connects(conninfo).is_err());
            line.every("read-only", &base, |conninfo| connects(conninfo).is_err());
            line.every("any", &base, |conninfo| conninfo.target_session == TargetSession::Any);
            line.wrong("master", &base);
        }
        "load_balance_hosts" => load_balance(line),
        "sslmode" => {
            for (word, mode) in [("disable", SslMode::Disable), ("allow", SslMode::Allow), ("prefer", SslMode::Prefer)]
            {
                line.every(word, "host=h", |conninfo| conninfo.sslmode == mode);
            }
            line.wrong("on", "host=h");
        }
        "PGREQUIRESSL" => {
            line.every("1", "host=h", |conninfo| conninfo.sslmode == SslMode::Require);
            line.every("0", "host=h", |conninfo| conninfo.sslmode == SslMode::Prefer);
            line.every("1", "host=h sslmode=disable", |conninfo| conninfo.sslmode == SslMode::Disable);
        }
        "sslnegotiation" => {
            line.every("direct", "host=h sslmode=require", |conninfo| conninfo.tls.direct);
            line.every("postgres", "host=h", |conninfo| !conninfo.tls.direct);
            line.wrong("direct", "host=h sslmode=prefer");
        }
        "sslcompression" => line.ignored("1"),
        "sslcert" | "sslkey" => {
            let pair = AUTHORITY.sign(&Wanted { common: "by_certificate", ..Wanted::default() });
            line.files.pair("mine", &pair);
            let (other, ending) = if name == "sslcert" { ("sslkey", ".crt") } else { ("sslcert", ".key") };
            let other = format!("{other}={}", file(if name == "sslcert" { "mine.key" } else { "mine.crt" }));
            let base = format!("{} sslmode=require {other}", RIGHT.role("by_certificate"));
            line.every(&file(&format!("mine{ending}")), &base, |conninfo| connects(conninfo).is_ok());
            line.every(&file("missing"), &base, |conninfo| connects(conninfo).is_err());
            if name == "sslkey" {
                line.refused("pkcs11:id");
                line.files.allow("mine.key", 0o644);
                line.every(&file("mine.key"), &base, |conninfo| connects(conninfo).is_err());
            }
        }
        "sslpassword" => {
            let pair = AUTHORITY.sign(&Wanted { common: "by_certificate", ..Wanted::default() });
            let names = line.files.pair("mine", &Pair { key: locked(&pair.key, "open"), ..pair });
            let base = format!("{} sslmode=require {names}", RIGHT.role("by_certificate"));
            line.every("open", &base, |conninfo| connects(conninfo).is_ok());
            line.every("closed", &base, |conninfo| connects(conninfo).is_err());
        }
        "sslcertmode" => {
            line.every("disable", "host=h", |conninfo| conninfo.tls.certificate_mode == CertificateMode::Disable);
            line.every("require", "host=h", |conninfo| conninfo.tls.certificate_mode == CertificateMode::Require);
            line.wrong("never", "host=h");
        }
        "sslrootcert" => {
            let base = format!("{} sslmode=verify-full", RIGHT.at("db.example.com"));
            line.every(&file("right.crt"), &base, |conninfo| connects(conninfo).is_ok());
            line.every(&file("wrong.crt"), &base, |conninfo| connects(conninfo).is_err());
            line.every("system", "host=h", |conninfo| {
                conninfo.tls.authorities == Authorities::System && conninfo.sslmode == SslMode::VerifyFull
            });
            let base = base.replace("verify-full", "require");
            line.every(&file("missing.crt"), &base, |conninfo| {
                connects(conninfo).is_ok_and(|connection| connection.security().unchecked.is_some())
            });
        }
        "sslcrl" => {
            let base = format!("{} sslmode=require {}", RIGHT.at("db.example.com"), line.files.roots("right.crt"));
            line.files.write("none.crl", &AUTHORITY.revoke(5));
            line.files.write("own.crl", &AUTHORITY.revoke(77));
            line.every(&file("none.crl"), &base, |conninfo| connects(conninfo).is_ok());
            line.every(&file("own.crl"), &base, |conninfo| connects(conninfo).is_err());
            line.every(&file("missing.crl"), &base, |conninfo| connects(conninfo).is_err());
        }
        "sslsni" => {
            let (text, heard) = crate::in_between::listening();
            for (value, expected) in [("0", false), ("1", true)] {
                line.every(value, &format!("{text} sslmode=require"), |conninfo| {
                    let refused = connects(conninfo).is_err();
                    let heard = heard.lock().expect("what was heard").pop().expect("a connection");
                    refused && String::from_utf8_lossy(&heard).contains("db.example.com") == expected
                });
            }
        }
        "ssl_min_protocol_version" => {
            line.every("TLSv1.3", "host=h", |conninfo| conninfo.tls.oldest == TlsVersion::Tls13);
            line.every("TLSv1", "host=h", |conninfo| conninfo.tls.oldest == TlsVersion::Tls12);
            line.wrong("SSLv3", "host=h");
        }
        "ssl_max_protocol_version" => {
            line.every("TLSv1.2", "host=h", |conninfo| conninfo.tls.newest == TlsVersion::Tls12);
            line.wrong("TLSv1.1", "host=h");
            line.wrong("TLSv1.2", "host=h ssl_min_protocol_version=TLSv1.3");
        }
        "min_protocol_version" => {
            line.refused("3.2");
            line.every("3.0", &RIGHT.at("db.example.com"), |conninfo| connects(conninfo).is_ok());
        }
        "max_protocol_version" => line.ignored("latest"),
        "channel_binding" => {
            for (word, binding) in [("disable", ChannelBinding::Disable), ("require", ChannelBinding::Require)] {
                line.every(word, "host=h", |conninfo| conninfo.channel_binding == binding);
            }
            let base = format!("{} sslmode=disable", RIGHT.at("db.example.com"));
            line.every("require", &base, |conninfo| connects(conninfo).is_err());
            line.wrong("never", "host=h");
        }
        "require_auth" => {
            let base = RIGHT.at("db.example.com");
            line.every("scram-sha-256", &base, |conninfo| connects(conninfo).is_ok());
            line.every("gss,sspi,oauth", &base, |conninfo| connects(conninfo).is_err());
            line.wrong("scram-sha-256,!md5", &base);
            line.wrong("kerberos", &base);
        }
        "gssencmode" => {
            line.refused("require");
            line.every("prefer", &RIGHT.at("db.example.com"), |conninfo| connects(conninfo).is_ok());
        }
        "krbsrvname" | "gsslib" | "gssdelegation" => line.ignored("x"),
        "replication"
        | "sslcrldir"
        | "sslkeylogfile"
        | "requirepeer"
        | "scram_client_key"
        | "scram_server_key"
        | "oauth_issuer"
        | "oauth_client_id"
        | "oauth_client_secret"
        | "oauth_scope" => {
            assert!(refused, "{}", line.says);
            line.refused("x");
            return;
        }
        other => panic!("no case for the line `{other}`"),
    }
    assert!(!refused, "{name}: {}", line.says);
}

/// The string before the service, the service before the variables; the user's file before the system's.
fn service(name: &str, line: &Line) {
    let write = |name: &str, port: u16| {
        let text = format!(
            "[other]\nhost=o\n\n[shop]\n# ours\nhost=db\nport={port}\nuser=seller\npassword=x\n[more]\nhost=m\n"
        );
        line.files.write(name, &text)
    };
    let own = write(".pg_service.conf", 1);
    let named = write("named", 2);
    write("etc/pg_service.conf", 3);
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let home = ("HOME".to_owned(), text(line.files.path()));
    let resolve = |string: &str, variables: &[(&str, String)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let conninfo = resolve(string, &variables.chain([home.clone()]).collect())?;
        Ok::<_, ConninfoError>(conninfo.to_string())
    };
    let shop = || ("PGSERVICE", "shop".to_owned());
    match name {
        "service" => {
            let expected = Ok("postgresql://seller:***@db:1/seller".to_owned());
            assert_eq!(resolve("service=shop", &[]), expected);
            assert_eq!(resolve("", &[shop()]), expected);
            assert_eq!(resolve("service=shop", &[("PGUSER", "me".to_owned())]), expected, "before the variables");
            let over = Ok("postgresql://you:***@db:1/you".to_owned());
            assert_eq!(resolve("service=shop user=you", &[]), over, "after the string");
            assert_eq!(resolve("host=h", &[shop()]), Ok("postgresql://me@h:5432/me".to_owned()));
            for wrong in ["nowhere", "sho", ""] {
                let found = resolve(&format!("service='{wrong}'"), &[]);
                assert!(found.is_err(), "{wrong}: {found:?}");
            }
            line.files.write(".pg_service.conf", "[trail] # of libpq's reader\nhost=db\n");
            assert_eq!(resolve("service=trail", &[]), Ok("postgresql://me@db:5432/me".to_owned()));
            // The older way to say `sslmode` is none in a service, as in libpq: it would take the place of the string's.
            line.files.write(".pg_service.conf", "[shop]\nhost=db\nrequiressl=0\n");
            assert!(resolve("service=shop sslmode=verify-full", &[]).is_err());
            line.files.write(".pg_service.conf", "[shop]\nservice=other\n");
            assert!(resolve("service=shop", &[]).is_err(), "a service in a service");
        }
        "servicefile" => {
            let expected = Ok("postgresql://seller:***@db:2/seller".to_owned());
            assert_eq!(resolve(&format!("service=shop servicefile={}", text(&named)), &[]), expected);
            assert_eq!(resolve("", &[shop(), ("PGSERVICEFILE", text(&named))]), expected);
            let missing = format!("service=shop servicefile={}", text(&own.with_file_name("missing")));
            assert!(resolve(&missing, &[]).is_err());
        }
        _ => {
            let system = ("PGSYSCONFDIR", text(&own.with_file_name("etc")));
            assert_eq!(
                resolve("service=shop", std::slice::from_ref(&system)),
                Ok("postgresql://seller:***@db:1/seller".to_owned())
            );
            std::fs::remove_file(&own).expect("the file goes");
            assert_eq!(resolve("service=shop", &[system]), Ok("postgresql://seller:***@db:3/seller".to_owned()));
        }
    }
}

/// Each host is the first at times.
fn load_balance(line: &Line) {
    let hosts = RIGHT
        .role("trusted")
        .replace("host=db.example.com", "host=a,b")
        .replace("hostaddr=127.0.0.1", "hostaddr=127.0.0.1,127.0.0.1");
    let firsts = |value: &str| {
        let names = RefCell::new(BTreeSet::new());
        for _ in 0..20 {
            line.every(value, &hosts, |conninfo| {
                let connection = connects(conninfo).expect("a connection");
                names.borrow_mut().insert(connection.host().to_string());
                true
            });
        }
        names.into_inner().len()
    };
    assert_eq!(firsts("disable"), 1);
    assert_eq!(firsts("random"), 2);
    line.wrong("often", "host=h");
}
