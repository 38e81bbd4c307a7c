use std::fs;
use std::os::unix::fs::symlink;

use super::*;

struct Place(tempfile::TempDir);

impl Place {
    /// A directory with these files; a name without text behind it makes a revision of its stem.
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = place.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            fs::write(&path, if text.is_empty() { format!("-- revision: {stem}\n") } else { (*text).to_owned() })
                .unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, directories: &[&str], recursive: bool) -> std::result::Result<Project, Vec<Error>> {
        let directories = directories.iter().map(PathBuf::from).collect();
        Project::load(&Locations { here: self.0.path().to_owned(), directories, recursive }, Wanted::default())
    }

    fn ids(&self, directories: &[&str], recursive: bool) -> Vec<String> {
        let project = self.load(directories, recursive).unwrap();
        project.revisions.iter().map(|revision| revision.id.to_string()).collect()
    }

    /// The one error's title.
    fn error(&self, recursive: bool) -> Error {
        let mut errors = self.load(&["v"], recursive).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }
}

#[test]
fn files_are_loaded_in_alembics_order() {
    let place = Place::new(&[
        ("v/b.sql", ""),
        ("v/a.sql", ""),
        ("v/z/c.sql", ""),
        ("v/k/deep/d.sql", ""),
        ("v/repeatable/view.sql", "-- repeatable: view\n\nCREATE VIEW"),
        ("v/k/repeatable/e.sql", ""),
        ("w/a0.sql", ""),
        ("w/UP.SQL", ""),
        ("v/.#a.sql", "x"),
        ("v/.hidden.sql", "x"),
        ("v/a.sql~", "x"),
        ("v/.a.sql.swp", "x"),
        ("v/README.md", "x"),
        ("v/.git/x.sql", "x"),
    ]);
    assert_eq!(place.ids(&["v", "w"], false), ["a", "b", "UP", "a0"]);
    assert_eq!(place.ids(&["w", "./v"], true), ["UP", "a0", "a", "b", "d", "e", "c"]);
    assert_eq!(place.ids(&["v", "v", "v/z"], true), ["a", "b", "d", "e", "c"], "a directory is listed once");
    symlink(place.path("v"), place.path("v/z/up")).unwrap();
    symlink(place.path("w"), place.path("v/z/w")).unwrap();
    assert_eq!(place.ids(&["v"], true), ["a", "b", "d", "e", "c", "UP", "a0"], "links are followed, circles are not");
}

#[test]
fn paths_are_as_the_user_would_type_them() {
    let locations = |here: &str| Locations {
        here: here.into(),
        directories: vec!["versions".into(), "./more/".into(), "../up".into(), "/abs".into()],
        recursive: false,
    };
    let shown = |here| locations(here).paths().map(|path| path.display().to_string()).collect::<Vec<_>>();
    assert_eq!(shown(""), ["versions", "more", "../up", "/abs"]);
    assert_eq!(shown("."), ["versions", "more", "../up", "/abs"]);
    assert_eq!(shown("db/"), ["db/versions", "db/more", "db/../up", "/abs"]);
}

#[test]
fn what_is_no_revision_file_is_refused() {
    for (set_up, recursive, title) in [
        (&(|place: &Place| fs::create_dir(place.path("v/x.sql")).unwrap()) as &dyn Fn(&Place), false, "is a directory"),
        (
            &|place: &Place| {
                let made = std::process::Command::new("mkfifo").arg(place.path("v/x.sql")).status().unwrap();
                assert!(made.success());
            },
            false,
            "is a pipe",
        ),
        (&|place: &Place| symlink("x.sql", place.path("v/x.sql")).unwrap(), false, "cannot read"),
        (&|place: &Place| symlink("nowhere", place.path("v/x.sql")).unwrap(), true, "cannot read"),
        (&|place: &Place| fs::write(place.path("v/A.sql"), "-- revision: x").unwrap(), false, "differ only in case"),
        (&|place: &Place| fs::write(place.path("v/x.sql"), "").unwrap(), false, "no header"),
        (&|place: &Place| fs::write(place.path("v/x.sql"), b"-- revision: caf\xe9\n").unwrap(), false, "not UTF-8"),
        (&|place: &Place| fs::write(place.path("v/x.sql"), b"\xff\xfe-\0-\0").unwrap(), false, "UTF-16"),
        (&|place: &Place| fs::write(place.path("v/x.sql"), b"-- revision: a\0\n").unwrap(), false, "U+0000"),
        (&|place: &Place| fs::write(place.path("v/x.sql"), "-- a\r-- b\r").unwrap(), false, "carriage return"),
        (&|place: &Place| fs::write(place.path("v/x.sql"), "-- revision:\u{a0}a\n").unwrap(), false, "U+00A0"),
        (&|place: &Place| fs::write(place.path("v/x.sql"), "-".repeat(1 << 20)).unwrap(), false, "does not end"),
        (&|place: &Place| fs::remove_dir_all(place.path("v")).unwrap(), false, "no such version location"),
        (
            &|place: &Place| {
                fs::remove_dir_all(place.path("v")).unwrap();
                fs::write(place.path("v"), "").unwrap();
            },
            false,
            "is not a directory",
        ),
    ] {
        let place = Place::new(&[("v/a.sql", "")]);
        set_up(&place);
        let error = place.error(recursive);
        assert!(error.title().contains(title), "{title}: {error}");
    }
}

