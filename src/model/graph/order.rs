//! Alembic's order of a set of revisions: newest first; an upgrade runs it backwards.
//!
//! Alembic keeps a list of *lines*, each at a revision. From the current line it emits the revision unless another
//! line still has to come down to it; then it goes on with the first line that does. A line moves on to the first
//! revision below that is still to do and on no line; the others below get lines of their own at the end of the
//! list. A line with nothing below ends, and the one before it goes on. Load order breaks ties.
//!
//! Alembic finds the lines above a revision by comparing sets of ancestors, copied at every step. Here a count of
//! what is not yet emitted above each revision says whether it may be emitted, and only a revision that may not
//! looks upwards, once, for what it waits for. `tests/graph_properties.rs` holds this equal to the plain rule.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Along, Graph, Node, RevisionSet};

impl Graph {
    /// `set` in Alembic's order, newest first: each revision before everything it needs. `heads` are the revisions
    /// to start from; those not in `set` do not count, and what they do not lead to is added to them.
    #[must_use]
    pub fn order(&self, set: &RevisionSet, heads: &[Node]) -> Vec<Node> {
        Lines::new(self, set.clone(), heads).run()
    }

    /// What an order looks at below `node`: parents, and dependencies that no ancestor has as well.
    fn below(&self, node: Node) -> impl Iterator<Item = Node> + '_ {
        let normalized =
            if self.dependencies(node).next().is_some() { self.normalized_dependencies(node) } else { &[] };
        let more = normalized.iter().copied().filter(move |below| !self.parents(node).any(|parent| parent == *below));
        self.parents(node).chain(more)
    }
}

/// A line's place in the list: lines are only added at the end, so that it never changes.
type Line = usize;

struct Lines<'graph> {
    graph: &'graph Graph,
    to_do: RevisionSet,
    /// For each revision, how many of those right above it may still lead down to it from something to do.
    waits_for: Vec<u32>,
    lines: Vec<Node>,
    live: BTreeSet<Line>,
    line_of: HashMap<Node, Line>,
    blocked: HashMap<Node, Blocked>,
    output: Vec<Node>,
}

/// A revision that waits: what stands above it, and the first line that is not yet known to be clear of it.
/// Lines only come down, so a line that once was clear of a revision stays clear of it.
struct Blocked {
    above: HashSet<Node>,
    first: Line,
}

impl<'graph> Lines<'graph> {
    fn new(graph: &'graph Graph, set: RevisionSet, heads: &[Node]) -> Self {
        let mut lines: Vec<Node> = heads.iter().copied().filter(|head| set.contains(*head)).collect();
        lines.extend(tops(graph, &set));
        lines.sort_unstable();
        lines.dedup();
        let mut orderer = Self {
            graph,
            waits_for: vec![0; graph.len()],
            live: (0..lines.len()).collect(),
            line_of: lines.iter().enumerate().map(|(line, node)| (*node, line)).collect(),
            lines,
            blocked: HashMap::new(),
            output: Vec::with_capacity(set.len()),
            to_do: set,
        };
        orderer.count();
        orderer
    }

    /// Counts what waits for what, in the set and in what lies below it. Revisions outside the set count as
    /// emitted as soon as nothing above them is to do, and so pass on what is above them.
    fn count(&mut self) {
        let region = self.graph.ancestors(self.to_do.iter(), Along::Everything);
        for node in region.iter() {
            for below in self.graph.needs(node) {
                self.waits_for[below.index()] += 1;
            }
        }
        for node in region.iter() {
            if self.waits_for[node.index()] == 0 && !self.to_do.contains(node) {
                self.release(node);
            }
        }
    }

    /// Nothing that is above `node`, nor `node` itself, is to do any more.
    fn release(&mut self, node: Node) {
        let mut released = vec![node];
        while let Some(node) = released.pop() {
            for below in self.graph.needs(node) {
                let count = &mut self.waits_for[below.index()];
                *count -= 1;
                if *count == 0 && !self.to_do.contains(below) {
                    released.push(below);
                }
            }
        }
    }

    fn run(mut self) -> Vec<Node> {
        let mut line = 0;
        while !self.live.is_empty() {
            let node = self.lines[line];
            line = if self.waits_for[node.index()] > 0 { self.first_above(node) } else { self.emit(line) };
        }
        self.output
    }

