//! Routes of each peer, put together once for peers that get the same.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Attributes, NotAnnounced, Route, aggregation};
use crate::world::{BgpAdvertisement, BgpPeer, IpFamily};

/// What the advertisements of an address come to: a prefix for each aggregation length, and what
/// is said of it to each peer. Most Services of a pool share it.
#[derive(Debug)]
struct Sayings {
    of_length: Vec<OfLength>,
    /// By position, whether the peer is told anything.
    reached: Vec<bool>,
    /// The addresses of which it is said, in the order met.
    addresses: Vec<IpAddr>,
}

/// Prefix length, and attributes by position of the peer.
type OfLength = (u8, Vec<Option<Arc<Attributes>>>);

/// Numbers what is said of an address: the same advertisements say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saying(usize);

/// Routes under construction.
#[derive(Debug)]
pub struct Tables<'a> {
    peers: Vec<&'a Arc<BgpPeer>>,
    leaving: bool,
    /// By the saying's number.
    sayings: Vec<Sayings>,
    /// By family and the advertisements' addresses in memory.
    numbers: BTreeMap<(IpFamily, Vec<usize>), Result<Saying, NotAnnounced>>,
    names: BTreeMap<Vec<bool>, Arc<[Arc<str>]>>,
}

impl<'a> Tables<'a> {
    pub fn new(peers: Vec<&'a Arc<BgpPeer>>, leaving: bool) -> Tables<'a> {
        Tables {
            peers,
            leaving,
            sayings: Vec::new(),
            numbers: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    /// What these advertisements, never none, say of an address to each peer, before it is known
    /// whether anything is.
    pub fn saying(
        &mut self,
        family: IpFamily,
        advertisements: &[&'a Arc<BgpAdvertisement>],
    ) -> Result<Saying, NotAnnounced> {
        let pointers = advertisements.iter().map(|ad| Arc::as_ptr(ad).addr());
        let key = (family, pointers.collect());
        if let Some(known) = self.numbers.get(&key) {
            return *known;
        }
        let saying = self.compute(family, advertisements).map(|of_length| {
            let told = |position: usize| {
                let mut of_length = of_length.iter();
                of_length.any(|(_, of_peer)| matches!(of_peer.get(position), Some(Some(_))))
            };
            let saying = Saying(self.sayings.len());
            self.sayings.push(Sayings {
                reached: (0..self.peers.len()).map(told).collect(),
                of_length,
                addresses: Vec::new(),
            });
            saying
        });
        self.numbers.insert(key, saying);
        saying
    }

    /// Adds a Service's addresses; says which peers get at least one of them.
    pub fn add(
        &mut self,
        said: impl Iterator<Item = (IpAddr, Saying)> + Clone,
    ) -> Result<Arc<[Arc<str>]>, NotAnnounced> {
        let mut all: Option<Vec<bool>> = None;
        let mut first: Option<Saying> = None;
        for (_, saying) in said.clone() {
            match first {
                None => first = Some(saying),
                Some(first) if first == saying => {}
                Some(first) => {
                    let all = all.get_or_insert_with(|| self.reached(first).to_vec());
                    let more = self.sayings.get(saying.0).map(|s| s.reached.as_slice());
                    for (reached, more) in all.iter_mut().zip(more.unwrap_or_default()) {
                        *reached |= more;
                    }
                }
            }
        }
        let one = first.map_or(&[][..], |first| self.reached(first));
        let reached = all.as_deref().unwrap_or(one);
        if !reached.contains(&true) {
            return Err(NotAnnounced::NoPeer);
        }
        let names = match self.names.get(reached) {
            Some(names) => Arc::clone(names),
            None => {
                let with_peer = self.peers.iter().zip(reached);
                let names = with_peer.filter(|(_, reached)| **reached);
                let names: Arc<[_]> = names.map(|(peer, _)| Arc::clone(&peer.name)).collect();
                let reached = reached.to_vec();
                self.names.insert(reached, Arc::clone(&names));
                names
            }
        };
        for (address, saying) in said {
            if let Some(sayings) = self.sayings.get_mut(saying.0) {
                sayings.addresses.push(address);
            }
        }
        Ok(names)
    }

    fn reached(&self, saying: Saying) -> &[bool] {
        let sayings = self.sayings.get(saying.0);
        sayings.map_or(&[], |sayings| &sayings.reached)
    }

    fn compute(
        &self,
        family: IpFamily,
        advertisements: &[&'a Arc<BgpAdvertisement>],
    ) -> Result<Vec<OfLength>, NotAnnounced> {
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
        Ok(of_length)
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
        let said = self
            .sayings
            .iter()
            .filter(|said| !said.addresses.is_empty());
        let mut all = said.flat_map(|said| &said.of_length);
        all.all(|(_, of_peer)| of_peer.get(one) == of_peer.get(other))
    }

    fn routes(&self, peer: usize) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for said in &self.sayings {
            for (length, of_peer) in &said.of_length {
                let Some(Some(attributes)) = of_peer.get(peer) else {
                    continue;
                };
                routes.extend(said.addresses.iter().filter_map(|address| {
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
