//! Laying out a new project: the ini, a directory for revisions, the template of new files.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::TEMPLATE;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::template;

const INI: &str = include_str!("../../templates/migrate.ini.j2");

/// A kind of project that `init` can lay out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitTemplate {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    alembic: bool,
}

/// All of them, the one that is meant without a word first.
pub const INIT_TEMPLATES: [InitTemplate; 2] = [
    InitTemplate { name: "generic", description: "a project of its own, for one database", alembic: false },
    InitTemplate {
        name: "alembic",
        description: "carries on a database that Alembic has migrated: its version table is taken over",
        alembic: true,
    },
];

impl InitTemplate {
    /// The template called `name`.
    ///
    /// # Errors
    /// There is none, with the nearest that there is.
    pub fn named(name: &str) -> Result<Self> {
        INIT_TEMPLATES.into_iter().find(|template| template.name == name).ok_or_else(|| {
            let names = INIT_TEMPLATES.map(|template| template.name);
            let error = Error::usage(format!("no such template: `{name}`"));
            match nearest(name, names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.note(format!("there are {}", names.map(|name| format!("`{name}`")).join(", "))),
            }
        })
    }
}

/// What became of a path that a project needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    Created(PathBuf),
    /// It was there, and was left as it is.
    Kept(PathBuf),
}

/// Lays out a project in `directory`, which is made where it is missing: `migrate.ini`, `versions/` and
/// `templates/revision.sql.j2`. Whatever is there already is kept and said, so that a second run changes nothing.
///
/// # Errors
/// Something of the wrong kind is in the way (nothing is written then), or the disk says no.
pub fn init(directory: &Path, kind: InitTemplate) -> Result<Vec<Made>> {
    let ini = template::render_file("migrate.ini.j2", INI, minijinja::context! { alembic => kind.alembic })?;
    let at = |name: &str| super::join(directory, Path::new(name));
    let (versions, templates) = (at("versions"), at("templates"));
    let files = [(at("migrate.ini"), ini.as_str()), (at("templates/revision.sql.j2"), TEMPLATE)];
    for path in [directory, &versions, &templates] {
        if std::fs::symlink_metadata(path).is_ok() && !path.is_dir() {
            return Err(Error::failed(format!("`{}` is in the way: it is not a directory", path.display())));
        }
    }
    for (path, _) in &files {
        if path.is_dir() {
            return Err(Error::failed(format!("`{}` is in the way: it is a directory", path.display())));
        }
    }
    let mut made = vec![make_file(directory, &files[0].0, files[0].1)?];
    let new = !versions.is_dir();
    make_directory(&versions)?;
    made.push(if new { Made::Created(versions.clone()) } else { Made::Kept(versions.clone()) });
    if new {
        // git keeps no empty directory, and a missing version location is an error.
        made.push(make_file(&versions, &versions.join(".gitkeep"), "")?);
    }
    made.push(make_file(&templates, &files[1].0, files[1].1)?);
    Ok(made)
}

fn make_directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path)
        .map_err(|error| Error::failed(format!("cannot make the directory `{}`", path.display())).cause(error))
}

