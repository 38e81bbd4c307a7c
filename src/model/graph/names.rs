//! From what a person types to a revision: an id, a label, or the beginning of one.

use super::{Graph, Node, RevisionSet};
use crate::model::revision::Name;

/// A shorter name is never found by its beginning: Alembic's rule.
const SHORTEST_BY_PREFIX: usize = 4;

/// Names less alike than this are no help to suggest (Jaro-Winkler, from 0 to 1).
const ALIKE: f64 = 0.8;

/// What a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// This revision: an exact id or label, or the beginning of just one.
    Found(Node),
    /// Nothing.
    Unknown,
    /// The beginning of all these ids and labels, in load order.
    Ambiguous(Vec<Name>),
}

impl Graph {
    /// What `text` names: exactly an id or a label, or else the beginning of one of at least four characters.
    /// `within` narrows what a beginning may find, not what is named exactly.
    #[must_use]
    pub fn lookup(&self, text: &str, within: Option<&RevisionSet>) -> Lookup {
        if let Some(node) = self.names.get(text) {
            return Lookup::Found(*node);
        }
        let inside = |node: &Node| within.is_none_or(|set| set.contains(*node));
        let fits = |name: &Name| name.as_str().starts_with(text) && name.as_str().chars().count() >= SHORTEST_BY_PREFIX;
        let mut matches: Vec<(Node, &Name)> = Vec::new();
        for node in self.nodes().filter(inside) {
            let revision = self.revision(node);
            let names = std::iter::once(&revision.id).chain(&revision.labels);
            matches.extend(names.filter(|name| fits(name)).map(|name| (node, name)));
        }
        match matches[..] {
            [] => Lookup::Unknown,
            [(node, _)] => Lookup::Found(node),
            _ => Lookup::Ambiguous(matches.into_iter().map(|(_, name)| name.clone()).collect()),
        }
    }

    /// Up to three ids or labels most like `text`, best first: what a mistyped name may have meant.
    #[must_use]
    pub fn nearest(&self, text: &str) -> Vec<Name> {
        nearest(text, self.revisions.iter().flat_map(|revision| std::iter::once(&revision.id).chain(&revision.labels)))
    }
}

/// Up to three of `names` most like `text`, best first; none if none is much like it.
#[must_use]
pub fn nearest<'names>(text: &str, names: impl IntoIterator<Item = &'names Name>) -> Vec<Name> {
    let score = |name: &Name| strsim::jaro_winkler(text, name.as_str());
    let mut alike: Vec<(f64, &Name)> =
        names.into_iter().map(|name| (score(name), name)).filter(|(score, _)| *score >= ALIKE).collect();
    alike.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(right.1)));
    alike.into_iter().take(3).map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{self, one};
    use super::*;

    #[test]
    fn exact_beats_prefix_and_short_names_need_to_be_whole() {
        let graph = drawn::graph("abcd\nabcdef label net\nabx <- abcd label network\nr12");
        let found = |text| match graph.lookup(text, None) {
            Lookup::Found(node) => drawn::ids(&graph, [node]),
            Lookup::Unknown => "-".into(),
            Lookup::Ambiguous(names) => format!("? {}", drawn::names(&names)),
        };
        for (text, expected) in [
            ("abcd", "abcd"),
            ("abcde", "abcdef"),
            ("abc", "? abcd abcdef"),
            ("net", "abcdef"),
            ("netw", "abx"),
            ("n", "abx"),
            ("r1", "-"),
            ("r12", "r12"),
            ("r123", "-"),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn a_branch_narrows_prefixes_only() {
        let graph = drawn::graph("aaaa1\naaaa2\n");
        let within = RevisionSet::of(2, [one(&graph, "aaaa2")]);
        assert_eq!(graph.lookup("aaaa", Some(&within)), Lookup::Found(one(&graph, "aaaa2")));
        assert_eq!(graph.lookup("aaaa1", Some(&within)), Lookup::Found(one(&graph, "aaaa1")));
    }

    #[test]
    fn the_nearest_names_are_suggested() {
        let graph = drawn::graph("shopping label billing\nshipping\nzzzz");
        assert_eq!(drawn::names(&graph.nearest("shoping")), "shopping shipping");
        assert_eq!(drawn::names(&graph.nearest("biling")), "billing");
        assert_eq!(drawn::names(&graph.nearest("q")), "");
    }
}
