//! Why there is no TLS: data first, and the one place that turns it into sentences.

use rustls::{AlertDescription, CertificateError, Error};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why no connection by TLS came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The server answered that it does no TLS.
    NotOffered,
    /// More than the one byte of the answer came before TLS began.
    Injected,
    /// The server answered with an error, which nobody vouches for.
    Broken,
    /// `verify-ca` and `verify-full` without a file to check with.
    NoAuthorities(Option<PathBuf>),
    /// The system trusts nobody that could be read.
    NoSystemAuthorities(Option<String>),
    /// A file cannot be used.
    File {
        /// The setting that names it.
        setting: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why.
        problem: FileProblem,
    },
    /// `verify-full` and no name to compare with.
    NoHostName,
    /// Nobody who is trusted signed the certificate.
    UnknownAuthority {
        /// Who signed it.
        issuer: String,
        /// Whether it signed itself.
        own: bool,
        /// The file with the authorities, unless they are the system's.
        file: Option<PathBuf>,
    },
    /// The certificate of the authority that signed it is in the file, and is not valid today.
    OldAuthority {
        /// The authority.
        name: String,
        /// From when its certificate is valid, and until when (seconds since 1970).
        validity: (u64, u64),
        /// The file.
        file: PathBuf,
    },
    /// The certificate is an authority's (`CA:TRUE`), and no server's.
    IsAuthority,
    /// The certificate was valid until then (seconds since 1970).
    Expired(u64),
    /// The certificate is valid from then on.
    NotYetValid(u64),
    /// The certificate is another host's.
    WrongName {
        /// The host.
        host: String,
        /// What the certificate is for.
        names: Vec<String>,
    },
    /// The certificate was taken back.
    Revoked,
    /// The lists of what was taken back do not say anything of this certificate, or not any more.
    RevocationUnknown,
    /// The certificate is of the format's first version.
    FirstVersion,
    /// The server took no certificate of ours, or none was there.
    CertificateRefused {
        /// What it said.
        alert: String,
        /// Whether one was shown.
        shown: bool,
    },
    /// The two sides share no version of TLS, or no cipher.
    NothingInCommon,
    /// `sslcertmode=require`, and the server did not ask.
    CertificateNotAsked,
    /// `sslnegotiation=direct`, and the other side did not say that it is PostgreSQL.
    NotDirect,
    /// The other side closed the connection.
    Closed,
    /// Anything else, in the words of the library.
    Other(String),
}

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileProblem {
    /// It is not there.
    Missing,
    /// It cannot be read.
    Unreadable(io::ErrorKind),
    /// It is not a plain file.
    NotAFile,
    /// Others may read it.
    Open,
    /// No certificate is in it.
    NoCertificate,
    /// No list is in it.
    NoList,
    /// No key is in it.
    NoKey,
    /// The key in it is damaged, or of a kind that is not known here.
    OtherKind,
    /// No key belongs to the certificate.
    NoKeyFile,
    /// The key in it is of another certificate.
    OtherKey,
    /// The key in it is locked, and no password is given.
    NoPassword,
    /// The password does not open it.
    WrongPassword,
    /// The key in it is locked in a way that is not known here.
    OldLock,
}

impl std::error::Error for TlsFailure {}

