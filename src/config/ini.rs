//! The reader of ini files: sections, keys, values, and the place of each.
//!
//! Python's configparser is the model (alembic.ini is read with it) where it is strict, and without its traps: nothing
//! is interpolated, nothing is inherited, no key is folded to lower case. It knows no key's meaning, reads no file,
//! and renders no template. Every excerpt it makes has passwords hidden.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::Range;

use super::lines::{DELIMITERS, LINE, Lines, Show, holds_secret};
use super::mask;
use crate::error::{Error, Result};
use crate::source::{self, Excerpt, NotText};

/// A file that was read: its sections in order.
#[derive(Clone, Debug)]
pub struct Ini {
    text: Lines,
    sections: Vec<Section>,
}

/// A section: its name, and its entries in order.
#[derive(Clone, Debug)]
pub struct Section {
    /// The name between the brackets.
    pub name: String,
    /// Where the name stands.
    pub place: Range<usize>,
    /// Its keys.
    pub entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as written.
    pub key: String,
    /// Where the key stands.
    pub place: Range<usize>,
    /// Where the lines of the value stand, without blanks around them; no empty ones, so none for an empty value.
    pub lines: Vec<Range<usize>>,
}

impl Section {
    /// The entry with this key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Ini {
    /// Reads the bytes of a file; `path` is the file as the user would type it.
    ///
    /// # Errors
    /// Not UTF-8 (a byte order mark is fine); a line that is no section, key, comment or continuation; a section or key
    /// given twice; a NUL byte or a lone carriage return; `%(name)s`, which nothing would replace.
    pub fn from_bytes(path: &str, bytes: &[u8]) -> Result<Self> {
        let refused = |at: usize, bytes: &[u8]| {
            let lines = Lines::new(path, &String::from_utf8_lossy(bytes));
            let refused = Error::usage("the settings are not UTF-8").at(lines.excerpt(at..at + 1, Show::Nothing));
            refused.hint(format!("save `{path}` as UTF-8"))
        };
        source::text(bytes)
            .map_err(|error| match error {
                NotText::Utf16 => refused(0, bytes).note("the file begins like UTF-16"),
                NotText::Utf8(error) => refused(error.valid_up_to(), source::without_mark(bytes)),
            })
            .and_then(|text| Self::parse(path, text))
    }

    /// Reads a text without a byte order mark.
    fn parse(path: &str, text: &str) -> Result<Self> {
        let mut reader = Reader::new(Lines::new(path, text));
        for number in 0..reader.text.starts.len() {
            reader.line(number)?;
        }
        let Reader { text, sections, .. } = reader;
        let ini = Self { text, sections };
        ini.refuse_interpolation()?;
        Ok(ini)
    }

