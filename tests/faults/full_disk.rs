//! A disk that is full: the server's, and the one that the tool writes its output to.

use std::fs::File;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::own_server::OwnServer;
use crate::tally::{self, Tally};
use crate::world::World;
use crate::{Case, checker, plan};

/// A file system of 8 MB in memory.
struct Small(PathBuf);

impl Small {
    /// Only root may mount.
    fn mount(path: PathBuf) -> Result<Self, String> {
        std::fs::create_dir(&path).map_err(|error| error.to_string())?;
        let ran = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "none"]).arg(&path).output();
        match ran {
            Ok(output) if output.status.success() => Ok(Self(path)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn f10_the_servers_disk_is_full() {
    let server = OwnServer::start(&[]);
    let small = match Small::mount(server.data().with_file_name("small")) {
        Ok(small) => small,
        Err(why) => return tally::skipped("F10 the server's disk is full", &why),
    };
    let (user, group) = server.owner();
    chown(&small.0, Some(user), Some(group)).expect("a directory");
    server.admin(&format!("CREATE TABLESPACE small LOCATION '{}'", small.0.display()));
    let url = server.database("f10");
    let tally = Tally::new("F10 tablespace of 8 MB is full");
    let fill = "CREATE TABLE filled (text text) TABLESPACE small;\n\
                INSERT INTO filled SELECT repeat('x', 900) FROM generate_series(1, 20000);\n";
    for settings in ["", "transaction = run\n"] {
        let world = World::on(&url, "f10", settings, None);
        world.reset();
        world.project.write("versions/003.sql", plan::header("003", &["001"]) + &plan::transactional("003") + fill);
        let ran = world.run("upgrade head");
        let (truth, mut wrong) = world.truth(Duration::from_secs(5));
        wrong.extend(checker::after_fault(&truth, &ran, checker::Ended::ByItself, world.bare));
        if ran.code != 1 || !ran.stderr.contains("error[53100]") || !ran.stderr.contains("versions/003.sql:11:") {
            wrong.push(format!("not said: {}", ran.transcript()));
        }
        // With room again, a plain rerun does the rest.
        plan::write(&world.project, world.bare);
        let rerun = world.run("upgrade head");
        wrong.extend(checker::after_rerun(&world.truth(Duration::from_secs(5)).0, &rerun, world.bare));
        tally.count(settings, ran.code, wrong);
    }
    // An index that does not fit stays, and is named.
    let world = World::on(&url, "f10", "", None);
    world.reset();
    let text = "-- migrate:upgrade transaction:false\nCREATE TABLE wide AS SELECT md5(g::text) AS text FROM generate_series(1, 200000) g;\n\
                CREATE INDEX CONCURRENTLY too_large ON wide (text) TABLESPACE small;\n";
    world.project.write("versions/003.sql", plan::header("003", &["001"]) + text);
    let ran = world.run("upgrade 003");
    let said =
        ran.code == 4 && ran.stderr.contains("error[53100]") && ran.stderr.contains("index too_large is not valid");
    tally.count("an index", ran.code, if said { Vec::new() } else { vec![ran.transcript()] });
    tally.done();
}

#[test]
fn f10_the_tools_own_output_finds_no_room() {
    let tally = Tally::new("F10 output to /dev/full, and to nobody");
    let end = |name: &str| match name {
        "nobody" => {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            Stdio::from(writer)
        }
        path => Stdio::from(File::options().write(true).open(path).expect("a device")),
    };
    for name in ["/dev/full", "nobody"] {
        for arguments in ["upgrade head", "-q upgrade head", "-v upgrade head"] {
            let case = Case::new();
            case.chain(3);
            let mut command = case.command(arguments);
            let status = command.stdout(end(name)).stderr(end(name)).status().expect("the binary runs");
            case.wait_until_alone();
            // What cannot be said changes nothing of what is done.
            let (code, so) = (status.code().unwrap_or(-1), (case.effects(), case.rows()));
            let right = code == 0 && so == ("001,002,003".to_owned(), "003".to_owned());
            let wrong = if right { Vec::new() } else { vec![format!("exit code {code}, {so:?}")] };
            tally.count(&format!("{arguments} to {name}"), code, wrong);
        }
    }
    tally.done();
}
