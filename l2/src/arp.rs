//! ARP for IPv4 over Ethernet (RFC 826, RFC 5227).

use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::arp::{
    ArpHardwareTypes, ArpOperation, ArpOperations, ArpPacket, MutableArpPacket,
};
use pnet_packet::ethernet::EtherTypes;

use crate::ethernet::{Frame, FrameBuf, Malformed};

/// Octets of an ARP packet for IPv4 over Ethernet.
const LENGTH: usize = 28;
const MAC_LENGTH: u8 = 6;
const IPV4_LENGTH: u8 = 4;

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub operation: Operation,
    /// Sender hardware address.
    pub sender_hardware: MacAddr,
    /// Sender protocol address.
    pub sender_protocol: Ipv4Addr,
    /// Target hardware address.
    pub target_hardware: MacAddr,
    /// Target protocol address.
    pub target_protocol: Ipv4Addr,
}

/// An ARP packet's operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// 1.
    Request,
    /// 2.
    Reply,
}

impl Arp {
    /// Reads a frame. `None` when it is not ARP.
    ///
    /// # Errors
    /// [`Malformed`] when it is ARP, and not for IPv4 over Ethernet, cut short, of another
    /// operation, or its sender is no single station (RFC 1122 §2.3.2.1, RFC 826).
    pub fn parse(frame: &[u8]) -> Result<Option<Arp>, Malformed> {
        let Some(frame) = Frame::parse(frame) else {
            return Ok(None);
        };
        if frame.ether_type != EtherTypes::Arp {
            return Ok(None);
        }
        let packet = ArpPacket::new(frame.payload).ok_or(Malformed("shorter than 28 octets"))?;
        if packet.get_hardware_type() != ArpHardwareTypes::Ethernet {
            return Err(Malformed("hardware type is not Ethernet"));
        }
        if packet.get_protocol_type() != EtherTypes::Ipv4 {
            return Err(Malformed("protocol type is not IPv4"));
        }
        if (packet.get_hw_addr_len(), packet.get_proto_addr_len()) != (MAC_LENGTH, IPV4_LENGTH) {
            return Err(Malformed("address lengths are not 6 and 4"));
        }
        let operation = match packet.get_operation() {
            ArpOperations::Request => Operation::Request,
            ArpOperations::Reply => Operation::Reply,
            ArpOperation(_) => return Err(Malformed("operation is neither request nor reply")),
        };
        let sender_hardware = packet.get_sender_hw_addr();
        // A reply is sent to this address; a group address there would make us flood the link.
        if sender_hardware.is_multicast() || sender_hardware.is_zero() {
            return Err(Malformed("sender hardware address is no single station"));
        }
        Ok(Some(Arp {
            operation,
            sender_hardware,
            sender_protocol: packet.get_sender_proto_addr(),
            target_hardware: packet.get_target_hw_addr(),
            target_protocol: packet.get_target_proto_addr(),
        }))
    }

    /// Whether it claims or repeats an address instead of asking for one: sender and target
    /// protocol addresses are equal (RFC 5227 §3).
    pub fn is_announcement(&self) -> bool {
        self.sender_protocol == self.target_protocol
    }

