//! What the commands share: the configuration, the revisions as a graph, and where the database stands.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Context;
use super::connection_string::{GivenBy, refused};
use super::credentials::{self, PASSWORD_VARIABLE, Preview, USER_VARIABLE};
use super::event::{Event, Listener as _};
use crate::config::secret_command::Answer;
use crate::config::{self, CommandLineOverrides, Config, DatabaseUrl, Sourced};
use crate::database::conninfo::{Conninfo, Settings as ConninfoSettings, Surroundings};
use crate::database::interrupt::Interrupt;
use crate::database::limits::Limits;
use crate::database::preflight::{Expectation, Identity};
use crate::database::session::{Session, SessionOptions, Standing};
use crate::error::{Error, Result};
use crate::explain;
use crate::local::{Local, Origin, Running, Variables};
use crate::model::applied::Applied;
use crate::model::bookkeeping::Tables;
use crate::model::graph::{Graph, Node};
use crate::model::plan::{self, Direction, Landing, Plan, PlanError};
use crate::model::range::{Range, Route};
use crate::model::repeatable::{Repeatables, State};
use crate::model::revision::Name;
use crate::model::target::Target;
use crate::project::{LoadedFile, Locations, Project, Wanted};
use crate::secret::{Covers, Secret};

pub(super) fn parse_target(text: &str) -> std::result::Result<Target, String> {
    Target::parse(text).map_err(|error| explain::target_syntax(&error))
}

pub(super) fn parse_route(text: &str) -> std::result::Result<Route, String> {
    Route::parse(text).map_err(|error| explain::range_syntax(&error))
}

pub(super) fn parse_range(text: &str) -> std::result::Result<Range, String> {
    Range::parse(text).map_err(|error| explain::range_syntax(&error))
}

/// Where a database is taken to stand.
#[derive(Clone, Debug)]
pub(super) struct Start(pub(super) Vec<Target>);

/// Targets separated by commas.
pub(super) fn parse_start(text: &str) -> std::result::Result<Start, String> {
    text.split(',').map(|part| parse_target(part.trim())).collect::<std::result::Result<_, _>>().map(Start)
}

pub(super) fn parse_wait(text: &str) -> std::result::Result<Duration, String> {
    config::values::duration(text).map_err(|error| match error.hint {
        Some(hint) => format!("it {}; {hint}", error.problem),
        None => format!("it {}", error.problem),
    })
}

/// A project as the commands see it.
pub(super) struct Workspace {
    pub(super) config: Config,
    pub(super) files: Vec<LoadedFile>,
    pub(super) graph: Graph,
    /// Each beside its file.
    pub(super) repeatables: Repeatables,
    pub(super) repeatable_files: Vec<LoadedFile>,
}

/// What is read of a project's files.
struct Read {
    files: Vec<LoadedFile>,
    graph: Graph,
    repeatables: Repeatables,
    repeatable_files: Vec<LoadedFile>,
}

impl Workspace {
    /// Reads the configuration and the headers of all revision files.
    pub(super) fn open(context: &Context) -> Result<Self> {
        Self::load(context, Wanted::default())
    }

    /// The same for a command that goes on to the files' bodies.
    pub(super) fn open_to_run(context: &Context) -> Result<Self> {
        Self::load(context, Wanted { bodies: true, ..Wanted::default() })
    }

    fn load(context: &Context, wanted: Wanted) -> Result<Self> {
        Self::read(load_config(context)?, wanted)
    }

    /// Reads the revision files that `config` names.
    pub(super) fn read(config: Config, wanted: Wanted) -> Result<Self> {
        let read = read_project(&locations(&config), wanted)?;
        Self::of(config, read)
    }

    /// Reads the project and connects, the one while the other waits. What is wrong with the project is told first.
    /// Where the files' checksums are wanted, the history is asked for those that it knows.
    pub(super) fn open_connected(context: &Context, wanted: impl Fn(&Config) -> Wanted) -> Result<(Self, Database)> {
        Self::connected(load_config(context)?, context, wanted)
    }

