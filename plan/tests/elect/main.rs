//! Who answers for an address by ARP or NDP.

mod elector;
mod failback;
mod worlds;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plan::elect::{Electorate, Interfaces, NotElected};
use plan::health::{self, Why};
use plan::world::{ExternalTrafficPolicy, Links, Liveness, Node, Ready, Service};
use worlds::{VIP, advertise, edit, elect, endpoints, live, named, prefer, service, world};

/// The vector is made with MetalLB's formula, and agrees with its TestShouldAnnounceFromNodes.
#[test]
fn among_equals_the_owner_is_metallbs() {
    let election = elect(&world(&["iris1", "iris2"]), &service());
    assert_eq!(election.owner.as_deref(), Some("iris2"));
    let other = NotElected::OtherNode("iris2".into());
    assert_eq!(election.others, [("iris1".into(), other)].into());
}

#[test]
fn a_node_that_goes_moves_its_own_addresses_only() {
    let names = ["n1", "n2", "n3", "n4", "n5"];
    let owner = |names: &[&str], host: u8| {
        let key = IpAddr::V4(Ipv4Addr::new(10, 20, 30, host));
        let world = world(names);
        let electorate = Electorate::new(&world, None, health::Options::default());
        electorate.elect(key, &[&service()]).owner
    };
    let mut owners = std::collections::BTreeSet::new();
    for host in 0..=255 {
        let before = owner(&names, host);
        let after = owner(&names[1..], host);
        assert!(before == after || before.as_deref() == Some("n1"), "{host}");
        owners.insert(before);
    }
    assert_eq!(owners.len(), names.len(), "each has some");
}

