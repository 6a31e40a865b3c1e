//! The manifests that the project ships are right, and say what they are meant to say.

use std::collections::BTreeSet;
use std::path::Path;

use controller::{Options, check, file};
use plan::world::{Community, IpFamily};

fn deploy(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(name)
}

#[test]
fn the_shipped_manifests_have_no_problem_at_all() {
    for name in ["demo", "standalone"] {
        let problems = check(&deploy(name), &Options::default());
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(text, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_demo_has_pools_a_peer_and_seven_services() {
    let snapshot = file::read(&deploy("demo"), &Options::default()).expect("readable");
    let world = snapshot.world;
    assert_eq!(
        world.pools.keys().map(AsRef::as_ref).collect::<Vec<_>>(),
        ["internal", "public", "reserved"]
    );
    assert_eq!(world.services.len(), 7);
    assert_eq!(world.endpoint_slices.len(), 8);
    assert_eq!(
        world.nodes.keys().map(AsRef::as_ref).collect::<Vec<_>>(),
        ["demo-node"]
    );
    let router = &world.peers["router"];
    assert_eq!(
        router.families,
        BTreeSet::from([IpFamily::IPv4, IpFamily::IPv6])
    );
    let communities = &world.bgp_advertisements["public"].communities;
    let alias = Community::Standard(64512 << 16 | 100);
    assert_eq!(communities, &[alias, Community::Large(64512, 1, 20)]);
}

#[test]
fn a_service_that_names_no_family_has_those_that_the_pools_offer() {
    let snapshot = file::read(&deploy("demo"), &Options::default()).expect("readable");
    let families = |name: &str| {
        let found = snapshot
            .world
            .services
            .values()
            .find(|service| &*service.name.name == name);
        found.expect(name).ip_families
    };
    assert_eq!(families("web"), [IpFamily::IPv4].into());
    assert_eq!(families("api"), [IpFamily::IPv4, IpFamily::IPv6].into());
    assert_eq!(families("mail"), [IpFamily::IPv4].into());
}
