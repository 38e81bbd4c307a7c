//! The certificate and the key by which we show who we are.

use super::failure::{FileProblem, TlsFailure};
use super::files;
use crate::database::conninfo::tls::{CertificateMode, NamedFile, TlsSettings};
use crate::secret::Secret;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is shown to a server that asks, and whether one did.
#[derive(Debug)]
pub(super) struct Identity {
    shown: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    pub(super) fn was_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) fn is_there(&self) -> bool {
        self.shown.is_some()
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.shown.clone()
    }

    fn has_certs(&self) -> bool {
        self.shown.is_some()
    }
}

/// Reads the certificate and its key. Files that are looked for by default may be missing.
pub(super) fn read(settings: &TlsSettings, provider: &CryptoProvider) -> Result<Identity, TlsFailure> {
    let shown = match (settings.certificate_mode, &settings.certificate) {
        (CertificateMode::Disable, _) | (_, None) => None,
        (_, Some(file)) => match files::read("sslcert", file)? {
            Some(bytes) => Some(Arc::new(certified(file, &bytes, settings, provider)?)),
            None if file.named || settings.certificate_mode == CertificateMode::Require => {
                return Err(files::wrong("sslcert", file, FileProblem::Missing));
            }
            None => None,
        },
    };
    Ok(Identity { shown, asked: AtomicBool::new(false) })
}

fn certified(
    file: &NamedFile,
    bytes: &[u8],
    settings: &TlsSettings,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsFailure> {
    let chain = files::certificates("sslcert", file, bytes)?;
    let Some(key_file) = &settings.key else { return Err(files::wrong("sslcert", file, FileProblem::NoKeyFile)) };
    let wrong = |problem| files::wrong("sslkey", key_file, problem);
    let Some(text) = files::read("sslkey", key_file)? else { return Err(wrong(FileProblem::Missing)) };
    check_permissions(key_file)?;
    let holds = |mark: &[u8]| memchr::memmem::find(&text, mark).is_some();
    let key = if holds(b"Proc-Type: 4,ENCRYPTED") {
        Err(FileProblem::OldLock)
    } else if holds(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        unlock(&text, settings.key_password.as_ref())
    } else {
        let key = PrivateKeyDer::from_pem_slice(&text).ok();
        key.or_else(|| PrivateKeyDer::try_from(text).ok()).ok_or(FileProblem::NoKey)
    };
    let key = key.map_err(wrong)?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| wrong(FileProblem::OtherKind))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(wrong(FileProblem::OtherKey)),
        // A certificate that cannot be compared is the server's to judge.
        _ => Ok(certified),
    }
}

/// The key in the PEM file `text`, locked as PKCS#8 does it (PBES2).
fn unlock(text: &[u8], password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, FileProblem> {
    let password = password.ok_or(FileProblem::NoPassword)?;
    let text = std::str::from_utf8(text).map_err(|_| FileProblem::NoKey)?;
    let (_, document) = SecretDocument::from_pem(text).map_err(|_| FileProblem::NoKey)?;
    let locked = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| FileProblem::OldLock)?;
    match locked.decrypt(password.reveal()) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs5)) if pkcs5 != pkcs8::pkcs5::Error::DecryptFailed => {
            Err(FileProblem::OldLock)
        }
        Err(_) => Err(FileProblem::WrongPassword),
    }
}

/// libpq's rule: nobody but the owner; where that is root, its group may read.
fn check_permissions(file: &NamedFile) -> Result<(), TlsFailure> {
    let wrong = |problem| files::wrong("sslkey", file, problem);
    let metadata = std::fs::metadata(&file.path).map_err(|error| wrong(FileProblem::Unreadable(error.kind())))?;
    if !metadata.is_file() {
        return Err(wrong(FileProblem::NotAFile));
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 { Err(wrong(FileProblem::Open)) } else { Ok(()) }
}
