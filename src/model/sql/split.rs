//! Cuts SQL text into statements, section markers, psql meta-commands and the data of `COPY … FROM STDIN`,
//! by the rules of psql's own scanner. It knows no meaning: what a statement does is `classify`'s to say.
//!
//! It works on a window: given the text that is at hand, it returns the next whole piece, or asks for more text.
//! Whoever doubles the window when asked keeps the whole linear, whatever the size of one statement.
//!
//! Where psql cuts what the server takes for one statement, or the other way round, the server is followed: `BEGIN` opens a
//! body only before `ATOMIC`, and `case` and `end` in a body may be names: behind `AS` or a dot, and as labels without `AS`
//! (see [`Scan::routine_word`]).

use std::ops::Range;

use memchr::{memchr, memmem, memrchr};

use super::lex::{
    CLASS, Class, End, block_comment_end, digits_end, dollar_delimiter, dollar_quote_end, escape_quote_end, is_marker,
    is_odd, line_comment_end, quote_end, starts_line, word_end,
};
use super::marker::is_meant;

/// What stands at a place of the text. All ranges are bytes of the text given to [`Splitter::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Where it is.
    pub range: Range<usize>,
    /// Where the next piece is to be looked for. What lies between two pieces is blanks, comments, the rest of a
    /// `COPY` line, and the `\.` that ends its data.
    pub next: usize,
}

/// The kinds of [`Piece`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// A statement, from its first token to behind its `;`, or to its last token where it has none.
    Statement(Statement),
    /// A `;` that ends nothing. The server answers it with nothing.
    Empty,
    /// A line that begins with `-- migrate:`, or was meant to; without its line end.
    Marker,
    /// A psql meta-command: from its backslash to the end of the line.
    Meta,
    /// Whole lines of a `COPY`'s data, without the `\.`.
    CopyData {
        /// Whether it is the last of this `COPY`.
        last: bool,
    },
    /// Something wrong outside a statement.
    Fault(Fault),
}

/// What is known of a statement without asking for its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What ended it.
    pub ending: Ending,
    /// Whether it is a `COPY … FROM STDIN`, whose data follow as pieces of their own.
    pub takes_data: bool,
    /// What is wrong in it, in order; at most [`MOST_FAULTS`].
    pub faults: Vec<Fault>,
}

/// What ended a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its `;`, which is part of it.
    Semicolon,
    /// A section marker.
    Marker,
    /// A psql meta-command.
    Meta,
    /// The text's end.
    Text,
}

/// Something that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Where: the opening that is never closed, the odd character.
    pub range: Range<usize>,
}

/// The kinds of [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// This is opened and never closed.
    Unclosed(Opener),
    /// A character, outside quotes and comments, that the server rejects or that nobody can see.
    Odd(char),
    /// A carriage return without a line feed ends a `--` comment: an editor shows what follows it as comment, the
    /// server runs it.
    CarriageReturnInComment,
    /// A comment that was meant as a section marker, and is none: whether it begins its line.
    NoMarker {
        /// It is misspelled then; else it stands behind something.
        begins_line: bool,
    },
    /// Text behind a `COPY … FROM STDIN;` on the same line: its data begin on the next line.
    TextAfterCopy,
}

/// What can stay open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// `'…'` in any of its forms.
    String,
    /// `"…"`
    QuotedName,
    /// `$tag$…$tag$`
    DollarQuote,
    /// `/* … */`
    Comment,
    /// `(`: the outermost one.
    Parenthesis,
    /// `BEGIN ATOMIC … END`
    Body,
    /// The data of a `COPY`, which `\.` ends.
    CopyData,
}

/// The answer of [`Splitter::next`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next piece.
    Piece(Piece),
    /// It is not whole in this text: ask again with the same start and more text.
    More,
    /// Nothing but blanks and comments is left, and no more text will come.
    End,
}

/// A statement's faults beyond this many are not listed.
pub const MOST_FAULTS: usize = 20;

/// Finds one piece after the other; between calls it remembers only whether data of a `COPY` come next.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    in_copy_data: bool,
}

