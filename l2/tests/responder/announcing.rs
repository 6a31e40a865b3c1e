//! When an address is announced.

use std::time::Duration;

use l2::responder::{Config, Event};

use crate::common::frames::{announcement, announcements};
use crate::common::{ETH0, Node, VIPS, taken_over};

#[test]
fn an_address_that_is_taken_is_announced_at_0_and_1_1_and_2_2_seconds() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, taken_over())]);
        node.run(100_000);
        let frames = announcement(vip);
        let expected =
            [0, 1_100, 2_200].map(|at| frames.iter().map(move |f| (at, ETH0, f.clone())));
        let expected: Vec<_> = expected.into_iter().flatten().collect();
        assert_eq!(node.sent_when(), expected);
        assert_eq!(node.responder.poll_timeout(), None, "nothing is left to do");
    }
}

#[test]
fn a_set_that_is_handed_in_again_announces_nothing() {
    let mut node = Node::new();
    for _ in 0..50 {
        node.addresses(&[(VIPS[0], taken_over())]);
        node.run(100);
    }
    assert_eq!(node.sent().len(), 3 * 2);
}

#[test]
fn a_second_address_does_not_announce_the_first_again() {
    let mut node = Node::new();
    node.addresses(&[(VIPS[0], taken_over())]);
    node.run(10_000);
    node.sent();
    node.addresses(&[(VIPS[0], taken_over()), (VIPS[1], taken_over())]);
    node.run(10_000);
    assert_eq!(node.sent(), announcements(VIPS[1]));
}

#[test]
fn an_address_that_leaves_ends_its_announcements_and_one_that_comes_back_begins_anew() {
    let mut node = Node::new();
    node.addresses(&[(VIPS[0], taken_over())]);
    node.run(1_000);
    assert_eq!(node.sent(), announcement(VIPS[0]));
    node.addresses(&[]);
    node.run(10_000);
    assert_eq!(node.sent(), [""; 0]);
    node.addresses(&[(VIPS[0], taken_over())]);
    node.run(10_000);
    assert_eq!(node.sent(), announcements(VIPS[0]));
}

#[test]
fn a_refresh_comes_about_every_minute_and_a_thousand_of_them_are_spread() {
    let mut node = Node::with(Config::default());
    let vips: Vec<String> = (0..1_000)
        .map(|n| format!("10.1.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let set: Vec<_> = vips
        .iter()
        .map(|vip| (vip.as_str(), taken_over()))
        .collect();
    node.addresses(&set);
    node.run(3_000);
    node.sent();
    node.run(60_000);
    let first = node.sent_when();
    // Each address at least once, few of them twice.
    assert!((2_000..2_500).contains(&first.len()), "{}", first.len());
    let mut seconds = vec![0; 64];
    first
        .iter()
        .for_each(|(at, ..)| seconds[(at / 1_000) as usize] += 1);
    assert!(seconds.iter().all(|count| *count < 100), "{seconds:?}");
    node.run(600_000);
    let rounds = node.sent().len() / 2_000;
    assert!((10..=14).contains(&rounds), "{rounds}");
}

#[test]
fn the_refresh_can_be_another_one() {
    let refresh = Some(Duration::from_secs(10));
    let config = Config {
        refresh,
        ..Config::default()
    };
    let mut node = Node::with(config);
    node.addresses(&[(VIPS[1], taken_over())]);
    node.run(2_200);
    node.sent();
    node.run(100_000);
    assert!((10..=14).contains(&node.sent().len()));
}

#[test]
fn an_address_is_announced_anew_when_the_caller_says_so() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, taken_over())]);
        node.run(10_000);
        node.sent();
        node.event(Event::Announce(vip.parse().expect("an address")));
        node.run(10_000);
        assert_eq!(node.sent(), announcements(vip));
        node.event(Event::Announce("203.0.113.99".parse().expect("an address")));
        node.run(10_000);
        assert_eq!(node.sent(), [""; 0], "of another address");
    }
}
