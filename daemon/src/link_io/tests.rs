//! The task against real frames, in network namespaces.

mod lab;

use std::time::{Duration, Instant};

use l2::responder::{AddressState, Claim, Fence, Interface, InterfaceKind};

use lab::{CLIENT, NODE, in_lab};

const V4: &str = "203.0.113.7";
const V4_OCTETS: [u8; 4] = [203, 0, 113, 7];
const OTHER_OCTETS: [u8; 4] = [203, 0, 113, 99];
const V6: &str = "fe80::7:7";

#[test]
fn a_host_finds_our_interface_by_arp_and_by_ndp() {
    in_lab(async |lab| {
        lab.join();
        lab.links.set_addresses(lab::set(&[V4, V6]));
        lab.until_claimed(V4).await;
        lab.until_claimed(V6).await;
        let ours = Some("02:00:00:00:00:01".to_owned());
        assert_eq!(lab.found_by_client("client0", V4).await, ours);
        assert_eq!(lab.found_by_client("client0", V6).await, ours);
        lab.links.set_addresses(lab::set(&[]));
        lab.client(|| lab::ip("neighbor flush all"));
        lab.until_sockets(0).await;
        assert_eq!(lab.found_by_client("client0", V4).await, None);
        assert_eq!(lab.found_by_client("client0", V6).await, None);
    });
}

#[test]
fn an_address_is_announced_three_times_and_not_again_with_the_next_set() {
    in_lab(async |lab| {
        lab.join();
        lab.until_interface("node0", |one| one.up).await;
        let witness = lab.witness(V4);
        let begin = Instant::now();
        lab.links.set_addresses(lab::set(&[V4]));
        for operation in [1, 2, 1, 2, 1, 2] {
            let frame = lab::heard(&witness).await;
            assert_eq!((&frame[..6], frame[21]), (&[0xff; 6][..], operation));
            assert_eq!((&frame[6..12], &frame[28..32]), (&NODE[..], &V4_OCTETS[..]));
        }
        assert!(begin.elapsed() >= Duration::from_millis(2_200));
        lab.links.set_addresses(lab::set(&[V4, "203.0.113.8"]));
        lab.until_claimed("203.0.113.8").await;
        // What comes next is an answer, and no announcement.
        let index = lab.client_index("client0");
        witness
            .send(index, &lab::request(V4_OCTETS, None))
            .expect("sent");
        let frame = lab::heard(&witness).await;
        assert_eq!((&frame[..6], frame[21]), (&CLIENT[..], 2));
    });
}

#[test]
fn a_request_of_another_vlan_is_not_answered_and_one_with_a_priority_tag_is() {
    in_lab(async |lab| {
        lab.join();
        lab.links.set_addresses(lab::set(&[V4, "203.0.113.8"]));
        lab.until_claimed(V4).await;
        let (index, witness) = (lab.client_index("client0"), lab.witness("203.0.113.8"));
        let tagged = lab::request(V4_OCTETS, Some(5));
        witness.send(index, &tagged).expect("sent");
        let priority = lab::request([203, 0, 113, 8], Some(0x2000));
        witness.send(index, &priority).expect("sent");
        while lab::heard(&witness).await[..6] != CLIENT {}
        let addresses = lab.report().await.addresses.into_iter();
        let requests: Vec<u64> = addresses.map(|one| one.counters.requests).collect();
        assert_eq!(requests, [0, 1]);
    });
}

#[test]
fn an_interface_that_appears_later_announces_and_joins_its_group() {
    in_lab(async |lab| {
        lab.links.set_addresses(lab::set(&[V4, V6]));
        lab.until_sockets(2).await;
        lab.join();
        lab.until_claimed(V6).await;
        let groups = std::fs::read_to_string("/proc/thread-self/net/igmp6").expect("a list");
        let ours = groups.lines().filter(|line| line.contains("node0"));
        let ours = ours.filter(|line| line.contains("ff0200000000000000000001ff070007"));
        assert_eq!(ours.count(), 1, "{groups}");
        let found = lab.found_by_client("client0", V6).await;
        assert_eq!(found.as_deref(), Some("02:00:00:00:00:01"));
        lab::ip("link delete node0");
        let (mut view, none) = (lab.links.view(), |view: &super::LinkView| {
            view.states.is_empty()
        });
        view.wait_for(none).await.expect("the task runs");
    });
}

