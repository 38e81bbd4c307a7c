//! How repeatable files are shown: a line, JSON, a hint.

use std::borrow::Cow;

use serde::Serialize;

use super::workspace::Workspace;
use crate::error::Error;
use crate::model::repeatable::{State, Why};

/// A repeatable file as JSON.
#[derive(Serialize)]
pub(super) struct RepeatableView<'a> {
    repeatable: &'a str,
    message: &'a str,
    file: Cow<'a, str>,
    state: &'static str,
    waits_for: Vec<&'a str>,
}

impl<'a> RepeatableView<'a> {
    pub(super) fn new(workspace: &'a Workspace, index: usize, state: &State) -> Self {
        let repeatable = workspace.repeatables.get(index);
        let waits_for = match state {
            State::Waiting(nodes) => nodes.iter().map(|node| workspace.graph.revision(*node).id.as_str()).collect(),
            State::Current | State::Due(_) => Vec::new(),
        };
        Self {
            repeatable: repeatable.id.as_str(),
            message: &repeatable.message,
            file: workspace.repeatable_path(index),
            state: match state {
                State::Current => "current",
                State::Waiting(_) => "waiting",
                State::Due(Why::New) => "new",
                State::Due(Why::Failed) => "failed",
                State::Due(Why::Changed) => "changed",
                State::Due(Why::Undone) => "undone",
                State::Due(Why::Needs(_)) => "needs",
            },
            waits_for,
        }
    }
}

/// `error` of a revision, with the repeatable files that make what depends on the object it could not drop: those with the name of
/// something in the server's words.
pub(super) fn explain(workspace: &Workspace, error: Error) -> Error {
    const DEPENDENT_OBJECTS: &str = "2BP01";
    let paths = || (0..workspace.repeatables.len()).map(|index| workspace.repeatable_path(index));
    let own = error.excerpts().iter().any(|excerpt| paths().any(|path| *path == excerpt.path));
    if error.sqlstate() != Some(DEPENDENT_OBJECTS) || own {
        return error;
    }
    let detail: Vec<String> = error.notes().into_iter().filter(|note| note.starts_with("detail: ")).collect();
    let names = |note: &str, id: &str| {
        // `public.cheap`, `f(integer)`
        let mut words = note.split_whitespace().map(|word| word.split('(').next().unwrap_or(word));
        words.any(|word| word.rsplit('.').next() == Some(id))
    };
    paths().enumerate().fold(error, |error, (index, path)| {
        let id = workspace.repeatables.get(index).id.as_str();
        if !detail.iter().any(|note| names(note, id)) {
            return error;
        }
        error.hint(format!(
            "{id} is made by {path}: drop it first, by `DROP ... IF EXISTS`, and, in an upgrade, change that file, so that it is run again"
        ))
    })
}

/// The ids of the repeatable files that are to be run, now or later, in order.
pub(super) fn ids(workspace: &Workspace, states: &[State]) -> Vec<String> {
    let repeatables = &workspace.repeatables;
    let unrun = repeatables.order().iter().filter(|index| states[**index] != State::Current);
    unrun.map(|index| repeatables.get(*index).id.to_string()).collect()
}

/// A line for each repeatable file that is to be run, now or later, in order.
pub(super) fn unrun(workspace: &Workspace, states: &[State]) -> Vec<String> {
    let repeatables = &workspace.repeatables;
    let line = |index: &usize| {
        let repeatable = repeatables.get(*index);
        let message = if repeatable.message.is_empty() { String::new() } else { format!(", {}", repeatable.message) };
        let why = match &states[*index] {
            State::Current => return None,
            State::Due(Why::New) => "new".to_owned(),
            State::Due(Why::Failed) => "it failed".to_owned(),
            State::Due(Why::Changed) => "changed".to_owned(),
            State::Due(Why::Undone) => "a revision was undone since, or stamped".to_owned(),
            State::Due(Why::Needs(other)) => {
                let when = if states[*other].is_due() { "runs" } else { "ran since" };
                format!("{} {when}", repeatables.get(*other).id)
            }
            State::Waiting(nodes) if nodes.is_empty() => "waits for what it depends on".to_owned(),
            State::Waiting(nodes) => format!("waits for {}", workspace.ids(nodes).join(", ")),
        };
        Some(format!("{}{message} ({why})", repeatable.id))
    };
    repeatables.order().iter().filter_map(line).collect()
}
