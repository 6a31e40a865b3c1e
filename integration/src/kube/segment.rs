//! L2 mode in a cluster: nodes with a speaker each on one segment, a client whose traffic it is, and
//! an observer who asks for the addresses all the time and captures what is answered.
//!
//! Each node takes packets for the addresses of the pool, and a server of its name is behind them,
//! so that whichever node they reach answers. The kernels answer no ARP and no NDP for them. With
//! kube-proxy, what arrives at a Service's port goes to its Pods instead.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use pnet_base::MacAddr;
use serde_json::{Value, json};

use super::ControlPlane;
use super::client::{Client, Patch};
use super::herald::{Daemon, Installation};
use super::node::{LINK, Node};
use super::pod::Pod;
use crate::lab::{Lab, Need, next_number};
use crate::manifests::{l2_advertisement, merge, pool};
use crate::netns::Netns;
use crate::process::Process;
use crate::segment::capture::{Capture, clock};
use crate::segment::traffic::{Requests, Stream, echoes, ping};
use crate::segment::wire::{Asker, Identity, Wire};
use crate::segment::witness::answers;
use crate::tcp::Server;
use crate::wait::{SOON, eventually};

/// What it needs besides a control plane.
pub const NEEDS: &[Need] = &[
    Need::Program("tcpdump", "tcpdump"),
    Need::Program("ping", "iputils-ping"),
];
/// The name of its IPAddressPool and its L2Advertisement.
pub const NAME: &str = "segment";
/// The port that Pods serve, behind port 80 of a Service.
const TARGET: u16 = 8080;
/// Between two questions of the observer for one address.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Between two pings of the client.
const PING_EVERY: Duration = Duration::from_millis(5);

/// What is to be built: change it, then [`Plan::start`].
pub struct Plan<'a> {
    /// The cluster.
    pub cluster: &'a ControlPlane,
    /// The test's own lab.
    pub lab: &'a Lab,
    /// How many nodes there are.
    pub nodes: usize,
    /// Nodes have kube-proxy.
    pub proxies: bool,
    /// The spec of the L2Advertisement.
    pub advertisement: Value,
    /// More arguments of each speaker.
    pub arguments: &'a [&'a str],
}

/// A [`Plan`] that runs. Fields go in this order: what runs before the namespaces it runs in.
#[derive(Debug)]
pub struct Segment {
    /// A speaker each node.
    pub speakers: Vec<Daemon>,
    /// The controller.
    pub controller: Daemon,
    _servers: Vec<Server>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Their link-layer addresses.
    pub macs: Vec<MacAddr>,
    /// Whose traffic it is.
    pub client: Netns,
    /// Its addresses, IPv4 and IPv6.
    pub client_addresses: [IpAddr; 2],
    observer: Netns,
    asks_as: Identity,
    /// Herald's objects.
    pub herald: Installation,
    /// The Kubernetes namespace of Services and Pods.
    pub namespace: String,
    ranges: [String; 2],
    control: Client,
}

/// What is asked for and answered on the segment. Fields go in this order.
#[derive(Debug)]
pub struct Witness {
    _asker: Asker,
    capture: Capture,
}

/// The client's traffic through one address.
#[derive(Debug)]
pub struct Traffic {
    requests: Requests,
    _ping: Process,
    capture: Capture,
    address: IpAddr,
}

impl<'a> Plan<'a> {
    /// Three nodes without kube-proxy, and an L2Advertisement whose addresses go back at once.
    pub fn of(cluster: &'a ControlPlane, lab: &'a Lab) -> Plan<'a> {
        Plan {
            cluster,
            lab,
            nodes: 3,
            proxies: false,
            advertisement: json!({"failback": "immediate"}),
            arguments: &[],
        }
    }

    /// Builds it, with running daemons.
    pub fn start(self) -> Segment {
        let mut segment = self.build();
        segment.launch(self.cluster);
        segment
    }

    /// The same, without running daemons.
    pub fn build(&self) -> Segment {
        let (cluster, lab) = (self.cluster, self.lab);
        let namespace = cluster.namespace("web");
        let herald = Installation::add(cluster);
        let ranges = ranges(cluster.next_range());
        let node = |index: usize| {
            let name = format!("{namespace}-node-{}", index + 1);
            let node = match self.proxies {
                true => Node::add(cluster, lab, &name),
                false => Node::add_machine(cluster, lab, &name),
            };
            take_packets(node.netns(), &ranges);
            node
        };
        let nodes: Vec<Node> = (0..self.nodes).map(node).collect();
        let [v4, v6] = &ranges;
        herald.put(pool(NAME, &[v4, v6]));
        herald.put(l2_advertisement(NAME, self.advertisement.clone()));
        let speaker = |node: &Node| {
            let speaker = herald.speaker(cluster, lab, node.name());
            speaker.with(self.arguments)
        };
        let (client, observer) = (lab.netns("client"), lab.netns("observer"));
        let client_addresses = cluster.attach(&client, LINK);
        let addresses = cluster.attach(&observer, LINK);
        let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 80);
        let server = |node: &Node| Server::start(node.netns(), everywhere, node.name());
        Segment {
            speakers: nodes.iter().map(speaker).collect(),
            controller: herald.controller(cluster, lab, "controller"),
            _servers: nodes.iter().map(server).collect(),
            asks_as: Identity {
                mac: mac(&observer),
                addresses,
            },
            macs: nodes.iter().map(|node| mac(node.netns())).collect(),
            nodes,
            client,
            client_addresses,
            observer,
            herald,
            namespace,
            ranges,
            control: cluster.client().clone(),
        }
    }
}