#[test]
fn ten_thousand_unrelated_frames_wake_nobody() {
    in_lab(async |lab| {
        lab.join();
        lab.links.set_addresses(lab::set(&[V4]));
        lab.until_claimed(V4).await;
        let (index, witness) = (lab.client_index("client0"), lab.witness(V4));
        let before = lab.report().await.io;
        let unrelated = lab::request(OTHER_OCTETS, None);
        let datagram = [&[0xff; 6][..], &CLIENT, &[8, 0, 0x45], &[0; 60]].concat();
        for _ in 0..5_000 {
            witness.send(index, &unrelated).expect("sent");
            witness.send(index, &datagram).expect("sent");
        }
        witness
            .send(index, &lab::request(V4_OCTETS, None))
            .expect("sent");
        while lab::heard(&witness).await[..6] != CLIENT {}
        let after = lab.report().await.io;
        assert_eq!((after.received - before.received, after.dropped), (1, 0));
        assert!(after.wakes - before.wakes <= 2, "{before:?} {after:?}");
    });
}

#[test]
fn a_raw_socket_is_open_only_while_there_is_an_address_of_its_family() {
    in_lab(async |lab| {
        lab.join();
        lab.until_interface("node0", |one| one.up).await;
        let table = [
            (&[][..], (0, 0)),
            (&[V4], (1, 0)),
            (&[V4, V6], (1, 1)),
            (&[V6], (0, 1)),
            (&[], (0, 0)),
        ];
        for (addresses, expected) in table {
            lab.links.set_addresses(lab::set(addresses));
            lab.report().await;
            assert_eq!(lab::raw_sockets(expected).await, expected, "{addresses:?}");
        }
    });
}

#[test]
fn behind_a_fence_nothing_is_answered_until_it_opens() {
    in_lab(async |lab| {
        lab.join();
        lab.links.set_addresses(lab::set(&[V4]));
        lab.until_claimed(V4).await;
        let until = tokio::time::Instant::now() + Duration::from_millis(100);
        lab.links.set_fence(Fence::Until(until.into_std()));
        lab.until(V4, "node0", |state| state == AddressState::Fenced)
            .await;
        assert_eq!(lab.found_by_client("client0", V4).await, None);
        lab.links.set_fence(Fence::Open);
        lab.until_claimed(V4).await;
        let found = lab.found_by_client("client0", V4).await;
        assert_eq!(found.as_deref(), Some("02:00:00:00:00:01"));
    });
}

#[test]
fn an_address_that_a_stranger_has_is_quarantined_with_its_mac() {
    in_lab(async |lab| {
        lab.join();
        lab.client(|| lab::ip(&format!("address add {V4}/24 dev client0")));
        lab.client(|| lab::ip(&format!("address add {V6}/64 dev client0 nodad")));
        lab.links
            .set_addresses(lab::claim(Claim::FirstEver, &[V4, V6]));
        let by = l2::MacAddr::from(CLIENT);
        for address in [V4, V6] {
            lab.until(address, "node0", |state| {
                state == AddressState::Quarantined { by }
            })
            .await;
        }
    });
}

/// What is true of an interface.
type Is = fn(&Interface) -> bool;

