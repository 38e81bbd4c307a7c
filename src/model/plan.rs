//! Decisions as values: which revisions to run in which order, and what the version table says after each.
//!
//! Every function here takes a graph and where the database stands, and returns a value or a [`PlanError`]; nothing
//! runs. Semantics are Alembic's without its bugs; where its answer is arbitrary, it is refused as ambiguous.
//! `tests/alembic_corpus.rs` holds that against Alembic's own answers.

mod current;
mod downgrade;
mod error;
mod history;
mod naming;
mod placement;
mod resolve;
mod stamp;
mod upgrade;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::applied::Applied;
use crate::model::graph::{Graph, Node};

pub use current::{current, missing_heads};
pub use downgrade::{beside_branch, downgrade};
pub use error::PlanError;
pub use history::history;
pub use naming::{finishing, naming};
pub use placement::{Placement, Splice, placement};
pub use resolve::{Landing, check_branch, find, resolve, start, start_of_route};
pub use stamp::{Purge, Stamp, stamp};
pub use upgrade::upgrade;

/// The plan that applies again what a downgrade undid, and ends where that began.
#[must_use]
pub fn back(graph: &Graph, undone: &Plan) -> Plan {
    let applied = Applied::from_nodes(graph, undone.rows_after().iter().copied());
    Plan::up(graph, &applied, undone.nodes().rev().collect())
}

/// Which way a plan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Applies revisions.
    Upgrade,
    /// Undoes revisions.
    Downgrade,
}

/// What to run, in order, from given rows on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    direction: Direction,
    rows_before: Vec<Node>,
    rows_after: Vec<Node>,
    steps: Vec<Step>,
}

/// One revision to run, and what it changes in the version table. Rows are the maximal applied revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The revision to apply or undo.
    pub node: Node,
    /// The rows that go, in load order.
    pub delete: Vec<Node>,
    /// The rows that come, in load order.
    pub insert: Vec<Node>,
}

/// A step with all rows before and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage<'plan> {
    /// The step.
    pub step: &'plan Step,
    /// The rows where it starts, in load order.
    pub before: Arc<[Node]>,
    /// The rows where it ends, in load order; the next stage's `before` is the same list.
    pub after: Arc<[Node]>,
}

