//! Quoting: the only way a value becomes SQL text. PostgreSQL's manual, 4.1.1 and 4.1.2.

/// `name` as a quoted identifier: always in double quotes, so no keyword list is needed and case is kept.
///
/// A NUL byte cannot stand in an identifier; names come from settings that refuse it.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `value` as a string literal: with a backslash inside, an `E''` string, which means the same whatever
/// `standard_conforming_strings` says.
#[must_use]
pub fn literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// `body` between dollar quotes with a tag that does not occur in it: what `DO` and function bodies need.
#[must_use]
pub fn dollar(body: &str) -> String {
    let mut tag = "$aludel$".to_owned();
    while body.contains(&tag) {
        tag.insert(tag.len() - 1, '_');
    }
    format!("{tag}{body}{tag}")
}

/// `schema.name`, both quoted; without a schema the name alone.
#[must_use]
pub fn qualified(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(name)),
        None => identifier(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b'"), "E'a\\\\b'''");
        assert_eq!(dollar("a"), "$aludel$a$aludel$");
        assert_eq!(dollar("$aludel$"), "$aludel_$$aludel$$aludel_$");
        assert_eq!(qualified(Some("s"), "t"), "\"s\".\"t\"");
    }
}
