//! The pure core: revisions, their graph, targets, plans, SQL text and programs.
//! It knows no file, database, clock, environment or terminal.

pub mod applied;
pub mod bookkeeping;
pub mod graph;
pub mod header;
pub mod journal;
pub mod plan;
pub mod program;
pub mod range;
pub mod repeatable;
pub mod revision;
pub mod sql;
pub mod target;
pub mod timeout;
