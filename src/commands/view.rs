//! How a revision is shown: one line, a block, JSON. Alembic's forms, so that eyes and scripts need not relearn them.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::workspace::Workspace;
use crate::model::graph::Node;
use crate::model::journal::{Progress, State};

/// Shows revisions of one workspace, marking those the database is at where it was asked.
pub(super) struct View<'a> {
    workspace: &'a Workspace,
    current: Option<&'a [Node]>,
}

/// A revision as JSON; the fields are documented in docs/json.md and only ever added to.
#[derive(Serialize)]
pub(super) struct RevisionView<'a> {
    revision: &'a str,
    parents: Vec<&'a str>,
    depends_on: Vec<&'a str>,
    labels: Vec<&'a str>,
    message: &'a str,
    created: Option<String>,
    file: Cow<'a, str>,
    is_head: bool,
    is_branch_point: bool,
    is_merge_point: bool,
    is_current: Option<bool>,
}

/// A branch point as JSON.
#[derive(Serialize)]
pub(super) struct BranchView<'a> {
    #[serde(flatten)]
    point: RevisionView<'a>,
    branches_into: Vec<&'a str>,
}

impl<'a> View<'a> {
    pub(super) fn new(workspace: &'a Workspace, current: Option<&'a [Node]>) -> Self {
        Self { workspace, current }
    }

    fn id(&self, node: Node) -> &'a str {
        self.workspace.graph.revision(node).id.as_str()
    }

    fn ids(&self, nodes: impl IntoIterator<Item = Node>) -> Vec<&'a str> {
        nodes.into_iter().map(|node| self.id(node)).collect()
    }

    /// ` (label) (head) (branchpoint)`, or nothing.
    fn marks(&self, node: Node) -> String {
        let graph = &self.workspace.graph;
        let labels = graph.effective_labels(node);
        let mut marks = String::new();
        if !labels.is_empty() {
            let labels: Vec<&str> = labels.iter().map(|label| label.as_str()).collect();
            marks.push_str(&format!(" ({})", labels.join(", ")));
        }
        if graph.is_real_head(node) {
            marks.push_str(" (head)");
        } else if graph.is_head(node) {
            marks.push_str(" (effective head)");
        }
        if self.current.is_some_and(|current| current.contains(&node)) {
            marks.push_str(" (current)");
        }
        if graph.is_branch_point(node) {
            marks.push_str(" (branchpoint)");
        }
        if graph.is_merge_point(node) {
            marks.push_str(" (mergepoint)");
        }
        marks
    }

    /// `27c6a30d7c24 (shoppingcart) (head)`
    pub(super) fn short(&self, node: Node) -> String {
        format!("{}{}", self.id(node), self.marks(node))
    }

    /// `001, 002 (003)`: the parents and, in parentheses, the dependencies; `<base>` without parents.
    fn below(&self, node: Node) -> String {
        let parents = self.ids(self.workspace.graph.parents(node));
        let parents = if parents.is_empty() { "<base>".to_owned() } else { parents.join(", ") };
        let dependencies = self.ids(self.workspace.graph.dependencies(node));
        if dependencies.is_empty() { parents } else { format!("{parents} ({})", dependencies.join(", ")) }
    }

    /// `1975ea83b712 -> 27c6a30d7c24 (shoppingcart) (head), add shopping cart table`
    pub(super) fn history_line(&self, node: Node) -> String {
        format!("{} -> {}{}", self.below(node), self.short(node), self.comma_message(node))
    }

    /// `27c6a30d7c24 (head), add shopping cart table`
    pub(super) fn graph_line(&self, node: Node) -> String {
        format!("{}{}", self.short(node), self.comma_message(node))
    }

    fn comma_message(&self, node: Node) -> String {
        let message = &self.workspace.graph.revision(node).message;
        if message.is_empty() { String::new() } else { format!(", {message}") }
    }

    /// Everything about a revision, over several lines, ending in an empty one.
    pub(super) fn block(&self, node: Node) -> String {
        let children = self.ids(self.workspace.graph.children(node));
        let children = (children.len() > 1).then(|| format!("Branches into: {}", children.join(", ")));
        self.block_with(node, children)
    }

    /// The same for a branch point, with a line for each revision that it branches into.
    pub(super) fn branch_block(&self, point: Node, children: &[Node]) -> String {
        let children: Vec<String> = children.iter().map(|child| format!("    {}", self.graph_line(*child))).collect();
        self.block_with(point, Some(format!("Branches into:\n{}", children.join("\n"))))
    }

    fn block_with(&self, node: Node, children: Option<String>) -> String {
        let graph = &self.workspace.graph;
        let mut lines = vec![format!("Rev: {}", self.short(node))];
        let parents = self.ids(graph.parents(node));
        match parents.as_slice() {
            [] => lines.push("Parent: <base>".to_owned()),
            [parent] => lines.push(format!("Parent: {parent}")),
            _ => lines.push(format!("Merges: {}", parents.join(", "))),
        }
        let dependencies = self.ids(graph.dependencies(node));
        if !dependencies.is_empty() {
            lines.push(format!("Also depends on: {}", dependencies.join(", ")));
        }
        lines.extend(children);
        let labels = graph.effective_labels(node);
        if !labels.is_empty() {
            let labels: Vec<&str> = labels.iter().map(|label| label.as_str()).collect();
            lines.push(format!("Branch names: {}", labels.join(", ")));
        }
        lines.push(format!("Path: {}", self.workspace.path(node)));
        if let Some(created) = self.workspace.created(node) {
            lines.push(format!("Created: {created}"));
        }
        let message = &graph.revision(node).message;
        if !message.is_empty() {
            lines.extend([String::new(), format!("    {message}")]);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    pub(super) fn json(&self, node: Node) -> RevisionView<'a> {
        let graph = &self.workspace.graph;
        let revision = graph.revision(node);
        RevisionView {
            revision: revision.id.as_str(),
            parents: self.ids(graph.parents(node)),
            depends_on: self.ids(graph.dependencies(node)),
            labels: graph.effective_labels(node).iter().map(|label| label.as_str()).collect(),
            message: &revision.message,
            created: self.workspace.created(node),
            file: self.workspace.path(node),
            is_head: graph.is_head(node),
            is_branch_point: graph.is_branch_point(node),
            is_merge_point: graph.is_merge_point(node),
            is_current: self.current.map(|current| current.contains(&node)),
        }
    }

    pub(super) fn list(&self, nodes: impl IntoIterator<Item = Node>) -> Vec<RevisionView<'a>> {
        nodes.into_iter().map(|node| self.json(node)).collect()
    }

    pub(super) fn branches(&self, points: &[(Node, Vec<Node>)]) -> Vec<BranchView<'a>> {
        let branch = |(point, children): &(Node, Vec<Node>)| BranchView {
            point: self.json(*point),
            branches_into: self.ids(children.iter().copied()),
        };
        points.iter().map(branch).collect()
    }
}

/// A duration as JSON has it. To the microsecond: no clock over a network is better.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

/// A revision that stopped partway.
#[derive(Serialize)]
pub(super) struct PartialView<'a> {
    revision: &'a str,
    direction: &'static str,
    /// The last one done, or, where not `done`, the one it stopped in.
    statement: usize,
    done: bool,
    since: &'a str,
}

impl<'a> From<&'a Progress> for PartialView<'a> {
    fn from(progress: &'a Progress) -> Self {
        let Progress { revision, action, statement, state, since, .. } = progress;
        let (direction, done) = (action.verb(), *state == State::Done);
        Self { revision, direction, statement: *statement, done, since }
    }
}
