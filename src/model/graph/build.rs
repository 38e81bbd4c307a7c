//! From revisions to a graph, or to everything that is wrong with them.

use std::collections::HashMap;
use std::sync::OnceLock;

use petgraph::graph::DiGraph;

use super::{Edge, Graph, GraphError, Node};
use crate::model::revision::{Name, Revision};

/// See [`Graph::new`].
pub(super) fn build(revisions: Vec<Revision>) -> Result<Graph, Vec<GraphError>> {
    let mut errors = Vec::new();
    let ids = ids(&revisions, &mut errors);
    let names = with_labels(ids.clone(), &revisions, &mut errors);
    let edges = edges(&revisions, &ids, &names, &mut errors);
    let mut graph =
        Graph { revisions, edges, names, bottom_up: Vec::new(), labels: OnceLock::new(), normalized: OnceLock::new() };
    // Kosaraju's algorithm, because it keeps its own stack; it lists what is needed before what needs it.
    for component in petgraph::algo::kosaraju_scc(&graph.edges) {
        match component[..] {
            [single] => graph.bottom_up.push(single.into()),
            _ => errors.push(cycle(&graph, component.into_iter().map(Node::from).collect())),
        }
    }
    if errors.is_empty() { Ok(graph) } else { Err(errors) }
}

fn ids(revisions: &[Revision], errors: &mut Vec<GraphError>) -> HashMap<Name, Node> {
    let mut ids = HashMap::with_capacity(revisions.len());
    let mut again: Vec<(Node, Node)> = Vec::new();
    for (index, revision) in revisions.iter().enumerate() {
        let node = Node::from(index);
        let first = *ids.entry(revision.id.clone()).or_insert(node);
        if first != node {
            again.push((first, node));
        }
    }
    errors.extend(gather(again).into_iter().map(|revisions| GraphError::DuplicateId { revisions }));
    errors.extend(ids_that_differ_in_case(revisions, &ids));
    ids
}

/// Only ids with a capital letter can differ from another in case alone; most projects have none.
fn ids_that_differ_in_case(revisions: &[Revision], ids: &HashMap<Name, Node>) -> Vec<GraphError> {
    if !revisions.iter().any(|revision| revision.id.as_str().chars().any(|c| !c.is_lowercase() && c.is_alphabetic())) {
        return Vec::new();
    }
    let mut folded: HashMap<String, Node> = HashMap::with_capacity(revisions.len());
    let mut pairs = Vec::new();
    for (index, revision) in revisions.iter().enumerate() {
        let node = Node::from(index);
        if ids[&revision.id] == node {
            let first = *folded.entry(revision.id.as_str().to_lowercase()).or_insert(node);
            if first != node {
                pairs.push((first, node));
            }
        }
    }
    gather(pairs).into_iter().map(|revisions| GraphError::IdsDifferInCase { revisions }).collect()
}

/// Pairs of (first, another) as one list for each first.
fn gather(mut pairs: Vec<(Node, Node)>) -> Vec<Vec<Node>> {
    pairs.sort_unstable();
    let same_first = pairs.chunk_by(|left, right| left.0 == right.0);
    same_first.map(|group| std::iter::once(group[0].0).chain(group.iter().map(|pair| pair.1)).collect()).collect()
}

fn with_labels(ids: HashMap<Name, Node>, revisions: &[Revision], errors: &mut Vec<GraphError>) -> HashMap<Name, Node> {
    let mut names = ids;
    let mut labelled: HashMap<&Name, Vec<Node>> = HashMap::new();
    for (index, revision) in revisions.iter().enumerate() {
        for label in &revision.labels {
            labelled.entry(label).or_default().push(Node::from(index));
        }
    }
    let mut labelled: Vec<(&Name, Vec<Node>)> = labelled.into_iter().collect();
    labelled.sort_unstable_by_key(|(label, nodes)| (nodes[0], *label));
    for (label, nodes) in labelled {
        if let Some(named) = names.get(label) {
            let error = |labelled| GraphError::LabelIsId { label: label.clone(), labelled, named: *named };
            errors.extend(nodes.into_iter().map(error));
            continue;
        }
        names.insert(label.clone(), nodes[0]);
        if nodes.len() > 1 {
            errors.push(GraphError::DuplicateLabel { label: label.clone(), revisions: nodes });
        }
    }
    names
}

