//! The rows: what is measured, against what, and the aim.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::measure::{Outcome, World, aludel, cat, psql, run, watch};
use crate::project::{self, Body, Project, platform, small};
use crate::server::{Database, Server};
use crate::{alembic, bare, proxy};

/// A row of the table.
pub struct Row {
    /// For the command line.
    pub name: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// Against what.
    pub against: &'static str,
    /// The ratio, or the amount, that is to be reached.
    pub aim: Option<f64>,
    pub measure: fn(&World, &Row) -> Result<Outcome, String>,
}

const fn row(
    name: &'static str,
    what: &'static str,
    against: &'static str,
    aim: f64,
    measure: fn(&World, &Row) -> Result<Outcome, String>,
) -> Row {
    Row { name, what, against, aim: Some(aim), measure }
}

/// What no client could do in less, for the rows beside it.
const fn limit(
    name: &'static str,
    what: &'static str,
    against: &'static str,
    measure: fn(&World, &Row) -> Result<Outcome, String>,
) -> Row {
    Row { name, what, against, aim: None, measure }
}

pub const ROWS: &[Row] = &[
    row("version", "`--version`", "`psql --version`", 0.45, version),
    row("nothing-2", "nothing to do, 2 revisions there", "`psql -c 'select 1'`", 0.8, |world, _| nothing(world, 2)),
    row("nothing-1000", "nothing to do, 1,000 there", "`psql -c 'select 1'`", 1.2, |world, _| nothing(world, 1000)),
    row("nothing-10000", "nothing to do, 10,000 there", "`psql -c 'select 1'`", 5.0, |world, _| nothing(world, 10_000)),
    row("platform", "23 tables in two revisions, up", "`psql -1`", 0.8, tables),
    row("up-1000-each", "1,000 up, in memory", "psql, a transaction each", 1.0, |world, _| {
        up(world, &world.memory, 1000, Script::Each)
    }),
    row("up-1000", "1,000 up, in memory", "`psql -1`", 0.9, |world, _| up(world, &world.memory, 1000, Script::Once)),
    limit("up-1000-bare", "the same by a bare client: no checks, no history", "`psql -1`", |world, _| {
        bare_up(world, 1000, Script::Once)
    }),
    row("disk-1000", "1,000 up, on disk", "`psql -1`", 1.15, |world, _| {
        up(world, &Server::on_disk()?, 1000, Script::Once)
    }),
    row("disk-1000-each", "1,000 up, on disk", "psql, a transaction each", 1.1, |world, _| {
        up(world, &Server::on_disk()?, 1000, Script::Each)
    }),
    row("alembic-1000", "1,000 up, in memory", "Alembic", 0.33, alembic_up),
    row("far-100", "100 up, 5 ms a round trip away", "`psql -1`", 0.10, far),
    row("up-5000", "5,000 up, in memory", "psql, a transaction each", 0.65, |world, _| {
        up(world, &world.memory, 5000, Script::Each)
    }),
    limit("up-5000-bare", "the same by a bare client", "psql, a transaction each", |world, _| {
        bare_up(world, 5000, Script::Each)
    }),
    row("down-1000", "1,000 down, in memory", "`psql -1`", 1.25, down),
    row("heads", "`heads`, 10,000 revisions", "`cat` of the files", 0.30, |world, _| reading(world, &["heads"])),
    row("history", "`history`, 10,000 revisions", "`cat` of the files", 0.35, |world, _| reading(world, &["history"])),
    row("sql", "`upgrade head --sql`, 10,000 revisions", "`cat` of the files", 0.8, |world, _| {
        reading(world, &["upgrade", "head", "--sql"])
    }),
    row("alembic-history", "`history`, 1,000 revisions", "Alembic", 0.05, alembic_history),
    row("50MB", "a revision of 50 MB", "`psql -1`", 0.85, |world, _| {
        single(world, &Project::single(project::inserts_of(world.scaled(50_000_000))))
    }),
    limit("50MB-bare", "the same by a bare client", "`psql -1`", |world, _| {
        bare_single(world, &Project::single(project::inserts_of(world.scaled(50_000_000))))
    }),
    row("50MB-memory", "a revision of 50 MB: the tool's memory", "", 32.0, large_memory),
    row("50MB-server", "a revision of 50 MB: the server's growth", "", 16.0, server_growth),
    row("statements", "100,000 statements in one revision", "`psql -1`", 0.12, |world, _| {
        single(world, &Project::single(project::statements(world.scaled(100_000))))
    }),
    limit("statements-bare", "the same by a bare client", "`psql -1`", |world, _| {
        bare_single(world, &Project::single(project::statements(world.scaled(100_000))))
    }),
    row("processor", "1,000 up: the tool's processor time a revision", "", 0.08, processor),
    row("memory-1000", "the tool's memory, 1,000 revisions up", "", 8.0, |world, _| memory(world, 1000)),
    row("memory-10000", "the tool's memory, nothing to do, 10,000 revisions", "", 16.0, |world, _| {
        memory_at_rest(world, 10_000)
    }),
];

