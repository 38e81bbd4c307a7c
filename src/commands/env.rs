//! `aludel env`

use clap::Args;
use serde::Serialize;

use super::Context;
use super::connection_string::GivenBy;
use super::credentials::{PASSWORD_VARIABLE, Preview, USER_VARIABLE};
use super::workspace::overrides;
use crate::config::keys::{self, KEYS};
use crate::config::{Config, DatabaseUrl, InForce, Sourced, mask};
use crate::database::conninfo::{self, Conninfo, Endpoint, Settings as ConninfoSettings, SslMode};
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::secret::{SHORTEST, Secret};

/// Show the settings in force and where each comes from
///
/// The connection that they make is shown as it will be, with `PGHOST`, `~/.pgpass` and their kin. Nothing is connected to, no
/// command of the settings is run, and no password is shown.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print what this setting says, and nothing else
    setting: Option<String>,

    /// Print JSON
    #[arg(long, conflicts_with = "setting")]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    environment: Option<&'a str>,
    environment_origin: Option<String>,
    environments: Vec<&'a str>,
    database: Option<String>,
    problem: Option<serde_json::Value>,
    connection: Vec<Parameter>,
    settings: Vec<Setting>,
    variables: Vec<Parameter>,
}

/// A part of the connection, or a value for revisions.
#[derive(Serialize)]
struct Parameter {
    name: String,
    value: Option<String>,
    origin: String,
}

#[derive(Serialize)]
struct Setting {
    name: &'static str,
    values: Vec<String>,
    origin: String,
    reads: Vec<String>,
    unset: Vec<String>,
    passed_over: Option<String>,
    /// What came over it.
    #[serde(skip)]
    over: Option<&'static str>,
}

/// Where the settings lead.
#[derive(Default)]
struct Target {
    database: Option<String>,
    parameters: Vec<Parameter>,
    /// What the `url` is shown as, where it can be shown.
    url: Option<String>,
    /// The secrets of the connection.
    secrets: Vec<String>,
}

/// The parts of a connection that are shown even where nobody gave them.
const ALWAYS: [&str; 6] = ["host", "port", "user", "dbname", "password", "sslmode"];

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let config = Config::load_to_show(context.environment, &overrides(context))?;
    let settings = config.in_force(context.environment)?;
    if let Some(name) = &arguments.setting {
        return one(name, &config, settings, context);
    }
    let (target, problem) = match target(&config, context) {
        Ok(target) => (target, None),
        Err(error) => (Target::default(), Some(error)),
    };
    // Where it is not known which part of a connection a value is, it may be the password.
    let in_url = |name: &str| {
        let url = settings.iter().find(|setting| setting.key == keys::URL).filter(|_| problem.is_some());
        url.is_some_and(|url| url.reads.iter().any(|(read, _)| read.strip_prefix("x.") == Some(name)))
    };
    let variable = |(name, Sourced { value, origin }): (String, Sourced<Secret>)| {
        let is_secret = mask::is_secret_name(&name) || in_url(&name);
        let value = if is_secret { mask::HIDDEN.to_owned() } else { shown(value.reveal(), &target.secrets) };
        Parameter { name, value: Some(value), origin: origin.to_string() }
    };
    let variables = config.variables(context.environment)?.into_iter().map(variable).collect();
    let url = target.url.as_deref();
    let report = Report {
        file: config.path(),
        environment: config.name().map(|name| name.value.as_str()),
        environment_origin: config.name().map(|name| name.origin.to_string()),
        environments: config.environments(),
        database: target.database,
        problem: problem.as_ref().map(|problem| context.ui.error_view(problem)),
        connection: target.parameters,
        settings: settings.into_iter().map(|setting| view(setting, url)).collect(),
        variables,
    };
    if arguments.json {
        context.ui.json(&report);
        return Ok(());
    }
    print(&report, &config, context);
    if let Some(problem) = &problem {
        context.warning(problem.title());
        problem.notes().iter().for_each(|note| context.ui.status(format_args!("note: {note}")));
        problem.hints().iter().for_each(|hint| context.ui.hint(hint));
    }
    Ok(())
}

