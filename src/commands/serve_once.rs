//! `aludel serve-once`

use std::io::Read as _;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Context;
use super::actions::{self, Consent, Report};
use super::event::{Done, Tally};
use super::status::{self, Look};
use super::workspace::parse_target;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::secret::Secret;
use crate::ui::Ui;

/// Answer one request: JSON on standard input, JSON on standard output
///
/// For functions and other callers that are programs (AWS Lambda, a job queue).
/// What happens meanwhile goes to standard error, and the exit code is that of
/// the command; the answer holds the error too.
///
///   echo '{"action": "up"}' | aludel serve-once
///   echo '{"action": "up", "target": "002"}' | aludel serve-once
///   echo '{"action": "down", "target": "001"}' | aludel serve-once
///   echo '{"action": "status"}' | aludel serve-once
///   echo '{"action": "stamp", "target": "002"}' | aludel serve-once
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {}

/// A request; the fields are documented in docs/json.md and only ever added to.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    variables: std::collections::BTreeMap<String, Secret>,
    #[serde(default)]
    yes: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Upgrade,
    Downgrade,
    Stamp,
    Status,
}

/// What an action may be called.
const ACTIONS: [(&str, Action); 6] = [
    ("up", Action::Upgrade),
    ("upgrade", Action::Upgrade),
    ("down", Action::Downgrade),
    ("downgrade", Action::Downgrade),
    ("stamp", Action::Stamp),
    ("status", Action::Status),
];

/// The fields of a request.
const FIELDS: [&str; 4] = ["action", "target", "variables", "yes"];

/// What is sent, for those who sent something else.
const EXAMPLE: &str = r#"send {"action": "up"} or {"action": "status"}"#;

/// So long a request may be: more is none.
const LONGEST: u64 = 1 << 20;

/// An answer; the fields are documented in docs/json.md and only ever added to.
#[derive(Default, Serialize)]
struct Answer<'a> {
    ok: bool,
    action: Option<&'static str>,
    steps: Vec<StepView<'a>>,
    before: Option<&'a [String]>,
    current: Option<&'a [String]>,
    status: Option<status::Report<'a>>,
    warnings: Vec<String>,
    error: Option<Value>,
}

/// A step that was carried out.
#[derive(Serialize)]
struct StepView<'a> {
    action: &'static str,
    revision: &'a str,
    seconds: f64,
}

impl<'a> From<&'a Done> for StepView<'a> {
    fn from(done: &'a Done) -> Self {
        Self { action: done.action.verb(), revision: &done.revision, seconds: done.time.as_secs_f64() }
    }
}

/// What came of a request.
enum Outcome {
    Changed(Report),
    Looked(Box<Look>),
}

pub(super) fn run(_: Arguments, context: &Context) -> Result<()> {
    let tally = Tally::default();
    let mut action = None;
    let result = read().and_then(|request| {
        action = Some(request.0);
        act(request.0, request.1, &tally, context)
    });
    let steps = tally.take();
    let (report, look) = match &result {
        Ok(Outcome::Changed(report)) => (Some(report), None),
        Ok(Outcome::Looked(look)) => (None, Some(look)),
        Err(_) => (None, None),
    };
    context.ui.json(&Answer {
        ok: result.is_ok(),
        action: action.map(|action| match action {
            Action::Upgrade => "upgrade",
            Action::Downgrade => "downgrade",
            Action::Stamp => "stamp",
            Action::Status => "status",
        }),
        steps: steps.iter().map(StepView::from).collect(),
        before: report.map(|report| report.before.as_slice()),
        current: report.map(|report| report.current.as_slice()),
        status: look.map(|look| look.report()),
        warnings: actions::warnings(&tally, context),
        error: result.as_ref().err().map(|error| context.ui.error_view(error)),
    });
    result.map(drop)
}

/// The command's name.
pub(crate) const NAME: &str = "serve-once";

/// Answers where the command line or the environment is wrong, so that no request was read.
pub(crate) fn refuse(ui: &Ui, error: &Error) {
    ui.json(&Answer { error: Some(ui.error_view(error)), ..Answer::default() });
    ui.flush();
}

