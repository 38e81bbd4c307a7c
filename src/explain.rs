//! The sentences for what the model found wrong: its errors are data, and here alone they become words, places and hints.

mod repeatable;

pub use self::repeatable::repeatables;
use crate::error::{Error, Kind};
use crate::model::bookkeeping::Action;
use crate::model::graph::{Edge, Graph, GraphError, Node};
use crate::model::header::Key;
use crate::model::journal::{Begun, Progress, State, Stuck};
use crate::model::plan::{Direction, PlanError};
use crate::model::program::Again;
use crate::model::range::RangeSyntaxError;
use crate::model::revision::Name;
use crate::model::sql::marker::{MarkerKind, MarkerProblem};
use crate::model::sql::problem::{BodyError, MetaPurpose, Problem};
use crate::model::sql::split::Opener;
use crate::model::target::{Point, Target, TargetSyntaxError, Walk};
use crate::project::LoadedFile;
use crate::ui::counted;

/// Several errors as one.
#[must_use]
pub fn several(errors: Vec<Error>) -> Error {
    Error::all(errors).unwrap_or_else(|| Error::failed("something is wrong, and nothing says what"))
}

/// What is wrong with a graph, each fault with the places in the files.
#[must_use]
pub fn graph(errors: &[GraphError], files: &[LoadedFile], ids: &[Name]) -> Error {
    several(errors.iter().map(|error| GraphFiles { files, ids }.explain(error)).collect())
}

struct GraphFiles<'a> {
    files: &'a [LoadedFile],
    ids: &'a [Name],
}

