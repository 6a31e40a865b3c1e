//! ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2).

use crate::family::AfiSafi;

/// A ROUTE-REFRESH message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family asked for, known or not.
    pub family: AfiSafi,
    /// Message subtype.
    pub subtype: Subtype,
}

/// Message subtype of a ROUTE-REFRESH (RFC 7313 §3.2); before RFC 7313 a reserved octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subtype {
    /// 0: a request.
    Request,
    /// 1: beginning of route refresh (BoRR).
    Begin,
    /// 2: end of route refresh (EoRR).
    End,
    /// Anything else: to be ignored (RFC 7313 §5).
    Unknown(u8),
}
