//! Many runs at once on a fresh database, and runs that are killed: each effect once.

use std::time::Duration;

use rustix::process::Signal;

use crate::{Case, effect};

#[test]
fn twenty_runs_at_once() {
    for _ in 0..3 {
        let case = Case::new();
        case.effect("001", "", "").effect("002", "001", "").effect("003", "001", "");
        case.file("004", "[002, 003]", "-- migrate:upgrade\nINSERT INTO effects VALUES ('004');");
        case.file("005", "004", &format!("-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY one ON effects (id);\n-- migrate:upgrade\n{}", effect("005", "004")));
        let runs: Vec<_> = (0..20).map(|_| case.start("upgrade head")).collect();
        for run in runs {
            let _ = run.end().succeeded();
        }
        assert_eq!((case.effects(), case.rows()), ("001,002,003,004,005".to_owned(), "005".to_owned()));
        assert_eq!(case.history().matches("done").count(), 5);
        assert_eq!(case.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass"), "t");
    }
}

#[test]
fn a_run_killed_at_any_moment() {
    let case = |bare: bool| {
        let case = Case::new();
        case.chain(30);
        if bare {
            let text = format!(
                "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS one ON effects (id);\n-- migrate:upgrade\n{}",
                effect("015", "014")
            );
            case.file("015", "014", &text);
        }
        case
    };
    let all: Vec<String> = (1..=30).map(|number| format!("{number:03}")).collect();
    let whole = case(true);
    let began = std::time::Instant::now();
    whole.succeeds("upgrade head");
    let time = began.elapsed();
    let mut partway = 0;
    for moment in 0..20 {
        let case = case(true);
        let run = case.start("upgrade head");
        // Spread evenly over the time that a whole run takes: chance alone would miss parts of it.
        std::thread::sleep(time * moment / 20);
        run.signal(Signal::KILL);
        let killed = run.end();
        case.wait_until_alone();
        let (effects, row) = (case.effects(), case.rows());
        partway += i32::from(!row.is_empty() && row != "030");
        assert_eq!(effects.rsplit(',').next().unwrap_or_default(), row, "{}", killed.transcript());
        // The second run says the rest, and each is there once. An index that was killed halfway is not valid and named.
        let rerun = case.run("upgrade head");
        assert_eq!(rerun.code, 0, "{}", rerun.transcript());
        assert_eq!((case.effects(), case.rows()), (all.join(","), "030".to_owned()));
    }
    assert!(partway > 0, "no run was hit between its first and its last revision");
    let _ = Duration::ZERO;
}
