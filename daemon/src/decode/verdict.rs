//! What is printed of one message.

use std::net::IpAddr;

use bgp::attribute::{AttributeError, Treatment};
use bgp::message::Message;
use bgp::message::notification::Notification;
use serde::Serialize;

/// One line of output.
#[derive(Debug, Serialize)]
pub(super) struct Verdict<'a> {
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subcode: Option<u8>,
    message: &'a Message<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [AttributeError],
    #[serde(skip_serializing_if = "Option::is_none")]
    mrt: Option<&'a Origin>,
}

/// Where a message was recorded.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Origin {
    /// Octets of the uncompressed file before the record.
    pub offset: u64,
    /// Seconds since 1970-01-01 00:00 UTC, with microseconds where the record has them.
    pub timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_as: Option<u32>,
    /// The recorder sent it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sent: bool,
    /// It is a route of a table, put into an UPDATE.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub table: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Ok,
    Notification,
    TreatAsWithdraw,
    AttributeDiscard,
}

impl<'a> Verdict<'a> {
    /// A message that could be read.
    pub(super) fn of(message: &'a Message<'a>) -> Verdict<'a> {
        let errors = match message {
            Message::Update(update) => update.errors.as_slice(),
            Message::Open(_)
            | Message::Notification(_)
            | Message::Keepalive
            | Message::RouteRefresh(_) => &[],
        };
        Verdict {
            // RFC 7606 §3h: the strongest treatment counts.
            result: match errors.iter().map(|error| error.treatment).max() {
                None => Outcome::Ok,
                Some(Treatment::AttributeDiscard) => Outcome::AttributeDiscard,
                Some(Treatment::TreatAsWithdraw) => Outcome::TreatAsWithdraw,
            },
            code: None,
            subcode: None,
            message,
            errors,
            mrt: None,
        }
    }

    /// A message that ends the session with `answer`, which is a NOTIFICATION.
    pub(super) fn refused(answer: &'a Message<'a>) -> Verdict<'a> {
        let error = match answer {
            Message::Notification(Notification { code, subcode, .. }) => Some((*code, *subcode)),
            Message::Open(_)
            | Message::Update(_)
            | Message::Keepalive
            | Message::RouteRefresh(_) => None,
        };
        Verdict {
            result: Outcome::Notification,
            code: error.map(|(code, _)| code),
            subcode: error.map(|(_, subcode)| subcode),
            message: answer,
            errors: &[],
            mrt: None,
        }
    }

    /// The same, with where it was recorded.
    pub(super) fn recorded(self, origin: &'a Origin) -> Verdict<'a> {
        Verdict {
            mrt: Some(origin),
            ..self
        }
    }
}
