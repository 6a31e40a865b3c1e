//! Routes of each peer, put together once for peers that get the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::reason::PeerNames;
use super::view::Said;
use super::{Attributes, NotAnnounced, Routes, aggregation};
use crate::world::{BgpAdvertisement, BgpPeer, IpFamily};

/// What the advertisements of an address come to: a prefix for each aggregation length, and what
/// is said of it to each peer. Most Services of a pool share it.
#[derive(Debug)]
struct Sayings {
    of_length: Vec<OfLength>,
    /// By position, whether the peer is told anything.
    reached: Vec<bool>,
}

/// Prefix length, and attributes by position of the peer.
type OfLength = (u8, Vec<Option<Arc<Attributes>>>);

/// Numbers what is said of an address: the same advertisements say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Saying(usize);

/// Peers that are told the same, by position, and what that is.
#[derive(Clone, Debug)]
struct Group {
    members: Vec<usize>,
    routes: Routes,
}

/// What is said of a prefix: by how many addresses each saying comes to it.
type OfPrefix = SmallVec<[(Saying, u32); 1]>;

/// The routes, and what they are made of.
#[derive(Debug)]
pub struct Tables {
    peers: Vec<Arc<BgpPeer>>,
    leaving: bool,
    /// By the saying's number.
    sayings: Vec<Sayings>,
    /// By family and the advertisements' addresses in memory, which live as long as the pools' views.
    numbers: BTreeMap<(IpFamily, Vec<usize>), Result<Saying, NotAnnounced>>,
    names: BTreeMap<Vec<bool>, PeerNames>,
    /// Each set of attributes once.
    attributes: BTreeSet<Arc<Attributes>>,
    prefixes: BTreeMap<IpNet, OfPrefix>,
    groups: Vec<Group>,
    /// What has come (true) and gone (false) since the routes were put together.
    changes: Vec<(IpNet, Saying, bool)>,
}

impl Tables {
    pub fn new(peers: Vec<Arc<BgpPeer>>, leaving: bool) -> Tables {
        let all = Group {
            members: (0..peers.len()).collect(),
            routes: Routes::new(),
        };
        Tables {
            groups: Vec::from_iter((!peers.is_empty()).then_some(all)),
            peers,
            leaving,
            sayings: Vec::new(),
            numbers: BTreeMap::new(),
            names: BTreeMap::new(),
            attributes: BTreeSet::new(),
            prefixes: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// What these advertisements, never none, say of an address to each peer, before it is known
    /// whether anything is.
    pub fn saying(
        &mut self,
        family: IpFamily,
        advertisements: &[&Arc<BgpAdvertisement>],
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
            let reached = (0..self.peers.len()).map(told).collect();
            self.part_groups(&of_length);
            self.sayings.push(Sayings { reached, of_length });
            saying
        });
        self.numbers.insert(key, saying);
        saying
    }

    /// The peers that get at least one of a Service's addresses.
    pub fn reached_by(&mut self, said: &Said) -> Result<PeerNames, NotAnnounced> {
        let mut reached = vec![false; self.peers.len()];
        for (_, saying) in said {
            let more = self.sayings.get(saying.0).into_iter();
            let more = more.flat_map(|sayings| &sayings.reached);
            for (reached, more) in reached.iter_mut().zip(more) {
                *reached |= more;
            }
        }
        if !reached.contains(&true) {
            return Err(NotAnnounced::NoPeer);
        }
        if let Some(names) = self.names.get(&reached) {
            return Ok(Arc::clone(names));
        }
        let with_peer = self.peers.iter().zip(&reached);
        let names = with_peer.filter(|(_, reached)| **reached);
        let names: Arc<[_]> = names.map(|(peer, _)| Arc::clone(&peer.name)).collect();
        self.names.insert(reached, Arc::clone(&names));
        Ok(names)
    }

    /// This is said of a Service's addresses now, and no longer that. Counts from the next
    /// [`Tables::settle`] on.
    pub fn replace(&mut self, was: &Said, is: &Said) {
        if was == is {
            return;
        }
        for (said, has_come) in [(was, false), (is, true)] {
            for (address, saying) in said {
                let Some(sayings) = self.sayings.get(saying.0) else {
                    continue;
                };
                let lengths = sayings.of_length.iter().map(|(length, _)| *length);
                let prefixes = lengths.filter_map(|length| IpNet::new(*address, length).ok());
                let changes = prefixes.map(|prefix| (prefix.trunc(), *saying, has_come));
                self.changes.extend(changes);
            }
        }
    }

