//! ServiceL2Status: which node answers ARP and NDP for a Service.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Placed, invalid};

/// Nothing: the object is all status.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "ServiceL2Status",
    namespaced,
    doc = "Which node answers ARP and NDP for a Service. Written by the speaker.",
    status = "ServiceL2StatusStatus",
    printcolumn = r#"{"name":"Allocated Node","type":"string","jsonPath":".status.node"}"#,
    printcolumn = r#"{"name":"Service Name","type":"string","jsonPath":".status.serviceName"}"#,
    printcolumn = r#"{"name":"Service Namespace","type":"string","jsonPath":".status.serviceNamespace"}"#
)]
pub struct ServiceL2StatusSpec {}

/// Where a Service's traffic arrives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceL2StatusStatus {
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The Service's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// The Service's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_namespace: Option<String>,
    /// The interfaces that answer; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub interfaces: Vec<InterfaceInfo>,
    /// Hosts that are none of ours and have an address of the Service, which is not answered for
    /// there. Herald's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub conflicts: Vec<AddressConflict>,
}

/// A host that has an address of the Service.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct AddressConflict {
    /// The address.
    pub ip: String,
    /// The interface on which the host is.
    pub interface: String,
    /// The host's link-layer address.
    pub mac: String,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceInfo {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What the API server refuses.
pub fn rules() -> Vec<Placed> {
    let fields = [
        "status.node",
        "status.serviceName",
        "status.serviceNamespace",
    ];
    fields
        .map(|at| {
            invalid(
                at,
                "self == oldSelf",
                "cannot be changed: the object is of one Service and one node",
            )
        })
        .into()
}