/// Prints what one setting says.
fn one(name: &str, config: &Config, settings: Vec<InForce>, context: &Context) -> Result<()> {
    let Some(setting) = settings.into_iter().find(|setting| setting.key.name == name) else {
        let error = Error::usage(format!("unknown setting `{name}`"));
        if config.environments().contains(&name) {
            return Err(error.hint(format!("an environment is chosen with `-n`: `aludel env -n {name}`")));
        }
        return Err(match nearest(name, KEYS.iter().map(|key| key.name)) {
            Some(near) => error.hint(format!("aludel env {near}")),
            None => error.hint("aludel env"),
        });
    };
    let url = if setting.key == keys::URL { target(config, context)?.url } else { None };
    view(setting, url.as_deref()).values.iter().for_each(|line| context.ui.line(line));
    Ok(())
}

fn masked(value: &str) -> String {
    mask::cover(value, &mask::hidden(value, 0, true), 0..0).0
}

fn view(setting: InForce, url: Option<&str>) -> Setting {
    let InForce { key, shown, origin, reads, passed_over } = setting;
    let values = match url {
        Some(url) if key == keys::URL => vec![url.to_owned()],
        _ => shown,
    };
    let (given, unset): (Vec<_>, Vec<_>) = reads.into_iter().partition(|(_, given)| *given);
    let names = |reads: Vec<(String, bool)>| reads.into_iter().map(|(name, _)| name).collect();
    Setting {
        name: key.name,
        values,
        origin: origin.to_string(),
        reads: names(given),
        unset: names(unset),
        over: passed_over.as_ref().map(|(_, over)| *over),
        passed_over: passed_over.map(|(origin, _)| origin.to_string()),
    }
}

/// Where the settings lead, as far as it is known without asking anybody.
fn target(config: &Config, context: &Context) -> Result<Target> {
    let url = config.database_url(context.environment)?;
    let text = match url.value {
        DatabaseUrl::Local => {
            let local = Some("local".to_owned());
            return Ok(Target { database: local.clone(), url: local, ..Target::default() });
        }
        DatabaseUrl::Asked(_) => return Ok(Target::default()),
        DatabaseUrl::Given(text) => text,
    };
    let given_by = GivenBy { origin: &url.origin, command: None };
    let written = ConninfoSettings::parse(text.reveal()).map_err(|error| given_by.unreadable(error))?;
    let url = Some(shown(text.reveal(), &secrets(&written)));
    Ok(Target { url, ..connection(written, given_by, config, context)? })
}

/// What must not be shown of the settings of a connection.
fn secrets(settings: &ConninfoSettings) -> Vec<String> {
    let plain = conninfo::keywords().filter_map(|(name, _)| settings.get(name));
    let in_plain =
        plain.flat_map(|value| mask::hidden(value, 0, false).into_iter().map(|range| value[range].to_owned()));
    let secret = settings.secrets().into_iter().map(|secret| secret.reveal().to_owned());
    secret.chain(in_plain).filter(|secret| secret != mask::HIDDEN).collect()
}

/// A text, perhaps a connection string, without these secrets, in whatever way they are written in it.
fn shown(text: &str, hidden: &[String]) -> String {
    let shown = masked(text);
    let decoded = conninfo::decode(&shown).unwrap_or_default();
    let tells = |secret: &String| {
        let is_in = |text: &String| text.contains(secret) || (text.len() >= SHORTEST && secret.contains(text));
        is_in(&shown) || is_in(&decoded)
    };
    let again = match (ConninfoSettings::parse(text), ConninfoSettings::parse(&shown)) {
        (Ok(written), Ok(again)) => secrets(&again).iter().any(|secret| secrets(&written).contains(secret)),
        (Ok(_), Err(_)) => true,
        (Err(_), _) => false,
    };
    if again || hidden.iter().any(tells) { mask::HIDDEN.to_owned() } else { shown }
}

