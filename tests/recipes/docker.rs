//! The Dockerfiles: what they say, and the image's last stage laid out as a directory and run.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::Ran;
use crate::{Case, file};

/// An instruction and its words.
type Instruction = (&'static str, Vec<&'static str>);

/// The stages of a Dockerfile: the name, where it has one, and the instructions from FROM on.
fn stages(name: &str) -> Vec<(Option<&'static str>, Vec<Instruction>)> {
    let mut stages: Vec<(Option<&str>, Vec<Instruction>)> = Vec::new();
    for line in file(name).lines().filter(|line| !line.is_empty()) {
        assert!(!line.ends_with('\\'), "a line that goes on is not understood here");
        let (instruction, words) = line.split_once(' ').unwrap();
        let words: Vec<&str> = words.split(' ').collect();
        if instruction == "FROM" {
            let name = words.iter().position(|word| *word == "AS").map(|at| words[at + 1]);
            stages.push((name, Vec::new()));
        }
        stages.last_mut().expect("it begins with FROM").1.push((instruction, words));
    }
    stages
}

/// The words of an instruction in its form as JSON, which needs no shell.
fn without_a_shell(stage: &[Instruction], name: &str) -> Vec<String> {
    let found = stage.iter().find(|(instruction, _)| *instruction == name);
    let (_, words) = found.unwrap_or_else(|| panic!("there is no {name}"));
    serde_json::from_str(&words.join(" ")).unwrap_or_else(|error| panic!("{name} {words:?}: {error}"))
}

#[test]
fn the_image() {
    let stages = stages("Dockerfile");
    let (name, build) = &stages[0];
    assert_eq!(*name, Some("build"));
    let built: Vec<_> = build.iter().map(|(instruction, _)| *instruction).collect();
    assert_eq!(built, ["FROM", "RUN", "COPY", "RUN"]);
    // The compiler is not older than what the tool asks for, and links statically there.
    let compiler = build[0].1[0].strip_prefix("rust:").and_then(|rest| rest.strip_suffix("-alpine")).unwrap();
    assert_eq!(compiler, env!("CARGO_PKG_RUST_VERSION"));

    let image = &stages[1].1;
    assert_eq!(image[0].1, ["scratch"]);
    let user = &image.iter().find(|(instruction, _)| *instruction == "USER").unwrap().1[0];
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0, "by numbers: the image has no passwd");

    // The image as a directory, and its process in it.
    let case = Case::new();
    let root = tempfile::tempdir().unwrap();
    let mut here = root.path().to_owned();
    for (instruction, words) in image {
        match (*instruction, &words[..]) {
            ("COPY", ["--from=build", "/usr/local/bin/aludel", to]) => {
                std::fs::copy(env!("CARGO_BIN_EXE_aludel"), root.path().join(&to[1..])).unwrap();
            }
            // Where the machine keeps the authorities that it trusts, and rustls looks for them.
            ("COPY", ["--from=build", "/etc/ssl/certs/ca-certificates.crt", to]) => {
                assert_eq!(*to, "/etc/ssl/certs/ca-certificates.crt");
            }
            ("COPY", [from, to]) => {
                let copied =
                    Command::new("cp").arg("-R").arg(case.project.path().join(from)).arg(here.join(to)).status();
                assert!(copied.unwrap().success(), "{from}");
            }
            ("WORKDIR", [path]) => {
                here = root.path().join(&path[1..]);
                std::fs::create_dir(&here).unwrap();
            }
            ("FROM" | "USER" | "ENTRYPOINT" | "CMD", _) => {}
            other => panic!("{other:?} is not understood here"),
        }
    }
    let entry = without_a_shell(image, "ENTRYPOINT");
    let run = |arguments: &[String], variables: &BTreeMap<&str, String>| {
        let mut command = Command::new(root.path().join(&entry[0][1..]));
        command.args(&entry[1..]).args(arguments).current_dir(&here).env_clear().envs(variables);
        Ran::of(&command.output().unwrap(), |text| text)
    };
    let url = BTreeMap::from([("DATABASE_URL", case.url())]);
    run(&without_a_shell(image, "CMD"), &url).succeeded();
    assert_eq!(case.rows(), "002");
    let status = run(&["status".to_owned()], &url).succeeded();
    assert!(status.stdout.contains("applied   2 of 2"), "{}", status.transcript());
}

#[test]
fn the_image_for_lambda() {
    let image = &stages("lambda/Dockerfile")[0].1;
    let copied: Vec<&Vec<&str>> = image.iter().filter(|(name, _)| *name == "COPY").map(|(_, words)| words).collect();
    // What the other image has where, without its name and tag.
    let (from, paths) = copied[0].split_first().unwrap();
    assert!(from.starts_with("--from=registry.example.com/shop-migrate:"), "{from}");
    assert_eq!(paths, ["/aludel", "/migrations", "${LAMBDA_TASK_ROOT}/"]);
    let main = file("Dockerfile");
    assert!(main.contains("aludel /aludel\n") && main.contains("WORKDIR /migrations\n"));
    assert_eq!(copied[1][..], ["--chmod=755", "bootstrap", "${LAMBDA_RUNTIME_DIR}/"]);
    assert_eq!(without_a_shell(image, "CMD").len(), 1, "the handler's name, which the bootstrap does not ask for");
}
