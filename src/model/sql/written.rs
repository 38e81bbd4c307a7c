//! What an error shows of the text that is run: the file as the user would type it, and, where that file is a template,
//! only lines of the template itself. The values put into it may be passwords.

use std::sync::Arc;

use super::checksum::Checksum;
use crate::source::Excerpt;

/// Where a text stands written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    path: Arc<str>,
    template: Option<Template>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Template {
    text: Arc<str>,
    checksum: Checksum,
    /// Whether rendering kept the number of lines: then a line of the one is very likely that line of the other.
    same_lines: bool,
}

impl From<&str> for Written {
    /// In the file `path` as it is.
    fn from(path: &str) -> Self {
        Self { path: Arc::from(path), template: None }
    }
}

impl Written {
    /// Rendered from `template`, the text of the file `path`.
    #[must_use]
    pub fn template(path: &str, template: &str, rendered: &str) -> Self {
        let lines = |text: &str| memchr::memchr_iter(b'\n', text.as_bytes()).count();
        let same_lines = lines(template) == lines(rendered);
        Self {
            path: Arc::from(path),
            template: Some(Template { text: Arc::from(template), checksum: Checksum::of(template), same_lines }),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The checksum of a template as it is written; the values put into it do not count.
    pub(super) fn checksum(&self) -> Option<Checksum> {
        self.template.as_ref().map(|template| template.checksum)
    }

    /// `excerpt`, of the text that is run, without anything that does not stand in the file.
    pub(super) fn shown(&self, mut excerpt: Excerpt) -> Excerpt {
        let Some(template) = &self.template else { return excerpt };
        let line = template.text.split('\n').nth(excerpt.place.line - 1).unwrap_or_default();
        if line.contains(&excerpt.line) {
            return excerpt;
        }
        if template.same_lines {
            let start = template.text.split_inclusive('\n').take(excerpt.place.line - 1).map(str::len).sum::<usize>();
            let blanks = line.len() - line.trim_start().len();
            return Excerpt::new(&*self.path, &template.text, start + blanks..start + line.trim_end().len(), 1);
        }
        excerpt.line = String::new();
        excerpt.mark = 0..0;
        excerpt.place.column = 1;
        excerpt.label("a line of the rendered text, which is not shown: it may hold a password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &str, rendered: &str, marked: &str) -> (usize, String) {
        let at = rendered.find(marked).unwrap();
        let excerpt = Excerpt::new("f.sql", rendered, at..at + marked.len(), 1);
        let shown = Written::template("f.sql", template, rendered).shown(excerpt);
        (shown.place.line, format!("{}|{}", shown.line, &shown.line[shown.mark.clone()]))
    }

    #[test]
    fn a_value_is_never_shown() {
        let same = ("a\n  x {{ p }} bogus\r\nplain oops\n", "a\n  x 'S3cr3t' bogus\r\nplain oops\n");
        assert_eq!(shown(same.0, same.1, "bogus"), (2, "  x {{ p }} bogus|x {{ p }} bogus".to_owned()));
        assert_eq!(shown(same.0, same.1, "oops"), (3, "plain oops|oops".to_owned()));
        let longer = ("{{ p }}\nplain oops", "S3\ncr3t\nplain oops");
        assert_eq!(shown(longer.0, longer.1, "cr3t"), (2, "|".to_owned()));
        assert_eq!(shown(longer.0, longer.1, "oops"), (3, "|".to_owned()));
    }

    #[test]
    fn a_plain_file_is_shown_as_it_is() {
        let excerpt = Excerpt::new("f.sql", "{{ p }} x", 8..9, 1);
        assert_eq!(Written::from("f.sql").shown(excerpt.clone()), excerpt);
    }
}
