//! Node to a Node of the World.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use plan::world::{Node, Ready};

use super::{Findings, address};
use crate::object::Draft;
use crate::problem::Finding;

/// The taint that says that a node is off (Kubernetes, "Non-graceful node shutdown").
pub const OUT_OF_SERVICE_TAINT: &str = "node.kubernetes.io/out-of-service";

/// A Node.
pub fn translate(name: &Arc<str>, node: &core::Node, findings: &mut Findings) -> Option<Draft> {
    let spec = node.spec.as_ref();
    let taints = spec
        .and_then(|spec| spec.taints.as_deref())
        .unwrap_or_default();
    Some(Draft::Node(Arc::new(Node {
        name: Arc::clone(name),
        labels: node.metadata.labels.clone().unwrap_or_default().into(),
        ready: match condition(node, "Ready") {
            None | Some("True") => Ready::True,
            Some("False") => Ready::False,
            Some(_) => Ready::Unknown,
        },
        network_unavailable: condition(node, "NetworkUnavailable") == Some("True"),
        unschedulable: spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
        out_of_service: taints.iter().any(|taint| taint.key == OUT_OF_SERVICE_TAINT),
        internal_ips: internal_ips(node, findings),
    })))
}

fn condition<'a>(node: &'a core::Node, kind: &str) -> Option<&'a str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions
        .iter()
        .find(|condition| condition.type_ == kind)?;
    Some(condition.status.as_str())
}

fn internal_ips(node: &core::Node, findings: &mut Findings) -> Vec<std::net::IpAddr> {
    let addresses = node
        .status
        .as_ref()
        .and_then(|status| status.addresses.as_deref());
    let mut internal = Vec::new();
    for (index, entry) in addresses.unwrap_or_default().iter().enumerate() {
        if entry.type_ != "InternalIP" {
            continue;
        }
        match address::parse(
            &entry.address,
            &format!("status.addresses[{index}].address"),
        ) {
            Ok(address) => internal.push(address),
            Err(Finding {
                field,
                message,
                hint,
                ..
            }) => {
                findings.push(Finding::warning(field, message, hint));
            }
        }
    }
    internal
}
