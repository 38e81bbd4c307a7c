//! What `revision` and `merge` share: a new revision's place in the graph, its id, its file.

use std::path::{Path, PathBuf};

use super::Context;
use super::workspace::Workspace;
use crate::error::{Error, Result};
use crate::explain;
use crate::model::graph::Node;
use crate::model::header::{self, Header};
use crate::model::plan::{self, Placement, PlanError, Splice};
use crate::model::revision::{Name, NameError};
use crate::model::sql::check::check;
use crate::model::sql::marker::Transaction;
use crate::model::target::Target;
use crate::project::{self, FileTemplate, HookRun, NewRepeatable, NewRevision, Writer};

/// A new revision, as asked for.
pub(super) struct Wanted {
    pub(super) message: String,
    pub(super) rev_id: Option<String>,
    pub(super) heads: Vec<Target>,
    pub(super) splice: bool,
    pub(super) labels: Vec<String>,
    pub(super) depends_on: Vec<Target>,
    pub(super) version_path: Option<PathBuf>,
}

/// Writes a revision that follows what it was asked to follow.
pub(super) fn write(context: &Context, wanted: Wanted) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let placement = place(&workspace, &wanted)?;
    write_at(context, &workspace, wanted, placement)
}

/// Writes a revision with several parents.
pub(super) fn merge(context: &Context, wanted: Wanted) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let wanted = Wanted { heads: every_head(&workspace, wanted.heads), ..wanted };
    let placement = place(&workspace, &wanted)?;
    if placement.parents.len() < 2 {
        let what = match placement.parents.as_slice() {
            [] => "there is no revision".to_owned(),
            [parent, ..] => format!("there is only {}", workspace.graph.id(*parent)),
        };
        return Err(Error::failed(format!("a merge joins several revisions, and {what}"))
            .hint("`aludel heads` lists the heads; nothing needs to be joined where there is one"));
    }
    write_at(context, &workspace, wanted, placement)
}

fn place(workspace: &Workspace, wanted: &Wanted) -> Result<Placement> {
    let splice = if wanted.splice { Splice::Yes } else { Splice::No };
    plan::placement(&workspace.graph, &wanted.heads, splice, &wanted.depends_on).map_err(|error| {
        let explained = workspace.explain(&error);
        match error {
            PlanError::MultipleHeads { heads, .. } => several_heads(workspace, &heads),
            _ => explained,
        }
    })
}

/// `heads` as all heads, also one that another only depends on: as long as it is a head, a new revision needs the merge.
fn every_head(workspace: &Workspace, targets: Vec<Target>) -> Vec<Target> {
    let graph = &workspace.graph;
    let all = || graph.heads().into_iter().map(|head| Target::named(graph.id(head).clone())).collect();
    targets.into_iter().flat_map(|target| if target == Target::HEADS { all() } else { vec![target] }).collect()
}

/// Two branches met, most often in git: which files they are, and the command that joins them.
fn several_heads(workspace: &Workspace, heads: &[Node]) -> Error {
    let graph = &workspace.graph;
    let error = Error::failed(format!("there are {} heads, and a new revision follows one", heads.len()));
    let error = heads.iter().fold(error, |error, head| {
        let revision = graph.revision(*head);
        let name = format!("{} {}", revision.id, revision.message);
        error.note(format!("{} ({})", name.trim_end(), workspace.path(*head)))
    });
    let ids: Vec<&str> = heads.iter().map(|head| graph.id(*head).as_str()).collect();
    error
        .hint(format!("join them first: aludel merge {} -m \"merge {}\"", ids.join(" "), ids.join(" and ")))
        .hint(format!("or follow one of them: --head {}", ids[0]))
}

