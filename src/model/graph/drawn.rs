//! Graphs for unit tests, drawn in text: a line a revision, `id <- parents dep dependencies label labels`.

use super::{Graph, Node};
use crate::model::revision::{Name, Revision};

/// The revisions that `text` draws, in the order drawn.
pub(crate) fn revisions(text: &str) -> Vec<Revision> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(revision).collect()
}

fn revision(line: &str) -> Revision {
    let mut words = line.split_whitespace();
    let name = |word: &str| Name::new(word).unwrap();
    let mut drawn = Revision {
        id: name(words.next().unwrap()),
        parents: Vec::new(),
        depends_on: Vec::new(),
        labels: Vec::new(),
        message: String::new(),
    };
    let mut kind = "";
    for word in words {
        match (word, kind) {
            ("<-" | "dep" | "label", _) => kind = word,
            (_, "<-") => drawn.parents.push(name(word)),
            (_, "dep") => drawn.depends_on.push(name(word)),
            _ => drawn.labels.push(name(word)),
        }
    }
    drawn
}

/// The graph that `text` draws.
pub(crate) fn graph(text: &str) -> Graph {
    Graph::new(revisions(text)).unwrap()
}

/// `count` revisions in a row.
pub(crate) fn chain(count: usize) -> Vec<Revision> {
    let line = |at: usize| if at == 0 { "r0".to_owned() } else { format!("r{at} <- r{}", at - 1) };
    (0..count).map(|at| revision(&line(at))).collect()
}

/// The revision with this id.
pub(crate) fn one(graph: &Graph, id: &str) -> Node {
    graph.find(id).unwrap()
}

/// The revisions with these ids, parted by spaces.
pub(crate) fn many(graph: &Graph, ids: &str) -> Vec<Node> {
    ids.split_whitespace().map(|id| one(graph, id)).collect()
}

/// The ids of `nodes`, parted by spaces.
pub(crate) fn ids(graph: &Graph, nodes: impl IntoIterator<Item = Node>) -> String {
    nodes.into_iter().map(|node| graph.id(node).as_str()).collect::<Vec<_>>().join(" ")
}

/// The texts of `names`, parted by spaces.
pub(crate) fn names(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(" ")
}
