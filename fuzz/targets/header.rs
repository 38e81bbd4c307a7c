//! The header of a revision file: any bytes give a header or an error with a place; what is written reads back.
#![no_main]

use aludel::model::header::{Header, Problem, extent, quoted, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = match text(bytes) {
        Ok(text) => text,
        Err(error) => {
            assert!(error.range.start <= error.range.end && error.range.end <= bytes.len(), "{error:?}");
            return;
        }
    };
    let read = Header::parse(text);
    // The beginning that `extent` asks for says the same as the whole file.
    let enough = extent(bytes).unwrap_or(bytes.len());
    if let Ok(beginning) = aludel::model::header::text(&bytes[..enough]) {
        assert_eq!(Header::parse(beginning), read);
    }
    match read {
        Ok(header) => {
            // A header made of what was read means the same.
            let list = |names: &[aludel::model::revision::Name]| {
                let names: Vec<String> = names.iter().map(|name| quoted(name.as_str())).collect();
                format!("[{}]", names.join(", "))
            };
            let revision = &header.revision;
            let again = format!(
                "-- revision: {}\n-- parents: {}\n-- depends_on: {}\n-- labels: {}\n-- message: {}\n",
                quoted(revision.id.as_str()),
                list(&revision.parents),
                list(&revision.depends_on),
                list(&revision.labels),
                quoted(&revision.message),
            );
            assert_eq!(Header::parse(&again).expect("what was written reads back").revision, *revision, "{again}");
        }
        Err(error) => {
            assert!(text.get(error.range.clone()).is_some(), "{error:?}");
            if let Problem::KeyTwice(_, first) = error.problem {
                assert!(text.get(first).is_some());
            }
        }
    }
});
