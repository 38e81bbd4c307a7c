//! `--metrics FILE`: what a run was like, for Prometheus.
//!
//! The text is both: Prometheus's format, which node_exporter's textfile collector reads, and OpenMetrics. So there are gauges alone,
//! no timestamps, no units and no empty lines. That a file cannot be written changes nothing of what the command did.

use std::cell::RefCell;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::Args;

use super::Context;
use super::confirm::NOT_CONFIRMED;
use super::event::{Done, Event, Listener};
use super::view::seconds;
use super::workspace::{load_config, overrides};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::bookkeeping::Action;

/// The option.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct MetricsFile {
    /// Write what the run was like to this file, for node_exporter's textfile collector [default: `metrics` of the configuration]
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

/// What is found out in a run.
#[derive(Default)]
struct Seen {
    database: String,
    /// Applied and pending revisions.
    standing: Option<(usize, usize)>,
    /// Repeatable files that are to be run.
    due: Option<usize>,
    /// Revisions and repeatable files; hooks are none.
    done: Vec<Done>,
    slow: Vec<Action>,
    /// What has begun and not ended: a revision, a repeatable file, a hook.
    open: Option<(Action, String)>,
    /// What comes now is behind the run, and none of its failure.
    over: bool,
}

/// Reads the settings, does what is to be done with them, and writes the file whatever comes of it, where one is asked for. Settings
/// that are wrong are a failure like any other: the file must not go on saying how well an earlier run went.
pub(super) fn measured<T>(
    option: &MetricsFile,
    context: &Context,
    act: impl FnOnce(&Context, Config) -> Result<T>,
) -> Result<T> {
    let began = Instant::now();
    let config = load_config(context);
    let (file, name) = match &config {
        Ok(config) => (
            config.settings.metrics.as_ref().map(|file| file.value.clone()),
            config.name().map(|name| name.value.clone()),
        ),
        Err(_) => Config::metrics_in_spite_of_errors(context.environment, &overrides(context)),
    };
    let Some(file) = option.metrics.clone().or(file) else { return act(context, config?) };
    let seen = RefCell::default();
    let result = config.and_then(|config| act(&context.telling(&Measure(&seen)), config));
    // Nothing was run, and nothing has failed: what the last run was like is as true as it was.
    if result.as_ref().is_err_and(|error| error.reason_word() == Some(NOT_CONFIRMED)) {
        return result;
    }
    let (error, now) = (result.as_ref().err(), context.environment.now());
    let text = render(&seen.borrow(), &name.unwrap_or_default(), error, began.elapsed(), now);
    if let Err(cause) = write(&file, &text) {
        context.warning(format_args!("cannot write the metrics to {}: {cause}", file.display()));
    }
    result
}

/// Measures a run.
struct Measure<'a>(&'a RefCell<Seen>);

impl Listener for Measure<'_> {
    fn hear(&self, event: &Event<'_>) {
        let mut seen = self.0.borrow_mut();
        if seen.over {
            return;
        }
        match event {
            Event::Connecting { name, .. } => (*name).clone_into(&mut seen.database),
            Event::Stands { applied, pending, .. } => seen.standing = Some((*applied, *pending)),
            Event::RepeatablesDue(due) => seen.due = Some(*due),
            Event::Begun(step) | Event::Failed(step, _) => seen.open = Some((step.action, step.revision.to_owned())),
            Event::Slow { step, .. } => seen.slow.push(step.action),
            Event::RunEnded(_) => seen.over = true,
            Event::Finished(step, time) => {
                seen.open = None;
                let (action, revision, time) = (step.action, step.revision.to_owned(), *time);
                if let Some((applied, pending)) = &mut seen.standing {
                    match action {
                        Action::Upgrade => (*applied, *pending) = (*applied + 1, pending.saturating_sub(1)),
                        Action::Downgrade => (*applied, *pending) = (applied.saturating_sub(1), *pending + 1),
                        Action::Stamp | Action::Repair | Action::Repeat | Action::Hook => {}
                    }
                }
                if action == Action::Repeat {
                    seen.due = seen.due.map(|due| due.saturating_sub(1));
                }
                if action != Action::Hook {
                    seen.done.push(Done { action, revision, time });
                }
            }
            _ => {}
        }
    }
}

