//! Why there is no plan, as data; `explain` says it in words.

use super::Direction;
use crate::model::applied::UnknownRows;
use crate::model::graph::{Node, Overlap};
use crate::model::revision::Name;
use crate::model::target::{Target, Walk};

/// Why a target means nothing, means too much, or cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// Version rows that no revision file defines.
    UnknownRows(UnknownRows),
    /// No id or label is, or begins with, this name. (A beginning finds only names of four characters and more.)
    UnknownRevision {
        /// What was typed.
        name: Name,
        /// Names like it, best first.
        nearest: Vec<Name>,
    },
    /// The same for what stands before `@`.
    UnknownBranch {
        /// What was typed.
        name: Name,
        /// Names like it, best first.
        nearest: Vec<Name>,
    },
    /// Several ids or labels begin with this name.
    AmbiguousName {
        /// What was typed.
        name: Name,
        /// All of them, in load order.
        matches: Vec<Name>,
    },
    /// The revision is neither above nor below the branch's own, by parents.
    NotInBranch {
        /// The revision.
        revision: Node,
        /// The branch as typed.
        branch: Name,
    },
    /// One head was asked for and there are several.
    MultipleHeads {
        /// All of them, in load order.
        heads: Vec<Node>,
        /// Among those of this branch, as typed.
        branch: Option<Name>,
    },
    /// A relative target where there is nothing to count from.
    NoStart {
        /// The target.
        target: Target,
    },
    /// `current` where no database is asked, or where it would be its own end.
    NoCurrent,
    /// `+N` in a downgrade, `-N` in an upgrade, or no step at all.
    WrongWay {
        /// What was asked for.
        walk: Walk,
        /// The way the plan goes.
        direction: Direction,
    },
    /// The graph ends before that many steps are made.
    NotEnoughSteps {
        /// What was asked for.
        walk: Walk,
        /// How many steps are possible.
        possible: u32,
        /// Where they were counted from; nothing for before the first revision.
        from: Option<Node>,
    },
    /// A step could go to several revisions.
    AmbiguousWalk {
        /// What was asked for.
        walk: Walk,
        /// The revision at which the ways part; nothing for before the first revision.
        at: Option<Node>,
        /// Where they lead, as written for parents, in load order for children.
        candidates: Vec<Node>,
    },
    /// Steps from where the database stands, and it stands at several revisions.
    AmbiguousCurrent {
        /// What was asked for.
        walk: Walk,
        /// Where it could be counted from.
        rows: Vec<Node>,
    },
    /// The version rows overlap, so an upgrade cannot know what is applied. A stamp or a downgrade puts them right.
    OverlappingRows(Overlap),
    /// The targets overlap: one already implies the other.
    OverlappingTargets(Overlap),
    /// The lower end of a range is not below its upper end.
    NotAnAncestor {
        /// The revisions of the lower end that are not; none where `-N` ends just before the first revision.
        from: Vec<Node>,
        /// The upper end.
        to: Vec<Node>,
    },
    /// Nothing stands on the target in this database, and the database does not stand at it either.
    InvalidDowngrade {
        /// The target.
        target: Node,
        /// Whether it is applied; then only dependents stand on it.
        applied: bool,
    },
    /// No revision right above the target belongs to the branch.
    NothingInBranch {
        /// The target; nothing for `base`.
        target: Option<Node>,
        /// The branch's own revision.
        branch: Node,
    },
    /// A new revision on one that has children already needs `--splice`.
    NotAHead {
        /// The parent.
        revision: Node,
        /// Its children.
        children: Vec<Node>,
    },
    /// A new revision would have one parent twice.
    DuplicateHead {
        /// The parent.
        revision: Node,
    },
    /// A new revision depends on something that is no single revision.
    NoDependency {
        /// What was typed.
        target: Target,
    },
}

impl From<UnknownRows> for PlanError {
    fn from(rows: UnknownRows) -> Self {
        Self::UnknownRows(rows)
    }
}
