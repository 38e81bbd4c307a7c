//! From a plan to a program: the files of its steps are read once and checked, everything that must be refused is
//! refused, and what the executors need is put together.

mod repair;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

pub(super) use self::repair::repair;
use super::Context;
use super::resume::Resumption;
use super::workspace::{Workspace, tables};
use crate::database::execute::Bodies;
use crate::database::session::Standing;
use crate::error::{Error, Result};
use crate::explain;
use crate::model::bookkeeping::{Action, Author, Clears, Expected, Record};
use crate::model::graph::Node;
use crate::model::plan::{self, Direction, Plan};
use crate::model::program::{Again, LowerError, Program, ProgramStep, SectionUse};
use crate::model::sql::body::{Body, Form};
use crate::model::sql::check::{BodySummary, Savepoints, SectionSummary, check};
use crate::model::sql::leftover::{Leftover, leftover};
use crate::model::sql::marker::{SectionKind, Transaction};
use crate::model::sql::problem::BodyError;
use crate::model::sql::written::Written;
use crate::model::timeout::Timeout;
use crate::project::{LoadedFile, in_two_threads};
use crate::template;

/// With fewer files than this, a second thread costs more than it saves.
const FILES_FOR_TWO_THREADS: usize = 100;

/// A program that can be run, and where its statements come from.
pub(super) struct Prepared<'a> {
    pub(super) program: Program,
    pub(super) bodies: Files<'a>,
    /// What the user should know before it runs.
    pub(super) warnings: Vec<String>,
    /// What becomes of revisions that stopped partway.
    pub(super) remarks: Vec<String>,
}

impl<'a> Prepared<'a> {
    fn new(program: Program, bodies: Files<'a>) -> Self {
        Self { program, bodies, warnings: Vec::new(), remarks: Vec::new() }
    }

    /// Its steps, each with where its statements are.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Source, &ProgramStep)> {
        self.bodies.steps.iter().copied().zip(&self.program.steps)
    }

    /// How many of its steps are repeatable files; they are the last ones.
    pub(super) fn repeatables(&self) -> usize {
        self.program.steps.iter().filter(|step| step.record.action == Action::Repeat).count()
    }

    /// A step for the user: `002 v2.1 features`.
    pub(super) fn name(&self, step: usize) -> String {
        self.bodies.name(step)
    }
}

/// Where the statements of a step are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In the sections of this kind of a revision's file.
    Revision(Node, SectionKind),
    /// In a repeatable file.
    Repeatable(usize),
}

/// The files of a program's steps.
pub(super) struct Files<'a> {
    workspace: &'a Workspace,
    /// Each step's; none for a stamp.
    steps: Vec<Source>,
    variables: BTreeMap<String, String>,
}

impl<'a> Files<'a> {
    /// The files of `steps`, with the values that templates among them need.
    fn new(workspace: &'a Workspace, context: &Context, steps: Vec<Source>) -> Result<Self> {
        let mut files = Files { workspace, steps, variables: BTreeMap::new() };
        if files.steps.iter().any(|source| files.file(*source).settings.template) {
            let variables = workspace.config.variables(context.environment)?;
            files.variables =
                variables.into_iter().map(|(name, value)| (name, value.value.reveal().to_owned())).collect();
        }
        Ok(files)
    }

    fn name(&self, step: usize) -> String {
        let (id, message) = match self.steps.get(step) {
            None => return "stamp".to_owned(),
            Some(Source::Revision(node, _)) => {
                let revision = self.workspace.graph.revision(*node);
                (&revision.id, &revision.message)
            }
            Some(Source::Repeatable(index)) => {
                let repeatable = self.workspace.repeatables.get(*index);
                (&repeatable.id, &repeatable.message)
            }
        };
        format!("{id} {message}").trim_end().to_owned()
    }

    pub(super) fn file(&self, source: Source) -> &'a LoadedFile {
        match source {
            Source::Revision(node, _) => &self.workspace.files[node.index()],
            Source::Repeatable(index) => &self.workspace.repeatable_files[index],
        }
    }

    /// The file's text, opened for reading; a template is rendered first.
    fn read(&self, source: Source) -> Result<(Written, Box<dyn Read + '_>)> {
        let file = self.file(source);
        let opened = file.open()?;
        let path = file.path.to_string_lossy();
        if !file.settings.template {
            return Ok((Written::from(&*path), opened));
        }
        let text = std::io::read_to_string(opened)
            .map_err(|cause| Error::failed(format!("cannot read {path}")).cause(cause))?;
        let rendered = template::render_body(&path, &text, 1, &self.variables)?;
        let written = Written::template(&path, &text, &rendered);
        Ok((written, Box::new(Cursor::new(rendered.into_bytes()))))
    }

    fn form(&self, source: Source) -> Form {
        match source {
            Source::Repeatable(_) => Form::Script,
            Source::Revision(..) if self.file(source).settings.transaction => Form::Revision(Transaction::Inside),
            Source::Revision(..) => Form::Revision(Transaction::Outside),
        }
    }

    fn check(&self, source: Source) -> Result<BodySummary> {
        let (written, text) = self.read(source)?;
        check(written, text, self.form(source))
            .map_err(|errors| explain::several(errors.iter().map(explain::body).collect()))
    }
}

