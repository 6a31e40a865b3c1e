//! BGPAdvertisement: how pools are announced by BGP.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::community;
use super::rule::{Placed, about, invalid};

/// How the addresses of some pools are announced by BGP.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "BGPAdvertisement",
    namespaced,
    doc = "How the addresses of some pools are announced by BGP.",
    printcolumn = r#"{"name":"IPAddressPools","type":"string","jsonPath":".spec.ipAddressPools"}"#,
    printcolumn = r#"{"name":"IPAddressPool Selectors","type":"string","jsonPath":".spec.ipAddressPoolSelectors"}"#,
    printcolumn = r#"{"name":"Peers","type":"string","jsonPath":".spec.peers"}"#,
    printcolumn = r#"{"name":"Node Selectors","type":"string","jsonPath":".spec.nodeSelectors","priority":10}"#
)]
#[serde(rename_all = "camelCase")]
pub struct BGPAdvertisementSpec {
    /// Prefix length to announce an IPv4 address with, 1 to 32. Default 32. No shorter than the
    /// pool's own prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32), extend("default" = 32))]
    pub aggregation_length: Option<u8>,
    /// Prefix length to announce an IPv6 address with, 1 to 128. Default 128.
    #[serde(
        default,
        rename = "aggregationLengthV6",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 128), extend("default" = 128))]
    pub aggregation_length_v6: Option<u8>,
    /// LOCAL_PREF on iBGP sessions. Unset or 0: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_u64))]
    pub local_pref: Option<u32>,
    /// Communities: `A:B`, `large:A:B:C`, a well-known name such as `no-export`, or an alias
    /// that a Community defines. At most 63.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 63),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub communities: Vec<String>,
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
    /// Nodes that announce, any of; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub node_selectors: Vec<LabelSelector>,
    /// BGPPeers by name; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1_000),
        inner(length(max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub peers: Vec<String>,
    /// Services by label, any of; empty is all. Not together with an aggregation length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub service_selectors: Vec<LabelSelector>,
    /// Herald: MULTI_EXIT_DISC (RFC 4271 §5.1.4). Unset: none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_u64))]
    pub med: Option<u32>,
    /// Herald: how many times more than once our AS number is put into AS_PATH on eBGP sessions, 0
    /// to 16. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16))]
    pub as_path_prepend: Option<u8>,
}

/// What the API server refuses.
pub fn rules() -> Vec<Placed> {
    let mut rules = community::entry("spec.communities[]");
    let selectors_and_length = invalid(
        "spec",
        "!has(self.serviceSelectors) || size(self.serviceSelectors) == 0 \
         || ((!has(self.aggregationLength) || self.aggregationLength == 32) \
         && (!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))",
        "serviceSelectors and an aggregation length are both given; remove aggregationLength and \
         aggregationLengthV6: an aggregate is for all Services of the pool, or none",
    );
    rules.push(about("serviceSelectors", selectors_and_length));
    rules
}
