//! What programs say about the connection: `password_command` and `url_command`, each asked once at most in a process.
//!
//! No error shows what they print.

use std::cell::{Cell, OnceCell, RefCell};
use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use super::Context;
use super::connection_string::at;
use crate::child::{self, ChildError, Limits};
use crate::config::secret_command::{Answer, AnswerError, LONGEST};
use crate::config::{self, Config, Environment, SecretCommand, mask};
use crate::database::conninfo::{Conninfo, ConninfoError, Settings as ConninfoSettings, Surroundings};
use crate::database::interrupt::Interrupt;
use crate::database::session::{Renewal, stopped};
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::ui::{self, LogLevel};

/// What programs have said in this process, and whether passwords that everyone can read were warned about.
#[derive(Debug, Default)]
pub struct Credentials {
    url: OnceCell<Answer>,
    password: OnceCell<Answer>,
    warned: Cell<bool>,
}

impl Credentials {
    /// What `url_command` says.
    pub(super) fn url(
        &self,
        command: &SecretCommand,
        config: &Config,
        context: &Context,
        interrupt: Option<&Interrupt>,
    ) -> Result<Secret> {
        let answer = ask(&self.url, command, config, context, interrupt)?;
        let url = answer.secret.clone();
        let password = ConninfoSettings::parse(url.reveal()).ok().and_then(|url| url.secret("password").cloned());
        context.ui.cover(forms(&url).into_iter().chain(password.iter().flat_map(forms)));
        Ok(url)
    }

    /// What `password_command` says.
    pub(super) fn password(
        &self,
        command: &SecretCommand,
        config: &Config,
        context: &Context,
        interrupt: Option<&Interrupt>,
    ) -> Result<&Answer> {
        let answer = ask(&self.password, command, config, context, interrupt)?;
        context.ui.cover(forms(&answer.secret));
        Ok(answer)
    }

    /// The secrets that programs said, for what else must not show them.
    pub(super) fn said(&self) -> Vec<Secret> {
        let url = self.url.get().and_then(|answer| ConninfoSettings::parse(answer.secret.reveal()).ok());
        let in_url = url.and_then(|url| url.secret("password").cloned());
        in_url.into_iter().chain(self.password.get().map(|answer| answer.secret.clone())).collect()
    }

    /// Warns, once, of secrets that others can read: the ones in the file, and what was typed. `password` is that of the URL.
    pub(super) fn warn(&self, config: &Config, context: &Context, origin: &config::Origin, password: Option<&Secret>) {
        if self.warned.replace(true) {
            return;
        }
        if let Some(option) = password.and_then(|password| said_by(context, origin, password)) {
            context.warning(format_args!(
                "everyone on this machine can read the password in `{option}` while this runs (`ps`)"
            ));
            context.ui.hint("put it into `PGPASSWORD`, `~/.pgpass` or a variable that `url` in the settings names");
            return;
        }
        let places = config.written_secrets(password);
        if !places.is_empty() {
            context.warning(format_args!("a password stands in {}", places.join(", ")));
            context
                .ui
                .hint("keep it out of the file: `password_command`, `PGPASSWORD`, `~/.pgpass` or `{{ env.NAME }}`");
        }
    }
}

/// What a program's password stands in for: behind the URL and the service, before the password file.
pub(super) const PASSWORD_VARIABLE: &str = "PGPASSWORD";
/// What a program's user stands in for.
pub(super) const USER_VARIABLE: &str = "PGUSER";
/// What stands for a user whom a program will name.
pub(super) const NAMED_LATER: &str = "...";

/// A connection as it will be, before any program is asked: in the place of what it will say stands something else.
pub(super) struct Preview<'a> {
    /// The connection; only to be shown.
    pub(super) conninfo: Conninfo,
    /// The variables that say something of it.
    pub(super) variables: Vec<String>,
    /// The program to ask, if the password is not known without it.
    pub(super) command: Option<&'a SecretCommand>,
}

impl<'a> Preview<'a> {
    /// What `written` leads to; `command` is asked for the password if nothing that counts more gives one.
    pub(super) fn of(
        written: &ConninfoSettings,
        command: Option<&'a SecretCommand>,
        environment: &Environment,
    ) -> std::result::Result<Self, ConninfoError> {
        let variables = RefCell::new(Vec::new());
        let variable = |name: &str| {
            let value = match (name, command) {
                (PASSWORD_VARIABLE, Some(_)) => Some(mask::HIDDEN.to_owned()),
                (USER_VARIABLE, Some(command)) if command.user_field.is_some() => Some(NAMED_LATER.to_owned()),
                _ => environment.get(name).map(str::to_owned),
            };
            if value.is_some() {
                variables.borrow_mut().push(name.to_owned());
            }
            value
        };
        let surroundings = Surroundings { variable: &variable, user: environment.database_user() };
        let conninfo = Conninfo::resolve(written.clone(), &surroundings)?;
        let variables = variables.into_inner();
        // The variable is not asked for where the URL or a service gives the password.
        if command.is_some() && !variables.iter().any(|name| name == PASSWORD_VARIABLE) {
            return Self::of(written, None, environment);
        }
        Ok(Self { conninfo, variables, command })
    }
}

