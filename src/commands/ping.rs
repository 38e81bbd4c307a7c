//! `aludel ping`

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::changed;
use super::hooks;
use super::lower::{self, Prepared};
use super::paper::author_of_a_script;
use super::resume::{Journal, Resumption};
use super::view::seconds;
use super::workspace::{Database, Workspace, connect, load_config};
use crate::database::execute::Bodies as _;
use crate::database::facts::{Extension, Facts, Wanted};
use crate::database::pooler::Pooling;
use crate::database::session::{Session, Standing};
use crate::error::{Error, Kind, Result};
use crate::model::applied::Applied;
use crate::model::journal::Wish;
use crate::model::plan;
use crate::model::sql::extension::{ExtensionUse, extension_use};
use crate::model::sql::quote::{identifier, literal};
use crate::model::target::Target;
use crate::source::Excerpt;
use crate::ui::{counted, duration};

/// Try the connection, and whether an upgrade could run; nothing is changed
///
/// Exits with 3 where it could not: a standby, a right that is missing, an extension that cannot be had.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found out, as JSON; the fields are documented in docs/json.md and only ever added to.
#[derive(Default, Serialize)]
struct Report {
    ok: bool,
    error: Option<Value>,
    problems: Vec<Value>,
    database: Option<String>,
    address: Option<String>,
    server_version: Option<String>,
    database_name: Option<String>,
    user: Option<String>,
    role: Option<String>,
    superuser: Option<bool>,
    may_create_in_schema: Option<bool>,
    may_create_in_database: Option<bool>,
    default_schema: Option<String>,
    may_create_in_default_schema: Option<bool>,
    tls: Option<String>,
    connect_seconds: Option<f64>,
    round_trip_seconds: Option<f64>,
    pooler: Option<&'static str>,
    standby: Option<bool>,
    read_only: Option<bool>,
    version_table: Option<bool>,
    pending: Option<usize>,
    pending_repeatables: Option<usize>,
    extensions: Vec<ExtensionView>,
    running: Option<String>,
}

#[derive(Serialize)]
struct ExtensionView {
    name: String,
    revision: String,
    installed: Option<String>,
    available: Option<String>,
    creatable: Option<bool>,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let mut report = Report::default();
    let mut problems = Vec::new();
    let result = examine(context, &mut report, &mut problems);
    let problems: Vec<Error> = problems.into_iter().map(|problem| problem.kind_of(Kind::Check)).collect();
    let ui = context.ui;
    report.ok = result.is_ok() && problems.is_empty();
    if arguments.json {
        report.error = result.as_ref().err().map(|error| ui.error_view(error));
        report.problems = problems.iter().map(|problem| ui.error_view(problem)).collect();
        ui.json(&report);
    } else if result.is_ok() {
        lines(&report).iter().for_each(|line| ui.line(line));
    }
    result?;
    match Error::all(problems) {
        Some(problem) => Err(problem),
        None => {
            match lacking(&report) {
                None => ui.done("ready", "for an upgrade"),
                Some((schema, hint)) => {
                    ui.warning(format_args!("this role may not create in {schema}, where names without a schema go"));
                    ui.hint(hint);
                    ui.done("ready", format_args!("for an upgrade, as far as it creates nothing in {schema}"));
                }
            }
            Ok(())
        }
    }
}

/// The schema that this role may not create in though what is pending may well do so, and what lets it. What each statement needs is
/// not known.
fn lacking(report: &Report) -> Option<(String, String)> {
    let pending = report.pending.unwrap_or_default() + report.pending_repeatables.unwrap_or_default();
    if pending == 0 || report.superuser == Some(true) || report.may_create_in_default_schema == Some(true) {
        return None;
    }
    let role = identifier(report.role.as_deref()?);
    Some(match &report.default_schema {
        Some(schema) => {
            let schema = identifier(schema);
            (format!("schema {schema}"), format!("GRANT CREATE ON SCHEMA {schema} TO {role};"))
        }
        None => (
            "a schema of its search_path".to_owned(),
            format!("GRANT USAGE, CREATE ON SCHEMA public TO {role}; or name another schema in its search_path"),
        ),
    })
}

