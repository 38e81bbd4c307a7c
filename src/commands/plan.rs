//! `aludel plan`

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Context;
use super::confirm::Consent;
use super::lower::{self, Prepared, Source};
use super::metrics::MetricsFile;
use super::narrator::steps as count_of;
use super::paper::{author_of_a_script, refuse_backwards, start_of};
use super::resume::{Journal, Resumption};
use super::run::{Request, at, make_plan, spoken, verb, warn_beside_branch};
use super::workspace::{Start, Workspace, parse_route, parse_start};
use crate::database::execute::Bodies;
use crate::error::Result;
use crate::model::graph::Node;
use crate::model::journal::Wish;
use crate::model::plan::Direction;
use crate::model::program::ProgramStep;
use crate::model::range::Route;
use crate::model::sql::classify;
use crate::model::sql::marker::SectionKind;
use crate::ui::counted;

/// Show what an `upgrade` or a `downgrade` would run, in order; changes nothing
///
/// With -v also what each revision creates, changes and drops.
///
///   aludel plan upgrade head               what `aludel upgrade head` would run
///   aludel plan downgrade -1               what `aludel downgrade -1` would run
///   aludel plan upgrade head --from 002    the same for a database at 002, without asking one
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    way: Way,
}

#[derive(Debug, Subcommand)]
enum Way {
    /// What an upgrade would run
    Upgrade(Planned),
    /// What a downgrade would run
    Downgrade(Planned),
}

#[derive(Debug, Args)]
struct Planned {
    /// Where to
    #[arg(value_parser = parse_route, allow_hyphen_values = true)]
    target: Route,

    /// From these revisions, without connecting to a database; `base` for an empty one
    #[arg(long, value_name = "ID,ID", value_parser = parse_start)]
    from: Option<Start>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let (direction, planned) = match arguments.way {
        Way::Upgrade(planned) => (Direction::Upgrade, planned),
        Way::Downgrade(planned) => (Direction::Downgrade, planned),
    };
    let request = Request {
        direction,
        route: planned.target,
        sql: false,
        from: planned.from.map(|start| start.0),
        lock_wait: None,
        wish: Wish::Safe,
        consent: Consent::default(),
        metrics: MetricsFile::default(),
    };
    show(context, request, planned.json)
}

fn show(context: &Context, request: Request, json: bool) -> Result<()> {
    let workspace = Workspace::open_to_run(context)?;
    let (applied, standing) = match start_of(&workspace, &request.from, request.route.from.as_ref())? {
        Some(start) => (start, None),
        None => {
            let standing = workspace.standing(context)?;
            (workspace.applied(&standing.rows)?, Some(standing))
        }
    };
    refuse_backwards(&workspace, &request, &applied)?;
    let target = &request.route.to;
    let plan = make_plan(&workspace, &applied, target, request.direction)?;
    warn_beside_branch(context, &workspace, &plan, target);
    let journal = standing.as_ref().map(|standing| Journal { rows: &standing.progress, applied: &applied });
    let resumption = Resumption { journal, wish: request.wish, typed: target.into() };
    let plans = std::slice::from_ref(&plan);
    let due = workspace.repeatables_behind(plans, standing.as_ref())?;
    let author = author_of_a_script(&workspace.config);
    let prepared = lower::plan(&workspace, context, plans, &due, author, resumption)?;
    let ui = context.ui;
    prepared.warnings.iter().for_each(|warning| context.warning(warning));
    prepared.remarks.iter().for_each(|remark| ui.status(remark));
    let rows = (plan.rows_before(), plan.rows_after());
    if json {
        ui.json(&PlanView::new(&workspace, verb(request.direction), rows, prepared.sources()));
        return Ok(());
    }
    let (rows_before, rows_after) = (workspace.ids(rows.0), workspace.ids(rows.1));
    for (index, (source, step)) in prepared.sources().enumerate() {
        let line = line(&workspace, source);
        let bare = if step.is_in_parts() { " (not in one transaction)" } else { "" };
        ui.line(format_args!("{line}{bare}"));
        if ui.is_verbose() {
            details(&prepared, index)?.iter().for_each(|detail| ui.line(format_args!("    {detail}")));
        }
    }
    if prepared.program.steps.is_empty() {
        ui.status(format_args!("nothing to do: {}", at(&rows_before)));
    } else {
        let count = count_of(plan.steps().len(), due.len());
        ui.status(format_args!("{count}, from {} to {}", spoken(&rows_before), spoken(&rows_after)));
    }
    Ok(())
}

/// What a step does, a line each: what its statements create, change and drop, as far as their text says it, how many others there are
/// (data, functions' work), and how many verify it.
///
/// # Errors
/// Its file cannot be read.
pub(super) fn details(prepared: &Prepared, step: usize) -> Result<Vec<String>> {
    let (mut details, mut others) = (Vec::new(), 0);
    each_statement(&prepared.bodies, step, |_, statement| {
        // What the parser cannot read is left to the server to judge.
        let effects = classify::effects(statement).unwrap_or_default();
        others += usize::from(effects.is_empty());
        details.extend(effects.iter().map(ToString::to_string));
    })?;
    match (others, details.is_empty()) {
        (0, _) => {}
        (others, true) => details.push(format!("runs {}", counted(others, "statement"))),
        (others, false) => details.push(format!("runs {}", counted(others, "other statement"))),
    }
    let sections = prepared.program.steps[step].sections.iter().filter(|section| section.verifies);
    match sections.map(|section| section.statements).sum() {
        0_usize => {}
        count => details.push(format!("verifies it with {}", counted(count, "statement"))),
    }
    Ok(details)
}