/// Addresses of the nodes' network that no machine, node or Pod has.
fn ranges(number: u8) -> [String; 2] {
    [
        format!("10.244.{number}.0/24"),
        format!("fd00:244::{number:x}:0/112"),
    ]
}

/// Takes packets for the addresses, and leaves it to others to answer for them.
fn take_packets(netns: &Netns, ranges: &[String; 2]) {
    let [v4, v6] = ranges;
    netns.sysctl("ipv6/conf/all/keep_addr_on_down", "1");
    netns.sysctl("ipv4/conf/all/arp_ignore", "1");
    netns.sysctl("ipv4/conf/all/arp_announce", "2");
    netns.ip(&format!("route add local {v4} dev lo"));
    netns.ip(&format!("-6 route add local {v6} dev lo"));
}

impl Segment {
    /// Starts the daemons, and waits until every speaker has begun: what it has by then is no news to
    /// it.
    pub fn launch(&mut self, cluster: &ControlPlane) {
        self.controller.launch(cluster.netns());
        let all = self.speakers.iter_mut().zip(&self.nodes);
        for (speaker, node) in all {
            speaker.launch(node.netns());
            speaker.await_ready();
        }
    }

    /// Starts a speaker again, without waiting for more than its socket.
    pub fn relaunch(&mut self, node: usize) {
        let speaker = &mut self.speakers[node];
        speaker.terminate();
        speaker.launch(self.nodes[node].netns());
    }

    /// Addresses of the pool, by their last octet: IPv4 and IPv6.
    pub fn vips(&self, last: u8) -> [IpAddr; 2] {
        let [v4, v6] = &self.ranges;
        let v4 = v4.replace(".0/24", &format!(".{last}"));
        let v6 = v6.replace(":0/112", &format!(":{last:x}"));
        [v4, v6].map(|text| {
            text.parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"))
        })
    }

    /// Creates a Service of both families that asks for these addresses of the pool, with a usable
    /// endpoint on each of these nodes. `more` has fields of the object besides. The Service.
    pub fn serve(&self, name: &str, last: u8, nodes: &[usize], more: Value) -> Value {
        self.set_endpoints(name, nodes);
        self.create(name, &self.vips(last), more)
    }

    /// The Service of this name.
    pub fn service(&self, name: &str) -> Value {
        let found = self.control.get("v1/Service", &self.namespace, name);
        found.unwrap_or_else(|failure| panic!("{name}: {failure}"))
    }

