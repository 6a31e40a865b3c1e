//! What a member tells all others of itself: a small value, replaced as a whole.
//!
//! Whoever changes its facts sends them to all live members at once. From then on every member is
//! as good a source of them as their owner: each datagram has a digest of all facts that its sender
//! has, and a member whose digest differs from ours for longer than [`super::Config::gossip`] is
//! told which versions we have, then after twice as long each time, at most
//! [`super::Config::retry_most`]. It answers with what is later. So facts get past a lost datagram,
//! and past a cut between two members that a third one hears; and one that begins knows the
//! link-layer addresses of those that are dead to it as well, which may answer on the segment.
//!
//! Facts are part of no life: a member with new facts goes on living, and one that comes back is
//! known by its last ones until it has told others.
//!
//! On the wire, one node's after another's: the node (16 octets), the version (8 octets), how many
//! interfaces; of each the length of its name, the name, and its MAC.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::MacAddr;

use super::identity::NodeId;

/// Interfaces of one node that others are told of, at most.
pub const MAX_INTERFACES: usize = 32;
/// Octets of an interface's name, at most (IFNAMSIZ less its end, netdevice(7)).
pub const MAX_NAME: usize = 15;
/// Octets of one node's facts on the wire, at most.
pub const MAX_LEN: usize = NodeId::LEN + 8 + 1 + MAX_INTERFACES * (1 + MAX_NAME + 6);
/// Octets of the name of a version: the node and the number.
pub const NAME_LEN: usize = NodeId::LEN + 8;

/// What a member tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    interfaces: BTreeMap<Arc<str>, MacAddr>,
}

impl Facts {
    /// Facts of a node with these interfaces, and how many of them are left out: those with a name
    /// that is empty or longer than [`MAX_NAME`], and of the others all but the first
    /// [`MAX_INTERFACES`] by name.
    pub fn new(interfaces: impl IntoIterator<Item = (Arc<str>, MacAddr)>) -> (Facts, usize) {
        let mut interfaces: BTreeMap<_, _> = interfaces.into_iter().collect();
        let all = interfaces.len();
        interfaces.retain(|name, _| (1..=MAX_NAME).contains(&name.len()));
        while interfaces.len() > MAX_INTERFACES {
            interfaces.pop_last();
        }
        let left_out = all - interfaces.len();
        (Facts { interfaces }, left_out)
    }

    /// The interfaces through which the node may answer for addresses: name and MAC.
    pub fn interfaces(&self) -> &BTreeMap<Arc<str>, MacAddr> {
        &self.interfaces
    }
}

/// Facts and their number; a later one is higher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From the microseconds of the wall clock at the start of the run. Where the clock went back,
    /// others tell which one they have, and the node takes the next.
    pub number: u64,
    /// The facts.
    pub facts: Arc<Facts>,
}

impl Version {
    /// Writes those of a node after what is there.
    pub fn encode(&self, node: NodeId, out: &mut Vec<u8>) {
        out.extend(name(node, self.number));
        let interfaces = &self.facts.interfaces;
        debug_assert!(interfaces.len() <= MAX_INTERFACES);
        out.push(interfaces.len() as u8);
        for (name, mac) in interfaces {
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
            out.extend(mac.octets());
        }
    }

    /// Reads those of the first node; `None` if they are not as [`Version::encode`] writes them.
    fn decode(octets: &[u8]) -> Option<(NodeId, Version, &[u8])> {
        let (named, rest) = octets.split_first_chunk::<NAME_LEN>()?;
        let (node, number) = named_by(named);
        let (count, mut rest) = rest.split_first()?;
        if usize::from(*count) > MAX_INTERFACES || number == 0 {
            return None;
        }
        let mut interfaces: BTreeMap<Arc<str>, MacAddr> = BTreeMap::new();
        for _ in 0..*count {
            let (len, left) = rest.split_first()?;
            let (name, left) = left.split_at_checked(usize::from(*len))?;
            let (mac, left) = left.split_first_chunk::<6>()?;
            let name = std::str::from_utf8(name).ok()?;
            let in_order = interfaces
                .last_key_value()
                .is_none_or(|(last, _)| **last < *name);
            if name.is_empty() || name.len() > MAX_NAME || !in_order {
                return None;
            }
            interfaces.insert(name.into(), MacAddr::from(*mac));
            rest = left;
        }
        let facts = Arc::new(Facts { interfaces });
        Some((node, Version { number, facts }, rest))
    }
}

/// Reads the facts of several nodes; `None` if any of it is malformed.
pub fn decode(mut octets: &[u8]) -> Option<Vec<(NodeId, Version)>> {
    let mut all = Vec::new();
    // Each takes octets.
    while !octets.is_empty() {
        let (node, version, rest) = Version::decode(octets)?;
        all.push((node, version));
        octets = rest;
    }
    Some(all)
}

