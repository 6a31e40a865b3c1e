//! Adj-RIB-Out: the difference between what is wanted and what the peer holds, packed into UPDATEs.
//!
//! `initial` sends a whole set to a peer that holds nothing; `one_changed` takes the peer from one
//! set to another that lacks one route.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bgp::adj_out::AdjOut;
use bgp::capability::Capability;
use bgp::message::open::Open;
use bgp::peer::LocalAddresses;
use bgp::{Asn, BgpIdentifier, Family, HoldTime, Negotiated, RouteAttributes, RouteSet};
use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Sets of attributes that the routes share.
const ATTRIBUTE_SETS: u32 = 16;

fn adj_out(criterion: &mut Criterion) {
    let negotiated = negotiated();
    let mut group = criterion.benchmark_group("adj_out");
    for count in [1_000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(u64::from(count)));
        let (all, fewer) = (Arc::new(routes(count)), Arc::new(routes(count - 1)));
        group.bench_with_input(BenchmarkId::new("initial", count), &all, |bench, all| {
            bench.iter(|| black_box(send(&mut empty(&negotiated), all)));
        });
        group.bench_with_input(
            BenchmarkId::new("one_changed", count),
            &all,
            |bench, all| {
                let converged = || {
                    let mut adj_out = empty(&negotiated);
                    send(&mut adj_out, all);
                    adj_out
                };
                bench.iter_batched_ref(
                    converged,
                    |adj_out| black_box(send(adj_out, &fewer)),
                    BatchSize::LargeInput,
                );
            },
        );
    }
    group.finish();
}

fn empty(negotiated: &Negotiated) -> AdjOut {
    let local = LocalAddresses::default().with_session(Ipv4Addr::new(10, 0, 0, 1).into());
    AdjOut::new(negotiated, local, None)
}

/// Octets sent, at most one transmit buffer at a time.
fn send(adj_out: &mut AdjOut, routes: &Arc<RouteSet>) -> usize {
    adj_out.set_routes(routes);
    let mut octets = BytesMut::new();
    let mut total = 0;
    while adj_out.is_pending() {
        octets.clear();
        adj_out.write(&mut octets, bgp::peer::TRANSMIT_CHUNK);
        total += octets.len();
    }
    total
}

fn routes(count: u32) -> RouteSet {
    let sets: Vec<Arc<RouteAttributes>> = (0..ATTRIBUTE_SETS)
        .map(|med| {
            Arc::new(RouteAttributes {
                med: Some(med),
                ..RouteAttributes::default()
            })
        })
        .collect();
    (0..count)
        .zip(sets.iter().cycle())
        .filter_map(|(index, attributes)| {
            let net = ipnet::Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + index), 32).ok()?;
            Some((net.into(), Arc::clone(attributes)))
        })
        .collect()
}

fn negotiated() -> Negotiated {
    let open = |number: u16| Open {
        my_as: number,
        hold_time: HoldTime::DEFAULT,
        identifier: BgpIdentifier::new(Ipv4Addr::from(u32::from(number))).expect("not zero"),
        capabilities: vec![
            Capability::Multiprotocol(Family::Ipv4Unicast.afi_safi()),
            Capability::FourOctetAs(Asn::new(u32::from(number)).expect("not zero")),
        ],
    };
    Negotiated::new(&open(65001), &open(65002), None).expect("they agree on IPv4 unicast")
}

criterion_group!(benches, adj_out);
criterion_main!(benches);
