//! The graph of revisions: names in, sets and orders out.
//!
//! It holds two kinds of edges and keeps them apart: a revision's *parents* shape branches, what it *depends on*
//! only has to be applied before it. It knows no file; [`GraphError`]s name revisions by their place in load order,
//! and whoever loaded them knows the files. Nothing here recurses: a history of 100,000 revisions in a row is fine.

mod build;
mod dependencies;
#[cfg(test)]
pub(crate) mod drawn;
mod error;
mod labels;
mod names;
mod order;
mod set;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::model::revision::{Name, Revision};

pub use error::GraphError;
pub use names::{Lookup, nearest};
pub use set::RevisionSet;

/// A revision of one [`Graph`]: its place in load order, which is also how [`GraphError`] names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u32);

impl Node {
    /// The place in load order, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    fn petgraph(self) -> NodeIndex {
        NodeIndex::from(self.0)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "#{}", self.0)
    }
}

impl From<usize> for Node {
    fn from(index: usize) -> Self {
        Self(u32::try_from(index).expect("fewer than four thousand million revisions"))
    }
}

impl From<NodeIndex> for Node {
    fn from(index: NodeIndex) -> Self {
        Self::from(index.index())
    }
}

/// How one revision needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// As a parent.
    Parent,
    /// By `depends_on`.
    Dependency,
    /// As both: written twice, needed once.
    Both,
}

/// Which edges a walk follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// Parents and dependencies: what must be applied.
    Everything,
    /// Parents alone: what belongs to a branch.
    Parents,
}

impl Along {
    fn follows(self, edge: Edge) -> bool {
        self == Self::Everything || edge != Edge::Dependency
    }
}

/// Every revision of a project and how they stand on each other. Without faults: see [`Graph::new`].
#[derive(Debug)]
pub struct Graph {
    revisions: Vec<Revision>,
    /// A node's number here is its place in load order; an edge goes from a revision to what it needs.
    edges: DiGraph<(), Edge>,
    names: HashMap<Name, Node>,
    bottom_up: Vec<Node>,
    labels: OnceLock<Vec<Arc<[Name]>>>,
    normalized: OnceLock<HashMap<Node, Vec<Node>>>,
}

impl Graph {
    /// The graph of `revisions`, whose order is the load order: it breaks ties in every list and plan.
    ///
    /// # Errors
    /// All faults, not the first: unknown parents and dependencies, duplicate ids and labels, ids that differ only
    /// in case, loops and cycles. A graph with any of them cannot be planned on.
    pub fn new(revisions: Vec<Revision>) -> Result<Self, Vec<GraphError>> {
        build::build(revisions)
    }

