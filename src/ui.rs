//! The terminal. To be written.