/// The request on standard input.
fn read() -> Result<(Action, Request)> {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|cause| Error::usage("the request cannot be read").cause(cause))?;
    if text.len() as u64 > LONGEST {
        return Err(Error::usage(format!("the request is longer than {} MiB", LONGEST >> 20)));
    }
    let request = parse(&text)?;
    let Some(asked) = &request.action else {
        return Err(Error::usage("a request needs an `action`").hint(EXAMPLE));
    };
    let known = ACTIONS.iter().find(|(name, _)| name == asked);
    let Some((_, action)) = known else {
        let names = ACTIONS.map(|(name, _)| name);
        let error = Error::usage(format!("there is no action `{asked}`"));
        return Err(match nearest(asked, names) {
            Some(near) => error.hint(format!("call it `{near}`")),
            None => error.note(format!("there are `{}`", names.join("`, `"))),
        });
    };
    Ok((*action, request))
}

/// The request that a text holds. What is wrong with it is said in words of our own: serde_json's quote the value, which may be
/// anything.
fn parse(text: &str) -> Result<Request> {
    if text.trim().is_empty() {
        return Err(Error::usage("there is no request: standard input is empty").hint(EXAMPLE));
    }
    let broken = |what: &str, error: &serde_json::Error| {
        let title = format!("{what}, at line {} column {}", error.line(), error.column());
        Error::usage(title).hint(EXAMPLE)
    };
    let value: Value = serde_json::from_str(text).map_err(|error| broken("the request is no JSON", &error))?;
    let Value::Object(fields) = &value else {
        return Err(Error::usage(format!("the request is {}: it must be an object", kind(&value))).hint(EXAMPLE));
    };
    if let Some(field) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        let error = Error::usage(format!("a request has no field `{field}`"));
        return Err(match nearest(field, FIELDS) {
            Some(near) => error.hint(format!("call it `{near}`")),
            None => error.note(format!("it has `{}`", FIELDS.join("`, `"))),
        });
    }
    for (field, value) in fields {
        let right = match (field.as_str(), value) {
            ("yes", Value::Bool(_)) | ("variables", Value::Object(_)) => continue,
            ("action" | "target", Value::String(_) | Value::Null) => continue,
            ("yes", _) => "`true` or `false`",
            ("variables", _) => "an object of strings",
            _ => "a string",
        };
        return Err(Error::usage(format!("`{field}` is {}: it must be {right}", kind(value))));
    }
    let variables = fields.get("variables").and_then(Value::as_object).into_iter().flatten();
    if let Some((name, value)) = variables.into_iter().find(|(_, value)| !value.is_string()) {
        return Err(Error::usage(format!("`{name}` of `variables` is {}: it must be a string", kind(value))));
    }
    serde_json::from_str(text).map_err(|error| broken("the request has a field twice", &error))
}

/// What a JSON value is, and nothing of what it says.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn act(action: Action, request: Request, tally: &Tally, context: &Context) -> Result<Outcome> {
    let mut global = context.global.clone();
    global.x.extend(request.variables);
    let context = &Context { global: &global, ..context.telling(tally) };
    let target = request.target.as_deref();
    let consent = Consent::of_a_program(request.yes);
    Ok(match action {
        Action::Upgrade => Outcome::Changed(actions::upgrade(context, target.unwrap_or("head"), consent)?),
        Action::Downgrade => Outcome::Changed(actions::downgrade(context, fixed(target)?, consent)?),
        Action::Stamp => {
            let target = target.ok_or_else(|| {
                Error::usage("a stamp needs a `target`").hint(r#"send {"action": "stamp", "target": "002"}"#)
            })?;
            let targets: Vec<&str> = target.split(',').map(str::trim).collect();
            Outcome::Changed(actions::stamp(context, &targets, consent)?)
        }
        Action::Status if target.is_some() => return Err(Error::usage("a status has no `target`")),
        Action::Status => Outcome::Looked(Box::new(Look::take(context)?)),
    })
}

/// The target of a downgrade. Whoever calls a function sends a request again when no answer came: from wherever the first has led,
/// one revision down would be one more.
fn fixed(target: Option<&str>) -> Result<&str> {
    let error = match target {
        None => Error::usage("a down needs a `target`"),
        Some(target) if parse_target(target).is_ok_and(|target| target.is_counted()) => {
            Error::usage(format!("`{target}` is no target for a down here: it depends on where the database stands"))
        }
        Some(target) => return Ok(target),
    };
    Err(error
        .note("a request that is sent twice would undo more than it was meant to")
        .hint(r#"send {"action": "down", "target": "001"} with the revision that is to stay, or "base" for none"#))
}
