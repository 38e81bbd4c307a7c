//! SQL as text: quoting, statements with their places, and what a statement does. Nothing is sent or run here.
//!
//! - [`split`]: cuts text into pieces, by psql's rules; [`marker`]: section markers
//! - [`classify`]: what a statement does: [`keywords`] for refusals, a parser for effects
//! - [`check`]: one pass that finds everything to refuse; [`problem`]: what that can be; [`checksum`]
//! - [`extension`]: what one does with an extension
//! - [`outside`]: what a statement that cannot be in a transaction needs; [`session_setting`]: what one sets for those behind it
//! - [`losses`]: what statements take away, and where that is before them
//! - [`verify`]: what the statements of a verification are run as
//! - [`written`]: the file that errors name, and what they may show of it
//! - [`body`]: a file's statements as batches to be sent; [`psql`]: as psql must be given them

pub mod body;
pub mod check;
pub mod checksum;
pub mod classify;
pub mod extension;
pub mod keywords;
pub mod leftover;
mod lex;
pub mod losses;
pub mod marker;
pub mod outside;
pub mod privilege;
pub mod problem;
pub mod psql;
pub mod quote;
mod reader;
pub mod session_setting;
pub mod split;
pub mod verify;
mod window;
pub mod written;

pub(super) use lex::is_odd;
