//! The library answers every question of a corpus that Alembic answered, and each answer is judged.
//!
//! `ALUDEL_CORPUS=FILE` takes another corpus of the same form, plain or gzipped; `ALUDEL_ANSWERS=FILE` writes the
//! answers. `tests/corpus/README.md` describes the form.

mod answer;
mod exceptions;
mod judge;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Read as _;

use serde_json::{Value, json};

use judge::Verdict;

#[test]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a test, told which corpus by its environment")]
fn every_question_is_answered_as_alembic_answers_it() {
    let given = std::env::var("ALUDEL_CORPUS").ok();
    let path = given.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/alembic.jsonl.gz").into());
    let mut graphs: HashMap<String, (answer::Loaded, judge::Model)> = HashMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut excepted: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut failures, mut unlike, mut answers) = (Vec::new(), Vec::new(), String::new());
    for line in read(&path).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["kind"] == "graph" {
            let name = line["graph"].as_str().unwrap().to_owned();
            graphs.insert(name, (answer::load(&line["revisions"]), judge::Model::new(&line["revisions"])));
            continue;
        }
        let (graph, model) = &graphs[line["graph"].as_str().unwrap()];
        let (query, expected) = (&line["query"], &line["expected"]);
        let answer = answer::answer(graph, query);
        let (verdict, why) = judge::judge(model, query, expected, &answer);
        *counts.entry(verdict.name()).or_default() += 1;
        writeln!(answers, "{}", json!({"id": line["id"], "answer": answer})).unwrap();
        let story = || format!("{} {why}\n  {query}\n  alembic: {expected}\n  aludel:  {answer}\n", line["id"]);
        let is_exact_and_right = expected["stability"] == "exact" && expected["quirk"].is_null();
        match verdict {
            Verdict::Fail => failures.push(story()),
            Verdict::Exact => {}
            _ => match exceptions::reason(&why, query, expected, &answer) {
                Some(reason) => *excepted.entry(reason).or_default() += 1,
                None if is_exact_and_right => unlike.push(story()),
                None => {}
            },
        }
    }
    if let Ok(path) = std::env::var("ALUDEL_ANSWERS") {
        std::fs::write(path, answers).unwrap();
    }
    let count = |name| counts.get(name).copied().unwrap_or(0);
    println!("exact {} ok {} soft {} FAIL {}", count("exact"), count("ok"), count("soft"), count("FAIL"));
    excepted.iter().for_each(|(reason, count)| println!("  {count} on purpose: {reason}"));
    assert!(!counts.is_empty(), "no questions in {path}");
    assert!(failures.is_empty(), "{} wrong answers:\n{}", failures.len(), shown(&failures));
    assert!(unlike.is_empty(), "{} answers unlike Alembic's:\n{}", unlike.len(), shown(&unlike));
}

fn shown(stories: &[String]) -> String {
    stories.iter().take(20).map(String::as_str).collect()
}

fn read(path: &str) -> String {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut bytes = Vec::new();
    let mut file = std::io::BufReader::new(file);
    file.read_to_end(&mut bytes).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}
