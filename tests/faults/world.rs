//! One database, one project with the plan of the matrix, and a proxy between: a worker of the matrix keeps one, and begins
//! anew for each injection.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

use crate::checker::{self, CANARY, Ended, IN_THE_WAY, SESSIONS, Truth};
use crate::plan;
use crate::proxy::{Proxy, Then};
use crate::support::{Database, Project, Ran};
use crate::tally::Tally;

pub struct World {
    pub project: Project,
    pub proxy: Arc<Proxy>,
    /// To the server, past the proxy.
    pub url: String,
    /// The database `postgres` there.
    pub admin_url: String,
    name: String,
    settings: String,
    /// Whether a revision of its plan runs without a transaction.
    pub bare: bool,
    /// The ids of its repeatable files, in order.
    pub repeatables: Vec<&'static str>,
    _database: Option<Database<'static>>,
}

/// A process of the tool that a fault may kill: 0 until it is there.
pub type Process = Arc<AtomicI32>;

/// Longer than any run of the matrix may take.
pub const LIMIT: Duration = Duration::from_secs(100);

impl World {
    /// On the server of this test process, with these lines in the ini.
    pub fn new(settings: &str) -> Self {
        let database = Database::create();
        let (url, name) = (database.url(), database.name.clone());
        Self::on(&url, &name, settings, Some(database))
    }

    /// In the database `name` at `url`.
    pub fn on(url: &str, name: &str, settings: &str, database: Option<Database<'static>>) -> Self {
        let project = Project::empty();
        let bare = Self::has_bare(settings);
        plan::write(&project, bare);
        let world = Self {
            proxy: Arc::new(Proxy::start(&socket(url))),
            admin_url: url.replace(&format!("/{name}?"), "/postgres?"),
            url: url.to_owned(),
            name: name.to_owned(),
            settings: settings.to_owned(),
            project,
            bare,
            repeatables: Vec::new(),
            _database: database,
        };
        let mut client = world.client();
        client.batch_execute(&format!("{}{}", plan::AGAIN, plan::SETUP)).expect("the gates");
        world.write_ini();
        world
    }

    /// The same with repeatable files, one of which depends on another, which takes it with it whenever it is made anew.
    pub fn with_repeatables(settings: &str) -> Self {
        let mut world = Self::new(settings);
        world.repeatables = vec!["ra", "rb", "rc"];
        for (id, needs, from) in [("ra", "[rc]", " FROM rc"), ("rb", "[]", ""), ("rc", "[005]", "")] {
            world.write_repeatable(id, needs, from);
        }
        world
    }

    fn write_repeatable(&self, id: &str, needs: &str, from: &str) {
        let text = format!(
            "-- repeatable: {id}\n-- depends_on: {needs}\n\nDROP VIEW IF EXISTS {id} CASCADE;\nCREATE VIEW {id} AS SELECT '{id}' AS id{from};\n\
             CREATE TABLE IF NOT EXISTS repeats (id text);\nINSERT INTO repeats SELECT id FROM {id};\n"
        );
        self.project.write(&format!("versions/repeatable/{id}.sql"), text);
    }

    /// An empty database that is upgraded, with a repeatable file changed then on which another depends.
    pub fn reset_and_change(&self) {
        self.write_repeatable("rc", "[005]", "");
        self.reset();
        let ran = self.run("upgrade head");
        assert_eq!(ran.code, 0, "{}", ran.transcript());
        self.write_repeatable("rc", "[005]", " -- changed\n");
        self.proxy.arm(None);
    }

    /// Whether a plan may have a section without a transaction: not where the whole run is one.
    pub fn has_bare(settings: &str) -> bool {
        !settings.contains("transaction = run")
    }

    /// Points the project at the proxy.
    fn write_ini(&self) {
        let url = format!("postgresql://postgres:{CANARY}@127.0.0.1:{}/{}?sslmode=disable", self.proxy.port, self.name);
        self.project.write("migrate.ini", format!("[migrate]\nurl = {url}\n{}", self.settings));
    }

    /// A connection past the proxy; a server that crashed takes a while.
    pub fn client(&self) -> Client {
        connect(&self.url)
    }

    /// An empty database again.
    pub fn reset(&self) {
        self.proxy.arm(None);
        let mut client = self.client();
        client.batch_execute(&format!("{}{}", plan::AGAIN, plan::SETUP)).expect("an empty database");
    }

