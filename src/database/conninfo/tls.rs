//! What a connection string says of TLS and of the log-in: which files, which versions, which methods. No file is read here.

use super::error::ConninfoError;
use super::settings::Settings;
use super::{SslMode, one_of};
use crate::secret::Secret;
use std::path::{Path, PathBuf};

/// What is asked of TLS beside `sslmode`, with libpq's defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whose signature a server's certificate needs.
    pub authorities: Authorities,
    /// `sslcrl`: certificates that were taken back.
    pub revoked: Option<NamedFile>,
    /// `sslcert`: the certificate that is shown to a server which asks for one.
    pub certificate: Option<NamedFile>,
    /// `sslkey`: its private key.
    pub key: Option<NamedFile>,
    /// `sslpassword`: what an encrypted key is opened with.
    pub key_password: Option<Secret>,
    /// `sslcertmode`
    pub certificate_mode: CertificateMode,
    /// `sslsni`: whether the host's name is sent in the clear before TLS begins.
    pub name_indication: bool,
    /// `ssl_min_protocol_version`; older ones than 1.2 do not exist here.
    pub oldest: TlsVersion,
    /// `ssl_max_protocol_version`
    pub newest: TlsVersion,
    /// `sslnegotiation=direct`: TLS begins at once, without asking for it (PostgreSQL 17 and later).
    pub direct: bool,
}

/// A file, and whether somebody named it: one that is looked for by default may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Where.
    pub path: PathBuf,
    /// Whether a setting or a variable names it.
    pub named: bool,
}

/// `sslrootcert`: whose signature a server's certificate needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those that the operating system trusts.
    System,
    /// Those in a file.
    File(NamedFile),
    /// Nothing is named, and there is no home directory to look in.
    Unknown,
}

/// `sslcertmode`: whether a certificate is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateMode {
    /// Never.
    Disable,
    /// To a server that asks, where there is one.
    Allow,
    /// The server must ask.
    Require,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

/// `channel_binding`: whether the log-in is tied to the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server can.
    Prefer,
    /// Or no log-in.
    Require,
}

/// A way in which a server lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A password in clear text.
    Password,
    /// MD5.
    Md5,
    /// SCRAM-SHA-256, with channel binding or without.
    Scram,
    /// Without asking, or by the certificate alone.
    None,
}

/// `require_auth`: the methods that the server may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedMethods {
    /// As written, for messages; nothing where every method will do.
    pub written: Option<String>,
    methods: Vec<Method>,
}

impl AllowedMethods {
    /// Whether `method` will do.
    #[must_use]
    pub fn allows(&self, method: Method) -> bool {
        self.methods.contains(&method)
    }
}

/// Those that this program knows, by libpq's names.
const METHODS: [(&str, Option<Method>); 7] = [
    ("password", Some(Method::Password)),
    ("md5", Some(Method::Md5)),
    ("scram-sha-256", Some(Method::Scram)),
    ("none", Some(Method::None)),
    ("gss", None),
    ("sspi", None),
    ("oauth", None),
];

/// The setting `require_auth`: either what may be used, or what may not.
pub(super) fn require_auth(settings: &Settings) -> Result<AllowedMethods, ConninfoError> {
    const EXPECTED: &str = "a list of `password`, `md5`, `scram-sha-256`, `none`, `gss`, `sspi`, `oauth`, either all with `!` before them or none";
    let written = settings.get("require_auth");
    let wrong = || ConninfoError::value("require_auth", EXPECTED);
    let entries: Vec<&str> = written.map_or_else(Vec::new, |list| list.split(',').map(str::trim).collect());
    let negated = entries.first().is_none_or(|first| first.starts_with('!'));
    let mut listed = Vec::new();
    for entry in entries {
        let name = if negated { entry.strip_prefix('!').ok_or_else(wrong)? } else { entry };
        let method = METHODS.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?;
        listed.extend(method.1);
    }
    let all = METHODS.iter().filter_map(|(_, method)| *method);
    let methods = all.filter(|method| listed.contains(method) != negated).collect();
    Ok(AllowedMethods { written: written.map(str::to_owned), methods })
}

/// The setting `channel_binding`.
pub(super) fn channel_binding(settings: &Settings) -> Result<ChannelBinding, ConninfoError> {
    one_of(
        settings,
        "channel_binding",
        "one of `disable`, `prefer`, `require`",
        &[
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ],
        ChannelBinding::Prefer,
    )
}

/// What `settings` say of TLS. `home`: where libpq looks for its files by default.
pub(super) fn read(settings: &Settings, mode: SslMode, home: Option<&Path>) -> Result<TlsSettings, ConninfoError> {
    let file = |key: &str, default: &str| match settings.get(key) {
        Some(path) => Some(NamedFile { path: PathBuf::from(path), named: true }),
        None => home.map(|home| NamedFile { path: home.join(".postgresql").join(default), named: false }),
    };
    let authorities = match settings.get("sslrootcert") {
        Some("system") => Authorities::System,
        _ => file("sslrootcert", "root.crt").map_or(Authorities::Unknown, Authorities::File),
    };
    let modes = [
        ("disable", CertificateMode::Disable),
        ("allow", CertificateMode::Allow),
        ("require", CertificateMode::Require),
    ];
    let expected = "one of `disable`, `allow`, `require`";
    let certificate_mode = one_of(settings, "sslcertmode", expected, &modes, CertificateMode::Allow)?;
    let direct =
        one_of(settings, "sslnegotiation", "`postgres` or `direct`", &[("postgres", false), ("direct", true)], false)?;
    if direct && mode < SslMode::Require {
        let expected = "`require`, `verify-ca` or `verify-full` with `sslnegotiation=direct`";
        return Err(ConninfoError::value("sslmode", expected));
    }
    let expected = "`TLSv1.2` or `TLSv1.3`";
    let (old, new) = (TlsVersion::Tls12, TlsVersion::Tls13);
    // What asks for less than 1.2 is content with it. Empty is no bound, as in libpq.
    let oldest = [("", old), ("TLSv1", old), ("TLSv1.1", old), ("TLSv1.2", old), ("TLSv1.3", new)];
    let newest = [("", new), ("TLSv1.2", old), ("TLSv1.3", new)];
    let oldest = one_of(settings, "ssl_min_protocol_version", expected, &oldest, old)?;
    let newest = one_of(settings, "ssl_max_protocol_version", expected, &newest, new)?;
    if oldest > newest {
        let expected = "at least `ssl_min_protocol_version`";
        return Err(ConninfoError::value("ssl_max_protocol_version", expected));
    }
    Ok(TlsSettings {
        authorities,
        revoked: file("sslcrl", "root.crl"),
        certificate: file("sslcert", "postgresql.crt"),
        key: file("sslkey", "postgresql.key"),
        key_password: settings.secret("sslpassword").cloned(),
        certificate_mode,
        name_indication: one_of(settings, "sslsni", "`1` or `0`", &[("1", true), ("0", false), ("", false)], true)?,
        oldest,
        newest,
        direct,
    })
}
