//! Frames of ARP (RFC 826), NDP (RFC 4861) and ICMP echo: what a capture holds, and what a test
//! sends. Written apart from what `herald` does with them, so that one checks the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_base::MacAddr;

const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// A frame of a capture that is about an address, or an echo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The source of the Ethernet frame.
    pub source: MacAddr,
    /// Its destination.
    pub destination: MacAddr,
    /// What it says.
    pub message: Message,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who has `target`? An ARP request, or a Neighbor Solicitation.
    Ask {
        /// Who asks; unspecified in a probe.
        sender: IpAddr,
        /// What is asked for.
        target: IpAddr,
    },
    /// An ARP reply to somebody, or a solicited Neighbor Advertisement.
    Answer {
        /// What is answered for.
        target: IpAddr,
        /// The link-layer address that it tells.
        at: MacAddr,
    },
    /// A gratuitous ARP, or a Neighbor Advertisement that nobody asked for.
    Announcement {
        /// What is announced.
        target: IpAddr,
        /// The link-layer address that it tells.
        at: MacAddr,
        /// Which kind.
        form: Form,
    },
    /// An ICMP echo request or reply.
    Echo {
        /// Whether it is the reply.
        is_reply: bool,
        /// The address that is pinged.
        target: IpAddr,
        /// Which program asks.
        identifier: u16,
        /// Which request it is.
        sequence: u16,
    },
}

/// The kinds of announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// An ARP request for the sender's own address.
    Request,
    /// An ARP reply that tells everybody.
    Reply,
    /// A Neighbor Advertisement to all nodes.
    Advertisement,
}

impl Frame {
    /// Reads a frame of Ethernet II; `None` for what is none of the kinds here.
    pub fn parse(octets: &[u8]) -> Option<Frame> {
        let message = match octets.get(12..14)?.try_into().ok()? {
            ARP => arp(octets.get(14..)?)?,
            IPV4 => echo4(octets.get(14..)?)?,
            IPV6 => icmpv6(octets.get(14..)?)?,
            _ => return None,
        };
        Some(Frame {
            destination: mac(octets, 0)?,
            source: mac(octets, 6)?,
            message,
        })
    }

    /// The address that it claims for its sender, and the link-layer address told.
    pub fn claim(&self) -> Option<(IpAddr, MacAddr)> {
        match self.message {
            Message::Answer { target, at } | Message::Announcement { target, at, .. } => {
                Some((target, at))
            }
            Message::Ask { .. } | Message::Echo { .. } => None,
        }
    }

    /// Whether it asks for the address without one of its own: a probe (RFC 5227 §2.1.1), or
    /// duplicate address detection (RFC 4862 §5.4.2).
    pub fn is_probe_of(&self, address: IpAddr) -> bool {
        matches!(self.message, Message::Ask { sender, target }
            if target == address && sender.is_unspecified())
    }
}

fn mac(octets: &[u8], at: usize) -> Option<MacAddr> {
    let six: [u8; 6] = octets.get(at..at + 6)?.try_into().ok()?;
    Some(six.into())
}

fn v4(octets: &[u8], at: usize) -> Option<Ipv4Addr> {
    let four: [u8; 4] = octets.get(at..at + 4)?.try_into().ok()?;
    Some(four.into())
}

fn v6(octets: &[u8], at: usize) -> Option<Ipv6Addr> {
    let sixteen: [u8; 16] = octets.get(at..at + 16)?.try_into().ok()?;
    Some(sixteen.into())
}

fn arp(packet: &[u8]) -> Option<Message> {
    let (at, sender, target) = (mac(packet, 8)?, v4(packet, 14)?, v4(packet, 24)?);
    let form = match packet.get(6..8)? {
        [0, 1] => Form::Request,
        [0, 2] => Form::Reply,
        _ => return None,
    };
    let (sender, target) = (IpAddr::V4(sender), IpAddr::V4(target));
    Some(match form {
        _ if sender == target => Message::Announcement { target, at, form },
        Form::Request => Message::Ask { sender, target },
        Form::Reply | Form::Advertisement => Message::Answer { target: sender, at },
    })
}

fn echo4(packet: &[u8]) -> Option<Message> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if *packet.get(9)? != ICMP {
        return None;
    }
    let icmp = packet.get(header..)?;
    let (source, destination) = (v4(packet, 12)?.into(), v4(packet, 16)?.into());
    match icmp.first()? {
        8 => echo(icmp, false, destination),
        0 => echo(icmp, true, source),
        _ => None,
    }
}

