//! The sentences for what is wrong with a project's repeatable files.

use super::several;
use crate::error::Error;
use crate::model::graph::Graph;
use crate::model::header::Key;
use crate::model::repeatable::RepeatableError;
use crate::model::revision::Name;
use crate::project::LoadedFile;
use crate::ui::counted;

/// What is wrong with repeatable files, each fault with the places in the files. `ids` are theirs; `revisions` are the graph's files.
#[must_use]
pub fn repeatables(
    errors: &[RepeatableError],
    ids: &[Name],
    files: &[LoadedFile],
    graph: &Graph,
    revisions: &[LoadedFile],
) -> Error {
    let at = |error: Error, file: &LoadedFile, key: Key, name: Option<&str>| match file.excerpt(key, name) {
        Some(excerpt) => error.at(excerpt),
        None => error.note(format!("in {}", file.path.display())),
    };
    let explain = |error: &RepeatableError| match error {
        RepeatableError::DuplicateId(same) => {
            let title = format!("{} have the id `{}`", counted(same.len(), "repeatable file"), ids[same[0]]);
            let error = Error::failed(title);
            same.iter()
                .fold(error, |error, index| at(error, &files[*index], Key::Repeatable, None))
                .hint("give one of them another id")
        }
        RepeatableError::IdOfRevision(index, node) => {
            let error = Error::failed(format!("`{}` is the id of a revision and of a repeatable file", ids[*index]));
            let error = at(error, &files[*index], Key::Repeatable, None);
            at(error, &revisions[node.index()], Key::Revision, None).hint("give the repeatable file another id")
        }
        RepeatableError::Unknown(index, name) => {
            let title = format!("the repeatable {} depends on something that no file defines: `{name}`", ids[*index]);
            let error = at(Error::failed(title), &files[*index], Key::DependsOn, Some(name.as_str()));
            let known = ids.iter().chain(graph.nodes().map(|node| graph.id(node))).map(Name::as_str);
            error.hint(crate::nearest::nearest(name.as_str(), known).map_or_else(
                || "write the id of a repeatable file or of a revision".to_owned(),
                |near| format!("did you mean `{near}`?"),
            ))
        }
        RepeatableError::Cycle(cycle) => {
            let mut path: Vec<&str> = cycle.iter().map(|index| ids[*index].as_str()).collect();
            path.extend(path.first().copied());
            let error = Error::failed(format!("repeatable files need each other in a circle: {}", path.join(" -> ")));
            let next = |index: usize| ids[cycle[(index + 1) % cycle.len()]].as_str();
            cycle
                .iter()
                .enumerate()
                .fold(error, |error, (at_index, index)| at(error, &files[*index], Key::DependsOn, Some(next(at_index))))
                .hint("take one of them out of `depends_on`")
        }
    };
    several(errors.iter().map(explain).collect())
}
