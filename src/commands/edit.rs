//! `aludel edit`

use std::process::Command;

use clap::Args;

use super::Context;
use super::workspace::{Goal, Workspace, parse_goal};
use crate::error::{Error, Result};

/// Open a revision's file in your editor: VISUAL, or EDITOR, or the first of a few that is there
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which revision: an id, a label, head, current
    #[arg(value_parser = parse_goal, allow_negative_numbers = true)]
    target: Goal,
}

/// Tried in this order where neither variable is set, as Alembic does.
const EDITORS: [&str; 5] = ["sensible-editor", "editor", "nano", "vim", "code"];

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let nodes = workspace.find(context, &arguments.target)?;
    if nodes.is_empty() {
        return Err(Error::failed(format!("`{}` is no revision, so there is no file to edit", arguments.target)));
    }
    let files: Vec<_> = nodes.into_iter().map(|node| workspace.file(node).to_owned()).collect();
    let command = editor(context)?;
    let status = Command::new(&command[0])
        .args(&command[1..])
        .args(&files)
        .status()
        .map_err(|cause| Error::failed(format!("cannot start the editor `{}`", command[0])).cause(cause))?;
    if !status.success() {
        return Err(Error::failed(format!("the editor `{}` ended with {status}", command[0])));
    }
    Ok(())
}

fn editor(context: &Context) -> Result<Vec<String>> {
    for name in ["VISUAL", "EDITOR"] {
        if let Some(value) = context.environment.get(name).filter(|value| !value.trim().is_empty()) {
            return shlex::split(&value)
                .filter(|words| !words.is_empty())
                .ok_or_else(|| Error::usage(format!("{name} is not a command: `{value}`")));
        }
    }
    let path = context.environment.get("PATH").unwrap_or_default();
    let there = |name: &&&str| std::env::split_paths(&path).any(|directory| directory.join(**name).is_file());
    match EDITORS.iter().find(there) {
        Some(name) => Ok(vec![(*name).to_owned()]),
        None => Err(Error::failed("no editor was found").hint("set EDITOR to the one to use")),
    }
}
