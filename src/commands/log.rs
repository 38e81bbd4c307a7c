//! `aludel log`

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use clap::Args;
use serde::Serialize;

use super::Context;
use super::view::seconds;
use super::workspace::{connect, load_config, messages};
use crate::database::history::{Entry, Found, Since, Wanted};
use crate::error::Result;
use crate::ui::{counted, duration};

/// Show what was run on the database: when, by whom, how long, how it ended; newest first
///
///   aludel log --failed --since 2d
///   aludel log --revision 002 -v
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Only this revision: its id, or its beginning; it need not have a file any more
    #[arg(long, value_name = "ID")]
    revision: Option<String>,

    /// Only what failed, also partway
    #[arg(long)]
    failed: bool,

    /// Only what ended since then: `90min`, `12h`, `2d`, `1w` ago, `2026-11-01`, `2026-11-01T09:30:00Z`
    #[arg(long, value_name = "WHEN", value_parser = parse_since)]
    since: Option<Since>,

    /// Only this run, as `-v` and `--json` name it; its beginning will do
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// At most so many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32))]
    limit: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--since` says.
fn parse_since(text: &str) -> std::result::Result<Since, String> {
    let text = text.trim();
    let day = |date: NaiveDate| date.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::Time(time.to_utc()));
    }
    if let Some(time) = text.parse::<NaiveDate>().ok().and_then(day) {
        return Ok(Since::Time(time));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim_start() {
        _ if number.is_empty() => 0,
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => 0,
    };
    if unit == 0 {
        return Err("write `90min`, `12h`, `2d`, `1w`, or a date: `2026-11-01`, `2026-11-01T09:30:00Z`".to_owned());
    }
    // No history is older than that.
    let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    seconds.map(|seconds| Since::Last(Duration::from_secs(seconds.into()))).ok_or("it is too long ago".to_owned())
}

/// The history as JSON; the fields are documented in docs/json.md and only ever added to.
#[derive(Serialize)]
struct Report<'a> {
    database: &'a str,
    history_table: bool,
    total: usize,
    entries: Vec<EntryView<'a>>,
}

#[derive(Serialize)]
struct EntryView<'a> {
    id: i64,
    run: &'a str,
    direction: &'a str,
    revision: &'a str,
    revision_message: Option<&'a str>,
    checksum: Option<&'a str>,
    outcome: &'a str,
    sqlstate: Option<&'a str>,
    message: Option<&'a str>,
    started_at: String,
    finished_at: String,
    seconds: f64,
    slow: bool,
    role: &'a str,
    client_user: Option<&'a str>,
    client_host: Option<&'a str>,
    tool: &'a str,
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let config = load_config(context)?;
    let slow_after = config.settings.slow_after.value;
    let slow = |entry: &Entry| !slow_after.is_zero() && entry.took() >= slow_after;
    let Arguments { revision, failed, since, run, limit, json } = arguments;
    let wanted = Wanted { revision, failed, since, run, limit: usize::try_from(limit).ok().filter(|limit| *limit > 0) };
    let (standing, found) = {
        let mut database = connect(&config, context)?;
        database.session.log(&wanted)?
    };
    let ui = context.ui;
    let history_table = found.is_some();
    let Found { entries, total } = found.unwrap_or_default();
    // What ran may have no file any more, and then no message.
    let messages = if entries.is_empty() { BTreeMap::new() } else { messages(&config) };
    let message = |entry: &Entry| messages.get(&entry.revision).map(String::as_str);
    if json {
        let entries = entries.iter().map(|entry| EntryView::new(entry, slow(entry), message(entry))).collect();
        ui.json(&Report { database: &standing.place, history_table, total, entries });
        return Ok(());
    }
    if entries.is_empty() {
        match (history_table, nothing(&wanted)) {
            (false, _) => ui.status(format_args!("there is no history on {}: nothing was run yet", standing.place)),
            (true, None) => ui.status("the history is empty"),
            (true, Some((words, hint))) => {
                ui.status(format_args!("the history holds nothing {words}"));
                ui.hint(hint);
            }
        }
        return Ok(());
    }
    let what = |entry: &Entry| what(entry, message(entry));
    let width = entries.iter().map(|entry| what(entry).chars().count()).max().unwrap_or_default();
    for entry in &entries {
        let slow = if slow(entry) { " (slow)" } else { "" };
        if ui.is_verbose() {
            block(entry, message(entry), slow).iter().for_each(|line| ui.line(line));
            continue;
        }
        let how = format!("{}{slow}, by {}", how(entry), author(entry));
        ui.line(format_args!("{}  {:<width$}  {how}", when(entry.finished_at), what(entry)));
        if let Some(error) = error(entry) {
            ui.line(format_args!("    {error}"));
        }
    }
    let more = total - entries.len();
    if more > 0 {
        ui.status(format_args!("not shown: {}", counted(more, "older one")));
        ui.hint("`--limit 0` shows all");
    }
    Ok(())
}

impl<'a> EntryView<'a> {
    fn new(entry: &'a Entry, slow: bool, revision_message: Option<&'a str>) -> Self {
        Self {
            id: entry.id,
            run: &entry.run,
            direction: &entry.direction,
            revision: &entry.revision,
            revision_message,
            checksum: entry.checksum.as_deref(),
            outcome: &entry.outcome,
            sqlstate: entry.sqlstate.as_deref(),
            message: entry.message.as_deref(),
            started_at: entry.started_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            finished_at: entry.finished_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            seconds: seconds(entry.took()),
            slow,
            role: &entry.role,
            client_user: entry.client_user.as_deref(),
            client_host: entry.client_host.as_deref(),
            tool: &entry.tool,
        }
    }
}

/// What there is nothing of, in words, and how to find what there is; none where everything was asked for.
fn nothing(wanted: &Wanted) -> Option<(String, &'static str)> {
    let Wanted { revision, failed, since, run, limit: _ } = wanted;
    let revision_words = revision.as_ref().map(|revision| format!("of {revision}"));
    let run_words = run.as_ref().map(|run| format!("in the run {run}"));
    let words = [
        revision_words,
        run_words,
        failed.then(|| "that failed".to_owned()),
        since.is_some().then(|| "since then".to_owned()),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let hint = match (revision, run) {
        (Some(revision), _) if revision.chars().count() < 4 => {
            "`aludel log` shows what it holds; an id of less than four characters is taken as a whole one"
        }
        (None, Some(_)) => "`aludel log -v` shows what it holds, each with its run",
        _ => "`aludel log` shows what it holds",
    };
    (!words.is_empty()).then(|| (words.join(" "), hint))
}

fn when(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `upgrade 002`
fn what(entry: &Entry, message: Option<&str>) -> String {
    let message = message.map(|message| format!(" {message}")).unwrap_or_default();
    format!("{} {}{message}", entry.direction, entry.revision)
}

/// `done in 4 ms`; what runs nothing took no time that matters.
fn how(entry: &Entry) -> String {
    match entry.direction.as_str() {
        "stamp" | "repair" => entry.outcome.clone(),
        _ => format!("{} in {}", entry.outcome, duration(entry.took())),
    }
}

/// `deploy (dana@laptop)`: the role, and who ran the tool where, as far as that is known.
fn author(entry: &Entry) -> String {
    match (&entry.client_user, &entry.client_host) {
        (Some(user), Some(host)) => format!("{} ({user}@{host})", entry.role),
        (Some(one), None) | (None, Some(one)) => format!("{} ({one})", entry.role),
        (None, None) => entry.role.clone(),
    }
}

/// `error[42P01]: relation "a" does not exist`
fn error(entry: &Entry) -> Option<String> {
    let message = entry.message.as_deref()?.replace('\n', "\n    ");
    Some(match &entry.sqlstate {
        Some(code) => format!("error[{code}]: {message}"),
        None => format!("error: {message}"),
    })
}

/// Everything of a row, over several lines, ending in an empty one.
fn block(entry: &Entry, message: Option<&str>, slow: &str) -> Vec<String> {
    let mut lines = vec![format!("{}: {}{slow}", what(entry, message), how(entry))];
    let mut line = |name: &str, value: &str| lines.push(format!("    {name:<9} {value}"));
    line("began", &entry.started_at.to_rfc3339_opts(SecondsFormat::Millis, true));
    line("ended", &entry.finished_at.to_rfc3339_opts(SecondsFormat::Millis, true));
    line("by", &author(entry));
    line("tool", &entry.tool);
    line("run", &entry.run);
    line("checksum", entry.checksum.as_deref().unwrap_or("none"));
    lines.extend(error(entry).map(|error| format!("    {error}")));
    lines.push(String::new());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_when() {
        let time = |text: &str| Since::Time(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        for (text, since) in [
            ("90min", Since::Last(Duration::from_secs(5400))),
            (" 2 d ", Since::Last(Duration::from_secs(172_800))),
            ("1w", Since::Last(Duration::from_secs(604_800))),
            ("2026-11-01", time("2026-11-01T00:00:00Z")),
            ("2026-11-01T09:30:00+02:00", time("2026-11-01T07:30:00Z")),
        ] {
            assert_eq!(parse_since(text), Ok(since), "{text}");
        }
        for text in ["", "2", "d", "yesterday", "2026-13-01", "99999999999d", "-1d"] {
            assert!(parse_since(text).is_err(), "{text}");
        }
        assert!(parse_since("d").unwrap_err().starts_with("write `90min`"));
        assert_eq!(parse_since("99999999999d").unwrap_err(), "it is too long ago");
    }
}
