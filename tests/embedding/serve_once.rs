//! `aludel serve-once`: a request on standard input, an answer on standard output.

use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use crate::Case;
use crate::support::{Ran, feed};

impl Case {
    fn ask(&self, request: &str) -> Ran {
        Ran::of(&feed(self.project.command(["serve-once"]), request), |text| self.project.still(text))
    }

    /// The answer, which must be whole in every field, with its exit code.
    #[track_caller]
    fn answer(&self, request: &Value) -> (Value, i32) {
        let ran = self.ask(&request.to_string());
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.transcript()));
        let fields: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["ok", "action", "steps", "before", "current", "status", "warnings", "error"]);
        assert_eq!(answer["ok"], json!(ran.code == 0), "{}", ran.transcript());
        (answer, ran.code)
    }
}

fn steps(answer: &Value) -> Vec<String> {
    let step = |step: &Value| {
        assert!(step["seconds"].as_f64().unwrap() > 0.0);
        format!("{} {}", step["action"].as_str().unwrap(), step["revision"].as_str().unwrap())
    };
    answer["steps"].as_array().unwrap().iter().map(step).collect()
}

#[test]
fn up_status_down() {
    let case = Case::new();
    let (answer, _) = case.answer(&json!({"action": "up"}));
    assert_eq!(steps(&answer), ["upgrade 001", "upgrade 002"]);
    assert_eq!(
        (&answer["action"], &answer["before"], &answer["current"]),
        (&json!("upgrade"), &json!([]), &json!(["002"]))
    );
    let (answer, _) = case.answer(&json!({"action": "up"}));
    assert_eq!((steps(&answer).len(), &answer["current"]), (0, &json!(["002"])));

    let (answer, _) = case.answer(&json!({"action": "status"}));
    let status = case.project.aludel(["status", "--json"]).succeeded();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let mut told = answer["status"].clone();
    // The transcript's database is made still, the answer's as well.
    told["database"] = status["database"].clone();
    assert_eq!(told, status);
    assert_eq!(answer["current"], Value::Null);

    let (answer, _) = case.answer(&json!({"action": "down", "target": "001"}));
    assert_eq!((steps(&answer), &answer["current"]), (vec!["downgrade 002".to_owned()], &json!(["001"])));
    let (answer, _) = case.answer(&json!({"action": "downgrade", "target": "base"}));
    assert_eq!((steps(&answer), &answer["current"]), (vec!["downgrade 001".to_owned()], &json!([])));
    let (answer, _) = case.answer(&json!({"action": "stamp", "target": "002"}));
    assert_eq!((&answer["before"], &answer["current"]), (&json!([]), &json!(["002"])));
    assert_eq!(case.tables(), "\n");
}

/// A caller that hears nothing sends its request again: what was undone then stays the only thing.
#[test]
fn a_request_to_go_down_may_come_twice() {
    let case = Case::new();
    let _ = case.answer(&json!({"action": "up"}));
    for undone in [1, 0] {
        let (answer, _) = case.answer(&json!({"action": "down", "target": "001"}));
        assert_eq!((steps(&answer).len(), &answer["current"]), (undone, &json!(["001"])));
    }
    let down = |target: &str| {
        (
            json!({"action": "down", "target": target}),
            format!("`{target}` is no target for a down here: it depends on where the database stands"),
        )
    };
    let missing = (json!({"action": "down"}), "a down needs a `target`".to_owned());
    for (request, message) in [missing, down("-1"), down("+1"), down("current-1")] {
        let (answer, code) = case.answer(&request);
        assert_eq!((code, &answer["error"]["message"]), (2, &json!(message)));
        assert_eq!(
            answer["error"]["notes"],
            json!(["a request that is sent twice would undo more than it was meant to"])
        );
        assert_eq!(
            answer["error"]["hints"],
            json!([
                "send {\"action\": \"down\", \"target\": \"001\"} with the revision that is to stay, or \"base\" for none"
            ])
        );
    }
    let (answer, code) = case.answer(&json!({"action": "down", "target": "a b"}));
    assert_eq!(code, 2);
    assert!(answer["error"]["message"].as_str().unwrap().starts_with("`a b` is no target: "), "{answer}");
    assert_eq!(case.tables(), "a\n");
}

#[test]
fn a_failure_is_an_answer_too() {
    let case = Case::new();
    case.add_a_mistake();
    let (answer, code) = case.answer(&json!({"action": "up"}));
    assert_eq!(code, 1);
    assert_eq!(steps(&answer), ["upgrade 001", "upgrade 002"]);
    assert_eq!(answer["current"], Value::Null);
    assert_eq!(
        answer["error"],
        json!({
            "kind": "failed",
            "exit_code": 1,
            "reason": null,
            "sqlstate": "42704",
            "message": "type \"booleen\" does not exist",
            "places": [{"file": "versions/003_c.sql", "line": 5, "column": 20}],
            "notes": ["nothing of revision 003 was kept", "applied before it, and kept: 001, 002"],
            "hints": [],
            "others": [],
        })
    );
}

const EXAMPLE: &str = r#"send {"action": "up"} or {"action": "status"}"#;