/// Writes a file in `directory` unless it is there.
fn make_file(directory: &Path, path: &Path, text: &str) -> Result<Made> {
    make_directory(directory)?;
    let failed = |error| Error::failed(format!("cannot write `{}`", path.display())).cause(error);
    match File::options().write(true).create_new(true).open(path) {
        Ok(mut file) => match file.write_all(text.as_bytes()) {
            Ok(()) => Ok(Made::Created(path.to_owned())),
            Err(error) => {
                // Half an ini would be kept by the next run.
                let _ = std::fs::remove_file(path);
                Err(failed(error))
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Made::Kept(path.to_owned())),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::KEYS;
    use crate::config::{CommandLineOverrides, Config, DatabaseUrl, Environment};
    use crate::secret::Secret;

    #[test]
    fn a_project_is_laid_out_once() {
        let outer = tempfile::tempdir().unwrap();
        let directory = outer.path().join("db/app");
        let generic = InitTemplate::named("generic").unwrap();
        let at = |name: &str| directory.join(name);
        let paths = [at("migrate.ini"), at("versions"), at("versions/.gitkeep"), at("templates/revision.sql.j2")];
        assert_eq!(init(&directory, generic).unwrap(), paths.clone().map(Made::Created));
        std::fs::write(at("migrate.ini"), "mine").unwrap();
        let again = init(&directory, generic).unwrap();
        assert_eq!(again, [&paths[0], &paths[1], &paths[3]].map(|path| Made::Kept(path.clone())));
        assert_eq!(std::fs::read_to_string(at("migrate.ini")).unwrap(), "mine");
    }

    #[test]
    fn something_in_the_way_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("versions"), "mine").unwrap();
        let error = init(directory.path(), INIT_TEMPLATES[0]).unwrap_err();
        assert!(error.title().contains("is in the way"), "{error}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// The ini of a new project, which it leaves in `directory`.
    fn ini(directory: &Path, kind: InitTemplate) -> String {
        init(directory, kind).unwrap();
        std::fs::read_to_string(directory.join("migrate.ini")).unwrap()
    }

    /// What `text` as `migrate.ini` says, with `-n name`.
    fn config(directory: &Path, text: &str, environment: &Environment, name: Option<&str>) -> Config {
        let path = directory.join("read.ini");
        std::fs::write(&path, text).unwrap();
        let name = name.map(str::to_owned);
        Config::load(environment, &CommandLineOverrides { config: Some(path), name, ..Default::default() }).unwrap()
    }

    #[test]
    fn the_inis() {
        let url = "postgres://h/d";
        let environment = Environment::new([("DATABASE_URL", url)]).unwrap();
        for kind in INIT_TEMPLATES {
            let directory = tempfile::tempdir().unwrap();
            let ini = ini(directory.path(), kind);
            assert!(ini.starts_with("# Settings") && ini.ends_with("2s\n") && !ini.contains("{%"), "{ini}");
            assert!(!ini.contains("\n\n\n"), "{ini}");
            let config = config(directory.path(), &ini, &environment, None);
            let given = DatabaseUrl::Given(Secret::from(url));
            assert_eq!(config.database_url(&environment).unwrap().value, given);
            let table = if kind.alembic { "alembic_version" } else { "aludel_version" };
            assert_eq!(*config.settings.version_table, table);
        }
        assert_eq!(InitTemplate::named("genric").unwrap_err().hints(), ["did you mean `generic`?"]);
    }

    #[test]
    fn the_ini_mentions_every_setting_that_is_not_rare() {
        for kind in INIT_TEMPLATES {
            let directory = tempfile::tempdir().unwrap();
            let ini = ini(directory.path(), kind);
            for key in KEYS.iter().filter(|key| !key.rare) {
                let start = format!("{} =", key.name);
                let mentioned = ini.lines().any(|line| line.trim_start_matches("# ").starts_with(&start));
                assert!(mentioned, "{} does not mention {}", kind.name, key.name);
            }
        }
    }

    /// Without its `# ` every setting is read, and gives what holds without it.
    #[test]
    fn what_is_commented_out_is_right() {
        let directory = tempfile::tempdir().unwrap();
        let all: String = ini(directory.path(), INIT_TEMPLATES[0])
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting)
                    if setting.starts_with([' ', '['])
                        || (setting.contains(" = ") || setting.ends_with(" =")) && !setting.contains('`') =>
                {
                    setting
                }
                _ => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let environment = Environment::new([("DATABASE_URL", "postgres://h/d")]).unwrap();
        let config = config(directory.path(), &all, &environment, Some("production"));
        assert_eq!(config.settings.post_write_hooks[0].words[0], "pg_format");
        let written = config.in_force(&environment).unwrap();
        for one in written.iter().filter(|one| !one.key.default.is_empty() && !one.key.rare) {
            assert!(one.origin.excerpt().is_some(), "{}", one.key.name);
            assert_eq!(one.shown.join("\n"), one.key.default, "{}", one.key.name);
        }
        assert_eq!(config.variables(&environment).unwrap()["app_role"].reveal(), "app");
    }
}
