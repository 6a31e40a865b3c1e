//! Frames that others captured: what they are, and that nothing in them makes us panic or answer
//! what the RFCs forbid.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::arp::{Arp, Operation};
use l2::ndp::NeighborSolicitation;
use l2::responder::{
    Address, Claim, Config, Fence, Interface, InterfaceKind, OnConflict, Received, Responder,
};
use l2::{FrameBuf, MacAddr, Malformed};
use serde_json::Value;

const OURS: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);

#[test]
fn every_captured_frame_is_read_as_its_source_says() {
    for Captured {
        number,
        kind,
        tagged,
        octets,
        ..
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
    if let Ok(Some(arp)) = Arp::parse(frame) {
        assert!(!arp.sender_hardware.is_multicast());
        assert_eq!(arp.reply(OURS).len(), 42);
    }
    if let Ok(Some(solicitation)) = NeighborSolicitation::parse(frame) {
        assert_eq!(solicitation.advertisement(OURS).len(), 86);
    }
}

#[test]
fn the_owner_of_every_target_answers_each_well_formed_question_and_nothing_else() {
    let frames = frames();
    let mut owner = Owner::new(frames.iter().filter_map(|frame| frame.target));
    for frame in &frames {
        let octets = &frame.octets;
        let question = match (frame.tagged, frame.kind.as_str()) {
            (false, "arp_request") => octets[..6] == [0xff; 6] && is_of_a_station(octets),
            (false, "ns_dad_probe") => true,
            _ => false,
        };
        let question = question && frame.target.is_some_and(|at| owner.owns(at));
        let said = owner.hear(octets);
        let answers = said.iter().filter(|said| is_answer(octets, said)).count();
        let expected = usize::from(question);
        assert_eq!(answers, expected, "frame {}, {}", frame.number, frame.kind);
        let rest: Vec<_> = said
            .iter()
            .filter(|said| !is_answer(octets, said))
            .collect();
        let defends = |said: &&&FrameBuf| octets.get(28..32) == Some(&said[28..32]);
        assert_eq!(rest.iter().filter(defends).count(), rest.len(), "{rest:?}");
    }
}

#[test]
fn cut_or_flipped_frames_get_no_answer_that_the_rfcs_forbid() {
    let frames = frames();
    let mut owner = Owner::new(frames.iter().filter_map(|frame| frame.target));
    for Captured { octets, .. } in frames {
        for end in 0..octets.len() {
            owner.hear_and_check(&octets[..end]);
        }
        for bit in 0..octets.len().min(90) * 8 {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            owner.hear_and_check(&flipped);
        }
    }
}

/// Whether the ARP packet has a sender that a station can be: no group (RFC 826, RFC 1122
/// §3.2.1.3).
fn is_of_a_station(octets: &[u8]) -> bool {
    let probe = octets[28..32] == [0; 4];
    let sender = !matches!(octets[28], 0 | 127 | 224..=239) && octets[28..32] != [255; 4];
    octets[22] & 1 == 0 && (probe || sender)
}

/// Whether the frame answers the question, by its octets: RFC 826 or RFC 4861 §7.2.4.
fn is_answer(question: &[u8], said: &[u8]) -> bool {
    match said.len() {
        42 => said[21] == 2 && said[..6] == question[22..28] && said[28..32] == question[38..42],
        _ => said[54] == 136 && question.len() >= 78 && said[62..78] == question[62..78],
    }
}

/// A node that owns addresses and defends them for ever.
struct Owner {
    responder: Responder,
    addresses: BTreeSet<IpAddr>,
    now: Instant,
}

impl Owner {
    #[expect(clippy::disallowed_methods, reason = "a test begins at some time")]
    fn new(targets: impl Iterator<Item = IpAddr>) -> Owner {
        let now = Instant::now();
        let config = Config {
            refresh: None,
            ..Config::default()
        };
        let mut responder = Responder::new(config, 1);
        let interface = Interface {
            index: 1,
            name: "eth0".into(),
            mac: OURS,
            addresses: [IpAddr::from(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))].into(),
            up: true,
            kind: InterfaceKind::Ethernet,
        };
        assert_eq!(responder.set_interfaces(now, &[interface]), 0);
        responder.answers_until(now, Fence::Open);
        let address = Address {
            on_conflict: OnConflict::Defend,
            ..Address::new(Claim::TakenOver)
        };
        let set = targets.map(|target| (target, address.clone()));
        let set = Arc::new(set.collect());
        // Addresses of no single station, which some of the captured frames ask for.
        let _refused = responder.set_addresses(now, &set);
        let addresses = responder.addresses().map(|status| status.address).collect();
        let mut owner = Owner {
            responder,
            addresses,
            now,
        };
        (0..100).for_each(|_| owner.pass(Duration::from_millis(100)));
        owner
    }

    fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Time passes, and what is said unasked is thrown away.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.responder.handle_timeout(self.now);
        while self.responder.poll_action().is_some() {}
        while self.responder.poll_transmit(self.now).is_some() {}
    }

    fn hear(&mut self, frame: &[u8]) -> Vec<FrameBuf> {
        self.pass(Duration::from_millis(1));
        let received = Received {
            interface: 1,
            vlan: None,
            frame,
        };
        self.responder.receive(self.now, received);
        let said = std::iter::from_fn(|| self.responder.poll_transmit(self.now));
        said.map(|transmit| transmit.frame).collect()
    }

    /// What is said to a frame speaks for an address of ours, from our link-layer address; an
    /// answer goes to the single station that asked, and anything else is a defence to all.
    fn hear_and_check(&mut self, frame: &[u8]) {
        for said in self.hear(frame) {
            assert_eq!(said[6..12], OURS.octets());
            let to_all = said[0] & 1 == 1;
            if said.len() == 42 {
                let speaks_for = Ipv4Addr::from([said[28], said[29], said[30], said[31]]);
                assert!(self.owns(speaks_for.into()), "{frame:02x?}");
                assert_eq!(frame[12..20], [8, 6, 0, 1, 8, 0, 6, 4], "{frame:02x?}");
                assert_eq!(to_all, !is_answer(frame, &said), "{frame:02x?}");
                assert!(to_all || frame[21] == 1, "a reply is not answered");
            } else {
                let target: [u8; 16] = said[62..78].try_into().expect("16 octets");
                assert!(self.owns(Ipv6Addr::from(target).into()), "{frame:02x?}");
                assert_eq!((frame[20], frame[21], frame[55]), (58, 255, 0));
                assert_eq!(to_all, said[58] & 0x40 == 0, "solicited to one station");
            }
        }
    }
}

/// A frame, and what its source says it is.
struct Captured {
    number: u64,
    kind: String,
    tagged: bool,
    target: Option<IpAddr>,
    octets: Vec<u8>,
}

/// Each frame of `l2_frames.jsonl`; none where `BGP_VECTORS` is not set.
#[expect(clippy::disallowed_methods, reason = "the vectors are outside")]
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
        target: row["target_ip"].as_str().and_then(|text| text.parse().ok()),
        octets,
    }
}