    /// The sections, in order.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section with this name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The file as the user would type it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text.path
    }

    /// The text at `place`.
    #[must_use]
    pub fn text(&self, place: &Range<usize>) -> &str {
        &self.text.text[place.clone()]
    }

    /// The excerpt of a section's name.
    #[must_use]
    pub fn section_excerpt(&self, section: &Section) -> Excerpt {
        self.text.excerpt(section.place.clone(), LINE)
    }

    /// The excerpt of an entry's key, its value hidden: whatever the key was meant to be, it may have been `password`.
    #[must_use]
    pub fn key_excerpt(&self, entry: &Entry) -> Excerpt {
        self.text.excerpt(entry.place.clone(), Show::Key)
    }

    /// The excerpt of a key that is a slip of `meant`; its value is shown where neither name, nor anything in the value,
    /// has to do with a password.
    #[must_use]
    pub fn slip_excerpt(&self, entry: &Entry, meant: &str) -> Excerpt {
        let says_password = |line: &Range<usize>| {
            let value = self.text(line).to_lowercase();
            ["://", "@", "pass", "pwd", "secret"].iter().any(|sign| value.contains(sign))
        };
        if holds_secret(meant) || mask::is_near_secret_name(&entry.key) || entry.lines.iter().any(says_password) {
            return self.key_excerpt(entry);
        }
        self.text.excerpt(entry.place.clone(), LINE)
    }

    /// The excerpt of a key that may be the rest of another key's value: nothing of the line is shown.
    #[must_use]
    pub fn silent_excerpt(&self, entry: &Entry) -> Excerpt {
        self.text.excerpt(entry.place.clone(), Show::Nothing)
    }

    /// The excerpt of a part of an entry's value (or of the key, where the value is empty), passwords hidden.
    #[must_use]
    pub fn value_excerpt(&self, entry: &Entry, place: Range<usize>) -> Excerpt {
        let number = self.text.number(place.start);
        let secret = holds_secret(&entry.key);
        let show = match self.value_start(entry, number) {
            0 if secret => Show::Nothing,
            start => Show::Value(start, secret),
        };
        self.text.excerpt(place, show)
    }

    /// The byte of line `number` where the entry's value begins: 0 on a line that continues it.
    fn value_start(&self, entry: &Entry, number: usize) -> usize {
        let start = self.text.starts[number];
        if entry.place.start < start {
            return 0;
        }
        let line = self.text.line(number);
        let key_end = entry.place.end - start;
        line[key_end..].find(DELIMITERS).map_or(line.len(), |at| key_end + at + 1)
    }

    /// Where the whole value stands, or the key where there is none.
    #[must_use]
    pub fn value_place(&self, entry: &Entry) -> Range<usize> {
        entry.lines.first().unwrap_or(&entry.place).clone()
    }

    /// Whether a part of the value may be a password, so that not even a name from it is said.
    #[must_use]
    pub fn may_hold_password(&self, entry: &Entry, place: &Range<usize>) -> bool {
        let number = self.text.number(place.start);
        let (line, start) = (self.text.line(number), self.text.starts[number]);
        let (value, secret) = (self.value_start(entry, number), holds_secret(&entry.key));
        let inside = place.start - start..place.end - start;
        let hidden = mask::hidden(line, value, secret);
        (value == 0 && secret) || hidden.iter().any(|range| range.start < inside.end && inside.start < range.end)
    }

    /// Alembic's `%(here)s` would silently stay as it is, as a directory of that name. `file_template` is made of such.
    fn refuse_interpolation(&self) -> Result<()> {
        let entries = self.sections.iter().flat_map(|section| &section.entries);
        for entry in entries.filter(|entry| entry.key != super::keys::FILE_TEMPLATE.name) {
            for line in &entry.lines {
                let Some((place, name)) = interpolation(self.text(line)) else { continue };
                let place = line.start + place.start..line.start + place.end;
                let secret = self.may_hold_password(entry, &place);
                let written = if secret { "%(...)s" } else { self.text(&place) };
                let hint = match name {
                    "here" => "write `{{ here }}`".to_owned(),
                    _ if secret => "write `{{ env.NAME }}` for an environment variable".to_owned(),
                    _ => format!(
                        "write `{{{{ env.{name} }}}}` for an environment variable, `{{{{ x.{name} }}}}` for `-x {name}=...`"
                    ),
                };
                return Err(Error::usage(format!("`{written}` is not replaced in this file"))
                    .at(self.value_excerpt(entry, place))
                    .hint(hint));
            }
        }
        Ok(())
    }
}

/// The first `%(name)s` of `value`, in any of Python's number formats and doubled or not, and the name in it.
fn interpolation(value: &str) -> Option<(Range<usize>, &str)> {
    let mut from = 0;
    while let Some(at) = value[from..].find("%(").map(|at| from + at) {
        from = at + 2;
        let rest = &value[from..];
        let name_end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let Some(format) = rest[name_end..].strip_prefix(')') else { continue };
        let conversion = format.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if name_end > 0 && conversion.starts_with(['s', 'd']) {
            let start = if value[..at].ends_with('%') { at - 1 } else { at };
            return Some((start..value.len() - conversion.len() + 1, &rest[..name_end]));
        }
    }
    None
}

/// The state of reading, a line at a time.
struct Reader {
    text: Lines,
    sections: Vec<Section>,
    named: HashMap<String, usize>,
    keys: HashMap<String, usize>,
    /// How far the open key is indented; a line indented further continues its value.
    indent: Option<usize>,
}

impl Reader {
    fn new(text: Lines) -> Self {
        Self { text, sections: Vec::new(), named: HashMap::new(), keys: HashMap::new(), indent: None }
    }

