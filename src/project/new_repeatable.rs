//! Writing a new repeatable file, as [`new_revision`](super::new_revision) writes a revision's.

use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset, SecondsFormat};

use super::{HookRun, explain, file_name, hooks, listing, new_revision};
use crate::config::Command;
use crate::error::{Error, Result};
use crate::model::header::{Key, RepeatableHeader};
use crate::model::revision::Name;
use crate::template;

/// The template of a new repeatable file where a project has none of its own.
const TEMPLATE: &str = include_str!("../../templates/repeatable.sql.j2");

/// A repeatable that is to become a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRepeatable {
    /// Its id, which is also its file's name.
    pub id: Name,
    /// Its message: one line, or empty.
    pub message: String,
    /// Ids of repeatables and revisions that it depends on.
    pub depends_on: Vec<Name>,
    /// The time it says it was made.
    pub created: DateTime<FixedOffset>,
    /// The version location it goes to, as the user would type it.
    pub directory: PathBuf,
}

impl NewRepeatable {
    /// Writes it by the project's own template where there is one at `template`; the path of the file, as the user would type it.
    ///
    /// # Errors
    /// Nothing is written where the name is taken or impossible, or the template loses a part of the header.
    pub fn write(&self, template: &Path) -> Result<PathBuf> {
        if let Some(character) = self.message.chars().find(|c| c.is_control()) {
            return Err(Error::usage(format!("a message is one line, and this one holds {character:?}")));
        }
        let name = format!("{}/{}.sql", listing::REPEATABLE, self.id);
        file_name::check(&name)?;
        let path = self.directory.join(&name);
        let names: Vec<&str> = self.depends_on.iter().map(Name::as_str).collect();
        let values = minijinja::context! {
            repeatable => self.id.as_str(),
            message => self.message,
            depends_on => names,
            created => self.created.to_rfc3339_opts(SecondsFormat::Secs, true),
        };
        let own = new_revision::own_template(template)?;
        let shown = template.display().to_string();
        let text = template::render_file(&shown, own.as_deref().unwrap_or(TEMPLATE), values)?;
        self.check(&path, &text, "the template lost")
            .map_err(|error| error.note(format!("the file was made by `{shown}`")).note("nothing was written"))?;
        new_revision::write_new(&self.directory, &name, &path, &text)?;
        Ok(path)
    }

    /// Runs `commands` on the file, which [`NewRepeatable::write`] wrote at `path`; what they said.
    ///
    /// # Errors
    /// A hook failed, or changed what the header says. The file stays.
    pub fn run_hooks(&self, commands: &[Command], path: &Path) -> Result<Vec<HookRun>> {
        let ran = hooks::run(commands, path)?;
        if !ran.is_empty() {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::failed(format!("cannot read `{}` back", path.display())).cause(error))?;
            self.check(path, &text, "a post-write hook changed")
                .map_err(|error| error.note("the file is kept as `post_write_hooks` left it"))?;
        }
        Ok(ran)
    }

    /// Whether `text` says what it was given; `blame` begins the sentence for what it does not say.
    fn check(&self, path: &Path, text: &str, blame: &str) -> Result<()> {
        let header = RepeatableHeader::parse(text)
            .map_err(|error| explain::header_error(&path.display().to_string(), text, error, explain::REPEATABLE))?;
        let got = &header.repeatable;
        let lost = [
            (Key::Repeatable, got.id == self.id),
            (Key::DependsOn, got.depends_on == self.depends_on),
            (Key::Message, got.message == self.message),
        ];
        match lost.into_iter().find(|(_, same)| !same) {
            None => Ok(()),
            Some((key, _)) => Err(Error::failed(format!("{blame} `{key}`"))
                .hint(format!("the header needs it: `-- {key}: {{{{ {key} | yaml }}}}` in a template"))),
        }
    }
}
