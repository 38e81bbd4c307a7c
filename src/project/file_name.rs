//! The name of a new revision's file: Alembic's `file_template` and slug.
//!
//! Ini files are carried over from Alembic, so its Python form is read as it is: `%(rev)s_%(slug)s`, with the doubled
//! `%%(rev)s` that its ini files need and with widths (`%(month).2d`).

use std::ops::Range;

use chrono::{DateTime, Datelike, FixedOffset, Timelike};

use crate::error::{Error, Result};
use crate::nearest::nearest;

/// What a name is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTemplate {
    pieces: Vec<Piece>,
    slug_length: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Token { token: Token, zeros: bool, width: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Rev,
    Slug,
    Epoch,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

const TOKENS: [(&str, Token); 9] = [
    ("rev", Token::Rev),
    ("slug", Token::Slug),
    ("epoch", Token::Epoch),
    ("year", Token::Year),
    ("month", Token::Month),
    ("day", Token::Day),
    ("hour", Token::Hour),
    ("minute", Token::Minute),
    ("second", Token::Second),
];

impl FileTemplate {
    /// The template that `text` writes; slugs longer than `slug_length` characters are cut.
    ///
    /// # Errors
    /// What is wrong and at which bytes of `text`, for the caller knows where it stands in the ini.
    pub fn parse(text: &str, slug_length: usize) -> std::result::Result<Self, (String, Range<usize>)> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(percent) = rest.find('%') {
            push_text(&mut pieces, &rest[..percent]);
            rest = &rest[percent..];
            let start = text.len() - rest.len();
            // The ini's `%%(rev)s` means the same as `%(rev)s`; two signs before anything else are one sign.
            let behind = rest.trim_start_matches('%');
            let signs = rest.len() - behind.len();
            if !behind.starts_with('(') {
                if signs % 2 == 1 {
                    return Err((LONE_PERCENT.to_owned(), start..start + signs));
                }
                push_text(&mut pieces, &rest[..signs / 2]);
                rest = behind;
                continue;
            }
            let (piece, length) =
                token(behind).map_err(|(message, length)| (message, start..start + signs + length))?;
            pieces.push(piece);
            rest = &behind[length..];
        }
        push_text(&mut pieces, rest);
        if !pieces.iter().any(|piece| matches!(piece, Piece::Token { token: Token::Rev, .. })) {
            // Without the id two files of one second and one message would be the same file.
            return Err(("`%(rev)s` is missing: the id makes a file's name its own".to_owned(), 0..text.len()));
        }
        Ok(Self { pieces, slug_length })
    }

    /// The name of the file, with its `.sql`; it may hold `/`. Where there is no slug, the separator beside its token
    /// goes too: `c814348b060c.sql`, not `c814348b060c_.sql`.
    #[must_use]
    pub fn render(&self, id: &str, message: &str, created: DateTime<FixedOffset>) -> String {
        let slug = slug(message, self.slug_length);
        let mut name = String::new();
        let mut drop_separator = false;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    let text = if std::mem::take(&mut drop_separator) {
                        text.strip_prefix(SEPARATORS).unwrap_or(text)
                    } else {
                        text
                    };
                    name.push_str(text);
                }
                Piece::Token { token: Token::Slug, .. } if slug.is_empty() => match name.strip_suffix(SEPARATORS) {
                    Some(shorter) => name.truncate(shorter.len()),
                    None => drop_separator = true,
                },
                Piece::Token { token, zeros, width } => {
                    let text = match token {
                        Token::Rev => id.to_owned(),
                        Token::Slug => slug.clone(),
                        Token::Epoch => created.timestamp().to_string(),
                        Token::Year => created.year().to_string(),
                        Token::Month => created.month().to_string(),
                        Token::Day => created.day().to_string(),
                        Token::Hour => created.hour().to_string(),
                        Token::Minute => created.minute().to_string(),
                        Token::Second => created.second().to_string(),
                    };
                    name.push_str(&if *zeros { format!("{text:0>width$}") } else { format!("{text:>width$}") });
                }
            }
        }
        name + ".sql"
    }

    /// Whether names made of this may lie in sub-directories.
    #[must_use]
    pub fn has_directories(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('/')))
    }
}