impl Bodies for Files<'_> {
    fn open(&self, step: usize) -> Result<Body<Box<dyn Read + '_>>> {
        let source = self.steps[step];
        let (written, text) = self.read(source)?;
        let kind = match source {
            Source::Revision(_, kind) => kind,
            Source::Repeatable(_) => SectionKind::Upgrade,
        };
        Ok(Body::new(written, text, self.form(source), kind))
    }

    fn explain(&self, error: &BodyError) -> Error {
        explain::body(error).note("the file changed while it was being run")
    }
}

/// Lowers plans that follow one another, and the repeatable files that run behind them, to one program. Every file is checked
/// before anything runs.
pub(super) fn plan<'a>(
    workspace: &'a Workspace,
    context: &Context,
    plans: &[Plan],
    repeatables: &[usize],
    author: Author,
    resumption: Resumption,
) -> Result<Prepared<'a>> {
    let nodes: Vec<Node> = plans.iter().flat_map(Plan::nodes).collect();
    let revisions =
        plans.iter().flat_map(|plan| plan.nodes().map(|node| Source::Revision(node, kind(plan.direction()))));
    let sources = revisions.chain(repeatables.iter().copied().map(Source::Repeatable));
    let files = Files::new(workspace, context, sources.collect())?;
    let mut steps = Vec::with_capacity(files.steps.len());
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let checked = in_two_threads(&files.steps, FILES_FOR_TWO_THREADS, |steps| {
        steps.iter().map(|source| files.check(*source)).collect()
    });
    let mut checked = checked.into_iter();
    let again: Vec<Again> = (0..plans.len()).map(|first| resumption.again(&workspace.graph, &plans[first..])).collect();
    let stages =
        plans.iter().zip(again).flat_map(|(plan, again)| plan.stages().map(move |stage| (plan, again.clone(), stage)));
    for ((plan, again, stage), summary) in stages.zip(checked.by_ref()) {
        match summary.and_then(|summary| lower(workspace, &summary, plan.direction(), &stage, &mut warnings)) {
            Ok(mut step) => {
                if resumption.may_know(&step.record.revision) {
                    step.record.clears = Clears::Own;
                }
                steps.push(ProgramStep { again, ..step });
            }
            Err(error) => errors.push(error),
        }
    }
    let rows = plans.last().map_or_else(Vec::new, |plan| workspace.ids(plan.rows_after()));
    for (index, summary) in repeatables.iter().zip(checked) {
        match summary {
            Ok(summary) => steps.push(repeatable(workspace, *index, &summary, &rows, &mut warnings)),
            Err(error) => errors.push(error),
        }
    }
    if let Some(error) = Error::all(errors) {
        return Err(error.note("nothing was run"));
    }
    let upgrades = plans.iter().any(|plan| plan.direction() == Direction::Upgrade);
    let remarks = resumption.apply(workspace, &files, &nodes, upgrades, &mut steps)?;
    let scope = workspace.config.settings.transaction.value;
    let program = Program::lower(steps, scope, tables(&workspace.config), author).map_err(|error| {
        let LowerError::OutsideTransaction(step) = error;
        Error::failed(format!("{} has a section that cannot be in a transaction", files.name(step)))
            .note(format!(
                "`transaction = run` ({}) asks for one around the whole run",
                workspace.config.settings.transaction.origin
            ))
            .hint("run up to the revision before it first, or set `transaction = revision`")
    })?;
    Ok(Prepared { warnings, remarks, ..Prepared::new(program, files) })
}

fn kind(direction: Direction) -> SectionKind {
    match direction {
        Direction::Upgrade => SectionKind::Upgrade,
        Direction::Downgrade => SectionKind::Downgrade,
    }
}

