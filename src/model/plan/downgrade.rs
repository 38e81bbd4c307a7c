//! What a downgrade undoes: what stands on the target, and what stands on that, as far as it is applied.

use super::resolve::{Branch, one};
use super::walk::walk;
use super::{Direction, Plan, PlanError};
use crate::model::applied::Applied;
use crate::model::graph::{Along, Graph, Node};
use crate::model::revision::Name;
use crate::model::target::{Point, Target, Walk};

/// What to undo so that nothing stands on `target` any more. `target` itself stays; unrelated branches stay;
/// whatever depends on something undone goes too.
///
/// A branch before `@` narrows only where several revisions stand right on the target: `x@base` with a single
/// base undoes the other branches as well. That is Alembic's meaning; [`beside_branch`] says what it hits.
///
/// # Errors
/// The target means nothing or too much, or nothing applied stands on it and it is no row.
pub fn downgrade(graph: &Graph, applied: &Applied, target: &Target) -> Result<Plan, PlanError> {
    match &target.point {
        Point::At(symbol) => below(graph, applied, one(graph, symbol, None)?, target.branch.as_ref()),
        Point::Away(None, steps @ Walk::Down(1..)) => back(graph, applied, target, *steps),
        Point::Away(None, walk) => Err(PlanError::WrongWay { walk: *walk, direction: Direction::Downgrade }),
        Point::Away(Some(symbol), steps) => {
            // Upwards, a branch says where to go, not where to start: Alembic's rule.
            let branch = target.branch.as_ref().filter(|_| matches!(steps, Walk::Down(1..)));
            let from = one(graph, symbol, branch)?;
            let branch = Branch::of(graph, target)?;
            let walked = walk(graph, from, *steps, branch.as_ref().map(|branch| &branch.lineage))?;
            below(graph, applied, walked.all(*steps, from)?, target.branch.as_ref())
        }
    }
}

/// Undoes what stands on `goal`, or everything if it is nothing; of `branch`, where there is a choice.
fn below(graph: &Graph, applied: &Applied, goal: Option<Node>, branch: Option<&Name>) -> Result<Plan, PlanError> {
    let mut roots = goal.map_or_else(|| graph.bases(), |node| graph.children(node).collect());
    if let (Some(branch), 2..) = (branch, roots.len()) {
        let branch = Branch::find(graph, branch)?.node;
        let below = graph.ancestors([branch], Along::Parents);
        roots.retain(|root| below.contains(*root));
        if roots.is_empty() {
            return Err(PlanError::NothingInBranch { target: goal, branch });
        }
    }
    let set = graph.descendants(roots, Along::Everything).intersection(applied.set());
    match goal {
        Some(target) if set.is_empty() && !applied.is_row(target) => {
            Err(PlanError::InvalidDowngrade { target, applied: applied.contains(target) })
        }
        _ => Ok(Plan::down(graph, applied, graph.order(&set, applied.rows()))),
    }
}

/// Undoes some steps: from the one row; of several rows, if it comes to the same from each.
fn back(graph: &Graph, applied: &Applied, target: &Target, steps: Walk) -> Result<Plan, PlanError> {
    let back = |row: Node, branch: &Name| {
        let walked = walk(graph, Some(row), steps, None)?;
        below(graph, applied, walked.all(steps, Some(row))?, Some(branch))
    };
    if let Some(branch) = Branch::of(graph, target)? {
        return back(row(graph, applied, &branch, steps)?, branch.name);
    }
    let Some((first, others)) = applied.rows().split_first() else {
        return Err(PlanError::NotEnoughSteps { walk: steps, possible: 0, from: None });
    };
    let plan = back(*first, graph.id(*first));
    let differs = |row: &Node| match (&plan, back(*row, graph.id(*row))) {
        (Ok(one), Ok(another)) => *one != another,
        (Err(one), Err(another)) => std::mem::discriminant(one) != std::mem::discriminant(&another),
        _ => true,
    };
    if others.iter().any(differs) {
        return Err(PlanError::AmbiguousCurrent { walk: steps, rows: applied.rows().to_vec() });
    }
    plan
}

/// What `plan` undoes outside of `branch`: neither above nor below the branch's own revision by parents.
///
/// # Errors
/// An unknown or ambiguous branch.
pub fn beside_branch(graph: &Graph, plan: &Plan, branch: &Name) -> Result<Vec<Node>, PlanError> {
    let branch = Branch::find(graph, branch)?;
    Ok(plan.nodes().filter(|node| !branch.lineage.contains(*node)).collect())
}

/// Where `x@-N` starts: at the row in the branch, or else at the one tip of what is applied in it.
fn row(graph: &Graph, applied: &Applied, branch: &Branch<'_>, walk: Walk) -> Result<Node, PlanError> {
    let mut rows = applied.rows().to_vec();
    rows.retain(|row| branch.lineage.contains(*row));
    if rows.is_empty() {
        rows = super::current(graph, applied);
        rows.retain(|row| branch.lineage.contains(*row));
    }
    match rows[..] {
        [] => Err(PlanError::NotEnoughSteps { walk, possible: 0, from: None }),
        [row] => Ok(row),
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
        let found = match downgrade(&graph, &applied, &Target::parse(target).unwrap()) {
            Ok(plan) => ids(&graph, plan.nodes()),
            Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap().to_owned(),
        };
        assert_eq!(found, expected, "downgrade {target} from {rows}");
    }

    #[test]
    fn the_target_stays_and_what_stands_on_it_goes() {
        check("b2 c", "b", "b2");
        check("b2 c", "a", "c b2 b");
        check("b2 c y", "b", "b2");
        check("c y", "a", "c y b");
        check("b2 c", "base", "c b2 b a");
        check("", "base", "");
        check("b2", "b2", "");
    }

    #[test]
    fn a_branch_narrows_where_several_stand_on_the_target() {
        check("b2 c", "left@a", "b2 b");
        check("c y", "right@a", "c");
        check("b2 c y", "y@base", "y z");
        check("b2 c", "y@a", "NothingInBranch");
    }

    #[test]
    fn with_one_base_a_branch_narrows_nothing_and_that_can_be_told() {
        let graph = drawn::graph("a\nb <- a label left\nc <- a");
        let applied = Applied::from_rows(&graph, ["b", "c"]).unwrap();
        let plan = downgrade(&graph, &applied, &Target::parse("left@base").unwrap()).unwrap();
        assert_eq!(ids(&graph, plan.nodes()), "b c a");
        let beside = beside_branch(&graph, &plan, &Name::new("left").unwrap()).unwrap();
        assert_eq!(ids(&graph, beside), "c");
    }

    #[test]
    fn steps_are_counted_from_the_one_row() {
        check("b2", "-1", "b2");
        check("b2", "-3", "b2 b a");
        check("b2", "-4", "NotEnoughSteps");
        check("b2 c", "-1", "AmbiguousCurrent");
        check("b2 c", "left@-1", "b2");
        check("y c", "left@-1", "y b");
        check("", "-1", "NotEnoughSteps");
        check("b2", "+1", "WrongWay");
        check("b2", "-0", "WrongWay");
        check("b2", "b2-1", "b2");
        check("b2", "a+1", "AmbiguousWalk");
        check("b2", "left@a+1", "b2");
    }

    #[test]
    fn a_target_with_nothing_on_it_is_invalid() {
        check("c", "b", "InvalidDowngrade");
        check("b2", "head", "MultipleHeads");
        check("b2", "c", "InvalidDowngrade");
    }
}
