//! Every mode, with every file and every host.

use aludel::database::tls::TlsFailure;

use rcgen::IsCa;

use crate::certificates::{AUTHORITY, Authority, CA, Files, Pair, STRANGER, Wanted};
use crate::outcome::{Outcome, Plain, Refused, Tls, failure, ours, same, told};
use crate::server::{
    ADDRESSES, COMMON, EXPIRED, OWN, OWN_EXPIRED, OWN_EXPIRED_PAIR, OWN_PAIR, RIGHT, Secured, WILD, WITHOUT,
};

const RIGHT_HOST: &str = "db.example.com";
const WRONG_HOST: &str = "other.example.com";

/// For each mode: with the right authority, with a wrong one, without a file; and the same by a wrong name.
const MATRIX: [(&str, [Outcome; 3], [Outcome; 3]); 6] = [
    ("disable", [Plain, Plain, Plain], [Plain, Plain, Plain]),
    ("allow", [Plain, Plain, Plain], [Plain, Plain, Plain]),
    // What libpq does: it goes on without TLS. The tool warns.
    ("prefer", [Tls, Plain, Tls], [Tls, Plain, Tls]),
    ("require", [Tls, Refused, Tls], [Tls, Refused, Tls]),
    ("verify-ca", [Tls, Refused, Refused], [Tls, Refused, Refused]),
    ("verify-full", [Tls, Refused, Refused], [Refused, Refused, Refused]),
];

#[test]
fn six_modes() {
    let files = Files::new();
    for (mode, right, wrong) in MATRIX {
        for (host, expected) in [(RIGHT_HOST, right), (WRONG_HOST, wrong)] {
            for (name, expected) in ["right.crt", "wrong.crt", "missing.crt"].into_iter().zip(expected) {
                same(&format!("{} sslmode={mode} {}", RIGHT.at(host), files.roots(name)), files.path(), expected);
            }
        }
    }
}

/// The file that is looked for at home counts as one that is named.
#[test]
fn the_file_at_home() {
    let (right, wrong, none) = (Files::new(), Files::new(), Files::new());
    right.write(".postgresql/root.crt", &AUTHORITY.pem());
    wrong.write(".postgresql/root.crt", &STRANGER.pem());
    for (mode, expected, _) in MATRIX {
        for (files, expected) in [&right, &wrong, &none].into_iter().zip(expected) {
            same(&format!("{} sslmode={mode}", RIGHT.at(RIGHT_HOST)), files.path(), expected);
        }
    }
}

#[test]
fn the_authorities_of_the_system() {
    let files = Files::new();
    let text = format!("{} sslrootcert=system", RIGHT.at(RIGHT_HOST));
    assert!(matches!(failure(&text, files.path()), TlsFailure::UnknownAuthority { file: None, .. }));
    if let Some(theirs) = crate::outcome::psql(&text, files.path(), 16) {
        assert_eq!(theirs, Refused);
    }
    let told = told(&text, files.path());
    assert!(told.contains("signed by `CN=test authority`, which this machine does not trust"), "{told}");
}

#[test]
fn names() {
    let files = Files::new();
    let roots = files.roots("right.crt");
    let full = |text: String| format!("{text} sslmode=verify-full {roots}");
    same(&full(ADDRESSES.at("127.0.0.1")), files.path(), Tls);
    same(&full(ADDRESSES.at("127.0.0.2")), files.path(), Refused);
    same(&full(ADDRESSES.at("localhost")), files.path(), Refused);
    same(&full(COMMON.at(RIGHT_HOST)), files.path(), Tls);
    same(&full(COMMON.at(&RIGHT_HOST.to_uppercase())), files.path(), Tls);
    same(&full(COMMON.at(WRONG_HOST)), files.path(), Refused);
    same(&full(WILD.at(RIGHT_HOST)), files.path(), Tls);
    same(&full(WILD.at("a.db.example.com")), files.path(), Refused);
    same(&full(WILD.at("example.com")), files.path(), Refused);
    // An address by itself has no name to compare.
    let nameless = full(RIGHT.at(RIGHT_HOST)).replace("host=db.example.com ", "");
    same(&nameless, files.path(), Refused);
    assert_eq!(failure(&nameless, files.path()), TlsFailure::NoHostName);
    let text = full(RIGHT.at(WRONG_HOST));
    let names = vec![RIGHT_HOST.to_owned()];
    assert_eq!(failure(&text, files.path()), TlsFailure::WrongName { host: WRONG_HOST.to_owned(), names });
    let told = told(&text, files.path());
    assert!(told.contains("its certificate is not for `other.example.com`; it is for `db.example.com`"), "{told}");
    assert!(
        told.contains("hint: if the server is known by that name, connect by it: `host=db.example.com`, with"),
        "{told}"
    );
}