fn lower(
    workspace: &Workspace,
    summary: &BodySummary,
    direction: Direction,
    stage: &plan::Stage,
    warnings: &mut Vec<String>,
) -> Result<ProgramStep> {
    let node = stage.step.node;
    let revision = workspace.graph.revision(node);
    let path = workspace.path(node);
    if !summary.has(kind(direction)) {
        let error = Error::failed(format!("revision {} has no section `-- migrate:{}`", revision.id, kind(direction)))
            .note(format!("in {path}"));
        return Err(match direction {
            Direction::Upgrade => error.hint("write one; it may be empty"),
            Direction::Downgrade => {
                error.hint("write one, which may be empty, or go no further down than this revision")
            }
        });
    }
    let statements = |kind| summary.of_kind(kind).map(|section| section.statements).sum::<usize>();
    let changes = |kind| summary.of_kind(kind).any(|section| section.statements > 0 && !section.section.verifies);
    if direction == Direction::Downgrade && !changes(SectionKind::Downgrade) && changes(SectionKind::Upgrade) {
        warnings
            .push(format!("the downgrade section of {} is empty: what its upgrade did stays ({path})", revision.id));
    }
    let merges = workspace.graph.parents(node).nth(1).is_some();
    if direction == Direction::Upgrade && statements(SectionKind::Upgrade) == 0 && !merges {
        warnings.push(format!("the upgrade section of {} is empty: it does nothing ({path})", revision.id));
    }
    verifies_nothing(summary.of_kind(kind(direction)), revision.id.as_str(), &path, warnings);
    let sections = sections(summary, kind(direction));
    let in_parts = sections.iter().any(|section| !section.transaction);
    let settings = &workspace.files[node.index()].settings;
    Ok(ProgramStep {
        title: workspace.title(node),
        expected: Expected::Rows(workspace.ids(&stage.before)),
        record: Record {
            action: match direction {
                Direction::Upgrade => Action::Upgrade,
                Direction::Downgrade => Action::Downgrade,
            },
            revision: revision.id.to_string(),
            checksum: Some(summary.checksum.to_string()),
            delete: workspace.ids(&stage.step.delete),
            insert: workspace.ids(&stage.step.insert),
            purge: false,
            clears: if in_parts { Clears::Own } else { Clears::Nothing },
        },
        sections,
        lock_timeout: limit(settings.lock_timeout),
        statement_timeout: limit(settings.statement_timeout),
        savepoints: summary.savepoints != Savepoints::None,
        begun: None,
        again: Again::Same,
    })
}

/// The step that runs a repeatable file in a database at `rows`.
fn repeatable(
    workspace: &Workspace,
    index: usize,
    summary: &BodySummary,
    rows: &[String],
    warnings: &mut Vec<String>,
) -> ProgramStep {
    let repeatable = workspace.repeatables.get(index);
    let path = workspace.repeatable_path(index);
    if summary.sections.iter().all(|section| section.statements == 0) {
        warnings.push(format!("the repeatable {} is empty: it does nothing ({path})", repeatable.id));
    }
    verifies_nothing(summary.sections.iter(), repeatable.id.as_str(), &path, warnings);
    let settings = &workspace.repeatable_files[index].settings;
    ProgramStep {
        title: format!("{} {} ({path})", repeatable.id, repeatable.message).replace("  ", " "),
        expected: Expected::Rows(rows.to_vec()),
        record: Record {
            action: Action::Repeat,
            revision: repeatable.id.to_string(),
            checksum: Some(summary.checksum.to_string()),
            delete: Vec::new(),
            insert: Vec::new(),
            purge: false,
            clears: Clears::Nothing,
        },
        sections: sections(summary, SectionKind::Upgrade),
        lock_timeout: limit(settings.lock_timeout),
        statement_timeout: limit(settings.statement_timeout),
        savepoints: summary.savepoints != Savepoints::None,
        begun: None,
        again: Again::Same,
    }
}

/// Warns of verifications that are empty, and of those that end in a change: nothing looks at that, and it is taken back. Mostly it was
/// to be part of the section behind, whose marker is missing.
fn verifies_nothing<'s>(
    sections: impl Iterator<Item = &'s SectionSummary>,
    id: &str,
    path: &str,
    warnings: &mut Vec<String>,
) {
    for section in sections.filter(|section| section.section.verifies) {
        let line = section.section.line;
        if section.statements == 0 {
            warnings.push(format!("the verification of {id} is empty ({path}:{line})"));
        } else if section.ends_with_change {
            warnings.push(format!(
                "the verification of {id} ends with a change that nothing looks at: it is taken back, as all of a verification ({path}:{line})"
            ));
        }
    }
}