const SEPARATORS: [char; 4] = ['_', '-', '.', ' '];

const LONE_PERCENT: &str = "`%` must begin a token such as `%(rev)s`; a percent sign itself is written `%%`";

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// The token that `text` begins with, from its bracket on, and its length; or what is wrong and how much to mark.
fn token(text: &str) -> std::result::Result<(Piece, usize), (String, usize)> {
    let Some((name, behind)) = text[1..].split_once(')') else {
        return Err(("`%(` without its `)`".to_owned(), text.len()));
    };
    let marked = name.len() + 2;
    let Some(&(known, token)) = TOKENS.iter().find(|(known, _)| *known == name) else {
        let message = match nearest(name, TOKENS.map(|(known, _)| known)) {
            Some(near) => format!("unknown token `%({name})`: did you mean `%({near})s`?"),
            None => format!("unknown token `%({name})`: there are {}", TOKENS.map(|(known, _)| known).join(", ")),
        };
        return Err((message, marked));
    };
    // Python's conversion: an optional 0, a width, a precision, then the type.
    let end = behind.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(behind.len());
    let (width, precision) = behind[..end].split_once('.').unwrap_or((&behind[..end], ""));
    let kind = behind[end..].chars().next();
    let is_number = !matches!(token, Token::Rev | Token::Slug);
    let right_kind = kind == Some('s') || (is_number && matches!(kind, Some('d' | 'i')));
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<usize>().ok() };
    let (Some(widest), Some(least)) = (number(width), number(precision)) else {
        return Err((format!("`%({known})` has a width that is no number"), marked + end));
    };
    if !right_kind || widest.max(least) > 20 || (kind == Some('s') && behind[..end].contains('.')) {
        let form = if is_number { format!("`%({known})s` or `%({known}).2d`") } else { format!("`%({known})s`") };
        return Err((format!("`%({known})` is written {form}"), marked + end));
    }
    let zeros = kind != Some('s') && (width.starts_with('0') || least > 0);
    Ok((Piece::Token { token, zeros, width: widest.max(least) }, marked + end + 1))
}

/// The words of a message in lower case, joined by `_`: Alembic's rule, its way of cutting included.
fn slug(message: &str, length: usize) -> String {
    let words = message.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("_").to_lowercase();
    match slug.char_indices().nth(length) {
        None => slug,
        Some((end, _)) => {
            let cut = &slug[..end];
            format!("{}_", cut.rsplit_once('_').map_or(cut, |(head, _)| head))
        }
    }
}

