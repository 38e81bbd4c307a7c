//! The help of every command, as a newcomer sees it.

use snapbox::str;

use crate::support::Project;
use crate::world::{same, session};

fn help(words: &[&str]) -> String {
    Project::empty().aludel(words).succeeded().stdout
}

/// The names of the commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.filter(|name| name != "help").collect()
}

#[test]
fn the_program() {
    same(
        session(&Project::empty(), "--help"),
        str![[r#"
$ aludel --help
exit code: 0
----- stdout
Migrate a PostgreSQL schema along a graph of revisions, from plain SQL files

Results go to standard output, everything else to standard error.

Exit codes: 0 done; 1 refused or failed, nothing half-done; 2 usage; 3 a check found something; 4 a
revision without a transaction stopped partway; 5 the outcome could not be learnt; 6 done, but a
hook behind it failed; 129, 130 and 143 stopped by a signal.

Usage: aludel [OPTIONS] <COMMAND>

Commands:
  init            Start a project: migrate.ini, versions/, and the template for new revisions
  revision        Write a new revision file, or a repeatable one
  merge           Write a revision that joins several heads
  upgrade         Apply revisions, up to a target
  downgrade       Undo revisions, down to a target
  redo            Undo the last revision and apply it again: for the one that is being written
  stamp           Record which revisions a database is at, without running them
  repair          Accept the files of applied revisions that were changed since
  plan            Show what an `upgrade` or a `downgrade` would run, in order; changes nothing
  ping            Try the connection, and whether an upgrade could run; nothing is changed
  status          Show where the database stands: applied, pending, unknown rows, heads
  current         Show the revisions that the database is at
  log             Show what was run on the database: when, by whom, how long, how it ended; newest
                  first
  history         List revisions, newest first
  heads           List the heads: revisions that no other names as its parent
  branches        List the branch points, each with the revisions that it branches into
  show            Show revisions in full: parents, labels, file, message
  edit            Open the file of a revision, or a repeatable file, in your editor
  ensure-version  Create the version and history tables where they are missing, and do nothing else
  list-templates  List the templates that `aludel init -t` knows
  env             Show the settings in force and where each comes from
  local           The private PostgreSQL of this project, for development and tests
  serve-once      Answer one request: JSON on standard input, JSON on standard output
  help            Print this message or the help of the given subcommand(s)

Options:
  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Options of every command:
  -c, --config <FILE>
          The configuration [default: migrate.ini in the current directory, or ALUDEL_CONFIG]

  -n, --name <SECTION>
          Lay this section of the configuration over [migrate] [default: ALUDEL_ENV]

  -x <NAME=VALUE>
          A value for the configuration (`{{ x.NAME }}`) and for revisions that are templates; may
          be given again

      --url <URL>
          The database, instead of the configuration's `url`: a URL, `key=value` pairs, or `local`

  -q, --quiet
          Say nothing but results, warnings and errors

  -v, --verbose
          Say more, and show listed revisions in full

      --log-format <FORMAT>
          For whom standard error is written: people, or programs (a JSON object a line) [default:
          ALUDEL_LOG_FORMAT, or text]
          
          [possible values: text, json]

"#]],
    );
}

#[test]
fn every_command_begins_with_its_sentence_and_fits() {
    let names = commands(&help(&["--help"]));
    assert!(names.len() > 15, "{names:?}");
    let mut all: Vec<Vec<String>> = names.into_iter().map(|name| vec![name]).collect();
    for parent in ["plan", "local"] {
        let below = commands(&help(&[parent, "--help"]));
        assert!(below.len() > 1, "{parent}");
        all.extend(below.into_iter().map(|name| vec![parent.to_owned(), name]));
    }
    for command in all {
        for option in ["--help", "-h"] {
            let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
            words.push(option);
            let text = help(&words);
            let first = text.lines().next().unwrap_or_default();
            assert!(first.starts_with(char::is_uppercase) && !first.ends_with('.'), "{words:?}: {first}");
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
            assert!(wide.is_empty(), "{words:?}: {wide:#?}");
            assert!(text.contains(&format!("\nUsage: aludel {}", command.join(" "))), "{words:?}: {text}");
            assert!(text.contains("\nOptions of every command:\n"), "{words:?}");
        }
    }
}

/// What a newcomer reads first; the global options below are the same for all.
#[test]
fn what_each_says() {
    let mut text = String::new();
    for command in commands(&help(&["--help"])) {
        let help = help(&[&command, "--help"]);
        let own = help.split("\nOptions of every command:").next().unwrap_or_default();
        text.push_str(&format!("$ aludel {command} --help\n{own}\n"));
    }
    same(
        text,
        str![[r#"
$ aludel init --help
Start a project: migrate.ini, versions/, and the template for new revisions

What is there already is kept.

Usage: aludel init [OPTIONS] [DIRECTORY]

Arguments:
  [DIRECTORY]
          The project's directory, made where it is missing
          
          [default: .]

Options:
  -t, --template <TEMPLATE>
          Which template; `aludel list-templates` lists them
          
          [default: generic]

  -h, --help
          Print help (see a summary with '-h')

$ aludel revision --help
Write a new revision file, or a repeatable one

Without --head it follows the only head.

Usage: aludel revision [OPTIONS]

Options:
  -m, --message <MESSAGE>
          What it does, in a line; also makes the file's name

      --rev-id <ID>
          Its id, instead of one made up

      --head <REVISION>
          What it follows: an id, LABEL@head, base, heads; may be given again for a merge

      --splice
          Let it follow a revision that is no head: starts a branch

      --branch-label <LABEL>
          A label for the branch that it starts; may be given again

      --depends-on <REVISION>
          A revision that must be applied before it without being its parent; may be given again

      --repeatable <ID>
          Write a repeatable file with this id instead: a view, a function, run again whenever its
          file changes

      --version-path <DIRECTORY>
          The directory to write to, one of the version locations

  -h, --help
          Print help (see a summary with '-h')

$ aludel merge --help
Write a revision that joins several heads

Usage: aludel merge [OPTIONS] <REVISIONS>...

Arguments:
  <REVISIONS>...  What to join: ids, LABEL@head, or `heads` for all heads

Options:
  -m, --message <MESSAGE>     What it does, in a line; also makes the file's name
      --rev-id <ID>           Its id, instead of one made up
      --splice                Allow revisions that are no heads
      --branch-label <LABEL>  A label for it; may be given again
  -h, --help                  Print help

$ aludel upgrade --help
Apply revisions, up to a target

Applies what the target needs and the database lacks, parents first. Where
nothing is lacking, nothing is done.

  aludel upgrade head            to the only head (`heads` for all of them)
  aludel upgrade +1              one revision further
  aludel upgrade 002             to a revision: its id, or the first characters of it
  aludel upgrade billing@head    to the head of a branch, by its label
  aludel upgrade head --sql      print the SQL instead, from an empty database
  aludel upgrade 001:002 --sql   print the SQL, from revision 001

Usage: aludel upgrade [OPTIONS] <TARGET>

Arguments:
  <TARGET>
          Where to: head, heads, an id, LABEL@head, +N, ID+N; with --sql also FROM:TO

Options:
      --sql
          Print the SQL that would be run, for review or for psql; no database is asked

      --from <ID,ID>
          With --sql: the revisions the database is at, where it is at several

      --lock-wait <TIME>
          How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's
          `lock_wait`, or 5min]

  -y, --yes
          Do not ask: the answer is yes

      --resume-after <N>
          Of the revision that stopped partway, take the first N statements as done

      --retry-statement
          Of the revision that stopped partway, run the statement again that it stopped in

      --metrics <FILE>
          Write what the run was like to this file, for node_exporter's textfile collector [default:
          `metrics` of the configuration]

  -h, --help
          Print help (see a summary with '-h')

$ aludel downgrade --help
Undo revisions, down to a target

Undoes everything that stands on the target; the target itself stays. A
revision without a downgrade section cannot be undone, and a plan that would
have to is refused before anything runs.

  aludel downgrade -1               the last revision
  aludel downgrade 001              everything above 001
  aludel downgrade base             everything
  aludel downgrade 002:001 --sql    print the SQL, for a database at 002

Usage: aludel downgrade [OPTIONS] <TARGET>

Arguments:
  <TARGET>
          Where to: -N, an id, base, LABEL@base, ID-N; with --sql FROM:TO

Options:
      --sql
          Print the SQL that would be run, for review or for psql; no database is asked

      --from <ID,ID>
          With --sql: the revisions the database is at, where it is at several

      --lock-wait <TIME>
          How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's
          `lock_wait`, or 5min]

  -y, --yes
          Do not ask: the answer is yes

      --resume-after <N>
          Of the revision that stopped partway, take the first N statements as done

      --retry-statement
          Of the revision that stopped partway, run the statement again that it stopped in

      --metrics <FILE>
          Write what the run was like to this file, for node_exporter's textfile collector [default:
          `metrics` of the configuration]

  -h, --help
          Print help (see a summary with '-h')

$ aludel redo --help
Undo the last revision and apply it again: for the one that is being written

With a number, the last so many. Where the database is at several revisions, use `downgrade` and
`upgrade` with their targets.

Usage: aludel redo [OPTIONS] [COUNT]

Arguments:
  [COUNT]
          How many revisions
          
          [default: 1]

Options:
      --lock-wait <TIME>
          How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's
          `lock_wait`, or 5min]

  -y, --yes
          Do not ask: the answer is yes

      --metrics <FILE>
          Write what the run was like to this file, for node_exporter's textfile collector [default:
          `metrics` of the configuration]

  -h, --help
          Print help (see a summary with '-h')