/// The database, and each part of the connection with its origin; `given_by` is the connection string's.
fn connection(written: ConninfoSettings, given_by: GivenBy<'_>, config: &Config, context: &Context) -> Result<Target> {
    let environment = context.environment;
    let command = config.settings.password_command.as_ref();
    let Preview { conninfo, variables, command } =
        Preview::of(&written, command, environment).map_err(|error| given_by.unusable(error, &written, environment))?;
    conninfo.warnings.iter().for_each(|warning| context.warning(warning));
    let said = |variable: &str| variables.iter().any(|name| name == variable);
    let named_later = command.filter(|_| said(USER_VARIABLE)).and_then(|command| command.user_field.as_ref());
    // A string that names a server has no use for the variable's.
    let from_variable = environment.get("PGSERVICE").filter(|_| !written.names_server());
    let service = written.get("service").or(from_variable);
    let origin = |name: &str, variable: Option<&str>| -> Option<String> {
        if written.is_given(name) {
            return Some(given_by.origin.to_string());
        }
        match (variable.filter(|variable| said(variable)), command, named_later) {
            (Some(PASSWORD_VARIABLE), Some(command), _) => {
                Some(format!("password_command, {}", command.command.origin))
            }
            (Some(USER_VARIABLE), _, Some(field)) => Some(format!("user_field, {}", field.origin)),
            (Some("PGSERVICE"), _, _) if service.is_none() => None,
            (Some(variable), _, _) => Some(variable.to_owned()),
            (None, _, _) if name == "sslmode" && said("PGREQUIRESSL") => Some("PGREQUIRESSL".to_owned()),
            (None, _, _) if conninfo.settings.is_given(name) => service.map(|service| format!("service {service}")),
            (None, _, _) => None,
        }
    };
    let parameters = conninfo::keywords().filter_map(|(name, variable)| {
        let known = origin(name, variable);
        if known.is_none() && !ALWAYS.contains(&name) {
            return None;
        }
        let unknown = named_later.is_some() && (name == "user" || (name == "dbname" && known.is_none()));
        let (value, default) = match name {
            "service" => (service.map(str::to_owned), String::new()),
            "servicefile" => (written.get(name).or(environment.get("PGSERVICEFILE")).map(str::to_owned), String::new()),
            _ if unknown => (None, "the user's name".to_owned()),
            _ => value(name, &conninfo),
        };
        Some(Parameter { name: name.to_owned(), value, origin: known.unwrap_or(default) })
    });
    // What only a variable can say.
    let session = conninfo.session.iter().map(|(name, value)| {
        let variable =
            conninfo::SESSION.iter().find(|(setting, _)| setting == name).map_or("", |(_, variable)| variable);
        Parameter { name: (*name).to_owned(), value: Some(value.clone()), origin: variable.to_owned() }
    });
    let hosts = conninfo.hosts.iter().filter_map(|host| Some(host.password.as_ref()?.reveal().to_owned()));
    let secrets = secrets(&conninfo.settings).into_iter().chain(hosts).filter(|secret| secret != mask::HIDDEN);
    Ok(Target {
        database: Some(conninfo.to_string()),
        parameters: parameters.chain(session).collect(),
        secrets: secrets.collect(),
        url: None,
    })
}

