//! What of a Lease matters, and the patches that change it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::LONGEST_LEASE;

/// A Lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub resource_version: Arc<str>,
    /// `None` is given back, or never taken.
    pub holder: Option<Arc<str>>,
    /// What the holder says; `None` if it says nothing usable.
    pub duration: Option<Duration>,
    /// The holder's clock; only ever compared with itself.
    pub renewed: Option<MicroTime>,
    pub transitions: i32,
}

impl Record {
    pub(super) fn of(lease: &Lease) -> Record {
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
        let duration = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = duration.filter(|seconds| *seconds > 0);
        Record {
            resource_version: lease
                .metadata
                .resource_version
                .as_deref()
                .unwrap_or_default()
                .into(),
            holder: holder.filter(|holder| !holder.is_empty()).map(Into::into),
            duration: duration.map(|seconds| Duration::from_secs(seconds).min(LONGEST_LEASE)),
            renewed: spec.and_then(|spec| spec.renew_time.clone()),
            transitions: spec
                .and_then(|spec| spec.lease_transitions)
                .unwrap_or_default()
                .max(0),
        }
    }

    /// Whether this is read of an older state of the same Lease. Versions are numbers that grow
    /// (Kubernetes 1.35); what is no number is never older.
    pub(super) fn is_older_than(&self, other: &Record) -> bool {
        let number = |record: &Record| record.resource_version.parse::<u128>().ok();
        match (number(self), number(other)) {
            (Some(this), Some(other)) => this < other,
            _ => false,
        }
    }

    /// Whether the holder has done something in between: another holder, or a renewal.
    pub(super) fn is_same_renewal(&self, other: &Record) -> bool {
        (&self.holder, &self.renewed, self.duration)
            == (&other.holder, &other.renewed, other.duration)
    }
}

/// The Lease's first state: ours.
pub(super) fn creation(name: &str, identity: &str, duration: Duration) -> Value {
    let now = MicroTime(Timestamp::now());
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": duration.as_secs(),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        },
    })
}

/// Of a Lease that is not ours yet: it is now.
pub(super) fn acquisition(old: &Record, identity: &str, duration: Duration) -> Value {
    let now = MicroTime(Timestamp::now());
    json!({
        "metadata": {"resourceVersion": &*old.resource_version},
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": duration.as_secs(),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": old.transitions.saturating_add(1),
        },
    })
}

/// It stays ours.
pub(super) fn renewal(old: &Record, identity: &str, duration: Duration) -> Value {
    json!({
        "metadata": {"resourceVersion": &*old.resource_version},
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": duration.as_secs(),
            "renewTime": MicroTime(Timestamp::now()),
        },
    })
}

/// It is nobody's. The duration is what client-go leaves there.
pub(super) fn release(old: &Record) -> Value {
    json!({
        "metadata": {"resourceVersion": &*old.resource_version},
        "spec": {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "renewTime": MicroTime(Timestamp::now()),
        },
    })
}
