//! Services (manual, 34.17): named groups of settings in `pg_service.conf`, the user's own file before the system's.

use super::error::{ConninfoError, ServiceProblem};
use super::settings::Settings;
use std::io;
use std::path::{Path, PathBuf};

/// Where the system's file is when `PGSYSCONFDIR` does not say: Debian's place, and that of PostgreSQL's own packages.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

/// Fills in what is missing from the service that `settings` or `PGSERVICE` name, if they name one.
pub(super) fn fill(settings: &mut Settings, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), ConninfoError> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let written = settings.get("service").map(str::to_owned);
    // A variable's service names a server; it must not reach a string that names one itself.
    let Some(service) = written.or_else(|| given("PGSERVICE").filter(|_| !settings.names_server())) else {
        return Ok(());
    };
    let problem = |problem| ConninfoError::Service { service: Some(service.clone()), problem };
    let named = settings.get("servicefile").map(str::to_owned).or_else(|| given("PGSERVICEFILE")).map(PathBuf::from);
    let own = || Some(Path::new(&given("HOME")?).join(".pg_service.conf"));
    let system = match given("PGSYSCONFDIR") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => SYSTEM_DIRECTORIES.map(PathBuf::from).to_vec(),
    };
    let user = named.clone().or_else(own);
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
            return Ok(());
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
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = (header.strip_suffix(']') == Some(service)).then(Vec::new);
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