/// Asks everything there is to ask. What keeps an upgrade from running is a problem, what keeps this from going on an error.
fn examine(context: &Context, report: &mut Report, problems: &mut Vec<Error>) -> Result<()> {
    let config = load_config(context)?;
    let Database { mut session, server: _server } = connect(&config, context)?;
    report.address = Some(session.host());
    report.tls = session.tls();
    report.connect_seconds = Some(seconds(session.connected_in()));
    let facts = session.facts()?;
    report.read(&facts);
    let wanted = changed::wanted(&config);
    let checks = wanted.checksums;
    let workspace = Workspace::read(config, wanted);
    workspace.iter().for_each(|workspace| workspace.has_asked(&mut session));
    let standing = session.standing_to_change();
    // A standby lets nobody listen, which the answer is found by.
    let mode = if facts.pooled && !facts.standby { session.pooler_mode() } else { Ok(None) };
    report.pooler = match &mode {
        _ if !facts.pooled => None,
        Ok(Some(Pooling::Session)) => Some("session"),
        Ok(Some(Pooling::Transaction)) => Some("transaction"),
        Ok(None) | Err(_) => Some("unknown"),
    };
    let pooling = mode.unwrap_or_else(|error| {
        problems.push(error);
        None
    });
    let standing = standing.map_err(|error| problems.push(error)).ok();
    report.database = standing.as_ref().map(|standing| standing.place.clone());
    report.version_table = standing.as_ref().map(|standing| standing.version_table);
    match workspace {
        // The server was asked all the same.
        Err(error) => problems.push(error),
        Ok(workspace) => {
            let asked = Asked { context, workspace: &workspace, facts: &facts, standing: standing.as_ref(), pooling };
            if let Err(error) = asked.pending(&mut session, checks, report, problems) {
                problems.push(error);
            }
        }
    }
    report.running = session.holder().map(|holder| holder.to_string());
    report.round_trip_seconds = Some(seconds(session.round_trip()?));
    Ok(())
}

/// What is known when it comes to the revisions.
struct Asked<'a> {
    context: &'a Context<'a>,
    workspace: &'a Workspace,
    facts: &'a Facts,
    /// Where the database stands, if that may be asked.
    standing: Option<&'a Standing>,
    pooling: Option<Pooling>,
}

