//! What of a Service's status is the controller's.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use plan::alloc::{Outcome, Reason};
use plan::world::Addresses;

use crate::record::Assignment;
use crate::translate::annotation::{ALLOCATED_FROM_POOL, PREFIX};

/// The condition's type: whether the Service has an address, and why not, or why not all it wants.
pub const ADDRESS_ASSIGNED: &str = "herald.io/AddressAssigned";
/// The longest message, in characters (Kubernetes allows 32,768).
const LONGEST_MESSAGE: usize = 1_024;
/// The reason when there is nothing to complain of.
const ASSIGNED: &str = "Assigned";

/// What of a Service's status is the controller's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `status.loadBalancer.ingress[].ip`.
    pub addresses: Addresses,
    /// The annotation `metallb.io/ip-allocated-from-pool`.
    pub pool: Option<Arc<str>>,
    /// The condition [`ADDRESS_ASSIGNED`]; `None` on a Service that wants no address from us.
    pub condition: Option<Condition>,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// True or False.
    pub is_true: bool,
    /// The reason in one CamelCase word.
    pub reason: Cow<'static, str>,
    /// The reason in a sentence.
    pub message: String,
    /// Since when it is so; `None` in what is wanted.
    pub since: Option<Timestamp>,
}

impl Status {
    /// What a round made of a Service.
    pub fn new(assignment: Option<&Assignment>, outcome: &Outcome) -> Status {
        let assignment = assignment.cloned().unwrap_or_default();
        let condition = Condition::new(&assignment, outcome);
        Status {
            addresses: assignment.addresses,
            pool: assignment.pool,
            condition,
        }
    }

    /// What a Service has.
    pub fn of(service: &Service) -> Status {
        let status = service.status.as_ref();
        let ingress = status
            .and_then(|status| status.load_balancer.as_ref())
            .and_then(|balancer| balancer.ingress.as_ref());
        let addresses = ingress.into_iter().flatten();
        let annotations = service.metadata.annotations.as_ref();
        let pool = annotations.and_then(|all| all.get(&format!("{PREFIX}{ALLOCATED_FROM_POOL}")));
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let mut conditions = conditions.into_iter().flatten();
        let condition = conditions.find(|condition| condition.type_ == ADDRESS_ASSIGNED);
        Status {
            addresses: addresses
                .filter_map(|ingress| ingress.ip.as_deref()?.parse().ok())
                .collect(),
            pool: pool.map(|pool| pool.as_str().into()),
            condition: condition.map(|condition| Condition {
                is_true: condition.status == "True",
                reason: match condition.reason.as_str() {
                    ASSIGNED => ASSIGNED.into(),
                    other => other.to_owned().into(),
                },
                message: condition.message.clone(),
                since: Some(condition.last_transition_time.0),
            }),
        }
    }

    /// The same addresses from the same pool.
    pub fn holds_the_same(&self, other: &Status) -> bool {
        (&self.addresses, &self.pool) == (&other.addresses, &other.pool)
    }

    /// Nothing differs but since when it is so. What a complaint says counts: one reason is told of an
    /// address, a pool or another Service, and which of them may change.
    pub fn says_the_same(&self, other: &Status) -> bool {
        fn says(status: &Status) -> Option<(bool, &str, Option<&str>)> {
            let condition = status.condition.as_ref()?;
            let complaint = (!condition.is_well()).then_some(&*condition.message);
            Some((condition.is_true, &condition.reason, complaint))
        }
        self.holds_the_same(other) && says(self) == says(other)
    }
}

impl Condition {
    /// Whether it has nothing to complain of.
    pub fn is_well(&self) -> bool {
        self.is_true && self.reason == ASSIGNED
    }

    /// Whether the Service has what it wants, as it is known after a round.
    fn new(assignment: &Assignment, outcome: &Outcome) -> Option<Condition> {
        if *outcome == Outcome::NotWanted {
            return None;
        }
        let is_true = !assignment.addresses.is_empty();
        let (reason, message) = match (outcome, outcome.shortfall()) {
            (Outcome::Tolerated(_, _), _) => ("SharingMismatch", outcome.to_string()),
            (_, Some(shortfall)) => (word(shortfall), shortfall.to_string()),
            (_, None) => (ASSIGNED, what_it_holds(assignment)),
        };
        Some(Condition {
            is_true,
            reason: reason.into(),
            message: message.chars().take(LONGEST_MESSAGE).collect(),
            since: None,
        })
    }
}

fn what_it_holds(assignment: &Assignment) -> String {
    let addresses: Vec<String> = assignment
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    let addresses = addresses.join(", ");
    match &assignment.pool {
        Some(pool) => format!("{addresses} from IPAddressPool {pool}"),
        None => addresses,
    }
}

/// A reason in one word.
fn word(reason: &Reason) -> &'static str {
    match reason {
        Reason::NotWanted => "NotWanted",
        Reason::NotEnoughClusterIps => "NotEnoughClusterIPs",
        Reason::NoFamily => "NoIPFamily",
        Reason::Request(_) => "InvalidRequest",
        Reason::RequestOfOneFamily => "RequestOfOneIPFamily",
        Reason::WrongFamily(_) => "WrongIPFamily",
        Reason::NotInAnyPool(_) => "NotInAnyPool",
        Reason::NoSuchPool(_) => "NoSuchPool",
        Reason::OtherPool { .. } => "OtherPool",
        Reason::NotForService(_) => "PoolNotForService",
        Reason::Buggy(_) => "BuggyIP",
        Reason::InUseByStranger { .. } => "IPInUseByStranger",
        Reason::OtherRequested => "OtherIPRequested",
        Reason::InUse { .. } => "IPInUse",
        Reason::SharedOtherwise { .. } => "SharedOtherwise",
        Reason::OtherNamespace { .. } => "SharedByOtherNamespace",
        Reason::PortInUse { .. } => "PortInUse",
        Reason::PoolExhausted { .. } => "PoolExhausted",
        Reason::Exhausted { .. } => "NoAvailableIPs",
        Reason::NotRecorded(_) => "NotRecorded",
    }
}
