//! Neighbor Discovery for IPv6 over Ethernet (RFC 4861, RFC 2464): the Neighbor Solicitation and
//! the Neighbor Advertisement.

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::ethernet::EtherTypes;
use pnet_packet::icmpv6::ndp::{
    MutableNeighborAdvertPacket, NdpOption, NdpOptionTypes, NeighborAdvertFlags,
    NeighborSolicitPacket,
};
use pnet_packet::icmpv6::{Icmpv6Code, Icmpv6Packet, Icmpv6Types, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};

use crate::ethernet::{self, Frame, Malformed};

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

/// A Neighbor Solicitation that has passed RFC 4861 §7.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborSolicitation {
    /// IPv6 source; unspecified for duplicate address detection (RFC 4862 §5.4.2).
    pub source: Ipv6Addr,
    /// Source link-layer address: of the option where there is one, else of the frame.
    pub source_link_layer: MacAddr,
    /// The address asked for.
    pub target: Ipv6Addr,
}

impl NeighborSolicitation {
    /// Reads a frame. `None` when it is not a Neighbor Solicitation.
    ///
    /// # Errors
    /// [`Malformed`] when it is one that RFC 4861 §7.1.1 tells to discard.
    pub fn parse(frame: &[u8]) -> Result<Option<NeighborSolicitation>, Malformed> {
        let Some(frame) = Frame::parse(frame) else {
            return Ok(None);
        };
        let is_ipv6 = frame.ether_type == EtherTypes::Ipv6;
        let Some(ip) = Ipv6Packet::new(frame.payload).filter(|_| is_ipv6) else {
            return Ok(None);
        };
        // An extension header before ICMPv6 is not looked through: Neighbor Discovery has no use
        // for one, and fragments are forbidden (RFC 6980 §5).
        if ip.get_next_header() != IpNextHeaderProtocols::Icmpv6 {
            return Ok(None);
        }
        let end = IPV6_HEADER_LENGTH + usize::from(ip.get_payload_length());
        let Some(octets) = frame.payload.get(IPV6_HEADER_LENGTH..end) else {
            return match frame.payload.get(IPV6_HEADER_LENGTH) {
                Some(135) => Err(Malformed("the IPv6 payload is cut short")),
                Some(_) | None => Ok(None),
            };
        };
        let Some(icmp) = Icmpv6Packet::new(octets) else {
            return Ok(None);
        };
        match icmp.get_icmpv6_type() == Icmpv6Types::NeighborSolicit {
            true => parse_solicitation(&frame, &ip, &icmp, octets).map(Some),
            false => Ok(None),
        }
    }

    /// Whether its sender asks if anybody has the address before taking it (RFC 4862 §5.4).
    pub fn is_duplicate_address_detection(&self) -> bool {
        self.source.is_unspecified()
    }

    /// The Neighbor Advertisement of the owner of the target address, whose link-layer address is
    /// `ours` (RFC 4861 §7.2.4): to the asker with the S flag; to all nodes, without it, where the
    /// asker has no address yet (duplicate address detection). The O flag is set, so that a cache
    /// that still holds a previous owner's link-layer address replaces it (RFC 4861 §7.2.5).
    pub fn advertisement(&self, ours: MacAddr) -> Vec<u8> {
        if self.is_duplicate_address_detection() {
            return unsolicited_advertisement(ours, self.target);
        }
        let flags = NeighborAdvertFlags::Solicited | NeighborAdvertFlags::Override;
        let asker = (self.source, self.source_link_layer);
        advertisement(ours, self.target, asker, flags)
    }
}

/// The unsolicited Neighbor Advertisement for `address` at `ours` to all nodes (RFC 4861 §7.2.6),
/// with the O flag: caches replace the previous owner.
pub fn unsolicited_advertisement(ours: MacAddr, address: Ipv6Addr) -> Vec<u8> {
    let flags = NeighborAdvertFlags::Override;
    advertisement(ours, address, (ALL_NODES, multicast(ALL_NODES)), flags)
}

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

