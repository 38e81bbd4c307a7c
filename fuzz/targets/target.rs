//! Targets, ranges and routes: what is understood prints as something that means the same; an error's place is in the text.
#![no_main]

use aludel::model::range::{Range, Route};
use aludel::model::target::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Target::parse(text) {
        Ok(target) => {
            let printed = target.to_string();
            assert_eq!(Target::parse(&printed).as_ref(), Ok(&target), "{printed}");
        }
        Err(error) => assert!(text.is_char_boundary(error.at()), "{error:?}"),
    }
    let half = |target: &Option<Target>| target.as_ref().map(ToString::to_string).unwrap_or_default();
    if let Ok(range) = Range::parse(text) {
        let printed = format!("{}:{}", half(&range.from), half(&range.to));
        assert_eq!(Range::parse(&printed), Ok(range), "{printed}");
    }
    if let Ok(route) = Route::parse(text) {
        let printed = match &route.from {
            Some(from) => format!("{from}:{}", route.to),
            None => route.to.to_string(),
        };
        assert_eq!(Route::parse(&printed), Ok(route), "{printed}");
    }
});