fn render(seen: &Seen, environment: &str, error: Option<&Error>, took: Duration, now: DateTime<Utc>) -> String {
    let mut text = String::new();
    #[expect(clippy::cast_precision_loss, reason = "a time of today has far fewer digits than an f64 holds")]
    let now = now.timestamp() as f64;
    let common = [("database", seen.database.as_str()), ("environment", environment)];
    let mut family = |name: &str, help: &str, samples: &[(&[(&str, &str)], f64)]| {
        if samples.is_empty() {
            return;
        }
        text.push_str(&format!("# HELP aludel_{name} {help}\n# TYPE aludel_{name} gauge\n"));
        for (labels, value) in samples {
            let labels = common.iter().chain(*labels).map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            text.push_str(&format!("aludel_{name}{{{}}} {value}\n", labels.collect::<Vec<_>>().join(",")));
        }
    };
    let count = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    family("run_timestamp_seconds", "When the last run ended, in seconds since 1970.", &[(&[], now)]);
    family(
        "run_duration_seconds",
        "How long the last run took, the wait for the lock included.",
        &[(&[], seconds(took))],
    );
    family(
        "run_success",
        "Whether the last run did what it was asked for.",
        &[(&[], if error.is_none() { 1.0 } else { 0.0 })],
    );
    let code = error.map_or(0, |error| error.kind().exit_code());
    family("run_exit_code", "The exit code of the last run.", &[(&[], code.into())]);
    let (repeatables, revisions): (Vec<&Done>, Vec<&Done>) =
        seen.done.iter().partition(|done| done.action == Action::Repeat);
    let slow_repeatables = seen.slow.iter().filter(|action| **action == Action::Repeat).count();
    let slow_revisions = seen.slow.len() - slow_repeatables;
    family("run_revisions", "How many revisions the last run finished.", &[(&[], count(revisions.len()))]);
    family("run_repeatables", "How many repeatable files it finished.", &[(&[], count(repeatables.len()))]);
    family(
        "run_slow_revisions",
        "How many of its revisions took longer than slow_after.",
        &[(&[], count(slow_revisions))],
    );
    family(
        "run_slow_repeatables",
        "How many of its repeatable files took longer than slow_after.",
        &[(&[], count(slow_repeatables))],
    );
    if let Some(error) = error {
        let open = seen.open.as_ref().map_or(("revision", ""), |(action, name)| (action.noun(), name.as_str()));
        let labels = [open, ("sqlstate", error.sqlstate().unwrap_or_default()), ("kind", error.kind().name())];
        family("run_failure", "What the last run failed at.", &[(&labels, 1.0)]);
    }
    if let Some((applied, pending)) = seen.standing {
        family("revisions_applied", "How many revisions are applied.", &[(&[], count(applied))]);
        family("revisions_pending", "How many revisions are not applied.", &[(&[], count(pending))]);
    }
    if let Some(due) = seen.due {
        family("repeatables_pending", "How many repeatable files are to be run.", &[(&[], count(due))]);
    }
    let labels: Vec<_> = revisions
        .iter()
        .map(|done| [("revision", done.revision.as_str()), ("direction", done.action.verb())])
        .collect();
    let samples: Vec<(&[(&str, &str)], f64)> =
        labels.iter().zip(&revisions).map(|(labels, done)| (labels.as_slice(), seconds(done.time))).collect();
    family("revision_duration_seconds", "How long each revision of the last run took.", &samples);
    let labels: Vec<_> = repeatables.iter().map(|done| [("repeatable", done.revision.as_str())]).collect();
    let samples: Vec<(&[(&str, &str)], f64)> =
        labels.iter().zip(&repeatables).map(|(labels, done)| (labels.as_slice(), seconds(done.time))).collect();
    family("repeatable_duration_seconds", "How long each repeatable file of the last run took.", &samples);
    text.push_str("# EOF\n");
    text
}

