//! L2Advertisement: pools that are announced by ARP and NDP.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Puts pools into L2 mode: their addresses are announced by ARP and NDP.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "L2Advertisement",
    namespaced,
    doc = "Puts pools into L2 mode: their addresses are announced by ARP and NDP.",
    printcolumn = r#"{"name":"IPAddressPools","type":"string","jsonPath":".spec.ipAddressPools"}"#,
    printcolumn = r#"{"name":"IPAddressPool Selectors","type":"string","jsonPath":".spec.ipAddressPoolSelectors"}"#,
    printcolumn = r#"{"name":"Interfaces","type":"string","jsonPath":".spec.interfaces"}"#,
    printcolumn = r#"{"name":"Node Selectors","type":"string","jsonPath":".spec.nodeSelectors","priority":10}"#
)]
#[serde(rename_all = "camelCase")]
pub struct L2AdvertisementSpec {
    /// Pools by name. With no name and no selector: all pools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1_000),
        inner(length(max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub ip_address_pools: Vec<String>,
    /// Pools by label, any of, besides those by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub ip_address_pool_selectors: Vec<LabelSelector>,
    /// Candidate nodes, any of; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub node_selectors: Vec<LabelSelector>,
    /// Interfaces by name; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1_000),
        inner(length(max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub interfaces: Vec<String>,
    /// Services by label, any of; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub service_selectors: Vec<LabelSelector>,
    /// Nodes to prefer among the candidates, with weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub preferred_node_selectors: Vec<PreferredNodeSelector>,
    /// When a node that comes back takes addresses over from one that is as good: at once, when it
    /// has been in service for 30 s (the default), or not at all. Herald's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failback: Option<Failback>,
}

/// When a node that comes back takes addresses over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Failback {
    /// At once.
    Immediate,
    /// When it has been in service for 30 s.
    Delayed,
    /// Not from an owner that is as good.
    Never,
}

/// A preference for nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreferredNodeSelector {
    /// 1 to 100; those of all matching preferences are added up.
    #[schemars(range(min = 1, max = 100))]
    pub weight: u8,
    /// Nodes by label; an empty selector matches every node.
    pub preference: LabelSelector,
}
