//! Which labels hold for a revision: its own and those it inherits.
//!
//! Alembic's rule: a label holds for its revision and all descendants by parents, through merges. It also climbs
//! down through single parents, as long as neither the revision nor anything above it is a branch point (two or
//! more revisions need it in either way) or a merge point, and up to such a point exclusive. So merging a labelled
//! branch takes the label away from its older part.

use std::sync::Arc;

use super::{Graph, Node};
use crate::model::revision::Name;

impl Graph {
    /// The labels that hold for `node`, inherited ones included, in alphabetical order.
    #[must_use]
    pub fn effective_labels(&self, node: Node) -> &[Name] {
        &self.labels.get_or_init(|| effective_labels(self))[node.index()]
    }
}

/// A row of labels that many revisions share: a chain of 100,000 under one label holds it once.
type Labels = Arc<[Name]>;

fn effective_labels(graph: &Graph) -> Vec<Labels> {
    let none: Labels = Arc::new([]);
    let own: Vec<Labels> = graph.nodes().map(|node| own(graph, node, &none)).collect();
    let mut from_below = own.clone();
    if own.iter().all(|labels| labels.is_empty()) {
        return from_below;
    }
    for &node in graph.bottom_up() {
        for parent in graph.parents(node) {
            from_below[node.index()] = join(&from_below[node.index()], &from_below[parent.index()]);
        }
    }
    let mut from_above: Vec<Option<Labels>> = vec![None; graph.len()];
    for &node in graph.bottom_up().iter().rev() {
        let stops = graph.is_merge_point(node) || graph.needed_by(node).nth(1).is_some();
        let above = match graph.children(node).next() {
            None => Some(&none),
            Some(child) => from_above[child.index()].as_ref(),
        };
        from_above[node.index()] = above.filter(|_| !stops).map(|above| join(&own[node.index()], above));
    }
    let both = from_below.iter().zip(&from_above);
    both.map(|(below, above)| above.as_ref().map_or_else(|| below.clone(), |above| join(below, above))).collect()
}

fn own(graph: &Graph, node: Node, none: &Labels) -> Labels {
    let labels = &graph.revision(node).labels;
    if labels.is_empty() {
        return none.clone();
    }
    let mut labels = labels.clone();
    labels.sort_unstable();
    labels.into()
}

fn join(left: &Labels, right: &Labels) -> Labels {
    let holds = |all: &Labels, some: &Labels| some.iter().all(|label| all.binary_search(label).is_ok());
    if Arc::ptr_eq(left, right) || holds(left, right) {
        return left.clone();
    }
    if holds(right, left) {
        return right.clone();
    }
    let mut joined: Vec<Name> = left.iter().chain(right.iter()).cloned().collect();
    joined.sort_unstable();
    joined.dedup();
    joined.into()
}

#[cfg(test)]
mod tests {
    use super::super::drawn;

    #[test]
    fn labels_go_up_through_merges() {
        let graph = drawn::graph("a\nb <- a label x\nc <- a\nd <- b c label y\ne <- d");
        let labels = |id| drawn::names(graph.effective_labels(drawn::one(&graph, id)));
        assert_eq!(["a", "b", "c", "d", "e"].map(labels), ["", "x", "", "x y", "x y"]);
    }

    #[test]
    fn labels_climb_down_a_line_that_nothing_joins() {
        let graph = drawn::graph("a\nb <- a\nc <- b label x\nd <- c\ne <- a");
        let labels = |id| drawn::names(graph.effective_labels(drawn::one(&graph, id)));
        assert_eq!(["a", "b", "c", "d", "e"].map(labels), ["", "x", "x", "x", ""]);
    }

    #[test]
    fn a_merge_or_a_dependent_above_stops_the_climb() {
        for (text, b) in [
            ("a\nb <- a\nc <- b label x\nz\nm <- c z", ""),
            ("a\nb <- a\nc <- b label x\nz dep c", "x"),
            ("a\nb <- a\nc <- b label x\nz dep c\ny dep c", ""),
            ("a\nb <- a\nc <- b label x\nz dep b", ""),
        ] {
            let graph = drawn::graph(text);
            assert_eq!(drawn::names(graph.effective_labels(drawn::one(&graph, "b"))), b, "{text}");
        }
    }
}