impl TlsFailure {
    /// What the library's error means.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                other.0.downcast_ref().cloned().unwrap_or_else(|| Self::Other(error.to_string()))
            }
            Error::InvalidCertificate(certificate) => match certificate {
                CertificateError::UnknownIssuer => {
                    Self::UnknownAuthority { issuer: String::new(), own: false, file: None }
                }
                CertificateError::ExpiredContext { not_after, .. } => Self::Expired(not_after.as_secs()),
                CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(not_before.as_secs()),
                CertificateError::Revoked => Self::Revoked,
                CertificateError::UnknownRevocationStatus
                | CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
                _ => Self::Other(error.to_string()),
            },
            Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
            | Error::PeerIncompatible(_) => Self::NothingInCommon,
            Error::AlertReceived(alert) if is_about_certificate(*alert) => {
                Self::CertificateRefused { alert: shown(*alert), shown: false }
            }
            Error::AlertReceived(alert) => Self::Other(format!("the server said: {}", shown(*alert))),
            error => Self::Other(error.to_string()),
        }
    }

    /// What the error of a socket with TLS means, if it is one of TLS.
    pub(crate) fn within(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(Self::of)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::File { setting, path, problem } => return Some(problem.hint(setting, path)),
            Self::WrongName { names, .. } => {
                let name = names.iter().find(|name| !name.contains('*'));
                return Some(name.map_or_else(
                    || "let the server have a certificate for that name".to_owned(),
                    |name| {
                        format!(
                            "if the server is known by that name, connect by it: `host={name}`, with `hostaddr=ADDRESS` \
                             where the DNS does not know it; if not, it is another server"
                        )
                    },
                ));
            }
            Self::NotOffered => {
                "turn TLS on in the server (`ssl = on`); if it is on there, somebody in between turns it off"
            }
            Self::Injected | Self::Broken => {
                "somebody may sit between this machine and the server; a pooler or proxy with a fault may, too"
            }
            Self::NoAuthorities(_) => {
                "`sslrootcert=FILE` with the certificate of the authority, or `sslrootcert=system` for those that this \
                 machine trusts"
            }
            Self::NoSystemAuthorities(_) => {
                "install them (`apt install ca-certificates`), or name a file: `sslrootcert=FILE`"
            }
            Self::NoHostName => "give the name beside the address: `host=NAME hostaddr=ADDRESS`",
            Self::UnknownAuthority { own: true, .. } => {
                "it signed itself: put the server's own certificate into a file, and name that in `sslrootcert`"
            }
            Self::UnknownAuthority { .. } => {
                "`sslrootcert=FILE` with the certificate of that authority: the operator of the server has it"
            }
            Self::OldAuthority { .. } => {
                "get the authority's new certificate into that file: the operator of the server has it; check the clock of \
                 this machine, too"
            }
            Self::IsAuthority => {
                "have the server's certificate made without `CA:TRUE`, or name the certificate itself in `sslrootcert`"
            }
            Self::Expired(_) => "the server needs a new one; check the clock of this machine, too",
            Self::NotYetValid(_) => "check the clock of this machine",
            Self::RevocationUnknown => "get new lists of every authority of the certificate, into the file of `sslcrl`",
            Self::FirstVersion => {
                "make it anew with extensions (`openssl x509 -req ... -extfile FILE`), or name the certificate itself in \
                 `sslrootcert`"
            }
            Self::CertificateRefused { shown: false, .. } => {
                "`sslcert=FILE` and `sslkey=FILE` with a certificate of an authority that the server trusts"
            }
            Self::CertificateRefused { shown: true, .. } => {
                "an authority that the server trusts (its `ssl_ca_file`) must have signed the one in `sslcert`"
            }
            Self::NothingInCommon => {
                "TLS 1.2 and 1.3 are spoken here: check the server's `ssl_max_protocol_version` and `ssl_ciphers`, and \
                 this side's `ssl_min_protocol_version`; a server's certificate with a key on P-521 is not supported"
            }
            Self::CertificateNotAsked => "leave out `sslcertmode`, or let the server have an `ssl_ca_file`",
            Self::NotDirect => "leave out `sslnegotiation=direct`: PostgreSQL 17 and later understand it",
            Self::Revoked | Self::Closed | Self::Other(_) => return None,
        };
        Some(fixed.to_owned())
    }
}

impl FileProblem {
    /// What to do about the file at `path` that `setting` names.
    fn hint(self, setting: &str, file: &Path) -> String {
        let path = file.display();
        match self {
            Self::Open => format!("chmod 600 {path}"),
            Self::NoPassword | Self::WrongPassword => "`sslpassword=...` with the password of the key".to_owned(),
            Self::OldLock => {
                format!("lock it anew: openssl pkcs8 -topk8 -in {path} -out KEY, chmod 600 KEY, `sslkey=KEY`")
            }
            Self::OtherKind => {
                "have it made anew: RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519".to_owned()
            }
            Self::NoKeyFile | Self::OtherKey => {
                "`sslkey=FILE` with the key that the certificate was made for".to_owned()
            }
            Self::Missing if setting == "sslkey" => Self::NoKeyFile.hint(setting, file),
            Self::Missing => format!("correct `{setting}`, or leave it out"),
            Self::Unreadable(_) | Self::NotAFile => format!("correct `{setting}`, or the file's permissions"),
            Self::NoCertificate | Self::NoList | Self::NoKey => "it must be a PEM file (`-----BEGIN ...`)".to_owned(),
        }
    }
}

fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

