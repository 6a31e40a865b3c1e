//! Everything known, as one value: [`World`].
//!
//! The edge (`controller`) builds it out of Kubernetes objects, valid ones only; nothing here is a
//! wire or API type. Objects stand behind `Arc` and each kind's map is shared too, so a snapshot
//! costs a few reference counts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use imbl::OrdMap;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::labels::{LabelSelector, Labels};

/// A namespaced object's name; ordered by namespace, then by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// What names the same object mostly shares the text, which then need not be read.
impl Ord for ObjectName {
    fn cmp(&self, other: &ObjectName) -> Ordering {
        let same = Arc::ptr_eq(&self.namespace, &other.namespace);
        let namespaces = match same {
            true => Ordering::Equal,
            false => self.namespace.cmp(&other.namespace),
        };
        match Arc::ptr_eq(&self.name, &other.name) {
            true => namespaces,
            false => namespaces.then_with(|| self.name.cmp(&other.name)),
        }
    }
}

impl PartialOrd for ObjectName {
    fn partial_cmp(&self, other: &ObjectName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Names an EndpointSlice: the Service it belongs to, and its own name.
pub type SliceName = (ObjectName, Arc<str>);

/// Services by name. Objects that are many and change one by one are in persistent maps: a copy
/// shares all that is not changed.
pub type Services = OrdMap<ObjectName, Arc<Service>>;

/// EndpointSlices, those of a Service together.
pub type EndpointSlices = OrdMap<SliceName, Arc<EndpointSlice>>;

/// Everything known. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct World {
    /// Services of `type: LoadBalancer` that are ours, and those of other types that still hold an
    /// address from us.
    pub services: Services,
    /// EndpointSlices.
    pub endpoint_slices: EndpointSlices,
    /// Nodes by name.
    pub nodes: Arc<BTreeMap<Arc<str>, Arc<Node>>>,
    /// Labels of namespaces by name; a namespace that is not here has no labels.
    pub namespaces: Arc<BTreeMap<Arc<str>, Arc<Labels>>>,
    /// IPAddressPools by name. Their ranges do not overlap.
    pub pools: Arc<BTreeMap<Arc<str>, Arc<Pool>>>,
    /// BGPPeers by name.
    pub peers: Arc<BTreeMap<Arc<str>, Arc<BgpPeer>>>,
    /// BGPAdvertisements by name.
    pub bgp_advertisements: Arc<BTreeMap<Arc<str>, Arc<BgpAdvertisement>>>,
    /// L2Advertisements by name.
    pub l2_advertisements: Arc<BTreeMap<Arc<str>, Arc<L2Advertisement>>>,
    /// Which speakers are alive.
    pub liveness: Liveness,
    /// What else is known of speakers in L2 mode.
    pub links: Arc<Links>,
    /// Addresses that a stranger has on a link, and the stranger's link-layer address: they are
    /// given only to who asks for them by name.
    pub conflicts: Arc<BTreeMap<IpAddr, Arc<str>>>,
}

/// What elections of L2 mode have to know of speakers, besides which are alive.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Links {
    /// The interfaces that a node can answer on, by node. One that is not here has not told, and
    /// counts as having all that it is asked for.
    pub interfaces: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Nodes that came into service a short while ago, beside others that have been there for
    /// longer ([`crate::tenure::Tenure`]).
    pub returned: BTreeSet<Arc<str>>,
    /// Those of them that came so lately that who answers now may not have heard of it.
    pub arriving: BTreeSet<Arc<str>>,
    /// Which node is known to have answered for an address last.
    pub owners: OrdMap<IpAddr, Arc<str>>,
}

/// Which nodes have a live speaker. "Switched off" and "nobody" are different things.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Liveness {
    /// Not watched: every node known counts as live.
    #[default]
    Off,
    /// Watched: these nodes are live, and no other.
    Live(BTreeSet<Arc<str>>),
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IpFamily {
    /// IPv4.
    IPv4,
    /// IPv6.
    IPv6,
}

/// One or two families, the primary first, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Families {
    primary: Option<IpFamily>,
    secondary: Option<IpFamily>,
}

impl Families {
    /// The families in order.
    pub fn iter(self) -> impl Iterator<Item = IpFamily> {
        self.primary.into_iter().chain(self.secondary)
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.primary.is_none()
    }

    /// Whether the family is among them.
    pub fn contains(self, family: IpFamily) -> bool {
        self.iter().any(|other| other == family)
    }
}

/// Repeats are left out.
impl FromIterator<IpFamily> for Families {
    fn from_iter<I: IntoIterator<Item = IpFamily>>(families: I) -> Families {
        let mut families = families.into_iter();
        let primary = families.next();
        Families {
            primary,
            secondary: families.find(|family| Some(*family) != primary),
        }
    }
}

