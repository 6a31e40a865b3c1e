//! Several Services hold one address, and are edited one after the other, on a clock of the test.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use plan::World;
use plan::alloc::{Allocation, Options, Outcome, Reason, Sharing, SharingField, allocate_at};
use plan::labels::Labels;
use plan::world::{
    AddressRange, Addresses, ExternalTrafficPolicy, IpFamily, IpFamilyPolicy, ObjectName, Pool,
    Protocol, Service,
};

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 0));

type Edit = fn(&mut Service);

#[test]
fn a_sharer_that_turns_local_keeps_the_address_until_the_other_has_followed() {
    let mut cluster = Cluster::of(&["svc", "svc1"]);
    cluster.edit("svc1", local);
    assert_eq!(cluster.after(0), "svc svc1");
    assert_eq!(cluster.after(119), "svc svc1");
    assert_eq!(cluster.outcome("svc"), Outcome::Kept);
    let tolerated = otherwise("svc", SharingField::ExternalTrafficPolicy);
    let until = Timestamp::from_second(120).ok();
    assert_eq!(
        cluster.outcome("svc1"),
        Outcome::Tolerated(tolerated, until)
    );
    cluster.edit("svc", local);
    assert_eq!(cluster.after(0), "svc svc1");
    assert_eq!(cluster.allocation.notable.len(), 0, "as before, at once");
    assert_eq!(cluster.allocation.deadline, None);
}

#[test]
fn three_sharers_that_are_changed_in_any_order_are_never_pending() {
    let orders = ["abc", "acb", "bac", "bca", "cab", "cba"];
    let edits: [Edit; 3] = [local, other_key, key_and_policy];
    for order in orders {
        for edit in edits {
            let mut cluster = Cluster::of(&["a", "b", "c"]);
            for name in order.chars() {
                cluster.edit(&name.to_string(), edit);
                assert_eq!(cluster.after(39), "a b c", "{order}, at {name}");
            }
        }
    }
}

#[test]
fn when_the_grace_period_ends_the_one_that_was_changed_loses_the_address() {
    let table: [(Edit, SharingField); 4] = [
        (local, SharingField::ExternalTrafficPolicy),
        (other_key, SharingField::SharingKey),
        (no_key, SharingField::SharingKey),
        (other_selector, SharingField::Selector),
    ];
    for (edit, field) in table {
        for (edited, other) in [("a", "b"), ("b", "a")] {
            let mut cluster = Cluster::of(&["a", "b"]);
            if field == SharingField::Selector {
                cluster.edit_all(local);
            }
            cluster.edit(edited, edit);
            assert_eq!(cluster.after(0), "a b", "{field}");
            assert_eq!(cluster.after(120), other, "{field}");
            let Outcome::Cleared(reason, _) = cluster.outcome(edited) else {
                panic!("{:?}", cluster.outcome(edited));
            };
            assert_eq!(reason, otherwise(other, field));
        }
    }
}

#[test]
fn who_lost_the_address_has_it_again_when_the_other_follows() {
    let mut cluster = Cluster::of(&["svc", "svc1"]);
    cluster.edit("svc1", local);
    cluster.after(0);
    assert_eq!(cluster.after(120), "svc");
    assert_eq!(cluster.after(300), "svc");
    cluster.edit("svc", local);
    assert_eq!(cluster.after(0), "svc svc1");
}

#[test]
fn the_smaller_group_loses_whoever_was_edited() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    cluster.edit("b", local);
    cluster.edit("c", local);
    cluster.after(0);
    assert_eq!(cluster.after(120), "b c");
}

#[test]
fn of_groups_that_all_changed_the_last_to_differ_loses() {
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    for name in ["c", "a", "b"] {
        let key = format!("key-of-{name}");
        cluster.edit(name, |service| {
            service.sharing_key = Some(key.as_str().into())
        });
        cluster.after(10);
    }
    assert_eq!(cluster.after(120), "c");
}

#[test]
fn with_nothing_remembered_the_later_by_name_loses_when_the_grace_period_ends() {
    for edited in ["a", "b"] {
        let mut cluster = Cluster::of(&["a", "b"]);
        cluster.edit(edited, local);
        cluster.restart();
        assert_eq!(cluster.after(0), "a b");
        assert_eq!(cluster.after(119), "a b");
        assert_eq!(cluster.after(1), "a");
    }
}

