//! `aludel init`

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::error::Result;
use crate::project;

/// Start a project: migrate.ini, an empty versions/ and the template for new revisions
///
/// What is there already is kept.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where
    #[arg(default_value = ".")]
    directory: PathBuf,

    /// Which template; `aludel list-templates` lists them
    #[arg(short, long, default_value = "generic")]
    template: String,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let files = project::init(&arguments.directory, &arguments.template)?;
    for file in &files.created {
        context.ui.done("created", file.display());
    }
    for file in &files.kept {
        context.ui.status(format_args!("kept {}, which was there", file.display()));
    }
    let here = arguments.directory == PathBuf::from(".");
    let change = if here { String::new() } else { format!("cd {} && ", arguments.directory.display()) };
    context.ui.hint(format_args!("{change}aludel revision -m \"first tables\""));
    Ok(())
}