#[test]
fn a_bad_request_touches_nothing() {
    let case = Case::new();
    for (request, message, hint) in [
        ("", "there is no request: standard input is empty", EXAMPLE),
        ("{\"action\": \"secret", "the request is no JSON, at line 1 column 18", EXAMPLE),
        (r#"["canary"]"#, "the request is a list: it must be an object", EXAMPLE),
        (r#"{"action": "down", "action": "up"}"#, "the request has a field twice, at line 1 column 27", EXAMPLE),
        ("{}", "a request needs an `action`", EXAMPLE),
        (r#"{"acton": "up"}"#, "a request has no field `acton`", "call it `action`"),
        (r#"{"tagret": 5, "yes": "canary"}"#, "a request has no field `tagret`", "call it `target`"),
        (r#"{"action": "upgrad"}"#, "there is no action `upgrad`", "call it `upgrade`"),
        (r#"{"action": "up", "tagret": "001"}"#, "a request has no field `tagret`", "call it `target`"),
        (r#"{"action": "stamp"}"#, "a stamp needs a `target`", r#"send {"action": "stamp", "target": "002"}"#),
    ] {
        let ran = case.ask(request);
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.transcript()));
        assert_eq!((ran.code, &answer["ok"], &answer["error"]["kind"]), (2, &json!(false), &json!("usage")));
        assert_eq!(answer["error"]["message"], message);
        assert_eq!(answer["error"]["hints"], json!([hint]));
    }
    for (request, message) in [
        (r#"{"action": ["canary"]}"#, "`action` is a list: it must be a string"),
        (r#"{"action": "up", "target": 5}"#, "`target` is a number: it must be a string"),
        (r#"{"action": "up", "yes": "canary"}"#, "`yes` is a string: it must be `true` or `false`"),
        (r#"{"action": "up", "variables": "canary"}"#, "`variables` is a string: it must be an object of strings"),
        (
            r#"{"action": "up", "variables": {"a": {"canary": 1}}}"#,
            "`a` of `variables` is an object: it must be a string",
        ),
    ] {
        let ran = case.ask(request);
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.transcript()));
        assert_eq!((ran.code, &answer["error"]["message"]), (2, &json!(message)));
        assert!(!ran.transcript().contains("canary"), "{}", ran.transcript());
    }
    assert_eq!(case.tables(), "\n");
}

#[test]
fn variables_are_values_for_the_settings_and_no_secret_is_shown() {
    let case = Case::new();
    let url = case.database.url();
    case.project.write("migrate.ini", "[migrate]\nurl = {{ x.dbUrl }}\n");
    let (answer, _) = case.answer(&json!({"action": "up", "variables": {"dbUrl": url}}));
    assert_eq!(answer["current"], json!(["002"]));
    let ran =
        case.ask(&json!({"action": "up", "variables": {"dbUrl": "postgres://u:canary@nowhere.invalid/d"}}).to_string());
    assert_ne!(ran.code, 0);
    assert!(!ran.transcript().contains("canary"), "{}", ran.transcript());
    let ran = case.ask(r#"{"action": "up", "variables": {"dbUrl": ["canary"]}}"#);
    assert_eq!(ran.code, 2);
    assert!(!ran.transcript().contains("canary"), "{}", ran.transcript());
}

#[test]
fn warnings_are_in_the_answer_and_hold_no_secret() {
    let case = Case::new();
    let _ = case.answer(&json!({"action": "up", "target": "001"}));
    let changed = case.project.read("versions/001_a.sql").replace("a ()", "a (b int)");
    case.project.write("versions/001_a.sql", changed);
    case.add_a_mistake();
    let (answer, _) = case.answer(&json!({"action": "up"}));
    let warnings = answer["warnings"].as_array().unwrap();
    assert!(warnings[0].as_str().unwrap().starts_with("1 file was changed"), "{answer}");
    assert_eq!((warnings.len(), &answer["ok"]), (1, &json!(false)), "{answer}");
}

/// Who calls it reads standard output, and finds a document there whatever went wrong.
#[test]
fn there_is_always_an_answer() {
    let case = Case::new();
    let ask = |arguments: &[&str], format: &str| {
        let mut command = case.project.command(arguments);
        command.env("ALUDEL_LOG_FORMAT", format);
        let ran = Ran::of(&feed(command, r#"{"action": "up"}"#), |text| text);
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.transcript()));
        assert_eq!((ran.code, &answer["ok"], &answer["action"]), (2, &json!(false), &Value::Null));
        assert_eq!(answer["error"]["kind"], "usage");
        assert!(!ran.stderr.is_empty());
        answer["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask(&["serve-once"], "jsn"), "`ALUDEL_LOG_FORMAT` is `jsn`");
    assert_eq!(ask(&["serve-once", "stray"], ""), "unexpected argument 'stray' found");
    assert_eq!(ask(&["--url", "x", "serve-once", "--bogus"], "json"), "unexpected argument '--bogus' found");
    assert_eq!(case.tables(), "\n");
    // Of others nobody expects one.
    for arguments in [["upgrade", "serve-once", "--bogus"], ["--help", "serve-once", "stray"]] {
        let ran = case.project.aludel(arguments);
        assert!(!ran.stdout.starts_with('{'), "{}", ran.transcript());
    }
}

#[test]
fn what_happens_goes_to_standard_error() {
    let case = Case::new();
    let ran = case.ask(r#"{"action": "up"}"#).succeeded();
    assert_data_eq!(
        ran.stderr,
        str![[r#"
upgraded 001 accounts ([TIME])
upgraded 002 orders ([TIME])
done 2 revisions in [TIME]; at 002

"#]]
    );
}
