//! The least that any client has to do, as a program of its own: it sends the statements ahead of their answers and keeps
//! no books. What a row of the tool lies above it is what checks, records and resets cost.

use std::path::Path;
use std::process::Command;

use aludel::database::connection::Connection;
use aludel::database::conninfo::{Conninfo, Surroundings};
use aludel::database::wire::connect::ConnectOptions;
use aludel::database::wire::event::{Event, Rows};

use crate::measure::quiet;

/// The argument that makes the benchmark this client.
pub const ARGUMENT: &str = "--bare";

/// So many bytes a message, and so many messages ahead: the tool's own numbers.
const MESSAGE: usize = 256 * 1024;
const AHEAD: usize = 128;

/// Runs `script`, in one transaction where it is `large`, else in the transactions that are in it.
pub fn command(url: &str, script: &Path, large: bool) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    quiet(&mut command).args([ARGUMENT, url, if large { "large" } else { "each" }]).arg(script);
    command
}

/// The client: arguments as [`command`] gives them.
pub fn main(arguments: &[String]) {
    let [url, kind, script] = arguments else { panic!("{ARGUMENT} URL each|large SCRIPT") };
    let nothing = |_: &str| None;
    let conninfo = Conninfo::parse(url, &Surroundings { variable: &nothing, home: None, user: None }).expect("a URL");
    let mut connection = Connection::connect(&conninfo, &ConnectOptions::default()).expect("a connection");
    let script = std::fs::read_to_string(script).expect("a script");
    if kind == "large" {
        connection.send("BEGIN", Rows::Discard).expect("sent");
        script
            .split_inclusive(";\n")
            .fold(Batch::default(), |batch, statement| batch.add(statement, &mut connection))
            .send(&mut connection);
        connection.send("COMMIT", Rows::Discard).expect("sent");
    } else {
        for revision in script.split_inclusive("COMMIT;\n") {
            connection.send(revision, Rows::Discard).expect("sent");
            settle(&mut connection, AHEAD);
        }
    }
    settle(&mut connection, 0);
}

/// Statements for one message.
#[derive(Default)]
struct Batch(String);

impl Batch {
    fn add(mut self, statement: &str, connection: &mut Connection) -> Self {
        if self.0.len() + statement.len() > MESSAGE {
            std::mem::take(&mut self).send(connection);
        }
        self.0.push_str(statement);
        self
    }

    fn send(self, connection: &mut Connection) {
        connection.send(&self.0, Rows::Discard).expect("sent");
        settle(connection, 4);
    }
}

/// Reads answers until no more than `most` messages wait for theirs.
fn settle(connection: &mut Connection, most: usize) {
    while connection.in_flight() > most {
        if let Event::Error(error) = connection.next_event(None).expect("an answer") {
            panic!("{error}");
        }
    }
}
