//! Laying out a new project: the ini, a directory for revisions, the template of new files.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::TEMPLATE;
use crate::error::{Error, Result};
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
            match super::nearest(name, names) {
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

    #[test]
    fn the_inis() {
        for kind in INIT_TEMPLATES {
            let directory = tempfile::tempdir().unwrap();
            init(directory.path(), kind).unwrap();
            let ini = std::fs::read_to_string(directory.path().join("migrate.ini")).unwrap();
            let lines: Vec<&str> = ini.lines().collect();
            assert!(
                lines.contains(&"[migrate]") && lines.contains(&"url = {{ x.dbUrl or env.DATABASE_URL }}"),
                "{ini}"
            );
            assert_eq!(lines.contains(&"version_table = alembic_version"), kind.alembic, "{ini}");
            assert!(!ini.contains("{%") && !ini.contains("\n\n\n"), "{ini}");
        }
        assert_eq!(InitTemplate::named("genric").unwrap_err().hints(), ["did you mean `generic`?"]);
    }
}
