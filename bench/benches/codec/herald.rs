//! This project's codec.

use bgp::attribute::{MpNextHop, MpReach, MpUnreach, PathAttributes};
use bgp::codec::{self, Rules};
use bgp::message::Message;
use bgp::nlri::Nlri;
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

use crate::content::Content;

fn rules() -> Rules {
    Rules {
        four_octet_as: true,
        ..Rules::default()
    }
}

pub fn parse(octets: &Bytes) -> Message<'_> {
    let decoded = codec::decode(octets, &rules()).expect("a real UPDATE");
    decoded.expect("a whole UPDATE").0
}

pub fn write(message: &Message<'_>, out: &mut BytesMut) {
    out.clear();
    codec::encode(message, &rules(), out).expect("it was read from a message");
}

pub fn visit(octets: &Bytes, content: &mut Content) {
    // By reference, here and for the others: what is measured is not a move.
    let Ok(Some((Message::Update(update), _))) = &codec::decode(octets, &rules()) else {
        panic!("not an UPDATE");
    };
    visit_nlri(&update.withdrawn, content);
    visit_attributes(&update.attributes, content);
    visit_nlri(&update.nlri, content);
}

fn visit_nlri(nlri: &Nlri<'_>, content: &mut Content) {
    for entry in nlri {
        match entry.prefix {
            IpNet::V4(prefix) => content.ipv4_prefix(prefix.addr(), prefix.prefix_len()),
            IpNet::V6(prefix) => content.ipv6_prefix(prefix.addr(), prefix.prefix_len()),
        }
    }
}

/// Exhaustive, so that a new attribute has to be visited too.
fn visit_attributes(attributes: &PathAttributes<'_>, content: &mut Content) {
    let PathAttributes {
        mp_reach,
        mp_unreach,
        origin,
        as_path,
        next_hop,
        med,
        local_pref,
        atomic_aggregate,
        aggregator,
        communities,
        originator_id,
        cluster_list,
        extended_communities,
        as4_path,
        as4_aggregator,
        ipv6_extended_communities,
        aigp,
        large_communities,
        only_to_customer,
        unknown,
    } = attributes;
    origin
        .iter()
        .for_each(|origin| content.other(*origin as u32));
    med.iter().for_each(|med| content.other(med.0));
    local_pref
        .iter()
        .for_each(|preference| content.other(preference.0));
    atomic_aggregate.iter().for_each(|_| content.other(1));
    originator_id
        .iter()
        .for_each(|id| content.other(id.0.to_bits()));
    only_to_customer
        .iter()
        .for_each(|customer| content.other(customer.0.get()));
    for aggregator in aggregator.iter().chain(as4_aggregator.iter().map(|a| &a.0)) {
        content.other(aggregator.asn.get());
        content.other(aggregator.address.to_bits());
    }
    next_hop
        .iter()
        .for_each(|hop| content.next_hop(hop.0.into()));
    for path in as_path.iter().chain(as4_path.iter().map(|path| &path.0)) {
        path.asns().for_each(|asn| content.as_number(asn.get()));
    }
    for community in communities.iter().flat_map(|list| list.iter()) {
        content.community(community.0);
    }
    for c in large_communities.iter().flat_map(|list| list.iter()) {
        content.large_community([c.global_administrator, c.local_data_1, c.local_data_2]);
    }
    for community in extended_communities.iter().flat_map(|list| list.iter()) {
        content.extended_community(community);
    }
    for community in ipv6_extended_communities
        .iter()
        .flat_map(|list| list.iter())
    {
        content.extended_community(community);
    }
    for id in cluster_list.iter().flat_map(|list| list.iter()) {
        content.other(id.0.to_bits());
    }
    std::hint::black_box((aigp, unknown));
    visit_multiprotocol(mp_reach.as_ref(), mp_unreach.as_ref(), content);
}

fn visit_multiprotocol(
    reach: Option<&MpReach<'_>>,
    unreach: Option<&MpUnreach<'_>>,
    content: &mut Content,
) {
    if let Some(MpReach::Routed { next_hop, nlri }) = reach {
        content.next_hop(next_hop.address());
        if let MpNextHop::V6 {
            link_local: Some(address),
            ..
        } = next_hop
        {
            content.next_hop((*address).into());
        }
        visit_nlri(nlri, content);
    }
    if let Some(MpUnreach::Routed(nlri)) = unreach {
        visit_nlri(nlri, content);
    }
}
