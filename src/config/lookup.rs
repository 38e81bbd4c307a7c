//! Looks a setting up: the environment's section, then `[migrate]`, then the default; rendered, with its place.
//!
//! It knows which text is in force and where it stands, and refuses names that mean nothing; not what a text means.

use std::ops::Range;

use super::environment::Environment;
use super::ini::{Entry, Ini, Section};
use super::keys::{self, KEYS, Key, Kind, SETTINGS_SECTION, VARIABLES_SECTION};
use super::origin::{Origin, Sourced};
use super::render::{self, Names, RenderError};
use super::values::ValueError;
use crate::error::{Error, Result};
use crate::nearest::nearest;

/// The sections in force, the strongest first.
pub struct Lookup<'a> {
    pub(super) ini: &'a Ini,
    pub(super) sections: &'a [&'a Section],
    pub(super) names: &'a Names<'a>,
    /// `--url` was given: what belongs to another URL does not hold.
    pub(super) url_given: bool,
    /// What becomes of templates that ask for what is not set.
    pub(super) unset: Unset,
}

/// What becomes of a template that would write a name which is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// It is an error: what is left of the value would mean something else.
    Refused,
    /// The same, but a value that is one expression says nothing.
    RefusedInside,
    /// A value that is one expression says nothing, any other stands as it is written: it is only shown.
    Shown,
}

/// What is written for a setting.
pub struct Written<'a> {
    /// The section it stands in.
    pub section: &'a Section,
    /// The key and its value.
    pub entry: &'a Entry,
}

/// A line of a setting that takes several.
pub struct Line {
    /// As it stands in the file; what a template makes of it may hold a secret.
    pub written: String,
    /// As it is in force.
    pub rendered: Sourced<String>,
}

