//! Files and lines of many megabytes. In full, as the names say: `cargo test --test bad_input -- --ignored`.

use snapbox::str;

use crate::{Case, upgrade};

/// An error behind that many bytes, on one line or on many.
fn late_error(bytes: usize) {
    let many = Case::file(upgrade(&format!("{}SELECT 'open;\n", "SELECT 1;\n".repeat(bytes / 10))));
    let ran = many.project.run(many.command());
    let line = 5 + bytes / 10;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains(&format!("--> versions/1.sql:{line}:8\n")), "{}", ran.transcript());
    many.nothing_was_sent();
    let one = Case::file(upgrade(&format!("{}SELECT 'open;\n", "SELECT 1; ".repeat(bytes / 10))));
    let ran = one.project.run(one.command());
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains(&format!("--> versions/1.sql:5:{}\n", bytes / 10 * 10 + 8)), "{}", &ran.stderr[..300]);
    // The line is shown in part: a terminal is no place for megabytes.
    assert!(ran.stderr.len() < 2000, "{} bytes", ran.stderr.len());
    one.nothing_was_sent();
}

#[test]
fn an_error_far_behind() {
    late_error(300_000);
}

#[test]
#[ignore = "takes a minute in a build for tests"]
fn an_error_behind_100_mb() {
    late_error(100_000_000);
}

#[test]
#[ignore = "takes a minute in a build for tests"]
fn a_file_of_50_mb_is_run() {
    Case::file(upgrade(&format!(
        "CREATE TABLE a (b text);\n{}",
        "INSERT INTO a VALUES ('0123456789');\n".repeat(1_350_000)
    )))
    .runs();
}

#[test]
fn a_header_without_end() {
    Case::file("-- revision: 1\n".to_owned() + &"-- more\n".repeat(100_000)).refused(str![[r#"
exit code: 1
----- stderr
error: the header does not end within 32768 bytes
 --> versions/1.sql:1:1
  |
1 | -- revision: 1
  | ^^^^^^^^^^^^^^
  |
  = hint: end the header with a blank line

"#]]);
    Case::file("-- revision: ".to_owned() + &"1".repeat(100_000)).refused(str![[r#"
exit code: 1
----- stderr
error: the header does not end within 32768 bytes
 --> versions/1.sql:1:1
  |
1 | -- revision: 111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: end the header with a blank line

"#]]);
}
