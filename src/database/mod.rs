//! The database: where it is, the connection to it, and what it answers.

mod alembic;
mod bare;
mod blockers;
pub mod connect_error;
pub mod connection;
pub mod conninfo;
pub mod execute;
pub mod extent;
pub mod facts;
mod failure;
mod heartbeat;
pub mod history;
pub mod interrupt;
pub mod limits;
pub mod lock;
mod permission;
pub mod pooler;
pub mod preflight;
pub mod protection;
pub mod query;
pub mod recorded;
mod role;
pub mod server_error;
pub mod session;
mod silence;
pub mod tls;
pub mod wire;
