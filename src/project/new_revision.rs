//! Writing a new revision file: rendered, checked, written where nothing was, and read back.
//!
//! Where a revision belongs in the graph was decided before; here it becomes a file that says exactly that.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset, SecondsFormat};

use super::{FileTemplate, HookRun, explain, file_name, hooks, listing};
use crate::config::Command;
use crate::error::{Error, Result};
use crate::model::header::{self, Header, Key};
use crate::model::revision::Name;
use crate::source::{self, Excerpt};
use crate::template;

/// The template of a new file where a project has none of its own.
pub const TEMPLATE: &str = include_str!("../../templates/revision.sql.j2");

/// A revision that is to become a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevision {
    /// Its id.
    pub id: Name,
    /// Its parents, in the order in which the header names them.
    pub parents: Vec<Name>,
    /// Ids or labels that it depends on.
    pub depends_on: Vec<Name>,
    /// Its labels.
    pub labels: Vec<Name>,
    /// Its message: one line, or empty.
    pub message: String,
    /// The time it says it was made, in the zone of the settings ([`TimeZone::at`](crate::config::TimeZone::at)).
    pub created: DateTime<FixedOffset>,
    /// The version location it goes to, as the user would type it.
    pub directory: PathBuf,
}

/// How a project's new files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// How they are called.
    pub file_template: FileTemplate,
    /// Whether files in sub-directories of a version location are loaded.
    pub recursive: bool,
    /// Where the project's own template would be; [`TEMPLATE`] is used where there is no such file.
    pub template: PathBuf,
    /// The commands run on each new file.
    pub hooks: Vec<Command>,
}

impl Writer {
    /// Writes `new`; the path of the file, as the user would type it.
    ///
    /// # Errors
    /// Nothing is written where the name is taken or impossible, or the template loses a part of the header. A
    /// file that does not read back is removed.
    pub fn write(&self, new: &NewRevision) -> Result<PathBuf> {
        if let Some(character) = new.message.chars().find(|c| c.is_control()) {
            return Err(Error::usage(format!("a message is one line, and this one holds {character:?}")));
        }
        let name = self.file_template.render(new.id.as_str(), &new.message, new.created);
        file_name::check(&name)?;
        self.check_directory(new, &name)?;
        let path = new.directory.join(&name);
        let text = self.render(new)?;
        self.check(new, &path, &text, "the template lost")
            .map_err(|error| error.note(self.maker()).note("nothing was written"))?;
        write_new(&new.directory, &name, &path, &text)?;
        Ok(path)
    }

    /// Runs the hooks on the file of `new`, which [`Writer::write`] wrote at `path`; what they said.
    ///
    /// # Errors
    /// A hook failed, or changed what the header says. The file stays, and the error says so.
    pub fn run_hooks(&self, new: &NewRevision, path: &Path) -> Result<Vec<HookRun>> {
        let ran = hooks::run(&self.hooks, path)?;
        if !ran.is_empty() {
            self.check_after_hooks(new, path)?;
        }
        Ok(ran)
    }

    /// Refuses a place that the loader would pass over.
    fn check_directory(&self, new: &NewRevision, name: &str) -> Result<()> {
        match name.split_once('/') {
            Some(_) if !self.recursive => Err(Error::usage(format!("`{name}` would not be found again"))
                .note("`file_template` has a `/`, and `recursive_version_locations` is off")
                .hint("set `recursive_version_locations = true` in the ini")),
            Some((listing::REPEATABLE, _)) => Err(Error::usage(format!(
                "`{}` in `{}` is not for revisions",
                listing::REPEATABLE,
                new.directory.display()
            ))),
            _ => Ok(()),
        }
    }

    fn render(&self, new: &NewRevision) -> Result<String> {
        let own = own_template(&self.template)?;
        let names = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let values = minijinja::context! {
            revision => new.id.as_str(),
            parents => names(&new.parents),
            depends_on => names(&new.depends_on),
            labels => names(&new.labels),
            message => new.message,
            created => new.created.to_rfc3339_opts(SecondsFormat::Secs, true),
        };
        template::render_file(&self.template.display().to_string(), own.as_deref().unwrap_or(TEMPLATE), values)
    }

    fn maker(&self) -> String {
        format!("the file was made by `{}`", self.template.display())
    }

