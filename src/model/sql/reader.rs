//! Reads a revision file once, from front to back: sections, statements, data, and everything that must be refused.
//! `check` collects the refusals; `body` stops at the first one.

use std::io::Read;
use std::ops::Range;

use crate::source::Excerpt;

use super::keywords::{Class, class};
use super::marker::{Marker, MarkerKind, MarkerProblem, SectionKind, Transaction};
use super::problem::{BodyError, MetaPurpose, Problem};
use super::split::{Ending, Fault, FaultKind, Opener, Piece, PieceKind, Splitter, Step};
use super::window::Window;
use super::written::Written;

/// A section of a revision file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// What its statements are for.
    pub kind: SectionKind,
    /// Which of its kind it is in the file, from 1.
    pub ordinal: usize,
    /// Whether it verifies the section before it.
    pub verifies: bool,
    /// Whether it runs in a transaction.
    pub transaction: Transaction,
    /// The line of its marker.
    pub line: usize,
}

/// What a file is, as far as its text is read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A revision, and what its header says of transactions.
    Revision(Transaction),
    /// A repeatable file, or SQL of a hook: an upgrade from its beginning, without a marker, and in a transaction.
    Script,
}

impl From<Transaction> for Form {
    fn from(default: Transaction) -> Self {
        Self::Revision(default)
    }
}

/// The longest message the server takes is 1 GB less one byte; some room is left for what is put around a statement.
const LARGEST: usize = 0x3fff_ffff - 64 * 1024;

/// What stands next in the file. Ranges are bytes of [`Reader::text`], until the next call.
pub(super) enum Item {
    /// A section begins; nothing where its marker is wrong.
    Section {
        section: Option<Section>,
        /// Its marker.
        range: Range<usize>,
    },
    /// A statement.
    Statement {
        range: Range<usize>,
        class: Class,
        /// Where the data of a `COPY … FROM STDIN` begin.
        data: Option<usize>,
    },
    /// A `;` alone.
    Empty(Range<usize>),
    /// Lines of a `COPY`'s data.
    Data { range: Range<usize>, last: bool },
    /// A line that is passed over.
    Passed,
    /// Something that was refused, and cannot be part of a batch.
    Refused,
}

/// Where the reading stands.
#[derive(Clone, Copy)]
enum Current {
    /// Before the first marker.
    Header,
    /// Before the first marker, and a statement there was refused already.
    RefusedHeader,
    /// Behind a marker that is wrong.
    Unknown,
    In(Section),
}

pub(super) struct Reader<R> {
    window: Window<R>,
    splitter: Splitter,
    /// Where the last piece ended; in front of it nothing is needed.
    from: usize,
    /// Bytes of the file before the window.
    dropped: u64,
    form: Form,
    current: Current,
    ordinals: [usize; SectionKind::ALL.len()],
    /// The `COPY` whose data are being read.
    copy: Option<Excerpt>,
    /// The last piece was a statement that a meta-command cut.
    cut_by_meta: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(written: Written, reader: R, form: Form) -> Self {
        let (kind, transaction) = (SectionKind::Upgrade, Transaction::Inside);
        let mut ordinals = [0; SectionKind::ALL.len()];
        let current = match form {
            Form::Revision(_) => Current::Header,
            Form::Script => {
                ordinals[kind as usize] = 1;
                Current::In(Section { kind, ordinal: 1, verifies: false, transaction, line: 1 })
            }
        };
        Self {
            window: Window::new(written, reader),
            splitter: Splitter::default(),
            from: 0,
            dropped: 0,
            form,
            current,
            ordinals,
            copy: None,
            cut_by_meta: false,
        }
    }

    pub(super) fn window(&self) -> &Window<R> {
        &self.window
    }

    pub(super) fn text(&self) -> &str {
        &self.window.text
    }

    /// What stands behind the last item.
    pub(super) fn rest(&self) -> &str {
        &self.window.text[self.from..]
    }

    /// Takes `range` out of the text at hand without copying it; the ranges of items given before are void then.
    pub(super) fn take(&mut self, range: Range<usize>) -> String {
        let (taken, dropped) = self.window.take(range);
        self.from -= dropped;
        self.dropped += dropped as u64;
        taken
    }

    /// Bytes of the file (without its byte order mark) up to byte `offset` of the text at hand.
    pub(super) fn file_offset(&self, offset: usize) -> u64 {
        self.dropped + offset as u64
    }

