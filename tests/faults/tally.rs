//! How large the matrix is, and its table: `ALUDEL_FAULTS=full` does everything, else a part that fits into every test run.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Whether everything is to be done.
#[allow(clippy::disallowed_methods, reason = "tests stand above config.rs")]
pub fn full() -> bool {
    std::env::var_os("ALUDEL_FAULTS").is_some_and(|value| value == "full")
}

/// A number for every test run, and one for the whole.
pub fn sized(small: usize, whole: usize) -> usize {
    if full() { whole } else { small }
}

/// All of `items`, or about `count` of them, evenly spread, with the first and the last.
pub fn some<T>(items: Vec<T>, count: usize) -> Vec<T> {
    let length = items.len();
    if full() || length <= count {
        return items;
    }
    let wanted: Vec<usize> = (0..count).map(|number| number * (length - 1) / (count - 1)).collect();
    items.into_iter().enumerate().filter(|(index, _)| wanted.contains(index)).map(|(_, item)| item).collect()
}

/// Every `step`th of them where everything is done, and about `count` else.
pub fn every<T>(items: Vec<T>, step: usize, count: usize) -> Vec<T> {
    some(items.into_iter().step_by(step).collect(), count)
}

/// One row of the table.
pub struct Tally {
    case: String,
    began: Instant,
    injections: AtomicUsize,
    codes: Mutex<std::collections::BTreeMap<i32, usize>>,
    violations: Mutex<Vec<String>>,
}

impl Tally {
    pub fn new(case: impl Into<String>) -> Self {
        Self {
            case: case.into(),
            began: Instant::now(),
            injections: AtomicUsize::new(0),
            codes: Mutex::default(),
            violations: Mutex::default(),
        }
    }

    /// One injection, and what was wrong behind it.
    pub fn count(&self, what: &str, code: i32, wrong: Vec<String>) {
        self.injections.fetch_add(1, Ordering::Relaxed);
        *self.codes.lock().expect("no panic").entry(code).or_default() += 1;
        if !wrong.is_empty() {
            self.violations.lock().expect("no panic").push(format!("{}: {what}: {}", self.case, wrong.join("\n    ")));
        }
    }

    /// How many runs ended with this code.
    pub fn ended_with(&self, code: i32) -> usize {
        self.codes.lock().expect("no panic").get(&code).copied().unwrap_or(0)
    }

    /// Prints the row.
    #[track_caller]
    pub fn done(self) {
        let violations = self.violations.into_inner().expect("no panic");
        let codes = self.codes.into_inner().expect("no panic");
        let codes: Vec<String> = codes.iter().map(|(code, count)| format!("{code}: {count}")).collect();
        let injections = self.injections.load(Ordering::Relaxed);
        row(&self.case, injections, self.began.elapsed(), violations.len(), &codes.join(", "));
        assert!(injections > 0, "{}: nothing was injected", self.case);
        let shown = violations.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(violations.is_empty(), "{} violations:\n{shown}", violations.len());
    }
}

#[allow(clippy::print_stdout, reason = "the table is what the full size is for")]
fn row(case: &str, injections: usize, time: Duration, violations: usize, codes: &str) {
    println!("| {case} | {injections} | {:.0} | {violations} | {codes} |", time.as_secs_f64());
}

/// Says why a case is not done here.
#[allow(clippy::print_stdout, reason = "a case that is skipped must be seen")]
pub fn skipped(case: &str, why: &str) {
    println!("| {case} | skipped: {why} | | | |");
}

/// Does `work` on each of `items`, by `workers` threads at once; each begins with a value of its own.
pub fn parallel<T: Send, W>(
    items: Vec<T>,
    workers: usize,
    own: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, T) + Sync,
) {
    let items = Mutex::new(items.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut own = own();
                loop {
                    let next = items.lock().expect("no panic").next();
                    let Some(item) = next else { return };
                    work(&mut own, item);
                }
            });
        }
    });
}
