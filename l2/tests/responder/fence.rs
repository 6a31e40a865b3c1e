//! A node that cannot know whether it is still the owner says nothing.

use std::time::Duration;

use l2::responder::{AddressState, Fence, OnConflict};

use crate::common::frames::{announcement, answer, claim, our_probe, probe, question};
use crate::common::{ETH0, Node, STRANGER, VIPS, first_ever, ip, taken_over};

const MARGIN: Duration = Duration::from_millis(400);

#[test]
fn until_the_fence_is_opened_nothing_is_said() {
    for vip in VIPS {
        let mut node = Node::new();
        node.fence(Fence::Closed);
        node.addresses(&[(vip, taken_over())]);
        node.hear(&question(vip));
        node.run(10_000);
        assert_eq!((node.sent(), node.responder.poll_timeout()), (vec![], None));
        assert_eq!(node.state(vip), Some(AddressState::Fenced));
        node.fence(Fence::Open);
        assert_eq!(node.sent(), announcement(vip));
    }
}

#[test]
fn from_the_moment_of_the_fence_on_nothing_is_answered_or_defended() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::Defend);
        node.fence(Fence::Until(node.now + MARGIN));
        let answered = |node: &Node| node.responder.is_answered(node.now, ETH0, ip(vip));
        node.freeze(399);
        assert!(answered(&node));
        node.hear(&question(vip));
        assert_eq!(node.sent(), [answer(vip)]);
        node.freeze(1);
        assert!(!answered(&node));
        for frame in [question(vip), claim(STRANGER, vip), probe(STRANGER, vip)] {
            node.hear(&frame);
        }
        assert_eq!(node.sent(), [""; 0]);
        assert_eq!(node.states(), [AddressState::Fenced]);
    }
}

#[test]
fn what_waits_to_be_sent_when_the_fence_closes_is_thrown_away() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.fence(Fence::Until(node.now + MARGIN));
        let frame = question(vip);
        let received = l2::responder::Received {
            interface: 2,
            vlan: None,
            frame: &frame,
        };
        node.responder.receive(node.now, received);
        assert_eq!(node.responder.poll_transmit(node.now + MARGIN), None);
    }
}

#[test]
fn a_fence_that_is_put_off_in_time_changes_nothing() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        for _ in 0..100 {
            node.fence(Fence::Until(node.now + MARGIN));
            node.run(100);
        }
        assert_eq!((node.sent(), node.actions()), (vec![], vec![]));
    }
}

#[test]
fn a_node_that_was_frozen_is_silent_and_announces_anew_when_it_is_the_owner_again() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.fence(Fence::Until(node.now + MARGIN));
        node.freeze(30_000);
        // What has waited in the socket meanwhile.
        for frame in [question(vip), claim(STRANGER, vip)] {
            node.hear(&frame);
        }
        assert_eq!(node.sent(), [""; 0]);
        node.fence(Fence::Until(node.now + MARGIN));
        assert_eq!(node.sent(), announcement(vip));
    }
}

#[test]
fn a_node_that_was_frozen_and_is_no_longer_the_owner_never_answers_again() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.fence(Fence::Until(node.now + MARGIN));
        node.freeze(30_000);
        node.addresses(&[]);
        node.fence(Fence::Open);
        node.hear(&question(vip));
        node.run(10_000);
        assert_eq!(node.sent(), [""; 0]);
    }
}

#[test]
fn probing_begins_anew_behind_the_fence_and_a_quarantine_goes_on() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.run(500);
        node.sent();
        node.fence(Fence::Closed);
        node.fence(Fence::Open);
        node.run(200);
        node.hear(&claim(STRANGER, vip));
        node.fence(Fence::Closed);
        node.run(5_000);
        node.fence(Fence::Open);
        assert_eq!(
            node.state(vip),
            Some(AddressState::Quarantined { by: STRANGER })
        );
        node.run(7_000);
        assert_eq!(node.state(vip), Some(AddressState::Claimed));
        let sent = node.sent();
        let probes = sent.iter().filter(|said| **said == our_probe(vip));
        assert_eq!(probes.count(), 1 + 3, "{sent:?}");
    }
}

#[test]
fn a_fence_that_is_closed_by_hand_is_closed_at_once_and_then_opens_as_any() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.fence(Fence::Closed);
        assert_eq!(node.states(), [AddressState::Fenced]);
        node.hear(&question(vip));
        assert_eq!(node.sent(), [""; 0]);
        node.fence(Fence::Open);
        assert_eq!(node.sent(), announcement(vip));
    }
}

#[test]
fn an_address_that_has_been_probed_once_is_not_probed_again_behind_the_fence() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.run(5_000);
        node.sent();
        node.fence(Fence::Closed);
        node.fence(Fence::Open);
        assert_eq!(node.sent(), announcement(vip));
    }
}