    /// Emits the revision that `line` is at, and says which line goes on.
    fn emit(&mut self, line: Line) -> Line {
        let node = self.lines[line];
        self.output.push(node);
        self.to_do.remove(node);
        self.blocked.remove(&node);
        self.line_of.remove(&node);
        self.release(node);
        let (to_do, line_of) = (&self.to_do, &self.line_of);
        let next = self.graph.below(node).filter(|below| to_do.contains(*below) && !line_of.contains_key(below));
        let next: Vec<Node> = next.collect();
        let Some((first, others)) = next.split_first() else {
            self.live.remove(&line);
            return self.live.range(..line).next_back().or_else(|| self.live.first()).copied().unwrap_or(line);
        };
        self.lines[line] = *first;
        self.line_of.insert(*first, line);
        for other in others {
            self.line_of.insert(*other, self.lines.len());
            self.live.insert(self.lines.len());
            self.lines.push(*other);
        }
        line
    }

    /// The first line that still has to come down to `node`.
    fn first_above(&mut self, node: Node) -> Line {
        let blocked = match self.blocked.remove(&node) {
            Some(blocked) => blocked,
            None => Blocked { above: self.above(node), first: 0 },
        };
        let found = self.live.range(blocked.first..).find(|line| blocked.above.contains(&self.lines[**line]));
        let first = *found.expect("a revision waits only for what some line leads to");
        self.blocked.insert(node, Blocked { first, ..blocked });
        first
    }

    /// What stands above `node` and may still be to do.
    fn above(&self, node: Node) -> HashSet<Node> {
        let mut above = HashSet::new();
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            let unfinished = |above: &Node| self.to_do.contains(*above) || self.waits_for[above.index()] > 0;
            waiting.extend(self.graph.needed_by(node).filter(unfinished).filter(|found| above.insert(*found)));
        }
        above
    }
}

/// The elements of `set` that nothing else in it leads down to.
fn tops(graph: &Graph, set: &RevisionSet) -> Vec<Node> {
    let mut led_to = RevisionSet::empty(graph.len());
    for node in set.iter() {
        led_to.extend(graph.below(node));
    }
    set.iter().filter(|node| !led_to.contains(*node)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::drawn::{self, ids, many};
    use super::*;

    #[track_caller]
    fn check(text: &str, heads: &str, expected: &str) {
        let graph = drawn::graph(text);
        let heads = many(&graph, heads);
        assert_eq!(ids(&graph, graph.order(&graph.closure(heads.iter().copied()), &heads)), expected);
    }

    #[test]
    fn a_line_is_followed_to_its_branch_point() {
        check("a\nb1 <- a\nc1 <- a\nb2 <- b1\nc2 <- c1", "b2 c2", "b2 b1 c2 c1 a");
        check("a\nb1 <- a\nc1 <- a\nc2 <- c1\nb2 <- b1", "b2 c2", "c2 c1 b2 b1 a");
    }

    #[test]
    fn the_first_parent_of_a_merge_comes_first() {
        check("a\nb <- a\nc <- a\nd <- b c", "d", "d b c a");
        check("a\nb <- a\nc <- a\nd <- c b", "d", "d c b a");
    }

    #[test]
    fn a_dependency_waits_for_all_that_depend_on_it() {
        check("a\nb <- a\nz dep b\ny <- z", "b y", "y z b a");
    }

    #[test]
    fn what_no_head_leads_to_is_ordered_too() {
        // Alembic fails on `history -r current:` here, with the database at `a`.
        let graph = drawn::graph("a\nb dep a");
        let set = RevisionSet::of(2, many(&graph, "a"));
        assert_eq!(ids(&graph, graph.order(&set, &many(&graph, "b"))), "a");
    }

    #[test]
    fn a_set_with_holes_keeps_what_lies_across_them() {
        let graph = drawn::graph("a\nb <- a\nc <- b\nd <- c");
        let set = RevisionSet::of(4, many(&graph, "a d"));
        assert_eq!(ids(&graph, graph.order(&set, &many(&graph, "a"))), "d a");
    }

    #[test]
    fn two_long_branches_tied_together_step_by_step_are_quick() {
        use std::fmt::Write as _;
        let mut text = "p0\nq0 dep p0\n".to_owned();
        for at in 1..10_000 {
            writeln!(text, "p{at} <- p{}\nq{at} <- q{} dep p{at}", at - 1, at - 1).unwrap();
        }
        let graph = drawn::graph(&text);
        assert_eq!(graph.history().len(), 20_000);
    }
}
