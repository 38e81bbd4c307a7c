//! GitLab CI: the jobs, by a runner that knows of the language what the page uses.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::machine::{Machine, is_the_sql_of_the_change};
use crate::{Case, PASSWORD, file, yaml};

const PATH: &str = ".gitlab-ci.yml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pipeline {
    stages: Vec<String>,
    default: Default,
    check: Job,
    deploy: Job,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Default {
    image: String,
    before_script: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    stage: String,
    rules: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    services: Vec<Service>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    script: Vec<String>,
    artifacts: Option<Artifacts>,
    environment: Option<BTreeMap<String, String>>,
    resource_group: Option<String>,
    interruptible: Option<bool>,
    timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    name: String,
    alias: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Artifacts {
    expose_as: String,
    paths: Vec<String>,
}

/// The job's script as a runner sends it to the shell: all commands in one, and the first that fails ends it.
fn script(pipeline: &Pipeline, job: &Job) -> String {
    let commands: Vec<&str> = pipeline.default.before_script.iter().chain(&job.script).map(String::as_str).collect();
    format!("set -eo pipefail\n{}\n", commands.join("\n"))
}

#[test]
fn it_is_a_pipeline() {
    let pipeline: Pipeline = yaml(PATH);
    for job in [&pipeline.check, &pipeline.deploy] {
        assert!(pipeline.stages.contains(&job.stage));
        assert!(job.rules.iter().all(|rule| rule.keys().all(|key| ["if", "when"].contains(&key.as_str()))));
    }
    assert!(pipeline.default.image.ends_with("-scm"), "the image has git and curl");
    let (service, check) = (&pipeline.check.services[0], &pipeline.check);
    assert!(service.name.starts_with("postgres:"));
    assert_eq!((service.alias.as_str(), check.variables["POSTGRES_PASSWORD"].as_str()), ("postgres", PASSWORD));
    assert_eq!(check.rules[0]["if"], "$CI_PIPELINE_SOURCE == \"merge_request_event\"");
    assert!(check.environment.is_none(), "a check has no environment, so none of its variables");

    let deploy = &pipeline.deploy;
    assert_eq!(deploy.environment.as_ref().unwrap()["name"], "production");
    assert_eq!(check.rules[1]["if"], deploy.rules[0]["if"], "what is deployed was checked");
    assert_eq!((deploy.interruptible, deploy.rules[0]["when"].as_str()), (Some(false), "manual"));
    assert!(deploy.resource_group.is_some() && deploy.timeout.is_some() && deploy.services.is_empty());
    assert_eq!(file(PATH).matches("PRODUCTION_URL").count(), 1);
}

#[test]
fn a_merge_request_is_checked() {
    let case = Case::new();
    case.project.write("scripts/new-sql", file("scripts/new-sql"));
    let pipeline: Pipeline = yaml(PATH);
    let mut machine = Machine::new(&case);
    machine.check_out_a_change();
    machine.set("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main");
    // A variable of the project wins over one of the file, and must not be what the check goes up and down on.
    machine.set("DATABASE_URL", "postgres://deploy@production.invalid/shop");
    let url = "postgres://postgres:throwaway@postgres:5432/postgres";
    let script = case.here(&script(&pipeline, &pipeline.check), url);
    machine.run(&["bash"], &script).succeeded();
    let both = "upgrade 001, upgrade 002";
    assert_eq!(case.history(), format!("{both}, downgrade 002, downgrade 001, {both}"));
    let artifacts = pipeline.check.artifacts.unwrap();
    assert!(!artifacts.expose_as.is_empty());
    is_the_sql_of_the_change(&case.project.read(&artifacts.paths[0]));

    // A mistake ends it before the way down.
    let case = Case::new();
    case.revision("002", "001", "CREATE TABLE b (id booleen)", "");
    let script = case.here(&script_of_check(), url).replace("scripts/new-sql", ": scripts/new-sql");
    let ran = Machine::new(&case).run(&["bash"], &script);
    assert_eq!((ran.code, case.history().as_str()), (1, "upgrade 001"), "{}", ran.transcript());
}

/// What was merged is checked once more before it is deployed; there is no change to show then.
#[test]
fn the_default_branch_is_checked() {
    let case = Case::new();
    let script = case.here(&script_of_check(), "postgres://postgres:throwaway@postgres:5432/postgres");
    Machine::new(&case).run(&["bash"], &script).succeeded();
    assert!(!case.project.path().join("upgrade.sql").exists());
    let both = "upgrade 001, upgrade 002";
    assert_eq!(case.history(), format!("{both}, downgrade 002, downgrade 001, {both}"));
}

fn script_of_check() -> String {
    let pipeline: Pipeline = yaml(PATH);
    script(&pipeline, &pipeline.check)
}

#[test]
fn a_deployment() {
    let case = Case::new();
    let pipeline: Pipeline = yaml(PATH);
    let mut machine = Machine::new(&case);
    machine.set("PRODUCTION_URL", case.url());
    machine.run(&["bash"], &script(&pipeline, &pipeline.deploy)).succeeded();
    assert_eq!((case.rows(), case.history()), ("002".to_owned(), "upgrade 001, upgrade 002".to_owned()));
}