impl GraphFiles<'_> {
    fn id(&self, node: Node) -> &Name {
        &self.ids[node.index()]
    }

    fn path(&self, node: Node) -> String {
        self.files[node.index()].path.display().to_string()
    }

    /// `error` with the place where a file names `other`, by its id or a label of its; else the file's name.
    fn at_needed(&self, error: Error, node: Node, keys: &[Key], other: Node) -> Error {
        let labels = self.files[other.index()].labels();
        let names = std::iter::once(self.id(other)).chain(&labels);
        let mut places = names.flat_map(|name| keys.iter().map(move |key| (*key, name)));
        match places.find_map(|(key, name)| self.files[node.index()].excerpt(key, Some(name.as_str()))) {
            Some(excerpt) => error.at(excerpt),
            None => error.note(format!("in {}", self.path(node))),
        }
    }

    /// `error` with the place where a file says `key`; where the file cannot be read any more, its name.
    fn at(&self, error: Error, node: Node, key: Key, name: Option<&str>) -> Error {
        match self.files[node.index()].excerpt(key, name) {
            Some(excerpt) => error.at(excerpt),
            None => error.note(format!("in {}", self.path(node))),
        }
    }

    fn at_each(&self, error: Error, nodes: &[Node], key: Key, name: Option<&str>) -> Error {
        nodes.iter().fold(error, |error, node| self.at(error, *node, key, name))
    }

    fn nearest(&self, name: &Name) -> Option<String> {
        let known = self.ids.iter().map(Name::as_str);
        crate::nearest::nearest(name.as_str(), known).map(|near| format!("did you mean `{near}`?"))
    }

    fn explain(&self, error: &GraphError) -> Error {
        match error {
            GraphError::UnknownParent { revision, parent } => {
                let error = Error::failed(format!(
                    "revision {} has a parent that no file defines: `{parent}`",
                    self.id(*revision)
                ));
                let error = self.at(error, *revision, Key::Parents, Some(parent.as_str()));
                error.hint(
                    self.nearest(parent).unwrap_or_else(|| "add the missing file, or name another parent".to_owned()),
                )
            }
            GraphError::UnknownDependency { revision, dependency } => {
                let error = Error::failed(format!(
                    "revision {} depends on something that no file defines: `{dependency}`",
                    self.id(*revision)
                ));
                let error = self.at(error, *revision, Key::DependsOn, Some(dependency.as_str()));
                error.hint(
                    self.nearest(dependency).unwrap_or_else(|| "write an id or a label that a file defines".to_owned()),
                )
            }
            GraphError::DuplicateId { revisions } => {
                let id = self.id(revisions[0]);
                let error = Error::failed(format!("{} have the id `{id}`", counted(revisions.len(), "file")));
                self.at_each(error, revisions, Key::Revision, None)
                    .hint("give one of them another id; if they came from two branches, keep the one that is applied")
            }
            GraphError::IdsDifferInCase { revisions } => {
                let ids: Vec<String> = revisions.iter().map(|node| format!("`{}`", self.id(*node))).collect();
                let error = Error::failed(format!("ids that differ only in case: {}", ids.join(", ")));
                self.at_each(error, revisions, Key::Revision, None).hint("give all but one of them another id")
            }
            GraphError::DuplicateLabel { label, revisions } => {
                let error = Error::failed(format!("the label `{label}` is given more than once"));
                self.at_each(error, revisions, Key::Labels, Some(label.as_str()))
                    .hint("a label names one branch: keep it on that branch's first revision")
            }
            GraphError::LabelIsId { label, labelled, named } if labelled == named => {
                let error = Error::failed(format!("`{label}` is the id of a revision and its label as well"));
                self.at(error, *labelled, Key::Labels, Some(label.as_str()))
                    .hint("take the label out: the id alone does all that it would")
            }
            GraphError::LabelIsId { label, labelled, named } => {
                let error = Error::failed(format!("`{label}` is the label of one revision and the id of another"));
                let error = self.at(error, *labelled, Key::Labels, Some(label.as_str()));
                self.at(error, *named, Key::Revision, None).hint("give the label another name")
            }
            GraphError::SelfLoop { revision, edge } => {
                let (key, does, hint) = match edge {
                    Edge::Dependency => (Key::DependsOn, "depends on itself", "take it out of `depends_on`"),
                    _ => (Key::Parents, "is its own parent", "name the revision before it; nothing for a base"),
                };
                let error = Error::failed(format!("revision {} {does}", self.id(*revision)));
                self.at_needed(error, *revision, &[key], *revision).hint(hint)
            }
            GraphError::Cycle { revisions, walk, .. } => {
                let mut path: Vec<&str> = walk.iter().map(|node| self.id(*node).as_str()).collect();
                path.extend(path.first().copied());
                let error = Error::failed(format!("revisions need each other in a circle: {}", path.join(" -> ")));
                let error = walk.iter().enumerate().fold(error, |error, (index, node)| {
                    let next = walk[(index + 1) % walk.len()];
                    self.at_needed(error, *node, &[Key::Parents, Key::DependsOn], next)
                });
                let others = revisions.len() - walk.len();
                let error = match others {
                    0 => error,
                    1 => error.note("another revision is part of it"),
                    _ => error.note(format!("{others} other revisions are part of it")),
                };
                error.hint("one of them names a wrong parent or dependency")
            }
        }
    }
}

