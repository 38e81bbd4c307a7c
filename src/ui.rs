//! The terminal: results to standard output, everything else to standard error.
//!
//! No other module prints. Quiet and verbose are decided here, so no command asks. Colour follows standard error
//! (anstream: `NO_COLOR`, `CLICOLOR_FORCE`, pipes); results have none, and reach standard output byte by byte. A closed
//! pipe there is no error; a full disk is, and is told by [`Ui::finish`], so that it never changes what became of a database.

mod log_line;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Padding, Renderer, Snippet};
use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, tcflush};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorView, Result};
use crate::secret::Covers;
use crate::source::Excerpt;

pub use log_line::{LogFormat, LogLevel, refusal};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// How much to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Volume {
    /// `-q`: no chatter. Results, warnings and errors stay.
    pub quiet: bool,
    /// `-v`: also what usually goes without saying.
    pub verbose: bool,
}

/// Where a command speaks.
pub struct Ui {
    volume: Volume,
    /// For whom standard error is written.
    format: LogFormat,
    /// Whether nothing is said and shown at all.
    silent: bool,
    /// Whether standard error shows colours.
    coloured: bool,
    /// The options that a command in a hint needs as well, to mean the same project.
    options: String,
    /// What standard error must not show.
    covers: RefCell<Covers>,
    /// What each event says beside its own fields.
    known: RefCell<Map<String, Value>>,
    clock: Clock,
    out: RefCell<Output>,
    bar: RefCell<Option<ProgressBar>>,
}

/// Tells the time of an event.
type Clock = Box<dyn Fn() -> DateTime<Utc>>;

struct Output {
    stream: BufWriter<Box<dyn Write>>,
    failure: Option<io::Error>,
}

impl Output {
    /// Writes, unless that failed before: a full buffer would be tried again with each line.
    fn write(&mut self, write: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write(&mut self.stream).err();
        }
    }
}

impl Ui {
    /// A user interface on the process's own streams. `options`, as a shell takes them, stand in each command of a hint: what was
    /// given to this run is needed by the next. `clock` tells when events were.
    #[must_use]
    pub fn new(volume: Volume, options: String, clock: impl Fn() -> DateTime<Utc> + 'static) -> Self {
        // Results hold no colours, so nothing needs to be taken out of them.
        let stream = BufWriter::with_capacity(64 * 1024, Box::new(io::stdout()) as Box<dyn Write>);
        let coloured = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        let out = RefCell::new(Output { stream, failure: None });
        let format = LogFormat::Text;
        Self {
            volume,
            format,
            silent: false,
            coloured,
            options,
            covers: RefCell::default(),
            known: RefCell::default(),
            clock: Box::new(clock),
            out,
            bar: RefCell::new(None),
        }
    }

    /// One that says nothing, shows nothing and asks nobody: for a program that uses the tool as a library.
    #[must_use]
    pub fn silent() -> Self {
        let stream = BufWriter::new(Box::new(io::sink()) as Box<dyn Write>);
        let out = RefCell::new(Output { stream, failure: None });
        // No event is written, so none has a time.
        Self { silent: true, coloured: false, out, ..Self::new(Volume::default(), String::new(), DateTime::default) }
    }

    /// The same, where standard error shows nothing of what `covers` hides.
    #[must_use]
    pub fn covering(mut self, covers: Covers) -> Self {
        self.covers = RefCell::new(covers);
        self
    }

    /// The same, where standard error is written for these.
    #[must_use]
    pub fn logging(mut self, format: LogFormat) -> Self {
        self.format = format;
        self
    }

    /// Whether standard error is written for programs.
    #[must_use]
    pub fn is_for_programs(&self) -> bool {
        self.format == LogFormat::Json
    }

