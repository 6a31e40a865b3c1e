//! What is too much.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use l2::responder::{
    AddressSet, AddressState, Config, MAX_ADDRESSES, MAX_INTERFACES, MAX_QUEUE, OnConflict,
    Probing, Received, Refusal,
};

use crate::common::frames::{announcements, question};
use crate::common::{ETH0, Node, VIPS, eth, first_ever, set, taken_over};

fn many(count: usize) -> Arc<AddressSet> {
    let vip = |n: usize| IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + n as u32));
    Arc::new((0..count).map(|n| (vip(n), taken_over())).collect())
}

#[test]
fn a_storm_of_requests_gets_as_many_answers_as_the_bound_says_and_the_rest_is_counted() {
    let answers_per_second = NonZeroU32::new(1_000).expect("not zero");
    let mut node = Node::with(Config {
        answers_per_second,
        refresh: None,
        ..Config::default()
    });
    node.addresses(&[(VIPS[0], taken_over())]);
    node.run(10_000);
    node.sent();
    let frame = question(VIPS[0]);
    for _ in 0..50_000 {
        node.now += Duration::from_micros(20);
        node.hear(&frame);
    }
    let answers = node.sent().len();
    assert!((1_000..=1_101).contains(&answers), "{answers}");
    assert_eq!(
        node.responder.counters().suppressed,
        50_000 - answers as u64
    );
}

#[test]
fn ten_thousand_requests_a_second_are_all_answered() {
    let mut node = Node::owner(VIPS[0], OnConflict::GiveUp);
    let frame = question(VIPS[0]);
    for _ in 0..20_000 {
        node.now += Duration::from_micros(100);
        node.hear(&frame);
    }
    assert_eq!(node.sent().len(), 20_000);
}

#[test]
fn frames_that_nobody_fetches_are_bounded() {
    let answers_per_second = NonZeroU32::MAX;
    let mut node = Node::with(Config {
        answers_per_second,
        ..Config::default()
    });
    node.addresses(&[(VIPS[0], taken_over())]);
    node.run(10_000);
    node.sent();
    let frame = question(VIPS[0]);
    let received = Received {
        interface: ETH0,
        vlan: None,
        frame: &frame,
    };
    for _ in 0..10 * MAX_QUEUE {
        node.responder.receive(node.now, received);
    }
    assert_eq!(
        node.responder.poll_timeout(),
        None,
        "no timer can be served"
    );
    let fetched = std::iter::from_fn(|| node.responder.poll_transmit(node.now)).count();
    assert_eq!(fetched, MAX_QUEUE);
    assert!(node.responder.poll_timeout().is_some());
}

#[test]
fn a_thousand_addresses_are_announced_within_half_a_second_and_no_faster_than_the_bound() {
    let mut node = Node::new();
    assert_eq!(node.responder.set_addresses(node.now, &many(1_000)), []);
    node.run(0);
    let at_once = node.sent().len();
    assert!(at_once <= 1_002, "{at_once}");
    node.run(500);
    assert_eq!(at_once + node.sent().len(), 2_000);
}

#[test]
fn addresses_above_the_bound_are_named_and_the_others_are_served() {
    let mut node = Node::new();
    let refused = node
        .responder
        .set_addresses(node.now, &many(MAX_ADDRESSES + 2));
    assert_eq!(refused.len(), 2);
    assert!(
        refused
            .iter()
            .all(|refused| refused.reason == Refusal::TooMany)
    );
    assert_eq!(node.responder.addresses().count(), MAX_ADDRESSES);
}

#[test]
fn an_address_that_no_station_can_have_is_refused_and_never_answered_for() {
    let vip = "224.0.0.5";
    let mut node = Node::new();
    let refused = node
        .responder
        .set_addresses(node.now, &set(&[(vip, taken_over())]));
    let [refused] = refused[..] else {
        panic!("one is refused");
    };
    assert_eq!(refused.reason, Refusal::NotUnicast);
    node.hear(&question(vip));
    node.run(10_000);
    assert_eq!(node.sent(), [""; 0]);
}

#[test]
fn interfaces_above_the_bound_are_left_out_and_counted() {
    let mut node = Node::new();
    let interfaces: Vec<_> = (2..MAX_INTERFACES as u32 + 5).map(eth).collect();
    assert_eq!(node.responder.set_interfaces(node.now, &interfaces), 3);
    node.addresses(&[(VIPS[0], taken_over())]);
    assert_eq!(node.responder.addresses().count(), MAX_INTERFACES);
}

#[test]
fn times_without_measure_are_taken_for_the_bounds() {
    for (time, frames) in [(Duration::ZERO, 100..=140), (Duration::MAX, 0..=0)] {
        let refresh = Some(time);
        let probing = Probing {
            num: 0,
            wait: time,
            min: time,
            max: time,
            announce_wait: time,
        };
        let mut node = Node::with(Config {
            refresh,
            probing,
            ..Config::default()
        });
        node.addresses(&[(VIPS[1], first_ever())]);
        // One of the 60 seconds at most that it waits.
        node.run(60_000 + 2_200);
        assert_eq!(node.state(VIPS[1]), Some(AddressState::Claimed));
        node.sent();
        node.run(100_000);
        let sent = node.sent().len();
        assert!(frames.contains(&sent), "{sent}");
    }
}

#[test]
fn an_announcement_waits_for_room_in_the_queue_and_is_not_lost() {
    let mut node = Node::owner(VIPS[0], OnConflict::GiveUp);
    let frame = question(VIPS[0]);
    let received = Received {
        interface: ETH0,
        vlan: None,
        frame: &frame,
    };
    while node.responder.counters().suppressed == 0 {
        node.now += Duration::from_micros(50);
        node.responder.receive(node.now, received);
    }
    let both = set(&[(VIPS[0], taken_over()), (VIPS[1], taken_over())]);
    assert_eq!(node.responder.set_addresses(node.now, &both), []);
    node.run(0);
    let fetched = std::iter::from_fn(|| node.responder.poll_transmit(node.now)).count();
    assert_eq!(fetched, MAX_QUEUE);
    node.run(10_000);
    assert_eq!(node.sent(), announcements(VIPS[1]));
}

#[test]
fn an_address_is_refreshed_for_hours() {
    let mut node = Node::with(Config::default());
    node.addresses(&[(VIPS[1], taken_over())]);
    node.run(6 * 3_600_000);
    let refreshes = node.sent().len() as u32;
    assert!((6 * 60..=6 * 80 + 4).contains(&refreshes), "{refreshes}");
}
