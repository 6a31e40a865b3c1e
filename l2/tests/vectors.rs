//! Frames that others captured: what they are, and that nothing in them makes us panic or answer
//! what the RFCs forbid.

use std::path::PathBuf;

use l2::Malformed;
use l2::arp::{Arp, Operation};
use l2::ndp::NeighborSolicitation;
use serde_json::Value;

#[test]
fn every_captured_frame_is_read_as_its_source_says() {
    for Captured {
        number,
        kind,
        tagged,
        octets,
    } in frames()
    {
        let arp = Arp::parse(&octets);
        let solicitation = NeighborSolicitation::parse(&octets);
        let as_said = match (tagged, kind.as_str()) {
            // A tagged frame belongs to another link.
            (true, _) => (arp, solicitation) == (Ok(None), Ok(None)),
            // Its source asserts the layout; a reply to a group address would flood the link.
            (false, "arp_request") if octets[22] & 1 == 1 => arp.is_err(),
            (false, "arp_request") => is(arp, Operation::Request, false),
            (false, "arp_gratuitous_request") => is(arp, Operation::Request, true),
            (false, "arp_reply") => is(arp, Operation::Reply, false),
            (false, "arp_gratuitous_reply") => is(arp, Operation::Reply, true),
            (false, "arp_malformed") => arp.is_err(),
            (false, "ns_dad_probe") => {
                matches!(solicitation, Ok(Some(found)) if found.is_duplicate_address_detection())
            }
            (false, _) => !matches!(solicitation, Ok(Some(_))),
        };
        assert!(as_said, "frame {number}, {kind}: {arp:?} {solicitation:?}");
    }
}

fn is(found: Result<Option<Arp>, Malformed>, operation: Operation, announcement: bool) -> bool {
    matches!(found, Ok(Some(arp))
        if arp.operation == operation && arp.is_announcement() == announcement)
}

#[test]
fn cut_or_flipped_frames_never_panic_and_their_answers_go_to_single_stations() {
    for Captured { octets: frame, .. } in frames() {
        for end in 0..frame.len() {
            answer(&frame[..end]);
        }
        for bit in 0..frame.len().min(90) * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            answer(&flipped);
        }
    }
}

fn answer(frame: &[u8]) {
    let ours = l2::MacAddr(2, 0, 0, 0, 0, 1);
    if let Ok(Some(arp)) = Arp::parse(frame) {
        assert!(!arp.sender_hardware.is_multicast());
        assert_eq!(arp.reply(ours).len(), 42);
    }
    if let Ok(Some(solicitation)) = NeighborSolicitation::parse(frame) {
        assert_eq!(solicitation.advertisement(ours).len(), 86);
    }
}

/// A frame, and what its source says it is.
struct Captured {
    number: u64,
    kind: String,
    tagged: bool,
    octets: Vec<u8>,
}

/// Each frame of `l2_frames.jsonl`; none where `BGP_VECTORS` is not set.
fn frames() -> Vec<Captured> {
    let Some(folder) = std::env::var_os("BGP_VECTORS") else {
        println!("SKIP: BGP_VECTORS does not name the directory of external vectors");
        return Vec::new();
    };
    let file = PathBuf::from(folder).join("l2_frames.jsonl");
    let text = std::fs::read_to_string(&file).expect("BGP_VECTORS holds l2_frames.jsonl");
    text.lines().map(frame).collect()
}

fn frame(line: &str) -> Captured {
    let row: Value = serde_json::from_str(line).expect("a JSON object a line");
    let hex = row["hex"].as_str().expect("hex");
    let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    let octets = (0..hex.len()).step_by(2).map(octet).collect();
    Captured {
        number: row["id"].as_u64().unwrap_or_default(),
        kind: row["kind"].as_str().expect("kind").to_owned(),
        tagged: row.get("vlan").is_some(),
        octets,
    }
}