#[test]
fn an_expired_certificate() {
    let files = Files::new();
    let text = |mode: &str, roots: &str| format!("{} sslmode={mode} {}", EXPIRED.at(RIGHT_HOST), files.roots(roots));
    for mode in ["require", "verify-ca", "verify-full"] {
        same(&text(mode, "right.crt"), files.path(), Refused);
        let told = told(&text(mode, "right.crt"), files.path());
        assert!(told.contains("its certificate expired on 2021-02-03 00:00 UTC"), "{told}");
    }
    same(&text("require", "missing.crt"), files.path(), Tls);
}

/// A server's own certificate in the file, as PostgreSQL's manual makes it (19.9.5).
#[test]
fn a_certificate_that_signed_itself() {
    let files = Files::new();
    files.write("own.crt", &OWN_PAIR.certificate);
    files.write("expired.crt", &OWN_EXPIRED_PAIR.certificate);
    let text = |mode: &str, roots: &str| format!("{} sslmode={mode} {}", OWN.at(RIGHT_HOST), files.roots(roots));
    for mode in ["require", "verify-ca", "verify-full"] {
        same(&text(mode, "own.crt"), files.path(), Tls);
        same(&text(mode, "right.crt"), files.path(), Refused);
    }
    same(&text("verify-full", "own.crt").replace(RIGHT_HOST, WRONG_HOST), files.path(), Refused);
    let told = told(&text("verify-full", "right.crt"), files.path());
    assert!(told.contains("hint: it signed itself: put the server's own certificate into a file"), "{told}");
    let text = format!("{} sslmode=verify-full {}", OWN_EXPIRED.at(RIGHT_HOST), files.roots("expired.crt"));
    same(&text, files.path(), Refused);
    assert!(matches!(failure(&text, files.path()), TlsFailure::Expired(_)));
}

/// What stands in `sslrootcert` vouches for others only if it is an authority's and valid today, as OpenSSL has it.
#[test]
fn who_vouches_for_others() {
    let files = Files::new();
    let text =
        |server: &Secured, roots: &str| format!("{} sslmode=verify-full {}", server.at(RIGHT_HOST), files.roots(roots));
    let wanted = Wanted { common: "x", names: &[RIGHT_HOST], ..Wanted::default() };

    let old = Authority::of(&Wanted { common: "old", expired: true, is_ca: CA, ..Wanted::default() });
    files.write("old.crt", &old.pem());
    let server = Secured::start(Some(&old.sign(&wanted)));
    same(&text(&server, "old.crt"), files.path(), Refused);
    let said = told(&text(&server, "old.crt"), files.path());
    assert!(said.contains("its certificate is signed by `CN=old`, whose own in `"), "{said}");
    assert!(said.contains("is valid from 2020-01-01 00:00 UTC until 2021-02-03 00:00 UTC"), "{said}");
    // Beside one that is valid, for another key, it is passed over.
    files.write("both.crt", &(old.pem() + &AUTHORITY.pem()));
    same(&text(&server, "both.crt"), files.path(), Refused);
    same(&text(&RIGHT, "both.crt"), files.path(), Tls);

    // A server that is trusted, and signs for another.
    for is_ca in [IsCa::ExplicitNoCa, IsCa::NoCa] {
        let leaf = Authority::of(&Wanted { common: "leaf", is_ca, ..Wanted::default() });
        files.write("leaf.crt", &leaf.pem());
        let server = Secured::start(Some(&leaf.sign(&wanted)));
        same(&text(&server, "leaf.crt"), files.path(), Refused);
        assert!(matches!(failure(&text(&server, "leaf.crt"), files.path()), TlsFailure::UnknownAuthority { .. }));
    }

    // A server with an authority's certificate; named itself, it is the one that is meant.
    let pair = AUTHORITY.sign(&Wanted { is_ca: CA, ..wanted });
    files.write("own.crt", &pair.certificate);
    let server = Secured::start(Some(&pair));
    assert_eq!(failure(&text(&server, "right.crt"), files.path()), TlsFailure::IsAuthority);
    let said = told(&text(&server, "right.crt"), files.path());
    assert!(said.contains("its certificate is an authority's (`CA:TRUE`), and no server's\nhint: have the"), "{said}");
    assert_eq!(ours(&text(&server, "own.crt"), files.path()), Tls);
    let list = files.write("own.crl", &AUTHORITY.revoke(5));
    let listed = format!("{} sslcrl={}", text(&server, "own.crt"), list.display());
    assert_eq!(failure(&listed, files.path()), TlsFailure::RevocationUnknown);
}