fn version(world: &World, _: &Row) -> Result<Outcome, String> {
    let here = Path::new(".");
    let theirs = || {
        let mut command = Command::new(world.memory.program("psql"));
        crate::measure::quiet(&mut command).arg("--version");
        Ok(command)
    };
    world.duel(100, || Ok(aludel(here, "", &["--version"])), theirs)
}

/// A database where all revisions of `project` are stamped.
fn stamped<'a>(server: &'a Server, project: &Project) -> Result<Database<'a>, String> {
    let database = server.database(None);
    run(aludel(project.path(), &database.url, &["stamp", "head"]))?;
    Ok(database)
}

fn nothing(world: &World, count: usize) -> Result<Outcome, String> {
    let project = Project::branching(world.scaled(count));
    let database = stamped(&world.memory, &project)?;
    world.duel(
        50,
        || Ok(aludel(project.path(), &database.url, &["upgrade", "heads"])),
        || Ok(psql(&world.memory, &database.url, &["-c", "select 1"])),
    )
}

fn tables(world: &World, _: &Row) -> Result<Outcome, String> {
    let bodies = platform();
    let project = Project::chain(&bodies);
    let script = Script::Once.write(&project, &bodies);
    upgrades(world, &world.memory, 25, &project, Script::Once, &script)
}

/// How psql runs the SQL of all revisions.
#[derive(Clone, Copy)]
enum Script {
    /// In one transaction.
    Once,
    /// Each in its own.
    Each,
}

impl Script {
    fn write(self, project: &Project, bodies: &[Body]) -> PathBuf {
        let (before, after) = self.around();
        project.script("up.sql", bodies.iter().map(|body| format!("{before}{}{after}", body.up)))
    }

    fn around(self) -> (&'static str, &'static str) {
        match self {
            Self::Once => ("", ""),
            Self::Each => ("BEGIN;\n", "COMMIT;\n"),
        }
    }

    fn psql(self, server: &Server, url: &str, script: &Path) -> Command {
        let mut command = psql(server, url, &[]);
        if matches!(self, Self::Once) {
            command.arg("-1");
        }
        command.arg("-f").arg(script);
        command
    }
}

fn up(world: &World, server: &Server, count: usize, script: Script) -> Result<Outcome, String> {
    let bodies: Vec<Body> = (0..world.scaled(count)).map(small).collect();
    let project = Project::chain(&bodies);
    let path = script.write(&project, &bodies);
    upgrades(world, server, if count > 1000 { 5 } else { 9 }, &project, script, &path)
}

/// The same SQL by a client that does the least.
fn bare_up(world: &World, count: usize, script: Script) -> Result<Outcome, String> {
    let bodies: Vec<Body> = (0..world.scaled(count)).map(small).collect();
    let project = Project::chain(&bodies);
    let theirs = script.write(&project, &bodies);
    let each = bodies.iter().map(|body| format!("BEGIN;\n{}COMMIT;\n", body.up));
    let ours = project.script("each.sql", each);
    let server = &world.memory;
    against(
        world,
        if count > 1000 { 5 } else { 9 },
        server,
        |url| bare::command(url, &ours, false),
        |url| script.psql(server, url, &theirs),
    )
}

fn bare_single(world: &World, project: &Project) -> Result<Outcome, String> {
    let (server, script) = (&world.memory, project.path().join("plain.sql"));
    against(world, 9, server, |url| bare::command(url, &script, true), |url| Script::Once.psql(server, url, &script))
}

/// Two commands, each run on a fresh database.
fn against(
    world: &World,
    rounds: usize,
    server: &Server,
    ours: impl Fn(&str) -> Command,
    theirs: impl Fn(&str) -> Command,
) -> Result<Outcome, String> {
    let (mut mine, mut other) = (None, None);
    world.duel(
        rounds,
        || {
            mine = None;
            Ok(ours(&mine.insert(server.database(None)).url))
        },
        || {
            other = None;
            Ok(theirs(&other.insert(server.database(None)).url))
        },
    )
}

/// Upgrades against a script, each run on a fresh database.
fn upgrades(
    world: &World,
    server: &Server,
    rounds: usize,
    project: &Project,
    script: Script,
    path: &Path,
) -> Result<Outcome, String> {
    against(
        world,
        rounds,
        server,
        |url| aludel(project.path(), url, &["upgrade", "head"]),
        |url| script.psql(server, url, path),
    )
}

fn single(world: &World, project: &Project) -> Result<Outcome, String> {
    upgrades(world, &world.memory, 9, project, Script::Once, &project.path().join("plain.sql"))
}

fn alembic_up(world: &World, _: &Row) -> Result<Outcome, String> {
    let python = alembic::python()?;
    let bodies: Vec<Body> = (0..world.scaled(1000)).map(small).collect();
    let project = Project::chain(&bodies);
    alembic::write(project.path(), &bodies).map_err(|error| error.to_string())?;
    against(
        world,
        5,
        &world.memory,
        |url| aludel(project.path(), url, &["upgrade", "head"]),
        |url| alembic::command(&python, project.path(), url, &["upgrade", "head"]),
    )
}