/// RFC 4861 §7.1.1, in its order.
fn parse_solicitation(
    frame: &Frame<'_>,
    ip: &Ipv6Packet<'_>,
    icmp: &Icmpv6Packet<'_>,
    octets: &[u8],
) -> Result<NeighborSolicitation, Malformed> {
    // RFC 8200 §3; the EtherType alone does not say so.
    if ip.get_version() != 6 {
        return Err(Malformed("IP version is not 6"));
    }
    if ip.get_hop_limit() != HOP_LIMIT {
        return Err(Malformed("hop limit is not 255"));
    }
    let (source, destination) = (ip.get_source(), ip.get_destination());
    if icmp.get_checksum() != checksum(icmp, &source, &destination) {
        return Err(Malformed("checksum is wrong"));
    }
    if icmp.get_icmpv6_code() != Icmpv6Code(0) {
        return Err(Malformed("code is not 0"));
    }
    let message = NeighborSolicitPacket::new(octets).ok_or(Malformed("shorter than 24 octets"))?;
    let target = message.get_target_addr();
    if target.is_multicast() {
        return Err(Malformed("target is a multicast address"));
    }
    let option = source_link_layer(octets.get(MESSAGE_LENGTH..).unwrap_or_default())?;
    if source.is_unspecified() {
        if destination != solicited_node(target) {
            return Err(Malformed(
                "source is unspecified and destination is no solicited-node group",
            ));
        }
        if option.is_some() {
            return Err(Malformed(
                "source is unspecified and a source link-layer address is there",
            ));
        }
    }
    let source_link_layer = option.unwrap_or(frame.source);
    if source_link_layer.is_multicast() || source_link_layer.is_zero() || source.is_multicast() {
        return Err(Malformed("source is no single station"));
    }
    Ok(NeighborSolicitation {
        source,
        source_link_layer,
        target,
    })
}

/// The source link-layer address option, after checking that every option has a length that is
/// there and not 0. At most one option for every 8 octets is looked at.
fn source_link_layer(mut options: &[u8]) -> Result<Option<MacAddr>, Malformed> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * OPTION_LENGTH;
        if length == 0 {
            return Err(Malformed("an option has length 0"));
        }
        let (option, rest) = options
            .split_at_checked(length)
            .ok_or(Malformed("an option is cut short"))?;
        if let (1, [_, _, a, b, c, d, e, f]) = (kind, option) {
            found = Some(MacAddr(*a, *b, *c, *d, *e, *f));
        }
        options = rest;
    }
    match options.is_empty() {
        true => Ok(found),
        false => Err(Malformed("an option is cut short")),
    }
}

fn advertisement(
    ours: MacAddr,
    target: Ipv6Addr,
    (destination, destination_link_layer): (Ipv6Addr, MacAddr),
    flags: u8,
) -> Vec<u8> {
    let mut octets = [0; IPV6_HEADER_LENGTH + MESSAGE_LENGTH + OPTION_LENGTH];
    let Some(mut ip) = MutableIpv6Packet::new(&mut octets) else {
        return Vec::new();
    };
    ip.set_version(6);
    ip.set_payload_length((MESSAGE_LENGTH + OPTION_LENGTH) as u16);
    ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
    ip.set_hop_limit(HOP_LIMIT);
    ip.set_source(target);
    ip.set_destination(destination);
    ip.set_payload(&message(ours, target, destination, flags));
    ethernet::frame(ours, destination_link_layer, EtherTypes::Ipv6, &ip)
}