/// Why a target, or a plan for it, is refused.
#[must_use]
pub fn plan(error: &PlanError, graph: &Graph) -> Error {
    let id = |node: &Node| graph.id(*node).as_str().to_owned();
    let ids = |nodes: &[Node]| nodes.iter().map(id).collect::<Vec<_>>().join(", ");
    let names = |names: &[Name]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let near = |error: Error, nearest: &[Name]| match nearest {
        [] => error.hint("`aludel history` lists the revisions"),
        [first, ..] => error.hint(format!("did you mean `{first}`?")),
    };
    match error {
        PlanError::UnknownRows(rows) => {
            let unknown = rows.unknown.iter().map(|row| format!("`{row}`")).collect::<Vec<_>>().join(", ");
            let what = if rows.unknown.len() == 1 { "a revision" } else { "revisions" };
            let error = Error::failed(format!("the database is at {what} that no file defines: {unknown}")).note(
                "it was migrated from another branch, or by a newer version of this project; nothing was changed",
            );
            let error = match rows.known.as_slice() {
                [] => error,
                known => error.note(format!("it is also at {}", ids(known))),
            };
            error
                .hint("get the missing file: switch to the branch, or update to the version, that has it")
                .hint("or, where you know which revision the database is really at: `aludel stamp --purge REVISION`")
        }
        PlanError::UnknownRevision { name, nearest } => {
            near(Error::failed(format!("no revision or label is, or begins with, `{name}`")), nearest)
        }
        PlanError::UnknownBranch { name, nearest } => {
            near(Error::failed(format!("there is no branch `{name}`")), nearest)
        }
        PlanError::AmbiguousName { name, matches } => {
            Error::failed(format!("`{name}` could be any of {}", names(matches))).hint("type more of it")
        }
        PlanError::NotInBranch { revision, branch } => {
            Error::failed(format!("revision {} is not in the branch `{branch}`", id(revision)))
                .hint(format!("leave out `{branch}@`, or see `aludel history -r :{branch}@head`"))
        }
        PlanError::MultipleHeads { heads, branch } => {
            let of = branch.as_ref().map_or(String::new(), |branch| format!(" of the branch `{branch}`"));
            let error = Error::failed(format!("there are {} heads{of}: {}", heads.len(), ids(heads)));
            let needed = heads.iter().filter(|head| graph.dependents(**head).next().is_some());
            let error = needed.fold(error, |error, head| {
                let dependents: Vec<Node> = graph.dependents(*head).collect();
                let needs = if dependents.len() == 1 { "depends" } else { "depend" };
                error.note(format!("{} is nobody's parent, but {} {needs} on it", id(head), ids(&dependents)))
            });
            error
                .hint("name one of them, or `LABEL@head`, or `heads` for all")
                .hint("or join them: aludel merge heads -m \"...\"")
        }
        PlanError::NoStart { target } if matches!(target.point, Point::Away(Some(_), _)) => {
            Error::failed(format!("`{target}` counts steps, and here a revision has to be named itself"))
                .hint(format!("`aludel show {target}` says which one it is"))
        }
        PlanError::NoStart { target } => {
            Error::failed(format!("`{target}` is relative, and there is nothing to count from"))
                .hint("name the revision")
        }
        PlanError::NoCurrent => Error::failed("`current` needs a database")
            .hint("name a revision, or leave out what keeps the database from being asked"),
        PlanError::WrongWay { walk, direction } => {
            let (is, other) = match direction {
                Direction::Upgrade => ("an upgrade goes up", "aludel downgrade"),
                Direction::Downgrade => ("a downgrade goes down", "aludel upgrade"),
            };
            let error = Error::failed(format!("`{}` is no way to go: {is}, at least one step", walked(*walk)));
            if walk.steps() == 0 { error } else { error.hint(format!("{other} {}", walked(*walk))) }
        }
        PlanError::NotEnoughSteps { walk, possible, from } => {
            let from = from.as_ref().map_or_else(|| "base".to_owned(), id);
            let way = if matches!(walk, Walk::Up(_)) { "up" } else { "down" };
            let error = Error::failed(format!(
                "`{}` goes too far: from {from} there {} {} {way}",
                walked(*walk),
                if *possible == 1 { "is" } else { "are" },
                counted(*possible as usize, "step")
            ));
            if matches!(walk, Walk::Up(_)) && graph.heads().len() > 1 {
                error.hint("to go on in another branch: `LABEL@+1`, or `heads` for all; `aludel heads` lists them")
            } else {
                error
            }
        }
        PlanError::AmbiguousWalk { walk, at, candidates } => {
            let at = at.as_ref().map_or_else(|| "base".to_owned(), id);
            Error::failed(format!("`{}` is ambiguous: from {at} it could go to {}", walked(*walk), ids(candidates)))
                .hint("name the revision to go to")
        }
        PlanError::AmbiguousCurrent { walk, rows } => {
            Error::failed(format!("`{}` is ambiguous: the database is at {}", walked(*walk), ids(rows)))
                .hint(format!("name the revision to go to, or count in a branch: `LABEL@{}`", walked(*walk)))
        }
        PlanError::OverlappingRows(overlap) => Error::failed(format!(
            "the version table holds {} and also {}, which {} already implies",
            id(&overlap.above),
            id(&overlap.below),
            id(&overlap.above)
        ))
        .hint(format!("aludel stamp {}", id(&overlap.above))),
        PlanError::OverlappingTargets(overlap) => {
            Error::failed(format!("{} already implies {}", id(&overlap.above), id(&overlap.below)))
                .hint(format!("name {} alone", id(&overlap.above)))
        }
        PlanError::NotAnAncestor { from, .. } if from.is_empty() => {
            Error::failed("the range begins before the first revision").hint("leave out its lower end: `-r :`")
        }
        PlanError::NotAnAncestor { from, to } => Error::failed(format!("{} is not below {}", ids(from), ids(to)))
            .hint("a range goes from the older to the newer end: OLD:NEW"),
        PlanError::InvalidDowngrade { target, applied } => {
            let error = Error::failed(format!("{} is not something to go down to", id(target)));
            if *applied {
                error.note("it is applied, and nothing stands on it but revisions that depend on it")
            } else {
                error.note("it is not applied").hint("`aludel current` shows where the database stands")
            }
        }
        PlanError::NothingInBranch { target, branch } => {
            let target = target.as_ref().map_or_else(|| "base".to_owned(), id);
            Error::failed(format!("no revision right above {target} belongs to the branch of {}", id(branch)))
        }
        PlanError::NotAHead { revision, children } => {
            let follow = if children.len() == 1 { "follows" } else { "follow" };
            Error::failed(format!("revision {} is no head: {} {follow} it", id(revision), ids(children)))
                .hint("name a head, or give --splice to start a branch there")
        }
        PlanError::DuplicateHead { revision } => Error::failed(format!("{} is named twice", id(revision))),
        PlanError::NoDependency { target } => Error::failed(format!("`{target}` is no single revision to depend on")),
    }
}

