//! What is said of a connection string that leads nowhere: which setting gave it, and where that stands.
//!
//! Of what a program printed nothing is shown. What a string means is `database/conninfo`'s to say.

use crate::config::{Environment, Origin, SecretCommand, mask, render};
use crate::database::conninfo::{self, ConninfoError, Settings};
use crate::error::Error;
use crate::source::Excerpt;

/// PostgreSQL's `invalid_password`.
const WRONG_PASSWORD: &str = "28P01";
/// The reason of a connection that fails for want of a password.
const PASSWORD_MISSING: &str = "password_missing";

/// Who gave a connection string.
#[derive(Clone, Copy)]
pub(super) struct GivenBy<'a> {
    /// Where it comes from.
    pub(super) origin: &'a Origin,
    /// The program that printed it, if one did.
    pub(super) command: Option<&'a SecretCommand>,
}

impl GivenBy<'_> {
    /// The error for a string that cannot be read.
    pub(super) fn unreadable(self, error: ConninfoError) -> Error {
        let is_form = matches!(error, ConninfoError::Form | ConninfoError::Scheme);
        let error = if self.command.is_some() { error.without_text() } else { error };
        let explained = Error::usage(format!("cannot read where the database is: {error}"));
        // Where a password stands in a string that cannot be taken apart is not known.
        let is_whole =
            error.settings().is_empty() || matches!(error, ConninfoError::Joined { .. } | ConninfoError::Url { .. });
        let explained = match self.origin.excerpt().filter(|_| is_whole && self.command.is_none()) {
            Some(excerpt) => explained.at(veiled(excerpt)),
            None => at(explained, self.origin),
        };
        let hint = match (self.command, error.hint()) {
            (Some(_), Some(_)) if is_form => Some(
                "have it print `postgresql://user:password@host:5432/database`, or `host=... dbname=...`".to_owned(),
            ),
            (_, hint) => hint,
        };
        let explained = match self.command {
            Some(command) => {
                explained.note(format!("`{}` gave it, and what it printed is not shown", command.key.name))
            }
            None => explained,
        };
        match hint {
            Some(hint) => explained.hint(hint),
            None => explained,
        }
    }

    /// The error for a string that was read as `written`, and leads nowhere together with `environment`, which may be to blame.
    pub(super) fn unusable(self, error: ConninfoError, written: &Settings, environment: &Environment) -> Error {
        let about = error.settings();
        let elsewhere = GivenBy { origin: &Origin::Default, command: None };
        if matches!(error, ConninfoError::Variable(_)) {
            return elsewhere.unreadable(error);
        }
        if about.is_empty() || about.iter().any(|name| written.is_given(name)) {
            return self.unreadable(error);
        }
        let variables =
            conninfo::keywords().filter(|(name, _)| about.contains(name)).filter_map(|(_, variable)| variable);
        let set = variables.filter(|variable| environment.given(variable).is_some());
        let notes: Vec<String> =
            set.map(|variable| format!("`{variable}` is set, and the `url` says nothing of it")).collect();
        notes.into_iter().fold(elsewhere.unreadable(error), Error::note)
    }
}

/// `error` of a connection, with the program that gave the password, if that is what the server refused, and the one that was not asked for
/// one, if none was given.
pub(super) fn refused(error: Error, password: Option<&SecretCommand>, passed_over: Option<&Origin>) -> Error {
    match (password, passed_over) {
        (Some(command), _) if error.sqlstate() == Some(WRONG_PASSWORD) => {
            error.note(format!("the password came from `{}`, {}", command.key.name, command.command.origin))
        }
        (_, Some(origin)) if error.reason_word() == Some(PASSWORD_MISSING) => error
            .note(format!("`password_command`, {origin}, goes with another `url`, and was not asked"))
            .hint("repeat it beside this `url`; beside `--url`, give the password in `PGPASSWORD`"),
        _ => error,
    }
}

/// The place of a value that is not shown, unless it is a template that takes the string from elsewhere.
fn veiled(excerpt: &Excerpt) -> Excerpt {
    let mut excerpt = excerpt.clone();
    let (start, hidden) = (excerpt.mark.start, mask::HIDDEN);
    let written = &excerpt.line[start..];
    if !render::is_one_expression(written) || written.contains(['"', '\'']) {
        excerpt.line.replace_range(start.., hidden);
        excerpt.mark = start..start + hidden.len();
    }
    excerpt
}

/// `error` at a place of the settings, if there is one.
pub(super) fn at(error: Error, origin: &Origin) -> Error {
    match origin.excerpt() {
        Some(excerpt) => error.at(excerpt.clone()),
        None => error,
    }
}
