//! Why an address that this node was elected for, or should have been, is not answered for.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use l2::MacAddr;
use l2::responder::{AddressState, Refusal};
use plan::elect::{self, Elected, NotElected};
use plan::world::ObjectName;

use super::LinksView;
use crate::view::View;

/// Prefixes that are named, at most.
const MAX_SUBNETS: usize = 16;

/// Addresses that nobody answers for of which is looked why, at most.
const MAX_LOOKS: usize = 16;

/// Why an address is not answered for, or not asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// A stranger has it.
    Quarantined {
        /// The interface.
        interface: Arc<str>,
        /// The stranger's link-layer address.
        by: MacAddr,
    },
    /// A stranger claims it too; it is answered for.
    Contested {
        /// The interface.
        interface: Arc<str>,
        /// The stranger's link-layer address.
        by: MacAddr,
    },
    /// An interface of this node has it.
    OwnAddress {
        /// The interface.
        interface: Arc<str>,
    },
    /// It is in no prefix of the interfaces: hosts ask for it only if they have a route to the link.
    OutsideSubnets {
        /// The prefixes.
        subnets: Vec<IpNet>,
    },
    /// No station of a link can have it.
    NotUnicast,
    /// There are too many.
    TooMany,
    /// The whole of L2 mode does not work.
    Trouble(Arc<str>),
    /// No node has an interface that is up of those that the L2Advertisements name.
    NoInterface,
    /// The L2Advertisements select no node that there is.
    NoNode,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Quarantined { interface, by } => write!(
                f,
                "the host {by} on {interface} has this address, so that it is not answered for: \
                 give that host another one, or take it out of the IPAddressPool"
            ),
            Failure::Contested { interface, by } => write!(
                f,
                "the host {by} on {interface} claims this address too: give that host another one, \
                 or take it out of the IPAddressPool"
            ),
            Failure::OwnAddress { interface } => write!(
                f,
                "{interface} of this node has this address itself: take it out of the IPAddressPool"
            ),
            Failure::OutsideSubnets { subnets } => {
                let all: Vec<String> = subnets.iter().map(IpNet::to_string).collect();
                write!(
                    f,
                    "no host asks for it without a route to the link, as it is in none of its \
                     prefixes ({}): use addresses of one of them, or a BGPAdvertisement",
                    all.join(", ")
                )
            }
            Failure::NotUnicast => {
                f.write_str("no host can have this address: take it out of the IPAddressPool")
            }
            Failure::TooMany => write!(
                f,
                "a node answers for at most {} addresses",
                l2::responder::MAX_ADDRESSES
            ),
            Failure::Trouble(why) => f.write_str(why),
            Failure::NoInterface => f.write_str(
                "no node has an interface that is up of those that its L2Advertisements select: \
                 see interfaces",
            ),
            Failure::NoNode => {
                f.write_str("its L2Advertisements select no node that there is: see nodeSelectors")
            }
        }
    }
}

/// All failures of this node, with the Services that hold the address.
pub fn all(view: &View) -> BTreeSet<(ObjectName, IpAddr, Failure)> {
    let mut failures = BTreeSet::new();
    let links = &view.links;
    let mut looks = match speaks_for_all(view) {
        true => MAX_LOOKS,
        false => 0,
    };
    for (address, elected) in &links.elections.by_address {
        let mut add = |failure: &Failure| {
            let holders = elected.holders.iter();
            failures.extend(holders.map(|name| (name.clone(), *address, failure.clone())));
        };
        if elected.owner.is_none() && looks > 0 {
            looks -= 1;
            if let Some(failure) = of_nobody(view, elected) {
                add(&failure);
            }
        }
        if elected.here.is_none() {
            continue;
        }
        if let Some(trouble) = &links.trouble {
            add(&Failure::Trouble(Arc::clone(trouble)));
        }
        let refused = links.link.refused.iter();
        for refused in refused.filter(|refused| refused.address == *address) {
            add(&match refused.reason {
                Refusal::NotUnicast => Failure::NotUnicast,
                Refusal::TooMany => Failure::TooMany,
            });
        }
        let subnets = subnets(links, *address);
        if !subnets.is_empty() && !subnets.iter().any(|subnet| subnet.contains(address)) {
            add(&Failure::OutsideSubnets { subnets });
        }
        for (interface, state) in states(view, *address) {
            match state {
                AddressState::Quarantined { by } => add(&Failure::Quarantined { interface, by }),
                AddressState::Contested { by } => add(&Failure::Contested { interface, by }),
                AddressState::OwnAddress => add(&Failure::OwnAddress { interface }),
                AddressState::Fenced
                | AddressState::InterfaceDown
                | AddressState::Probing
                | AddressState::Claimed => {}
            }
        }
    }
    failures
}

/// Whether this node is the one that tells of what is wrong with no node in particular: the first of
/// those that are alive.
fn speaks_for_all(view: &View) -> bool {
    let live = view.links.live.as_ref();
    let live = live.and_then(|live| live.nodes.keys().next());
    let first = live.or_else(|| view.world.nodes.keys().next());
    first.is_none_or(|first| *first == view.node)
}

/// What is wrong with the L2Advertisements, where nobody is elected: some node would be a candidate,
/// had it the interface; or they select no node.
fn of_nobody(view: &View, elected: &Elected) -> Option<Failure> {
    let name = elected.holders.first()?;
    let election = elect::election_of(&view.world, name, Some(&view.node), view.links.health)?;
    let mut reasons = election.others.values();
    let all_unselected = reasons
        .clone()
        .all(|reason| *reason == NotElected::NotOwner);
    match reasons.any(|reason| *reason == NotElected::NoInterface) {
        true => Some(Failure::NoInterface),
        false => all_unselected.then_some(Failure::NoNode),
    }
}

/// The prefixes of the address's family, on the interfaces that it is for; a few.
fn subnets(links: &LinksView, address: IpAddr) -> Vec<IpNet> {
    let Some(interfaces) = &links.interfaces else {
        return Vec::new();
    };
    let states = links.link.states.range((address, 0)..=(address, u32::MAX));
    let of_links = states.filter_map(|((_, index), _)| interfaces.subnets.get(index));
    let of_family = of_links
        .flatten()
        .filter(|subnet| subnet.addr().is_ipv4() == address.is_ipv4());
    of_family.take(MAX_SUBNETS).copied().collect()
}

/// How an address is on each interface that it is for, by the interface's name.
pub fn states(view: &View, address: IpAddr) -> Vec<(Arc<str>, AddressState)> {
    let links = &view.links;
    let named = |index: u32| -> Arc<str> {
        let all = links.interfaces.iter().flat_map(|all| &all.list);
        let found = all.into_iter().find(|one| one.index == index);
        found.map_or_else(|| index.to_string().into(), |one| Arc::clone(&one.name))
    };
    let states = links.link.states.range((address, 0)..=(address, u32::MAX));
    states
        .map(|((_, index), state)| (named(*index), *state))
        .collect()
}
