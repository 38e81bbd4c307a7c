//! Dependencies that an ancestor does not have already: the ones an order has to look at.

use std::collections::HashMap;

use super::{Graph, Node, RevisionSet};

impl Graph {
    /// The dependencies of `node` that no ancestor of it by parents has as well, in the order written.
    #[must_use]
    pub fn normalized_dependencies(&self, node: Node) -> &[Node] {
        let normalized = self.normalized.get_or_init(|| normalize(self));
        normalized.get(&node).map_or(&[], Vec::as_slice)
    }
}

fn normalize(graph: &Graph) -> HashMap<Node, Vec<Node>> {
    let mut places = vec![0; graph.len()];
    for (place, node) in graph.bottom_up().iter().enumerate() {
        places[node.index()] = place;
    }
    let with_dependencies = graph.nodes().filter(|node| graph.dependencies(*node).next().is_some());
    with_dependencies.map(|node| (node, normalized(graph, node, &places))).collect()
}

fn normalized(graph: &Graph, node: Node, places: &[usize]) -> Vec<Node> {
    graph.dependencies(node).filter(|dependency| !an_ancestor_has(graph, node, *dependency, places)).collect()
}

/// Whether an ancestor of `node` by parents depends on `dependency` too. Most dependencies have one dependent, and
/// then there is nothing to search; else the search stays above the lowest revision it could find.
fn an_ancestor_has(graph: &Graph, node: Node, dependency: Node, places: &[usize]) -> bool {
    let others = graph.dependents(dependency).filter(|other| places[other.index()] < places[node.index()]);
    let Some(lowest) = others.clone().map(|other| places[other.index()]).min() else { return false };
    let wanted = RevisionSet::of(graph.len(), others);
    let mut met = RevisionSet::empty(graph.len());
    let mut waiting: Vec<Node> = graph.parents(node).collect();
    while let Some(ancestor) = waiting.pop() {
        if wanted.contains(ancestor) {
            return true;
        }
        if places[ancestor.index()] > lowest && met.insert(ancestor) {
            waiting.extend(graph.parents(ancestor));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::drawn;

    #[test]
    fn an_ancestors_dependency_is_left_out() {
        let graph = drawn::graph("z\ny\na dep z\nb <- a\nc <- b dep z y\nd <- c dep y\ne dep z");
        let normalized = |id| drawn::ids(&graph, graph.normalized_dependencies(drawn::one(&graph, id)).iter().copied());
        assert_eq!(["a", "b", "c", "d", "e"].map(normalized), ["z", "", "y", "", "z"]);
    }
}