impl Splitter {
    /// The next piece of `text` at or behind byte `from`; `at_end` says that no text will follow `text`.
    ///
    /// `from` is 0 or the `next` of the piece before. A caller that drops text in front of `from` keeps at least
    /// one byte of it, where there is any: whether a marker stands at the start of a line is seen there.
    pub fn next(&mut self, text: &str, from: usize, at_end: bool) -> Step {
        if self.in_copy_data {
            return self.copy_data(text.as_bytes(), from, at_end);
        }
        match gap(text.as_bytes(), from, at_end) {
            Gap::Step(step) => step,
            Gap::Statement(start) => {
                let step = Scan::new(text, start, at_end).run();
                self.in_copy_data = matches!(&step,
                    Step::Piece(Piece { kind: PieceKind::Statement(statement), .. }) if statement.takes_data);
                step
            }
        }
    }

    /// As many whole lines of data as there are, up to the `\.`.
    fn copy_data(&mut self, text: &[u8], from: usize, at_end: bool) -> Step {
        let chunk = |end: usize, next: usize, last: bool| {
            Step::Piece(Piece { kind: PieceKind::CopyData { last }, range: from..end, next })
        };
        for found in memmem::find_iter(&text[from..], b"\\.") {
            let at = from + found;
            if at > from && text[at - 1] != b'\n' {
                continue;
            }
            let next = match &text[at + 2..] {
                [] if at_end => at + 2,
                [b'\r'] if at_end => at + 3,
                [b'\n', ..] => at + 3,
                [b'\r', b'\n', ..] => at + 4,
                _ => continue,
            };
            self.in_copy_data = false;
            return chunk(at, next, true);
        }
        if at_end {
            self.in_copy_data = false;
            let fault = Fault { kind: FaultKind::Unclosed(Opener::CopyData), range: from..text.len() };
            return Step::Piece(Piece { kind: PieceKind::Fault(fault), range: from..text.len(), next: text.len() });
        }
        match memrchr(b'\n', &text[from..]) {
            Some(length) => chunk(from + length + 1, from + length + 1, false),
            None => Step::More,
        }
    }
}

/// What stands behind blanks and comments.
enum Gap {
    /// A statement begins here.
    Statement(usize),
    /// Something else.
    Step(Step),
}

/// Passes over blanks and comments from `from`.
fn gap(text: &[u8], from: usize, at_end: bool) -> Gap {
    let piece = |kind, range: Range<usize>| {
        let next = range.end;
        Gap::Step(Step::Piece(Piece { kind, range, next }))
    };
    let fault = |kind, range: Range<usize>, next: usize| {
        let fault = Fault { kind, range: range.clone() };
        Gap::Step(Step::Piece(Piece { kind: PieceKind::Fault(fault), range: range.start..next, next }))
    };
    let mut at = from;
    loop {
        let Some(byte) = text.get(at) else {
            return Gap::Step(if at_end { Step::End } else { Step::More });
        };
        let next = text.get(at + 1);
        match CLASS[*byte as usize] {
            Class::Blank => at += 1,
            Class::Dash | Class::Slash if next.is_none() && !at_end => return Gap::Step(Step::More),
            Class::Dash if next == Some(&b'-') => {
                let end = line_comment_end(text, at);
                match comment_line_end(text, end, at_end) {
                    LineEnd::Unknown => return Gap::Step(Step::More),
                    LineEnd::Good if starts_line(text, at) && is_marker(&text[at..end]) => {
                        return piece(PieceKind::Marker, at..end);
                    }
                    LineEnd::Good if is_meant(&text[at..end]) => {
                        return fault(no_marker(text, at), at..end, end);
                    }
                    LineEnd::Good => at = end,
                    LineEnd::LoneCarriageReturn => {
                        return fault(FaultKind::CarriageReturnInComment, end..end + 1, end + 1);
                    }
                }
            }
            Class::Slash if next == Some(&b'*') => match block_comment_end(text, at) {
                End::At(end) => at = end,
                End::Beyond if at_end => {
                    return fault(FaultKind::Unclosed(Opener::Comment), at..at + 2, text.len());
                }
                End::Beyond => return Gap::Step(Step::More),
            },
            Class::Semicolon => return piece(PieceKind::Empty, at..at + 1),
            Class::Backslash => {
                return match memchr(b'\n', &text[at..]) {
                    Some(length) => piece(PieceKind::Meta, at..without_carriage_return(text, at + length)),
                    None if at_end => piece(PieceKind::Meta, at..without_carriage_return(text, text.len())),
                    None => Gap::Step(Step::More),
                };
            }
            _ => return Gap::Statement(at),
        }
    }
}

/// What is wrong with the comment at `at`, which was meant as a marker.
fn no_marker(text: &[u8], at: usize) -> FaultKind {
    FaultKind::NoMarker { begins_line: starts_line(text, at) }
}

