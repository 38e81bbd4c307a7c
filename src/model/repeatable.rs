//! Repeatable files: views, functions, policies, whatever is written to be run again. Their order, and which of them are due.
//!
//! They are no revisions: they have no place in the graph, and the version table does not know them. What the history says of
//! them decides; who reads it is not here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::graph::{Graph, Node, RevisionSet};
use super::revision::Name;

/// What a repeatable file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// Its id.
    pub id: Name,
    /// Ids of repeatables that run before it, and of revisions that must be applied for it to run.
    pub depends_on: Vec<Name>,
    /// Its message: one line.
    pub message: String,
}

/// All repeatables of a project. They are named by their index in load order.
#[derive(Clone, Debug, Default)]
pub struct Repeatables {
    list: Vec<Repeatable>,
    needs: Vec<Needs>,
    /// The order in which they run: what one depends on stands before it, else as loaded.
    order: Vec<usize>,
}

/// What one depends on.
#[derive(Clone, Debug, Default)]
struct Needs {
    repeatables: Vec<usize>,
    /// Those it names itself; where it names none, in [`Repeatables`], those that what it depends on needs. Without any, all heads.
    revisions: Vec<Node>,
}

/// Something wrong with a project's repeatables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepeatableError {
    /// These have one id.
    DuplicateId(Vec<usize>),
    /// It has the id of this revision: in the history nobody could tell them apart.
    IdOfRevision(usize, Node),
    /// It depends on something that no file defines.
    Unknown(usize, Name),
    /// Each of these depends on the next, and the last on the first.
    Cycle(Vec<usize>),
}

/// What the history says of the last run of a repeatable on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Its id.
    pub id: String,
    /// The checksum of its file then.
    pub checksum: String,
    /// The number of that row of the history: what ran later has a greater one.
    pub row: i64,
    /// Whether it went well.
    pub done: bool,
    /// Whether a revision was undone since, and whatever it had made with it; or the rows were set, and nobody knows.
    pub undone_since: bool,
    /// Whether a revision was applied since.
    pub applied_since: bool,
}

/// Where a repeatable stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was run as it is.
    Current,
    /// It is to be run.
    Due(Why),
    /// It is to be run when these revisions are applied; without any, when what it depends on is run.
    Waiting(Vec<Node>),
}

/// Why a repeatable is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It never was.
    New,
    /// It failed when it was last run. What ran well before may be as it is now, and gone since all the same.
    Failed,
    /// Its file has changed.
    Changed,
    /// A revision was undone since, or the rows were set.
    Undone,
    /// This one, which it depends on, is run; or was, since it was run itself: the run ended in between.
    Needs(usize),
}

impl State {
    /// Whether it is to be run.
    #[must_use]
    pub fn is_due(&self) -> bool {
        matches!(self, Self::Due(_))
    }
}

impl Repeatables {
    /// Orders `list`, beside the revisions of `graph`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(list: Vec<Repeatable>, graph: &Graph) -> Result<Self, Vec<RepeatableError>> {
        let mut errors = Vec::new();
        let mut ids: HashMap<&Name, Vec<usize>> = HashMap::with_capacity(list.len());
        for (index, repeatable) in list.iter().enumerate() {
            ids.entry(&repeatable.id).or_default().push(index);
            if let Some(node) = graph.find(repeatable.id.as_str()) {
                errors.push(RepeatableError::IdOfRevision(index, node));
            }
        }
        let mut duplicates: Vec<&Vec<usize>> = ids.values().filter(|same| same.len() > 1).collect();
        duplicates.sort_unstable();
        errors.extend(duplicates.into_iter().map(|same| RepeatableError::DuplicateId(same.clone())));
        let mut needs = vec![Needs::default(); list.len()];
        for (index, repeatable) in list.iter().enumerate() {
            for name in &repeatable.depends_on {
                match (ids.get(name), graph.find(name.as_str())) {
                    (Some(found), _) => needs[index].repeatables.push(found[0]),
                    (None, Some(node)) => needs[index].revisions.push(node),
                    (None, None) => errors.push(RepeatableError::Unknown(index, name.clone())),
                }
            }
            needs[index].repeatables.sort_unstable();
            needs[index].repeatables.dedup();
        }
        let order = order(&needs);
        if order.len() < list.len() {
            errors.push(RepeatableError::Cycle(cycle(&needs, &order)));
        }
        for index in order.iter().copied().filter(|_| errors.is_empty()) {
            inherit(&mut needs, index);
        }
        if errors.is_empty() { Ok(Self { list, needs, order }) } else { Err(errors) }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The one with this index.
    #[must_use]
    pub fn get(&self, index: usize) -> &Repeatable {
        &self.list[index]
    }

