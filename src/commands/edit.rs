//! `aludel edit`

use std::process::Command;

use clap::Args;

use super::Context;
use super::workspace::{Workspace, parse_target};
use crate::error::{Error, Result};
use crate::model::target::Target;

/// Open the file of a revision, or a repeatable file, in your editor
///
/// The editor is VISUAL, or EDITOR, or the first of a few that is there.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which file: that of an id (of a revision or a repeatable file), a label, head, current
    #[arg(value_parser = parse_target, allow_negative_numbers = true)]
    target: Target,
}

/// Tried in this order where neither variable is set, as Alembic does.
const EDITORS: [&str; 5] = ["sensible-editor", "editor", "nano", "vim", "code"];

const ANOTHER: &str = "set EDITOR to the one to use";

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let target = &arguments.target;
    let files: Vec<_> = match (workspace.find(context, target), workspace.repeatables.find(&target.to_string())) {
        (Err(_), Some(index)) => vec![workspace.repeatable_files[index].path.clone()],
        (nodes, _) => nodes?.into_iter().map(|node| workspace.files[node.index()].path.clone()).collect(),
    };
    if files.is_empty() {
        return Err(Error::failed(format!("`{target}` is no revision, so there is no file to edit")));
    }
    let command = editor(context)?;
    let status = Command::new(&command[0]).args(&command[1..]).args(&files).status().map_err(|cause| {
        Error::failed(format!("cannot start the editor `{}`", command[0])).cause(cause).hint(ANOTHER)
    })?;
    if !status.success() {
        return Err(Error::failed(format!("the editor `{}` ended with {status}", command[0])));
    }
    Ok(())
}

fn editor(context: &Context) -> Result<Vec<String>> {
    if let Some(command) = context.environment.editor() {
        return shlex::split(command)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| Error::usage(format!("VISUAL or EDITOR is not a command: `{command}`")));
    }
    let path = context.environment.get_os("PATH").unwrap_or_default();
    let there = |name: &&&str| std::env::split_paths(path).any(|directory| directory.join(**name).is_file());
    match EDITORS.iter().find(there) {
        Some(name) => Ok(vec![(*name).to_owned()]),
        None => Err(Error::failed("no editor was found").hint(ANOTHER)),
    }
}
