//! Writes what the controller, or the speaker of a node, makes of the configuration into an object of
//! its own: ConfigurationState `controller`, or `speaker-NODE`. If somebody deletes or edits it, it is
//! made anew.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::runtime::watcher;
use plan::world::ObjectName;
use serde_json::{Value, json};

use super::call::Counts;
use super::fence::Fence;
use super::keeper::{Affected, Keeper, Kept, Wanted};
use super::rate_limit::RateLimit;
use crate::crd::ConfigurationState;
use crate::crd::configuration_state::{
    COMPONENT_TYPE_LABEL, ConfigurationProblem, ConfigurationResult, ConfigurationStateStatus,
    MAX_PROBLEMS, NODE_NAME_LABEL,
};
use crate::problem::{Problem, Severity};

/// The longest `errorSummary`, in characters.
const LONGEST_SUMMARY: usize = 4_096;
/// The longest text of a problem, in characters.
const LONGEST_TEXT: usize = 1_024;

/// Who makes something of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Component {
    /// The controller: the one that leads.
    Controller,
    /// The speaker of that node.
    Speaker(String),
}

impl Component {
    /// The object's name.
    pub fn object_name(&self) -> String {
        match self {
            Component::Controller => "controller".to_owned(),
            Component::Speaker(node) => format!("speaker-{node}"),
        }
    }

    fn labels(&self) -> Value {
        match self {
            Component::Controller => json!({COMPONENT_TYPE_LABEL: "controller"}),
            Component::Speaker(node) => {
                json!({COMPONENT_TYPE_LABEL: "speaker", NODE_NAME_LABEL: node})
            }
        }
    }

    /// The condition's type: MetalLB's.
    fn condition(&self) -> &'static str {
        match self {
            Component::Controller => "poolReconcilerValid",
            Component::Speaker(_) => "configReconcilerValid",
        }
    }

    fn field_manager(&self) -> &'static str {
        match self {
            Component::Controller => "herald-controller",
            Component::Speaker(_) => "herald-speaker",
        }
    }
}

/// Writes until dropped.
#[derive(Debug)]
pub struct ConfigurationStateWriter {
    keeper: Keeper<State>,
}

impl ConfigurationStateWriter {
    /// Starts to write in a namespace, in a task of the current runtime. Nothing is written before
    /// it is told something.
    pub fn start(
        client: Client,
        fence: Fence,
        namespace: &str,
        component: Component,
    ) -> ConfigurationStateWriter {
        let name = component.object_name();
        let watch = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let place = (namespace, component.field_manager());
        let state = State {
            about: ObjectName {
                namespace: namespace.into(),
                name: name.into(),
            },
            component,
            status: None,
        };
        let limit = RateLimit::new(1, 10);
        let keeper = Keeper::start(client, fence, place, watch, limit, state);
        ConfigurationStateWriter { keeper }
    }

    /// The configuration has been read, and this is wrong with it. To be said anew by whoever
    /// begins to lead.
    pub fn set(&self, problems: &[Problem]) {
        let found = Found::new(problems);
        self.keeper.tell(|inbox| *inbox = Some(found));
    }

    /// The requests so far.
    pub fn counts(&self) -> &Counts {
        self.keeper.counts()
    }

    /// The configuration cannot be read, for this reason.
    pub fn set_unknown(&self, why: &str) {
        let found = Found {
            result: ConfigurationResult::Unknown,
            summary: shortened(why, LONGEST_SUMMARY),
            problems: Vec::new(),
        };
        self.keeper.tell(|inbox| *inbox = Some(found));
    }
}

/// What was found.
#[derive(Debug, PartialEq)]
struct Found {
    result: ConfigurationResult,
    summary: String,
    problems: Vec<ConfigurationProblem>,
}

impl Found {
    fn new(problems: &[Problem]) -> Found {
        // Errors first: what is cut off is what matters least. Notes are nothing to repair.
        let errors = problems.iter().filter(|problem| problem.is_error());
        let lines: Vec<String> = errors.clone().map(ToString::to_string).collect();
        let warnings = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Warning);
        let result = match lines.is_empty() {
            true => ConfigurationResult::Valid,
            false => ConfigurationResult::Invalid,
        };
        let summary = shortened(&lines.join("\n"), LONGEST_SUMMARY);
        let cut_off = lines.len() - summary.lines().count().min(lines.len());
        Found {
            result,
            summary: match cut_off {
                0 => summary,
                more => format!("{summary}\nand {more} more"),
            },
            problems: errors
                .chain(warnings)
                .take(MAX_PROBLEMS)
                .map(problem)
                .collect(),
        }
    }

    /// The condition's status and reason.
    fn words(&self) -> (&'static str, &'static str) {
        match self.result {
            ConfigurationResult::Valid => ("True", "Reconciled"),
            ConfigurationResult::Invalid => ("False", "ConfigurationError"),
            ConfigurationResult::Unknown => ("Unknown", "InfraError"),
        }
    }
}

fn problem(problem: &Problem) -> ConfigurationProblem {
    let some = |text: &str| (!text.is_empty()).then(|| shortened(text, LONGEST_TEXT));
    ConfigurationProblem {
        severity: problem.severity.to_string(),
        object: problem.object.clone(),
        field: some(&problem.field),
        message: shortened(&problem.message, LONGEST_TEXT),
        hint: some(&problem.hint),
        last_valid_in_use: problem.last_valid_in_use,
    }
}

fn shortened(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

#[derive(Debug)]
struct State {
    about: ObjectName,
    component: Component,
    /// What is wanted; `None` before anything is known.
    status: Option<ConfigurationStateStatus>,
}

impl State {
    fn status(&self, found: Found) -> ConfigurationStateStatus {
        let (status, reason) = found.words();
        // The time of the last change of the status, not of every write.
        let conditions = self.status.iter().flat_map(|known| &known.conditions);
        let known = conditions.filter(|known| known.status == status);
        let since = known.map(|known| known.last_transition_time.clone()).next();
        let condition = Condition {
            type_: self.component.condition().to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: found.summary.clone(),
            last_transition_time: since.unwrap_or_else(|| Time(Timestamp::now())),
            observed_generation: None,
        };
        ConfigurationStateStatus {
            result: Some(found.result),
            error_summary: Some(found.summary),
            conditions: vec![condition],
            problems: found.problems,
        }
    }
}

impl Kept for State {
    type Object = ConfigurationState;
    type Inbox = Option<Found>;

    fn about(&self, metadata: &ObjectMeta) -> Option<ObjectName> {
        let is_ours = metadata.name.as_deref() == Some(&self.about.name);
        is_ours.then(|| self.about.clone())
    }

    fn name(&self, about: &ObjectName) -> String {
        about.name.to_string()
    }

    fn owner(&self) -> Option<Value> {
        None
    }

    fn take(&mut self, inbox: Option<Found>) -> Affected {
        let Some(found) = inbox else {
            return Affected::Some(Vec::new());
        };
        self.status = Some(self.status(found));
        Affected::All
    }

    fn wanted(&self, _: &ObjectName) -> Option<Wanted> {
        Some(Wanted {
            labels: self.component.labels(),
            status: json!(self.status.as_ref()?),
        })
    }

    fn all(&self) -> Vec<ObjectName> {
        vec![self.about.clone()]
    }

    fn is_ready(&self) -> bool {
        self.status.is_some()
    }
}