#[test]
fn of_thirteen_nodes_four_not_ready_and_cordoned_never_own_an_address() {
    let names: Vec<String> = (1..=13).map(|index| format!("node-{index:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bad = ["node-02", "node-05", "node-08", "node-13"];
    for liveness in [Liveness::Off, live(&names)] {
        let mut world = world(&names);
        world.liveness = liveness;
        for name in bad {
            edit(&mut world, name, |node| {
                node.unschedulable = true;
                node.ready = Ready::Unknown;
            });
        }
        let electorate = Electorate::new(&world, None, health::Options::default());
        for host in 0..=255 {
            let key = IpAddr::V4(Ipv4Addr::new(10, 20, 30, host));
            let election = electorate.elect(key, &[&service()]);
            let owner = election.owner.expect("an owner");
            assert!(!bad.contains(&&*owner), "{host}: {owner}");
            for name in bad {
                let why = NotElected::Node(Why::NodeReadyUnknown);
                assert_eq!(election.others[name], why);
            }
        }
    }
}

#[test]
fn the_best_class_that_there_is_serves() {
    let cordon = |node: &mut Node| node.unschedulable = true;
    let fail = |node: &mut Node| node.ready = Ready::False;
    let exclude = |node: &mut Node| node.network_unavailable = true;
    type Row<'a> = (&'a [(&'a str, fn(&mut Node))], Option<&'a str>);
    let table: [Row<'_>; 5] = [
        (&[("iris2", cordon)], Some("iris1")),
        (&[("iris1", cordon), ("iris2", cordon)], Some("iris2")),
        (&[("iris1", cordon), ("iris2", fail)], Some("iris1")),
        (&[("iris1", fail), ("iris2", fail)], Some("iris2")),
        (&[("iris1", exclude), ("iris2", exclude)], None),
    ];
    for (edits, owner) in table {
        let mut world = world(&["iris1", "iris2"]);
        for (name, change) in edits {
            edit(&mut world, name, change);
        }
        assert_eq!(elect(&world, &service()).owner.as_deref(), owner);
    }
}

#[test]
fn liveness_switched_off_is_not_nobody_alive() {
    let mut world = world(&["iris1", "iris2"]);
    let table = [
        (Liveness::Off, "iris2"),
        (live(&["iris1"]), "iris1"),
        (live(&[]), "iris2"),
    ];
    for (liveness, owner) in table {
        world.liveness = liveness;
        let elected = elect(&world, &service()).owner;
        assert_eq!(elected.as_deref(), Some(owner), "{:?}", world.liveness);
    }
}

#[test]
fn a_node_whose_speaker_is_gone_is_no_candidate_where_another_answers() {
    let mut world = world(&["iris1", "iris2"]);
    world.liveness = live(&["iris1"]);
    edit(&mut world, "iris1", |node| node.ready = Ready::False);
    let election = elect(&world, &service());
    assert_eq!(election.owner.as_deref(), Some("iris1"));
    let why = NotElected::Node(Why::SpeakerNotLive);
    assert_eq!(election.others["iris2"], why);
    // Nor where that one may not.
    edit(&mut world, "iris1", |node| node.network_unavailable = true);
    let election = elect(&world, &service());
    assert_eq!(election.owner, None);
    assert_eq!(election.others["iris2"], why);
}

#[test]
fn a_local_service_is_owned_where_it_has_a_usable_endpoint() {
    let mut local = service();
    local.external_traffic_policy = ExternalTrafficPolicy::Local;
    let mut world = world(&["iris1", "iris2"]);
    endpoints(&mut world, &["iris1", "iris1"]);
    let election = elect(&world, &local);
    assert_eq!(election.owner.as_deref(), Some("iris1"));
    assert_eq!(election.others["iris2"], NotElected::NoLocalEndpoints);
    endpoints(&mut world, &[]);
    let election = elect(&world, &local);
    assert_eq!(election.owner, None);
    assert_eq!(election.others["iris2"], NotElected::NoEndpoints);
}

#[test]
fn preferences_count_before_the_hash_and_after_the_class() {
    let mut world = world(&["iris1", "iris2", "iris3"]);
    advertise(&mut world, |ad| {
        ad.preferred_nodes = vec![
            prefer("iris1", 30),
            prefer("iris3", 20),
            prefer("iris3", 20),
        ];
    });
    assert_eq!(elect(&world, &service()).owner.as_deref(), Some("iris3"));
    edit(&mut world, "iris3", |node| node.unschedulable = true);
    assert_eq!(elect(&world, &service()).owner.as_deref(), Some("iris1"));
}

#[test]
fn only_nodes_and_services_that_an_advertisement_selects_take_part() {
    let mut world = world(&["iris1", "iris2"]);
    advertise(&mut world, |ad| ad.node_selectors = vec![named("iris1")]);
    let election = elect(&world, &service());
    assert_eq!(election.owner.as_deref(), Some("iris1"));
    assert_eq!(election.others["iris2"], NotElected::NotOwner);
    advertise(&mut world, |ad| {
        ad.service_selectors = vec![named("another")]
    });
    let election = elect(&world, &service());
    assert_eq!(
        election.others["iris1"],
        NotElected::NoMatchingAdvertisement
    );
    advertise(&mut world, |ad| ad.service_selectors = vec![named("web")]);
    let shared = Service {
        sharing_key: Some("key".into()),
        ..service()
    };
    let refused = &elect(&world, &shared).others["iris1"];
    assert_eq!(refused.word(), "sharedIPWithServiceSelector");
    let electorate = Electorate::new(&world, None, health::Options::default());
    let election = electorate.elect(IpAddr::V4(Ipv4Addr::LOCALHOST), &[&service()]);
    assert_eq!(election.others["iris1"], NotElected::IpNotAllowed);
}

/// Cluster and Local on one address, while they are being changed: one owner, which serves both.
#[test]
fn sharers_that_disagree_have_one_owner_that_serves_them_all() {
    let mut world = world(&["iris1", "iris2"]);
    endpoints(&mut world, &["iris1"]);
    let mut local = service();
    local.external_traffic_policy = ExternalTrafficPolicy::Local;
    let electorate = Electorate::new(&world, None, health::Options::default());
    for holders in [[&service(), &local], [&local, &service()]] {
        assert_eq!(
            electorate.elect(VIP, &holders).owner.as_deref(),
            Some("iris1")
        );
    }
}

#[test]
fn for_an_address_that_a_node_has_itself_no_other_answers() {
    let mut world = world(&["iris1", "iris2"]);
    for owner in ["iris1", "iris2"] {
        edit(&mut world, owner, |node| node.internal_ips = vec![VIP]);
        let election = elect(&world, &service());
        assert_eq!(election.owner.as_deref(), Some(owner));
        let why: Vec<&NotElected> = election.others.values().collect();
        assert_eq!(why, [&NotElected::NodeAddress(owner.into())]);
        // Nor where that one cannot.
        edit(&mut world, owner, |node| node.network_unavailable = true);
        assert_eq!(elect(&world, &service()).owner, None);
        edit(&mut world, owner, |node| {
            node.internal_ips.clear();
            node.network_unavailable = false;
        });
    }
}

#[test]
fn a_machine_without_node_objects_answers() {
    let world = world(&[]);
    let electorate = Electorate::new(&world, Some("me"), health::Options::default());
    let owner = electorate.elect(VIP, &[&service()]).owner;
    assert_eq!(owner.as_deref(), Some("me"));
}

#[test]
fn a_node_without_the_interface_is_no_candidate() {
    let mut world = world(&["iris1", "iris2"]);
    let interfaces = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    advertise(&mut world, |ad| {
        ad.interfaces = interfaces(&["eth1", "eth2"])
    });
    type Row<'a> = (&'a [(&'a str, &'a [&'a str])], Option<&'a str>);
    let table: [Row<'_>; 5] = [
        (&[], Some("iris2")),
        (&[("iris2", &["eth0"])], Some("iris1")),
        (&[("iris2", &["eth0", "eth2"])], Some("iris2")),
        (&[("iris2", &[]), ("iris1", &["eth1"])], Some("iris1")),
        (&[("iris2", &["eth0"]), ("iris1", &["eth0"])], None),
    ];
    for (told, owner) in table {
        let told = told.iter();
        world.links = Arc::new(Links {
            interfaces: told
                .map(|(node, names)| (Arc::from(*node), interfaces(names)))
                .collect(),
            ..Links::default()
        });
        let election = elect(&world, &service());
        assert_eq!(election.owner.as_deref(), owner, "{:?}", world.links);
        for (node, reason) in election.others {
            let expected = match owner {
                Some(owner)
                    if world
                        .links
                        .interfaces
                        .get(&node)
                        .is_none_or(|names| names.contains("eth1")) =>
                {
                    NotElected::OtherNode(owner.into())
                }
                Some(_) | None => NotElected::NoInterface,
            };
            assert_eq!(reason, expected, "{node}");
        }
    }
}

#[test]
fn the_interfaces_of_all_advertisements_together_are_answered_on() {
    let mut world = world(&["iris1", "iris2"]);
    advertise(&mut world, |ad| ad.interfaces = ["eth1".into()].into());
    let of = |world: &plan::World| {
        let electorate = Electorate::new(world, None, health::Options::default());
        electorate.interfaces("iris1", VIP, &[&service()])
    };
    let named = |names: &[&str]| {
        let names = names.iter().map(|name| Arc::from(*name));
        Some(Interfaces::Named(Arc::new(names.collect())))
    };
    assert_eq!(of(&world), named(&["eth1"]));
    let first = Arc::clone(&world.l2_advertisements["ad"]);
    advertise(&mut world, |ad| ad.interfaces = ["eth2".into()].into());
    let both = Arc::make_mut(&mut world.l2_advertisements);
    both.insert("first".into(), Arc::clone(&first));
    assert_eq!(of(&world), named(&["eth1", "eth2"]));
    advertise(&mut world, |_| {});
    let both = Arc::make_mut(&mut world.l2_advertisements);
    both.insert("first".into(), first);
    assert_eq!(of(&world), Some(Interfaces::All));
    advertise(&mut world, |ad| {
        ad.node_selectors = vec![self::named("iris2")]
    });
    assert_eq!(of(&world), None);
}
