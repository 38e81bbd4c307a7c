//! Services (manual, 34.17): named groups of settings in `pg_service.conf`, the user's own file before the system's.

use super::error::{ConninfoError, ServiceProblem};
use super::key_value::is_blank;
use super::settings::Settings;
use super::{Surroundings, Warning, refuse_joined};
use std::io;
use std::path::PathBuf;

/// Where the system's file is when `PGSYSCONFDIR` does not say: Debian's place, and that of PostgreSQL's own packages.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

/// Fills in what is missing from the service that `settings` or `PGSERVICE` name, if they name one; a warning where that is passed
/// over.
pub(super) fn fill(settings: &mut Settings, surroundings: &Surroundings<'_>) -> Result<Option<Warning>, ConninfoError> {
    let service = match settings.written("service") {
        Some(written) => written.to_owned(),
        // A variable's service names a server; it must not reach a string that names one itself.
        None if settings.names_server() => {
            let is_set = (surroundings.variable)("PGSERVICE").is_some_and(|service| !service.is_empty());
            return Ok(is_set.then_some(Warning::Service));
        }
        None => match surroundings.given("PGSERVICE")? {
            Some(service) => service,
            None => return Ok(None),
        },
    };
    if service.is_empty() {
        return Err(ConninfoError::Empty { key: "service", expected: "the name of a service" });
    }
    refuse_joined(settings, Some(&service))?;
    let problem = |problem| ConninfoError::Service { service: Some(service.clone()), problem };
    let named = match settings.get("servicefile") {
        Some(path) => Some(path.to_owned()),
        None => surroundings.given("PGSERVICEFILE")?.filter(|path| !path.is_empty()),
    };
    let named = named.map(PathBuf::from);
    let system = match surroundings.given("PGSYSCONFDIR")?.filter(|directory| !directory.is_empty()) {
        Some(directory) => vec![PathBuf::from(directory)],
        None => SYSTEM_DIRECTORIES.map(PathBuf::from).to_vec(),
    };
    let user = named.clone().or_else(|| Some(surroundings.home?.join(".pg_service.conf")));
    let files: Vec<PathBuf> =
        user.into_iter().chain(system.into_iter().map(|directory| directory.join("pg_service.conf"))).collect();
    for path in &files {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
                    && named.as_ref() != Some(path) =>
            {
                continue;
            }
            Err(error) => return Err(problem(ServiceProblem::Unreadable(path.clone(), error.kind()))),
        };
        let found = find(&text, &service).map_err(|line| problem(ServiceProblem::Line(path.clone(), line)))?;
        if let Some(values) = found {
            for (line, key, value) in values {
                let wrong = |_| problem(ServiceProblem::Line(path.clone(), line));
                settings.set_if_missing(key, value).map_err(wrong)?;
            }
            return Ok(None);
        }
    }
    Err(problem(ServiceProblem::Missing(files)))
}

/// The lines of a service, each with its number.
type Group<'a> = Vec<(usize, &'a str, &'a str)>;

/// The settings of the first `[service]` in `text`; the number of a line that cannot be understood.
fn find<'a>(text: &'a str, service: &str) -> Result<Option<Group<'a>>, usize> {
    let mut found: Option<Group<'a>> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_matches(is_blank);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            // What follows the bracket is passed over, as in libpq.
            found = header.strip_prefix(service).is_some_and(|rest| rest.starts_with(']')).then(Vec::new);
            continue;
        }
        let Some(found) = &mut found else { continue };
        let (key, value) = line.split_once('=').ok_or(index + 1)?;
        let (key, value) = (key.trim(), value.trim());
        // libpq could look a service up by LDAP, and refuses a service within a service.
        if key.starts_with("service") || key.starts_with("ldap://") {
            return Err(index + 1);
        }
        found.push((index + 1, key, value));
    }
    Ok(found)
}
