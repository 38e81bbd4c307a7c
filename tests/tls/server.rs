//! Servers with TLS.

use std::os::unix::fs::{MetadataExt, chown};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aludel::local::EphemeralOptions;
use postgres::{Client, NoTls};

use crate::certificates::{AUTHORITY, Pair, Wanted, self_signed};
use crate::support::Server;

pub const PASSWORD: &str = "a_password";

/// Who may come in how. Everybody else: by SCRAM, with TLS and without.
const ACCESS: &str = "local all all trust
hostssl all only_tls 127.0.0.1/32 scram-sha-256
host all only_tls 127.0.0.1/32 reject
hostnossl all only_plain 127.0.0.1/32 scram-sha-256
host all only_plain 127.0.0.1/32 reject
hostssl all by_certificate 127.0.0.1/32 cert
host all by_certificate 127.0.0.1/32 reject
hostssl all with_both 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
host all with_both 127.0.0.1/32 reject
host all in_clear 127.0.0.1/32 password
host all by_md5 127.0.0.1/32 md5
host all trusted 127.0.0.1/32 trust
host all shut_out 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
";

/// A server, with TLS or without.
pub struct Secured {
    pub server: Server,
    pub port: u16,
}

impl Secured {
    /// With this certificate; the authority of the tests signs those of clients.
    pub fn start(pair: Option<&Pair>) -> Self {
        let options = EphemeralOptions { tcp_password: Some(PASSWORD.to_owned()), ..EphemeralOptions::default() };
        let server = Server::start(&options);
        let data = server.cluster.directory().join("data");
        let owner = data.metadata().expect("the cluster's directory");
        let write = |name: &str, text: &str| {
            let path = data.join(name);
            std::fs::write(&path, text).expect("a file");
            let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("permissions");
            chown(&path, Some(owner.uid()), Some(owner.gid())).expect("its owner");
        };
        write("pg_hba.conf", ACCESS);
        for role in
            ["only_tls", "only_plain", "by_certificate", "with_both", "in_clear", "trusted", "shut_out", "other"]
        {
            server.admin(&format!(
                "SET password_encryption = 'scram-sha-256'; CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{PASSWORD}'"
            ));
        }
        server.admin(&format!(
            "SET password_encryption = 'md5'; CREATE ROLE by_md5 SUPERUSER LOGIN PASSWORD '{PASSWORD}'"
        ));
        if let Some(pair) = pair {
            write("server.crt", &pair.certificate);
            write("server.key", &pair.key);
            write("clients.crt", &AUTHORITY.pem());
            server.admin("ALTER SYSTEM SET ssl_ca_file = 'clients.crt'");
            server.admin("ALTER SYSTEM SET ssl = on");
        }
        server.admin("SELECT pg_reload_conf()");
        let secured = Self { port: server.cluster.connection().port, server };
        secured.wait_for(if pair.is_some() { "on" } else { "off" });
        secured
    }

    /// Waits until the server has read its files anew.
    fn wait_for(&self, ssl: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let mut client =
                Client::connect(&self.server.cluster.connection().url(), NoTls).expect("the server answers");
            let found = client.query_one(
                "SELECT current_setting('ssl'), count(*) FROM pg_hba_file_rules WHERE user_name = '{shut_out}'",
                &[],
            );
            let found = found.expect("an answer");
            // A new session has the settings of the postmaster, which has read all files at one time.
            if found.get::<_, &str>(0) == ssl && found.get::<_, i64>(1) == 1 {
                let url = self.server.cluster.connection().tcp_url(PASSWORD).replace("//postgres:", "//shut_out:");
                let refused = Client::connect(&format!("{url}?sslmode=disable"), NoTls).err().expect("it is shut out");
                if refused.code().is_some_and(|code| code.code() == "28000") {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "the server does not take its settings");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The settings that lead to it by the name `host`.
    pub fn at(&self, host: &str) -> String {
        let port = self.port;
        format!(
            "host={host} hostaddr=127.0.0.1 port={port} dbname=postgres user=other password={PASSWORD} connect_timeout=30"
        )
    }

    /// The same for another role.
    pub fn role(&self, role: &str) -> String {
        self.at("db.example.com").replace("user=other", &format!("user={role}"))
    }
}

fn signed(wanted: &Wanted<'_>) -> Secured {
    Secured::start(Some(&AUTHORITY.sign(wanted)))
}

/// Its certificate is for `db.example.com`.
pub static RIGHT: LazyLock<Secured> =
    LazyLock::new(|| signed(&Wanted { common: "x", names: &["db.example.com"], serial: 77, ..Wanted::default() }));

/// Its certificate ended in 2021.
pub static EXPIRED: LazyLock<Secured> =
    LazyLock::new(|| signed(&Wanted { names: &["db.example.com"], expired: true, ..Wanted::default() }));

/// Its certificate is for addresses.
pub static ADDRESSES: LazyLock<Secured> =
    LazyLock::new(|| signed(&Wanted { common: "x", names: &["127.0.0.1", "::1"], ..Wanted::default() }));

/// Its certificate has a common name and no other.
pub static COMMON: LazyLock<Secured> =
    LazyLock::new(|| signed(&Wanted { common: "db.example.com", ..Wanted::default() }));

/// Its certificate is for every host of a domain.
pub static WILD: LazyLock<Secured> =
    LazyLock::new(|| signed(&Wanted { common: "x", names: &["*.example.com"], ..Wanted::default() }));

pub static OWN_PAIR: LazyLock<Pair> = LazyLock::new(|| self_signed("db.example.com", false));

/// Its certificate signed itself.
pub static OWN: LazyLock<Secured> = LazyLock::new(|| Secured::start(Some(&OWN_PAIR)));

pub static OWN_EXPIRED_PAIR: LazyLock<Pair> = LazyLock::new(|| self_signed("db.example.com", true));

/// The same, and it ended in 2021.
pub static OWN_EXPIRED: LazyLock<Secured> = LazyLock::new(|| Secured::start(Some(&OWN_EXPIRED_PAIR)));

/// It does no TLS.
pub static WITHOUT: LazyLock<Secured> = LazyLock::new(|| Secured::start(None));
