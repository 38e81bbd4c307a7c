//! Connection strings, as people write them.

use super::*;
use proptest::prelude::*;

fn none(_: &str) -> Option<OsString> {
    None
}

/// What `text` leads to beside these variables.
fn beside(text: &str, variables: &[(&str, &str)]) -> Result<Conninfo, ConninfoError> {
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
    Conninfo::parse(text, &Surroundings { variable: &value, home: None, user: Some("me") })
}

fn parse(text: &str) -> Result<Conninfo, ConninfoError> {
    Conninfo::parse(text, &Surroundings { variable: &none, home: None, user: Some("me") })
}

/// `user|password|hosts|database` of a string.
fn summary(text: &str) -> String {
    let conninfo = parse(text).unwrap();
    let hosts: Vec<String> = conninfo.hosts.iter().map(ToString::to_string).collect();
    let password = conninfo.hosts[0].password.as_ref().map_or("-", Secret::reveal).to_owned();
    format!("{}|{password}|{}|{}", conninfo.user, hosts.join(","), conninfo.database)
}

#[test]
fn strings_as_people_write_them() {
    for (text, expected) in [
        ("postgresql://u:p@h:1/d", "u|p|h:1|d"),
        ("postgres://u@h", "u|-|h:5432|u"),
        ("postgresql+asyncpg://u:p@h/d", "u|p|h:5432|d"),
        ("postgresql+psycopg2://u:p@h/d?sslmode=disable", "u|p|h:5432|d"),
        ("postgresql+psycopg://u:p@/d?host=/run/x", "u|p|/run/x/.s.PGSQL.5432|d"),
        ("postgresql+psycopg2://u@/d?host=a:1&host=b:2", "u|-|a:1,b:2|d"),
        ("postgresql+asyncpg://u@h/d?statement_cache_size=0&timeout=3", "u|-|h:5432|d"),
        ("postgresql://u:p%40%2F%25%3A@h/d%20e", "u|p@/%:|h:5432|d e"),
        ("postgresql://u:p@w@h/d", "u|p@w|h:5432|d"),
        ("postgresql://u@dom:p@h/d", "u@dom|p|h:5432|d"),
        ("postgresql://u:p?x#y@h/d", "u|p?x#y|h:5432|d"),
        ("postgresql://u:a:b@h/d", "u|a:b|h:5432|d"),
        ("postgresql://u@[::1]:6/d", "u|-|[::1]:6|d"),
        ("postgresql://u@h1:1,h2:2,[fe80::1]/d", "u|-|h1:1,h2:2,[fe80::1]:5432|d"),
        ("postgresql://u@%2Fvar%2Frun:7/d", "u|-|/var/run/.s.PGSQL.7|d"),
        ("postgresql:///d?host=/tmp/s&port=9&user=x&password=p@q", "x|p@q|/tmp/s/.s.PGSQL.9|d"),
        ("postgresql://h?user=u", "u|-|h:5432|u"),
        ("host=h port=2 user = u dbname='my db' password='it\\'s \\\\'", "u|it's \\|h:2|my db"),
        ("host=h password=a\\ b user=u", "u|a b|h:5432|u"),
        ("host=/run/pg", "me|-|/run/pg/.s.PGSQL.5432|me"),
        ("host=a,b port=1,2", "me|-|a:1,b:2|me"),
        ("host=a,b port=3", "me|-|a:3,b:3|me"),
        ("hostaddr=127.0.0.1 host=db.example", "me|-|db.example:5432|me"),
        ("host=h password=''", "me|-|h:5432|me"),
        ("host=h password=a\u{a0}b\u{a0}", "me|a\u{a0}b\u{a0}|h:5432|me"),
        ("host=h application_name=https://ci/job", "me|-|h:5432|me"),
        ("host=h options='x://y'", "me|-|h:5432|me"),
        ("host='/tmp/a b' dbname='a;b'", "me|-|/tmp/a b/.s.PGSQL.5432|a;b"),
    ] {
        assert_eq!(summary(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (text, expected) in [
        ("mysql://u:p@h/d", "Scheme"),
        ("database", "Form"),
        ("", "Form"),
        ("postgresql://u:p/w@h/d", "Ambiguous"),
        ("postgresql://u:p@S/w@h/d", "Ambiguous"),
        ("postgresql://u:p/w?x=1@h/d", "Ambiguous"),
        ("postgresql://u:p%zz@h/d", "Percent"),
        ("postgresql://u:%ff@h/d", "Percent"),
        ("postgresql://u:%00@h/d", "Nul"),
        ("postgresql://u@::1/d", "Brackets"),
        ("postgresql://u@[::1/d", "Brackets"),
        ("postgresql://u@h:x/d", "Value port"),
        ("postgresql://u@h:0/d", "Value port"),
        ("postgresql://u@h:99999/d", "Value port"),
        ("postgresql://u@h/d?sslmode=yes", "Value sslmode"),
        ("postgresql://u@h/d?sslmode", "Equals"),
        ("host=@abstract", "Value host"),
        ("hostaddr=h", "Value hostaddr"),
        ("host=h;password=S3cret", "Joined host"),
        ("host=/tmp;password=S3cret", "Joined host"),
        ("host='h password'", "Joined host"),
        ("host=h dbname=d;password=S3cret", "Joined dbname"),
        ("user=u;password=S3cret", "Joined user"),
        ("host=a,b port=1,2,3", "Counts"),
        ("host='a", "Quote"),
        ("host=a b", "Equals"),
        ("host=a connect_timeout=soon", "Value connect_timeout"),
        ("sslmode=''", "Empty sslmode"),
        ("postgresql://h/d?sslmode=", "Empty sslmode"),
        ("channel_binding=''", "Empty channel_binding"),
        ("target_session_attrs=''", "Empty target_session_attrs"),
        ("load_balance_hosts=''", "Empty load_balance_hosts"),
        ("connect_timeout=''", "Empty connect_timeout"),
        ("keepalives=''", "Empty keepalives"),
        ("tcp_user_timeout=''", "Empty tcp_user_timeout"),
        ("service=''", "Empty service"),
        ("host=postgres://u:S3cret@h/d", "Url host"),
        ("dbname=postgres://u:S3cret@h/d", "Url dbname"),
        ("service=postgres://u:S3cret@h/d", "Url service"),
        ("application_name=postgres://u:S3cret@h/d", "Url application_name"),
        ("app:S3cret@db:5432/shop?sslmode=require", "Form"),
        ("postgres:/app:S3cret@h/d?sslmode=require", "Form"),
        ("app:S3cret==@h/d", "Form"),
        ("{\"password\":\"S3cret=b\"}", "Form"),
        ("=x", "Form"),
        ("host=h\u{a0}user=u dbname=a b", "Equals"),
    ] {
        let kind = match parse(text).unwrap_err() {
            ConninfoError::Value { key, .. } => format!("Value {key}"),
            ConninfoError::Empty { key, .. } => format!("Empty {key}"),
            ConninfoError::Joined { key } => format!("Joined {key}"),
            ConninfoError::Url { key } => format!("Url {key}"),
            other => format!("{other:?}"),
        };
        assert_eq!(kind, expected, "{text}");
    }
    let unknown = |key: Option<&str>, nearest| ConninfoError::Unknown { key: key.map(str::to_owned), nearest };
    assert_eq!(parse("postgresql://h/d?ssl_mode=x").unwrap_err(), unknown(Some("ssl_mode"), Some("sslmode")));
    assert_eq!(parse("hots=h").unwrap_err(), unknown(Some("hots"), Some("host")));
    assert_eq!(parse("host=h database=x").unwrap_err(), unknown(Some("database"), Some("dbname")));
    assert_eq!(parse("host=h password=a S3cret=x").unwrap_err(), unknown(None, None));
    assert_eq!(parse("host=h sslpassword=a tail=x").unwrap_err(), unknown(None, None));
    assert_eq!(parse("postgresql://h/d?sslpassword=A&TAIL?x=1").unwrap_err(), unknown(None, None));
    assert_eq!(parse("postgresql://h/d?S3cret=1").unwrap_err(), unknown(None, None));
    assert_eq!(parse("Host=h").unwrap_err(), unknown(None, Some("host")));
    assert_eq!(
        Conninfo::parse("host=h", &Surroundings { variable: &none, home: None, user: None }).unwrap_err(),
        ConninfoError::NoUser
    );
}

#[test]
fn modes_and_times() {
    let mode = |text| parse(text).unwrap().sslmode;
    assert_eq!(mode("postgresql://h/d"), SslMode::Prefer);
    assert_eq!(mode("postgresql+asyncpg://h/d?ssl=require"), SslMode::Require);
    assert_eq!(mode("postgresql://h/d?ssl=true"), SslMode::Require);
    assert_eq!(mode("host=h sslrootcert=system"), SslMode::VerifyFull);
    assert_eq!(mode("host=h requiressl=1"), SslMode::Require);
    assert_eq!(mode("host=h sslmode=require requiressl=0"), SslMode::Prefer);
    let timeout = |text| parse(text).unwrap().connect_timeout;
    assert_eq!(timeout("host=h"), Some(CONNECT_TIMEOUT));
    assert_eq!(timeout("host=h connect_timeout=3"), Some(Duration::from_secs(3)));
    assert_eq!(timeout("host=h connect_timeout=0"), None);
    assert_eq!(timeout("host=h connect_timeout=-1"), None);
    let keepalive = parse("host=h keepalives=0 keepalives_idle=7 tcp_user_timeout=1500").unwrap().keepalive;
    assert!(!keepalive.on);
    assert_eq!(keepalive.idle, Some(Duration::from_secs(7)));
    assert_eq!(keepalive.user_timeout, Some(Duration::from_millis(1500)));
    // The system's own would be two hours.
    let keepalive = parse("host=h").unwrap().keepalive;
    assert_eq!((keepalive.idle, keepalive.count), (Some(Duration::from_secs(60)), Some(6)));
    let keepalive = parse("host=h keepalives_idle=0 keepalives_count=0").unwrap().keepalive;
    assert_eq!((keepalive.idle, keepalive.interval, keepalive.count), (None, Some(Duration::from_secs(10)), None));
    let unsupported = |text| parse(text).unwrap().unsupported().map(|(key, _)| key);
    assert_eq!(unsupported("host=h replication=database"), Some("replication"));
    assert_eq!(unsupported("host=h gssencmode=require"), Some("gssencmode"));
    assert_eq!(unsupported("host=h gssencmode=prefer max_protocol_version=latest"), None);
}

#[test]
fn variables_fill_in_what_is_missing() {
    let variable = |name: &str| {
        let value = match name {
            "PGHOST" => "env-host",
            "PGHOSTADDR" => "10.0.0.9",
            "PGPORT" => "77",
            "PGUSER" => "env-user",
            "PGPASSWORD" => "env-password",
            "PGDATABASE" => "env-db",
            "PGSERVICE" => "svc",
            "PGSERVICEFILE" => "/nowhere/at/all",
            "PGSSLMODE" => "require",
            _ => return None,
        };
        Some(value.into())
    };
    let surroundings = Surroundings { variable: &variable, home: None, user: Some("me") };
    let conninfo = Conninfo::parse("postgresql://h/d", &surroundings).unwrap();
    assert_eq!(conninfo.to_string(), "postgresql://env-user:***@h:77/d");
    assert_eq!(conninfo.warnings, [Warning::Service]);
    assert_eq!(conninfo.hosts[0].endpoint, Endpoint::Name("h".to_owned()), "PGHOSTADDR is another host's");
    assert_eq!(conninfo.sslmode, SslMode::Require);
    let error = Conninfo::resolve(Settings::default(), &surroundings).unwrap_err();
    assert!(
        matches!(error, ConninfoError::Service { .. }),
        "a service does not reach a string that names a host: {error}"
    );
    let without = |name: &str| variable(name).filter(|_| name != "PGSERVICE");
    let surroundings = Surroundings { variable: &without, home: None, user: Some("me") };
    let conninfo = Conninfo::resolve(Settings::default(), &surroundings).unwrap();
    assert_eq!(conninfo.to_string(), "postgresql://env-user:***@env-host:77/env-db");
}

/// What is given and empty is given, as libpq has it: it stands for the default, and no variable stands in for it.
#[test]
fn what_is_empty_is_given() {
    let default = default_sockets().to_owned();
    let all = [("PGHOST", "other"), ("PGPORT", "77"), ("PGUSER", "u"), ("PGDATABASE", "d"), ("PGPASSWORD", "p")];
    let conninfo = beside("host='' port='' user='' dbname='' password=''", &all).unwrap();
    assert_eq!((conninfo.user.as_str(), conninfo.database.as_str()), ("me", "me"));
    let socket = Host { endpoint: Endpoint::Socket(default.clone()), port: 5432, password: None };
    assert_eq!(conninfo.hosts, std::slice::from_ref(&socket));
    let conninfo = beside("postgresql://h/d?options=&application_name=", &[("PGOPTIONS", "-c x"), ("PGAPPNAME", "a")]);
    assert_eq!(conninfo.map(|conninfo| (conninfo.options, conninfo.application_name)), Ok((None, None)));
    assert_eq!(beside("postgresql:///d?host=", &all).unwrap().hosts[0].endpoint, socket.endpoint);
    // The parts of a URL that are not there are not given.
    assert_eq!(beside("postgresql://", &all).unwrap().to_string(), "postgresql://u:***@other:77/d");
    assert_eq!(beside("postgresql://:@:/", &all).unwrap().to_string(), "postgresql://u:***@other:77/d");
    // A list of hosts gives each its port.
    assert_eq!(beside("postgresql://a,b/d", &all).unwrap().to_string(), "postgresql://u:***@a:5432,b:5432/d");
    assert_eq!(beside("postgresql://a/d", &all).unwrap().to_string(), "postgresql://u:***@a:77/d");
    let empty = |key, variable| match beside("dbname=d", &[(variable, "")]) {
        Err(ConninfoError::Empty { key: found, .. }) => assert_eq!(found, key),
        other => panic!("{variable}: {other:?}"),
    };
    empty("sslmode", "PGSSLMODE");
    empty("connect_timeout", "PGCONNECT_TIMEOUT");
    empty("target_session_attrs", "PGTARGETSESSIONATTRS");
    empty("service", "PGSERVICE");
    let defaults =
        ["PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE"];
    let files = ["PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGSSLMINPROTOCOLVERSION", "PGREQUIREPEER"];
    for name in defaults.into_iter().chain(files) {
        let conninfo = beside("password=p", &[(name, "")]).unwrap();
        assert_eq!(conninfo.unsupported(), None, "{name}");
        assert_eq!(
            Conninfo { settings: Settings::default(), ..conninfo },
            Conninfo { settings: Settings::default(), ..parse("password=p").unwrap() }
        );
    }
    let session = |name, value| beside("host=h", &[(name, value)]).unwrap().session;
    assert_eq!(session("PGTZ", ""), [("timezone", String::new())], "which the server refuses");
    assert_eq!(session("PGTZ", "Default"), []);
}

#[test]
fn a_variable_that_is_not_utf_8_is_not_taken_for_unset() {
    use std::os::unix::ffi::OsStringExt as _;
    let variable = |name: &str| matches!(name, "PGHOST" | "PGDATABASE").then(|| OsString::from_vec(vec![0xff]));
    let surroundings = Surroundings { variable: &variable, home: None, user: Some("me") };
    assert_eq!(Conninfo::parse("dbname=d", &surroundings), Err(ConninfoError::Variable("PGHOST")));
    assert_eq!(Conninfo::parse("host=h", &surroundings), Err(ConninfoError::Variable("PGDATABASE")));
    assert!(Conninfo::parse("host=h dbname=d", &surroundings).is_ok(), "only what is asked for");
}

#[test]
fn shown_without_the_password() {
    for (text, expected) in [
        ("postgresql://u:secret@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgres://u@h/d e", "postgresql://u@h:5432/d%20e"),
        ("host=/run/pg user=u password=x dbname=d port=6", "postgresql://u:***@/d?host=/run/pg&port=6"),
        ("postgresql://u:p@[::1],b:2/d", "postgresql://u:***@[::1]:5432,b:2/d"),
        ("host='/tmp/a b&c' user=u dbname=d", "postgresql://u@/d?host=/tmp/a%20b%26c"),
        ("host=a]:b user=u dbname=d", "postgresql://u@[a%5D:b]:5432/d"),
    ] {
        let shown = parse(text).unwrap().to_string();
        assert_eq!(shown, expected, "{text}");
        assert_eq!(parse(&shown).unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn the_password_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pass");
    let default = default_sockets().display().to_string();
    let text = format!(
        "# comment\nother:*:*:*:no\nh:5432:d:u:p\\:q\\\\r:not this\n/run/pg:*:*:u:sock\n{default}:*:*:*:default\n\
         localhost:*:*:u:local\n::1:*:*:*:six\nempty:*:*:*:\n*:*:*:u:any\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let password = |rest: &str| {
        let conninfo = parse(&format!("{rest} user=u passfile={}", path.display())).unwrap();
        assert!(conninfo.warnings.is_empty());
        let revealed = |password: Secret| password.reveal().to_owned();
        conninfo
            .hosts
            .iter()
            .map(|host| host.password.clone().map_or_else(|| "-".to_owned(), revealed))
            .collect::<Vec<_>>()
    };
    assert_eq!(password("host=h dbname=d"), ["p:q\\r"]);
    assert_eq!(password("host=h dbname=e"), ["any"]);
    assert_eq!(password("host=/run/pg dbname=d"), ["sock"]);
    assert_eq!(password(&format!("host={default},other dbname=d")), ["local", "no"]);
    assert_eq!(password("dbname=d"), ["local"]);
    assert_eq!(password("host=::1"), ["six"], "as libpq reads it, its colons are the host's");
    assert_eq!(password("hostaddr=::1"), ["six"]);
    assert_eq!(password("host=empty"), ["-"]);
    assert_eq!(password("host=h dbname=d password=given"), ["given"]);
    assert_eq!(password("host=h dbname=d password=''"), ["p:q\\r"]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let conninfo = parse(&format!("host=h passfile={}", path.display())).unwrap();
    assert_eq!(conninfo.hosts[0].password, None);
    assert_eq!(conninfo.warnings, [Warning::PasswordFile(PasswordFileWarning::Readable(path))]);
    assert!(parse("host=h passfile=/nowhere/at/all").unwrap().warnings.is_empty());
}

/// The table of settings in the manual: each with its variable, in libpq's order or ours, and none left out.
#[test]
fn the_manual_lists_every_setting() {
    let text = std::fs::read_to_string("docs/connections.md").unwrap();
    let table = text.split("\n## Settings and variables\n").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut listed: Vec<(String, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            (cells[0].to_owned(), cells[1].to_owned())
        })
        .collect();
    let known = keyword::KEYWORDS.iter();
    let mut known: Vec<(String, String)> =
        known.map(|keyword| (keyword.name.to_owned(), keyword.variable.unwrap_or("").to_owned())).collect();
    listed.sort();
    known.sort();
    assert_eq!(listed, known);
}

/// Everything that is ever shown of a connection string.
fn everything_shown(text: &str) -> String {
    match parse(text) {
        Ok(conninfo) => format!("{conninfo} {conninfo:?}"),
        Err(error) => format!("{error} {error:?} {:?} {:?}", error.hint(), crate::error::Error::from(error.clone())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_password_is_ever_shown(before in "[ -~]{0,6}", after in "[ -~]{0,6}", url in any::<bool>()) {
        let text = if url {
            format!("postgresql://u:{before}CANARY{after}@h/d?sslmode=prefer")
        } else {
            format!("host=h password={before}CANARY{after} user=u")
        };
        // A person who closes the password and begins another known setting has written that setting.
        prop_assume!(!before.contains(' ') || url);
        prop_assume!(url || !before.starts_with('\''));
        prop_assert!(!everything_shown(&text).contains("CANARY"), "{}: {}", text, everything_shown(&text));
    }

    #[test]
    fn an_encoded_password_arrives(password in "\\PC{1,20}") {
        let text = format!("postgresql://u:{}@h/d", url::encode(&password));
        let conninfo = parse(&text).unwrap();
        prop_assert_eq!(conninfo.hosts[0].password.as_ref().unwrap().reveal(), password);
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,60}") {
        let _ = everything_shown(&text);
        let _ = everything_shown(&format!("postgresql://{text}"));
    }
}