impl Asked<'_> {
    /// Looks at what `upgrade heads` would run: all revisions, where it is not known which are applied.
    fn pending(
        &self,
        session: &mut Session,
        checks: bool,
        report: &mut Report,
        problems: &mut Vec<Error>,
    ) -> Result<()> {
        let Self { context, workspace, standing, .. } = *self;
        let graph = &workspace.graph;
        let applied = match standing {
            Some(standing) => workspace.applied(&standing.rows)?,
            None => Applied::nothing(graph),
        };
        let heads = Target::parse("heads").map_err(|_| Error::failed("`heads` is no target"))?;
        let plan = plan::upgrade(graph, &applied, &heads).map_err(|error| workspace.explain(&error))?;
        report.pending = standing.map(|_| plan.steps().len());
        if checks && standing.is_some() {
            session.ask_for_texts();
            let refuses = changed::refuses(&workspace.config);
            let found = changed::or_warn(changed::find(workspace, &applied, session), refuses, context)?;
            if let Err(error) = changed::tell(found, &plan, workspace, context) {
                problems.push(error);
            }
        }
        let journal = standing.map(|standing| Journal { rows: &standing.progress, applied: &applied });
        let resumption = Resumption { journal, wish: Wish::Safe, typed: (&heads).into() };
        let nobody = author_of_a_script(&workspace.config);
        let plans = std::slice::from_ref(&plan);
        let due = workspace.repeatables_behind(plans, standing)?;
        report.pending_repeatables = standing.map(|_| due.len());
        let prepared = lower::plan(workspace, context, plans, &due, nobody, resumption)?;
        if let Some(standing) = standing {
            let journal = prepared.program.has_journal();
            problems.extend(session.may_not_create(self.facts, standing, journal));
            problems.extend(lower::check_widths(&prepared.program, standing).err());
        }
        if self.pooling == Some(Pooling::Transaction) {
            problems.extend(lower::check_pooled(&prepared).err());
        }
        match hooks::scripts(context, workspace, plans) {
            // It keeps nothing from running today; on the day of a deployment it would.
            Err(error) if prepared.program.steps.is_empty() => {
                context.warning(format_args!("{error}; nothing is pending, so no hook would be run"));
            }
            Ok(scripts) if self.pooling == Some(Pooling::Transaction) => {
                problems.extend(hooks::check_pooled(&scripts).err());
            }
            scripts => problems.extend(scripts.err()),
        }
        let creations = creations(&prepared)?;
        let wanted: Vec<Wanted> = creations.iter().map(|creation| creation.wanted.clone()).collect();
        for (creation, extension) in creations.iter().zip(session.extensions(&wanted)?) {
            let lacking = extension.requires.iter().filter(|name| !creation.before.contains(*name));
            let lacking: Vec<Wanted> = lacking.map(|name| Wanted { name: name.clone(), ..Wanted::default() }).collect();
            let (creatable, found) = self.judge(creation, &extension, &session.extensions(&lacking)?);
            problems.extend(found);
            report.extensions.push(ExtensionView {
                name: extension.name,
                revision: creation.revision.clone(),
                installed: extension.installed,
                available: extension.available,
                creatable,
            });
        }
        Ok(())
    }

    /// Whether an extension can be created as far as the catalogs tell, and all that keeps it from that; `lacking` are those that it
    /// requires, where they will not be there.
    fn judge(&self, creation: &Creation, extension: &Extension, lacking: &[Extension]) -> (Option<bool>, Vec<Error>) {
        let name = identifier(&extension.name);
        if let Some(version) = extension.installed.as_ref().filter(|_| !creation.dropped) {
            if creation.if_missing {
                return (Some(true), Vec::new());
            }
            let title = format!("the extension {name} is installed already (version {version})");
            let hint = format!("write: CREATE EXTENSION IF NOT EXISTS {name};");
            return (Some(false), vec![creation.problem("extension_installed", title).hint(hint)]);
        }
        let mut problems: Vec<Error> = self.obstacle(creation, extension).into_iter().collect();
        if let Some(schema) = creation.wanted.schema.as_ref().filter(|_| !extension.has_schema)
            && !creation.schemas.contains(schema)
        {
            let schema = identifier(schema);
            let title = format!("the extension {name} is to go into schema {schema}, which is not there");
            let hint = format!("create it before: CREATE SCHEMA {schema};");
            problems.push(creation.problem("extension_schema", title).hint(hint));
        }
        for required in lacking {
            if creation.cascade {
                problems.extend(self.obstacle(creation, required));
                continue;
            }
            let other = identifier(&required.name);
            let title = format!("the extension {name} requires {other}, which is not installed");
            let error = creation.problem("extension_requires", title);
            let before = format!("create that before: CREATE EXTENSION {other};");
            problems.push(match (self.may_create(required), self.may_create(extension)) {
                (Some(false), _) if required.trusted => error.hint(self.way_to(required)).hint(before),
                (Some(false), _) => error.hint(self.way_to(required)),
                (_, Some(false)) => error.hint(before),
                _ => error.hint(before).hint(format!("or with it: CREATE EXTENSION {name} CASCADE;")),
            });
        }
        let with = if creation.cascade { lacking } else { &[] };
        let is_known = [extension].into_iter().chain(with).all(|extension| self.may_create(extension).is_some());
        (if problems.is_empty() { is_known.then_some(true) } else { Some(false) }, problems)
    }

    /// What keeps an extension that is not installed from being had here by this role.
    fn obstacle(&self, creation: &Creation, extension: &Extension) -> Option<Error> {
        let name = identifier(&extension.name);
        let Some(usual) = &extension.available else {
            let title = format!("the extension {name} is not available on this server");
            return Some(
                creation
                    .problem("extension_not_available", title)
                    .hint("have the package that holds it installed on the server's machine")
                    .hint("what there is: SELECT name FROM pg_available_extensions;"),
            );
        };
        if !extension.has_version {
            let version = creation.wanted.version.as_deref().unwrap_or_default();
            let title = format!("the extension {name} is not available on this server in version {version}");
            return Some(
                creation
                    .problem("extension_not_available", title)
                    .hint(format!("leave `VERSION` out, for version {usual}"))
                    .hint(format!(
                        "what there is: SELECT version FROM pg_available_extension_versions WHERE name = {};",
                        literal(&extension.name)
                    )),
            );
        }
        (self.may_create(extension) == Some(false)).then(|| {
            let title = format!("this role may not create the extension {name}");
            let error = creation.problem("extension_not_allowed", title).code("42501");
            match extension.trusted {
                true => error.hint(self.way_to(extension)),
                false => error
                    .note("it is not trusted: a superuser must create it")
                    .hint(format!("{} and write IF NOT EXISTS into the revision", self.way_to(extension))),
            }
        })
    }

    /// Whether this role may create it; not known where a provider decides.
    fn may_create(&self, extension: &Extension) -> Option<bool> {
        let facts = self.facts;
        let may = facts.superuser || !extension.for_superusers || (extension.trusted && facts.creates_in_database);
        if !may && facts.administers.is_some() { None } else { Some(may) }
    }

    /// How one comes into the database that this role may not create.
    fn way_to(&self, extension: &Extension) -> String {
        let (role, database) = (identifier(&self.facts.role), identifier(&self.facts.database));
        match extension.trusted {
            true => format!("GRANT CREATE ON DATABASE {database} TO {role};"),
            false => format!("have a superuser run: CREATE EXTENSION {};", identifier(&extension.name)),
        }
    }
}

