//! Templates inside values: minijinja with `env`, `x` and `here`.
//!
//! A value without braces never comes here, so that most runs do not pay for an engine. A missing name is nothing to `or`
//! and `if`, and an error where it would be written: `pg_dump -f {{ env.DIR }}/dump` must not become `/dump`. A wrong
//! template is an error as well, and what was rendered is shown nowhere.

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
    /// An expression comes to a name that is not set.
    Unset {
        /// Where it stands, with its braces.
        expression: Range<usize>,
        /// Where the names in it stand that are not set (`env.NAME`, `x.NAME`), each once.
        names: Vec<Range<usize>>,
    },
    /// The value asks for a variable that is set, and not UTF-8.
    NotUtf8(String),
}

/// Whether a value is a template.
#[must_use]
pub fn is_template(value: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| value.contains(open))
}

/// Whether a value is one expression and nothing beside it.
#[must_use]
pub fn is_one_expression(value: &str) -> bool {
    let value = value.trim();
    value.starts_with("{{") && value.find("}}") == value.len().checked_sub(2)
}

/// Where the names stand in a template that it takes from `table` (`x`, `env`): `x.NAME`, `x["NAME"]`. Text beside the template is
/// passed over: `/x.dump`.
pub fn names_after<'a>(value: &'a str, table: &'static str) -> impl Iterator<Item = Range<usize>> + use<'a> {
    code(value).flat_map(move |code| {
        value[code.clone()].match_indices(table).filter_map(move |(at, _)| {
            let at = code.start + at;
            let alone = !value[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
            let behind = at + table.len();
            let opens = [".", "[\"", "['"].into_iter().find(|opens| value[behind..].starts_with(opens))?;
            let start = behind + opens.len();
            let rest = &value[start..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (alone && end > 0).then_some(start..start + end)
        })
    })
}

/// A value with a letter in the place of each expression and statement.
#[must_use]
pub fn without_code(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut from = 0;
    for code in code(value) {
        text.push_str(&value[from..code.start - 2]);
        text.push('x');
        from = (code.end + 2).min(value.len());
    }
    text.push_str(&value[from..]);
    text
}

/// Where a template's expressions and statements stand, without their braces.
fn code(value: &str) -> impl Iterator<Item = Range<usize>> + use<'_> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let opens = ["{{", "{%"].iter().filter_map(|open| value[from..].find(open)).min()? + from;
        let close = if value[opens..].starts_with("{{") { "}}" } else { "%}" };
        let start = opens + 2;
        let end = value[start..].find(close).map_or(value.len(), |length| start + length);
        from = (end + 2).min(value.len());
        Some(start..end)
    })
}

/// Renders one value.
///
/// # Errors
/// The template is wrong, would write what is not set, or asks for a variable that cannot be read.
pub fn render(value: &str, names: &Names<'_>) -> Result<String, RenderError> {
    // Taking such a variable for an unset one could choose another database.
    if let Some(name) = names.environment.unreadable().find(|name| asks_for(value, name)) {
        return Err(RenderError::NotUtf8(name.to_owned()));
    }
    let mut engine = minijinja::Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
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
    template.render(context! { env, x, here => names.here }).map_err(|error| match error.kind() {
        ErrorKind::UndefinedError => unset(value, error.range(), names),
        _ => wrong(error),
    })
}

/// The error for an expression that comes to nothing; `range` is where the engine saw that.
fn unset(value: &str, range: Option<Range<usize>>, names: &Names<'_>) -> RenderError {
    let at = range.unwrap_or(0..value.len());
    let opens = value.match_indices("{{").map(|(open, _)| open).take_while(|open| *open <= at.start).last();
    let braces = opens.and_then(|open| Some(open..open + value[open..].find("}}")? + 2));
    let expression = braces.filter(|braces| braces.end > at.start).unwrap_or(at);
    let mut unset: Vec<Range<usize>> = Vec::new();
    for table in ["x", "env"] {
        let with_dot = |name: &Range<usize>| value[..name.start].ends_with('.');
        for name in names_after(value, table).filter(|name| expression.contains(&name.start) && with_dot(name)) {
            let text = &value[name.clone()];
            let is_set = match table {
                "x" => names.x.iter().any(|(given, _)| given == text),
                _ => names.environment.get_os(text).is_some(),
            };
            let name = name.start - table.len() - 1..name.end;
            if !is_set && !unset.iter().any(|known| value[known.clone()] == value[name.clone()]) {
                unset.push(name);
            }
        }
    }
    unset.sort_by_key(|name| name.start);
    RenderError::Unset { expression, names: unset }
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
        assert_eq!(rendered("{# nothing #}").unwrap(), "");
        assert_eq!(rendered("<{{ '<&' }}").unwrap(), "<<&");
    }

    #[test]
    fn a_missing_name_is_never_written() {
        for (value, expression, names) in [
            ("{{ env.NO }}", "{{ env.NO }}", &["env.NO"][..]),
            ("é{{ env.DATABASE_URL }}/{{ env.NO }}/{{ x.a }}", "{{ env.NO }}", &["env.NO"]),
            (
                "a {{ x.no or env.EMPTY or x.no }} {{ env.LATER }}",
                "{{ x.no or env.EMPTY or x.no }}",
                &["x.no", "env.EMPTY"],
            ),
            ("{{ 'a' ~ env.NO }}", "{{ 'a' ~ env.NO }}", &["env.NO"]),
            ("{{ env.NO | upper }}", "{{ env.NO | upper }}", &["env.NO"]),
            ("{{ env['NO'] }}", "{{ env['NO'] }}", &[]),
            ("{{ x.no.such.thing }}", "{{ x.no.such.thing }}", &["x.no"]),
            ("{{ x.a }}{% if not x.b %}{{ x.b }}{% endif %}", "{{ x.b }}", &["x.b"]),
            ("{{ x.a }}{% for a in env.NO %}{{ a }}{% endfor %}", "env.NO", &["env.NO"]),
        ] {
            let Err(RenderError::Unset { expression: place, names: places }) = rendered(value) else {
                panic!("{value}")
            };
            let texts: Vec<&str> = places.into_iter().map(|name| &value[name]).collect();
            assert_eq!((&value[place], &texts[..]), (expression, names), "{value}");
        }
        for value in ["{{ env.NO or '' }}", "{% if env.NO %}{{ env.NO }}{% endif %}", "{{ env.NO | default('') }}"] {
            assert_eq!(rendered(value).unwrap(), "", "{value}");
        }
    }

    #[test]
    fn names_are_looked_for_in_the_template_alone() {
        let found = |value: &str| names_after(value, "x").map(|name| value[name].to_owned()).collect::<Vec<_>>();
        assert_eq!(found("x.no {{ x.a or x.b }}/x.dump{% if x.c %}x.no{% endif %}{# x.no #}"), ["a", "b", "c"]);
        assert_eq!(found("{{ max.no + x. + y.x.no ~ x.d"), ["d"]);
        assert_eq!(found("{{ x[\"a\"] or x['b'] or x[c] or max[\"no\"] }}"), ["a", "b"]);
    }

    #[test]
    fn one_expression_is_a_value_of_its_own() {
        assert!(is_one_expression("{{ a }}") && is_one_expression(" {{ a or '' }} "));
        for value in ["", "}}", "{{", "{{ a }}b", "a{{ b }}", "{{ a }}{{ b }}", "{% if a %}{{ a }}{% endif %}"] {
            assert!(!is_one_expression(value), "{value}");
        }
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
