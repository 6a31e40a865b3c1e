//! Which one node answers for an address by ARP or NDP: rendezvous hashing among the best candidates.
//!
//! Every node computes it out of the same [`World`](crate::World) and comes to the same owner. Nothing is
//! remembered: a node that goes moves only its own addresses. Among equally good candidates the
//! owner is MetalLB's.

mod elector;
mod electorate;
mod heirs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::health::Why;

pub use elector::{Elected, Elections, Elector, Here, election_of};
pub use electorate::Electorate;

/// Why a node does not answer for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotElected {
    /// The address is in no pool.
    IpNotAllowed,
    /// No L2Advertisement of its pool selects this node.
    NotOwner,
    /// L2Advertisements of its pool select this node, and none the Service's labels.
    NoMatchingAdvertisement,
    /// It may be shared, and an advertisement by Service labels selects it: those who share could
    /// have different owners.
    SharedIpWithServiceSelector,
    /// No usable endpoint anywhere.
    NoEndpoints,
    /// Policy Local, and no usable endpoint on this node.
    NoLocalEndpoints,
    /// It has none of the interfaces that the L2Advertisements name, or none that is up.
    NoInterface,
    /// This node has the address itself, or another one of the Service: nobody else may answer for it.
    NodeAddress(Arc<str>),
    /// The node never answers, or a node of a better class does.
    Node(Why),
    /// As good a node does.
    OtherNode(Arc<str>),
}

impl NotElected {
    /// The reason in one word: MetalLB's where it has one.
    pub fn word(&self) -> &'static str {
        match self {
            NotElected::IpNotAllowed => "ipNotAllowed",
            NotElected::NotOwner | NotElected::OtherNode(_) => "notOwner",
            NotElected::NoMatchingAdvertisement => "noMatchingAdvertisement",
            NotElected::SharedIpWithServiceSelector => "sharedIPWithServiceSelector",
            NotElected::NoEndpoints => "noEndpoints",
            NotElected::NoLocalEndpoints => "noLocalEndpoints",
            NotElected::NoInterface => "noInterface",
            NotElected::NodeAddress(_) => "nodeAddress",
            NotElected::Node(why) => crate::announce::NotAnnounced::Node(*why).word(),
        }
    }
}

impl fmt::Display for NotElected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotElected::IpNotAllowed => f.write_str("the address is in no IPAddressPool"),
            NotElected::NotOwner => {
                f.write_str("no L2Advertisement of the address's pool selects this node")
            }
            NotElected::NoMatchingAdvertisement => f.write_str(
                "no L2Advertisement that selects this node is for the Service: see serviceSelectors",
            ),
            NotElected::SharedIpWithServiceSelector => f.write_str(
                "a Service with metallb.io/allow-shared-ip is not announced by an L2Advertisement \
                 with serviceSelectors",
            ),
            NotElected::NoEndpoints => f.write_str("the Service has no usable endpoint"),
            NotElected::NoLocalEndpoints => f.write_str(
                "externalTrafficPolicy is Local, and no usable endpoint is on this node",
            ),
            NotElected::NoInterface => f.write_str(
                "this node has no interface that is up of those that the L2Advertisements select: \
                 see interfaces",
            ),
            NotElected::NodeAddress(node) => write!(
                f,
                "node {node} has this address itself: take it out of the IPAddressPool"
            ),
            NotElected::Node(why) => write!(f, "{why}"),
            NotElected::OtherNode(owner) => write!(f, "node {owner} was elected"),
        }
    }
}

/// The outcome for one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// The node that answers; `None` is nobody.
    pub owner: Option<Arc<str>>,
    /// Why each of the others does not, by name.
    pub others: BTreeMap<Arc<str>, NotElected>,
}

/// The interfaces on which a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interfaces {
    /// Every one.
    All,
    /// Those with these names, as far as there are such.
    Named(Arc<BTreeSet<Arc<str>>>),
}
