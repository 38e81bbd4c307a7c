//! GitHub Actions: the workflow, by a runner that knows of the language what the page uses.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::machine::{Machine, is_the_sql_of_the_change};
use crate::{Case, PASSWORD, file, yaml};

const PATH: &str = ".github/workflows/migrations.yml";

type Texts = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Workflow {
    name: String,
    on: BTreeMap<String, Value>,
    permissions: Texts,
    env: Texts,
    jobs: BTreeMap<String, Job>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Job {
    runs_on: String,
    timeout_minutes: u32,
    #[serde(default)]
    services: BTreeMap<String, Service>,
    #[serde(default)]
    env: Texts,
    #[serde(rename = "if")]
    condition: Option<String>,
    needs: Option<String>,
    environment: Option<String>,
    concurrency: Option<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    image: String,
    env: Texts,
    ports: Vec<String>,
    options: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: Option<String>,
    #[serde(rename = "if")]
    condition: Option<String>,
    uses: Option<String>,
    #[serde(default)]
    with: Texts,
    run: Option<String>,
}

/// An event on GitHub, with the values of `${{ ... }}`.
struct Runner {
    event: &'static str,
    contexts: Texts,
    machine: Machine,
}

impl Runner {
    fn new(case: &Case, event: &'static str) -> Self {
        let mut machine = Machine::new(case);
        let contexts = ["URL", "SHA256"].map(|name| {
            let value = machine.variables.remove(&format!("ALUDEL_{name}")).unwrap();
            (format!("vars.ALUDEL_{name}"), value)
        });
        let path = machine.home("github_path").display().to_string();
        machine.set("GITHUB_PATH", path);
        if event == "pull_request" {
            machine.set("GITHUB_BASE_REF", "main");
        }
        Self { event, contexts: contexts.into(), machine }
    }

    /// `text` with the values of its expressions.
    fn value(&self, text: &str) -> String {
        let mut value = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{ ") {
            let (name, after) = after.split_once(" }}").expect("an expression ends");
            value += before;
            value += self.contexts.get(name).unwrap_or_else(|| panic!("`{name}` is not there in this job"));
            rest = after;
        }
        value + rest
    }

    fn holds(&self, condition: Option<&str>) -> bool {
        let Some(condition) = condition else { return true };
        let event = condition.strip_prefix("github.event_name == '").and_then(|rest| rest.strip_suffix('\''));
        event.unwrap_or_else(|| panic!("`{condition}` is not understood here")) == self.event
    }

    /// Runs a job's steps up to the first that fails, and returns what that said.
    fn run(&mut self, workflow: &Workflow, job: &Job) -> Result<(), String> {
        assert!(self.holds(job.condition.as_deref()));
        for (name, value) in workflow.env.iter().chain(&job.env) {
            let value = self.value(value);
            self.machine.set(name, value);
        }
        for step in &job.steps {
            if !self.holds(step.condition.as_deref()) {
                continue;
            }
            match (step.uses.as_deref(), step.run.as_deref()) {
                (Some("actions/checkout@v4"), None) => assert!(step.with.is_empty()),
                (Some("actions/upload-artifact@v4"), None) => {
                    assert_eq!(step.with.keys().collect::<Vec<_>>(), ["name", "path"]);
                    let cat = self.machine.run(&["bash"], &format!("cat '{}'", step.with["path"]));
                    is_the_sql_of_the_change(&cat.succeeded().stdout);
                }
                (None, Some(script)) => {
                    // The shell of a step that names none.
                    let ran = self.machine.run(&["bash", "-e"], script);
                    if ran.code != 0 {
                        return Err(format!("{}: {}", step.name.as_deref().unwrap_or(script), ran.transcript()));
                    }
                    let added = std::fs::read_to_string(&self.machine.variables["GITHUB_PATH"]).unwrap_or_default();
                    for path in added.lines() {
                        if !self.machine.path.iter().any(|known| known == path) {
                            self.machine.path.insert(0, path.to_owned());
                        }
                    }
                }
                other => panic!("{other:?} is not understood here"),
            }
        }
        Ok(())
    }
}

/// The workflow with its throw-away server led to the case's database.
fn workflow(case: &Case) -> Workflow {
    let mut workflow: Workflow = yaml(PATH);
    let check = workflow.jobs.get_mut("check").unwrap();
    let url = check.env.get_mut("DATABASE_URL").unwrap();
    *url = case.here(url, "postgres://postgres:throwaway@localhost:5432/postgres");
    workflow
}

fn change(case: &Case) -> Runner {
    case.project.write("scripts/new-sql", file("scripts/new-sql"));
    let runner = Runner::new(case, "pull_request");
    runner.machine.check_out_a_change();
    runner
}

#[test]
fn it_is_a_workflow() {
    let workflow: Workflow = yaml(PATH);
    assert_eq!(workflow.name, "migrations");
    assert_eq!(workflow.on.keys().collect::<Vec<_>>(), ["pull_request", "push"]);
    assert_eq!(workflow.permissions, Texts::from([("contents".to_owned(), "read".to_owned())]));
    for (name, job) in &workflow.jobs {
        assert_eq!(job.runs_on, "ubuntu-latest", "{name}");
        assert!((1..=360).contains(&job.timeout_minutes), "{name}");
        assert!(job.needs.iter().all(|needed| workflow.jobs.contains_key(needed)), "{name}");
        assert_eq!(job.steps[0].uses.as_deref(), Some("actions/checkout@v4"), "{name}");
        for step in &job.steps {
            assert!(step.uses.is_some() != step.run.is_some(), "{name}: a step uses or runs");
        }
    }
    let postgres = &workflow.jobs["check"].services["postgres"];
    assert!(postgres.image.starts_with("postgres:"));
    assert_eq!(
        (postgres.env["POSTGRES_PASSWORD"].as_str(), &postgres.ports[..]),
        (PASSWORD, &["5432:5432".to_owned()][..])
    );
    assert!(postgres.options.contains("--health-cmd pg_isready"));

    // Only the deployment knows the secret, one runs at a time, and both jobs install the same.
    let (check, deploy) = (&workflow.jobs["check"], &workflow.jobs["deploy"]);
    assert_eq!((deploy.environment.as_deref(), deploy.needs.as_deref()), (Some("production"), Some("check")));
    assert!(deploy.concurrency.is_some() && deploy.services.is_empty());
    assert_eq!(file(PATH).matches("secrets.").count(), 1);
    assert_eq!(deploy.env["DATABASE_URL"], "${{ secrets.DATABASE_URL }}");
    assert_eq!(check.steps[1].run, deploy.steps[1].run);
}

#[test]
fn a_pull_request_is_checked() {
    let case = Case::new();
    let mut runner = change(&case);
    let workflow = workflow(&case);
    runner.run(&workflow, &workflow.jobs["check"]).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(case.rows(), "002");
    let both = "upgrade 001, upgrade 002";
    assert_eq!(case.history(), format!("{both}, downgrade 002, downgrade 001, {both}"));
    assert!(runner.machine.home("bin/aludel").is_file());
}

/// Each of these stops the pull request, in the step that is there for it.
#[test]
fn what_a_check_is_for() {
    let fails = |spoil: &dyn Fn(&Case), step: &str, because: &str| {
        let case = Case::new();
        let mut runner = change(&case);
        spoil(&case);
        let workflow = workflow(&case);
        let said = runner.run(&workflow, &workflow.jobs["check"]).unwrap_err();
        assert!(said.starts_with(step) && said.contains(because), "{said}");
    };
    let (sql, round) = ("The SQL of this change: ", "Up, all the way down, and up again: ");
    fails(&|case| case.revision("003", "001", "SELECT 1", ""), sql, "there are 2 heads: 002, 003");
    fails(
        &|case| case.revision("002", "001", "CREATE TABLE b (id booleen)", ""),
        round,
        "type \"booleen\" does not exist",
    );
    fails(
        &|case| case.revision("002", "001", "CREATE TABLE b ()", "DROP TABLE c"),
        round,
        "table \"c\" does not exist",
    );
    fails(&|case| case.revision("002", "001", "CREATE TABLE b ()", "SELECT 1"), round, "\"b\" already exists");
    // A binary that is not the one that was meant is not run.
    let case = Case::new();
    let mut runner = change(&case);
    runner.contexts.insert("vars.ALUDEL_SHA256".to_owned(), "0".repeat(64));
    let workflow = workflow(&case);
    let said = runner.run(&workflow, &workflow.jobs["check"]).unwrap_err();
    assert!(said.starts_with("Install Aludel: ") && said.contains("did NOT match"), "{said}");
}

/// The pull request that brings Aludel along, or the first revision, is the one where somebody looks whether it works.
#[test]
fn the_sql_of_the_first_change() {
    for files in ["migrate.ini versions", "versions", "versions/001.sql versions/002.sql", "versions/002.sql"] {
        let case = Case::new();
        case.project.write("scripts/new-sql", file("scripts/new-sql"));
        let mut machine = Machine::new(&case);
        machine.check_out_a_change_of(files);
        machine.install("aludel", &format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_aludel")));
        let ran = machine.run(&["bash"], "scripts/new-sql main").succeeded();
        let first = if files == "versions/002.sql" { "001" } else { "base" };
        assert!(ran.stdout.contains(&format!("upgrade from {first} to 002")), "{files}: {}", ran.transcript());
        let trees = machine.run(&["bash"], "git worktree list").succeeded().stdout;
        assert_eq!(trees.lines().count(), 1, "it leaves nothing behind: {trees}");
    }
    // Also where it fails.
    let case = Case::new();
    case.project.write("scripts/new-sql", file("scripts/new-sql"));
    let mut machine = Machine::new(&case);
    machine.check_out_a_change();
    machine.install("aludel", "#!/bin/sh\nexit 7\n");
    assert_eq!(machine.run(&["bash"], "scripts/new-sql main").code, 7);
    assert_eq!(machine.run(&["bash"], "git worktree list").succeeded().stdout.lines().count(), 1);
}

#[test]
fn a_push_is_deployed() {
    let case = Case::new();
    let mut runner = Runner::new(&case, "push");
    runner.contexts.insert("secrets.DATABASE_URL".to_owned(), case.url());
    let workflow = workflow(&case);
    runner.run(&workflow, &workflow.jobs["deploy"]).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!((case.rows(), case.history()), ("002".to_owned(), "upgrade 001, upgrade 002".to_owned()));
}
