//! Many runs at once through PgBouncer: each exits with 0, and each revision runs once.
//!
//! `ALUDEL_TEST_POOLER_ROUNDS=50 cargo test --test poolers races` is the full size: 20 runs, 50 times, in each mode.

use crate::Case;

fn rounds() -> usize {
    #[allow(clippy::disallowed_methods, reason = "tests stand above config.rs")]
    let given = std::env::var("ALUDEL_TEST_POOLER_ROUNDS").ok();
    given.map_or(2, |text| text.parse().expect("ALUDEL_TEST_POOLER_ROUNDS is a number"))
}

/// In each round 20 runs start at once, on nothing; every other one goes past the pooler where `mixed`.
fn race(mode: &str, pool: usize, mixed: bool) {
    let case = Case::with(mode, &format!("default_pool_size = {pool}"), "");
    case.effect("001", "", "").effect("002", "001", "").effect("003", "001", "");
    case.file("004", "[002, 003]", "-- migrate:upgrade\nINSERT INTO effects VALUES ('004');\n-- migrate:downgrade\nDELETE FROM effects WHERE id = '004';");
    case.effect("005", "004", "");
    for round in 0..rounds() {
        let direct = format!("--url {} upgrade head", case.database.url());
        let runs: Vec<_> =
            (0..20).map(|number| case.start(if mixed && number % 2 == 1 { &direct } else { "upgrade head" })).collect();
        let mut upgraded = 0;
        for run in runs {
            let ran = run.end().succeeded();
            upgraded += ran.stderr.matches("upgraded ").count();
        }
        assert_eq!(case.state(), ("005".to_owned(), "001,002,003,004,005".to_owned()), "round {round}");
        assert_eq!(upgraded, 5, "round {round}");
        let history = "SELECT string_agg(revision || ' ' || outcome, ',' ORDER BY revision) FROM aludel_history";
        assert_eq!(case.ask(history), "001 done,002 done,003 done,004 done,005 done", "round {round}");
        assert_eq!(case.locks(), "0", "round {round}");
        case.ask("DROP TABLE aludel_version, aludel_history, effects");
    }
}

#[test]
fn through_transactions() {
    race("transaction", 20, false);
}

#[test]
fn through_few_transactions() {
    race("transaction", 3, false);
}

#[test]
fn through_sessions() {
    race("session", 60, false);
}

#[test]
fn through_transactions_and_past_them() {
    race("transaction", 20, true);
}

#[test]
fn up_and_down_at_once() {
    let case = Case::with("transaction", "default_pool_size = 20", "");
    case.chain(4);
    for _ in 0..rounds() {
        let commands = ["upgrade head", "downgrade base", "upgrade 002", "upgrade head", "downgrade base"];
        let runs: Vec<_> = commands.iter().chain(&commands).map(|command| case.start(command)).collect();
        for run in runs {
            let ran = run.end();
            // What an order one after the other refuses, this one does.
            assert!(
                ran.code == 0 || ran.stderr.contains("is not applied") || ran.stderr.contains("is below"),
                "{}",
                ran.transcript()
            );
        }
        let (row, effects) = case.state();
        let all = ["001", "002", "003", "004"];
        let expected = all.iter().position(|id| **id == row).map_or(String::new(), |last| all[..=last].join(","));
        assert_eq!(effects, expected, "at {row}");
        assert_eq!(case.locks(), "0");
    }
}