fn without_carriage_return(text: &[u8], end: usize) -> usize {
    if text[..end].ends_with(b"\r") { end - 1 } else { end }
}

/// What ends a `--` comment.
enum LineEnd {
    /// A line feed (carriage returns before it are no harm), or the text's end.
    Good,
    /// A carriage return with text behind it.
    LoneCarriageReturn,
    /// More text will tell.
    Unknown,
}

/// What stands at `end`, where a `--` comment ends.
fn comment_line_end(text: &[u8], end: usize, at_end: bool) -> LineEnd {
    match text[end..].iter().find(|byte| **byte != b'\r') {
        Some(b'\n') => LineEnd::Good,
        None if at_end => LineEnd::Good,
        None => LineEnd::Unknown,
        Some(_) => LineEnd::LoneCarriageReturn,
    }
}

/// What the words so far say of a statement, as far as its end depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    None,
    Create,
    CreateOr,
    CreateOrReplace,
    /// `CREATE [OR REPLACE] FUNCTION` or `PROCEDURE`: the only statements with a `BEGIN ATOMIC` body.
    Routine,
    Copy,
    CopyFrom,
    CopyFromStdin,
    Other,
}

/// The token before, as far as it matters in [`Words::Routine`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Previous {
    Begin,
    As,
    /// A `.` before a name.
    Dot,
    /// Digits, whose `.` is no such.
    Number,
    /// `CASE`, of which the next token tells what it is.
    Case,
    /// What a statement of the body stands behind: `ATOMIC` or a `;`.
    Start,
    Other,
}

/// Words and symbols that follow a column's label. All the words are reserved, so no expression begins with one.
const BEHIND_LABEL: [&str; 19] = [
    "from",
    "into",
    "where",
    "group",
    "having",
    "window",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "union",
    "intersect",
    "except",
    "on",
    "returning",
    "with",
    // The next element of a `CREATE SCHEMA`.
    "create",
    "grant",
];

