//! The certificate that is shown to a server which asks for one.

use aludel::database::tls::{FileProblem, TlsFailure};
use rcgen::PKCS_ED25519;

use crate::certificates::{AUTHORITY, Files, STRANGER, Wanted, locked};
use crate::outcome::{Refused, Tls, failure, ours, same, same_as, told};
use crate::server::RIGHT;

fn by_certificate(rest: &str) -> String {
    RIGHT.role("by_certificate").replace("password=a_password", "") + " sslmode=require " + rest
}

#[test]
fn right_missing_and_wrong() {
    let files = Files::new();
    let mine = |common| AUTHORITY.sign(&Wanted { common, ..Wanted::default() });
    let right = files.pair("right", &mine("by_certificate"));
    let other = files.pair("other", &mine("somebody"));
    let foreign = files.pair("foreign", &STRANGER.sign(&Wanted { common: "by_certificate", ..Wanted::default() }));
    let expired = Wanted { common: "by_certificate", expired: true, ..Wanted::default() };
    let expired = files.pair("expired", &AUTHORITY.sign(&expired));
    same(&by_certificate(&right), files.path(), Tls);
    same(&by_certificate(""), files.path(), Refused);
    same(&by_certificate(&other), files.path(), Refused);
    same(&by_certificate(&foreign), files.path(), Refused);
    same(&by_certificate(&expired), files.path(), Refused);
    same(&format!("{} ssl_max_protocol_version=TLSv1.2", by_certificate(&right)), files.path(), Tls);
    same(&format!("{} ssl_max_protocol_version=TLSv1.2", by_certificate(&foreign)), files.path(), Refused);
    for rest in ["", "ssl_max_protocol_version=TLSv1.2"] {
        let refused = failure(&format!("{} {rest}", by_certificate(&foreign)), files.path());
        let alert = "unknown ca".to_owned();
        assert_eq!(refused, TlsFailure::CertificateRefused { alert, shown: true }, "{rest}");
    }
    let told = told(&by_certificate(""), files.path());
    assert!(told.contains("connection requires a valid client certificate"), "{told}");
    assert!(told.contains("`sslcert=FILE` and `sslkey=FILE`"), "{told}");
    let both = RIGHT.role("with_both") + " sslmode=require ";
    same(&(both.clone() + &right), files.path(), Tls);
    same(&both, files.path(), Refused);
}

#[test]
fn the_files_at_home() {
    let files = Files::new();
    let pair = AUTHORITY.sign(&Wanted { common: "by_certificate", ..Wanted::default() });
    files.write(".postgresql/postgresql.crt", &pair.certificate);
    same(&by_certificate(""), files.path(), Refused);
    files.write(".postgresql/postgresql.key", &pair.key);
    same(&by_certificate(""), files.path(), Tls);
    for (mode, expected) in [("disable", Refused), ("allow", Tls), ("require", Tls)] {
        same_as(&by_certificate(&format!("sslcertmode={mode}")), files.path(), expected, 16);
    }
    // libpq's rule of who may read the key.
    for (mode, expected) in [(0o644, Refused), (0o660, Refused), (0o604, Refused), (0o400, Tls), (0o600, Tls)] {
        files.allow(".postgresql/postgresql.key", mode);
        same(&by_certificate(""), files.path(), expected);
    }
    files.allow(".postgresql/postgresql.key", 0o644);
    let told = told(&by_certificate(""), files.path());
    assert!(told.contains("others than its owner can read the key\nhint: chmod 600 "), "{told}");
}

#[test]
fn keys_of_every_kind() {
    let files = Files::new();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let wanted = Wanted { common: "by_certificate", algorithm, ..Wanted::default() };
        same(&by_certificate(&files.pair("pair", &AUTHORITY.sign(&wanted))), files.path(), Tls);
    }
    // OpenSSL does not read the form that this one is written in here (PKCS#8 with the public key).
    let wanted = Wanted { common: "by_certificate", algorithm: &PKCS_ED25519, ..Wanted::default() };
    assert_eq!(ours(&by_certificate(&files.pair("pair", &AUTHORITY.sign(&wanted))), files.path()), Tls);
}

#[test]
fn files_that_cannot_be_used() {
    let files = Files::new();
    let pair = AUTHORITY.sign(&Wanted { common: "by_certificate", ..Wanted::default() });
    let other = AUTHORITY.sign(&Wanted { common: "by_certificate", ..Wanted::default() });
    let settings = files.pair("mine", &pair);
    let problem = |settings: &str| match failure(&by_certificate(settings), files.path()) {
        TlsFailure::File { problem, .. } => problem,
        other => panic!("{other:?}"),
    };
    files.write("mine.key", &other.key);
    assert_eq!(problem(&settings), FileProblem::OtherKey);
    same(&by_certificate(&settings), files.path(), Refused);
    files.write("mine.key", "nothing");
    assert_eq!(problem(&settings), FileProblem::NoKey);
    same(&by_certificate(&settings), files.path(), Refused);
    files.write("mine.key", &locked(&pair.key, "S3cr3t"));
    assert_eq!(problem(&settings), FileProblem::NoPassword);
    same(&by_certificate(&settings), files.path(), Refused);
    let with = |password: &str| format!("{settings} sslpassword={password}");
    same(&by_certificate(&with("S3cr3t")), files.path(), Tls);
    same(&by_certificate(&with("S3cr3tx")), files.path(), Refused);
    assert_eq!(problem(&with("S3cr3tx")), FileProblem::WrongPassword);
    let told = told(&by_certificate(&with("S3cr3tx")), files.path());
    assert!(told.contains("the password does not open the key") && !told.contains("S3cr3t"), "{told}");
    files.write("mine.key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n-----END RSA PRIVATE KEY-----\n");
    assert_eq!(problem(&settings), FileProblem::OldLock);
    std::fs::remove_file(files.path().join("mine.key")).unwrap();
    assert_eq!(problem(&settings), FileProblem::Missing);
    same(&by_certificate(&settings), files.path(), Refused);
    std::fs::create_dir(files.path().join("mine.key")).unwrap();
    assert!(matches!(problem(&settings), FileProblem::NotAFile | FileProblem::Unreadable(_)));
    files.write("mine.crt", "nothing");
    assert_eq!(problem(&settings), FileProblem::NoCertificate);
    same(&by_certificate(&settings), files.path(), Refused);
    // libpq would go on without one that is named and not there.
    std::fs::remove_file(files.path().join("mine.crt")).unwrap();
    assert_eq!(problem(&settings), FileProblem::Missing);
    assert_eq!(ours(&by_certificate("sslcertmode=require"), files.path()), Refused);
}
