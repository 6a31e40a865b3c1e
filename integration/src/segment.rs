//! An Ethernet segment: nodes with `herald run` of one directory, a client and an observer, each
//! in a namespace of its own, joined by one bridge.
//!
//! Each node has [`VIPS_V4`] and [`VIPS_V6`] as local routes, and a server behind them: a packet that
//! reaches a node is answered, whichever node that is, as it is with kube-proxy. The kernels answer
//! no ARP and no NDP for these addresses. The client's traffic is interrupted as long as its
//! neighbour cache is wrong; the observer asks and captures, so that nothing but `herald` itself
//! sets the client's cache right.

pub mod capture;
pub mod failover;
pub mod frame;
pub mod partition;
pub mod scene;
pub mod traffic;
pub mod wire;
pub mod witness;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use pnet_base::MacAddr;
use serde_json::{Value, json};

use crate::herald::Herald;
use crate::lab::{Lab, Need};
use crate::manifests::{merge, node};
use crate::netns::Netns;
use crate::tcp::Server;
use crate::wait::{SOON, eventually};
use capture::{Capture, clock};
use wire::{Asker, Identity, Wire};

/// What tests on a segment need.
pub const NEEDS: &[Need] = &[
    Need::Program("tcpdump", "tcpdump"),
    Need::Program("ping", "iputils-ping"),
    Need::Program("nft", "nftables"),
];
/// Where virtual addresses are.
pub const VIPS_V4: &str = "10.9.64.0/18";
/// The same for IPv6.
pub const VIPS_V6: &str = "2001:db8:9:64::/112";
/// The port of the servers.
pub const PORT: u16 = 80;
/// The link of every machine.
pub const LINK: &str = "eth0";
/// The bridge of the switch.
pub const BRIDGE: &str = "br0";
const KEY: &str = "one-key-of-all-speakers-of-this-segment-of-the-lab\n";
/// Numbers of the machines that are no nodes.
const CLIENT: u8 = 100;
const OBSERVER: u8 = 101;
/// The same of one that no test has from the beginning.
pub const STRANGER: u8 = 102;

/// The virtual IPv4 address with this number.
pub fn vip(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, 9, 64 + high, low).into()
}

/// The virtual IPv6 address with this number.
pub fn vip6(number: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 9, 0x64, 0, 0, 0, number).into()
}

/// The link-layer address of the machine with this number.
pub fn mac(number: u8) -> MacAddr {
    MacAddr::new(2, 9, 0, 0, 0, number)
}

/// The name of the node with this number.
pub fn name(number: u8) -> String {
    format!("n{number}")
}

/// The IPv4 address of the machine with this number.
pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, number)
}

/// The IPv6 address of the machine with this number.
pub fn address6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 9, 0x64, 0, 0, 1, u16::from(number))
}

/// A machine of the segment.
#[derive(Debug)]
pub struct Machine {
    /// From which its name and addresses are made.
    pub number: u8,
    /// Its namespace.
    pub netns: Netns,
}

/// A node. Fields go in this order: what runs before the namespace it runs in.
#[derive(Debug)]
pub struct Node {
    /// Its `herald run`.
    pub herald: Herald,
    /// Answers with the node's name.
    _server: Server,
    /// It.
    pub machine: Machine,
}

/// The segment.
#[derive(Debug)]
pub struct Segment {
    /// By number, from 1.
    pub nodes: Vec<Node>,
    /// Whose traffic it is.
    pub client: Machine,
    /// Who asks and captures.
    pub observer: Machine,
    /// Has the bridge, and a port for each machine, of its name.
    pub switch: Netns,
    config: PathBuf,
    /// Of the test.
    pub lab: Lab,
}

