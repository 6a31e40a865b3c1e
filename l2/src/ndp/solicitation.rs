//! The Neighbor Solicitation (RFC 4861 §4.3).

use std::net::Ipv6Addr;

use pnet_base::MacAddr;

use super::advertisement::{self, unsolicited_advertisement};
use super::{MESSAGE_LENGTH, Message, frame, message, multicast, solicited_node};
use crate::ethernet::{FrameBuf, Malformed};

/// ICMPv6 type (RFC 4861 §4.3).
const TYPE: u8 = 135;
/// Source Link-Layer Address (RFC 4861 §4.6.1).
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;

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
        let Some(message) = Message::parse(frame, TYPE)? else {
            return Ok(None);
        };
        let target = message.target();
        let option = message.option(SOURCE_LINK_LAYER_ADDRESS)?;
        if message.source.is_unspecified() {
            if message.destination != solicited_node(target) {
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
        let source_link_layer = option.unwrap_or(message.source_link_layer);
        let is_station = source_link_layer.is_unicast() && !source_link_layer.is_zero();
        if !is_station || message.source.is_multicast() {
            return Err(Malformed("source is no single station"));
        }
        Ok(Some(NeighborSolicitation {
            source: message.source,
            source_link_layer,
            target,
        }))
    }

    /// Whether its sender asks if anybody has the address before taking it (RFC 4862 §5.4).
    pub fn is_duplicate_address_detection(&self) -> bool {
        self.source.is_unspecified()
    }

    /// The Neighbor Advertisement of the owner of the target address, whose link-layer address is
    /// `ours` (RFC 4861 §7.2.4): to the asker with the S flag; to all nodes, without it, where the
    /// asker has no address yet (duplicate address detection). The O flag is set, so that a cache
    /// that still holds a previous owner's link-layer address replaces it (RFC 4861 §7.2.5).
    pub fn advertisement(&self, ours: MacAddr) -> FrameBuf {
        match self.is_duplicate_address_detection() {
            true => unsolicited_advertisement(ours, self.target),
            false => {
                let asker = (self.source, self.source_link_layer);
                advertisement::solicited(ours, self.target, asker)
            }
        }
    }
}

/// The Neighbor Solicitation of duplicate address detection for `address` (RFC 4862 §5.4.2): from
/// the unspecified address to the solicited-node group, without options.
pub fn probe(ours: MacAddr, address: Ipv6Addr) -> FrameBuf {
    let mut message = [0; MESSAGE_LENGTH];
    message[0] = TYPE;
    message[8..].copy_from_slice(&address.octets());
    let group = solicited_node(address);
    frame(
        (Ipv6Addr::UNSPECIFIED, ours),
        (group, multicast(group)),
        &mut message,
    )
}

/// The Neighbor Solicitation of `own` at `ours` for the link-layer address of `address`
/// (RFC 4861 §7.2.2), to the solicited-node group. The node that is asked learns the asker's from it.
pub fn solicitation(ours: MacAddr, own: Ipv6Addr, address: Ipv6Addr) -> FrameBuf {
    let mut message = message(TYPE, address, SOURCE_LINK_LAYER_ADDRESS, ours);
    let group = solicited_node(address);
    frame((own, ours), (group, multicast(group)), &mut message)
}

#[cfg(test)]
mod tests {
    use super::super::written::{ASKER, OURS, THEIRS, VIP, checksum_is_right, flags_of, packet};
    use super::*;

    #[test]
    fn a_solicitation_is_answered_to_the_asker_and_replaces_what_it_knew() {
        let solicitation = parse(&solicit(ASKER, Some(THEIRS))).expect("well formed");
        assert_eq!((solicitation.source, solicitation.target), (ASKER, VIP));
        let answer = solicitation.advertisement(OURS);
        assert_eq!(answer[..6], THEIRS.octets());
        // Solicited and Override.
        assert_eq!(flags_of(&answer), 0x60);
        assert!(checksum_is_right(&answer));
        assert_eq!(answer[80..86], OURS.octets());
    }

    #[test]
    fn duplicate_address_detection_is_defended_to_all_nodes() {
        let solicitation = parse(&solicit(Ipv6Addr::UNSPECIFIED, None)).expect("well formed");
        assert!(solicitation.is_duplicate_address_detection());
        let answer = solicitation.advertisement(OURS);
        assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
        // Override.
        assert_eq!(flags_of(&answer), 0x20);
    }

    #[test]
    fn a_probe_of_ours_is_duplicate_address_detection_to_whoever_hears_it() {
        let frame = probe(OURS, VIP);
        let read = parse(&frame).expect("well formed");
        assert!(read.is_duplicate_address_detection() && checksum_is_right(&frame));
        assert_eq!((read.target, read.source_link_layer), (VIP, OURS));
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    }

    #[test]
    fn a_solicitation_of_ours_is_answered_to_us() {
        let frame = solicitation(OURS, ASKER, VIP);
        let read = parse(&frame).expect("well formed");
        assert!(checksum_is_right(&frame));
        assert_eq!((read.source, read.target), (ASKER, VIP));
        assert_eq!(read.source_link_layer, OURS);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    }

    #[test]
    fn what_rfc_4861_tells_to_discard_is_discarded() {
        let table: [(usize, u8, &str); 3] = [
            (14, 0x40, "IP version is not 6"),
            (21, 64, "hop limit is not 255"),
            (57, 9, "checksum is wrong"),
        ];
        for (offset, octet, reason) in table {
            let mut frame = solicit(ASKER, Some(THEIRS));
            frame[offset] = octet;
            assert_eq!(parse(&frame), Err(Malformed(reason)));
        }
        let from_nowhere = solicit(Ipv6Addr::UNSPECIFIED, Some(THEIRS));
        let reason = "source is unspecified and a source link-layer address is there";
        assert_eq!(parse(&from_nowhere), Err(Malformed(reason)));
    }

    fn parse(frame: &[u8]) -> Result<NeighborSolicitation, Malformed> {
        NeighborSolicitation::parse(frame).map(|found| found.expect("a Neighbor Solicitation"))
    }

    fn solicit(source: Ipv6Addr, option: Option<MacAddr>) -> Vec<u8> {
        let option = option.map(|mac| [&[1, 1][..], &mac.octets()].concat());
        let head = [135, 0, 0, 0, 0, 0, 0, 0];
        let options = option.unwrap_or_default();
        packet(head, (source, solicited_node(VIP)), &options)
    }
}
