//! What can be wrong with the SQL of a revision file: data and a place. The sentences are made elsewhere.

use crate::source::Excerpt;

use super::keywords::{Control, Setting};
use super::marker::{MarkerProblem, SectionKind};
use super::split::Opener;

/// One thing wrong with a file's SQL, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyError {
    /// What.
    pub problem: Problem,
    /// Where; boxed, so that results stay small.
    pub excerpt: Box<Excerpt>,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Reading failed.
    Reading {
        /// The kind of the failure.
        kind: std::io::ErrorKind,
        /// What the system says.
        message: String,
    },
    /// The file is UTF-16.
    Utf16,
    /// This byte is not UTF-8.
    NotUtf8(u8),
    /// A line that git writes around the sides of a conflict.
    ConflictMarker,
    /// A NUL byte, which PostgreSQL's protocol cannot carry.
    Nul,
    /// A character, outside quotes and comments, that PostgreSQL rejects or that nobody can see.
    OddCharacter(char),
    /// A lone carriage return ends a `--` comment, so that what looks like comment would run.
    CarriageReturnInComment,
    /// This is opened and never closed before the section or the file ends.
    Unclosed(Opener),
    /// Text behind a `COPY … FROM STDIN;` on the same line.
    TextAfterCopy,
    /// A section marker that is not well written.
    Marker(MarkerProblem),
    /// A statement before the first section marker.
    BeforeFirstSection,
    /// A psql meta-command: its name with the backslash, and what it is for.
    MetaCommand {
        /// As written: `\i`, `\set`.
        command: String,
        /// What a hint can say of it.
        purpose: MetaPurpose,
    },
    /// It begins or ends a transaction inside a section of this kind that is one.
    TransactionControl(Control, SectionKind),
    /// It begins or ends a transaction in a section whose statements commit by themselves: what ran and what did not could
    /// not be told any more.
    ControlOutside(Control),
    /// It begins or ends a transaction, or works with savepoints, in a verification, which stands behind a savepoint itself.
    ControlInVerify(&'static str),
    /// It begins or ends a transaction in a repeatable file, which is one, or cannot be in one.
    NotInScript(&'static str),
    /// `DISCARD ALL`, which gives every lock of the session away.
    DiscardAll,
    /// The server refuses this in a transaction, and the section is one (the hint: `transaction:false`).
    NeverInTransaction(&'static str, SectionKind),
    /// It changes how the text that follows is read.
    Setting(Setting),
    /// `COPY … TO STDOUT`
    CopyToStdout,
    /// One statement, or line of data, is larger than the server takes (1 GB).
    TooLarge,
}

/// What a psql meta-command is for, as far as a hint differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaPurpose {
    /// `\i`, `\ir`: the text belongs into the file.
    Include,
    /// `\c`: a revision runs in one database.
    Connect,
    /// `\set`, `\if`, …: templates do that.
    Variable,
    /// `\copy`: `COPY … FROM STDIN` with the data inline does that.
    Copy,
    /// `\gexec`: a `DO` block with `EXECUTE` does that.
    Execute,
    /// `\.` where no data are.
    EndOfData,
    /// Another: it has no counterpart.
    Other,
}

impl MetaPurpose {
    /// What `command`, with its backslash, is for.
    #[must_use]
    pub fn of(command: &str) -> Self {
        match command.trim_start_matches('\\').trim_end_matches('+') {
            "i" | "ir" | "include" | "include_relative" => Self::Include,
            "c" | "connect" => Self::Connect,
            "set" | "unset" | "gset" | "if" | "elif" | "else" | "endif" | "getenv" | "setenv" | "prompt" => {
                Self::Variable
            }
            "copy" => Self::Copy,
            "gexec" => Self::Execute,
            "." => Self::EndOfData,
            _ => Self::Other,
        }
    }
}
