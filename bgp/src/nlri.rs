//! NLRI: a run of prefixes on the wire (RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3).

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::Family;

/// Octets of a Path Identifier (RFC 7911 §3).
const PATH_IDENTIFIER_LENGTH: usize = 4;

/// A run of prefixes that has been checked: iterating cannot fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nlri<'a> {
    family: Family,
    /// Whether a 4-octet Path Identifier stands before each prefix (RFC 7911 §3).
    add_path: bool,
    octets: Cow<'a, [u8]>,
}

/// One prefix of an [`Nlri`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NlriEntry {
    /// Path Identifier, where ADD-PATH is negotiated (RFC 7911 §3).
    pub path_identifier: Option<u32>,
    /// The prefix; bits after its length that were set on the wire are cleared.
    pub prefix: IpNet,
}

impl<'a> Nlri<'a> {
    /// No prefix. [`Nlri::push`] adds some.
    pub const fn new(family: Family) -> Nlri<'a> {
        Nlri {
            family,
            add_path: false,
            octets: Cow::Borrowed(&[]),
        }
    }

    /// No prefix, and each that is added has a Path Identifier (RFC 7911 §3).
    pub const fn with_add_path(family: Family) -> Nlri<'a> {
        Nlri {
            family,
            add_path: true,
            octets: Cow::Borrowed(&[]),
        }
    }

    /// Checks a run of prefixes. `None` when one is longer than its family's addresses, or cut.
    #[inline]
    pub fn parse(family: Family, add_path: bool, octets: &'a [u8]) -> Option<Nlri<'a>> {
        let mut rest = octets;
        while !rest.is_empty() {
            if add_path {
                rest = rest.get(PATH_IDENTIFIER_LENGTH..)?;
            }
            let (length, after) = rest.split_first()?;
            if *length > family.max_prefix_len() {
                return None;
            }
            rest = after.get(usize::from(length.div_ceil(8))..)?;
        }
        Some(Nlri {
            family,
            add_path,
            octets: Cow::Borrowed(octets),
        })
    }

    /// Adds a prefix, with Path Identifier 0 where this run has them. Returns whether it was
    /// added: a prefix of the other family is not.
    pub fn push(&mut self, prefix: IpNet) -> bool {
        self.push_entry(NlriEntry {
            path_identifier: None,
            prefix,
        })
    }

    /// Adds a prefix and its Path Identifier, which is left out where this run has none.
    /// Returns whether it was added: a prefix of the other family is not.
    pub fn push_entry(&mut self, entry: NlriEntry) -> bool {
        let octets = match (self.family, entry.prefix) {
            (Family::Ipv4Unicast, IpNet::V4(_)) | (Family::Ipv6Unicast, IpNet::V6(_)) => {
                self.octets.to_mut()
            }
            (Family::Ipv4Unicast, IpNet::V6(_)) | (Family::Ipv6Unicast, IpNet::V4(_)) => {
                return false;
            }
        };
        if self.add_path {
            let identifier = entry.path_identifier.unwrap_or(0);
            octets.extend_from_slice(&identifier.to_be_bytes());
        }
        let length = entry.prefix.prefix_len();
        octets.push(length);
        let significant = usize::from(length.div_ceil(8));
        match entry.prefix {
            IpNet::V4(net) => octets.extend_from_slice(&net.network().octets()[..significant]),
            IpNet::V6(net) => octets.extend_from_slice(&net.network().octets()[..significant]),
        }
        true
    }

    /// Octets that a prefix takes on the wire, without a Path Identifier: 1 to 17.
    pub fn prefix_length_on_wire(prefix: &IpNet) -> usize {
        1 + usize::from(prefix.prefix_len().div_ceil(8))
    }

    /// The family of every prefix.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Whether each prefix has a Path Identifier (RFC 7911 §3).
    pub const fn has_path_identifiers(&self) -> bool {
        self.add_path
    }

    /// Whether there is no prefix.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Octets on the wire.
    pub fn len_on_wire(&self) -> usize {
        self.octets.len()
    }

    /// The octets on the wire.
    pub fn as_octets(&self) -> &[u8] {
        &self.octets
    }

    /// The prefixes in wire order.
    #[inline]
    pub fn iter(&self) -> NlriIter<'_> {
        NlriIter {
            family: self.family,
            add_path: self.add_path,
            rest: &self.octets,
        }
    }

    /// The prefixes in wire order, without Path Identifiers.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.iter().map(|entry| entry.prefix)
    }

    /// The same, free of the octets it was read from.
    pub fn into_owned(self) -> Nlri<'static> {
        Nlri {
            family: self.family,
            add_path: self.add_path,
            octets: Cow::Owned(self.octets.into_owned()),
        }
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.octets);
    }
}

