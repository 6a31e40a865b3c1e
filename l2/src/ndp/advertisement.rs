//! The Neighbor Advertisement (RFC 4861 §4.4).

use std::net::Ipv6Addr;

use pnet_base::MacAddr;

use super::{ALL_NODES, Message, frame, message, multicast};
use crate::ethernet::{FrameBuf, Malformed};

/// ICMPv6 type (RFC 4861 §4.4).
const TYPE: u8 = 136;
/// Target Link-Layer Address (RFC 4861 §4.6.1).
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
/// The S flag: it answers a solicitation.
const SOLICITED: u8 = 0x40;
/// The O flag: caches replace what they hold.
const OVERRIDE: u8 = 0x20;

/// A Neighbor Advertisement that has passed RFC 4861 §7.1.2: somebody says that an address is its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborAdvertisement {
    /// The address it has.
    pub target: Ipv6Addr,
    /// Target link-layer address: of the option where there is one, else of the frame.
    pub target_link_layer: MacAddr,
}

impl NeighborAdvertisement {
    /// Reads a frame. `None` when it is not a Neighbor Advertisement.
    ///
    /// # Errors
    /// [`Malformed`] when it is one that RFC 4861 §7.1.2 tells to discard.
    pub fn parse(frame: &[u8]) -> Result<Option<NeighborAdvertisement>, Malformed> {
        let Some(message) = Message::parse(frame, TYPE)? else {
            return Ok(None);
        };
        let flags = message.octets.get(4).copied().unwrap_or_default();
        if message.destination.is_multicast() && flags & SOLICITED != 0 {
            return Err(Malformed("solicited, and sent to a group"));
        }
        let option = message.option(TARGET_LINK_LAYER_ADDRESS)?;
        Ok(Some(NeighborAdvertisement {
            target: message.target(),
            target_link_layer: option.unwrap_or(message.source_link_layer),
        }))
    }
}

/// The unsolicited Neighbor Advertisement for `address` at `ours` to all nodes (RFC 4861 §7.2.6),
/// with the O flag: caches replace the previous owner.
pub fn unsolicited_advertisement(ours: MacAddr, address: Ipv6Addr) -> FrameBuf {
    let all_nodes = (ALL_NODES, multicast(ALL_NODES));
    advertisement(ours, address, all_nodes, OVERRIDE)
}

/// The answer to a solicitation of `asker` (RFC 4861 §7.2.4).
pub(super) fn solicited(ours: MacAddr, target: Ipv6Addr, asker: (Ipv6Addr, MacAddr)) -> FrameBuf {
    advertisement(ours, target, asker, SOLICITED | OVERRIDE)
}

/// From the target address, with the target link-layer address.
fn advertisement(
    ours: MacAddr,
    target: Ipv6Addr,
    destination: (Ipv6Addr, MacAddr),
    flags: u8,
) -> FrameBuf {
    let mut message = message(TYPE, target, TARGET_LINK_LAYER_ADDRESS, ours);
    message[4] = flags;
    frame((target, ours), destination, &mut message)
}

#[cfg(test)]
mod tests {
    use super::super::NeighborSolicitation;
    use super::super::written::{OURS, THEIRS, VIP, checksum_is_right, flags_of, packet};
    use super::*;

    #[test]
    fn an_unsolicited_advertisement_overrides_caches_of_all_nodes() {
        let frame = unsolicited_advertisement(OURS, VIP);
        assert_eq!(flags_of(&frame), OVERRIDE);
        assert!(checksum_is_right(&frame));
        assert_eq!(Ok(None), NeighborSolicitation::parse(&frame));
    }

    #[test]
    fn whoever_advertises_an_address_is_known_by_the_option_or_by_the_frame() {
        let other = MacAddr(0x02, 0, 0, 0, 0, 3);
        let option = [&[2, 1][..], &other.octets()].concat();
        for (options, by) in [(&option[..], other), (&[], THEIRS)] {
            let read = NeighborAdvertisement::parse(&advertise(0, options)).expect("well formed");
            let read = read.expect("a Neighbor Advertisement");
            assert_eq!((read.target, read.target_link_layer), (VIP, by));
        }
    }

    #[test]
    fn what_rfc_4861_tells_to_discard_is_discarded() {
        let reason = Malformed("solicited, and sent to a group");
        let solicited = NeighborAdvertisement::parse(&advertise(SOLICITED, &[]));
        assert_eq!(solicited, Err(reason));
        let mut routed = advertise(0, &[]);
        routed[21] = 64;
        let reason = Malformed("hop limit is not 255");
        assert_eq!(NeighborAdvertisement::parse(&routed), Err(reason));
    }

    /// To all nodes.
    fn advertise(flags: u8, options: &[u8]) -> Vec<u8> {
        let head = [136, 0, 0, 0, flags, 0, 0, 0];
        packet(head, (VIP, ALL_NODES), options)
    }
}
