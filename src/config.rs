//! `migrate.ini` and the environment: which file, which section, which value, and where each comes from.
//!
//! Everything a person can set arrives here as text and leaves with a type. A connection string leaves as a
//! [`Secret`]; what it means is `database/`'s to say. Nothing here prints, connects, or looks at revisions.

pub mod environment;
pub mod ini;
pub mod keys;
mod lines;
pub mod lookup;
pub mod mask;
pub mod origin;
pub mod render;
pub mod secret_command;
pub mod settings;
pub mod values;

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use environment::{Environment, host_name};
pub use origin::{Origin, Sourced};
pub use secret_command::SecretCommand;
pub use settings::{Hooks, Settings};
pub use values::{ChangedFiles, Command, Hook, RevisionId, TimeZone};

use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::secret::Secret;
use ini::{Ini, Section};
use keys::{KEYS, Key, Kind, SETTINGS_SECTION, VARIABLES_SECTION};
use lookup::{Line, Lookup, Unset, Written};
use render::Names;

/// The file that is looked for where none is named.
pub const FILE_NAME: &str = "migrate.ini";
/// The variable that names the file, where `-c` does not.
pub const FILE_VARIABLE: &str = "ALUDEL_CONFIG";
/// The variable that names the environment, where `-n` does not.
pub const NAME_VARIABLE: &str = "ALUDEL_ENV";

/// A file of settings larger than this is something else.
const LARGEST: u64 = 16 << 20;

/// What the command line says about settings; it wins over the file and the environment.
#[derive(Clone, Debug, Default)]
pub struct CommandLineOverrides {
    /// `-c FILE`.
    pub config: Option<PathBuf>,
    /// `-n NAME`.
    pub name: Option<String>,
    /// `-x NAME=value`, in the order typed; the last of one name wins.
    pub x: Vec<(String, Secret)>,
    /// `--url`.
    pub url: Option<Secret>,
    /// `--lock-wait`, read by [`values::duration`].
    pub lock_wait: Option<Duration>,
}

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `local`: a private PostgreSQL, started from the binaries on this machine.
    Local,
    /// A connection string as given: a URL or `key=value` pairs; not empty.
    Given(Secret),
    /// A program has to be asked.
    Asked(Box<SecretCommand>),
}

/// A setting in force, for `aludel env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The setting.
    pub key: &'static Key,
    /// What it says, passwords hidden; a line each for lists, none for nothing.
    pub shown: Vec<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// The names that its template asks for, as written (`env.NAME`, `x.NAME`), and whether they say anything.
    pub reads: Vec<(String, bool)>,
    /// Where it is written too, and does not hold, since another one of this setting came over that.
    pub passed_over: Option<(Origin, &'static str)>,
}

/// The settings of a run.
#[derive(Debug)]
pub struct Config {
    ini: Ini,
    directory: PathBuf,
    here: String,
    name: Option<Sourced<String>>,
    x: Vec<(String, Secret)>,
    url: Option<Secret>,
    unset: Unset,
    /// The settings with their types.
    pub settings: Settings,
}

impl Config {
    /// Finds and reads the file: `-c`, else ALUDEL_CONFIG, else `migrate.ini` in this directory (not in those above it:
    /// a command must not act on a project that nobody sees).
    ///
    /// # Errors
    /// No such file, or it is not readable; anything in it that has no meaning, with its place; a section that `-n`
    /// names and that is not there.
    pub fn load(environment: &Environment, overrides: &CommandLineOverrides) -> Result<Self> {
        Self::load_with(environment, overrides, Unset::Refused)
    }