fn edges(
    revisions: &[Revision],
    ids: &HashMap<Name, Node>,
    names: &HashMap<Name, Node>,
    errors: &mut Vec<GraphError>,
) -> DiGraph<(), Edge> {
    let count = revisions.iter().map(|revision| revision.parents.len() + revision.depends_on.len()).sum();
    let mut graph = DiGraph::with_capacity(revisions.len(), count);
    for _ in revisions {
        graph.add_node(());
    }
    // petgraph hands edges out last added first. Adding them backwards makes a revision's parents come out as
    // written, and its children in load order.
    let mut faults = Vec::new();
    for (index, revision) in revisions.iter().enumerate().rev() {
        let node = Node::from(index);
        for (below, edge) in needs(node, revision, ids, names, &mut faults).into_iter().rev() {
            graph.add_edge(node.petgraph(), below.petgraph(), edge);
        }
    }
    faults.sort_by_key(|fault: &GraphError| fault.revisions()[0]);
    errors.append(&mut faults);
    graph
}

fn needs(
    node: Node,
    revision: &Revision,
    ids: &HashMap<Name, Node>,
    names: &HashMap<Name, Node>,
    faults: &mut Vec<GraphError>,
) -> Vec<(Node, Edge)> {
    let mut found: Vec<(Node, Edge)> = Vec::with_capacity(revision.parents.len() + revision.depends_on.len());
    // A merge of thousands is possible, so finding what was met before is hashed from some size on.
    let mut places: HashMap<Node, usize> = HashMap::new();
    let written = revision.parents.iter().map(|name| (name, Edge::Parent));
    for (name, edge) in written.chain(revision.depends_on.iter().map(|name| (name, Edge::Dependency))) {
        let known = if edge == Edge::Parent { ids } else { names };
        let Some(&below) = known.get(name) else {
            faults.push(match edge {
                Edge::Parent => GraphError::UnknownParent { revision: node, parent: name.clone() },
                _ => GraphError::UnknownDependency { revision: node, dependency: name.clone() },
            });
            continue;
        };
        if below == node {
            faults.push(GraphError::SelfLoop { revision: node, edge });
            continue;
        }
        let place = match found.len() {
            0..8 => found.iter().position(|(met, _)| *met == below),
            8 => {
                places = found.iter().enumerate().map(|(place, (met, _))| (*met, place)).collect();
                places.get(&below).copied()
            }
            _ => places.get(&below).copied(),
        };
        match place {
            Some(place) if found[place].1 != edge => found[place].1 = Edge::Both,
            Some(_) => {}
            None => {
                if found.len() >= 8 {
                    places.insert(below, found.len());
                }
                found.push((below, edge));
            }
        }
    }
    found
}

fn cycle(graph: &Graph, mut revisions: Vec<Node>) -> GraphError {
    revisions.sort_unstable();
    let inside = |node: Node| revisions.binary_search(&node).is_ok();
    let edges_inside =
        || revisions.iter().flat_map(|node| graph.needs_with_edges(*node)).filter(|(below, _)| inside(*below));
    let edges = if edges_inside().any(|(_, edge)| edge == Edge::Dependency) { Edge::Both } else { Edge::Parent };
    // Every member needs a member, so walking on must come back to where it has been.
    let mut walk: Vec<Node> = Vec::new();
    let mut places: HashMap<Node, usize> = HashMap::new();
    let mut next = Some(revisions[0]);
    while let Some(node) = next {
        if let Some(place) = places.insert(node, walk.len()) {
            walk.drain(..place);
            break;
        }
        walk.push(node);
        next = graph.needs(node).find(|below| inside(*below));
    }
    GraphError::Cycle { revisions, walk, edges }
}