    /// How many revisions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.revisions.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty()
    }

    /// All revisions, in load order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = Node> + Clone + use<> {
        (0..self.revisions.len()).map(Node::from)
    }

    /// What the file of `node` says.
    #[must_use]
    pub fn revision(&self, node: Node) -> &Revision {
        &self.revisions[node.index()]
    }

    /// The id of `node`.
    #[must_use]
    pub fn id(&self, node: Node) -> &Name {
        &self.revision(node).id
    }

    /// The revision whose id is exactly `id`: no label, no part of an id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Node> {
        self.names.get(id).copied().filter(|node| self.id(*node).as_str() == id)
    }

    /// The parents, in the order written.
    pub fn parents(&self, node: Node) -> impl Iterator<Item = Node> + Clone + '_ {
        self.needs_with_edges(node).filter(|(_, edge)| *edge != Edge::Dependency).map(|(below, _)| below)
    }

    /// What `depends_on` names, labels resolved to the revision that carries them.
    pub fn dependencies(&self, node: Node) -> impl Iterator<Item = Node> + Clone + '_ {
        self.needs_with_edges(node).filter(|(_, edge)| *edge != Edge::Parent).map(|(below, _)| below)
    }

    /// Parents first, then dependencies, each once: what must be applied right before `node`.
    pub fn needs(&self, node: Node) -> impl Iterator<Item = Node> + Clone + '_ {
        self.needs_with_edges(node).map(|(below, _)| below)
    }

    /// The revisions that have `node` as a parent, in load order.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> + Clone + '_ {
        self.needed_by_with_edges(node).filter(|(_, edge)| *edge != Edge::Dependency).map(|(above, _)| above)
    }

    /// The revisions that depend on `node`, in load order.
    pub fn dependents(&self, node: Node) -> impl Iterator<Item = Node> + Clone + '_ {
        self.needed_by_with_edges(node).filter(|(_, edge)| *edge != Edge::Parent).map(|(above, _)| above)
    }

    /// Children and dependents, each once, in load order: what stands right on `node`.
    pub fn needed_by(&self, node: Node) -> impl Iterator<Item = Node> + Clone + '_ {
        self.needed_by_with_edges(node).map(|(above, _)| above)
    }

    fn needs_with_edges(&self, node: Node) -> impl Iterator<Item = (Node, Edge)> + Clone + '_ {
        use petgraph::visit::EdgeRef;
        self.edges.edges_directed(node.petgraph(), Outgoing).map(|edge| (edge.target().into(), *edge.weight()))
    }

    fn needed_by_with_edges(&self, node: Node) -> impl Iterator<Item = (Node, Edge)> + Clone + '_ {
        use petgraph::visit::EdgeRef;
        self.edges.edges_directed(node.petgraph(), Incoming).map(|edge| (edge.source().into(), *edge.weight()))
    }

    /// Every revision after all it needs.
    #[must_use]
    pub fn bottom_up(&self) -> &[Node] {
        &self.bottom_up
    }

    /// Whether nothing has `node` as a parent.
    #[must_use]
    pub fn is_head(&self, node: Node) -> bool {
        self.children(node).next().is_none()
    }

    /// Whether nothing has `node` as a parent or depends on it. A head that is not one is an *effective head*.
    #[must_use]
    pub fn is_real_head(&self, node: Node) -> bool {
        self.needed_by(node).next().is_none()
    }

    /// Whether `node` has no parents.
    #[must_use]
    pub fn is_base(&self, node: Node) -> bool {
        self.parents(node).next().is_none()
    }

    /// Whether two or more revisions have `node` as a parent.
    #[must_use]
    pub fn is_branch_point(&self, node: Node) -> bool {
        self.children(node).nth(1).is_some()
    }

    /// Whether `node` has two or more parents.
    #[must_use]
    pub fn is_merge_point(&self, node: Node) -> bool {
        self.parents(node).nth(1).is_some()
    }

    /// The revisions that are nobody's parent, in load order.
    #[must_use]
    pub fn heads(&self) -> Vec<Node> {
        self.nodes().filter(|node| self.is_head(*node)).collect()
    }

    /// The revisions that are nobody's parent and that nothing depends on, in load order: what the target `heads` means.
    #[must_use]
    pub fn real_heads(&self) -> Vec<Node> {
        self.nodes().filter(|node| self.is_real_head(*node)).collect()
    }

    /// The revisions without parents, in load order.
    #[must_use]
    pub fn bases(&self) -> Vec<Node> {
        self.nodes().filter(|node| self.is_base(*node)).collect()
    }

    /// All revisions, newest first, as `history` lists them.
    #[must_use]
    pub fn history(&self) -> Vec<Node> {
        self.order(&RevisionSet::full(self.len()), &self.real_heads())
    }

    /// The branch points in history order, each with its children in load order.
    #[must_use]
    pub fn branch_points(&self) -> Vec<(Node, Vec<Node>)> {
        if !self.nodes().any(|node| self.is_branch_point(node)) {
            return Vec::new();
        }
        let points = self.history().into_iter().filter(|node| self.is_branch_point(*node));
        points.map(|node| (node, self.children(node).collect())).collect()
    }

    /// `nodes` and everything below them.
    #[must_use]
    pub fn ancestors(&self, nodes: impl IntoIterator<Item = Node>, along: Along) -> RevisionSet {
        self.spread(nodes, |node, found| {
            found.extend(self.needs_with_edges(node).filter(|(_, edge)| along.follows(*edge)).map(|(below, _)| below));
        })
    }

    /// `nodes` and everything that stands on them.
    #[must_use]
    pub fn descendants(&self, nodes: impl IntoIterator<Item = Node>, along: Along) -> RevisionSet {
        self.spread(nodes, |node, found| {
            found.extend(
                self.needed_by_with_edges(node).filter(|(_, edge)| along.follows(*edge)).map(|(above, _)| above),
            );
        })
    }

    /// What must be applied for `nodes` to be applied, themselves included.
    #[must_use]
    pub fn closure(&self, nodes: impl IntoIterator<Item = Node>) -> RevisionSet {
        self.ancestors(nodes, Along::Everything)
    }

    /// `node`, what is below it and what stands on it.
    #[must_use]
    pub fn lineage(&self, node: Node, along: Along) -> RevisionSet {
        self.ancestors([node], along).union(&self.descendants([node], along))
    }

    fn spread(
        &self,
        nodes: impl IntoIterator<Item = Node>,
        mut neighbours: impl FnMut(Node, &mut Vec<Node>),
    ) -> RevisionSet {
        let mut set = RevisionSet::empty(self.len());
        let mut waiting: Vec<Node> = nodes.into_iter().collect();
        while let Some(node) = waiting.pop() {
            if set.insert(node) {
                neighbours(node, &mut waiting);
            }
        }
        set
    }

    /// The elements of `set` that no other element needs, in load order: the version rows that stand for it.
    #[must_use]
    pub fn maximal(&self, set: &RevisionSet) -> Vec<Node> {
        set.iter().filter(|node| !self.needed_by(*node).any(|above| set.contains(above))).collect()
    }

    /// Two of `nodes` of which one already implies the other, if there are such.
    #[must_use]
    pub fn overlap(&self, nodes: &[Node]) -> Option<Overlap> {
        if nodes.len() < 2 {
            return None;
        }
        let implied = self.closure(nodes.iter().flat_map(|node| self.needs(*node)));
        let below = *nodes.iter().find(|node| implied.contains(**node))?;
        let stands_on = self.descendants([below], Along::Everything);
        let above = *nodes.iter().find(|node| **node != below && stands_on.contains(**node))?;
        Some(Overlap { above, below })
    }
}

