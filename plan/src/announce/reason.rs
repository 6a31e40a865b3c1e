//! Whether a node announces a Service, in a machine's word and in a sentence.

use std::fmt;
use std::sync::Arc;

use crate::health::Why;

/// Names of BGPPeers.
pub type PeerNames = Arc<[Arc<str>]>;

/// Whether this node announces a Service.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// To these peers, by name; never empty.
    Announced {
        /// Names of the BGPPeers.
        peers: PeerNames,
    },
    /// To nobody, for this reason.
    NotAnnounced(NotAnnounced),
}

/// Why a node does not announce a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotAnnounced {
    /// It is no LoadBalancer Service of ours.
    NotLoadBalancer,
    /// It has no address.
    NoIpAllocated,
    /// Its address is in no pool.
    IpNotAllowed,
    /// No BGPAdvertisement of its pool selects this node.
    NotOwner,
    /// BGPAdvertisements of its pool select this node, and none the Service's labels.
    NoMatchingAdvertisement,
    /// Advertisements of one prefix to one peer differ in localPref, MED or prepending.
    ConflictingAdvertisements,
    /// No usable endpoint anywhere.
    NoEndpoints,
    /// Policy Local, and no usable endpoint on this node.
    NoLocalEndpoints,
    /// The node may not announce.
    Node(Why),
    /// The advertisements name peers whose session this node does not hold, or there is none.
    NoPeer,
}

impl NotAnnounced {
    /// The reason in one word: MetalLB's where it has one.
    pub fn word(self) -> &'static str {
        match self {
            NotAnnounced::NotLoadBalancer => "notLoadBalancer",
            NotAnnounced::NoIpAllocated => "noIPAllocated",
            NotAnnounced::IpNotAllowed => "ipNotAllowed",
            NotAnnounced::NotOwner => "notOwner",
            NotAnnounced::NoMatchingAdvertisement => "noMatchingAdvertisement",
            NotAnnounced::ConflictingAdvertisements => "conflictingAdvertisements",
            NotAnnounced::NoEndpoints => "noEndpoints",
            NotAnnounced::NoLocalEndpoints => "noLocalEndpoints",
            NotAnnounced::NoPeer => "noPeer",
            NotAnnounced::Node(Why::NodeNetworkUnavailable) => "nodeNetworkUnavailable",
            NotAnnounced::Node(Why::NodeLabeledExcludeBalancers) => "nodeLabeledExcludeBalancers",
            NotAnnounced::Node(Why::NodeNotReady) => "nodeNotReady",
            NotAnnounced::Node(Why::NodeReadyUnknown) => "nodeReadyUnknown",
            NotAnnounced::Node(Why::NodeOutOfService) => "nodeOutOfService",
            NotAnnounced::Node(Why::NodeUnschedulable) => "nodeUnschedulable",
            NotAnnounced::Node(Why::SpeakerNotLive) => "speakerNotLive",
            NotAnnounced::Node(Why::Healthy | Why::NoNodeObject) => "nodeHealthy",
        }
    }
}

impl fmt::Display for NotAnnounced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAnnounced::NotLoadBalancer => {
                f.write_str("it is not a LoadBalancer Service of a class that is ours")
            }
            NotAnnounced::NoIpAllocated => f.write_str("it has no address yet"),
            NotAnnounced::IpNotAllowed => f.write_str("its address is in no IPAddressPool"),
            NotAnnounced::NotOwner => f.write_str(
                "no BGPAdvertisement of its pool selects this node: see ipAddressPools, \
                 ipAddressPoolSelectors and nodeSelectors",
            ),
            NotAnnounced::NoMatchingAdvertisement => f.write_str(
                "no BGPAdvertisement of its pool selects the Service's labels: see serviceSelectors",
            ),
            NotAnnounced::ConflictingAdvertisements => f.write_str(
                "its BGPAdvertisements give one prefix different localPref, med or asPathPrepend \
                 towards one peer: make them equal, or give them different peers",
            ),
            NotAnnounced::NoEndpoints => f.write_str("it has no usable endpoint anywhere"),
            NotAnnounced::NoLocalEndpoints => f.write_str(
                "externalTrafficPolicy is Local and no usable endpoint is on this node",
            ),
            NotAnnounced::NoPeer => f.write_str(
                "this node holds no session with a BGPPeer that the BGPAdvertisements name and \
                 that carries the address family",
            ),
            NotAnnounced::Node(why) => why.fmt(f),
        }
    }
}
