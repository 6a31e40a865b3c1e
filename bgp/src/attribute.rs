//! Path attributes (RFC 4271 §5): one table of the IANA registry, one file an attribute.
//!
//! An attribute is one file here that implements `Attribute`, and one row of the table below.
//! The row makes the field of [`PathAttributes`], the dispatch of the reader and of the writer,
//! and what RFC 7606 does about an error.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};

use crate::codec::Rules;

pub mod aggregator;
pub mod aigp;
pub mod as4_path;
pub mod as_path;
pub mod atomic_aggregate;
pub mod cluster_list;
pub mod communities;
pub mod extended_communities;
pub mod ipv6_extended_communities;
pub mod large_communities;
pub mod list;
pub mod local_pref;
pub mod med;
pub mod mp_reach;
pub mod mp_unreach;
pub mod next_hop;
pub mod only_to_customer;
pub mod origin;
pub mod originator_id;
pub mod unknown;

pub use aggregator::{Aggregator, As4Aggregator};
pub use aigp::Aigp;
pub use as_path::{AsPath, Segment, SegmentType};
pub use as4_path::As4Path;
pub use atomic_aggregate::AtomicAggregate;
pub use cluster_list::ClusterList;
pub use communities::Communities;
pub use extended_communities::{ExtendedCommunities, ExtendedCommunity};
pub use ipv6_extended_communities::{Ipv6ExtendedCommunities, Ipv6ExtendedCommunity};
pub use large_communities::LargeCommunities;
pub use local_pref::LocalPref;
pub use med::MultiExitDisc;
pub use mp_reach::{MpNextHop, MpReach};
pub use mp_unreach::MpUnreach;
pub use next_hop::NextHop;
pub use only_to_customer::OnlyToCustomer;
pub use origin::Origin;
pub use originator_id::OriginatorId;
pub use unknown::UnknownAttribute;

/// Optional bit of the Attribute Flags (RFC 4271 §4.3).
pub const FLAG_OPTIONAL: u8 = 0x80;
/// Transitive bit.
pub const FLAG_TRANSITIVE: u8 = 0x40;
/// Partial bit.
pub const FLAG_PARTIAL: u8 = 0x20;
/// Extended Length bit: the length has two octets.
pub const FLAG_EXTENDED_LENGTH: u8 = 0x10;

/// What RFC 7606 §2 does about an error that does not reset the session, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// Drop the attribute, keep the routes.
    AttributeDiscard,
    /// Handle every route of the UPDATE as withdrawn.
    TreatAsWithdraw,
}

/// One attribute's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeError {
    /// The attribute's type code; 0 when the list of attributes itself is broken.
    pub code: u8,
    /// What is done about it.
    pub treatment: Treatment,
    /// What is wrong, with its RFC section.
    pub reason: &'static str,
}

/// How an attribute is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The UPDATE Message Error subcode of RFC 4271 §6.3, for when the session has to be reset.
    pub(crate) subcode: u8,
    /// What is wrong, with its RFC section.
    pub(crate) reason: &'static str,
}

impl Malformed {
    /// RFC 4271 §6.3 Attribute Length Error.
    pub(crate) const fn length(reason: &'static str) -> Malformed {
        Malformed { subcode: 5, reason }
    }

    /// RFC 4271 §6.3 Optional Attribute Error.
    pub(crate) const fn optional(reason: &'static str) -> Malformed {
        Malformed { subcode: 9, reason }
    }
}

/// One typed attribute: how its value is read, checked in full, and written.
pub(crate) trait Attribute<'a>: Sized {
    /// The same type, free of the octets it was read from.
    type Owned;

    /// Reads and checks a value. Afterwards no access to it can fail.
    fn parse(value: &'a [u8], rules: &Rules) -> Result<Self, Malformed>;

    /// Octets of the value as [`Attribute::write`] writes it.
    fn value_length(&self, rules: &Rules) -> usize;

    /// Writes the value.
    fn write(&self, rules: &Rules, out: &mut BytesMut);

    /// Whether the attribute goes to a peer under these rules.
    fn is_sent(&self, _rules: &Rules) -> bool {
        true
    }

    /// Frees it of the octets it was read from.
    fn into_owned(self) -> Self::Owned;
}

/// What a row says of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// NOTIFICATION.
    Reset,
    /// RFC 7606 §2 treat-as-withdraw.
    Withdraw,
    /// RFC 7606 §2 attribute discard.
    Discard,
}

