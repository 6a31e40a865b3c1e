//! Who gets an answer, and who does not.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use l2::responder::{Address, Interfaces, OnConflict};

use crate::common::frames::{self, ASKER, answer, arp, probe, question};
use crate::common::{ETH1, Node, OURS, STRANGER, VIPS, eth, taken_over};

#[test]
fn a_request_for_an_address_of_ours_is_answered_at_once_with_the_mac_of_the_interface() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.hear(&question(vip));
        assert_eq!(node.sent(), [answer(vip)]);
    }
}

#[test]
fn each_interface_answers_with_its_own_mac() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.interfaces(&[eth(2), eth(ETH1)]);
        node.run(10_000);
        node.sent();
        node.hear_on(ETH1, None, &question(vip));
        let [said] = &node.sent()[..] else {
            panic!("one answer");
        };
        assert_eq!(*said, format!("{} from {}", answer(vip), eth(ETH1).mac));
    }
}

#[test]
fn nobody_else_s_address_is_answered_for() {
    for (ours, other) in [(VIPS[0], "203.0.113.8"), (VIPS[1], "2001:db8::8")] {
        let mut node = Node::owner(ours, OnConflict::GiveUp);
        node.hear(&question(other));
        node.hear(&probe(STRANGER, other));
        assert_eq!(node.sent(), [""; 0]);
    }
}

#[test]
fn an_address_that_has_left_the_set_is_not_answered_for_not_even_from_the_queue() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        let frame = question(vip);
        let received = l2::responder::Received {
            interface: 2,
            vlan: None,
            frame: &frame,
        };
        node.responder.receive(node.now, received);
        node.addresses(&[]);
        node.hear(&question(vip));
        assert_eq!(node.sent(), [""; 0]);
    }
}

#[test]
fn an_address_is_answered_for_on_the_interfaces_it_is_for() {
    for vip in VIPS {
        let mut node = Node::new();
        node.interfaces(&[eth(2), eth(ETH1)]);
        let names = Arc::new(BTreeSet::from(["eth1".into()]));
        let interfaces = Interfaces::Named(names);
        node.addresses(&[(
            vip,
            Address {
                interfaces,
                ..taken_over()
            },
        )]);
        node.run(10_000);
        let announced = node.sent_when();
        assert!(!announced.is_empty());
        assert!(announced.iter().all(|(_, interface, _)| *interface == ETH1));
        node.hear(&question(vip));
        assert_eq!(node.sent(), [""; 0]);
        node.hear_on(ETH1, None, &question(vip));
        assert_eq!(node.sent().len(), 1);
    }
}

#[test]
fn a_probe_for_an_address_of_ours_is_answered() {
    let table = [
        (VIPS[0], format!("reply {} to {STRANGER}", VIPS[0])),
        (VIPS[1], format!("na {} to all", VIPS[1])),
    ];
    for (vip, expected) in table {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.hear(&probe(STRANGER, vip));
        assert_eq!(node.sent(), [expected]);
        assert_eq!(node.states(), [], "a probe claims nothing");
    }
}

#[test]
fn a_frame_of_another_vlan_is_of_another_link_and_a_priority_tag_is_none() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        for (vlan, answers) in [(Some(7), 0), (Some(0), 1), (None, 1)] {
            node.hear_on(2, vlan, &question(vip));
            assert_eq!(node.sent().len(), answers, "{vlan:?}");
        }
    }
}

#[test]
fn a_frame_for_another_station_is_not_answered() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        for (destination, answers) in [(STRANGER, 0), (OURS, 1)] {
            let mut frame = question(vip);
            frame[..6].copy_from_slice(&destination.octets());
            node.hear(&frame);
            assert_eq!(node.sent().len(), answers, "to {destination}");
        }
    }
}

#[test]
fn a_request_from_an_address_that_no_station_can_have_is_not_answered() {
    let vip = VIPS[0].parse().expect("an address");
    let mut node = Node::owner(VIPS[0], OnConflict::GiveUp);
    for sender in ["255.255.255.255", "224.0.0.1", "127.0.0.1", "0.0.0.9"] {
        let sender: Ipv4Addr = sender.parse().expect("an address");
        node.hear(&arp(1, ASKER, sender, vip));
        assert_eq!(node.sent(), [""; 0], "from {sender}");
    }
    node.hear(&arp(2, ASKER, Ipv4Addr::new(203, 0, 113, 1), vip));
    assert_eq!(node.sent(), [""; 0], "a reply asks for nothing");
}

#[test]
fn what_is_malformed_is_counted_and_says_nothing() {
    let mut node = Node::owner(VIPS[1], OnConflict::GiveUp);
    let mut frame = question(VIPS[1]);
    frame[21] = 64;
    node.hear(&frame);
    node.hear(&[0xff; 13]);
    node.hear(&[]);
    assert_eq!(node.sent(), [""; 0]);
    assert_eq!(node.responder.counters().malformed, 1);
}

#[test]
fn requests_and_answers_of_each_address_are_counted() {
    let mut node = Node::owner(VIPS[0], OnConflict::GiveUp);
    for _ in 0..5 {
        node.hear(&question(VIPS[0]));
    }
    let status = node.responder.addresses().next().expect("one address");
    assert!(status.state.is_answered());
    let counters = status.counters;
    assert_eq!((counters.requests, counters.answers), (5, 5));
    assert_eq!((counters.announcements, counters.conflicts), (6, 0));
    assert_eq!(node.responder.addresses().count(), 1);
}

#[test]
fn our_own_kernel_gets_no_answer_on_the_interface_it_asks_on() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        let mut frame = question(vip);
        let hardware = if frame[12] == 0x08 { 22..28 } else { 80..86 };
        frame[hardware].copy_from_slice(&OURS.octets());
        frames::repair(&mut frame);
        node.hear(&frame);
        assert_eq!(node.sent(), [""; 0]);
        assert_eq!(node.responder.counters().malformed, 0);
    }
}