/// ring has no P-521, and that is told.
#[test]
fn a_curve_that_is_not_supported() {
    let files = Files::new();
    let mut openssl = std::process::Command::new("sh");
    openssl.current_dir(files.path()).arg("-c").arg(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -keyout p521.key -out p521.crt -days 9999 \
         -subj /CN=db.example.com && chmod 600 p521.key",
    );
    if !openssl.output().is_ok_and(|output| output.status.success()) {
        // No openssl here.
        return;
    }
    let read = |name: &str| std::fs::read_to_string(files.path().join(name)).expect("a file");
    let server = Secured::start(Some(&Pair { certificate: read("p521.crt"), key: read("p521.key") }));
    let said = told(&format!("{} sslmode=require", server.at(RIGHT_HOST)), files.path());
    assert!(
        said.contains("share no version of TLS, or no cipher") && said.contains("P-521 is not supported"),
        "{said}"
    );
    let (certificate, key) = (files.path().join("p521.crt"), files.path().join("p521.key"));
    let ours = format!("sslcert={} sslkey={}", certificate.display(), key.display());
    let said = told(&format!("{} sslmode=require {ours}", RIGHT.at(RIGHT_HOST)), files.path());
    assert!(said.contains("of a kind that is not supported, such as one on P-521"), "{said}");
}

#[test]
fn certificates_that_were_taken_back() {
    let files = Files::new();
    let revoked = files.write("revoked.crl", &AUTHORITY.revoke(77));
    let others = files.write("others.crl", &AUTHORITY.revoke(5));
    let strangers = files.write("strangers.crl", &STRANGER.revoke(77));
    let text = format!("{} sslmode=verify-full {}", RIGHT.at(RIGHT_HOST), files.roots("right.crt"));
    let with = |list: &std::path::Path| format!("{text} sslcrl={}", list.display());
    same(&with(&others), files.path(), Tls);
    same(&with(&revoked), files.path(), Refused);
    assert_eq!(failure(&with(&revoked), files.path()), TlsFailure::Revoked);
    same(&with(&strangers), files.path(), Refused);
    assert_eq!(failure(&with(&strangers), files.path()), TlsFailure::RevocationUnknown);
    // libpq passes over a list that is not there.
    assert_eq!(ours(&with(&files.path().join("missing.crl")), files.path()), Refused);
    files.write(".postgresql/root.crl", &AUTHORITY.revoke(77));
    same(&text, files.path(), Refused);
}

#[test]
fn a_server_without_tls() {
    let files = Files::new();
    for (mode, right, _) in MATRIX {
        let expected = if mode == "disable" || mode == "allow" || mode == "prefer" { Plain } else { Refused };
        let text = format!("{} sslmode={mode} {}", WITHOUT.at(RIGHT_HOST), files.roots("right.crt"));
        same(&text, files.path(), expected);
        if right[0] == Tls && expected == Refused {
            assert_eq!(failure(&text, files.path()), TlsFailure::NotOffered);
        }
    }
}

/// Nothing is read that is not needed: a file that is none does not matter where there is no TLS.
#[test]
fn files_that_cannot_be_used() {
    let files = Files::new();
    files.write("none.crt", "not a certificate");
    let text = |mode: &str| format!("sslmode={mode} {}", files.roots("none.crt"));
    same(&format!("{} {}", WITHOUT.at(RIGHT_HOST), text("prefer")), files.path(), Plain);
    same(&format!("{} {}", RIGHT.at(RIGHT_HOST), text("disable")), files.path(), Plain);
    let required = format!("{} {}", RIGHT.at(RIGHT_HOST), text("require"));
    same(&required, files.path(), Refused);
    let told = told(&required, files.path());
    assert!(told.contains("no certificate can be read there"), "{told}");
    let socket = RIGHT.server.cluster.connection().url();
    same(&format!("{socket}&sslmode=verify-full"), files.path(), Plain);
}

/// webpki does not read certificates of the first version, which old instructions make.
#[test]
fn a_certificate_of_the_first_version() {
    let files = Files::new();
    let mut openssl = std::process::Command::new("sh");
    openssl.current_dir(files.path()).arg("-c").arg(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out v1root.crt -days 9999 -subj /CN=root &&
         openssl req -new -newkey rsa:2048 -nodes -keyout v1.key -out v1.csr -subj /CN=db.example.com &&
         openssl x509 -req -in v1.csr -CA v1root.crt -CAkey ca.key -CAcreateserial -out v1.crt -days 9999 &&
         openssl x509 -in v1.crt -noout -text | grep -q 'Version: 1 '",
    );
    if !openssl.output().is_ok_and(|output| output.status.success()) {
        // No openssl here, or one that makes no such certificates any more.
        return;
    }
    let read = |name: &str| std::fs::read_to_string(files.path().join(name)).expect("a file");
    let server = Secured::start(Some(&Pair { certificate: read("v1.crt"), key: read("v1.key") }));
    let text = |mode: &str, roots: &str| format!("{} sslmode={mode} {}", server.at(RIGHT_HOST), files.roots(roots));
    same(&text("require", "missing.crt"), files.path(), Tls);
    // The certificate itself in the file; OpenSSL would want its authority.
    assert_eq!(ours(&text("verify-full", "v1.crt"), files.path()), Tls);
    // Here libpq would go on.
    assert_eq!(failure(&text("verify-full", "v1root.crt"), files.path()), TlsFailure::FirstVersion);
}