impl<'a> Lookup<'a> {
    /// What is written for `key` and holds; the strongest section wins. Where a section gives a setting that takes `key` along
    /// ([`keys::taken_along_by`]), those below it are not asked.
    #[must_use]
    pub fn written(&self, key: &Key) -> Option<Written<'a>> {
        let anchors = keys::taken_along_by(key);
        if self.url_given && !anchors.is_empty() {
            return None;
        }
        let gives = |section: &&Section| anchors.iter().any(|anchor| section.entry(anchor.name).is_some());
        let last = self.sections.iter().position(gives);
        find(last.map_or(self.sections, |last| &self.sections[..=last]), key)
    }

    /// Where `key` is written in a section in force, and does not hold, and what came over that to which it belongs: a `url`, or a
    /// `password_command`.
    #[must_use]
    pub fn passed_over(&self, key: &Key) -> Option<(Origin, &'static str)> {
        let written = if self.written(key).is_none() { find(self.sections, key) } else { None }?;
        let is_given = |section: &&Section, key: &Key| section.entry(key.name).is_some();
        let over = |section: &&Section| keys::taken_along_by(key).iter().any(|anchor| is_given(section, anchor));
        let url = |section: &&Section| is_given(section, keys::URL) || is_given(section, keys::URL_COMMAND);
        let by_url = self.url_given || self.sections.iter().find(|section| over(section)).is_none_or(url);
        let by = if by_url { keys::URL } else { keys::PASSWORD_COMMAND };
        Some((self.origin(&written, self.ini.value_place(written.entry)), by.name))
    }

    /// The same, where what is not set is refused.
    pub(super) fn refusing(&self) -> Self {
        Self { unset: Unset::Refused, ..*self }
    }

    /// The one line of a setting, rendered: the default's, where nothing is written.
    ///
    /// # Errors
    /// More lines than one, or a template that cannot be rendered.
    pub fn line(&self, key: &Key) -> Result<Sourced<String>> {
        let Some(written) = self.written(key) else {
            return Ok(Sourced { value: key.default.to_owned(), origin: Origin::Default });
        };
        self.one_line(&written)
    }

    /// The one line of an entry, rendered.
    ///
    /// # Errors
    /// As for [`Lookup::line`].
    pub fn one_line(&self, written: &Written<'_>) -> Result<Sourced<String>> {
        let Written { entry, .. } = written;
        if let Some(second) = entry.lines.get(1) {
            return Err(Error::usage(format!("`{}` takes one line", entry.key))
                .at(self.ini.value_excerpt(entry, second.clone()))
                .note("an indented line continues the value above it"));
        }
        let place = self.ini.value_place(entry);
        let value = match entry.lines.first() {
            Some(line) => self.render(entry, line)?.trim().to_owned(),
            None => String::new(),
        };
        if value.contains(char::is_control) && value.contains(['\n', '\r', '\0']) {
            return Err(Error::usage(format!("`{}` takes one line", entry.key))
                .at(self.ini.value_excerpt(entry, place))
                .note("the template gives several"));
        }
        Ok(Sourced { value, origin: self.origin(written, place) })
    }

    /// The lines of a setting, each rendered by itself; one that renders to nothing is none.
    ///
    /// # Errors
    /// A template that cannot be rendered.
    pub fn lines(&self, key: &Key) -> Result<Vec<Line>> {
        let line = |written: &str, value: &str, origin: Origin| Line {
            written: written.to_owned(),
            rendered: Sourced { value: value.to_owned(), origin },
        };
        let Some(written) = self.written(key) else {
            return Ok(key.default.lines().map(|value| line(value, value, Origin::Default)).collect());
        };
        let mut items = Vec::new();
        for place in &written.entry.lines {
            let (text, rendered) = (self.ini.text(place), self.render(written.entry, place)?);
            let values = rendered.lines().map(str::trim).filter(|value| !value.is_empty());
            items.extend(values.map(|value| line(text, value, self.origin(&written, place.clone()))));
        }
        Ok(items)
    }

    /// The first line of a setting as it stands in the file.
    #[must_use]
    pub fn as_written(&self, key: &Key) -> Option<&str> {
        self.written(key)?.entry.lines.first().map(|line| self.ini.text(line))
    }

    /// The text as it stands, never rendered.
    ///
    /// # Errors
    /// More lines than one.
    pub fn unrendered(&self, key: &Key) -> Result<Sourced<String>> {
        let Some(written) = self.written(key) else {
            return Ok(Sourced { value: key.default.to_owned(), origin: Origin::Default });
        };
        if let Some(second) = written.entry.lines.get(1) {
            return Err(Error::usage(format!("`{}` takes one line", key.name))
                .at(self.ini.value_excerpt(written.entry, second.clone())));
        }
        let value = written.entry.lines.first().map_or("", |line| self.ini.text(line)).to_owned();
        Ok(Sourced { value, origin: self.origin(&written, self.ini.value_place(written.entry)) })
    }

    fn origin(&self, written: &Written<'_>, place: Range<usize>) -> Origin {
        let excerpt = Box::new(self.ini.value_excerpt(written.entry, place));
        Origin::File { section: written.section.name.clone(), excerpt }
    }

    /// The error for an expression of a line that comes to `names`, none of which is set.
    fn unset(&self, entry: &Entry, line: &Range<usize>, expression: Range<usize>, names: Vec<Range<usize>>) -> Error {
        let within = |range: Range<usize>| line.start + range.start..line.start + range.end;
        let places = names.into_iter().map(within).filter(|place| !self.ini.may_hold_password(entry, place));
        let names: Vec<&str> = places.map(|place| self.ini.text(&place)).collect();
        let asked = match names.as_slice() {
            [] => "for what is not set".to_owned(),
            [name] => {
                let variable = name.strip_prefix("env.");
                let is_empty = variable.is_some_and(|name| self.names.environment.given(name).is_some());
                format!("for `{name}`, which is {}", if is_empty { "set, but empty" } else { "not set" })
            }
            several => format!("for `{}`, none of which is set", several.join("` or `")),
        };
        let error =
            Error::usage(format!("`{}` asks {asked}", entry.key)).at(self.ini.value_excerpt(entry, within(expression)));
        let error = names.iter().fold(error, |error, name| match name.split_once('.') {
            Some(("env", name)) => match near_variable(name, self.names.environment) {
                Some(hint) => error.hint(hint),
                None => error,
            },
            Some((_, name)) => error.hint(format!("give it: `-x {name}=...`")),
            None => error,
        });
        let last = names.last().copied().unwrap_or("env.NAME");
        error.hint(format!("if it may be missing, say what holds then: `{{{{ {last} or \"...\" }}}}`"))
    }

    fn render(&self, entry: &Entry, line: &Range<usize>) -> Result<String> {
        let value = self.ini.text(line);
        if !render::is_template(value) {
            return Ok(value.to_owned());
        }
        let rendered = render::render(value, self.names);
        if let (Err(RenderError::Unset { .. }), true) = (&rendered, self.unset != Unset::Refused) {
            match (render::is_one_expression(value), self.unset) {
                (true, _) => return Ok(String::new()),
                (false, Unset::Shown) => return Ok(value.to_owned()),
                (false, _) => {}
            }
        }
        rendered.map_err(|error| match error {
            RenderError::Template(words, range) => {
                let place = range.map_or(line.clone(), |range| line.start + range.start..line.start + range.end);
                let quiet = self.ini.may_hold_password(entry, &place);
                let title = format!("the template of `{}` cannot be rendered", entry.key);
                let error = Error::usage(title).at(self.ini.value_excerpt(entry, place));
                if quiet { error } else { error.note(words) }
            }
            RenderError::UnknownName(name, range) => {
                let place = line.start + range.start..line.start + range.end;
                let quiet = self.ini.may_hold_password(entry, &place);
                let said = if quiet { "an unknown name".to_owned() } else { format!("unknown name `{name}`") };
                let error = Error::usage(format!("the template of `{}` asks for {said}", entry.key))
                    .at(self.ini.value_excerpt(entry, place));
                error.hint("write `env.NAME`, `x.NAME` or `here`")
            }
            RenderError::Unset { expression, names } => self.unset(entry, line, expression, names),
            RenderError::NotUtf8(name) => Error::usage(format!("environment variable `{name}` is not UTF-8"))
                .at(self.ini.value_excerpt(entry, line.clone())),
        })
    }
}

