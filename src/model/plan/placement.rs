//! Where a new revision goes: which parents and dependencies its file gets.

use super::PlanError;
use super::resolve::{Landing, absolute, one, resolve};
use crate::model::graph::{Graph, Node, RevisionSet};
use crate::model::revision::Name;
use crate::model::target::{Point, Symbol, Target};

/// What a new revision file says of its place in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its parents, in the order asked for; none for a base, several for a merge.
    pub parents: Vec<Node>,
    /// What it depends on: labels as labels, anything else as the whole id.
    pub depends_on: Vec<Name>,
}

/// Whether a new revision may stand on one that has children already, and so open a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splice {
    /// Only on heads.
    No,
    /// On any revision.
    Yes,
}

/// Where a revision with `heads` as parents goes; without any, on the only head.
///
/// # Errors
/// Targets that mean nothing, several heads where one is meant, a parent twice, a parent that is no head without
/// [`Splice::Yes`].
pub fn placement(
    graph: &Graph,
    heads: &[Target],
    splice: Splice,
    depends_on: &[Target],
) -> Result<Placement, PlanError> {
    let heads = if heads.is_empty() { &[Target::HEAD] } else { heads };
    let mut parents = Vec::new();
    let mut seen = RevisionSet::empty(graph.len());
    for target in heads {
        for landing in resolve(graph, None, target)? {
            let Landing::Revision(node) = landing else { return Err(PlanError::NoStart { target: target.clone() }) };
            parents.push(node);
        }
    }
    for &revision in &parents {
        if !seen.insert(revision) {
            return Err(PlanError::DuplicateHead { revision });
        }
    }
    let not_a_head = |node: &&Node| splice == Splice::No && !graph.is_head(**node);
    if let Some(&revision) = parents.iter().find(not_a_head) {
        return Err(PlanError::NotAHead { revision, children: graph.children(revision).collect() });
    }
    let depends_on = depends_on.iter().map(|target| dependency(graph, target)).collect::<Result<_, _>>()?;
    Ok(Placement { parents, depends_on })
}

/// What `depends_on` says for `target`: a label that holds for the revision stays a label.
fn dependency(graph: &Graph, target: &Target) -> Result<Name, PlanError> {
    let node = one(graph, absolute(graph, target)?, target.branch.as_ref())?
        .ok_or_else(|| PlanError::NoDependency { target: target.clone() })?;
    match &target.point {
        Point::At(Symbol::Name(name)) if target.branch.is_none() && graph.effective_labels(node).contains(name) => {
            Ok(name.clone())
        }
        _ => Ok(graph.id(node).clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids, names};

    const FORK: &str = "a\nb <- a label left\nc <- a\nz\ny <- z dep c";

    #[track_caller]
    fn check(heads: &str, splice: Splice, depends_on: &str, expected: &str) {
        let graph = drawn::graph(FORK);
        let targets = |text: &str| text.split_whitespace().map(|word| Target::parse(word).unwrap()).collect::<Vec<_>>();
        let found = match placement(&graph, &targets(heads), splice, &targets(depends_on)) {
            Ok(place) => format!("<- {} dep {}", ids(&graph, place.parents), names(&place.depends_on)),
            Err(error) => format!("{error:?}").split([' ', '(']).next().unwrap().to_owned(),
        };
        assert_eq!(found, expected, "{heads}");
    }

    #[test]
    fn parents_come_as_asked_for() {
        check("b", Splice::No, "", "<- b dep ");
        check("y b", Splice::No, "", "<- y b dep ");
        check("heads", Splice::No, "", "<- b y dep ");
        check("base", Splice::No, "left c", "<-  dep left c");
        check("a", Splice::Yes, "left@head", "<- a dep b");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        check("", Splice::No, "", "MultipleHeads");
        check("a", Splice::No, "", "NotAHead");
        check("b left", Splice::No, "", "DuplicateHead");
        check("b", Splice::No, "base", "NoDependency");
        check("nosuch", Splice::No, "", "UnknownRevision");
    }
}
