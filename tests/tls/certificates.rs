//! Certificates, made anew for each test process.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, RevokedCertParams, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};

/// An authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// What a certificate is to be like.
pub struct Wanted<'a> {
    pub common: &'a str,
    pub names: &'a [&'a str],
    pub expired: bool,
    pub serial: u64,
    pub is_ca: IsCa,
    pub algorithm: &'static SignatureAlgorithm,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            common: "",
            names: &[],
            expired: false,
            serial: 1,
            is_ca: IsCa::NoCa,
            algorithm: &PKCS_ECDSA_P256_SHA256,
        }
    }
}

fn parameters(wanted: &Wanted<'_>) -> CertificateParams {
    let names: Vec<String> = wanted.names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).expect("names");
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, wanted.common);
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = if wanted.expired { date_time_ymd(2021, 2, 3) } else { date_time_ymd(2120, 1, 1) };
    parameters.serial_number = Some(SerialNumber::from(wanted.serial));
    parameters.is_ca = wanted.is_ca;
    parameters
}

/// An authority by its own word.
pub const CA: IsCa = IsCa::Ca(BasicConstraints::Unconstrained);

impl Authority {
    pub fn new(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        Self::of(&Wanted { common: name, is_ca: CA, algorithm, ..Wanted::default() })
    }

    /// Somebody who signs, whatever the certificate says of that.
    pub fn of(wanted: &Wanted<'_>) -> Self {
        let (mut parameters, algorithm) = (parameters(wanted), wanted.algorithm);
        if matches!(wanted.is_ca, IsCa::Ca(_)) {
            parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        let key = KeyPair::generate_for(algorithm).expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(parameters, key).expect("a certificate") }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn sign(&self, wanted: &Wanted<'_>) -> Pair {
        let key = KeyPair::generate_for(wanted.algorithm).expect("a key");
        let certificate = parameters(wanted).signed_by(&key, &self.issuer).expect("a certificate");
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A list with one certificate on it.
    pub fn revoke(&self, serial: u64) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2020, 1, 2),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 2),
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

/// A certificate that signed itself, as `openssl req -x509` makes it: with only a common name, and as an authority.
pub fn self_signed(common: &str, expired: bool) -> Pair {
    let parameters = parameters(&Wanted { common, expired, is_ca: CA, ..Wanted::default() });
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}

/// A key in PEM, locked with a password.
pub fn locked(key: &str, password: &str) -> String {
    use pkcs8::pkcs5::pbes2;
    use pkcs8::{LineEnding, PrivateKeyInfoRef, SecretDocument};
    let (_, document) = SecretDocument::from_pem(key).expect("PEM");
    let parameters =
        pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2048, b"some salt", [7; 16]).expect("parameters");
    let key = PrivateKeyInfoRef::try_from(document.as_bytes()).expect("a key");
    let locked = key.encrypt_with_params(parameters, password).expect("it is locked");
    locked.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).expect("PEM").to_string()
}

/// The authority of the servers here.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("test authority", &PKCS_ECDSA_P384_SHA384));

/// One that nobody asked.
pub static STRANGER: LazyLock<Authority> = LazyLock::new(|| Authority::new("stranger", &PKCS_ECDSA_P256_SHA256));

/// A directory with files that libpq and the tool read.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        files.write("right.crt", &AUTHORITY.pem());
        files.write("wrong.crt", &STRANGER.pem());
        files
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that its owner alone may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        self.allow(name, 0o600);
        path
    }

    pub fn allow(&self, name: &str, mode: u32) {
        let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(self.0.path().join(name), mode).expect("permissions");
    }

    /// Writes a certificate and its key; the settings that name them.
    pub fn pair(&self, name: &str, pair: &Pair) -> String {
        let certificate = self.write(&format!("{name}.crt"), &pair.certificate);
        let key = self.write(&format!("{name}.key"), &pair.key);
        format!("sslcert={} sslkey={}", certificate.display(), key.display())
    }

    /// The setting that names a file here.
    pub fn roots(&self, name: &str) -> String {
        format!("sslrootcert={}", self.0.path().join(name).display())
    }
}