/// Hands out the statements of a step, each with the number of those before it, but for those of verifications: what they do is taken
/// back.
pub(super) fn each_statement(bodies: &dyn Bodies, step: usize, mut told: impl FnMut(usize, &str)) -> Result<()> {
    let mut body = bodies.open(step)?;
    let mut before = 0;
    while let Some(batch) = body.next_batch().map_err(|error| bodies.explain(&error))? {
        for range in &batch.statements {
            if !batch.section.verifies {
                told(before, &batch.text[range.clone()]);
            }
            before += 1;
        }
    }
    Ok(())
}

/// A step in one line.
pub(super) fn line(workspace: &Workspace, source: Source) -> String {
    match source {
        Source::Revision(node, SectionKind::Upgrade) => arrow(workspace, node, Direction::Upgrade),
        Source::Revision(node, SectionKind::Downgrade) => arrow(workspace, node, Direction::Downgrade),
        Source::Repeatable(index) => repeat(workspace, index),
    }
}

/// `upgrade 001 -> 002, v2.1 features`, `downgrade 002 -> 001, v2.1 features`.
fn arrow(workspace: &Workspace, node: Node, direction: Direction) -> String {
    let graph = &workspace.graph;
    let parents: Vec<&str> = graph.parents(node).map(|parent| graph.id(parent).as_str()).collect();
    let below = if parents.is_empty() { "<base>".to_owned() } else { parents.join(", ") };
    let revision = graph.revision(node);
    let message = if revision.message.is_empty() { String::new() } else { format!(", {}", revision.message) };
    match direction {
        Direction::Upgrade => format!("upgrade {below} -> {}{message}", revision.id),
        Direction::Downgrade => format!("downgrade {} -> {below}{message}", revision.id),
    }
}

/// `repeat active_users, who was seen this month`.
fn repeat(workspace: &Workspace, index: usize) -> String {
    let repeatable = workspace.repeatables.get(index);
    let message = if repeatable.message.is_empty() { String::new() } else { format!(", {}", repeatable.message) };
    format!("repeat {}{message}", repeatable.id)
}

/// A plan as JSON; the fields are documented in docs/json.md and only ever added to.
#[derive(Serialize)]
pub(super) struct PlanView<'a> {
    direction: &'static str,
    rows_before: Vec<String>,
    rows_after: Vec<String>,
    steps: Vec<StepView<'a>>,
    repeatables: Vec<RepeatableStep<'a>>,
}

#[derive(Serialize)]
struct RepeatableStep<'a> {
    repeatable: &'a str,
    message: &'a str,
    file: String,
    checksum: Option<&'a str>,
}

impl<'a> RepeatableStep<'a> {
    fn new(workspace: &'a Workspace, index: usize, step: &'a ProgramStep) -> Self {
        let repeatable = workspace.repeatables.get(index);
        Self {
            repeatable: repeatable.id.as_str(),
            message: &repeatable.message,
            file: workspace.repeatable_path(index).into_owned(),
            checksum: step.record.checksum.as_deref(),
        }
    }
}

impl<'a> PlanView<'a> {
    /// The view of steps that lead from some rows to others; `direction` is a word for all of them.
    pub(super) fn new(
        workspace: &'a Workspace,
        direction: &'static str,
        rows: (&[Node], &[Node]),
        sources: impl Iterator<Item = (Source, &'a ProgramStep)>,
    ) -> Self {
        let (mut steps, mut repeatables) = (Vec::new(), Vec::new());
        for (source, step) in sources {
            match source {
                Source::Revision(node, _) => steps.push(StepView::new(workspace, node, step)),
                Source::Repeatable(index) => repeatables.push(RepeatableStep::new(workspace, index, step)),
            }
        }
        let (rows_before, rows_after) = (workspace.ids(rows.0), workspace.ids(rows.1));
        Self { direction, rows_before, rows_after, steps, repeatables }
    }
}

#[derive(Serialize)]
struct StepView<'a> {
    revision: &'a str,
    message: &'a str,
    file: String,
    checksum: Option<&'a str>,
    one_transaction: bool,
    delete_rows: &'a [String],
    insert_rows: &'a [String],
}

impl<'a> StepView<'a> {
    fn new(workspace: &'a Workspace, node: Node, step: &'a ProgramStep) -> Self {
        let revision = workspace.graph.revision(node);
        Self {
            revision: revision.id.as_str(),
            message: &revision.message,
            file: workspace.path(node).into_owned(),
            checksum: step.record.checksum.as_deref(),
            one_transaction: !step.is_in_parts(),
            delete_rows: &step.record.delete,
            insert_rows: &step.record.insert,
        }
    }
}
