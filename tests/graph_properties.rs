//! What holds for every graph: random ones with branches, merges, dependencies and labels. Ids are scattered and the
//! load order is shuffled, so that a sort by id or by place does not pass for a topological order.

use std::collections::{BTreeSet, HashSet};

use aludel::model::applied::Applied;
use aludel::model::graph::{Graph, GraphError, Node, RevisionSet};
use aludel::model::plan::{self, Plan, Purge};
use aludel::model::range::{Range, Route};
use aludel::model::revision::{Name, Revision};
use aludel::model::target::{Point, Symbol, Target, Walk};
use proptest::prelude::*;
use proptest::sample::Index;

/// A revision as the generator sees it: what it needs among those before it, and whether it has a label.
type Seed = (Vec<Index>, Vec<Index>, bool);

fn seeds(most: usize) -> impl Strategy<Value = Vec<Seed>> {
    let few = |most| prop::collection::vec(any::<Index>(), 0..=most);
    // Mostly one parent, else there would be few lines to follow.
    let parents = prop_oneof![6 => few(1), 2 => few(2), 1 => few(3)];
    let dependencies = prop_oneof![5 => few(0), 2 => few(1), 1 => few(3)];
    prop::collection::vec((parents, dependencies, prop::bool::weighted(0.2)), 1..most)
}