    pub fn spawn(&self, arguments: &str) -> Child {
        let mut command = self.project.command(arguments.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    }

    /// Waits for the end of it, or ends it and says so.
    pub fn end(&self, mut child: Child, limit: Duration) -> (Ran, Vec<String>) {
        let until = Instant::now() + limit;
        let mut wrong = Vec::new();
        let mut pause = Duration::from_millis(2);
        while child.try_wait().expect("a child").is_none() {
            if Instant::now() >= until {
                wrong.push(format!("the tool did not end within {limit:?}"));
                child.kill().expect("a child");
                break;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        let output = child.wait_with_output().expect("the binary ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        (ran, wrong)
    }

    pub fn run(&self, arguments: &str) -> Ran {
        let (ran, wrong) = self.end(self.spawn(arguments), LIMIT);
        assert!(wrong.is_empty(), "{arguments}: {wrong:?}");
        ran
    }

    /// What is so once the tool's sessions have ended.
    pub fn truth(&self, patience: Duration) -> (Truth, Vec<String>) {
        self.truth_without(SESSIONS, patience)
    }

    fn truth_without(&self, sessions: &str, patience: Duration) -> (Truth, Vec<String>) {
        let mut client = self.client();
        let until = Instant::now() + patience;
        let mut wrong = Vec::new();
        loop {
            match client.query_one(sessions, &[]) {
                Ok(row) if row.get::<_, i64>(0) == 0 => break,
                Ok(_) => {}
                Err(_) => client = self.client(),
            }
            if Instant::now() >= until {
                wrong.push("I4: the tool's session does not end".to_owned());
                break;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        (Truth::read(&mut client), wrong)
    }

    /// Compares what a run said with what is so, runs it again, and compares once more.
    pub fn judge(&self, tally: &Tally, what: &str, ran: &Ran, kind: Kind, mut wrong: Vec<String>) {
        let in_the_way = format!("{SESSIONS}{IN_THE_WAY}");
        let sessions = if kind == Kind::Cut(Then::Hole) { &in_the_way } else { SESSIONS };
        let (truth, late) = self.truth_without(sessions, Duration::from_secs(15));
        wrong.extend(late);
        // A connection that leads nowhere is held open up to here.
        self.proxy.arm(None);
        wrong.extend(checker::after_fault(&truth, ran, kind.ended(), self.bare));
        let rerun = self.run("upgrade head");
        let (after, late) = self.truth(Duration::from_secs(5));
        wrong.extend(late);
        wrong.extend(checker::after_rerun(&after, &rerun, self.bare));
        wrong.extend(checker::repeated(&after, &self.repeatables));
        if !wrong.is_empty() {
            wrong.push(format!("{}{truth:?}\nrerun {}{after:?}", ran.transcript(), rerun.transcript()));
        }
        tally.count(what, ran.code, wrong);
    }
}

pub fn connect(url: &str) -> Client {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match Client::connect(url, NoTls) {
            Ok(client) => return client,
            Err(error) if Instant::now() >= until => panic!("{url}: {error:?}"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The server's socket.
pub fn socket(url: &str) -> PathBuf {
    let parameter = |name: &str| url.split(['?', '&']).find_map(|part| part.strip_prefix(name));
    let directory = parameter("host=").expect("a directory");
    Path::new(directory).join(format!(".s.PGSQL.{}", parameter("port=").unwrap_or("5432")))
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The tool is killed.
    Kill,
    /// Somebody ends the tool's session.
    Terminate,
    /// The tool's server process is killed, and all others with it.
    CrashBackend,
    /// The connection is cut in one of the proxy's ways.
    Cut(Then),
    /// The tool sleeps until somebody wakes it.
    Stop,
    /// The tool is asked to stop, once or twice.
    Ask(Signal, u8),
}

impl Kind {
    pub fn ended(self) -> Ended {
        match self {
            Self::Kill => Ended::Killed,
            Self::Ask(_, 2) => Ended::Killed,
            Self::Ask(signal, _) => Ended::Asked(signal.as_raw()),
            _ => Ended::ByItself,
        }
    }

    /// Does it, to a process of the tool and its session in `database`.
    pub fn strike(self, process: &Process, database: &str, admin_url: &str) -> Then {
        match self {
            Self::Kill => send(process, Signal::KILL),
            Self::Stop => send(process, Signal::STOP),
            Self::Terminate => {
                connect(admin_url).batch_execute(&ours(database, "pg_terminate_backend(pid)")).expect("a session ends");
            }
            Self::CrashBackend => {
                let rows = connect(admin_url).query(&ours(database, "pid"), &[]).expect("the sessions");
                for pid in rows.iter().filter_map(|row| Pid::from_raw(row.get(0))) {
                    // It may have ended meanwhile.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            Self::Cut(then) => return then,
            Self::Ask(signal, times) => {
                for _ in 0..times {
                    send(process, signal);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        Then::GoOn
    }
}

fn ours(database: &str, what: &str) -> String {
    format!("SELECT {what} FROM pg_stat_activity WHERE datname = '{database}' AND application_name LIKE 'aludel%'")
}

/// Sends a signal to a process that is there or just about to be.
pub fn send(process: &Process, signal: Signal) {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if let Some(pid) = Pid::from_raw(process.load(Ordering::SeqCst)) {
            // It may have ended meanwhile; nobody has waited for it yet, so the number is still its own.
            let _ = kill_process(pid, signal);
            return;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

impl World {
    /// A fault of this kind, to happen to the process whose number will stand there.
    pub fn act(&self, kind: Kind) -> (Process, Box<dyn Fn() -> Then + Send + Sync>) {
        let process: Process = Arc::default();
        let (own, name, admin) = (Arc::clone(&process), self.name.clone(), self.admin_url.clone());
        (process, Box::new(move || kind.strike(&own, &name, &admin)))
    }

    /// Does it now.
    pub fn strike(&self, kind: Kind, child: &Child) {
        let process = Arc::new(AtomicI32::new(i32::try_from(child.id()).expect("a process")));
        self.proxy.strike(kind.strike(&process, &self.name, &self.admin_url));
    }
}
