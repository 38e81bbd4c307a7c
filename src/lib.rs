//! Aludel migrates PostgreSQL schemas along a graph of revisions, from plain SQL files.
//!
//! The modules, bottom to top; each may use only those above it in this list (`tests/layers.rs` holds that):
//!
//! - [`source`] a text and places in it
//! - [`nearest`] "did you mean": the name nearest to one that means nothing
//! - [`error`] the error a user sees, exit codes
//! - [`secret`] a text that may hold a password
//! - [`child`] a program run without a shell, for what it prints
//! - [`model`] PURE: revisions, graph, targets, plans, SQL text, programs. No file, database, clock, environment, terminal
//! - [`ui`] the terminal
//! - [`config`] `migrate.ini` and the environment
//! - [`template`] revisions and new files that are templates
//! - [`project`] version locations: loads revision files into a graph, writes new ones
//! - [`explain`] the sentences for what the model found wrong
//! - [`local`] a private PostgreSQL from the binaries on this machine
//! - [`database`] connection, lock, version table, history, executor
//! - [`offline`] the executor that prints SQL
//! - [`commands`] a file a command
//! - [`cli`] the command line
//! - [`embed`] a project that another program migrates: [`Project`] is where to begin

pub mod child;
pub mod cli;
pub mod commands;
pub mod config;
pub mod database;
pub mod embed;
pub mod error;
pub mod explain;
pub mod local;
pub mod model;
pub mod nearest;
pub mod offline;
pub mod project;
pub mod secret;
pub mod source;
pub mod template;
pub mod ui;

pub use commands::actions::{Pending, Report, Status};
pub use commands::event::{Done, Event, Listener, RunBegun, RunEnded, Step};
pub use embed::Project;
pub use error::{Error, Kind};
pub use model::bookkeeping::Action;