impl Plan {
    /// Which way it goes.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// What to run, in order; nothing if the database stands there already.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The revisions to run, in order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = Node> + ExactSizeIterator + '_ {
        self.steps.iter().map(|step| step.node)
    }

    /// The rows it starts from, in load order.
    #[must_use]
    pub fn rows_before(&self) -> &[Node] {
        &self.rows_before
    }

    /// The rows it ends at, in load order.
    #[must_use]
    pub fn rows_after(&self) -> &[Node] {
        &self.rows_after
    }

    /// The steps with all rows around each, made one at a time: a plan holds differences alone, since thousands of
    /// steps times thousands of rows would not fit.
    pub fn stages(&self) -> impl Iterator<Item = Stage<'_>> {
        let mut rows: BTreeSet<Node> = self.rows_before.iter().copied().collect();
        let mut before: Arc<[Node]> = self.rows_before.as_slice().into();
        self.steps.iter().map(move |step| {
            step.delete.iter().for_each(|row| _ = rows.remove(row));
            rows.extend(&step.insert);
            let after: Arc<[Node]> = rows.iter().copied().collect();
            Stage { step, before: std::mem::replace(&mut before, after.clone()), after }
        })
    }

    /// The plan that applies `order`, each after what it needs.
    fn up(graph: &Graph, applied: &Applied, order: Vec<Node>) -> Self {
        let mut rows: BTreeSet<Node> = applied.rows().iter().copied().collect();
        let mut steps = Vec::with_capacity(order.len());
        for node in order {
            let mut delete: Vec<Node> = graph.needs(node).filter(|below| rows.remove(below)).collect();
            delete.sort_unstable();
            rows.insert(node);
            steps.push(Step { node, delete, insert: vec![node] });
        }
        Self::between(Direction::Upgrade, applied, rows, steps)
    }

    /// The plan that undoes `order`, each after what stands on it. Overlapping rows go with the first step.
    fn down(graph: &Graph, applied: &Applied, order: Vec<Node>) -> Self {
        let mut above: Vec<u32> = vec![0; graph.len()];
        for node in applied.set().iter() {
            graph.needs(node).for_each(|below| above[below.index()] += 1);
        }
        let mut rows: BTreeSet<Node> = applied.rows().iter().copied().collect();
        let mut steps: Vec<Step> = Vec::with_capacity(order.len());
        for node in order {
            let mut delete = BTreeSet::from([node]);
            if steps.is_empty() {
                delete.extend(rows.iter().copied().filter(|row| above[row.index()] > 0));
            }
            let mut insert = BTreeSet::new();
            for below in graph.needs(node) {
                above[below.index()] -= 1;
                if above[below.index()] == 0 && !delete.remove(&below) {
                    insert.insert(below);
                }
            }
            delete.iter().for_each(|row| _ = rows.remove(row));
            rows.extend(&insert);
            steps.push(Step { node, delete: delete.into_iter().collect(), insert: insert.into_iter().collect() });
        }
        Self::between(Direction::Downgrade, applied, rows, steps)
    }

    fn between(direction: Direction, applied: &Applied, rows: BTreeSet<Node>, steps: Vec<Step>) -> Self {
        Self { direction, rows_before: applied.rows().to_vec(), rows_after: rows.into_iter().collect(), steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids};
    use crate::model::target::Target;

    /// Each stage as `node: rows before > rows after`.
    fn stages(graph: &Graph, plan: &Plan) -> Vec<String> {
        let rows = |rows: &[Node]| ids(graph, rows.iter().copied());
        let line = |stage: Stage<'_>| {
            format!("{}: {} > {}", graph.id(stage.step.node), rows(&stage.before), rows(&stage.after))
        };
        plan.stages().map(line).collect()
    }

    const FORK: &str = "a\nb <- a\nc <- a\nz\nd <- b c dep z";

    #[test]
    fn rows_are_the_maximal_applied_revisions_on_the_way_up() {
        let graph = drawn::graph(FORK);
        let plan = upgrade(&graph, &Applied::nothing(&graph), &Target::HEADS).unwrap();
        assert_eq!(stages(&graph, &plan), ["z:  > z", "a: z > a z", "c: a z > c z", "b: c z > b c z", "d: b c z > d"]);
        let last = plan.steps().last().unwrap();
        assert_eq!((ids(&graph, last.delete.clone()), ids(&graph, last.insert.clone())), ("b c z".into(), "d".into()));
    }

    #[test]
    fn and_on_the_way_down() {
        let graph = drawn::graph(FORK);
        let applied = Applied::from_rows(&graph, ["d"]).unwrap();
        let plan = downgrade(&graph, &applied, &Target::BASE).unwrap();
        assert_eq!(stages(&graph, &plan), ["d: d > b c z", "b: b c z > c z", "c: c z > a z", "a: a z > z", "z: z > "]);
        assert_eq!(plan.rows_after(), []);
    }

    #[test]
    fn a_downgrade_puts_overlapping_rows_right() {
        let graph = drawn::graph("a\nb <- a\nc <- b");
        let applied = Applied::from_rows(&graph, ["a", "b", "c"]).unwrap();
        let plan = downgrade(&graph, &applied, &Target::parse("b").unwrap()).unwrap();
        assert_eq!(stages(&graph, &plan), ["c: a b c > b"]);
        assert_eq!(ids(&graph, plan.steps()[0].delete.clone()), "a c");
        assert_eq!(plan.steps()[0].insert, []);
    }

    #[test]
    fn ten_thousand_branches_cost_no_square() {
        let lines: String = (0..10_000).map(|at| format!("r{at}\n")).collect();
        let graph = drawn::graph(&lines);
        let up = upgrade(&graph, &Applied::nothing(&graph), &Target::HEADS).unwrap();
        assert_eq!(up.rows_after().len(), 10_000);
        let all = Applied::from_nodes(&graph, graph.nodes());
        assert_eq!(downgrade(&graph, &all, &Target::BASE).unwrap().steps().len(), 10_000);
    }
}
