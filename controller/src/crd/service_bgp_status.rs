//! ServiceBGPStatus: to which peers a node announces a Service.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Placed, invalid};

/// The node that an object is of: its label.
pub const NODE_LABEL: &str = "metallb.io/node";
/// The name of the Service that an object is of: its label.
pub const SERVICE_NAME_LABEL: &str = "metallb.io/service-name";
/// The namespace of the Service that an object is of: its label.
pub const SERVICE_NAMESPACE_LABEL: &str = "metallb.io/service-namespace";

/// Nothing: the object is all status.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "ServiceBGPStatus",
    namespaced,
    doc = "To which BGP peers one node announces one Service. Written by the speaker.",
    status = "ServiceBGPStatusStatus",
    printcolumn = r#"{"name":"Node","type":"string","jsonPath":".status.node"}"#,
    printcolumn = r#"{"name":"Service Name","type":"string","jsonPath":".status.serviceName"}"#,
    printcolumn = r#"{"name":"Service Namespace","type":"string","jsonPath":".status.serviceNamespace"}"#
)]
pub struct ServiceBGPStatusSpec {}

/// What a node announces of a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBGPStatusStatus {
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The Service's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// The Service's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_namespace: Option<String>,
    /// The BGPPeers that the Service is announced to from this node, by name, whatever the state
    /// of their sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub peers: Vec<String>,
    /// Herald: the session with each of `peers` as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1_000),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["peer"])
    )]
    pub sessions: Vec<ServiceBGPSession>,
}

/// A session on which a Service is announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBGPSession {
    /// The BGPPeer's name.
    pub peer: String,
    /// The session's state (RFC 4271 §8.2.2). The peer has the Service's routes only if this is
    /// Established.
    pub state: BgpSessionState,
    /// Why the session ended the last time, or could not begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_024))]
    pub last_error: Option<String>,
}

/// States of a BGP session (RFC 4271 §8.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BgpSessionState {
    /// Not yet begun, or waiting after a failure.
    Idle,
    /// Connecting.
    Connect,
    /// Listening, until it is time to connect again.
    Active,
    /// Our OPEN is sent.
    OpenSent,
    /// Both OPENs are exchanged.
    OpenConfirm,
    /// Up.
    Established,
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