fn walked(walk: Walk) -> String {
    match walk {
        Walk::Up(steps) => format!("+{steps}"),
        Walk::Down(steps) => format!("-{steps}"),
    }
}

/// Why a text is no target: a fragment for clap to print behind the argument.
#[must_use]
pub fn target_syntax(error: &TargetSyntaxError) -> String {
    match error {
        TargetSyntaxError::Missing { .. } => "a revision is missing".to_owned(),
        TargetSyntaxError::TwoBranches { .. } => "one `@` is enough: LABEL@REVISION".to_owned(),
        TargetSyntaxError::ReservedBranch { word } => format!("`{word}` is no branch: write LABEL@{word}"),
        TargetSyntaxError::Character { character, .. } => {
            format!("{character:?} cannot stand in a revision: letters, digits and `_` can")
        }
        TargetSyntaxError::Steps { .. } => "a number of steps stands behind `+` or `-`".to_owned(),
    }
}

/// Why a text is no range: a fragment for clap to print behind the argument.
#[must_use]
pub fn range_syntax(error: &RangeSyntaxError) -> String {
    match error {
        RangeSyntaxError::Target(error) => target_syntax(error),
        _ => "a range is FROM:TO, with one colon".to_owned(),
    }
}

/// What is wrong with the SQL of a revision file.
#[must_use]
pub fn body(error: &BodyError) -> Error {
    let explained = match &error.problem {
        Problem::Reading { message, .. } => Error::failed(format!("cannot read {}: {message}", error.excerpt.path)),
        Problem::Utf16 => Error::failed("the file is UTF-16, and SQL files are UTF-8").hint("save it as UTF-8"),
        Problem::NotUtf8(byte) => {
            Error::failed(format!("the byte 0x{byte:02X} is not UTF-8")).hint("save the file as UTF-8")
        }
        Problem::ConflictMarker => Error::failed("a merge in git left a conflict here: the file holds both sides")
            .hint("keep what is right, and take out the lines `<<<<<<<`, `=======` and `>>>>>>>`"),
        Problem::Nul => Error::failed("a NUL byte cannot be sent to PostgreSQL").hint("take it out of the file"),
        Problem::OddCharacter(character) => {
            let code = u32::from(*character);
            Error::failed(format!("the character U+{code:04X} cannot stand in SQL outside quotes"))
                .hint("it looks like a blank, or like nothing; put a plain space there")
        }
        Problem::CarriageReturnInComment => {
            Error::failed("a carriage return inside a `--` comment ends it for PostgreSQL, so the rest would run")
                .hint("end lines with LF or CRLF")
        }
        Problem::Unclosed(Opener::CopyData) => {
            Error::failed("the data of this COPY do not end").hint("write `\\.` on a line of its own behind them")
        }
        Problem::Unclosed(opener) => {
            let error = Error::failed(format!("{} is opened here and never closed", opened(*opener)));
            match opener {
                Opener::String => error.hint("a quote inside a quoted text is written twice: `'it''s'`"),
                Opener::DollarQuote => error.hint("it ends with the same word between `$` and `$`, in the same case"),
                Opener::Comment => error.hint("comments nest: each `/*` in it needs a `*/` of its own"),
                Opener::Body => error.hint("it ends with `END;`"),
                Opener::QuotedName | Opener::Parenthesis | Opener::CopyData => error,
            }
        }
        Problem::TextAfterCopy => {
            Error::failed("text behind `COPY ... FROM STDIN;` on its line").hint("the data begin on the next line")
        }
        Problem::Marker(problem) => marker(problem),
        Problem::BeforeFirstSection => Error::failed("a statement stands before the first section")
            .hint("write `-- migrate:upgrade` on a line before it"),
        Problem::MetaCommand { command, purpose } => {
            let error = Error::failed(format!("`{command}` is a command of psql's, not SQL"));
            match purpose {
                MetaPurpose::Include => error.hint("put the included file's text here"),
                MetaPurpose::Connect => error.hint("a revision runs in one database: leave it out"),
                MetaPurpose::Variable => error.hint("`template: true` in the header gives a revision variables"),
                MetaPurpose::Copy => {
                    error.hint("`COPY ... FROM STDIN;` with the data on the lines below it, and `\\.` at their end")
                }
                MetaPurpose::Execute => error.hint("a DO block with EXECUTE runs statements that a query makes"),
                MetaPurpose::EndOfData => {
                    error.hint("it ends the data of a `COPY ... FROM STDIN;`, and there is none before it")
                }
                MetaPurpose::Other => error.hint("leave it out"),
            }
        }
        Problem::DiscardAll => Error::failed("`DISCARD ALL` would give away the lock that keeps other runs out")
            .hint("leave it out: settings are put back behind each revision"),
        Problem::ControlOutside(control) => {
            Error::failed(format!("`{}` in a section whose statements commit one by one", control.keywords()))
                .hint("leave it out; or put what belongs together into a section with a transaction")
        }
        Problem::TransactionControl(control, section) => {
            Error::failed(format!("`{}` in a section that is a transaction already", control.keywords()))
                .note("the transaction also holds the record that the revision ran; ending it here would part the two")
                .hint(format!(
                    "leave it out; or, for a section that commits as it goes: `-- migrate:{section} transaction:false`"
                ))
        }
        Problem::ControlInVerify(keywords) => Error::failed(format!("`{keywords}` in a verification"))
            .hint("leave it out: what a verification does is taken back behind it"),
        Problem::NotInScript(what) => {
            Error::failed(format!("{what} in a repeatable file, which runs in a transaction"))
                .hint("leave it out, or put it into a revision")
        }
        Problem::NeverInTransaction(what, section) => Error::failed(format!("{what} cannot run inside a transaction"))
            .hint(format!("put it into a section of its own: `-- migrate:{section} transaction:false`")),
        Problem::Setting(setting) => {
            Error::failed(format!("`{}` would change how the rest of the file is read", setting.name()))
                .hint("leave it out: files are UTF-8 with standard strings")
        }
        Problem::CopyToStdout => Error::failed("`COPY ... TO STDOUT` sends data to nobody here").hint("leave it out"),
        Problem::TooLarge => {
            Error::failed("one statement is larger than the server takes: 1 GB").hint("cut it into several")
        }
    };
    explained.at((*error.excerpt).clone())
}

