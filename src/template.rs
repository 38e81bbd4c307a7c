//! minijinja for whole texts: a revision's body with `template: true`, and the files of a new revision and project.
//! (Templates inside values of `migrate.ini` are `config/render.rs`'s.)
//!
//! Nothing is read from the environment or from disk here, and no template can include another.
//! In a body a value never becomes SQL by accident: only a number, a truth value, or what came out of one of the
//! filters `literal`, `identifier` and `raw` is written. The mark is a type of our own ([`Sql`]), not minijinja's
//! "safe string", because that one survives filters such as `replace` and `join`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior};

use crate::error::{Error, Result};
use crate::model::sql::quote;
use crate::nearest::nearest;
use crate::source::Excerpt;

/// PostgreSQL cuts a longer identifier short, with no more than a NOTICE.
const LONGEST_IDENTIFIER: usize = 63;

/// What is wrong with a template.
struct Problem {
    /// What is wrong: a lowercase fragment.
    message: String,
    /// The bytes of the template that it is at.
    range: Range<usize>,
}

/// The SQL that a revision's body is, once its template is rendered with `variables`.
///
/// `path` is the file as the user would type it, `first_line` the number of `text`'s first line in it.
///
/// # Errors
/// A syntax error, an unknown variable, a value that would become SQL by accident: with its place.
pub fn render_body(path: &str, text: &str, first_line: usize, variables: &BTreeMap<String, String>) -> Result<String> {
    let mut environment = strict();
    environment.set_formatter(write_sql);
    environment.add_filter("literal", literal);
    environment.add_filter("identifier", identifier);
    environment.add_filter("raw", raw);
    render(&environment, text, Value::from_serialize(variables)).map_err(|problem| {
        let error = problem.at(path, text, first_line, "cannot render the revision's template");
        if problem.message.starts_with(UNKNOWN) {
            let near = nearest(&text[problem.range.clone()], variables.keys().map(String::as_str));
            let error = match near {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            };
            error.hint("give it with `-x name=value`, or in the ini's section `[variables]`")
        } else {
            error
        }
    })
}

/// A file from a template whose text is `text`: the values are the template's to place. The filter `yaml` writes
/// a value (a text, or a list of names) so that it reads back from a revision's header.
///
/// # Errors
/// A syntax error, an unknown variable: at its place in `path`.
pub fn render_file(path: &str, text: &str, values: impl serde::Serialize) -> Result<String> {
    let mut environment = strict();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("yaml", yaml);
    render(&environment, text, Value::from_serialize(values))
        .map_err(|problem| problem.at(path, text, 1, "cannot render the template"))
}

/// An environment where an unknown variable is an error and a text stays as it is.
fn strict<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Without it an error knows its line alone.
    environment.set_debug(true);
    environment
}

fn render(environment: &Environment<'_>, text: &str, values: Value) -> std::result::Result<String, Problem> {
    let rendered = environment.render_str(text, values.clone());
    rendered.map_err(|error| Problem::new(environment, &error, text, &values))
}

const UNKNOWN: &str = "unknown variable";

impl Problem {
    fn new(environment: &Environment<'_>, error: &minijinja::Error, text: &str, values: &Value) -> Self {
        let narrow = error.range().filter(|range| text.get(range.clone()).is_some()).unwrap_or_else(|| {
            let line = error.line().unwrap_or(1);
            let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>().min(text.len());
            start..start + text[start..].lines().next().unwrap_or_default().len()
        });
        if error.kind() == ErrorKind::SyntaxError {
            let message = format!("template syntax: {}", error.detail().unwrap_or_default());
            return Self { message, range: narrow };
        }
        let range = expression(text, &narrow);
        if error.kind() == ErrorKind::UndefinedError {
            return Self::undefined(environment, text, range, values);
        }
        let detail = error.detail().unwrap_or_default();
        let message = match error.kind() {
            ErrorKind::TemplateNotFound => "a template cannot include another file".to_owned(),
            _ if detail.is_empty() => error.kind().to_string(),
            _ => detail.replace(EXPRESSION, &text[range.clone()]),
        };
        Self { message, range }
    }

