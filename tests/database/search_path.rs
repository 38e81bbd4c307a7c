//! A schema that comes first in the search_path and has everything by the names that the tool uses. Whatever of it is
//! called raises; the tool's own SQL never meets it, in any command.

use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::server;

/// Functions, aggregates, operators, relations and types by the names of all in `pg_catalog`, with the same arguments: an
/// exact match in a schema before it would win. The tool's own tables; a cast from text; in schema `evil`.
const EVIL: &str = "
CREATE SCHEMA evil;
CREATE FUNCTION evil.boom() RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil was met'; END $$;
CREATE TABLE evil.aludel_version (version_num pg_catalog.text);
INSERT INTO evil.aludel_version VALUES ('evil');
CREATE TABLE evil.aludel_history (nothing pg_catalog.text);
CREATE TABLE evil.aludel_progress (nothing pg_catalog.text);
DO $do$
DECLARE
    f record; made pg_catalog.int4 := 0;
    raises CONSTANT pg_catalog.text := $f$ LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil %%', %L; END $$ $f$;
BEGIN
    FOR f IN SELECT p.proname, p.prokind, pg_get_function_identity_arguments(p.oid) AS arguments,
            CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL) AS result
        FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
    LOOP
        -- What a function in PL/pgSQL cannot take (`internal`, ORDER BY of an aggregate) has no shadow.
        BEGIN
            EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s', f.proname, f.arguments, f.result)
                || format(raises, f.proname);
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    IF made < 1500 THEN RAISE EXCEPTION '% functions', made; END IF;
    made := 0;
    FOR f IN SELECT o.oprname, format_type(o.oprleft, NULL) AS l, format_type(o.oprright, NULL) AS r, format_type(o.oprresult, NULL) AS result, o.oid
        FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprkind = 'b'
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION evil.operator_%s(%s, %s) RETURNS %s', f.oid, f.l, f.r, f.result)
                || format(raises, f.oprname);
            EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.operator_%s)',
                f.oprname, f.l, f.r, f.oid);
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    IF made < 500 THEN RAISE EXCEPTION '% operators', made; END IF;
    FOR f IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') LOOP
        EXECUTE format('CREATE VIEW evil.%I AS SELECT evil.boom()', f.relname);
    END LOOP;
    FOR f IN SELECT t.typname FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typname !~ '^_'
    LOOP
        BEGIN
            EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (evil.boom() IS NULL)', f.typname, f.typname);
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
END $do$;
CREATE TYPE evil.trap AS (a pg_catalog.int4);
CREATE FUNCTION evil.fall(pg_catalog.text) RETURNS evil.trap LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil cast'; END $$;
CREATE CAST (pg_catalog.text AS evil.trap) WITH FUNCTION evil.fall(pg_catalog.text) AS IMPLICIT;
";

/// The rows of the journal, in words that mean the same under any search_path.
fn journal(case: &Case) -> String {
    case.ask("SELECT pg_catalog.concat_ws(' ', revision, direction, statement, state) FROM public.aludel_progress")
}

/// How often evil was met by anybody, as the server's log has it.
fn evil_in_log() -> usize {
    let log = std::fs::read(server().cluster.directory().join("log")).expect("the server's log");
    String::from_utf8_lossy(&log).matches("ERROR:  evil ").count()
}