    /// The same with a configuration that was read.
    pub(super) fn connected(
        config: Config,
        context: &Context,
        wanted: impl Fn(&Config) -> Wanted,
    ) -> Result<(Self, Database)> {
        let wanted = wanted(&config);
        let connect = |config: &Config| -> Result<Database> {
            let mut database = connect(config, context)?;
            if wanted.checksums {
                database.session.ask_for_texts();
            }
            Ok(database)
        };
        let url = config.database_url(context.environment);
        let is_known = url.is_ok_and(|url| matches!(url.value, DatabaseUrl::Given(_)));
        if !is_known || config.settings.password_command.is_some() {
            // Neither is a private server started nor a program run for a project that cannot be used.
            let read = read_project(&locations(&config), wanted)?;
            let workspace = Self::of(config, read)?;
            let database = connect(&workspace.config)?;
            return Ok(workspace.with(database));
        }
        let locations = locations(&config);
        let (project, database) = std::thread::scope(|scope| {
            let project = scope.spawn(|| read_project(&locations, wanted));
            let mut database = connect(&config);
            if !project.is_finished() {
                // There is time to wait for the answer.
                database = database.and_then(|mut database| match database.session.is_answered_soon() {
                    true => database.session.take_ahead().map(|()| database),
                    false => Ok(database),
                });
            }
            (project.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), database)
        });
        let workspace = Self::of(config, project?)?;
        Ok(workspace.with(database?))
    }

    /// Beside a database that is asked for what the project needs to know.
    fn with(self, mut database: Database) -> (Self, Database) {
        self.has_asked(&mut database.session);
        (self, database)
    }

    /// Has a session ask for what this project needs to know of where the database stands.
    pub(super) fn has_asked(&self, session: &mut Session) {
        if !self.repeatables.is_empty() {
            session.ask_for_repeated();
        }
    }

    fn of(config: Config, read: Read) -> Result<Self> {
        let Read { files, graph, repeatables, repeatable_files } = read;
        let workspace = Self { config, files, graph, repeatables, repeatable_files };
        workspace.check_x()?;
        Ok(workspace)
    }

    /// Refuses an `-x` that neither a setting in force nor a revision's template reads.
    fn check_x(&self) -> Result<()> {
        let unread = self.config.unread_x();
        if unread.is_empty() {
            return Ok(());
        }
        let mut templates = Vec::new();
        for file in self.files.iter().chain(&self.repeatable_files).filter(|file| file.settings.template) {
            let text = std::io::read_to_string(file.open()?)
                .map_err(|cause| Error::failed(format!("cannot read {}", file.path.display())).cause(cause))?;
            templates.push(text);
        }
        let stands_in = |name: &str, text: &str| {
            let in_word = |character: char| character.is_alphanumeric() || character == '_';
            text.match_indices(name)
                .any(|(at, _)| !text[..at].ends_with(in_word) && !text[at + name.len()..].starts_with(in_word))
        };
        let unread = unread.into_iter().find(|name| !templates.iter().any(|text| stands_in(name, text)));
        unread.map_or(Ok(()), |name| Err(self.config.refuse_x(name)))
    }

    /// A revision's file as the user would type it.
    pub(super) fn path(&self, node: Node) -> std::borrow::Cow<'_, str> {
        self.files[node.index()].path.to_string_lossy()
    }

    /// A revision in one line: `002 v2.1 features (versions/002_v2_1_features.sql)`.
    pub(super) fn title(&self, node: Node) -> String {
        let revision = self.graph.revision(node);
        format!("{} {} ({})", revision.id, revision.message, self.path(node)).replace("  ", " ")
    }

    /// Says that there is nothing to list, and how that changes; an empty answer alone might be a wrong directory.
    pub(super) fn say_empty(&self, context: &Context) {
        context.ui.status("there are no revisions yet");
        context.ui.hint("aludel revision -m \"first tables\"");
    }

    /// Where each repeatable file stands in a database with `applied`, in load order; `standing` is what it says of them, and nothing
    /// on paper. `undoes`: the run that asks has undone something itself.
    pub(super) fn repeatable_states(
        &self,
        applied: &Applied,
        standing: Option<&Standing>,
        undoes: bool,
    ) -> Result<Vec<State>> {
        let checksums: Vec<String> =
            self.repeatable_files.iter().map(|file| Ok(file.checksum()?.to_string())).collect::<Result<_>>()?;
        let past = standing.map(|standing| standing.repeated.as_slice());
        let heads = self.graph.heads();
        Ok(self.repeatables.states(&heads, applied.set(), past, undoes, |index| checksums[index].clone()))
    }

    /// The repeatable files to be run behind `plans`, in order; none behind a downgrade.
    pub(super) fn repeatables_behind(&self, plans: &[Plan], standing: Option<&Standing>) -> Result<Vec<usize>> {
        let Some(last) = plans.last().filter(|plan| plan.direction() == Direction::Upgrade) else {
            return Ok(Vec::new());
        };
        if self.repeatables.is_empty() {
            return Ok(Vec::new());
        }
        let undoes = plans.iter().any(|plan| plan.direction() == Direction::Downgrade && !plan.steps().is_empty());
        let applied = Applied::from_nodes(&self.graph, last.rows_after().iter().copied());
        let states = self.repeatable_states(&applied, standing, undoes)?;
        Ok(self.repeatables.order().iter().copied().filter(|index| states[*index].is_due()).collect())
    }

    /// A repeatable file as the user would type it.
    pub(super) fn repeatable_path(&self, index: usize) -> std::borrow::Cow<'_, str> {
        self.repeatable_files[index].path.to_string_lossy()
    }

    /// When a revision's file says it was made.
    pub(super) fn created(&self, node: Node) -> Option<String> {
        self.files[node.index()].settings.created.map(|time| time.to_rfc3339())
    }

    /// The ids of revisions.
    pub(super) fn ids(&self, nodes: &[Node]) -> Vec<String> {
        nodes.iter().map(|node| self.graph.id(*node).to_string()).collect()
    }

    /// What the version table's rows mean in the graph.
    pub(super) fn applied(&self, rows: &[String]) -> Result<Applied> {
        Applied::from_rows(&self.graph, rows).map_err(|rows| self.explain(&PlanError::UnknownRows(rows)))
    }

    /// What the model found wrong, in words.
    pub(super) fn explain(&self, error: &PlanError) -> Error {
        let explained = explain::plan(error, &self.graph);
        match error {
            PlanError::UnknownRevision { name, .. } => {
                self.repeatables.find(name.as_str()).map_or(explained, |index| {
                    Error::failed(format!(
                        "`{name}` is a repeatable file, not a revision: {}",
                        self.repeatable_path(index)
                    ))
                    .hint("`aludel upgrade heads` runs it when it is due; `aludel status` tells whether it is")
                })
            }
            _ => explained,
        }
    }

    /// Connects and reads where the database stands.
    pub(super) fn standing(&self, context: &Context) -> Result<Standing> {
        let mut database = connect(&self.config, context)?;
        self.has_asked(&mut database.session);
        database.session.standing()
    }

    /// The revisions that a target of `show` and `edit` means; only `current` asks the database.
    pub(super) fn find(&self, context: &Context, target: &Target) -> Result<Vec<Node>> {
        let applied = if target.is_current() { Some(self.applied(&self.standing(context)?.rows)?) } else { None };
        let landings = plan::find(&self.graph, applied.as_ref(), target).map_err(|error| self.explain(&error))?;
        let node = |landing| match landing {
            Landing::Revision(node) => Some(node),
            Landing::Base | Landing::Beyond => None,
        };
        Ok(landings.into_iter().filter_map(node).collect())
    }
}

