//! Properties of the codec and of the MRT reader, on octets that nobody thought of.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

use bgp::Message;
use bgp::codec::{self, Rules};
use bgp::family::FamilySet;
use bgp::mrt::{self, Content};
use bytes::BytesMut;
use proptest::prelude::*;

/// Most attributes, with AS numbers of four octets.
const ATTRIBUTES: &[u8] = &[
    0x40, 1, 1, 0, // ORIGIN
    0x40, 2, 10, 2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xea, // AS_PATH
    0x40, 3, 4, 10, 0, 0, 1, // NEXT_HOP
    0x80, 4, 4, 0, 0, 0, 5, // MULTI_EXIT_DISC
    0xc0, 8, 8, 0xff, 0xff, 0xff, 1, 0xfd, 0xe9, 0, 1, // COMMUNITIES
    0xc0, 32, 12, 0, 0, 0xfd, 0xe9, 0, 0, 0, 1, 0, 0, 0, 2, // LARGE_COMMUNITY
    0x80, 14, 26, 0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20,
    1, 0xd, 0xb8, // MP_REACH_NLRI
];

fn message(message_type: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap();
    let mut octets = vec![0xff; 16];
    octets.extend(length.to_be_bytes());
    octets.push(message_type);
    octets.extend(body);
    octets
}

fn update() -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTES.len()).unwrap().to_be_bytes();
    let nlri = [24, 198, 51, 100, 8, 10];
    message(2, &[&[0, 0], length.as_slice(), ATTRIBUTES, &nlri].concat())
}

/// Every session that reads octets in a way of its own.
fn any_rules() -> impl Strategy<Value = Rules> {
    any::<[bool; 6]>().prop_map(
        |[four_octet_as, internal, add_path, extended, refresh, v6]| Rules {
            four_octet_as,
            internal,
            receive_add_path: if add_path {
                FamilySet::ALL
            } else {
                FamilySet::EMPTY
            },
            receive_extended: extended,
            send_extended: extended,
            enhanced_route_refresh: refresh,
            extended_next_hop: v6,
            ..Rules::default()
        },
    )
}

/// Messages of any type with any body, and the UPDATE above with some octets changed.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let made_up = (1..=6_u8, prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(message_type, body)| message(message_type, &body));
    let changes = prop::collection::vec((19..update().len(), any::<u8>()), 0..4);
    let changed = changes.prop_map(|changes| {
        let mut octets = update();
        changes
            .into_iter()
            .for_each(|(at, octet)| octets[at] = octet);
        octets
    });
    prop_oneof![made_up, changed]
}

fn has_errors(message: &Message<'_>) -> bool {
    matches!(message, Message::Update(update) if !update.errors.is_empty())
}

#[test]
fn the_update_that_is_changed_is_right_before() {
    let rules = Rules {
        four_octet_as: true,
        ..Rules::default()
    };
    let octets = update();
    let Ok(Some((Message::Update(update), _))) = codec::decode(&octets, &rules) else {
        panic!("not an UPDATE");
    };
    assert_eq!(update.errors, []);
    assert_eq!(update.nlri.iter().count(), 2);
    assert!(update.attributes.mp_reach.is_some() && update.attributes.large_communities.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_read_without_an_error_is_written_and_read_again_as_the_same(
        octets in any_message(),
        rules in any_rules(),
    ) {
        let Ok(Some((message, length))) = codec::decode(&octets, &rules) else { return Ok(()) };
        prop_assert_eq!(length, octets.len());
        let mut written = BytesMut::new();
        codec::encode(&message, &rules, &mut written).unwrap();
        prop_assert_eq!(&message, &message.clone().into_owned());
        if !has_errors(&message) {
            let again = codec::decode(&written, &rules).unwrap().unwrap().0;
            prop_assert_eq!(again, message);
        }
    }

    #[test]
    fn the_outcome_does_not_depend_on_how_much_of_what_follows_is_there(
        octets in any_message(),
        rules in any_rules(),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let whole = codec::decode(&octets, &rules);
        let followed = [octets.as_slice(), &tail].concat();
        prop_assert_eq!(&codec::decode(&followed, &rules), &whole);
        for cut in 0..octets.len() {
            match codec::decode(&octets[..cut], &rules) {
                Ok(None) => {}
                early => prop_assert_eq!(&early, &whole, "cut at {}", cut),
            }
        }
    }

    #[test]
    fn no_mrt_file_panics_or_hangs(
        record_type in prop::sample::select(vec![5_u16, 12, 13, 16, 17]),
        subtype in 0..13_u16,
        body in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let length = u32::try_from(body.len()).unwrap();
        let mut file = vec![0; 4];
        file.extend(record_type.to_be_bytes());
        file.extend(subtype.to_be_bytes());
        file.extend(length.to_be_bytes());
        file.extend(body);
        let records: Vec<_> = mrt::records(&file).collect();
        prop_assert_eq!(records.len(), 1);
        for record in records.into_iter().flatten() {
            match record.content {
                Content::Message(message) => drop(message.decode()),
                Content::Rib(rib) => {
                    for entry in &rib.entries {
                        let update = entry.to_update(&rib);
                        drop(update.map(|octets| {
                            codec::decode(&octets, &rib.rules(entry)).map(|_| ())
                        }));
                    }
                }
                Content::StateChange(_) | Content::PeerIndexTable(_) | Content::Other(_) => {}
            }
        }
    }
}
