//! Headers that do not make a graph.

use snapbox::str;

use crate::Case;

fn revision(id: &str, parents: &str) -> String {
    format!("-- revision: {id}\n-- parents: {parents}\n\n-- migrate:upgrade\nSELECT 1;\n")
}

fn case(files: &[(&str, &str, &str)]) -> Case {
    let case = Case::new();
    for (name, id, parents) in files {
        case.project.write(&format!("versions/{name}"), revision(id, parents));
    }
    case
}

#[test]
fn ids() {
    case(&[("1.sql", "1", ""), ("2.sql", "1", "")]).refused(str![[r#"
exit code: 1
----- stderr
error: 2 files have the id `1`
 --> versions/1.sql:1:14
  |
1 | -- revision: 1
  |              ^
  |
 ::: versions/2.sql:1:14
  |
1 | -- revision: 1
  |              ^
  |
  = hint: give one of them another id; if they came from two branches, keep the one that is applied

"#]]);
    case(&[("1.sql", "ab", ""), ("2.sql", "AB", "ab")]).refused(str![[r#"
exit code: 1
----- stderr
error: ids that differ only in case: `ab`, `AB`
 --> versions/1.sql:1:14
  |
1 | -- revision: ab
  |              ^^
  |
 ::: versions/2.sql:1:14
  |
1 | -- revision: AB
  |              ^^
  |
  = hint: give all but one of them another id

"#]]);
    case(&[("1.sql", "../x", "")]).refused(str![[r#"
exit code: 1
----- stderr
error: `.` cannot stand in the id of a revision
 --> versions/1.sql:1:14
  |
1 | -- revision: ../x
  |              ^^^^
  |
  = note: ids and labels are letters, digits and `_`

"#]]);
    case(&[("1.sql", "a.", "")]).refused(str![[r#"
exit code: 1
----- stderr
error: `.` cannot stand in the id of a revision
 --> versions/1.sql:1:14
  |
1 | -- revision: a.
  |              ^^
  |
  = note: ids and labels are letters, digits and `_`

"#]]);
    case(&[("1.sql", "head", "")]).refused(str![[r#"
exit code: 1
----- stderr
error: `head` cannot be the id of a revision
 --> versions/1.sql:1:14
  |
1 | -- revision: head
  |              ^^^^
  |
  = note: `head`, `heads`, `base`, `current` have a meaning of their own

"#]]);
}

/// 32 is what Alembic's table holds, 63 what PostgreSQL's names do; ours are text.
#[test]
fn long_ids() {
    for length in [33, 64, 300] {
        let case = case(&[("1.sql", &"a".repeat(length), "")]);
        case.runs();
    }
    let alembic = case(&[("1.sql", &"a".repeat(33), "")]);
    alembic.project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\nversion_table = alembic_version\n");
    alembic.database.psql(
        "CREATE SCHEMA hidden; CREATE TABLE hidden.alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)",
    );
    let ini =
        "[migrate]\nurl = {{ env.DATABASE_URL }}\nversion_table = alembic_version\nversion_table_schema = hidden\n";
    alembic.project.write("migrate.ini", ini);
    let ran = alembic.project.run(alembic.command());
    snapbox::assert_data_eq!(
        ran.transcript(),
        str![[r#"
exit code: 1
----- stderr
error: the id `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` does not fit into hidden.alembic_version, whose column holds 32 characters
note: nothing was run
hint: ALTER TABLE hidden.alembic_version ALTER COLUMN version_num TYPE text;

"#]]
    );
}

#[test]
fn edges() {
    case(&[("1.sql", "1", "2"), ("2.sql", "2", "1")]).refused(str![[r#"
exit code: 1
----- stderr
error: revisions need each other in a circle: 1 -> 2 -> 1
 --> versions/1.sql:2:13
  |
2 | -- parents: 2
  |             ^
  |
 ::: versions/2.sql:2:13
  |
2 | -- parents: 1
  |             ^
  |
  = hint: one of them names a wrong parent or dependency

"#]]);
    case(&[("1.sql", "1", "1")]).refused(str![[r#"
exit code: 1
----- stderr
error: revision 1 is its own parent
 --> versions/1.sql:2:13
  |
2 | -- parents: 1
  |             ^
  |
  = hint: name the revision before it; nothing for a base

"#]]);
    case(&[("1.sql", "1", "0")]).refused(str![[r#"
exit code: 1
----- stderr
error: revision 1 has a parent that no file defines: `0`
 --> versions/1.sql:2:13
  |
2 | -- parents: 0
  |             ^
  |
  = hint: add the missing file, or name another parent

"#]]);
    case(&[("1.sql", "1", ""), ("2.sql", "2", "")]).refused(str![[r#"
exit code: 1
----- stderr
error: there are 2 heads: 1, 2
hint: name one of them, or `LABEL@head`, or `heads` for all
hint: or join them: aludel merge heads -m "..."

"#]]);
}