/// What is wrong with the SQL of a hook, which is one transaction whatever it says.
#[must_use]
pub fn hook_body(error: &BodyError) -> Error {
    let explained = match &error.problem {
        Problem::NotInScript(what) => {
            Error::failed(format!("{what} in the SQL of a hook, which runs in a transaction"))
                .hint("leave it out, or run it by a command: `psql -c \"...\"`; libpq's variables say where")
        }
        Problem::Marker(MarkerProblem::DowngradeOfScript | MarkerProblem::ScriptOutside) => {
            Error::failed("the SQL of a hook has no sections")
                .hint("take the lines `-- migrate:...` out: it is one transaction")
        }
        _ => return body(error),
    };
    explained.at((*error.excerpt).clone())
}

fn opened(opener: Opener) -> &'static str {
    match opener {
        Opener::String => "a quoted text",
        Opener::QuotedName => "a quoted name",
        Opener::DollarQuote => "a dollar quote",
        Opener::Comment => "a comment",
        Opener::Parenthesis => "a parenthesis",
        Opener::Body => "a function body (BEGIN ATOMIC)",
        Opener::CopyData => "the data of a COPY (they end with `\\.` on a line)",
    }
}

fn marker(problem: &MarkerProblem) -> Error {
    match problem {
        MarkerProblem::Prefix => {
            let [first, second, third] = MarkerKind::ALL.map(|kind| format!("`-- migrate:{}`", kind.word()));
            Error::failed(format!("a section marker is written exactly {first}, {second} or {third}"))
        }
        MarkerProblem::BehindSomething => {
            Error::failed("a section marker stands behind something on its line, where it begins no section")
                .hint("give it a line of its own; or write the comment in other words")
        }
        MarkerProblem::Kind { found, nearest } => {
            let error = Error::failed(if found.is_empty() {
                "a section marker without the section's kind".to_owned()
            } else {
                format!("there is no section `{found}`")
            });
            match nearest {
                Some(nearest) => error.hint(format!("did you mean `-- migrate:{}`?", nearest.word())),
                None if found.is_empty() => {
                    let [first, second, third] = MarkerKind::ALL.map(|kind| format!("`-- migrate:{}`", kind.word()));
                    error.hint(format!("write {first}, {second} or {third}, without a blank"))
                }
                None => {
                    let [first, second, third] = MarkerKind::ALL.map(MarkerKind::word);
                    error.hint(format!("the sections are `{first}`, `{second}` and `{third}`"))
                }
            }
        }
        MarkerProblem::Option { found, nearest } => {
            let error = Error::failed(format!("a section has no option `{found}`"));
            match nearest {
                Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
                None => error.hint("the only one is `transaction:false`"),
            }
        }
        MarkerProblem::Twice => Error::failed("`transaction` is said twice"),
        MarkerProblem::OptionOfVerify => {
            Error::failed("a verification is always in a transaction").hint("leave the option out")
        }
        MarkerProblem::DowngradeOfScript => {
            Error::failed("a repeatable file has no downgrade").hint("a revision drops what it made")
        }
        MarkerProblem::ScriptOutside => Error::failed("a repeatable file always runs in a transaction")
            .hint("put what cannot be in one into a revision"),
        MarkerProblem::NothingToVerify => Error::failed("a verification stands before the first section")
            .hint("it belongs behind the section that it verifies: `-- migrate:upgrade`, which may be empty"),
    }
}

