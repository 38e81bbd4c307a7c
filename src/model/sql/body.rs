//! The statements of one revision file as batches to be sent, read as they are needed, so that a file of any size
//! takes little memory. A file is checked first ([`super::check`]); what the check would refuse is refused here, too,
//! in case the file has changed since.

use std::cmp::Ordering;
use std::io::Read;
use std::ops::Range;

use crate::source::{Excerpt, Place};

use super::checksum::Checksum;
use super::lex::Tokens;
use super::marker::SectionKind;
use super::problem::BodyError;
use super::reader::{Item, Reader};
use super::window::excerpt;
use super::written::Written;

pub use super::reader::{Form, Section};

/// A batch is closed before it grows beyond this many bytes, where it holds more than one statement: messages of 64 to
/// 256 KB keep the server's memory flat.
pub const BATCH: usize = 256 * 1024;

/// Text of a file to be sent as one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The section it belongs to.
    pub section: Section,
    /// What the text is.
    pub kind: BatchKind,
    /// The text, as in the file, comments included. Its last statement may lack the `;`, and a comment may end it:
    /// whoever puts text behind it puts `\n;` in between.
    pub text: String,
    /// The place of the text's first byte in the file.
    pub start: Place,
    /// The statements, as bytes of `text`; none for data.
    pub statements: Vec<Range<usize>>,
    written: Written,
}

/// What the text of a [`Batch`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// Whole statements.
    Statements,
    /// One `COPY … FROM STDIN`; batches of data follow.
    CopyFromStdin {
        /// The line of the file that is the first line of its data, by which the server counts in its messages.
        data_line: usize,
    },
    /// Data of the `COPY` before.
    CopyData {
        /// Whether the data end with this batch; the `\.` is not part of it.
        last: bool,
    },
}

impl Batch {
    /// The place of the server's error position: characters from 1, as it counts them in this text. The word there is
    /// marked. A position outside the text is moved into it.
    #[must_use]
    pub fn at_position(&self, position: usize) -> Excerpt {
        let offset = self.text.char_indices().nth(position.saturating_sub(1)).map_or(self.text.len(), |(at, _)| at);
        let mut tokens = Tokens::new(&self.text[offset..]);
        let length = tokens.next().map_or(0, |token| if tokens.position() == token.len() { token.len() } else { 0 });
        self.excerpt(offset..offset + length.max(1))
    }

    /// The place of a statement, the first being 0: the one that failed, where so many before it were completed. Its
    /// first line is marked. Beyond the last it is the last.
    #[must_use]
    pub fn at_statement(&self, index: usize) -> Excerpt {
        let range = self.statements.get(index).or(self.statements.last()).cloned();
        self.excerpt(range.unwrap_or(0..0))
    }

    /// The statement that holds the server's error position, if one does.
    #[must_use]
    pub fn statement_at(&self, position: usize) -> Option<usize> {
        let (offset, _) = self.text.char_indices().nth(position.checked_sub(1)?)?;
        self.statements.iter().position(|range| range.contains(&offset))
    }

    /// The place of bytes of the text.
    #[must_use]
    pub fn excerpt(&self, range: Range<usize>) -> Excerpt {
        excerpt(&self.written, &self.text, range, self.start)
    }
}

/// The batches of the sections of one kind, in the order written.
pub struct Body<R> {
    reader: Reader<R>,
    kind: SectionKind,
    /// An item that did not fit the batch before: the start of its gap and itself.
    held: Option<(usize, Item)>,
}

impl<R: Read> Body<R> {
    /// Reads the file `reader`; `written` is its path as the user would type it, `form` what it is, of a revision what its header
    /// says of transactions, `kind` the sections that are wanted.
    pub fn new(written: impl Into<Written>, reader: R, form: impl Into<Form>, kind: SectionKind) -> Self {
        Self { reader: Reader::new(written.into(), reader, form.into()), kind, held: None }
    }