/// From whom an attribute is taken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Internal and external peers.
    AnyPeer,
    /// Internal peers; from an external one it is discarded (RFC 7606 §7.5, §7.9, §7.10).
    Internal,
}

/// One row of the IANA registry "BGP Path Attributes".
#[derive(Clone, Copy, Debug)]
pub struct AttributeType {
    /// Attribute Type Code.
    pub code: u8,
    /// Name in the registry.
    pub name: &'static str,
    /// Optional and Transitive bits.
    pub flags: u8,
    /// From whom it is taken.
    pub from: From,
    /// When the Optional or Transitive bit is wrong (RFC 7606 §3c).
    pub wrong_flags: OnError,
    /// When it is malformed, from an external peer.
    pub external: OnError,
    /// When it is malformed, from an internal peer.
    pub internal: OnError,
}

const WELL_KNOWN: u8 = FLAG_TRANSITIVE;
const TRANSITIVE: u8 = FLAG_OPTIONAL | FLAG_TRANSITIVE;
const OPTIONAL: u8 = FLAG_OPTIONAL;

macro_rules! attributes {
    ($(
        $(#[$doc:meta])*
        $code:literal $field:ident: $type:ty, $name:literal, $flags:ident, $from:ident,
        $wrong_flags:ident, $external:ident, $internal:ident;
    )*) => {
        /// The path attributes of one UPDATE, each at most once.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct PathAttributes<'a> {
            $($(#[$doc])* pub $field: Option<$type>,)*
            /// Optional attributes without a type here, in the order they came. A
            /// non-transitive one must not be passed on (RFC 4271 §5).
            pub unknown: Vec<UnknownAttribute<'a>>,
        }

        /// The attributes with a type, in the order of the fields.
        pub const REGISTRY: &[AttributeType] = &[$(AttributeType {
            code: $code,
            name: $name,
            flags: $flags,
            from: From::$from,
            wrong_flags: OnError::$wrong_flags,
            external: OnError::$external,
            internal: OnError::$internal,
        },)*];

        impl<'a> PathAttributes<'a> {
            /// Reads one attribute into its field. `Ok(false)` for a code without a type.
            #[inline]
            pub(crate) fn read(
                &mut self,
                code: u8,
                flags: u8,
                value: &'a [u8],
                rules: &Rules,
            ) -> Result<bool, (OnError, Malformed)> {
                match code {
                    $($code => {
                        const ROW: AttributeType = row($code);
                        self.$field = Some(read_one(&ROW, flags, value, rules)?);
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// Writes every attribute, in the order of the table.
            pub(crate) fn write(&self, rules: &Rules, out: &mut BytesMut) {
                $(if let Some(attribute) = &self.$field {
                    write_one($code, $flags, attribute, rules, out);
                })*
                self.write_as4(rules, out);
                for attribute in &self.unknown {
                    attribute.write(out);
                }
            }

            /// The same, free of the octets they were read from.
            pub fn into_owned(self) -> PathAttributes<'static> {
                PathAttributes {
                    $($field: self.$field.map(Attribute::into_owned),)*
                    unknown: self.unknown.into_iter().map(UnknownAttribute::into_owned).collect(),
                }
            }

            /// Whether there is no attribute.
            pub fn is_empty(&self) -> bool {
                $(self.$field.is_none())&&* && self.unknown.is_empty()
            }

            /// Hands each attribute present to `serializer`, under its field's name.
            pub(crate) fn serialize_fields<M: serde::ser::SerializeMap>(
                &self,
                map: &mut M,
            ) -> Result<(), M::Error> {
                $(if let Some(attribute) = &self.$field {
                    map.serialize_entry(stringify!($field), attribute)?;
                })*
                Ok(())
            }
        }
    };
}

attributes! {
    // Rows stand in the order of writing: MP_REACH_NLRI and MP_UNREACH_NLRI first (RFC 7606
    // §5.1), then by code.
    // code, field: type, name, flags, from, wrong flags, malformed from eBGP, from iBGP
    /// MP_REACH_NLRI (RFC 4760 §3).
    14 mp_reach: MpReach<'a>, "MP_REACH_NLRI", OPTIONAL, AnyPeer, Reset, Reset, Reset;
    /// MP_UNREACH_NLRI (RFC 4760 §4).
    15 mp_unreach: MpUnreach<'a>, "MP_UNREACH_NLRI", OPTIONAL, AnyPeer, Reset, Reset, Reset;
    /// ORIGIN (RFC 4271 §5.1.1).
    1 origin: Origin, "ORIGIN", WELL_KNOWN, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// AS_PATH (RFC 4271 §5.1.2), as it came: see [`PathAttributes::merged_as_path`].
    2 as_path: AsPath<'a>, "AS_PATH", WELL_KNOWN, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// NEXT_HOP (RFC 4271 §5.1.3).
    3 next_hop: NextHop, "NEXT_HOP", WELL_KNOWN, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// MULTI_EXIT_DISC (RFC 4271 §5.1.4).
    4 med: MultiExitDisc, "MULTI_EXIT_DISC", OPTIONAL, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// LOCAL_PREF (RFC 4271 §5.1.5).
    5 local_pref: LocalPref, "LOCAL_PREF", WELL_KNOWN, Internal, Withdraw, Discard, Withdraw;
    /// ATOMIC_AGGREGATE (RFC 4271 §5.1.6).
    6 atomic_aggregate: AtomicAggregate, "ATOMIC_AGGREGATE", WELL_KNOWN, AnyPeer, Withdraw, Discard, Discard;
    /// AGGREGATOR (RFC 4271 §5.1.7), as it came: see [`PathAttributes::merged_aggregator`].
    7 aggregator: Aggregator, "AGGREGATOR", TRANSITIVE, AnyPeer, Withdraw, Discard, Discard;
    /// COMMUNITIES (RFC 1997).
    8 communities: Communities<'a>, "COMMUNITIES", TRANSITIVE, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// ORIGINATOR_ID (RFC 4456 §8).
    9 originator_id: OriginatorId, "ORIGINATOR_ID", OPTIONAL, Internal, Withdraw, Discard, Withdraw;
    /// CLUSTER_LIST (RFC 4456 §8).
    10 cluster_list: ClusterList<'a>, "CLUSTER_LIST", OPTIONAL, Internal, Withdraw, Discard, Withdraw;
    /// EXTENDED COMMUNITIES (RFC 4360).
    16 extended_communities: ExtendedCommunities<'a>, "EXTENDED COMMUNITIES", TRANSITIVE, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// AS4_PATH (RFC 6793 §3).
    17 as4_path: As4Path<'a>, "AS4_PATH", TRANSITIVE, AnyPeer, Discard, Discard, Discard;
    /// AS4_AGGREGATOR (RFC 6793 §3).
    18 as4_aggregator: As4Aggregator, "AS4_AGGREGATOR", TRANSITIVE, AnyPeer, Discard, Discard, Discard;
    /// IPv6 Address Specific Extended Community (RFC 5701).
    25 ipv6_extended_communities: Ipv6ExtendedCommunities<'a>, "IPv6 Address Specific Extended Community", TRANSITIVE, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// AIGP (RFC 7311).
    26 aigp: Aigp<'a>, "AIGP", OPTIONAL, AnyPeer, Discard, Discard, Discard;
    /// LARGE_COMMUNITY (RFC 8092).
    32 large_communities: LargeCommunities<'a>, "LARGE_COMMUNITY", TRANSITIVE, AnyPeer, Withdraw, Withdraw, Withdraw;
    /// Only to Customer (RFC 9234 §5).
    35 only_to_customer: OnlyToCustomer, "Only to Customer (OTC)", TRANSITIVE, AnyPeer, Withdraw, Withdraw, Withdraw;
}

/// The row of a typed attribute, at compile time.
const fn row(code: u8) -> AttributeType {
    let mut index = 0;
    while REGISTRY[index].code != code {
        index += 1;
    }
    REGISTRY[index]
}

/// The checks every attribute has in common, then its own.
#[inline(always)]
fn read_one<'a, T: Attribute<'a>>(
    row: &AttributeType,
    flags: u8,
    value: &'a [u8],
    rules: &Rules,
) -> Result<T, (OnError, Malformed)> {
    // RFC 7606 §3h: wrong flags are the stronger error, so they are looked at first.
    if flags & (FLAG_OPTIONAL | FLAG_TRANSITIVE) != row.flags {
        // RFC 4760 §7 gives errors of the multiprotocol attributes 3/9.
        let subcode = if matches!(row.wrong_flags, OnError::Reset) {
            9
        } else {
            4
        };
        let reason = "wrong Optional or Transitive bit (RFC 7606 §3c)";
        return Err((row.wrong_flags, Malformed { subcode, reason }));
    }
    if row.from == From::Internal && !rules.internal {
        let reason = "only internal peers may send this attribute (RFC 7606 §7.5, §7.9, §7.10)";
        return Err((OnError::Discard, Malformed::length(reason)));
    }
    T::parse(value, rules).map_err(|malformed| match rules.internal {
        true => (row.internal, malformed),
        false => (row.external, malformed),
    })
}

/// Writes flags, type, length and value.
fn write_one<'a, T: Attribute<'a>>(
    code: u8,
    flags: u8,
    attribute: &T,
    rules: &Rules,
    out: &mut BytesMut,
) {
    if attribute.is_sent(rules) {
        write_header(code, flags, attribute.value_length(rules), out);
        attribute.write(rules, out);
    }
}

/// Writes flags, type and length; the length has two octets where one is not enough.
#[inline]
fn write_header(code: u8, flags: u8, length: usize, out: &mut BytesMut) {
    match u8::try_from(length) {
        Ok(length) => out.put_slice(&[flags, code, length]),
        Err(_) => {
            out.put_slice(&[flags | FLAG_EXTENDED_LENGTH, code]);
            // A longer value fits in no message: `codec::encode` refuses the message.
            out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
        }
    }
}

impl PathAttributes<'_> {
    /// The AS_PATH with the four-octet numbers of AS4_PATH put back in (RFC 6793 §4.2.3).
    /// On a four-octet session it is the AS_PATH itself.
    pub fn merged_as_path(&self) -> Option<Cow<'_, AsPath<'_>>> {
        let as_path = self.as_path.as_ref()?;
        // An AGGREGATOR that is not AS_TRANS shows that the AS4 attributes are stale.
        let stale = self
            .aggregator
            .is_some_and(|a| a.asn.get() != u32::from(crate::asn::AS_TRANS))
            && self.as4_aggregator.is_some();
        match &self.as4_path {
            Some(as4_path) if !stale => Some(Cow::Owned(as_path.merge(&as4_path.0))),
            Some(_) | None => Some(Cow::Borrowed(as_path)),
        }
    }

    /// The AGGREGATOR, or AS4_AGGREGATOR where that stands for it (RFC 6793 §4.2.3).
    pub fn merged_aggregator(&self) -> Option<Aggregator> {
        let aggregator = self.aggregator?;
        match self.as4_aggregator {
            Some(As4Aggregator(wide))
                if aggregator.asn.get() == u32::from(crate::asn::AS_TRANS) =>
            {
                Some(wide)
            }
            Some(_) | None => Some(aggregator),
        }
    }

    /// RFC 6793 §4.2.2: to a two-octet peer, AS numbers that do not fit go into AS4_PATH and
    /// AS4_AGGREGATOR as well, unless those were set by hand.
    fn write_as4(&self, rules: &Rules, out: &mut BytesMut) {
        if rules.four_octet_as {
            return;
        }
        if let (Some(as_path), None) = (&self.as_path, &self.as4_path)
            && as_path.needs_as4()
        {
            let as4_path = As4Path(as_path.without_confederation());
            write_one(17, TRANSITIVE, &as4_path, rules, out);
        }
        if let (Some(aggregator), None) = (self.aggregator, self.as4_aggregator)
            && aggregator.asn.get() > u32::from(u16::MAX)
        {
            write_one(18, TRANSITIVE, &As4Aggregator(aggregator), rules, out);
        }
    }
}

/// The name of an Attribute Type Code in the IANA registry.
pub fn name(code: u8) -> Cow<'static, str> {
    if let Some(row) = REGISTRY.iter().find(|row| row.code == code) {
        return Cow::Borrowed(row.name);
    }
    Cow::Borrowed(match code {
        11 => "DPA (deprecated)",
        12 => "ADVERTISER (deprecated)",
        13 => "RCID_PATH / CLUSTER_ID (deprecated)",
        19 => "SAFI Specific Attribute (deprecated)",
        20 => "Connector Attribute (deprecated)",
        21 => "AS_PATHLIMIT (deprecated)",
        22 => "PMSI_TUNNEL",
        23 => "Tunnel Encapsulation",
        24 => "Traffic Engineering",
        27 => "PE Distinguisher Labels",
        28 => "BGP Entropy Label Capability (deprecated)",
        29 => "BGP-LS Attribute",
        33 => "BGPsec_Path",
        34 => "BGP Community Container",
        36 => "BGP Domain Path (D-PATH)",
        37 => "SFP attribute",
        38 => "BFD Discriminator",
        39 => "BGP Router Capabilities",
        40 => "BGP Prefix-SID",
        128 => "ATTR_SET",
        code => return Cow::Owned(format!("attribute {code}")),
    })
}
