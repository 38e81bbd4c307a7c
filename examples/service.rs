//! A service that migrates its database when it starts, and then does its work.
//!
//! Several instances may start at once: one migrates, the others wait for it. Run it in the directory of a project:
//!
//!     DATABASE_URL=postgres://... cargo run --example service

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a service's log is its own")]

use std::process::ExitCode;

use aludel::{Error, Event, Kind, Listener, Project};

/// Writes what happens into the service's own log.
struct Log;

impl Listener for Log {
    fn hear(&self, event: &Event<'_>) {
        match event {
            Event::RunBegun(run) => println!("migrating {}: {} revisions", run.database, run.steps),
            Event::Finished(step, _) => println!("applied {}", step.name),
            Event::Waiting { step, blockers, .. } => println!("{} still runs; it waits for {blockers:?}", step.name),
            _ => {}
        }
    }
}

fn migrate() -> Result<(), Error> {
    let project = Project::open("migrate.ini")?;
    let report = project.upgrade_telling("head", &Log)?;
    println!("the database is at {}", report.current.join(", "));
    Ok(())
}

fn main() -> ExitCode {
    match migrate() {
        Ok(()) => {
            println!("serving");
            ExitCode::SUCCESS
        }
        Err(error) => {
            // The error's places, notes and hints say more than its first line.
            eprintln!("{}", aludel::ui::draw(&error, false, ""));
            if error.kind() == Kind::Unknown {
                eprintln!("an operator must look at the database before this service starts again");
            }
            ExitCode::FAILURE
        }
    }
}