/// An extension that a pending revision creates.
struct Creation {
    wanted: Wanted,
    revision: String,
    if_missing: bool,
    cascade: bool,
    excerpt: Excerpt,
    /// Whether a pending statement before it drops that extension.
    dropped: bool,
    /// The extensions that pending statements before it create.
    before: Vec<String>,
    /// The schemas that they create.
    schemas: Vec<String>,
}

impl Creation {
    /// What keeps it from being created.
    fn problem(&self, word: &'static str, title: String) -> Error {
        let error = Error::failed(title).reason(word).at(self.excerpt.clone());
        error.note(format!("revision {} creates it", self.revision))
    }
}

/// The extensions that a program creates, each at its first place.
fn creations(prepared: &Prepared) -> Result<Vec<Creation>> {
    let mut creations: Vec<Creation> = Vec::new();
    let (mut all_dropped, mut schemas) = (Vec::new(), Vec::new());
    for (index, step) in prepared.program.steps.iter().enumerate() {
        let bodies = &prepared.bodies;
        let mut body = bodies.open(index)?;
        while let Some(batch) = body.next_batch().map_err(|error| bodies.explain(&error))? {
            for (statement, range) in batch.statements.iter().enumerate() {
                match extension_use(&batch.text[range.clone()]) {
                    Some(ExtensionUse::Drops(names)) => all_dropped.extend(names),
                    Some(ExtensionUse::CreatesSchema(schema)) => schemas.push(schema),
                    Some(ExtensionUse::Creates { name, if_missing, cascade, version, schema }) => {
                        let before: Vec<String> =
                            creations.iter().map(|creation| creation.wanted.name.clone()).collect();
                        if !before.contains(&name) {
                            creations.push(Creation {
                                dropped: all_dropped.contains(&name),
                                wanted: Wanted { name, version, schema },
                                revision: step.record.revision.clone(),
                                if_missing,
                                cascade,
                                excerpt: batch.at_statement(statement),
                                before,
                                schemas: schemas.clone(),
                            });
                        }
                    }
                    None => {}
                }
            }
        }
    }
    Ok(creations)
}

