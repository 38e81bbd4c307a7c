//! What to type so that exactly these revisions run, wherever on their way the database stands: for whoever typed a
//! target that counts from there, and is to type something again.

use super::{Direction, Plan, downgrade};
use crate::model::applied::Applied;
use crate::model::graph::{Along, Graph, Node, RevisionSet};
use crate::model::target::Target;

/// The targets that, one after the other, run what `plan` runs and no more, from where it starts and from each place on its
/// way. `None` where no target does: a downgrade between several parents and branches.
#[must_use]
pub fn naming(graph: &Graph, plan: &Plan) -> Option<Vec<Target>> {
    let nodes = RevisionSet::of(graph.len(), plan.nodes());
    match plan.direction() {
        Direction::Upgrade => Some(graph.maximal(&nodes).into_iter().map(|node| named(graph, node)).collect()),
        Direction::Downgrade => {
            let applied = Applied::from_nodes(graph, plan.rows_before().iter().copied());
            Some(vec![undoing(graph, &applied, &nodes)?])
        }
    }
}

/// The target that brings the upgrade or downgrade of one revision to its end, if there is one: what stands on it is undone
/// first, and what it needs is applied first.
#[must_use]
pub fn finishing(graph: &Graph, applied: &Applied, node: Node, direction: Direction) -> Option<Target> {
    match direction {
        Direction::Upgrade => Some(named(graph, node)),
        Direction::Downgrade => {
            undoing(graph, applied, &graph.descendants([node], Along::Everything).intersection(applied.set()))
        }
    }
}

fn named(graph: &Graph, node: Node) -> Target {
    Target::named(graph.id(node).clone())
}

/// The target of a downgrade that undoes these revisions and no other: what lies right below them; where more stands on
/// that, of the branch of one of their tips, or of one of the lowest of them, since a tip may only depend on those.
fn undoing(graph: &Graph, applied: &Applied, undone: &RevisionSet) -> Option<Target> {
    let goes = |node: &Node| undone.contains(*node);
    let below = undone.iter().flat_map(|node| graph.parents(node)).filter(|parent| !goes(parent));
    let mut goals: Vec<Target> = RevisionSet::of(graph.len(), below).iter().map(|node| named(graph, node)).collect();
    if undone.iter().any(|node| graph.is_base(node)) {
        goals.push(Target::BASE);
    }
    let lowest = undone.iter().filter(|node| graph.parents(*node).all(|parent| !goes(&parent)));
    let branches = graph.maximal(undone).into_iter().chain(lowest);
    let of_branches = branches.flat_map(|branch| {
        goals.iter().map(move |goal| Target { branch: Some(graph.id(branch).clone()), point: goal.point.clone() })
    });
    goals.iter().cloned().chain(of_branches).find(|target| {
        downgrade(graph, applied, target).is_ok_and(|plan| RevisionSet::of(graph.len(), plan.nodes()) == *undone)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn;
    use crate::model::plan::{back, upgrade};

    const FORK: &str = "a\nb <- a label left\nc <- a label right\nb2 <- b\nm <- b2 c\nz\ny <- z dep b";

    fn spoken(targets: Option<Vec<Target>>) -> String {
        let targets = targets.into_iter().flatten().map(|target| target.to_string());
        targets.collect::<Vec<_>>().join(", ")
    }

    /// `counted` from `rows` is named `expected`, and from every place on the way that runs the rest.
    #[track_caller]
    fn check(rows: &str, direction: Direction, counted: &str, expected: &str) {
        let graph = drawn::graph(FORK);
        let applied = Applied::from_rows(&graph, rows.split_whitespace()).unwrap();
        let run = |applied: &Applied, target: &Target| match direction {
            Direction::Upgrade => upgrade(&graph, applied, target),
            Direction::Downgrade => downgrade(&graph, applied, target),
        };
        let plan = run(&applied, &Target::parse(counted).unwrap()).unwrap();
        let targets = naming(&graph, &plan);
        assert_eq!(spoken(targets.clone()), expected);
        let [target] = targets.unwrap_or_default().try_into().unwrap();
        for (done, stage) in plan.stages().enumerate() {
            let on_the_way = Applied::from_nodes(&graph, stage.before.iter().copied());
            let rest = run(&on_the_way, &target).unwrap();
            assert!(rest.nodes().eq(plan.nodes().skip(done)), "{target} after {done}");
        }
    }

    #[test]
    fn a_counted_target_has_a_name_that_holds_on_its_way() {
        check("a", Direction::Upgrade, "left@+2", "b2");
        check("c", Direction::Upgrade, "left@+1", "b");
        check("b2", Direction::Downgrade, "-2", "a");
        check("b2", Direction::Downgrade, "-3", "base");
        check("b2 c", Direction::Downgrade, "left@-2", "b2@a");
        check("c y", Direction::Downgrade, "left@-1", "b@a");
        check("b2 z", Direction::Downgrade, "left@-3", "b2@base");
    }

    #[test]
    fn what_was_undone_from_several_rows_comes_back_by_several_names() {
        let graph = drawn::graph("a\nb <- a\nc <- a");
        let applied = Applied::from_rows(&graph, ["b", "c"]).unwrap();
        let down = downgrade(&graph, &applied, &Target::parse("a").unwrap()).unwrap();
        assert_eq!(
            (spoken(naming(&graph, &down)), spoken(naming(&graph, &back(&graph, &down)))),
            ("a".into(), "b, c".into())
        );
    }

    #[test]
    fn what_is_begun_is_finished_alone() {
        let graph = drawn::graph(FORK);
        let finishing = |rows: &str, id: &str| {
            let applied = Applied::from_rows(&graph, rows.split_whitespace()).unwrap();
            spoken(finishing(&graph, &applied, drawn::one(&graph, id), Direction::Downgrade).map(|target| vec![target]))
        };
        assert_eq!(finishing("b2", "b2"), "b");
        assert_eq!(finishing("b c", "b"), "b@a");
        assert_eq!(finishing("m", "m"), "c");
        assert_eq!(finishing("a", "a"), "base");
    }
}