#[test]
fn interfaces_are_as_the_kernel_has_them_now() {
    in_lab(async |lab| {
        lab.join();
        lab.until_interface("lo", |one| one.kind == InterfaceKind::WithoutArp)
            .await;
        let own = lab::address("203.0.113.1");
        let is_ready = |one: &Interface| {
            let speaks = one.up && one.kind == InterfaceKind::Ethernet;
            speaks && one.addresses.contains(&own) && one.mac == l2::MacAddr::from(NODE)
        };
        lab.until_interface("node0", is_ready).await;
        let steps: [(&str, Is); 6] = [
            ("link set node0 down", |one| !one.up),
            ("link set node0 address 02:00:00:00:00:07", |one| {
                one.mac.octets()[5] == 7
            }),
            ("link set node0 up", |one| one.up),
            ("address delete 203.0.113.1/24 dev node0", |one| {
                one.addresses.iter().all(std::net::IpAddr::is_ipv6)
            }),
            ("link set node0 master bridge0", |one| {
                one.kind == InterfaceKind::Enslaved
            }),
            ("link set node0 nomaster", |one| {
                one.kind == InterfaceKind::Ethernet
            }),
        ];
        lab::ip("link add bridge0 type bridge");
        for (command, is_so) in steps {
            lab::ip(command);
            lab.until_interface("node0", is_so).await;
        }
    });
}

#[test]
fn after_more_changes_than_the_kernel_keeps_the_list_is_right_again() {
    in_lab(async |lab| {
        lab.join();
        lab.until_interface("node0", |one| one.up).await;
        // Nobody reads meanwhile: this thread is the runtime's.
        lab::add_links(400);
        assert!(lab::netlink_drops() > 0);
        lab.until_interface("x399", |one| one.up).await;
        lab::ip("link delete x399");
        let mut interfaces = lab.interfaces.clone();
        let whole = interfaces.wait_for(|all| {
            // Loopback, node0, and both ends of each of the 399 pairs that are left.
            all.as_ref()
                .is_some_and(|all| all.list.len() == 2 + 2 * 399)
        });
        let whole = tokio::time::timeout(Duration::from_secs(20), whole).await;
        assert!(whole.is_ok());
    });
}

#[test]
fn the_bridge_answers_and_not_its_port() {
    in_lab(async |lab| {
        lab.join();
        lab::ip("link add bridge0 address 02:00:00:00:00:0b type bridge");
        lab::ip("link set bridge0 up");
        lab::ip("link set node0 master bridge0");
        lab.links.set_addresses(lab::set(&[V4]));
        lab.until(V4, "bridge0", |state| state == AddressState::Claimed)
            .await;
        let found = lab.found_by_client("client0", V4).await;
        assert_eq!(found.as_deref(), Some("02:00:00:00:00:0b"));
    });
}

#[test]
fn behind_a_link_that_has_moved_everything_is_announced_anew() {
    in_lab(async |mut lab| {
        lab.join();
        lab.until_interface("node0", |one| one.up).await;
        let moving = lab.tell_by_hand();
        lab.links.set_addresses(lab::set(&[V4]));
        lab.until_announced(6).await;
        let index = crate::net::interface::index("node0").expect("an interface");
        moving.send_modify(|all| {
            let all = std::sync::Arc::make_mut(all.as_mut().expect("a list"));
            all.moves.insert(index, 1);
        });
        lab.until_announced(12).await;
    });
}

/// Marks the process that runs the next test without the capability.
const WITHOUT: &str = "HERALD_TEST_WITHOUT_NET_RAW";

#[test]
fn without_the_capability_nothing_is_claimed_and_the_trouble_names_it() {
    let is_root = nix::unistd::geteuid().is_root();
    if is_root && std::env::var_os(WITHOUT).is_none() {
        let name =
            "link_io::tests::without_the_capability_nothing_is_claimed_and_the_trouble_names_it";
        return lab::again_without_net_raw(WITHOUT, name);
    }
    in_lab(async |lab| {
        lab.join();
        lab.links.set_addresses(lab::set(&[V4]));
        let mut view = lab.links.view();
        let troubled = view.wait_for(|view| view.trouble.is_some()).await;
        let trouble = troubled.expect("the task runs").trouble.clone();
        assert!(trouble.is_some_and(|text| text.contains("NET_RAW")));
        lab.until(V4, "node0", |state| state == AddressState::Fenced)
            .await;
        assert_eq!(lab.report().await.sockets, 0);
        lab.links.set_addresses(lab::set(&[]));
        let calm = view.wait_for(|view| view.trouble.is_none()).await;
        assert!(calm.is_ok());
    });
}
