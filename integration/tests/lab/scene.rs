//! A node and a router, joined by a link: the place of most tests.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use integration::herald::Herald;
use integration::manifests::{advertisement, endpoint_slice, node, peer, pool, service};
use integration::router::{Families, Neighbour, Route, Router, RouterConfig};
use integration::wait::{SOON, eventually, eventually_equal};
use integration::{Lab, Netns};
use serde_json::{Value, json};

/// The node's name.
pub const NODE: &str = "node-1";
/// The BGPPeer's name.
pub const PEER: &str = "tor";
/// The node's addresses, the router's, and the link-local ones of both.
pub const NODE_V4: &str = "10.1.0.1";
pub const NODE_V6: &str = "fd00:1::1";
pub const NODE_LINK_LOCAL: &str = "fe80::1";
pub const ROUTER_V4: &str = "10.1.0.254";
pub const ROUTER_V6: &str = "fd00:1::fe";
pub const ROUTER_LINK_LOCAL: &str = "fe80::fe";
/// Addresses that Services of the tests get.
pub const VIP_1: &str = "10.100.0.1";
pub const VIP_2: &str = "10.100.0.2";
pub const VIP_V6: &str = "fd00:100::1";

/// What is to be built: change it, then [`Plan::start`].
pub struct Plan {
    /// The router's AS.
    pub router_asn: u32,
    /// Herald, in the router's configuration.
    pub neighbours: Vec<Neighbour>,
    /// Prefixes that the router announces.
    pub networks: Vec<&'static str>,
    /// BGPPeers.
    pub peers: Vec<Value>,
    /// All other objects.
    pub objects: Vec<Value>,
}

