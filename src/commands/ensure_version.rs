//! `aludel ensure-version`

use clap::Args;

use super::{Context, run};
use crate::error::Result;

/// Create the version and history tables where they are missing, and do nothing else
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the SQL instead
    #[arg(long)]
    sql: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    run::ensure_version(context, arguments.sql)
}