    /// Whether `text` says what `new` is; `blame` begins the sentence for what it does not say.
    fn check(&self, new: &NewRevision, path: &Path, text: &str, blame: &str) -> Result<()> {
        let shown = path.display().to_string();
        let header =
            Header::parse(text).map_err(|error| explain::header_error(&shown, text, error, explain::REVISION))?;
        let Some((key, wanted)) = lost(new, &header) else { return Ok(()) };
        let error = Error::failed(format!("{blame} `{key}`: the header should say `{wanted}`"));
        Err(match header::locate(text, key, None) {
            Some(range) => error.at(Excerpt::new(shown, text, range, 1)),
            None => error.hint(format!("add a line `-- {key}: {{{{ {key} | yaml }}}}` to the template")),
        })
    }

    /// A hook may format the file as it likes, but not change what the header says.
    fn check_after_hooks(&self, new: &NewRevision, path: &Path) -> Result<()> {
        let wrong = |error: Error| error.note("the file is kept as `post_write_hooks` left it");
        let bytes = std::fs::read(path)
            .map_err(|error| wrong(Error::failed(format!("cannot read `{}` back", path.display())).cause(error)))?;
        let text = String::from_utf8_lossy(source::without_mark(&bytes));
        self.check(new, path, &text, "a post-write hook changed").map_err(wrong)
    }
}

/// The first key whose value in `header` is not that of `new`, and what it should be.
fn lost(new: &NewRevision, header: &Header) -> Option<(Key, String)> {
    let got = &header.revision;
    let list = |names: &[Name]| format!("[{}]", names.iter().map(Name::as_str).collect::<Vec<_>>().join(", "));
    let created = header.settings.created.is_some_and(|created| created.timestamp() == new.created.timestamp());
    [
        (Key::Revision, got.id == new.id, new.id.to_string()),
        (Key::Parents, got.parents == new.parents, list(&new.parents)),
        (Key::DependsOn, got.depends_on == new.depends_on, list(&new.depends_on)),
        (Key::Labels, got.labels == new.labels, list(&new.labels)),
        (Key::Message, got.message == new.message, new.message.clone()),
        (Key::Created, created, new.created.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ]
    .into_iter()
    .find_map(|(key, same, wanted)| (!same).then_some((key, wanted)))
}

/// The project's own template, where there is one.
pub(super) fn own_template(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(own) => Ok(Some(own)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::failed(format!("cannot read `{}`", path.display())).cause(error)),
    }
}

/// Writes `text` to `directory/name`, where nothing is yet, and reads it back.
pub(super) fn write_new(directory: &Path, name: &str, path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::failed(format!("cannot write `{}`", path.display())).cause(error);
    let real = make_parent(directory, name, path)?;
    let file_name = Path::new(name).file_name().unwrap_or_default();
    let shown = path.parent().unwrap_or(directory);
    listing::refuse_same_but_for_case(&real, shown, &file_name.to_string_lossy())?;
    let real = real.join(file_name);
    let mut file = File::options().write(true).create_new(true).open(&real).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Error::failed(format!("there is a file `{}` already", path.display()))
                .note("it is left as it is")
                .hint("choose another id with `--rev-id`, or another message");
        }
        failed(error)
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let read_back = written.and_then(|()| std::fs::read(&real));
    match read_back {
        Ok(bytes) if bytes == text.as_bytes() => Ok(()),
        result => {
            // Half a revision file would stop every later command. It is ours: nothing was there before.
            let removed = std::fs::remove_file(&real).is_ok();
            let error = match result {
                Err(error) => failed(error),
                Ok(_) => Error::failed(format!("`{}` did not read back as it was written", path.display())),
            };
            Err(error.note(if removed { "the file was removed" } else { "the file could not be removed" }))
        }
    }
}

