//! The process's environment: the only place that reads it, the clock, chance, and who runs the process.
//!
//! A snapshot is taken once, so that a run sees one environment from beginning to end, and a test can hand in its own.
//! What a variable means for the settings is decided elsewhere.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use nix::unistd::{Uid, User};

use crate::error::{Error, Result};

/// For tests: the time at the start (RFC 3339); it rises by one second each time it is asked for.
pub const TEST_CLOCK: &str = "ALUDEL_TEST_CLOCK";
/// For tests: a number from which ids are made instead of from chance.
pub const TEST_SEED: &str = "ALUDEL_TEST_SEED";

/// The environment of a run: variables, clock, ids. The default has no variables.
#[derive(Debug, Default)]
pub struct Environment {
    variables: Variables,
    clock: Clock,
    seed: Option<Still<u64>>,
    /// What the system knows of the user id, once it is asked for; `asks_system` is whether it may be.
    account: OnceLock<Option<Account>>,
    asks_system: bool,
}

/// The user whom the process runs as.
#[derive(Debug)]
struct Account {
    name: String,
    home: PathBuf,
}

/// Its own type, for a `Debug` that shows names alone: `PGPASSWORD` is among them.
#[derive(Default)]
struct Variables(BTreeMap<OsString, OsString>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Tells the time: this machine's, or [`TEST_CLOCK`]'s. The default is this machine's.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Still<DateTime<Utc>>>>);

impl Clock {
    /// The time now; under [`TEST_CLOCK`] a second later each time, whoever asks.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Some(clock) => {
                let seconds = TimeDelta::seconds(i64::try_from(clock.next()).unwrap_or(i64::MAX / 1000));
                clock.start.checked_add_signed(seconds).unwrap_or(clock.start)
            }
            None => Utc::now(),
        }
    }
}

/// A fixed start and how often it was asked for.
#[derive(Debug)]
struct Still<T> {
    start: T,
    asked: AtomicU64,
}

impl<T> Still<T> {
    fn new(start: T) -> Self {
        Self { start, asked: AtomicU64::new(0) }
    }

    fn next(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed)
    }
}

impl Environment {
    /// The environment of this process.
    ///
    /// # Errors
    /// [`TEST_CLOCK`] or [`TEST_SEED`] is set and cannot be read.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_process() -> Result<Self> {
        Ok(Self { asks_system: true, ..Self::new(std::env::vars_os())? })
    }

    /// An environment made of these variables, where the system names nobody.
    ///
    /// # Errors
    /// [`TEST_CLOCK`] or [`TEST_SEED`] is among them and cannot be read.
    pub fn new<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Result<Self> {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut environment = Self { variables: Variables(variables), ..Self::default() };
        environment.clock = match environment.get(TEST_CLOCK) {
            Some(text) => match DateTime::parse_from_rfc3339(text) {
                Ok(time) => Clock(Some(Arc::new(Still::new(time.to_utc())))),
                Err(error) => return Err(Error::usage(format!("`{TEST_CLOCK}` is no time of RFC 3339")).cause(error)),
            },
            None => Clock::default(),
        };
        environment.seed = match environment.get(TEST_SEED) {
            Some(text) => match text.parse() {
                Ok(seed) => Some(Still::new(seed)),
                Err(error) => {
                    return Err(Error::usage(format!("`{TEST_SEED}` is no number")).cause(anyhow::Error::new(error)));
                }
            },
            None => None,
        };
        Ok(environment)
    }

    /// The value of a variable; none where it is unset, empty (as libpq and NO_COLOR have it), or not UTF-8
    /// (for which see [`Environment::get_os`]).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_os(name)?.to_str()
    }

    /// The value of a variable as the system gives it, for paths; none where it is unset or empty.
    #[must_use]
    pub fn get_os(&self, name: &str) -> Option<&OsStr> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The value of a variable as the system gives it, also an empty one: for libpq's variables, where empty is given too.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&OsStr> {
        self.variables.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Whether a variable is set to nothing.
    #[must_use]
    pub fn is_empty(&self, name: &str) -> bool {
        self.variables.0.get(OsStr::new(name)).is_some_and(|value| value.is_empty())
    }

    /// The variables that are set, not empty and UTF-8, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .0
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .filter(|(_, value)| !value.is_empty())
    }

    /// The names of variables whose value is not UTF-8: their value is not absent, and must not be taken for it.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.variables.0.iter().filter(|(_, value)| value.to_str().is_none()).filter_map(|(name, _)| name.to_str())
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The clock, for those who ask often.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// A new random UUID (version 4); under [`TEST_SEED`] the next of a fixed sequence.
    #[must_use]
    pub fn uuid(&self) -> uuid::Uuid {
        match &self.seed {
            Some(seed) => {
                let number = seed.start.wrapping_add(seed.next().wrapping_mul(2));
                let bytes = u128::from(split_mix(number)) << 64 | u128::from(split_mix(number.wrapping_add(1)));
                uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid()
            }
            None => uuid::Uuid::new_v4(),
        }
    }

    /// Whether colours are unwanted: NO_COLOR (no-color.org) or CLICOLOR=0.
    #[must_use]
    pub fn no_color(&self) -> bool {
        self.get_os("NO_COLOR").is_some() || self.get("CLICOLOR") == Some("0")
    }

    /// Whether colours are wanted even where the output is no terminal: CLICOLOR_FORCE (bixense.com/clicolors).
    #[must_use]
    pub fn color_forced(&self) -> bool {
        self.get("CLICOLOR_FORCE").is_some_and(|value| value != "0")
    }

    /// Whether the terminal can move its cursor, as far as TERM says.
    #[must_use]
    pub fn dumb_terminal(&self) -> bool {
        self.get("TERM") == Some("dumb")
    }

    /// The width that COLUMNS asks for.
    #[must_use]
    pub fn columns(&self) -> Option<usize> {
        self.get("COLUMNS")?.parse().ok().filter(|columns| *columns > 0)
    }

    /// The command that edits a file: VISUAL, else EDITOR.
    #[must_use]
    pub fn editor(&self) -> Option<&str> {
        self.get("VISUAL").or_else(|| self.get("EDITOR"))
    }

    /// Who runs the process, for people: USER, else LOGNAME, else the system's name for the user id. Containers and cron set none.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.named_user().or_else(|| Some(&self.account()?.name))
    }

    /// The user of a database where no other is given: the system's name for the user id, as libpq has it, and else what the variables
    /// say.
    #[must_use]
    pub fn database_user(&self) -> Option<&str> {
        self.account().map(|account| account.name.as_str()).or_else(|| self.named_user())
    }

    /// Where the files of libpq's defaults are: HOME, and the home directory of the user id where that is not set, as libpq has it.
    #[must_use]
    pub fn database_home(&self) -> Option<&Path> {
        self.get_os("HOME").map(Path::new).or_else(|| Some(&self.account()?.home))
    }

    fn named_user(&self) -> Option<&str> {
        self.get("USER").or_else(|| self.get("LOGNAME"))
    }

    fn account(&self) -> Option<&Account> {
        let ask = || User::from_uid(Uid::effective()).ok().flatten();
        let account = |user: User| Account { name: user.name, home: user.dir };
        self.account.get_or_init(|| if self.asks_system { ask().map(account) } else { None }).as_ref()
    }
}

