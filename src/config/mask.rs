//! Which part of a line of an ini file may be a password, so that no error shows it.
//!
//! It errs on the side of hiding: a hidden host name costs a look into the file, a shown password costs the password.
//! It reads text as it stands in the file; it does not parse connection strings.

use std::ops::Range;

/// What a hidden part is shown as.
pub const HIDDEN: &str = "***";

/// A name that ends with one of these stands before a secret.
const SECRET_WORDS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "pass",
    "pwd",
    "pw",
    "secret",
    "secrets",
    "token",
    "key",
    "credentials",
];

/// Whether a value under this name is a secret by its name: `password`, `db_password`, `api-token`.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let tail = name.len().saturating_sub(16);
    let tail = name.get(name.ceil_char_boundary(tail)..).unwrap_or_default().to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| tail.ends_with(word))
}

/// Whether a word of `name` is one of those before a secret, or a slip of one: `pasword`, `db.tokne`.
#[must_use]
pub fn is_near_secret_name(name: &str) -> bool {
    is_secret_name(name)
        || name.split(['_', '-', '.']).any(|word| crate::nearest::nearest(word, SECRET_WORDS).is_some())
        || crate::nearest::nearest(name, SECRET_WORDS).is_some()
}

/// The byte ranges of `line` that may be passwords, in order, none touching another.
///
/// `value` is where the line's value begins: after `key =`, or 0 where the whole line is a value.
/// `connection`: the value is a connection string, so that a quoted text inside its template is hidden as well.
#[must_use]
pub fn hidden(line: &str, value: usize, connection: bool) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    ranges.extend(user_information(line, value));
    ranges.extend(after_secret_names(line));
    if connection {
        ranges.extend(quoted_in_templates(line, value));
    }
    merge(ranges)
}

/// `line` with `ranges` (sorted, apart) replaced by [`HIDDEN`], and where byte `offset` of it went.
#[must_use]
pub fn cover(line: &str, ranges: &[Range<usize>], offsets: Range<usize>) -> (String, Range<usize>) {
    // An offset inside a hidden part is moved to its edge.
    let around = |offset: usize| ranges.iter().find(|range| range.start < offset && offset < range.end);
    let start = around(offsets.start).map_or(offsets.start, |range| range.start);
    let offsets = start..around(offsets.end).map_or(offsets.end, |range| range.end).max(start);
    let mut shown = String::with_capacity(line.len());
    let (mut from, mut start, mut end) = (0, None, None);
    let mut settle = |until: usize, from: usize, shown: &str| {
        if start.is_none() && offsets.start <= until {
            start = Some(shown.len() - until.saturating_sub(offsets.start.max(from)));
        }
        if end.is_none() && offsets.end <= until {
            end = Some(shown.len() - until.saturating_sub(offsets.end.max(from)));
        }
    };
    for range in ranges {
        shown.push_str(&line[from..range.start]);
        settle(range.start, from, &shown);
        shown.push_str(HIDDEN);
        from = range.end;
    }
    shown.push_str(&line[from..]);
    settle(line.len(), from, &shown);
    let start = start.unwrap_or(shown.len());
    let end = end.unwrap_or(shown.len()).max(start);
    (shown, start..end)
}

