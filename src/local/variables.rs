//! The environment variables that the launcher looks at, as values: it reads no environment itself.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What the environment says; an empty variable counts as unset.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// `PG_BIN`: the directory of the server programs; nothing else is looked at where it is set.
    pub pg_bin: Option<PathBuf>,
    /// `PATH`, also handed on to the server.
    pub path: Option<OsString>,
    /// `LD_LIBRARY_PATH`, handed on to the server: unpacked binaries may need it.
    pub library_path: Option<OsString>,
    /// `HOME`: for the cache of fresh clusters.
    pub home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`: the same, before `HOME`.
    pub xdg_cache_home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: for the socket, where `/tmp` cannot be used.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `TMPDIR`: for clusters that do not fit into memory.
    pub tmpdir: Option<PathBuf>,
}

impl Variables {
    /// Asks `get` for each variable by name.
    #[must_use]
    pub fn look_up(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let path = |name: &str| get(name).map(PathBuf::from);
        Self {
            pg_bin: path("PG_BIN"),
            path: get("PATH"),
            library_path: get("LD_LIBRARY_PATH"),
            home: path("HOME"),
            xdg_cache_home: path("XDG_CACHE_HOME"),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            tmpdir: path("TMPDIR"),
        }
    }

    /// `PATH`, or where every system keeps its programs.
    pub(super) fn search_path(&self) -> &OsStr {
        self.path.as_deref().unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"))
    }

    /// The first executable file `name` in `PATH`.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.search_path()).map(|directory| directory.join(name)).find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_unset() {
        let variables = Variables::look_up(|name| Some(if name == "HOME" { "/h".into() } else { "".into() }));
        assert_eq!(variables.home, Some(PathBuf::from("/h")));
        assert_eq!(variables.pg_bin, None);
        assert!(variables.search_path().to_string_lossy().contains("/usr/bin"));
    }
}
