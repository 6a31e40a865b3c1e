//! The five messages of RFC 4271 §4 and RFC 2918, as values.

pub mod json;
pub mod notification;
pub mod open;
pub mod refresh;
pub mod update;

use notification::Notification;
use open::Open;
use refresh::RouteRefresh;
use update::Update;

/// One BGP message. An UPDATE borrows the octets it was read from.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every message is an UPDATE, and a box would cost it an allocation"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Type 1.
    Open(Open),
    /// Type 2.
    Update(Update<'a>),
    /// Type 3.
    Notification(Notification),
    /// Type 4.
    Keepalive,
    /// Type 5 (RFC 2918, RFC 7313).
    RouteRefresh(RouteRefresh),
}

impl Message<'_> {
    /// The Type octet.
    pub const fn type_code(&self) -> u8 {
        match self {
            Message::Open(_) => 1,
            Message::Update(_) => 2,
            Message::Notification(_) => 3,
            Message::Keepalive => 4,
            Message::RouteRefresh(_) => 5,
        }
    }

    /// The type's name in the RFCs.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Message::Open(_) => "OPEN",
            Message::Update(_) => "UPDATE",
            Message::Notification(_) => "NOTIFICATION",
            Message::Keepalive => "KEEPALIVE",
            Message::RouteRefresh(_) => "ROUTE-REFRESH",
        }
    }

    /// The same message, free of the octets it was read from.
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Message::Open(open) => Message::Open(open),
            Message::Update(update) => Message::Update(update.into_owned()),
            Message::Notification(notification) => Message::Notification(notification),
            Message::Keepalive => Message::Keepalive,
            Message::RouteRefresh(refresh) => Message::RouteRefresh(refresh),
        }
    }
}
