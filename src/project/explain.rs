//! The sentences for what is wrong with a header.

use crate::error::Error;
use crate::model::header::{HeaderError, Key, LONGEST, Problem};
use crate::model::revision::{NameError, RESERVED};
use crate::source::Excerpt;

/// What a revision's header looks like, for a file that has none.
pub(super) const REVISION: &str = "a revision file begins like this:\n\
    -- revision: 002\n\
    -- parents: 001\n\
    -- message: add quiz sessions\n\
    \n\
    -- migrate:upgrade";

/// The same of a repeatable file.
pub(super) const REPEATABLE: &str = "a repeatable file begins like this:\n\
    -- repeatable: active_users\n\
    -- message: who was seen this month\n\
    \n\
    CREATE OR REPLACE VIEW ...";

/// `error`, found in `text`, as a person sees it; `example` is how the file should begin.
pub(super) fn header_error(path: &str, text: &str, error: HeaderError, example: &str) -> Error {
    let HeaderError { problem, range } = error;
    let at = |range: std::ops::Range<usize>| Excerpt::new(path, text, range, 1);
    let place = at(range);
    match problem {
        Problem::NotUtf8 => Error::failed("the file is not UTF-8")
            .at(place)
            .hint(format!("iconv -f LATIN1 -t UTF-8 {path}   # if it is Latin-1")),
        Problem::Utf16 => {
            Error::failed("the file is UTF-16, not UTF-8").at(place).hint(format!("iconv -f UTF-16 -t UTF-8 {path}"))
        }
        Problem::Control('\r') => Error::failed("a carriage return without a line feed in the header")
            .at(place)
            .hint("save the file with LF or CRLF line ends"),
        Problem::Control(character) if character.is_control() => {
            Error::failed(format!("a control character (U+{:04X}) in the header", u32::from(character)))
                .at(place)
                .hint("take it out of the file")
        }
        Problem::Control(character) => {
            Error::failed(format!("the character U+{:04X} stands in a line of the header", u32::from(character)))
                .at(place)
                .hint("it looks like a blank, or like nothing; put a plain space there")
        }
        Problem::Conflict => Error::failed("a merge in git left a conflict here: the file holds both sides")
            .at(place)
            .hint("keep what is right, and take out the lines `<<<<<<<`, `=======` and `>>>>>>>`"),
        Problem::Absent => Error::failed("the file has no header")
            .at(place)
            .note("the header is the file's first run of `--` lines, before anything else")
            .note(example),
        Problem::TooLong => Error::failed(format!("the header does not end within {LONGEST} bytes"))
            .at(place)
            .hint("end the header with a blank line"),
        Problem::Prose => Error::failed("a line of the header is not `key: value`")
            .at(place.label("not a key and its value"))
            .note("the header is the file's first run of `--` lines; other comments stand below it")
            .note(example)
            .hint("leave a blank line between the header and a comment"),
        Problem::Yaml(message) => Error::failed(format!("the header is not YAML: {message}"))
            .at(place)
            .hint("put quotes around a value that holds `: `, ` #`, or begins with a sign: `message: \"fix: login\"`"),
        Problem::Reference => Error::failed("a header has no use for YAML's anchors, aliases and tags")
            .at(place)
            .hint("put quotes around a value that begins with `&`, `*` or `!`"),
        Problem::UnknownKey(key, nearest) => unknown_key(&key, nearest, place),
        Problem::KeyTwice(key, first) => Error::failed(format!("`{key}` is given twice"))
            .at(place.label("again"))
            .at(at(first).label("first given here")),
        Problem::WrongType(key) => {
            Error::failed(format!("`{key}` must be {}", wanted(key))).at(place.label(format!("not {}", wanted(key))))
        }
        Problem::BadName(key, error) => bad_name(key, &error, place),
        Problem::MissingId(key) => Error::failed(format!("the header does not say `{key}`"))
            .at(place)
            .hint(format!("add a line `-- {key}: <id>`")),
        Problem::NotForRepeatable(key @ Key::Revision) => Error::failed(format!("a repeatable file has no `{key}`"))
            .at(place)
            .hint("its id stands under `repeatable`")
            .hint("a revision's file belongs into the version location itself, not into `repeatable`"),
        Problem::NotForRepeatable(key @ Key::Transaction) => Error::failed(format!("a repeatable file has no `{key}`"))
            .at(place)
            .hint("leave it out: it always runs in a transaction"),
        Problem::NotForRepeatable(key) => Error::failed(format!("a repeatable file has no `{key}`"))
            .at(place)
            .hint("what must run before it stands under `depends_on`"),
        Problem::NotForRevision => Error::failed("a repeatable file stands among the revisions")
            .at(place)
            .hint("move it into the directory `repeatable` of a version location"),
        Problem::CutOff(key) => Error::failed(format!("`{key}` stands outside the header"))
            .at(place)
            .note("the header ends at the first line that does not begin with `--`")
            .hint("move the line up into the header, or reword the comment"),
    }
}

fn unknown_key(key: &str, nearest: Option<Key>, place: Excerpt) -> Error {
    let shown: String = key.chars().take(60).collect();
    let error = Error::failed(format!("unknown key `{shown}` in the header")).at(place);
    match nearest {
        Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
        None => error
            .note(format!("the keys are {}", Key::ALL.map(|key| format!("`{key}`")).join(", ")))
            .hint("if it is a comment, leave a blank line between the header and it"),
    }
}

/// What a key's value must be.
fn wanted(key: Key) -> &'static str {
    match key {
        Key::Revision | Key::Repeatable => "one id",
        Key::Parents => "an id, a list of ids, or nothing",
        Key::DependsOn => "an id or label, or a list of them",
        Key::Labels => "a label or a list of labels",
        Key::Message => "one line of text without control characters",
        Key::Created => "a time such as `2025-11-20T09:30:00Z`, or a date",
        Key::Transaction | Key::Template => "`true` or `false`",
        Key::LockTimeout | Key::StatementTimeout => "a whole number with `ms`, `s`, `min`, `h` or `d` (`2s`), or `0`",
    }
}

fn bad_name(key: Key, error: &NameError, place: Excerpt) -> Error {
    let what = if key == Key::Labels { "label" } else { "id" };
    let result = match error {
        NameError::Empty => Error::failed(format!("an empty {what} under `{key}`")),
        NameError::Reserved(word) => Error::failed(format!("`{word}` cannot be the {what} of a revision"))
            .note(format!("{} have a meaning of their own", RESERVED.map(|word| format!("`{word}`")).join(", "))),
        NameError::Character(character, _) => {
            let shown = match character {
                ' ' => "a blank".to_owned(),
                visible if visible.is_ascii_graphic() || visible.is_alphanumeric() => format!("`{visible}`"),
                hidden => format!("U+{:04X}", u32::from(*hidden)),
            };
            let error = Error::failed(format!("{shown} cannot stand in the {what} of a revision"))
                .note("ids and labels are letters, digits and `_`");
            match character {
                ',' | ' ' if key != Key::Revision => error.hint(format!("several are written `-- {key}: [a, b]`")),
                _ => error,
            }
        }
    };
    result.at(place)
}
