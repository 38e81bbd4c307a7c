//! The PEM files that TLS reads, with libpq's rules of which may be missing.

use super::certificate::Parsed;
use super::failure::{FileProblem, TlsFailure};
use crate::database::conninfo::tls::NamedFile;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Certificates whose word is taken.
#[derive(Debug)]
pub(super) struct Trusted {
    /// Those that vouch for others.
    pub(super) roots: Arc<RootCertStore>,
    /// As they stand in the file: a server that shows one of them is the one that is meant, authority or not.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// Where they come from, unless that is the system.
    pub(super) file: Option<PathBuf>,
}

/// The failure that the file which `setting` names cannot be used.
pub(super) fn wrong(setting: &'static str, file: &NamedFile, problem: FileProblem) -> TlsFailure {
    TlsFailure::File { setting, path: file.path.clone(), problem }
}

/// What is in the file; nothing where there is none.
pub(super) fn read(setting: &'static str, file: &NamedFile) -> Result<Option<Vec<u8>>, TlsFailure> {
    match std::fs::read(&file.path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(wrong(setting, file, FileProblem::Unreadable(error.kind()))),
    }
}

/// The certificates in `bytes`; at least one.
pub(super) fn certificates(
    setting: &'static str,
    file: &NamedFile,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsFailure> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(setting, file, FileProblem::NoCertificate)),
    }
}

/// The authorities in a file; nothing where there is no such file.
pub(super) fn authorities(file: &NamedFile) -> Result<Option<Trusted>, TlsFailure> {
    const SETTING: &str = "sslrootcert";
    let Some(bytes) = read(SETTING, file)? else { return Ok(None) };
    let certificates = certificates(SETTING, file, &bytes)?;
    if certificates.iter().all(|certificate| Parsed::read(certificate).is_none()) {
        return Err(wrong(SETTING, file, FileProblem::NoCertificate));
    }
    Ok(Some(Trusted { roots: Arc::new(roots(&certificates)), certificates, file: Some(file.path.clone()) }))
}

/// Those of `certificates` that vouch for others. webpki takes the word of whatever stands here, and OpenSSL only that of an authority
/// whose own certificate is valid today.
fn roots(certificates: &[CertificateDer<'static>]) -> RootCertStore {
    let now = UnixTime::now().as_secs();
    let vouches = |certificate: &&CertificateDer<'_>| {
        Parsed::read(certificate).is_some_and(|parsed| parsed.may_sign() && parsed.is_valid_at(now))
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().filter(vouches).cloned());
    roots
}

/// The authorities that the operating system trusts.
pub(super) fn system_authorities() -> Result<Trusted, TlsFailure> {
    let found = rustls_native_certs::load_native_certs();
    let roots = roots(&found.certs);
    if roots.is_empty() {
        return Err(TlsFailure::NoSystemAuthorities(found.errors.first().map(ToString::to_string)));
    }
    Ok(Trusted { roots: Arc::new(roots), certificates: Vec::new(), file: None })
}

/// The lists of certificates that were taken back; one that is looked for by default may be missing.
pub(super) fn revoked(file: &NamedFile) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsFailure> {
    const SETTING: &str = "sslcrl";
    let Some(bytes) = read(SETTING, file)? else {
        return if file.named { Err(wrong(SETTING, file, FileProblem::Missing)) } else { Ok(Vec::new()) };
    };
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(SETTING, file, FileProblem::NoList)),
    }
}
