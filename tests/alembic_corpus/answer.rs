//! Questions of the corpus, answered by the library, in the corpus's words.

use aludel::model::applied::Applied;
use aludel::model::graph::{Graph, GraphError, Node};
use aludel::model::plan::{self, Landing, Plan, PlanError, Purge, Splice};
use aludel::model::range::{Range, Route};
use aludel::model::revision::{Name, NameError, Revision};
use aludel::model::target::Target;
use serde_json::{Value, json};

/// A graph of the corpus, or why it is refused.
pub type Loaded = Result<Graph, Value>;

/// Loads the revisions of a graph line.
pub fn load(revisions: &Value) -> Loaded {
    let revisions: Result<Vec<Revision>, NameError> = array(revisions).iter().map(revision).collect();
    let revisions = revisions.map_err(|_| json!({"error": "illegal_id"}))?;
    Graph::new(revisions).map_err(|errors| json!({"error": fault(&errors[0])}))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value) -> Vec<&str> {
    array(value).iter().map(|text| text.as_str().unwrap()).collect()
}

fn revision(line: &Value) -> Result<Revision, NameError> {
    let names = |key: &str| strings(&line[key]).into_iter().map(Name::new).collect::<Result<Vec<_>, _>>();
    Ok(Revision {
        id: Name::new(line["id"].as_str().unwrap())?,
        parents: names("down")?,
        depends_on: names("depends_on")?,
        labels: names("labels")?,
        message: line["message"].as_str().unwrap_or_default().to_owned(),
    })
}

fn fault(error: &GraphError) -> &'static str {
    match error {
        GraphError::UnknownParent { .. } => "missing_down_revision",
        GraphError::UnknownDependency { .. } => "missing_dependency",
        GraphError::DuplicateId { .. } | GraphError::IdsDifferInCase { .. } => "duplicate_id",
        GraphError::DuplicateLabel { .. } | GraphError::LabelIsId { .. } => "duplicate_label",
        GraphError::SelfLoop { .. } | GraphError::Cycle { .. } => "cycle",
    }
}

/// The answer to one question.
pub fn answer(graph: &Loaded, query: &Value) -> Value {
    match graph {
        Err(error) => error.clone(),
        Ok(graph) => Answerer(graph).answer(query).unwrap_or_else(|class| json!({"error": class})),
    }
}

struct Answerer<'graph>(&'graph Graph);

type Answer<T = Value> = Result<T, &'static str>;

