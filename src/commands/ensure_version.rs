//! `aludel ensure-version`

use clap::Args;

use super::Context;
use super::run::ensure_version;
use crate::error::Result;

/// Create the version and history tables where they are missing, and do nothing else
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the SQL instead
    #[arg(long)]
    sql: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    ensure_version(context, arguments.sql)
}
