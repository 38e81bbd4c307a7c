//! Projects of revisions, and the same SQL as plain scripts for psql.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory with `migrate.ini`, revision files and scripts.
pub struct Project {
    directory: TempDir,
    pub files: Vec<PathBuf>,
}

/// What a revision does and how it is undone.
pub struct Body {
    pub up: String,
    pub down: String,
}

impl Project {
    fn empty() -> Self {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let directory =
            tempfile::Builder::new().prefix("ratios-").permissions(everybody).tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("versions")).expect("a directory");
        let ini = "[migrate]\nurl = {{ env.DATABASE_URL }}\nversion_locations = versions\n";
        std::fs::write(directory.path().join("migrate.ini"), ini).expect("a file");
        Self { directory, files: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A revision file, made so that a large body need not be in memory at once.
    fn revision(&mut self, id: &str, parents: &[String], message: &str, write: impl FnOnce(&mut BufWriter<File>)) {
        let path = self.path().join("versions").join(format!("{id}_{}.sql", message.replace(' ', "_")));
        let mut file = BufWriter::new(File::create(&path).expect("a file"));
        let parents = match parents {
            [] => String::new(),
            [parent] => format!("-- parents: {parent}\n"),
            several => format!("-- parents: [{}]\n", several.join(", ")),
        };
        let created = "2025-11-20T09:30:00Z";
        writeln!(file, "-- revision: {id}\n{parents}-- message: {message}\n-- created: {created}\n").expect("disk");
        write(&mut file);
        file.flush().expect("disk");
        self.files.push(path);
    }

    /// A script beside the revisions.
    pub fn script(&self, name: &str, text: impl Iterator<Item = String>) -> PathBuf {
        let path = self.path().join(name);
        let mut file = BufWriter::new(File::create(&path).expect("a file"));
        text.for_each(|part| file.write_all(part.as_bytes()).expect("disk"));
        file.flush().expect("disk");
        path
    }

    /// `bodies`, one upon the other; ids as a sequence.
    pub fn chain(bodies: &[Body]) -> Self {
        let mut project = Self::empty();
        let mut parents = Vec::new();
        for (number, body) in bodies.iter().enumerate() {
            let id = format!("{:05}", number + 1);
            project.revision(&id, &parents, "small change", |file| {
                write!(file, "-- migrate:upgrade\n{}\n-- migrate:downgrade\n{}", body.up, body.down).expect("disk");
            });
            parents = vec![id];
        }
        project
    }

    /// One revision; `write` writes its statements, here and into the script `plain.sql`.
    pub fn single(write: impl Fn(&mut dyn Write)) -> Self {
        let mut project = Self::empty();
        project.revision("00001", &[], "large change", |file| {
            writeln!(file, "-- migrate:upgrade").expect("disk");
            write(file);
        });
        let mut plain = BufWriter::new(File::create(project.path().join("plain.sql")).expect("a file"));
        write(&mut plain);
        plain.flush().expect("disk");
        project
    }

    /// `count` revisions with ids as by chance: in each ten a branch point, two branches of four, and their merge.
    pub fn branching(count: usize) -> Self {
        let mut project = Self::empty();
        let id = |number: usize| format!("{:012x}", split_mix(number as u64) >> 16);
        for number in 0..count {
            let parents: Vec<usize> = match number % 10 {
                _ if number == 0 => vec![],
                5 => vec![number - 5],
                9 => vec![number - 5, number - 1],
                _ => vec![number - 1],
            };
            let parents: Vec<String> = parents.into_iter().map(id).collect();
            let body = small(number);
            project.revision(&id(number), &parents, &format!("add the table of item {number}"), |file| {
                write!(file, "-- migrate:upgrade\n{}\n-- migrate:downgrade\n{}", body.up, body.down).expect("disk");
            });
        }
        project
    }
}

/// The usual small change: a table with its index, then a column for it.
pub fn small(number: usize) -> Body {
    let table = format!("item_{}", number / 2);
    if number.is_multiple_of(2) {
        let up = format!(
            "CREATE TABLE {table} (\n    id bigint PRIMARY KEY,\n    name text NOT NULL,\n    \
             created_at timestamptz NOT NULL DEFAULT now()\n);\nCREATE INDEX {table}_name ON {table} (name);\n"
        );
        return Body { up, down: format!("DROP TABLE {table};\n") };
    }
    let up = format!(
        "ALTER TABLE {table} ADD COLUMN price numeric(12, 2) NOT NULL DEFAULT 0;\n\
         COMMENT ON COLUMN {table}.price IS 'what it costs';\n"
    );
    Body { up, down: format!("ALTER TABLE {table} DROP COLUMN price;\n") }
}

/// 23 tables with foreign keys and 46 indexes, in two revisions: an application's first weeks.
pub fn platform() -> [Body; 2] {
    let table = |number: usize| {
        let mut text = format!(
            "CREATE TABLE part_{number} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
             title text NOT NULL,\n    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'old')),\n    \
             created_at timestamptz NOT NULL DEFAULT now()"
        );
        if number > 0 {
            let _ = write!(text, ",\n    parent_id bigint REFERENCES part_{} (id)", number / 2);
        }
        let _ = write!(text, "\n);\nCREATE INDEX part_{number}_title ON part_{number} (title);\n");
        let _ = writeln!(text, "CREATE INDEX part_{number}_state ON part_{number} (state, created_at);");
        text
    };
    let body = |numbers: std::ops::Range<usize>| Body {
        up: numbers.clone().map(table).collect(),
        down: numbers.rev().map(|number| format!("DROP TABLE part_{number};\n")).collect(),
    };
    [body(0..10), body(10..23)]
}

/// About `bytes` of INSERTs of some 10 KB each.
pub fn inserts_of(bytes: usize) -> impl Fn(&mut dyn Write) {
    move |out| {
        let mut written = 0;
        let mut id = 0;
        let mut send = |text: &str| {
            out.write_all(text.as_bytes()).expect("disk");
            written += text.len();
            written
        };
        send("CREATE TABLE bulk (id bigint PRIMARY KEY, name text NOT NULL, note text);\n");
        loop {
            let mut text = String::from("INSERT INTO bulk (id, name, note) VALUES");
            for row in 0..100 {
                let comma = if row == 0 { "" } else { "," };
                let _ = write!(
                    text,
                    "{comma}\n    ({id}, 'name number {id}', 'it''s a note of a usual length, about sixty bytes')"
                );
                id += 1;
            }
            text.push_str(";\n");
            if send(&text) >= bytes {
                return;
            }
        }
    }
}

/// `count` INSERTs of one row.
pub fn statements(count: usize) -> impl Fn(&mut dyn Write) {
    move |out| {
        writeln!(out, "CREATE TABLE seed (id bigint, name text);").expect("disk");
        for id in 0..count {
            writeln!(out, "INSERT INTO seed VALUES ({id}, 'name {id}');").expect("disk");
        }
    }
}

/// Scatters neighbouring numbers.
fn split_mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
