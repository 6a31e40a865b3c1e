//! ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2).

use bytes::{BufMut, BytesMut};

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

impl Subtype {
    /// The octet on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Subtype::Request => 0,
            Subtype::Begin => 1,
            Subtype::End => 2,
            Subtype::Unknown(code) => code,
        }
    }

    /// The subtype of an octet.
    pub const fn from_code(code: u8) -> Subtype {
        match code {
            0 => Subtype::Request,
            1 => Subtype::Begin,
            2 => Subtype::End,
            code => Subtype::Unknown(code),
        }
    }
}

impl RouteRefresh {
    /// Octets of the body: AFI, subtype, SAFI.
    pub(crate) const BODY_LENGTH: usize = 4;

    /// Reads the body. `None` when it is not 4 octets; the ORF entries of RFC 5291 are never
    /// negotiated here.
    pub(crate) fn parse(body: &[u8]) -> Option<RouteRefresh> {
        let [afi_high, afi_low, subtype, safi] = *body else {
            return None;
        };
        Some(RouteRefresh {
            family: AfiSafi {
                afi: u16::from_be_bytes([afi_high, afi_low]),
                safi,
            },
            subtype: Subtype::from_code(subtype),
        })
    }

    /// Writes the body.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u16(self.family.afi);
        out.put_u8(self.subtype.code());
        out.put_u8(self.family.safi);
    }
}
