//! From targets to revisions, for everything that is not counted from where the database stands.

use super::PlanError;
use super::walk::{Walked, walk};
use crate::model::applied::Applied;
use crate::model::graph::{Along, Graph, Lookup, Node, RevisionSet};
use crate::model::revision::Name;
use crate::model::target::{Point, Symbol, Target, Walk};

/// What a target comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// A revision.
    Revision(Node),
    /// Just before the first one.
    Base,
    /// A walk went on below the base.
    Beyond,
}

impl Landing {
    /// The revision, if it is one.
    #[must_use]
    pub fn revision(self) -> Option<Node> {
        match self {
            Self::Revision(node) => Some(node),
            Self::Base | Self::Beyond => None,
        }
    }
}

/// A branch as typed before `@`.
pub(super) struct Branch<'target> {
    pub name: &'target Name,
    pub node: Node,
    /// What is above and below it by parents, itself included.
    pub lineage: RevisionSet,
}

impl<'target> Branch<'target> {
    pub(super) fn find(graph: &Graph, name: &'target Name) -> Result<Self, PlanError> {
        let node = match graph.lookup(name.as_str(), None) {
            Lookup::Found(node) => node,
            Lookup::Ambiguous(matches) => return Err(PlanError::AmbiguousName { name: name.clone(), matches }),
            Lookup::Unknown => {
                return Err(PlanError::UnknownBranch { name: name.clone(), nearest: graph.nearest(name.as_str()) });
            }
        };
        Ok(Self { name, node, lineage: graph.lineage(node, Along::Parents) })
    }

    pub(super) fn of(graph: &Graph, target: &'target Target) -> Result<Option<Self>, PlanError> {
        target.branch.as_ref().map(|name| Self::find(graph, name)).transpose()
    }
}

/// The revision that `name` means, of `branch` if one is given.
pub(super) fn named(graph: &Graph, name: &Name, branch: Option<&Branch<'_>>) -> Result<Node, PlanError> {
    let node = match graph.lookup(name.as_str(), branch.map(|branch| &branch.lineage)) {
        Lookup::Found(node) => node,
        Lookup::Ambiguous(matches) => return Err(PlanError::AmbiguousName { name: name.clone(), matches }),
        Lookup::Unknown => {
            return Err(PlanError::UnknownRevision { name: name.clone(), nearest: graph.nearest(name.as_str()) });
        }
    };
    match branch {
        Some(branch) if !branch.lineage.contains(node) => {
            Err(PlanError::NotInBranch { revision: node, branch: branch.name.clone() })
        }
        _ => Ok(node),
    }
}

/// Every revision that `symbol` means; none for `base` and for heads of nothing, whatever the branch. `head` counts effective heads, `heads`
/// only real ones unless a branch narrows it: Alembic's rule.
pub(super) fn all(graph: &Graph, symbol: &Symbol, branch: Option<&Name>) -> Result<Vec<Node>, PlanError> {
    if *symbol == Symbol::Base || graph.is_empty() && matches!(symbol, Symbol::Head | Symbol::Heads) {
        return Ok(Vec::new());
    }
    let branch = branch.map(|name| Branch::find(graph, name)).transpose()?;
    let of_branch = || {
        let mut heads = graph.heads();
        heads.retain(|head| branch.as_ref().is_none_or(|branch| branch.lineage.contains(*head)));
        heads
    };
    match symbol {
        Symbol::Base => Ok(Vec::new()),
        Symbol::Head => {
            let name = branch.as_ref().map(|branch| branch.name);
            single(of_branch(), name).map(|head| head.into_iter().collect())
        }
        Symbol::Heads if branch.is_some() => Ok(of_branch()),
        Symbol::Heads => Ok(graph.real_heads()),
        Symbol::Name(name) => Ok(vec![named(graph, name, branch.as_ref())?]),
        Symbol::Current => Err(PlanError::NoCurrent),
    }
}

/// The one revision that `symbol` means; nothing for `base`. Its branch must exist.
pub(super) fn one(graph: &Graph, symbol: &Symbol, branch: Option<&Name>) -> Result<Option<Node>, PlanError> {
    branch.map(|name| Branch::find(graph, name)).transpose()?;
    single(all(graph, symbol, branch)?, branch)
}

fn single(heads: Vec<Node>, branch: Option<&Name>) -> Result<Option<Node>, PlanError> {
    match heads[..] {
        [] => Ok(None),
        [head] => Ok(Some(head)),
        _ => Err(PlanError::MultipleHeads { heads, branch: branch.cloned() }),
    }
}

