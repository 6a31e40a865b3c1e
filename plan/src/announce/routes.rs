//! Routes of each peer, put together once for peers that get the same.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Attributes, NotAnnounced, Route, aggregation};
use crate::pools::family_of;
use crate::world::{BgpAdvertisement, BgpPeer};

/// An address, and the advertisements that announce it; never none.
#[derive(Debug)]
pub struct Selected<'a> {
    pub address: IpAddr,
    pub advertisements: Vec<&'a Arc<BgpAdvertisement>>,
}

/// What the advertisements of one address come to: a prefix for each aggregation length, and what
/// is said of it to each peer. Most Services of a pool share it.
#[derive(Debug)]
struct Sayings {
    /// Prefix length, and attributes by position of the peer.
    of_length: Vec<(u8, Vec<Option<Arc<Attributes>>>)>,
}

/// Identifies [`Sayings`]: the advertisements by address in memory, and the family.
type Key = (bool, Vec<usize>);

/// An address with what is said of it.
#[derive(Debug)]
pub struct Resolved {
    address: IpAddr,
    key: Key,
    sayings: Arc<Sayings>,
}

/// Routes under construction.
#[derive(Debug)]
pub struct Tables<'a> {
    peers: Vec<&'a Arc<BgpPeer>>,
    leaving: bool,
    sayings: BTreeMap<Key, Result<Arc<Sayings>, NotAnnounced>>,
    /// The addresses announced under each of the sayings, in the order met.
    prefixes: BTreeMap<Key, (Arc<Sayings>, Vec<IpAddr>)>,
    names: BTreeMap<Vec<bool>, Arc<[Arc<str>]>>,
}

