//! A program that says a secret: how it is asked for, and what its output means. It runs nothing, and no error shows the output.

use serde_json::Value;

use super::keys::Key;
use super::origin::{Origin, Sourced};
use super::values::Command;
use crate::nearest::nearest;
use crate::secret::Secret;

/// What a program may print at most.
pub const LONGEST: usize = 64 << 10;

/// How many names of fields an error shows, and how much of one.
const NAMES_SHOWN: usize = 20;

/// A program that prints a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretCommand {
    /// The setting that names it.
    pub key: &'static Key,
    /// What to run.
    pub command: Sourced<Command>,
    /// The field of its JSON that is the secret; without one its whole output is.
    pub field: Option<Sourced<String>>,
    /// The field of the same JSON that is the user.
    pub user_field: Option<Sourced<String>>,
}

/// What a program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The secret; not empty, one line.
    pub secret: Secret,
    /// The user, where one was asked for; not empty, one line.
    pub user: Option<String>,
}

/// Why an output says nothing. It holds names of fields, and no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerError {
    /// What is wrong: a fragment that follows the program's name.
    pub problem: String,
    /// What else is known.
    pub note: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where the field is asked for, where that is what is wrong.
    pub field: Option<Origin>,
}

impl AnswerError {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), note: None, hint: None, field: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl SecretCommand {
    /// What `output` says; line ends behind it do not count.
    ///
    /// # Errors
    /// It is no text, empty, of several lines, has a NUL character, or not the field.
    pub fn read(&self, output: &[u8]) -> Result<Answer, AnswerError> {
        let text = std::str::from_utf8(output).map_err(|_| AnswerError::new("printed something that is not UTF-8"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(AnswerError::new("printed nothing"));
        }
        let document = serde_json::from_str::<Value>(text).ok();
        let in_field = |field: &Sourced<String>| {
            let text = document.as_ref().map_or_else(|| Err(no_json(field)), |document| text_at(document, field));
            text.map_err(|error| AnswerError { field: Some(field.origin.clone()), ..error })
        };
        let user = self.user_field.as_ref().map(in_field).transpose()?;
        let secret = match (&self.field, &document) {
            (Some(field), _) => in_field(field)?,
            (None, Some(document @ Value::Object(_))) => {
                let setting = self.key.name.replace("command", "field");
                let error = AnswerError::new("printed JSON, of which one field is wanted");
                return Err(AnswerError { note: names(document), ..error }
                    .hint(format!("name the field: `{setting} = password`")));
            }
            (None, Some(Value::Array(_))) => {
                return Err(AnswerError::new("printed a list in JSON").hint("have it print the secret alone"));
            }
            // The second is how the client of AWS writes the first.
            (None, _) if matches!(text, "null" | "None") => {
                return Err(AnswerError::new(format!("printed `{text}`: nothing is there")));
            }
            (None, Some(Value::String(_))) => {
                return Err(AnswerError::new("printed a text in JSON's quotes")
                    .hint("have it print the bare text (`--output text`, `-raw`, `-r`)"));
            }
            (None, _) => one_line(text, "printed")?,
        };
        Ok(Answer { secret: Secret::new(secret), user })
    }
}

fn no_json(field: &str) -> AnswerError {
    AnswerError::new(format!("printed no JSON, of which the field `{field}` is wanted"))
}

/// `text`, which is to be a secret or a user.
fn one_line(text: &str, what: &str) -> Result<String, AnswerError> {
    if text.contains('\0') {
        return Err(AnswerError::new(format!("{what} a NUL character")));
    }
    if text.contains(['\n', '\r']) {
        return Err(AnswerError::new(format!("{what} several lines")).hint("have it print the secret alone"));
    }
    Ok(text.to_owned())
}

/// The text in the field `path` of a document; a name may have dots of its own.
fn text_at(document: &Value, path: &str) -> Result<String, AnswerError> {
    let (mut value, mut rest) = (document, path);
    loop {
        let Value::Object(fields) = value else {
            let parent = path[..path.len() - rest.len()].trim_end_matches('.');
            let error = match parent {
                "" => AnswerError::new(format!("printed JSON without fields, of which `{path}` is wanted")),
                _ => {
                    AnswerError::new(format!("printed JSON in which `{parent}` has no fields, and `{path}` is wanted"))
                }
            };
            return Err(match value {
                Value::String(_) => {
                    error.hint("it is a text, perhaps JSON in quotes: have the program print that alone")
                }
                _ => error,
            });
        };
        let (name, below) = if fields.contains_key(rest) { (rest, None) } else { split(rest) };
        let Some(inner) = fields.get(name) else {
            let error = AnswerError::new(format!("printed JSON without the field `{path}`"));
            let error = AnswerError { note: names(value), ..error };
            return Err(match nearest(name, fields.keys().map(String::as_str)) {
                Some(near) => {
                    let parent = &path[..path.len() - rest.len()];
                    error.hint(format!("did you mean `{parent}{near}`?"))
                }
                None => error,
            });
        };
        match below {
            Some(below) => (value, rest) = (inner, below),
            None => {
                let what = format!("printed JSON whose field `{path}`");
                return match inner {
                    Value::String(text) if text.is_empty() => Err(AnswerError::new(format!("{what} is empty"))),
                    Value::String(text) => one_line(text, &format!("{what} has")),
                    _ => Err(AnswerError::new(format!("{what} is no text"))),
                };
            }
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(name, below)| (name, Some(below)))
}

/// The names of a document's fields, for a person.
fn names(document: &Value) -> Option<String> {
    let fields = document.as_object().filter(|fields| !fields.is_empty())?;
    let shown = |name: &String| {
        let plain: String = name.chars().filter(|character| !character.is_control()).take(60).collect();
        format!("`{plain}`")
    };
    let mut names: Vec<String> = fields.keys().take(NAMES_SHOWN).map(shown).collect();
    if fields.len() > NAMES_SHOWN {
        names.push("...".to_owned());
    }
    Some(format!("there are {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::keys::{PASSWORD_COMMAND, URL_COMMAND};
    use super::super::values;
    use super::*;

    fn read(output: &str, field: Option<&str>, user: Option<&str>) -> Result<Answer, AnswerError> {
        let sourced = |text: &str| Sourced { value: text.to_owned(), origin: Origin::Default };
        let command = Sourced { value: values::command("x", "x").unwrap(), origin: Origin::Default };
        let (field, user_field) = (field.map(sourced), user.map(sourced));
        SecretCommand { key: PASSWORD_COMMAND, command, field, user_field }.read(output.as_bytes())
    }

    #[test]
    fn what_is_a_secret() {
        for (output, field, wanted) in [
            ("p\n", None, "p"),
            ("p \r\n\n", None, "p "),
            (" é{\"", None, " é{\""),
            ("12", None, "12"),
            ("none", None, "none"),
            ("[1", None, "[1"),
            ("{\"a\":\"p\",\n\"b\":1}\n", Some("a"), "p"),
            ("{\"a\":{\"b\":{\"c\":\"p\"}}}", Some("a.b.c"), "p"),
            ("{\"a.b\":\"p\"}", Some("a.b"), "p"),
            ("{\"a\":{\"b.c\":\"p\"}}", Some("a.b.c"), "p"),
        ] {
            assert_eq!(read(output, field, None).map(|answer| answer.secret), Ok(Secret::from(wanted)), "{output}");
        }
        let both = read("{\"username\":\"u\",\"password\":\"p\"}", Some("password"), Some("username")).unwrap();
        assert_eq!((both.secret.reveal(), both.user.as_deref()), ("p", Some("u")));
    }

    #[test]
    fn what_is_none_and_is_not_shown() {
        for (output, field, problem, note, hint) in [
            ("", None, "printed nothing", "", ""),
            ("\r\n\n", None, "printed nothing", "", ""),
            ("SECRET\nSECRET", None, "printed several lines", "", "have it print the secret alone"),
            ("SECRET\rSECRET", None, "printed several lines", "", "have it print the secret alone"),
            ("SECRET\0", None, "printed a NUL character", "", ""),
            (
                "{\"user\":\"SECRET\",\"password\":\"SECRET\"}",
                None,
                "printed JSON, of which one field is wanted",
                "there are `user`, `password`",
                "name the field: `password_field = password`",
            ),
            (
                "\"SECRET\"",
                None,
                "printed a text in JSON's quotes",
                "",
                "have it print the bare text (`--output text`, `-raw`, `-r`)",
            ),
            ("[\"SECRET\"]", None, "printed a list in JSON", "", "have it print the secret alone"),
            ("null\n", None, "printed `null`: nothing is there", "", ""),
            ("None\n", None, "printed `None`: nothing is there", "", ""),
            ("SECRET", Some("a"), "printed no JSON, of which the field `a` is wanted", "", ""),
            (
                "{\"pasword\":\"SECRET\"}",
                Some("password"),
                "printed JSON without the field `password`",
                "there are `pasword`",
                "did you mean `pasword`?",
            ),
            (
                "{\"a\":{\"password\":\"SECRET\"}}",
                Some("a.pasword"),
                "printed JSON without the field `a.pasword`",
                "there are `password`",
                "did you mean `a.password`?",
            ),
            ("{}", Some("a"), "printed JSON without the field `a`", "", ""),
            ("{\"a\":\"\"}", Some("a"), "printed JSON whose field `a` is empty", "", ""),
            ("{\"a\":5}", Some("a"), "printed JSON whose field `a` is no text", "", ""),
            ("{\"a\":\"SECRET\\u0000\"}", Some("a"), "printed JSON whose field `a` has a NUL character", "", ""),
            (
                "{\"a\":\"SECRET\\nb\"}",
                Some("a"),
                "printed JSON whose field `a` has several lines",
                "",
                "have it print the secret alone",
            ),
            ("[\"SECRET\"]", Some("a"), "printed JSON without fields, of which `a` is wanted", "", ""),
            (
                "{\"a\":\"{\\\"b\\\":\\\"SECRET\\\"}\"}",
                Some("a.b"),
                "printed JSON in which `a` has no fields, and `a.b` is wanted",
                "",
                "it is a text, perhaps JSON in quotes: have the program print that alone",
            ),
        ] {
            let error = read(output, field, None).unwrap_err();
            let got = (error.problem.as_str(), error.note.as_deref(), error.hint.as_deref());
            assert_eq!((got.0, got.1.unwrap_or(""), got.2.unwrap_or("")), (problem, note, hint), "{output}");
            assert!(!format!("{error:?}").contains("SECRET"));
        }
        assert!(read("p", None, Some("username")).is_err());
        let many: Vec<String> = (0..30).map(|number| format!("\"f{number}\":1")).collect();
        let error = read(&format!("{{{}}}", many.join(",")), Some("x"), None).unwrap_err();
        assert!(error.note.unwrap().ends_with("`f19`, ..."));
        assert_eq!(URL_COMMAND.name.replace("command", "field"), "url_field");
    }

    #[test]
    fn bytes_that_are_no_text() {
        let command = Sourced { value: values::command("x", "x").unwrap(), origin: Origin::Default };
        let command = SecretCommand { key: PASSWORD_COMMAND, command, field: None, user_field: None };
        assert_eq!(command.read(b"a\xFF").unwrap_err().problem, "printed something that is not UTF-8");
    }
}
