//! A fresh cluster without the half second that `initdb` takes: made once for each version, then copied.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::identity::Identity;
use super::installation::Installation;
use super::server::{is_private, private_directory};
use super::{Variables, initdb, tree, unable};
use crate::error::Result;

/// Small write-ahead log files keep the copy near 28 MB; over TCP a password is asked for.
const ARGUMENTS: [&str; 2] = ["--wal-segsize=1", "--auth-host=scram-sha-256"];

/// Makes a fresh cluster at `data`, which must not exist yet. `scratch` is where temporary files may go.
pub(super) fn make(installation: &Installation, data: &Path, scratch: &Path) -> Result<()> {
    private_directory(installation, data).map_err(unable("create", data))?;
    let template = cache(&installation.variables, scratch).map(|cache| cache.join(key(installation)));
    if let Some(template) = &template
        && template.join("PG_VERSION").is_file()
        && tree::copy(template, data, &installation.identity).is_ok()
    {
        return Ok(());
    }
    // A template that somebody is removing leaves half a copy.
    if tree::remove(data).map_err(unable("remove", data))? {
        private_directory(installation, data).map_err(unable("create", data))?;
    }
    initdb::initialise(installation, data, &ARGUMENTS, None)?;
    if let Some(template) = &template {
        // Without a cache all works, only slower.
        let _ = keep(data, template);
    }
    Ok(())
}

/// Copies a fresh cluster to `template`, complete or not at all.
fn keep(data: &Path, template: &Path) -> std::io::Result<()> {
    let unfinished = template.with_extension(format!("{}", uuid::Uuid::new_v4().simple()));
    let kept = std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&unfinished)
        .and_then(|()| tree::copy(data, &unfinished, &Identity::Own))
        // Fails where another process was faster.
        .and_then(|()| std::fs::rename(&unfinished, template));
    if kept.is_err() {
        tree::remove(&unfinished)?;
    }
    kept
}

/// A name for all that a fresh cluster depends on.
fn key(installation: &Installation) -> String {
    let mut hash = Sha256::new();
    let binaries = &installation.binaries;
    hash.update(&binaries.version);
    hash.update([0]);
    hash.update(std::os::unix::ffi::OsStrExt::as_bytes(binaries.directory.as_os_str()));
    for argument in initdb::ARGUMENTS.into_iter().chain(ARGUMENTS) {
        hash.update([0]);
        hash.update(argument);
    }
    let hash: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("postgres-{}-{hash}", binaries.major)
}

/// The first directory of the cache that can be had and that nobody else can write to.
fn cache(variables: &Variables, scratch: &Path) -> Option<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let places = [
        variables.xdg_cache_home.as_ref().map(|cache| cache.join("aludel")),
        variables.home.as_ref().map(|home| home.join(".cache/aludel")),
        Some(scratch.join(format!("aludel-cache-{uid}"))),
    ];
    places.into_iter().flatten().filter(|place| place.is_absolute()).find(|place| {
        let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(place);
        is_private(place, uid)
    })
}