#[test]
fn without_a_grace_period_the_one_that_was_edited_loses_at_once() {
    for (edited, other) in [("a", "b"), ("b", "a")] {
        let mut cluster = Cluster::of(&["a", "b"]);
        cluster.options.sharing_grace = Duration::ZERO;
        cluster.edit(edited, local);
        assert_eq!(cluster.after(0), other);
        assert_eq!(cluster.allocation.deadline, None);
        cluster.edit(other, local);
        assert_eq!(cluster.after(0), "a b");
    }
}

#[test]
fn a_port_is_never_shared_and_stays_with_who_had_it() {
    for (edited, other) in [("a", "b"), ("b", "a")] {
        let mut cluster = Cluster::of(&["a", "b"]);
        let ports = cluster.service(other).ports.clone();
        cluster.edit(edited, |service| service.ports.extend(ports.clone()));
        assert_eq!(cluster.after(0), other);
        let (protocol, port) = ports[0];
        let reason = Reason::PortInUse {
            address: VIP,
            protocol,
            port,
            holder: object(other),
        };
        let outcome = cluster.outcome(edited);
        assert!(matches!(outcome, Outcome::Cleared(lost, _) if lost == reason));
    }
}

#[test]
fn a_port_that_two_take_at_once_or_nobody_remembers_is_the_firsts_by_name() {
    let https = |service: &mut Service| service.ports.push((Protocol::Tcp, 443));
    for remembered in [true, false] {
        let mut cluster = Cluster::of(&["a", "b"]);
        cluster.edit("a", https);
        cluster.edit("b", https);
        if !remembered {
            cluster.restart();
        }
        assert_eq!(cluster.after(0), "a");
    }
}

#[test]
fn those_who_disagree_are_joined_by_nobody() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.edit("a", local);
    cluster.after(0);
    for (name, edit) in [("c", local as Edit), ("d", |_: &mut Service| {})] {
        let mut new = service(name, 90);
        edit(&mut new);
        new.requested_addresses = vec![VIP];
        cluster
            .world
            .services
            .insert(new.name.clone(), Arc::new(new));
        assert_eq!(cluster.after(0), "a b");
        let outcome = cluster.outcome(name);
        assert!(matches!(
            outcome,
            Outcome::Pending(Reason::SharedOtherwise { .. })
        ));
    }
    assert_eq!(
        cluster.after(120),
        "b d",
        "and then the one that fits who is left"
    );
}

#[test]
fn who_claims_an_address_that_others_share_loses_it_at_once_unless_it_has_their_key() {
    let mut cluster = Cluster::of(&["b", "c"]);
    let mut intruder = service("a", 90);
    intruder.assigned = Addresses::from_slice(&[VIP]);
    for key in [None, Some("another".into())] {
        intruder.sharing_key = key;
        let intruder = Arc::new(intruder.clone());
        cluster.world.services.insert(object("a"), intruder);
        assert_eq!(cluster.after(0), "b c");
    }
}

#[test]
fn a_new_mismatch_has_a_grace_period_of_its_own() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.edit("a", local);
    cluster.after(0);
    cluster.edit("b", local);
    cluster.after(100);
    cluster.edit("b", cluster_policy);
    assert_eq!(cluster.after(0), "a b");
    assert_eq!(cluster.after(119), "a b");
    assert_eq!(cluster.after(1), "a");
}

#[test]
fn the_next_round_is_due_when_the_first_grace_period_ends() {
    let mut cluster = Cluster::of(&["a", "b"]);
    cluster.after(50);
    cluster.edit("a", local);
    cluster.after(0);
    let due = Timestamp::from_second(170).ok();
    assert_eq!(cluster.allocation.deadline, due);
    cluster.after(60);
    assert_eq!(cluster.allocation.deadline, due);
    cluster.after(60);
    assert_eq!(cluster.allocation.deadline, None);
}

#[test]
fn what_is_remembered_goes_with_the_sharers() {
    let mut cluster = Cluster::of(&["a", "b"]);
    assert_ne!(cluster.sharing, Sharing::default());
    cluster.world.services.remove(&object("b"));
    cluster.after(0);
    assert_eq!(cluster.sharing, Sharing::default());
}

// A cluster: a pool of one address, and Services with one key and ports 80, 81, …