    /// Creates a Service that asks for these addresses; `more` has fields of the object besides. The
    /// Service.
    pub fn create(&self, name: &str, addresses: &[IpAddr], more: Value) -> Value {
        let family = |address: &IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let families: Vec<&str> = addresses.iter().map(family).collect();
        let policy = if families.len() > 1 {
            "RequireDualStack"
        } else {
            "SingleStack"
        };
        let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        let annotations = match texts.is_empty() {
            true => json!({}),
            false => json!({"metallb.io/loadBalancerIPs": texts.join(",")}),
        };
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {"app": name},
                "annotations": annotations,
            },
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": self.herald.class(),
                "ipFamilies": families,
                "ipFamilyPolicy": policy,
                "ports": [{"port": 80, "targetPort": TARGET}],
            },
        });
        let created = self.control.create(&merge(service, more));
        created.unwrap_or_else(|failure| panic!("{name}: {failure}"))
    }

    /// Writes the EndpointSlice of a Service: a usable endpoint on each of these nodes.
    pub fn set_endpoints(&self, service: &str, nodes: &[usize]) {
        let endpoint = |node: &usize| {
            json!({
                "addresses": [format!("10.244.255.{}", node + 1)],
                "nodeName": self.nodes[*node].name(),
                "conditions": {"ready": true, "serving": true},
            })
        };
        let endpoints: Vec<Value> = nodes.iter().map(endpoint).collect();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{service}-by-hand"),
                "namespace": self.namespace,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"port": TARGET}],
        });
        let applied = self.control.apply(&slice);
        applied.unwrap_or_else(|failure| panic!("{service}: {failure}"));
    }

    /// A Pod of a Service on a node, Ready, whose server answers with its name.
    pub fn pod(&self, service: &str, node: usize) -> Pod {
        let name = format!("{service}-{}-{}", node + 1, next_number());
        let labels = json!({ "app": service });
        let node = &self.nodes[node];
        Pod::run(&self.control, node, &self.namespace, &name, &labels, TARGET)
    }

    /// Changes a Service's spec.
    pub fn change(&self, name: &str, spec: &Value) {
        let change = json!({ "spec": spec });
        let changed = self
            .control
            .patch("Service", &self.namespace, name, Patch::Merge, &change);
        changed.unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }

    /// Waits until the Service has an address other than that; its first.
    pub fn address(&self, name: &str, other_than: Option<IpAddr>) -> IpAddr {
        let object = ("v1/Service", &*self.namespace, name);
        let what = format!("{name} has an address other than {other_than:?}");
        self.control.wait_until(&what, SOON, object, |service| {
            let address = &service["status"]["loadBalancer"]["ingress"][0]["ip"];
            let address = address.as_str()?.parse().ok()?;
            (Some(address) != other_than).then_some(address)
        })
    }

    /// What is said in the API of who answers.
    pub fn statuses(&self) -> Vec<Value> {
        let found = self
            .control
            .list("ServiceL2Status", self.herald.namespace());
        let found = found.unwrap_or_default().into_iter();
        found.map(|mut status| status["status"].take()).collect()
    }

    /// Waits until a ServiceL2Status of the Service names the node, and no other one.
    pub fn await_status(&self, service: &str, node: usize) {
        let node = self.nodes[node].name();
        eventually(
            &format!("the status of {service} names {node}"),
            SOON,
            || {
                let statuses = self.statuses();
                let of_service = statuses.iter().filter(|s| s["serviceName"] == *service);
                let said: Vec<&Value> = of_service.map(|status| &status["node"]).collect();
                match said[..] {
                    [said] if *said == *node => Ok(()),
                    _ => Err(format!("{statuses:?}")),
                }
            },
        );
    }

    /// Waits until every speaker has on disk what it needs to start without the API server, and knows
    /// this owner of a Service.
    pub fn await_kept(&self, service: &str, owner: usize) {
        for node in 0..self.nodes.len() {
            self.await_kept_by(node, service, owner);
        }
    }

    /// The same of one.
    pub fn await_kept_by(&self, node: usize, service: &str, owner: usize) {
        let (speaker, owner) = (&self.speakers[node], self.nodes[owner].name());
        let owners = json!([[{"namespace": self.namespace, "name": service}, owner]]);
        eventually("what is known is kept", SOON, || {
            let text = std::fs::read_to_string(speaker.state()).unwrap_or_default();
            let state: Value = serde_json::from_str(&text).unwrap_or_default();
            let speakers = state["speakers"].as_array().map_or(0, Vec::len);
            let is_kept = state["owners"] == owners && speakers == self.nodes.len();
            match is_kept && speaker.kept_keys().exists() {
                true => Ok(()),
                false => Err(text),
            }
        });
    }

    /// Waits until an Event of that reason about an object has all these words.
    pub fn await_event(&self, object: &Value, reason: &str, words: &[&str]) {
        let what = format!("an Event {reason} has {words:?}");
        eventually(&what, SOON, || {
            let events = self.control.events_of(object);
            let events = events.map_err(|failure| failure.to_string())?;
            let told = events.iter().any(|event| {
                let note = event["message"].as_str().unwrap_or_default();
                event["reason"] == *reason && words.iter().all(|word| note.contains(word))
            });
            told.then_some(()).ok_or_else(|| format!("{events:#?}"))
        });
    }

    /// Takes a node's link down, or up again.
    pub fn set_link(&self, node: usize, is_up: bool) {
        let node = &self.nodes[node];
        let state = if is_up { "up" } else { "down" };
        node.netns().ip(&format!("link set {LINK} {state}"));
        if let (true, [_, IpAddr::V6(address)]) = (is_up, node.addresses()) {
            // The kernel keeps all but this one.
            let [.., number] = address.segments();
            node.netns()
                .add_address(LINK, &format!("fe80::{number:x}/64"));
        }
    }

    /// Begins to ask for addresses all the time, and to capture what is answered.
    pub fn witness(&self, lab: &Lab, addresses: &[IpAddr]) -> Witness {
        let netns = &self.observer;
        let filter = "arp or (icmp6 and (ip6[40] == 135 or ip6[40] == 136))";
        let name = format!("observer-{}", next_number());
        let capture = Capture::start(lab, netns, &name, LINK, filter);
        let wire = Wire::open(netns, LINK);
        Witness {
            _asker: Asker::start(wire, &self.asks_as, addresses, ASK_EVERY),
            capture,
        }
    }

    /// Begins the client's traffic through an address; a request may take so long.
    pub fn traffic(&self, lab: &Lab, address: IpAddr, request_within: Duration) -> Traffic {
        let name = format!("client-{}", next_number());
        Traffic {
            requests: Requests::start(&self.client, SocketAddr::new(address, 80), request_within),
            _ping: ping(lab, &self.client, address, PING_EVERY),
            capture: Capture::start(lab, &self.client, &name, LINK, "icmp or icmp6"),
            address,
        }
    }

    /// The position of the node that has a link-layer address.
    pub fn who(&self, mac: MacAddr) -> Option<usize> {
        self.macs.iter().position(|one| *one == mac)
    }

    /// Waits until one node alone has answered for an address for a second; its position.
    pub fn owner(&self, witness: &Witness, address: IpAddr) -> usize {
        const QUIET: Duration = Duration::from_secs(1);
        eventually(&format!("one node answers for {address}"), SOON, || {
            let answers = witness.answers(clock().saturating_sub(QUIET), address);
            let (Some((first, by)), Some((last, _))) = (answers.first(), answers.last()) else {
                return Err("no answer".to_owned());
            };
            let alone = answers.iter().all(|(_, other)| other == by);
            let long = last.saturating_sub(*first) >= Duration::from_millis(800);
            match self.who(*by) {
                Some(node) if alone && long => Ok(node),
                who => Err(format!("{who:?}: {answers:?}")),
            }
        })
    }

    /// Waits until that node alone answers for an address.
    pub fn await_owner(&self, witness: &Witness, address: IpAddr, node: usize) {
        let what = format!("node {} has {address}", node + 1);
        eventually(&what, SOON, || match self.owner(witness, address) {
            owner if owner == node => Ok(()),
            owner => Err(format!("node {} has it", owner + 1)),
        });
    }

    /// Waits until another node than that alone answers for an address; its position.
    pub fn await_other(&self, witness: &Witness, address: IpAddr, than: usize) -> usize {
        let what = format!("another node than {} has {address}", than + 1);
        eventually(&what, SOON, || match self.owner(witness, address) {
            owner if owner == than => Err("it has it".to_owned()),
            owner => Ok(owner),
        })
    }
}