/// What to say of a variable that is not set: one that is, and looks like it.
pub(super) fn near_variable(name: &str, environment: &Environment) -> Option<String> {
    let near = nearest(name, environment.variables().map(|(set, _)| set))?;
    Some(format!("did you mean `{near}`? It is set"))
}

/// What the first of `sections` that says anything says of `key`.
fn find<'a>(sections: &[&'a Section], key: &Key) -> Option<Written<'a>> {
    sections.iter().find_map(|section| section.entry(key.name).map(|entry| Written { section, entry }))
}

/// The error for a value that is none of its kind.
#[must_use]
pub fn refused(key: &Key, origin: &Origin, error: ValueError) -> Error {
    let mut refused = Error::usage(format!("`{}` {}", key.name, error.problem));
    if let Some(excerpt) = origin.excerpt() {
        refused = refused.at(excerpt.clone());
    }
    match error.hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}

/// Refuses sections and keys that mean nothing, in every section, used or not: tomorrow's `-n production` is read today.
///
/// # Errors
/// The first such section or key, with the nearest right one.
pub fn check_names(ini: &Ini) -> Result<()> {
    for section in ini.sections() {
        let title = || format!("section `[{}]` has no meaning here", section.name);
        if let Some(hint) = keys::foreign_section_hint(&section.name) {
            return Err(Error::usage(title()).at(ini.section_excerpt(section)).hint(hint));
        }
        match section.name.as_str() {
            SETTINGS_SECTION => check_keys(ini, section)?,
            VARIABLES_SECTION => check_variables(ini, section)?,
            // Any other name is an environment's, unless it looks like a slip of one of ours.
            name => {
                if let Some(near) = nearest(name, [SETTINGS_SECTION, VARIABLES_SECTION]) {
                    return Err(Error::usage(title())
                        .at(ini.section_excerpt(section))
                        .hint(format!("call it `[{near}]`")));
                }
                check_keys(ini, section)?;
            }
        }
    }
    if ini.section(SETTINGS_SECTION).is_none() {
        return Err(Error::usage(format!("`{}` has no section `[{SETTINGS_SECTION}]`", ini.path()))
            .hint(format!("write `[{SETTINGS_SECTION}]` above the settings, or type `aludel init` for a new file")));
    }
    Ok(())
}