fn icmpv6(packet: &[u8]) -> Option<Message> {
    if *packet.get(6)? != ICMPV6 {
        return None;
    }
    let (source, destination) = (v6(packet, 8)?.into(), v6(packet, 24)?.into());
    let icmp = packet.get(40..)?;
    match *icmp.first()? {
        128 => echo(icmp, false, destination),
        129 => echo(icmp, true, source),
        SOLICITATION => Some(Message::Ask {
            sender: source,
            target: v6(icmp, 8)?.into(),
        }),
        ADVERTISEMENT => {
            let target = v6(icmp, 8)?.into();
            // The option Target Link-Layer Address (RFC 4861 §4.6.1).
            let at = mac(icmp, 26).filter(|_| icmp.get(24..26) == Some(&[2, 1]))?;
            let is_solicited = icmp.get(4)? & 0x40 != 0;
            Some(match is_solicited {
                true => Message::Answer { target, at },
                false => Message::Announcement {
                    target,
                    at,
                    form: Form::Advertisement,
                },
            })
        }
        _ => None,
    }
}

fn echo(icmp: &[u8], is_reply: bool, target: IpAddr) -> Option<Message> {
    let number = |at: usize| Some(u16::from_be_bytes(icmp.get(at..at + 2)?.try_into().ok()?));
    Some(Message::Echo {
        is_reply,
        target,
        identifier: number(4)?,
        sequence: number(6)?,
    })
}

/// A broadcast ARP request.
pub fn arp_request(from: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let nobody = MacAddr::zero();
    arp_frame(MacAddr::broadcast(), 1, (from, sender), (nobody, target))
}

/// A gratuitous ARP in the form of a request.
pub fn gratuitous(from: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    arp_request(from, address, address)
}

fn arp_frame(
    to: MacAddr,
    operation: u8,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    let mut frame = ethernet(to, sender.0, ARP);
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    for (mac, address) in [sender, target] {
        frame.extend(mac.octets());
        frame.extend(address.octets());
    }
    frame
}

/// A Neighbor Solicitation to the solicited-node group (RFC 4861 §4.3).
pub fn solicitation(from: MacAddr, sender: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(a),
        u16::from_be_bytes([b, c]),
    );
    let mut body = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    body.extend(target.octets());
    body.extend([1, 1]);
    body.extend(from.octets());
    let sum = checksum(sender, group, &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = ethernet(MacAddr::new(0x33, 0x33, 0xff, a, b, c), from, IPV6);
    frame.extend([0x60, 0, 0, 0, 0, body.len() as u8, ICMPV6, 255]);
    frame.extend(sender.octets());
    frame.extend(group.octets());
    frame.extend(body);
    frame
}

fn ethernet(to: MacAddr, from: MacAddr, kind: [u8; 2]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(86);
    frame.extend(to.octets());
    frame.extend(from.octets());
    frame.extend(kind);
    frame
}

/// RFC 4443 §2.3; the body has an even length.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, body: &[u8]) -> u16 {
    let words = source.segments().into_iter().chain(destination.segments());
    let pairs = body.chunks_exact(2);
    let body_words = pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let mut sum: u32 = words.chain(body_words).map(u32::from).sum();
    sum += body.len() as u32 + u32::from(ICMPV6);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);

    #[test]
    fn what_is_sent_is_read_again() {
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let asked = Frame::parse(&arp_request(MAC, a, b)).expect("a frame");
        assert_eq!((asked.source, asked.claim()), (MAC, None));
        let (sender, target) = (a.into(), b.into());
        assert_eq!(asked.message, Message::Ask { sender, target });
        let announced = Frame::parse(&gratuitous(MAC, a)).expect("a frame");
        assert_eq!(announced.claim(), Some((a.into(), MAC)));
        let probe = arp_request(MAC, Ipv4Addr::UNSPECIFIED, b);
        let probe = Frame::parse(&probe).expect("a frame");
        assert!(probe.is_probe_of(target) && !probe.is_probe_of(sender));
    }

    #[test]
    fn the_checksum_of_a_solicitation_is_right() {
        let (a, b) = (
            "fe80::1".parse().expect("one"),
            "fe80::2".parse().expect("one"),
        );
        let frame = solicitation(MAC, a, b);
        let sender = IpAddr::V6(a);
        let target = IpAddr::V6(b);
        let parsed = Frame::parse(&frame).expect("a frame").message;
        assert_eq!(parsed, Message::Ask { sender, target });
        let (header, body) = frame[14..].split_at(40);
        let group = v6(header, 24).expect("an address");
        // The sum over a body with its right checksum is zero.
        assert_eq!(checksum(a, group, body), 0);
    }
}
