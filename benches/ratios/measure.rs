//! Running programs in turn and reading what they took.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::server::Server;

/// What every row may use.
pub struct World {
    rounds: Option<usize>,
    size: usize,
    /// A server in memory, with the settings that a server has by default.
    pub memory: Server,
}

/// What a row found.
pub struct Outcome {
    /// The ratio, or an amount.
    pub value: f64,
    /// The unit of an amount; nothing for a ratio.
    pub unit: &'static str,
    /// The quartiles.
    pub middle: (f64, f64),
    /// What else is to be said.
    pub note: String,
}

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// From start to end.
    pub time: Duration,
    /// The program's own processor time.
    pub processor: Duration,
}

impl World {
    pub fn new(rounds: Option<usize>, size: usize) -> Self {
        Self { rounds, size, memory: Server::in_memory() }
    }

    pub fn describe(&self) -> String {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("unknown").to_owned();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let small = if self.size > 1 { format!(", every project 1/{} of its size", self.size) } else { String::new() };
        format!(
            "aludel {}, {}, {processors} processors, load {load}{small}\n",
            env!("CARGO_PKG_VERSION"),
            self.memory.version()
        )
    }

    /// A project's size where `full` is asked for.
    pub fn scaled(&self, full: usize) -> usize {
        (full / self.size).max(2)
    }

    pub fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }

    /// Runs both sides in turn, after a round that does not count; `make` prepares a run of a side and returns its command.
    pub fn duel(
        &self,
        rounds: usize,
        mut ours: impl FnMut() -> Result<Command, String>,
        mut theirs: impl FnMut() -> Result<Command, String>,
    ) -> Result<Outcome, String> {
        let mut ratios = Vec::new();
        for round in 0..=self.rounds(rounds) {
            let mut taken = [Taken::default(); 2];
            // Who goes first gains or loses by it: so each does in turn.
            for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                taken[side] = run(if side == 0 { ours()? } else { theirs()? })?;
            }
            if round > 0 {
                ratios.push(taken[0].time.as_secs_f64() / taken[1].time.as_secs_f64());
            }
        }
        Ok(Outcome::of(ratios, ""))
    }
}

impl Outcome {
    pub fn of(mut values: Vec<f64>, unit: &'static str) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
        Self { value: at(0.5), unit, middle: (at(0.25), at(0.75)), note: String::new() }
    }
}

/// Runs a command to its end; one that fails is an error with its last words.
pub fn run(mut command: Command) -> Result<Taken, String> {
    let mut errors = tempfile::tempfile().map_err(|error| error.to_string())?;
    command.stderr(errors.try_clone().map_err(|error| error.to_string())?);
    let began = Instant::now();
    let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let used = child.wait4().map_err(|error| error.to_string())?;
    let time = began.elapsed();
    if used.status.success() {
        return Ok(Taken { time, processor: used.rusage.utime + used.rusage.stime });
    }
    Err(format!("{command:?}: {}", last_words(&mut errors)))
}

fn last_words(errors: &mut File) -> String {
    use std::io::Seek;
    let mut text = String::new();
    let _ = errors.rewind();
    let _ = errors.read_to_string(&mut text);
    text.lines().filter(|line| !line.is_empty()).take(3).collect::<Vec<_>>().join("; ")
}

/// Runs a command and watches, every millisecond, a field of `/proc/PID/status` in KB: its own, or that of the process which
/// `whose` finds. Returns the first and the highest value.
pub fn watch(mut command: Command, field: &str, whose: impl Fn(&Child) -> Option<u32>) -> Result<(u64, u64), String> {
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut seen: Option<(u64, u64)> = None;
    let mut of = None;
    loop {
        of = of.or_else(|| whose(&child));
        if let Some(now) = of.and_then(|process| status_field(process, field)) {
            let (first, most) = seen.unwrap_or((now, now));
            seen = Some((first, most.max(now)));
        }
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            let failed = || format!("{command:?} failed");
            return if status.success() { seen.ok_or("it ended before it was seen".to_owned()) } else { Err(failed()) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn status_field(process: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The tool in `directory`, with nothing in its environment but the database.
pub fn aludel(directory: &std::path::Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aludel"));
    quiet(&mut command).env("DATABASE_URL", url).current_dir(directory).args(arguments);
    command
}

/// psql itself; Debian's `psql` in PATH is a wrapper in Perl.
pub fn psql(server: &Server, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(server.program("psql"));
    quiet(&mut command).args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]).args(arguments);
    command
}

/// `cat` of files.
pub fn cat(files: Vec<PathBuf>) -> Command {
    let mut command = Command::new("cat");
    quiet(&mut command).args(files);
    command
}

pub fn quiet(command: &mut Command) -> &mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
