//! The commands: a file each, holding its arguments with their help, and one short function.

pub mod actions;
mod branches;
mod changed;
mod confirm;
mod connection_string;
mod create;
mod credentials;
mod current;
mod downgrade;
mod edit;
mod ensure_version;
mod env;
pub mod event;
mod heads;
mod history;
mod hooks;
mod init;
mod list_templates;
mod local;
mod log;
mod lower;
mod merge;
mod metrics;
pub(crate) mod narrator;
mod paper;
mod ping;
mod plan;
mod redo;
mod repair;
mod repeatable;
mod resume;
mod revision;
mod run;
pub(crate) mod run_log;
pub(crate) mod serve_once;
mod show;
mod stamp;
mod status;
mod upgrade;
mod view;
mod workspace;

use std::fmt::Display;

use clap::Subcommand;
pub use credentials::Credentials;

use self::event::{Event, Listener, Listeners};
use crate::cli::Global;
use crate::config::Environment;
use crate::error::Result;
use crate::ui::Ui;

/// What every command is given.
pub struct Context<'a> {
    /// Where to speak.
    pub ui: &'a Ui,
    /// The process's environment.
    pub environment: &'a Environment,
    /// The options of every command.
    pub global: &'a Global,
    /// What programs have said about the connection.
    pub credentials: &'a Credentials,
    /// Who is told what happens in a run.
    pub listeners: Listeners<'a>,
    /// Whether SIGINT and SIGTERM are for the tool to act on; a program that embeds it has its own ways.
    pub watches_signals: bool,
}

impl Context<'_> {
    /// Warns whoever listens: at a terminal, in a log, in the answer that a program gets.
    pub(crate) fn warning(&self, text: impl Display) {
        self.listeners.hear(&Event::Warning(&text.to_string()));
    }

    /// The same, with one more who is told, behind the others.
    pub(crate) fn telling<'b, L: Listener>(&'b self, listener: &'b L) -> Context<'b> {
        let listeners = Listeners(vec![Box::new(&self.listeners), Box::new(listener)]);
        let Context { ui, environment, global, credentials, watches_signals, .. } = *self;
        Context { ui, environment, global, credentials, listeners, watches_signals }
    }
}

/// The commands; the help of each stands with its arguments.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "a doc comment here would replace the help that stands with the arguments")]
pub enum Command {
    Init(init::Arguments),
    Revision(revision::Arguments),
    Merge(merge::Arguments),
    Upgrade(upgrade::Arguments),
    Downgrade(downgrade::Arguments),
    Redo(redo::Arguments),
    Stamp(stamp::Arguments),
    Repair(repair::Arguments),
    Plan(plan::Arguments),
    Ping(ping::Arguments),
    Status(status::Arguments),
    Current(current::Arguments),
    Log(log::Arguments),
    History(history::Arguments),
    Heads(heads::Arguments),
    Branches(branches::Arguments),
    Show(show::Arguments),
    Edit(edit::Arguments),
    #[command(alias = "ensure_version")]
    EnsureVersion(ensure_version::Arguments),
    #[command(alias = "list_templates")]
    ListTemplates(list_templates::Arguments),
    Env(env::Arguments),
    Local(local::Arguments),
    ServeOnce(serve_once::Arguments),
}

/// Runs a command.
///
/// # Errors
/// Whatever the command refuses or fails at.
pub fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Init(arguments) => init::run(arguments, context),
        Command::Revision(arguments) => revision::run(arguments, context),
        Command::Merge(arguments) => merge::run(arguments, context),
        Command::Upgrade(arguments) => upgrade::run(arguments, context),
        Command::Downgrade(arguments) => downgrade::run(arguments, context),
        Command::Redo(arguments) => redo::run(arguments, context),
        Command::Stamp(arguments) => stamp::run(arguments, context),
        Command::Repair(arguments) => repair::run(arguments, context),
        Command::Plan(arguments) => plan::run(arguments, context),
        Command::Ping(arguments) => ping::run(arguments, context),
        Command::Status(arguments) => status::run(arguments, context),
        Command::Current(arguments) => current::run(arguments, context),
        Command::Log(arguments) => log::run(arguments, context),
        Command::History(arguments) => history::run(arguments, context),
        Command::Heads(arguments) => heads::run(arguments, context),
        Command::Branches(arguments) => branches::run(arguments, context),
        Command::Show(arguments) => show::run(arguments, context),
        Command::Edit(arguments) => edit::run(arguments, context),
        Command::EnsureVersion(arguments) => ensure_version::run(arguments, context),
        Command::ListTemplates(arguments) => list_templates::run(arguments, context),
        Command::Env(arguments) => env::run(arguments, context),
        Command::Local(arguments) => local::run(arguments, context),
        Command::ServeOnce(arguments) => serve_once::run(arguments, context),
    }
}
