//! Files and directories that are not what they should be.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use snapbox::str;

use crate::world::{INI, empty, same, session, with};

const GOOD: &str = "-- revision: 1\n\n-- migrate:upgrade\n";

#[test]
fn other_encodings() {
    let project = empty();
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(GOOD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    project.write("versions/1_utf16.sql", utf16);
    project.write("versions/2_latin1.sql", b"-- revision: 2\n-- message: caf\xE9\n");
    project.write("versions/3_nul.sql", b"-- revision: 3\n-- message: a\0b\n");
    project.write("versions/4_escape.sql", b"-- revision: 4\n-- message: \x1b[31mred\n");
    project.write("versions/5_return.sql", b"-- revision: 5\r-- message: a\n");
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: the file is UTF-16, not UTF-8
 --> versions/1_utf16.sql:1:1
  |
1 |
  | ^
  |
  = hint: iconv -f UTF-16 -t UTF-8 versions/1_utf16.sql

error: the file is not UTF-8
 --> versions/2_latin1.sql:2:16
  |
2 | -- message: caf�
  |                ^
  |
  = hint: iconv -f LATIN1 -t UTF-8 versions/2_latin1.sql   # if it is Latin-1

error: a control character (U+0000) in the header
 --> versions/3_nul.sql:2:14
  |
2 | -- message: a␀b
  |              ^
  |
  = hint: take it out of the file

error: a control character (U+001B) in the header
 --> versions/4_escape.sql:2:13
  |
2 | -- message: ␛[31mred
  |             ^
  |
  = hint: take it out of the file

error: a carriage return without a line feed in the header
 --> versions/5_return.sql:1:15
  |
1 | -- revision: 5␍-- message: a
  |               ^
  |
  = hint: save the file with LF or CRLF line ends

"#]],
    );
}

#[test]
fn a_mark_and_windows_lines_are_fine() {
    let project = empty();
    project.write("versions/1.sql", "\u{feff}-- revision: 1\r\n-- message: a\r\n\r\n-- migrate:upgrade\r\n");
    same(
        session(&project, "heads -v"),
        str![[r#"
$ aludel heads -v
exit code: 0
----- stdout
Rev: 1 (head)
Parent: <base>
Path: versions/1.sql

    a


"#]],
    );
}

#[test]
fn no_files() {
    let project = empty();
    std::fs::create_dir(project.path().join("versions/1.sql")).unwrap();
    mknodat(CWD, project.path().join("versions/2.sql"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    symlink("3.sql", project.path().join("versions/3.sql")).unwrap();
    symlink("gone", project.path().join("versions/4.sql")).unwrap();
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `versions/1.sql` is a directory, not a revision file
hint: move it out of the version location, or rename it so that it does not end in `.sql`

error: `versions/2.sql` is a pipe, socket or device, not a revision file
hint: move it out of the version location, or rename it so that it does not end in `.sql`

error: cannot read `versions/3.sql`
note: caused by: Too many levels of symbolic links (os error 40)
hint: it is a symbolic link that leads back to itself: remove it

error: cannot read `versions/4.sql`
note: caused by: No such file or directory (os error 2)
hint: ls -l versions/4.sql   # a symbolic link whose target is gone?

"#]],
    );
}

#[test]
fn a_link_to_a_file_is_followed() {
    let project = empty();
    project.write("elsewhere/one", GOOD);
    symlink("../elsewhere/one", project.path().join("versions/1.sql")).unwrap();
    same(
        session(&project, "heads -v"),
        str![[r#"
$ aludel heads -v
exit code: 0
----- stdout
Rev: 1 (head)
Parent: <base>
Path: versions/1.sql


"#]],
    );
}

#[test]
fn what_editors_leave_is_passed_over() {
    let project = with([("1.sql", GOOD)]);
    for name in
        [".1.sql.swp", "1.sql~", "#1.sql#", ".#1.sql", "1.sql.orig", "1.sql.bak", ".hidden.sql", "README.md", ".sql"]
    {
        project.write(&format!("versions/{name}"), "\0 no revision");
    }
    project.write("versions/old/2.sql", "\0 no revision");
    same(
        session(&project, "history"),
        str![[r#"
$ aludel history
exit code: 0
----- stdout
<base> -> 1 (head)

"#]],
    );
}

#[test]
fn names_that_differ_in_case() {
    let project = with([("a.sql", GOOD), ("A.sql", "-- revision: 2\n\n-- migrate:upgrade\n")]);
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: `A.sql` and `a.sql` in `versions` differ only in case
note: a file system that does not tell them apart would lose one of them
hint: rename one of the two files

"#]],
    );
}

#[test]
fn version_locations_that_are_none() {
    let project = empty();
    project.write("migrate.ini", format!("{INI}version_locations =\n    versions\n    missing/one\n    migrate.ini\n"));
    same(
        session(&project, "heads\nrevision -m a"),
        str![[r#"
$ aludel heads
exit code: 1
----- stderr
error: no such version location: `missing/one`
note: it is named by `version_locations` in the ini, one directory a line, relative to the ini
hint: mkdir -p missing/one

error: version location `migrate.ini` is not a directory
note: it is named by `version_locations` in the ini

$ aludel revision -m a
exit code: 1
----- stderr
error: no such version location: `missing/one`
note: it is named by `version_locations` in the ini, one directory a line, relative to the ini
hint: mkdir -p missing/one

error: version location `migrate.ini` is not a directory
note: it is named by `version_locations` in the ini

"#]],
    );
}

#[test]
fn a_directory_reached_twice_is_read_once() {
    let project = with([("1.sql", GOOD)]);
    project.write(
        "migrate.ini",
        format!("{INI}recursive_version_locations = yes\nversion_locations =\n    versions\n    ./versions\n"),
    );
    symlink(".", project.path().join("versions/again")).unwrap();
    same(
        session(&project, "heads"),
        str![[r#"
$ aludel heads
exit code: 0
----- stdout
1 (head)

"#]],
    );
}
