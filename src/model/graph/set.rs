//! Sets of revisions of one graph, as bits: 10,000 revisions take 1,250 bytes.

use fixedbitset::FixedBitSet;

use super::Node;

/// A set of revisions of one graph. Sets of different graphs do not mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionSet(FixedBitSet);

impl RevisionSet {
    /// No revision of a graph of `size` revisions.
    #[must_use]
    pub fn empty(size: usize) -> Self {
        Self(FixedBitSet::with_capacity(size))
    }

    /// Every revision of a graph of `size` revisions.
    #[must_use]
    pub fn full(size: usize) -> Self {
        let mut bits = FixedBitSet::with_capacity(size);
        bits.insert_range(..);
        Self(bits)
    }

    /// These revisions of a graph of `size` revisions.
    #[must_use]
    pub fn of(size: usize, nodes: impl IntoIterator<Item = Node>) -> Self {
        let mut set = Self::empty(size);
        set.extend(nodes);
        set
    }

    /// Whether `node` is in it.
    #[must_use]
    pub fn contains(&self, node: Node) -> bool {
        self.0.contains(node.index())
    }

    /// Puts `node` in; whether it was not in before.
    pub fn insert(&mut self, node: Node) -> bool {
        !self.0.put(node.index())
    }

    /// Takes `node` out.
    pub fn remove(&mut self, node: Node) {
        self.0.set(node.index(), false);
    }

    /// How many are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.count_ones(..)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_clear()
    }

    /// What is in it, in load order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Node> + '_ {
        self.0.ones().map(Node::from)
    }

    /// What is in either.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.0.union_with(&other.0);
        self
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(mut self, other: &Self) -> Self {
        self.0.intersect_with(&other.0);
        self
    }

    /// What is in this one and not in `other`.
    #[must_use]
    pub fn difference(mut self, other: &Self) -> Self {
        self.0.difference_with(&other.0);
        self
    }

    /// Whether everything in it is in `other` too.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }
}

impl Extend<Node> for RevisionSet {
    fn extend<Nodes: IntoIterator<Item = Node>>(&mut self, nodes: Nodes) {
        for node in nodes {
            self.0.insert(node.index());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sets() {
        let nodes = |indexes: &[usize]| RevisionSet::of(70, indexes.iter().map(|index| Node::from(*index)));
        let (left, right) = (nodes(&[0, 3, 69]), nodes(&[3, 4]));
        assert_eq!(left.clone().union(&right), nodes(&[0, 3, 4, 69]));
        assert_eq!(left.clone().intersection(&right), nodes(&[3]));
        assert_eq!(left.clone().difference(&right), nodes(&[0, 69]));
        assert!(nodes(&[3]).is_subset(&left) && !right.is_subset(&left));
        assert_eq!((left.len(), RevisionSet::full(70).len()), (3, 70));
        let mut set = right;
        assert!(!set.insert(Node::from(3)) && set.insert(Node::from(5)));
        set.remove(Node::from(4));
        assert_eq!(set, nodes(&[3, 5]));
        assert!(nodes(&[]).is_empty());
    }
}
