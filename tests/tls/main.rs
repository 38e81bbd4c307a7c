//! TLS against real servers: every mode, every certificate, every way to log in, and somebody in between. psql is asked the same
//! where it is on the machine: what libpq does, the tool does.

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod client_certificates;
mod in_between;
mod log_in;
mod matrix;
mod outcome;
mod run;
mod server;
mod settings;