/// A [`Plan`] that runs. Fields go in this order: daemons before the namespaces they run in.
pub struct Scene<R> {
    pub herald: Herald,
    pub router: R,
    pub node: Netns,
    pub tor: Netns,
    pub lab: Lab,
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl Plan {
    /// One session over IPv4 between two ASes.
    pub fn over_ipv4(our_asn: u32, router_asn: u32) -> Plan {
        Plan::over(our_asn, router_asn, NODE_V4, ROUTER_V4)
    }

    /// One session over IPv6 between two ASes.
    pub fn over_ipv6(our_asn: u32, router_asn: u32) -> Plan {
        Plan::over(our_asn, router_asn, NODE_V6, ROUTER_V6)
    }

    /// eBGP over IPv4, and a Service with [`VIP_1`].
    pub fn simple() -> Plan {
        Plan::over_ipv4(65001, 65002)
            .with_service("web", &[VIP_1])
            .advertised(json!({}))
    }

    fn over(our_asn: u32, router_asn: u32, node_address: &str, router_address: &str) -> Plan {
        Plan {
            router_asn,
            neighbours: vec![Neighbour::new(ip(node_address), our_asn)],
            networks: Vec::new(),
            peers: vec![peer(
                PEER,
                our_asn,
                router_asn,
                router_address,
                json!({"connectTime": "1s"}),
            )],
            objects: vec![
                node(NODE, &[NODE_V4, NODE_V6]),
                pool("vips", &["10.100.0.0/16", "fd00:100::/112"]),
            ],
        }
    }

    /// Adds fields to the first BGPPeer.
    pub fn peer_with(mut self, more: Value) -> Plan {
        let peer = self.peers.remove(0);
        let more = json!({"spec": more});
        self.peers
            .insert(0, integration::manifests::merge(peer, more));
        self
    }

    /// Changes the first neighbour in the router's configuration.
    pub fn neighbour_with(mut self, change: impl FnOnce(&mut Neighbour)) -> Plan {
        if let Some(neighbour) = self.neighbours.first_mut() {
            change(neighbour);
        }
        self
    }

    /// Both families on the session.
    pub fn dual_stack(self) -> Plan {
        self.peer_with(json!({"dualStackAddressFamily": true}))
            .neighbour_with(|neighbour| neighbour.families = Families::Both)
    }

    /// Adds a Service with addresses, with a ready endpoint on the node.
    pub fn with_service(mut self, name: &str, addresses: &[&str]) -> Plan {
        self.objects.push(service(name, addresses));
        self.objects.push(endpoint_slice(name, &[NODE]));
        self
    }

    /// Adds a BGPAdvertisement.
    pub fn advertised(mut self, spec: Value) -> Plan {
        let name = format!("advertisement-{}", self.objects.len());
        self.objects.push(advertisement(&name, spec));
        self
    }

    /// Builds the lab and starts both daemons; `None` where the machine cannot.
    pub fn start<R: Router>(self) -> Option<Scene<R>> {
        let lab = Lab::open(R::NEEDS)?;
        let (node, tor) = (lab.netns("node"), lab.netns("tor"));
        let ends = [
            [NODE_V4, NODE_V6, NODE_LINK_LOCAL],
            [ROUTER_V4, ROUTER_V6, ROUTER_LINK_LOCAL],
        ];
        let [near, far] = ends.map(|[v4, v6, link_local]| {
            [
                format!("{v4}/24"),
                format!("{v6}/64"),
                format!("{link_local}/64"),
            ]
        });
        let near: Vec<&str> = near.iter().map(String::as_str).collect();
        let far: Vec<&str> = far.iter().map(String::as_str).collect();
        node.join("eth0", &near, &tor, "eth0", &far);
        let router = R::start(&lab, &tor, &self.router_config());
        let herald = Herald::start(&lab, &node, NODE, &[self.objects, self.peers].concat());
        Some(Scene {
            herald,
            router,
            node,
            tor,
            lab,
        })
    }

    /// As [`Plan::start`], and waits until every session is Established.
    pub fn establish<R: Router>(self) -> Option<Scene<R>> {
        let neighbours: Vec<IpAddr> = self.neighbours.iter().map(|known| known.address).collect();
        let scene = self.start::<R>()?;
        for neighbour in neighbours {
            scene.await_established(neighbour);
        }
        Some(scene)
    }

    fn router_config(&self) -> RouterConfig {
        RouterConfig {
            asn: self.router_asn,
            router_id: Ipv4Addr::new(10, 255, 255, 254),
            neighbours: self.neighbours.clone(),
            networks: self
                .networks
                .iter()
                .map(|network| network.parse().expect("a prefix"))
                .collect(),
        }
    }
}

impl<R: Router> Scene<R> {
    /// Waits until the router calls the session Established.
    pub fn await_established(&self, neighbour: IpAddr) {
        eventually("the session is Established", SOON, || {
            match self.router.state(neighbour).as_str() {
                "Established" => Ok(()),
                state => Err(format!(
                    "{state}\nherald: {}\n{}: {}",
                    tail(&self.herald.log()),
                    R::NAME,
                    tail(&self.router.log())
                )),
            }
        });
    }

    /// Waits until the router holds these routes and no other.
    pub fn await_routes(&self, expected: &[Route]) {
        let mut expected = expected.to_vec();
        expected.sort();
        eventually_equal(
            "the router holds exactly these routes",
            SOON,
            &expected,
            || self.router.routes(),
        );
    }

    /// Waits until the router holds exactly these prefixes.
    pub fn await_prefixes(&self, expected: &[&str]) {
        let expected: BTreeSet<String> =
            expected.iter().map(|prefix| (*prefix).to_owned()).collect();
        eventually_equal(
            "the router holds exactly these prefixes",
            SOON,
            &expected,
            || {
                let routes = self.router.routes().into_iter();
                routes.map(|route| route.prefix.to_string()).collect()
            },
        );
    }

    /// Waits until the entry of a peer in `herald status` satisfies a condition; the entry.
    pub fn await_status(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(what, SOON, || {
            let entry = self.herald.peer_status(PEER)?;
            match holds(&entry) {
                true => Ok(entry),
                false => Err(format!("{entry:#}")),
            }
        })
    }
}

/// A route by eBGP from AS 65001 with nothing but what must be there.
pub fn plain_route(prefix: &str, next_hop: &str) -> Route {
    Route {
        prefix: prefix.parse().expect("a prefix"),
        next_hop: ip(next_hop),
        as_path: vec![65001],
        communities: BTreeSet::new(),
        large_communities: BTreeSet::new(),
        med: None,
        local_pref: None,
    }
}

/// The end of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
