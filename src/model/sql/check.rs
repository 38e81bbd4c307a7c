//! One pass over a revision file that finds everything that must be refused before anything runs.

use std::io::Read;

use super::checksum::Checksum;
use super::keywords::{Class, Savepoint};
use super::lex::Tokens;
use super::marker::SectionKind;
use super::problem::BodyError;
use super::reader::{Form, Item, Reader, Section};
use super::written::Written;

/// More errors than this are not listed.
pub const MOST_ERRORS: usize = 1000;

/// What a file's SQL holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySummary {
    /// Of the whole file, header included.
    pub checksum: Checksum,
    /// Its sections, in the order written.
    pub sections: Vec<SectionSummary>,
    /// Whether savepoints are used.
    pub savepoints: Savepoints,
    /// How many `COPY … FROM STDIN` it holds.
    pub copies: usize,
}

/// Whether a file uses savepoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Savepoints {
    /// It does not.
    None,
    /// It sets or releases them.
    Set,
    /// It rolls back to one: the server answers that with the tag `ROLLBACK`.
    RolledBackTo,
}

/// What a section holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionSummary {
    /// Which section it is.
    pub section: Section,
    /// Its statements.
    pub statements: usize,
    /// Whether it ends with a statement that makes, alters or drops something.
    pub ends_with_change: bool,
    /// Its text, from behind its marker to the next one, in bytes.
    pub bytes: u64,
}

impl SectionSummary {
    /// A section of which nothing is read yet.
    fn new(section: Section, bytes: u64) -> Self {
        Self { section, statements: 0, ends_with_change: false, bytes }
    }
}

impl BodySummary {
    /// The sections of `kind`, in order. A file without any downgrade section cannot be undone; an empty one is
    /// nothing to undo.
    pub fn of_kind(&self, kind: SectionKind) -> impl Iterator<Item = &SectionSummary> {
        self.sections.iter().filter(move |summary| summary.section.kind == kind)
    }

    /// Whether there is a section of `kind`, empty or not.
    #[must_use]
    pub fn has(&self, kind: SectionKind) -> bool {
        self.of_kind(kind).next().is_some()
    }
}

/// Reads a whole file and says what it holds. `written` is its path as the user would type it; `form` is what it is, of a revision
/// what the header says of transactions.
///
/// # Errors
/// Everything that must be refused, in the order of the file, [`MOST_ERRORS`] at most.
pub fn check<R: Read>(
    written: impl Into<Written>,
    reader: R,
    form: impl Into<Form>,
) -> Result<BodySummary, Vec<BodyError>> {
    let mut reader = Reader::new(written.into(), reader, form.into());
    let mut errors = Vec::new();
    let mut summary = Summary::default();
    summary.sections.extend(reader.section().map(|section| SectionSummary::new(section, 0)));
    loop {
        match reader.next(&mut errors) {
            Ok(Some((_gap, item))) => summary.add(&reader, &item),
            Ok(None) => break,
            Err(error) => {
                errors.push(error);
                break;
            }
        }
        if errors.len() >= MOST_ERRORS {
            errors.truncate(MOST_ERRORS);
            break;
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    summary.close(reader.file_offset(reader.text().len()));
    Ok(BodySummary {
        checksum: reader.window().checksum(),
        sections: summary.sections,
        savepoints: summary.savepoints,
        copies: summary.copies,
    })
}

/// A summary in the making; a section's `bytes` is where it begins until it is closed.
struct Summary {
    sections: Vec<SectionSummary>,
    savepoints: Savepoints,
    copies: usize,
}

impl Default for Summary {
    fn default() -> Self {
        Self { sections: Vec::new(), savepoints: Savepoints::None, copies: 0 }
    }
}

impl Summary {
    fn add<R: Read>(&mut self, reader: &Reader<R>, item: &Item) {
        match item {
            Item::Section { section: Some(section), range } => {
                self.close(reader.file_offset(range.start));
                let behind = reader.file_offset(range.end);
                self.sections.push(SectionSummary::new(*section, behind));
            }
            Item::Statement { class, range, .. } => {
                if let Some(section) = self.sections.last_mut() {
                    section.statements += 1;
                    let first = Tokens::new(&reader.text()[range.clone()]).next();
                    section.ends_with_change =
                        first.is_some_and(|word| ["create", "alter", "drop"].iter().any(|change| word.is(change)));
                }
                match class {
                    Class::Savepoint(Savepoint::RollbackTo) => self.savepoints = Savepoints::RolledBackTo,
                    Class::Savepoint(_) if self.savepoints == Savepoints::None => self.savepoints = Savepoints::Set,
                    Class::CopyFromStdin => self.copies += 1,
                    _ => {}
                }
            }
            Item::Section { section: None, .. } | Item::Empty(_) | Item::Data { .. } | Item::Passed | Item::Refused => {
            }
        }
    }

    fn close(&mut self, end: u64) {
        if let Some(section) = self.sections.last_mut() {
            section.bytes = end - section.bytes;
        }
    }
}
