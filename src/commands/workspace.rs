//! What the commands share: the configuration, the revisions as a graph, and where the database stands.

use std::time::Duration;

use super::Context;
use crate::config::{CommandLineOverrides, Config, DatabaseUrl, Secret};
use crate::database::conninfo::Conninfo;
use crate::database::session::{Session, Standing};
use crate::error::{Error, Result};
use crate::explain;
use crate::local;
use crate::model::bookkeeping::Tables;
use crate::model::graph::{Graph, Node};
use crate::model::plan::{self, Applied, PlanError};
use crate::model::target::{Range, Target};
use crate::project::{LoadedFile, Locations, Project};

/// Where to go, as typed: a target, or a range for `--sql`.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    Target(Target),
    Range(Range),
}

impl std::fmt::Display for Goal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Target(target) => target.fmt(formatter),
            Self::Range(range) => range.fmt(formatter),
        }
    }
}

pub(super) fn parse_goal(text: &str) -> std::result::Result<Goal, String> {
    if text.contains(':') { parse_range(text).map(Goal::Range) } else { parse_target(text).map(Goal::Target) }
}

pub(super) fn parse_target(text: &str) -> std::result::Result<Target, String> {
    Target::parse(text).map_err(|error| explain::target_syntax(&error))
}

pub(super) fn parse_range(text: &str) -> std::result::Result<Range, String> {
    Range::parse(text).map_err(|error| explain::target_syntax(&error))
}

/// Ids separated by commas; `base`, or nothing, for none.
pub(super) fn parse_names(text: &str) -> std::result::Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "base");
    Ok(names.map(str::to_owned).collect())
}

pub(super) fn parse_wait(text: &str) -> std::result::Result<Duration, String> {
    crate::config::values::duration(text).map_err(|error| error.message)
}

/// A project as the commands see it.
pub(super) struct Workspace {
    pub(super) config: Config,
    pub(super) files: Vec<LoadedFile>,
    pub(super) graph: Graph,
}

impl Workspace {
    /// Reads the configuration and the headers of all revision files.
    pub(super) fn open(context: &Context) -> Result<Self> {
        let config = load_config(context)?;
        Self::of(config)
    }

    fn of(config: Config) -> Result<Self> {
        let settings = &config.settings;
        let locations = Locations {
            here: std::path::PathBuf::new(),
            directories: settings.version_locations.iter().map(|location| location.value.clone()).collect(),
            recursive: settings.recursive_version_locations.value,
        };
        let Project { files, revisions } = Project::load(&locations).map_err(explain::several)?;
        let graph = Graph::new(revisions).map_err(|errors| explain::graph(&errors, &files))?;
        Ok(Self { config, files, graph })
    }

    /// A revision's file as the user would type it.
    pub(super) fn file(&self, node: Node) -> &str {
        self.files[node.index()].path.to_str().unwrap_or_default()
    }

    /// When a revision's file says it was made.
    pub(super) fn created(&self, node: Node) -> Option<String> {
        self.files[node.index()].settings.created.map(|time| time.to_rfc3339())
    }

    pub(super) fn tables(&self) -> Tables {
        tables(&self.config)
    }

    /// What the version table's rows mean in the graph.
    pub(super) fn applied(&self, rows: &[String]) -> Result<Applied> {
        Applied::of(&self.graph, rows).map_err(|error| self.explain(error))
    }

    /// What the model found wrong, in words.
    pub(super) fn explain(&self, error: PlanError) -> Error {
        explain::plan(&error, &self.graph, &self.files)
    }

    /// Connects and reads where the database stands.
    pub(super) fn standing(&self, context: &Context) -> Result<Standing> {
        let mut database = connect(&self.config, context)?;
        database.session.standing()
    }

    /// The revisions that a target of `show` and `edit` means; only `current` asks the database.
    pub(super) fn find(&self, context: &Context, goal: &Goal) -> Result<Vec<Node>> {
        let Goal::Target(target) = goal else {
            return Err(Error::usage(format!("`{goal}` is a range; one revision is wanted")));
        };
        let rows = if target.needs_current() { self.standing(context)?.rows } else { Vec::new() };
        let applied = self.applied(&rows)?;
        plan::resolve(&self.graph, &applied, target).map_err(|error| self.explain(error))
    }
}

pub(super) fn load_config(context: &Context) -> Result<Config> {
    let global = context.global;
    let overrides = CommandLineOverrides {
        config: global.config.clone(),
        name: global.name.clone(),
        x: global.x.iter().map(|(name, value)| (name.clone(), Secret::new(value.as_str()))).collect(),
        url: global.url.as_deref().map(Secret::new),
        lock_wait: None,
    };
    Config::load(context.environment, &overrides)
}

pub(super) fn tables(config: &Config) -> Tables {
    let settings = &config.settings;
    Tables {
        schema: settings.version_table_schema.value.clone(),
        version: settings.version_table.value.clone(),
        history: settings.history_table.value.clone(),
    }
}

/// A session, and the private server it runs on, if it is on one: the server is let go when the session is.
pub(super) struct Database {
    pub(super) session: Session,
    pub(super) server: Option<local::Running>,
}

/// Connects to the database that the command line, the configuration or the environment names.
pub(super) fn connect(config: &Config, context: &Context) -> Result<Database> {
    todo!()
}
