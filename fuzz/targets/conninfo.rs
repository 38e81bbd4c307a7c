//! Connection strings: what is understood prints as a URL that means the same without its password; whatever is wrong,
//! a password is in nothing that is printed.
#![no_main]

use aludel::database::conninfo::{Conninfo, ConninfoError, Surroundings};
use aludel::error::Error;
use libfuzzer_sys::fuzz_target;

fn parse(text: &str) -> Result<Conninfo, ConninfoError> {
    Conninfo::parse(text, &Surroundings { variable: &|_| None, home: None, user: Some("me") })
}

/// Everything that is ever shown of a connection string.
fn shown(text: &str) -> String {
    match parse(text) {
        Ok(conninfo) => format!("{conninfo} {conninfo:?}"),
        Err(error) => format!("{error} {error:?} {:?}", Error::from(error.clone())),
    }
}

fuzz_target!(|text: &str| {
    // No file of the machine's is to be read.
    if text.contains("passfile") {
        return;
    }
    if let Ok(conninfo) = parse(text) {
        let printed = conninfo.to_string();
        let again = parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed);
        assert_eq!((again.user, again.database), (conninfo.user, conninfo.database), "{printed}");
    }
    // A password as people type it, raw, in both forms; a blank or a quote would end it in the second.
    assert!(!shown(&format!("postgresql://u:CANARY{text}@h/d?sslmode=prefer")).contains("CANARY"));
    // One with `@host/database?host=` or `/database?service=` in it is a whole URL, for libpq as well, whose parameter goes on
    // with the rest.
    if !text.split_once('?').is_some_and(|(_, rest)| rest.contains('=')) {
        assert!(!shown(&format!("postgresql://u:{text}CANARY@h/d")).contains("CANARY"));
    }
    if !text.contains(['\'', '\\']) && !text.contains(char::is_whitespace) {
        assert!(!shown(&format!("host=h password={text}CANARY user=u")).contains("CANARY"));
    }
});
