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
mod new_repeatable;
mod new_revision;

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub use self::file_name::FileTemplate;
pub use self::hooks::HookRun;
pub use self::identifier::{next_id, refuse_existing};
pub use self::init::{INIT_TEMPLATES, InitTemplate, Made, init};
pub use self::new_repeatable::NewRepeatable;
pub use self::new_revision::{NewRevision, TEMPLATE, Writer};
use crate::error::{Error, Result};
use crate::model::header::{self, Header, HeaderError, Key, Problem, RepeatableHeader, Settings};
use crate::model::repeatable::Repeatable;
use crate::model::revision::{Name, Revision};
use crate::model::sql::checksum::Checksum;
use crate::source::{self, Excerpt};

/// With fewer files than this, a second thread costs more than it saves.
const FILES_FOR_TWO_THREADS: usize = 500;

/// A file up to this size is read whole at once where more than its header will be wanted.
const LARGEST_READ: usize = 16 * 1024;

/// So many bytes of files each thread keeps at most.
const MOST_KEPT: usize = 2 << 20;

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
    /// The whole file, where it was kept.
    bytes: Option<Box<[u8]>>,
    /// Its checksum, where it was wanted and the file was read whole.
    checksum: Option<Checksum>,
}

/// What will be wanted of the files beside their headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The bodies of many of them: small files are kept, as far as the room goes, and not read again.
    pub bodies: bool,
    /// The checksums of many of them: those of small files are made while they are read.
    pub checksums: bool,
}

/// All files of a project, in load order: each location in turn, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// The revision files.
    pub files: Vec<LoadedFile>,
    /// Their revisions, each beside its file: the graph's input.
    pub revisions: Vec<Revision>,
    /// The repeatable files.
    pub repeatable_files: Vec<LoadedFile>,
    /// What they are, each beside its file.
    pub repeatables: Vec<Repeatable>,
}

impl Project {
    /// Reads the headers of all files.
    ///
    /// # Errors
    /// Every location that cannot be listed and every file whose header cannot be read, in load order.
    pub fn load(locations: &Locations, wanted: Wanted) -> std::result::Result<Self, Vec<Error>> {
        let listing::Files { revisions, repeatables } = listing::files(locations)?;
        let mut project = Self::default();
        let mut errors = Vec::new();
        let results = in_two_threads(&revisions, FILES_FOR_TWO_THREADS, |paths| read_headers(paths, wanted));
        (project.files, project.revisions) =
            beside(revisions, results, &mut errors, |header: Header| (header.revision, header.settings));
        // Their checksums say which of them are to be run.
        let wanted = Wanted { checksums: true, ..wanted };
        let results = read_headers(&repeatables, wanted);
        (project.repeatable_files, project.repeatables) =
            beside(repeatables, results, &mut errors, |header: RepeatableHeader| (header.repeatable, header.settings));
        if errors.is_empty() { Ok(project) } else { Err(errors) }
    }
}

impl LoadedFile {
    /// The file, opened to read its body; what was kept of it is as it was when its header was read.
    ///
    /// # Errors
    /// It has gone, may not be read, or is no file any more.
    pub fn open(&self) -> Result<Box<dyn Read + '_>> {
        match &self.bytes {
            Some(bytes) => Ok(Box::new(&**bytes)),
            None => Ok(Box::new(open(&self.path)?)),
        }
    }

    /// Whether the file still says what it said when it was read; one that was not kept is read when it is wanted.
    ///
    /// # Errors
    /// It has gone, may not be read, or is no file any more.
    pub fn is_still_the_same(&self) -> Result<bool> {
        let Some(bytes) = &self.bytes else { return Ok(true) };
        let mut now = Vec::with_capacity(bytes.len());
        // One byte more tells a longer file.
        let read = open(&self.path)?.take(bytes.len() as u64 + 1).read_to_end(&mut now);
        read.map_err(|error| unreadable(&self.path, error))?;
        Ok(now == **bytes)
    }

    /// The checksum of its text as it is written, a template's too.
    ///
    /// # Errors
    /// As [`LoadedFile::open`].
    pub fn checksum(&self) -> Result<Checksum> {
        match self.checksum {
            Some(checksum) => Ok(checksum),
            None => Checksum::read(self.open()?).map_err(|error| unreadable(&self.path, error)),
        }
    }

    /// The labels that the file's header gives, for errors about the graph: read again, and none where that fails.
    #[must_use]
    pub fn labels(&self) -> Vec<Name> {
        let loaded = read_header::<Header>(&self.path, &mut Vec::new(), Wanted::default());
        loaded.map_or_else(|_| Vec::new(), |loaded| loaded.header.revision.labels)
    }

    /// The place where the file's header says `key`, or names `name` under it: for errors about the graph. The file is
    /// read again, since nothing else needs the places of ten thousand headers.
    #[must_use]
    pub fn excerpt(&self, key: Key, name: Option<&str>) -> Option<Excerpt> {
        let mut buffer = Vec::new();
        let beginning = read_beginning(&self.path, &mut buffer, 0).ok()?;
        let text = header::text(&buffer[..beginning.header]).ok()?;
        let range = header::locate(text, key, name)?;
        Some(Excerpt::new(self.path.display().to_string(), text, range, 1))
    }
}

