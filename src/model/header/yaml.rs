//! The thorough reader: any YAML that makes one mapping, by the parser under serde-saphyr.
//!
//! The parser's events are used rather than serde, because an id is its text as written (serde's data model would ask
//! what `1e10` is) and because each value needs its place.

use std::ops::Range;

use serde_saphyr::granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Span, StrInput};

use super::fields::{Fields, Key, Text, Value};
use super::lines::{self, Line};
use super::{HeaderError, LONGEST, Problem};
use crate::model::sql::is_odd;

/// The fields of the header of `text`.
pub(super) fn fields(text: &str) -> Result<Fields<'_>, HeaderError> {
    let lines: Vec<Line<'_>> = lines::header(text).collect();
    if lines.iter().all(|line| line.content.trim_ascii().is_empty()) {
        return Err(HeaderError { problem: Problem::Absent, range: lines::first(text) });
    }
    for line in &lines {
        if let Some((at, character)) = line.content.char_indices().find(|&(_, c)| c.is_control() && c != '\t') {
            let start = line.offset + at;
            return Err(HeaderError {
                problem: Problem::Control(character),
                range: start..start + character.len_utf8(),
            });
        }
    }
    if lines.iter().any(|line| line.range().end > LONGEST) {
        return Err(HeaderError { problem: Problem::TooLong, range: lines::first(text) });
    }
    let source = Source::new(lines);
    let fields = source.fields();
    // Prose makes YAML that fails in odd places; the line of prose is the better answer.
    let fields = fields.map_err(|error| match (&error.problem, source.prose()) {
        (Problem::Yaml(_), Some(range)) => HeaderError { problem: Problem::Prose, range },
        _ => error,
    });
    fields.map_err(|error| unseen(text, &error).unwrap_or(error))
}

/// What nobody sees and what makes prose of `key: value`: a no-break space behind the colon.
fn unseen(text: &str, error: &HeaderError) -> Option<HeaderError> {
    let line = text.get(error.range.clone()).filter(|_| error.problem == Problem::Prose)?;
    let (at, character) = line.char_indices().find(|(_, character)| is_odd(*character))?;
    let start = error.range.start + at;
    Some(HeaderError { problem: Problem::Control(character), range: start..start + character.len_utf8() })
}

/// `value` in double quotes. JSON's strings are YAML's.
pub(super) fn double_quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// A header as one YAML text, and the way back from its bytes to the file's.
struct Source<'a> {
    lines: Vec<Line<'a>>,
    /// The byte of `yaml` at which each line begins.
    starts: Vec<usize>,
    yaml: String,
}

type Events<'p> = Parser<'p, StrInput<'p>>;

impl<'a> Source<'a> {
    fn new(lines: Vec<Line<'a>>) -> Self {
        let mut yaml = String::new();
        let mut starts = Vec::with_capacity(lines.len());
        for line in &lines {
            starts.push(yaml.len());
            yaml.push_str(line.content);
            yaml.push('\n');
        }
        Self { lines, starts, yaml }
    }

    /// The byte of the file for a byte of `yaml`.
    fn offset(&self, at: usize) -> usize {
        let index = self.starts.partition_point(|&start| start <= at).saturating_sub(1);
        let line = &self.lines[index];
        line.offset + (at - self.starts[index]).min(line.content.len())
    }

    /// The bytes of the file for a span of `yaml`; a span over several lines keeps to its first, as an excerpt does.
    fn range(&self, span: Span) -> Range<usize> {
        let bytes = span.byte_range().unwrap_or(0..0);
        let start = self.offset(bytes.start);
        start..self.offset(bytes.end).max(start)
    }

