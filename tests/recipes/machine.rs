//! A machine that a CI system gives to a job: a home, a checkout, variables, and no aludel.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Case;
use crate::support::Ran;

/// A machine, and what a shell on it finds in its environment.
pub struct Machine {
    home: tempfile::TempDir,
    checkout: PathBuf,
    pub variables: BTreeMap<String, String>,
    pub path: Vec<String>,
}

impl Machine {
    /// One whose checkout is the case's project, and which can fetch this build of aludel.
    pub fn new(case: &Case) -> Self {
        let home = tempfile::tempdir().unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_aludel"));
        let sum = Command::new("sha256sum").arg(binary).output().expect("sha256sum runs");
        let sum = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
        let mut machine = Self {
            home,
            checkout: case.project.path().to_owned(),
            variables: BTreeMap::new(),
            path: ["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned).into(),
        };
        machine.set("ALUDEL_URL", format!("file://{}", binary.display()));
        machine.set("ALUDEL_SHA256", sum);
        machine.set("HOME", machine.home.path().display().to_string());
        // The checkout belongs to whoever runs the test, and no configuration of theirs counts.
        machine.set("GIT_CONFIG_GLOBAL", "/dev/null");
        machine.set("GIT_CONFIG_NOSYSTEM", "1");
        machine
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// A file in the home.
    pub fn home(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a script as `shell FILE`, in the checkout.
    pub fn run(&self, shell: &[&str], script: &str) -> Ran {
        let path = self.home("step");
        std::fs::File::create(&path).and_then(|mut file| file.write_all(script.as_bytes())).unwrap();
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(&path).current_dir(&self.checkout).stdin(Stdio::null());
        command.env_clear().envs(&self.variables).env("PATH", self.path.join(":"));
        Ran::of(&command.output().expect("the shell runs"), |text| text)
    }

    /// Makes the checkout one of a branch that adds revision 002 to `main`, as `git clone` left it.
    pub fn check_out_a_change(&self) {
        self.check_out_a_change_of("versions/002.sql");
    }

    /// The same of a branch that adds these files.
    pub fn check_out_a_change_of(&self, files: &str) {
        let script = r#"
            set -eu
            git init -q -b main
            git config user.name dana
            git config user.email dana@example.com
            chmod +x scripts/new-sql
            tar -cf "$HOME/change.tar" $FILES
            rm -r $FILES
            git add . && git commit -q -m "as it is"
            git clone -q --bare . "$HOME/origin"
            git remote add origin "$HOME/origin"
            git checkout -q -b change
            tar -xf "$HOME/change.tar"
            git add . && git commit -q -m "a change"
        "#;
        self.run(&["bash"], &script.replace("$FILES", files)).succeeded();
    }

    /// Puts a program into the PATH.
    pub fn install(&mut self, name: &str, script: &str) {
        let programs = self.home("programs");
        std::fs::create_dir_all(&programs).unwrap();
        std::fs::write(programs.join(name), script).unwrap();
        std::fs::set_permissions(programs.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        self.path.insert(0, programs.display().to_string());
    }
}

/// What a reviewer gets to read is the change, and nothing else.
#[track_caller]
pub fn is_the_sql_of_the_change(sql: &str) {
    assert!(sql.starts_with("-- aludel ") && sql.contains("upgrade from 001 to 002"), "{sql}");
    assert!(sql.contains("CREATE TABLE b (") && !sql.contains("CREATE TABLE a ("), "{sql}");
}