fn revisions(most: usize) -> impl Strategy<Value = Vec<Revision>> {
    let ids = prop::collection::hash_set("[0-9a-f]{6,8}", most);
    (seeds(most), ids, any::<[u8; 8]>()).prop_map(|(seeds, ids, shuffle)| {
        let ids: Vec<String> = ids.into_iter().collect();
        let label = |at: usize| format!("label_{at}");
        let mut revisions: Vec<(u64, Revision)> = Vec::new();
        for (at, (parents, dependencies, labelled)) in seeds.iter().enumerate() {
            // Near ones more often than far ones: lines grow long that way.
            let pick = |index: &Index| at - 1 - index.index(at).min(index.index(4).min(at - 1));
            let chosen = |list: &[Index]| list.iter().filter(|_| at > 0).map(pick).collect::<Vec<_>>();
            let name = |text: &str| Name::new(text).unwrap();
            let needs = |below: usize| if seeds[below].2 { label(below) } else { ids[below].clone() };
            let revision = Revision {
                id: name(&ids[at]),
                parents: chosen(parents).into_iter().map(|below| name(&ids[below])).collect(),
                depends_on: chosen(dependencies).into_iter().map(|below| name(&needs(below))).collect(),
                labels: if *labelled { vec![name(&label(at))] } else { Vec::new() },
                message: String::new(),
            };
            // A cheap scatter of the load order, the same for the same case.
            let place = (at as u64 ^ u64::from_le_bytes(shuffle)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
            revisions.push((place, revision));
        }
        revisions.sort_by_key(|(place, _)| *place);
        revisions.into_iter().map(|(_, revision)| revision).collect()
    })
}

fn graph(most: usize) -> impl Strategy<Value = Graph> {
    revisions(most).prop_map(|revisions| Graph::new(revisions).unwrap())
}

/// Rows that a database could have: the maximal elements of what some revisions imply.
fn stand(graph: &Graph, picks: &[Index]) -> Applied {
    let nodes = picks.iter().map(|pick| Node::from(pick.index(graph.len())));
    Applied::from_nodes(graph, graph.maximal(&graph.closure(nodes)))
}

fn named(graph: &Graph, node: Node) -> Target {
    Target::named(graph.id(node).clone())
}

/// Alembic's order as plainly as it can be said: sets of ancestors, compared at every step.
fn reference_order(graph: &Graph, todo: &RevisionSet, heads: &[Node]) -> Vec<Node> {
    let closure = |node: Node| {
        let (mut seen, mut waiting) = (HashSet::new(), vec![node]);
        while let Some(node) = waiting.pop() {
            if seen.insert(node) {
                waiting.extend(graph.parents(node).chain(graph.dependencies(node)));
            }
        }
        seen
    };
    let normalized = |node: Node| {
        let (mut seen, mut waiting) = (HashSet::new(), graph.parents(node).collect::<Vec<_>>());
        while let Some(node) = waiting.pop() {
            if seen.insert(node) {
                waiting.extend(graph.parents(node));
            }
        }
        let has = |dependency: &Node| seen.iter().any(|above| graph.dependencies(*above).any(|has| has == *dependency));
        graph.dependencies(node).filter(|dependency| !has(dependency)).collect::<Vec<_>>()
    };
    let mut todo: BTreeSet<Node> = todo.iter().collect();
    let sorted: BTreeSet<Node> = heads.iter().copied().filter(|head| todo.contains(head)).collect();
    let mut current: Vec<Node> = sorted.into_iter().collect();
    let mut ancestors: Vec<HashSet<Node>> = current.iter().map(|head| closure(*head)).collect();
    let (mut output, mut at) = (Vec::new(), 0);
    while !current.is_empty() {
        let candidate = current[at];
        if let Some(other) = (0..current.len()).find(|other| *other != at && ancestors[*other].contains(&candidate)) {
            at = other;
            continue;
        }
        if todo.remove(&candidate) {
            output.push(candidate);
        }
        let (parents, dependencies): (Vec<Node>, _) = (graph.parents(candidate).collect(), normalized(candidate));
        let mut add: Vec<Node> = Vec::new();
        for below in parents.iter().chain(&dependencies) {
            if todo.contains(below) && !current.contains(below) && !add.contains(below) {
                add.push(*below);
            }
        }
        if add.is_empty() {
            current.remove(at);
            ancestors.remove(at);
            at = at.saturating_sub(1);
            continue;
        }
        current[at] = add[0];
        if dependencies.is_empty() && parents.len() == 1 {
            ancestors[at].remove(&candidate);
        } else {
            ancestors[at] = closure(add[0]);
            for more in &add[1..] {
                current.push(*more);
                ancestors.push(closure(*more));
            }
        }
    }
    assert!(todo.is_empty());
    output
}

/// Each step comes after what it needs (or what needs it, downwards), changes one revision, and leaves as rows
/// exactly the maximal applied revisions. Returns what is applied at the end.
fn follow(graph: &Graph, applied: &Applied, plan: &Plan) -> Result<RevisionSet, TestCaseError> {
    let mut set = applied.set().clone();
    let mut rows = applied.rows().to_vec();
    for stage in plan.stages() {
        let node = stage.step.node;
        prop_assert_eq!(&stage.before[..], &rows[..]);
        match plan.direction() {
            plan::Direction::Upgrade => {
                prop_assert!(graph.needs(node).all(|below| set.contains(below)), "applied before what it needs");
                prop_assert!(set.insert(node), "applied twice");
            }
            plan::Direction::Downgrade => {
                prop_assert!(!graph.needed_by(node).any(|above| set.contains(above)), "undone under something");
                prop_assert!(set.contains(node), "undone twice");
                set.remove(node);
            }
        }
        rows = graph.maximal(&set);
        prop_assert_eq!(&stage.after[..], &rows[..]);
        let before: BTreeSet<Node> = stage.before.iter().copied().collect();
        let after: BTreeSet<Node> = stage.after.iter().copied().collect();
        prop_assert_eq!(&stage.step.delete, &before.difference(&after).copied().collect::<Vec<_>>());
        prop_assert_eq!(&stage.step.insert, &after.difference(&before).copied().collect::<Vec<_>>());
    }
    prop_assert_eq!(plan.rows_after(), &rows[..]);
    Ok(set)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_order_is_the_plain_rules(
        graph in graph(40),
        targets in prop::collection::vec(any::<Index>(), 1..4),
        rows in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let all = RevisionSet::full(graph.len());
        prop_assert_eq!(graph.history(), reference_order(&graph, &all, &graph.real_heads()));
        let (targets, applied) = (stand(&graph, &targets), stand(&graph, &rows));
        let to_apply = targets.set().clone().difference(applied.set());
        prop_assert_eq!(graph.order(&to_apply, targets.rows()), reference_order(&graph, &to_apply, targets.rows()));
        let above = graph.descendants(targets.rows().iter().copied(), aludel::model::graph::Along::Everything);
        let to_undo = above.intersection(applied.set());
        prop_assert_eq!(graph.order(&to_undo, applied.rows()), reference_order(&graph, &to_undo, applied.rows()));
    }

    #[test]
    fn any_set_is_ordered_whole(graph in graph(30), set in prop::collection::vec(any::<Index>(), 0..20)) {
        let set = RevisionSet::of(graph.len(), set.iter().map(|pick| Node::from(pick.index(graph.len()))));
        let order = graph.order(&set, &[]);
        prop_assert_eq!(RevisionSet::of(graph.len(), order.iter().copied()), set);
        for (place, node) in order.iter().enumerate() {
            let closure = graph.closure([*node]);
            prop_assert!(order[..place].iter().all(|earlier| !closure.contains(*earlier)));
        }
    }

    #[test]
    fn an_upgrade_applies_its_target_and_a_downgrade_to_base_leaves_nothing(
        graph in graph(40),
        rows in prop::collection::vec(any::<Index>(), 0..4),
        target in any::<Index>(),
    ) {
        let applied = stand(&graph, &rows);
        let target = Node::from(target.index(graph.len()));
        let up = plan::upgrade(&graph, &applied, &named(&graph, target)).unwrap();
        let set = follow(&graph, &applied, &up)?;
        prop_assert_eq!(&set, &applied.set().clone().union(&graph.closure([target])));
        let there = Applied::from_nodes(&graph, up.rows_after().iter().copied());
        prop_assert_eq!(there.set(), &set);

        let heads = plan::upgrade(&graph, &there, &Target::HEADS).unwrap();
        prop_assert_eq!(follow(&graph, &there, &heads)?.len(), graph.len());
        let full = Applied::from_nodes(&graph, heads.rows_after().iter().copied());
        prop_assert_eq!(plan::missing_heads(&graph, &full), vec![]);
        let down = plan::downgrade(&graph, &full, &Target::BASE).unwrap();
        prop_assert!(follow(&graph, &full, &down)?.is_empty());
        prop_assert_eq!(down.rows_after(), &[]);
    }

    #[test]
    fn a_downgrade_leaves_its_target_and_undoes_what_stands_on_it(
        graph in graph(40),
        rows in prop::collection::vec(any::<Index>(), 1..5),
        target in any::<Index>(),
    ) {
        let applied = stand(&graph, &rows);
        let target = Node::from(target.index(graph.len()));
        if let Ok(down) = plan::downgrade(&graph, &applied, &named(&graph, target)) {
            let set = follow(&graph, &applied, &down)?;
            prop_assert!(!graph.children(target).any(|child| set.contains(child)));
            prop_assert!(down.nodes().all(|node| graph.closure([node]).contains(target)));
        }
    }

    #[test]
    fn overlapping_rows_are_put_right_by_a_downgrade(
        graph in graph(30),
        rows in prop::collection::vec(any::<Index>(), 1..6),
    ) {
        let applied = Applied::from_nodes(&graph, rows.iter().map(|pick| Node::from(pick.index(graph.len()))));
        let down = plan::downgrade(&graph, &applied, &Target::BASE).unwrap();
        prop_assert!(follow(&graph, &applied, &down)?.is_empty());
    }

    #[test]
    fn a_stamped_database_upgrades_to_the_end(
        graph in graph(40),
        rows in prop::collection::vec(any::<Index>(), 0..4),
        targets in prop::collection::vec(any::<Index>(), 1..4),
        purge: bool,
    ) {
        let applied = stand(&graph, &rows);
        let ids: Vec<&str> = applied.rows().iter().map(|row| graph.id(*row).as_str()).collect();
        let nodes: Vec<Node> = targets.iter().map(|pick| Node::from(pick.index(graph.len()))).collect();
        let targets: Vec<Target> = nodes.iter().map(|node| named(&graph, *node)).collect();
        let purge = if purge { Purge::Yes } else { Purge::No };
        let stamp = plan::stamp(&graph, &ids, &targets, purge).unwrap();
        prop_assert_eq!(graph.overlap(&stamp.rows), None);
        let stamped = Applied::from_nodes(&graph, stamp.rows.iter().copied());
        if let [target] = nodes[..] {
            prop_assert!(stamped.is_row(target));
        }
        let rest = plan::upgrade(&graph, &stamped, &Target::HEADS).unwrap();
        prop_assert_eq!(follow(&graph, &stamped, &rest)?.len(), graph.len());

        let all = plan::stamp(&graph, &ids, &[Target::HEADS], purge).unwrap();
        prop_assert_eq!(all.rows, graph.real_heads());
    }

    #[test]
    fn a_cycle_is_always_found(
        revisions in revisions(30),
        picks in any::<(Index, Index)>(),
        as_dependency: bool,
    ) {
        let graph = Graph::new(revisions.clone()).unwrap();
        let top = Node::from(picks.0.index(graph.len()));
        let below: Vec<Node> = graph.closure([top]).iter().collect();
        let low = below[picks.1.index(below.len())];
        let mut revisions = revisions;
        let id = graph.id(top).clone();
        let back = &mut revisions[low.index()];
        if as_dependency { back.depends_on.push(id) } else { back.parents.push(id) }
        let errors = Graph::new(revisions).unwrap_err();
        let [error] = &errors[..] else { panic!("{errors:?}") };
        let found = match error {
            GraphError::SelfLoop { revision, .. } => top == low && *revision == top,
            GraphError::Cycle { revisions, walk, .. } => {
                top != low && revisions.contains(&top) && revisions.contains(&low) && walk.len() > 1
            }
            _ => false,
        };
        prop_assert!(found, "{:?}", error);
    }

    #[test]
    fn targets_and_ranges_read_back_as_printed(from in prop::option::of(target()), to in target()) {
        prop_assert_eq!(Target::parse(&to.to_string()), Ok(to.clone()));
        let range = Range { from: from.clone(), to: Some(to.clone()) };
        prop_assert_eq!(Range::parse(&range.to_string()), Ok(range));
        let route = Route { from, to };
        prop_assert_eq!(Route::parse(&route.to_string()), Ok(route));
    }

    #[test]
    fn no_text_and_no_question_panics(
        text in "[a-z0-9@:+_é-]{0,12}",
        graph in graph(12),
        rows in prop::collection::vec(any::<Index>(), 0..4),
        target in target(),
    ) {
        let applied = Applied::from_nodes(&graph, rows.iter().map(|pick| Node::from(pick.index(graph.len()))));
        let targets = [Target::parse(&text).unwrap_or(Target::HEADS), target];
        for target in &targets {
            _ = plan::upgrade(&graph, &applied, target);
            _ = plan::downgrade(&graph, &applied, target);
            _ = plan::resolve(&graph, Some(&applied), target);
            _ = plan::stamp(&graph, &["gone"], &targets, Purge::Yes);
            _ = plan::placement(&graph, &targets, plan::Splice::Yes, &targets);
            let range = Range { from: Some(target.clone()), to: Some(targets[0].clone()) };
            _ = plan::history(&graph, Some(&applied), &range);
        }
        _ = (Range::parse(&text), Route::parse(&text));
    }
}

fn target() -> impl Strategy<Value = Target> {
    let name = || "[a-z0-9_]{1,6}|label_[0-9]".prop_filter_map("reserved", |text| Name::new(&text).ok());
    let symbol = prop_oneof![
        Just(Symbol::Head),
        Just(Symbol::Heads),
        Just(Symbol::Base),
        Just(Symbol::Current),
        name().prop_map(Symbol::Name),
    ];
    let walk = (any::<bool>(), prop_oneof![0..9_u32, any::<u32>()]);
    let walk = walk.prop_map(|(up, steps)| if up { Walk::Up(steps) } else { Walk::Down(steps) });
    let point = (prop::option::of(symbol), prop::option::of(walk)).prop_map(|parts| match parts {
        (Some(symbol), None) => Point::At(symbol),
        (symbol, walk) => Point::Away(symbol, walk.unwrap_or(Walk::Up(1))),
    });
    (prop::option::of(name()), point).prop_map(|(branch, point)| Target { branch, point })
}