/// Where the configuration says that the revision files are.
fn locations(config: &Config) -> Locations {
    let settings = &config.settings;
    Locations {
        here: std::path::PathBuf::new(),
        directories: settings.version_locations.iter().map(|location| location.value.clone()).collect(),
        recursive: settings.recursive_version_locations.value,
    }
}

/// The files and what they make.
fn read_project(locations: &Locations, wanted: Wanted) -> Result<Read> {
    let Project { files, revisions, repeatable_files, repeatables } =
        Project::load(locations, wanted).map_err(explain::several)?;
    let ids: Vec<Name> = revisions.iter().map(|revision| revision.id.clone()).collect();
    let graph = Graph::new(revisions).map_err(|errors| explain::graph(&errors, &files, &ids))?;
    let ids: Vec<Name> = repeatables.iter().map(|repeatable| repeatable.id.clone()).collect();
    let repeatables = Repeatables::new(repeatables, &graph)
        .map_err(|errors| explain::repeatables(&errors, &ids, &repeatable_files, &graph, &files))?;
    Ok(Read { files, graph, repeatables, repeatable_files })
}

/// The messages of revisions and repeatable files by their ids, for commands that need no files: nothing of a project that cannot be read.
pub(super) fn messages(config: &Config) -> BTreeMap<String, String> {
    let Ok(Project { revisions, repeatables, .. }) = Project::load(&locations(config), Wanted::default()) else {
        return BTreeMap::new();
    };
    let revisions = revisions.into_iter().map(|revision| (revision.id.to_string(), revision.message));
    let repeatables = repeatables.into_iter().map(|repeatable| (repeatable.id.to_string(), repeatable.message));
    revisions.chain(repeatables).filter(|(_, message)| !message.is_empty()).collect()
}