fn write_at(context: &Context, workspace: &Workspace, wanted: Wanted, placement: Placement) -> Result<()> {
    let graph = &workspace.graph;
    let settings = &workspace.config.settings;
    let created = settings.timezone.value.at(context.environment.now());
    let existing = graph.nodes().map(|node| graph.id(node).as_str());
    let id = match &wanted.rev_id {
        Some(text) => {
            let id = name(text, "id")?;
            project::refuse_existing(&id, existing)?;
            id
        }
        None => project::next_id(settings.revision_id.value, existing, created, context.environment.uuid())?,
    };
    let labels = wanted.labels.iter().map(|text| name(text, "label")).collect::<Result<Vec<_>>>()?;
    for label in &labels {
        refuse_label(workspace, label)?;
    }
    refuse_repeatable(workspace, &id)?;
    let template = &settings.file_template;
    let file_template =
        FileTemplate::parse(&template.value, settings.truncate_slug_length.value).map_err(|(problem, range)| {
            let error = Error::usage(format!("`file_template`: {problem}"));
            template.origin.excerpt_within(&template.value, range).into_iter().fold(error, Error::at)
        })?;
    let writer = Writer {
        file_template,
        recursive: settings.recursive_version_locations.value,
        template: settings.templates.value.join("revision.sql.j2"),
        hooks: settings.post_write_hooks.iter().map(|hook| hook.value.clone()).collect(),
    };
    let parents: Vec<Name> = placement.parents.iter().map(|parent| graph.id(*parent).clone()).collect();
    let new = NewRevision {
        id,
        directory: directory(workspace, wanted.version_path.as_deref(), placement.parents.first().copied())?,
        parents,
        depends_on: placement.depends_on,
        labels,
        message: wanted.message,
        created,
    };
    let path = writer.write(&new)?;
    // The file is there whatever a hook does to it, and its path is the command's answer.
    context.ui.line(path.display());
    let hooks = writer.run_hooks(&new, &path)?;
    if !hooks.is_empty() {
        check_body(&path)?;
    }
    let after = match new.parents.as_slice() {
        [] => "a new base".to_owned(),
        [parents @ .., last] if !parents.is_empty() => {
            format!("after {} and {last}", parents.iter().map(Name::as_str).collect::<Vec<_>>().join(", "))
        }
        [parent, ..] => format!("after {parent}"),
    };
    context.ui.done("created", format_args!("revision {}, {after}", new.id));
    tell_hooks(context, hooks);
    if new.parents.len() > 1 {
        context.ui.hint(format_args!("a merge needs no SQL of its own; next: aludel upgrade {}", new.id));
    } else {
        context.ui.hint(format_args!("write its SQL into {}, then: aludel upgrade {}", path.display(), new.id));
    }
    Ok(())
}

fn tell_hooks(context: &Context, hooks: Vec<HookRun>) {
    for hook in hooks {
        context.ui.status(format_args!("ran {}", hook.command));
        if !hook.output.is_empty() {
            context.ui.status(hook.output.trim_end());
        }
    }
}

/// A repeatable file, as asked for.
pub(super) struct WantedRepeatable {
    pub(super) id: String,
    pub(super) message: String,
    pub(super) depends_on: Vec<Target>,
    pub(super) version_path: Option<PathBuf>,
}

/// Writes a repeatable file.
pub(super) fn write_repeatable(context: &Context, wanted: WantedRepeatable) -> Result<()> {
    let workspace = Workspace::open(context)?;
    let settings = &workspace.config.settings;
    let id = name(&wanted.id, "id")?;
    if let Some(node) = workspace.graph.find(id.as_str()) {
        return Err(
            Error::failed(format!("the id `{id}` is taken by a revision")).note(format!("in {}", workspace.path(node)))
        );
    }
    refuse_repeatable(&workspace, &id)?;
    let needs = |target: &Target| {
        let id = name(&target.to_string(), "id")?;
        let known = workspace.repeatables.find(id.as_str()).is_some() || workspace.graph.find(id.as_str()).is_some();
        if known {
            return Ok(id);
        }
        Err(Error::failed(format!("there is no repeatable file and no revision `{id}`"))
            .hint("write the whole id: `aludel history` lists the revisions"))
    };
    let depends_on = wanted.depends_on.iter().map(needs).collect::<Result<Vec<_>>>()?;
    let new = NewRepeatable {
        id,
        message: wanted.message,
        depends_on,
        created: settings.timezone.value.at(context.environment.now()),
        directory: directory(&workspace, wanted.version_path.as_deref(), None)?,
    };
    let path = new.write(&settings.templates.value.join("repeatable.sql.j2"))?;
    context.ui.line(path.display());
    let hooks: Vec<_> = settings.post_write_hooks.iter().map(|hook| hook.value.clone()).collect();
    let hooks = new.run_hooks(&hooks, &path)?;
    context.ui.done("created", format_args!("the repeatable {}", new.id));
    tell_hooks(context, hooks);
    context.ui.hint(format_args!("write its SQL into {}, then: aludel upgrade head", path.display()));
    Ok(())
}

