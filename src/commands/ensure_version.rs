//! `aludel ensure-version`

use clap::Args;

use super::Context;
use super::run::lock;
use super::workspace::{Database, connect, load_config, role, tables};
use crate::error::Result;
use crate::model::sql::quote::identifier;

/// Create the version and history tables where they are missing, and do nothing else
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the SQL instead
    #[arg(long)]
    sql: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let config = load_config(context)?;
    // No revision is read, so only what the configuration itself would have read is known to be passed over.
    if let Some(name) = config.unread_x().into_iter().find(|name| config.reads_x_elsewhere(name)) {
        return Err(config.refuse_x(name));
    }
    if arguments.sql {
        if let Some(role) = role(&config) {
            context.ui.raw(&format!("SET ROLE {};\n", identifier(&role)));
        }
        context.ui.raw(&tables(&config).create());
        return Ok(());
    }
    let Database { session, server: _server } = connect(&config, context)?;
    let (mut locked, standing) = lock(context, &config, session, None)?;
    locked.create_tables(&standing, false)?;
    if standing.version_table && standing.history_table {
        context.ui.status("nothing to do: the tables are there");
    } else {
        context.ui.done("created", format_args!("the version and history tables on {}", standing.place));
    }
    Ok(())
}