/// `UnknownCA` as `unknown ca`, `CertificateExpired` as `certificate expired`.
fn shown(alert: AlertDescription) -> String {
    let mut text = String::new();
    for character in format!("{alert:?}").replace("CA", "Ca").chars() {
        if character.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

/// A moment for a person.
fn date(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    moment.map_or_else(|| format!("second {seconds}"), |moment| moment.format("%Y-%m-%d %H:%M UTC").to_string())
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => formatter.write_str("the server does not do TLS, and `sslmode` demands it"),
            Self::Injected => formatter.write_str("something was sent in the clear before TLS began"),
            Self::Broken => formatter.write_str("the server failed before TLS began"),
            Self::NoAuthorities(Some(path)) => {
                write!(
                    formatter,
                    "`sslmode` demands that the certificate be checked, and there is no `{}`",
                    path.display()
                )
            }
            Self::NoAuthorities(None) => formatter
                .write_str("`sslmode` demands that the certificate be checked, and no `sslrootcert` says with what"),
            Self::NoSystemAuthorities(why) => {
                formatter.write_str("no authority that this machine trusts could be read")?;
                why.iter().try_for_each(|why| write!(formatter, ": {why}"))
            }
            Self::File { setting, path, problem } => write!(formatter, "`{setting}`, `{}`: {problem}", path.display()),
            Self::NoHostName => {
                formatter.write_str("`sslmode=verify-full` needs a host name to compare the certificate with")
            }
            Self::UnknownAuthority { issuer, file, .. } => {
                write!(formatter, "its certificate is signed by `{issuer}`, which ")?;
                match file {
                    Some(file) => write!(formatter, "is not in `{}`", file.display()),
                    None => formatter.write_str("this machine does not trust"),
                }
            }
            Self::OldAuthority { name, validity: (from, until), file } => write!(
                formatter,
                "its certificate is signed by `{name}`, whose own in `{}` is valid from {} until {}",
                file.display(),
                date(*from),
                date(*until)
            ),
            Self::IsAuthority => formatter.write_str("its certificate is an authority's (`CA:TRUE`), and no server's"),
            Self::Expired(until) => write!(formatter, "its certificate expired on {}", date(*until)),
            Self::NotYetValid(from) => write!(formatter, "its certificate is valid only from {} on", date(*from)),
            Self::WrongName { host, names } if names.is_empty() => {
                write!(formatter, "its certificate is not for `{host}`, nor for any name")
            }
            Self::WrongName { host, names } => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                write!(formatter, "its certificate is not for `{host}`; it is for {}", names.join(", "))
            }
            Self::Revoked => formatter.write_str("its certificate was revoked"),
            Self::RevocationUnknown => {
                formatter.write_str("the lists in `sslcrl` do not say whether its certificate was revoked")
            }
            Self::FirstVersion => formatter.write_str("its certificate is of version 1 of X.509, which is not checked"),
            Self::CertificateRefused { alert, shown: true } => {
                write!(formatter, "the server does not take our certificate: {alert}")
            }
            Self::CertificateRefused { alert, shown: false } => {
                write!(formatter, "the server wants a certificate of us: {alert}")
            }
            Self::NothingInCommon => {
                formatter.write_str("the server and this program share no version of TLS, or no cipher")
            }
            Self::CertificateNotAsked => {
                formatter.write_str("`sslcertmode=require`, and the server did not ask for a certificate")
            }
            Self::NotDirect => formatter.write_str("what answers by TLS does not say that it is PostgreSQL"),
            Self::Closed => formatter.write_str("the server closed the connection while TLS began"),
            Self::Other(text) => write!(formatter, "TLS failed: {text}"),
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("there is no such file"),
            Self::Unreadable(kind) => write!(formatter, "{kind}"),
            Self::NotAFile => formatter.write_str("it is not a plain file"),
            Self::Open => formatter.write_str("others than its owner can read the key"),
            Self::NoCertificate => formatter.write_str("no certificate can be read there"),
            Self::NoList => formatter.write_str("no revocation list can be read there"),
            Self::NoKey => formatter.write_str("no private key can be read there"),
            Self::OtherKind => {
                formatter.write_str("the key is damaged, or of a kind that is not supported, such as one on P-521")
            }
            Self::NoKeyFile => formatter.write_str("there is a certificate and no `sslkey`"),
            Self::OtherKey => formatter.write_str("the key is not that of the certificate"),
            Self::NoPassword => formatter.write_str("the key is locked with a password, and none is given"),
            Self::WrongPassword => formatter.write_str("the password does not open the key"),
            Self::OldLock => formatter.write_str("the key is locked in an old way, which is not supported"),
        }
    }
}