impl<'a> Tables<'a> {
    pub fn new(peers: Vec<&'a Arc<BgpPeer>>, leaving: bool) -> Tables<'a> {
        Tables {
            peers,
            leaving,
            sayings: BTreeMap::new(),
            prefixes: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    /// What is said of a Service's addresses to each peer, before it is known whether anything is.
    pub fn resolve(&mut self, selected: &[Selected<'a>]) -> Result<Vec<Resolved>, NotAnnounced> {
        let mut resolved = Vec::with_capacity(selected.len());
        for Selected {
            address,
            advertisements,
        } in selected
        {
            let pointers = advertisements.iter().map(|ad| Arc::as_ptr(ad).addr());
            let key = (address.is_ipv4(), pointers.collect());
            let sayings = self.sayings(&key, *address, advertisements)?;
            resolved.push(Resolved {
                address: *address,
                key,
                sayings,
            });
        }
        Ok(resolved)
    }

    /// Adds a Service's addresses; says which peers get at least one of them.
    pub fn add(&mut self, resolved: Vec<Resolved>) -> Result<Arc<[Arc<str>]>, NotAnnounced> {
        let mut reached = vec![false; self.peers.len()];
        for (_, of_peer) in resolved.iter().flat_map(|one| &one.sayings.of_length) {
            for (reached, attributes) in reached.iter_mut().zip(of_peer) {
                *reached |= attributes.is_some();
            }
        }
        if !reached.contains(&true) {
            return Err(NotAnnounced::NoPeer);
        }
        for Resolved {
            address,
            key,
            sayings,
        } in resolved
        {
            let (_, addresses) = self
                .prefixes
                .entry(key)
                .or_insert_with(|| (sayings, Vec::new()));
            addresses.push(address);
        }
        Ok(self.names_of(reached))
    }

    fn names_of(&mut self, reached: Vec<bool>) -> Arc<[Arc<str>]> {
        match self.names.entry(reached) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let with_peer = self.peers.iter().zip(entry.key());
                let names = with_peer.filter(|(_, reached)| **reached);
                let names: Arc<[_]> = names.map(|(peer, _)| Arc::clone(&peer.name)).collect();
                Arc::clone(entry.insert(names))
            }
        }
    }

    fn sayings(
        &mut self,
        key: &Key,
        address: IpAddr,
        advertisements: &[&'a Arc<BgpAdvertisement>],
    ) -> Result<Arc<Sayings>, NotAnnounced> {
        if let Some(known) = self.sayings.get(key) {
            return known.clone();
        }
        let computed = self.compute(address, advertisements).map(Arc::new);
        self.sayings.insert(key.clone(), computed.clone());
        computed
    }

    fn compute(
        &self,
        address: IpAddr,
        advertisements: &[&'a Arc<BgpAdvertisement>],
    ) -> Result<Sayings, NotAnnounced> {
        let family = family_of(address);
        let mut lengths: Vec<u8> = advertisements
            .iter()
            .map(|ad| aggregation(ad, family))
            .collect();
        lengths.sort();
        lengths.dedup();
        let mut of_length = Vec::new();
        for length in lengths {
            let of_this = advertisements
                .iter()
                .filter(|ad| aggregation(ad, family) == length);
            let of_this: Vec<&BgpAdvertisement> = of_this.map(|ad| ad.as_ref()).collect();
            let of_peer = self
                .peers
                .iter()
                .map(|peer| match peer.families.contains(&family) {
                    true => self.said_to(peer, &of_this),
                    false => Ok(None),
                });
            of_length.push((length, of_peer.collect::<Result<_, _>>()?));
        }
        Ok(Sayings { of_length })
    }

    /// What these advertisements of one prefix say to one peer.
    fn said_to(
        &self,
        peer: &BgpPeer,
        advertisements: &[&BgpAdvertisement],
    ) -> Result<Option<Arc<Attributes>>, NotAnnounced> {
        let to_peer = advertisements.iter().filter(|ad| ad.names(peer));
        let mut said: Option<Attributes> = None;
        for next in to_peer.map(|ad| Attributes::of(ad)) {
            said = match said {
                Some(said) if said.conflicts_with(&next) => {
                    return Err(NotAnnounced::ConflictingAdvertisements);
                }
                Some(said) => Some(said.united(&next)),
                None => Some(next),
            };
        }
        let said = said.map(|said| if self.leaving { said.leaving() } else { said });
        Ok(said.map(Arc::new))
    }

    /// Every peer's routes, sorted, each prefix once.
    pub fn finish(self) -> BTreeMap<Arc<str>, Arc<Vec<Route>>> {
        let mut same: Vec<(usize, Arc<Vec<Route>>)> = Vec::new();
        let mut tables = BTreeMap::new();
        for (position, peer) in self.peers.iter().enumerate() {
            let twin = same
                .iter()
                .find(|(other, _)| self.says_the_same(position, *other));
            let routes = match twin {
                Some((_, routes)) => Arc::clone(routes),
                None => Arc::new(self.routes(position)),
            };
            same.push((position, Arc::clone(&routes)));
            tables.insert(Arc::clone(&peer.name), routes);
        }
        tables
    }

    fn says_the_same(&self, one: usize, other: usize) -> bool {
        let mut all = self
            .prefixes
            .values()
            .flat_map(|(sayings, _)| &sayings.of_length);
        all.all(|(_, of_peer)| of_peer.get(one) == of_peer.get(other))
    }

    fn routes(&self, peer: usize) -> Vec<Route> {
        let count = self
            .prefixes
            .values()
            .map(|(_, addresses)| addresses.len())
            .sum();
        let mut routes: Vec<Route> = Vec::with_capacity(count);
        for (sayings, addresses) in self.prefixes.values() {
            for (length, of_peer) in &sayings.of_length {
                let Some(Some(attributes)) = of_peer.get(peer) else {
                    continue;
                };
                routes.extend(addresses.iter().filter_map(|address| {
                    let prefix = IpNet::new(*address, *length).ok()?.trunc();
                    Some(Route {
                        prefix,
                        attributes: Arc::clone(attributes),
                    })
                }));
            }
        }
        routes.sort_by_key(|route| route.prefix);
        routes.dedup_by(|next, kept| {
            let same = next.prefix == kept.prefix;
            if same && next.attributes != kept.attributes {
                kept.attributes = Arc::new(kept.attributes.united(&next.attributes));
            }
            same
        });
        routes
    }
}
