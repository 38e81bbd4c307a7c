//! Whole runs of the tool over TLS: upgrade, cancel, large files, the connections beside the first.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

use crate::certificates::{AUTHORITY, Files};
use crate::in_between::between;
use crate::outcome::connect;
use crate::server::{PASSWORD, RIGHT, Secured, WITHOUT};
use crate::support::{Project, Ran};

/// A project, and a database on the server of the right certificate.
struct Case {
    project: Project,
    files: Files,
    database: crate::support::Database<'static>,
}

impl Case {
    fn on(secured: &'static Secured) -> Self {
        let case = Self { project: Project::empty(), files: Files::new(), database: secured.server.database() };
        case.project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\nlock_timeout = 200ms\n");
        case
    }

    fn new() -> Self {
        Self::on(&RIGHT)
    }

    fn revision(&self, number: u32, body: &str) -> &Self {
        let parents = if number > 1 { format!("-- parents: {:03}\n", number - 1) } else { String::new() };
        let text = format!("-- revision: {number:03}\n{parents}\n-- migrate:upgrade\n{body}\n-- migrate:downgrade\n");
        self.project.write(&format!("versions/{number:03}.sql"), text);
        self
    }

    /// The settings at which the tool finds the database: checked in full.
    fn full(&self) -> String {
        format!("{} sslmode=verify-full {}", self.at(&RIGHT.at("db.example.com")), self.files.roots("right.crt"))
    }

    fn at(&self, settings: &str) -> String {
        settings.replace("dbname=postgres", &format!("dbname={}", self.database.name))
    }

    fn command(&self, arguments: &str, url: &str) -> Command {
        let mut command = self.project.command(arguments.split_whitespace());
        command.env("DATABASE_URL", url);
        command
    }

    fn run(&self, arguments: &str, url: &str) -> Ran {
        self.project.run(self.command(arguments, url))
    }

    fn spawn(&self, arguments: &str, url: &str) -> Child {
        let mut command = self.command(arguments, url);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    }