impl<'a> IntoIterator for &'a Nlri<'_> {
    type Item = NlriEntry;
    type IntoIter = NlriIter<'a>;

    fn into_iter(self) -> NlriIter<'a> {
        self.iter()
    }
}

/// The prefixes of an [`Nlri`].
#[derive(Clone, Debug)]
pub struct NlriIter<'a> {
    family: Family,
    add_path: bool,
    rest: &'a [u8],
}

impl Iterator for NlriIter<'_> {
    type Item = NlriEntry;

    // The octets were checked when the `Nlri` was made, so no `?` ends the run early.
    #[inline]
    fn next(&mut self) -> Option<NlriEntry> {
        let path_identifier = match self.add_path {
            true => {
                let (octets, rest) = self.rest.split_first_chunk::<PATH_IDENTIFIER_LENGTH>()?;
                self.rest = rest;
                Some(u32::from_be_bytes(*octets))
            }
            false => None,
        };
        if self.family == Family::Ipv4Unicast
            && let Some([length, address @ ..]) = self.rest.first_chunk::<5>()
        {
            // Octets of what follows may be in `address`; the mask takes them off.
            let prefix = ipv4_net(u32::from_be_bytes(*address), *length)?;
            self.rest = self.rest.get(1 + usize::from(length.div_ceil(8))..)?;
            return Some(NlriEntry {
                path_identifier,
                prefix: IpNet::V4(prefix),
            });
        }
        let (length, rest) = self.rest.split_first()?;
        let (octets, rest) = rest.split_at_checked(usize::from(length.div_ceil(8)))?;
        self.rest = rest;
        let prefix = match self.family {
            Family::Ipv4Unicast => IpNet::V4(ipv4_prefix(octets, *length)?),
            Family::Ipv6Unicast => IpNet::V6(ipv6_prefix(octets, *length)?),
        };
        Some(NlriEntry {
            path_identifier,
            prefix,
        })
    }
}

/// The prefix of at most 4 octets; `None` for a length over 32.
#[inline]
fn ipv4_prefix(octets: &[u8], length: u8) -> Option<Ipv4Net> {
    let bits = match *octets {
        [] => 0,
        [a] => u32::from_be_bytes([a, 0, 0, 0]),
        [a, b] => u32::from_be_bytes([a, b, 0, 0]),
        [a, b, c] => u32::from_be_bytes([a, b, c, 0]),
        [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
        _ => return None,
    };
    ipv4_net(bits, length)
}

/// The prefix of these bits, the ones after its length cleared; `None` for a length over 32.
#[inline]
fn ipv4_net(bits: u32, length: u8) -> Option<Ipv4Net> {
    let host = 32_u32.checked_sub(u32::from(length))?;
    let mask = u32::MAX.checked_shl(host).unwrap_or(0);
    Ipv4Net::new(Ipv4Addr::from_bits(bits & mask), length).ok()
}

/// The prefix of at most 16 octets; `None` for a length over 128.
#[inline]
fn ipv6_prefix(octets: &[u8], length: u8) -> Option<Ipv6Net> {
    let mut address = [0; 16];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    let bits = u128::from_be_bytes(address) & mask;
    Ipv6Net::new(Ipv6Addr::from_bits(bits), length).ok()
}
