//! Ethernet II frames (RFC 894, RFC 2464), as far as ARP and NDP need them.

use std::fmt;
use std::ops::Deref;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherType, EthernetPacket};

/// Octets of an untagged header.
pub const HEADER_LENGTH: usize = 14;

/// Why a frame that claims to be ARP or a Neighbor Solicitation is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// The header and payload of an untagged frame. A frame with a VLAN tag (EtherType 0x8100 or
/// 0x88a8) belongs to another link than the one it was read on, so its payload is never looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Destination address.
    pub destination: MacAddr,
    /// Source address.
    pub source: MacAddr,
    /// EtherType.
    pub ether_type: EtherType,
    /// What follows the header, padding included.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the header; `None` for fewer than 14 octets.
    pub fn parse(frame: &'a [u8]) -> Option<Frame<'a>> {
        let header = EthernetPacket::new(frame)?;
        Some(Frame {
            destination: header.get_destination(),
            source: header.get_source(),
            ether_type: header.get_ethertype(),
            payload: frame.get(HEADER_LENGTH..)?,
        })
    }
}

/// Octets of the longest frame that this crate writes: a Neighbor Advertisement with one option.
pub const MAX_WRITTEN: usize = 86;

/// A frame to send, in place: writing one allocates nothing. It reads as a slice of its octets,
/// without padding to the 60 octets of Ethernet, which the driver adds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FrameBuf {
    octets: [u8; MAX_WRITTEN],
    length: u8,
}

impl FrameBuf {
    /// A frame from `source` to `destination` around a payload of at most
    /// [`MAX_WRITTEN`] - [`HEADER_LENGTH`] octets; what is longer is cut.
    pub(crate) fn new(
        source: MacAddr,
        destination: MacAddr,
        ether_type: EtherType,
        payload: &[u8],
    ) -> FrameBuf {
        let mut octets = [0; MAX_WRITTEN];
        octets[..6].copy_from_slice(&destination.octets());
        octets[6..12].copy_from_slice(&source.octets());
        octets[12..HEADER_LENGTH].copy_from_slice(&ether_type.0.to_be_bytes());
        let room = octets[HEADER_LENGTH..].iter_mut();
        let written = room.zip(payload).map(|(to, from)| *to = *from).count();
        FrameBuf {
            octets,
            // At most MAX_WRITTEN, which an octet holds.
            length: (HEADER_LENGTH + written) as u8,
        }
    }

    /// The Ethernet source address.
    pub fn source(&self) -> MacAddr {
        let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = self.octets;
        MacAddr(a, b, c, d, e, f)
    }
}

impl Deref for FrameBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl fmt::Debug for FrameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = self.iter();
        octets.try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_header_and_its_payload() {
        let (source, destination) = (MacAddr(2, 0, 0, 0, 0, 1), MacAddr(2, 0, 0, 0, 0, 2));
        let frame = FrameBuf::new(source, destination, EtherType(0x0806), &[7, 8, 9]);
        let read = Frame::parse(&frame).expect("a header");
        assert_eq!((read.source, read.destination), (source, destination));
        assert_eq!(read.ether_type, EtherType(0x0806));
        assert_eq!((read.payload, frame.source()), (&[7, 8, 9][..], source));
    }

    #[test]
    fn no_payload_is_too_long_to_write() {
        let source = MacAddr(2, 0, 0, 0, 0, 1);
        let frame = FrameBuf::new(source, source, EtherType(0x0806), &[1; 2_000]);
        assert_eq!(frame.len(), MAX_WRITTEN);
    }
}
