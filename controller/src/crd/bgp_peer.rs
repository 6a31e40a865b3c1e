//! BGPPeer: a router to hold a BGP session with.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A router to hold a BGP session with.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta2",
    kind = "BGPPeer",
    namespaced,
    doc = "A router to hold a BGP session with.",
    printcolumn = r#"{"name":"Address","type":"string","jsonPath":".spec.peerAddress"}"#,
    printcolumn = r#"{"name":"ASN","type":"string","jsonPath":".spec.peerASN"}"#,
    printcolumn = r#"{"name":"BFD Profile","type":"string","jsonPath":".spec.bfdProfile"}"#,
    printcolumn = r#"{"name":"Multi Hops","type":"string","jsonPath":".spec.ebgpMultiHop"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct BGPPeerSpec {
    /// Our AS number on this session, 1 to 4294967295.
    #[serde(rename = "myASN")]
    #[schemars(range(min = 1, max = 4_294_967_295_u64))]
    pub my_asn: u32,
    /// The peer's AS number, 1 to 4294967295. Exactly one of this and `dynamicASN`.
    #[serde(default, rename = "peerASN", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_u64))]
    pub peer_asn: Option<u32>,
    /// Accept the AS number that the peer names: `internal`, the same as ours; `external`, any
    /// other.
    #[serde(
        default,
        rename = "dynamicASN",
        skip_serializing_if = "Option::is_none"
    )]
    pub dynamic_asn: Option<DynamicAsn>,
    /// Our AS number towards this peer, in place of `myASN`.
    #[serde(default, rename = "localASN", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_295_u64))]
    pub local_asn: Option<u32>,
    /// The peer's IP address; a link-local one needs its zone (`fe80::1%eth0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub peer_address: Option<String>,
    /// Peer over this interface with whoever is there (unnumbered).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub interface: Option<String>,
    /// The address that we connect from. Unset, the kernel chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub source_address: Option<String>,
    /// The TCP port to connect to. Default 179.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("default" = 179))]
    pub peer_port: Option<u16>,
    /// Hold time that we propose (RFC 4271 §4.2), such as `90s`: 0 or at least 3 s. Default 90 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub hold_time: Option<String>,
    /// Time between KEEPALIVEs, at most `holdTime`. Default a third of the hold time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub keepalive_time: Option<String>,
    /// Time between attempts to connect, 1 s to 65535 s, whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub connect_time: Option<String>,
    /// Our BGP Identifier, written as an IPv4 address.
    #[serde(default, rename = "routerID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub router_id: Option<String>,
    /// Nodes that hold this session, any of; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub node_selectors: Vec<LabelSelector>,
    /// TCP MD5 password (RFC 2385). At most one of this and `passwordSecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80))]
    pub password: Option<String>,
    /// A Secret of type `kubernetes.io/basic-auth` whose key `password` is the TCP MD5 password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<SecretReference>,
    /// The BFDProfile to watch this peer with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub bfd_profile: Option<String>,
    /// Ask the peer to keep our routes while we restart (RFC 4724). Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_graceful_restart: Option<bool>,
    /// The eBGP peer is more than one hop away. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub ebgp_multi_hop: Option<bool>,
    /// The Linux VRF to peer in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub vrf: Option<String>,
    /// Deprecated by MetalLB and without effect there and here.
    #[serde(default, rename = "disableMP", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub disable_mp: Option<bool>,
    /// Carry both IPv4 and IPv6 on the session. Default: only the family of `peerAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub dual_stack_address_family: Option<bool>,
    /// Herald: only listen for this peer, never connect. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub passive: Option<bool>,
    /// Herald: TTL security (RFC 5082): the most hops away that the peer may be; 1 is directly
    /// connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 254))]
    pub ttl_security: Option<u8>,
    /// Herald: Restart Time of graceful restart (RFC 4724 §3), at most 4095 s. Default 120 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub graceful_restart_time: Option<String>,
    /// Herald: Long-Lived Stale Time (RFC 9494 §3.1), at most 16777215 s. Default 0, off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub long_lived_stale_time: Option<String>,
}

/// Which AS numbers a peer may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DynamicAsn {
    /// Ours.
    Internal,
    /// Any but ours.
    External,
}

/// A Secret by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretReference {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// Its namespace; unset is the BGPPeer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}
