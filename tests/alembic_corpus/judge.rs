//! Whether an answer is as good as Alembic's, with a model of the graph of its own: nothing here uses the library.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

/// How an answer compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same, order and rows after each step included.
    Exact,
    /// It differs only where it may: an order where Alembic's is arbitrary, another valid order with the same end.
    Ok,
    /// Both are errors, of another class; or Alembic's answer is none to copy.
    Soft,
    /// Anything else.
    Fail,
}

impl Verdict {
    /// Its name in the counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Ok => "ok",
            Self::Soft => "soft",
            Self::Fail => "FAIL",
        }
    }
}

/// The graph as plain maps of ids, and the one rule about rows: they are the applied revisions that no applied
/// revision needs.
pub struct Model {
    needs: HashMap<String, Vec<String>>,
    needed_by: HashMap<String, Vec<String>>,
}

impl Model {
    /// The model of a graph line's revisions; faults do no harm.
    pub fn new(revisions: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
        let revisions = revisions.as_array().unwrap();
        let ids: BTreeSet<String> = revisions.iter().map(|revision| text(&revision["id"])).collect();
        let mut labels = HashMap::new();
        for revision in revisions {
            labels.extend(list(&revision["labels"]).into_iter().map(|label| (label, text(&revision["id"]))));
        }
        let mut model = Self { needs: HashMap::new(), needed_by: HashMap::new() };
        for revision in revisions {
            let id = text(&revision["id"]);
            let of_label =
                |name: String| if ids.contains(&name) { name } else { labels.get(&name).cloned().unwrap_or(name) };
            let mut needs = list(&revision["down"]);
            needs.extend(list(&revision["depends_on"]).into_iter().map(of_label));
            needs.sort_unstable();
            needs.dedup();
            for below in &needs {
                model.needed_by.entry(below.clone()).or_default().push(id.clone());
            }
            model.needs.insert(id, needs);
        }
        model
    }

    fn needs(&self, id: &str) -> &[String] {
        self.needs.get(id).map_or(&[], Vec::as_slice)
    }

    fn needed_by(&self, id: &str) -> &[String] {
        self.needed_by.get(id).map_or(&[], Vec::as_slice)
    }

    fn closure(&self, rows: Vec<&str>) -> BTreeSet<String> {
        let mut waiting: Vec<&str> = rows.into_iter().filter(|row| self.needs.contains_key(*row)).collect();
        let mut closure = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if closure.insert(id.to_owned()) {
                waiting.extend(self.needs(id).iter().map(String::as_str));
            }
        }
        closure
    }

    /// Whether the steps are in a valid order and the rows after each follow the rule.
    fn is_valid(&self, upgrade: bool, rows: &Value, steps: &Value) -> bool {
        let mut applied = self.closure(strings(rows));
        items(steps).iter().all(|step| {
            let id = step[0].as_str().unwrap();
            let ready = if upgrade {
                !applied.contains(id) && self.needs(id).iter().all(|below| applied.contains(below))
            } else {
                applied.contains(id) && !self.needed_by(id).iter().any(|above| applied.contains(above))
            };
            if upgrade {
                applied.insert(id.to_owned());
            } else {
                applied.remove(id);
            }
            let is_row = |id: &&String| !self.needed_by(id).iter().any(|above| applied.contains(above));
            let rows: Vec<&str> = applied.iter().filter(is_row).map(String::as_str).collect();
            ready && rows == sorted(&step[1])
        })
    }

    /// Whether no revision is listed before one of the list that needs it.
    fn is_history(&self, list: &[&str]) -> bool {
        let places: HashMap<&str, usize> = list.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let fits = |(place, id): (usize, &&str)| {
            self.needed_by(id).iter().all(|above| places.get(above.as_str()).is_none_or(|above| *above < place))
        };
        list.iter().enumerate().all(fits)
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value) -> Vec<&str> {
    items(value).iter().filter_map(Value::as_str).collect()
}

fn sorted(value: &Value) -> Vec<&str> {
    let mut strings = strings(value);
    strings.sort_unstable();
    strings
}

fn sorted_json(value: &Value) -> Vec<String> {
    let mut texts: Vec<String> = items(value).iter().map(Value::to_string).collect();
    texts.sort_unstable();
    texts
}

/// The revisions of steps, in order.
fn revisions(steps: &Value) -> Vec<&str> {
    items(steps).iter().filter_map(|step| step[0].as_str()).collect()
}

