//! What a user should know of how a connection is protected.

use super::connection::Security;
use super::conninfo::{Conninfo, Endpoint, Host, SslMode};

/// Something to know, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectionWarning {
    /// What is so.
    pub text: String,
    /// What to do, if there is something.
    pub hint: Option<String>,
}

/// What to do where a password can be read on its way.
pub(super) const ENCRYPT: &str =
    "add `sslmode=verify-full` to the URL, or `sslmode=disable` where the network is trusted";

/// Whether what is sent to `host` without TLS can be read on its way, and nobody said that it may.
pub(super) fn exposes(conninfo: &Conninfo, host: &Host) -> bool {
    may_be_plain(conninfo) && !is_local(&host.endpoint)
}

fn may_be_plain(conninfo: &Conninfo) -> bool {
    matches!(conninfo.sslmode, SslMode::Allow | SslMode::Prefer)
}

/// The warnings about a connection to `host`. Who says `sslmode=disable` knows that there is no TLS.
#[must_use]
pub fn warnings(conninfo: &Conninfo, host: &Host, security: &Security) -> Vec<ProtectionWarning> {
    let mut warnings = Vec::new();
    if let Some(path) = &security.unchecked {
        warnings.push(ProtectionWarning {
            text: format!(
                "`sslrootcert`, `{}`, is not there: the certificate of `{host}` is not checked",
                path.display()
            ),
            hint: Some("correct it; `sslmode=verify-full` refuses to go on without it".to_owned()),
        });
    }
    if security.tls.is_some() || !may_be_plain(conninfo) {
        return warnings;
    }
    if let Some(failure) = &security.given_up {
        warnings.push(ProtectionWarning {
            text: format!("the connection to `{host}` is not encrypted: {failure}"),
            hint: failure.hint(),
        });
    } else if security.password && exposes(conninfo, host) {
        warnings.push(ProtectionWarning {
            text: format!("the connection to `{host}` is not encrypted: whoever sits in between can read it"),
            hint: Some(ENCRYPT.to_owned()),
        });
    }
    warnings
}

/// Whether what is sent there stays on this machine.
fn is_local(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Socket(_) => true,
        Endpoint::Address(address, _) => address.to_canonical().is_loopback(),
        Endpoint::Name(name) => name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::conninfo::Surroundings;
    use crate::database::tls::{TlsFailure, TlsSummary};

    fn warned(text: &str, security: &Security) -> Vec<String> {
        let conninfo =
            Conninfo::parse(text, &Surroundings { variable: &|_| None, home: None, user: Some("u") }).unwrap();
        warnings(&conninfo, &conninfo.hosts[0], security).into_iter().map(|warning| warning.text).collect()
    }

    #[test]
    fn a_password_in_the_clear_is_warned_of() {
        let asked = Security { password: true, ..Security::default() };
        let plain = ["the connection to `db:5432` is not encrypted: whoever sits in between can read it"];
        assert_eq!(warned("host=db", &asked), plain);
        assert_eq!(warned("host=db sslmode=allow", &asked), plain);
        assert_eq!(warned("host=db hostaddr=10.0.0.1", &asked), plain);
        for quiet in
            ["host=db sslmode=disable", "host=/tmp", "host=localhost", "host=db hostaddr=127.0.0.9", "hostaddr=::1"]
        {
            assert!(warned(quiet, &asked).is_empty(), "{quiet}");
        }
        assert!(warned("host=db", &Security::default()).is_empty(), "nothing was asked for");
        let tls = Some(TlsSummary { version: "TLSv1.3".to_owned(), cipher: String::new() });
        assert!(warned("host=db", &Security { tls, ..asked.clone() }).is_empty());
        let given_up = Security { given_up: Some(TlsFailure::Closed), ..asked };
        let expected =
            "the connection to `localhost:5432` is not encrypted: the server closed the connection while TLS began";
        assert_eq!(warned("host=localhost", &given_up), [expected]);
    }
}
