//! The program without a database: files, graphs, words. Each test is a session at a terminal, compared whole.
//!
//! The projects name a database that nobody answers at, so that a command which connects by mistake fails its test.

#[path = "../support/mod.rs"]
mod support;
mod world;

mod broken_files;
mod broken_graphs;
mod broken_headers;
mod edit;
mod example;
mod help;
mod init;
mod json;
mod merge;
mod new_files;
mod newcomers;
mod output;
mod plan;
mod reading;
mod repeatable;
mod revision;
mod settings;
mod sql;
mod usage;
mod verify;
