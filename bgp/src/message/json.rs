//! Every message as JSON (or any other form that serde knows), for people and for tests.
//!
//! Field names are those of the RFCs in lower case. Prefixes are `10.0.0.0/8`, or an object with
//! `prefix` and `path_identifier` where ADD-PATH is negotiated.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::Message;
use super::notification::Notification;
use super::open::Open;
use super::refresh::{RouteRefresh, Subtype};
use super::update::Update;
use crate::attribute::{
    As4Path, AsPath, AttributeError, MpNextHop, MpReach, MpUnreach, PathAttributes, Segment,
    SegmentType,
};
use crate::capability::{self, Capability, GracefulRestart, LongLivedFamily};
use crate::family::AfiSafi;
use crate::nlri::{Nlri, NlriEntry};

/// Octets as hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value by its `Display` form.
struct Text<T>(T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.type_name())?;
        match self {
            Message::Open(open) => open_fields(open, &mut map)?,
            Message::Update(update) => update_fields(update, &mut map)?,
            Message::Notification(notification) => notification_fields(notification, &mut map)?,
            Message::Keepalive => {}
            Message::RouteRefresh(refresh) => refresh_fields(refresh, &mut map)?,
        }
        map.end()
    }
}

fn open_fields<M: SerializeMap>(open: &Open, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("version", &4)?;
    map.serialize_entry("my_as", &open.my_as)?;
    map.serialize_entry("asn", &open.asn())?;
    map.serialize_entry("hold_time", &open.hold_time)?;
    map.serialize_entry("identifier", &open.identifier)?;
    map.serialize_entry("capabilities", &open.capabilities)
}

fn notification_fields<M: SerializeMap>(
    notification: &Notification,
    map: &mut M,
) -> Result<(), M::Error> {
    map.serialize_entry("code", &notification.code)?;
    map.serialize_entry("subcode", &notification.subcode)?;
    map.serialize_entry("text", &Text(notification))?;
    if let Some(communication) = notification.communication() {
        map.serialize_entry("communication", &communication)?;
    }
    map.serialize_entry("data", &Hex(&notification.data))
}

fn refresh_fields<M: SerializeMap>(refresh: &RouteRefresh, map: &mut M) -> Result<(), M::Error> {
    let subtype = match refresh.subtype {
        Subtype::Request => "request",
        Subtype::Begin => "begin-of-route-refresh",
        Subtype::End => "end-of-route-refresh",
        Subtype::Unknown(_) => "unknown",
    };
    map.serialize_entry("family", &Text(refresh.family))?;
    map.serialize_entry("subtype", subtype)?;
    map.serialize_entry("subtype_code", &refresh.subtype.code())
}

fn update_fields<M: SerializeMap>(update: &Update<'_>, map: &mut M) -> Result<(), M::Error> {
    if let Some(family) = update.end_of_rib() {
        map.serialize_entry("end_of_rib", &family)?;
    }
    map.serialize_entry("withdrawn", &update.withdrawn)?;
    map.serialize_entry("attributes", &update.attributes)?;
    map.serialize_entry("nlri", &update.nlri)?;
    if !update.errors.is_empty() {
        map.serialize_entry("errors", &update.errors)?;
    }
    Ok(())
}

impl Serialize for PathAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_fields(&mut map)?;
        // RFC 6793 §4.2.3: what the two paths say together.
        if self.as4_path.is_some()
            && let Some(path) = self.merged_as_path()
        {
            map.serialize_entry("merged_as_path", &*path)?;
        }
        if !self.unknown.is_empty() {
            map.serialize_entry("unknown", &self.unknown)?;
        }
        map.end()
    }
}

impl Serialize for AttributeError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("AttributeError", 4)?;
        object.serialize_field("code", &self.code)?;
        object.serialize_field("attribute", &crate::attribute::name(self.code))?;
        object.serialize_field("treatment", &self.treatment)?;
        object.serialize_field("reason", self.reason)?;
        object.end()
    }
}

impl Serialize for NlriEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(path_identifier) = self.path_identifier else {
            return self.prefix.serialize(serializer);
        };
        let mut object = serializer.serialize_struct("NlriEntry", 2)?;
        object.serialize_field("prefix", &self.prefix)?;
        object.serialize_field("path_identifier", &path_identifier)?;
        object.end()
    }
}

impl Serialize for Nlri<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl Serialize for AsPath<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut segments = serializer.serialize_seq(None)?;
        for segment in self.segments() {
            segments.serialize_element(&segment)?;
        }
        segments.end()
    }
}