#[test]
fn an_attack_by_search_path() {
    let case = Case::new();
    case.ask(EVIL);
    case.ask(&format!("ALTER DATABASE {} SET search_path = evil, pg_catalog, public", case.database.name));
    // It is met by whoever does not take care.
    let careless = case.database.try_psql(&[], "SELECT FROM pg_class; SELECT 1 = 1; SELECT now(); SELECT 'a'::text;");
    assert_eq!(careless.stderr.matches("evil").count(), 4, "{}", careless.stderr);
    let met = evil_in_log();
    assert!(met >= 4, "the server's log is not read");

    let settings = case.project.read("migrate.ini");
    case.project.write("migrate.ini", format!("{settings}expect_database = {}\n", case.database.name));
    let file = |id: &str, parent: &str, body: &str| {
        case.file(id, parent, body);
    };
    case.revision("001", "", "CREATE TABLE public.a (id int);", "DROP TABLE public.a;");
    file(
        "002",
        "001",
        "-- migrate:upgrade transaction:false\nCREATE INDEX CONCURRENTLY a_id_idx ON public.a (id);\nINSERT INTO public.a VALUES (1), (1);\nVACUUM public.a;\n-- migrate:downgrade transaction:false\nDROP INDEX CONCURRENTLY public.a_id_idx;\nDELETE FROM public.a;\n",
    );
    for arguments in
        ["ensure-version", "upgrade 002 -v", "redo", "status", "status --json", "downgrade 001", "upgrade 002"]
    {
        case.succeeds(arguments);
    }
    assert_eq!(case.run("current --check-heads").code, 0);

    // A failure, and what is written of it.
    case.revision("003", "002", "SELECT 1 OPERATOR(pg_catalog./) 0;", "");
    assert_data_eq!(
        case.transcript("upgrade head"),
        str![[r#"
exit code: 1
----- stderr
error[22012]: division by zero
 --> versions/003.sql:6:1
  |
6 | SELECT 1 OPERATOR(pg_catalog./) 0;
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = note: nothing of revision 003 was kept

"#]]
    );
    assert_eq!(case.run("current --check-heads").code, 3);

    // The journal: an index that could not be built, dropped and built again; a block of which nothing tells.
    file(
        "003",
        "002",
        "-- migrate:upgrade transaction:false\nSET my.value = '1';\nCREATE UNIQUE INDEX CONCURRENTLY a_key ON public.a (id);\nDO $$ BEGIN COMMIT; PERFORM FROM public.stop; END $$;\nINSERT INTO public.a VALUES (2);\n-- migrate:downgrade\nDROP INDEX public.a_key;\n",
    );
    assert_eq!(case.run("upgrade head").code, 4);
    assert_eq!(journal(&case), "003 upgrade 2 failed\n");
    case.succeeds("status");
    case.ask("DELETE FROM public.a");
    assert_eq!(case.run("upgrade head").code, 4);
    assert_eq!(journal(&case), "003 upgrade 3 running\n");
    assert_eq!(case.run("upgrade head").code, 1);
    assert_eq!(case.run("upgrade head --retry-statement").code, 4);
    case.succeeds("upgrade head --resume-after 3");
    assert_eq!(journal(&case), "");

    // A file that was changed.
    let text = case.project.read("versions/001.sql");
    case.project.write("versions/001.sql", text.replace("(id int)", "( id int )"));
    assert!(case.succeeds("status").stdout.contains("changed   001"));
    case.succeeds("repair 001");
    assert!(!case.succeeds("status").stdout.contains("changed"));

    // Somebody else's lock, and another run that has the tool's.
    let mut client = case.database.client();
    client.batch_execute("BEGIN; LOCK TABLE public.a").expect("the lock");
    case.revision("004", "003", "ALTER TABLE public.a ADD b int;", "ALTER TABLE public.a DROP b;");
    let settings = case.project.read("migrate.ini");
    case.project.write("migrate.ini", format!("{settings}lock_timeout = 1500ms\nlock_retry_for = 0\n"));
    let refused = case.run("upgrade head");
    assert!(
        refused.code == 1 && refused.stderr.contains("55P03") && refused.stderr.contains("LOCK TABLE public.a"),
        "{refused:?}"
    );
    case.project.write("migrate.ini", format!("{settings}lock_timeout = 30s\n"));
    let mut first = case.command("upgrade head").stderr(std::process::Stdio::null()).spawn().expect("the binary runs");
    let waits = "SELECT FROM pg_catalog.pg_locks WHERE NOT granted";
    while client.query(waits, &[]).expect("the locks").is_empty() {
        assert!(first.try_wait().expect("a process").is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = case.run("upgrade head --lock-wait 0");
    assert!(second.code == 1 && second.stderr.contains("another run"), "{second:?}");
    client.batch_execute("ROLLBACK").expect("the lock is let go");
    assert!(first.wait().expect("it ends").success());
    case.succeeds("downgrade 003");

    // On paper, by a psql that is attacked as well.
    let script = case.succeeds("downgrade 003:001 --sql").stdout;
    case.database.psql(&script);
    assert_eq!(case.succeeds("current").stdout, "001\n");
    for arguments in ["downgrade base", "stamp 001", "stamp --purge base"] {
        case.succeeds(arguments);
    }
    assert_eq!(evil_in_log(), met, "a question whose failure the tool passes over");
    assert_eq!(case.ask("SELECT version_num FROM evil.aludel_version"), "evil\n");
    let outcomes = "SELECT outcome, pg_catalog.count(*) FROM public.aludel_history GROUP BY outcome ORDER BY outcome COLLATE pg_catalog.\"C\"";
    assert_data_eq!(
        case.ask(outcomes),
        str![[r#"
accepted|1
done|12
failed|2
partial|3
stamped|2

"#]]
    );
}
