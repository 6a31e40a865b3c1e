//! Frames of others, and what ours say, octet by octet and not by the code under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use l2::MacAddr;

use super::ip;

const BROADCAST: [u8; 6] = [0xff; 6];

/// A host that asks.
pub const ASKER: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 0x50);

/// A question of [`ASKER`] for the address: an ARP request or a Neighbor Solicitation.
pub fn question(vip: &str) -> Vec<u8> {
    match ip(vip) {
        IpAddr::V4(vip) => arp(1, ASKER, Ipv4Addr::new(203, 0, 113, 1), vip),
        IpAddr::V6(vip) => {
            let source = "fe80::50".parse().expect("an address");
            solicitation(ASKER, source, vip)
        }
    }
}

/// What an owner says to [`question`].
pub fn answer(vip: &str) -> String {
    let kind = if ip(vip).is_ipv4() { "reply" } else { "na" };
    format!("{kind} {vip} to {ASKER}")
}

/// `by` asks if anybody has the address, to take it.
pub fn probe(by: MacAddr, vip: &str) -> Vec<u8> {
    match ip(vip) {
        IpAddr::V4(vip) => arp(1, by, Ipv4Addr::UNSPECIFIED, vip),
        IpAddr::V6(vip) => solicitation(by, Ipv6Addr::UNSPECIFIED, vip),
    }
}

/// `by` says to all that the address is its.
pub fn claim(by: MacAddr, vip: &str) -> Vec<u8> {
    match ip(vip) {
        IpAddr::V4(vip) => arp(1, by, vip, vip),
        IpAddr::V6(vip) => advertisement(by, vip),
    }
}

/// A broadcast ARP packet.
pub fn arp(operation: u8, by: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = [BROADCAST, by.octets()].concat();
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation]);
    frame.extend(by.octets());
    frame.extend(sender.octets());
    frame.extend([0; 6]);
    frame.extend(target.octets());
    frame.resize(60, 0);
    frame
}

/// A Neighbor Solicitation, with a source link-layer address where it has a source.
pub fn solicitation(by: MacAddr, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
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
    let option = match source.is_unspecified() {
        true => Vec::new(),
        false => [&[1, 1][..], &by.octets()].concat(),
    };
    icmp([135, 0], by, (source, group), target, &option)
}

/// An unsolicited Neighbor Advertisement with the O flag.
pub fn advertisement(by: MacAddr, target: Ipv6Addr) -> Vec<u8> {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let option = [&[2, 1][..], &by.octets()].concat();
    icmp([136, 0x20], by, (target, all_nodes), target, &option)
}

fn icmp(
    [kind, flags]: [u8; 2],
    by: MacAddr,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    target: Ipv6Addr,
    option: &[u8],
) -> Vec<u8> {
    let [.., a, b, c, d] = destination.octets();
    let mut frame = [[0x33, 0x33, a, b, c, d], by.octets()].concat();
    frame.extend([
        0x86,
        0xdd,
        0x60,
        0,
        0,
        0,
        0,
        24 + option.len() as u8,
        58,
        255,
    ]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend([kind, 0, 0, 0, flags, 0, 0, 0]);
    frame.extend(target.octets());
    frame.extend(option);
    repair(&mut frame);
    frame
}

/// RFC 4443 §2.3: 0xffff over a message with the right checksum.
fn sum(frame: &[u8]) -> u16 {
    let words = frame[22..].chunks(2);
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum = words.map(word).sum::<u32>() + (frame.len() - 54) as u32 + 58;
    for _ in 0..2 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What a frame of ours says: `probe VIP`, `announce-request VIP`, `announce-reply VIP`,
/// `reply VIP to MAC`; `ns-probe VIP`, `na VIP to all`, `na VIP to MAC`; `from MAC` follows where
/// it is not that of eth0.
pub fn describe(frame: &[u8]) -> String {
    let source = mac(&frame[6..12]);
    let said = describe_any(frame);
    match source == super::OURS {
        true => said,
        false => format!("{said} from {source}"),
    }
}

/// [`describe`] without its end.
pub fn describe_any(frame: &[u8]) -> String {
    match frame[12..14] {
        [0x08, 0x06] => describe_arp(frame),
        [0x86, 0xdd] => describe_icmp(frame),
        _ => panic!("neither ARP nor IPv6: {frame:02x?}"),
    }
}

fn describe_arp(frame: &[u8]) -> String {
    assert_eq!((frame.len(), &frame[14..20]), (42, &[0, 1, 8, 0, 6, 4][..]));
    assert_eq!(frame[6..12], frame[22..28], "the sender is the source");
    let address =
        |at: usize| Ipv4Addr::from([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    let (sender, target) = (address(28), address(38));
    let broadcast = frame[..6] == BROADCAST;
    match (frame[21], sender, broadcast) {
        (1, Ipv4Addr::UNSPECIFIED, true) => format!("probe {target}"),
        (1, _, true) if sender == target => format!("announce-request {target}"),
        (2, _, true) if sender == target => format!("announce-reply {target}"),
        (2, _, false) => {
            assert_eq!(frame[..6], frame[32..38], "to the one that asked");
            format!("reply {sender} to {}", mac(&frame[..6]))
        }
        _ => panic!("no ARP packet that we send: {frame:02x?}"),
    }
}

fn describe_icmp(frame: &[u8]) -> String {
    assert_eq!((frame[20], frame[21], frame[55]), (58, 255, 0));
    assert_eq!(sum(frame), 0xffff, "the checksum");
    let address = |at: usize| {
        let octets: [u8; 16] = frame[at..at + 16].try_into().expect("16 octets");
        Ipv6Addr::from(octets)
    };
    let (source, target) = (address(22), address(62));
    match (frame[54], frame[58]) {
        (135, 0) => {
            assert!(source.is_unspecified() && frame.len() == 78);
            format!("ns-probe {target}")
        }
        (136, flags) => {
            assert_eq!((source, &frame[78..80]), (target, &[2, 1][..]));
            assert_eq!(frame[80..86], frame[6..12], "our link-layer address");
            match (flags, address(38).is_multicast()) {
                (0x20, true) => format!("na {target} to all"),
                (0x60, false) => format!("na {target} to {}", mac(&frame[..6])),
                _ => panic!("flags {flags:02x}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

fn mac(octets: &[u8]) -> MacAddr {
    let octets: [u8; 6] = octets.try_into().expect("6 octets");
    MacAddr::from(octets)
}

/// The frames of one announcement.
pub fn announcement(vip: &str) -> Vec<String> {
    match ip(vip) {
        IpAddr::V4(_) => vec![
            format!("announce-request {vip}"),
            format!("announce-reply {vip}"),
        ],
        IpAddr::V6(_) => vec![format!("na {vip} to all")],
    }
}

/// The frames on taking an address.
pub fn announcements(vip: &str) -> Vec<String> {
    [announcement(vip), announcement(vip), announcement(vip)].concat()
}

/// The frame of one defence.
pub fn defence(vip: &str) -> Vec<String> {
    announcement(vip).into_iter().take(1).collect()
}

/// The frame of one probe.
pub fn our_probe(vip: &str) -> String {
    let kind = if ip(vip).is_ipv4() {
        "probe"
    } else {
        "ns-probe"
    };
    format!("{kind} {vip}")
}

/// Puts the checksum of a frame right, where it has one.
pub fn repair(frame: &mut [u8]) {
    if frame[12] == 0x86 {
        frame[56..58].fill(0);
        let sum = !sum(frame);
        frame[56..58].copy_from_slice(&sum.to_be_bytes());
    }
}
