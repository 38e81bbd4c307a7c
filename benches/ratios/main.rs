//! Aludel measured against what it is named beside, in one run, as ratios: `cargo bench --bench ratios`.
//!
//! A time alone says nothing about another machine, or about this one under another load. So each side runs in turn,
//! one after the other, and what is printed is the median of the ratios of neighbours, with the middle half of
//! them, and the aim beside it.
//!
//!   cargo bench --bench ratios                    every row
//!   cargo bench --bench ratios -- up 50MB         the rows whose names hold one of these words
//!   cargo bench --bench ratios -- --rounds 3      fewer rounds than each row asks for
//!   cargo bench --bench ratios -- --size 10       every project a tenth of its size: quick, and not what the aims are for
//!   cargo bench --bench ratios -- --list          the names
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark is a program of its own")]
#![allow(clippy::disallowed_methods, reason = "it stands above config.rs")]

mod alembic;
mod bare;
mod measure;
mod project;
mod proxy;
mod rows;
mod server;

use std::process::ExitCode;

use measure::{Outcome, World};
use rows::{ROWS, Row};

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    words: Vec<String>,
    rounds: Option<usize>,
    size: usize,
    list: bool,
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benchmarks too, without the argument that `cargo bench` adds.
    let mut given = std::env::args().skip(1).collect::<Vec<_>>();
    if given.first().is_some_and(|first| first == bare::ARGUMENT) {
        bare::main(&given[1..]);
        return ExitCode::SUCCESS;
    }
    let Some(bench) = given.iter().position(|argument| argument == "--bench") else { return ExitCode::SUCCESS };
    given.remove(bench);
    let arguments = match parse(given) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let chosen = ROWS.iter().filter(|row| {
        arguments.words.is_empty() || arguments.words.iter().any(|word| row.name.contains(word.as_str()))
    });
    if arguments.list {
        chosen.for_each(|row| println!("{}", row.name));
        return ExitCode::SUCCESS;
    }
    let world = World::new(arguments.rounds, arguments.size);
    println!("{}", world.describe());
    println!("| what | against | ratio | middle half | aim | |");
    println!("|---|---|---|---|---|---|");
    for row in chosen {
        match (row.measure)(&world, row) {
            Ok(outcome) => print(row, &outcome),
            Err(why) => println!("| {} | {} | not measured: {why} | | {} | |", row.what, row.against, shown(row.aim)),
        }
    }
    ExitCode::SUCCESS
}

fn parse(given: Vec<String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { size: 1, ..Arguments::default() };
    let mut given = given.into_iter();
    while let Some(argument) = given.next() {
        let mut number = || given.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        match argument.as_str() {
            "--list" => arguments.list = true,
            "--rounds" => arguments.rounds = Some(number().ok_or("--rounds needs a number")?),
            "--size" => arguments.size = number().ok_or("--size needs a number")?,
            option if option.starts_with('-') => return Err(format!("unknown option `{option}`")),
            word => arguments.words.push(word.to_owned()),
        }
    }
    Ok(arguments)
}

fn print(row: &Row, outcome: &Outcome) {
    let verdict = match row.aim {
        Some(aim) if outcome.value <= aim => "reached",
        Some(_) => "**not reached**",
        None => "",
    };
    let (low, high) = outcome.middle;
    println!(
        "| {} | {} | {:.3}{} | {low:.3} to {high:.3} | {} | {verdict}{} |",
        row.what,
        row.against,
        outcome.value,
        outcome.unit,
        shown(row.aim),
        if outcome.note.is_empty() { String::new() } else { format!(" {}", outcome.note) },
    );
}

fn shown(aim: Option<f64>) -> String {
    aim.map_or_else(String::new, |aim| aim.to_string())
}
