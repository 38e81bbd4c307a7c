//! Names that are no files.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use snapbox::str;

use crate::{Case, upgrade};

#[test]
fn no_files() {
    let case = Case::new();
    symlink("1.sql", case.project.path().join("versions/1.sql")).unwrap();
    case.refused(str![[r#"
exit code: 1
----- stderr
error: cannot read `versions/1.sql`
note: caused by: Too many levels of symbolic links (os error 40)
hint: it is a symbolic link that leads back to itself: remove it

"#]]);
    let case = Case::new();
    mknodat(CWD, case.project.path().join("versions/1.sql"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    case.refused(str![[r#"
exit code: 1
----- stderr
error: `versions/1.sql` is a pipe, socket or device, not a revision file
hint: move it out of the version location, or rename it so that it does not end in `.sql`

"#]]);
    let case = Case::new();
    std::fs::create_dir(case.project.path().join("versions/1.sql")).unwrap();
    case.refused(str![[r#"
exit code: 1
----- stderr
error: `versions/1.sql` is a directory, not a revision file
hint: move it out of the version location, or rename it so that it does not end in `.sql`

"#]]);
    let case = Case::new();
    symlink("/dev/zero", case.project.path().join("versions/1.sql")).unwrap();
    case.refused(str![[r#"
exit code: 1
----- stderr
error: `versions/1.sql` is a pipe, socket or device, not a revision file
hint: move it out of the version location, or rename it so that it does not end in `.sql`

"#]]);
}

#[test]
fn a_file_that_may_not_be_read() {
    let case = Case::file(upgrade("SELECT 1;\n"));
    let path = case.project.path().join("versions/1.sql");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = case.command();
    if rustix::process::getuid().is_root() {
        // Root may read everything; this user nothing.
        command.uid(65534);
    }
    case.refused_by(
        command,
        str![[r#"
exit code: 1
----- stderr
error: cannot read `versions/1.sql`
note: caused by: Permission denied (os error 13)
hint: chmod +r versions/1.sql

"#]],
    );
    // A file whose reading fails, whoever reads.
    let case = Case::new();
    symlink("/proc/self/mem", case.project.path().join("versions/1.sql")).unwrap();
    case.refused(str![[r#"
exit code: 1
----- stderr
error: cannot read `versions/1.sql`
note: caused by: Input/output error (os error 5)

"#]]);
}

#[test]
fn names() {
    let case = Case::file(upgrade("SELECT 1;\n"));
    for left_over in [".1.sql.swp", "1.sql~", "#1.sql#", "1.sql.orig", "1.sql."] {
        case.project.write(&format!("versions/{left_over}"), "\0");
    }
    // Names that are devices on Windows, or options to a shell, are files here.
    let odd = ["CON.sql", "nul.sql", "1..sql", "a b.sql", "-rf.sql", "\u{e9}.sql", "2.SQL"];
    for (name, id) in odd.iter().zip(2..) {
        case.project.write(
            &format!("versions/{name}"),
            format!("-- revision: {id}\n-- parents: {}\n\n-- migrate:upgrade\nSELECT 1;\n", id - 1),
        );
    }
    case.runs();
    assert_eq!(case.database.psql("SELECT count(*) FROM aludel_history"), format!("{}\n", odd.len() + 1));
}
