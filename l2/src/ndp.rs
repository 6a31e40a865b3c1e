//! Neighbor Discovery for IPv6 over Ethernet (RFC 4861, RFC 2464): the Neighbor Solicitation and
//! the Neighbor Advertisement.

mod advertisement;
mod solicitation;

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::EtherTypes;
use pnet_packet::icmpv6::{Icmpv6Packet, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::Ipv6Packet;

pub use advertisement::{NeighborAdvertisement, unsolicited_advertisement};
pub use solicitation::{NeighborSolicitation, probe, solicitation};

use crate::ethernet::{Frame, FrameBuf, Malformed};

/// Octets of an IPv6 header.
const IPV6_HEADER_LENGTH: usize = 40;
/// Octets of a Neighbor Solicitation or Advertisement without options (RFC 4861 §4.3, §4.4).
const MESSAGE_LENGTH: usize = 24;
/// Octets of a link-layer address option for Ethernet (RFC 2464 §6).
const OPTION_LENGTH: usize = 8;
/// A router would have decremented it: the message comes from this link (RFC 4861 §7.1).
const HOP_LIMIT: u8 = 255;
/// All-nodes multicast address (RFC 4291 §2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The solicited-node multicast address of an address (RFC 4291 §2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0xff), low)
}

/// The Ethernet address of an IPv6 multicast group (RFC 2464 §7).
pub fn multicast(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr(0x33, 0x33, a, b, c, d)
}

/// An ICMPv6 message and what carried it.
struct Message<'a> {
    /// Ethernet source address.
    source_link_layer: MacAddr,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    octets: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a frame with an ICMPv6 message of the type `kind`; `None` for any other.
    fn parse(frame: &'a [u8], kind: u8) -> Result<Option<Message<'a>>, Malformed> {
        let Some(frame) = Frame::parse(frame) else {
            return Ok(None);
        };
        let is_ipv6 = frame.ether_type == EtherTypes::Ipv6;
        let Some(ip) = Ipv6Packet::new(frame.payload).filter(|_| is_ipv6) else {
            return Ok(None);
        };
        // An extension header before ICMPv6 is not looked through: Neighbor Discovery has no use
        // for one, and fragments are forbidden (RFC 6980 §5).
        if ip.get_next_header() != IpNextHeaderProtocols::Icmpv6
            || frame.payload.get(IPV6_HEADER_LENGTH) != Some(&kind)
        {
            return Ok(None);
        }
        let end = IPV6_HEADER_LENGTH + usize::from(ip.get_payload_length());
        let octets = frame.payload.get(IPV6_HEADER_LENGTH..end);
        let octets = octets.ok_or(Malformed("the IPv6 payload is cut short"))?;
        let message = Message {
            source_link_layer: frame.source,
            source: ip.get_source(),
            destination: ip.get_destination(),
            octets,
        };
        message.check(&ip).map(|()| Some(message))
    }

    /// What RFC 4861 §7.1.1 and §7.1.2 have in common, in their order.
    fn check(&self, ip: &Ipv6Packet<'_>) -> Result<(), Malformed> {
        // RFC 8200 §3; the EtherType alone does not say so.
        if ip.get_version() != 6 {
            return Err(Malformed("IP version is not 6"));
        }
        if ip.get_hop_limit() != HOP_LIMIT {
            return Err(Malformed("hop limit is not 255"));
        }
        let icmp = Icmpv6Packet::new(self.octets).ok_or(Malformed("shorter than 24 octets"))?;
        if icmp.get_checksum() != checksum(&icmp, &self.source, &self.destination) {
            return Err(Malformed("checksum is wrong"));
        }
        if icmp.get_icmpv6_code().0 != 0 {
            return Err(Malformed("code is not 0"));
        }
        if self.octets.len() < MESSAGE_LENGTH {
            return Err(Malformed("shorter than 24 octets"));
        }
        if self.target().is_multicast() {
            return Err(Malformed("target is a multicast address"));
        }
        Ok(())
    }

    /// The target address (RFC 4861 §4.3, §4.4).
    fn target(&self) -> Ipv6Addr {
        let octets = self.octets.get(8..MESSAGE_LENGTH);
        let octets: Option<[u8; 16]> = octets.and_then(|octets| octets.try_into().ok());
        octets.map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from)
    }

    /// The link-layer address option of the type `kind`.
    fn option(&self, kind: u8) -> Result<Option<MacAddr>, Malformed> {
        link_layer_address(self.octets.get(MESSAGE_LENGTH..).unwrap_or_default(), kind)
    }
}