/// What `work` makes of `items`, in their order; of the back half on another thread where there are at least `worth`.
pub fn in_two_threads<I: Sync, O: Send>(items: &[I], worth: usize, work: impl Fn(&[I]) -> Vec<O> + Sync) -> Vec<O> {
    if items.len() < worth {
        return work(items);
    }
    let (front, back) = items.split_at(items.len() / 2);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| work(back));
        let mut made = work(front);
        // The thread cannot panic; were it to, its part would be done here.
        made.extend(thread.join().unwrap_or_else(|_| work(back)));
        made
    })
}

/// Files, and beside each what its header says: `parts` takes a header apart.
fn beside<H, T>(
    paths: Vec<PathBuf>,
    results: Vec<Result<Loaded<H>>>,
    errors: &mut Vec<Error>,
    parts: impl Fn(H) -> (T, Settings),
) -> (Vec<LoadedFile>, Vec<T>) {
    let (mut files, mut said) = (Vec::with_capacity(paths.len()), Vec::with_capacity(paths.len()));
    for (path, result) in paths.into_iter().zip(results) {
        match result {
            Ok(Loaded { header, bytes, checksum }) => {
                let (what, settings) = parts(header);
                files.push(LoadedFile { path, settings, bytes, checksum });
                said.push(what);
            }
            Err(error) => errors.push(error),
        }
    }
    (files, said)
}

/// A header, and of the rest of the file what was wanted.
struct Loaded<H> {
    header: H,
    bytes: Option<Box<[u8]>>,
    checksum: Option<Checksum>,
}

/// What a kind of file begins with.
trait Heading: Sized {
    /// How it looks.
    const EXAMPLE: &str;

    fn parse(text: &str) -> std::result::Result<Self, HeaderError>;
}

impl Heading for Header {
    const EXAMPLE: &str = explain::REVISION;

    fn parse(text: &str) -> std::result::Result<Self, HeaderError> {
        Self::parse(text)
    }
}

impl Heading for RepeatableHeader {
    const EXAMPLE: &str = explain::REPEATABLE;

    fn parse(text: &str) -> std::result::Result<Self, HeaderError> {
        Self::parse(text)
    }
}

fn read_headers<H: Heading>(paths: &[PathBuf], wanted: Wanted) -> Vec<Result<Loaded<H>>> {
    let mut buffer = Vec::new();
    let mut room = MOST_KEPT;
    let load = |path: &PathBuf| {
        let loaded = read_header(path, &mut buffer, Wanted { bodies: wanted.bodies && room > 0, ..wanted });
        // What it is, is looked at only where something is wrong: ten thousand files are opened at every start.
        let loaded = loaded.map_err(|error| not_a_file(path, std::fs::metadata(path)).unwrap_or(error))?;
        room = room.saturating_sub(loaded.bytes.as_ref().map_or(0, |bytes| bytes.len()));
        Ok(loaded)
    };
    paths.iter().map(load).collect()
}