/// Refuses two settings in one section of which each says where the database is.
fn check_one_url(ini: &Ini, section: &Section) -> Result<()> {
    match (section.entry(keys::URL.name), section.entry(keys::URL_COMMAND.name)) {
        (Some(url), Some(command)) => Err(Error::usage(format!(
            "`[{}]` gives both `url` and `url_command`: they contradict each other",
            section.name
        ))
        .at(ini.key_excerpt(command))
        .at(ini.key_excerpt(url).label("the other one"))
        .hint("keep one of them")),
        _ => Ok(()),
    }
}

fn check_keys(ini: &Ini, section: &Section) -> Result<()> {
    let mut after_nothing: Option<&Entry> = None;
    for entry in &section.entries {
        if keys::key(&entry.key).is_none() {
            return Err(unknown_key(ini, entry, after_nothing));
        }
        after_nothing = Some(entry).filter(|entry| entry.lines.is_empty());
    }
    check_one_url(ini, section)
}

fn unknown_key(ini: &Ini, entry: &Entry, after_nothing: Option<&Entry>) -> Error {
    let name = &entry.key;
    let near = nearest(name, KEYS.iter().map(|key| key.name));
    let foreign = keys::foreign_key_hint(name);
    if let (Some(before), None, None) = (after_nothing, near, foreign) {
        // The value of a key, not indented: a password, as likely as not.
        return Error::usage(format!("no setting, after `{}` without a value", before.key))
            .at(ini.silent_excerpt(entry))
            .hint("indent the further lines of a value");
    }
    // A name nobody would give a setting is not said either: it may be a piece of something else.
    let said: String =
        if name.chars().count() > 60 { name.chars().take(57).chain("...".chars()).collect() } else { name.clone() };
    let excerpt = match (foreign, near) {
        (None, Some(near)) => ini.slip_excerpt(entry, near),
        _ => ini.key_excerpt(entry),
    };
    let error = Error::usage(format!("unknown setting `{said}`")).at(excerpt);
    match (foreign, near) {
        (Some(hint), _) => error.hint(hint),
        (None, Some(near)) => error.hint(format!("call it `{near}`")),
        (None, None) if ["before_", "after_", "on_"].iter().any(|start| name.starts_with(start)) => {
            let hooks = KEYS.iter().filter(|key| key.kind == Kind::Hooks).map(|key| format!("`{}`", key.name));
            error.hint(format!("the hooks are {}", hooks.collect::<Vec<_>>().join(", ")))
        }
        (None, None) => error
            .hint("take it out; `aludel env -v` lists the settings that there are")
            .hint(format!("values for revisions belong in `[{VARIABLES_SECTION}]`")),
    }
}

/// A variable's name must be one that a template can say.
fn check_variables(ini: &Ini, section: &Section) -> Result<()> {
    for entry in &section.entries {
        let bad = entry.key.starts_with(|c: char| !c.is_alphabetic() && c != '_') || entry.key.contains(['-', '.']);
        if bad {
            return Err(Error::usage("a variable's name is made of letters, digits and `_`, no digit first")
                .at(ini.key_excerpt(entry)));
        }
    }
    Ok(())
}
