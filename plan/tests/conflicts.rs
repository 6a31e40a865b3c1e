//! Addresses that a stranger has.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plan::alloc::{Allocator, Options, Outcome, Reason, Timestamp};
use plan::labels::Labels;
use plan::world::{
    AddressRange, Addresses, ExternalTrafficPolicy, IpFamily, IpFamilyPolicy, ObjectName, Pool,
    Protocol, Service,
};
use plan::{World, allocate};

const STRANGER: &str = "02:00:00:00:00:09";

#[test]
fn a_service_whose_address_a_stranger_has_is_given_another_one() {
    let mut world = world(&[("web", None)]);
    let mut allocator = Allocator::new(Options::default());
    assert_eq!(held(&mut world, &mut allocator, "web").0, [vip(0)]);
    conflict(&mut world, 0);
    let (addresses, outcome) = held(&mut world, &mut allocator, "web");
    assert_eq!(addresses, [vip(1)]);
    let reason = Reason::InUseByStranger {
        address: vip(0),
        by: STRANGER.into(),
    };
    assert_eq!(outcome, Outcome::Reassigned(reason));
    let (addresses, outcome) = held(&mut world, &mut allocator, "web");
    assert_eq!((&addresses[..], outcome), (&[vip(1)][..], Outcome::Kept));
}

#[test]
fn an_address_that_is_asked_for_by_name_is_kept_and_given_though_a_stranger_has_it() {
    let mut world = world(&[("kept", Some(0))]);
    let mut allocator = Allocator::new(Options::default());
    held(&mut world, &mut allocator, "kept");
    conflict(&mut world, 0);
    conflict(&mut world, 1);
    assert_eq!(held(&mut world, &mut allocator, "kept").0, [vip(0)]);
    let (name, service) = service("new", Some(1));
    world.services.insert(name, service);
    assert_eq!(held(&mut world, &mut allocator, "new").0, [vip(1)]);
}

#[test]
fn what_a_stranger_has_is_given_to_nobody_until_it_is_free_again() {
    let mut world = world(&[("a", None), ("b", None), ("c", None)]);
    let mut allocator = Allocator::new(Options::default());
    conflict(&mut world, 0);
    assert_eq!(held(&mut world, &mut allocator, "a").0, [vip(1)]);
    let (none, outcome) = held(&mut world, &mut allocator, "c");
    assert!(none.is_empty(), "{none:?}");
    assert!(matches!(
        outcome,
        Outcome::Pending(Reason::Exhausted { .. })
    ));
    world.conflicts = Arc::default();
    assert_eq!(held(&mut world, &mut allocator, "c").0, [vip(0)]);
    assert_eq!(allocate(&world).notable.len(), 0);
}

/// What the Service holds after a round.
fn held(world: &mut World, allocator: &mut Allocator, name: &str) -> (Vec<IpAddr>, Outcome) {
    let allocation = allocator.next(world, Timestamp::UNIX_EPOCH);
    let after = world.with(&allocation);
    let service = &world.services[&object(name)];
    let outcome = allocation.of(service).outcome.clone();
    let addresses = after.services[&object(name)].assigned.to_vec();
    *world = after;
    (addresses, outcome)
}

fn conflict(world: &mut World, host: u8) {
    Arc::make_mut(&mut world.conflicts).insert(vip(host), STRANGER.into());
}

/// A pool of three addresses, and Services with what they ask for.
fn world(services: &[(&str, Option<u8>)]) -> World {
    let pool = Pool {
        name: "pool".into(),
        labels: Labels::NONE,
        ranges: vec![AddressRange {
            first: vip(0),
            last: vip(2),
        }],
        auto_assign: true,
        avoid_buggy_ips: false,
        service_allocation: None,
        share_across_namespaces: false,
    };
    let services = services.iter().map(|(name, asked)| service(name, *asked));
    World {
        pools: Arc::new([("pool".into(), Arc::new(pool))].into()),
        services: services.collect(),
        ..World::default()
    }
}

fn service(name: &str, asked: Option<u8>) -> (ObjectName, Arc<Service>) {
    let service = Service {
        name: object(name),
        labels: Labels::NONE,
        wants_address: true,
        ip_families: [IpFamily::IPv4].into(),
        ip_family_policy: IpFamilyPolicy::SingleStack,
        external_traffic_policy: ExternalTrafficPolicy::Cluster,
        ports: [(Protocol::Tcp, 80)].into_iter().collect(),
        selector: Labels::NONE,
        requested_addresses: asked.map(vip).into_iter().collect(),
        requested_pool: None,
        sharing_key: None,
        request_error: None,
        assigned: Addresses::new(),
        assigned_pool: None,
    };
    (object(name), Arc::new(service))
}

fn object(name: &str) -> ObjectName {
    ObjectName {
        namespace: "web".into(),
        name: name.into(),
    }
}

fn vip(host: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, host).into()
}