    /// The one with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        self.list.iter().position(|repeatable| repeatable.id.as_str() == id)
    }

    /// The order in which they run.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The ids that no file has any more, of those that `past` says ran well: what they made is still there, as far as anybody knows.
    /// A revision that ran since may have dropped it.
    #[must_use]
    pub fn gone<'p>(&self, past: &'p [Repeated]) -> Vec<&'p str> {
        let stays = |repeated: &&Repeated| repeated.done && !repeated.undone_since && !repeated.applied_since;
        let ids = past.iter().filter(stays).map(|repeated| repeated.id.as_str());
        ids.filter(|id| self.find(id).is_none()).collect()
    }

    /// Where each stands in a database with `applied`, in load order. `past` is what the history says, in no order; on paper nobody
    /// knows it. `undoes`: the run that asks has undone something itself. `checksum` is that of each file.
    ///
    /// One that names no revision, and depends on none that does, may need the newest tables: it waits until all of `heads` are
    /// applied.
    #[must_use]
    pub fn states(
        &self,
        heads: &[Node],
        applied: &RevisionSet,
        past: Option<&[Repeated]>,
        undoes: bool,
        checksum: impl Fn(usize) -> String,
    ) -> Vec<State> {
        let past: HashMap<&str, &Repeated> =
            past.unwrap_or_default().iter().map(|repeated| (repeated.id.as_str(), repeated)).collect();
        let mut states = vec![State::Current; self.list.len()];
        for index in self.order.iter().copied() {
            let Needs { repeatables, revisions } = &self.needs[index];
            let wanted = if revisions.is_empty() { heads } else { revisions };
            let missing: Vec<Node> = wanted.iter().copied().filter(|node| !applied.contains(*node)).collect();
            let run = |index: usize| past.get(self.list[index].id.as_str());
            let own = run(index).map_or(0, |repeated| repeated.row);
            let is_newer = |needed: usize| run(needed).is_some_and(|repeated| repeated.row > own);
            let needed = repeatables.iter().find(|needed| states[**needed].is_due() || is_newer(**needed));
            let waits = repeatables.iter().any(|needed| matches!(states[*needed], State::Waiting(_)));
            let why = match run(index) {
                None => Some(Why::New),
                Some(repeated) if !repeated.done => Some(Why::Failed),
                Some(repeated) if repeated.checksum != checksum(index) => Some(Why::Changed),
                Some(repeated) if repeated.undone_since || undoes => Some(Why::Undone),
                Some(_) => needed.map(|needed| Why::Needs(*needed)),
            };
            states[index] = match why {
                Some(_) if waits || !missing.is_empty() => State::Waiting(missing),
                Some(why) => State::Due(why),
                // It will be due when that is run.
                None if waits => State::Waiting(Vec::new()),
                None => State::Current,
            };
        }
        states
    }
}

