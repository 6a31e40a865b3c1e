//! netgauze-bgp-pkt.

use std::net::IpAddr;

use bytes::Bytes;
use netgauze_bgp_pkt::BgpMessage;
use netgauze_bgp_pkt::nlri::{Ipv4UnicastAddress, Ipv6UnicastAddress};
use netgauze_bgp_pkt::path_attribute::{
    Aggregator, AsPath, MpReach, MpUnreach, PathAttributeValue,
};
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;

use crate::content::Content;

pub fn parse(octets: &Bytes) -> BgpMessage {
    let mut context = BgpParsingContext::asn2_default();
    context.set_asn4(true);
    BgpMessage::parse(&mut SliceReader::new(octets), &mut context).expect("a real UPDATE")
}

pub fn write(message: &BgpMessage, out: &mut Vec<u8>) {
    out.clear();
    message.write(out).expect("it was read from a message");
}

pub fn visit(octets: &Bytes, content: &mut Content) {
    let BgpMessage::Update(update) = &parse(octets) else {
        panic!("not an UPDATE");
    };
    visit_ipv4(update.withdraw_routes(), content);
    for attribute in update.path_attributes() {
        visit_attribute(attribute.value(), content);
    }
    visit_ipv4(update.nlri(), content);
}

fn visit_ipv4(nlri: &[Ipv4UnicastAddress], content: &mut Content) {
    for prefix in nlri {
        let network = prefix.network().address();
        content.ipv4_prefix(network.addr(), network.prefix_len());
    }
}

fn visit_ipv6(nlri: &[Ipv6UnicastAddress], content: &mut Content) {
    for prefix in nlri {
        let network = prefix.network().address();
        content.ipv6_prefix(network.addr(), network.prefix_len());
    }
}

fn visit_attribute(value: &PathAttributeValue, content: &mut Content) {
    match value {
        PathAttributeValue::Origin(origin) => content.other(*origin as u32),
        PathAttributeValue::AsPath(path) => visit_as_path(path, content),
        PathAttributeValue::As4Path(path) => path
            .segments()
            .iter()
            .flat_map(|segment| segment.as_numbers())
            .for_each(|asn| content.as_number(*asn)),
        PathAttributeValue::NextHop(hop) => content.next_hop(hop.next_hop().into()),
        PathAttributeValue::MultiExitDiscriminator(med) => content.other(med.metric()),
        PathAttributeValue::LocalPreference(preference) => content.other(preference.metric()),
        PathAttributeValue::AtomicAggregate(_) => content.other(1),
        PathAttributeValue::Aggregator(aggregator) => visit_aggregator(aggregator, content),
        PathAttributeValue::Communities(list) => {
            list.communities()
                .iter()
                .for_each(|c| content.community(c.value()));
        }
        PathAttributeValue::ExtendedCommunities(list) => {
            list.communities()
                .iter()
                .for_each(|c| content.extended_community(c));
        }
        PathAttributeValue::ExtendedCommunitiesIpv6(list) => {
            list.communities()
                .iter()
                .for_each(|c| content.extended_community(c));
        }
        PathAttributeValue::LargeCommunities(list) => list.communities().iter().for_each(|c| {
            content.large_community([c.global_admin(), c.local_data1(), c.local_data2()]);
        }),
        PathAttributeValue::Originator(originator) => content.other(originator.id().to_bits()),
        PathAttributeValue::ClusterList(list) => {
            list.cluster_list()
                .iter()
                .for_each(|c| content.other(c.id().to_bits()));
        }
        PathAttributeValue::MpReach(reach) => visit_reach(reach, content),
        PathAttributeValue::MpUnreach(unreach) => visit_unreach(unreach, content),
        PathAttributeValue::OnlyToCustomer(customer) => content.other(customer.asn()),
        PathAttributeValue::BgpLs(_)
        | PathAttributeValue::Aigp(_)
        | PathAttributeValue::PrefixSegmentIdentifier(_)
        | PathAttributeValue::UnknownAttribute(_) => {
            std::hint::black_box(value);
        }
    }
}

fn visit_as_path(path: &AsPath, content: &mut Content) {
    match path {
        AsPath::As2PathSegments(segments) => segments
            .iter()
            .flat_map(|segment| segment.as_numbers())
            .for_each(|asn| content.as_number(u32::from(*asn))),
        AsPath::As4PathSegments(segments) => segments
            .iter()
            .flat_map(|segment| segment.as_numbers())
            .for_each(|asn| content.as_number(*asn)),
    }
}

fn visit_aggregator(aggregator: &Aggregator, content: &mut Content) {
    let (asn, address) = match aggregator {
        Aggregator::As2Aggregator(two) => (u32::from(*two.asn()), two.origin()),
        Aggregator::As4Aggregator(four) => (*four.asn(), four.origin()),
    };
    content.other(asn);
    content.other(address.to_bits());
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "families that this file has none of"
)]
fn visit_reach(reach: &MpReach, content: &mut Content) {
    match reach {
        MpReach::Ipv4Unicast { next_hop, nlri, .. } => {
            content.next_hop(*next_hop);
            visit_ipv4(nlri, content);
        }
        MpReach::Ipv6Unicast {
            next_hop_global,
            next_hop_local,
            nlri,
        } => {
            content.next_hop(IpAddr::V6(*next_hop_global));
            next_hop_local
                .iter()
                .for_each(|hop| content.next_hop(IpAddr::V6(*hop)));
            visit_ipv6(nlri, content);
        }
        other => panic!("not in this file: {other:?}"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "families that this file has none of"
)]
fn visit_unreach(unreach: &MpUnreach, content: &mut Content) {
    match unreach {
        MpUnreach::Ipv4Unicast { nlri } => visit_ipv4(nlri, content),
        MpUnreach::Ipv6Unicast { nlri } => visit_ipv6(nlri, content),
        other => panic!("not in this file: {other:?}"),
    }
}
