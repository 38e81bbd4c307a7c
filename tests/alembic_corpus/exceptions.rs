//! Where an answer differs from Alembic's on purpose although Alembic's is not arbitrary.

use serde_json::Value;

use crate::judge::{FIRST_ROW, FORGOTTEN_ROW, OVERLAPPING_ROWS};

const BRANCH: &str = "left of @ it is always the branch that is unknown or ambiguous, and it is always looked at";
const ROWS: &str = "rows that no file defines come before anything wrong with the target";
const STAMPS: &str = "the first of several wrong stamp targets is told";
const TWICE: &str = "current as both ends is refused before rows are looked at";
const COUNTED: &str = "-N below the heads went too far, where Alembic loses itself";

/// The reason, if there is one. Each is narrow: it names the question, Alembic's answer and ours.
pub fn reason(why: &str, query: &Value, expected: &Value, answer: &Value) -> Option<&'static str> {
    if let Some(bug) = [FORGOTTEN_ROW, FIRST_ROW, OVERLAPPING_ROWS].into_iter().find(|bug| *bug == why) {
        return Some(bug);
    }
    let (theirs, ours) = (expected["error"].as_str()?, answer["error"].as_str()?);
    let text = |key: &str| query[key].as_str().unwrap_or_default();
    let several = |key: &str| query[key].as_array().is_some_and(|list| list.len() > 1);
    match (text("op"), theirs, ours) {
        (_, _, "unknown_revision") if query["state"] == "unknown_row" => Some(ROWS),
        (_, "unknown_revision" | "not_enough_steps", "unknown_branch") => Some(BRANCH),
        ("downgrade", _, "ambiguous_current") if several("from") && text("target").starts_with('-') => Some(FIRST_ROW),
        ("stamp", ..) if several("targets") => Some(STAMPS),
        ("history", "overlapping_rows", _) if text("range") == "current:current" => Some(TWICE),
        ("history", "unknown_branch" | "unknown_revision" | "multiple_heads", "not_enough_steps")
            if text("range").starts_with('-') =>
        {
            Some(COUNTED)
        }
        _ => None,
    }
}
