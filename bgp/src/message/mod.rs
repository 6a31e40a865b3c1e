//! The five messages of RFC 4271 §4 and RFC 2918, as values.

pub mod notification;
pub mod open;
pub mod refresh;
pub mod update;

use notification::Notification;
use open::Open;
use refresh::RouteRefresh;
use update::Update;

/// One BGP message. An UPDATE borrows the octets it was read from.
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
