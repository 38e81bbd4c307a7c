//! What is no UTF-8, and characters that nobody sees.

use snapbox::str;

use crate::{Case, upgrade};

fn utf16(text: &str, order: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let mark = mark.then(|| order(0xfeff)).into_iter().flatten();
    mark.chain(text.encode_utf16().flat_map(order)).collect()
}

/// The file with the byte `at` a place in it.
fn with_byte(text: &str, byte: u8) -> Vec<u8> {
    text.bytes().map(|each| if each == b'~' { byte } else { each }).collect()
}

#[test]
fn utf_16() {
    let good = upgrade("SELECT 1;\n");
    Case::file(utf16(&good, u16::to_le_bytes, true)).refused(str![[r#"
exit code: 1
----- stderr
error: the file is UTF-16, not UTF-8
 --> versions/1.sql:1:1
  |
1 |
  | ^
  |
  = hint: iconv -f UTF-16 -t UTF-8 versions/1.sql

"#]]);
    Case::file(utf16(&good, u16::to_be_bytes, true)).refused(str![[r#"
exit code: 1
----- stderr
error: the file is UTF-16, not UTF-8
 --> versions/1.sql:1:1
  |
1 |
  | ^
  |
  = hint: iconv -f UTF-16 -t UTF-8 versions/1.sql

"#]]);
    Case::file(utf16(&good, u16::to_le_bytes, false)).refused(str![[r#"
exit code: 1
----- stderr
error: the file is UTF-16, not UTF-8
 --> versions/1.sql:1:1
  |
1 |
  | ^
  |
  = hint: iconv -f UTF-16 -t UTF-8 versions/1.sql

"#]]);
    Case::file(utf16(&good, u16::to_be_bytes, false)).refused(str![[r#"
exit code: 1
----- stderr
error: the file is UTF-16, not UTF-8
 --> versions/1.sql:1:1
  |
1 |
  | ^
  |
  = hint: iconv -f UTF-16 -t UTF-8 versions/1.sql

"#]]);
}

#[test]
fn latin_1_and_bytes_that_are_nothing() {
    Case::file(with_byte("-- revision: 1\n-- message: caf~\n\n-- migrate:upgrade\n", 0xe9)).refused(str![[r#"
exit code: 1
----- stderr
error: the file is not UTF-8
 --> versions/1.sql:2:16
  |
2 | -- message: caf�
  |                ^
  |
  = hint: iconv -f LATIN1 -t UTF-8 versions/1.sql   # if it is Latin-1

"#]]);
    Case::file(with_byte(&upgrade("SELECT 1;\nSELECT 'caf~';\n"), 0xe9)).refused(str![[r#"
exit code: 1
----- stderr
error: the byte 0xE9 is not UTF-8
 --> versions/1.sql:6:12
  |
6 | SELECT 'caf�';
  |            ^
  |
  = note: nothing was run
  = hint: save the file as UTF-8

"#]]);
    Case::file(with_byte(&upgrade("SELECT 1;\n\u{e9} ~"), 0xff)).refused(str![[r#"
exit code: 1
----- stderr
error: the byte 0xFF is not UTF-8
 --> versions/1.sql:6:3
  |
6 | é �
  |   ^
  |
  = note: nothing was run
  = hint: save the file as UTF-8

"#]]);
}

#[test]
fn nul() {
    Case::file("-- revision: 1\n-- message: a\0b\n\n-- migrate:upgrade\n").refused(str![[r#"
exit code: 1
----- stderr
error: a control character (U+0000) in the header
 --> versions/1.sql:2:14
  |
2 | -- message: a␀b
  |              ^
  |
  = hint: take it out of the file

"#]]);
    Case::file(upgrade("SELECT 1;\nSELECT '\0';\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a NUL byte cannot be sent to PostgreSQL
 --> versions/1.sql:6:9
  |
6 | SELECT '␀';
  |         ^
  |
  = note: nothing was run
  = hint: take it out of the file

"#]]);
}

#[test]
fn blanks_that_are_none() {
    Case::file(upgrade("CREATE TABLE a\u{a0}();\n")).refused(str![[r#"
exit code: 1
----- stderr
error: the character U+00A0 cannot stand in SQL outside quotes
 --> versions/1.sql:5:15
  |
5 | CREATE TABLE a ();
  |               ^
  |
  = note: nothing was run
  = hint: it looks like a blank, or like nothing; put a plain space there

"#]]);
    Case::file(upgrade("SELECT 1;\u{2028}SELECT 2;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: the character U+2028 cannot stand in SQL outside quotes
 --> versions/1.sql:5:10
  |
5 | SELECT 1; SELECT 2;
  |          ^
  |
  = note: nothing was run
  = hint: it looks like a blank, or like nothing; put a plain space there

"#]]);
    Case::file(upgrade("SELECT\u{202e} 1;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: the character U+202E cannot stand in SQL outside quotes
 --> versions/1.sql:5:7
  |
5 | SELECT� 1;
  |       ^
  |
  = note: nothing was run
  = hint: it looks like a blank, or like nothing; put a plain space there

"#]]);
    Case::file("-- revision:\u{a0}1\n\n-- migrate:upgrade\n").refused(str![[r#"
exit code: 1
----- stderr
error: the character U+00A0 stands in a line of the header
 --> versions/1.sql:1:13
  |
1 | -- revision: 1
  |             ^
  |
  = hint: it looks like a blank, or like nothing; put a plain space there

"#]]);
    Case::file("-- revision: 1\u{2028}\n\n-- migrate:upgrade\n").refused(str![[r#"
exit code: 1
----- stderr
error: U+2028 cannot stand in the id of a revision
 --> versions/1.sql:1:14
  |
1 | -- revision: 1 
  |              ^^
  |
  = note: ids and labels are letters, digits and `_`

"#]]);
}

#[test]
fn carriage_returns_alone() {
    Case::file("-- revision: 1\r-- message: one\r\r-- migrate:upgrade\rSELECT 1;\r").refused(str![[r#"
exit code: 1
----- stderr
error: a carriage return without a line feed in the header
 --> versions/1.sql:1:15
  |
1 | -- revision: 1␍-- message: one␍␍-- migrate:upgrade␍SELECT 1;
  |               ^
  |
  = hint: save the file with LF or CRLF line ends

"#]]);
    Case::file(upgrade("SELECT 1; -- one\rDROP TABLE a;\n")).refused(str![[r#"
exit code: 1
----- stderr
error: a carriage return inside a `--` comment ends it for PostgreSQL, so the rest would run
 --> versions/1.sql:5:17
  |
5 | SELECT 1; -- one␍DROP TABLE a;
  |                 ^
  |
  = note: nothing was run
  = hint: end lines with LF or CRLF

"#]]);
}

#[test]
fn what_is_fine() {
    let good = upgrade("CREATE TABLE a ();\n");
    Case::file(format!("\u{feff}{good}")).runs();
    Case::file(good.replace('\n', "\r\n")).runs();
    Case::file(upgrade("CREATE TABLE a\r\n();\nSELECT\r\n1;\n")).runs();
    Case::file(good.trim_end()).runs();
    Case::file(upgrade("SELECT '\u{a0}\u{2028}\u{feff}';\n")).runs();
}
