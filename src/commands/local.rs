//! `aludel local`

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Context;
use super::confirm::Consent;
use super::workspace::{load_config, local};
use crate::error::{Error, Result};
use crate::local::{Keep, Status};

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
                let answer = ui.ask(format_args!("delete {}? Type yes:", local.data().display()))?;
                if answer != "yes" {
                    return Err(Error::failed("not confirmed").note("nothing was deleted"));
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

fn report(context: &Context, local: &crate::local::Local, json: bool) -> Result<()> {
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