impl Serialize for As4Path<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Segment<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = match self.kind() {
            SegmentType::AsSet => "as-set",
            SegmentType::AsSequence => "as-sequence",
            SegmentType::AsConfedSequence => "as-confed-sequence",
            SegmentType::AsConfedSet => "as-confed-set",
        };
        let mut object = serializer.serialize_struct("Segment", 2)?;
        object.serialize_field("type", kind)?;
        object.serialize_field("asns", &self.asns().collect::<Vec<_>>())?;
        object.end()
    }
}

impl Serialize for MpNextHop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MpNextHop::V4(address) => [Text(address)].serialize(serializer),
            MpNextHop::V6 { global, link_local } => {
                let mut addresses = serializer.serialize_seq(None)?;
                addresses.serialize_element(global)?;
                if let Some(address) = link_local {
                    addresses.serialize_element(address)?;
                }
                addresses.end()
            }
        }
    }
}

impl Serialize for MpReach<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("MpReach", 3)?;
        object.serialize_field("family", &Text(self.family()))?;
        match self {
            MpReach::Routed { next_hop, nlri } => {
                object.serialize_field("next_hop", next_hop)?;
                object.serialize_field("nlri", nlri)?;
            }
            MpReach::Ignored { next_hop, nlri, .. } => {
                object.serialize_field("next_hop_hex", &Hex(next_hop))?;
                object.serialize_field("nlri_hex", &Hex(nlri))?;
            }
        }
        object.end()
    }
}

impl Serialize for MpUnreach<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("MpUnreach", 2)?;
        object.serialize_field("family", &Text(self.family()))?;
        match self {
            MpUnreach::Routed(nlri) => object.serialize_field("withdrawn", nlri)?,
            MpUnreach::Ignored { withdrawn, .. } => {
                object.serialize_field("withdrawn_hex", &Hex(withdrawn))?;
            }
        }
        object.end()
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.code())?;
        map.serialize_entry("name", self.name())?;
        match self {
            Capability::Multiprotocol(family) => map.serialize_entry("family", &Text(family))?,
            Capability::RouteRefresh
            | Capability::ExtendedMessage
            | Capability::EnhancedRouteRefresh => {}
            Capability::ExtendedNextHop(entries) => {
                map.serialize_entry("families", &families(entries, "next_hop_afi"))?;
            }
            Capability::Role(role) => {
                map.serialize_entry("role", capability::role_name(*role))?;
                map.serialize_entry("role_code", role)?;
            }
            Capability::GracefulRestart(restart) => restart_fields(restart, &mut map)?,
            Capability::FourOctetAs(asn) => map.serialize_entry("asn", asn)?,
            Capability::AddPath(entries) => {
                map.serialize_entry("families", &families(entries, "send_receive"))?;
            }
            Capability::LongLivedGracefulRestart(families) => {
                map.serialize_entry("families", families)?;
            }
            Capability::Fqdn(host, domain) => {
                map.serialize_entry("host_name", host)?;
                map.serialize_entry("domain_name", domain)?;
            }
            Capability::SoftwareVersion(version) => map.serialize_entry("version", version)?,
            Capability::Unknown { value, .. } => map.serialize_entry("hex", &Hex(value))?,
        }
        map.end()
    }
}

fn restart_fields<M: SerializeMap>(restart: &GracefulRestart, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("restart_state", &restart.restart_state)?;
    map.serialize_entry("notification", &restart.notification)?;
    map.serialize_entry("restart_time", &restart.restart_time)?;
    map.serialize_entry("families", &families(&restart.families, "forwarding"))
}

/// One family of a capability, with what it says of that family.
struct FamilyWith<'a, T> {
    family: AfiSafi,
    key: &'static str,
    value: &'a T,
}

fn families<'a, T>(entries: &'a [(AfiSafi, T)], key: &'static str) -> Vec<FamilyWith<'a, T>> {
    let entry = |(family, value): &'a (AfiSafi, T)| FamilyWith {
        family: *family,
        key,
        value,
    };
    entries.iter().map(entry).collect()
}

impl<T: Serialize> Serialize for FamilyWith<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("family", &Text(self.family))?;
        map.serialize_entry(self.key, self.value)?;
        map.end()
    }
}

impl Serialize for LongLivedFamily {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("LongLivedFamily", 3)?;
        object.serialize_field("family", &Text(self.family))?;
        object.serialize_field("forwarding", &self.forwarding)?;
        object.serialize_field("stale_time", &self.stale_time)?;
        object.end()
    }
}
