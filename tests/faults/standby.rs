//! A real hot standby, copied from a primary and following it: it answers questions and is never changed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aludel::local::EphemeralOptions;
use rustix::process::{Pid, Signal, kill_process};
use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::Server;

/// A running standby, ended with its value.
struct Standby {
    directory: tempfile::TempDir,
    server: Child,
}

impl Standby {
    /// Copies the server, and follows it.
    fn of(server: &Server) -> Self {
        let directory = tempfile::Builder::new().prefix("standby-").tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).expect("the directory is opened");
        let connection = server.cluster.connection();
        let primary = format!("host={} port={} user=postgres", connection.socket_directory.display(), connection.port);
        let copied = program(server, "pg_basebackup")
            .args(["--wal-method=stream", "--checkpoint=fast", "--write-recovery-conf", "--pgdata"])
            .arg(&data)
            .args(["--dbname", &primary])
            .output()
            .expect("pg_basebackup runs");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let log = std::fs::File::create(directory.path().join("log")).expect("a file");
        let mut command = program(server, "postgres");
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "hot_standby=on"]);
        // It takes no fewer connections than the primary. What pg_basebackup writes as the way there names options of its own
        // version, which an older server does not know.
        command.args(["-c", "max_connections=200", "-c", &format!("primary_conninfo={primary}")]);
        command.arg("-c").arg(format!("unix_socket_directories={}", directory.path().display()));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let server = command.spawn().expect("the standby starts");
        let standby = Self { directory, server };
        let follows = || {
            let Ok(mut client) = postgres::Client::connect(&standby.url("postgres"), postgres::NoTls) else {
                return false;
            };
            let receiving = client.query("SELECT FROM pg_stat_wal_receiver WHERE sender_host IS NOT NULL", &[]);
            !receiving.expect("the standby answers").is_empty()
        };
        let until = Instant::now() + Duration::from_secs(30);
        while !follows() {
            let log = || std::fs::read_to_string(standby.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "the standby does not follow: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        standby
    }

    fn url(&self, database: &str) -> String {
        format!("postgresql:///{database}?host={}&user=postgres", self.directory.path().display())
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // At once, and with its children.
        let _ = kill_process(Pid::from_child(&self.server), Signal::QUIT);
        let _ = self.server.wait();
    }
}

/// A program of the server's package, as the user that the server runs as: it refuses to be root.
fn program(server: &Server, name: &str) -> Command {
    let beside = server.cluster.binaries().directory.join(name);
    // Where the server's package has no client programs, Debian's do: both are in PATH.
    let mut command = if beside.is_file() { Command::new(beside) } else { Command::new(name) };
    let owner = std::fs::metadata(server.cluster.directory().join("data")).expect("the data directory");
    let own = rustix::process::geteuid().as_raw();
    let (user, group) = (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
    if user != own {
        command.uid(user).gid(group);
    }
    command.current_dir(Path::new("/"));
    command
}

#[test]
fn a_standby_is_never_changed() {
    let settings = ["wal_level=replica", "max_wal_senders=4", "hot_standby=on"];
    let options = EphemeralOptions { settings: settings.map(str::to_owned).to_vec(), ..EphemeralOptions::default() };
    let server: &'static Server = Box::leak(Box::new(Server::start(&options)));
    let case = Case::on(server.database(), "");
    case.chain(2).succeeds("upgrade 001");
    let standby = Standby::of(server);
    let primary = case.database.url();
    let url = standby.url(&case.database.name);
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n"));
    let directory = standby.directory.path().to_string_lossy().into_owned();
    let source = server.cluster.connection().socket_directory.to_string_lossy().into_owned();
    let still = |text: String| text.replace(&directory, "[STANDBY]").replace(&source, "[PRIMARY]");
    let refused = still(case.run("upgrade head").transcript());
    assert_data_eq!(
        &refused,
        str![[r#"
exit code: 1
----- stderr
error[25006]: this server is a standby: it takes no changes
note: on postgresql://postgres@/[DATABASE]?host=[STANDBY]
note: its primary is [SOCKET]:5432
note: nothing was changed
hint: give the primary's address; or name all servers, and ask for the one that takes changes: `host=one,two target_session_attrs=read-write`

"#]]
    );
    for command in ["downgrade base", "stamp head", "ensure-version", "redo"] {
        assert_eq!(still(case.run(command).transcript()), refused, "{command}");
    }
    let ping = case.run("ping");
    assert_eq!(
        (ping.code, still(ping.stderr)),
        (3, refused.split_once("stderr\n").map(|(_, told)| told.to_owned()).unwrap())
    );
    assert!(ping.stdout.contains("\nchanges   none: it is a standby\n"), "{}", ping.stdout);
    // It may be asked, and says who it is: the primary's number is its own.
    case.succeeds("status");
    assert_eq!(case.succeeds("current").stdout, "001\n");
    let id = case.ask("SELECT system_identifier FROM pg_control_system()");
    case.project.write("migrate.ini", format!("[migrate]\nurl = {url}\nexpect_system_id = {id}\n"));
    case.succeeds("current");
    // The hint is right: of both, the primary is taken.
    let both = format!(
        "host={directory},{source} dbname={} user=postgres target_session_attrs=read-write",
        case.database.name
    );
    case.project.write("migrate.ini", format!("[migrate]\nurl = {both}\n"));
    case.succeeds("upgrade head");
    assert_eq!(case.effects(), "001,002");
    assert!(primary.contains(&source), "{primary}");
}
