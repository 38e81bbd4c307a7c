//! SQL as text: quoting, statements with their places, and what a statement does. Nothing is sent or run here.

pub mod body;
pub mod classify;
pub mod quote;
pub mod split;
