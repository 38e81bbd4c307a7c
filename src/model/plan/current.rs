//! What the version rows show of where a database stands.

use crate::model::applied::Applied;
use crate::model::graph::{Graph, Node};

/// The rows, and what they imply through dependencies that is the tip of its own line: applied revisions without
/// an applied child. In load order.
#[must_use]
pub fn current(graph: &Graph, applied: &Applied) -> Vec<Node> {
    applied.set().iter().filter(|node| !graph.children(*node).any(|child| applied.contains(child))).collect()
}

/// The heads that are not applied, in load order: none, and the database is up to date. A head that something
/// applied depends on is applied, whatever the rows are; Alembic's `--check-heads` fails there.
#[must_use]
pub fn missing_heads(graph: &Graph, applied: &Applied) -> Vec<Node> {
    graph.real_heads().into_iter().filter(|head| !applied.contains(*head)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids};

    #[test]
    fn tips_implied_by_dependencies_are_shown() {
        let graph = drawn::graph("a\nb <- a\nz\ny <- z dep b\nx");
        let applied = Applied::from_rows(&graph, ["y"]).unwrap();
        assert_eq!(ids(&graph, current(&graph, &applied)), "b y");
        assert_eq!(ids(&graph, missing_heads(&graph, &applied)), "x");
        let all = Applied::from_rows(&graph, ["y", "x"]).unwrap();
        assert_eq!(missing_heads(&graph, &all), []);
    }
}
