//! Manifests in the shapes that people have them in, and what they come to mean.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use controller::file::{self, Snapshot};
use controller::record::{Assignment, Assignments};
use controller::{Options, Severity};
use plan::labels::{LabelSelector, Operator, Requirement};
use plan::world::{
    Community, ExternalTrafficPolicy, IpFamily, IpFamilyPolicy, ObjectName, PeerAsn, Protocol,
    Ready, Service, World,
};

#[test]
fn every_field_of_a_pool_is_read() {
    let world = clean(include_str!("data/good/configuration.yaml"));
    let pool = &world.pools["first"];
    let ranges: Vec<String> = pool
        .ranges
        .iter()
        .map(|range| format!("{}-{}", range.first, range.last))
        .collect();
    assert_eq!(
        ranges,
        [
            "203.0.113.0-203.0.113.31",
            "203.0.113.100-203.0.113.110",
            "2001:db8::-2001:db8::ff"
        ]
    );
    assert!(!pool.auto_assign && pool.avoid_buggy_ips && pool.share_across_namespaces);
    assert_eq!(pool.labels.get("zone"), Some("east"));
    let allocation = pool.service_allocation.as_ref().expect("there");
    assert_eq!(allocation.priority, Some(50));
    assert_eq!(
        allocation.namespaces,
        BTreeSet::from(["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(allocation.namespace_selectors, [labelled("team", "x")]);
    assert_eq!(allocation.service_selectors.len(), 1);
    let unpinned = &world.pools["second"];
    assert!(unpinned.auto_assign && unpinned.service_allocation.is_none());
}

#[test]
fn every_field_of_a_peer_is_read() {
    let world = clean(include_str!("data/good/configuration.yaml"));
    let peer = &world.peers["full"];
    assert_eq!(
        (peer.my_asn, peer.peer_asn),
        (64512, PeerAsn::Exactly(4_200_000_000))
    );
    assert_eq!((peer.address, peer.port), (ip("2001:db8:1::1"), 1790));
    assert_eq!(peer.source_address, Some(ip("2001:db8:1::2")));
    assert_eq!(
        (peer.hold_time, peer.keepalive_time, peer.connect_time),
        (Some(9), Some(3), Some(5))
    );
    assert_eq!(
        peer.router_id.map(|id| id.to_string()).as_deref(),
        Some("10.0.0.1")
    );
    let password = plan::world::Password("from-the-secret".into());
    assert_eq!(peer.password, Some(password));
    assert!(peer.graceful_restart && !peer.passive && !peer.ebgp_multihop);
    assert_eq!(
        (peer.graceful_restart_time, peer.long_lived_stale_time),
        (60, 3600)
    );
    assert_eq!(peer.ttl_security, Some(2));
    assert_eq!(
        peer.families,
        BTreeSet::from([IpFamily::IPv4, IpFamily::IPv6])
    );
    let requirement = Requirement {
        key: "rack".into(),
        operator: Operator::In,
        values: vec!["1".into()],
    };
    assert_eq!(peer.node_selectors[0].match_expressions, [requirement]);
}

#[test]
fn peers_have_defaults_and_dynamic_as_numbers() {
    let world = clean(include_str!("data/good/configuration.yaml"));
    let plain = &world.peers["plain"];
    assert_eq!(
        (plain.port, plain.hold_time, plain.graceful_restart_time),
        (179, None, 120)
    );
    assert_eq!(plain.families, BTreeSet::from([IpFamily::IPv4]));
    let dynamic = &world.peers["link-local"];
    assert!(dynamic.passive);
    assert_eq!(dynamic.peer_asn, PeerAsn::External);
    assert_eq!(
        (dynamic.address, dynamic.zone.as_deref()),
        (ip("fe80::1"), Some("eth0"))
    );
    assert_eq!(
        dynamic.hold_time,
        Some(30),
        "three times the keepaliveTime that is given alone"
    );
}

#[test]
fn every_field_of_an_advertisement_is_read() {
    let world = clean(include_str!("data/good/configuration.yaml"));
    let ad = &world.bgp_advertisements["full"];
    assert_eq!((ad.aggregation_length, ad.aggregation_length_v6), (30, 124));
    assert_eq!(
        (ad.local_pref, ad.med, ad.as_path_prepend),
        (Some(200), Some(10), 2)
    );
    assert_eq!(
        ad.communities,
        [
            Community::Standard(64512 << 16 | 1),
            Community::Standard(64512 << 16 | 7),
            Community::Standard(0xFFFF_FF01),
            Community::Large(64512, 1, 2),
        ]
    );
    assert_eq!(ad.pools.names, BTreeSet::from([Arc::from("first")]));
    assert_eq!(ad.pools.selectors, [labelled("zone", "east")]);
    assert_eq!(
        ad.peers,
        BTreeSet::from([Arc::from("full"), Arc::from("plain")])
    );
    let empty = &world.bgp_advertisements["everything"];
    assert_eq!((empty.aggregation_length, empty.local_pref), (32, None));
    assert!(empty.pools.names.is_empty() && empty.peers.is_empty());
}

#[test]
fn a_service_as_the_api_server_gives_it_out_is_read() {
    let snapshot = read(include_str!("data/good/dump.yaml"));
    let errors: Vec<_> = snapshot
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let service = service(&snapshot.world, "web");
    assert!(service.wants_address);
    assert_eq!(service.ip_families, [IpFamily::IPv4, IpFamily::IPv6].into());
    assert_eq!(service.ip_family_policy, IpFamilyPolicy::PreferDualStack);
    assert_eq!(
        service.external_traffic_policy,
        ExternalTrafficPolicy::Local
    );
    assert_eq!(
        service.ports[..],
        [(Protocol::Tcp, 443), (Protocol::Udp, 443)]
    );
    assert_eq!(service.sharing_key.as_deref(), Some("key"));
    assert_eq!(
        service.assigned[..],
        [ip("203.0.113.9")],
        "its status, as nothing is recorded"
    );
    assert_eq!(service.assigned_pool.as_deref(), Some("first"));
    let node = &snapshot.world.nodes["node-1"];
    assert_eq!(node.ready, Ready::False);
    assert!(node.unschedulable && node.out_of_service && node.network_unavailable);
    assert_eq!(node.internal_ips, [ip("10.0.0.1")]);
    assert_eq!(snapshot.world.namespaces["default"].get("team"), Some("x"));
    let slice = snapshot.world.endpoint_slices.values().next().expect("one");
    assert_eq!(
        (slice.endpoints[0].ready, slice.endpoints[0].serving),
        (Some(false), Some(true))
    );
    assert_eq!(slice.endpoints[0].node.as_deref(), Some("node-1"));
}

#[test]
fn a_newer_servers_status_field_is_a_warning_and_not_an_error() {
    let snapshot = read(include_str!("data/good/dump.yaml"));
    let fields: Vec<(Severity, &str)> = snapshot
        .problems
        .iter()
        .map(|problem| (problem.severity, problem.field.as_str()))
        .filter(|(_, field)| field.starts_with("status"))
        .collect();
    assert_eq!(fields, [(Severity::Warning, "status.fromTheFuture")]);
}

#[test]
fn the_record_wins_over_a_manifests_own_status() {
    let name = ObjectName {
        namespace: Arc::from("default"),
        name: Arc::from("web"),
    };
    let recorded = Assignment {
        addresses: [ip("203.0.113.3")].into_iter().collect(),
        pool: None,
    };
    let assignments = Assignments::from([(name, recorded)]);
    let files = [("dump.yaml", include_str!("data/good/dump.yaml"))];
    let snapshot = file::from_texts(&files, &Options::default(), &assignments);
    assert_eq!(
        service(&snapshot.world, "web").assigned[..],
        [ip("203.0.113.3")]
    );
}

#[test]
fn only_services_of_our_class_want_an_address() {
    let manifest = |name: &str, class: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  type: \
             LoadBalancer\n  ports: [{{port: 80}}]\n{class}"
        )
    };
    let text = manifest("none", "")
        + &manifest("ours", "  loadBalancerClass: herald\n")
        + &manifest("other", "  loadBalancerClass: other\n");
    let rows: [(&[&str], &[&str]); 3] = [
        (&[], &["none"]),
        (&["herald"], &["ours"]),
        (&["herald", "other"], &["other", "ours"]),
    ];
    for (classes, expected) in rows {
        let load_balancer_classes = classes.iter().map(ToString::to_string).collect();
        let options = Options {
            load_balancer_classes,
        };
        let snapshot =
            file::from_texts(&[("s.yaml", text.as_str())], &options, &Assignments::new());
        let names: Vec<&str> = snapshot
            .world
            .services
            .keys()
            .map(|name| &*name.name)
            .collect();
        assert_eq!(names, expected, "{classes:?}");
    }
}

#[test]
fn a_service_that_names_no_family_follows_what_there_is_to_give() {
    let pool = |name: &str, address: &str| {
        format!(
            "---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {{name: \
             {name}}}\nspec: {{addresses: [\"{address}\"]}}\n"
        )
    };
    let four = pool("four", "203.0.113.0/24");
    let six = pool("six", "2001:db8::/64");
    let (v4, v6) = (IpFamily::IPv4, IpFamily::IPv6);
    let rows = [
        (four.clone(), "{}", "", vec![v4]),
        (six.clone(), "{}", "", vec![v6]),
        (four.clone() + &six, "{}", "", vec![v4]),
        (
            four.clone() + &six,
            "{metallb.io/address-pool: six}",
            "",
            vec![v6],
        ),
        (
            four.clone() + &six,
            "{metallb.io/loadBalancerIPs: \"2001:db8::5\"}",
            "",
            vec![v6],
        ),
        (
            four.clone() + &six,
            "{}",
            "  ipFamilyPolicy: PreferDualStack\n",
            vec![v4, v6],
        ),
        (
            four.clone(),
            "{}",
            "  ipFamilyPolicy: PreferDualStack\n",
            vec![v4],
        ),
        (
            four.clone(),
            "{}",
            "  ipFamilyPolicy: RequireDualStack\n",
            vec![v4, v6],
        ),
        (four + &six, "{}", "  ipFamilies: [IPv6]\n", vec![v6]),
    ];
    for (pools, annotations, spec, expected) in rows {
        let text = format!(
            "{pools}---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, annotations: \
             {annotations}}}\nspec:\n  type: LoadBalancer\n  ports: [{{port: 80}}]\n{spec}"
        );
        let families: Vec<_> = service(&read(&text).world, "web")
            .ip_families
            .iter()
            .collect();
        assert_eq!(families, expected, "{annotations} {spec}");
    }
}

#[test]
fn json_lists_anchors_and_the_old_peer_version_are_read() {
    let world = read(include_str!("data/good/list.json")).world;
    assert!(world.pools.contains_key("json") && world.peers.contains_key("json"));
    let snapshot = read(include_str!("data/good/anchors.yaml"));
    let texts: Vec<String> = snapshot.problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].contains("metallb.io/v1beta1 of BGPPeer is deprecated"),
        "{texts:?}"
    );
    assert_eq!(snapshot.world.peers["one"].my_asn, 64512);
    assert_eq!(snapshot.world.peers["two"].my_asn, 64512);
    assert_eq!(snapshot.world.peers["two"].address, ip("198.51.100.2"));
}

fn read(text: &str) -> Snapshot {
    file::from_texts(
        &[("all.yaml", text)],
        &Options::default(),
        &Assignments::new(),
    )
}

fn clean(text: &str) -> World {
    let Snapshot {
        world, problems, ..
    } = read(text);
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts, Vec::<String>::new());
    world
}

fn service(world: &World, name: &str) -> Service {
    let found = world
        .services
        .values()
        .find(|service| &*service.name.name == name);
    Service::clone(found.expect(name))
}

fn labelled(key: &str, value: &str) -> LabelSelector {
    let match_labels = [(key.to_owned(), value.to_owned())].into();
    LabelSelector {
        match_labels,
        ..LabelSelector::default()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