impl Report {
    fn read(&mut self, facts: &Facts) {
        self.server_version = Some(facts.version.clone());
        self.database_name = Some(facts.database.clone());
        self.user = Some(facts.user.clone());
        self.role = Some(facts.role.clone());
        self.superuser = Some(facts.superuser);
        self.may_create_in_schema = Some(facts.creates_in_schema);
        self.may_create_in_database = Some(facts.creates_in_database);
        self.default_schema.clone_from(&facts.default_schema);
        self.may_create_in_default_schema = Some(facts.creates_by_default);
        self.standby = Some(facts.standby);
        self.read_only = Some(facts.read_only);
    }
}

/// The report for a person.
fn lines(report: &Report) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let yes = |value: Option<bool>| value == Some(true);
    let mut lines = vec![
        format!("server    PostgreSQL {} at {}", text(&report.server_version), text(&report.address)),
        format!("database  {}", text(&report.database_name)),
    ];
    let (user, role) = (text(&report.user), text(&report.role));
    lines.push(if user == role { format!("user      {user}") } else { format!("user      {user}, working as {role}") });
    lines.push(format!("tls       {}", report.tls.as_deref().unwrap_or("none")));
    lines.push(format!(
        "latency   {} to connect, {} a round trip",
        short(report.connect_seconds),
        short(report.round_trip_seconds)
    ));
    lines.push(match report.pooler {
        None => "pooler    none".to_owned(),
        Some("unknown") => "pooler    there is one; its mode could not be found out".to_owned(),
        Some(mode) => format!("pooler    in {mode} mode"),
    });
    lines.push(match (yes(report.standby), yes(report.read_only)) {
        (true, _) => "changes   none: it is a standby".to_owned(),
        (false, true) => "changes   none: transactions are read-only".to_owned(),
        (false, false) => "changes   taken".to_owned(),
    });
    let may = |may: Option<bool>, what: &str| format!("{} {what}", if yes(may) { "may" } else { "may not" });
    lines.push(match yes(report.superuser) {
        true => "rights    superuser".to_owned(),
        false => format!(
            "rights    {}, {}; no superuser",
            may(report.may_create_in_schema, "create tables in the schema of the tool's tables"),
            may(report.may_create_in_database, "create schemas"),
        ),
    });
    if let Some(pending) = report.pending {
        let repeatables = match report.pending_repeatables {
            None | Some(0) => String::new(),
            Some(count) => format!(", {}", counted(count, "repeatable")),
        };
        lines.push(format!("pending   {}{repeatables}", counted(pending, "revision")));
    }
    lines.extend(report.extensions.iter().map(|extension| {
        let ExtensionView { name, revision, installed, available, creatable } = extension;
        let known = match (installed, available) {
            (Some(version), _) => format!("{version} is installed"),
            (None, Some(version)) => match creatable {
                Some(true) => format!("{version} can be created"),
                Some(false) => format!("{version} is available, and cannot be created so"),
                None => format!("{version} is available; whether this role may create it, the provider decides"),
            },
            (None, None) => "not available".to_owned(),
        };
        format!("extension {name} (revision {revision}): {known}")
    }));
    lines.extend(report.running.iter().map(|holder| format!("running   {holder}")));
    lines
}

/// `0.14 ms`, `3 ms`, `1.2 s`.
fn short(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds < 0.01 => format!("{:.2} ms", seconds * 1e3),
        Some(seconds) => duration(Duration::from_secs_f64(seconds)),
        None => "?".to_owned(),
    }
}
