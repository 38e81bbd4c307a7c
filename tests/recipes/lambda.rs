//! AWS Lambda: the bootstrap against a server that stands in for the runtime API.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::{Case, file};

/// What the function handed back: path and body.
type Answer = (String, String);

/// A function whose runtime is the page's script.
struct Function {
    bootstrap: Child,
    answers: Receiver<Answer>,
}

impl Function {
    /// Starts it with these events before it; behind the last it waits for one more.
    fn start(case: &Case, events: &[&str]) -> Self {
        Self::start_as(case, env!("CARGO_BIN_EXE_aludel"), events)
    }

    fn start_as(case: &Case, binary: &str, events: &[&str]) -> Self {
        case.project.write("bootstrap", file("bootstrap"));
        let path = case.project.path().join("bootstrap");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink(binary, case.project.path().join("aludel")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (told, answers) = channel();
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        std::thread::spawn(move || serve(&listener, events, &told));
        let bootstrap = Command::new(&path)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LAMBDA_TASK_ROOT", case.project.path())
            .env("TMPDIR", case.project.path())
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("DATABASE_URL", case.url())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { bootstrap, answers }
    }

    /// The next thing that is handed back: response or error for which request, and the document.
    #[track_caller]
    fn answer(&self) -> (String, Value) {
        let (path, body) = self.answers.recv_timeout(Duration::from_secs(60)).expect("an answer");
        let path = path.strip_prefix("/2018-06-01/runtime/invocation/").unwrap_or_else(|| panic!("{path}"));
        (path.to_owned(), serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.bootstrap);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.bootstrap.wait();
    }
}

/// The runtime API: hands the events out, one at a time, and tells what comes back.
fn serve(listener: &TcpListener, mut events: VecDeque<String>, told: &Sender<Answer>) {
    let mut number = 0;
    // Who asks for more events than there are waits, as between two calls of a function.
    let mut waiting = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let (method, path, body) = read(&stream);
        match (method.as_str(), path.as_str()) {
            ("GET", "/2018-06-01/runtime/invocation/next") => match events.pop_front() {
                Some(event) => {
                    number += 1;
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: request-{number}\r\nLambda-Runtime-Deadline-Ms: 1542409706888\r\nContent-Length: {}\r\n\r\n",
                        event.len()
                    );
                    stream.write_all((head + &event).as_bytes()).unwrap();
                }
                None => waiting.push(stream),
            },
            ("POST", _) => {
                let taken = r#"{"status":"OK"}"#;
                let head = format!("HTTP/1.1 202 Accepted\r\nContent-Length: {}\r\n\r\n{taken}", taken.len());
                stream.write_all(head.as_bytes()).unwrap();
                if told.send((path, body)).is_err() {
                    return;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Method, path and body of a request.
fn read(stream: &TcpStream) -> (String, String, String) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if header == "\r\n" {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (method, path, String::from_utf8(body).unwrap())
}

#[test]
fn a_function() {
    let case = Case::new();
    let events = [
        r#"{"action": "up"}"#,
        r#"{"action": "status"}"#,
        r#"{"action": "upp"}"#,
        "no JSON at all",
        r#"{"action": "down", "target": "001"}"#,
    ];
    let function = Function::start(&case, &events);

    let (path, answer) = function.answer();
    assert_eq!(
        (path.as_str(), &answer["ok"], &answer["current"]),
        ("request-1/response", &json!(true), &json!(["002"]))
    );
    let (path, answer) = function.answer();
    assert_eq!((path.as_str(), &answer["status"]["at_heads"]), ("request-2/response", &json!(true)));

    // Two requests that mean nothing touch nothing, and the function lives on.
    let (path, answer) = function.answer();
    assert_eq!((path.as_str(), &answer["errorType"]), ("request-3/error", &json!("aludel.2")));
    assert_eq!(answer["errorMessage"], "there is no action `upp`");
    assert_eq!(answer["answer"]["error"]["kind"], "usage");
    let (path, answer) = function.answer();
    assert_eq!((path.as_str(), &answer["errorType"]), ("request-4/error", &json!("aludel.2")));

    let (path, answer) = function.answer();
    assert_eq!((path.as_str(), &answer["current"]), ("request-5/response", &json!(["001"])));
    assert_eq!(case.history(), "upgrade 001, upgrade 002, downgrade 002");
}

#[test]
fn a_function_that_fails() {
    let case = Case::new();
    case.revision("003", "002", "SELECT 'a\"b\\c\n%s'::booleen", "");
    let function = Function::start(&case, &[r#"{"action": "up"}"#, r#"{"action": "status"}"#]);
    let (path, answer) = function.answer();
    assert_eq!((path.as_str(), &answer["errorType"]), ("request-1/error", &json!("aludel.1")));
    // Quotes in it come through.
    assert_eq!(answer["errorMessage"], "type \"booleen\" does not exist");
    assert_eq!(answer["errorMessage"], answer["answer"]["error"]["message"]);
    assert_eq!(answer["answer"]["steps"].as_array().unwrap().len(), 2);
    let (path, answer) = function.answer();
    assert_eq!((path.as_str(), &answer["status"]["applied"]), ("request-2/response", &json!(["001", "002"])));
}

/// A binary that cannot even start is an error of the call, too.
#[test]
fn a_function_without_its_binary() {
    let case = Case::new();
    let function = Function::start_as(&case, "/nowhere", &[r#"{"action": "up"}"#]);
    let (path, answer) = function.answer();
    let expected = json!({"errorType": "aludel.127", "errorMessage": "no answer", "answer": null});
    assert_eq!((path.as_str(), answer), ("request-1/error", expected));
}
