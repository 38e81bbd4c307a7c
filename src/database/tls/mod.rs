//! TLS by rustls, with libpq's meaning of every mode: what is prepared before a socket is opened.
//!
//! The signatures of certificates are checked by webpki, below rustls. What is here is libpq's: which files are read, who is
//! trusted in which mode, which name a certificate must have. Nothing is read unless TLS is used.

mod certificate;
mod failure;
mod files;
mod identity;
mod name;
mod verifier;

pub(super) use certificate::end_point_hash;
pub use failure::{FileProblem, TlsFailure};

use self::identity::Identity;
use self::verifier::Verifier;
use super::conninfo::tls::{Authorities, CertificateMode, TlsSettings, TlsVersion};
use super::conninfo::{Endpoint, Host, SslMode};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// How PostgreSQL is called where a port serves several protocols.
const PROTOCOL: &[u8] = b"postgresql";

/// Everything that TLS to one host needs. A cancel request uses it again.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
    pub(crate) direct: bool,
    identity: Arc<Identity>,
    certificate_mode: CertificateMode,
    /// The file that was named to check the server with, and that is not there: in these modes libpq checks nothing then.
    pub(crate) unchecked: Option<PathBuf>,
}

/// What TLS a connection has, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSummary {
    /// `TLSv1.3`
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`
    pub cipher: String,
}

impl Tls {
    /// Reads the files that `settings` name.
    pub(crate) fn prepare(settings: &TlsSettings, mode: SslMode, host: &Host) -> Result<Self, TlsFailure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let name = match &host.endpoint {
            Endpoint::Name(name) | Endpoint::Address(_, Some(name)) => Some(name.as_str()),
            _ => None,
        };
        let checked_name = match (mode, name) {
            (SslMode::VerifyFull, None) => return Err(TlsFailure::NoHostName),
            (SslMode::VerifyFull, Some(name)) => Some(name.to_owned()),
            _ => None,
        };
        let mut unchecked = None;
        let chain = match &settings.authorities {
            Authorities::System => Some(files::system_authorities()?),
            Authorities::File(file) => match files::authorities(file)? {
                None if mode >= SslMode::VerifyCa => return Err(TlsFailure::NoAuthorities(Some(file.path.clone()))),
                None => {
                    unchecked = file.named.then(|| file.path.clone());
                    None
                }
                found => found,
            },
            Authorities::Unknown if mode >= SslMode::VerifyCa => return Err(TlsFailure::NoAuthorities(None)),
            Authorities::Unknown => None,
        };
        let revoked = match (&chain, &settings.revoked) {
            (Some(_), Some(file)) => files::revoked(file)?,
            _ => Vec::new(),
        };
        let verifier = Verifier::new(chain, revoked, checked_name, &provider)?;
        let identity = Arc::new(identity::read(settings, &provider)?);
        let versions: Vec<_> =
            [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)]
                .into_iter()
                .filter(|(version, _)| (settings.oldest..=settings.newest).contains(version))
                .map(|(_, version)| version)
                .collect();
        let mut config = configuration(provider, &versions, verifier, &identity)?;
        config.enable_sni = settings.name_indication;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // A session that goes on would not ask for the certificate again.
        config.resumption = Resumption::disabled();
        // An address is not sent, and the verifier compares names itself.
        let nameless = || ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let name = name.and_then(|name| ServerName::try_from(name.to_owned()).ok()).unwrap_or_else(nameless);
        Ok(Self {
            config: Arc::new(config),
            name,
            direct: settings.direct,
            identity,
            certificate_mode: settings.certificate_mode,
            unchecked,
        })
    }

    /// Whether what was agreed on is what was asked for.
    pub(crate) fn check(&self, agreed: &rustls::ClientConnection) -> Result<(), TlsFailure> {
        // Without it, another protocol's server could have answered.
        if self.direct && agreed.alpn_protocol() != Some(PROTOCOL) {
            return Err(TlsFailure::NotDirect);
        }
        if self.certificate_mode == CertificateMode::Require && !self.identity.was_asked_for() {
            return Err(TlsFailure::CertificateNotAsked);
        }
        Ok(())
    }

    /// Whether a certificate of ours was shown.
    pub(crate) fn showed_certificate(&self) -> bool {
        self.identity.was_asked_for() && self.identity.is_there()
    }
}

fn configuration(
    provider: Arc<CryptoProvider>,
    versions: &[&'static rustls::SupportedProtocolVersion],
    verifier: Verifier,
    identity: &Arc<Identity>,
) -> Result<ClientConfig, TlsFailure> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| TlsFailure::Other(error.to_string()))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_client_cert_resolver(Arc::clone(identity) as Arc<_>))
}