fn same_set(left: &Value, right: &Value) -> bool {
    let (mut left, mut right) = (revisions(left), revisions(right));
    left.sort_unstable();
    right.sort_unstable();
    left == right
}

fn same_steps(left: &Value, right: &Value) -> bool {
    let rows = |steps: &Value| items(steps).iter().map(|step| sorted(&step[1]).join(" ")).collect::<Vec<_>>();
    revisions(left) == revisions(right) && rows(left) == rows(right)
}

fn has(value: &Value, key: &str) -> bool {
    value.get(key).is_some()
}

/// Classes that mean the same to a user.
const SAME: [[&str; 2]; 3] = [
    ["unknown_revision", "unknown_branch"],
    ["ambiguous_walk", "ambiguous_current"],
    ["range_not_ancestor", "invalid_downgrade_target"],
];

/// A bug of Alembic that the corpus does not mark as a quirk.
pub const FORGOTTEN_ROW: &str = "Alembic's stamp forgets a row that nothing stamped takes the place of";
/// The same: marked as a quirk online, not for `--sql`.
pub const OVERLAPPING_ROWS: &str = "Alembic leaves a row that another row implies";
/// The same.
pub const FIRST_ROW: &str = "Alembic counts back from whichever row the database returns first";

type Judgement = (Verdict, String);

fn verdict(verdict: Verdict, why: &str) -> Judgement {
    (verdict, why.to_owned())
}

/// The verdict on `answer`, and why.
pub fn judge(model: &Model, query: &Value, expected: &Value, answer: &Value) -> Judgement {
    let op = query["op"].as_str().unwrap();
    let valid = |steps: &Value| {
        let rows = if op.starts_with("sql_") { &expected["start"] } else { &query["from"] };
        model.is_valid(op.ends_with("upgrade"), rows, steps)
    };
    if expected["quirk"].is_object() {
        return quirk(op, expected, answer, valid);
    }
    let arbitrary = expected["stability"] == "any";
    if let Some(class) = expected["error"].as_str() {
        return error(class, arbitrary, answer);
    }
    if arbitrary {
        if has(answer, "steps") && !valid(&answer["steps"]) {
            return verdict(Verdict::Fail, "invalid plan");
        }
        return verdict(Verdict::Soft, "Alembic is arbitrary here");
    }
    if has(answer, "error") {
        return refused(op, query, answer);
    }
    match op {
        "upgrade" | "downgrade" | "sql_upgrade" | "sql_downgrade" => plan(expected, answer, valid),
        "stamp" if sorted(&expected["final"]) == sorted(&answer["final"]) => verdict(Verdict::Exact, ""),
        "stamp" => stamp(model, query, expected, answer),
        "history" => history(model, expected, answer),
        "resolve" if expected["revisions"] == answer["revisions"] => verdict(Verdict::Exact, ""),
        "resolve" if sorted_json(&expected["revisions"]) == sorted_json(&answer["revisions"]) => {
            verdict(Verdict::Ok, "order")
        }
        "resolve" => verdict(Verdict::Fail, "resolves to something else"),
        "info" => info(expected, answer),
        _ => lists(expected, answer),
    }
}

fn quirk(op: &str, expected: &Value, answer: &Value, valid: impl Fn(&Value) -> bool) -> Judgement {
    let quirk = &expected["quirk"];
    if op == "load" {
        return if strings(&quirk["recommended"]).contains(&answer["error"].as_str().unwrap_or_default()) {
            verdict(Verdict::Ok, "")
        } else {
            verdict(Verdict::Fail, "should refuse this graph")
        };
    }
    if has(quirk, "model_steps") && has(answer, "steps") {
        let (wanted, steps) = (&quirk["model_steps"], &answer["steps"]);
        if same_steps(wanted, steps) {
            return verdict(Verdict::Exact, "");
        }
        return if valid(steps) && same_set(wanted, steps) {
            verdict(Verdict::Ok, "")
        } else {
            verdict(Verdict::Fail, "plan differs from the rule")
        };
    }
    verdict(Verdict::Soft, "nobody should copy Alembic here")
}

fn error(class: &str, arbitrary: bool, answer: &Value) -> Judgement {
    let ours = answer["error"].as_str();
    match ours {
        _ if arbitrary => verdict(Verdict::Soft, "Alembic is arbitrary here"),
        None => verdict(Verdict::Fail, "an answer where Alembic has an error"),
        Some(ours) if ours == class => verdict(Verdict::Exact, ""),
        Some(ours) if SAME.iter().any(|same| same.contains(&ours) && same.contains(&class)) => verdict(Verdict::Ok, ""),
        Some(_) => verdict(Verdict::Soft, "another error"),
    }
}