/// What stopped partway, as a user names it: `the upgrade of 003`.
fn partway(progress: &Progress) -> String {
    format!("the {} of {}", progress.action.verb(), progress.revision)
}

/// Why a revision that stopped partway cannot go on by itself, and what the user can say.
#[must_use]
pub fn stuck(stuck: &Stuck, progress: &Progress, total: usize, path: &str) -> Error {
    let what = partway(progress);
    let at = progress.statement;
    let stopped = format!("{what} stopped {progress} on {} ({path})", progress.since);
    let resume = |done: usize| match done {
        0 => "add `--resume-after 0` to begin with its first statement".to_owned(),
        _ => format!("add `--resume-after {done}` to take the file's first {} as done", counted(done, "statement")),
    };
    let restore = match progress.done() {
        0 => String::new(),
        1 => "put statement 1 back as it was".to_owned(),
        last => format!("put statements 1 to {last} back as they were"),
    };
    match stuck {
        Stuck::Changed => {
            let error =
                Error::failed(format!("{what} cannot go on: the statements that ran are no longer in its file"))
                    .note(stopped);
            let error = match progress.state {
                State::Running => error.note(format!("whether statement {at} was carried out is not known")),
                _ => error,
            };
            error
                .hint(format!("{restore}: what comes behind may be edited"))
                .hint(format!("or, where the file is right, {}", resume(progress.done())))
        }
        Stuck::RunningChanged => Error::failed(format!(
            "{what} cannot go on by itself: statement {at} was running, and is another one in the file now"
        ))
        .note(stopped)
        .hint(format!("put statement {at} back as it was"))
        .hint("or look at what it has done; add `--retry-statement` to run what the file says now")
        .hint(format!("or, where nothing of that is needed, {}", resume(at))),
        Stuck::Unknown => Error::failed(format!(
            "{what} cannot go on by itself: nothing tells whether statement {at} was carried out"
        ))
        .note(stopped)
        .hint("look at what it has done; add `--retry-statement` to run it again")
        .hint(format!("or, where all of it is done, {}", resume(at))),
        Stuck::Beyond(_) => Error::usage(format!("{} has only {}", progress.revision, counted(total, "statement"))),
        Stuck::Inside(first, last) => {
            Error::failed(format!("statements {first} to {last} of {} are one transaction", progress.revision))
                .note(format!("it has run as a whole, or not at all ({path})"))
                .hint(resume(first - 1))
                .hint(resume(*last))
        }
        Stuck::NothingRunning => {
            Error::usage(format!("there is no statement to run again: {what} stopped {progress}, which is done"))
                .hint("leave `--retry-statement` out: it goes on with the next one")
        }
    }
}

