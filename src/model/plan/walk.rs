//! Steps along parents, never along dependencies.

use super::PlanError;
use crate::model::graph::{Graph, Node, RevisionSet};
use crate::model::target::Walk;

/// Where a walk came to: a revision, or before the first one; and how many of its steps it could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walked {
    pub at: Option<Node>,
    pub steps: u32,
}

impl Walked {
    /// The place, if every step could be made.
    pub(super) fn all(self, walk: Walk, from: Option<Node>) -> Result<Option<Node>, PlanError> {
        if self.steps == walk.steps() {
            return Ok(self.at);
        }
        Err(PlanError::NotEnoughSteps { walk, possible: self.steps, from })
    }
}

/// `walk` from `from` as far as the graph goes; `within` narrows the children that a step up may go to.
pub(super) fn walk(
    graph: &Graph,
    from: Option<Node>,
    walk: Walk,
    within: Option<&RevisionSet>,
) -> Result<Walked, PlanError> {
    let mut walked = Walked { at: from, steps: 0 };
    while walked.steps < walk.steps() {
        let next: Vec<Node> = match (walk, walked.at) {
            (Walk::Up(_), None) => graph.bases(),
            (Walk::Up(_), Some(node)) => graph.children(node).collect(),
            (Walk::Down(_), None) => break,
            (Walk::Down(_), Some(node)) => graph.parents(node).collect(),
        };
        let fits = |node: &Node| matches!(walk, Walk::Down(_)) || within.is_none_or(|set| set.contains(*node));
        let next: Vec<Node> = next.into_iter().filter(fits).collect();
        walked.at = match next[..] {
            [only] => Some(only),
            [] if matches!(walk, Walk::Down(_)) => None,
            [] => break,
            _ => return Err(PlanError::AmbiguousWalk { walk, at: walked.at, candidates: next }),
        };
        walked.steps += 1;
    }
    Ok(walked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids, one};

    #[test]
    fn below_a_base_is_one_more_step() {
        let graph = drawn::graph("a\nb <- a\nc <- b\nz\nd <- c dep z");
        let go = |from: &str, steps| walk(&graph, graph.find(from), steps, None).unwrap();
        assert_eq!(go("c", Walk::Down(2)), Walked { at: Some(one(&graph, "a")), steps: 2 });
        assert_eq!(go("c", Walk::Down(3)), Walked { at: None, steps: 3 });
        assert_eq!(go("c", Walk::Down(9)), Walked { at: None, steps: 3 });
        assert_eq!(go("a", Walk::Up(9)), Walked { at: Some(one(&graph, "d")), steps: 3 });
        let short = go("a", Walk::Up(9)).all(Walk::Up(9), None);
        assert_eq!(short, Err(PlanError::NotEnoughSteps { walk: Walk::Up(9), possible: 3, from: None }));
    }

    #[test]
    fn a_step_with_two_ways_names_both() {
        let graph = drawn::graph("a\nb <- a\nc <- a\nd <- c b");
        let ambiguous = |from: &str, steps| match walk(&graph, graph.find(from), steps, None) {
            Err(PlanError::AmbiguousWalk { candidates, .. }) => ids(&graph, candidates),
            other => panic!("{other:?}"),
        };
        assert_eq!(ambiguous("a", Walk::Up(1)), "b c");
        assert_eq!(ambiguous("d", Walk::Down(2)), "c b");
        let within = RevisionSet::of(4, [one(&graph, "c")]);
        let narrowed = walk(&graph, graph.find("a"), Walk::Up(1), Some(&within)).unwrap();
        assert_eq!(narrowed.at, Some(one(&graph, "c")));
    }
}
