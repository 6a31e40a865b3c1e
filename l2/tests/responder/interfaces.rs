//! Interfaces come, go and change.

use l2::MacAddr;
use l2::responder::{Action, AddressState, Event, Interface, InterfaceKind, OnConflict};

use crate::common::frames::{announcement, announcements, question};
use crate::common::{ETH0, ETH1, Node, VIPS, eth, first_ever, ip, taken_over};

fn down(index: u32) -> Interface {
    Interface {
        up: false,
        ..eth(index)
    }
}

#[test]
fn an_address_is_announced_on_a_new_interface_and_only_there() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.run(10_000);
        node.sent();
        node.interfaces(&[eth(ETH0), eth(ETH1)]);
        node.run(10_000);
        let sent = node.sent_when();
        assert_eq!(
            sent.len(),
            announcement(vip).len() * 3,
            "no probes: it is ours"
        );
        assert!(sent.iter().all(|(_, interface, _)| *interface == ETH1));
    }
}

#[test]
fn an_interface_that_was_down_announces_again_and_says_nothing_meanwhile() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.interfaces(&[down(ETH0)]);
        node.hear(&question(vip));
        node.run(10_000);
        assert_eq!((node.sent(), node.responder.poll_timeout()), (vec![], None));
        node.interfaces(&[eth(ETH0)]);
        node.run(10_000);
        assert_eq!(node.sent(), announcements(vip));
        assert_eq!(
            node.states(),
            [AddressState::InterfaceDown, AddressState::Claimed]
        );
    }
}

#[test]
fn a_new_mac_is_announced() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        let mac = MacAddr(0x02, 0, 0, 0, 0, 0x77);
        node.interfaces(&[Interface { mac, ..eth(ETH0) }]);
        node.run(10_000);
        let sent = node.sent();
        assert_eq!(sent.len(), announcement(vip).len() * 3);
        assert!(
            sent.iter()
                .all(|said| said.ends_with(&format!("from {mac}")))
        );
    }
}

#[test]
fn interfaces_that_are_handed_in_again_announce_nothing() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.interfaces(&[eth(ETH0)]);
        let name = "lan0".into();
        node.interfaces(&[Interface { name, ..eth(ETH0) }]);
        node.run(10_000);
        assert_eq!(node.sent(), [""; 0]);
    }
}

#[test]
fn a_link_that_has_moved_to_another_port_of_the_switch_is_announced_anew() {
    for vip in VIPS {
        let mut node = Node::owner(vip, OnConflict::GiveUp);
        node.event(Event::NotifyPeers { interface: ETH1 });
        assert_eq!(node.sent(), [""; 0]);
        node.event(Event::NotifyPeers { interface: ETH0 });
        node.run(10_000);
        assert_eq!(node.sent(), announcements(vip));
    }
}

#[test]
fn a_port_of_a_bridge_and_an_interface_without_arp_say_nothing() {
    for kind in [InterfaceKind::Enslaved, InterfaceKind::WithoutArp] {
        let mut node = Node::new();
        node.interfaces(&[Interface { kind, ..eth(ETH0) }]);
        node.addresses(&[(VIPS[0], taken_over()), (VIPS[1], taken_over())]);
        node.hear(&question(VIPS[0]));
        node.run(10_000);
        assert_eq!(node.sent(), [""; 0]);
        assert_eq!(node.responder.addresses().count(), 0);
    }
}

#[test]
fn without_a_link_local_address_there_is_no_neighbor_discovery_but_arp() {
    let mut node = Node::new();
    let addresses = [ip("10.0.0.1")].into();
    node.interfaces(&[Interface {
        addresses,
        ..eth(ETH0)
    }]);
    node.addresses(&[(VIPS[0], taken_over()), (VIPS[1], taken_over())]);
    assert_eq!(node.sent(), announcement(VIPS[0]));
    assert_eq!(node.state(VIPS[1]), Some(AddressState::InterfaceDown));
    node.interfaces(&[eth(ETH0)]);
    assert_eq!(node.sent(), announcement(VIPS[1]));
}

#[test]
fn an_address_of_the_node_itself_is_left_to_its_kernel() {
    for vip in VIPS {
        let mut node = Node::new();
        let mut eth1 = eth(ETH1);
        eth1.addresses.insert(ip(vip));
        node.interfaces(&[eth(ETH0), eth1]);
        node.addresses(&[(vip, taken_over())]);
        node.hear(&question(vip));
        node.run(5_000);
        assert_eq!(node.sent(), [""; 0]);
        assert_eq!(node.states(), [AddressState::OwnAddress; 2]);
        node.interfaces(&[eth(ETH0)]);
        assert_eq!(node.sent(), announcement(vip));
    }
}

#[test]
fn the_kernel_s_dummy_interface_of_ipvs_does_not_hide_the_addresses_on_it() {
    let mut node = Node::new();
    let mut ipvs = eth(9);
    ipvs.kind = InterfaceKind::WithoutArp;
    ipvs.addresses.insert(ip(VIPS[0]));
    node.interfaces(&[eth(ETH0), ipvs]);
    node.addresses(&[(VIPS[0], taken_over())]);
    assert_eq!(node.sent(), announcement(VIPS[0]));
}

#[test]
fn a_solicited_node_group_is_joined_once_on_every_interface_and_left_with_its_last_address() {
    let interface = ETH0;
    let group = "ff02::1:ff00:7".parse().expect("a group");
    // Both have the same last 24 bits.
    let two = [
        ("2001:db8::7", taken_over()),
        ("2001:db8:1::7", taken_over()),
    ];
    let mut node = Node::new();
    node.addresses(&two);
    assert_eq!(groups(&mut node), [Action::JoinGroup { interface, group }]);
    node.interfaces(&[eth(ETH0), eth(ETH1)]);
    let appears = Action::JoinGroup {
        interface: ETH1,
        group,
    };
    assert_eq!(
        groups(&mut node),
        [appears],
        "on an interface that appears later"
    );
    node.interfaces(&[down(ETH0)]);
    node.addresses(&two[..1]);
    node.interfaces(&[eth(ETH0)]);
    assert_eq!(groups(&mut node), [], "the kernel keeps it");
    node.addresses(&[]);
    assert_eq!(groups(&mut node), [Action::LeaveGroup { interface, group }]);
}

fn groups(node: &mut Node) -> Vec<Action> {
    let is_group =
        |action: &Action| matches!(action, Action::JoinGroup { .. } | Action::LeaveGroup { .. });
    node.actions().into_iter().filter(is_group).collect()
}

#[test]
fn an_address_that_is_ours_on_an_interface_that_is_down_is_announced_on_a_new_one() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.run(10_000);
        node.interfaces(&[down(ETH0)]);
        node.sent();
        node.interfaces(&[down(ETH0), eth(ETH1)]);
        assert_eq!(node.sent().len(), announcement(vip).len());
        node.interfaces(&[eth(ETH0)]);
        assert_eq!(
            node.sent(),
            announcement(vip),
            "nor is it probed where it was"
        );
    }
}

#[test]
fn an_interface_whose_mac_is_no_station_s_says_nothing() {
    for mac in [MacAddr::zero(), MacAddr::broadcast()] {
        let mut node = Node::new();
        node.interfaces(&[Interface { mac, ..eth(ETH0) }]);
        node.addresses(&[(VIPS[0], taken_over())]);
        node.hear(&question(VIPS[0]));
        assert_eq!(node.sent(), [""; 0]);
        assert_eq!(node.state(VIPS[0]), Some(AddressState::InterfaceDown));
    }
}
