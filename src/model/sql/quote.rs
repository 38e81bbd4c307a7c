//! Quoting: the only way a value becomes SQL text. PostgreSQL's manual, 4.1.1 and 4.1.2.

/// `name` as an identifier, in double quotes only where it needs them, as the server's own `quote_ident` does it.
///
/// A NUL byte cannot stand in an identifier; names come from settings that refuse it.
#[must_use]
pub fn identifier(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && KEYWORDS.binary_search(&name).is_err();
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Every keyword that cannot name whatever it likes, in order: `pg_get_keywords()` but for the category `U`, of
/// PostgreSQL 13 to 18 together.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between",
    "bigint", "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce",
    "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog",
    "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "dec",
    "decimal", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "exists", "extract",
    "false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group", "grouping",
    "having", "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval", "into", "is",
    "isnull", "join", "json", "json_array", "json_arrayagg", "json_exists", "json_object", "json_objectagg",
    "json_query", "json_scalar", "json_serialize", "json_table", "json_value", "lateral", "leading", "least",
    "left", "like", "limit", "localtime", "localtimestamp", "merge_action", "national", "natural", "nchar", "none",
    "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out",
    "outer", "overlaps", "overlay", "placing", "position", "precision", "primary", "real", "references",
    "returning", "right", "row", "select", "session_user", "setof", "similar", "smallint", "some", "substring",
    "symmetric", "system_user", "table", "tablesample", "then", "time", "timestamp", "to", "trailing", "treat",
    "trim", "true", "union", "unique", "user", "using", "values", "varchar", "variadic", "verbose", "when", "where",
    "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces",
    "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

/// `value` as a string literal: with a backslash inside, an `E''` string, which means the same whatever
/// `standard_conforming_strings` says.
#[must_use]
pub fn literal(value: &str) -> String {
    // Nearly always: a revision's record quotes a dozen values.
    if memchr::memchr2(b'\'', b'\\', value.as_bytes()).is_none() {
        return ["'", value, "'"].concat();
    }
    let quoted = value.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// `body` between dollar quotes with a tag that does not occur in it: what `DO` and function bodies need.
#[must_use]
pub fn dollar(body: &str) -> String {
    let mut tag = "$aludel$".to_owned();
    while memchr::memmem::find(body.as_bytes(), tag.as_bytes()).is_some() {
        tag.insert(tag.len() - 1, '_');
    }
    [&tag, body, &tag].concat()
}

/// `schema.name`, each quoted where it needs it; without a schema the name alone.
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
        assert_eq!(qualified(Some("s"), "T"), "s.\"T\"");
    }

    #[test]
    fn names_are_quoted_where_they_need_it() {
        for name in ["a", "_a1", "version", "aludel_version", "name", "type", "role"] {
            assert_eq!(identifier(name), name);
        }
        for name in ["", "A", "1a", "a b", "a.b", "é", "a$b", "user", "table", "system_user", "json", "all", "xmltable"]
        {
            assert_eq!(identifier(name), format!("\"{name}\""));
        }
        assert!(KEYWORDS.is_sorted());
    }
}
