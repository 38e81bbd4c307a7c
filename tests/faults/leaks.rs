//! What a revision sets on the session does not reach the next one.

use crate::Case;

#[test]
fn settings_left_behind() {
    let sql = "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only') || current_setting('transaction_deferrable')";
    for setting in [
        "SET default_transaction_read_only = on;",
        "SET default_transaction_isolation = 'serializable';",
        "SET default_transaction_deferrable = on;",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;",
        "SET search_path = nowhere;",
        "SET ROLE pg_monitor;",
        "SET lock_timeout = 1;",
        "SET statement_timeout = 60000;\nSET row_security = off;",
    ] {
        let case = Case::new();
        let setting = if setting.contains("ROLE") {
            format!("GRANT ALL ON SCHEMA public TO pg_monitor;\n{setting}")
        } else {
            setting.to_owned()
        };
        case.effect("001", "", &setting).effect("002", "001", &format!("CREATE TABLE seen AS {sql} AS text;"));
        let ran = case.run("upgrade head");
        assert_eq!(ran.code, 0, "{setting}: {}", ran.transcript());
        assert_eq!(case.effects(), "001,002", "{setting}");
        assert_eq!(case.ask("SELECT text FROM seen"), "read committedoffoff", "{setting}");
        // The script says the same.
        let script = case.run("upgrade head --sql").succeeded().stdout;
        let paper = Case::new();
        let ran = paper.database.try_psql(&["-v", "ON_ERROR_STOP=1"], &script);
        assert_eq!(ran.code, 0, "{setting}: {}", ran.transcript());
        assert_eq!(paper.effects(), "001,002", "{setting}");
    }
}