pub(super) fn load_config(context: &Context) -> Result<Config> {
    Config::load(context.environment, &overrides(context))
}

/// What the command line says about settings.
pub(super) fn overrides(context: &Context) -> CommandLineOverrides {
    let global = context.global;
    CommandLineOverrides {
        config: global.config.clone(),
        name: global.name.clone(),
        x: global.x.clone(),
        url: global.url.clone(),
        lock_wait: None,
    }
}

pub(super) fn tables(config: &Config) -> Tables {
    let settings = &config.settings;
    Tables {
        schema: settings.version_table_schema.value.clone(),
        version: settings.version_table.value.clone(),
        history: settings.history_table.value.clone(),
        progress: settings.progress_table.value.clone(),
    }
}

/// A session, and the private server it runs on, if it is on one.
pub(super) struct Database {
    // Dropped first: the private server is let go when nobody talks to it any more.
    pub(super) session: Session,
    pub(super) server: Option<Running>,
}

/// Connects to the database that the command line, the configuration or the environment names.
pub(super) fn connect(config: &Config, context: &Context) -> Result<Database> {
    let url = config.database_url(context.environment)?;
    let credentials = context.credentials;
    let interrupt = || context.watches_signals.then(Interrupt::watch).transpose();
    let (text, server, interrupt) = match url.value {
        DatabaseUrl::Given(url) => (url, None, interrupt()?),
        DatabaseUrl::Asked(command) => {
            let interrupt = interrupt()?;
            (credentials.url(&command, config, context, interrupt.as_ref())?, None, interrupt)
        }
        DatabaseUrl::Local => {
            let running = local(config, context)?.ensure_running()?;
            context.ui.status(match running.origin() {
                Origin::Created => "using a private PostgreSQL, just made: its data are in .aludel/ (development only)",
                Origin::Started | Origin::Found => "using the private PostgreSQL in .aludel/ (development only)",
            });
            (Secret::new(running.connection().url()), Some(running), interrupt()?)
        }
    };
    let given_by = GivenBy { origin: &url.origin, command: config.settings.url_command.as_ref() };
    let written = ConninfoSettings::parse(text.reveal()).map_err(|error| given_by.unreadable(error))?;
    let typed = if config.settings.url_command.is_none() { written.secrets() } else { Vec::new() };
    credentials.warn(config, context, &url.origin, &typed);
    let environment = context.environment;
    let command = config.settings.password_command.as_ref().filter(|_| server.is_none());
    let unusable = |error| given_by.unusable(error, &written, environment);
    let (command, variables) = match command {
        Some(command) => {
            let Preview { command, variables, .. } =
                Preview::of(&written, Some(command), environment).map_err(unusable)?;
            (command, variables)
        }
        None => (None, Vec::new()),
    };
    let ask = |command| credentials.password(command, config, context, interrupt.as_ref());
    let answer = command.map(ask).transpose()?;
    let variable = |name: &str| match (name, answer) {
        (PASSWORD_VARIABLE, Some(answer)) => Some(answer.secret.reveal().into()),
        (USER_VARIABLE, Some(Answer { user: Some(user), .. })) => Some(user.into()),
        _ => environment.given(name).map(std::ffi::OsStr::to_owned),
    };
    // The private server is the one that was just started, whatever the environment says of another.
    let nothing = |_: &str| None;
    let surroundings = Surroundings {
        variable: if server.is_some() { &nothing } else { &variable },
        home: environment.database_home().filter(|_| server.is_none()),
        user: credentials::system_user(&written, environment),
    };
    let conninfo = Conninfo::resolve(written.clone(), &surroundings).map_err(unusable)?;
    for warning in &conninfo.warnings {
        context.warning(warning);
    }
    let said_by = command.or(given_by.command.filter(|_| written.secret("password").is_some()));
    let says_user = variables.iter().any(|name| name == USER_VARIABLE);
    let renewal = said_by.map(|said_by| credentials::renewal(said_by, written.clone(), says_user, config, context));
    let options = SessionOptions {
        tables: tables(config),
        application_name: application_name(),
        limits: limits(config),
        identity: identity(config),
        interrupt,
        covers: covers(config, context),
        role: role(config),
        renewal,
    };
    context.listeners.hear(&Event::Connecting { database: &conninfo.to_string(), name: &conninfo.database });
    let passed_over = || config.passed_over(config::keys::PASSWORD_COMMAND, environment);
    let session =
        Session::connect(&conninfo, options).map_err(|error| refused(error, said_by, passed_over().as_ref()))?;
    for warning in session.protection_warnings() {
        context.warning(&warning.text);
        warning.hint.iter().for_each(|hint| context.ui.hint(hint));
    }
    Ok(Database { session, server })
}