fn alembic_history(world: &World, _: &Row) -> Result<Outcome, String> {
    let python = alembic::python()?;
    let bodies: Vec<Body> = (0..world.scaled(1000)).map(small).collect();
    let project = Project::chain(&bodies);
    alembic::write(project.path(), &bodies).map_err(|error| error.to_string())?;
    world.duel(
        9,
        || Ok(aludel(project.path(), "", &["history"])),
        || Ok(alembic::command(&python, project.path(), "postgresql:///x", &["history"])),
    )
}

fn far(world: &World, _: &Row) -> Result<Outcome, String> {
    let bodies: Vec<Body> = (0..world.scaled(100)).map(small).collect();
    let project = Project::chain(&bodies);
    let script = Script::Once.write(&project, &bodies);
    let server = &world.memory;
    let port = proxy::start(server.socket(), Duration::from_millis(5)).map_err(|error| error.to_string())?;
    let url = |database: &Database<'_>| {
        format!("postgresql://postgres@127.0.0.1:{port}/{}?sslmode=disable&gssencmode=disable", database.name)
    };
    let (mut mine, mut other) = (None, None);
    world.duel(
        7,
        || {
            mine = None;
            Ok(aludel(project.path(), &url(mine.insert(server.database(None))), &["upgrade", "head"]))
        },
        || {
            other = None;
            Ok(Script::Once.psql(server, &url(other.insert(server.database(None))), &script))
        },
    )
}

fn down(world: &World, _: &Row) -> Result<Outcome, String> {
    let bodies: Vec<Body> = (0..world.scaled(1000)).map(small).collect();
    let project = Project::chain(&bodies);
    let server = &world.memory;
    let script = project.script("down.sql", bodies.iter().rev().map(|body| body.down.clone()));
    let full = server.database(None);
    run(aludel(project.path(), &full.url, &["upgrade", "head"]))?;
    let (mut mine, mut other) = (None, None);
    world.duel(
        9,
        || {
            mine = None;
            Ok(aludel(project.path(), &mine.insert(server.database(Some(&full))).url, &["downgrade", "base"]))
        },
        || {
            other = None;
            Ok(Script::Once.psql(server, &other.insert(server.database(Some(&full))).url, &script))
        },
    )
}

fn reading(world: &World, arguments: &[&str]) -> Result<Outcome, String> {
    let project = Project::branching(world.scaled(10_000));
    world.duel(25, || Ok(aludel(project.path(), "", arguments)), || Ok(cat(project.files.clone())))
}

/// The highest of some runs of an amount in KB, in MB.
fn highest(world: &World, mut once: impl FnMut() -> Result<u64, String>) -> Result<Outcome, String> {
    let values = (0..world.rounds(5)).map(|_| once().map(|kilobytes| kilobytes as f64 / 1024.0));
    let outcome = Outcome::of(values.collect::<Result<_, _>>()?, " MB");
    Ok(outcome)
}

fn own(child: &std::process::Child) -> Option<u32> {
    Some(child.id())
}

fn large_memory(world: &World, _: &Row) -> Result<Outcome, String> {
    let project = Project::single(project::inserts_of(world.scaled(50_000_000)));
    highest(world, || {
        let database = world.memory.database(None);
        Ok(watch(aludel(project.path(), &database.url, &["upgrade", "head"]), "VmHWM:", own)?.1)
    })
}

fn server_growth(world: &World, _: &Row) -> Result<Outcome, String> {
    let project = Project::single(project::inserts_of(world.scaled(50_000_000)));
    highest(world, || {
        let database = world.memory.database(None);
        let client = std::cell::RefCell::new(world.memory.client("postgres"));
        let question = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'aludel %'";
        let backend = |_: &std::process::Child| {
            let row = client.borrow_mut().query_opt(question, &[]).ok()??;
            u32::try_from(row.get::<_, i32>(0)).ok()
        };
        let (first, most) = watch(aludel(project.path(), &database.url, &["upgrade", "head"]), "RssAnon:", backend)?;
        Ok(most - first)
    })
}

fn processor(world: &World, _: &Row) -> Result<Outcome, String> {
    let count = world.scaled(1000);
    let project = Project::chain(&(0..count).map(small).collect::<Vec<_>>());
    let mut values = Vec::new();
    for _ in 0..world.rounds(9) {
        let database = world.memory.database(None);
        let taken = run(aludel(project.path(), &database.url, &["upgrade", "head"]))?;
        values.push(taken.processor.as_secs_f64() * 1000.0 / count as f64);
    }
    Ok(Outcome::of(values, " ms"))
}

fn memory(world: &World, count: usize) -> Result<Outcome, String> {
    let project = Project::chain(&(0..world.scaled(count)).map(small).collect::<Vec<_>>());
    highest(world, || {
        let database = world.memory.database(None);
        Ok(watch(aludel(project.path(), &database.url, &["upgrade", "head"]), "VmHWM:", own)?.1)
    })
}

fn memory_at_rest(world: &World, count: usize) -> Result<Outcome, String> {
    let project = Project::branching(world.scaled(count));
    let database = stamped(&world.memory, &project)?;
    highest(world, || Ok(watch(aludel(project.path(), &database.url, &["upgrade", "heads"]), "VmHWM:", own)?.1))
}
