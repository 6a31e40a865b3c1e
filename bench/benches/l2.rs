//! A Responder with 1,000 addresses: an answer to a request, from frame to frame; a broadcast for
//! somebody else; a new set that lacks one address.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use l2::MacAddr;
use l2::responder::{
    Address, AddressSet, Claim, Config, Fence, Interface, InterfaceKind, Received, Responder,
};

const ASKER: MacAddr = MacAddr(2, 0, 0, 0, 0, 9);
const ADDRESSES: u32 = 1_000;

fn answers(criterion: &mut Criterion) {
    let name = "an ARP request for one of 1000 addresses";
    answer(criterion, name, request);
    let name = "a solicitation for one of 1000 addresses";
    answer(criterion, name, solicitation);
}

fn answer(criterion: &mut Criterion, name: &str, question: fn(u32) -> Vec<u8>) {
    let (mut responder, mut now) = owner();
    let frames: Vec<Vec<u8>> = (0..ADDRESSES).map(question).collect();
    let mut frames = frames.iter().cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(100);
            let frame = frames.next().map_or(&[][..], Vec::as_slice);
            responder.receive(now, received(frame));
            let answer = responder.poll_transmit(now);
            assert!(answer.is_some());
            answer
        });
    });
}

fn others(criterion: &mut Criterion) {
    let (mut responder, now) = owner();
    let frame = request(ADDRESSES + 7);
    criterion.bench_function("an ARP request for somebody else", |bencher| {
        bencher.iter(|| responder.receive(now, received(black_box(&frame))));
    });
    assert_eq!(responder.poll_transmit(now), None);
}

fn sets(criterion: &mut Criterion) {
    let (mut responder, now) = owner();
    let (all, fewer) = (addresses(ADDRESSES), addresses(ADDRESSES - 1));
    let mut sets = [fewer, all].into_iter().cycle();
    criterion.bench_function("a set of 2000 addresses with two changed", |bencher| {
        bencher.iter(|| {
            let set = sets.next().unwrap_or_default();
            let refused = responder.set_addresses(now, &set);
            while responder.poll_action().is_some() {}
            while responder.poll_transmit(now).is_some() {}
            refused
        });
    });
}

/// It has answered for a while for 1,000 addresses of either family.
fn owner() -> (Responder, Instant) {
    let mut now = Instant::now();
    let config = Config {
        refresh: None,
        ..Config::default()
    };
    let mut responder = Responder::new(config, 1);
    let interface = Interface {
        index: 2,
        name: "eth0".into(),
        mac: MacAddr(2, 0, 0, 0, 0, 1),
        addresses: [IpAddr::from(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))].into(),
        up: true,
        kind: InterfaceKind::Ethernet,
    };
    assert_eq!(responder.set_interfaces(now, &[interface]), 0);
    assert_eq!(responder.set_addresses(now, &addresses(ADDRESSES)), []);
    responder.answers_until(now, Fence::Open);
    while let Some(at) = responder.poll_timeout() {
        now = now.max(at);
        responder.handle_timeout(now);
        while responder.poll_action().is_some() {}
        while responder.poll_transmit(now).is_some() {}
    }
    (responder, now)
}

fn addresses(count: u32) -> Arc<AddressSet> {
    let both = (0..count).flat_map(|n| [IpAddr::V4(v4(n)), IpAddr::V6(v6(n))]);
    Arc::new(
        both.map(|at| (at, Address::new(Claim::TakenOver)))
            .collect(),
    )
}

fn v4(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a01_0000 + number)
}

fn v6(number: u32) -> Ipv6Addr {
    Ipv6Addr::from((0x2001_0db8 << 96) + u128::from(number))
}

fn received(frame: &[u8]) -> Received<'_> {
    Received {
        interface: 2,
        vlan: None,
        frame,
    }
}

fn request(number: u32) -> Vec<u8> {
    let mut frame = [[0xff; 6], ASKER.octets()].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(ASKER.octets());
    frame.extend([10, 0, 0, 9, 0, 0, 0, 0, 0, 0]);
    frame.extend(v4(number).octets());
    frame.resize(60, 0);
    frame
}

/// Of duplicate address detection.
fn solicitation(number: u32) -> Vec<u8> {
    l2::ndp::probe(ASKER, v6(number)).to_vec()
}

criterion_group!(benches, answers, others, sets);
criterion_main!(benches);
