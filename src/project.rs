//! A project on disk: its version locations, the headers of the revision files in them, and new revision files.
//!
//! It knows what files there are and what their headers say. Whether the revisions make a graph is `model::graph`'s
//! question, and what their bodies hold `model::sql::body`'s; neither is asked here.

mod explain;
mod file_name;
mod hooks;
mod identifier;
mod init;
mod listing;
mod new_revision;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub use self::file_name::FileTemplate;
pub use self::hooks::HookRun;
pub use self::identifier::{next_id, refuse_existing};
pub use self::init::{INIT_TEMPLATES, InitTemplate, Made, init};
pub use self::new_revision::{NewRevision, TEMPLATE, Writer};
use crate::error::{Error, Result};
use crate::model::header::{self, Header, HeaderError, Key, Problem, Settings};
use crate::model::revision::{Name, Revision};
use crate::source::{self, Excerpt};

/// With fewer files than this, a second thread costs more than it saves.
const FILES_FOR_TWO_THREADS: usize = 500;

/// Where a project's revision files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The directory of the ini; the other paths are relative to it.
    pub here: PathBuf,
    /// The version locations, as the ini names them, in its order.
    pub directories: Vec<PathBuf>,
    /// Whether their sub-directories belong to them.
    pub recursive: bool,
}

impl Locations {
    /// The version locations as the user would type them.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.directories.iter().map(|directory| join(&self.here, directory))
    }
}

/// `path` seen from `here`, without a leading `./`; `.` where nothing is left.
fn join(here: &Path, path: &Path) -> PathBuf {
    let plain: PathBuf = here.join(path).components().filter(|part| *part != std::path::Component::CurDir).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// A revision file, without what the graph holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedFile {
    /// The file as the user would type it.
    pub path: PathBuf,
    /// What its header says of how it is run.
    pub settings: Settings,
}

/// All revision files of a project, in load order: each location in turn, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// The files.
    pub files: Vec<LoadedFile>,
    /// Their revisions, each beside its file: the graph's input.
    pub revisions: Vec<Revision>,
}

impl Project {
    /// Reads the headers of all revision files.
    ///
    /// # Errors
    /// Every location that cannot be listed and every file whose header cannot be read, in load order.
    pub fn load(locations: &Locations) -> std::result::Result<Self, Vec<Error>> {
        let paths = listing::revision_files(locations)?;
        let results = if paths.len() < FILES_FOR_TWO_THREADS {
            read_headers(&paths)
        } else {
            let (front, back) = paths.split_at(paths.len() / 2);
            std::thread::scope(|scope| {
                let back = scope.spawn(|| read_headers(back));
                let mut results = read_headers(front);
                // The thread cannot panic; were it to, its files would be read here.
                results.extend(back.join().unwrap_or_else(|_| read_headers(&paths[paths.len() / 2..])));
                results
            })
        };
        let mut project = Self { files: Vec::with_capacity(paths.len()), revisions: Vec::with_capacity(paths.len()) };
        let mut errors = Vec::new();
        for (path, result) in paths.into_iter().zip(results) {
            match result {
                Ok(Header { revision, settings }) => {
                    project.files.push(LoadedFile { path, settings });
                    project.revisions.push(revision);
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(project) } else { Err(errors) }
    }
}

impl LoadedFile {
    /// The file, opened to read its body.
    ///
    /// # Errors
    /// It has gone, may not be read, or is no file any more.
    pub fn open(&self) -> Result<File> {
        open(&self.path)
    }

    /// The labels that the file's header gives, for errors about the graph: read again, and none where that fails.
    #[must_use]
    pub fn labels(&self) -> Vec<Name> {
        read_header(&self.path, &mut Vec::new()).map_or_else(|_| Vec::new(), |header| header.revision.labels)
    }

    /// The place where the file's header says `key`, or names `name` under it: for errors about the graph. The file is
    /// read again, since nothing else needs the places of ten thousand headers.
    #[must_use]
    pub fn excerpt(&self, key: Key, name: Option<&str>) -> Option<Excerpt> {
        let mut bytes = Vec::new();
        read_beginning(&self.path, &mut bytes).ok()?;
        let text = header::text(&bytes).ok()?;
        let range = header::locate(text, key, name)?;
        Some(Excerpt::new(self.path.display().to_string(), text, range, 1))
    }
}

fn read_headers(paths: &[PathBuf]) -> Vec<Result<Header>> {
    let mut bytes = Vec::new();
    paths.iter().map(|path| read_header(path, &mut bytes)).collect()
}

/// The header of one file; `bytes` is room to read into.
fn read_header(path: &Path, bytes: &mut Vec<u8>) -> Result<Header> {
    read_beginning(path, bytes)?;
    let text = header::text(bytes).map_err(|error| not_text(path, bytes, &error))?;
    Header::parse(text).map_err(|error| explain::header_error(&path.display().to_string(), text, error))
}

/// An error in bytes that are no text: the excerpt shows what can be read of them.
fn not_text(path: &Path, bytes: &[u8], error: &HeaderError) -> Error {
    let readable = match error.problem {
        Problem::Utf16 => String::new(),
        _ => String::from_utf8_lossy(source::without_mark(bytes)).into_owned(),
    };
    explain::header_error(&path.display().to_string(), &readable, error.clone())
}

/// Reads the beginning of a file, as far as its header needs: nearly always one read of 4 KB.
fn read_beginning(path: &Path, bytes: &mut Vec<u8>) -> Result<()> {
    const FIRST_READ: usize = 4096;
    let mut file = open(path)?;
    bytes.clear();
    loop {
        let filled = bytes.len();
        bytes.resize(filled.max(FIRST_READ / 2) * 2, 0);
        let read = loop {
            match file.read(&mut bytes[filled..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result.map_err(|error| unreadable(path, error))?,
            }
        };
        bytes.truncate(filled + read);
        if read == 0 {
            return Ok(());
        }
        if let Some(extent) = header::extent(bytes) {
            bytes.truncate(extent);
            return Ok(());
        }
    }
}

/// Opens a regular file for reading. A FIFO does not make it wait, and a directory or device is an error that says so.
fn open(path: &Path) -> Result<File> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblock).open(path).map_err(|error| unreadable(path, error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, error))?;
    if metadata.is_file() {
        return Ok(file);
    }
    let what = if metadata.is_dir() { "a directory" } else { "a pipe, socket or device" };
    Err(Error::failed(format!("`{}` is {what}, not a revision file", path.display()))
        .hint("move it out of the version location, or rename it so that it does not end in `.sql`"))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let path = path.display();
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => Some(format!("chmod +r {path}")),
        std::io::ErrorKind::NotFound => Some(format!("ls -l {path}   # a symbolic link whose target is gone?")),
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            Some("it is a symbolic link that leads back to itself: remove it".to_owned())
        }
        _ => None,
    };
    let wrong = Error::failed(format!("cannot read `{path}`")).cause(error);
    match hint {
        Some(hint) => wrong.hint(hint),
        None => wrong,
    }
}

#[cfg(test)]
mod tests;
