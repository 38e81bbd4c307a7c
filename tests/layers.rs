//! Holds what `src/lib.rs` promises of the code's structure: a module uses only modules above it in the list there.

use std::fs;
use std::path::{Path, PathBuf};

/// Bottom to top, as `src/lib.rs` lists them.
const LAYERS: [&str; 17] = [
    "source", "nearest", "error", "secret", "child", "model", "ui", "config", "template", "project", "explain",
    "local", "database", "offline", "commands", "cli", "embed",
];

/// Inside `model`, what the pure core may not touch.
const IMPURE: [&str; 8] =
    ["std::fs", "std::env", "std::process", "std::net", "std::thread", "std::time::SystemTime", "Utc::now", "println!"];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn layer(file: &Path) -> Option<usize> {
    let top = file.strip_prefix("src").unwrap().iter().next().unwrap().to_str().unwrap();
    let name = top.strip_suffix(".rs").unwrap_or(top);
    LAYERS.iter().position(|layer| *layer == name)
}

/// The code of a file without comments and without its tests, which may use what they like.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_list_in_lib_is_the_list_here() {
    let library = fs::read_to_string("src/lib.rs").unwrap();
    let listed: Vec<&str> =
        library.lines().filter_map(|line| line.strip_prefix("//! - [`")?.split('`').next()).collect();
    assert_eq!(listed, LAYERS);
}

#[test]
fn a_module_uses_only_modules_below_it() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in sources(Path::new("src")) {
        let Some(own) = layer(&file) else { continue };
        for used in code(&file).split("crate::").skip(1) {
            let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(other) = LAYERS.iter().position(|layer| *layer == name) {
                seen += 1;
                // A file of `commands` names the options that hold for all commands, which stand in `cli`.
                let allowed = other <= own || (LAYERS[own] == "commands" && used.starts_with("cli::Global"));
                if !allowed {
                    wrong.push(format!("{} ({}) uses {}", file.display(), LAYERS[own], name));
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} uses were seen: the test reads nothing");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_model_is_pure() {
    let mut wrong = Vec::new();
    for file in sources(Path::new("src/model")) {
        let mut code = code(&file);
        if file.ends_with("sql/classify.rs") {
            // The parser overflows the stack on deep nesting, so it is given one of its own.
            code = code.replace("std::thread", "");
        }
        wrong.extend(
            IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", file.display())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_one_file_reads_the_clock() {
    let mut readers = sources(Path::new("src"));
    readers.retain(|file| ["Utc::now", "Local::now", "SystemTime::now"].iter().any(|word| code(file).contains(word)));
    assert_eq!(readers, [Path::new("src/config/environment.rs")]);
}

#[test]
fn only_one_file_knows_the_sql_parser() {
    for file in sources(Path::new("src")) {
        let allowed = file.starts_with("src/model/sql") && file.to_str().unwrap().contains("classify");
        assert!(allowed || !code(&file).contains("squawk_syntax"), "{}", file.display());
    }
}