/// Refuses an id that a repeatable file has.
fn refuse_repeatable(workspace: &Workspace, id: &Name) -> Result<()> {
    match workspace.repeatables.find(id.as_str()) {
        Some(index) => Err(Error::failed(format!("the id `{id}` is taken by a repeatable file"))
            .note(format!("in {}", workspace.repeatable_path(index)))),
        None => Ok(()),
    }
}

/// Whether a hook left a body that can be run; what a template's is shows only when it is rendered.
fn check_body(path: &std::path::Path) -> Result<()> {
    let shown = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|cause| Error::failed(format!("cannot read `{shown}` back")).cause(cause))?;
    let header = header::text(&bytes).and_then(Header::parse);
    let Ok(Header { settings, .. }) = header else { return Ok(()) };
    if settings.template {
        return Ok(());
    }
    let default = if settings.transaction { Transaction::Inside } else { Transaction::Outside };
    check(shown.as_str(), bytes.as_slice(), default).map(|_| ()).map_err(|errors| {
        explain::several(errors.iter().map(explain::body).collect())
            .note("the file is kept as `post_write_hooks` left it")
    })
}

fn name(text: &str, what: &str) -> Result<Name> {
    Name::new(text).map_err(|error| {
        Error::usage(match error {
            NameError::Empty => format!("an empty {what}"),
            NameError::Character(character, _) => {
                format!("{character:?} cannot stand in the {what} `{text}`: letters, digits and `_` can")
            }
            NameError::Reserved(word) => format!("`{word}` is a word of its own and no {what}"),
        })
    })
}

/// Refuses a label that is taken, before a file is written that would make every command fail.
fn refuse_label(workspace: &Workspace, label: &Name) -> Result<()> {
    let graph = &workspace.graph;
    let taken = graph.nodes().find(|node| {
        let revision = graph.revision(*node);
        revision.id == *label || revision.labels.contains(label)
    });
    match taken {
        Some(node) => Err(Error::failed(format!("the label `{label}` is taken by revision {}", graph.id(node)))
            .note(format!("in {}", workspace.path(node)))),
        None => Ok(()),
    }
}

/// The version location the file goes to: as asked, else its first parent's, else the only one.
fn directory(workspace: &Workspace, asked: Option<&Path>, parent: Option<Node>) -> Result<PathBuf> {
    let locations: Vec<&PathBuf> =
        workspace.config.settings.version_locations.iter().map(|location| &location.value).collect();
    if let Some(path) = asked {
        return match locations.iter().find(|location| same_directory(location, path)) {
            Some(location) => Ok((*location).clone()),
            None => Err(Error::usage(format!("`{}` is none of the version locations", path.display()))
                .hint("add it to `version_locations` in the configuration")),
        };
    }
    if let Some(parent) = parent {
        let file = &workspace.files[parent.index()].path;
        // Locations may lie in one another; `file_template` adds the directories below.
        let around = locations.iter().filter(|location| file.starts_with(plain(location)));
        if let Some(location) = around.max_by_key(|location| plain(location).components().count()) {
            let plain = plain(location);
            // The directory of the settings itself is `.`, and nothing without it.
            return Ok(if plain.as_os_str().is_empty() { (*location).clone() } else { plain });
        }
    }
    match locations.as_slice() {
        [location] => Ok((*location).clone()),
        _ => {
            let error = Error::usage("there are several version locations: which one?");
            Err(locations
                .iter()
                .fold(error, |error, location| error.hint(format!("--version-path {}", location.display()))))
        }
    }
}

fn same_directory(one: &std::path::Path, other: &std::path::Path) -> bool {
    plain(one) == plain(other)
}

/// A path without its `./`, as the loader has it.
fn plain(path: &std::path::Path) -> PathBuf {
    path.components().filter(|part| *part != std::path::Component::CurDir).collect()
}