/// The real directory that the file goes to, made where it is missing; it may not lie outside of `directory`.
fn make_parent(directory: &Path, name: &str, path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::failed(format!("cannot write `{}`", path.display())).cause(error);
    let root = directory.canonicalize().map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = failed(error);
        if missing { error.hint(format!("mkdir -p {}", directory.display())) } else { error }
    })?;
    let mut real = root.clone();
    for part in Path::new(name).parent().unwrap_or(Path::new("")) {
        real.push(part);
        match std::fs::create_dir(&real) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        real = real.canonicalize().map_err(failed)?;
        if !real.starts_with(&root) {
            return Err(Error::failed(format!("`{}` would lie outside of `{}`", path.display(), directory.display()))
                .note(format!("a symbolic link leads to `{}`", real.display())));
        }
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::FILE_TEMPLATE;
    use crate::config::values::command;
    use crate::model::revision::Revision;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn new(directory: &Path) -> NewRevision {
        NewRevision {
            id: name("003"),
            parents: vec![name("002")],
            depends_on: Vec::new(),
            labels: Vec::new(),
            message: "add users".to_owned(),
            created: DateTime::parse_from_rfc3339("2025-11-20T09:30:00Z").unwrap(),
            directory: directory.to_owned(),
        }
    }

    fn writer(directory: &Path, file_template: &str) -> Writer {
        Writer {
            file_template: FileTemplate::parse(file_template, 40).unwrap(),
            recursive: false,
            template: directory.join("revision.sql.j2"),
            hooks: Vec::new(),
        }
    }

    fn names_in(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_says_what_it_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = writer(directory.path(), FILE_TEMPLATE.default).write(&new(directory.path())).unwrap();
        assert_eq!(path, directory.path().join("003_add_users.sql"));
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "-- revision: 003\n-- parents: 002\n-- message: add users\n-- created: 2025-11-20T09:30:00Z\n\n\
             -- migrate:upgrade\n\n-- migrate:downgrade\n"
        );
    }

    #[test]
    fn a_base_and_a_merge() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path(), FILE_TEMPLATE.default);
        let base = NewRevision { parents: Vec::new(), message: String::new(), ..new(directory.path()) };
        let path = writer.write(&base).unwrap();
        assert_eq!(path, directory.path().join("003.sql"));
        assert!(std::fs::read_to_string(path).unwrap().starts_with("-- revision: 003\n-- parents:\n-- created"));
        let merge = NewRevision {
            id: name("004"),
            parents: vec![name("003"), name("abc")],
            depends_on: vec![name("x"), name("y")],
            labels: vec![name("shop")],
            ..new(directory.path())
        };
        let path = writer.write(&merge).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("-- parents: [003, abc]\n"), "{text}");
        assert!(text.contains("-- depends_on: [x, y]\n-- labels: shop\n"), "{text}");
    }

    #[test]
    fn odd_messages_read_back_and_stay_inside() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path(), FILE_TEMPLATE.default);
        for (number, message) in [
            "../../etc/x",
            "; rm -rf /",
            "fix: login # 12",
            "it's \"quoted\" \\ back",
            "🎉",
            "{{ revision }} {% raw %}",
            "- a",
            "~",
            " leading and trailing ",
            "-- migrate:upgrade",
            "no\u{a0}break",
            &"x".repeat(10_000),
        ]
        .iter()
        .enumerate()
        {
            let id = name(&format!("r{number}"));
            let new = NewRevision { id: id.clone(), message: (*message).to_owned(), ..new(directory.path()) };
            let path = writer.write(&new).unwrap_or_else(|error| panic!("{message}: {error} {:?}", error.notes()));
            assert_eq!(path.parent(), Some(directory.path()));
            let header = Header::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let wanted = Revision {
                id,
                parents: new.parents,
                depends_on: Vec::new(),
                labels: Vec::new(),
                message: (*message).to_owned(),
            };
            assert_eq!(header.revision, wanted);
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_half_done() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |writer: &Writer, new: &NewRevision, wanted: &str| {
            let before = names_in(directory.path());
            let error = writer.write(new).unwrap_err();
            assert!(error.title().contains(wanted), "{error}");
            assert_eq!(names_in(directory.path()), before, "{wanted}");
        };
        let plain = writer(directory.path(), FILE_TEMPLATE.default);
        let base = new(directory.path());
        std::fs::write(directory.path().join("003_add_users.sql"), "mine").unwrap();
        refused(&plain, &base, "already");
        assert_eq!(std::fs::read_to_string(directory.path().join("003_add_users.sql")).unwrap(), "mine");
        std::fs::write(directory.path().join("B_add_users.sql"), "").unwrap();
        refused(&plain, &NewRevision { id: name("b"), ..base.clone() }, "differ only in case");
        refused(&plain, &NewRevision { message: "a\nb".to_owned(), ..base.clone() }, "one line");
        let con = NewRevision { id: name("CON"), message: String::new(), ..base.clone() };
        refused(&plain, &con, "device on Windows");
        refused(&writer(directory.path(), "%(year)d/%(rev)s"), &base, "would not be found again");
        refused(&writer(directory.path(), "../%(rev)s"), &base, "begins with a dot");
        let mut recursive = writer(directory.path(), "repeatable/%(rev)s");
        recursive.recursive = true;
        refused(&recursive, &base, "not for revisions");
        let missing = NewRevision { directory: directory.path().join("nosuch"), ..base };
        refused(&plain, &missing, "cannot write");
    }

    #[test]
    fn sub_directories_are_made_but_not_left() {
        let outer = tempfile::tempdir().unwrap();
        let directory = outer.path().join("versions");
        std::fs::create_dir_all(outer.path().join("elsewhere")).unwrap();
        std::fs::create_dir(&directory).unwrap();
        let mut writer = writer(&directory, "%(year)d/%(month).2d/%(rev)s");
        writer.recursive = true;
        let path = writer.write(&new(&directory)).unwrap();
        assert_eq!(path, directory.join("2025/11/003.sql"));
        std::os::unix::fs::symlink(outer.path().join("elsewhere"), directory.join("2026")).unwrap();
        let later = DateTime::parse_from_rfc3339("2026-11-20T09:30:00Z").unwrap();
        let error = writer.write(&NewRevision { created: later, ..new(&directory) }).unwrap_err();
        assert!(error.title().contains("outside of"), "{error}");
        assert!(names_in(&outer.path().join("elsewhere")).is_empty());
    }

    #[test]
    fn a_template_that_loses_something_is_told_what() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path(), FILE_TEMPLATE.default);
        let whole = "-- revision: {{ revision }}\n-- parents: {{ parents | yaml }}\n-- message: {{ message }}\n\
                     -- created: {{ created }}\n";
        for (template, wanted) in [
            (whole.replace("{{ parents | yaml }}", ""), "the template lost `parents`: the header should say `[002]`"),
            (whole.replace("-- message: {{ message }}\n", ""), "the template lost `message`"),
            (whole.replace("{{ created }}", "2025-01-01T00:00:00Z"), "the template lost `created`"),
            (whole.replace("{{ revision }}", "{{ revison }}"), "unknown variable `revison`"),
            (whole.replace("-- message", "-- mesage"), "unknown key `mesage`"),
            (format!("\nBEGIN;\n{whole}"), "the file has no header"),
            (whole.replace("}}", "}"), "template syntax"),
        ] {
            std::fs::write(&writer.template, template).unwrap();
            let error = writer.write(&new(directory.path())).unwrap_err();
            assert!(error.title().contains(wanted), "{error}");
            assert_eq!(names_in(directory.path()), ["revision.sql.j2"]);
        }
        std::fs::write(&writer.template, format!("{whole}-- transaction: false\n")).unwrap();
        let path = writer.write(&new(directory.path())).unwrap();
        assert!(std::fs::read_to_string(path).unwrap().ends_with("-- transaction: false\n"));
    }

    #[test]
    fn hooks_run_on_the_file_and_may_not_break_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = writer(directory.path(), FILE_TEMPLATE.default);
        writer.hooks = vec![command("sed -i 's/upgrade/upgrade x/' {}", "sed -i 's/upgrade/upgrade x/' {}").unwrap()];
        let path = writer.write(&new(directory.path())).unwrap();
        let ran = writer.run_hooks(&new(directory.path()), &path).unwrap();
        assert_eq!(ran.len(), 1);
        assert!(std::fs::read_to_string(&path).unwrap().contains("-- migrate:upgrade x\n"));
        writer.hooks = vec![command("sed -i s/002/001/ {}", "sed -i s/002/001/ {}").unwrap()];
        let new_x = NewRevision { id: name("x"), ..new(directory.path()) };
        let error = writer.run_hooks(&new_x, &writer.write(&new_x).unwrap()).unwrap_err();
        assert!(error.title().contains("`parents`"), "{error}");
        assert!(error.notes().iter().any(|note| note.contains("post_write_hooks")));
        writer.hooks = vec![command("false", "false").unwrap()];
        let new_y = NewRevision { id: name("y"), ..new(directory.path()) };
        let error = writer.run_hooks(&new_y, &writer.write(&new_y).unwrap()).unwrap_err();
        assert!(error.notes()[0].contains("is kept"), "{:?}", error.notes());
        assert!(directory.path().join("y_add_users.sql").exists());
    }
}