    /// The same for a command that only shows the settings: a line of a list, or a value for revisions, that asks for what is not
    /// set is no error.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn load_to_show(environment: &Environment, overrides: &CommandLineOverrides) -> Result<Self> {
        Self::load_with(environment, overrides, Unset::Shown)
    }

    fn load_with(environment: &Environment, overrides: &CommandLineOverrides, unset: Unset) -> Result<Self> {
        let path = path(environment, overrides);
        let shown = path.display().to_string();
        let bytes = read(&path, &shown)?;
        let ini = Ini::from_bytes(&shown, &bytes)?;
        Self::of(ini, &path, environment, overrides, unset)
    }

    fn of(
        ini: Ini,
        path: &Path,
        environment: &Environment,
        overrides: &CommandLineOverrides,
        unset: Unset,
    ) -> Result<Self> {
        lookup::check_names(&ini)?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        let here = std::path::absolute(here).unwrap_or_else(|_| here.to_owned()).to_string_lossy().into_owned();
        let name = name(&ini, environment, overrides)?;
        check_x(&ini, &overrides.x)?;
        let names = Names { environment, x: &overrides.x, here: &here };
        let sections = sections(&ini, name.as_ref());
        let lookup =
            Lookup { ini: &ini, sections: &sections, names: &names, url_given: overrides.url.is_some(), unset };
        refuse_empty_x(&lookup)?;
        let mut settings = Settings::read(&lookup, &directory)?;
        if let Some(lock_wait) = overrides.lock_wait {
            settings.lock_wait = Sourced { value: lock_wait, origin: Origin::CommandLine("--lock-wait") };
        }
        Ok(Self { directory, here, name, x: overrides.x.clone(), url: overrides.url.clone(), unset, settings, ini })
    }

    /// What the settings say of the metrics, where something else in them is wrong: the file, and the environment that was chosen.
    #[must_use]
    pub fn metrics_in_spite_of_errors(
        environment: &Environment,
        overrides: &CommandLineOverrides,
    ) -> (Option<PathBuf>, Option<String>) {
        let chosen = overrides.name.clone().or_else(|| environment.get(NAME_VARIABLE).map(str::to_owned));
        let path = path(environment, overrides);
        let directory = path.parent().unwrap_or(Path::new(""));
        let file = || {
            let ini = Ini::from_bytes("", &read(&path, "").ok()?).ok()?;
            let name = name(&ini, environment, overrides).ok()?;
            let sections = sections(&ini, name.as_ref());
            let names = Names { environment, x: &overrides.x, here: &directory.to_string_lossy() };
            let (url_given, unset) = (overrides.url.is_some(), Unset::Refused);
            let lookup = Lookup { ini: &ini, sections: &sections, names: &names, url_given, unset };
            lookup.written(keys::METRICS)?;
            Some(directory.join(lookup.line(keys::METRICS).ok().filter(|line| !line.value.is_empty())?.value))
        };
        (file(), chosen.filter(|name| name != SETTINGS_SECTION))
    }

    /// The file as the user would type it.
    #[must_use]
    pub fn path(&self) -> &str {
        self.ini.path()
    }

    /// The file's directory as the user would type it; empty for the current one, so that joined paths stay short.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The environment that `-n` or ALUDEL_ENV chose.
    #[must_use]
    pub fn name(&self) -> Option<&Sourced<String>> {
        self.name.as_ref()
    }

    /// The environments that the file has, in its order.
    #[must_use]
    pub fn environments(&self) -> Vec<&str> {
        environments(&self.ini)
    }

    /// Which database: `--url`, else `url` or `url_command` of the file. It renders the value now, so that commands which need no
    /// database need no URL either.
    ///
    /// # Errors
    /// None is given, or its template cannot be rendered.
    pub fn database_url(&self, environment: &Environment) -> Result<Sourced<DatabaseUrl>> {
        if let Some(command) = &self.settings.url_command {
            let origin = command.command.origin.clone();
            return Ok(Sourced { value: DatabaseUrl::Asked(Box::new(command.clone())), origin });
        }
        let given = match &self.url {
            Some(url) => Sourced { value: url.reveal().trim().to_owned(), origin: Origin::CommandLine("--url") },
            None => self.with_lookup(environment, Unset::RefusedInside, |lookup| lookup.line(keys::URL))?,
        };
        let origin = given.origin;
        match given.value.as_str() {
            "" => Err(self
                .with_environments(self.with_unset(no_url(&origin), keys::URL, environment))
                .hint("name one: `--url postgres://user@host/database`, or `url` in the settings")
                .hint("`--url local` starts a private PostgreSQL for development and tests")),
            "local" => Ok(Sourced { value: DatabaseUrl::Local, origin }),
            url => Ok(Sourced { value: DatabaseUrl::Given(Secret::new(url)), origin }),
        }
    }

    /// `error` of a run without an environment, with those that there are.
    fn with_environments(&self, error: Error) -> Error {
        let names: Vec<String> = self.environments().iter().map(|name| format!("`-n {name}`")).collect();
        match self.name.is_some() || names.is_empty() {
            true => error,
            false => error.hint(format!("choose an environment: {}", names.join(" or "))),
        }
    }

    /// Where `key` is written in a section in force, and does not hold, since it goes with another `url` or `password_command`.
    #[must_use]
    pub fn passed_over(&self, key: &Key, environment: &Environment) -> Option<Origin> {
        let passed_over = self.with_lookup(environment, self.unset, |lookup| Ok(lookup.passed_over(key)));
        passed_over.ok().flatten().map(|(origin, _)| origin)
    }

    /// `error` about a setting, with the variables that its template asks for and that are not set: a slip in a name is as good as
    /// nothing, and may be the cause.
    #[must_use]
    pub fn with_unset(&self, error: Error, key: &Key, environment: &Environment) -> Error {
        let sections = sections(&self.ini, self.name.as_ref());
        let nothing = Names { environment, x: &[], here: "" };
        let lookup = Lookup {
            ini: &self.ini,
            sections: &sections,
            names: &nothing,
            url_given: self.url.is_some(),
            unset: self.unset,
        };
        let entry = lookup.written(key).map(|written| written.entry);
        let names = entry.into_iter().flat_map(|entry| asked_for(&self.ini, entry, "env"));
        names.filter(|name| environment.get_os(name).is_none()).fold(error, |error, name| {
            let is = if environment.given(name).is_some() { "set, but empty" } else { "not set" };
            let error = error.note(format!("environment variable `{name}` is {is}"));
            match lookup::near_variable(name, environment) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }

    /// Where the file itself says a secret, as `migrate.ini:3`: these passwords, in the `url` in force, and not by a template that only
    /// asks for them; values for revisions whose names say that they are secrets.
    #[must_use]
    pub fn written_secrets(&self, passwords: &[Secret]) -> Vec<String> {
        let place = |entry: &ini::Entry| {
            let excerpt = self.ini.value_excerpt(entry, self.ini.value_place(entry));
            format!("{}:{}", excerpt.path, excerpt.place.line)
        };
        let sections = sections(&self.ini, self.name.as_ref());
        let url = sections.iter().find_map(|section| section.entry(keys::URL.name));
        let says = |entry: &&ini::Entry| {
            let mut lines = entry.lines.iter().map(|line| self.ini.text(line));
            let Some(line) = lines.next().filter(|_| self.url.is_none() && !passwords.is_empty()) else {
                return false;
            };
            let mut hidden = mask::hidden(line, 0, true).into_iter().map(|range| &line[range]);
            let says = |hidden: &str| passwords.iter().any(|password| hidden.contains(password.reveal()));
            !render::is_template(line) || hidden.any(says)
        };
        let variables = self.ini.section(VARIABLES_SECTION).into_iter().flat_map(|section| &section.entries);
        let secret = variables.filter(|entry| {
            let literal = |line| !self.ini.text(line).is_empty() && !render::is_template(self.ini.text(line));
            mask::is_secret_name(&entry.key) && entry.lines.iter().any(literal)
        });
        url.filter(says).into_iter().chain(secret).map(place).collect()
    }

    /// The values for revisions with `template: true`: `[variables]`, overlaid by `-x`.
    ///
    /// # Errors
    /// A value of several lines, or whose template cannot be rendered.
    pub fn variables(&self, environment: &Environment) -> Result<BTreeMap<String, Sourced<Secret>>> {
        let mut variables = BTreeMap::new();
        if let Some(section) = self.ini.section(VARIABLES_SECTION) {
            self.with_lookup(environment, self.unset, |lookup| {
                // What `-x` gives is not asked for elsewhere.
                let given = |entry: &&ini::Entry| self.x.iter().any(|(name, _)| *name == entry.key);
                for entry in section.entries.iter().filter(|entry| !given(entry)) {
                    let Sourced { value, origin } = lookup.one_line(&Written { section, entry })?;
                    variables.insert(entry.key.clone(), Sourced { value: Secret::new(value), origin });
                }
                Ok(())
            })?;
        }
        for (name, value) in &self.x {
            let given = Sourced { value: value.clone(), origin: Origin::CommandLine("-x") };
            variables.insert(name.clone(), given);
        }
        Ok(variables)
    }

    /// The values for revisions whose names say that they are secrets: `app_password`. One that cannot be rendered is passed over
    /// here, and refused where it is used.
    #[must_use]
    pub fn secret_variables(&self, environment: &Environment) -> Vec<Secret> {
        let section = self.ini.section(VARIABLES_SECTION);
        let entries = section.into_iter().flat_map(|section| section.entries.iter().map(move |entry| (section, entry)));
        let written = self.with_lookup(environment, Unset::Refused, |lookup| {
            let secret = entries.filter(|(_, entry)| mask::is_secret_name(&entry.key));
            let rendered = secret.filter_map(|(section, entry)| lookup.one_line(&Written { section, entry }).ok());
            Ok(rendered.map(|line| Secret::new(line.value)).collect::<Vec<_>>())
        });
        let typed = self.x.iter().filter(|(name, _)| mask::is_secret_name(name)).map(|(_, value)| value.clone());
        written.unwrap_or_default().into_iter().chain(typed).collect()
    }

    /// The names given by `-x` that no setting in force reads, and no variable; a revision that is a template may.
    #[must_use]
    pub fn unread_x(&self) -> Vec<&str> {
        let sections = sections(&self.ini, self.name.as_ref());
        let nothing = Names { environment: &Environment::default(), x: &[], here: "" };
        let lookup = Lookup {
            ini: &self.ini,
            sections: &sections,
            names: &nothing,
            url_given: self.url.is_some(),
            unset: self.unset,
        };
        let in_force = KEYS.iter().filter_map(|key| lookup.written(key).map(|written| written.entry));
        let variables = self.ini.section(VARIABLES_SECTION);
        let entries = in_force.chain(variables.iter().flat_map(|section| &section.entries));
        let read: Vec<&str> = entries.flat_map(|entry| read_by(&self.ini, entry)).collect();
        let known = |name: &str| read.contains(&name) || variables.is_some_and(|section| section.entry(name).is_some());
        self.x.iter().map(|(name, _)| name.as_str()).filter(|name| !known(name)).collect()
    }

    /// Whether a section that is not in force reads `x.name`.
    #[must_use]
    pub fn reads_x_elsewhere(&self, name: &str) -> bool {
        let mut entries = self.ini.sections().iter().flat_map(|section| &section.entries);
        entries.any(|entry| read_by(&self.ini, entry).any(|read| read == name))
    }

    /// The error for a name of [`Config::unread_x`] that nothing else reads either: passing it over could mean another
    /// database than the one that was typed.
    #[must_use]
    pub fn refuse_x(&self, name: &str) -> Error {
        let error = Error::usage(format!("`-x {name}=...` would be passed over: nothing in force reads `x.{name}`"));
        let entries = self.ini.sections().iter().flat_map(|section| section.entries.iter().map(move |e| (section, e)));
        let reader = entries.into_iter().find(|(_, entry)| read_by(&self.ini, entry).any(|read| read == name));
        match (reader, &self.name) {
            (Some((_, entry)), _)
                if self.url.is_some() && !keys::key(&entry.key).map_or(&[][..], keys::taken_along_by).is_empty() =>
            {
                error
                    .at(self.ini.value_excerpt(entry, self.ini.value_place(entry)).label("read here"))
                    .note(format!("`--url` lies over `{}`", entry.key))
                    .hint(format!("leave `-x {name}` out, or leave `--url` out"))
            }
            (Some((section, entry)), Some(chosen)) if section.name == SETTINGS_SECTION => error
                .at(self.ini.value_excerpt(entry, self.ini.value_place(entry)).label("read here"))
                .note(format!(
                    "`{}` (by `{}`) has its own `{}`, which lies over that of `[{}]`",
                    chosen.value, chosen.origin, entry.key, section.name
                ))
                .hint(format!("leave `-x {name}` out, or leave `{}` out", chosen.origin)),
            (Some((section, entry)), _) => error
                .at(self.ini.value_excerpt(entry, self.ini.value_place(entry)).label("read here"))
                .hint(format!("choose that section: `-n {}`", section.name)),
            (None, _) => {
                let entries = self.ini.sections().iter().flat_map(|section| &section.entries);
                let read: Vec<&str> = entries.flat_map(|entry| read_by(&self.ini, entry)).collect();
                let variables = self.ini.section(VARIABLES_SECTION).into_iter().flat_map(|section| &section.entries);
                let near = nearest(name, read.into_iter().chain(variables.map(|entry| entry.key.as_str())));
                let error = error.note("no revision that is a template does either");
                match near {
                    Some(near) => error.hint(format!("did you mean `-x {near}=...`?")),
                    None => error,
                }
            }
        }
    }

    /// Every setting with what is in force and where it comes from, in the table's order.
    ///
    /// # Errors
    /// The URL's template cannot be rendered.
    pub fn in_force(&self, environment: &Environment) -> Result<Vec<InForce>> {
        self.with_lookup(environment, Unset::Shown, |lookup| {
            KEYS.iter().map(|key| self.one_in_force(lookup, key)).collect()
        })
    }

    fn one_in_force(&self, lookup: &Lookup<'_>, key: &'static Key) -> Result<InForce> {
        let wait = &self.settings.lock_wait;
        let lines = match key.kind {
            Kind::Directories => lookup.lines(key)?.into_iter().map(|line| line.rendered).collect(),
            // As they are written: what a template makes of them may hold a secret.
            Kind::Commands | Kind::Hooks => {
                let written = |line: Line| Sourced { value: line.written, origin: line.rendered.origin };
                lookup.lines(key)?.into_iter().map(written).collect()
            }
            Kind::SecretCommand => {
                let Sourced { value, origin } = lookup.line(key)?;
                let written = lookup.as_written(key).filter(|_| !value.is_empty());
                vec![Sourced { value: written.unwrap_or_default().to_owned(), origin }]
            }
            Kind::FileName => vec![lookup.unrendered(key)?],
            Kind::Url if self.url.is_some() => {
                let value = self.url.as_ref().map_or("", |url| url.reveal().trim()).to_owned();
                vec![Sourced { value, origin: Origin::CommandLine("--url") }]
            }
            Kind::Duration if key == keys::LOCK_WAIT && matches!(wait.origin, Origin::CommandLine(_)) => {
                vec![Sourced { value: format!("{}ms", wait.as_millis()), origin: wait.origin.clone() }]
            }
            _ => vec![lookup.line(key)?],
        };
        let origin = match lines.first() {
            Some(first) => first.origin.clone(),
            None => lookup.written(key).map_or(Ok(Origin::Default), |_| lookup.line(key).map(|line| line.origin))?,
        };
        let as_written = |value: &str| {
            let lines = lookup.written(key).map_or(&[][..], |written| &written.entry.lines);
            render::is_template(value) && lines.iter().any(|line| self.ini.text(line) == value)
        };
        let show = |value: &str| match key.kind {
            Kind::Url if as_written(value) => mask::cover(value, &mask::hidden(value, 0, true), 0..0).0,
            Kind::Url if value != "local" => mask::HIDDEN.to_owned(),
            _ => mask::cover(value, &mask::hidden(value, 0, false), 0..0).0,
        };
        let shown = lines.iter().filter(|line| !line.value.is_empty()).map(|line| show(&line.value)).collect();
        let passed_over = lookup.passed_over(key);
        let mut reads = Vec::new();
        if let Some(written) = lookup.written(key).filter(|_| matches!(origin, Origin::File { .. })) {
            let Names { environment, x, .. } = lookup.names;
            let names = |prefix| asked_for(&self.ini, written.entry, prefix);
            reads.extend(names("x").map(|name| (format!("x.{name}"), x.iter().any(|(given, _)| given == name))));
            reads.extend(names("env").map(|name| (format!("env.{name}"), environment.get_os(name).is_some())));
            let mut seen = HashSet::new();
            reads.retain(|(name, _)| seen.insert(name.clone()));
        }
        Ok(InForce { key, shown, origin, reads, passed_over })
    }

    fn with_lookup<T>(
        &self,
        environment: &Environment,
        unset: Unset,
        ask: impl FnOnce(&Lookup<'_>) -> Result<T>,
    ) -> Result<T> {
        let names = Names { environment, x: &self.x, here: &self.here };
        let sections = sections(&self.ini, self.name.as_ref());
        ask(&Lookup { ini: &self.ini, sections: &sections, names: &names, url_given: self.url.is_some(), unset })
    }
}

fn path(environment: &Environment, overrides: &CommandLineOverrides) -> PathBuf {
    let named = overrides.config.clone().or_else(|| environment.get_os(FILE_VARIABLE).map(PathBuf::from));
    match named {
        Some(directory) if directory == Path::new(".") => PathBuf::from(FILE_NAME),
        Some(directory) if directory.is_dir() => directory.join(FILE_NAME),
        Some(file) => file,
        None => PathBuf::from(FILE_NAME),
    }
}

/// The nearest `migrate.ini` in the directories above, where none was named: to be typed, never to be taken.
fn file_above(path: &Path) -> Option<PathBuf> {
    if path != Path::new(FILE_NAME) {
        return None;
    }
    let levels = std::path::absolute(path).ok()?.ancestors().count().saturating_sub(2);
    (1..levels)
        .map(|up| Path::new("..").iter().cycle().take(up).collect::<PathBuf>().join(FILE_NAME))
        .find(|path| path.is_file())
}

fn read(path: &Path, shown: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let done = std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match done {
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err(Error::usage(format!("`{shown}` is larger than {} MiB: no file of settings", LARGEST >> 20)))
        }
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let error = Error::usage(format!("there is no `{shown}`"));
            Err(match file_above(path) {
                Some(above) => error.hint(format!("there is one further up: `-c {}`", above.display())),
                None => error
                    .hint("type `aludel init` to begin a project here")
                    .hint("name the settings of another directory: `-c DIRECTORY/migrate.ini`"),
            })
        }
        Err(error) => Err(Error::usage(format!("`{shown}` cannot be read")).cause(error)),
    }
}

