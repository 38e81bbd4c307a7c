//! What programs say about the connection: `password_command` and `url_command`, each asked once at most in a process.
//!
//! No error shows what they print.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use super::Context;
use super::connection_string::at;
use crate::child::{self, ChildError, Limits};
use crate::config::secret_command::{Answer, AnswerError, LONGEST};
use crate::config::{self, Config, Environment, SecretCommand, keys, mask};
use crate::database::conninfo::{self, Conninfo, ConninfoError, Settings as ConninfoSettings, Surroundings};
use crate::database::interrupt::Interrupt;
use crate::database::session::{Renewal, Renewed, stopped};
use crate::error::{Error, Result};
use crate::secret::{SHORTEST, Secret};
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
        context.ui.cover(url.forms().into_iter().chain(password.iter().flat_map(Secret::forms)));
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
        context.ui.cover(answer.secret.forms());
        Ok(answer)
    }

    /// The secrets that programs said, for what else must not show them.
    pub(super) fn said(&self) -> Vec<Secret> {
        let url = self.url.get().and_then(|answer| ConninfoSettings::parse(answer.secret.reveal()).ok());
        let in_url = url.and_then(|url| url.secret("password").cloned());
        in_url.into_iter().chain(self.password.get().map(|answer| answer.secret.clone())).collect()
    }

    /// Warns, once, of secrets that others can read: the ones in the file, and what was typed. `passwords` are those of the URL.
    pub(super) fn warn(&self, config: &Config, context: &Context, origin: &config::Origin, passwords: &[Secret]) {
        if self.warned.replace(true) {
            return;
        }
        if let Some(option) = said_by(context, origin, passwords) {
            context.warning(format_args!(
                "everyone on this machine can read the password in `{option}` while this runs (`ps`)"
            ));
            context
                .ui
                .hint("put it into `PGPASSWORD`, `~/.pgpass` or a variable that the settings name: `{{ env.NAME }}`");
            return;
        }
        let places = config.written_secrets(passwords);
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
                (PASSWORD_VARIABLE, Some(_)) => Some(mask::HIDDEN.into()),
                (USER_VARIABLE, Some(command)) if command.user_field.is_some() => Some(NAMED_LATER.into()),
                _ => environment.given(name).map(OsStr::to_owned),
            };
            if value.is_some() {
                variables.borrow_mut().push(name.to_owned());
            }
            value
        };
        let (home, user) = (environment.database_home(), system_user(written, environment));
        let surroundings = Surroundings { variable: &variable, home, user };
        let conninfo = Conninfo::resolve(written.clone(), &surroundings)?;
        let variables = variables.into_inner();
        // The variable is not asked for where the URL or a service gives the password.
        if command.is_some() && !variables.iter().any(|name| name == PASSWORD_VARIABLE) {
            return Self::of(written, None, environment);
        }
        Ok(Self { conninfo, variables, command })
    }
}

/// The system's name for who runs this, where the connection string names no user: asking for it may take a directory server.
pub(super) fn system_user<'a>(written: &ConninfoSettings, environment: &'a Environment) -> Option<&'a str> {
    if written.get("user").is_some() { None } else { environment.database_user() }
}

/// The option of the command line that a password was typed in, if one was: one of a connection string, or a value for revisions whose
/// name says that it is one.
fn said_by(context: &Context, origin: &config::Origin, passwords: &[Secret]) -> Option<String> {
    let holds = |value: &Secret| {
        let value = value.reveal();
        let in_url = ConninfoSettings::parse(value).map(|settings| settings.secrets()).unwrap_or_default();
        let decoded = conninfo::decode(value).unwrap_or_default();
        let is_in =
            |password: &str, text: &str| text == password || (password.len() >= SHORTEST && text.contains(password));
        let holds = |password: &Secret| [value, &decoded].iter().any(|text| is_in(password.reveal(), text));
        passwords.iter().any(|password| holds(password) || in_url.contains(password))
    };
    match origin {
        config::Origin::CommandLine(option) if !passwords.is_empty() => Some((*option).to_owned()),
        _ => {
            let is_secret = |(name, value): &&(String, Secret)| {
                holds(value) || (mask::is_secret_name(name) && !value.reveal().is_empty())
            };
            context.global.x.iter().find(is_secret).map(|(name, _)| format!("-x {name}"))
        }
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
            let fields = serde_json::json!({ "program": command.command.program() });
            let hear = |line: &str| context.ui.event(LogLevel::Info, "program", line, &fields);
            child::with_standard_error(LONGEST, run, hear)
                .map_err(|cause| failed(command, "a program cannot be listened to").cause(cause))?
        }
    };
    let output = output.map_err(|error| match error {
        ChildError::Woken => stopped(interrupt),
        error => config.with_unset(not_run(command, error), command.key, context.environment),
    })?;
    let answer = command.read(&output).map_err(|error| not_understood(command, error))?;
    Ok(known.get_or_init(|| answer))
}

/// Asks `command` again, later in the run, of a connection that was written as `written`. `says_user`: the user comes from it as well.
/// What goes wrong then is told by whoever needs the password.
pub(super) fn renewal(
    command: &SecretCommand,
    written: ConninfoSettings,
    says_user: bool,
    config: &Config,
    context: &Context,
) -> Renewal {
    let command = command.clone();
    let time = Some(config.settings.command_timeout.value).filter(|time| !time.is_zero());
    let silent = context.ui.is_silent() || context.ui.is_for_programs();
    Renewal(Arc::new(move || {
        let stderr = if silent { Stdio::null() } else { Stdio::inherit() };
        let output = child::output(&command.command.words, Limits { time, bytes: LONGEST }, stderr, None).ok()?;
        let Answer { secret, user } = command.read(&output).ok()?;
        if command.key != keys::URL_COMMAND {
            return Some(Renewed { user: user.filter(|_| says_user), password: secret });
        }
        // A run stays where it began, whatever the program says by now.
        let url = ConninfoSettings::parse(secret.reveal()).ok()?;
        let is_same = ["service", "host", "hostaddr", "port", "dbname", "user"]
            .iter()
            .all(|name| url.get(name) == written.get(name));
        url.secret("password").filter(|_| is_same).map(|password| Renewed { user: None, password: password.clone() })
    }))
}

/// An error about a program, at its place in the settings.
fn failed(command: &SecretCommand, title: impl Into<String>) -> Error {
    at(Error::failed(title), &command.command.origin)
}

fn not_run(command: &SecretCommand, error: ChildError) -> Error {
    let (program, setting) = (command.command.program(), command.key.name);
    match error {
        ChildError::NotStarted(cause) => {
            let failed = |problem| failed(command, format!("`{setting}` cannot run: {problem}"));
            let word = command.command.words.first().map_or("", String::as_str);
            child::not_started(failed, &program, word, cause)
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
        )
        .note("it was killed; what it printed is not shown"),
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
    let (program, setting) = (command.command.program(), command.key.name);
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