/// A secret in the forms that it may take in a message, each with what is shown. A short one is a word of its own.
pub(super) fn forms(secret: &Secret) -> Vec<(String, String)> {
    let value = secret.reveal();
    if value.len() < 4 {
        return Vec::new();
    }
    let literal = value.replace('\'', "''");
    let forms = [value.to_owned(), literal.replace('\\', "\\\\"), literal, value.replace('"', "\"\"")];
    forms.map(|form| (form, mask::HIDDEN.to_owned())).into()
}

/// The option of the command line that the password of a connection string was typed in, if it was.
fn said_by(context: &Context, origin: &config::Origin, password: &Secret) -> Option<&'static str> {
    let holds = |value: &Secret| {
        let parsed = ConninfoSettings::parse(value.reveal());
        value == password || parsed.is_ok_and(|settings| settings.secret("password") == Some(password))
    };
    match origin {
        config::Origin::CommandLine(option) => Some(option),
        _ => context.global.x.iter().any(|(_, value)| holds(value)).then_some("-x"),
    }
}

/// What `command` says, asked the first time only.
fn ask<'a>(
    known: &'a OnceCell<Answer>,
    command: &SecretCommand,
    config: &Config,
    context: &Context,
    interrupt: Option<&Interrupt>,
) -> Result<&'a Answer> {
    if let Some(answer) = known.get() {
        return Ok(answer);
    }
    let time = Some(config.settings.command_timeout.value).filter(|time| !time.is_zero());
    let wake = interrupt.map(Interrupt::wake);
    let limits = Limits { time, bytes: LONGEST };
    let run = |stderr| child::output(&command.command.words, limits, stderr, wake.as_ref().map(|wake| wake.as_fd()));
    let output = match (context.ui.is_silent(), context.ui.is_for_programs()) {
        // A program that embeds the tool owns its standard error.
        (true, _) => run(Stdio::null()),
        (false, false) => run(Stdio::inherit()),
        (false, true) => {
            let heard = child::with_standard_error(LONGEST, run);
            let (output, said) =
                heard.map_err(|cause| failed(command, "a program cannot be listened to").cause(cause))?;
            let fields = serde_json::json!({ "program": program(command) });
            said.lines().for_each(|line| context.ui.event(LogLevel::Info, "program", line, &fields));
            output
        }
    };
    let output = output.map_err(|error| match error {
        ChildError::Woken => stopped(interrupt),
        error => config.with_unset(not_run(command, error), command.key, context.environment),
    })?;
    let answer = command.read(&output).map_err(|error| not_understood(command, error))?;
    Ok(known.get_or_init(|| answer))
}

/// Asks `command` again, later in the run. What goes wrong then is told by whoever needs the password.
pub(super) fn renewal(command: &SecretCommand, config: &Config, context: &Context) -> Renewal {
    let command = command.clone();
    let time = Some(config.settings.command_timeout.value).filter(|time| !time.is_zero());
    let silent = context.ui.is_silent() || context.ui.is_for_programs();
    Renewal(Arc::new(move || {
        let stderr = if silent { Stdio::null() } else { Stdio::inherit() };
        let output = child::output(&command.command.words, Limits { time, bytes: LONGEST }, stderr, None).ok()?;
        Some(command.read(&output).ok()?.secret)
    }))
}

/// The program's name, for a person.
fn program(command: &SecretCommand) -> String {
    let word = command.command.words.first().map_or("", String::as_str);
    mask::cover(word, &mask::hidden(word, 0, false), 0..0).0
}

/// An error about a program, at its place in the settings.
fn failed(command: &SecretCommand, title: impl Into<String>) -> Error {
    at(Error::failed(title), &command.command.origin)
}

fn not_run(command: &SecretCommand, error: ChildError) -> Error {
    let (program, setting) = (program(command), command.key.name);
    match error {
        ChildError::NotFound => failed(command, format!("there is no program `{program}`, which `{setting}` runs"))
            .hint("install it, or write its path; where a shell is meant: `sh -c '...'`"),
        ChildError::NotStarted(cause) => {
            failed(command, format!("`{program}`, which `{setting}` runs, cannot be started")).cause(cause)
        }
        ChildError::Failed(status) => {
            failed(command, format!("`{program}`, which `{setting}` runs, {}", ended(status)))
                .note("nothing was asked of the database")
        }
        ChildError::TookTooLong(time) => {
            failed(command, format!("`{program}`, which `{setting}` runs, took longer than {}", ui::duration(time)))
                .note("it was killed; it is given nothing on its standard input, so it cannot ask anybody")
                .hint("run it by hand; `command_timeout = 2min` gives it more time")
        }
        ChildError::PrintedTooMuch(most) => failed(
            command,
            format!("`{program}`, which `{setting}` runs, printed more than {} KiB: no secret", most >> 10),
        ),
        ChildError::Woken => Error::failed("stopped"),
        ChildError::Unreadable(cause) => {
            failed(command, format!("`{program}`, which `{setting}` runs, cannot be read from")).cause(cause)
        }
    }
}

/// How a program ended that did not succeed.
fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

fn not_understood(command: &SecretCommand, error: AnswerError) -> Error {
    let (program, setting) = (program(command), command.key.name);
    let explained = Error::failed(format!("`{program}`, which `{setting}` runs, {}", error.problem));
    let mut explained = at(explained, error.field.as_ref().unwrap_or(&command.command.origin));
    if let Some(note) = error.note {
        explained = explained.note(note);
    }
    explained = explained.note("what it printed is not shown");
    match error.hint {
        Some(hint) => explained.hint(hint),
        None => explained,
    }
}