/// Two revisions that cannot both be rows of the version table, or both be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The one that needs the other, directly or not.
    pub above: Node,
    /// The one that is applied wherever `above` is.
    pub below: Node,
}

#[cfg(test)]
mod tests {
    use super::drawn::{ids, many, names, one};
    use super::*;

    /// Two branches, their merge, a second base that the merge depends on.
    const FORK: &str = "
        a
        b  <- a
        c  <- a
        d  <- b c  dep z
        z
    ";

    #[test]
    fn edges_keep_their_kind_and_order() {
        let graph = drawn::graph(FORK);
        let d = one(&graph, "d");
        assert_eq!(ids(&graph, graph.parents(d)), "b c");
        assert_eq!(ids(&graph, graph.dependencies(d)), "z");
        assert_eq!(ids(&graph, graph.needs(d)), "b c z");
        assert_eq!(ids(&graph, graph.children(one(&graph, "a"))), "b c");
        assert_eq!(ids(&graph, graph.dependents(one(&graph, "z"))), "d");
        assert_eq!(ids(&graph, graph.children(one(&graph, "z"))), "");
    }

    #[test]
    fn a_parent_written_as_a_dependency_too_is_needed_once() {
        let graph = drawn::graph("a\nb <- a dep a\n");
        let (a, b) = (one(&graph, "a"), one(&graph, "b"));
        assert_eq!(ids(&graph, graph.needs(b)), "a");
        assert_eq!(ids(&graph, graph.parents(b)), "a");
        assert_eq!(ids(&graph, graph.dependencies(b)), "a");
        assert_eq!(ids(&graph, graph.needed_by(a)), "b");
    }

    #[test]
    fn heads_by_parent_and_real_heads_differ_by_dependencies() {
        let graph = drawn::graph(FORK);
        assert_eq!(ids(&graph, graph.heads()), "d z");
        assert_eq!(ids(&graph, graph.real_heads()), "d");
        assert_eq!(ids(&graph, graph.bases()), "a z");
        let points: Vec<_> = graph.branch_points();
        assert_eq!(points.len(), 1);
        assert_eq!((ids(&graph, [points[0].0]), ids(&graph, points[0].1.clone())), ("a".into(), "b c".into()));
        assert!(graph.is_merge_point(one(&graph, "d")));
    }

    #[test]
    fn sets_follow_the_edges_they_are_told_to() {
        let graph = drawn::graph(FORK);
        let d = one(&graph, "d");
        assert_eq!(ids(&graph, graph.closure([d]).iter()), "a b c d z");
        assert_eq!(ids(&graph, graph.ancestors([d], Along::Parents).iter()), "a b c d");
        assert_eq!(ids(&graph, graph.descendants([one(&graph, "z")], Along::Everything).iter()), "d z");
        assert_eq!(ids(&graph, graph.lineage(one(&graph, "b"), Along::Parents).iter()), "a b d");
        assert_eq!(ids(&graph, graph.maximal(&graph.closure(many(&graph, "b c z")))), "b c z");
        assert_eq!(ids(&graph, graph.maximal(&graph.closure(many(&graph, "d a")))), "d");
    }

    #[test]
    fn overlap_names_both() {
        let graph = drawn::graph(FORK);
        let found = graph.overlap(&many(&graph, "c z d")).unwrap();
        assert_eq!(ids(&graph, [found.above, found.below]), "d c");
        assert_eq!(graph.overlap(&many(&graph, "b c z")), None);
    }

    #[test]
    fn find_takes_ids_only_and_whole() {
        let graph = drawn::graph("abcd label billing\n");
        assert!(graph.find("abcd").is_some());
        assert_eq!(graph.find("billing"), None);
        assert_eq!(graph.find("abc"), None);
        assert_eq!(names(&[graph.id(one(&graph, "abcd")).clone()]), "abcd");
    }

    #[test]
    fn a_long_chain_neither_recurses_nor_crawls() {
        let graph = Graph::new(drawn::chain(100_000)).unwrap();
        assert_eq!(graph.history().len(), 100_000);
        assert_eq!(graph.closure(graph.real_heads()).len(), 100_000);
        assert_eq!(graph.effective_labels(Node::from(0)).len(), 0);
    }
}
