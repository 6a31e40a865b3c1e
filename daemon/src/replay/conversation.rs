//! The messages of each connection of a recording, read by the rules that its OPENs agree on.

use std::collections::BTreeMap;

use bgp::codec::{self, Rules};
use bgp::family::FamilySet;
use bgp::message::Message;
use bgp::message::open::Open;
use bgp::{ConnId, Negotiated};
use bytes::{Buf, BytesMut};
use serde_json::value::{RawValue, to_raw_value};

/// Whose octets they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Peer,
    Us,
}

/// Every connection there was.
#[derive(Debug, Default)]
pub(super) struct Conversations(BTreeMap<ConnId, Conversation>);

#[derive(Debug, Default)]
struct Conversation {
    received: Direction,
    sent: Direction,
}

#[derive(Debug, Default)]
struct Direction {
    /// Not a whole message yet.
    octets: BytesMut,
    open: Option<Open>,
    /// Octets that are no message came: nothing behind them is read.
    lost: bool,
}

impl Conversations {
    /// The messages that are whole with these octets.
    pub(super) fn take(&mut self, conn: ConnId, from: From, octets: &[u8]) -> Vec<Box<RawValue>> {
        let conversation = self.0.entry(conn).or_default();
        conversation
            .direction(from)
            .octets
            .extend_from_slice(octets);
        let mut messages = Vec::new();
        while let Some(message) = conversation.next(from) {
            messages.push(message);
        }
        messages
    }
}

impl Conversation {
    fn direction(&mut self, from: From) -> &mut Direction {
        match from {
            From::Peer => &mut self.received,
            From::Us => &mut self.sent,
        }
    }

    fn next(&mut self, from: From) -> Option<Box<RawValue>> {
        let rules = self.rules(from);
        let direction = self.direction(from);
        if direction.octets.is_empty() || direction.lost {
            return None;
        }
        match codec::decode(&direction.octets, &rules) {
            Ok(None) => None,
            Ok(Some((message, length))) => {
                let shown = to_raw_value(&message).ok();
                if let Message::Open(open) = &message {
                    direction.open = Some(open.clone());
                }
                drop(message);
                direction.octets.advance(length);
                shown
            }
            Err(notification) => {
                direction.lost = true;
                let text = format!("no message of this session: {notification}");
                to_raw_value(&serde_json::json!({"type": "unreadable", "text": text})).ok()
            }
        }
    }

    /// By the OPENs so far (RFC 4271 §4.2); what we may send is what the peer may receive.
    fn rules(&self, from: From) -> Rules {
        let agreed = match (&self.sent.open, &self.received.open) {
            (Some(sent), Some(received)) => Negotiated::new(sent, received, None).ok(),
            (_, _) => None,
        };
        let rules = agreed.map_or_else(Rules::default, |negotiated| negotiated.rules());
        match from {
            From::Peer => rules,
            From::Us => Rules {
                receive_extended: rules.send_extended,
                receive_add_path: FamilySet::EMPTY,
                ..rules
            },
        }
    }
}