/// The ICMPv6 message (RFC 4861 §4.4). Its IPv6 source is the target address.
fn message(ours: MacAddr, target: Ipv6Addr, destination: Ipv6Addr, flags: u8) -> Vec<u8> {
    let mut octets = [0; MESSAGE_LENGTH + OPTION_LENGTH];
    if let Some(mut message) = MutableNeighborAdvertPacket::new(&mut octets) {
        message.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        message.set_icmpv6_code(Icmpv6Code(0));
        message.set_flags(flags);
        message.set_target_addr(target);
        message.set_options(&[NdpOption {
            option_type: NdpOptionTypes::TargetLLAddr,
            length: 1,
            data: ours.octets().to_vec(),
        }]);
        let sum =
            Icmpv6Packet::new(message.packet()).map(|icmp| checksum(&icmp, &target, &destination));
        message.set_checksum(sum.unwrap_or(0));
    }
    octets.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 1);
    const THEIRS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 2);
    const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);
    const ASKER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    #[test]
    fn a_solicitation_is_answered_to_the_asker_and_replaces_what_it_knew() {
        let solicitation = parse(&solicit(ASKER, Some(THEIRS))).expect("well formed");
        assert_eq!((solicitation.source, solicitation.target), (ASKER, VIP));
        let answer = solicitation.advertisement(OURS);
        assert_eq!(answer[..6], THEIRS.octets());
        let both = NeighborAdvertFlags::Solicited | NeighborAdvertFlags::Override;
        assert_eq!(flags_of(&answer), both);
        assert!(checksum_is_right(&answer));
        assert_eq!(answer[80..86], OURS.octets());
    }

    #[test]
    fn duplicate_address_detection_is_defended_to_all_nodes() {
        let solicitation = parse(&solicit(Ipv6Addr::UNSPECIFIED, None)).expect("well formed");
        assert!(solicitation.is_duplicate_address_detection());
        let answer = solicitation.advertisement(OURS);
        assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(flags_of(&answer), NeighborAdvertFlags::Override);
    }

    #[test]
    fn an_unsolicited_advertisement_overrides_caches_of_all_nodes() {
        let frame = unsolicited_advertisement(OURS, VIP);
        assert_eq!(flags_of(&frame), NeighborAdvertFlags::Override);
        assert!(checksum_is_right(&frame));
        assert_eq!(Ok(None), NeighborSolicitation::parse(&frame));
    }

    #[test]
    fn what_rfc_4861_tells_to_discard_is_discarded() {
        let spoil = |offset: usize, octet: u8| {
            let mut frame = solicit(ASKER, Some(THEIRS));
            frame[offset] = octet;
            parse(&frame)
        };
        assert_eq!(spoil(21, 64), Err(Malformed("hop limit is not 255")));
        assert_eq!(spoil(57, 9), Err(Malformed("checksum is wrong")));
        let from_nowhere = solicit(Ipv6Addr::UNSPECIFIED, Some(THEIRS));
        let reason = "source is unspecified and a source link-layer address is there";
        assert_eq!(parse(&from_nowhere), Err(Malformed(reason)));
    }

    #[test]
    fn a_solicitation_in_a_packet_of_another_ip_version_is_discarded() {
        let mut frame = solicit(ASKER, Some(THEIRS));
        frame[14] = 0x40;
        assert_eq!(parse(&frame), Err(Malformed("IP version is not 6")));
    }

    #[test]
    fn options_that_do_not_add_up_are_refused() {
        assert_eq!(
            source_link_layer(&[1, 0]),
            Err(Malformed("an option has length 0"))
        );
        assert_eq!(
            source_link_layer(&[1, 1, 2]),
            Err(Malformed("an option is cut short"))
        );
        assert_eq!(
            source_link_layer(&[1]),
            Err(Malformed("an option is cut short"))
        );
        let nonce = [14, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(source_link_layer(&nonce), Ok(None));
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

    fn parse(frame: &[u8]) -> Result<NeighborSolicitation, Malformed> {
        NeighborSolicitation::parse(frame).map(|found| found.expect("a Neighbor Solicitation"))
    }

    /// A solicitation for the VIP, written octet by octet and not by the code under test.
    fn solicit(source: Ipv6Addr, option: Option<MacAddr>) -> Vec<u8> {
        let group = solicited_node(VIP);
        let mut icmp = vec![135, 0, 0, 0, 0, 0, 0, 0];
        icmp.extend(VIP.octets());
        icmp.extend(
            option
                .iter()
                .flat_map(|mac| [vec![1, 1], mac.octets().to_vec()].concat()),
        );
        let sum = checksum(&Icmpv6Packet::new(&icmp).expect("ICMPv6"), &source, &group);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut frame = [multicast(group).octets(), THEIRS.octets()].concat();
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, icmp.len() as u8, 58, 255]);
        frame.extend(source.octets());
        frame.extend(group.octets());
        frame.extend(icmp);
        frame
    }

    fn flags_of(frame: &[u8]) -> u8 {
        frame[58]
    }

    fn checksum_is_right(frame: &[u8]) -> bool {
        let ip = Ipv6Packet::new(&frame[14..]).expect("IPv6");
        let icmp = Icmpv6Packet::new(ip.payload()).expect("ICMPv6");
        icmp.get_checksum() == checksum(&icmp, &ip.get_source(), &ip.get_destination())
    }
}
