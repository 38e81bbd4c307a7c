//! Where a database stands: the rows of its version table, and what they imply.

use crate::model::bookkeeping::Action;
use crate::model::graph::{Graph, Node, Overlap, RevisionSet};
use crate::model::journal::Progress;

/// The rows of a version table, all known to the graph, and everything that they say is applied.
///
/// Rows may overlap (one implies another): Alembic leaves such tables behind. They are kept as they are, so that a
/// plan's first step puts them right; an upgrade refuses to start from them, as Alembic does, because what they
/// came from is not known; downgrade, stamp and everything that reads accepts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    rows: Vec<Node>,
    set: RevisionSet,
}

/// Rows that no revision file defines. Never to be taken for an empty database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRows {
    /// The unknown rows, as they stand in the table.
    pub unknown: Vec<String>,
    /// The others, in load order.
    pub known: Vec<Node>,
}

impl Applied {
    /// What version rows say. Only whole ids count: a part of an id, or a label, is unknown.
    ///
    /// # Errors
    /// Rows that are no revision's id; all of them.
    pub fn from_rows<Row: AsRef<str>>(graph: &Graph, rows: impl IntoIterator<Item = Row>) -> Result<Self, UnknownRows> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for row in rows {
            match graph.find(row.as_ref()) {
                Some(node) => known.push(node),
                None => unknown.push(row.as_ref().to_owned()),
            }
        }
        let applied = Self::from_nodes(graph, known);
        if unknown.is_empty() { Ok(applied) } else { Err(UnknownRows { unknown, known: applied.rows }) }
    }

    /// What these revisions as rows say.
    #[must_use]
    pub fn from_nodes(graph: &Graph, nodes: impl IntoIterator<Item = Node>) -> Self {
        let mut rows: Vec<Node> = nodes.into_iter().collect();
        rows.sort_unstable();
        rows.dedup();
        Self { set: graph.closure(rows.iter().copied()), rows }
    }

    /// An empty version table.
    #[must_use]
    pub fn nothing(graph: &Graph) -> Self {
        Self { rows: Vec::new(), set: RevisionSet::empty(graph.len()) }
    }

    /// The rows, in load order, each once.
    #[must_use]
    pub fn rows(&self) -> &[Node] {
        &self.rows
    }

    /// Whether `node` is a row.
    #[must_use]
    pub fn is_row(&self, node: Node) -> bool {
        self.rows.binary_search(&node).is_ok()
    }

    /// Everything applied: the rows and all below them.
    #[must_use]
    pub fn set(&self) -> &RevisionSet {
        &self.set
    }

    /// Whether `node` is applied.
    #[must_use]
    pub fn contains(&self, node: Node) -> bool {
        self.set.contains(node)
    }

    /// Whether a row of the journal no longer holds: an upgrade of what is applied, a downgrade of what is not. Somebody
    /// has decided otherwise since, by a stamp, by another tool or by a printed script.
    #[must_use]
    pub fn contradicts(&self, graph: &Graph, progress: &Progress) -> bool {
        graph.find(&progress.revision).is_some_and(|node| match progress.action {
            Action::Upgrade => self.contains(node),
            Action::Downgrade => !self.contains(node),
            Action::Stamp | Action::Repair | Action::Repeat | Action::Hook => false,
        })
    }

    /// The applied revision that a row of the journal says is half undone.
    #[must_use]
    pub fn half_undone(&self, graph: &Graph, progress: &Progress) -> Option<Node> {
        let undone = graph.find(&progress.revision).filter(|_| progress.action == Action::Downgrade);
        undone.filter(|node| self.contains(*node))
    }

    /// Two rows of which one implies the other, if there are such.
    #[must_use]
    pub fn overlap(&self, graph: &Graph) -> Option<Overlap> {
        graph.overlap(&self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids, one};

    #[test]
    fn rows_imply_what_is_below_them() {
        let graph = drawn::graph("a\nb <- a\nz\nc <- b dep z\nd");
        let applied = Applied::from_rows(&graph, ["c", "c"]).unwrap();
        assert_eq!(ids(&graph, applied.rows().iter().copied()), "c");
        assert_eq!(ids(&graph, applied.set().iter()), "a b z c");
        assert!(applied.contains(one(&graph, "z")) && !applied.contains(one(&graph, "d")));
        assert!(applied.is_row(one(&graph, "c")) && !applied.is_row(one(&graph, "b")));
        assert_eq!(applied.overlap(&graph), None);
        assert_eq!(Applied::from_rows(&graph, [""; 0]).unwrap(), Applied::nothing(&graph));
    }

    #[test]
    fn unknown_rows_are_named_and_never_an_empty_database() {
        let graph = drawn::graph("abcdef label x\nb");
        let error = Applied::from_rows(&graph, ["gone", "b", "abcd", "x"]).unwrap_err();
        assert_eq!(
            error,
            UnknownRows { unknown: ["gone", "abcd", "x"].map(str::to_owned).into(), known: vec![one(&graph, "b")] }
        );
    }
}
