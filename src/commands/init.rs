//! `aludel init`

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::error::Result;
use crate::project::{self, InitTemplate, Made};

/// Start a project: migrate.ini, versions/, and the template for new revisions
///
/// What is there already is kept.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The project's directory, made where it is missing
    #[arg(default_value = ".", value_parser = parse_directory)]
    directory: PathBuf,

    /// Which template; `aludel list-templates` lists them
    #[arg(short, long, default_value = "generic")]
    template: String,
}

/// A URL makes a path, and its password the name of a directory.
fn parse_directory(text: &str) -> std::result::Result<PathBuf, &'static str> {
    match text.contains("://") {
        true => Err("it is a URL; `url` in the new migrate.ini holds that"),
        false => Ok(PathBuf::from(text)),
    }
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let template = InitTemplate::named(&arguments.template)?;
    for made in project::init(&arguments.directory, template)? {
        match made {
            Made::Created(path) => context.ui.done("created", path.display()),
            Made::Kept(path) => context.ui.status(format_args!("kept {}, which was there", path.display())),
        }
    }
    let here = arguments.directory == std::path::Path::new(".");
    let change = if here { String::new() } else { format!("cd {} && ", quoted(&arguments.directory)) };
    context.ui.hint(format_args!("{change}aludel revision -m \"first tables\""));
    Ok(())
}

/// A path as a shell reads it back.
fn quoted(path: &std::path::Path) -> String {
    let path = path.display().to_string();
    shlex::try_quote(&path).map_or_else(|_| path.clone(), std::borrow::Cow::into_owned)
}
