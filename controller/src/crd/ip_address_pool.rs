//! IPAddressPool: addresses to give to Services.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address;
use super::rule::{Placed, invalid};

/// Addresses to give to Services of `type: LoadBalancer`.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "IPAddressPool",
    namespaced,
    doc = "Addresses to give to Services of type LoadBalancer.",
    status = "IPAddressPoolStatus",
    printcolumn = r#"{"name":"Auto Assign","type":"boolean","jsonPath":".spec.autoAssign"}"#,
    printcolumn = r#"{"name":"Avoid Buggy IPs","type":"boolean","jsonPath":".spec.avoidBuggyIPs"}"#,
    printcolumn = r#"{"name":"Addresses","type":"string","jsonPath":".spec.addresses"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct IPAddressPoolSpec {
    /// Entries, each a CIDR prefix (`203.0.113.0/24`) or a range, first to last, both included
    /// (`203.0.113.10-203.0.113.20`). IPv4 and IPv6 may be mixed. No address may be in two entries
    /// or two pools.
    #[schemars(length(min = 1, max = 500), inner(length(max = 84)))]
    pub addresses: Vec<String>,
    /// Whether Services that ask for no pool may get an address of this one. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub auto_assign: Option<bool>,
    /// Never give out IPv4 addresses that end in .0 or .255. Default false.
    #[serde(
        default,
        rename = "avoidBuggyIPs",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(extend("default" = false))]
    pub avoid_buggy_ips: Option<bool>,
    /// Which Services the pool is for, and its rank among the pools that are for the same ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_allocation: Option<ServiceAllocation>,
    /// Herald: whether Services of different namespaces may share an address of this pool, if they
    /// have the same `metallb.io/allow-shared-ip`. Otherwise only those of one namespace may.
    /// Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub allow_sharing_across_namespaces: Option<bool>,
}

/// Which Services a pool is for. Namespaces and Service labels must both match where both are
/// given; with neither, the pool is for every Service, ranked by its priority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAllocation {
    /// Lower is tried first; 0 or unset is last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_u64))]
    pub priority: Option<i64>,
    /// Namespaces by name, any of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1_000),
        inner(length(max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub namespaces: Vec<String>,
    /// Namespaces by label, any of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub namespace_selectors: Vec<LabelSelector>,
    /// Services by label, any of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub service_selectors: Vec<LabelSelector>,
}

/// How full the pool is. Written by the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IPAddressPoolStatus {
    /// IPv4 addresses in use.
    #[serde(default, rename = "assignedIPv4")]
    pub assigned_ipv4: i64,
    /// IPv6 addresses in use.
    #[serde(default, rename = "assignedIPv6")]
    pub assigned_ipv6: i64,
    /// IPv4 addresses that are free.
    #[serde(default, rename = "availableIPv4")]
    pub available_ipv4: i64,
    /// IPv6 addresses that are free; 9223372036854775807 stands for that many or more.
    #[serde(default, rename = "availableIPv6")]
    pub available_ipv6: i64,
}

/// What the API server refuses.
pub fn rules() -> Vec<Placed> {
    let mut rules = address::pool_entry("spec.addresses[]");
    rules.push(invalid(
        "spec.addresses",
        // Each with each: for more, it would cost more than one rule may.
        "size(self) > 200 || self.all(entry, self.exists_one(other, other == entry))",
        "an entry is there twice; write each address in one entry only",
    ));
    rules
}
