//! The command line: clap's types, and the one place where an error becomes an exit code.
//!
//! Each command's arguments and help stand in its own file under `commands/`; what holds for all of them is here.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, CommandFactory as _, Parser};

use crate::commands::event::{Listener, Listeners};
use crate::commands::narrator::Narrator;
use crate::commands::run_log::RunLog;
use crate::commands::{self, Command, Context, Credentials, serve_once};
use crate::config::{self, Environment, mask};
use crate::error::{Error, Kind};
use crate::secret::{Covers, Secret};
use crate::ui::{self, LogFormat, Ui, Volume};

/// Migrate a PostgreSQL schema along a graph of revisions, from plain SQL files
///
/// Results go to standard output, everything else to standard error.
///
/// Exit codes: 0 done; 1 refused or failed, nothing half-done; 2 usage; 3 a check found something; 4 a revision
/// without a transaction stopped partway; 5 the outcome could not be learnt; 6 done, but a hook behind it
/// failed; 129, 130 and 143 stopped by a signal.
#[derive(Debug, Parser)]
#[command(name = "aludel", version, max_term_width = 100, infer_long_args = false)]
struct CommandLine {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes, before or after its name.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration [default: migrate.ini in the current directory, or ALUDEL_CONFIG]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,

    /// Lay this section of the configuration over [migrate] [default: ALUDEL_ENV]
    #[arg(short, long, global = true, value_name = "SECTION")]
    pub name: Option<String>,

    /// A value for the configuration (`{{ x.NAME }}`) and for revisions that are templates; may be given again
    #[arg(short = 'x', global = true, value_name = "NAME=VALUE", value_parser = VariableParser)]
    pub x: Vec<(String, Secret)>,

    /// The database, instead of the configuration's `url`: a URL, `key=value` pairs, or `local`
    #[arg(long, global = true, value_name = "URL", value_parser = parse_secret)]
    pub url: Option<Secret>,

    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say more, and show listed revisions in full
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// For whom standard error is written: people, or programs (a JSON object a line) [default: ALUDEL_LOG_FORMAT, or text]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = LogFormat::WORDS, ignore_case = true)]
    pub log_format: Option<String>,
}

impl Global {
    /// The options that choose a project and a database, as a shell takes them: without them the command of a hint could mean another
    /// database. What may hold a secret is left out.
    fn repeated(&self) -> String {
        let config = self.config.as_ref().map(|file| ("-c", file.to_string_lossy().into_owned()));
        let name = self.name.as_ref().map(|name| ("-n", name.clone()));
        let url = self.url.as_ref().map(|url| if url.reveal() == "local" { "--url local" } else { "--url ..." });
        // Only a NUL cannot be quoted, and no argument holds one.
        let quoted = |value: &str| shlex::try_quote(value).unwrap_or_default().into_owned();
        let given = config.into_iter().chain(name).map(|(option, value)| format!("{option} {}", quoted(&value)));
        let variables = self.x.iter().map(|(name, _)| format!("-x {}=...", quoted(name)));
        given.chain(url.map(str::to_owned)).chain(variables).collect::<Vec<_>>().join(" ")
    }
}

/// `-x NAME=VALUE`. What has no name may be a secret that was meant to have one, or a URL with a `=` in it: clap would quote it.
#[derive(Clone)]
struct VariableParser;

impl TypedValueParser for VariableParser {
    type Value = (String, Secret);

    fn parse_ref(&self, command: &clap::Command, _: Option<&Arg>, value: &OsStr) -> Result<Self::Value, clap::Error> {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "_-.".contains(character))
        };
        match value.to_str().and_then(|text| text.split_once('=')) {
            Some((name, value)) if is_name(name) => Ok((name.to_owned(), Secret::new(value))),
            _ => {
                let told = "write `-x` as NAME=VALUE; what is given instead is not shown\n\n\
                            For more information, try '--help'.\n";
                Err(clap::Error::raw(ErrorKind::ValueValidation, told).with_cmd(command))
            }
        }
    }
}