/// Why a downgrade is refused that undoes `other` while the upgrade of a revision that stands on it stopped partway.
#[must_use]
pub fn stands_on_unfinished(progress: &Progress, other: &str, finish: Option<&Target>) -> Error {
    let (what, id) = (partway(progress), &progress.revision);
    Error::failed(format!("{what} stopped partway, {progress}, and {id} stands on {other}"))
        .hint(format!("finish it first: {}", finishing(progress, finish)))
        .hint(BY_HAND)
}

/// Why an upgrade, or `current --check-heads`, is refused while an applied revision is half undone.
#[must_use]
pub fn half_undone(kind: Kind, progress: &Progress, finish: Option<&Target>) -> Error {
    let id = &progress.revision;
    Error::new(kind, format!("{}, and {id} is still recorded as applied", unfinished(progress)))
        .hint(format!("finish it first: {}, then: aludel upgrade {id}", finishing(progress, finish)))
        .hint(BY_HAND)
}

/// Why a target that counts from where the database stands is refused while a revision of its plan stopped partway.
#[must_use]
pub fn counts_over_unfinished(progress: &Progress, finish: Option<&Target>) -> Error {
    Error::failed(format!("{} stopped partway, {progress}", partway(progress)))
        .note("what was typed counts from where the database stands, and may go too far")
        .hint(format!("finish it first: {}", finishing(progress, finish)))
}

const BY_HAND: &str =
    "or, where you have finished or undone it by hand, say where the database is: aludel stamp REVISION";

/// The command that ends what stopped partway.
fn finishing(progress: &Progress, target: Option<&Target>) -> String {
    let verb = progress.action.verb();
    match target {
        Some(target) => format!("aludel {verb} {target}"),
        None => format!("`aludel {verb}` to a revision below {}", progress.revision),
    }
}

/// How a run that stopped goes on: `run the same command again`, or the commands that mean the same.
#[must_use]
pub fn again(again: &Again) -> String {
    match again {
        Again::Same => "run the same command again".to_owned(),
        Again::Commands(commands) => format!("run {}", commands_of(commands)),
        Again::Unnamed => {
            "run it again and name the revision to go to: what was typed would count from where the database stands then"
                .to_owned()
        }
    }
}

/// The command that goes on with the revision that a run stopped in: `the same command`, or the one that means the same.
#[must_use]
pub fn same_command(again: &Again) -> String {
    match again {
        Again::Same => "the same command".to_owned(),
        Again::Commands(commands) => commands_of(&commands[..commands.len().min(1)]),
        Again::Unnamed => "the same command with the revision to go to named".to_owned(),
    }
}