impl Witness {
    /// Answers for an address since a moment: when, and by whom.
    pub fn answers(&self, since: Duration, address: IpAddr) -> Vec<(Duration, MacAddr)> {
        answers(&self.capture.since(since), address)
    }

    /// All that was seen since a moment.
    pub fn since(&self, since: Duration) -> Vec<crate::segment::capture::Seen> {
        self.capture.since(since)
    }
}

impl Traffic {
    /// The pings of a time.
    pub fn pings(&self, begin: Duration, end: Duration) -> Stream {
        echoes(&self.capture.since(begin), self.address, begin, end)
    }

    /// The requests by TCP of a time.
    pub fn requests(&self, begin: Duration, end: Duration) -> Stream {
        self.requests.stream(begin, end)
    }

    /// Waits until traffic passes.
    pub fn await_flow(&self) {
        let recently = || clock().saturating_sub(Duration::from_millis(500));
        eventually("the client is answered", SOON, || {
            let pings = self.pings(recently(), clock());
            let requests = self.requests.since(recently());
            let flows = requests.iter().any(|request| request.answer.is_ok());
            match flows && pings.sent > pings.lost {
                true => Ok(()),
                false => Err(format!("{pings:?}, {:?}", requests.last())),
            }
        });
    }
}

/// The link-layer address of a machine on the segment.
pub fn mac(netns: &Netns) -> MacAddr {
    let link = netns.ip(&format!("-br link show dev {LINK}"));
    let mac = link
        .split_whitespace()
        .nth(2)
        .and_then(|mac| mac.parse().ok());
    mac.unwrap_or_else(|| panic!("{link}"))
}