/// Refuses a branch before `@` that means nothing. `x@base`, and a downgrade to `x@id`, do not always look at it, in
/// Alembic as here; a command that is about to change a database should.
///
/// # Errors
/// An unknown or ambiguous branch.
pub fn check_branch(graph: &Graph, target: &Target) -> Result<(), PlanError> {
    Branch::of(graph, target).map(|_| ())
}

/// What `target` means by itself: for new revisions and the lower end of a range. `-N` counts down from each real
/// head. `current` is the rows of `applied`.
///
/// # Errors
/// Unknown or ambiguous names, several heads for `head`, other relative targets, `current` without `applied`.
pub fn resolve(graph: &Graph, applied: Option<&Applied>, target: &Target) -> Result<Vec<Landing>, PlanError> {
    if *target == Target::CURRENT {
        let applied = applied.ok_or(PlanError::NoCurrent)?;
        return Ok(applied.rows().iter().map(|row| Landing::Revision(*row)).collect());
    }
    match &target.point {
        Point::At(symbol) => {
            Ok(all(graph, symbol, target.branch.as_ref())?.into_iter().map(Landing::Revision).collect())
        }
        Point::Away(None, steps @ Walk::Down(1..)) => {
            let landing = |(_, walked): (Node, Walked)| match walked.at {
                Some(node) => Landing::Revision(node),
                None if walked.steps == steps.steps() => Landing::Base,
                None => Landing::Beyond,
            };
            Ok(below_heads(graph, *steps, target.branch.as_ref())?.into_iter().map(landing).collect())
        }
        Point::Away(..) => {
            check_branch(graph, target)?;
            Err(PlanError::NoStart { target: target.clone() })
        }
    }
}

/// The same for `show` and `edit`, where `ID+N` and `head-N` count from the one revision named: Alembic has no meaning
/// for them there, and people type them.
///
/// # Errors
/// As [`resolve`], and walks that part or go too far.
pub fn find(graph: &Graph, applied: Option<&Applied>, target: &Target) -> Result<Vec<Landing>, PlanError> {
    let Point::Away(Some(symbol), steps) = &target.point else { return resolve(graph, applied, target) };
    let from = match (symbol, applied.map(Applied::rows)) {
        (Symbol::Current, Some([])) => None,
        (Symbol::Current, Some([row])) => Some(*row),
        (Symbol::Current, Some(rows)) => {
            return Err(PlanError::AmbiguousCurrent { walk: *steps, rows: rows.to_vec() });
        }
        _ => one(graph, symbol, target.branch.as_ref())?,
    };
    let branch = Branch::of(graph, target)?;
    let walked = walk(graph, from, *steps, branch.as_ref().map(|branch| &branch.lineage))?;
    Ok(vec![walked.all(*steps, from)?.map_or(Landing::Base, Landing::Revision)])
}

/// Each real head, and where some steps below it lead; of a branch, those heads that carry its name as a label.
pub(super) fn below_heads(graph: &Graph, steps: Walk, branch: Option<&Name>) -> Result<Vec<(Node, Walked)>, PlanError> {
    let carries = |head: &Node| branch.is_none_or(|branch| graph.effective_labels(*head).contains(branch));
    let heads = graph.real_heads().into_iter().filter(carries);
    heads.map(|head| Ok((head, walk(graph, Some(head), steps, None)?))).collect()
}

/// Where a database is taken to stand, for `--from a,b`: each target may mean several revisions.
///
/// # Errors
/// As [`resolve`]; a relative target has no start; a target that another one implies.
pub fn start(graph: &Graph, targets: &[Target]) -> Result<Applied, PlanError> {
    let mut rows = Vec::new();
    for target in targets {
        rows.extend(all(graph, absolute(graph, target)?, target.branch.as_ref())?);
    }
    let applied = Applied::from_nodes(graph, rows);
    match applied.overlap(graph) {
        Some(overlap) => Err(PlanError::OverlappingTargets(overlap)),
        None => Ok(applied),
    }
}

/// Where a database is taken to stand, for the left side of `a:b`: one revision, or `base`.
///
/// # Errors
/// As [`start`], and several heads.
pub fn start_of_route(graph: &Graph, target: &Target) -> Result<Applied, PlanError> {
    Ok(Applied::from_nodes(graph, one(graph, absolute(graph, target)?, target.branch.as_ref())?))
}