/// The name of this machine, as the kernel has it; none where it has none, or one that is not UTF-8.
#[must_use]
pub fn host_name() -> Option<String> {
    let system = rustix::system::uname();
    // Linux says `(none)` until somebody names it.
    system.nodename().to_str().ok().filter(|name| !name.is_empty() && *name != "(none)").map(str::to_owned)
}

/// SplitMix64 (Steele, Lea, Flood 2014): scatters neighbouring numbers; no secret.
fn split_mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_clock_rises_by_a_second() {
        let environment = Environment::new([(TEST_CLOCK, "2025-11-20T09:30:59+01:00")]).unwrap();
        assert_eq!(environment.now().to_rfc3339(), "2025-11-20T08:30:59+00:00");
        assert_eq!(environment.now().to_rfc3339(), "2025-11-20T08:31:00+00:00");
        assert_eq!(
            Environment::new([(TEST_CLOCK, "noon")]).unwrap_err().title(),
            "`ALUDEL_TEST_CLOCK` is no time of RFC 3339"
        );
    }

    #[test]
    fn a_seed_gives_the_same_ids_again() {
        let ids = |seed: &str| {
            let environment = Environment::new([(TEST_SEED, seed)]).unwrap();
            [environment.uuid(), environment.uuid()]
        };
        assert_eq!(ids("1"), ids("1"));
        assert_ne!(ids("1")[0], ids("1")[1]);
        assert_ne!(ids("1"), ids("2"));
        assert_eq!(ids("1")[0].get_version_num(), 4);
        assert!(Environment::new([(TEST_SEED, "x")]).is_err());
    }

    #[test]
    fn the_host_is_the_one_that_uname_names() {
        let output = std::process::Command::new("uname").arg("-n").output().unwrap();
        assert_eq!(host_name().as_deref(), Some(String::from_utf8(output.stdout).unwrap().trim_end()));
    }

    #[test]
    fn who_runs_it() {
        let output = std::process::Command::new("id").arg("-un").output().unwrap();
        let system = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
        let environment = |variables: &[(&str, &str)]| Environment {
            asks_system: true,
            ..Environment::new(variables.iter().copied()).unwrap()
        };
        for (variables, user) in [
            (&[][..], system.as_str()),
            (&[("LOGNAME", "dana")], "dana"),
            (&[("LOGNAME", "x"), ("USER", "dana")], "dana"),
        ] {
            assert_eq!(environment(variables).user(), Some(user), "{variables:?}");
            assert_eq!(environment(variables).database_user(), Some(system.as_str()), "{variables:?}");
        }
        // `~NAME` is what the system has for the user, whatever HOME says.
        let output = std::process::Command::new("sh").arg("-c").arg(format!("echo ~{system}")).output().unwrap();
        let home = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
        for (variables, expected) in [(&[][..], home.as_str()), (&[("HOME", "")], &home), (&[("HOME", "/h")], "/h")] {
            assert_eq!(environment(variables).database_home(), Some(Path::new(expected)), "{variables:?}");
        }
        let nameless = Environment::new([("USER", "dana")]).unwrap();
        assert_eq!((nameless.user(), nameless.database_user()), (Some("dana"), Some("dana")));
        assert_eq!(Environment::default().user(), None);
    }

    #[test]
    fn empty_is_unset_and_debug_shows_no_value() {
        let environment = Environment::new([("PGPASSWORD", "canary"), ("NO_COLOR", ""), ("EDITOR", "vi")]).unwrap();
        assert_eq!((environment.get("NO_COLOR"), environment.given("NO_COLOR")), (None, Some(OsStr::new(""))));
        assert!(!environment.no_color());
        assert_eq!(environment.editor(), Some("vi"));
        assert_eq!(environment.variables().count(), 2);
        assert!(!format!("{environment:?}").contains("canary"));
    }
}
