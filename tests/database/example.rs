//! The repository's example, up and down: what a person sees on the first day.

use snapbox::{assert_data_eq, str};

use crate::Case;

#[test]
fn up_to_the_head() {
    let case = Case::example();
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 initial schema ([TIME])
upgraded 002 v2.1 features ([TIME])
upgraded 004 billing plans and invoices ([TIME])
upgraded 005 billing events ([TIME])
upgraded 006 billing indexes ([TIME])
upgraded 003 ai analogies ([TIME])
upgraded 007 merge analogies and billing ([TIME])
done 7 revisions in [TIME]; at 007

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 007

"#]]
    );
    assert_data_eq!(
        case.transcript("current"),
        str![[r#"
exit code: 0
----- stdout
007 (analogies, billing) (head) (mergepoint)

"#]]
    );
    assert_data_eq!(
        case.transcript("current --check-heads"),
        str![[r#"
exit code: 0
----- stdout
007 (analogies, billing) (head) (mergepoint)

"#]]
    );
    assert_data_eq!(
        case.transcript("current -v"),
        str![[r#"
exit code: 0
----- stdout
Current revision(s) for postgresql://postgres@/[DATABASE]?host=[SOCKET]:
Rev: 007 (analogies, billing) (head) (mergepoint)
Merges: 003, 006
Branch names: analogies, billing
Path: versions/007_merge_analogies_and_billing.sql
Created: 2026-03-02T11:20:00+00:00

    merge analogies and billing


"#]]
    );
    assert_data_eq!(
        case.transcript("current --json"),
        str![[r#"
exit code: 0
----- stdout
{
  "database": "postgresql://postgres@/[DATABASE]?host=[SOCKET]",
  "at_heads": true,
  "up_to_date": true,
  "rows": [
    "007"
  ],
  "current": [
    {
      "revision": "007",
      "parents": [
        "003",
        "006"
      ],
      "depends_on": [],
      "labels": [
        "analogies",
        "billing"
      ],
      "message": "merge analogies and billing",
      "created": "2026-03-02T11:20:00+00:00",
      "file": "versions/007_merge_analogies_and_billing.sql",
      "is_head": true,
      "is_branch_point": false,
      "is_merge_point": true,
      "is_current": true
    }
  ],
  "partial": []
}

"#]]
    );
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   007
applied   7 of 7
heads     007 (analogies, billing) (head) (current) (mergepoint)
pending   0

"#]]
    );
    assert_data_eq!(
        case.transcript("plan upgrade head"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: at 007

"#]]
    );
    assert_data_eq!(
        case.transcript("redo"),
        str![[r#"
exit code: 0
----- stderr
downgraded 007 merge analogies and billing ([TIME])
upgraded 007 merge analogies and billing ([TIME])
done 2 revisions in [TIME]; at 007

"#]]
    );
    assert_data_eq!(
        case.transcript("history -i"),
        str![[r#"
exit code: 0
----- stdout
003, 006 -> 007 (analogies, billing) (head) (current) (mergepoint), merge analogies and billing
002 -> 003 (analogies), ai analogies
005 -> 006 (billing), billing indexes
004 -> 005 (billing), billing events
002 -> 004 (billing), billing plans and invoices
001 -> 002 (branchpoint), v2.1 features
<base> -> 001, initial schema

"#]]
    );
}

#[test]
fn step_by_step() {
    let case = Case::example();
    let count = || {
        let tables = case.tables();
        if tables.is_empty() { 0 } else { tables.split(',').count() }
    };
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   nothing: there is no version table yet
applied   0 of 7
heads     007 (analogies, billing) (head) (mergepoint)
pending   7
          001, initial schema
          002 (branchpoint), v2.1 features
          004 (billing), billing plans and invoices
          005 (billing), billing events
          006 (billing), billing indexes
          003 (analogies), ai analogies
          007 (analogies, billing) (head) (mergepoint), merge analogies and billing
----- stderr
hint: aludel upgrade head

"#]]
    );
    assert_data_eq!(
        case.transcript("current"),
        str![[r#"
exit code: 0
----- stderr
nothing is applied

"#]]
    );
    assert_data_eq!(
        case.transcript("current --check-heads"),
        str![[r#"
exit code: 3
----- stderr
nothing is applied
error: the database is not at every head: 007 not applied
hint: aludel upgrade heads

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade +1"),
        str![[r#"
exit code: 0
----- stderr
upgraded 001 initial schema ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_eq!((case.rows(), count()), ("001".to_owned(), 10));
    assert_data_eq!(
        case.transcript("status"),
        str![[r#"
exit code: 0
----- stdout
database  postgresql://postgres@/[DATABASE]?host=[SOCKET]
current   001
applied   1 of 7
heads     007 (analogies, billing) (head) (mergepoint)
pending   6
          002 (branchpoint), v2.1 features
          004 (billing), billing plans and invoices
          005 (billing), billing events
          006 (billing), billing indexes
          003 (analogies), ai analogies
          007 (analogies, billing) (head) (mergepoint), merge analogies and billing
----- stderr
hint: aludel upgrade head

"#]]
    );
    case.succeeds("upgrade 002");
    assert_eq!((case.rows(), count()), ("002".to_owned(), 21));
    // A label is inherited up to the merge, so `analogies@head` is the merge, as in Alembic.
    assert_data_eq!(
        case.transcript("plan upgrade analogies@head"),
        str![[r#"
exit code: 0
----- stdout
upgrade 002 -> 004, billing plans and invoices
upgrade 004 -> 005, billing events
upgrade 005 -> 006, billing indexes (not in one transaction)
upgrade 002 -> 003, ai analogies
upgrade 003, 006 -> 007, merge analogies and billing
----- stderr
5 revisions, from 002 to 007

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade analogies"),
        str![[r#"
exit code: 0
----- stderr
upgraded 003 ai analogies ([TIME])
done 1 revision in [TIME]; at 003

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade 005"),
        str![[r#"
exit code: 0
----- stderr
upgraded 004 billing plans and invoices ([TIME])
upgraded 005 billing events ([TIME])
done 2 revisions in [TIME]; at 003, 005

"#]]
    );
    assert_eq!(case.rows(), "003,005");
    assert_data_eq!(
        case.transcript("current"),
        str![[r#"
exit code: 0
----- stdout
003 (analogies)
005 (billing)

"#]]
    );
    assert_data_eq!(
        case.transcript("status --json"),
        str![[r#"
exit code: 0
----- stdout
{
  "database": "postgresql://postgres@/[DATABASE]?host=[SOCKET]",
  "version_table": true,
  "at_heads": false,
  "up_to_date": false,
  "current": [
    {
      "revision": "003",
      "parents": [
        "002"
      ],
      "depends_on": [],
      "labels": [
        "analogies"
      ],
      "message": "ai analogies",
      "created": "2026-01-08T14:10:00+00:00",
      "file": "versions/003_ai_analogies.sql",
      "is_head": false,
      "is_branch_point": false,
      "is_merge_point": false,
      "is_current": true
    },
    {
      "revision": "005",
      "parents": [
        "004"
      ],
      "depends_on": [],
      "labels": [
        "billing"
      ],
      "message": "billing events",
      "created": "2026-02-02T08:40:00+00:00",
      "file": "versions/005_billing_events.sql",
      "is_head": false,
      "is_branch_point": false,
      "is_merge_point": false,
      "is_current": true
    }
  ],
  "unknown": [],
  "applied": [
    "001",
    "002",
    "003",
    "004",
    "005"
  ],
  "changed": [],
  "pending": [
    {
      "revision": "006",
      "parents": [
        "005"
      ],
      "depends_on": [],
      "labels": [
        "billing"
      ],
      "message": "billing indexes",
      "created": "2026-02-16T06:30:00+00:00",
      "file": "versions/006_billing_indexes.sql",
      "is_head": false,
      "is_branch_point": false,
      "is_merge_point": false,
      "is_current": false
    },
    {
      "revision": "007",
      "parents": [
        "003",
        "006"
      ],
      "depends_on": [],
      "labels": [
        "analogies",
        "billing"
      ],
      "message": "merge analogies and billing",
      "created": "2026-03-02T11:20:00+00:00",
      "file": "versions/007_merge_analogies_and_billing.sql",
      "is_head": true,
      "is_branch_point": false,
      "is_merge_point": true,
      "is_current": false
    }
  ],
  "heads": [
    {
      "revision": "007",
      "parents": [
        "003",
        "006"
      ],
      "depends_on": [],
      "labels": [
        "analogies",
        "billing"
      ],
      "message": "merge analogies and billing",
      "created": "2026-03-02T11:20:00+00:00",
      "file": "versions/007_merge_analogies_and_billing.sql",
      "is_head": true,
      "is_branch_point": false,
      "is_merge_point": true,
      "is_current": false
    }
  ],
  "partial": [],
  "running": null,
  "repeatables": [],
  "repeatables_gone": []
}

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade -1"),
        str![[r#"
exit code: 1
----- stderr
error: `-1` is ambiguous: the database is at 003, 005
hint: name the revision to go to, or count in a branch: `LABEL@-1`

"#]]
    );
    assert_data_eq!(
        case.transcript("plan upgrade heads --json"),
        str![[r#"
exit code: 0
----- stdout
{
  "direction": "upgrade",
  "rows_before": [
    "003",
    "005"
  ],
  "rows_after": [
    "007"
  ],
  "steps": [
    {
      "revision": "006",
      "message": "billing indexes",
      "file": "versions/006_billing_indexes.sql",
      "checksum": "1a5488c40864fbac82daf7cf955b5bd8e318a6a904f807579a4fd5de27880673",
      "one_transaction": false,
      "delete_rows": [
        "005"
      ],
      "insert_rows": [
        "006"
      ]
    },
    {
      "revision": "007",
      "message": "merge analogies and billing",
      "file": "versions/007_merge_analogies_and_billing.sql",
      "checksum": "0b3b34944cbb0774725fbb60fddb82461137e871db5fff9245192ccf2d1cf211",
      "one_transaction": true,
      "delete_rows": [
        "003",
        "006"
      ],
      "insert_rows": [
        "007"
      ]
    }
  ],
  "repeatables": []
}

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade heads -q"),
        str![[r#"
exit code: 0

"#]]
    );
    assert_eq!(case.rows(), "007");
    assert_data_eq!(
        case.transcript("plan downgrade 001"),
        str![[r#"
exit code: 0
----- stdout
downgrade 007 -> 003, 006, merge analogies and billing
downgrade 003 -> 002, ai analogies
downgrade 006 -> 005, billing indexes (not in one transaction)
downgrade 005 -> 004, billing events
downgrade 004 -> 002, billing plans and invoices
downgrade 002 -> 001, v2.1 features
----- stderr
6 revisions, from 007 to 001

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade 001 -v"),
        str![[r#"
exit code: 0
----- stderr
on postgresql://postgres@/[DATABASE]?host=[SOCKET], from 007
lock_timeout [TIME], tried again for 1 min; statement_timeout off; idle_in_transaction_session_timeout 1 min; transaction_timeout off
downgraded 007 merge analogies and billing ([TIME])
downgraded 003 ai analogies ([TIME])
downgraded 006 billing indexes ([TIME])
downgraded 005 billing events ([TIME])
downgraded 004 billing plans and invoices ([TIME])
downgraded 002 v2.1 features ([TIME])
done 6 revisions in [TIME]; at 001

"#]]
    );
    assert_eq!((case.rows(), count()), ("001".to_owned(), 10));
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 0
----- stderr
downgraded 001 initial schema ([TIME])
done 1 revision in [TIME]; nothing is applied

"#]]
    );
    assert_eq!((case.rows(), count()), (String::new(), 0));
    assert_data_eq!(
        case.transcript("downgrade base"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: nothing is applied

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade 002"),
        str![[r#"
exit code: 1
----- stderr
error: 002 is not something to go down to
note: it is not applied
hint: `aludel current` shows where the database stands

"#]]
    );
    assert_data_eq!(
        case.transcript("redo"),
        str![[r#"
exit code: 1
----- stderr
error: there is nothing to redo: nothing is applied
hint: aludel upgrade +1

"#]]
    );
}

/// What a downgrade leaves is what was there before the upgrade, revision by revision, and a redo ends where it began.
#[test]
fn each_revision_is_undone_completely() {
    let case = Case::example();
    case.succeeds("ensure-version");
    // One after the other in the order of a full upgrade, so that each dump differs from the next by one revision.
    let order = ["001", "002", "004", "005", "006", "003", "007"];
    let mut dumps = vec![without_history(&case.database.pg_dump())];
    for revision in order {
        case.succeeds(&format!("upgrade {revision}"));
        dumps.push(without_history(&case.database.pg_dump()));
    }
    case.succeeds("redo");
    same(&case.database.pg_dump(), &dumps[7]);
    let ways = ["base", "001", "002", "004", "005", "analogies@-1", "006"];
    for (index, target) in ways.iter().enumerate().rev() {
        assert_ne!(dumps[index], dumps[index + 1], "{} does something", order[index]);
        case.succeeds(&format!("downgrade {target}"));
        same(&case.database.pg_dump(), &dumps[index]);
    }
}

/// Compares a dump as it is, backslashes and all, and shows the difference.
#[track_caller]
fn same(dump: &str, expected: &str) {
    use snapbox::IntoData as _;
    assert_data_eq!(without_history(dump).into_data().raw(), expected.to_owned().into_data().raw());
}

/// A dump but for the rows of the history and its counter, which only grow.
fn without_history(dump: &str) -> String {
    let mut inside = false;
    let keep = |line: &&str| {
        if line.starts_with("COPY public.aludel_history ") {
            inside = true;
        }
        let keep = !inside && !line.contains("pg_catalog.setval('public.aludel_history_id_seq'");
        if *line == "\\." {
            inside = false;
        }
        keep
    };
    // A row that was deleted and written again stands elsewhere in the table.
    let mut lines: Vec<&str> = dump.lines().filter(keep).collect();
    if let Some(start) = lines.iter().position(|line| line.starts_with("COPY public.aludel_version ")) {
        let rows = lines[start + 1..].iter().position(|line| *line == "\\.").unwrap_or(0);
        lines[start + 1..start + 1 + rows].sort_unstable();
    }
    lines.join("\n")
}

#[test]
fn the_history_says_what_ran() {
    let case = Case::example();
    case.succeeds("upgrade 003");
    case.succeeds("downgrade -1");
    case.succeeds("stamp 003");
    assert_data_eq!(
        case.history(),
        str![[r#"
upgrade|001|done|-|-
upgrade|002|done|-|-
upgrade|003|done|-|-
downgrade|003|done|-|-
stamp|003|stamped|-|-

"#]]
    );
    let facts = case.ask(
        "SELECT count(DISTINCT run), bool_and(role = session_user), bool_and(finished_at >= started_at),
            bool_and(client_host <> ''), bool_and(tool LIKE 'aludel %'),
            bool_and(coalesce(checksum ~ '^[0-9a-f]{64}$', direction = 'stamp'))
         FROM aludel_history",
    );
    assert_data_eq!(
        facts,
        str![[r#"
3|t|t|t|t|t

"#]]
    );
    let order = case.ask(
        "SELECT bool_and(started_at >= before) FROM (SELECT started_at, lag(finished_at) OVER (ORDER BY id) AS before FROM aludel_history) AS h",
    );
    assert_eq!(order, "t\n", "a step starts after the one before it has finished");
    let checksums =
        case.ask("SELECT count(DISTINCT checksum) FROM aludel_history WHERE revision = '003' AND direction <> 'stamp'");
    assert_eq!(checksums, "1\n", "a revision has one checksum, up and down");
}

#[test]
fn ensure_version() {
    let case = Case::example();
    assert_data_eq!(
        case.transcript("ensure-version"),
        str![[r#"
exit code: 0
----- stderr
created the version and history tables on postgresql://postgres@/[DATABASE]?host=[SOCKET]

"#]]
    );
    assert_data_eq!(
        case.transcript("ensure-version"),
        str![[r#"
exit code: 0
----- stderr
nothing to do: the tables are there

"#]]
    );
    assert_data_eq!(
        case.transcript("ensure-version --sql"),
        str![[r#"
exit code: 0
----- stdout
CREATE TABLE IF NOT EXISTS public.aludel_version (
    version_num pg_catalog.text NOT NULL,
    CONSTRAINT aludel_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE IF NOT EXISTS public.aludel_history (
    id             pg_catalog.int8 GENERATED ALWAYS AS IDENTITY,
    version_table  pg_catalog.text NOT NULL,
    run            pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    checksum       pg_catalog.text,
    outcome        pg_catalog.text NOT NULL,
    sqlstate       pg_catalog.text,
    message        pg_catalog.text,
    started_at     pg_catalog.timestamptz NOT NULL,
    finished_at    pg_catalog.timestamptz NOT NULL,
    role           pg_catalog.text NOT NULL,
    client_user    pg_catalog.text,
    client_host    pg_catalog.text,
    tool           pg_catalog.text NOT NULL,
    CONSTRAINT aludel_history_pkc PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS public.aludel_progress (
    version_table  pg_catalog.text NOT NULL,
    revision       pg_catalog.text NOT NULL,
    direction      pg_catalog.text NOT NULL,
    statement      pg_catalog.int8 NOT NULL,
    state          pg_catalog.text NOT NULL,
    file_checksum        pg_catalog.text NOT NULL,
    statements_checksum  pg_catalog.text NOT NULL,
    statement_checksum   pg_catalog.text,
    index_oid      pg_catalog.oid,
    index_name     pg_catalog.text,
    session        pg_catalog.text,
    run            pg_catalog.text NOT NULL,
    changed_at     pg_catalog.timestamptz NOT NULL,
    CONSTRAINT aludel_progress_pkc PRIMARY KEY (version_table, revision, direction)
);

"#]]
    );
}

#[test]
fn what_the_server_says_is_shown() {
    let case = Case::new();
    case.revision(
        "001",
        "",
        "CREATE TABLE IF NOT EXISTS a ();\nCREATE TABLE IF NOT EXISTS a ();\nDO $$ BEGIN RAISE WARNING 'look out' USING DETAIL = 'the detail', HINT = 'the hint'; END $$;\nSELECT 1;",
        "DROP TABLE IF EXISTS a, b;",
    );
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 0
----- stderr
notice: 001: relation "a" already exists, skipping
warning: 001: look out
  the detail
  the hint
upgraded 001 step 001 ([TIME])
done 1 revision in [TIME]; at 001

"#]]
    );
    assert_data_eq!(
        case.transcript("downgrade base -q"),
        str![[r#"
exit code: 0

"#]]
    );
    assert_data_eq!(
        case.transcript("upgrade head -q"),
        str![[r#"
exit code: 0
----- stderr
warning: 001: look out
  the detail
  the hint

"#]]
    );
}

/// A private server from the binaries on this machine, kept between commands.
#[test]
fn on_a_private_server() {
    let case = Case::example();
    let local = |arguments: &[&str]| case.project.aludel(arguments).transcript();
    let up = case.project.aludel(["upgrade", "head"]);
    assert_eq!(up.code, 0, "{}", up.transcript());
    assert!(up.stderr.starts_with("using a private PostgreSQL, just made"), "{}", up.transcript());
    assert_data_eq!(
        local(&["current"]),
        str![[r#"
exit code: 0
----- stdout
007 (analogies, billing) (head) (mergepoint)
----- stderr
using the private PostgreSQL in .aludel/ (development only)

"#]]
    );
    assert_data_eq!(
        local(&["local", "psql", "-c", "SELECT version_num FROM aludel_version", "-X", "-A", "-t"]),
        str![[r#"
exit code: 0
----- stdout
007

"#]]
    );
    assert_data_eq!(
        local(&["local", "stop"]),
        str![[r#"
exit code: 0
----- stderr
stopped

"#]]
    );
    assert_data_eq!(
        local(&["local", "status"]),
        str![[r#"
exit code: 0
----- stdout
state  stopped
data   [CWD]/.aludel/postgres/data

"#]]
    );
    assert_data_eq!(
        local(&["downgrade", "base"]),
        str![[r#"
exit code: 0
----- stderr
using the private PostgreSQL in .aludel/ (development only)
downgraded 007 merge analogies and billing ([TIME])
downgraded 003 ai analogies ([TIME])
downgraded 006 billing indexes ([TIME])
downgraded 005 billing events ([TIME])
downgraded 004 billing plans and invoices ([TIME])
downgraded 002 v2.1 features ([TIME])
downgraded 001 initial schema ([TIME])
done 7 revisions in [TIME]; nothing is applied

"#]]
    );
    assert_data_eq!(
        local(&["local", "destroy"]),
        str![[r#"
exit code: 2
----- stderr
error: this deletes data, and nobody can be asked
hint: aludel local destroy --yes

"#]]
    );
    assert_data_eq!(
        local(&["local", "destroy", "--yes"]),
        str![[r#"
exit code: 0
----- stderr
its data are deleted; it was not running

"#]]
    );
    assert_data_eq!(
        local(&["local", "status"]),
        str![[r#"
exit code: 0
----- stdout
state  absent
data   [CWD]/.aludel/postgres/data

"#]]
    );
}
