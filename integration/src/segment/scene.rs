//! A segment at work: what tests of L2 mode begin with.

use std::net::IpAddr;
use std::time::Duration;

use pnet_base::MacAddr;
use serde_json::{Value, json};

use super::capture::{Capture, Seen};
use super::frame::{Form, Message};
use super::wire::Asker;
use super::{Segment, VIPS_V4, VIPS_V6, name, vip, vip6};
use crate::manifests::{endpoint_slice, l2_advertisement, pool, service};
use crate::wait::{SOON, eventually};

/// Between two questions of the observer for one address.
pub const ASK_EVERY: Duration = Duration::from_millis(20);

/// The pool of all virtual addresses.
pub fn vips() -> Value {
    pool("vips", &[VIPS_V4, VIPS_V6])
}

/// An L2Advertisement for all pools whose addresses go back at once.
pub fn at_once() -> Value {
    l2_advertisement("all", json!({"failback": "immediate"}))
}

/// A Service with addresses, and an endpoint on each of so many nodes.
pub fn served(service: Value, nodes: u8) -> [Value; 2] {
    let names: Vec<String> = (1..=nodes).map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of = service["metadata"]["name"].as_str().unwrap_or_default();
    let slice = endpoint_slice(of, &names);
    [service, slice]
}

/// The Service `web` with the first address of each family.
pub fn web() -> Value {
    let addresses = [vip(1).to_string(), vip6(1).to_string()];
    service("web", &addresses.each_ref().map(String::as_str))
}

/// A pool, an L2Advertisement with immediate failback, and the Service `web`.
pub fn usual(nodes: u8) -> Vec<Value> {
    let mut objects = vec![vips(), at_once()];
    objects.extend(served(web(), nodes));
    objects
}

/// A segment with `herald` on every node, whose addresses are asked for all the time. Fields go in
/// this order: what runs before the namespaces it runs in.
#[derive(Debug)]
pub struct Scene {
    _asker: Asker,
    /// ARP and NDP at the observer.
    pub witness: Capture,
    /// The machines.
    pub segment: Segment,
}

impl Scene {
    /// Nodes with these objects; `None` where the machine cannot.
    pub fn start(nodes: u8, objects: &[Value], asked: &[IpAddr]) -> Option<Scene> {
        Some(Scene::run(Segment::build(nodes)?, objects, asked))
    }

    /// The same with a segment that is built already.
    pub fn run(segment: Segment, objects: &[Value], asked: &[IpAddr]) -> Scene {
        Scene::run_asking(segment, objects, asked, ASK_EVERY)
    }

    /// The same with another time between two questions for one address.
    pub fn run_asking(
        mut segment: Segment,
        objects: &[Value],
        asked: &[IpAddr],
        every: Duration,
    ) -> Scene {
        objects.iter().for_each(|object| segment.write(object));
        let witness = segment.witness();
        let asker = segment.ask(asked, every);
        segment.nodes.iter_mut().for_each(|node| node.launch());
        Scene {
            _asker: asker,
            witness,
            segment,
        }
    }

    /// Three nodes with the usual objects.
    pub fn usual() -> Option<Scene> {
        Scene::start(3, &usual(3), &[vip(1), vip6(1)])
    }

    /// Announcements of an address by whoever has this link-layer address.
    pub fn announcements(&self, of: IpAddr, by: MacAddr) -> Vec<(Duration, Form)> {
        let announced = |one: Seen| match one.frame.message {
            Message::Announcement { target, at, form } if (target, at) == (of, by) => {
                Some((one.at, form))
            }
            Message::Announcement { .. }
            | Message::Ask { .. }
            | Message::Answer { .. }
            | Message::Echo { .. } => None,
        };
        let seen = self.witness.seen().into_iter();
        seen.filter_map(announced).collect()
    }

    /// Waits until every node knows all speakers.
    pub fn await_speakers(&self) {
        let nodes = &self.segment.nodes;
        eventually("every speaker knows all", SOON, || {
            let mut all = nodes.iter();
            all.try_for_each(|node| node.knows(nodes.len()))
        });
    }

    /// Waits until one node alone answers; its number.
    pub fn owner(&self, address: IpAddr) -> u8 {
        self.segment.settled(&self.witness, address)
    }
}
