//! The tool as a library: a project that a service migrates when it starts, a test before it runs, a function when it is called.
//!
//! It is the command line's work without a terminal: nothing is printed, and no question is asked (the call is the answer to
//! `confirm = yes`). What a person would be warned of is in the answer, and is told to a [`Listener`]. The same lock keeps it apart from
//! every other run, so ten instances of a service may start at once.
//!
//! Each call blocks its thread until it is done, also while it waits for the lock. In an asynchronous program it belongs on a thread
//! of its own (tokio's `spawn_blocking`), and a future that is dropped does not end it.
//!
//! No signal is watched. A process that a signal ends in the middle of a call leaves what the command leaves after `kill -9`: the server
//! notices that nobody is there and rolls back what runs, and no row of the history tells of it. A service that wants to end in
//! good order waits for the call. The lines of `lock_wait`, `lock_timeout` and `statement_timeout` in the settings say how long
//! that may be.
//!
//! ```no_run
//! let project = aludel::Project::open("migrate.ini")?;
//! let report = project.upgrade("head")?;
//! println!("{} revisions applied; at {}", report.steps.len(), report.current.join(", "));
//! # Ok::<(), aludel::Error>(())
//! ```

use std::path::PathBuf;

use crate::cli::Global;
use crate::commands::actions::{self, Consent, Report, Status};
use crate::commands::event::{Listener, Listeners};
use crate::commands::{Context, Credentials};
use crate::config::Environment;
use crate::error::Result;
use crate::secret::Secret;
use crate::ui::Ui;

/// A project: `migrate.ini` and the revisions that it names. Each call reads them anew.
#[derive(Debug)]
pub struct Project {
    environment: Environment,
    global: Global,
}

impl Project {
    /// The project whose settings are in `configuration`: the file, or the directory it is in. The process's environment fills in
    /// what the settings take from there: `DATABASE_URL`, `PGPASSWORD`, `ALUDEL_ENV`.
    ///
    /// # Errors
    /// There is no such file, it cannot be read, or something in it has no meaning.
    pub fn open(configuration: impl Into<PathBuf>) -> Result<Self> {
        let configuration = configuration.into();
        let file = if configuration.is_dir() { configuration.join(crate::config::FILE_NAME) } else { configuration };
        let global = Global { config: Some(file), ..Global::default() };
        let project = Self { environment: Environment::of_process()?, global };
        project.check()?;
        Ok(project)
    }

    /// The same with the section of an environment laid over the settings, as `-n NAME` does.
    ///
    /// # Errors
    /// There is no such section.
    pub fn environment(mut self, name: impl Into<String>) -> Result<Self> {
        self.global.name = Some(name.into());
        self.check()?;
        Ok(self)
    }

    /// The same for another database, as `--url` does: a URL or `key=value` pairs.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.global.url = Some(Secret::new(url));
        self
    }

    /// The same with a value for the settings (`{{ x.NAME }}`) and for revisions that are templates, as `-x NAME=VALUE` does.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.global.x.push((name.into(), Secret::new(value)));
        self
    }

    /// Applies revisions up to `target`: `head`, `heads`, an id, a label, `+1`. Waits while another run holds the lock, as long as
    /// the settings' `lock_wait` says; where that run did the work, there is nothing to do, and no error.
    ///
    /// # Errors
    /// As the command's; what its exit codes say is [`crate::Error::kind`]. Revisions that were finished before stay applied.
    pub fn upgrade(&self, target: &str) -> Result<Report> {
        self.with(Listeners::default(), |context| actions::upgrade(context, target, Consent::of_a_program(true)))
    }

    /// The same, telling `listener` what happens meanwhile.
    ///
    /// # Errors
    /// As [`Project::upgrade`].
    pub fn upgrade_telling(&self, target: &str, listener: &dyn Listener) -> Result<Report> {
        self.with(Listeners(vec![Box::new(listener)]), |context| {
            actions::upgrade(context, target, Consent::of_a_program(true))
        })
    }

    /// Undoes revisions down to `target`, which stays: `-1`, an id, `base`.
    ///
    /// # Errors
    /// As the command's. Revisions that were finished before stay undone.
    pub fn downgrade(&self, target: &str) -> Result<Report> {
        self.with(Listeners::default(), |context| actions::downgrade(context, target, Consent::of_a_program(true)))
    }

    /// Records that the database is at `targets`, without running anything.
    ///
    /// # Errors
    /// As the command's.
    pub fn stamp(&self, targets: &[&str]) -> Result<Report> {
        self.with(Listeners::default(), |context| actions::stamp(context, targets, Consent::of_a_program(true)))
    }

    /// Where the database stands. It changes nothing and takes no lock.
    ///
    /// # Errors
    /// As the command's.
    pub fn status(&self) -> Result<Status> {
        self.with(Listeners::default(), actions::status)
    }

    fn check(&self) -> Result<()> {
        self.with(Listeners::default(), actions::check)
    }

    fn with<T>(&self, listeners: Listeners, act: impl FnOnce(&Context) -> Result<T>) -> Result<T> {
        let (ui, environment, global) = (&Ui::silent(), &self.environment, &self.global);
        let credentials = &Credentials::default();
        act(&Context { ui, environment, global, credentials, listeners, watches_signals: false })
    }
}