fn parse_secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Runs the program on the process's own arguments and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = with_psql_apart(std::env::args_os());
    let environment = Environment::of_process();
    let covers = covers(&arguments, environment.as_ref().ok());
    // Known before the rest, so that what is wrong with the rest is said in it.
    let format = log_format(&arguments, environment.as_ref().ok());
    let said = *format.as_ref().unwrap_or(&LogFormat::Text);
    let clock = environment.as_ref().map(Environment::clock).unwrap_or_default();
    let ui = |volume, options| Ui::new(volume, options, move || clock.now()).covering(covers).logging(said);
    let command_line = match CommandLine::try_parse_from(&arguments) {
        Ok(command_line) => command_line,
        Err(error) => {
            let ui = ui(Volume::default(), String::new());
            // clap's own words: help for standard output, mistakes for standard error.
            if error.use_stderr() {
                let text = error.render().ansi().to_string();
                if serves(&arguments) {
                    serve_once::refuse(&ui, &ui::refusal(&text));
                }
                ui.refusal(text);
                return ExitCode::from(Kind::Usage.exit_code());
            }
            return match error.print() {
                Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
                    let error = Error::failed("cannot write to standard output").cause(cause);
                    ui.error(&error);
                    ExitCode::from(error.kind().exit_code())
                }
                _ => ExitCode::SUCCESS,
            };
        }
    };
    let CommandLine { global, command } = command_line;
    let volume = Volume { quiet: global.quiet, verbose: global.verbose };
    let ui = ui(volume, global.repeated());
    let result = match format.and(environment) {
        Ok(environment) => run(command, &ui, &global, &environment),
        Err(error) => {
            if matches!(command, Command::ServeOnce(_)) {
                serve_once::refuse(&ui, &error);
            }
            Err(error)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.end_progress();
            ui.flush();
            ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Whether a command line that clap refuses is one of `serve-once`, whose callers read its answer.
fn serves(arguments: &[OsString]) -> bool {
    let command = CommandLine::command().ignore_errors(true);
    command.try_get_matches_from(arguments).is_ok_and(|matches| matches.subcommand_name() == Some(serve_once::NAME))
}

/// For whom standard error is written. A word on the command line that means nothing is clap's to refuse.
fn log_format(arguments: &[OsString], environment: Option<&Environment>) -> Result<LogFormat, Error> {
    const OPTION: &str = "--log-format";
    let ours = arguments.iter().map(|argument| argument.to_string_lossy()).take_while(|argument| argument != "--");
    let ours: Vec<_> = ours.collect();
    let beside = ours.windows(2).filter(|pair| pair[0] == OPTION).map(|pair| &*pair[1]).next_back();
    let joined = ours.iter().filter_map(|argument| argument.strip_prefix(OPTION)?.strip_prefix('=')).next_back();
    let variable = environment.and_then(|environment| environment.get(LOG_FORMAT)).unwrap_or_default();
    if let Some(word) = joined.or(beside) {
        return Ok(LogFormat::parse(word).or(LogFormat::parse(variable)).unwrap_or_default());
    }
    match variable {
        "" => Ok(LogFormat::Text),
        word => LogFormat::parse(word).ok_or_else(|| {
            Error::usage(format!("`{LOG_FORMAT}` is `{word}`")).hint("write `json`, or `text`, or leave it out")
        }),
    }
}

/// The variable for those who cannot give an option.
const LOG_FORMAT: &str = "ALUDEL_LOG_FORMAT";

/// The arguments that may hold a password, each with what may be shown of it; and the variables that stand in for `-c` and `-n`.
/// `upgrade head $DATABASE_URL`, without `--url`, is quoted by whoever refuses it, and that goes into the log of a deployment.
fn covers(arguments: &[OsString], environment: Option<&Environment>) -> Covers {
    let variables = [config::FILE_VARIABLE, config::NAME_VARIABLE];
    let variables = variables.into_iter().filter_map(|name| environment?.get_os(name));
    let given = arguments.iter().skip(1).map(OsString::as_os_str).chain(variables);
    let covered = given.filter_map(|argument| {
        let argument = argument.to_string_lossy();
        // `001:orders@head` is none.
        let settings = argument.contains("://") || argument.contains('=');
        let hidden = if settings { mask::hidden(&argument, 0, false) } else { Vec::new() };
        (!hidden.is_empty()).then(|| (argument.to_string(), mask::cover(&argument, &hidden, 0..0).0))
    });
    covered.collect()
}

/// What stands behind `local psql` is psql's, also where it looks like an option of ours (`-c`, `-q`).
fn with_psql_apart(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let psql = arguments.windows(2).position(|pair| pair[0] == "local" && pair[1] == "psql").map(|at| at + 2);
    if let Some(at) = psql {
        // `-h` alone would be psql's host without a name.
        let ours = matches!(&arguments[at..], [only] if only == "-h" || only == "--help");
        if !ours && arguments.get(at).is_some_and(|next| next != "--") {
            arguments.insert(at, "--".into());
        }
    }
    arguments
}

fn run(command: Command, ui: &Ui, global: &Global, environment: &Environment) -> Result<(), Error> {
    let listener: Box<dyn Listener> = match ui.is_for_programs() {
        true => Box::new(RunLog::new(ui)),
        false => Box::new(Narrator::new(ui)),
    };
    let (listeners, credentials) = (Listeners(vec![listener]), &Credentials::default());
    let context = Context { ui, environment, global, credentials, listeners, watches_signals: true };
    commands::run(command, &context)?;
    ui.finish()
}
