//! Kubernetes: the manifests, and their containers run as a kubelet would.
//!
//! SIGTERM while a revision runs: `tests/faults/signals.rs`; SIGKILL behind it: `tests/faults/crash.rs`. Exit code 5, and the run
//! behind it: `tests/faults/unknown.rs`.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use aludel::Kind;
use serde::Deserialize;
use serde_json::Value;

use crate::machine::Machine;
use crate::support::Ran;
use crate::{Case, file, yaml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Manifest<S> {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: S,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct JobSpec {
    backoff_limit: u32,
    active_deadline_seconds: u64,
    ttl_seconds_after_finished: u64,
    pod_failure_policy: FailurePolicy,
    template: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailurePolicy {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    action: String,
    on_exit_codes: Option<ExitCodes>,
    on_pod_conditions: Option<Vec<BTreeMap<String, String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ExitCodes {
    container_name: String,
    operator: String,
    values: Vec<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DeploymentSpec {
    replicas: usize,
    progress_deadline_seconds: u64,
    selector: BTreeMap<String, BTreeMap<String, String>>,
    template: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    metadata: Option<Metadata>,
    spec: Pod,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Pod {
    restart_policy: Option<String>,
    termination_grace_period_seconds: u64,
    automount_service_account_token: bool,
    #[serde(default)]
    security_context: SecurityContext,
    #[serde(default)]
    init_containers: Vec<Container>,
    containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Container {
    name: String,
    image: String,
    #[serde(default)]
    args: Vec<String>,
    env: Vec<Variable>,
    #[serde(default)]
    resources: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    security_context: SecurityContext,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct SecurityContext {
    run_as_non_root: bool,
    run_as_user: u32,
    seccomp_profile: BTreeMap<String, String>,
    allow_privilege_escalation: Option<bool>,
    read_only_root_filesystem: bool,
    capabilities: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Variable {
    name: String,
    value_from: ValueFrom,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ValueFrom {
    secret_key_ref: SecretKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretKey {
    name: String,
    key: String,
}

fn job() -> Manifest<JobSpec> {
    yaml("job.yaml")
}

fn deployment() -> Manifest<DeploymentSpec> {
    yaml("deployment.yaml")
}

impl Container {
    /// Its process, in the image's directory and with nothing in its environment but what the manifest says.
    fn command(&self, case: &Case) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aludel"));
        command.args(&self.args).current_dir(case.project.path()).env_clear();
        for Variable { name, value_from: ValueFrom { secret_key_ref: secret } } in &self.env {
            assert_eq!((secret.name.as_str(), secret.key.as_str()), ("shop-database", "url"));
            command.env(name, case.url());
        }
        command
    }

    fn run(&self, case: &Case) -> Ran {
        Ran::of(&self.command(case).output().unwrap(), |text| text)
    }

    /// It may do nothing but connect: not as root, and without a place to write.
    fn is_locked_up(&self, pod: &Pod) {
        let (own, shared) = (&self.security_context, &pod.security_context);
        assert!(own.run_as_non_root || shared.run_as_non_root);
        assert_eq!(own.run_as_user.max(shared.run_as_user), 65532, "as in the Dockerfile");
        assert_eq!((own.allow_privilege_escalation, own.read_only_root_filesystem), (Some(false), true));
        assert_eq!(own.capabilities["drop"], ["ALL"]);
        let profile = own.seccomp_profile.get("type").or(shared.seccomp_profile.get("type"));
        assert_eq!(profile.map(String::as_str), Some("RuntimeDefault"));
        assert!(!pod.automount_service_account_token);
    }
}

/// A number of minutes, as `unit` says.
#[track_caller]
fn minutes(text: &str, unit: &str) -> u64 {
    text.strip_suffix(unit).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// What becomes of the Job when its pod ends with an exit code: the first rule that fits decides.
fn verdict(policy: &FailurePolicy, code: i32) -> &str {
    let fits = |rule: &&Rule| {
        rule.on_exit_codes.as_ref().is_some_and(|codes| codes.operator == "In" && codes.values.contains(&code))
    };
    policy.rules.iter().find(fits).map_or("Count", |rule| &rule.action)
}

#[test]
fn they_are_manifests() {
    let job = job();
    assert_eq!((job.api_version.as_str(), job.kind.as_str()), ("batch/v1", "Job"));
    assert_eq!(job.metadata.name, "shop-migrate-v42");
    let pod = &job.spec.template.spec;
    // A policy for failures is only allowed where Kubernetes itself starts no container again.
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    assert!(job.spec.backoff_limit > 0 && job.spec.ttl_seconds_after_finished > 0);
    assert!(job.spec.active_deadline_seconds > 300, "longer than `lock_wait`");
    assert!(pod.termination_grace_period_seconds >= 60);
    let container = &pod.containers[0];
    assert!(container.image.ends_with(&job.metadata.name["shop-migrate-".len()..]), "a Job for each release");
    assert_eq!(container.resources.keys().collect::<Vec<_>>(), ["limits", "requests"]);
    container.is_locked_up(pod);
    for rule in &job.spec.pod_failure_policy.rules {
        assert!(["Ignore", "FailJob"].contains(&rule.action.as_str()));
        assert!(rule.on_exit_codes.is_some() != rule.on_pod_conditions.is_some());
        if let Some(codes) = &rule.on_exit_codes {
            assert_eq!(codes.container_name, container.name);
            assert!(codes.values.is_sorted() && !codes.values.contains(&0));
        }
    }
    // A pod that was sent away must be looked at first: it may end with 4, and is to be started again.
    let evicted = job.spec.pod_failure_policy.rules[0].on_pod_conditions.as_ref().unwrap();
    assert_eq!(evicted[0]["type"], "DisruptionTarget");

    let deployment = deployment();
    assert_eq!((deployment.api_version.as_str(), deployment.kind.as_str()), ("apps/v1", "Deployment"));
    assert_eq!(deployment.spec.selector["matchLabels"], deployment.spec.template.metadata.unwrap().labels);
    let pod = &deployment.spec.template.spec;
    assert_eq!((pod.restart_policy.as_deref(), pod.init_containers[0].name.as_str()), (None, "aludel"));
    assert!(pod.termination_grace_period_seconds >= 60);
    pod.init_containers[0].is_locked_up(pod);
    let args = &pod.init_containers[0].args;
    let wait = args.iter().position(|word| word == "--lock-wait").map(|at| minutes(&args[at + 1], "min"));
    assert!(wait.is_some_and(|wait| deployment.spec.progress_deadline_seconds > wait * 60));
    assert!(!pod.containers[0].image.contains("migrate"));
}

#[test]
fn a_job() {
    let case = Case::new();
    let job = job();
    let container = &job.spec.template.spec.containers[0];
    container.run(&case).succeeded();
    assert_eq!(case.rows(), "002");
    // A pod that is started again, though nothing is left to do.
    container.run(&case).succeeded();
    assert_eq!(case.history(), "upgrade 001, upgrade 002");
}

#[test]
fn what_is_worth_another_try() {
    let job = job();
    let (policy, container) = (&job.spec.pod_failure_policy, &job.spec.template.spec.containers[0]);
    let becomes = |case: &Case, code: i32, expected: &str| {
        let ran = container.run(case);
        assert_eq!((ran.code, verdict(policy, ran.code)), (code, expected), "{}", ran.transcript());
    };
    let case = Case::new();
    case.revision("003", "002", "SELECT 1/0", "");
    becomes(&case, 1, "Count");
    case.project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\nlock_wiat = 1s\n");
    becomes(&case, 2, "FailJob");

    let case = Case::new();
    let without = "-- revision: 003\n-- parents: 002\n-- transaction: false\n\n-- migrate:upgrade\nCREATE TABLE c ();\nSELECT 1/0;\n\n-- migrate:downgrade\n";
    case.project.write("versions/003.sql", without);
    becomes(&case, 4, "FailJob");
    assert_eq!(verdict(policy, Kind::Check.exit_code().into()), "FailJob");
    for kind in [Kind::Failed, Kind::Unknown] {
        assert_eq!(verdict(policy, kind.exit_code().into()), "Count");
    }
    // SIGTERM, and SIGKILL behind it.
    assert_eq!([143, 137].map(|code| verdict(policy, code)), ["Count", "Count"]);
}

/// The script sees a Job that has failed as soon as one that is complete.
#[test]
fn a_job_is_waited_for() {
    let script = file("scripts/wait-for-job");
    let timeout = script.split("--timeout=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a limit");
    assert!(minutes(timeout, "m") * 60 > job().spec.active_deadline_seconds);
    let case = Case::new();
    case.project.write("scripts/wait-for-job", script);
    let ends = |condition: &str| {
        let mut machine = Machine::new(&case);
        // Whoever waits for what does not come waits.
        machine.install(
            "kubectl",
            &format!(
                "#!/bin/sh\n\
                 case \"$*\" in\n\
                 'wait --for=condition={condition} --timeout={timeout} job/shop-migrate-v42') echo met;;\n\
                 wait*) [ '{condition}' != none ] || exit 1; exec sleep 60;;\n\
                 logs*job/shop-migrate-v42) echo 'what it said';;\n\
                 esac\n"
            ),
        );
        let before = Instant::now();
        let ran = machine.run(&["bash"], "bash scripts/wait-for-job shop-migrate-v42");
        assert!(before.elapsed() < Duration::from_secs(30), "{}", ran.transcript());
        ran
    };
    let complete = ends("complete");
    assert_eq!((complete.code, complete.stdout.as_str(), complete.stderr.as_str()), (0, "met\n", ""));
    let failed = ends("failed");
    assert_eq!((failed.code, failed.stdout.as_str(), failed.stderr.as_str()), (1, "", "what it said\n"));
    assert_eq!(ends("none").code, 1, "there is no such Job, or no cluster");
}

#[test]
fn ten_pods_at_once() {
    let case = Case::new();
    // Long enough for all to come while it runs.
    case.revision("003", "002", "SELECT pg_catalog.pg_sleep(1)", "");
    let deployment = deployment();
    let pods = deployment.spec.replicas;
    assert_eq!(pods, 10);
    let container = &deployment.spec.template.spec.init_containers[0];
    let said: Vec<Ran> = std::thread::scope(|scope| {
        let pods: Vec<_> = (0..pods).map(|_| scope.spawn(|| container.run(&case).succeeded())).collect();
        pods.into_iter().map(|pod| pod.join().unwrap()).collect()
    });
    assert_eq!(case.history(), "upgrade 001, upgrade 002, upgrade 003");
    let migrated = said.iter().filter(|ran| ran.stderr.contains("upgraded ")).count();
    assert_eq!(migrated, 1);
}

/// As the page says: a rollback of the code stops at the init container.
#[test]
fn an_older_image_refuses() {
    let case = Case::new();
    let deployment = deployment();
    let container = &deployment.spec.template.spec.init_containers[0];
    container.run(&case).succeeded();
    std::fs::remove_file(case.project.path().join("versions/002.sql")).unwrap();
    let ran = container.run(&case);
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(ran.stderr.contains("002"), "{}", ran.transcript());
    assert_eq!((case.rows(), case.history()), ("002".to_owned(), "upgrade 001, upgrade 002".to_owned()));
}