    /// Whether what happens meanwhile is not shown: `-q`, or nobody is there to see it.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.volume.quiet || self.silent
    }

    /// From here on standard error shows nothing of these texts either; each stands with what is shown for it.
    pub fn cover(&self, texts: impl IntoIterator<Item = (String, String)>) {
        self.covers.borrow_mut().extend(texts);
    }

    /// From here on each event has this field too, unless it says something else there.
    pub fn know(&self, field: &str, value: &str) {
        self.known.borrow_mut().insert(field.to_owned(), value.into());
    }

    /// Whether this is [`Ui::silent`].
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether `-v` was given.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.volume.verbose
    }

    /// Whether a person is there to be asked: standard input is a terminal, wherever standard error goes.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        !self.silent && io::stdin().is_terminal() && (self.is_read_at_once() || screen().is_some())
    }

    /// Whether what is written to standard error stands before a person's eyes.
    fn is_read_at_once(&self) -> bool {
        !self.is_for_programs() && io::stderr().is_terminal()
    }

    /// Writes one line of the result. What it quotes of a database or a file cannot act on a terminal.
    pub fn line(&self, text: impl Display) {
        let text = text.to_string();
        let text = visible(&text, false);
        self.out.borrow_mut().write(|stream| writeln!(stream, "{text}"));
    }

    /// Writes a part of the result as it is, escape characters and all.
    pub fn raw(&self, text: &str) {
        self.out.borrow_mut().write(|stream| stream.write_all(text.as_bytes()));
    }

    /// Writes the result as one JSON document, indented, with a final newline.
    pub fn json(&self, value: &impl Serialize) {
        self.out.borrow_mut().write(|stream| {
            serde_json::to_writer_pretty(&mut *stream, value)?;
            stream.write_all(b"\n")
        });
    }

    /// Says what is being done or was done; `-q` hides it.
    pub fn status(&self, text: impl Display) {
        self.tell(LogLevel::Info, "status", &text.to_string());
    }

    /// Tells programs what happened, with `fields` that are an object; of people nobody hears it.
    pub fn event(&self, level: LogLevel, event: &str, message: impl Display, fields: &impl Serialize) {
        let hidden = match level {
            LogLevel::Debug => self.volume.quiet || !self.volume.verbose,
            LogLevel::Info => self.volume.quiet,
            LogLevel::Warning | LogLevel::Error => false,
        };
        if hidden || !self.is_for_programs() {
            return;
        }
        let message = strip_str(&message.to_string()).to_string();
        let fields = serde_json::to_value(fields).unwrap_or_default();
        let known = self.known.borrow().clone();
        let mut line = Value::Object(log_line::document((self.clock)(), level, event, message, known, fields));
        self.make_fit(&mut line);
        // A line break inside a text is escaped: an event stays one line.
        self.write(&format!("{line}\n"));
    }

    /// Says something to whoever listens, in their form.
    fn tell(&self, level: LogLevel, event: &str, text: &str) {
        match self.format {
            LogFormat::Json => self.event(level, event, text, &Value::Null),
            LogFormat::Text if self.volume.quiet && level == LogLevel::Info => {}
            LogFormat::Text => self.say(text),
        }
    }

    /// Says that something ended well: its verb in green.
    pub fn done(&self, verb: &str, text: impl Display) {
        self.status(format_args!("{GOOD}{verb}{GOOD:#} {text}"));
    }

    /// Says what only `-v` asks for.
    pub fn detail(&self, text: impl Display) {
        match self.format {
            LogFormat::Json => self.event(LogLevel::Debug, "detail", text, &Value::Null),
            LogFormat::Text if self.volume.verbose => self.status(format_args!("{DIM}{text}{DIM:#}")),
            LogFormat::Text => {}
        }
    }

    /// Warns; `-q` does not hide it.
    pub fn warning(&self, text: impl Display) {
        match self.format {
            LogFormat::Json => self.event(LogLevel::Warning, "warning", text, &Value::Null),
            LogFormat::Text => self.say(&format!("{WARNING}warning{WARNING:#}: {text}")),
        }
    }

    /// Names the next thing to do; `-q` hides it.
    pub fn hint(&self, text: impl Display) {
        let text = with_options(&text.to_string(), &self.options);
        match self.format {
            LogFormat::Json => self.event(LogLevel::Info, "hint", text, &Value::Null),
            LogFormat::Text => self.status(format_args!("{HINT}hint{HINT:#}: {text}")),
        }
    }

    /// Draws an error, and those found beside it; of many, the first few.
    pub fn error(&self, error: &Error) {
        const SHOWN: usize = 10;
        if self.is_for_programs() {
            return self.event(LogLevel::Error, "error", error.title(), &ErrorView::from(error));
        }
        let draw = |error| draw(error, self.coloured, &self.options);
        self.say(&draw(error));
        for other in error.others().iter().take(SHOWN - 1) {
            self.say(&format!("\n{}", draw(other)));
        }
        if error.others().len() >= SHOWN {
            self.say(&format!("\nand {} more errors", error.others().len() + 1 - SHOWN));
        }
    }

    /// An error for programs, in the words that standard error would show: without what must not be seen, and with hints for this
    /// project.
    #[must_use]
    pub fn error_view(&self, error: &Error) -> Value {
        let mut view = serde_json::to_value(ErrorView::from(error)).unwrap_or_default();
        self.make_fit(&mut view);
        view
    }

    /// `text` without what standard error must not show.
    #[must_use]
    pub fn covered(&self, text: String) -> String {
        self.covers.borrow().cover(text)
    }

    /// Takes out of a document what standard error must not show, and completes the commands of its hints.
    fn make_fit(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.covered(std::mem::take(text)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.make_fit(item)),
            Value::Object(fields) => {
                for hint in fields.get_mut("hints").and_then(Value::as_array_mut).into_iter().flatten() {
                    *hint = with_options(hint.as_str().unwrap_or_default(), &self.options).into();
                }
                fields.values_mut().for_each(|value| self.make_fit(value));
            }
            _ => {}
        }
    }

    /// Says what is wrong with the command line, in the words of whoever read it.
    pub fn refusal(&self, text: impl Display) {
        let text = text.to_string();
        if self.is_for_programs() {
            return self.error(&refusal(&text));
        }
        self.say(text.trim_end_matches('\n'));
    }

    /// Says what a question is about; `-q` does not hide it. What would move the cursor is shown as what it is: a name must not
    /// write over what stands before it.
    pub fn question(&self, text: impl Display) {
        let text = visible(&text.to_string(), false).replace('\n', "\\n");
        self.tell(LogLevel::Warning, "question", &text);
        if !self.is_read_at_once() {
            self.show(&format!("{}\n", self.covered(text)));
        }
    }

    /// Shows something to the person who is asked, though standard error goes elsewhere.
    fn show(&self, text: &str) {
        if let Some(mut screen) = screen() {
            let _ = screen.write_all(text.as_bytes());
        }
    }

    /// Asks as [`Ui::ask`] does, until `wake` can be read: then the answer is none.
    ///
    /// # Errors
    /// Standard input cannot be read.
    pub fn ask_unless(&self, question: impl Display, wake: Option<&OwnedFd>) -> Result<Option<String>> {
        let Some(wake) = wake else { return self.ask(question).map(Some) };
        self.prompt(question);
        let stdin = io::stdin();
        loop {
            // A terminal hands over whole lines.
            let mut files = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
            match poll(&mut files, None) {
                Ok(_) if !files[1].revents().is_empty() => {
                    self.say("");
                    return Ok(None);
                }
                Ok(_) if !files[0].revents().is_empty() => return answer().map(Some),
                Ok(_) | Err(Errno::INTR) => {}
                Err(cause) => return Err(Error::failed("cannot wait for an answer").cause(cause)),
            }
        }
    }

    /// Asks a question and returns the typed line without its end; empty at the end of the input.
    ///
    /// # Errors
    /// Standard input cannot be read.
    pub fn ask(&self, question: impl Display) -> Result<String> {
        self.prompt(question);
        answer()
    }

    /// What was typed before the question is seen is no answer to it.
    fn prompt(&self, question: impl Display) {
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        self.flush();
        let question = format!("{question} ");
        if !self.is_read_at_once() {
            return self.show(&question);
        }
        let mut stream = anstream::stderr();
        let _ = stream.write_all(question.as_bytes());
        let _ = stream.flush();
    }

    /// Shows a progress bar of `total` steps until [`Ui::end_progress`]; only at a terminal, and only where it helps.
    pub fn begin_progress(&self, total: usize) {
        if self.silent || self.is_for_programs() || self.volume.quiet || total < 2 || !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.bar.borrow_mut() = Some(bar);
    }

    /// Tells the progress bar, if one is shown, what runs now.
    pub fn progress_message(&self, text: impl Display) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.set_message(visible(&text.to_string(), false).into_owned());
        }
    }

    /// Moves the progress bar, if one is shown, one step on.
    pub fn progress_step(&self) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.inc(1);
        }
    }

    /// Takes the progress bar away.
    pub fn end_progress(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Hands everything written so far to standard output.
    pub fn flush(&self) {
        self.out.borrow_mut().write(Write::flush);
    }

    /// Ends the output.
    ///
    /// # Errors
    /// Standard output could not be written (a full disk, say). A reader that went away (`| head`) is no error.
    pub fn finish(&self) -> Result<()> {
        self.end_progress();
        self.flush();
        match self.out.borrow_mut().failure.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::failed("cannot write to standard output").cause(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a line to standard error in one piece, after all results before it, above the progress bar.
    fn say(&self, text: &str) {
        let text = &self.covered(text.to_owned());
        let text = if self.coloured { Cow::Borrowed(text.as_str()) } else { strip_str(text).to_string().into() };
        self.write(&format!("{}\n", visible(&text, true)));
    }

    fn write(&self, line: &str) {
        if self.silent {
            return;
        }
        self.flush();
        let write = || _ = io::stderr().write_all(line.as_bytes());
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// The terminal that standard input is, to be written to.
fn screen() -> Option<std::fs::File> {
    let name = rustix::termios::ttyname(io::stdin(), Vec::new()).ok()?;
    std::fs::File::options().write(true).open(name.to_str().ok()?).ok()
}

/// A line of standard input, without its end.
fn answer() -> Result<String> {
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|cause| Error::failed("cannot read the answer from standard input").cause(cause))?;
    Ok(answer.trim_end_matches(['\n', '\r']).to_owned())
}

/// `hint` with `options` in each command of the tool's own, but for those on another project: `init`, and what stands behind
/// a `cd`.
fn with_options(hint: &str, options: &str) -> String {
    const NAME: &str = "aludel ";
    let mut text = String::with_capacity(hint.len());
    let mut rest = hint;
    while let Some(at) = rest.find(NAME) {
        let (before, after) = rest.split_at(at + NAME.len());
        text.push_str(before);
        let place = before[..at].chars().next_back();
        let command = place.is_none_or(|character| " `(".contains(character))
            && after.starts_with(|c: char| c.is_ascii_lowercase());
        if command && !options.is_empty() && !after.starts_with("init") && !before[..at].ends_with("&& ") {
            text.push_str(options);
            text.push(' ');
        }
        rest = after;
    }
    text + rest
}

/// `text` with what would move a terminal's cursor, name its window or turn the direction of writing, escaped; `colours` may stay.
fn visible(text: &str, colours: bool) -> Cow<'_, str> {
    let turns =
        |character| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let acts = |character: char| (character.is_control() && !matches!(character, '\n' | '\t')) || turns(character);
    if !text.contains(acts) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find(acts) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let colour = rest.strip_prefix("\u{1b}[").and_then(|rest| {
            let end = rest.find(|character: char| !matches!(character, '0'..='9' | ';'))?;
            rest[end..].starts_with('m').then_some("\u{1b}[".len() + end + 1)
        });
        let length = match colour.filter(|_| colours) {
            Some(length) => {
                shown.push_str(&rest[..length]);
                length
            }
            None => {
                let character = rest.chars().next().unwrap_or_default();
                shown.extend(character.escape_default());
                character.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    shown.push_str(rest);
    shown.into()
}

/// `error` as lines for a terminal, coloured or plain, without the final newline; `options` stand in its hints' commands.
#[must_use]
pub fn draw(error: &Error, coloured: bool, options: &str) -> String {
    let hints: Vec<String> = error.hints().iter().map(|hint| with_options(hint, options)).collect();
    let title = Level::ERROR.primary_title(error.title());
    let title = match error.sqlstate() {
        Some(code) => title.id(code),
        None => title,
    };
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
    let mut group = Group::with_title(title);
    if error.excerpts().is_empty() {
        // Without a place the gutter would hang in the air.
        let mut drawn = renderer.render(&[group]);
        for note in error.notes() {
            drawn.push_str(&format!("\nnote: {note}"));
        }
        for hint in &hints {
            drawn.push_str(&if coloured { format!("\n{HINT}hint{HINT:#}: {hint}") } else { format!("\nhint: {hint}") });
        }
        return drawn;
    }
    for excerpt in error.excerpts() {
        group = draw_excerpt(group, excerpt);
    }
    let notes = error.notes();
    if !(notes.is_empty() && hints.is_empty()) {
        group = group.element(Padding);
    }
    for note in &notes {
        group = group.element(Level::NOTE.message(note));
    }
    for hint in &hints {
        group = group.element(Level::HELP.with_name("hint").message(hint));
    }
    renderer.render(&[group])
}

fn draw_excerpt<'a>(group: Group<'a>, excerpt: &'a Excerpt) -> Group<'a> {
    let mark = AnnotationKind::Primary.span(excerpt.mark.clone()).label(excerpt.label.as_deref());
    let snippet = Snippet::source(excerpt.line.as_str()).line_start(excerpt.place.line).annotation(mark);
    let shown_column = excerpt.line[..excerpt.mark.start].chars().count() + 1;
    if shown_column == excerpt.place.column {
        return group.element(snippet.path(excerpt.path.as_str()));
    }
    // The line was cut, and the renderer would count the column in what is left of it.
    let origin = Origin::path(excerpt.path.as_str()).line(excerpt.place.line).char_column(excerpt.place.column);
    group.element(origin).element(snippet)
}

/// `count` with its noun in the right number: `1 revision`, `3 revisions`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A duration as a person reads it: `3 ms`, `1.24 s`, `5 min`, `2 min 5 s`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let milliseconds = time.as_millis();
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => {
            let seconds = format!("{:.2}", time.as_secs_f64());
            format!("{} s", seconds.strip_suffix(".00").unwrap_or(&seconds))
        }
        _ if (milliseconds / 1_000).is_multiple_of(60) => format!("{} min", milliseconds / 60_000),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_drawn_with_its_place_notes_and_hints() {
        let text = "CREATE TABLE a ();\nCREATE TABLE ñ x;\n";
        let at = text.find('x').unwrap();
        let error = Error::failed("syntax error at or near \"x\"")
            .code("42601")
            .at(Excerpt::new("versions/1.sql", text, at..at + 1, 1).label("here"))
            .note("nothing of revision `1` was kept")
            .hint("mend the file and run `aludel upgrade head` again");
        snapbox::assert_data_eq!(
            draw(&error, false, ""),
            snapbox::str![[r#"
error[42601]: syntax error at or near "x"
 --> versions/1.sql:2:16
  |
2 | CREATE TABLE ñ x;
  |                ^ here
  |
  = note: nothing of revision `1` was kept
  = hint: mend the file and run `aludel upgrade head` again
"#]]
        );
    }

    #[test]
    fn a_cut_line_keeps_its_column() {
        let text = format!("{}HERE{}", "x".repeat(1000), "y".repeat(1000));
        let drawn = draw(&Error::failed("long").at(Excerpt::new("f", &text, 1000..1004, 7)), false, "");
        assert!(drawn.contains("f:7:1001"), "{drawn}");
    }

    #[test]
    fn what_a_database_says_does_not_act_on_a_terminal() {
        for (text, line, said) in [
            ("äß \"a b\" 名", "äß \"a b\" 名", "äß \"a b\" 名"),
            ("a\u{202e}b", "a\\u{202e}b", "a\\u{202e}b"),
            ("two\n\tlines, ñ", "two\n\tlines, ñ", "two\n\tlines, ñ"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("\u{1b}]0;title\u{7}\r\u{9b}1m", "\\u{1b}]0;title\\u{7}\\r\\u{9b}1m", "\\u{1b}]0;title\\u{7}\\r\\u{9b}1m"),
            (
                "\u{1b}[1;32mgreen\u{1b}[0m\u{1b}[",
                "\\u{1b}[1;32mgreen\\u{1b}[0m\\u{1b}[",
                "\u{1b}[1;32mgreen\u{1b}[0m\\u{1b}[",
            ),
        ] {
            assert_eq!((visible(text, false), visible(text, true)), (line.into(), said.into()));
        }
    }

    #[test]
    fn an_error_without_a_place_is_short() {
        let error = Error::failed("no url").note("n").hint("h");
        assert_eq!(draw(&error, false, ""), "error: no url\nnote: n\nhint: h");
    }

    #[test]
    fn a_command_in_a_hint_is_given_the_options_of_this_one() {
        for (hint, with) in [
            ("aludel upgrade head", "aludel -n x upgrade head"),
            ("see `aludel heads`, then: aludel stamp 1", "see `aludel -n x heads`, then: aludel -n x stamp 1"),
            ("type `aludel init`", "type `aludel init`"),
            ("cd shop && aludel revision -m \"a\"", "cd shop && aludel revision -m \"a\""),
            ("versions/my_aludel upgrade.sql", "versions/my_aludel upgrade.sql"),
            ("aludel 0.1.0 made it", "aludel 0.1.0 made it"),
        ] {
            assert_eq!(with_options(hint, "-n x"), with);
            assert_eq!(with_options(hint, ""), hint);
        }
    }
}