#[cfg(test)]
mod tests {
    use super::super::drawn;
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let revisions = drawn::revisions(text);
        let ids: Vec<String> = revisions.iter().map(|revision| revision.id.to_string()).collect();
        let list = |nodes: &[Node]| nodes.iter().map(|node| ids[node.index()].as_str()).collect::<Vec<_>>().join(" ");
        let word = |error: &GraphError| match error {
            GraphError::UnknownParent { parent, .. } => format!("unknown parent {parent}"),
            GraphError::UnknownDependency { dependency, .. } => format!("unknown dependency {dependency}"),
            GraphError::DuplicateId { .. } => "duplicate id".into(),
            GraphError::IdsDifferInCase { .. } => "case".into(),
            GraphError::DuplicateLabel { label, .. } => format!("duplicate label {label}"),
            GraphError::LabelIsId { label, .. } => format!("label is id {label}"),
            GraphError::SelfLoop { edge, .. } => format!("self-loop {edge:?}"),
            GraphError::Cycle { walk, edges, .. } => format!("cycle {edges:?} walk {}", list(walk)),
        };
        let errors = Graph::new(revisions).err().unwrap_or_default();
        errors.iter().map(|error| format!("{}: {}", word(error), list(&error.revisions()))).collect()
    }

    #[test]
    fn every_fault_is_found() {
        for (text, expected) in [
            ("a\nb <- a", ""),
            ("b <- a", "unknown parent a: b"),
            ("a label x\nb <- x", "unknown parent x: b"),
            ("a label x\nb dep x", ""),
            ("b dep zz", "unknown dependency zz: b"),
            ("a\nb\na\na", "duplicate id: a a a"),
            ("Ab\naB\nab\nb", "case: Ab aB ab"),
            ("a label x\nb label x", "duplicate label x: a b"),
            ("a label x x", "duplicate label x: a"),
            ("a\nb label a", "label is id a: a b"),
            ("a label a", "label is id a: a"),
            ("a <- a", "self-loop Parent: a"),
            ("a dep a", "self-loop Dependency: a"),
            ("a label x dep x", "self-loop Dependency: a"),
            ("a <- b\nb <- a", "cycle Parent walk a b: a b"),
            ("a\nb <- a dep c\nc <- b", "cycle Both walk b c: b c"),
            // With an entry and an exit, which Alembic misses.
            ("a\nb <- a c\nc <- b\nd <- c", "cycle Parent walk b c: b c"),
            ("root\nd <- root dep c\na dep d\nc dep a\ne <- d dep a", "cycle Both walk d c a: d a c"),
            // Members that the walk does not pass are members all the same.
            ("a <- b c\nb <- a\nc <- a", "cycle Parent walk a b: a b c"),
        ] {
            assert_eq!(faults(text).join("; "), expected, "{text}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let found = faults("a <- missing\nb label l\nc label l <- c\nd <- e\ne <- d\nf\nf dep nowhere");
        assert_eq!(
            found,
            [
                "duplicate id: f f",
                "duplicate label l: b c",
                "unknown parent missing: a",
                "self-loop Parent: c",
                "unknown dependency nowhere: f",
                "cycle Parent walk d e: d e",
            ]
        );
    }

    #[test]
    fn a_merge_of_many_counts_each_once() {
        let lines = (0..20).map(|at| format!("r{at}\n")).collect::<String>();
        let parents = (0..20).map(|at| format!("r{at} ")).collect::<String>();
        let graph = drawn::graph(&format!("{lines}merge <- {parents} r3 r19 dep r4 r19"));
        let merge = drawn::one(&graph, "merge");
        assert_eq!(graph.needs(merge).count(), 20);
        assert_eq!(drawn::ids(&graph, graph.dependencies(merge)), "r4 r19");
    }

    #[test]
    fn what_is_needed_comes_first_bottom_up() {
        let graph = drawn::graph("d <- b c\nb <- a\na\nc <- a dep z\nz");
        let mut seen = super::super::RevisionSet::empty(graph.len());
        for node in graph.bottom_up() {
            assert!(graph.needs(*node).all(|below| seen.contains(below)));
            seen.insert(*node);
        }
        assert_eq!(seen.len(), 5);
    }
}