/// The sections of `kind`, as a program runs them.
fn sections(summary: &BodySummary, kind: SectionKind) -> Vec<SectionUse> {
    let section = |section: &SectionSummary| SectionUse {
        ordinal: section.section.ordinal,
        verifies: section.section.verifies,
        transaction: section.section.transaction == Transaction::Inside,
        statements: section.statements,
    };
    summary.of_kind(kind).map(section).collect()
}

/// A limit in milliseconds. What the configuration says holds for the whole session; a header's word is for its file alone.
fn limit(own: Option<Timeout>) -> Option<u64> {
    own.map(|own| u64::from(own.milliseconds()))
}

/// Lowers a stamp to a program of one step that runs nothing.
pub(super) fn stamp<'a>(
    workspace: &'a Workspace,
    stamp: &plan::Stamp,
    expected: Expected,
    purge: bool,
    clears: Clears,
    author: Author,
) -> Result<Prepared<'a>> {
    let rows = workspace.ids(&stamp.rows);
    let insert = if purge { rows.clone() } else { workspace.ids(&stamp.insert) };
    let step = ProgramStep {
        title: if rows.is_empty() { "base".to_owned() } else { rows.join(", ") },
        expected,
        record: Record {
            action: Action::Stamp,
            revision: if rows.is_empty() { "base".to_owned() } else { rows.join(",") },
            checksum: None,
            delete: if purge { Vec::new() } else { stamp.delete.clone() },
            insert,
            purge,
            clears,
        },
        sections: Vec::new(),
        lock_timeout: None,
        statement_timeout: None,
        savepoints: false,
        begun: None,
        again: Again::Same,
    };
    let program = Program::lower(
        vec![step],
        crate::model::program::TransactionScope::Revision,
        tables(&workspace.config),
        author,
    )
    .map_err(|_| Error::failed("a stamp runs nothing, and something cannot run"))?;
    let bodies = Files { workspace, steps: Vec::new(), variables: BTreeMap::new() };
    Ok(Prepared::new(program, bodies))
}

/// Refuses ids that do not fit the version table's column before anything runs: Alembic's is `varchar(32)`.
pub(super) fn check_widths(program: &Program, standing: &Standing) -> Result<()> {
    let Some(width) = standing.width else { return Ok(()) };
    let ids = program.steps.iter().flat_map(|step| &step.record.insert);
    match ids.into_iter().find(|id| id.chars().count() > width) {
        None => Ok(()),
        Some(id) => {
            let table = program.tables.version();
            Err(Error::failed(format!(
                "the id `{id}` does not fit into {table}, whose column holds {width} characters"
            ))
            .note("nothing was run")
            .hint(format!("ALTER TABLE {table} ALTER COLUMN version_num TYPE text;")))
        }
    }
}

/// Refuses statements that leave in the session what cannot be taken back before another client gets it.
pub(super) fn check_leftovers(bodies: &dyn Bodies, steps: usize) -> Result<()> {
    let mut errors = Vec::new();
    for step in 0..steps {
        let mut body = bodies.open(step)?;
        while let Some(batch) = body.next_batch().map_err(|error| bodies.explain(&error))? {
            for (index, range) in batch.statements.iter().enumerate() {
                let error = match leftover(&batch.text[range.clone()]) {
                    Some(Leftover::Prepared) => {
                        Error::failed("through a pooler in transaction mode, PREPARE would reach other clients")
                            .note("a prepared statement stays even where its transaction is rolled back")
                            .hint("write the statement out, or give the server's own address, past the pooler")
                    }
                    Some(Leftover::Setting) => Error::failed(
                        "through a pooler in transaction mode, a custom setting would reach other clients",
                    )
                    .hint("set it for the transaction: `SET LOCAL`, or `set_config(..., true)`"),
                    None => continue,
                };
                errors.push(error.at(batch.at_statement(index)));
            }
        }
    }
    Error::all(errors).map_or(Ok(()), Err)
}

/// Refuses sections without a transaction where each statement may run on another server connection.
pub(super) fn check_pooled(prepared: &Prepared) -> Result<()> {
    let bare = |step: &&ProgramStep| step.sections.iter().any(|section| !section.transaction);
    let mut error = Error::failed("a section without a transaction cannot run through a pooler in transaction mode");
    let found: Vec<&ProgramStep> = prepared.program.steps.iter().filter(bare).collect();
    if found.is_empty() {
        return check_leftovers(&prepared.bodies, prepared.bodies.steps.len())
            .map_err(|error| error.note("nothing was run"));
    }
    for step in found {
        error = error.note(format!("it is in {}", step.title));
    }
    Err(error
        .note("there, nothing keeps another run away between its statements, and settings reach other clients")
        .note("nothing was run")
        .hint("give the server's own address, past the pooler: `--url postgresql://...`"))
}