/// The name of a version of a node's facts; the number is 0 for none.
pub fn name(node: NodeId, number: u64) -> [u8; NAME_LEN] {
    let mut out = [0; NAME_LEN];
    let (of_node, of_number) = out.split_at_mut(NodeId::LEN);
    of_node.copy_from_slice(&node.octets());
    of_number.copy_from_slice(&number.to_be_bytes());
    out
}

/// Reads names; `None` if there is half of one.
pub fn decode_names(octets: &[u8]) -> Option<Vec<(NodeId, u64)>> {
    let (names, rest) = octets.as_chunks::<NAME_LEN>();
    rest.is_empty()
        .then(|| names.iter().map(named_by).collect())
}

/// The reverse of [`name`].
fn named_by(octets: &[u8; NAME_LEN]) -> (NodeId, u64) {
    let (mut node, mut number) = ([0; NodeId::LEN], [0; 8]);
    let (of_node, of_number) = octets.split_at(NodeId::LEN);
    node.copy_from_slice(of_node);
    number.copy_from_slice(of_number);
    (NodeId::from_octets(node), u64::from_be_bytes(number))
}

/// Since when another member has had other facts than this one.
#[derive(Clone, Copy, Debug)]
pub struct Differs {
    at: Instant,
    wait: Duration,
}

impl Differs {
    /// It has just been seen, and may be news that are on their way for so long.
    pub fn seen(now: Instant, first: Duration) -> Differs {
        Differs {
            at: now + first,
            wait: first,
        }
    }

    /// Whether it is time to ask.
    pub fn is_due(&self, now: Instant) -> bool {
        self.at <= now
    }

    /// It has been asked: the next time is later.
    pub fn asked(&mut self, now: Instant, most: Duration) {
        self.wait = (self.wait * 2).min(most);
        self.at = now + self.wait;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interfaces(count: usize, len: usize) -> Vec<(Arc<str>, MacAddr)> {
        let one = |n: usize| {
            let name = format!("{n:0len$}");
            (name.into(), MacAddr::new(2, 0, 0, 0, 0, n as u8))
        };
        (0..count).map(one).collect()
    }

    fn version(number: u64, facts: Facts) -> Version {
        Version {
            number,
            facts: Arc::new(facts),
        }
    }

    fn node(number: u8) -> NodeId {
        NodeId::of(&number.to_string())
    }

    /// As on the wire.
    fn written(all: &[(NodeId, Version)]) -> Vec<u8> {
        let mut out = Vec::new();
        all.iter()
            .for_each(|(node, version)| version.encode(*node, &mut out));
        out
    }

    #[test]
    fn what_is_beyond_the_bounds_is_left_out_and_counted() {
        let rows = [(0, 3, 0), (32, 15, 0), (33, 15, 1), (90, 4, 58), (3, 16, 3)];
        for (count, len, left_out) in rows {
            let (facts, left) = Facts::new(interfaces(count, len));
            assert_eq!(left, left_out, "{count} of {len}");
            let sent = vec![(node(1), version(9, facts))];
            assert!(written(&sent).len() <= MAX_LEN);
            assert_eq!(decode(&written(&sent)), Some(sent));
        }
        let (_, left) = Facts::new([("".into(), MacAddr::broadcast())]);
        assert_eq!(left, 1);
    }

    #[test]
    fn cut_and_swollen_facts_are_not_read() {
        let some = |count| version(1, Facts::new(interfaces(count, 4)).0);
        let first = written(&[(node(1), some(5))]);
        let octets = written(&[(node(1), some(5)), (node(2), some(2))]);
        for cut in (0..octets.len()).filter(|cut| ![0, first.len()].contains(cut)) {
            assert_eq!(decode(&octets[..cut]), None, "{cut}");
        }
        assert_eq!(decode(&[&octets[..], &[0]].concat()), None);
        let none = version(0, Facts::default());
        assert_eq!(decode(&written(&[(node(1), none)])), None);
    }

    #[test]
    fn names_are_read_as_they_were_written_and_not_if_cut() {
        let octets = [name(node(1), 7), name(node(2), 0)].concat();
        let read = Some(vec![(node(1), 7), (node(2), 0)]);
        assert_eq!(decode_names(&octets), read);
        assert_eq!(decode_names(&octets[1..]), None);
    }

    proptest! {
        #[test]
        fn octets_are_read_as_what_is_written_as_them_or_not_at_all(
            octets in proptest::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..80)
        ) {
            if let Some(read) = decode(&octets) {
                prop_assert_eq!(written(&read), octets);
            }
        }
    }
}