/// A label's value between its quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Writes a file beside it and puts that in its place, so that no reader sees half of it. The collector passes over names that do
/// not end in `.prom`. It runs as somebody else, so a new file is for all to read, whatever the umask. Only a file gives way to
/// another: a device or a pipe is written to.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let (file, permissions) = match std::fs::metadata(file) {
        // Where a link leads there: the link stays.
        Ok(before) if before.is_file() => (std::fs::canonicalize(file)?, before.permissions()),
        Err(_) if !file.is_symlink() => (file.to_owned(), Permissions::from_mode(0o644)),
        _ => return File::create(file)?.write_all(text.as_bytes()),
    };
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = file.with_file_name(name);
    let written = File::create(&beside)
        .and_then(|mut new| new.write_all(text.as_bytes()).and_then(|()| new.set_permissions(permissions)))
        .and_then(|()| std::fs::rename(&beside, &file));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_label_may_hold_anything() {
        let seen = Seen { database: "a\"b\\c\nd".to_owned(), ..Seen::default() };
        let text = render(
            &seen,
            "",
            None,
            Duration::from_millis(1500),
            DateTime::from_timestamp_nanos(1_700_000_000_900_000_000),
        );
        let line = r#"aludel_run_duration_seconds{database="a\"b\\c\nd",environment=""} 1.5"#;
        assert!(text.lines().any(|one| one == line), "{text}");
    }

    #[test]
    fn a_run_that_failed_in_its_second_revision() {
        let done =
            |action, revision: &str| Done { action, revision: revision.to_owned(), time: Duration::from_millis(4) };
        let seen = Seen {
            database: "shop".to_owned(),
            standing: Some((3, 2)),
            due: Some(2),
            done: vec![done(Action::Upgrade, "001"), done(Action::Repeat, "view")],
            slow: vec![Action::Upgrade],
            open: Some((Action::Upgrade, "002".to_owned())),
            over: true,
        };
        let error = Error::new(Kind::Partial, "x").code("42P07");
        let text = render(
            &seen,
            "production",
            Some(&error),
            Duration::from_secs(2),
            DateTime::from_timestamp_nanos(1_700_000_000_900_000_000),
        );
        snapbox::assert_data_eq!(
            text,
            snapbox::str![[r##"
# HELP aludel_run_timestamp_seconds When the last run ended, in seconds since 1970.
# TYPE aludel_run_timestamp_seconds gauge
aludel_run_timestamp_seconds{database="shop",environment="production"} 1700000000
# HELP aludel_run_duration_seconds How long the last run took, the wait for the lock included.
# TYPE aludel_run_duration_seconds gauge
aludel_run_duration_seconds{database="shop",environment="production"} 2
# HELP aludel_run_success Whether the last run did what it was asked for.
# TYPE aludel_run_success gauge
aludel_run_success{database="shop",environment="production"} 0
# HELP aludel_run_exit_code The exit code of the last run.
# TYPE aludel_run_exit_code gauge
aludel_run_exit_code{database="shop",environment="production"} 4
# HELP aludel_run_revisions How many revisions the last run finished.
# TYPE aludel_run_revisions gauge
aludel_run_revisions{database="shop",environment="production"} 1
# HELP aludel_run_repeatables How many repeatable files it finished.
# TYPE aludel_run_repeatables gauge
aludel_run_repeatables{database="shop",environment="production"} 1
# HELP aludel_run_slow_revisions How many of its revisions took longer than slow_after.
# TYPE aludel_run_slow_revisions gauge
aludel_run_slow_revisions{database="shop",environment="production"} 1
# HELP aludel_run_slow_repeatables How many of its repeatable files took longer than slow_after.
# TYPE aludel_run_slow_repeatables gauge
aludel_run_slow_repeatables{database="shop",environment="production"} 0
# HELP aludel_run_failure What the last run failed at.
# TYPE aludel_run_failure gauge
aludel_run_failure{database="shop",environment="production",revision="002",sqlstate="42P07",kind="partial"} 1
# HELP aludel_revisions_applied How many revisions are applied.
# TYPE aludel_revisions_applied gauge
aludel_revisions_applied{database="shop",environment="production"} 3
# HELP aludel_revisions_pending How many revisions are not applied.
# TYPE aludel_revisions_pending gauge
aludel_revisions_pending{database="shop",environment="production"} 2
# HELP aludel_repeatables_pending How many repeatable files are to be run.
# TYPE aludel_repeatables_pending gauge
aludel_repeatables_pending{database="shop",environment="production"} 2
# HELP aludel_revision_duration_seconds How long each revision of the last run took.
# TYPE aludel_revision_duration_seconds gauge
aludel_revision_duration_seconds{database="shop",environment="production",revision="001",direction="upgrade"} 0.004
# HELP aludel_repeatable_duration_seconds How long each repeatable file of the last run took.
# TYPE aludel_repeatable_duration_seconds gauge
aludel_repeatable_duration_seconds{database="shop",environment="production",repeatable="view"} 0.004
# EOF

"##]]
        );
    }
}
