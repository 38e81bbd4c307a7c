
pub mod conninfo;
