//! PostgreSQL's protocol on one socket: bytes in, messages out, and the other way round.
//!
//! The messages are encoded and parsed by `postgres-protocol`; what is here moves them over a non-blocking socket,
//! so that neither side can wait for the other while both have much to say. It knows no SQL.

pub(super) mod authentication;
pub mod cancel;
pub mod connect;
pub mod event;
pub(super) mod incoming;
pub(super) mod link;
pub mod tag;
pub(super) mod tls_stream;
pub(super) mod transport;
pub(super) mod wait;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