/// The header of one file, and what else is wanted of it if it is small; `buffer` is room to read into.
fn read_header<H: Heading>(path: &Path, buffer: &mut Vec<u8>, wanted: Wanted) -> Result<Loaded<H>> {
    let limit = if wanted == Wanted::default() { 0 } else { LARGEST_READ };
    let beginning = read_beginning(path, buffer, limit)?;
    let bytes = &buffer[..beginning.header];
    let text = header::text(bytes).map_err(|error| not_text(path, bytes, &error))?;
    let explain = |error| explain::header_error(&path.display().to_string(), text, error, H::EXAMPLE);
    let header = H::parse(text).map_err(explain)?;
    let whole = (beginning.whole && beginning.read <= limit).then(|| &buffer[..beginning.read]);
    Ok(Loaded {
        header,
        bytes: whole.filter(|_| wanted.bodies).map(Box::from),
        checksum: whole.filter(|_| wanted.checksums).map(Checksum::of_bytes),
    })
}

/// An error in bytes that are no text: the excerpt shows what can be read of them.
fn not_text(path: &Path, bytes: &[u8], error: &HeaderError) -> Error {
    let readable = match error.problem {
        Problem::Utf16 => String::new(),
        _ => String::from_utf8_lossy(source::without_mark(bytes)).into_owned(),
    };
    explain::header_error(&path.display().to_string(), &readable, error.clone(), explain::REVISION)
}

/// What was read of a file.
struct Beginning {
    /// So many bytes.
    read: usize,
    /// So many of them its header needs.
    header: usize,
    /// Whether that is the whole file.
    whole: bool,
}

/// Reads the beginning of a file into `buffer`, as far as its header needs, nearly always one read of 4 KB; and on to its
/// end while it is not larger than `limit`.
fn read_beginning(path: &Path, buffer: &mut Vec<u8>, limit: usize) -> Result<Beginning> {
    const FIRST_READ: usize = 4096;
    let mut file = open_at_once(path)?;
    let mut read = 0;
    // A file that is written anew while it is read would be half the old one and half the new one.
    let written = |file: &File| file.metadata().ok().map(|metadata| (metadata.len(), metadata.modified().ok()));
    let before = written(&file);
    let settled = |file: &File, read: usize| {
        if read <= FIRST_READ || written(file) == before {
            return Ok(());
        }
        Err(Error::failed(format!("`{}` changed while it was being read", path.display()))
            .hint("run the same command again"))
    };
    loop {
        if buffer.len() < read + FIRST_READ {
            buffer.resize((read + FIRST_READ).max(buffer.len() * 2), 0);
        }
        let count = loop {
            match file.read(&mut buffer[read..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result.map_err(|error| unreadable(path, error))?,
            }
        };
        read += count;
        match header::extent(&buffer[..read]) {
            None if count == 0 => {
                settled(&file, read)?;
                return Ok(Beginning { read, header: read, whole: true });
            }
            Some(header) if count == 0 || read > limit => {
                settled(&file, read)?;
                return Ok(Beginning { read, header, whole: count == 0 });
            }
            _ => {}
        }
    }
}

/// Opens a regular file for reading. A directory or a device is an error that says so.
fn open(path: &Path) -> Result<File> {
    let file = open_at_once(path)?;
    match not_a_file(path, file.metadata()) {
        Some(error) => Err(error),
        None => Ok(file),
    }
}

/// Opens a file for reading; a FIFO does not make it wait.
fn open_at_once(path: &Path) -> Result<File> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(nonblock).open(path).map_err(|error| unreadable(path, error))
}

/// What is wrong with what `path` names, where it is not a regular file.
fn not_a_file(path: &Path, metadata: std::io::Result<Metadata>) -> Option<Error> {
    let metadata = metadata.ok().filter(|metadata| !metadata.is_file())?;
    let what = if metadata.is_dir() { "a directory" } else { "a pipe, socket or device" };
    let wrong = Error::failed(format!("`{}` is {what}, not a revision file", path.display()));
    Some(wrong.hint("move it out of the version location, or rename it so that it does not end in `.sql`"))
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