/// The sections in force, the strongest first.
fn sections<'a>(ini: &'a Ini, name: Option<&Sourced<String>>) -> Vec<&'a Section> {
    let chosen = name.and_then(|name| ini.section(name));
    chosen.into_iter().chain(ini.section(SETTINGS_SECTION)).collect()
}

/// The environment that was chosen, which must have a section: a slip must not fall back to another database.
fn name(ini: &Ini, environment: &Environment, overrides: &CommandLineOverrides) -> Result<Option<Sourced<String>>> {
    let (value, origin) = match (&overrides.name, environment.get_os(NAME_VARIABLE)) {
        (Some(name), _) => (name.clone(), Origin::CommandLine("-n")),
        (None, Some(name)) => (name.to_string_lossy().into_owned(), Origin::Environment(NAME_VARIABLE)),
        (None, None) if environment.is_empty(NAME_VARIABLE) => {
            let error = Error::usage(format!("`{NAME_VARIABLE}` is set, and names no environment"));
            return Err(error.hint(format!("unset it for the settings of `[{SETTINGS_SECTION}]` alone")));
        }
        (None, None) => return Ok(None),
    };
    if value == SETTINGS_SECTION {
        return Ok(None);
    }
    let environments = environments(ini);
    if environments.contains(&value.as_str()) {
        return Ok(Some(Sourced { value, origin }));
    }
    if value == VARIABLES_SECTION {
        return Err(Error::usage(format!(
            "`[{VARIABLES_SECTION}]` is no environment, as `{origin}` would have it: it holds values for revisions"
        ))
        .hint("name a section of your own, such as `[production]`"));
    }
    let error = Error::usage(format!("`{}` has no section `[{value}]`, which `{origin}` asks for", ini.path()));
    Err(match nearest(&value, environments.iter().copied()) {
        Some(near) => error.hint(match origin {
            Origin::Environment(variable) => format!("did you mean `{variable}={near}`?"),
            _ => format!("type `-n {near}`"),
        }),
        None if environments.is_empty() => error.hint(format!("write `[{value}]` and what differs there")),
        None => error.note(format!(
            "it has {}",
            environments.iter().map(|name| format!("`[{name}]`")).collect::<Vec<_>>().join(", ")
        )),
    })
}