/// Gives one that names no revision those that what it depends on needs; none where one of these waits for the heads. What it depends
/// on has got its own already. So it comes back with that, where a `CASCADE` there drops it.
fn inherit(needs: &mut [Needs], index: usize) {
    let Needs { repeatables, revisions } = &needs[index];
    let needed = || repeatables.iter().map(|needed| &needs[*needed].revisions);
    if !revisions.is_empty() || needed().any(Vec::is_empty) {
        return;
    }
    let mut inherited: Vec<Node> = needed().flatten().copied().collect();
    inherited.sort_unstable();
    inherited.dedup();
    needs[index].revisions = inherited;
}

/// The indexes in an order in which what one needs stands before it, else ascending; those on a cycle, and above one, are left out.
fn order(needs: &[Needs]) -> Vec<usize> {
    let mut missing: Vec<usize> = needs.iter().map(|needs| needs.repeatables.len()).collect();
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        needs.repeatables.iter().for_each(|needed| needed_by[*needed].push(index));
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..needs.len()).filter(|index| missing[*index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for next in &needed_by[index] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                ready.push(Reverse(*next));
            }
        }
    }
    order
}

/// One cycle among those that `order` left out, from its smallest index on.
fn cycle(needs: &[Needs], order: &[usize]) -> Vec<usize> {
    let mut left = vec![true; needs.len()];
    order.iter().for_each(|index| left[*index] = false);
    let mut path = Vec::new();
    let mut at = left.iter().position(|left| *left);
    // Each of them needs another one of them, so the path comes back to itself.
    while let Some(index) = at.filter(|index| !path.contains(index)) {
        path.push(index);
        at = needs[index].repeatables.iter().copied().find(|needed| left[*needed]);
    }
    let start = at.and_then(|at| path.iter().position(|index| *index == at)).unwrap_or(0);
    path.drain(..start);
    let smallest = path.iter().enumerate().min_by_key(|(_, index)| **index).map_or(0, |(at, _)| at);
    path.rotate_left(smallest);
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::drawn;

    /// `view`, `view: other 002`.
    fn repeatables(lines: &str, graph: &Graph) -> Result<Repeatables, Vec<RepeatableError>> {
        let name = |text: &str| Name::new(text).unwrap();
        let read = |line: &str| {
            let (id, needs) = line.split_once(':').unwrap_or((line, ""));
            let depends_on = needs.split_whitespace().map(name).collect();
            Repeatable { id: name(id.trim()), depends_on, message: String::new() }
        };
        Repeatables::new(lines.lines().map(read).collect(), graph)
    }

    fn names(repeatables: &Repeatables, indexes: &[usize]) -> String {
        indexes.iter().map(|index| repeatables.get(*index).id.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_one_depends_on_runs_before_it() {
        let graph = drawn::graph("r1");
        let made = repeatables("b: z a\na: c\nz\nc\nd: r1", &graph).unwrap();
        assert_eq!(names(&made, made.order()), "z c a b d");
        assert_eq!((made.find("c"), made.find("r1")), (Some(3), None));
        assert!(repeatables("", &graph).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_with_them() {
        let graph = drawn::graph("r1\nr2");
        let wrong = |lines: &str| repeatables(lines, &graph).unwrap_err();
        let node = |id: &str| graph.find(id).unwrap();
        assert_eq!(wrong("a\nb\na"), [RepeatableError::DuplicateId(vec![0, 2])]);
        assert_eq!(wrong("a\nr2"), [RepeatableError::IdOfRevision(1, node("r2"))]);
        assert_eq!(wrong("a: b r3"), ["b", "r3"].map(|id| RepeatableError::Unknown(0, Name::new(id).unwrap())));
        assert_eq!(wrong("a: b\nb: c d\nd\nc: e\ne: b"), [RepeatableError::Cycle(vec![1, 3, 4])]);
        assert_eq!(wrong("a: a"), [RepeatableError::Cycle(vec![0])]);
    }

    #[test]
    fn one_that_names_no_revision_waits_as_what_it_depends_on() {
        let graph = drawn::graph("r1\nr2 <- r1\nr3 <- r2");
        // x: the union, y: of those one waits for the heads, z: its own word.
        let made = repeatables("w: v\nv: r1\nu\nt: r2\nx: w t\ny: x u\nz: x r1", &graph).unwrap();
        let states = |applied: &str| {
            let applied = graph.closure(graph.find(applied));
            let states = made.states(&graph.heads(), &applied, Some(&[]), false, |_| String::new());
            let waits = |state: &State| match state {
                State::Waiting(nodes) => drawn::ids(&graph, nodes.iter().copied()),
                _ => "-".to_owned(),
            };
            states.iter().map(waits).collect::<Vec<_>>().join("|")
        };
        assert_eq!(states("r1"), "-|-|r3|r2|r2|r3|");
        assert_eq!(states("r2"), "-|-|r3|-|-|r3|-");
    }

    #[test]
    fn which_are_due() {
        let graph = drawn::graph("r1\nr2 <- r1");
        let all = graph.closure(graph.heads());
        let first = graph.closure(graph.find("r1"));
        let made = repeatables("a\nb: a\nc: r1\nd: c r1", &graph).unwrap();
        // In the order in which they ran.
        let past = |ids: &[(&str, &str, bool)]| -> Vec<Repeated> {
            let read = |(row, (id, checksum, undone)): (i64, &(&str, &str, bool))| Repeated {
                id: (*id).into(),
                checksum: (*checksum).into(),
                row,
                done: *checksum != "failed",
                undone_since: *undone,
                applied_since: false,
            };
            (1..).zip(ids).map(read).collect()
        };
        let states = |applied: &RevisionSet, past: Option<&[Repeated]>, undoes| {
            let heads = graph.heads();
            let said = |state: &State| match state {
                State::Current => "-".to_owned(),
                State::Due(why) => format!("{why:?}"),
                State::Waiting(nodes) => format!("waits({})", drawn::ids(&graph, nodes.iter().copied())),
            };
            let states = made.states(&heads, applied, past, undoes, |index| format!("{index}"));
            states.iter().map(said).collect::<Vec<_>>().join(" ")
        };
        let run = past(&[("a", "0", false), ("b", "1", false), ("c", "2", false), ("d", "3", false)]);
        assert_eq!(states(&all, Some(&[]), false), "New New New New");
        assert_eq!(states(&all, None, false), "New New New New");
        assert_eq!(states(&all, Some(&run), false), "- - - -");
        assert_eq!(states(&all, Some(&run), true), "Undone Undone Undone Undone");
        // What it depends on ran last, and the run ended before its own turn.
        let stopped = past(&[("b", "1", false), ("d", "3", false), ("a", "0", false), ("c", "2", false)]);
        assert_eq!(states(&all, Some(&stopped), false), "- Needs(0) - Needs(2)");
        assert_eq!(states(&first, Some(&stopped), false), "- waits(r2) - Needs(2)");
        assert_eq!(states(&first, Some(&[]), false), "waits(r2) waits(r2) New New");
        // Nothing is to be done for those that are as they were, wherever the database stands.
        assert_eq!(states(&first, Some(&run), false), "- - - -");
        let edited = past(&[("a", "x", false), ("b", "1", false), ("c", "2", true), ("d", "3", false)]);
        assert_eq!(states(&all, Some(&edited), false), "Changed Needs(0) Undone Needs(2)");
        assert_eq!(states(&first, Some(&edited), false), "waits(r2) waits() Undone Needs(2)");
        let failed = past(&[("a", "failed", false), ("b", "1", false), ("c", "2", false), ("d", "failed", false)]);
        assert_eq!(states(&all, Some(&failed), false), "Failed Needs(0) - Failed");
        assert_eq!(
            states(&RevisionSet::empty(graph.len()), Some(&[]), false),
            "waits(r2) waits(r2) waits(r1) waits(r1)"
        );
    }
}
