//! `aludel history`

use clap::Args;
use renderdag::{Ancestor, GraphRowRenderer, Renderer};

use super::Context;
use super::view::View;
use super::workspace::{Workspace, parse_range};
use crate::error::Result;
use crate::model::applied::Applied;
use crate::model::graph::Node;
use crate::model::plan;
use crate::model::range::Range;

/// List revisions, newest first
///
///   aludel history -r 001:003      from 001 to 003
///   aludel history -r-3:           the head and the three below it
///   aludel history -r current:     from where the database stands
///   aludel history --graph         drawn as a graph
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Only these: FROM:TO, FROM:, :TO; with ids, -N, head, base, current
    #[arg(short, long, value_name = "FROM:TO", value_parser = parse_range, allow_hyphen_values = true)]
    rev_range: Option<Range>,

    /// Mark the revisions that the database is at
    #[arg(short, long)]
    indicate_current: bool,

    /// Draw the graph
    #[arg(long, conflicts_with_all = ["json", "dot", "mermaid"])]
    graph: bool,

    /// Print the graph for Graphviz
    #[arg(long, conflicts_with_all = ["json", "mermaid"])]
    dot: bool,

    /// Print the graph for Mermaid
    #[arg(long, conflicts_with = "json")]
    mermaid: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let graph = &workspace.graph;
    let asks = arguments.indicate_current || arguments.rev_range.as_ref().is_some_and(Range::needs_current);
    let applied = if asks { Some(workspace.applied(&workspace.standing(context)?.rows)?) } else { None };
    let nodes = match &arguments.rev_range {
        Some(range) => plan::history(graph, applied.as_ref(), range).map_err(|error| workspace.explain(&error))?,
        None => graph.history(),
    };
    let marked = applied.as_ref().filter(|_| arguments.indicate_current || arguments.json);
    let view = View::new(&workspace, marked.map(Applied::rows));
    let ui = context.ui;
    if graph.is_empty() && !arguments.json {
        workspace.say_empty(context);
    }
    if arguments.json {
        ui.json(&view.list(nodes));
    } else if arguments.dot {
        ui.raw(&dot(&workspace, &view, &nodes));
    } else if arguments.mermaid {
        ui.raw(&mermaid(&workspace, &view, &nodes));
    } else if arguments.graph {
        draw(&workspace, &nodes, &view, context);
    } else {
        for node in nodes {
            ui.line(if ui.is_verbose() { view.block(node) } else { view.history_line(node) });
        }
    }
    Ok(())
}

/// Draws the graph row by row, children above their parents, as jj and Sapling do.
fn draw(workspace: &Workspace, nodes: &[Node], view: &View, context: &Context) {
    let shown: std::collections::HashSet<Node> = nodes.iter().copied().collect();
    let mut renderer = GraphRowRenderer::new().output().with_min_row_height(1).build_box_drawing();
    for node in nodes {
        let parents = workspace.graph.parents(*node).chain(workspace.graph.dependencies(*node));
        let (inside, outside): (Vec<Node>, Vec<Node>) = parents.partition(|parent| shown.contains(parent));
        let mut ancestors: Vec<Ancestor<Node>> = inside.into_iter().map(Ancestor::Parent).collect();
        if !outside.is_empty() {
            ancestors.push(Ancestor::Anonymous);
        }
        let glyph = if workspace.graph.is_head(*node) { "◆" } else { "○" };
        // The renderer drops one line end, and the empty line that parts two blocks must stay.
        let text = if context.ui.is_verbose() { view.block(*node) + "\n" } else { view.graph_line(*node) };
        context.ui.raw(&renderer.next_row(*node, ancestors, glyph.to_owned(), text));
    }
}

fn dot(workspace: &Workspace, view: &View, nodes: &[Node]) -> String {
    let graph = &workspace.graph;
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let id = |node: Node| quoted(graph.revision(node).id.as_str());
    let mut text = String::from("digraph revisions {\n    rankdir = BT;\n    node [shape = box];\n");
    for node in nodes {
        text.push_str(&format!("    {} [label = {}];\n", id(*node), quoted(&view.graph_line(*node))));
    }
    for node in nodes {
        for parent in graph.parents(*node) {
            text.push_str(&format!("    {} -> {};\n", id(*node), id(parent)));
        }
        for dependency in graph.dependencies(*node) {
            text.push_str(&format!("    {} -> {} [style = dashed];\n", id(*node), id(dependency)));
        }
    }
    text.push_str("}\n");
    text
}

fn mermaid(workspace: &Workspace, view: &View, nodes: &[Node]) -> String {
    let graph = &workspace.graph;
    // Mermaid reads some words (`end`, say) as its own, so an id stands behind a letter and an underscore.
    let id = |node: Node| format!("r_{}", graph.revision(node).id);
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "#quot;"));
    let mut text = String::from("flowchart BT\n");
    for node in nodes {
        text.push_str(&format!("    {}[{}]\n", id(*node), quoted(&view.graph_line(*node))));
    }
    for node in nodes {
        for parent in graph.parents(*node) {
            text.push_str(&format!("    {} --> {}\n", id(*node), id(parent)));
        }
        for dependency in graph.dependencies(*node) {
            text.push_str(&format!("    {} -.-> {}\n", id(*node), id(dependency)));
        }
    }
    text
}
