//! bgpkit-parser.

use bgpkit_parser::models::{
    AsPath, AsPathSegment, AsnLength, AttributeValue, BgpMessage, Community, NetworkPrefix,
    NextHopAddress, Nlri,
};
use bgpkit_parser::parser::bgp::parse_bgp_message;
use bytes::Bytes;
use ipnet::IpNet;

use crate::content::Content;

pub fn parse(octets: &Bytes) -> BgpMessage {
    parse_bgp_message(&mut octets.clone(), false, &AsnLength::Bits32).expect("a real UPDATE")
}

/// It makes a buffer of its own for each message; there is no way to give it one.
pub fn write(message: &BgpMessage, out: &mut Bytes) {
    *out = message
        .encode(AsnLength::Bits32)
        .expect("it was read from a message");
}

pub fn visit(octets: &Bytes, content: &mut Content) {
    let BgpMessage::Update(update) = &parse(octets) else {
        panic!("not an UPDATE");
    };
    visit_prefixes(&update.withdrawn_prefixes, content);
    for attribute in update.attributes.iter() {
        visit_attribute(attribute, content);
    }
    visit_prefixes(&update.announced_prefixes, content);
}

fn visit_prefixes(prefixes: &[NetworkPrefix], content: &mut Content) {
    for prefix in prefixes {
        match prefix.prefix {
            IpNet::V4(prefix) => content.ipv4_prefix(prefix.addr(), prefix.prefix_len()),
            IpNet::V6(prefix) => content.ipv6_prefix(prefix.addr(), prefix.prefix_len()),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "attributes that this file has none of"
)]
fn visit_attribute(value: &AttributeValue, content: &mut Content) {
    match value {
        AttributeValue::Origin(origin) => content.other(*origin as u32),
        AttributeValue::AsPath(path) | AttributeValue::As4Path(path) => {
            visit_as_path(path, content);
        }
        AttributeValue::NextHop(address) => content.next_hop(*address),
        AttributeValue::MultiExitDiscriminator(metric) => content.other(*metric),
        AttributeValue::LocalPreference(preference) => content.other(*preference),
        AttributeValue::OnlyToCustomer(asn) => content.other(asn.to_u32()),
        AttributeValue::AtomicAggregate => content.other(1),
        AttributeValue::Aggregator { asn, id } | AttributeValue::As4Aggregator { asn, id } => {
            content.other(asn.to_u32());
            content.other(id.to_bits());
        }
        AttributeValue::Communities(list) => {
            list.iter()
                .for_each(|community| content.community(bits(*community)));
        }
        AttributeValue::ExtendedCommunities(list) => {
            list.iter()
                .for_each(|community| content.extended_community(community));
        }
        AttributeValue::Ipv6AddressSpecificExtendedCommunities(list) => {
            list.iter()
                .for_each(|community| content.extended_community(community));
        }
        AttributeValue::LargeCommunities(list) => list.iter().for_each(|community| {
            let [first, second] = community.local_data;
            content.large_community([community.global_admin, first, second]);
        }),
        AttributeValue::OriginatorId(id) => content.other(id.to_bits()),
        AttributeValue::Clusters(list) => list.iter().for_each(|id| content.other(*id)),
        AttributeValue::MpReachNlri(nlri) | AttributeValue::MpUnreachNlri(nlri) => {
            visit_nlri(nlri, content);
        }
        other => {
            std::hint::black_box(other);
        }
    }
}

fn visit_as_path(path: &AsPath, content: &mut Content) {
    for segment in &path.segments {
        let (AsPathSegment::AsSequence(asns)
        | AsPathSegment::AsSet(asns)
        | AsPathSegment::ConfedSequence(asns)
        | AsPathSegment::ConfedSet(asns)) = segment;
        asns.iter().for_each(|asn| content.as_number(asn.to_u32()));
    }
}

/// The 32 bits of a standard community (RFC 1997).
fn bits(community: Community) -> u32 {
    match community {
        Community::NoExport => 0xffff_ff01,
        Community::NoAdvertise => 0xffff_ff02,
        Community::NoExportSubConfed => 0xffff_ff03,
        Community::Custom(asn, value) => asn.to_u32() << 16 | u32::from(value),
    }
}

fn visit_nlri(nlri: &Nlri, content: &mut Content) {
    match nlri.next_hop {
        Some(NextHopAddress::Ipv4(address)) => content.next_hop(address.into()),
        Some(NextHopAddress::Ipv6(address)) => content.next_hop(address.into()),
        Some(NextHopAddress::Ipv6LinkLocal(global, local)) => {
            content.next_hop(global.into());
            content.next_hop(local.into());
        }
        Some(NextHopAddress::VpnIpv6(..) | NextHopAddress::VpnIpv6LinkLocal(..)) | None => {}
    }
    visit_prefixes(&nlri.prefixes, content);
}
