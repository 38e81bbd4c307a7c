//! Which files of the version locations are revisions or repeatable, and in which order.
//!
//! Alembic's order (`ScriptDirectory._load_revisions`): each location in turn, its files by name, then those of its
//! sub-directories where they are asked for. What editors leave behind is passed over.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Locations;
use crate::error::{Error, Result};
use crate::nearest::nearest;

/// A sub-directory of a version location that is kept for files that are run again whenever they change.
pub(super) const REPEATABLE: &str = "repeatable";

/// A directory or file as the system knows it, whatever the path that led there.
type Identity = (u64, u64);

/// The files of a project, in load order.
pub(super) struct Files {
    pub(super) revisions: Vec<PathBuf>,
    pub(super) repeatables: Vec<PathBuf>,
}

/// All files; a directory that is reached twice is listed once.
pub(super) fn files(locations: &Locations) -> std::result::Result<Files, Vec<Error>> {
    let mut listing = Listing { recursive: locations.recursive, ..Listing::default() };
    for path in locations.paths() {
        listing.location(&path);
    }
    let revisions = std::mem::take(&mut listing.files);
    for path in std::mem::take(&mut listing.repeatable) {
        listing.directory(&path, Kind::Repeatable);
    }
    if listing.errors.is_empty() { Ok(Files { revisions, repeatables: listing.files }) } else { Err(listing.errors) }
}

/// The names of a directory's revision files, and of its sub-directories.
type Entries = (Vec<String>, Vec<String>);

/// What a directory is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A version location.
    Location,
    /// A sub-directory of one.
    Below,
    /// One of repeatable files, or a sub-directory of it.
    Repeatable,
}

#[derive(Default)]
struct Listing {
    recursive: bool,
    seen: HashSet<Identity>,
    files: Vec<PathBuf>,
    /// The directories of repeatable files.
    repeatable: Vec<PathBuf>,
    errors: Vec<Error>,
}

impl Listing {
    fn location(&mut self, path: &Path) {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.directory(path, Kind::Location),
            Ok(_) => self.errors.push(
                Error::failed(format!("version location `{}` is not a directory", path.display()))
                    .note("it is named by `version_locations` in the ini"),
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.errors.push(
                Error::failed(format!("no such version location: `{}`", path.display()))
                    .note("it is named by `version_locations` in the ini, one directory a line, relative to the ini")
                    .hint(format!("mkdir -p {}", path.display())),
            ),
            Err(error) => self.errors.push(unlistable(path, error)),
        }
    }

    fn directory(&mut self, path: &Path, kind: Kind) {
        match self.entries(path, kind) {
            Ok(None) => {}
            Ok(Some((names, directories))) => {
                self.errors.extend(same_but_for_case(path, &names));
                self.files.extend(names.into_iter().map(|name| path.join(name)));
                let below = if kind == Kind::Repeatable { kind } else { Kind::Below };
                for name in directories {
                    self.directory(&path.join(name), below);
                }
            }
            Err(error) => self.errors.push(unlistable(path, error)),
        }
    }

    /// The names of a directory's revision files and of its sub-directories, each sorted; nothing where the directory
    /// was listed before: another location, or a symbolic link that leads up.
    fn entries(&mut self, path: &Path, kind: Kind) -> std::io::Result<Option<Entries>> {
        let metadata = std::fs::metadata(path)?;
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return Ok(None);
        }
        let (mut names, mut directories) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                // A name that is no text cannot be typed; where it claims to be a revision, silence would hide it.
                let shown = entry.path();
                if shown.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
                    self.errors.push(Error::failed(format!("the name of `{}` is not UTF-8", shown.display())));
                }
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            if is_revision_file(&name) {
                names.push(name);
            } else if self.recursive || kind == Kind::Repeatable || (kind == Kind::Location && resembles(&name)) {
                let file_type = entry.file_type()?;
                // A link's target that is gone, or leads in a circle, is no directory of revisions.
                let is_directory = file_type.is_dir()
                    || (file_type.is_symlink()
                        && std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir()));
                if is_directory && kind == Kind::Location && name == REPEATABLE {
                    self.repeatable.push(path.join(name));
                } else if is_directory && !self.recursive {
                    self.errors.extend(unread(&path.join(name), kind)?);
                } else if is_directory {
                    directories.push(name);
                }
            }
        }
        names.sort_unstable();
        directories.sort_unstable();
        Ok(Some((names, directories)))
    }
}

/// Whether a directory's name was meant as [`REPEATABLE`].
fn resembles(name: &str) -> bool {
    nearest(name, [REPEATABLE]).is_some()
}

/// What is wrong with a directory, in one of this kind, that was meant to hold repeatable files: nobody would read it.
fn unread(path: &Path, within: Kind) -> std::io::Result<Option<Error>> {
    for entry in std::fs::read_dir(path)? {
        if entry?.file_name().to_str().is_some_and(is_revision_file) {
            let wrong = Error::failed(format!("nothing reads the `.sql` files in `{}`", path.display()));
            return Ok(Some(wrong.hint(match within {
                Kind::Repeatable => {
                    format!("move them into `{REPEATABLE}`, or set `recursive_version_locations = yes`")
                }
                Kind::Location | Kind::Below => format!("where they are repeatable files, call it `{REPEATABLE}`"),
            })));
        }
    }
    Ok(None)
}

/// Whether a file of this name is a revision: `.sql` in any case, so that `X.SQL` is not passed over in silence.
fn is_revision_file(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && extension.eq_ignore_ascii_case("sql"))
}

/// Two files that a Mac or a Windows machine could not hold both: a checkout there would lose a revision.
fn same_but_for_case(directory: &Path, names: &[String]) -> Vec<Error> {
    if !names.iter().any(|name| name.contains(|c: char| c.is_uppercase() || !c.is_ascii())) {
        return Vec::new();
    }
    let mut seen: HashMap<String, &str> = HashMap::with_capacity(names.len());
    let mut errors = Vec::new();
    for name in names {
        if let Some(first) = seen.insert(name.to_lowercase(), name) {
            errors.push(
                Error::failed(format!("`{first}` and `{name}` in `{}` differ only in case", directory.display()))
                    .note("a file system that does not tell them apart would lose one of them")
                    .hint("rename one of the two files"),
            );
        }
    }
    errors
}

fn unlistable(path: &Path, error: std::io::Error) -> Error {
    Error::failed(format!("cannot list `{}`", path.display())).cause(error)
}

/// Refuses a new file whose name differs from one that is there only in case; `shown` is the directory as it was typed.
pub(super) fn refuse_same_but_for_case(directory: &Path, shown: &Path, name: &str) -> Result<()> {
    let entries = std::fs::read_dir(directory).map_err(|error| unlistable(directory, error))?;
    let lower = name.to_lowercase();
    for entry in entries.flatten() {
        let other = entry.file_name();
        let other = other.to_string_lossy();
        if other != name && other.to_lowercase() == lower {
            return same_but_for_case(shown, &[other.into_owned(), name.to_owned()])
                .into_iter()
                .next()
                .map_or(Ok(()), Err);
        }
    }
    Ok(())
}