/// What a part of the connection is, and where it comes from if nobody gave it.
fn value(name: &str, conninfo: &Conninfo) -> (Option<String>, String) {
    let default = "default".to_owned();
    let each = |part: fn(&conninfo::Host) -> String| conninfo.hosts.iter().map(part).collect::<Vec<_>>().join(",");
    match name {
        "host" => (Some(each(|host| endpoint(&host.endpoint))), default),
        "port" => (Some(each(|host| host.port.to_string())), default),
        "user" => (Some(conninfo.user.clone()), "the operating system's user".to_owned()),
        "dbname" => (Some(conninfo.database.clone()), "the user's name".to_owned()),
        "sslmode" => (Some(ssl_mode(conninfo.sslmode).to_owned()), default),
        "password" => match conninfo.hosts.iter().any(|host| host.password.is_some()) {
            true => {
                let file = conninfo.settings.get("passfile").unwrap_or("~/.pgpass");
                (Some(mask::HIDDEN.to_owned()), format!("password file {file}"))
            }
            false => (None, "nobody".to_owned()),
        },
        _ => {
            let covered = |value: &str| mask::cover(value, &mask::hidden(value, 0, false), 0..0).0;
            let hidden = || conninfo.settings.secret(name).map(|_| mask::HIDDEN.to_owned());
            (conninfo.settings.get(name).map(covered).or_else(hidden), default)
        }
    }
}

fn endpoint(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Socket(directory) => directory.display().to_string(),
        Endpoint::Name(name) | Endpoint::Address(_, Some(name)) => name.clone(),
        Endpoint::Address(address, None) => address.to_string(),
    }
}

fn ssl_mode(mode: SslMode) -> &'static str {
    match mode {
        SslMode::Disable => "disable",
        SslMode::Allow => "allow",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa => "verify-ca",
        SslMode::VerifyFull => "verify-full",
    }
}

fn print(report: &Report, config: &Config, context: &Context) {
    let ui = context.ui;
    ui.line(format_args!("file          {}", report.file));
    if let (Some(name), Some(origin)) = (report.environment, &report.environment_origin) {
        ui.line(format_args!("environment   {name} ({origin})"));
    }
    if !report.environments.is_empty() {
        ui.line(format_args!("environments  {}", report.environments.join(", ")));
    }
    let database = match (&report.database, &config.settings.url_command) {
        (Some(database), _) if database == "local" => "local: a private PostgreSQL, started when it is needed",
        (Some(database), _) => database,
        (None, Some(_)) if report.problem.is_none() => "what url_command says, which is not run here",
        (None, _) => "none",
    };
    ui.line(format_args!("database      {database}"));
    table("connection", report.connection.iter().map(row), context);
    // What says nothing is not in force; `-v` shows it all the same.
    let says = |setting: &&Setting| {
        ui.is_verbose() || !setting.values.is_empty() || setting.origin != "default" || setting.passed_over.is_some()
    };
    let settings = report.settings.iter().filter(says).flat_map(|setting| {
        let reads = setting.reads.iter().cloned().chain(setting.unset.iter().map(|name| format!("{name} (not set)")));
        let reads = reads.collect::<Vec<_>>().join(", ");
        let origin = if reads.is_empty() { setting.origin.clone() } else { format!("{}: {reads}", setting.origin) };
        let origin = match &setting.passed_over {
            Some(place) if setting.values.is_empty() => {
                format!("not used: {place} is for another {}", setting.over.unwrap_or_default())
            }
            Some(place) => format!("{origin}, not {place}"),
            None => origin,
        };
        let first = setting.values.first().cloned().unwrap_or_default();
        let more = setting.values.iter().skip(1).map(|value| [String::new(), value.clone(), String::new()]);
        std::iter::once([setting.name.to_owned(), first, origin]).chain(more).collect::<Vec<_>>()
    });
    table("settings", settings, context);
    table("variables", report.variables.iter().map(row), context);
}

fn row(parameter: &Parameter) -> [String; 3] {
    [parameter.name.clone(), parameter.value.clone().unwrap_or_default(), parameter.origin.clone()]
}

/// Prints rows under a heading; nothing where there are none. A long cell moves only its own line.
fn table(heading: &str, rows: impl Iterator<Item = [String; 3]>, context: &Context) {
    let rows: Vec<[String; 3]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.filter(|width| *width <= 50).max().unwrap_or_default()
    };
    let (names, values) = (width(0), width(1));
    context.ui.line(format_args!("\n{heading}"));
    for [name, value, origin] in &rows {
        let line = format!("  {name:names$}  {value:values$}  {origin}");
        context.ui.line(line.trim_end());
    }
}