$ aludel stamp --help
Record which revisions a database is at, without running them

For a database that was built by hand, by another tool, or restored: the rows
of the version table are set, and nothing else is touched. The table is made
where it is missing.

  aludel stamp 002          it is at 002; rows of other branches stay
  aludel stamp 003 004      it is at both
  aludel stamp --purge 002  it is at 002 and nothing else, whatever the rows say, unknown ones too
  aludel stamp base         it is at nothing

Usage: aludel stamp [OPTIONS] <TARGETS>...

Arguments:
  <TARGETS>...
          The revisions: ids, labels, head, heads, base

Options:
      --purge
          Empty the version table first: the way out of a row that no file defines

      --sql
          Print the SQL instead

      --from <ID,ID>
          With --sql: the revisions the database is at now

      --lock-wait <TIME>
          How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's
          `lock_wait`, or 5min]

  -y, --yes
          Do not ask: the answer is yes

  -h, --help
          Print help (see a summary with '-h')

$ aludel repair --help
Accept the files of applied revisions that were changed since

Nothing is run, and the database stays as it is: the history takes the new
text for the revision's own, and says who accepted it and when. `aludel status`
lists the changed files.

  aludel repair          accept all of them
  aludel repair 002 003  accept these

Usage: aludel repair [OPTIONS] [REVISION]...

