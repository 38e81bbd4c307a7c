//! Aludel migrates PostgreSQL schemas along a graph of revisions, from plain SQL files.
//!
//! The modules, bottom to top; each may use only those above it in this list (`tests/layers.rs` holds that):
//!
//! - [`source`] a text and places in it
//! - [`error`] the error a user sees, exit codes
//! - [`model`] PURE: revisions, graph, targets, plans, SQL text, programs. No file, database, clock, environment, terminal
//! - [`ui`] the terminal
//! - [`template`] revisions, new files and settings that are templates
//! - [`config`] `migrate.ini` and the environment
//! - [`project`] version locations: loads revision files into a graph, writes new ones
//! - [`explain`] the sentences for what the model found wrong
//! - [`local`] a private PostgreSQL from the binaries on this machine
//! - [`database`] connection, lock, version table, history, executor
//! - [`offline`] the executor that prints SQL
//! - [`commands`] a file a command
//! - [`cli`] the command line

pub mod cli;
pub mod commands;
pub mod config;
pub mod database;
pub mod error;
pub mod explain;
pub mod local;
pub mod model;
pub mod offline;
pub mod project;
pub mod source;
pub mod template;
pub mod ui;
