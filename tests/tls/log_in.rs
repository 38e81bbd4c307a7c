//! Who is let in how: `pg_hba.conf` with and without TLS, SCRAM tied to the certificate, the methods that are allowed.

use aludel::database::connect_error::ConnectFailure;
use aludel::database::connection::Connection;
use std::path::Path;

use crate::certificates::Files;
use crate::outcome::{Plain, Refused, Tls, connect, ours, same, same_as, told};
use crate::server::{PASSWORD, RIGHT, WITHOUT};

/// The failure of every attempt.
fn failures(text: &str, home: &Path) -> Vec<ConnectFailure> {
    let error = connect(text, home).expect_err("it is refused");
    error.attempts.into_iter().map(|attempt| attempt.failure).collect()
}

#[test]
fn the_other_way_is_tried() {
    let files = Files::new();
    let case = |role: &str, mode: &str| format!("{} sslmode={mode}", RIGHT.role(role));
    for (role, mode, expected) in [
        ("only_tls", "disable", Refused),
        ("only_tls", "allow", Tls),
        ("only_tls", "prefer", Tls),
        ("only_tls", "require", Tls),
        ("only_plain", "disable", Plain),
        ("only_plain", "allow", Plain),
        ("only_plain", "prefer", Plain),
        ("only_plain", "require", Refused),
        ("shut_out", "allow", Refused),
        ("shut_out", "prefer", Refused),
    ] {
        same(&case(role, mode), files.path(), expected);
    }
    let both = failures(&case("shut_out", "prefer"), files.path());
    assert_eq!(both.iter().map(ConnectFailure::code).collect::<Vec<_>>(), [Some("28000"), Some("28000")]);
    assert!(both[0].to_string() != both[1].to_string());
    // A wrong password is wrong either way, and is not sent without TLS after that.
    let wrong = case("other", "prefer").replace(PASSWORD, "wrong");
    same(&wrong, files.path(), Refused);
    assert_eq!(failures(&wrong, files.path()).len(), 1);
    assert_eq!(failures(&case("only_plain", "require"), files.path()).len(), 1, "there is no other way");
}

#[test]
fn scram_is_tied_to_the_certificate() {
    let files = Files::new();
    let case = |server: &crate::server::Secured, role: &str, rest: &str| format!("{} {rest}", server.role(role));
    for (role, rest, expected) in [
        ("other", "sslmode=require channel_binding=require", Tls),
        ("other", "sslmode=require channel_binding=prefer", Tls),
        ("other", "sslmode=require channel_binding=disable", Tls),
        ("other", "sslmode=disable channel_binding=require", Refused),
        ("other", "sslmode=prefer channel_binding=require", Tls),
        ("in_clear", "sslmode=require channel_binding=require", Refused),
        ("by_md5", "sslmode=require channel_binding=require", Refused),
        ("by_md5", "sslmode=require", Tls),
        ("in_clear", "sslmode=require", Tls),
        ("trusted", "sslmode=require channel_binding=require", Refused),
    ] {
        same(&case(&RIGHT, role, rest), files.path(), expected);
    }
    same(&case(&WITHOUT, "other", "channel_binding=require"), files.path(), Refused);
    same(&case(&WITHOUT, "other", "channel_binding=prefer"), files.path(), Plain);
    let told = told(&case(&RIGHT, "in_clear", "sslmode=require channel_binding=require"), files.path());
    assert!(told.contains("the server's way to log in is not tied to its certificate"), "{told}");
    // A password in clear text was not sent before that was noticed.
    assert!(matches!(
        failures(&case(&RIGHT, "in_clear", "sslmode=require channel_binding=require"), files.path())[..],
        [ConnectFailure::NotBound]
    ));
}

#[test]
fn the_methods_that_are_allowed() {
    let files = Files::new();
    let plain = |role: &str, allowed: &str| format!("{} sslmode=disable require_auth={allowed}", RIGHT.role(role));
    for (role, allowed, expected) in [
        ("other", "scram-sha-256", Plain),
        ("other", "md5,scram-sha-256", Plain),
        ("other", "md5", Refused),
        ("other", "none", Refused),
        ("other", "!scram-sha-256", Refused),
        ("other", "!password,!md5", Plain),
        ("by_md5", "md5", Plain),
        ("by_md5", "scram-sha-256", Refused),
        ("in_clear", "password", Plain),
        ("in_clear", "!password", Refused),
        ("in_clear", "gss", Refused),
        ("trusted", "none", Plain),
        ("trusted", "!none", Refused),
        ("trusted", "scram-sha-256", Refused),
    ] {
        same_as(&plain(role, allowed), files.path(), expected, 16);
    }
    let told = told(&plain("in_clear", "scram-sha-256"), files.path());
    let expected = "the server asks for a password in clear text, which `require_auth=scram-sha-256` does not allow";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn versions() {
    let files = Files::new();
    let version = |rest: &str| {
        let connection: Connection = connect(&format!("{} sslmode=require {rest}", RIGHT.role("other")), files.path())
            .unwrap_or_else(|error| panic!("{rest}: {error}"));
        connection.security().tls.clone().expect("TLS").version
    };
    assert_eq!(version(""), "TLSv1.3");
    assert_eq!(version("ssl_max_protocol_version=TLSv1.2"), "TLSv1.2");
    assert_eq!(version("ssl_min_protocol_version=TLSv1.3"), "TLSv1.3");
    assert_eq!(version("ssl_min_protocol_version=tlsv1"), "TLSv1.3");
    for rest in
        ["ssl_max_protocol_version=TLSv1.2", "ssl_min_protocol_version=TLSv1.3", "ssl_min_protocol_version=TLSv1"]
    {
        same(
            &format!("{} sslmode=verify-full {} {rest}", RIGHT.role("other"), files.roots("right.crt")),
            files.path(),
            Tls,
        );
    }
    // Channel binding with TLS 1.2, too.
    let old = "sslmode=require channel_binding=require ssl_max_protocol_version=TLSv1.2";
    assert_eq!(ours(&format!("{} {old}", RIGHT.role("other")), files.path()), Tls);
}
