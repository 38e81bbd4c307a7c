//! The revisions that `history -r` lists.

use super::PlanError;
use super::resolve::{Landing, below_heads, check_branch, resolve};
use super::upgrade::goals;
use super::walk::{Walked, walk};
use crate::model::applied::Applied;
use crate::model::graph::{Along, Graph, Node};
use crate::model::range::Range;
use crate::model::revision::Name;
use crate::model::target::{Point, Symbol, Target, Walk};

/// The revisions of `range`, newest first: those below its upper end, without those below its lower end, the
/// lower end included; with a lower end, only its descendants by parents. `applied` is what `current` means.
///
/// # Errors
/// An end that means nothing or too much, ends that overlap among themselves, or a lower end that is not below
/// the upper one.
pub fn history(graph: &Graph, applied: Option<&Applied>, range: &Range) -> Result<Vec<Node>, PlanError> {
    let from = range.from.as_ref().unwrap_or(&Target::BASE);
    let to = range.to.as_ref().unwrap_or(&Target::HEADS);
    if *from == Target::CURRENT && *to == Target::CURRENT {
        return Err(PlanError::NoCurrent);
    }
    // Only `+N` counts from the lower end; any other upper end speaks for itself, and first.
    let (lower, upper) = if matches!(to.point, Point::Away(None, Walk::Up(1..))) {
        if to.branch.is_none() && matches!(from.point, Point::Away(..)) {
            return Err(PlanError::NoStart { target: to.clone() });
        }
        let lower = lower(graph, applied, from, to, &[])?;
        let upper = upper(graph, applied, &lower, from, to)?;
        (lower, upper)
    } else {
        let upper = upper(graph, applied, &Applied::nothing(graph), from, to)?;
        (lower(graph, applied, from, to, &upper)?, upper)
    };
    let required = graph.closure(upper.iter().copied());
    let outside: Vec<Node> = lower.rows().iter().copied().filter(|node| !required.contains(*node)).collect();
    if !outside.is_empty() {
        return Err(PlanError::NotAnAncestor { from: outside, to: upper });
    }
    if let Some(overlap) = lower.overlap(graph) {
        return Err(PlanError::OverlappingRows(overlap));
    }
    let mut set = required.difference(lower.set());
    if !lower.rows().is_empty() {
        set.extend(lower.rows().iter().copied());
        set = set.intersection(&graph.descendants(lower.rows().iter().copied(), Along::Parents));
    }
    Ok(graph.order(&set, &upper))
}

/// The lower end as if it were rows. `-N` counts down from the heads, as Alembic does, and not from the upper end.
fn lower(
    graph: &Graph,
    applied: Option<&Applied>,
    from: &Target,
    to: &Target,
    upper: &[Node],
) -> Result<Applied, PlanError> {
    let Point::Away(None, steps @ Walk::Down(1..)) = from.point else {
        let landings = resolve(graph, applied, from)?;
        return Ok(Applied::from_nodes(graph, landings.into_iter().filter_map(Landing::revision)));
    };
    let walks = below_heads(graph, steps, from.branch.as_ref())?;
    let nodes: Vec<Node> = walks.iter().filter_map(|(_, walked)| walked.at).collect();
    let Some((head, short)) = walks.iter().find(|(_, walked)| walked.at.is_none()) else {
        return Ok(Applied::from_nodes(graph, nodes));
    };
    let required = graph.closure(upper.iter().copied());
    let at_base = |walked: &Walked| walked.at.is_none() && walked.steps == steps.steps();
    if walks.iter().any(|(_, walked)| at_base(walked)) || nodes.iter().any(|node| !required.contains(*node)) {
        return Err(PlanError::NotAnAncestor { from: nodes, to: upper.to_vec() });
    }
    // Where it leads too far, it counts from an upper end that names one revision, as far as that goes.
    let names_one = to.branch.is_none() && matches!(to.point, Point::At(Symbol::Name(_) | Symbol::Current));
    if let ([start], true, None) = (upper, names_one, walks[0].1.at) {
        return Ok(Applied::from_nodes(graph, walk(graph, Some(*start), steps, None)?.at));
    }
    Err(PlanError::NotEnoughSteps { walk: steps, possible: short.steps, from: Some(*head) })
}

fn upper(
    graph: &Graph,
    applied: Option<&Applied>,
    lower: &Applied,
    from: &Target,
    to: &Target,
) -> Result<Vec<Node>, PlanError> {
    let mut upper = if *to == Target::CURRENT {
        match applied.ok_or(PlanError::NoCurrent)?.rows() {
            // Alembic lists everything for an empty database, as if no end were given.
            [] => graph.real_heads(),
            rows => rows.to_vec(),
        }
    } else {
        // Too many steps end where the graph does: a list may be shorter than asked for.
        let clamp = |walked: Walked, walk, from| walked.at.map_or_else(|| walked.all(walk, from), |at| Ok(Some(at)));
        goals(graph, lower, to, clamp)?
    };
    if let Some(branch) = &from.branch {
        check_branch(graph, from)?;
        retain_branch(graph, branch, &mut upper);
    }
    if let Some(overlap) = graph.overlap(&upper) {
        return Err(PlanError::OverlappingTargets(overlap));
    }
    Ok(upper)
}

/// A branch at the lower end narrows the upper one to what carries it as a label; an id stands for its only label.
fn retain_branch(graph: &Graph, branch: &Name, upper: &mut Vec<Node>) {
    let labels = graph.find(branch.as_str()).map(|node| (node, graph.effective_labels(node)));
    match labels {
        None => upper.retain(|node| graph.effective_labels(*node).contains(branch)),
        Some((_, [label])) => upper.retain(|node| graph.effective_labels(*node).contains(label)),
        Some((node, _)) => {
            let lineage = graph.lineage(node, Along::Parents);
            upper.retain(|node| lineage.contains(*node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids};

    const FORK: &str = "a\nb <- a label left\nc <- a\nb2 <- b\nz\ny <- z dep b";

    #[track_caller]
    fn check(rows: &str, range: &str, expected: &str) {
        let graph = drawn::graph(FORK);
        let applied = Applied::from_rows(&graph, rows.split_whitespace()).unwrap();
        let found = match history(&graph, Some(&applied), &Range::parse(range).unwrap()) {
            Ok(nodes) => ids(&graph, nodes),
            Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap().to_owned(),
        };
        assert_eq!(found, expected, "history -r {range} at {rows}");
    }

    #[test]
    fn the_lower_end_is_listed_too() {
        check("", ":", "c b2 y z b a");
        check("", "a:b2", "b2 b a");
        check("", ":y", "y z b a");
        check("", "z:", "y z");
        check("", "a:+0", "WrongWay");
        check("", "b:+9", "b2 b");
        check("", "b:b", "b");
        check("", "left@base:heads", "b2 b a");
    }

    #[test]
    fn current_is_the_rows() {
        check("b", "current:heads", "b2 b");
        check("b", ":current", "b a");
        check("b z", ":current", "b a z");
        check("", "current:b", "b a");
        check("", "current:current", "NoCurrent");
    }

    #[test]
    fn ends_that_do_not_fit_are_refused() {
        check("", "c:b", "NotAnAncestor");
        check("", "-1:b", "NotAnAncestor");
        check("", "-9:", "NotEnoughSteps");
        check("", "-9:b2", "b2 b a");
        check("", "nosuch@base:", "UnknownBranch");
        check("", ":head", "MultipleHeads");
    }
}