    /// Whether it asks if anybody has the address before its sender takes it (RFC 5227 §1.1).
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_protocol.is_unspecified()
    }

    /// The reply of the owner of the target address, whose hardware address is `ours`.
    pub fn reply(&self, ours: MacAddr) -> FrameBuf {
        let reply = Arp {
            operation: Operation::Reply,
            sender_hardware: ours,
            sender_protocol: self.target_protocol,
            target_hardware: self.sender_hardware,
            target_protocol: self.sender_protocol,
        };
        reply.to_frame(ours, self.sender_hardware)
    }

    /// A gratuitous ARP for `address` at `ours`, broadcast. Some stations update their cache on
    /// the request form only, some on the reply form only (RFC 5227 §3): send both.
    pub fn gratuitous(operation: Operation, ours: MacAddr, address: Ipv4Addr) -> FrameBuf {
        let announcement = Arp {
            operation,
            sender_hardware: ours,
            sender_protocol: address,
            target_hardware: MacAddr::broadcast(),
            target_protocol: address,
        };
        announcement.to_frame(ours, MacAddr::broadcast())
    }

    /// A probe for `address` (RFC 5227 §2.1.1): sender protocol address and target hardware
    /// address are zero, so that no cache learns from it.
    pub fn probe(ours: MacAddr, address: Ipv4Addr) -> FrameBuf {
        Arp::request(ours, Ipv4Addr::UNSPECIFIED, address)
    }

    /// The request of `own` at `ours` for the hardware address of `address` (RFC 826), broadcast. The
    /// station that is asked learns the asker's from it.
    pub fn request(ours: MacAddr, own: Ipv4Addr, address: Ipv4Addr) -> FrameBuf {
        let request = Arp {
            operation: Operation::Request,
            sender_hardware: ours,
            sender_protocol: own,
            target_hardware: MacAddr::zero(),
            target_protocol: address,
        };
        request.to_frame(ours, MacAddr::broadcast())
    }

    fn to_frame(self, source: MacAddr, destination: MacAddr) -> FrameBuf {
        let mut octets = [0; LENGTH];
        if let Some(mut packet) = MutableArpPacket::new(&mut octets) {
            packet.set_hardware_type(ArpHardwareTypes::Ethernet);
            packet.set_protocol_type(EtherTypes::Ipv4);
            packet.set_hw_addr_len(MAC_LENGTH);
            packet.set_proto_addr_len(IPV4_LENGTH);
            packet.set_operation(match self.operation {
                Operation::Request => ArpOperations::Request,
                Operation::Reply => ArpOperations::Reply,
            });
            packet.set_sender_hw_addr(self.sender_hardware);
            packet.set_sender_proto_addr(self.sender_protocol);
            packet.set_target_hw_addr(self.target_hardware);
            packet.set_target_proto_addr(self.target_protocol);
        }
        FrameBuf::new(source, destination, EtherTypes::Arp, &octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 1);
    const THEIRS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 2);
    const VIP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

    fn request() -> Arp {
        Arp {
            operation: Operation::Request,
            sender_hardware: THEIRS,
            sender_protocol: Ipv4Addr::new(203, 0, 113, 1),
            target_hardware: MacAddr::zero(),
            target_protocol: VIP,
        }
    }

    #[test]
    fn a_request_is_answered_to_the_asker_alone() {
        let reply = request().reply(OURS);
        let frame = Frame::parse(&reply).expect("a frame");
        assert_eq!((frame.source, frame.destination), (OURS, THEIRS));
        let arp = Arp::parse(&reply).expect("well formed").expect("ARP");
        assert_eq!(arp.operation, Operation::Reply);
        assert_eq!((arp.sender_hardware, arp.sender_protocol), (OURS, VIP));
        assert_eq!(arp.target_hardware, THEIRS);
    }

    #[test]
    fn a_gratuitous_arp_names_the_address_twice_and_is_broadcast() {
        for operation in [Operation::Request, Operation::Reply] {
            let octets = Arp::gratuitous(operation, OURS, VIP);
            let arp = Arp::parse(&octets).expect("well formed").expect("ARP");
            assert!(arp.is_announcement() && !arp.is_probe());
            assert_eq!(arp.operation, operation);
            assert_eq!(octets[..6], [0xff; 6]);
        }
    }

    #[test]
    fn a_probe_teaches_no_cache_anything() {
        let octets = Arp::probe(OURS, VIP);
        let arp = Arp::parse(&octets).expect("well formed").expect("ARP");
        assert!(arp.is_probe() && !arp.is_announcement());
        assert_eq!(arp.target_hardware, MacAddr::zero());
    }

    #[test]
    fn a_request_of_ours_is_answered_to_us() {
        let own = Ipv4Addr::new(203, 0, 113, 2);
        let octets = Arp::request(OURS, own, VIP);
        let arp = Arp::parse(&octets).expect("well formed").expect("ARP");
        assert!(!arp.is_probe() && !arp.is_announcement());
        let reply = arp.reply(THEIRS);
        assert_eq!(reply[..6], OURS.octets());
        let reply = Arp::parse(&reply).expect("well formed").expect("ARP");
        assert_eq!((reply.sender_protocol, reply.target_protocol), (VIP, own));
    }

    #[test]
    fn what_is_not_ipv4_over_ethernet_is_named_and_ignored() {
        let good = request().to_frame(THEIRS, MacAddr::broadcast()).to_vec();
        let table: [(usize, u8, &str); 5] = [
            (15, 6, "hardware type is not Ethernet"),
            (16, 0x86, "protocol type is not IPv4"),
            (18, 8, "address lengths are not 6 and 4"),
            (21, 3, "operation is neither request nor reply"),
            (22, 0x01, "sender hardware address is no single station"),
        ];
        for (offset, octet, reason) in table {
            let mut bad = good.clone();
            bad[offset] = octet;
            assert_eq!(Arp::parse(&bad), Err(Malformed(reason)));
        }
        assert_eq!(
            Arp::parse(&good[..41]),
            Err(Malformed("shorter than 28 octets"))
        );
    }
}