    /// Something is undefined in the expression at `range`: a variable that nobody gave, or a part of one.
    fn undefined(environment: &Environment<'_>, text: &str, range: Range<usize>, values: &Value) -> Self {
        let written = &text[range.clone()];
        let unknown = environment
            .template_from_str(text)
            .map(|template| template.undeclared_variables(false))
            .unwrap_or_default()
            .into_iter()
            .filter(|name| values.get_attr(name).is_ok_and(|value| value.is_undefined()))
            .filter_map(|name| find_word(written, &name).map(|at| (at, name)))
            .min();
        match unknown {
            Some((at, name)) => {
                let start = range.start + at;
                Self { message: format!("{UNKNOWN} `{name}`"), range: start..start + name.len() }
            }
            None => Self { message: format!("`{written}` is undefined"), range },
        }
    }

    fn at(&self, path: &str, text: &str, first_line: usize, title: &str) -> Error {
        Error::failed(format!("{title}: {}", self.message)).at(Excerpt::new(path, text, self.range.clone(), first_line))
    }
}

/// The bytes of the whole expression or tag that holds `range`: minijinja marks a part of it, a filter's name say.
fn expression(text: &str, range: &Range<usize>) -> Range<usize> {
    let (before, behind) = (&text[..range.start], &text[range.end..]);
    let opening = before.rfind("{{").max(before.rfind("{%"));
    let closing = [behind.find("}}"), behind.find("%}")].into_iter().flatten().min();
    let (Some(opening), Some(closing)) = (opening, closing) else { return range.clone() };
    let inner = &text[opening + 2..range.end + closing];
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let start = range.end + closing - inner.trim_start().len();
    let inner = inner.trim_start();
    start..start + inner.strip_suffix(['-', '+']).unwrap_or(inner).trim_end().len()
}

/// The byte at which `word` stands in `text` as a word of its own.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !text[..at].ends_with(in_word) && !text[at + word.len()..].starts_with(in_word))
}

/// SQL that a filter made: the only text that a body's template writes.
#[derive(Debug)]
struct Sql(String);

