//! What a stamp writes into the version table without running anything.

use std::collections::BTreeSet;

use super::PlanError;
use super::resolve::{Branch, absolute, all};
use crate::model::applied::Applied;
use crate::model::graph::{Along, Graph, Node, RevisionSet};
use crate::model::target::Target;

/// A change of the version table alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The rows that go, as they stand in the table: a purge removes also those that nobody knows.
    pub delete: Vec<String>,
    /// The rows that come, in load order.
    pub insert: Vec<Node>,
    /// All rows afterwards, in load order.
    pub rows: Vec<Node>,
}

/// Whether a stamp forgets every row first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// It keeps rows unrelated to the targets, and needs to know every row.
    No,
    /// It forgets all rows, also those that no file defines.
    Yes,
}

/// The version table as `targets` want it. A target that is a row already asks for nothing. Each other one becomes a
/// row. Where one of those is above or below a row, the rows that the targets are related to give way: those above
/// or below a new row, or the branch of `x@head` and `x@base`, or all for `base`. Unrelated rows stay, and so do
/// rows that are targets. What one row implies of another is left out.
///
/// Alembic lets rows give way that only a target which is a row already is related to, so that `stamp heads`
/// forgets heads; not here.
///
/// # Errors
/// Rows that no file defines, unless they are purged; targets that mean nothing or too much.
pub fn stamp<Row: AsRef<str>>(
    graph: &Graph,
    rows: &[Row],
    targets: &[Target],
    purge: Purge,
) -> Result<Stamp, PlanError> {
    let applied = match purge {
        Purge::Yes => Applied::nothing(graph),
        Purge::No => Applied::from_rows(graph, rows.iter().map(AsRef::as_ref))?,
    };
    let mut goals: Vec<Node> = Vec::new();
    let mut beside = RevisionSet::empty(graph.len());
    for target in targets {
        let nodes = all(graph, absolute(graph, target)?, target.branch.as_ref())?;
        if !applied.rows().is_empty() && !nodes.iter().any(|node| applied.is_row(*node)) {
            beside = beside.union(&beside_goals(graph, target)?);
        }
        goals.extend(nodes);
    }
    let new: Vec<Node> = goals.iter().copied().filter(|goal| !applied.is_row(*goal)).collect();
    let related = around(graph, &new);
    let moves = goals.is_empty() || applied.rows().iter().any(|row| related.contains(*row));
    let gives_way = |row: &Node| moves && (related.contains(*row) || beside.contains(*row) && !goals.contains(row));
    let kept = applied.rows().iter().copied().filter(|row| !gives_way(row));
    Ok(change(graph, rows, graph.maximal(&graph.closure(kept.chain(new)))))
}

/// What is above and below `nodes`, themselves included.
fn around(graph: &Graph, nodes: &[Node]) -> RevisionSet {
    let below = graph.closure(nodes.iter().copied());
    below.union(&graph.descendants(nodes.iter().copied(), Along::Everything))
}

/// What a target is related to by its branch, or by being `base`, besides the revisions it means.
fn beside_goals(graph: &Graph, target: &Target) -> Result<RevisionSet, PlanError> {
    Ok(match Branch::of(graph, target)? {
        Some(branch) => around(graph, &[branch.node]),
        None if *target == Target::BASE => RevisionSet::full(graph.len()),
        None => RevisionSet::empty(graph.len()),
    })
}

fn change<Row: AsRef<str>>(graph: &Graph, rows: &[Row], after: Vec<Node>) -> Stamp {
    let before: BTreeSet<&str> = rows.iter().map(AsRef::as_ref).collect();
    let ids: BTreeSet<&str> = after.iter().map(|node| graph.id(*node).as_str()).collect();
    Stamp {
        delete: before.difference(&ids).map(|row| (*row).to_owned()).collect(),
        insert: after.iter().copied().filter(|node| !before.contains(graph.id(*node).as_str())).collect(),
        rows: after,
    }
}