/// The secrets that revisions which are templates may hold, and those that programs said, as they are and as they are quoted.
pub(super) fn covers(config: &Config, context: &Context) -> Covers {
    let secrets = config.secret_variables(context.environment).into_iter().chain(context.credentials.said());
    secrets.flat_map(|secret| secret.forms()).collect()
}

/// The limits that the configuration sets on a session.
pub(super) fn limits(config: &Config) -> Limits {
    let settings = &config.settings;
    Limits {
        lock_timeout: settings.lock_timeout.value,
        statement_timeout: settings.statement_timeout.value,
        idle_timeout: settings.idle_in_transaction_session_timeout.value,
        transaction_timeout: settings.transaction_timeout.value,
        retry_for: settings.lock_retry_for.value,
    }
}

/// The role that the configuration says to work as.
pub(super) fn role(config: &Config) -> Option<String> {
    config.settings.role.as_ref().map(|role| role.value.clone())
}

/// The database that the configuration means.
fn identity(config: &Config) -> Identity {
    let expectation = |setting: &Option<Sourced<String>>| {
        let setting = setting.as_ref()?;
        Some(Expectation { value: setting.value.clone(), excerpt: setting.origin.excerpt().cloned() })
    };
    let settings = &config.settings;
    Identity { database: expectation(&settings.expect_database), system: expectation(&settings.expect_system_id) }
}

/// What others see of this run in `pg_stat_activity` and in the message that they wait for it; 63 bytes are kept.
fn application_name() -> String {
    let host = config::host_name().unwrap_or_default();
    format!("aludel {} {}", std::process::id(), host)
}

/// The private server of the project.
pub(super) fn local(config: &Config, context: &Context) -> Result<Local> {
    let variables = Variables::look_up(|name| context.environment.get_os(name).map(std::ffi::OsStr::to_owned));
    let directory = config.directory();
    let here = std::path::Path::new(".");
    Local::at(if directory.as_os_str().is_empty() { here } else { directory }, variables)
}