struct Cluster {
    world: World,
    sharing: Sharing,
    now: Timestamp,
    options: Options,
    allocation: Allocation,
}

impl Cluster {
    /// Services that share the address.
    fn of(names: &[&str]) -> Cluster {
        let services = names.iter().zip(80..);
        let services = services.map(|(name, port)| (object(name), Arc::new(service(name, port))));
        let world = World {
            services: services.collect(),
            pools: Arc::new([("one".into(), Arc::new(pool()))].into()),
            ..World::default()
        };
        let mut cluster = Cluster {
            world,
            sharing: Sharing::default(),
            now: Timestamp::UNIX_EPOCH,
            options: Options::default(),
            allocation: Allocation::default(),
        };
        assert_eq!(cluster.after(0), names.join(" "));
        cluster
    }

    /// A round after so many seconds; who holds the address then. A second round at the same time
    /// changes nothing.
    fn after(&mut self, seconds: u64) -> String {
        self.now += Duration::from_secs(seconds);
        self.allocation = allocate_at(&self.world, self.now, &self.sharing, self.options);
        self.world = self.world.with(&self.allocation);
        self.sharing = self.allocation.sharing.clone();
        let again = allocate_at(&self.world, self.now, &self.sharing, self.options);
        assert_eq!(self.world.with(&again), self.world);
        assert_eq!(again.deadline, self.allocation.deadline);
        let services = self.world.services.values();
        let holders = services.filter(|service| service.assigned.contains(&VIP));
        let names: Vec<&str> = holders.map(|service| &*service.name.name).collect();
        names.join(" ")
    }

    fn service(&self, name: &str) -> Arc<Service> {
        Arc::clone(&self.world.services[&object(name)])
    }

    fn edit(&mut self, name: &str, edit: impl Fn(&mut Service)) {
        let service = self.world.services.get_mut(&object(name));
        edit(Arc::make_mut(service.expect("a Service")));
    }

    fn edit_all(&mut self, edit: impl Fn(&mut Service)) {
        let names: Vec<ObjectName> = self.world.services.keys().cloned().collect();
        for name in names {
            self.edit(&name.name, &edit);
        }
        self.after(0);
    }

    fn restart(&mut self) {
        self.sharing = Sharing::default();
    }

    fn outcome(&self, name: &str) -> Outcome {
        self.allocation.of(&self.service(name)).outcome.clone()
    }
}

fn local(service: &mut Service) {
    service.external_traffic_policy = ExternalTrafficPolicy::Local;
}

fn cluster_policy(service: &mut Service) {
    service.external_traffic_policy = ExternalTrafficPolicy::Cluster;
}

fn other_key(service: &mut Service) {
    service.sharing_key = Some("another".into());
}

fn no_key(service: &mut Service) {
    service.sharing_key = None;
}

fn key_and_policy(service: &mut Service) {
    other_key(service);
    local(service);
}

fn other_selector(service: &mut Service) {
    service.selector = Labels::from([("app", "other")]);
}

fn otherwise(holder: &str, field: SharingField) -> Reason {
    Reason::SharedOtherwise {
        address: VIP,
        holder: object(holder),
        field,
    }
}

fn object(name: &str) -> ObjectName {
    ObjectName {
        namespace: "default".into(),
        name: name.into(),
    }
}

fn service(name: &str, port: u16) -> Service {
    Service {
        name: object(name),
        labels: Labels::NONE,
        wants_address: true,
        ip_families: [IpFamily::IPv4].into(),
        ip_family_policy: IpFamilyPolicy::SingleStack,
        external_traffic_policy: ExternalTrafficPolicy::Cluster,
        ports: [(Protocol::Tcp, port)].into_iter().collect(),
        selector: Labels::from([("app", "web")]),
        requested_addresses: Vec::new(),
        requested_pool: None,
        sharing_key: Some("key".into()),
        request_error: None,
        assigned: Addresses::new(),
        assigned_pool: None,
    }
}

fn pool() -> Pool {
    Pool {
        name: "one".into(),
        labels: Labels::NONE,
        ranges: vec![AddressRange {
            first: VIP,
            last: VIP,
        }],
        auto_assign: true,
        avoid_buggy_ips: false,
        service_allocation: None,
        share_across_namespaces: false,
    }
}