/// Names that Windows keeps for devices, whatever stands behind their first dot.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Refuses a relative path that would leave its directory, that the loader passes over, or that some file system cannot
/// hold.
pub(super) fn check(name: &str) -> Result<()> {
    for part in name.split('/') {
        let stem = part.split('.').next().unwrap_or_default().trim_end().to_lowercase();
        let wrong = if part.is_empty() {
            "an empty part".to_owned()
        } else if part.starts_with('.') {
            format!("`{part}`, which begins with a dot")
        } else if part.ends_with(['.', ' ']) || part.starts_with([' ', '-']) {
            format!("`{part}`, which begins or ends with a sign that it cannot")
        } else if let Some(sign) = part.chars().find(|&c| c.is_control() || "<>:\"\\|?*".contains(c)) {
            format!("the character {sign:?}")
        } else if DEVICES.contains(&stem.as_str()) {
            format!("`{stem}`, which is a device on Windows")
        } else if part.len() > 255 {
            format!("a part of {} bytes, and file systems hold 255", part.len())
        } else {
            continue;
        };
        let shown: String = name.chars().take(120).collect();
        return Err(Error::failed(format!("the new file cannot be called `{shown}`: it has {wrong}"))
            .hint("choose another id or message, or change `file_template` in the ini"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, id: &str, message: &str) -> String {
        let created = DateTime::parse_from_rfc3339("2025-01-02T03:04:05+02:00").unwrap();
        FileTemplate::parse(template, 40).unwrap().render(id, message, created)
    }

    #[test]
    fn alembics_forms() {
        for (template, wanted) in [
            ("%(rev)s_%(slug)s", "a1_add_users.sql"),
            ("%%(rev)s_%%(slug)s", "a1_add_users.sql"),
            (
                "%(year)d_%(month).2d_%(day).2d_%(hour).2d%(minute).2d-%(rev)s_%(slug)s",
                "2025_01_02_0304-a1_add_users.sql",
            ),
            (
                "%%(year)d_%%(month).2d_%%(day).2d_%%(hour).2d%%(minute).2d-%%(rev)s_%%(slug)s",
                "2025_01_02_0304-a1_add_users.sql",
            ),
            ("%(year)s/%(month)02d/%(rev)s", "2025/01/a1.sql"),
            ("%(epoch)s_%(second)d_%(rev)s", "1735779845_5_a1.sql"),
            ("100%% %(rev)s", "100% a1.sql"),
        ] {
            assert_eq!(render(template, "a1", "Add users!"), wanted, "{template}");
        }
    }

    #[test]
    fn without_a_slug_its_separator_goes() {
        for message in ["", "!!!", "🎉"] {
            assert_eq!(render("%(rev)s_%(slug)s", "c814348b060c", message), "c814348b060c.sql");
            assert_eq!(render("%(slug)s-%(rev)s", "c814348b060c", message), "c814348b060c.sql");
            assert_eq!(render("%(year)d-%(slug)s-%(rev)s", "c8", message), "2025-c8.sql");
        }
    }

    #[test]
    fn slugs_are_alembics() {
        for (message, wanted) in [
            ("create account table", "create_account_table"),
            ("../../etc/passwd; rm -rf", "etc_passwd_rm_rf"),
            ("Añade la_tabla É", "añade_la_tabla_é"),
            ("this is a very long message that goes on and on", "this_is_a_very_long_message_that_goes_"),
            ("exactly_forty_characters_of_slug_here_abc", "exactly_forty_characters_of_slug_here_"),
            ("", ""),
        ] {
            assert_eq!(slug(message, 40), wanted, "{message}");
        }
        assert_eq!(slug(&"x".repeat(40), 40), "x".repeat(40));
        assert_eq!(slug(&"x".repeat(10_000), 40), format!("{}_", "x".repeat(40)));
        assert_eq!(slug(&"é".repeat(41), 40), format!("{}_", "é".repeat(40)));
    }

    #[test]
    fn a_wrong_token_is_named() {
        for (template, message, marked) in [
            ("%(rev)s_%(slugg)s", "did you mean `%(slug)s`?", "%(slugg)"),
            ("%(rev)s_%(quarter)s", "there are rev, slug", "%(quarter)"),
            ("%(rev)s_%s", "must begin a token", "%"),
            ("%(rev)s_%(slug", "without its `)`", "%(slug"),
            ("%(rev)d", "is written `%(rev)s`", "%(rev)"),
            ("%(rev)s%(year).99d", "is written", "%(year).99"),
            ("%(slug)s", "`%(rev)s` is missing", "%(slug)s"),
            ("{{rev}}_{{slug}}", "`%(rev)s` is missing", "{{rev}}_{{slug}}"),
        ] {
            let (got, range) = FileTemplate::parse(template, 40).unwrap_err();
            assert!(got.contains(message), "{template}: {got}");
            assert_eq!(&template[range], marked, "{template}");
        }
    }

    #[test]
    fn names_that_some_file_system_cannot_hold() {
        for name in ["a.sql", "2025/01/a_b.sql", "été.sql", "confirm.sql", "a b.sql"] {
            assert!(check(name).is_ok(), "{name}");
        }
        let long = format!("{}.sql", "x".repeat(252));
        for name in [
            "../a.sql",
            "/a.sql",
            "a//b.sql",
            "./a.sql",
            ".a.sql",
            "con.sql",
            "LPT1.sql",
            "aux/a.sql",
            "a./b.sql",
            "a\nb.sql",
            "a:b.sql",
            "a\\b.sql",
            "-rf.sql",
            &long,
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