#[test]
fn every_wrong_file_is_reported_with_its_place() {
    let place = Place::new(&[
        ("v/a.sql", "\u{feff}-- revision: a\r\n-- parnets: b\r\n\r\nSELECT 1;"),
        ("v/b.sql", ""),
        ("v/c.sql", "-- Adds things.\n-- revision: c\n"),
        ("v/d.sql", "-- revision: d\n-- parents: a, b\n"),
    ]);
    let errors = place.load(&["v"], false).unwrap_err();
    let shown: Vec<String> = errors
        .iter()
        .map(|error| {
            let excerpt = &error.excerpts()[0];
            let file = Path::new(&excerpt.path).file_name().unwrap().display();
            format!(
                "{file}:{} {} | {} | {}",
                excerpt.place,
                error.title(),
                excerpt.line,
                &excerpt.line[excerpt.mark.clone()]
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "a.sql:2:4 unknown key `parnets` in the header | -- parnets: b | parnets",
            "c.sql:1:4 a line of the header is not `key: value` | -- Adds things. | Adds things.",
            "d.sql:2:13 `,` cannot stand in the id of a revision | -- parents: a, b | a, b",
        ]
    );
    assert_eq!(errors[0].hints(), ["did you mean `parents`?"]);
    assert_eq!(errors[2].hints(), ["several are written `-- parents: [a, b]`"]);
}

#[test]
fn many_files_on_two_threads_keep_their_order() {
    let names: Vec<String> = (0..FILES_FOR_TWO_THREADS + 1).map(|number| format!("v/r{number:04}.sql")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let place = Place::new(&files);
    let project = place.load(&["v"], false).unwrap();
    for ((file, revision), name) in project.files.iter().zip(&project.revisions).zip(&names) {
        assert_eq!(file.path, place.path(name));
        assert_eq!(format!("v/{}.sql", revision.id), *name);
    }
    assert_eq!(project.files.len(), names.len());
}

#[test]
fn a_long_header_takes_more_than_one_read() {
    let text = format!("-- revision: a\n-- message: {}\n-- labels: [b]\n\nSELECT 1;\n", "x".repeat(9000));
    let place = Place::new(&[("v/a.sql", &text)]);
    let project = place.load(&["v"], false).unwrap();
    assert_eq!(project.revisions[0].message.len(), 9000);
    let excerpt = project.files[0].excerpt(Key::Labels, Some("b")).unwrap();
    assert_eq!(excerpt.place, crate::source::Place { line: 3, column: 13 });
    let mut body = String::new();
    project.files[0].open().unwrap().read_to_string(&mut body).unwrap();
    assert_eq!(body, text);
    fs::remove_file(place.path("v/a.sql")).unwrap();
    assert!(project.files[0].open().err().unwrap().title().contains("cannot read"));
    assert_eq!(project.files[0].excerpt(Key::Labels, None), None);
}

#[test]
fn repeatable_files_are_those_in_their_directory() {
    let repeatable = |id: &str| format!("-- repeatable: {id}\n-- depends_on: a\n\nSELECT 1;\n");
    let texts = ["b", "a", "c"].map(repeatable);
    let place = Place::new(&[
        ("v/1.sql", ""),
        ("v/repeatable/b.sql", &texts[0]),
        ("v/repeatable/a.sql", &texts[1]),
        ("v/repeatable/README.md", "x"),
        ("w/repeatable/c.sql", &texts[2]),
    ]);
    for recursive in [false, true] {
        let project = place.load(&["v", "w", "v/../v"], recursive).unwrap();
        let ids: Vec<&str> = project.repeatables.iter().map(|repeatable| repeatable.id.as_str()).collect();
        assert_eq!((ids, project.revisions.len()), (vec!["a", "b", "c"], 1));
        let file = &project.repeatable_files[2];
        assert_eq!(file.path, place.path("w/repeatable/c.sql"));
        assert_eq!(file.checksum().unwrap(), Checksum::of_bytes(texts[2].as_bytes()));
    }
    fs::create_dir(place.path("v/repeatable/deep")).unwrap();
    fs::write(place.path("v/repeatable/deep/x.sql"), repeatable("x")).unwrap();
    let deep = place.load(&["v"], true).unwrap();
    assert_eq!(deep.repeatables.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["a", "b", "x"]);
    let errors = place.load(&["v"], false).unwrap_err();
    let said = format!("nothing reads the `.sql` files in `{}`", place.path("v/repeatable/deep").display());
    assert_eq!(errors.iter().map(Error::title).collect::<Vec<_>>(), [said]);
    fs::remove_dir_all(place.path("v/repeatable/deep")).unwrap();
    fs::write(place.path("v/repeatable/a.sql"), "-- revision: a\n").unwrap();
    let errors = place.load(&["v"], false).unwrap_err();
    assert_eq!(errors.iter().map(Error::title).collect::<Vec<_>>(), ["a repeatable file has no `revision`"]);
}
