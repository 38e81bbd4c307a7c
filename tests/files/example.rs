//! The example project of this repository.

use snapbox::str;

use crate::support::Project;
use crate::world::did;

#[test]
fn it_has_one_head_and_a_history_worth_looking_at() {
    let project = Project::empty();
    let example = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        project.run(command)
    };
    did(
        &example(&["heads"]),
        str![[r#"
exit code: 0
----- stdout
007 (analogies, billing) (head) (mergepoint)

"#]],
    );
    did(
        &example(&["history"]),
        str![[r#"
exit code: 0
----- stdout
003, 006 -> 007 (analogies, billing) (head) (mergepoint), merge analogies and billing
002 -> 003 (analogies), ai analogies
005 -> 006 (billing), billing indexes
004 -> 005 (billing), billing events
002 -> 004 (billing), billing plans and invoices
001 -> 002 (branchpoint), v2.1 features
<base> -> 001, initial schema

"#]],
    );
    did(
        &example(&["history", "--graph"]),
        str![[r#"
exit code: 0
----- stdout
◆    007 (analogies, billing) (head) (mergepoint), merge analogies and billing
├─╮
○ │  003 (analogies), ai analogies
│ ○  006 (billing), billing indexes
│ ○  005 (billing), billing events
│ ○  004 (billing), billing plans and invoices
├─╯
○  002 (branchpoint), v2.1 features
○  001, initial schema

"#]],
    );
    did(
        &example(&["branches"]),
        str![[r#"
exit code: 0
----- stdout
002 (branchpoint)
    -> 003 (analogies)
    -> 004 (billing)

"#]],
    );
    did(
        &example(&["plan", "upgrade", "head", "--from", "base"]),
        str![[r#"
exit code: 0
----- stdout
upgrade <base> -> 001, initial schema
upgrade 001 -> 002, v2.1 features
upgrade 002 -> 004, billing plans and invoices
upgrade 004 -> 005, billing events
upgrade 005 -> 006, billing indexes (not in one transaction)
upgrade 002 -> 003, ai analogies
upgrade 003, 006 -> 007, merge analogies and billing
----- stderr
7 revisions, from base to 007

"#]],
    );
    did(
        &example(&["plan", "downgrade", "base", "--from", "head"]),
        str![[r#"
exit code: 0
----- stdout
downgrade 007 -> 003, 006, merge analogies and billing
downgrade 003 -> 002, ai analogies
downgrade 006 -> 005, billing indexes (not in one transaction)
downgrade 005 -> 004, billing events
downgrade 004 -> 002, billing plans and invoices
downgrade 002 -> 001, v2.1 features
downgrade 001 -> <base>, initial schema
----- stderr
7 revisions, from 007 to base

"#]],
    );
}