impl<const N: usize> From<[IpFamily; N]> for Families {
    fn from(families: [IpFamily; N]) -> Families {
        families.into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for Families {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Families, D::Error> {
        let families = Vec::<IpFamily>::deserialize(deserializer)?;
        Ok(families.into_iter().collect())
    }
}

impl Serialize for Families {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The addresses of a Service: one or two, with rare exceptions.
pub type Addresses = SmallVec<[IpAddr; 2]>;

/// Protocol and port, a few as a rule.
pub type Ports = SmallVec<[(Protocol, u16); 4]>;

/// A Service's `spec.ipFamilyPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpFamilyPolicy {
    /// One family.
    #[default]
    SingleStack,
    /// Both where possible.
    PreferDualStack,
    /// Both or none.
    RequireDualStack,
}

/// A Service's `spec.externalTrafficPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExternalTrafficPolicy {
    /// Any node may take the traffic.
    #[default]
    Cluster,
    /// Only nodes with a usable endpoint.
    Local,
}

/// A port's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// What matters of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Namespace and name.
    pub name: ObjectName,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec.type` is LoadBalancer and its `loadBalancerClass` is ours.
    pub wants_address: bool,
    /// The families of `spec.clusterIPs`; where it has no such addresses, `spec.ipFamilies`.
    pub ip_families: Families,
    /// `spec.ipFamilyPolicy`.
    pub ip_family_policy: IpFamilyPolicy,
    /// `spec.externalTrafficPolicy`.
    pub external_traffic_policy: ExternalTrafficPolicy,
    /// `spec.ports`: protocol and port.
    pub ports: Ports,
    /// `spec.selector`: part of the sharing rule for policy Local.
    pub selector: Labels,
    /// Addresses asked for by annotation or `spec.loadBalancerIP`, one a family at most.
    pub requested_addresses: Vec<IpAddr>,
    /// The pool asked for by annotation.
    pub requested_pool: Option<Arc<str>>,
    /// The sharing key, never empty.
    pub sharing_key: Option<Arc<str>>,
    /// Why the request cannot be read, if it cannot: it then asks for nothing and gets nothing new.
    pub request_error: Option<String>,
    /// Addresses assigned: `status.loadBalancer.ingress`, or the state file's.
    pub assigned: Addresses,
    /// The pool recorded with them.
    pub assigned_pool: Option<Arc<str>>,
}

/// What matters of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// The Service of the `kubernetes.io/service-name` label.
    pub service: ObjectName,
    /// The slice's own name.
    pub name: Arc<str>,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint. Its addresses matter to nobody here, and Pods that are replaced by others on the
/// same nodes change nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `nodeName`.
    pub node: Option<Arc<str>>,
    /// `conditions.ready`.
    pub ready: Option<bool>,
    /// `conditions.serving`.
    pub serving: Option<bool>,
}

/// What matters of a Node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The name.
    pub name: Arc<str>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// Condition Ready. A Node with no such condition (a hand-written one) is ready.
    pub ready: Ready,
    /// Condition NetworkUnavailable is True.
    pub network_unavailable: bool,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Taint `node.kubernetes.io/out-of-service` is there.
    pub out_of_service: bool,
    /// `status.addresses` of type InternalIP.
    pub internal_ips: Vec<IpAddr>,
}

/// A Node's Ready condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// True, or no condition at all.
    #[default]
    True,
    /// False.
    False,
    /// Unknown.
    Unknown,
}

/// One entry of a pool's `addresses`: first to last, inclusive, one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRange {
    /// First address.
    pub first: IpAddr,
    /// Last address, not before `first`, of the same family.
    pub last: IpAddr,
}

/// What matters of an IPAddressPool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// The name.
    pub name: Arc<str>,
    /// `metadata.labels`, for `ipAddressPoolSelectors`.
    pub labels: Labels,
    /// Entries in listed order.
    pub ranges: Vec<AddressRange>,
    /// `autoAssign`.
    pub auto_assign: bool,
    /// `avoidBuggyIPs`.
    pub avoid_buggy_ips: bool,
    /// `serviceAllocation`; `None` is "un-pinned".
    pub service_allocation: Option<ServiceAllocation>,
    /// `allowSharingAcrossNamespaces` (our addition).
    pub share_across_namespaces: bool,
}

/// A pool's `serviceAllocation`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceAllocation {
    /// Lower is first; `None` (0 or unset) is last.
    pub priority: Option<u32>,
    /// Namespaces by name.
    pub namespaces: BTreeSet<String>,
    /// Namespaces by label, any of.
    pub namespace_selectors: Vec<LabelSelector>,
    /// Services by label, any of.
    pub service_selectors: Vec<LabelSelector>,
}

/// What matters of a BGPPeer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BgpPeer {
    /// The name.
    pub name: Arc<str>,
    /// `myASN`, never 0.
    pub my_asn: u32,
    /// The AS expected of the peer.
    pub peer_asn: PeerAsn,
    /// `peerAddress`.
    pub address: IpAddr,
    /// Zone of a link-local `peerAddress` (`fe80::1%eth0`): an interface's name.
    pub zone: Option<String>,
    /// `peerPort`.
    pub port: u16,
    /// `sourceAddress`.
    pub source_address: Option<IpAddr>,
    /// `holdTime`, seconds: 0 or at least 3; `None` is the default, 90.
    pub hold_time: Option<u16>,
    /// `keepaliveTime`, seconds.
    pub keepalive_time: Option<u16>,
    /// `connectTime`, seconds.
    pub connect_time: Option<u16>,
    /// `routerID`.
    pub router_id: Option<std::net::Ipv4Addr>,
    /// Nodes that hold this session; empty is all.
    pub node_selectors: Vec<LabelSelector>,
    /// TCP MD5 password (RFC 2385).
    #[serde(skip)]
    pub password: Option<Password>,
    /// `ebgpMultiHop`: IP TTL 255 instead of 1.
    pub ebgp_multihop: bool,
    /// TTL security (RFC 5082): most hops away that the peer may be, 1 to 254.
    pub ttl_security: Option<u8>,
    /// Only listen for this peer.
    pub passive: bool,
    /// Families on the session.
    pub families: BTreeSet<IpFamily>,
    /// `enableGracefulRestart`.
    pub graceful_restart: bool,
    /// Restart Time, seconds, with graceful restart.
    pub graceful_restart_time: u16,
    /// Long-Lived Stale Time, seconds (RFC 9494); 0 is off.
    pub long_lived_stale_time: u32,
}

/// A TCP MD5 password (RFC 2385), 1 to 80 octets. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The AS expected of a peer: `peerASN` or `dynamicASN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerAsn {
    /// `peerASN`, never 0.
    Exactly(u32),
    /// `dynamicASN: internal`.
    Internal,
    /// `dynamicASN: external`.
    External,
}

/// A community as written in an advertisement, aliases resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Community {
    /// `A:B` (RFC 1997).
    Standard(u32),
    /// `large:A:B:C` (RFC 8092).
    Large(u32, u32, u32),
}

