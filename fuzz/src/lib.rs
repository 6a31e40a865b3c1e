//! What the fuzz targets do, as plain functions: cargo-fuzz calls them with inputs it grows, and
//! `tests/replay.rs` with the committed corpus on stable Rust. A function that returns has passed.

mod link;
mod peer;

use bgp::codec::{self, Rules};
use bgp::family::FamilySet;
use bgp::{Message, Notification};
use bytes::BytesMut;

pub use link::{arp, ndp};
pub use peer::peer;

/// Octets of a header: marker, Length, Type (RFC 4271 §4.1).
const HEADER_LENGTH: usize = 19;
/// Most octets of a message body here.
const MAX_BODY: usize = 65_535 - HEADER_LENGTH;

/// A stream of messages. The first octet chooses what the session has agreed on.
pub fn decode(input: &[u8]) {
    let Some((flags, mut rest)) = input.split_first() else {
        return;
    };
    let rules = rules(*flags);
    while let Ok(Some((message, length))) = codec::decode(rest, &rules) {
        assert!(length >= HEADER_LENGTH && length <= rest.len());
        assert_eq!(cut_short(&rest[..length], &rules), Ok(()));
        written_is_read_again(&message, &rules);
        rest = &rest[length..];
    }
}

/// The body of an OPEN.
pub fn open(input: &[u8]) {
    let rules = Rules::default();
    let octets = message(1, input);
    if let Ok(Some((message, _))) = codec::decode(&octets, &rules) {
        written_is_read_again(&message, &rules);
    }
}

/// The body of an UPDATE. The first octet chooses what the session has agreed on.
pub fn update(input: &[u8]) {
    let Some((flags, body)) = input.split_first() else {
        return;
    };
    let rules = rules(*flags);
    let octets = message(2, body);
    if let Ok(Some((Message::Update(update), _))) = codec::decode(&octets, &rules) {
        let reached = update.nlri.iter().count() + update.withdrawn.iter().count();
        assert!(reached <= body.len(), "a prefix has at least one octet");
        written_is_read_again(&Message::Update(update), &rules);
    }
}

/// Manifests, as one file of text.
#[cfg(feature = "controller")]
pub fn manifests(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let files = [("fuzz.yaml", text.as_ref())];
    let options = controller::Options::default();
    let read = || controller::file::from_texts(&files, &options, &Default::default());
    assert!(read() == read(), "the same text says the same");
}

/// A header of type `kind` and as much of the body as a message may have.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(MAX_BODY)];
    let length = u16::try_from(HEADER_LENGTH + body.len()).unwrap_or(u16::MAX);
    let mut octets = vec![0xff; 16];
    octets.extend(length.to_be_bytes());
    octets.push(kind);
    octets.extend(body);
    octets
}

/// Every subset of what the codec depends on.
fn rules(flags: u8) -> Rules {
    let has = |bit: u8| flags & (1 << bit) != 0;
    Rules {
        four_octet_as: has(0),
        internal: has(1),
        receive_extended: has(2),
        send_extended: has(2),
        receive_add_path: if has(3) {
            FamilySet::ALL
        } else {
            FamilySet::EMPTY
        },
        enhanced_route_refresh: has(4),
        extended_next_hop: has(5),
        families: FamilySet::ALL,
    }
}

/// No prefix of a whole message is taken for a message, and none is refused.
fn cut_short(octets: &[u8], rules: &Rules) -> Result<(), Notification> {
    for end in 0..octets.len().min(64) {
        assert!(codec::decode(&octets[..end], rules)?.is_none());
    }
    Ok(())
}

/// What is written is read as what it was, where it fits into a message.
fn written_is_read_again(message: &Message<'_>, rules: &Rules) {
    if let Message::Update(update) = message
        && !update.errors.is_empty()
    {
        return;
    }
    let mut octets = BytesMut::new();
    if codec::encode(message, rules, &mut octets).is_err() {
        assert!(octets.is_empty());
        return;
    }
    match codec::decode(&octets, rules) {
        Ok(Some((again, length))) => {
            assert_eq!(length, octets.len());
            assert_eq!(&again, message);
        }
        other => panic!("{message:?} was written as {octets:?} and read as {other:?}"),
    }
}
