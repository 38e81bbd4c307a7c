//! Who a server may be: its certificate is signed by a known authority, or is itself the one in the file, and has the host's name.

use super::certificate::Parsed;
use super::failure::TlsFailure;
use super::files::Trusted;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use std::sync::Arc;

/// Checks what a server shows, as far as the mode asks for it. That the server has the key of its certificate is always checked.
#[derive(Debug)]
pub(super) struct Verifier {
    chain: Option<Chain>,
    host: Option<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Chain {
    /// Nothing where nobody vouches for others.
    signatures: Option<Arc<WebPkiServerVerifier>>,
    trusted: Trusted,
    with_revocation: bool,
}

impl Verifier {
    pub(super) fn new(
        trusted: Option<Trusted>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        host: Option<String>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsFailure> {
        let algorithms = provider.signature_verification_algorithms;
        let chain = match trusted {
            None => None,
            Some(trusted) => {
                let with_revocation = !revoked.is_empty();
                let roots = Arc::clone(&trusted.roots);
                let has_roots = !roots.is_empty();
                let mut builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider));
                if with_revocation {
                    builder = builder.with_crls(revoked).enforce_revocation_expiration();
                }
                let build = || builder.build().map_err(|error| TlsFailure::Other(error.to_string()));
                let signatures = has_roots.then(build).transpose()?;
                Some(Chain { signatures, trusted, with_revocation })
            }
        };
        Ok(Self { chain, host, algorithms })
    }
}

impl Chain {
    /// Whether the certificate leads to somebody who is trusted.
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), TlsFailure> {
        let unknown = || Err(CertificateError::UnknownIssuer.into());
        let verify = |signatures: &Arc<WebPkiServerVerifier>| {
            signatures.verify_server_cert(certificate, others, name, &[], now).map(|_| ())
        };
        let error = match self.signatures.as_ref().map_or_else(unknown, verify) {
            Ok(()) => return Ok(()),
            // The name is looked at last, and by libpq's rule.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => return Ok(()),
            Err(error) => error,
        };
        let parsed = Parsed::read(certificate);
        // A server's own certificate in the file, as `openssl req -x509` makes it, is trusted by OpenSSL and not by webpki.
        let is_there = self.trusted.certificates.iter().any(|trusted| trusted == certificate);
        if is_there
            && !self.with_revocation
            && let Some(parsed) = &parsed
        {
            let (from, until) = parsed.validity();
            return match now.as_secs() {
                now if now < from => Err(TlsFailure::NotYetValid(from)),
                now if now > until => Err(TlsFailure::Expired(until)),
                _ => Ok(()),
            };
        }
        Err(match (TlsFailure::of(&error), parsed) {
            // Its authority would have to say that it was not taken back.
            (TlsFailure::UnknownAuthority { .. } | TlsFailure::Other(_), _) if is_there => {
                TlsFailure::RevocationUnknown
            }
            (TlsFailure::UnknownAuthority { .. }, Some(parsed)) => self.unknown(&parsed, others, now),
            // webpki looks first at what it is, and it is an authority.
            (TlsFailure::Other(_), Some(parsed)) if parsed.is_self_signed() => self.unknown(&parsed, others, now),
            (TlsFailure::Other(_), Some(parsed)) if parsed.is_authority() => TlsFailure::IsAuthority,
            (TlsFailure::Other(_), Some(parsed)) if parsed.is_first_version() => TlsFailure::FirstVersion,
            (failure, _) => failure,
        })
    }

    /// Why nobody vouches for the certificate: its authority, or that of one which the server sent with it, may be in the file with a
    /// certificate that is not valid today.
    fn unknown(&self, parsed: &Parsed, others: &[CertificateDer<'_>], now: UnixTime) -> TlsFailure {
        let others = others.iter().filter_map(Parsed::read).map(|other| other.issuer());
        let issuers: Vec<String> = std::iter::once(parsed.issuer()).chain(others).collect();
        let mut authorities = self.trusted.certificates.iter().filter_map(Parsed::read);
        let old = authorities.find(|known| !known.is_valid_at(now.as_secs()) && issuers.contains(&known.subject()));
        match (old, &self.trusted.file) {
            (Some(old), Some(file)) => {
                TlsFailure::OldAuthority { name: old.subject(), validity: old.validity(), file: file.clone() }
            }
            _ => TlsFailure::UnknownAuthority {
                issuer: parsed.issuer(),
                own: parsed.is_self_signed(),
                file: self.trusted.file.clone(),
            },
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.chain.as_ref().map_or(Ok(()), |chain| chain.check(certificate, others, name, now));
        let checked = checked.and_then(|()| match &self.host {
            None => Ok(()),
            Some(host) => {
                let names = Parsed::read(certificate).map(|parsed| parsed.names()).unwrap_or_default();
                let wrong = || TlsFailure::WrongName { host: host.clone(), names: names.shown() };
                if names.fit(host) { Ok(()) } else { Err(wrong()) }
            }
        });
        match checked {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(failure) => Err(CertificateError::Other(OtherError(Arc::new(failure))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms).or_else(|error| {
            // webpki does not read certificates of the first version; the key in one is as good as another.
            let parsed = Parsed::read(certificate).filter(Parsed::is_first_version);
            let Some(key) = parsed.and_then(|parsed| parsed.public_key()) else { return Err(error) };
            verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key), signed, &self.algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
