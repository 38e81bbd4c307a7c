//! Commands that the ini wants run on each new revision file: a formatter, `git add`.
//!
//! No shell is involved: a line is split as a shell would split it, and run.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// What stands for the file in a command: ours, and Alembic's.
const PLACEHOLDERS: [&str; 2] = ["{}", "REVISION_SCRIPT_FILENAME"];

/// A hook that ran and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// The command as the ini writes it.
    pub command: String,
    /// What it said on its standard output and error.
    pub output: String,
}

/// Runs each command on `file`, in their order; the first that fails ends it.
pub(super) fn run(commands: &[String], file: &Path) -> Result<Vec<HookRun>> {
    commands.iter().map(|command| run_one(command, file)).collect()
}

/// Refuses a command that cannot be split, before anything is written.
pub(super) fn check(commands: &[String]) -> Result<()> {
    commands.iter().try_for_each(|command| arguments(command, Path::new("")).map(drop))
}

fn run_one(command: &str, file: &Path) -> Result<HookRun> {
    let arguments = arguments(command, file)?;
    let kept = format!("the new file is kept: `{}`", file.display());
    let failed = |what: String| Error::failed(format!("post-write hook `{command}` {what}")).note(kept.clone());
    let result = Command::new(&arguments[0]).args(&arguments[1..]).stdin(Stdio::null()).output();
    let output = match result {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(failed(format!("cannot run: there is no program `{}`", arguments[0]))
                .hint("install it, or change `post_write_hooks` in the ini"));
        }
        Err(error) => return Err(failed("cannot run".to_owned()).cause(error)),
    };
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(HookRun { command: command.to_owned(), output: said });
    }
    let error = failed(format!("failed: {}", output.status));
    let said = said.trim();
    Err(if said.is_empty() { error } else { error.note(format!("it said: {said}")) })
}

/// The program and its arguments, the file's path in its place or at the end.
fn arguments(command: &str, file: &Path) -> Result<Vec<String>> {
    let wrong =
        |what| Error::usage(format!("post-write hook `{command}` {what}")).note("`post_write_hooks` in the ini");
    let mut arguments = shlex::split(command).ok_or_else(|| wrong("has a quote that is not closed"))?;
    if arguments.is_empty() {
        return Err(wrong("is empty"));
    }
    let path = file.display().to_string();
    let path = if path.starts_with('-') { format!("./{path}") } else { path };
    let mut placed = false;
    for argument in &mut arguments {
        if let Some(placeholder) = PLACEHOLDERS.into_iter().find(|placeholder| argument.contains(placeholder)) {
            *argument = argument.replace(placeholder, &path);
            placed = true;
        }
    }
    if !placed {
        arguments.push(path);
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_takes_its_place() {
        let file = Path::new("versions/a b; rm.sql");
        for (command, wanted) in [
            ("pg_format -i {}", &["pg_format", "-i", "versions/a b; rm.sql"][..]),
            ("fmt 'two words'", &["fmt", "two words", "versions/a b; rm.sql"]),
            ("fmt --file=REVISION_SCRIPT_FILENAME -q", &["fmt", "--file=versions/a b; rm.sql", "-q"]),
        ] {
            assert_eq!(arguments(command, file).unwrap(), wanted, "{command}");
        }
        assert!(arguments("fmt 'open", file).unwrap_err().title().contains("not closed"));
        assert!(arguments("  ", file).unwrap_err().title().contains("empty"));
        assert_eq!(arguments("f", Path::new("-x.sql")).unwrap(), ["f", "./-x.sql"]);
    }

    #[test]
    fn failures_name_the_command_and_the_file() {
        let file = Path::new("versions/a.sql");
        let hooks = |commands: &[&str]| run(&commands.iter().map(ToString::to_string).collect::<Vec<_>>(), file);
        let ran = hooks(&["echo did"]).unwrap();
        assert_eq!(ran[0].output, "did versions/a.sql\n");
        let error = hooks(&["sh -c 'echo bad >&2; exit 3'"]).unwrap_err();
        assert!(error.title().contains("exit 3") && error.title().contains("exit status: 3"), "{error}");
        assert_eq!(error.notes(), ["the new file is kept: `versions/a.sql`", "it said: bad"]);
        let error = hooks(&["no_such_program_anywhere"]).unwrap_err();
        assert!(error.title().contains("there is no program `no_such_program_anywhere`"), "{error}");
    }
}
