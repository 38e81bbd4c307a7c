//! What a certificate says of itself: names, dates, the hash by which a log-in is tied to it.

use super::name::Names;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use std::net::IpAddr;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};

/// A certificate that could be read.
pub(super) struct Parsed(Certificate);

impl Parsed {
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        Certificate::from_der(certificate).ok().map(Self)
    }

    /// The names that it is for.
    pub(super) fn names(&self) -> Names {
        let mut names = Names::default();
        let alternatives = self.0.tbs_certificate().get_extension::<SubjectAltName>();
        for alternative in alternatives.ok().flatten().map(|(_, names)| names.0).unwrap_or_default() {
            match alternative {
                GeneralName::DnsName(name) => names.dns.push(name.as_str().to_owned()),
                GeneralName::IpAddress(bytes) => names.addresses.extend(address(bytes.as_bytes())),
                _ => {}
            }
        }
        let common = self.0.tbs_certificate().subject().common_name();
        names.common = common.ok().flatten().map(|name| name.value().into_owned());
        names
    }

    /// Seconds since 1970: from when it is valid, and until when.
    pub(super) fn validity(&self) -> (u64, u64) {
        let validity = self.0.tbs_certificate().validity();
        (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs())
    }

    /// Whether it is of the first version of the format, which has no extensions.
    pub(super) fn is_first_version(&self) -> bool {
        self.0.tbs_certificate().version() == Version::V1
    }

    pub(super) fn is_self_signed(&self) -> bool {
        self.0.tbs_certificate().subject() == self.0.tbs_certificate().issuer()
    }

    /// Whether it says that it is an authority's (`CA:TRUE`).
    pub(super) fn is_authority(&self) -> bool {
        let found = self.0.tbs_certificate().get_extension::<BasicConstraints>();
        found.is_ok_and(|found| found.is_some_and(|(_, constraints)| constraints.ca))
    }

    /// Whether it may vouch for others, by OpenSSL's rule: what it says of itself counts, and where it says nothing, it may if it is
    /// a root of the first version, which could not say it, or names the uses of its key.
    pub(super) fn may_sign(&self) -> bool {
        let certificate = self.0.tbs_certificate();
        let (Ok(constraints), Ok(usage)) =
            (certificate.get_extension::<BasicConstraints>(), certificate.get_extension::<KeyUsage>())
        else {
            return false;
        };
        let usage = usage.map(|(_, usage)| usage.key_cert_sign());
        let may = match constraints {
            Some((_, constraints)) => constraints.ca,
            None => usage.is_some() || (self.is_first_version() && self.is_self_signed()),
        };
        may && usage != Some(false)
    }

    /// Whether its time has come and is not over, at this second since 1970.
    pub(super) fn is_valid_at(&self, now: u64) -> bool {
        let (from, until) = self.validity();
        (from..=until).contains(&now)
    }

    pub(super) fn subject(&self) -> String {
        self.0.tbs_certificate().subject().to_string()
    }

    pub(super) fn issuer(&self) -> String {
        self.0.tbs_certificate().issuer().to_string()
    }

    /// The public key as it stands there.
    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        x509_cert::der::Encode::to_der(self.0.tbs_certificate().subject_public_key_info()).ok()
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The hash by which SCRAM ties a log-in to the server's certificate (RFC 5929, 4.1): by the function of its own signature,
/// and by SHA-256 where that is MD5 or SHA-1. Nothing where the signature has no such function.
pub(crate) fn end_point_hash(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = Parsed::read(certificate)?;
    let oid = parsed.0.signature_algorithm().oid.to_string();
    Some(match oid.as_str() {
        // MD5, SHA-1 and SHA-256, with RSA; SHA-1 and SHA-256 with ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Sha256::digest(certificate).to_vec(),
        // SHA-384 and SHA-512.
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}
