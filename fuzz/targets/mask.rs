//! The masking of settings that are quoted in errors: a password where people put one is never shown, whatever surrounds it.
#![no_main]

use aludel::config::mask::{cover, hidden};
use libfuzzer_sys::fuzz_target;

/// What is shown of `line`, whose value begins behind `=`.
fn shown(line: &str, connection: bool) -> String {
    let value = line.find('=').map_or(0, |at| at + 1);
    cover(line, &hidden(line, value, connection), 0..0).0
}

fuzz_target!(|input: (u8, u8, &str)| {
    let (start, end, text) = input;
    let text: String = text.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
    // Any line: the ranges are in order and apart, the mark is in what is shown, and masking twice changes nothing.
    let value = text.find('=').map_or(0, |at| at + 1);
    for connection in [false, true] {
        let ranges = hidden(&text, value, connection);
        assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
        let start = text.floor_char_boundary(usize::from(start));
        let end = text.floor_char_boundary(usize::from(end)).max(start);
        let (masked, mark) = cover(&text, &ranges, start..end);
        assert!(masked.get(mark.clone()).is_some(), "{masked:?} {mark:?}");
        if ranges.is_empty() {
            assert_eq!((masked.as_str(), mark), (text.as_str(), start..end));
        }
    }
    for secret in [format!("CANARY{text}"), format!("{text}CANARY"), format!("{text}CANARY{text}")] {
        for line in [
            format!("url = postgresql://user:{secret}@host/database"),
            format!("url = postgresql+asyncpg://user:{secret}@host:5432/database?sslmode=disable"),
            format!("url = postgresql://host/database?password={secret}"),
            format!("url = host=h password={secret}"),
            format!("url = host=h password = '{secret}' dbname=d"),
            format!("db_password = {secret}"),
            format!("api-token: {secret}"),
            format!("post_write_hooks = tool --password {secret}"),
        ] {
            for connection in [false, true] {
                let shown = shown(&line, connection);
                assert!(!shown.contains("CANARY"), "{line}\n{shown}");
            }
        }
    }
});