Arguments:
  [REVISION]...
          The revisions: ids, labels [default: all that were changed]

Options:
      --lock-wait <TIME>
          How long to wait for another run to end: 30s, 5min, 0 [default: the configuration's
          `lock_wait`, or 5min]

  -y, --yes
          Do not ask: the answer is yes

  -h, --help
          Print help (see a summary with '-h')

$ aludel plan --help
Show what an `upgrade` or a `downgrade` would run, in order; changes nothing

With -v also what each revision creates, changes and drops.

  aludel plan upgrade head               what `aludel upgrade head` would run
  aludel plan downgrade -1               what `aludel downgrade -1` would run
  aludel plan upgrade head --from 002    the same for a database at 002, without asking one

Usage: aludel plan [OPTIONS] <COMMAND>

Commands:
  upgrade    What an upgrade would run
  downgrade  What a downgrade would run

Options:
  -h, --help
          Print help (see a summary with '-h')

$ aludel ping --help
Try the connection, and whether an upgrade could run; nothing is changed

Exits with 3 where it could not: a standby, a right that is missing, an extension that cannot be
had.

Usage: aludel ping [OPTIONS]

Options:
      --json
          Print JSON

  -h, --help
          Print help (see a summary with '-h')

$ aludel status --help
Show where the database stands: applied, pending, unknown rows, heads

Usage: aludel status [OPTIONS]

Options:
      --json  Print JSON
  -h, --help  Print help

$ aludel current --help
Show the revisions that the database is at

Usage: aludel current [OPTIONS]

Options:
      --check-heads  Exit with code 3 unless the database is at every head and no repeatable file is
                     to be run
      --json         Print JSON
  -h, --help         Print help

$ aludel log --help
Show what was run on the database: when, by whom, how long, how it ended; newest first

  aludel log --failed --since 2d
  aludel log --revision 002 -v

Usage: aludel log [OPTIONS]