    fn line(&mut self, number: usize) -> Result<()> {
        let start = self.text.starts[number];
        let line = self.text.line(number);
        if let Some(at) = line.find(['\0', '\r']) {
            let what =
                if line[at..].starts_with('\0') { "a NUL byte" } else { "a carriage return without a line feed" };
            return Err(self.refuse(format!("{what} in the settings"), start + at..start + at + 1, Show::Nothing));
        }
        let body = line.trim();
        if body.is_empty() || body.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.len() - line.trim_start().len();
        let place = start + indent..start + indent + body.len();
        if self.indent.is_some_and(|open| indent > open) {
            let entry = self.sections.last_mut().and_then(|section| section.entries.last_mut());
            entry.into_iter().for_each(|entry| entry.lines.push(place.clone()));
            return Ok(());
        }
        if body.starts_with('[') { self.section(place) } else { self.key(place, indent) }
    }

    fn section(&mut self, place: Range<usize>) -> Result<()> {
        let body = &self.text.text[place.clone()];
        let Some(inner) = body[1..].strip_suffix(']') else {
            let title = "a section's line ends with `]`";
            return Err(self
                .refuse(title, place, LINE)
                .hint("write the section as `[name]`, a comment on a line of its own"));
        };
        let name = inner.trim().to_owned();
        if name.is_empty() || name.contains(|c: char| !is_name_character(c)) {
            let title = "a section's name is made of letters, digits, `_`, `-` and `.`";
            return Err(self.refuse(title, place, LINE));
        }
        let start = place.start + 1 + (inner.len() - inner.trim_start().len());
        let place = start..start + name.len();
        match self.named.entry(name.clone()) {
            Slot::Occupied(first) => {
                let first = self.sections[*first.get()].place.clone();
                Err(Error::usage(format!("section `[{name}]` is given twice"))
                    .at(self.text.excerpt(place, LINE))
                    .at(self.text.excerpt(first, LINE).label("first given here")))
            }
            Slot::Vacant(slot) => {
                slot.insert(self.sections.len());
                self.sections.push(Section { name, place, entries: Vec::new() });
                self.keys.clear();
                self.indent = None;
                Ok(())
            }
        }
    }

    fn key(&mut self, place: Range<usize>, indent: usize) -> Result<()> {
        let body = &self.text.text[place.clone()];
        let Some(delimiter) = body.find(DELIMITERS) else {
            let title = "a line that is neither `key = value`, a `[section]` nor a comment";
            return Err(self.refuse(title, place, Show::Nothing).hint("indent the further lines of a value"));
        };
        let name = body[..delimiter].trim_end();
        if name.is_empty() || name.contains(|c: char| !is_name_character(c)) {
            let title = "a key is made of letters, digits, `_`, `-` and `.`";
            return Err(self.refuse(title, place, Show::Nothing).hint("indent the further lines of a value"));
        }
        let key_place = place.start..place.start + name.len();
        let value = body[delimiter + 1..].trim_start();
        let lines =
            if value.is_empty() { Vec::new() } else { std::iter::once(place.end - value.len()..place.end).collect() };
        let key = name.to_owned();
        let Some(section) = self.sections.last_mut() else {
            let title = "a key before the first section";
            return Err(self.refuse(title, key_place, Show::Key).hint("write `[migrate]` above it"));
        };
        match self.keys.entry(key.clone()) {
            Slot::Occupied(first) => {
                let first = section.entries[*first.get()].place.clone();
                Err(Error::usage(format!("`{key}` is given twice in `[{}]`", section.name))
                    .at(self.text.excerpt(key_place, Show::Key))
                    .at(self.text.excerpt(first, Show::Key).label("first given here")))
            }
            Slot::Vacant(slot) => {
                slot.insert(section.entries.len());
                section.entries.push(Entry { key, place: key_place, lines });
                self.indent = Some(indent);
                Ok(())
            }
        }
    }

    fn refuse(&self, title: impl Into<String>, place: Range<usize>, show: Show) -> Error {
        Error::usage(title).at(self.text.excerpt(place, show))
    }
}

/// Whether a name of a section or key may hold it. Few characters, so that a stray piece of a URL is never a key.
fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}
