//! The command line that means nothing: exit code 2, and what it could have been.

use snapbox::str;

use crate::support::Project;
use crate::world::{same, session, shop};

#[test]
fn no_command() {
    same(
        session(&Project::empty(), "-q\nupgade head\n--zebra heads\nheads --zebra\nheads extra"),
        str![[r#"
$ aludel -q
exit code: 2
----- stderr
error: 'aludel' requires a subcommand but one was not provided
  [subcommands: init, revision, merge, upgrade, downgrade, redo, stamp, repair, plan, ping, status, current, log, history, heads, branches, show, edit, ensure-version, ensure_version, list-templates, list_templates, env, local, serve-once, help]

Usage: aludel [OPTIONS] <COMMAND>

For more information, try '--help'.

$ aludel upgade head
exit code: 2
----- stderr
error: unrecognized subcommand 'upgade'

  tip: some similar subcommands exist: 'downgrade', 'upgrade'

Usage: aludel [OPTIONS] <COMMAND>

For more information, try '--help'.

$ aludel --zebra heads
exit code: 2
----- stderr
error: unexpected argument '--zebra' found

Usage: aludel [OPTIONS] <COMMAND>

For more information, try '--help'.

$ aludel heads --zebra
exit code: 2
----- stderr
error: unexpected argument '--zebra' found

Usage: aludel heads [OPTIONS]

For more information, try '--help'.

$ aludel heads extra
exit code: 2
----- stderr
error: unexpected argument 'extra' found

Usage: aludel heads [OPTIONS]

For more information, try '--help'.

"#]],
    );
}

#[test]
fn missing_and_impossible_arguments() {
    same(
        session(
            &shop(),
            "upgrade
             downgrade
             stamp
             show
             edit
             upgrade a-b
             upgrade head --from 001
             upgrade head --lock-wait soon
             downgrade -x
             redo 0
             redo -1
             history --graph --json
             heads -x novalue
             revision --head
             upgrade 001:002
             downgrade head --sql
             downgrade -1 --sql
             upgrade 001:002:003 --sql
             upgrade 001:head --sql --from 002",
        ),
        str![[r#"
$ aludel upgrade
exit code: 2
----- stderr
error: the following required arguments were not provided:
  <TARGET>

Usage: aludel upgrade <TARGET>

For more information, try '--help'.

$ aludel downgrade
exit code: 2
----- stderr
error: the following required arguments were not provided:
  <TARGET>

Usage: aludel downgrade <TARGET>

For more information, try '--help'.

$ aludel stamp
exit code: 2
----- stderr
error: the following required arguments were not provided:
  <TARGETS>...

Usage: aludel stamp <TARGETS>...

For more information, try '--help'.

$ aludel show
exit code: 2
----- stderr
error: the following required arguments were not provided:
  <TARGET>

Usage: aludel show <TARGET>

For more information, try '--help'.

$ aludel edit
exit code: 2
----- stderr
error: the following required arguments were not provided:
  <TARGET>

Usage: aludel edit <TARGET>

For more information, try '--help'.

$ aludel upgrade a-b
exit code: 2
----- stderr
error: invalid value 'a-b' for '<TARGET>': a number of steps stands behind `+` or `-`

For more information, try '--help'.

$ aludel upgrade head --from 001
exit code: 2
----- stderr
error: the following required arguments were not provided:
  --sql

Usage: aludel upgrade --sql --from <ID,ID> <TARGET>

For more information, try '--help'.

$ aludel upgrade head --lock-wait soon
exit code: 2
----- stderr
error: invalid value 'soon' for '--lock-wait <TIME>': it is no duration; write `[TIME]`, `2s`, `5min`, `1h` or `0`

For more information, try '--help'.

$ aludel downgrade -x
exit code: 2
----- stderr
error: a value is required for '-x <NAME=VALUE>' but none was supplied

For more information, try '--help'.

$ aludel redo 0
exit code: 2
----- stderr
error: invalid value '0' for '[COUNT]': 0 is not in 1..=4294967295

For more information, try '--help'.

$ aludel redo -1
exit code: 2
----- stderr
error: unexpected argument '-1' found

  tip: to pass '-1' as a value, use '-- -1'

Usage: aludel redo [OPTIONS] [COUNT]

For more information, try '--help'.

$ aludel history --graph --json
exit code: 2
----- stderr
error: the argument '--graph' cannot be used with '--json'

Usage: aludel history --graph

For more information, try '--help'.

$ aludel heads -x novalue
exit code: 2
----- stderr
error: write `-x` as NAME=VALUE; what is given instead is not shown

For more information, try '--help'.

$ aludel revision --head
exit code: 2
----- stderr
error: a value is required for '--head <REVISION>' but none was supplied

For more information, try '--help'.

$ aludel upgrade 001:002
exit code: 2
----- stderr
error: the range `001:002` is for --sql: a connected run starts from where the database stands
hint: aludel upgrade 002

$ aludel downgrade head --sql
exit code: 2
----- stderr
error: a downgrade on paper needs to know where the database stands
hint: aludel downgrade FROM:head --sql

$ aludel downgrade -1 --sql
exit code: 2
----- stderr
error: a downgrade on paper needs to know where the database stands
hint: aludel downgrade FROM:-1 --sql

$ aludel upgrade 001:002:003 --sql
exit code: 2
----- stderr
error: invalid value '001:002:003' for '<TARGET>': a range is FROM:TO, with one colon

For more information, try '--help'.

$ aludel upgrade 001:head --sql --from 002
exit code: 2
----- stderr
error: `001:` and --from both say where the database stands
hint: give one of them

"#]],
    );
}

#[test]
fn abbreviations_are_none() {
    same(
        session(&shop(), "hist\nheads --js"),
        str![[r#"
$ aludel hist
exit code: 2
----- stderr
error: unrecognized subcommand 'hist'

  tip: a similar subcommand exists: 'history'

Usage: aludel [OPTIONS] <COMMAND>

For more information, try '--help'.

$ aludel heads --js
exit code: 2
----- stderr
error: unexpected argument '--js' found

  tip: a similar argument exists: '--json'

Usage: aludel heads --json

For more information, try '--help'.

"#]],
    );
}