    /// The section being read, if one is.
    pub(super) fn section(&self) -> Option<Section> {
        match self.current {
            Current::In(section) => Some(section),
            Current::Header | Current::RefusedHeader | Current::Unknown => None,
        }
    }

    /// The next item, and the start of the gap before it; nothing at the end. What must be refused is pushed to
    /// `refused`, and the reading goes on.
    ///
    /// # Errors
    /// What the reading cannot go on from: a failed read, a wrong encoding, a statement too large to be sent.
    pub(super) fn next(&mut self, refused: &mut Vec<BodyError>) -> Result<Option<(usize, Item)>, BodyError> {
        let piece = loop {
            match self.splitter.next(&self.window.text, self.from, self.window.at_end) {
                Step::Piece(piece) => break piece,
                Step::End => return Ok(None),
                Step::More => {
                    if self.window.text.len() - self.from > LARGEST {
                        let text = &self.window.text[self.from..];
                        let start = self.from + text.len() - text.trim_ascii_start().len();
                        return Err(self.window.error(Problem::TooLarge, start..start + 1));
                    }
                    let dropped = self.window.fill(self.from)?;
                    self.from -= dropped;
                    self.dropped += dropped as u64;
                }
            }
        };
        let gap = std::mem::replace(&mut self.from, piece.next);
        let item = self.item(piece, refused);
        Ok(Some((gap, item)))
    }

    fn item(&mut self, piece: Piece, refused: &mut Vec<BodyError>) -> Item {
        let cut_by_meta = std::mem::replace(&mut self.cut_by_meta, false);
        let range = piece.range;
        match piece.kind {
            PieceKind::Marker => Item::Section { section: self.marker(range.clone(), refused), range },
            PieceKind::Empty => Item::Empty(range),
            PieceKind::Meta => self.meta(range, cut_by_meta, refused),
            PieceKind::CopyData { last } => {
                if last {
                    self.copy = None;
                }
                Item::Data { range, last }
            }
            PieceKind::Fault(fault) => {
                self.fault(fault, refused);
                Item::Refused
            }
            PieceKind::Statement(statement) => {
                self.cut_by_meta = statement.ending == Ending::Meta;
                let data = statement.takes_data.then_some(piece.next);
                if statement.takes_data {
                    self.copy = Some(self.window.excerpt(range.clone()));
                }
                if !statement.faults.is_empty() {
                    for fault in statement.faults {
                        self.fault(fault, refused);
                    }
                    return Item::Refused;
                }
                let class = class(&self.window.text[range.clone()]);
                match self.refusal(class) {
                    Some(problem) => {
                        refused.push(self.window.error(problem, range));
                        Item::Refused
                    }
                    None if matches!(self.current, Current::In(_)) => Item::Statement { range, class, data },
                    None => Item::Refused,
                }
            }
        }
    }

    fn marker(&mut self, range: Range<usize>, refused: &mut Vec<BodyError>) -> Option<Section> {
        match Marker::parse(&self.window.text[range.clone()]) {
            Ok(marker) => {
                let default = match self.form {
                    Form::Revision(default) => default,
                    Form::Script => {
                        let problem = match marker {
                            Marker { kind: MarkerKind::Section(SectionKind::Downgrade), .. } => {
                                Some(MarkerProblem::DowngradeOfScript)
                            }
                            Marker { transaction: Some(Transaction::Outside), .. } => {
                                Some(MarkerProblem::ScriptOutside)
                            }
                            _ => None,
                        };
                        if let Some(problem) = problem {
                            refused.push(self.window.error(Problem::Marker(problem), range));
                            self.current = Current::Unknown;
                            return None;
                        }
                        Transaction::Inside
                    }
                };
                let (kind, default) = match (marker.kind, self.current) {
                    (MarkerKind::Section(kind), _) => (kind, default),
                    (MarkerKind::Verify, Current::In(section)) => (section.kind, Transaction::Inside),
                    // What it verifies was refused already.
                    (MarkerKind::Verify, Current::Unknown) => return None,
                    (MarkerKind::Verify, Current::Header | Current::RefusedHeader) => {
                        refused.push(self.window.error(Problem::Marker(MarkerProblem::NothingToVerify), range));
                        self.current = Current::Unknown;
                        return None;
                    }
                };
                let ordinal = &mut self.ordinals[kind as usize];
                *ordinal += 1;
                let section = Section {
                    kind,
                    ordinal: *ordinal,
                    verifies: marker.kind == MarkerKind::Verify,
                    transaction: marker.transaction.unwrap_or(default),
                    line: self.window.place(range.start).line,
                };
                self.current = Current::In(section);
                Some(section)
            }
            Err(error) => {
                let marked = range.start + error.range.start..range.start + error.range.end;
                refused.push(self.window.error(Problem::Marker(error.problem), marked));
                self.current = Current::Unknown;
                None
            }
        }
    }

