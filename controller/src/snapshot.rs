//! What a source says at one moment.

use std::cmp::Reverse;
use std::sync::Arc;

use imbl::OrdMap;
use plan::World;
use plan::world::ObjectName;

use crate::kube::service_status::Condition;
use crate::problem::{Problem, Severity};
use crate::record::Assignments;

/// Problems in a snapshot, at most; how many more there are is then the last one.
pub const MAX_PROBLEMS: usize = 1_000;

/// What a directory or a cluster says at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The World that its valid objects make.
    pub world: World,
    /// All that is wrong, by file and line.
    pub problems: Vec<Problem>,
    /// The assignments that are in the World. Where they are not [the
    /// record's](crate::record::Record::assignments) own (by pointer), it has changed since, and a
    /// snapshot that has them is under way. In a cluster, where Services tell it themselves, there
    /// are none.
    pub assignments: Arc<Assignments>,
    /// In a cluster, for those who write: which Services these are.
    pub versions: Versions,
}

/// Which object of a name it is, how new, and what it was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `metadata.uid`: another object of the same name has another.
    pub uid: Arc<str>,
    /// `metadata.resourceVersion`, which grows (Kubernetes API concepts, "Resource versions").
    pub resource_version: u64,
    /// For the controller: what its condition says of its address.
    pub condition: Option<Arc<Condition>>,
}

/// Versions of Services by name.
pub type Versions = OrdMap<ObjectName, Version>;

/// In order, and not more than [`MAX_PROBLEMS`].
pub(crate) fn bounded(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    if problems.len() > MAX_PROBLEMS {
        // The worst are kept, and then put back in order.
        problems.sort_by_key(|problem| Reverse(problem.severity));
        let more = problems.split_off(MAX_PROBLEMS - 1);
        problems.sort();
        let message = format!("there are {} more problems", more.len());
        let worst = more
            .first()
            .map_or(Severity::Note, |problem| problem.severity);
        problems.push(Problem::of_directory(worst, message, "repair these first"));
    }
    problems
}
