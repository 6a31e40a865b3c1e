//! The `arp` and `ndp` targets: any frame, and what may be answered to it.
//!
//! Frames are judged here by their octets, and not by the code under test.

use l2::MacAddr;
use l2::arp::{Arp, Operation};
use l2::ndp::{self, NeighborSolicitation};

const OURS: MacAddr = MacAddr(0x02, 0, 0, 0, 0, 1);
/// Where the ICMPv6 message begins: after the headers of Ethernet and IPv6.
const ICMP: usize = 14 + 40;

/// A frame, asked for ARP.
pub fn arp(frame: &[u8]) {
    let Ok(Some(arp)) = Arp::parse(frame) else {
        return;
    };
    // RFC 826: EtherType 0x0806, hardware type 1, protocol type 0x0800, lengths 6 and 4.
    assert_eq!(frame[12..20], [0x08, 0x06, 0, 1, 0x08, 0, 6, 4]);
    assert_eq!(Arp::parse(&frame[..42]), Ok(Some(arp)), "padding matters");
    let reply = arp.reply(OURS);
    assert_eq!(reply[..6], frame[22..28], "to the one that asked");
    assert_eq!(reply[6..12], OURS.octets());
    assert!(reply[0] & 1 == 0, "an answer floods the link");
    let expected = Arp {
        operation: Operation::Reply,
        sender_hardware: OURS,
        sender_protocol: arp.target_protocol,
        target_hardware: arp.sender_hardware,
        target_protocol: arp.sender_protocol,
    };
    assert_eq!(Arp::parse(&reply), Ok(Some(expected)));
    let probe = Arp::probe(OURS, arp.target_protocol);
    assert!(matches!(Arp::parse(&probe), Ok(Some(probe)) if probe.is_probe()));
}

/// A frame, asked for a Neighbor Solicitation. The first octet says what of it is put right first,
/// because no mutation meets a checksum: bit 0 the checksum, bit 1 the length of the IPv6 payload.
pub fn ndp(input: &[u8]) {
    let Some((repairs, frame)) = input.split_first() else {
        return;
    };
    let mut frame = frame.to_vec();
    if repairs & 2 != 0 {
        repair_length(&mut frame);
    }
    if repairs & 1 != 0 {
        repair_checksum(&mut frame);
    }
    let Ok(Some(solicitation)) = NeighborSolicitation::parse(&frame) else {
        return;
    };
    is_as_rfc_4861_asks(&frame);
    let detection = frame[22..38] == [0; 16];
    assert_eq!(solicitation.is_duplicate_address_detection(), detection);
    let answer = solicitation.advertisement(OURS);
    is_an_answer_to(&frame, &answer);
    if !detection {
        assert_eq!(answer[..6], solicitation.source_link_layer.octets());
    }
    assert_eq!(NeighborSolicitation::parse(&answer), Ok(None));
    let unsolicited = ndp::unsolicited_advertisement(OURS, solicitation.target);
    assert_eq!(sum(&unsolicited), Some(0xffff));
}

/// RFC 4861 §7.1.1, and RFC 8200 §3 for the version.
fn is_as_rfc_4861_asks(frame: &[u8]) {
    assert_eq!(frame[12..14], [0x86, 0xdd], "another EtherType");
    assert_eq!(frame[14] >> 4, 6, "another version of IP");
    assert_eq!((frame[20], frame[21]), (58, 255), "next header, hop limit");
    assert_eq!(sum(frame), Some(0xffff), "the checksum is wrong");
    assert_eq!((frame[ICMP], frame[ICMP + 1]), (135, 0), "type and code");
    assert!(payload_length(frame) >= 24);
    assert_ne!(frame[ICMP + 8], 0xff, "the target is a group");
    assert_ne!(frame[22], 0xff, "the source is a group");
    if frame[22..38] == [0; 16] {
        let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        assert_eq!(frame[38..51], group);
        assert_eq!(frame[51..54], frame[ICMP + 21..ICMP + 24]);
    }
}

/// RFC 4861 §4.4, §7.2.4: from the target; to the asker with the S flag, or to all nodes without
/// it; always with the O flag and our link-layer address.
fn is_an_answer_to(question: &[u8], answer: &[u8]) {
    let target = &question[ICMP + 8..ICMP + 24];
    assert_eq!((answer.len(), sum(answer)), (86, Some(0xffff)));
    assert_eq!((answer[21], answer[ICMP]), (255, 136));
    assert_eq!(answer[22..38], *target);
    assert_eq!(answer[ICMP + 8..ICMP + 24], *target);
    assert_eq!(answer[ICMP + 24..ICMP + 26], [2, 1]);
    assert_eq!(answer[ICMP + 26..], OURS.octets());
    if question[22..38] == [0; 16] {
        assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(answer[38..40], [0xff, 2]);
        assert_eq!(answer[ICMP + 4], 0x20);
    } else {
        assert!(answer[0] & 1 == 0, "an answer floods the link");
        assert_eq!(answer[38..54], question[22..38]);
        assert_eq!(answer[ICMP + 4], 0x60);
    }
}

fn payload_length(frame: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([frame[18], frame[19]]))
}

fn repair_length(frame: &mut [u8]) {
    let length = frame.len().checked_sub(ICMP);
    if let Some(length) = length.and_then(|length| u16::try_from(length).ok()) {
        frame[18..20].copy_from_slice(&length.to_be_bytes());
    }
}

fn repair_checksum(frame: &mut [u8]) {
    let Some(field) = frame.get_mut(ICMP + 2..ICMP + 4) else {
        return;
    };
    field.fill(0);
    if let Some(sum) = sum(frame) {
        frame[ICMP + 2..ICMP + 4].copy_from_slice(&(!sum).to_be_bytes());
    }
}

/// The ones' complement sum of the pseudo-header and the message (RFC 4443 §2.3, RFC 8200 §8.1):
/// 0xffff where the checksum is right. `None` where the payload is not all there.
fn sum(frame: &[u8]) -> Option<u16> {
    let addresses = frame.get(22..ICMP)?;
    let length = payload_length(frame);
    let message = frame.get(ICMP..ICMP + length)?;
    let words = addresses.chunks(2).chain(message.chunks(2));
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum = words.map(word).sum::<u64>() + length as u64 + 58;
    // At most 32,800 words: two rounds carry all.
    for _ in 0..2 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).ok()
}