impl Object for Sql {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

type Rendered<T> = std::result::Result<T, minijinja::Error>;

/// Stands in a message for the expression that the error turns out to be at.
const EXPRESSION: &str = "\u{0}expression\u{0}";

fn refused(detail: impl Into<String>) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// Writes a value into a body, or refuses it.
fn write_sql(output: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Rendered<()> {
    if let Some(sql) = value.downcast_object_ref::<Sql>() {
        return Ok(output.write_str(&sql.0)?);
    }
    match value.kind() {
        ValueKind::Undefined => Err(minijinja::Error::from(ErrorKind::UndefinedError)),
        ValueKind::Bool => Ok(output.write_str(truth(value))?),
        ValueKind::Number => Ok(output.write_str(&number(value)?)?),
        _ => Err(refused(format!(
            "`{EXPRESSION}` is a text, not SQL: write `{{{{ {EXPRESSION} | literal }}}}` for a quoted value, \
             `| identifier` for a quoted name, `| raw` for SQL that you trust"
        ))),
    }
}

fn truth(value: &Value) -> &'static str {
    if value.is_true() { "true" } else { "false" }
}

/// A number as SQL; infinity and "not a number" have no bare form.
fn number(value: &Value) -> Rendered<String> {
    match f64::try_from(value.clone()) {
        Ok(number) if !number.is_finite() => Err(refused(format!("`{EXPRESSION}` is not a finite number"))),
        _ => Ok(value.to_string()),
    }
}

/// The filter `literal`: a quoted string, a bare number or truth value, NULL; a list as its items with commas.
fn literal(value: &Value) -> Rendered<Value> {
    each(value, &|value| match value.kind() {
        ValueKind::Undefined => Err(minijinja::Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Ok("NULL".to_owned()),
        ValueKind::Bool => Ok(truth(value).to_owned()),
        ValueKind::Number => number(value),
        _ => text_of(value).map(quote::literal),
    })
}

/// The filter `identifier`: a name, quoted where it needs it; a list as its names with commas.
fn identifier(value: &Value) -> Rendered<Value> {
    each(value, &|value| {
        let name = text_of(value)?;
        if name.is_empty() || name.len() > LONGEST_IDENTIFIER {
            let length = name.len();
            return Err(refused(format!(
                "`{EXPRESSION}` is a name of {length} bytes, and PostgreSQL's have 1 to {LONGEST_IDENTIFIER}"
            )));
        }
        Ok(quote::identifier(name))
    })
}

/// The filter `raw`: the text as it is.
fn raw(value: &Value) -> Rendered<Value> {
    text_of(value).map(|text| sql(text.to_owned()))
}

fn sql(text: String) -> Value {
    Value::from_object(Sql(text))
}

/// `quote` of a value, or of each item of a list, joined by commas.
fn each(value: &Value, quote: &dyn Fn(&Value) -> Rendered<String>) -> Rendered<Value> {
    if value.kind() != ValueKind::Seq {
        return quote(value).map(sql);
    }
    let items: Vec<String> = value.try_iter()?.map(|item| quote(&item)).collect::<Rendered<_>>()?;
    if items.is_empty() {
        return Err(refused(format!("`{EXPRESSION}` is an empty list, which SQL has no form for")));
    }
    Ok(sql(items.join(", ")))
}

/// The text that a value is; a filter's result is not quoted twice.
fn text_of(value: &Value) -> Rendered<&str> {
    if value.is_undefined() {
        return Err(minijinja::Error::from(ErrorKind::UndefinedError));
    }
    let text = value.as_str().ok_or_else(|| {
        let what = if value.downcast_object_ref::<Sql>().is_some() { "SQL already" } else { "not a text" };
        refused(format!("`{EXPRESSION}` takes a text, and this is {what}"))
    })?;
    if text.contains('\0') {
        return Err(refused(format!("`{EXPRESSION}` holds a NUL byte, which PostgreSQL cannot")));
    }
    Ok(text)
}

/// The filter `yaml`: a value of a header line.
fn yaml(value: &Value) -> Rendered<String> {
    let quoted = |value: &Value| value.as_str().map(crate::model::header::quoted);
    if value.kind() == ValueKind::Seq {
        let items: Option<Vec<String>> = value.try_iter()?.map(|item| quoted(&item)).collect();
        return match items.as_deref() {
            Some([one]) => Ok(one.clone()),
            Some(items) => Ok(format!("[{}]", items.join(", "))),
            None => Err(refused(format!("`{EXPRESSION}` is a list of other things than texts"))),
        };
    }
    quoted(value).ok_or_else(|| refused(format!("`{EXPRESSION}` is neither a text nor a list of texts")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// A body with `value` as the variable `v`, or the error's message and what it marks.
    #[track_caller]
    fn case(template: &str, value: &str, wanted: std::result::Result<&str, (&str, &str)>) {
        let got = render_body("versions/a.sql", template, 1, &variables(&[("v", value), ("n", "5")]));
        match (got, wanted) {
            (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{template}"),
            (Err(error), Err((message, marked))) => {
                assert!(error.title().contains(message), "{template}: {}", error.title());
                let excerpt = &error.excerpts()[0];
                assert_eq!(&excerpt.line[excerpt.mark.clone()], marked, "{template}: {}", error.title());
            }
            (got, _) => panic!("{template}: {got:?}"),
        }
    }

    #[test]
    fn a_value_becomes_sql_through_a_filter_alone() {
        case("SELECT {{ v | literal }};\n", "it's", Ok("SELECT 'it''s';\n"));
        case("SELECT {{ v | literal }}", "a\\b", Ok("SELECT E'a\\\\b'"));
        case("SELECT {{ v | literal }}", "{{ n }} $$ :x", Ok("SELECT '{{ n }} $$ :x'"));
        case("TABLE {{ v | identifier }}", "a\"b", Ok("TABLE \"a\"\"b\""));
        case("{{ v | raw }}", "x; y", Ok("x; y"));
        case("{{ n | int + 1 }} {{ n == '5' }} {{ 1.5 }}", "", Ok("6 true 1.5"));
        case("IN ({{ v | split(',') | literal }})", "a,b", Ok("IN ('a', 'b')"));
        case("({{ v | split(',') | identifier }})", "a,b", Ok("(a, b)"));
        case("{{ none | literal }} {{ true | literal }} {{ 3 | literal }}", "", Ok("NULL true 3"));
        case("{% if v %}a{% endif %}", "x", Ok("a"));
        case("{% macro m(x) %}f({{ x | literal }}){% endmacro %}{{ m(v) | raw }}", "it's", Ok("f('it''s')"));
    }

    #[test]
    fn anything_else_is_refused_at_its_place() {
        let text = "is a text, not SQL";
        for template in [
            "{{ v }}",
            "{{ v | upper }}",
            "{{ (v | literal) ~ v }}",
            "{{ v | safe }}",
            "{{ v | escape }}",
            "{{ [v | literal, v] | join(', ') }}",
            "{{ v | literal | replace(\"'\", '') }}",
            "{% autoescape true %}{{ v | e }}{% endautoescape %}",
            "{% set x %}{{ v | literal }}{% endset %}{{ x }}",
            "{{ [v] }}",
            "{{ none }}",
            "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(v) | raw }}",
        ] {
            let error = render_body("a.sql", &format!("\n{template}"), 1, &variables(&[("v", "x")])).unwrap_err();
            assert!(error.title().contains(text), "{template}: {}", error.title());
            assert_eq!(error.excerpts()[0].place.line, 2, "{template}");
        }
        case("a\n  {{ v }}", "x", Err(("`v` is a text, not SQL: write `{{ v | literal }}`", "v")));
        case("{{ w | literal }}", "x", Err(("unknown variable `w`", "w")));
        case("{{- v ~ w|upper -}}", "x", Err(("unknown variable `w`", "w")));
        case("{{ v.w }}", "x", Err(("`v.w` is undefined", "v.w")));
        case("{{ w }}", "x", Err(("unknown variable `w`", "w")));
        case("{% if w %}{% endif %}", "x", Err(("unknown variable", "w")));
        case("{{ v | identifier }}", "", Err(("a name of 0 bytes", "v | identifier")));
        case("{{ v | identifier }}", &"x".repeat(64), Err(("a name of 64 bytes", "v | identifier")));
        case("{{ v | literal }}", "a\0", Err(("NUL", "v | literal")));
        case("{{ v | literal | literal }}", "a", Err(("SQL already", "v | literal | literal")));
        case("{{ [] | literal }}", "a", Err(("empty list", "[] | literal")));
        case("{{ 1e308 * 10 }}", "", Err(("not a finite number", "1e308 * 10")));
        case("{{ v | nosuch }}", "", Err(("nosuch", "v | nosuch")));
        case("{% include 'x' %}", "", Err(("cannot include", "include 'x'")));
        case("{% if %}", "", Err(("template syntax", "%}")));
    }

    #[test]
    fn a_place_counts_from_the_files_first_line() {
        let error = render_body("versions/a.sql", "x\n{{ w }}", 10, &BTreeMap::new()).unwrap_err();
        assert_eq!(error.excerpts()[0].place, crate::source::Place { line: 11, column: 4 });
        assert!(error.hints()[0].contains("-x name=value"));
    }

    #[test]
    fn header_values_read_back() {
        let got = render_file(
            "t",
            "{{ a | yaml }} {{ b | yaml }} {{ c | yaml }} {{ d | yaml }}\n",
            minijinja::context! { a => "x", b => ["x"], c => ["x", "y"], d => "a: b" },
        );
        assert_eq!(got.unwrap(), "x x [x, y] \"a: b\"\n");
    }
}