/// `downgrade -N` with several rows starts from whichever row the database returns first. Where four runs in a row
/// met the same one, the corpus takes the answer for exact.
fn refused(op: &str, query: &Value, answer: &Value) -> Judgement {
    let several = strings(&query["from"]).len() > 1;
    let from_rows = query["target"].as_str().is_some_and(|target| target.starts_with('-'));
    if op == "downgrade" && several && from_rows && answer["error"] == "ambiguous_current" {
        return verdict(Verdict::Soft, FIRST_ROW);
    }
    verdict(Verdict::Fail, "an error where Alembic has an answer")
}

/// A stamp whose final rows differ. Alembic forgets rows that a target names where another target moves a row:
/// `stamp heads` may leave fewer than all heads. It is good to keep exactly those rows: rows that were there, that
/// were asked for or that no target is above or below, and that nothing in Alembic's answer is above or below.
fn stamp(model: &Model, query: &Value, expected: &Value, answer: &Value) -> Judgement {
    let (wanted, given) = (sorted(&expected["final"]), sorted(&answer["final"]));
    let before = strings(&query["from"]);
    let lost: Vec<&str> = given.iter().copied().filter(|row| !wanted.contains(row)).collect();
    let around = |row: &str| {
        let below = model.closure(vec![row]);
        wanted.iter().any(|other| below.contains(*other) || model.closure(vec![other]).contains(row))
    };
    let keeps_all = wanted.iter().all(|row| given.contains(row));
    if query["purge"] == false && keeps_all && lost.iter().all(|row| before.contains(row) && !around(row)) {
        return verdict(Verdict::Soft, FORGOTTEN_ROW);
    }
    verdict(Verdict::Fail, "other final rows")
}

fn plan(expected: &Value, answer: &Value, valid: impl Fn(&Value) -> bool) -> Judgement {
    let (wanted, steps) = (&expected["steps"], &answer["steps"]);
    if same_steps(wanted, steps) {
        return verdict(Verdict::Exact, "");
    }
    let last = |steps: &Value| items(steps).last().map(|step| sorted(&step[1]).join(" "));
    if !same_set(wanted, steps) {
        verdict(Verdict::Fail, "other set of revisions")
    } else if !valid(steps) {
        verdict(Verdict::Fail, "invalid order or rows")
    } else if last(wanted) != last(steps) && !valid(wanted) {
        verdict(Verdict::Soft, OVERLAPPING_ROWS)
    } else if last(wanted) != last(steps) {
        verdict(Verdict::Fail, "other final rows")
    } else if !valid(wanted) {
        verdict(Verdict::Ok, OVERLAPPING_ROWS)
    } else {
        verdict(Verdict::Ok, "other valid order")
    }
}

fn history(model: &Model, expected: &Value, answer: &Value) -> Judgement {
    if expected["history"] == answer["history"] {
        verdict(Verdict::Exact, "")
    } else if sorted(&expected["history"]) != sorted(&answer["history"]) {
        verdict(Verdict::Fail, "other set")
    } else if !model.is_history(&strings(&answer["history"])) {
        verdict(Verdict::Fail, "a revision is listed before one that needs it")
    } else {
        verdict(Verdict::Ok, "other valid order")
    }
}

fn info(expected: &Value, answer: &Value) -> Judgement {
    let (wanted, given) = (items(&expected["revisions"]), items(&answer["revisions"]));
    if wanted.len() != given.len() {
        return verdict(Verdict::Fail, "other revisions");
    }
    for (wanted, given) in wanted.iter().zip(given) {
        for (key, value) in wanted.as_object().unwrap() {
            if given.get(key).is_some_and(|given| given != value) {
                return (Verdict::Fail, format!("{key} of {}", wanted["id"]));
            }
        }
    }
    verdict(Verdict::Exact, "")
}

fn lists(expected: &Value, answer: &Value) -> Judgement {
    for key in ["heads", "bases", "branches", "down", "depends_on", "current", "check_heads"] {
        if !has(expected, key) || !has(answer, key) || expected[key] == answer[key] {
            continue;
        }
        let ordered = ["down", "depends_on", "check_heads"].contains(&key);
        if ordered || sorted_json(&expected[key]) != sorted_json(&answer[key]) {
            return (Verdict::Fail, key.to_owned());
        }
        return (Verdict::Ok, format!("{key} order"));
    }
    verdict(Verdict::Exact, "")
}