/// The scan of one statement.
struct Scan<'t> {
    text: &'t str,
    at_end: bool,
    start: usize,
    /// Behind the last token so far.
    last: usize,
    /// Open parentheses, and where the outermost stands.
    depth: usize,
    opened: usize,
    words: Words,
    previous: Previous,
    /// Open `BEGIN ATOMIC`, and where the outermost stands.
    body_depth: usize,
    body_opened: usize,
    /// Open `CASE` in the body's statement.
    cases: usize,
    /// The body's statement is a `CREATE`: only such a one may have a body in it.
    creates: bool,
    faults: Vec<Fault>,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str, start: usize, at_end: bool) -> Self {
        Self {
            text,
            at_end,
            start,
            last: start,
            depth: 0,
            opened: 0,
            words: Words::None,
            previous: Previous::Other,
            body_depth: 0,
            body_opened: 0,
            cases: 0,
            creates: false,
            faults: Vec::new(),
        }
    }

    fn run(mut self) -> Step {
        let text = self.text.as_bytes();
        let mut at = self.start;
        while let Some(byte) = text.get(at) {
            let end = match CLASS[*byte as usize] {
                Class::Blank => {
                    at += 1;
                    continue;
                }
                Class::Plain => End::At(at + 1),
                Class::Digit => End::At(digits_end(text, at)),
                Class::Word => {
                    if matches!(byte, b'e' | b'E') && text.get(at + 1) == Some(&b'\'') {
                        self.quoted(escape_quote_end(text, at + 1, self.at_end), Opener::String, at + 1)
                    } else {
                        let (end, ascii) = word_end(text, at);
                        if !ascii {
                            self.odd_characters(at, end);
                        }
                        if self.words != Words::Other {
                            self.word(at, end);
                        }
                        at = end;
                        self.last = end;
                        continue;
                    }
                }
                Class::Quote => self.quoted(quote_end(text, at), Opener::String, at),
                Class::DoubleQuote => self.quoted(quote_end(text, at), Opener::QuotedName, at),
                Class::Dollar => match dollar_delimiter(text, at) {
                    None => End::At(at + 1),
                    Some(End::At(delimiter)) => {
                        let fault_end = delimiter;
                        match dollar_quote_end(text, at, delimiter) {
                            End::Beyond => {
                                self.unclosed(Opener::DollarQuote, at..fault_end);
                                End::Beyond
                            }
                            end => end,
                        }
                    }
                    // A `$` and a word at the very end of the text are no delimiter.
                    Some(End::Beyond) if self.at_end => End::At(at + 1),
                    Some(End::Beyond) => End::Beyond,
                },
                Class::Dash if text.get(at + 1) == Some(&b'-') => {
                    let end = line_comment_end(text, at);
                    match comment_line_end(text, end, self.at_end) {
                        LineEnd::Unknown => return Step::More,
                        LineEnd::Good if starts_line(text, at) && is_marker(&text[at..end]) => {
                            return self.ended(Ending::Marker, at);
                        }
                        LineEnd::Good if is_meant(&text[at..end]) => self.fault(no_marker(text, at), at..end),
                        LineEnd::Good => {}
                        LineEnd::LoneCarriageReturn => self.fault(FaultKind::CarriageReturnInComment, end..end + 1),
                    }
                    at = end;
                    continue;
                }
                Class::Slash if text.get(at + 1) == Some(&b'*') => match block_comment_end(text, at) {
                    End::At(end) => {
                        at = end;
                        continue;
                    }
                    End::Beyond => {
                        self.unclosed(Opener::Comment, at..at + 2);
                        End::Beyond
                    }
                },
                Class::Dash | Class::Slash => End::At(at + 1),
                Class::Open => {
                    if self.depth == 0 {
                        self.opened = at;
                    }
                    self.depth += 1;
                    End::At(at + 1)
                }
                Class::Close => {
                    self.depth = self.depth.saturating_sub(1);
                    End::At(at + 1)
                }
                Class::Semicolon => {
                    self.last = at + 1;
                    if self.depth == 0 && self.body_depth == 0 {
                        return if self.words == Words::CopyFromStdin {
                            self.copy(at + 1)
                        } else {
                            self.ended(Ending::Semicolon, at + 1)
                        };
                    }
                    End::At(at + 1)
                }
                Class::Backslash => return self.ended(Ending::Meta, at),
                Class::Control => {
                    self.fault(FaultKind::Odd(char::from(*byte)), at..at + 1);
                    End::At(at + 1)
                }
            };
            match end {
                End::At(end) => {
                    match self.words {
                        Words::Routine => self.routine_symbol(at),
                        // What begins with a symbol is no `CREATE` and no `COPY`, and behind FROM one is no STDIN.
                        Words::None | Words::CopyFrom => self.words = Words::Other,
                        _ => {}
                    }
                    at = end;
                    self.last = end;
                }
                End::Beyond if self.at_end => {
                    self.last = text.len();
                    return self.piece(Ending::Text, text.len());
                }
                End::Beyond => return Step::More,
            }
        }
        if self.at_end { self.ended(Ending::Text, text.len()) } else { Step::More }
    }

    /// The end of a quote that was opened at `at`; one that stays open is a fault.
    fn quoted(&mut self, end: End, opener: Opener, at: usize) -> End {
        if end == End::Beyond {
            self.unclosed(opener, at..at + 1);
        }
        end
    }

    fn unclosed(&mut self, opener: Opener, range: Range<usize>) {
        // It ends the statement, so it is never one too many.
        self.faults.push(Fault { kind: FaultKind::Unclosed(opener), range });
    }

    fn fault(&mut self, kind: FaultKind, range: Range<usize>) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { kind, range });
        }
    }

    #[cold]
    fn odd_characters(&mut self, from: usize, end: usize) {
        for (offset, character) in self.text[from..end].char_indices() {
            if is_odd(character) {
                let at = from + offset;
                self.fault(FaultKind::Odd(character), at..at + character.len_utf8());
            }
        }
    }

    /// Takes note of the word `from..end`.
    fn word(&mut self, from: usize, end: usize) {
        let word = &self.text[from..end];
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let routine = || if is("function") || is("procedure") { Words::Routine } else { Words::Other };
        self.words = match self.words {
            Words::None if is("create") => Words::Create,
            Words::None if is("copy") => Words::Copy,
            Words::Create if is("or") => Words::CreateOr,
            Words::CreateOr if is("replace") => Words::CreateOrReplace,
            Words::Create | Words::CreateOrReplace => routine(),
            Words::None | Words::CreateOr | Words::Other => Words::Other,
            // FROM is reserved: the first one outside parentheses is the clause.
            Words::Copy if self.depth == 0 && is("from") => Words::CopyFrom,
            // The grammar takes STDOUT there, too.
            Words::CopyFrom if is("stdin") || is("stdout") => Words::CopyFromStdin,
            Words::CopyFrom => Words::Other,
            words @ (Words::Copy | Words::CopyFromStdin) => words,
            Words::Routine => {
                self.routine_word(from, end);
                Words::Routine
            }
        };
    }

    /// Takes note of a word of a routine, outside parentheses: what stands in those is balanced and opens no body.
    ///
    /// `CASE` and `END` are reserved, and may be a column's label all the same. A label is followed by what can begin no
    /// expression, and `CASE` by an expression or `WHEN`. An `END` closes a `CASE` where one is open, since no column
    /// list fits into it without parentheses; else it closes the body where a statement could begin, and is a label
    /// where none could.
    fn routine_word(&mut self, from: usize, end: usize) {
        let word = &self.text[from..end];
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let previous = std::mem::replace(&mut self.previous, Previous::Other);
        if self.depth > 0 {
            return;
        }
        if previous == Previous::Case && !BEHIND_LABEL.iter().any(|keyword| is(keyword)) {
            self.cases += 1;
        }
        if previous == Previous::Start {
            self.creates = is("create");
        }
        if matches!(previous, Previous::As | Previous::Dot) {
            return;
        }
        if is("as") {
            self.previous = Previous::As;
        } else if is("begin") {
            self.previous = Previous::Begin;
        } else if previous == Previous::Begin && is("atomic") && (self.body_depth == 0 || self.creates) {
            if self.body_depth == 0 {
                self.body_opened = from;
            }
            self.body_depth += 1;
            self.previous = Previous::Start;
        } else if self.body_depth > 0 && is("case") {
            self.previous = Previous::Case;
        } else if self.body_depth > 0 && is("end") {
            if self.cases > 0 {
                self.cases -= 1;
            } else if previous == Previous::Start {
                self.body_depth -= 1;
            }
        }
    }

    /// Takes note of a token of a routine that is no word.
    fn routine_symbol(&mut self, at: usize) {
        let text = self.text.as_bytes();
        let byte = text[at];
        if self.previous == Previous::Case && !matches!(byte, b',' | b';') {
            self.cases += 1;
        }
        self.previous = match byte {
            b';' if self.depth == 0 => {
                // A `CASE` that is still open is an error, which the server will explain.
                self.cases = 0;
                Previous::Start
            }
            b'.' if self.previous != Previous::Number => Previous::Dot,
            // `$1` is no number: a name may follow its dot.
            b'0'..=b'9' if at == 0 || text[at - 1] != b'$' => Previous::Number,
            _ => Previous::Other,
        };
    }

    /// The end of a `COPY … FROM STDIN;`: its data begin behind the line end.
    fn copy(mut self, from: usize) -> Step {
        let text = self.text.as_bytes();
        let Some(length) = memchr(b'\n', &text[from..]) else {
            if !self.at_end {
                return Step::More;
            }
            self.fault(FaultKind::Unclosed(Opener::CopyData), self.start..from);
            return self.piece(Ending::Semicolon, text.len());
        };
        let rest = &text[from..from + length];
        if let Some(blanks) = rest.iter().position(|byte| CLASS[*byte as usize] != Class::Blank) {
            let end = from + rest.trim_ascii_end().len();
            if !rest[blanks..].starts_with(b"--") {
                self.fault(FaultKind::TextAfterCopy, from + blanks..end);
            } else if is_meant(&rest[blanks..]) {
                self.fault(no_marker(text, from + blanks), from + blanks..end);
            }
        }
        self.piece(Ending::Semicolon, from + length + 1)
    }

    /// The statement, ended by `ending` at `next`; whatever is still open is a fault.
    fn ended(mut self, ending: Ending, next: usize) -> Step {
        if self.depth > 0 {
            self.unclosed(Opener::Parenthesis, self.opened..self.opened + 1);
        } else if self.body_depth > 0 {
            self.unclosed(Opener::Body, self.body_opened..self.body_opened + "atomic".len());
        } else if self.words == Words::CopyFromStdin {
            // Without its `;` no data can follow.
            self.unclosed(Opener::CopyData, self.start..self.last);
        }
        self.piece(ending, next)
    }

    fn piece(self, ending: Ending, next: usize) -> Step {
        let closed = !self.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Unclosed(_)));
        let takes_data = self.words == Words::CopyFromStdin && ending == Ending::Semicolon && closed;
        let statement = Statement { ending, takes_data, faults: self.faults };
        Step::Piece(Piece { kind: PieceKind::Statement(statement), range: self.start..self.last, next })
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
