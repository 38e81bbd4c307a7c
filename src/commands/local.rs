//! `aludel local`

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Context;
use super::confirm::{self, Consent};
use super::workspace::{load_config, local};
use crate::database::conninfo::{Conninfo, Surroundings};
use crate::database::extent::databases;
use crate::error::{Error, Result};
use crate::local::{Keep, Local, Status};
use crate::model::sql::quote::identifier;

/// The private PostgreSQL of this project, for development and tests
///
/// `url = local` starts it from the PostgreSQL programs on this machine. Its data are in .aludel/ and stay between
/// commands; it listens on a unix socket alone. `PG_BIN` names the directory of the programs to use.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start it, and leave it running
    Start,
    /// Stop it
    Stop,
    /// Say whether it runs, and how to reach it
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Open psql on it; what follows is handed to psql
    Psql {
        /// psql's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Stop it and delete its data
    Destroy {
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Serialize)]
struct Report {
    state: &'static str,
    pid: Option<u32>,
    url: Option<String>,
    kept: bool,
    data: String,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let config = load_config(context)?;
    let local = local(&config, context)?;
    let ui = context.ui;
    match arguments.what {
        What::Start => {
            let running = local.start()?;
            ui.line(running.connection().url());
            ui.done("running", "until `aludel local stop`");
        }
        What::Stop => {
            let stopped = local.stop()?;
            ui.status(if stopped { "stopped" } else { "nothing to do: it was not running" });
        }
        What::Status { json } => report(context, &local, json)?,
        What::Psql { arguments } => {
            let running = local.ensure_running()?;
            let mut psql = running.psql(arguments)?;
            ui.finish()?;
            // Only comes back where it failed: psql takes this process's place, and keeps the server up.
            let cause = psql.exec();
            return Err(Error::failed("cannot start psql").cause(cause).hint("install PostgreSQL's client programs"));
        }
        What::Destroy { consent } => {
            if !consent.yes {
                if !ui.is_interactive() {
                    return Err(
                        Error::usage("this deletes data, and nobody can be asked").hint("aludel local destroy --yes")
                    );
                }
                let status = local.status()?;
                if status != Status::Absent {
                    confirm::ask_plainly(ui, &to_be_deleted(&local, &status), "nothing was deleted")?;
                }
            }
            let ran = matches!(local.status()?, Status::Running { .. });
            let destroyed = local.destroy()?;
            ui.status(match (destroyed, ran) {
                (true, true) => "stopped, and its data deleted",
                (true, false) => "its data are deleted; it was not running",
                (false, _) => "nothing to do: there are no data",
            });
        }
    }
    Ok(())
}

/// What goes with the data. What databases there are is known only while the server runs.
fn to_be_deleted(local: &Local, status: &Status) -> Vec<(&'static str, Vec<String>)> {
    let size = |bytes: u64| match bytes >> 20 {
        0 => "less than 1 MB".to_owned(),
        megabytes => format!("{megabytes} MB"),
    };
    let found = match status {
        Status::Running { connection, .. } => {
            let surroundings = Surroundings { variable: &|_| None, home: None, user: None };
            Conninfo::parse(&connection.url(), &surroundings).ok().and_then(|conninfo| databases(&conninfo))
        }
        Status::Absent | Status::Stopped => None,
    };
    let databases = match found {
        Some(found) => found.iter().map(|(name, bytes)| format!("{} ({})", identifier(name), size(*bytes))).collect(),
        None if *status == Status::Stopped => vec!["all in it (the server is not running)".to_owned()],
        None => vec!["all in it (the server does not say which)".to_owned()],
    };
    let data = format!("{} ({})", local.data().display(), size(local.size()));
    vec![("to be deleted", vec![data]), ("databases", databases)]
}

fn report(context: &Context, local: &Local, json: bool) -> Result<()> {
    let data = local.data().display().to_string();
    let (state, pid, url, kept) = match local.status()? {
        Status::Absent => ("absent", None, None, false),
        Status::Stopped => ("stopped", None, None, false),
        Status::Running { pid, connection, keep } => {
            ("running", Some(pid), Some(connection.url()), keep == Keep::UntilStopped)
        }
    };
    if json {
        context.ui.json(&Report { state, pid, url, kept, data });
        return Ok(());
    }
    let ui = context.ui;
    ui.line(format_args!("state  {state}"));
    if let Some(pid) = pid {
        ui.line(format_args!("pid    {pid}"));
    }
    if let Some(url) = url {
        ui.line(format_args!("url    {url}"));
    }
    ui.line(format_args!("data   {data}"));
    Ok(())
}