/// The names of the sections that are environments.
fn environments(ini: &Ini) -> Vec<&str> {
    let names = ini.sections().iter().map(|section| section.name.as_str());
    names.filter(|name| ![SETTINGS_SECTION, VARIABLES_SECTION].contains(name)).collect()
}

/// The names after `x.` in the templates of an entry's value.
fn read_by<'a>(ini: &'a Ini, entry: &'a ini::Entry) -> impl Iterator<Item = &'a str> {
    asked_for(ini, entry, "x")
}

/// The names after `prefix` (`x.`, `env.`) in the templates of an entry's value.
fn asked_for<'a>(ini: &'a Ini, entry: &'a ini::Entry, prefix: &'static str) -> impl Iterator<Item = &'a str> {
    let values = entry.lines.iter().map(|line| ini.text(line)).filter(|value| render::is_template(value));
    values.flat_map(move |value| render::names_after(value, prefix).map(|name| &value[name]))
}

/// Refuses `-x dburl=...` where the file reads `x.dbUrl`: it would be passed over, and another database chosen.
fn check_x(ini: &Ini, x: &[(String, Secret)]) -> Result<()> {
    if x.is_empty() {
        return Ok(());
    }
    let entries = ini.sections().iter().flat_map(|section| &section.entries);
    let read: Vec<&str> = entries.flat_map(|entry| read_by(ini, entry)).collect();
    let defined = ini.section(VARIABLES_SECTION);
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    for (name, _) in x {
        let known = read.contains(&name.as_str()) || defined.is_some_and(|section| section.entry(name).is_some());
        if known {
            continue;
        }
        if let Some(near) = read.iter().find(|candidate| plain(candidate) == plain(name)) {
            return Err(Error::usage(format!("`{}` reads `x.{near}`, not `x.{name}`", ini.path()))
                .hint(format!("type `-x {near}=...`")));
        }
    }
    Ok(())
}