    /// `\restrict` and `\unrestrict`, which pg_dump writes around its output, mean nothing here; all others are refused.
    fn meta(&self, range: Range<usize>, cuts_a_statement: bool, refused: &mut Vec<BodyError>) -> Item {
        let line = &self.window.text[range.clone()];
        let command = line.split_ascii_whitespace().next().unwrap_or(line);
        if matches!(command, "\\restrict" | "\\unrestrict") && !cuts_a_statement {
            return Item::Passed;
        }
        // psql takes `\;` and `\g;` apart, too.
        let length = command
            .char_indices()
            .skip(2)
            .find(|(_, c)| !c.is_alphanumeric() && *c != '_')
            .map_or(command.len(), |(at, _)| at);
        let command = &command[..length];
        let problem = Problem::MetaCommand { command: command.to_owned(), purpose: MetaPurpose::of(command) };
        refused.push(self.window.error(problem, range.start..range.start + command.len()));
        Item::Refused
    }

    fn fault(&mut self, fault: Fault, refused: &mut Vec<BodyError>) {
        let problem = match fault.kind {
            FaultKind::Odd('\0') => Problem::Nul,
            FaultKind::Odd(character) => Problem::OddCharacter(character),
            FaultKind::CarriageReturnInComment => Problem::CarriageReturnInComment,
            FaultKind::NoMarker { begins_line: true } => Problem::Marker(MarkerProblem::Prefix),
            FaultKind::NoMarker { begins_line: false } => Problem::Marker(MarkerProblem::BehindSomething),
            FaultKind::TextAfterCopy => Problem::TextAfterCopy,
            FaultKind::Unclosed(opener) => Problem::Unclosed(opener),
        };
        // The data may be far behind the statement that announced them: that one is the place.
        let copy = if problem == Problem::Unclosed(Opener::CopyData) { self.copy.take() } else { None };
        let excerpt = copy.unwrap_or_else(|| self.window.excerpt(fault.range));
        refused.push(BodyError { problem, excerpt: Box::new(excerpt) });
    }

    /// Why a statement of this class must not run where it stands.
    fn refusal(&mut self, class: Class) -> Option<Problem> {
        let section = match self.current {
            Current::Header => {
                self.current = Current::RefusedHeader;
                return Some(Problem::BeforeFirstSection);
            }
            // One error for all of them, or for the marker.
            Current::RefusedHeader | Current::Unknown => return None,
            Current::In(section) => section,
        };
        let script = self.form == Form::Script;
        match (class, section.transaction) {
            (Class::Setting(setting), _) => Some(Problem::Setting(setting)),
            (Class::CopyToStdout, _) => Some(Problem::CopyToStdout),
            (Class::Control(control), _) if section.verifies => Some(Problem::ControlInVerify(control.keywords())),
            (Class::Savepoint(savepoint), _) if section.verifies => {
                Some(Problem::ControlInVerify(savepoint.keywords()))
            }
            (Class::Control(control), _) if script => Some(Problem::NotInScript(control.keywords())),
            (Class::NeverInTransaction(name), _) if script => Some(Problem::NotInScript(name)),
            (Class::Control(control), Transaction::Inside) => Some(Problem::TransactionControl(control, section.kind)),
            (Class::Control(control), Transaction::Outside) => Some(Problem::ControlOutside(control)),
            // It would give the run's lock away.
            (Class::NeverInTransaction("DISCARD ALL"), Transaction::Outside) => Some(Problem::DiscardAll),
            (Class::NeverInTransaction(name), Transaction::Inside) => {
                Some(Problem::NeverInTransaction(name, section.kind))
            }
            (Class::NeverInTransaction(_), Transaction::Outside)
            | (Class::Ordinary | Class::Savepoint(_) | Class::SometimesInTransaction(_) | Class::CopyFromStdin, _) => {
                None
            }
        }
    }
}
