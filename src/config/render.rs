//! Templates inside values: minijinja with `env`, `x` and `here`.
//!
//! A value without braces never comes here, so that most runs do not pay for an engine. A missing name is nothing,
//! which `or` passes over; a wrong template is an error, and what was rendered is shown nowhere.

use std::collections::BTreeMap;
use std::ops::Range;

use minijinja::{ErrorKind, UndefinedBehavior, context};

use super::environment::Environment;
use crate::secret::Secret;

/// What a template in a value may ask for.
pub struct Names<'a> {
    /// `env`.
    pub environment: &'a Environment,
    /// `x`: what `-x NAME=value` gave; the last of one name wins.
    pub x: &'a [(String, Secret)],
    /// `here`: the directory of the ini, absolute.
    pub here: &'a str,
}

/// Why a value cannot be rendered; it holds no rendered text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// minijinja's words, and where in the value, if it knows.
    Template(String, Option<Range<usize>>),
    /// A name other than `env`, `x` and `here`, and where it stands: `evn.DATABASE_URL` would be nothing, and nothing is
    /// what `or` passes over on its way to another database.
    UnknownName(String, Range<usize>),
    /// The value asks for a variable that is set, and not UTF-8.
    NotUtf8(String),
}

/// Whether a value is a template.
#[must_use]
pub fn is_template(value: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| value.contains(open))
}

/// Renders one value.
///
/// # Errors
/// The template is wrong, or asks for a variable that cannot be read.
pub fn render(value: &str, names: &Names<'_>) -> Result<String, RenderError> {
    // Taking such a variable for an unset one could choose another database.
    if let Some(name) = names.environment.unreadable().find(|name| asks_for(value, name)) {
        return Err(RenderError::NotUtf8(name.to_owned()));
    }
    let mut engine = minijinja::Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_debug(true);
    let env: BTreeMap<&str, &str> = names.environment.variables().collect();
    let x: BTreeMap<&str, &str> = names.x.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    let wrong = |error: minijinja::Error| {
        let range = error.range().filter(|range| range.start <= range.end && range.end <= value.len());
        RenderError::Template(words(&error), range)
    };
    let template = engine.template_from_str(value).map_err(wrong)?;
    let known = |name: &str| ["env", "x", "here"].contains(&name) || engine.globals().any(|(global, _)| global == name);
    if let Some(name) = template.undeclared_variables(false).into_iter().filter(|name| !known(name)).min() {
        let at = value.find(&name).unwrap_or_default();
        return Err(RenderError::UnknownName(name.clone(), at..(at + name.len()).min(value.len())));
    }
    template.render(context! { env, x, here => names.here }).map_err(wrong)
}

/// Whether `value` holds `env.NAME` or `env["NAME"]`.
fn asks_for(value: &str, name: &str) -> bool {
    !name.is_empty()
        && value.match_indices(name).any(|(at, _)| {
            value[..at].ends_with(['.', '"', '\''])
                && !value[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
        })
}

/// minijinja's words, where they are about the template; others may quote a value.
fn words(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction
        | ErrorKind::UnknownMethod => match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        },
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rendered(value: &str) -> Result<String, RenderError> {
        let environment = Environment::new([("DATABASE_URL", "postgres://h/d"), ("EMPTY", "")]).unwrap();
        let x = [("a".to_owned(), Secret::from("1")), ("a".to_owned(), Secret::from("2"))];
        render(value, &Names { environment: &environment, x: &x, here: "/project" })
    }

    #[test]
    fn missing_names_are_passed_over() {
        assert_eq!(rendered("{{ x.dbUrl or env.DATABASE_URL }}").unwrap(), "postgres://h/d");
        assert_eq!(rendered("{{ x.dbUrl or env.EMPTY or 'local' }}").unwrap(), "local");
        assert_eq!(rendered("{{ x.a }}{{ here }}").unwrap(), "2/project");
        assert_eq!(rendered("{{ x.no.such.thing }}").unwrap(), "");
        assert_eq!(rendered("{# nothing #}").unwrap(), "");
        assert_eq!(rendered("<{{ '<&' }}").unwrap(), "<<&");
    }

    #[test]
    fn errors_have_a_place_and_no_value() {
        let Err(RenderError::Template(words, range)) = rendered("a {{ env.DATABASE_URL | nosuch }}") else { panic!() };
        assert_eq!(words, "unknown filter: filter nosuch is unknown");
        assert!(range.is_some());
        let Err(RenderError::Template(words, _)) = rendered("{{ env.DATABASE_URL + 1 }}") else { panic!() };
        assert!(!words.contains("postgres"), "{words}");
        assert_eq!(rendered("{{ evn.A or 'b' }}"), Err(RenderError::UnknownName("evn".to_owned(), 3..6)));
        assert!(rendered("{{ range(3) }}{% set a = 1 %}{{ a }}").is_ok());
        assert!(rendered("{{ a").is_err());
        assert!(rendered("{% include 'x' %}").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf_8_is_not_a_missing_one() {
        use std::os::unix::ffi::OsStringExt;
        let value = std::ffi::OsString::from_vec(vec![b'p', 0xFF]);
        let environment = Environment::new([("DATABASE_URL", value)]).unwrap();
        let names = Names { environment: &environment, x: &[], here: "" };
        let error = render("{{ env.DATABASE_URL or 'local' }}", &names).unwrap_err();
        assert_eq!(error, RenderError::NotUtf8("DATABASE_URL".to_owned()));
    }
}
