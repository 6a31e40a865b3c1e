//! MP_UNREACH_NLRI, type 15 (RFC 4760 §4).

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{Attribute, Malformed};
use crate::codec::Rules;
use crate::family::AfiSafi;
use crate::nlri::Nlri;

/// Routes of a family that are withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MpUnreach<'a> {
    /// A family of this session. Without a prefix it is its End-of-RIB (RFC 4724 §2).
    Routed(Nlri<'a>),
    /// A family that is not of this session: its routes are ignored (RFC 4760 §7).
    Ignored {
        /// The family.
        family: AfiSafi,
        /// The Withdrawn Routes, not read.
        withdrawn: Cow<'a, [u8]>,
    },
}

impl MpUnreach<'_> {
    /// The family of the routes.
    pub const fn family(&self) -> AfiSafi {
        match self {
            MpUnreach::Routed(nlri) => nlri.family().afi_safi(),
            MpUnreach::Ignored { family, .. } => *family,
        }
    }
}

/// AFI, SAFI, Withdrawn Routes (RFC 4760 §4).
impl<'a> Attribute<'a> for MpUnreach<'a> {
    type Owned = MpUnreach<'static>;

    #[inline]
    fn parse(value: &'a [u8], rules: &Rules) -> Result<MpUnreach<'a>, Malformed> {
        let cut = Malformed::optional("MP_UNREACH_NLRI is cut (RFC 7606 §5.3)");
        let ([afi_high, afi_low, safi], withdrawn) = value.split_first_chunk().ok_or(cut)?;
        let pair = AfiSafi {
            afi: u16::from_be_bytes([*afi_high, *afi_low]),
            safi: *safi,
        };
        let Some(family) = rules.routed(pair) else {
            return Ok(MpUnreach::Ignored {
                family: pair,
                withdrawn: Cow::Borrowed(withdrawn),
            });
        };
        Nlri::parse(family, rules.receive_add_path.contains(family), withdrawn)
            .map(MpUnreach::Routed)
            .ok_or(Malformed::optional(
                "prefix too long or cut (RFC 7606 §5.3)",
            ))
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        3 + match self {
            MpUnreach::Routed(nlri) => nlri.len_on_wire(),
            MpUnreach::Ignored { withdrawn, .. } => withdrawn.len(),
        }
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        let family = self.family();
        out.put_u16(family.afi);
        out.put_u8(family.safi);
        match self {
            MpUnreach::Routed(nlri) => nlri.write(out),
            MpUnreach::Ignored { withdrawn, .. } => out.put_slice(withdrawn),
        }
    }

    fn into_owned(self) -> MpUnreach<'static> {
        match self {
            MpUnreach::Routed(nlri) => MpUnreach::Routed(nlri.into_owned()),
            MpUnreach::Ignored { family, withdrawn } => MpUnreach::Ignored {
                family,
                withdrawn: Cow::Owned(withdrawn.into_owned()),
            },
        }
    }
}
