//! The PATCH of `services/status`.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::Wanted;
use super::status::{ADDRESS_ASSIGNED, Condition};
use crate::translate::annotation::{ALLOCATED_FROM_POOL, DEPRECATED_PREFIX, PREFIX};

/// A strategic merge that makes the status what is wanted. It says all of it, whatever is there, so
/// that it is right even if something else is there by now.
pub(super) fn of(wanted: &Wanted, now: Timestamp) -> Value {
    let status = &wanted.status;
    let mut metadata = json!({
        "uid": &*wanted.uid,
        "annotations": {
            format!("{PREFIX}{ALLOCATED_FROM_POOL}"): status.pool.as_deref(),
            format!("{DEPRECATED_PREFIX}{ALLOCATED_FROM_POOL}"): null,
        },
    });
    if let Some(version) = &wanted.resource_version {
        metadata["resourceVersion"] = json!(&**version);
    }
    // The list is replaced as a whole; null is none.
    let ingress: Vec<Value> = status
        .addresses
        .iter()
        .map(|address| json!({"ip": address}))
        .collect();
    let ingress = (!ingress.is_empty()).then_some(ingress);
    let condition = condition(wanted, now);
    json!({
        "metadata": metadata,
        "status": {"loadBalancer": {"ingress": ingress}, "conditions": [condition]},
    })
}

/// Conditions are merged by type; those of others stay.
fn condition(wanted: &Wanted, now: Timestamp) -> Value {
    let Some(condition) = &wanted.status.condition else {
        return json!({"$patch": "delete", "type": ADDRESS_ASSIGNED});
    };
    // The time of the last change of True to False or back, not of every write.
    let since = |there: &Condition| {
        let same = there.is_true == condition.is_true;
        there.since.filter(|_| same)
    };
    let since = wanted.there.condition.as_ref().and_then(since);
    json!({
        "type": ADDRESS_ASSIGNED,
        "status": if condition.is_true { "True" } else { "False" },
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(since.unwrap_or(now)),
    })
}
