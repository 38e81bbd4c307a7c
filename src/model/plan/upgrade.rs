//! What an upgrade runs: closure(targets) − applied.

use super::resolve::{Branch, all, one};
use super::walk::{Walked, walk};
use super::{Direction, Plan, PlanError};
use crate::model::applied::Applied;
use crate::model::graph::{Graph, Node};
use crate::model::target::{Point, Target, Walk};

/// What to run so that `target` is applied. Nothing if it is already, or lies below what is.
///
/// # Errors
/// The target means nothing or too much, or the rows or targets overlap.
pub fn upgrade(graph: &Graph, applied: &Applied, target: &Target) -> Result<Plan, PlanError> {
    let goals = goals(graph, applied, target, Walked::all)?;
    if let Some(overlap) = graph.overlap(&goals) {
        return Err(PlanError::OverlappingTargets(overlap));
    }
    if let Some(overlap) = applied.overlap(graph) {
        return Err(PlanError::OverlappingRows(overlap));
    }
    let set = graph.closure(goals.iter().copied()).difference(applied.set());
    let mut order = graph.order(&set, &goals);
    order.reverse();
    Ok(Plan::up(graph, applied, order))
}

/// What to make of a walk that may have been too long.
pub(super) type Judge = fn(Walked, Walk, Option<Node>) -> Result<Option<Node>, PlanError>;

/// The revisions that `target` asks for, with relative ones counted from `applied`.
pub(super) fn goals(graph: &Graph, applied: &Applied, target: &Target, judge: Judge) -> Result<Vec<Node>, PlanError> {
    let branch = target.branch.as_ref();
    let (from, steps) = match &target.point {
        Point::At(symbol) => return all(graph, symbol, branch),
        Point::Away(None, steps @ Walk::Up(1..)) => {
            let branch = Branch::of(graph, target)?;
            (tip(graph, applied, branch.as_ref(), *steps)?, *steps)
        }
        Point::Away(None, walk) => {
            return Err(PlanError::WrongWay { walk: *walk, direction: Direction::Upgrade });
        }
        // Upwards, a branch says where to go, not where to start: Alembic's rule.
        Point::Away(Some(symbol), steps @ Walk::Up(1..)) => (one(graph, symbol, None)?, *steps),
        Point::Away(Some(symbol), steps) => (one(graph, symbol, branch)?, *steps),
    };
    let branch = Branch::of(graph, target)?;
    let walked = walk(graph, from, steps, branch.as_ref().map(|branch| &branch.lineage))?;
    Ok(judge(walked, steps, from)?.into_iter().collect())
}

/// Where `+N` starts: at the row; in a branch, at the row in it, or else at the tip of what is applied in it.
fn tip(graph: &Graph, applied: &Applied, branch: Option<&Branch<'_>>, walk: Walk) -> Result<Option<Node>, PlanError> {
    let mut rows = applied.rows().to_vec();
    if let Some(branch) = branch {
        rows.retain(|row| branch.lineage.contains(*row));
        if rows.is_empty() {
            rows = graph.maximal(&applied.set().clone().intersection(&branch.lineage));
        }
    }
    match rows[..] {
        [] => Ok(None),
        [row] => Ok(Some(row)),
        _ => Err(PlanError::AmbiguousCurrent { walk, rows }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids};

    const FORK: &str = "a\nb <- a label left\nc <- a label right\nb2 <- b\nz\ny <- z dep b";

    #[track_caller]
    fn check(rows: &str, target: &str, expected: &str) {
        let graph = drawn::graph(FORK);
        let applied = Applied::from_rows(&graph, rows.split_whitespace()).unwrap();
        let found = match upgrade(&graph, &applied, &Target::parse(target).unwrap()) {
            Ok(plan) => ids(&graph, plan.nodes()),
            Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap().to_owned(),
        };
        assert_eq!(found, expected, "upgrade {target} from {rows}");
    }

    #[test]
    fn a_target_brings_what_it_needs() {
        check("", "b2", "a b b2");
        check("", "y", "a b z y");
        check("c", "y", "b z y");
        check("b2", "heads", "z y c");
        check("", "left", "a b");
    }

    #[test]
    fn what_is_applied_or_below_is_nothing_to_do() {
        check("b2", "a", "");
        check("b2", "b2", "");
        check("b2", "base", "");
        check("y", "left", "");
    }

    #[test]
    fn steps_are_counted_from_the_row() {
        check("a", "left@+1", "b");
        check("a", "left@+2", "b b2");
        check("b", "+1", "b2");
        check("a", "+1", "AmbiguousWalk");
        check("", "+1", "AmbiguousWalk");
        check("", "right@+2", "a c");
        check("c", "left@+1", "b");
        check("b z", "+1", "AmbiguousCurrent");
        check("b", "+2", "NotEnoughSteps");
        check("b", "-1", "WrongWay");
        check("b", "+0", "WrongWay");
        check("", "a+0", "a");
        check("", "b2-1", "a b");
        check("", "b2-3", "");
        check("", "b2-4", "NotEnoughSteps");
        check("", "z+1", "a b z y");
    }

    #[test]
    fn overlapping_rows_are_refused() {
        check("a b", "heads", "OverlappingRows");
        check("", "zz", "UnknownRevision");
    }
}
