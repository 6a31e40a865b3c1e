//! Which one node answers for an address by ARP or NDP: rendezvous hashing among the best candidates.
//!
//! Every node computes it out of the same [`World`] and comes to the same owner. Nothing is
//! remembered: a node that goes moves only its own addresses. Among equally good candidates the
//! owner is MetalLB's.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::health::{self, Class, Health, Why};
use crate::labels::{Labels, any_or_all};
use crate::pools::RangeIndex;
use crate::world::{
    Endpoint, ExternalTrafficPolicy, L2Advertisement, Node, ObjectName, Pool, Service, World,
};

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

/// What elections of many addresses have in common.
pub struct Electorate<'a> {
    world: &'a World,
    /// Leads to the position in `advertisements`.
    pools: RangeIndex<usize>,
    /// The L2Advertisements of each pool.
    advertisements: Vec<Vec<&'a L2Advertisement>>,
    nodes: Vec<(Arc<str>, &'a Labels, Health)>,
}

/// How good a candidate is: the least is elected. Its class, how many of the Services that hold the
/// address it can serve (all, unless they are being changed), its preference, its hash.
type Rank = (Class, Reverse<usize>, Reverse<u32>, [u8; 32]);

impl<'a> Electorate<'a> {
    /// All nodes of the World. `me` is a node to count even where no Node object describes it.
    pub fn new(world: &'a World, me: Option<&str>, options: health::Options) -> Electorate<'a> {
        let known = world.nodes.values();
        let known = known.map(|node: &Arc<Node>| (Arc::clone(&node.name), &node.labels));
        let me = me.filter(|me| !world.nodes.contains_key(*me));
        let named = known.chain(me.map(|me| (Arc::from(me), &Labels::NONE)));
        let judged = named.map(|(name, labels)| {
            let health = health::judge(&name, world, options);
            (name, labels, health)
        });
        let of_pool = |pool: &Arc<Pool>| -> Vec<&'a L2Advertisement> {
            let all = world.l2_advertisements.values().map(Arc::as_ref);
            all.filter(|ad| ad.pools.selects(pool)).collect()
        };
        Electorate {
            world,
            pools: RangeIndex::new(world.pools.values().map(Arc::as_ref).zip(0..)),
            advertisements: world.pools.values().map(of_pool).collect(),
            nodes: judged.collect(),
        }
    }

    /// Who answers for the address. `key` is what is hashed: the first address of the Service, so
    /// that both of one Service have one owner. `holders` are all Services that hold it; where they
    /// disagree, a node that can serve all of them is better than one that cannot.
    pub fn elect(&self, key: IpAddr, holders: &[&Service]) -> Election {
        let pool = self.pools.find(key);
        let advertisements = pool.and_then(|pool| self.advertisements.get(pool));
        let mut others = BTreeMap::new();
        let mut candidates: Vec<(Rank, &Arc<str>, Why)> = Vec::new();
        let endpoints: Vec<Vec<&Endpoint>> = holders.iter().map(|s| self.usable(&s.name)).collect();
        for (name, labels, health) in &self.nodes {
            let candidate = match advertisements {
                Some(all) => self.candidate(name, labels, *health, all, holders, &endpoints),
                None => Err(NotElected::IpNotAllowed),
            };
            match candidate {
                Ok((served, score)) => {
                    let hash = hash(name, key);
                    let rank = (health.class, Reverse(served), Reverse(score), hash);
                    candidates.push((rank, name, health.why));
                }
                Err(reason) => {
                    others.insert(Arc::clone(name), reason);
                }
            }
        }
        candidates.sort();
        let mut candidates = candidates.into_iter();
        let Some(((best, ..), owner, _)) = candidates.next() else {
            let owner = None;
            return Election { owner, others };
        };
        others.extend(candidates.map(|((class, ..), name, why)| {
            let reason = match class == best {
                true => NotElected::OtherNode(Arc::clone(owner)),
                false => NotElected::Node(why),
            };
            (Arc::clone(name), reason)
        }));
        let owner = Some(Arc::clone(owner));
        Election { owner, others }
    }

    /// How many of the holders the node can serve, and how much it is preferred; or why it is no
    /// candidate: what keeps it from serving the first of them.
    fn candidate(
        &self,
        name: &str,
        labels: &Labels,
        health: Health,
        advertisements: &[&L2Advertisement],
        holders: &[&Service],
        endpoints: &[Vec<&Endpoint>],
    ) -> Result<(usize, u32), NotElected> {
        let here = advertisements
            .iter()
            .filter(|ad| any_or_all(&ad.node_selectors, labels));
        let here: Vec<&L2Advertisement> = here.copied().collect();
        if here.is_empty() {
            return Err(NotElected::NotOwner);
        }
        let mut scores = Vec::new();
        let mut refused = None;
        for (service, usable) in holders.iter().zip(endpoints) {
            match serves(name, labels, health, &here, service, usable) {
                Ok(score) => scores.push(score),
                Err(reason) => {
                    refused.get_or_insert(reason);
                }
            }
        }
        match (scores.iter().max(), refused) {
            (Some(score), _) => Ok((scores.len(), *score)),
            (None, refused) => Err(refused.unwrap_or(NotElected::NoEndpoints)),
        }
    }

    fn usable(&self, service: &ObjectName) -> Vec<&'a Endpoint> {
        let first = (service.clone(), Arc::from(""));
        let slices = self.world.endpoint_slices.range(first..);
        let own = slices.take_while(|((name, _), _)| name == service);
        let endpoints = own.flat_map(|(_, slice)| &slice.endpoints);
        endpoints.filter(|endpoint| endpoint.is_usable()).collect()
    }
}

/// How much the node is preferred for the Service, or why it cannot serve it. The reasons come in
/// MetalLB's order.
fn serves(
    name: &str,
    labels: &Labels,
    health: Health,
    here: &[&L2Advertisement],
    service: &Service,
    usable: &[&Endpoint],
) -> Result<u32, NotElected> {
    let mut score = 0;
    let mut matching = false;
    for ad in here {
        if !any_or_all(&ad.service_selectors, &service.labels) {
            continue;
        }
        if service.sharing_key.is_some() && !ad.service_selectors.is_empty() {
            return Err(NotElected::SharedIpWithServiceSelector);
        }
        matching = true;
        let preferred = ad.preferred_nodes.iter();
        let preferred = preferred.filter(|entry| entry.preference.matches(labels));
        score += preferred.map(|entry| u32::from(entry.weight)).sum::<u32>();
    }
    if !matching {
        return Err(NotElected::NoMatchingAdvertisement);
    }
    if health.class == Class::Excluded {
        return Err(NotElected::Node(health.why));
    }
    let local = service.external_traffic_policy == ExternalTrafficPolicy::Local;
    let mut nodes = usable.iter().map(|endpoint| endpoint.node.as_deref());
    match (
        usable.is_empty(),
        local && !nodes.any(|node| node == Some(name)),
    ) {
        (true, _) => Err(NotElected::NoEndpoints),
        (false, true) => Err(NotElected::NoLocalEndpoints),
        (false, false) => Ok(score),
    }
}

/// MetalLB's: the smallest octets win.
fn hash(node: &str, address: IpAddr) -> [u8; 32] {
    Sha256::digest(format!("{node}#{address}")).into()
}
