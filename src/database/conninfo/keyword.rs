//! The settings a connection string may hold: libpq's, as its manual lists them (34.1.2), with the environment
//! variable that stands in for each (34.15). It says which exist, not what they mean.

use crate::nearest::nearest;

/// One setting.
pub(super) struct Keyword {
    /// Its name in a connection string.
    pub name: &'static str,
    /// The variable used where the string does not give it.
    pub variable: Option<&'static str>,
    /// Its value is never shown.
    pub secret: bool,
}

const fn plain(name: &'static str) -> Keyword {
    Keyword { name, variable: None, secret: false }
}

const fn with_variable(name: &'static str, variable: &'static str) -> Keyword {
    Keyword { name, variable: Some(variable), secret: false }
}

const fn secret(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword { name, variable, secret: true }
}

/// Every setting of libpq 18.
pub(super) const KEYWORDS: &[Keyword] = &[
    with_variable("host", "PGHOST"),
    with_variable("hostaddr", "PGHOSTADDR"),
    with_variable("port", "PGPORT"),
    with_variable("dbname", "PGDATABASE"),
    with_variable("user", "PGUSER"),
    secret("password", Some("PGPASSWORD")),
    with_variable("passfile", "PGPASSFILE"),
    with_variable("service", "PGSERVICE"),
    with_variable("servicefile", "PGSERVICEFILE"),
    with_variable("options", "PGOPTIONS"),
    with_variable("application_name", "PGAPPNAME"),
    plain("fallback_application_name"),
    with_variable("client_encoding", "PGCLIENTENCODING"),
    with_variable("connect_timeout", "PGCONNECT_TIMEOUT"),
    plain("keepalives"),
    plain("keepalives_idle"),
    plain("keepalives_interval"),
    plain("keepalives_count"),
    plain("tcp_user_timeout"),
    with_variable("target_session_attrs", "PGTARGETSESSIONATTRS"),
    with_variable("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    plain("replication"),
    with_variable("sslmode", "PGSSLMODE"),
    with_variable("sslnegotiation", "PGSSLNEGOTIATION"),
    with_variable("sslcompression", "PGSSLCOMPRESSION"),
    with_variable("sslcert", "PGSSLCERT"),
    with_variable("sslkey", "PGSSLKEY"),
    with_variable("sslcertmode", "PGSSLCERTMODE"),
    secret("sslpassword", None),
    with_variable("sslrootcert", "PGSSLROOTCERT"),
    with_variable("sslcrl", "PGSSLCRL"),
    with_variable("sslcrldir", "PGSSLCRLDIR"),
    with_variable("sslsni", "PGSSLSNI"),
    plain("sslkeylogfile"),
    with_variable("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    with_variable("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    with_variable("min_protocol_version", "PGMINPROTOCOLVERSION"),
    with_variable("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    with_variable("channel_binding", "PGCHANNELBINDING"),
    with_variable("require_auth", "PGREQUIREAUTH"),
    with_variable("requirepeer", "PGREQUIREPEER"),
    with_variable("gssencmode", "PGGSSENCMODE"),
    with_variable("krbsrvname", "PGKRBSRVNAME"),
    with_variable("gsslib", "PGGSSLIB"),
    with_variable("gssdelegation", "PGGSSDELEGATION"),
    secret("scram_client_key", None),
    secret("scram_server_key", None),
    plain("oauth_issuer"),
    plain("oauth_client_id"),
    secret("oauth_client_secret", None),
    plain("oauth_scope"),
];

/// The setting called `name`.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// Whether the value of the setting `name` is never shown.
pub(super) fn is_secret(name: &str) -> bool {
    find(name).is_some_and(|keyword| keyword.secret)
}

/// Whether `text` can be the name of a setting, or a slip for one. What cannot may be a part of a password, and is not shown.
pub(super) fn may_be_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The setting that somebody who wrote `name` may have meant: another word for it, or one that looks like it.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "database" | "db" => return Some("dbname"),
        "username" => return Some("user"),
        "pass" | "passwd" => return Some("password"),
        _ => {}
    }
    nearest(name, KEYWORDS.iter().map(|keyword| keyword.name))
}
