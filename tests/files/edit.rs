//! `edit`.

use std::os::unix::fs::PermissionsExt;

use snapbox::str;

use crate::support::{Project, Ran};
use crate::world::{did, empty, merged};

fn edit(project: &Project, target: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = project.command(["edit", target]);
    command.envs(variables.iter().copied());
    project.run(command)
}

#[test]
fn the_editor_gets_the_file() {
    let project = merged();
    project.write("bin/my editor", "#!/bin/sh\necho \"editing $*\"\n");
    let program = project.path().join("bin/my editor");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    did(
        &edit(&project, "head", &[("EDITOR", "'./bin/my editor' --wait")]),
        str![[r#"
exit code: 0
----- stdout
editing --wait versions/006_merge.sql

"#]],
    );
    did(
        &edit(&project, "billing", &[("VISUAL", "echo visual"), ("EDITOR", "false")]),
        str![[r#"
exit code: 0
----- stdout
visual versions/003_plans.sql

"#]],
    );
    did(
        &edit(&project, "001", &[("PATH", "bin:/usr/bin:/bin"), ("EDITOR", "cat")]),
        str![[r#"
exit code: 0
----- stdout
-- revision: 001
-- message: first tables
-- created: 2025-11-20T09:30:00Z

-- migrate:upgrade
CREATE TABLE a ();
-- migrate:downgrade
DROP TABLE a;

"#]],
    );
}

#[test]
fn editors_that_fail() {
    let project = merged();
    did(
        &edit(&project, "head", &[("EDITOR", "no_such_editor")]),
        str![[r#"
exit code: 1
----- stderr
error: cannot start the editor `no_such_editor`
note: caused by: No such file or directory (os error 2)
hint: set EDITOR to the one to use

"#]],
    );
    did(
        &edit(&project, "head", &[("EDITOR", "sh -c 'exit 3'")]),
        str![[r#"
exit code: 1
----- stderr
error: the editor `sh` ended with exit status: 3

"#]],
    );
    did(
        &edit(&project, "head", &[("EDITOR", "'unclosed")]),
        str![[r#"
exit code: 2
----- stderr
error: VISUAL or EDITOR is not a command: `'unclosed`

"#]],
    );
    did(
        &edit(&project, "head", &[("PATH", "/nowhere")]),
        str![[r#"
exit code: 1
----- stderr
error: no editor was found
hint: set EDITOR to the one to use

"#]],
    );
}

#[test]
fn nothing_to_edit() {
    let project = merged();
    did(
        &edit(&project, "base", &[("EDITOR", "true")]),
        str![[r#"
exit code: 1
----- stderr
error: `base` is no revision, so there is no file to edit

"#]],
    );
    did(
        &edit(&project, "999", &[("EDITOR", "true")]),
        str![[r#"
exit code: 1
----- stderr
error: no revision or label is, or begins with, `999`
hint: `aludel history` lists the revisions

"#]],
    );
    did(
        &edit(&empty(), "head", &[("EDITOR", "true")]),
        str![[r#"
exit code: 1
----- stderr
error: `head` is no revision, so there is no file to edit

"#]],
    );
}
