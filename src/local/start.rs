//! The steps of starting a project's server, with `lock` and `alive` both held: nobody else is at work.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::connection::{DEFAULT_PORT, socket_fits};
use super::installation::Installation;
use super::persistent::Local;
use super::postmaster::Postmaster;
use super::running::{DATABASE, Origin, Running, connection};
use super::server::{Keep, Launch, Stop, is_private, private_directory};
use super::{find_binaries, initdb, tree, unable};
use crate::error::{Error, Result};

/// A log larger than this is begun anew at the next start.
const LONGEST_LOG: u64 = 1 << 20;

/// What the name of an unfinished data directory begins with.
const UNFINISHED: &str = "unfinished-";

impl Local {
    /// Starts a server; `alive` is locked, so there is none.
    pub(super) fn launch(&self, alive: File, keep: Keep) -> Result<Running> {
        let data = self.data();
        let owner = std::fs::metadata(&data).ok().map(|metadata| metadata.uid());
        let want = if owner.is_some() { Some(self.data_version()?) } else { None };
        let binaries = find_binaries(self.variables(), want).map_err(|error| self.explain_version(error, want))?;
        let installation = Installation::new(self.variables(), binaries, self.home(), owner)?;
        let origin = if owner.is_some() { Origin::Started } else { Origin::Created };
        if origin == Origin::Created {
            self.create(&installation, &alive)?;
        }
        self.clear_stale(&data)?;
        let runtime = self.runtime_directory(&installation)?;
        let launched = Launch {
            installation: &installation,
            data: &data,
            runtime: &runtime,
            port: DEFAULT_PORT,
            settings: &[],
            keep,
            stop: Stop::Fast,
            alive: Some(alive),
            log: &self.open_log(&installation)?,
        }
        .start()
        .map_err(|error| error.note(format!("its log is `{}`", self.log().display())))?;
        Ok(Running {
            connection: connection(&runtime, DEFAULT_PORT),
            origin,
            lease: launched.lease,
            watchdog: Some(launched.watchdog),
            local: self.clone(),
        })
    }

    /// Makes the cluster and its database, under another name until both are complete.
    fn create(&self, installation: &Installation, alive: &File) -> Result<()> {
        self.remove_unfinished()?;
        let unfinished = self.home().join(format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple()));
        private_directory(installation, &unfinished).map_err(unable("create", &unfinished))?;
        let made = initdb::initialise(installation, &unfinished, &["--auth-host=reject"], Some(alive))
            .and_then(|()| initdb::run_alone(installation, &unfinished, &format!("CREATE DATABASE {DATABASE}")))
            .and_then(|()| initdb::flush(installation, &unfinished));
        if let Err(error) = made {
            let _ = tree::remove(&unfinished);
            return Err(error);
        }
        std::fs::rename(&unfinished, self.data()).map_err(unable("rename", &unfinished))
    }

    /// Removes what a start that was killed has left.
    pub(super) fn remove_unfinished(&self) -> Result<()> {
        for entry in std::fs::read_dir(self.home()).map_err(unable("read", self.home()))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                tree::remove(&entry.path()).map_err(unable("remove", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// Removes `postmaster.pid` of a server that is no more, which PostgreSQL itself would take for a living one where
    /// the number belongs to another process by now. A server that somebody started by hand answers, and is left alone.
    fn clear_stale(&self, data: &Path) -> Result<()> {
        let Some(socket) = Postmaster::read(data).map_err(unable("read", data))?.and_then(|found| found.socket())
        else {
            return Ok(());
        };
        if UnixStream::connect(&socket).is_ok() {
            return Err(Error::failed(format!("a server that this tool did not start runs on `{}`", data.display()))
                .note(format!("it listens on `{}`", socket.display()))
                .hint(format!("pg_ctl stop -D {}", data.display())));
        }
        let path = Postmaster::path(data);
        std::fs::remove_file(&path).map_err(unable("remove", &path))
    }

    /// Makes the directory of the socket: the same name each time, so that a URL stays right. What a killed server left
    /// there is removed; where somebody else has taken the name, the next one serves.
    fn runtime_directory(&self, installation: &Installation) -> Result<PathBuf> {
        let hash = Sha256::digest(std::os::unix::ffi::OsStrExt::as_bytes(self.home().as_os_str()));
        let hash: String = hash.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        let own = installation.identity.uid();
        let parents = ["/tmp".into()].into_iter().chain(self.variables().xdg_runtime_dir.clone());
        let mut refused = None;
        for parent in parents.chain(self.variables().tmpdir.clone()) {
            for suffix in ["", "-1", "-2", "-3"] {
                let path = parent.join(format!("aludel-{hash}{suffix}"));
                if !path.is_absolute() || !socket_fits(&path, DEFAULT_PORT) {
                    continue;
                }
                if is_private(&path, own) {
                    tree::remove(&path).map_err(unable("remove", &path))?;
                }
                match private_directory(installation, &path) {
                    Ok(()) => return Ok(path),
                    Err(error) => refused = Some(unable("create", &path)(error)),
                }
            }
        }
        let error = refused.unwrap_or_else(|| Error::failed("no directory for a socket"));
        Err(error.hint("make /tmp writable, or set XDG_RUNTIME_DIR to a directory with a short path"))
    }

    /// The major version of the data.
    fn data_version(&self) -> Result<u32> {
        let path = self.data().join("PG_VERSION");
        let text = std::fs::read_to_string(&path).map_err(unable("read", &path))?;
        text.trim().parse().map_err(unable("read a version in", &path))
    }

    /// Says why no other version will do, where there is another.
    fn explain_version(&self, error: Error, want: Option<u32>) -> Error {
        match want {
            Some(want) if find_binaries(self.variables(), None).is_ok() => error
                .note(format!("the data in `{}` are PostgreSQL {want}'s", self.home().display()))
                .hint("or `aludel local destroy`, to begin with an empty database of the version that is here"),
            _ => error,
        }
    }

    /// Opens the log; the server's user owns it, and can still write it when root has started the server before.
    fn open_log(&self, installation: &Installation) -> Result<File> {
        let path = self.log();
        let file = File::options().read(true).append(true).create(true).open(&path).map_err(unable("open", &path))?;
        if file.metadata().is_ok_and(|metadata| metadata.len() > LONGEST_LOG) {
            file.set_len(0).map_err(unable("shorten", &path))?;
        }
        installation.identity.give(&path).map_err(unable("change the owner of", &path))?;
        Ok(file)
    }
}