/// The password of `scheme://user:password@host`, up to the last `@`, since people leave `@` and `/` in it unescaped.
fn user_information(line: &str, value: usize) -> Option<Range<usize>> {
    let authority = line[value..].find("//").map_or(value, |at| value + at + 2);
    let last_at = line.rfind('@').filter(|at| *at >= value);
    match last_at {
        Some(at) => {
            let from = if authority <= at { authority } else { value };
            let colon = from + line[from..at].find(':')?;
            password(line, colon + 1..at)
        }
        // `//user:password` whose host was forgotten; `//host:5432` is no secret.
        None if authority > value => {
            let rest = &line[authority..];
            let host_end = rest.find(['/', '?']).unwrap_or(rest.len());
            let colon = authority + rest[..host_end].find(':')?;
            let port = line[colon + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
            let is_port = port.is_empty() || port.starts_with(['/', '?', '"', '\'', ' ']);
            if is_port { None } else { password(line, colon + 1..line.len()) }
        }
        None => None,
    }
}

/// What follows `password =`, `?password=`, `--token `, up to the end of the line: a value may hold anything.
fn after_secret_names(line: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut run_start = None;
    for (at, character) in line.char_indices() {
        let in_name = character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
        if in_name {
            run_start.get_or_insert(at);
            continue;
        }
        let Some(start) = run_start.take() else { continue };
        if !is_secret_name(&line[start..at]) {
            continue;
        }
        let rest = line[at..].trim_start_matches(['"', '\'', ' ', '\t']);
        let option = line[start..].starts_with('-') && character.is_whitespace();
        if rest.starts_with(['=', ':']) || option {
            let from = if option && !rest.starts_with(['=', ':']) {
                line.len() - rest.len()
            } else {
                line.len() - rest.len() + 1
            };
            let range = password(line, from..line.len());
            if range.is_some() {
                ranges.extend(range);
                break;
            }
        }
    }
    ranges
}

/// Texts in quotes inside `{{ }}` and `{% %}`: `{{ env.PGPASSWORD or "secret" }}`. `local` is a word of ours.
fn quoted_in_templates(line: &str, value: usize) -> Vec<Range<usize>> {
    let Some(open) = line[value..].find('{').map(|at| value + at) else { return Vec::new() };
    let mut ranges = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    for (at, character) in line[open..].char_indices().map(|(at, character)| (open + at, character)) {
        match quote {
            None if matches!(character, '"' | '\'') => quote = Some((character, at + 1)),
            Some((mark, start)) if mark == character => {
                let text = &line[start..at];
                if text != "local" && !text.is_empty() && !text.contains("//") {
                    ranges.push(start..at);
                }
                quote = None;
            }
            _ => {}
        }
    }
    ranges.extend(quote.map(|(_, start)| start..line.len()));
    ranges
}

/// `range` unless nothing there, or only a template without a quoted text, which is no password but where it is.
fn password(line: &str, range: Range<usize>) -> Option<Range<usize>> {
    let text = line[range.clone()].trim();
    let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    let only_template = inner.is_some_and(|inner| !inner.contains(['"', '\'', '{', '}']));
    // Blanks stay outside, so that `key = ***` looks as it was typed.
    let start = range.start + (line[range.clone()].len() - line[range.clone()].trim_start().len());
    (!text.is_empty() && !only_template).then(|| start..start + text.len())
}

/// The same ranges, sorted, those that meet made one.
fn merge(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(line: &str, expected: &str) {
        let value = line.find(['=', ':']).map_or(0, |at| at + 1);
        let ranges = hidden(line, value, line.starts_with("url"));
        assert_eq!(cover(line, &ranges, 0..0).0, expected);
    }

    #[test]
    fn passwords_are_hidden_and_the_rest_is_not() {
        shows("url = postgres://u:secret@h/db", "url = postgres://u:***@h/db");
        shows("url: postgres://u:se/c@r:et@h/db", "url: postgres://u:***@h/db");
        shows("url = u:secret@h/db", "url = u:***@h/db");
        shows("url = postgres://u:secret", "url = postgres://u:***");
        shows("url = postgres://h:5432/db", "url = postgres://h:5432/db");
        shows("url = postgres://u@h:5432/db", "url = postgres://u@h:5432/db");
        shows("url = postgres://h/db?password=secret&x=1", "url = postgres://h/db?password=***");
        shows("url = host=h password = 'se cret' dbname=d", "url = host=h password = ***");
        shows("url = {{ env.A or \"postgres://u:secret@h/d\" }}", "url = {{ env.A or \"postgres://u:***@h/d\" }}");
        shows("url = postgres://u:{{ env.P }}@h/db", "url = postgres://u:{{ env.P }}@h/db");
        shows("url = postgres://u:{{ env.P or 'secret' }}@h", "url = postgres://u:***@h");
        shows("url = {{ env.A ~ 'secret' }}", "url = {{ env.A ~ '***' }}");
        shows(
            "url = {{ x.dbUrl or env.DATABASE_URL or \"local\" }}",
            "url = {{ x.dbUrl or env.DATABASE_URL or \"local\" }}",
        );
        shows("app_password = secret", "app_password = ***");
        shows("API-TOKEN: secret", "API-TOKEN: ***");
        shows("post_write_hooks = tool --password secret", "post_write_hooks = tool --password ***");
        shows("password_command = vault read db", "password_command = vault read db");
        shows("lock_wait = 5min", "lock_wait = 5min");
    }

    #[test]
    fn a_mark_moves_with_the_text() {
        let line = "a = xxSECRETyy zz";
        let ranges = [Range { start: 6, end: 12 }];
        let marked = |range: Range<usize>| {
            let (shown, mark) = cover(line, &ranges, range);
            shown[mark].to_owned()
        };
        assert_eq!(marked(0..1), "a");
        assert_eq!(marked(4..14), "xx***yy");
        assert_eq!(marked(15..17), "zz");
        assert_eq!(marked(7..17), "***yy zz");
    }
}