fn commands_of(commands: &[(Direction, Target)]) -> String {
    let command = |(direction, target): &(Direction, Target)| {
        let verb = if *direction == Direction::Upgrade { Action::Upgrade } else { Action::Downgrade }.verb();
        format!("`aludel {verb} {target}`")
    };
    commands.iter().map(command).collect::<Vec<_>>().join(", then ")
}

/// What a user hears of a revision that stopped partway and is not part of the plan.
#[must_use]
pub fn unfinished(progress: &Progress) -> String {
    format!("{} stopped partway, {progress}, on {}", partway(progress), progress.since)
}

/// What a user hears of a revision in several parts while a run is under way.
#[must_use]
pub fn under_way(progress: &Progress) -> String {
    format!("{} has come so far: {progress}, on {}", partway(progress), progress.since)
}

/// What a user hears of a row of the journal that no longer holds.
#[must_use]
pub fn outdated(progress: &Progress) -> String {
    let now = if progress.action == Action::Upgrade { "is applied" } else { "is not applied" };
    format!("{}: no longer true, for {} {now} by now", unfinished(progress), progress.revision)
}

/// What a user hears of a revision whose unfinished run a stamp ends.
#[must_use]
pub fn ended_by_stamp(progress: &Progress) -> String {
    format!("{}: the stamp ends that", unfinished(progress))
}

/// What a user hears of a revision that goes on.
#[must_use]
pub fn goes_on(progress: &Progress, begun: &Begun, total: usize, edited: bool) -> String {
    let edited = if edited { ", its file edited since" } else { "" };
    let next = match (begun.done + 1, progress.state) {
        (next, _) if next > total => "all its statements are done".to_owned(),
        (next, State::Running) if begun.unsettled => format!("it looks what became of statement {next} of {total}"),
        (next, _) => format!("it goes on with statement {next} of {total}"),
    };
    let kept = begun
        .kept
        .as_ref()
        .map_or_else(String::new, |index| format!("; index {}, if it is not valid, stays so", index.name));
    format!("{} stopped {progress}{edited}: {next}{kept}", partway(progress))
}

/// Why a revision cannot go on: the new session is not what the statements that ran had left. `before` and `now` are what
/// [`SESSION`](crate::model::journal::SESSION) said.
#[must_use]
pub fn another_session(title: &str, done: usize, before: &str, now: &str) -> Error {
    let read =
        |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).unwrap_or_default();
    let (before, now) = (read(before), read(now));
    let error = Error::failed(format!("{title} cannot go on: its statements left a session that a new one is not"));
    let told = before.iter().filter(|(key, value)| now.get(*key) != Some(value)).map(|(key, value)| {
        let what = match key.as_str() {
            "search_path" => "`search_path`",
            "schemas" => "the schemas where names are looked up",
            "role" => "the role",
            "temporary" => "temporary tables",
            "prepared" => "prepared statements",
            other => other,
        };
        format!(
            "{what}: {}, and now {}",
            spoken_json(value),
            spoken_json(now.get(key).unwrap_or(&serde_json::Value::Null))
        )
    });
    told.fold(error, Error::note)
        .note("`SET` and `set_config` with plain values are run again; what was computed, and temporary tables, are gone")
        .note("nothing more was run")
        .hint(format!(
            "write what the rest needs into the file, behind statement {done}, then add `--resume-after {done}` to the same command"
        ))
}

fn spoken_json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) if text.is_empty() => "none".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) if !items.is_empty() => {
            items.iter().map(spoken_json).collect::<Vec<_>>().join(", ")
        }
        _ => "none".to_owned(),
    }
}

/// Why `--resume-after` and `--retry-statement` are refused.
#[must_use]
pub fn nothing_to_resume(revisions: usize) -> Error {
    match revisions {
        0 => Error::usage("no revision of this run stopped partway: there is nothing to resume")
            .hint("run it without `--resume-after` and `--retry-statement`; `aludel status` shows what stopped"),
        _ => Error::usage("several revisions of this run stopped partway: which one is meant?")
            .hint("give a target that holds only one of them"),
    }
}
