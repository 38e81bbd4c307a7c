//! Copying a directory with all in it, in this process: `cp -a` takes ten times as long on small files in memory.

use std::fs;
use std::io;
use std::path::Path;

use super::identity::Identity;

/// Copies the files and directories below `from` into the existing directory `to`, for `identity` to own.
///
/// Links are not followed and not copied: a fresh cluster has none.
pub(super) fn copy(from: &Path, to: &Path, identity: &Identity) -> io::Result<()> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                fs::create_dir(&target)?;
                fs::set_permissions(&target, entry.metadata()?.permissions())?;
                open.push((source, target.clone()));
            } else if kind.is_file() {
                fs::copy(&source, &target)?;
            } else {
                continue;
            }
            identity.give(&target)?;
        }
    }
    Ok(())
}

/// The bytes of all files below `path`; what vanishes meanwhile does not count.
pub(super) fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Removes a directory with all in it; true where there was one.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_copy_has_the_same_files_and_modes() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("base/1")).unwrap();
        fs::write(from.path().join("base/1/112"), "data").unwrap();
        fs::write(from.path().join("PG_VERSION"), "15\n").unwrap();
        fs::set_permissions(from.path().join("base"), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("/etc", from.path().join("link")).unwrap();
        copy(from.path(), to.path(), &Identity::Own).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("base/1/112")).unwrap(), "data");
        assert_eq!(fs::read_to_string(to.path().join("PG_VERSION")).unwrap(), "15\n");
        assert_eq!(fs::metadata(to.path().join("base")).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!to.path().join("link").exists());
        assert_eq!((size(to.path()), size(&to.path().join("gone"))), (7, 0));
        assert!(remove(&to.path().join("base")).unwrap());
        assert!(!remove(&to.path().join("base")).unwrap());
    }
}
