//! The settings: any bytes give sections or an error; every place is in the text, and no excerpt shows a password.
#![no_main]

use aludel::config::ini::Ini;
use libfuzzer_sys::fuzz_target;

/// Under keys whose value is a connection string or a secret, this is never shown.
const CANARY: &str = "CANARY";

fuzz_target!(|bytes: &[u8]| {
    let ini = match Ini::from_bytes("migrate.ini", bytes) {
        Ok(ini) => ini,
        Err(error) => {
            assert!(!format!("{error:?}").is_empty());
            return;
        }
    };
    for section in ini.sections() {
        assert_eq!(ini.text(&section.place), section.name);
        let _ = ini.section_excerpt(section);
        for entry in &section.entries {
            assert_eq!(ini.text(&entry.place), entry.key);
            assert!(std::ptr::eq(section.entry(&entry.key).expect("its own key"), entry), "a key twice");
            for line in &entry.lines {
                let text = ini.text(line);
                assert!(!text.is_empty() && text.trim() == text && !text.contains('\n'), "{text:?}");
                let _ = ini.value_excerpt(entry, line.clone());
            }
            let excerpts =
                [ini.key_excerpt(entry), ini.silent_excerpt(entry), ini.value_excerpt(entry, ini.value_place(entry))];
            let secret = entry.key.ends_with("password") && !entry.key.contains(CANARY);
            for excerpt in excerpts {
                assert!(!secret || !format!("{excerpt:?}").contains(CANARY), "{excerpt:?}");
            }
        }
    }
});