impl Answerer<'_> {
    fn answer(&self, query: &Value) -> Answer {
        let graph = self.0;
        match query["op"].as_str().unwrap() {
            "load" => Ok(json!({"ok": true})),
            "heads" => Ok(json!({"heads": self.ids(graph.heads())})),
            "real_heads" => Ok(json!({"heads": self.ids(graph.real_heads())})),
            "bases" => Ok(json!({"bases": self.ids(graph.bases())})),
            "branches" => Ok(self.branches()),
            "info" => Ok(self.info()),
            "history" => self.history(query),
            "resolve" => self.resolve(query),
            "current" => self.current(query),
            "upgrade" => {
                let applied = self.applied(query)?;
                self.plan(plan::upgrade(graph, &applied, &target(&query["target"])?))
            }
            "downgrade" => {
                let applied = self.applied(query)?;
                self.plan(plan::downgrade(graph, &applied, &target(&query["target"])?))
            }
            "sql_upgrade" => self.route(query, plan::upgrade),
            "sql_downgrade" => self.route(query, plan::downgrade),
            "stamp" => self.stamp(query),
            "revision" => self.placement(query),
            other => panic!("a question of another kind: {other}"),
        }
    }

    fn id(&self, node: Node) -> &str {
        self.0.id(node).as_str()
    }

    fn ids(&self, nodes: impl IntoIterator<Item = Node>) -> Vec<&str> {
        nodes.into_iter().map(|node| self.id(node)).collect()
    }

    fn sorted(&self, nodes: impl IntoIterator<Item = Node>) -> Vec<&str> {
        let mut ids = self.ids(nodes);
        ids.sort_unstable();
        ids
    }

    fn applied(&self, query: &Value) -> Answer<Applied> {
        Applied::from_rows(self.0, strings(&query["from"])).map_err(|_| "unknown_revision")
    }

    fn branches(&self) -> Value {
        let points = self.0.branch_points();
        let line = |(point, children): (Node, Vec<Node>)| json!([self.id(point), self.sorted(children)]);
        json!({"branches": points.into_iter().map(line).collect::<Vec<_>>()})
    }

    fn info(&self) -> Value {
        let graph = self.0;
        let info = |node: Node| {
            json!({
                "id": self.id(node),
                "labels": graph.effective_labels(node).iter().map(Name::as_str).collect::<Vec<_>>(),
                "deps": self.sorted(graph.dependencies(node)),
                "norm_deps": self.sorted(graph.normalized_dependencies(node).iter().copied()),
                "head": graph.is_head(node),
                "real_head": graph.is_real_head(node),
                "branchpoint": graph.is_branch_point(node),
                "mergepoint": graph.is_merge_point(node),
            })
        };
        json!({"revisions": graph.nodes().map(info).collect::<Vec<_>>()})
    }

    fn history(&self, query: &Value) -> Answer {
        let range = match query["range"].as_str() {
            None => return Ok(json!({"history": self.ids(self.0.history())})),
            Some(text) => Range::parse(text).map_err(|_| "bad_range")?,
        };
        let applied = if range.needs_current() { Some(self.applied(query)?) } else { None };
        let nodes = plan::history(self.0, applied.as_ref(), &range).map_err(class)?;
        Ok(json!({"history": self.ids(nodes)}))
    }

    fn resolve(&self, query: &Value) -> Answer {
        let landings = plan::resolve(self.0, None, &target(&query["target"])?).map_err(class)?;
        let word = |landing: Landing| match landing {
            Landing::Revision(node) => json!(self.id(node)),
            Landing::Base => json!("base"),
            Landing::Beyond => Value::Null,
        };
        Ok(json!({"revisions": landings.into_iter().map(word).collect::<Vec<_>>()}))
    }

    fn current(&self, query: &Value) -> Answer {
        let applied = self.applied(query)?;
        let mut answer = json!({"current": self.sorted(plan::current(self.0, &applied))});
        // Alembic's `--check-heads` is wrong wherever an effective head exists; there the rule is checked by
        // the library's own tests.
        if self.0.heads() == self.0.real_heads() {
            let missing = plan::missing_heads(self.0, &applied);
            answer["check_heads"] = (missing.is_empty() && applied.overlap(self.0).is_none()).into();
        }
        Ok(answer)
    }

    fn plan(&self, plan: Result<Plan, PlanError>) -> Answer {
        let plan = plan.map_err(class)?;
        let steps: Vec<Value> = plan
            .stages()
            .map(|stage| json!([self.id(stage.step.node), self.sorted(stage.after.iter().copied())]))
            .collect();
        Ok(json!({"steps": steps, "final": self.sorted(plan.rows_after().iter().copied())}))
    }

    fn route(&self, query: &Value, go: fn(&Graph, &Applied, &Target) -> Result<Plan, PlanError>) -> Answer {
        let route = Route::parse(query["range"].as_str().unwrap()).map_err(|_| "bad_range")?;
        let applied = match &route.from {
            None => Applied::nothing(self.0),
            Some(from) => plan::start_of_route(self.0, from).map_err(class)?,
        };
        self.plan(go(self.0, &applied, &route.to))
    }

    fn stamp(&self, query: &Value) -> Answer {
        let targets: Vec<Target> = array(&query["targets"]).iter().map(target).collect::<Answer<_>>()?;
        let purge = if query["purge"] == true { Purge::Yes } else { Purge::No };
        let stamp = plan::stamp(self.0, &strings(&query["from"]), &targets, purge).map_err(class)?;
        Ok(json!({"final": self.sorted(stamp.rows)}))
    }

    fn placement(&self, query: &Value) -> Answer {
        let heads: Vec<Target> = match &query["head"] {
            Value::Null => Vec::new(),
            text @ Value::String(_) => vec![target(text)?],
            list => array(list).iter().map(target).collect::<Answer<_>>()?,
        };
        let depends_on: Vec<Target> = array(&query["depends_on"]).iter().map(target).collect::<Answer<_>>()?;
        let splice = if query["splice"] == true { Splice::Yes } else { Splice::No };
        let placement = plan::placement(self.0, &heads, splice, &depends_on).map_err(class)?;
        let depends_on: Vec<&str> = placement.depends_on.iter().map(Name::as_str).collect();
        Ok(json!({"down": self.ids(placement.parents), "depends_on": depends_on}))
    }
}

fn target(text: &Value) -> Answer<Target> {
    Target::parse(text.as_str().unwrap()).map_err(|_| "unknown_revision")
}

/// The corpus's word for an error.
fn class(error: PlanError) -> &'static str {
    match error {
        PlanError::UnknownRows(_) | PlanError::UnknownRevision { .. } | PlanError::NoDependency { .. } => {
            "unknown_revision"
        }
        // Alembic takes the relative form, or the word, for the name of a revision.
        PlanError::NoStart { .. } | PlanError::NoCurrent => "unknown_revision",
        PlanError::UnknownBranch { .. } => "unknown_branch",
        PlanError::AmbiguousName { .. } => "ambiguous_id",
        PlanError::NotInBranch { .. } => "not_in_branch",
        PlanError::MultipleHeads { .. } => "multiple_heads",
        PlanError::WrongWay { .. } | PlanError::NotEnoughSteps { .. } => "not_enough_steps",
        PlanError::AmbiguousWalk { .. } => "ambiguous_walk",
        PlanError::AmbiguousCurrent { .. } => "ambiguous_current",
        PlanError::OverlappingRows(_) | PlanError::OverlappingTargets(_) => "overlapping_rows",
        PlanError::NotAnAncestor { .. } => "range_not_ancestor",
        PlanError::InvalidDowngrade { .. } | PlanError::NothingInBranch { .. } => "invalid_downgrade_target",
        PlanError::NotAHead { .. } => "not_a_head",
        PlanError::DuplicateHead { .. } => "duplicate_heads",
    }
}
