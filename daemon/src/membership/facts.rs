//! What a member tells all others of itself: a small value, replaced as a whole.
//!
//! Every datagram says which version of its receiver's facts its sender has. Whoever changes its
//! facts sends them to all live members at once, and to those that still say another version after
//! [`super::Config::gossip`], then after twice as long each time, at most
//! [`super::Config::retry_most`]. They are part of no life: a member with new facts goes on living,
//! and one that comes back is known by its last ones until it has told others.
//!
//! On the wire: the version (8 octets, from 1 in each run of the sender); how many interfaces; of
//! each the length of its name, the name, and its MAC.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::MacAddr;

/// Interfaces of one node that others are told of, at most.
pub const MAX_INTERFACES: usize = 32;
/// Octets of an interface's name, at most (IFNAMSIZ less its end, netdevice(7)).
pub const MAX_NAME: usize = 15;
/// Octets of facts on the wire, at most.
pub const MAX_LEN: usize = 8 + 1 + MAX_INTERFACES * (1 + MAX_NAME + 6);

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

/// Facts and their number in this run of their node; a later one is higher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From 1.
    pub number: u64,
    /// The facts.
    pub facts: Arc<Facts>,
}

impl Version {
    /// Writes them.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAX_LEN);
        out.extend(self.number.to_be_bytes());
        let interfaces = &self.facts.interfaces;
        debug_assert!(interfaces.len() <= MAX_INTERFACES);
        out.push(interfaces.len() as u8);
        for (name, mac) in interfaces {
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
            out.extend(mac.octets());
        }
        out
    }

    /// Reads them; `None` if they are not as [`Version::encode`] writes them.
    pub fn decode(octets: &[u8]) -> Option<Version> {
        let (number, rest) = octets.split_first_chunk::<8>()?;
        let (count, mut rest) = rest.split_first()?;
        if usize::from(*count) > MAX_INTERFACES {
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
        let number = u64::from_be_bytes(*number);
        (rest.is_empty() && number > 0).then(|| Version {
            number,
            facts: Arc::new(Facts { interfaces }),
        })
    }
}

/// What this node knows of another one's facts, and the other one of ours.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Its latest; of an earlier run of it until it has told anew.
    pub theirs: Option<Arc<Facts>>,
    /// Their version in the current run; 0 for none.
    pub seen: u64,
    /// The version of ours that it has said last that it has.
    pub acknowledged: u64,
    /// When ours are sent again, and the wait after that.
    again: Option<(Instant, Duration)>,
}

impl Exchange {
    /// It has started anew: neither end has what the other one has told before.
    pub fn restart(&mut self) {
        self.seen = 0;
        self.acknowledged = 0;
        self.again = None;
    }

    /// Takes what it tells; whether that is new.
    pub fn take(&mut self, version: Version) -> bool {
        let new = version.number > self.seen;
        if new {
            self.seen = version.number;
            self.theirs = Some(version.facts);
        }
        new
    }

    /// Whether it is time to send ours, of a version that it does not have. If so, the next time is
    /// later. `changed`: it has not been sent before.
    pub fn is_due(
        &mut self,
        now: Instant,
        version: u64,
        changed: bool,
        first: Duration,
        most: Duration,
    ) -> bool {
        if self.acknowledged == version {
            self.again = None;
            return false;
        }
        let wait = match self.again.filter(|_| !changed) {
            Some((at, _)) if now < at => return false,
            Some((_, wait)) => (wait * 2).min(most),
            None => first.min(most),
        };
        self.again = Some((now + wait, wait));
        true
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

    #[test]
    fn what_is_beyond_the_bounds_is_left_out_and_counted() {
        let rows = [(0, 3, 0), (32, 15, 0), (33, 15, 1), (90, 4, 58), (3, 16, 3)];
        for (count, len, left_out) in rows {
            let (facts, left) = Facts::new(interfaces(count, len));
            assert_eq!(left, left_out, "{count} of {len}");
            let sent = version(9, facts);
            assert!(sent.encode().len() <= MAX_LEN);
            assert_eq!(Version::decode(&sent.encode()), Some(sent));
        }
        let (_, left) = Facts::new([("".into(), MacAddr::broadcast())]);
        assert_eq!(left, 1);
    }

    #[test]
    fn cut_and_swollen_facts_are_not_read() {
        let octets = version(1, Facts::new(interfaces(5, 4)).0).encode();
        for cut in 0..octets.len() {
            assert_eq!(Version::decode(&octets[..cut]), None);
        }
        assert_eq!(Version::decode(&[&octets[..], &[0]].concat()), None);
        assert_eq!(
            Version::decode(&version(0, Facts::default()).encode()),
            None
        );
    }

    proptest! {
        #[test]
        fn octets_are_read_as_what_is_written_as_them_or_not_at_all(
            octets in proptest::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..80)
        ) {
            if let Some(read) = Version::decode(&octets) {
                prop_assert_eq!(read.encode(), octets);
            }
        }
    }
}