impl Segment {
    /// Builds one with this many nodes, on which nothing runs yet. `None` where the machine cannot.
    pub fn build(nodes: u8) -> Option<Segment> {
        let lab = Lab::open(NEEDS)?;
        let switch = lab.netns("switch");
        switch.bridge(BRIDGE, &[]);
        let machine = |role: &str, number| Machine::plug(&lab, &switch, role, number);
        let client = machine("client", CLIENT);
        let observer = machine("observer", OBSERVER);
        let config = lab.folder("shared").join("config");
        let key = lab.folder("shared").join("key");
        std::fs::write(&key, KEY).unwrap_or_else(|error| panic!("{error}"));
        let key = key.to_string_lossy().into_owned();
        let numbers = 1..=nodes;
        let nodes = numbers.map(|number| {
            let machine = machine(&name(number), number);
            machine.serve_vips();
            let mut herald = Herald::sharing(&lab, &name(number), &config);
            herald.add_arguments(&["--membership-key", &key]);
            let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT);
            Node {
                _server: Server::start(&machine.netns, everywhere, &name(number)),
                herald,
                machine,
            }
        });
        let segment = Segment {
            nodes: nodes.collect(),
            client,
            observer,
            switch,
            config,
            lab,
        };
        for node in &segment.nodes {
            segment.write(&node_object(node.machine.number));
        }
        Some(segment)
    }

    /// Writes an object into the directory that all have.
    pub fn write(&self, object: &Value) {
        self.nodes[0].herald.write(object);
    }

    /// Removes one.
    pub fn remove(&self, object: &Value) {
        self.nodes[0].herald.remove(object);
    }

    /// The directory that all have.
    pub fn config(&self) -> &std::path::Path {
        &self.config
    }

    /// The node with this number.
    pub fn node(&self, number: u8) -> &Node {
        &self.nodes[usize::from(number) - 1]
    }

    /// The same, to change it.
    pub fn node_mut(&mut self, number: u8) -> &mut Node {
        &mut self.nodes[usize::from(number) - 1]
    }

    /// The number of the node with this link-layer address.
    pub fn who(&self, mac: MacAddr) -> Option<u8> {
        let mut nodes = self.nodes.iter().map(|node| node.machine.number);
        nodes.find(|number| self::mac(*number) == mac)
    }

    /// Command line of `herald` on every node from its next start on, besides the usual.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        let nodes = self.nodes.iter_mut();
        nodes.for_each(|node| node.herald.add_arguments(arguments));
    }

    /// One more machine, on which nothing runs.
    pub fn stranger(&self) -> Machine {
        Machine::plug(&self.lab, &self.switch, "stranger", STRANGER)
    }

    /// Captures ARP and NDP at the observer.
    pub fn witness(&self) -> Capture {
        let netns = &self.observer.netns;
        let filter = "arp or (icmp6 and (ip6[40] == 135 or ip6[40] == 136))";
        Capture::start(&self.lab, netns, "observer", LINK, filter)
    }

    /// Asks for addresses from the observer, all the time.
    pub fn ask(&self, targets: &[IpAddr], every: Duration) -> Asker {
        let wire = Wire::open(&self.observer.netns, LINK);
        Asker::start(wire, &self.observer.identity(), targets, every)
    }

    /// Waits until one node alone has answered for an address for a second, as somebody asks more
    /// often than every 100 ms; its number.
    pub fn settled(&self, witness: &Capture, address: IpAddr) -> u8 {
        const QUIET: Duration = Duration::from_secs(1);
        eventually(&format!("one node answers for {address}"), SOON, || {
            let now = clock();
            let seen = witness.since(now.saturating_sub(QUIET));
            let answers = witness::answers(&seen, address);
            let (Some((first, by)), Some((last, _))) = (answers.first(), answers.last()) else {
                return Err("no answer".to_owned());
            };
            let long = Duration::from_millis(800);
            let alone = answers.iter().all(|(_, other)| other == by);
            match self.who(*by) {
                Some(number) if alone && last.saturating_sub(*first) >= long => Ok(number),
                who => Err(format!("{who:?}: {answers:?}")),
            }
        })
    }

    /// Takes a port of the switch out of its bridge, or puts it in again.
    pub fn plug(&self, machine: &str, is_in: bool) {
        match is_in {
            true => self
                .switch
                .ip(&format!("link set {machine} master {BRIDGE}")),
            false => self.switch.ip(&format!("link set {machine} nomaster")),
        };
    }
}

impl Node {
    /// Raw sockets of ARP and NDP, and of anything else, in its namespace.
    pub fn raw_sockets(&self) -> usize {
        let table = self.machine.read_proc_net("packet");
        // The first line has the names of the columns.
        table.lines().skip(1).count()
    }

    /// UDP sockets there that hear at a port.
    pub fn udp_sockets(&self, port: u16) -> usize {
        let port = format!(":{port:04X}");
        let at_port = |line: &&str| {
            let local = line.split_whitespace().nth(1);
            local.is_some_and(|local| local.ends_with(&port))
        };
        let tables = ["udp", "udp6"].map(|name| self.machine.read_proc_net(name));
        tables
            .iter()
            .flat_map(|table| table.lines())
            .filter(at_port)
            .count()
    }

    /// Whether so many speakers are alive, as its own says.
    pub fn knows(&self, count: usize) -> Result<(), String> {
        let status = self.herald.overview()?;
        let speakers = status["l2"]["speakers"].as_array().map_or(0, Vec::len);
        match speakers == count {
            true => Ok(()),
            false => Err(format!("{}: {}", status["node"], status["l2"])),
        }
    }

    /// Runs its `herald`, again where it has ended.
    pub fn launch(&mut self) {
        self.herald.launch(&self.machine.netns);
    }
}

impl Machine {
    /// Makes one, with its link plugged into the bridge.
    fn plug(lab: &Lab, switch: &Netns, role: &str, number: u8) -> Machine {
        let netns = lab.netns(role);
        let (v4, v6) = (address(number), address6(number));
        let addresses = [
            format!("{v4}/16"),
            format!("{v6}/64"),
            format!("fe80::{number}/64"),
        ];
        netns.ip(&format!(
            "link add {LINK} address {} type veth peer name {role} netns {}",
            mac(number),
            switch.name()
        ));
        let addresses = addresses.each_ref().map(String::as_str);
        netns.bring_up(LINK, &addresses);
        switch.ip(&format!("link set {role} master {BRIDGE} up"));
        Machine { number, netns }
    }

    /// Takes packets for virtual addresses, and leaves it to others to answer for them.
    fn serve_vips(&self) {
        self.netns.sysctl("ipv6/conf/all/keep_addr_on_down", "1");
        self.netns.sysctl("ipv4/conf/all/arp_ignore", "1");
        self.netns.sysctl("ipv4/conf/all/arp_announce", "2");
        self.netns.ip(&format!("route add local {VIPS_V4} dev lo"));
        self.netns
            .ip(&format!("-6 route add local {VIPS_V6} dev lo"));
    }

    fn read_proc_net(&self, name: &str) -> String {
        let path = format!("/proc/thread-self/net/{name}");
        let text = self.netns.enter(|| std::fs::read_to_string(&path));
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// As whom it asks.
    pub fn identity(&self) -> Identity {
        Identity {
            mac: mac(self.number),
            addresses: [address(self.number).into(), address6(self.number).into()],
        }
    }
}

/// The Node object of a node.
pub fn node_object(number: u8) -> Value {
    let (v4, v6) = (address(number).to_string(), address6(number).to_string());
    let object = node(&name(number), &[&v4, &v6]);
    let labels = json!({"metadata": {"labels": {"lab/number": number.to_string()}}});
    merge(object, labels)
}