/// A link-layer address option (RFC 4861 §4.6.1), after checking that every option has a length
/// that is there and not 0. At most one option for every 8 octets is looked at.
fn link_layer_address(mut options: &[u8], wanted: u8) -> Result<Option<MacAddr>, Malformed> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * OPTION_LENGTH;
        if length == 0 {
            return Err(Malformed("an option has length 0"));
        }
        let (option, rest) = options
            .split_at_checked(length)
            .ok_or(Malformed("an option is cut short"))?;
        if let ([_, _, a, b, c, d, e, f], true) = (option, kind == wanted) {
            found = Some(MacAddr(*a, *b, *c, *d, *e, *f));
        }
        options = rest;
    }
    match options.is_empty() {
        true => Ok(found),
        false => Err(Malformed("an option is cut short")),
    }
}

/// The ICMPv6 message of a type for a target, with `ours` as its link-layer address option of the
/// type `option` (RFC 4861 §4.6.1). Its checksum and flags are 0.
fn message(
    message_type: u8,
    target: Ipv6Addr,
    option: u8,
    ours: MacAddr,
) -> [u8; MESSAGE_LENGTH + OPTION_LENGTH] {
    let mut message = [0; MESSAGE_LENGTH + OPTION_LENGTH];
    message[0] = message_type;
    message[8..MESSAGE_LENGTH].copy_from_slice(&target.octets());
    message[MESSAGE_LENGTH] = option;
    // In units of 8 octets.
    message[MESSAGE_LENGTH + 1] = 1;
    message[MESSAGE_LENGTH + 2..].copy_from_slice(&ours.octets());
    message
}

/// A packet with the ICMPv6 message `message`, whose checksum is still 0, in a frame.
fn frame(
    (source, source_link_layer): (Ipv6Addr, MacAddr),
    (destination, destination_link_layer): (Ipv6Addr, MacAddr),
    message: &mut [u8],
) -> FrameBuf {
    let sum = Icmpv6Packet::new(message).map(|icmp| checksum(&icmp, &source, &destination));
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.unwrap_or(0).to_be_bytes());
    }
    let mut packet = [0; IPV6_HEADER_LENGTH + MESSAGE_LENGTH + OPTION_LENGTH];
    packet[0] = 6 << 4;
    packet[4..6].copy_from_slice(&(message.len() as u16).to_be_bytes());
    packet[6] = IpNextHeaderProtocols::Icmpv6.0;
    packet[7] = HOP_LIMIT;
    packet[8..24].copy_from_slice(&source.octets());
    packet[24..40].copy_from_slice(&destination.octets());
    let mut length = IPV6_HEADER_LENGTH;
    for (to, from) in packet[IPV6_HEADER_LENGTH..].iter_mut().zip(message.iter()) {
        *to = *from;
        length += 1;
    }
    FrameBuf::new(
        source_link_layer,
        destination_link_layer,
        EtherTypes::Ipv6,
        &packet[..length],
    )
}

/// Messages for the tests, written octet by octet and not by the code under test.
#[cfg(test)]
mod written {
    use super::*;

    pub(super) const OURS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 1);
    pub(super) const THEIRS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 2);
    pub(super) const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);
    pub(super) const ASKER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    /// A message from [`THEIRS`], with the first 8 octets `head` and the VIP as its target.
    pub(super) fn packet(
        head: [u8; 8],
        (source, destination): (Ipv6Addr, Ipv6Addr),
        options: &[u8],
    ) -> Vec<u8> {
        let mut icmp = [&head[..], &VIP.octets(), options].concat();
        let packet = Icmpv6Packet::new(&icmp).expect("ICMPv6");
        let sum = checksum(&packet, &source, &destination);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut frame = [multicast(destination).octets(), THEIRS.octets()].concat();
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, icmp.len() as u8, 58, 255]);
        frame.extend(source.octets());
        frame.extend(destination.octets());
        frame.extend(icmp);
        frame
    }

    /// The octet with the flags of an advertisement.
    pub(super) fn flags_of(frame: &[u8]) -> u8 {
        frame[58]
    }

    pub(super) fn checksum_is_right(frame: &[u8]) -> bool {
        let ip = Ipv6Packet::new(&frame[14..]).expect("IPv6");
        let icmp = Icmpv6Packet::new(&frame[54..]).expect("ICMPv6");
        icmp.get_checksum() == checksum(&icmp, &ip.get_source(), &ip.get_destination())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_do_not_add_up_are_refused() {
        let table: [(&[u8], &str); 3] = [
            (&[1, 0], "an option has length 0"),
            (&[1, 1, 2], "an option is cut short"),
            (&[1], "an option is cut short"),
        ];
        for (options, reason) in table {
            assert_eq!(link_layer_address(options, 1), Err(Malformed(reason)));
        }
        let nonce = [14, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(link_layer_address(&nonce, 1), Ok(None));
    }

    #[test]
    fn a_solicited_node_group_is_the_last_24_bits() {
        let group: Ipv6Addr = "ff02::1:ff12:3456".parse().expect("an address");
        let address: Ipv6Addr = "2001:db8::12:3456".parse().expect("an address");
        assert_eq!(solicited_node(address), group);
        assert_eq!(
            multicast(group),
            MacAddr(0x33, 0x33, 0xff, 0x12, 0x34, 0x56)
        );
    }
}
