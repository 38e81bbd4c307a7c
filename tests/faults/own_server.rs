//! A server that a test may stop and start again on the same data, as `pg_ctl stop -m immediate` does; crash safety is on.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

use crate::support;

/// Runs the server, and stops it for good when standard input ends, in whatever way that comes about.
const KEEPER: &str = "exec 3<&0; directory=$1; shift; \"$@\" 3<&- </dev/null & server=$!
    (exec >/dev/null 2>&1; cat <&3; kill -QUIT $server; while kill -0 $server; do sleep 0.1; done; rm -rf \"$directory\") & watcher=$!
    exec 3<&-; wait $server; kill -KILL $watcher 2>/dev/null";

pub struct OwnServer {
    directory: PathBuf,
    programs: PathBuf,
    owner: (u32, u32),
    settings: Vec<String>,
    keeper: Option<Child>,
}

impl OwnServer {
    /// A new cluster of the same version as the server of this process, with these settings, started.
    pub fn start(settings: &[&str]) -> Self {
        let cluster = &support::server().cluster;
        let metadata = cluster.directory().metadata().expect("the cluster's directory");
        let unique = cluster.directory().file_name().expect("a name").to_string_lossy().into_owned();
        let parent = cluster.directory().parent().expect("a parent");
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let directory = parent.join(format!("own-{}-{number}", unique.trim_start_matches("aludel-")));
        std::fs::create_dir(&directory).expect("a directory");
        std::fs::set_permissions(&directory, Permissions::from_mode(0o700)).expect("a directory");
        let owner = (metadata.uid(), metadata.gid());
        chown(&directory, Some(owner.0), Some(owner.1)).expect("a directory");
        let mut settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let fixed = ["fsync=on", "full_page_writes=on", "autovacuum=off", "listen_addresses=", "max_connections=100"];
        settings.extend(fixed.map(str::to_owned));
        if cluster.binaries().major >= 14 {
            // Else it looks at every file of the cluster after each crash.
            settings.push("recovery_init_sync_method=syncfs".to_owned());
        }
        let mut server =
            Self { directory, programs: cluster.binaries().directory.clone(), owner, settings, keeper: None };
        let mut initdb = server.command("initdb");
        initdb.args(["--no-sync", "--no-locale", "-E", "UTF8", "-A", "trust", "-U", "postgres", "-D"]);
        let made = initdb.arg(server.data()).output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.again();
        server
    }

    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The owner of its files.
    pub fn owner(&self) -> (u32, u32) {
        self.owner
    }

    /// A command as the server's user.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env_clear()
            .env("PATH", support::variables().path.unwrap_or_default())
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        if let Some(path) = support::variables().library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        command.current_dir("/").stdin(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(self.owner.0).gid(self.owner.1);
        }
        command
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql:///{database}?host={}&user=postgres", self.directory.display())
    }

    /// A new database; its URL.
    pub fn database(&self, name: &str) -> String {
        self.admin(&format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    /// Runs statements in the database `postgres`, each by itself.
    pub fn admin(&self, sql: &str) {
        let mut client = Client::connect(&self.url("postgres"), NoTls).expect("the server answers");
        for statement in sql.split("; ") {
            client.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    }

    /// Ends it at once, as a failure of the machine would: nothing is written that is not on disk.
    pub fn crash(&mut self) {
        let Some(mut keeper) = self.keeper.take() else { return };
        let pid = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("a running server");
        let pid = pid.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::QUIT).expect("the server is there");
        // To wait closes it, and its end is for the end of this process.
        let stays = keeper.stdin.take();
        keeper.wait().expect("the keeper ends");
        drop(stays);
        // Its sockets would be refused all the same; a stale one must not be taken for the next server's.
        let _ = std::fs::remove_file(self.directory.join(".s.PGSQL.5432"));
    }

    /// Starts it, and waits until it answers.
    pub fn again(&mut self) {
        let log = File::options().append(true).create(true).open(self.directory.join("log")).expect("a log");
        let mut command = Command::new("sh");
        let server = self.command("postgres");
        command.env_clear().envs(server.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir("/");
        command.arg("-c").arg(KEEPER).arg("keeper").arg(&self.directory).arg(server.get_program());
        command.arg("-D").arg(self.data()).arg("-k").arg(&self.directory);
        for setting in &self.settings {
            command.arg("-c").arg(setting);
        }
        if rustix::process::geteuid().is_root() {
            command.uid(self.owner.0).gid(self.owner.1);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).process_group(0);
        self.keeper = Some(command.spawn().expect("a shell"));
        let until = Instant::now() + Duration::from_secs(60);
        while Client::connect(&self.url("postgres"), NoTls).is_err() {
            let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "the server does not start: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
