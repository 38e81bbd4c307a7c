//! What can be wrong with a graph, as data.

use super::{Edge, Node};
use crate::model::revision::Name;

/// A fault of the graph. Revisions are named by their place in load order, so that whoever loaded them can name
/// and point into their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// `parents` of `revision` names something that is no revision's id (a label is no parent).
    UnknownParent {
        /// Whose header.
        revision: Node,
        /// What it names.
        parent: Name,
    },
    /// `depends_on` of `revision` names something that is neither an id nor a label.
    UnknownDependency {
        /// Whose header.
        revision: Node,
        /// What it names.
        dependency: Name,
    },
    /// Several files have one id.
    DuplicateId {
        /// All of them, in load order.
        revisions: Vec<Node>,
    },
    /// Several ids differ only in case, which file systems and people do not tell apart.
    IdsDifferInCase {
        /// All of them, in load order.
        revisions: Vec<Node>,
    },
    /// A label is given more than once.
    DuplicateLabel {
        /// The label.
        label: Name,
        /// Whose headers; one revision twice where its own header repeats it.
        revisions: Vec<Node>,
    },
    /// A label is also an id, so that a target could mean either.
    LabelIsId {
        /// The label.
        label: Name,
        /// Whose header gives the label.
        labelled: Node,
        /// Whose id it is; may be the same revision.
        named: Node,
    },
    /// A revision needs itself.
    SelfLoop {
        /// Which one.
        revision: Node,
        /// As a parent, or by `depends_on`.
        edge: Edge,
    },
    /// Revisions need each other in a circle.
    Cycle {
        /// All that need each other, in load order.
        revisions: Vec<Node>,
        /// One closed walk among them: each needs the next, the last needs the first.
        walk: Vec<Node>,
        /// [`Edge::Parent`] if parents alone close the circle, [`Edge::Both`] if dependencies take part.
        edges: Edge,
    },
}

impl GraphError {
    /// All revisions that take part, in load order, each once: the files to name.
    #[must_use]
    pub fn revisions(&self) -> Vec<Node> {
        let mut nodes = match self {
            Self::UnknownParent { revision, .. }
            | Self::UnknownDependency { revision, .. }
            | Self::SelfLoop { revision, .. } => vec![*revision],
            Self::DuplicateId { revisions }
            | Self::IdsDifferInCase { revisions }
            | Self::DuplicateLabel { revisions, .. }
            | Self::Cycle { revisions, .. } => revisions.clone(),
            Self::LabelIsId { labelled, named, .. } => vec![*labelled, *named],
        };
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}