Options:
      --revision <ID>
          Only this revision: its id, or its beginning; it need not have a file any more

      --failed
          Only what failed, also partway

      --since <WHEN>
          Only what ended since then: `90min`, `12h`, `2d`, `1w` ago, `2026-11-01`,
          `2026-11-01T09:30:00Z`

      --run <RUN>
          Only this run, as `-v` and `--json` name it; its beginning will do

      --limit <N>
          At most so many; 0 for all
          
          [default: 20]

      --json
          Print JSON

  -h, --help
          Print help (see a summary with '-h')

$ aludel history --help
List revisions, newest first

  aludel history -r 001:003      from 001 to 003
  aludel history -r-3:           the head and the three below it
  aludel history -r current:     from where the database stands
  aludel history --graph         drawn as a graph

Usage: aludel history [OPTIONS]

Options:
  -r, --rev-range <FROM:TO>
          Only these: FROM:TO, FROM:, :TO; with ids, -N, head, base, current

  -i, --indicate-current
          Mark the revisions that the database is at

      --graph
          Draw the graph

      --dot
          Print the graph for Graphviz

      --mermaid
          Print the graph for Mermaid

      --json
          Print JSON

  -h, --help
          Print help (see a summary with '-h')

$ aludel heads --help
List the heads: revisions that no other names as its parent

Usage: aludel heads [OPTIONS]

Options:
      --resolve-dependencies  Leave out the heads that another revision depends on
      --json                  Print JSON
  -h, --help                  Print help

$ aludel branches --help
List the branch points, each with the revisions that it branches into

Usage: aludel branches [OPTIONS]

Options:
      --json  Print JSON
  -h, --help  Print help

$ aludel show --help
Show revisions in full: parents, labels, file, message

Usage: aludel show [OPTIONS] <TARGET>

Arguments:
  <TARGET>  Which: an id, a label, head, heads, current, ID-N

Options:
      --json  Print JSON
  -h, --help  Print help

$ aludel edit --help
Open the file of a revision, or a repeatable file, in your editor

The editor is VISUAL, or EDITOR, or the first of a few that is there.

Usage: aludel edit [OPTIONS] <TARGET>

Arguments:
  <TARGET>
          Which file: that of an id (of a revision or a repeatable file), a label, head, current

Options:
  -h, --help
          Print help (see a summary with '-h')

$ aludel ensure-version --help
Create the version and history tables where they are missing, and do nothing else

Usage: aludel ensure-version [OPTIONS]

Options:
      --sql   Print the SQL instead
  -h, --help  Print help

$ aludel list-templates --help
List the templates that `aludel init -t` knows

Usage: aludel list-templates [OPTIONS]

Options:
  -h, --help  Print help

$ aludel env --help
Show the settings in force and where each comes from

The connection that they make is shown as it will be, with `PGHOST`, `~/.pgpass` and their kin.
Nothing is connected to, no command of the settings is run, and no password is shown.

Usage: aludel env [OPTIONS] [SETTING]

Arguments:
  [SETTING]
          Print what this setting says, and nothing else

Options:
      --json
          Print JSON

  -h, --help
          Print help (see a summary with '-h')

$ aludel local --help
The private PostgreSQL of this project, for development and tests

`url = local` starts it from the PostgreSQL programs on this machine. Its data are in .aludel/ and
stay between commands; it listens on a unix socket alone. `PG_BIN` names the directory of the
programs to use.

Usage: aludel local [OPTIONS] <COMMAND>

Commands:
  start    Start it, and leave it running
  stop     Stop it
  status   Say whether it runs, and how to reach it
  psql     Open psql on it; what follows is handed to psql
  destroy  Stop it and delete its data

Options:
  -h, --help
          Print help (see a summary with '-h')

$ aludel serve-once --help
Answer one request: JSON on standard input, JSON on standard output

For functions and other callers that are programs (AWS Lambda, a job queue).
What happens meanwhile goes to standard error, and the exit code is that of
the command; the answer holds the error too.

  echo '{"action": "up"}' | aludel serve-once
  echo '{"action": "up", "target": "002"}' | aludel serve-once
  echo '{"action": "down", "target": "001"}' | aludel serve-once
  echo '{"action": "status"}' | aludel serve-once
  echo '{"action": "stamp", "target": "002"}' | aludel serve-once

Usage: aludel serve-once [OPTIONS]

Options:
  -h, --help
          Print help (see a summary with '-h')


"#]],
    );
}
