//! What the codec makes of a vector, in the words of the vectors.

use bgp::attribute::Treatment;
use bgp::codec::{self, Rules};
use bgp::family::FamilySet;
use bgp::{Message, Notification};
use bytes::BytesMut;

use crate::frame;
use crate::row::Row;

/// The outcomes, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Discard,
    Withdraw,
    /// With the NOTIFICATION's code and subcode.
    Reset(u8, u8),
    /// More octets are wanted.
    Incomplete,
}

/// One way of reading a vector, and what came of it.
#[derive(Clone, Debug)]
pub struct Reading {
    pub verdict: Verdict,
    /// For people: the rules, and what was found.
    pub text: String,
}

/// Reads a vector in every way that its source leaves open. Empty for one that is no piece of a
/// message of ours.
pub fn readings(row: &Row) -> Vec<Reading> {
    let widths = row.caps.four_octet_as();
    let reading = |four_octet_as| {
        let message = frame::message(row, four_octet_as)?;
        let rules = rules(row, four_octet_as, &message);
        Some(read(&message, &rules))
    };
    widths.into_iter().filter_map(reading).collect()
}

/// The session: what the source states of it; else IPv4 and IPv6 unicast with everything agreed
/// on, and an internal peer where the attributes are such as only those send.
fn rules(row: &Row, four_octet_as: bool, message: &[u8]) -> Rules {
    Rules {
        four_octet_as,
        internal: match row.peer.as_deref() {
            Some(peer) => peer == "ibgp",
            None => frame::is_of_internal_peer(message),
        },
        receive_add_path: match row.add_path() {
            true => FamilySet::ALL,
            false => FamilySet::EMPTY,
        },
        enhanced_route_refresh: true,
        extended_next_hop: true,
        ..Rules::default()
    }
}

/// Reads one message, and writes it.
fn read(octets: &[u8], rules: &Rules) -> Reading {
    let width = if rules.four_octet_as { 4 } else { 2 };
    let peer = if rules.internal { "iBGP" } else { "eBGP" };
    let (verdict, found) = match codec::decode(octets, rules) {
        Err(Notification { code, subcode, .. }) => {
            (Verdict::Reset(code, subcode), format!("{code}/{subcode}"))
        }
        Ok(None) => (Verdict::Incomplete, "more octets are wanted".to_owned()),
        Ok(Some((message, _))) => {
            let verdict = verdict(&message);
            write_and_read_again(&message, rules);
            (verdict, format!("{message:?}"))
        }
    };
    let text = format!("{peer}, AS numbers of {width} octets: {verdict:?}: {found}");
    Reading { verdict, text }
}

/// Reads one message after the other, and everything that is in each.
pub fn read_all(octets: &[u8], rules: &Rules) {
    let mut rest = octets;
    while let Ok(Some((message, length))) = codec::decode(rest, rules) {
        serde_json::to_string(&message).unwrap();
        write_and_read_again(&message, rules);
        // No message is shorter than its header, so this ends.
        assert!((codec::HEADER_LENGTH..=rest.len()).contains(&length));
        rest = &rest[length..];
    }
}

fn verdict(message: &Message<'_>) -> Verdict {
    match message {
        Message::Update(update) => match update.treatment() {
            None => Verdict::Ok,
            Some(Treatment::AttributeDiscard) => Verdict::Discard,
            Some(Treatment::TreatAsWithdraw) => Verdict::Withdraw,
        },
        Message::Open(_)
        | Message::Notification(_)
        | Message::Keepalive
        | Message::RouteRefresh(_) => Verdict::Ok,
    }
}

/// What was read without an error is written and read again as the same.
fn write_and_read_again(message: &Message<'_>, rules: &Rules) {
    let rules = Rules {
        receive_extended: true,
        send_extended: true,
        ..*rules
    };
    let mut written = BytesMut::new();
    match codec::encode(message, &rules, &mut written) {
        // A NOTIFICATION of ours stays within 4,096 octets, whatever came.
        Err(_) if matches!(message, Message::Notification(_)) => return,
        result => result.unwrap(),
    }
    if verdict(message) == Verdict::Ok {
        let again = codec::decode(&written, &rules).unwrap().unwrap();
        assert_eq!((message, written.len()), (&again.0, again.1));
    }
}