    /// Waits until a session of the tool does what `condition` says of `pg_stat_activity`.
    fn wait_until(&self, condition: &str) {
        let mut client = self.database.client();
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND application_name LIKE 'aludel%' AND {condition})"
        );
        let deadline = Instant::now() + Duration::from_secs(30);
        while !client.query_one(&sql, &[]).expect("the activity").get::<_, bool>(0) {
            assert!(Instant::now() < deadline, "{condition}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn upgrade_status_downgrade() {
    let case = Case::new();
    case.revision(1, "CREATE TABLE a AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();");
    case.revision(2, "COPY a FROM stdin;\nt\nt\n\\.\n");
    case.project.write(
        "versions/003.sql",
        "-- revision: 003\n-- parents: 002\n\n-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY b ON a (ssl);\n-- migrate:downgrade\nDROP INDEX b;\n",
    );
    let ran = case.run("upgrade head", &case.full()).succeeded();
    assert!(!ran.stderr.contains("warning"), "{}", ran.transcript());
    assert_eq!(case.database.psql("SELECT count(*) FROM a WHERE ssl"), "3\n");
    assert!(case.run("status", &case.full()).succeeded().stdout.contains("3 of 3"));
    case.run("downgrade -1", &case.full()).succeeded();
    case.run("upgrade head", &case.full()).succeeded();
}

/// What each connection begins with, and a way through that remembers it.
fn watched() -> (String, Arc<Mutex<Vec<[u8; 8]>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let text = between("127.0.0.1", move |mut client| {
        let mut first = [0; 8];
        if std::io::Read::read_exact(&mut client, &mut first).is_ok() {
            kept.lock().expect("the list").push(first);
            crate::in_between::pass(&client, &first, RIGHT.port);
        }
    });
    (text, seen)
}

/// Signals reach the statement, and the request to cancel it goes by TLS: its key could be read otherwise.
#[test]
fn a_signal_cancels() {
    let case = Case::new();
    case.revision(1, "CREATE TABLE a (); SELECT pg_sleep(600);");
    let (text, seen) = watched();
    let url = format!("{} sslmode=verify-full {}", case.at(&text), case.files.roots("right.crt"));
    let began = Instant::now();
    let child = case.spawn("upgrade head", &url);
    case.wait_until("wait_event = 'PgSleep'");
    let process = Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a process");
    kill_process(process, Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(began.elapsed() < Duration::from_secs(30), "the statement was not cancelled");
    assert_eq!(case.database.psql("SELECT to_regclass('a') IS NULL"), "t\n");
    let seen = seen.lock().expect("the list").clone();
    assert!(seen.len() >= 2, "{seen:?}");
    assert!(seen.iter().all(|first| *first == [0, 0, 0, 8, 4, 210, 22, 47]), "every connection asks for TLS: {seen:?}");
}

/// The connection that looks who is in the way goes the same way.
#[test]
fn connections_beside() {
    let case = Case::new();
    case.revision(1, "CREATE TABLE a ();").run("upgrade head", &case.full()).succeeded();
    case.revision(2, "ALTER TABLE a ADD b int;");
    let mut holder = case.database.client();
    holder.batch_execute("BEGIN; LOCK TABLE a").expect("the lock");
    let (text, seen) = watched();
    let url = format!("{} sslmode=verify-full {}", case.at(&text), case.files.roots("right.crt"));
    let child = case.spawn("upgrade head", &url);
    let deadline = Instant::now() + Duration::from_secs(30);
    while seen.lock().expect("the list").len() < 2 {
        assert!(Instant::now() < deadline, "nobody looks who is in the way");
        std::thread::sleep(Duration::from_millis(5));
    }
    holder.batch_execute("ROLLBACK").expect("the lock is let go");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen = seen.lock().expect("the list").clone();
    assert!(seen.iter().all(|first| *first == [0, 0, 0, 8, 4, 210, 22, 47]), "{seen:?}");
}

/// The server is slow to read, and has much to say.
#[test]
fn much_in_both_directions() {
    let case = Case::new();
    let body = format!("CREATE TABLE a AS SELECT length('{}') AS l;", "x".repeat(50_000_000));
    case.revision(1, &body);
    case.run("upgrade head", &case.full()).succeeded();
    assert_eq!(case.database.psql("SELECT l FROM a"), "50000000\n");
    let rows: String = (0..300_000).map(|number| format!("{number}\n")).collect();
    case.revision(2, &format!("CREATE TABLE b (n int);\nCOPY b FROM stdin;\n{rows}\\.\n"));
    case.run("upgrade head", &case.full()).succeeded();
    assert_eq!(case.database.psql("SELECT count(*), sum(n) FROM b"), "300000|44999850000\n");
    let mut connection = connect(&case.full(), case.files.path()).expect("a connection");
    let soon = Some(Instant::now() + Duration::from_secs(120));
    let rows = connection.query("SELECT repeat('y', 50000000)", soon).expect("an answer");
    assert_eq!(rows[0].get(0).map(str::len), Some(50_000_000));
    // Many small messages in flight, whose answers arrive in few records.
    let many: Vec<String> = (0..3000).map(|number| format!("SELECT {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answers = connection.query_pipeline(&many, soon).expect("answers");
    assert!(answers.iter().enumerate().all(|(index, answer)| answer.rows[0].get(0) == Some(&*index.to_string())));
}

/// Where the system's authorities come from is a matter of the system: here, of the variable that OpenSSL reads, too.
#[test]
fn an_authority_of_the_system() {
    let case = Case::new();
    case.revision(1, "CREATE TABLE a ();");
    let roots = case.files.write("system.pem", &AUTHORITY.pem());
    let status = |host: &str| {
        let mut command = case.command("status", &format!("{} sslrootcert=system", case.at(&RIGHT.at(host))));
        case.project.run({
            command.env("SSL_CERT_FILE", &roots);
            command
        })
    };
    let _ = status("db.example.com").succeeded();
    let ran = status("other.example.com");
    assert!(
        ran.code == 1 && ran.stderr.contains("its certificate is not for `other.example.com`"),
        "{}",
        ran.transcript()
    );
}

#[test]
fn warnings() {
    let case = Case::new();
    case.revision(1, "CREATE TABLE a ();");
    let status = |settings: &str| case.run("status", &format!("{} {settings}", case.at(&RIGHT.at("db.example.com"))));
    let quiet = |ran: Ran| assert!(!ran.succeeded().stderr.contains("warning"));
    quiet(status("sslmode=prefer"));
    quiet(status("sslmode=disable"));
    quiet(status(&format!("sslmode=require {}", case.files.roots("right.crt"))));
    let ran = status(&format!("sslmode=require {}", case.files.roots("missing.crt"))).succeeded();
    assert!(
        ran.stderr.contains("missing.crt`, is not there: the certificate of `db.example.com:"),
        "{}",
        ran.transcript()
    );
    let ran = status(&format!("sslmode=prefer {}", case.files.roots("wrong.crt"))).succeeded();
    assert!(
        ran.stderr.contains("is not encrypted: its certificate is signed by `CN=test authority`"),
        "{}",
        ran.transcript()
    );
    assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.transcript());
}

/// An address of this machine that is not its own: as another machine would be reached.
fn outer_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only chooses the way.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then(|| address.to_string())
}

#[test]
fn a_password_to_another_machine_in_the_clear() {
    // On a machine without a network there is none.
    let Some(address) = outer_address() else { return };
    let case = Case::on(&WITHOUT);
    case.revision(1, "CREATE TABLE a ();");
    let text = between(&address, |client| crate::in_between::pass(&client, &[], WITHOUT.port));
    let text = case.at(&text).replace("hostaddr=127.0.0.1", &format!("hostaddr={address}"));
    let ran = case.run("upgrade head", &text).succeeded();
    let expected = "is not encrypted: whoever sits in between can read it\nhint: add `sslmode=verify-full` to the URL";
    assert!(ran.stderr.contains(expected), "{}", ran.transcript());
    assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.transcript());
    assert!(!ran.transcript().contains(PASSWORD));
    let ran = case.run("status", &format!("{text} sslmode=disable")).succeeded();
    assert!(!ran.stderr.contains("warning"), "{}", ran.transcript());
    // It went there, also where nobody was let in.
    let wrong = |role: &str| text.replace("user=other", &format!("user={role}")).replace(PASSWORD, "wrong");
    let note = "unencrypted: whoever sits in between can read it\nhint: check the password of `";
    for role in ["in_clear", "by_md5"] {
        let ran = case.run("status", &wrong(role));
        assert!(ran.code == 1 && ran.stderr.contains(note), "{}", ran.transcript());
        assert!(ran.stderr.ends_with("`sslmode=disable` where the network is trusted\n"), "{}", ran.transcript());
        let ran = case.run("status", &format!("{} sslmode=disable", wrong(role)));
        assert!(ran.code == 1 && !ran.stderr.contains("unencrypted"), "{}", ran.transcript());
        let ran = case.run("status", &wrong(role).replace(&address, "127.0.0.1"));
        assert!(ran.code == 1 && !ran.stderr.contains("unencrypted"), "{}", ran.transcript());
    }
    let ran = case.run("status", &wrong("other"));
    assert!(ran.code == 1 && !ran.stderr.contains("unencrypted"), "SCRAM does not tell it: {}", ran.transcript());
}

/// The server ends the session: what is told is what is told without TLS.
#[test]
fn a_session_that_is_ended() {
    let case = Case::new();
    case.revision(1, "SELECT pg_terminate_backend(pg_backend_pid());");
    let ran = case.run("upgrade head", &case.full());
    assert!(ran.code != 0 && ran.stderr.contains("57P01"), "{}", ran.transcript());
    let mut client = Client::connect(&case.database.url(), NoTls).expect("the server answers");
    let left = client.query_one(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'aludel%' AND datname = current_database()",
        &[],
    );
    assert_eq!(left.expect("an answer").get::<_, i64>(0), 0);
}

#[test]
fn ping_tells_of_it() {
    let case = Case::new();
    case.revision(1, "SELECT 1;");
    let ran = case.run("ping", &case.full()).succeeded();
    assert!(ran.stdout.contains("\ntls       TLSv1.3, TLS13_"), "{}", ran.transcript());
    let elsewhere = case.full().replace("db.example.com", "localhost");
    let ran = case.run("ping --json", &elsewhere);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &report["error"]["reason"]), (1, &"tls_wrong_name".into()), "{}", ran.transcript());
}