    fn fields(&self) -> Result<Fields<'a>, HeaderError> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        let mut events = Parser::new_from_str_with_options(&self.yaml, options);
        let mut fields = Fields::default();
        loop {
            match self.next(&mut events)? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::MappingStart(..), _) => break,
                (Event::Scalar(..) | Event::SequenceStart(..), span) => {
                    return Err(HeaderError { problem: Problem::Prose, range: self.first_line(self.range(span)) });
                }
                (_, _) => {
                    return Err(HeaderError { problem: Problem::Absent, range: self.lines[0].range() });
                }
            }
        }
        loop {
            match self.next(&mut events)? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, ..), span) => {
                    let range = self.range(span);
                    let Some(known) = Key::parse(&key) else {
                        let nearest = Key::nearest(&key);
                        return Err(HeaderError { problem: Problem::UnknownKey(key.into_owned(), nearest), range });
                    };
                    let value = self.value(&mut events, known)?;
                    fields.add(known, range, value)?;
                }
                (_, span) => return Err(HeaderError { problem: Problem::Prose, range: self.range(span) }),
            }
        }
        match self.next(&mut events)? {
            (Event::DocumentEnd, _) => {}
            (_, span) => return Err(self.yaml_error("text behind the mapping", self.range(span))),
        }
        match self.next(&mut events)? {
            (Event::StreamEnd, _) => Ok(fields),
            (_, span) => Err(self.yaml_error("a second document", self.range(span))),
        }
    }

    fn value(&self, events: &mut Events<'_>, key: Key) -> Result<Value<'a>, HeaderError> {
        match self.next(events)? {
            (Event::Scalar(text, style, ..), span) => Ok(self.scalar(&text, style, span)),
            (Event::SequenceStart(..), _) => {
                let mut items = Vec::new();
                loop {
                    match self.next(events)? {
                        (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                        (Event::Scalar(text, style, ..), span) => match self.scalar(&text, style, span) {
                            Value::Scalar(item) => items.push(item),
                            _ => return Err(super::wrong_type(key, self.range(span))),
                        },
                        (_, span) => return Err(super::wrong_type(key, self.range(span))),
                    }
                }
            }
            (_, span) => Err(super::wrong_type(key, self.range(span))),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Value<'a> {
        if style == ScalarStyle::Plain && span.is_empty() {
            return Value::Nothing;
        }
        Value::Scalar(Text { text: text.to_owned().into(), range: self.range(span) })
    }

    /// The next event; anchors, aliases and tags are refused wherever they stand.
    fn next<'p>(&self, events: &mut Events<'p>) -> Result<(Event<'p>, Span), HeaderError> {
        let (event, span) = match events.next_event() {
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                let at = self.offset(error.marker().byte_offset().unwrap_or_default());
                let reference = matches!(error.kind(), ErrorKind::UnknownAnchor);
                let problem = if reference { Problem::Reference } else { Problem::Yaml(error.info()) };
                return Err(HeaderError { problem, range: at..at });
            }
            None => return Err(self.yaml_error("unexpected end", self.lines[0].range())),
        };
        let reference = match &event {
            Event::Alias(_) => true,
            Event::Scalar(_, _, anchor, tag) => *anchor > 0 || tag.is_some(),
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) => *anchor > 0 || tag.is_some(),
            _ => false,
        };
        if reference {
            return Err(HeaderError { problem: Problem::Reference, range: self.range(span) });
        }
        Ok((event, span))
    }

    fn yaml_error(&self, what: &str, range: Range<usize>) -> HeaderError {
        HeaderError { problem: Problem::Yaml(what.to_owned()), range }
    }

    /// The bytes of the first line that begins like prose: neither a key, nor an item, nor anything YAML has a sign for.
    fn prose(&self) -> Option<Range<usize>> {
        self.lines
            .iter()
            .find(|line| {
                let first = line.content.chars().next();
                first.is_some_and(char::is_alphanumeric) && !line.content.contains(':')
            })
            .map(Line::range)
    }

    /// `range` as far as it lies on the line that it begins on.
    fn first_line(&self, range: Range<usize>) -> Range<usize> {
        let line = self.lines.iter().find(|line| line.range().contains(&range.start));
        line.map_or(range.clone(), |line| range.start..range.end.min(line.range().end))
    }
}