/// Refuses `-x dbUrl=` where a setting in force reads `x.dbUrl`: a variable of a shell was not set, and what stands behind `or` may be
/// another database. Values for revisions may be empty.
fn refuse_empty_x(lookup: &Lookup<'_>) -> Result<()> {
    let x = lookup.names.x;
    let is_empty = |name: &str| {
        let last = x.iter().rev().find(|(given, _)| given == name);
        last.is_some_and(|(_, value)| value.reveal().is_empty())
    };
    for entry in KEYS.iter().filter_map(|key| lookup.written(key)).map(|written| written.entry) {
        if let Some(name) = read_by(lookup.ini, entry).find(|name| is_empty(name)) {
            return Err(Error::usage(format!("`-x {name}=` has no value, and `{}` asks for it", entry.key))
                .at(lookup.ini.value_excerpt(entry, lookup.ini.value_place(entry)))
                .hint(format!("give it one, or leave `-x {name}` out")));
        }
    }
    Ok(())
}

fn no_url(origin: &Origin) -> Error {
    match origin {
        Origin::CommandLine(option) => Error::usage(format!("`{option}` is empty")),
        Origin::File { excerpt, .. } => {
            Error::usage("no database is named").at((**excerpt).clone().label("gives nothing here"))
        }
        _ => Error::usage("no database is named"),
    }
}

#[cfg(test)]
mod tests;