/// What matters of a BGPAdvertisement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BgpAdvertisement {
    /// The name.
    pub name: Arc<str>,
    /// `aggregationLength`, 1 to 32.
    pub aggregation_length: u8,
    /// `aggregationLengthV6`, 1 to 128.
    pub aggregation_length_v6: u8,
    /// `localPref`; `None` leaves iBGP's default of 100.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC (our addition).
    pub med: Option<u32>,
    /// How many times more than once eBGP puts our AS into AS_PATH (our addition).
    pub as_path_prepend: u8,
    /// Communities, sorted, no repeats.
    pub communities: Vec<Community>,
    /// Pools selected.
    pub pools: PoolSelection,
    /// Nodes that advertise; empty is all.
    pub node_selectors: Vec<LabelSelector>,
    /// BGPPeer names; empty is all.
    pub peers: BTreeSet<Arc<str>>,
    /// Services by label, any of; empty is all.
    pub service_selectors: Vec<LabelSelector>,
}

/// Which pools an advertisement is for: names or selectors; both empty is all pools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolSelection {
    /// `ipAddressPools`.
    pub names: BTreeSet<Arc<str>>,
    /// `ipAddressPoolSelectors`, any of.
    pub selectors: Vec<LabelSelector>,
}

/// What matters of an L2Advertisement. A pool that one selects is in L2 mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct L2Advertisement {
    /// The name.
    pub name: Arc<str>,
    /// Pools selected.
    pub pools: PoolSelection,
    /// Candidate nodes; empty is all.
    pub node_selectors: Vec<LabelSelector>,
    /// `preferredNodeSelectors`: of the candidates those are preferred that match.
    pub preferred_nodes: Vec<PreferredNodes>,
    /// Interfaces by name; empty is all.
    pub interfaces: BTreeSet<Arc<str>>,
    /// Services by label, any of; empty is all.
    pub service_selectors: Vec<LabelSelector>,
    /// Whether a node that comes back takes addresses from those that have them.
    #[serde(default)]
    pub failback: Failback,
}

/// When a node that comes into service takes the addresses that it would own, from an owner that
/// is as good. The later one is the stricter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Failback {
    /// At once.
    Immediate,
    /// When it has settled: after [`crate::tenure::SETTLED_AFTER`], sooner while the cluster is young.
    #[default]
    Delayed,
    /// Not while the owner is as good.
    Never,
}

/// An entry of `preferredNodeSelectors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreferredNodes {
    /// `weight`, 1 to 100: the weights of all entries that match a node are added.
    pub weight: u8,
    /// `preference`.
    pub preference: LabelSelector,
}

/// An address with its full length as a prefix.
pub fn host_prefix(address: IpAddr) -> IpNet {
    IpNet::from(address)
}
