//! Ethernet II frames (RFC 894, RFC 2464), as far as ARP and NDP need them.

use std::fmt;

use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::ethernet::{EtherType, EthernetPacket, MutableEthernetPacket};

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

/// A frame from `source` to `destination` around a payload.
pub(crate) fn frame(
    source: MacAddr,
    destination: MacAddr,
    ether_type: EtherType,
    payload: &impl Packet,
) -> Vec<u8> {
    let mut octets = vec![0; HEADER_LENGTH + payload.packet().len()];
    if let Some(mut header) = MutableEthernetPacket::new(&mut octets) {
        header.set_source(source);
        header.set_destination(destination);
        header.set_ethertype(ether_type);
        header.set_payload(payload.packet());
    }
    octets
}
