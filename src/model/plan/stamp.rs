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
    /// The revisions that are taken to be applied or not from now on, whatever was known of them: the targets, what they
    /// need and what stands on them, and the branch that a target names; all for `base` and for a purge.
    pub decides: RevisionSet,
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
    let mut decides = RevisionSet::empty(graph.len());
    for target in targets {
        let nodes = all(graph, absolute(graph, target)?, target.branch.as_ref())?;
        let branch = beside_goals(graph, target);
        // An unknown branch before `base` matters, in Alembic as here, only where there are rows to give way.
        if let Ok(branch) = &branch {
            decides = decides.union(branch);
        }
        if !applied.rows().is_empty() && !nodes.iter().any(|node| applied.is_row(*node)) {
            beside = beside.union(&branch?);
        }
        goals.extend(nodes);
    }
    let decides = match purge {
        Purge::Yes => RevisionSet::full(graph.len()),
        Purge::No => decides.union(&around(graph, &goals)),
    };
    let new: Vec<Node> = goals.iter().copied().filter(|goal| !applied.is_row(*goal)).collect();
    let related = around(graph, &new);
    let moves = goals.is_empty() || applied.rows().iter().any(|row| related.contains(*row));
    let gives_way = |row: &Node| moves && (related.contains(*row) || beside.contains(*row) && !goals.contains(row));
    let kept = applied.rows().iter().copied().filter(|row| !gives_way(row));
    Ok(change(graph, rows, graph.maximal(&graph.closure(kept.chain(new))), decides))
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

fn change<Row: AsRef<str>>(graph: &Graph, rows: &[Row], after: Vec<Node>, decides: RevisionSet) -> Stamp {
    let before: BTreeSet<&str> = rows.iter().map(AsRef::as_ref).collect();
    let ids: BTreeSet<&str> = after.iter().map(|node| graph.id(*node).as_str()).collect();
    Stamp {
        delete: before.difference(&ids).map(|row| (*row).to_owned()).collect(),
        insert: after.iter().copied().filter(|node| !before.contains(graph.id(*node).as_str())).collect(),
        rows: after,
        decides,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids};

    const FORK: &str = "a\nb <- a label left\nc <- a label right\nb2 <- b\nz\ny <- z dep b\nx";

    #[track_caller]
    fn check(rows: &str, targets: &str, purge: Purge, expected: &str) {
        let graph = drawn::graph(FORK);
        let rows: Vec<&str> = rows.split_whitespace().collect();
        let targets: Vec<Target> = targets.split_whitespace().map(|word| Target::parse(word).unwrap()).collect();
        let found = match stamp(&graph, &rows, &targets, purge) {
            Ok(stamp) => {
                let mut before: BTreeSet<String> = rows.iter().map(|row| (*row).to_owned()).collect();
                assert!(stamp.delete.iter().all(|row| before.remove(row)), "deletes only what is there");
                assert!(
                    stamp.insert.iter().all(|row| before.insert(graph.id(*row).to_string())),
                    "inserts only what is not"
                );
                let after: BTreeSet<String> = stamp.rows.iter().map(|row| graph.id(*row).to_string()).collect();
                assert_eq!(before, after, "the changes lead to the rows");
                ids(&graph, stamp.rows)
            }
            Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap().to_owned(),
        };
        assert_eq!(found, expected, "stamp {targets:?} on {rows:?}");
    }

    #[test]
    fn a_target_takes_the_place_of_what_is_above_and_below_it() {
        check("", "b", Purge::No, "b");
        check("b2 c x", "b", Purge::No, "b c x");
        check("b c x", "b2", Purge::No, "c b2 x");
        check("y c", "a", Purge::No, "a");
        check("x", "y", Purge::No, "y x");
        check("b2", "b2", Purge::No, "b2");
    }

    #[test]
    fn base_clears_and_a_branch_narrows_it() {
        check("b2 c x", "base", Purge::No, "");
        check("b2 c x", "left@base", Purge::No, "c x");
        check("b2 c x", "left@head", Purge::No, "c b2 x");
    }

    #[test]
    fn several_targets_are_several_rows_and_none_is_forgotten() {
        check("b c", "heads", Purge::No, "c b2 y x");
        // Alembic ends at `b2 y` here: the rows `c` and `x` are heads already, and it drops them.
        check("b c x", "heads", Purge::No, "c b2 y x");
        check("", "b a", Purge::No, "b");
        check("", "b b", Purge::No, "b");
    }

    #[test]
    fn it_decides_what_it_speaks_of() {
        let decided = |rows: &str, target: &str, purge: Purge| {
            let graph = drawn::graph(FORK);
            let rows: Vec<&str> = rows.split_whitespace().collect();
            let stamp = stamp(&graph, &rows, &[Target::parse(target).unwrap()], purge).unwrap();
            ids(&graph, stamp.decides.iter())
        };
        assert_eq!(decided("b2", "b2", Purge::No), decided("", "b2", Purge::No));
        assert!(!decided("c", "b2", Purge::No).contains('c'));
        assert_eq!(decided("c", "base", Purge::No), decided("c", "b2", Purge::Yes));
        assert_eq!(decided("b2 c", "left@base", Purge::No), decided("", "left@base", Purge::No));
    }

    #[test]
    fn a_purge_is_the_way_out_of_unknown_rows() {
        check("gone b", "head", Purge::No, "UnknownRows");
        check("gone b", "c", Purge::Yes, "c");
        check("gone b c", "b2", Purge::Yes, "b2");
        check("gone", "base", Purge::Yes, "");
        check("gone", "+1", Purge::Yes, "NoStart");
        check("b", "head", Purge::No, "MultipleHeads");
    }
}
