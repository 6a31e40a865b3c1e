//! The lab itself: routers announce to each other, and the lab reads what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use integration::bird::Bird;
use integration::frr::Frr;
use integration::gobgp::GoBgp;
use integration::router::{Neighbour, Notification, Router, RouterConfig};
use integration::wait::{SOON, eventually_equal};
use integration::{Lab, kernel};

#[test]
fn gobgp_and_bird_exchange_routes() {
    exchange_routes::<GoBgp, Bird>();
}

#[test]
fn bird_and_frr_exchange_routes() {
    exchange_routes::<Bird, Frr>();
}

#[test]
fn frr_and_gobgp_exchange_routes() {
    exchange_routes::<Frr, GoBgp>();
}

fn exchange_routes<A: Router, B: Router>() {
    let Some(lab) = Lab::open(&[A::NEEDS, B::NEEDS].concat()) else {
        return;
    };
    let (left, right) = (lab.netns("left"), lab.netns("right"));
    left.join(
        "eth0",
        &["10.1.0.1/24", "fd00:1::1/64", "fe80::1/64"],
        &right,
        "eth0",
        &["10.1.0.2/24", "fd00:1::2/64", "fe80::2/64"],
    );
    let a = A::start(&lab, &left, &config(1, 2));
    let b = B::start(&lab, &right, &config(2, 1));

    eventually_equal(
        "the first holds routes of the second",
        SOON,
        &announced(2),
        || summary(&a),
    );
    eventually_equal(
        "the second holds routes of the first",
        SOON,
        &announced(1),
        || summary(&b),
    );
    if B::ROUTES_IN_KERNEL {
        let prefix = "10.9.1.0/24".parse().expect("a prefix");
        let hops = BTreeSet::from([address(1)]);
        eventually_equal("its kernel has them", SOON, &Some(hops), || {
            kernel::routes(&right).remove(&prefix)
        });
    }
    a.shut_down(address(2), "noon");
    let expected = vec![Notification {
        code: 6,
        subcode: 2,
        text: "noon".to_owned(),
    }];
    eventually_equal("the shutdown is told", SOON, &expected, || {
        b.notifications_received()
    });
    b.remove("fd00:1::1".parse().expect("an address"));
    eventually_equal("its routes go", SOON, &Vec::new(), || b.routes());
    assert_eq!(kernel::routes(&right), BTreeMap::new());
}

fn summary(router: &impl Router) -> Vec<(String, IpAddr, Vec<u32>)> {
    let routes = router.routes().into_iter();
    routes
        .map(|route| (route.prefix.to_string(), route.next_hop, route.as_path))
        .collect()
}

fn announced(n: u8) -> Vec<(String, IpAddr, Vec<u32>)> {
    let path = vec![65000 + u32::from(n)];
    let v6 = format!("fd00:1::{n}").parse().expect("an address");
    vec![
        (format!("10.9.{n}.0/24"), address(n), path.clone()),
        (format!("fd00:9:{n}::/64"), v6, path),
    ]
}

fn address(n: u8) -> IpAddr {
    IpAddr::from([10, 1, 0, n])
}

fn config(n: u8, other: u8) -> RouterConfig {
    let asn = 65000 + u32::from(other);
    let v6: IpAddr = format!("fd00:1::{other}").parse().expect("an address");
    let networks = [format!("10.9.{n}.0/24"), format!("fd00:9:{n}::/64")];
    RouterConfig {
        asn: 65000 + u32::from(n),
        router_id: Ipv4Addr::new(10, 255, 255, n),
        neighbours: vec![Neighbour::new(address(other), asn), Neighbour::new(v6, asn)],
        networks: networks
            .map(|network| network.parse().expect("a prefix"))
            .to_vec(),
    }
}