/// The symbol of a target that counts no steps.
pub(super) fn absolute<'target>(graph: &Graph, target: &'target Target) -> Result<&'target Symbol, PlanError> {
    match &target.point {
        Point::At(symbol) => Ok(symbol),
        Point::Away(..) => {
            check_branch(graph, target)?;
            Err(PlanError::NoStart { target: target.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn::{self, ids, one};

    const FORK: &str = "aaaa1\naaaa2 <- aaaa1 label left\ncccc <- aaaa1\nzzzz\nyyyy <- zzzz dep cccc";

    #[track_caller]
    fn check(target: &str, expected: &str) {
        let graph = drawn::graph(FORK);
        let found = find(&graph, None, &Target::parse(target).unwrap()).unwrap();
        let word = |landing: Landing| match landing {
            Landing::Revision(node) => graph.id(node).to_string(),
            Landing::Base => "base".into(),
            Landing::Beyond => "beyond".into(),
        };
        assert_eq!(found.into_iter().map(word).collect::<Vec<_>>().join(" "), expected, "{target}");
    }

    #[test]
    fn targets_mean_revisions() {
        check("heads", "aaaa2 yyyy");
        check("left", "aaaa2");
        check("left@head", "aaaa2");
        check("cccc@heads", "cccc");
        check("left@aaaa1", "aaaa1");
        check("base", "");
        check("-1", "aaaa1 zzzz");
        check("-2", "base base");
        check("-3", "beyond beyond");
        check("left@-1", "aaaa1");
        check("left-1", "aaaa1");
        check("left-2", "base");
        check("left@aaaa1+1", "aaaa2");
        check("cccc@head-1", "aaaa1");
    }

    #[test]
    fn wrong_targets_say_what_is_wrong() {
        let graph = drawn::graph(FORK);
        let error = |target| find(&graph, None, &Target::parse(target).unwrap()).unwrap_err();
        let name = |text| Name::new(text).unwrap();
        assert_eq!(
            error("aaa"),
            PlanError::AmbiguousName { name: name("aaa"), matches: vec![name("aaaa1"), name("aaaa2")] }
        );
        assert_eq!(error("ccc1"), PlanError::UnknownRevision { name: name("ccc1"), nearest: vec![name("cccc")] });
        assert_eq!(error("lift@head"), PlanError::UnknownBranch { name: name("lift"), nearest: vec![name("left")] });
        assert_eq!(error("left@cccc"), PlanError::NotInBranch { revision: one(&graph, "cccc"), branch: name("left") });
        assert!(matches!(error("+1"), PlanError::NoStart { .. }));
        assert!(matches!(error("cccc-3"), PlanError::NotEnoughSteps { possible: 2, .. }));
        assert!(matches!(error("aaaa1+1"), PlanError::AmbiguousWalk { .. }));
        assert!(matches!(error("head-1"), PlanError::MultipleHeads { .. }));
        assert_eq!(error("current-1"), PlanError::NoCurrent);
        let current = |rows: &[&str]| {
            let applied = Applied::from_rows(&graph, rows).unwrap();
            find(&graph, Some(&applied), &Target::parse("current-1").unwrap())
        };
        assert_eq!(current(&["cccc"]), Ok(vec![Landing::Revision(one(&graph, "aaaa1"))]));
        assert!(matches!(current(&["cccc", "zzzz"]), Err(PlanError::AmbiguousCurrent { .. })));
        assert!(matches!(current(&[]), Err(PlanError::NotEnoughSteps { possible: 0, .. })));
        let alembics = resolve(&graph, None, &Target::parse("cccc-1").unwrap());
        assert!(matches!(alembics, Err(PlanError::NoStart { .. })));
        assert_eq!(error("current"), PlanError::NoCurrent);
        let PlanError::MultipleHeads { heads, branch: None } = error("head") else { panic!() };
        assert_eq!(ids(&graph, heads), "aaaa2 cccc yyyy");
        let PlanError::MultipleHeads { heads, branch: Some(_) } = error("aaaa1@head") else { panic!() };
        assert_eq!(ids(&graph, heads), "aaaa2 cccc");
    }

    #[test]
    fn a_start_is_one_revision_or_several() {
        let graph = drawn::graph(FORK);
        let target = |text| Target::parse(text).unwrap();
        let rows = |applied: Applied| ids(&graph, applied.rows().iter().copied());
        assert_eq!(rows(start(&graph, &[target("left"), target("heads")]).unwrap()), "aaaa2 yyyy");
        assert_eq!(rows(start_of_route(&graph, &target("base")).unwrap()), "");
        assert!(matches!(start(&graph, &[target("left"), target("aaaa1")]), Err(PlanError::OverlappingTargets(_))));
        assert!(matches!(start_of_route(&graph, &target("heads")), Err(PlanError::MultipleHeads { .. })));
    }
}
