//! Whether a certificate is for a host: libpq's rule (manual, 34.19.1), to the letter.

use std::net::IpAddr;

/// The names in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Alternative names that are host names.
    pub(super) dns: Vec<String>,
    /// Alternative names that are addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// The subject's first common name.
    pub(super) common: Option<String>,
}

impl Names {
    /// Whether one of them is `host`. The common name counts only where there is no alternative name of the host's kind.
    pub(super) fn fit(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        let found = self.dns.iter().any(|name| fits(name, host))
            || address.is_some_and(|address| self.addresses.contains(&address));
        let of_its_kind = if address.is_some() { !self.addresses.is_empty() } else { !self.dns.is_empty() };
        found || (!of_its_kind && self.common.as_deref().is_some_and(|name| fits(name, host)))
    }

    /// All of them, for a person.
    pub(super) fn shown(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let named: Vec<String> = self.dns.iter().cloned().chain(addresses).collect();
        if named.is_empty() { self.common.iter().cloned().collect() } else { named }
    }
}

/// Whether the name of a certificate is `host`'s: equal, or with `*.` in the place of exactly one label.
fn fits(name: &str, host: &str) -> bool {
    // A NUL would end the name for a less careful reader.
    if name.contains('\0') {
        return false;
    }
    name.eq_ignore_ascii_case(host)
        || name.strip_prefix('*').filter(|tail| tail.starts_with('.') && tail.len() > 1).is_some_and(|tail| {
            let (label, rest) = host.split_at(host.find('.').unwrap_or(host.len()));
            !label.is_empty() && rest.eq_ignore_ascii_case(tail)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dns: &[&str], addresses: &[&str], common: &str) -> Names {
        Names {
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            common: Some(common.to_owned()),
        }
    }

    #[test]
    fn as_libpq_compares() {
        for (certificate, host, expected) in [
            (names(&[], &[], "db.example.com"), "DB.example.com", true),
            (names(&["db.example.com"], &[], "x"), "db.example.com", true),
            (names(&["other"], &[], "db.example.com"), "db.example.com", false),
            (names(&[], &["10.0.0.1"], "db.example.com"), "db.example.com", true),
            (names(&["*.example.com"], &[], "x"), "db.example.com", true),
            (names(&["*.example.com"], &[], "x"), "a.db.example.com", false),
            (names(&["*.example.com"], &[], "x"), ".example.com", false),
            (names(&["*.example.com"], &[], "x"), "example.com", false),
            (names(&["*"], &[], "x"), "localhost", false),
            (names(&["*."], &[], "x"), "a.", false),
            (names(&["d*.example.com"], &[], "x"), "db.example.com", false),
            (names(&[], &["10.0.0.1"], "x"), "10.0.0.1", true),
            (names(&[], &["10.0.0.2"], "10.0.0.1"), "10.0.0.1", false),
            (names(&["other"], &[], "10.0.0.1"), "10.0.0.1", true),
            (names(&["10.0.0.1"], &[], "x"), "10.0.0.1", true),
            (names(&[], &["::1"], "x"), "0:0::1", true),
            (names(&["a\0.example.com"], &[], "x"), "a", false),
            (Names::default(), "a", false),
        ] {
            assert_eq!(certificate.fit(host), expected, "{certificate:?} {host}");
        }
    }
}