    /// The next batch; nothing at the file's end.
    ///
    /// # Errors
    /// The first thing that [`super::check::check`] would refuse, in any section.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, BodyError> {
        let mut batch: Option<Batch> = None;
        loop {
            let Some((gap, item)) = self.next_item()? else {
                if let Some(batch) = &mut batch {
                    batch.text.push_str(self.reader.rest().trim_ascii_end());
                }
                return Ok(batch);
            };
            let Some(section) = self.reader.section().filter(|section| section.kind == self.kind) else {
                if batch.is_some() {
                    return Ok(self.with_trailing_comment(batch, gap, &item));
                }
                continue;
            };
            match item {
                Item::Statement { ref range, data: None, .. } => {
                    let size = batch.as_ref().map_or(0, |batch| batch.text.len());
                    if size > 0 && size + (range.end - gap) > BATCH {
                        self.held = Some((gap, item));
                        return Ok(batch);
                    }
                    let mut grown = batch.unwrap_or_else(|| self.start(section, gap, BatchKind::Statements));
                    self.add(&mut grown, gap, range.clone());
                    batch = Some(grown);
                }
                Item::Empty(ref range) => {
                    if let Some(batch) = &mut batch {
                        batch.text.push_str(&self.reader.text()[gap..range.end]);
                    }
                }
                _ if batch.is_some() => {
                    let batch = self.with_trailing_comment(batch, gap, &item);
                    self.held = Some((gap, item));
                    return Ok(batch);
                }
                Item::Statement { range, data: Some(data), .. } => {
                    let kind = BatchKind::CopyFromStdin { data_line: self.reader.window().place(data).line };
                    let gap = first_visible(self.reader.text(), gap, range.start);
                    return Ok(Some(self.whole(section, kind, gap, range)));
                }
                Item::Data { range, last } => {
                    return Ok(Some(self.whole(section, BatchKind::CopyData { last }, range.start, range)));
                }
                Item::Section { .. } | Item::Passed | Item::Refused => {}
            }
        }
    }

    /// Adds the statement `range` and what stands before it from `gap` on.
    fn add(&mut self, batch: &mut Batch, gap: usize, range: Range<usize>) {
        let text = self.reader.text();
        let gap = if batch.text.is_empty() { first_visible(text, gap, range.start) } else { gap };
        let start = batch.text.len() + range.start - gap;
        batch.statements.push(start..start + range.len());
        if batch.text.is_empty() && range.len() > BATCH {
            // It will be alone; not copied, since it may be as large as the file.
            batch.text = self.reader.take(gap..range.end);
        } else {
            batch.text.push_str(&text[gap..range.end]);
        }
    }

    /// Reads what is left and returns the checksum of the whole file, to be compared with that of the check.
    ///
    /// # Errors
    /// The first thing that [`super::check::check`] would refuse.
    pub fn finish(mut self) -> Result<Checksum, BodyError> {
        self.held = None;
        while self.next_item()?.is_some() {}
        Ok(self.reader.window().checksum())
    }

    fn next_item(&mut self) -> Result<Option<(usize, Item)>, BodyError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let mut refused = Vec::new();
        let item = self.reader.next(&mut refused)?;
        match refused.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(item),
        }
    }

    /// An empty batch whose text will begin at the first visible character behind `gap`.
    fn start(&self, section: Section, gap: usize, kind: BatchKind) -> Batch {
        let text = self.reader.text();
        let start = self.reader.window().place(first_visible(text, gap, text.len()));
        let written = self.reader.window().written().clone();
        Batch { section, kind, text: String::new(), start, statements: Vec::new(), written }
    }

    /// A batch of one thing: `range`, with what stands before it from `gap` on.
    fn whole(&self, section: Section, kind: BatchKind, gap: usize, range: Range<usize>) -> Batch {
        let mut batch = self.start(section, gap, kind);
        // Data may begin with blanks.
        batch.start = self.reader.window().place(gap);
        batch.text = self.reader.text()[gap..range.end].to_owned();
        if !matches!(kind, BatchKind::CopyData { .. }) {
            batch.statements.push(range.start - gap..batch.text.len());
        }
        batch
    }

    /// The batch with the comments that stand between it and the start of `item`.
    fn with_trailing_comment(&self, batch: Option<Batch>, gap: usize, item: &Item) -> Option<Batch> {
        let mut batch = batch?;
        if let Item::Section { range, .. } = item {
            batch.text.push_str(self.reader.text()[gap..range.start].trim_ascii_end());
        }
        Some(batch)
    }
}

/// A body read section by section.
pub struct Sections<R> {
    body: Body<R>,
    /// The first batch of a later section.
    held: Option<Batch>,
}

impl<R: Read> Sections<R> {
    /// From the first section on.
    pub fn new(body: Body<R>) -> Self {
        Self { body, held: None }
    }

    /// The next batch of the section with this number; earlier ones are passed over. Nothing at the section's end.
    ///
    /// # Errors
    /// Those of [`Body::next_batch`].
    pub fn next_of(&mut self, ordinal: usize) -> Result<Option<Batch>, BodyError> {
        loop {
            let batch = match self.held.take() {
                Some(batch) => batch,
                None => match self.body.next_batch()? {
                    Some(batch) => batch,
                    None => return Ok(None),
                },
            };
            match batch.section.ordinal.cmp(&ordinal) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(batch)),
                Ordering::Greater => {
                    self.held = Some(batch);
                    return Ok(None);
                }
            }
        }
    }

    /// [`Body::finish`].
    ///
    /// # Errors
    /// The same.
    pub fn finish(self) -> Result<Checksum, BodyError> {
        self.body.finish()
    }
}

/// The first character between `from` and `to` that is no blank.
fn first_visible(text: &str, from: usize, to: usize) -> usize {
    let gap = &text[from..to];
    from + gap.len() - gap.trim_ascii_start().len()
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