    /// Puts the routes together. Takes the time of what has changed since it was done last.
    pub fn settle(&mut self) {
        let mut changes = std::mem::take(&mut self.changes);
        // In prefix order, what has come before what has gone: so nothing is at none in between.
        changes.sort_unstable_by_key(|(prefix, saying, has_come)| (*prefix, !has_come, *saying));
        for of_prefix in changes.chunk_by(|(one, _, _), (other, _, _)| one == other) {
            let Some((prefix, _, _)) = of_prefix.first() else {
                continue;
            };
            let said = self.prefixes.entry(*prefix).or_default();
            for (_, saying, has_come) in of_prefix {
                count(said, *saying, *has_come);
            }
            let said = said.clone();
            if said.is_empty() {
                self.prefixes.remove(prefix);
            }
            self.set_route(*prefix, &said);
        }
    }

    /// The routes of each peer.
    pub fn peers(&self) -> BTreeMap<Arc<str>, Routes> {
        let mut peers = BTreeMap::new();
        for group in &self.groups {
            let members = group.members.iter();
            let members = members.filter_map(|position| self.peers.get(*position));
            peers.extend(members.map(|peer| (Arc::clone(&peer.name), group.routes.clone())));
        }
        peers
    }

    /// Puts what is said of a prefix into the routes of each group.
    fn set_route(&mut self, prefix: IpNet, said: &OfPrefix) {
        for group in &mut self.groups {
            let Some(peer) = group.members.first() else {
                continue;
            };
            let mut united: Option<Arc<Attributes>> = None;
            for (saying, _) in said {
                let sayings = self.sayings.get(saying.0).into_iter();
                let mut of_length = sayings.flat_map(|sayings| &sayings.of_length);
                let of_peer = of_length.find(|(length, _)| *length == prefix.prefix_len());
                let Some(Some(more)) = of_peer.and_then(|(_, of_peer)| of_peer.get(*peer)) else {
                    continue;
                };
                united = Some(match united {
                    None => Arc::clone(more),
                    Some(united) if Arc::ptr_eq(&united, more) => united,
                    Some(united) => interned(&mut self.attributes, united.united(more)),
                });
            }
            match united {
                None => {
                    group.routes.remove(&prefix);
                }
                Some(attributes) => {
                    let known = group.routes.get(&prefix);
                    if !known.is_some_and(|known| Arc::ptr_eq(known, &attributes)) {
                        group.routes.insert(prefix, attributes);
                    }
                }
            }
        }
    }

    /// Parts the groups whose members are told different things by what is new. So far they were
    /// told the same, so each has what they all had.
    fn part_groups(&mut self, of_length: &[OfLength]) {
        let told = |peer: usize| -> Vec<Option<&Arc<Attributes>>> {
            let of_peer = of_length.iter().map(|(_, of_peer)| of_peer.get(peer));
            of_peer.map(|told| told.and_then(Option::as_ref)).collect()
        };
        let mut parted = Vec::new();
        for group in &self.groups {
            let mut parts: Vec<Group> = Vec::new();
            for member in &group.members {
                let same = |part: &&mut Group| {
                    let first = part.members.first();
                    first.is_some_and(|first| told(*first) == told(*member))
                };
                match parts.iter_mut().find(same) {
                    Some(part) => part.members.push(*member),
                    None => parts.push(Group {
                        members: vec![*member],
                        routes: group.routes.clone(),
                    }),
                }
            }
            parted.extend(parts);
        }
        self.groups = parted;
    }

    fn compute(
        &mut self,
        family: IpFamily,
        advertisements: &[&Arc<BgpAdvertisement>],
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
            let mut of_peer = Vec::new();
            for peer in &self.peers {
                let said = match peer.families.contains(&family) {
                    true => self.said_to(peer, &of_this)?,
                    false => None,
                };
                of_peer.push(said.map(|said| interned(&mut self.attributes, said)));
            }
            of_length.push((length, of_peer));
        }
        Ok(of_length)
    }

    /// What these advertisements of one prefix say to one peer.
    fn said_to(
        &self,
        peer: &BgpPeer,
        advertisements: &[&BgpAdvertisement],
    ) -> Result<Option<Attributes>, NotAnnounced> {
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
        Ok(said.map(|said| if self.leaving { said.leaving() } else { said }))
    }
}

/// One address more, or less, comes to a prefix by a saying.
fn count(said: &mut OfPrefix, saying: Saying, has_come: bool) {
    let at = said.iter().position(|(known, _)| *known == saying);
    match (at, has_come) {
        (Some(at), true) => said[at].1 += 1,
        (None, true) => said.push((saying, 1)),
        (Some(at), false) if said[at].1 > 1 => said[at].1 -= 1,
        (Some(at), false) => {
            said.remove(at);
        }
        (None, false) => {}
    }
}

/// The one allocation of these attributes.
fn interned(known: &mut BTreeSet<Arc<Attributes>>, attributes: Attributes) -> Arc<Attributes> {
    if let Some(same) = known.get(&attributes) {
        return Arc::clone(same);
    }
    let new = Arc::new(attributes);
    known.insert(Arc::clone(&new));
    new
}
