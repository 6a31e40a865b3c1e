//! A real Kubernetes API server, and what belongs to it: etcd, the controller manager, nodes.
//!
//! A [`ControlPlane`] runs in a namespace of its own, at the same addresses and ports each time.
//! There is a bridge in it; a [`node::Node`] is a Node object and a namespace on that bridge, with
//! kube-proxy and without kubelet: what a kubelet would report, the test writes. A [`pod::Pod`] is
//! a Pod object whose address is on its node, where a server answers.
//!
//! A [`gate::Gate`] stands between one client and the API server, and answers in its place what a
//! test wants answered.
//!
//! Most tests share one control plane, each in a Kubernetes namespace of its own
//! ([`shared::Shared`]). A test that stops the API server, or that watches objects of the whole
//! cluster, starts its own.

pub mod balancer;
pub mod build;
pub mod client;
pub mod fabric;
pub mod failure;
pub mod gate;
pub mod herald;
pub mod kubectl;
pub mod node;
pub mod outage;
pub mod pod;
pub mod segment;
pub mod shared;
pub mod watch;

mod access;
mod heartbeat;
mod launch;
mod resource;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::lab::{Lab, Need, next_number};
use crate::netns::Netns;
use crate::process::Process;
use crate::wait;
use build::Programs;
use client::Client;

/// What a test with an API server needs.
pub const NEEDS: &[Need] = &[
    Need::Kubernetes,
    Need::Program("etcd", "etcd-server"),
    Need::Program("nft", "nftables"),
    Need::Program("openssl", "openssl"),
];

/// How long the API server may take to be ready. Seconds are usual; a machine may be busy.
const READY: Duration = Duration::from_secs(180);

/// The bridge that all nodes are on.
const BRIDGE: &str = "nodes";
/// The control plane's own addresses on it.
const ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, 1);
/// Numbers in addresses on the nodes' network: machines have those below, nodes those from here on,
/// and the Pods of a node a row of those from `FIRST_POD` on.
const FIRST_NODE: u16 = 256;
const FIRST_POD: u16 = 0x8000;
/// The first of the ranges between those of nodes and those of Pods, that are for Services; they are
/// the third octets of addresses.
const FIRST_RANGE: u8 = 64;
/// How many Pods a node has numbers for.
const PODS: u16 = 64;
/// The API server's port.
const PORT: u16 = 6443;

/// What of a control plane may differ.
#[derive(Clone, Debug)]
pub struct Options {
    /// The controllers to run, as `--controllers` takes them: `*` is all, and `-NAME` after it
    /// leaves one out, such as `-node-lifecycle-controller`. `None` runs no controller manager.
    pub controllers: Option<String>,
    /// How long after a node's last heartbeat it turns Unknown.
    pub node_monitor_grace_period: Duration,
    /// More arguments of the API server.
    pub apiserver: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            controllers: Some("*".to_owned()),
            node_monitor_grace_period: Duration::from_secs(20),
            apiserver: Vec::new(),
        }
    }
}

/// etcd, the API server and the controller manager, running until dropped. It is the
/// administrator's [`Client`], too.
#[derive(Debug)]
pub struct ControlPlane {
    // In this order: each is a client of the next.
    manager: Option<Process>,
    apiserver: Option<Process>,
    etcd: Process,
    client: Client,
    netns: Netns,
    place: Place,
    // Numbers in addresses on the nodes' network that come next.
    machines: AtomicU16,
    nodes: AtomicU16,
    // The same of ranges for Services.
    ranges: AtomicU8,
}

/// Where a control plane keeps its files, and what it runs.
#[derive(Debug)]
struct Place {
    programs: &'static Programs,
    options: Options,
    folder: PathBuf,
    /// Log files by the programs' names.
    logs: PathBuf,
}

impl Deref for ControlPlane {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl ControlPlane {
    /// Starts one for a test, with all controllers, and waits until it is ready.
    pub fn start(lab: &Lab) -> ControlPlane {
        ControlPlane::start_with(lab, Options::default())
    }

    /// As [`ControlPlane::start`], without the controller that needs heartbeats: how nodes are, the
    /// test alone says.
    pub fn start_without_heartbeats(lab: &Lab) -> ControlPlane {
        let options = Options {
            controllers: Some("*,-node-lifecycle-controller".to_owned()),
            ..Options::default()
        };
        ControlPlane::start_with(lab, options)
    }

    /// As [`ControlPlane::start`], with other options.
    ///
    /// # Panics
    ///
    /// If it does not get ready; the message has the end of the log.
    pub fn start_with(lab: &Lab, options: Options) -> ControlPlane {
        let name = format!("kube-{}", next_number());
        let place = Place {
            programs: build::programs().unwrap_or_else(|error| panic!("{error}")),
            options,
            folder: lab.folder(&name),
            logs: lab.log(&name).with_extension(""),
        };
        std::fs::create_dir_all(&place.logs).unwrap_or_else(|error| panic!("{error}"));
        let netns = lab.netns("kube");
        netns.bridge(
            BRIDGE,
            &[&format!("{ADDRESS_V4}/16"), &format!("{ADDRESS_V6}/64")],
        );
        let etcd = place.etcd(&netns);
        place.write_keys();
        let mut apiserver = place.apiserver(&netns);
        let client = place.client(&netns, &mut apiserver);
        let mut control_plane = ControlPlane {
            manager: None,
            apiserver: Some(apiserver),
            etcd,
            client,
            netns,
            place,
            machines: AtomicU16::new(2),
            nodes: AtomicU16::new(FIRST_NODE),
            ranges: AtomicU8::new(FIRST_RANGE),
        };
        control_plane.await_ready();
        control_plane.start_manager();
        control_plane
    }

    /// The administrator's client; a clone of it goes to other threads.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where a program of Kubernetes is, such as `kubelet`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.place.programs.path(name)
    }

    /// The API server's address and port.
    pub fn endpoint(&self) -> (IpAddr, u16) {
        (ADDRESS_V4.into(), PORT)
    }

    /// The namespace that it runs in.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Joins a machine, such as a router or a client, to the nodes' network by a link of that name,
    /// with an address each of `10.244.0.0/16` and `fd00:244::/64` that nobody else has, and a
    /// link-local one.
    pub fn attach(&self, netns: &Netns, link: &str) -> [IpAddr; 2] {
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        assert!(number < FIRST_NODE, "no addresses are left");
        self.attach_as(netns, link, number)
    }

    /// As [`ControlPlane::attach`], with a number of its own.
    fn attach_as(&self, netns: &Netns, link: &str, number: u16) -> [IpAddr; 2] {
        let addresses = addresses(number);
        let [v4, v6] = addresses;
        let port = format!("port-{number}");
        // Without a link-local address the kernel asks for no neighbour (RFC 4861 §7.2.2) but for
        // packets from an address of its own: none that it forwards, nor the answers of a Pod,
        // which are from the Service's address.
        let ends = [
            format!("{v4}/16"),
            format!("{v6}/64"),
            format!("fe80::{number:x}/64"),
        ];
        let ends: Vec<&str> = ends.iter().map(String::as_str).collect();
        netns.join(link, &ends, &self.netns, &port, &[]);
        self.netns.ip(&format!("link set {port} master {BRIDGE}"));
        addresses
    }

    /// A Kubernetes namespace of the test's own: its name begins so. Pods can be made in it.
    pub fn namespace(&self, start: &str) -> String {
        let name = format!("{start}-{}", next_number());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.create(&object)
            .unwrap_or_else(|failure| panic!("{failure}"));
        if self.manager.is_some() {
            self.await_account(&name);
        }
        name
    }

    /// SIGKILL for the API server: its clients' connections break.
    pub fn kill_apiserver(&mut self) {
        self.apiserver = None;
    }

    /// SIGTERM for the API server, and waits for its end: it lets requests finish and ends watches.
    pub fn stop_apiserver(&mut self) {
        if let Some(mut apiserver) = self.apiserver.take() {
            apiserver.terminate();
        }
    }

    /// Starts it again after [`ControlPlane::kill_apiserver`] or [`ControlPlane::stop_apiserver`],
    /// with the same objects, keys and address, and waits until it is ready.
    pub fn start_apiserver(&mut self) {
        self.apiserver = Some(self.place.apiserver(&self.netns));
        self.await_ready();
    }

    /// SIGSTOP for the API server: connections stay open, and nobody answers on them.
    pub fn freeze_apiserver(&mut self) {
        self.running().pause();
    }

    /// SIGCONT, after [`ControlPlane::freeze_apiserver`].
    pub fn thaw_apiserver(&mut self) {
        self.running().resume();
    }

    /// SIGSTOP for etcd: the API server answers what it has in its caches, and all else with 5xx
    /// once it has lost patience.
    pub fn freeze_etcd(&mut self) {
        self.etcd.pause();
    }

    /// SIGCONT, after [`ControlPlane::freeze_etcd`].
    pub fn thaw_etcd(&mut self) {
        self.etcd.resume();
    }

    /// The ends of all logs, for whoever looks at a failed test.
    pub fn log_tails(&self) -> String {
        launch::tails(&self.place.logs)
    }

    fn running(&self) -> &Process {
        let apiserver = self.apiserver.as_ref();
        apiserver.unwrap_or_else(|| panic!("the API server is stopped"))
    }

    fn await_ready(&mut self) {
        let ControlPlane {
            apiserver, client, ..
        } = self;
        wait::eventually("the API server is ready", READY, || {
            if let Some(apiserver) = apiserver.as_mut()
                && !apiserver.is_running()
            {
                panic!("it ended: {}", crate::process::tail(&apiserver.log()));
            }
            let ready = client.text("/readyz?verbose");
            ready.map(|_| ()).map_err(|failure| failure.to_string())
        });
    }

    fn start_manager(&mut self) {
        let Some(controllers) = self.place.options.controllers.clone() else {
            return;
        };
        self.manager = Some(self.place.manager(&self.netns, &controllers));
        self.await_account("default");
    }

    /// Waits for a namespace's first ServiceAccount: without it, no Pod can be made there.
    fn await_account(&self, namespace: &str) {
        let account = ("ServiceAccount", namespace, "default");
        let what = format!("the namespace {namespace} has its account");
        self.wait_until(&what, READY, account, |_| Some(()));
    }

    /// A number for a node.
    fn next_node(&self) -> u16 {
        self.nodes.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of a range for Services on the nodes' network.
    fn next_range(&self) -> u8 {
        let number = self.ranges.fetch_add(1, Ordering::Relaxed);
        assert!(u16::from(number) << 8 < FIRST_POD, "no ranges are left");
        number
    }

    fn folder(&self) -> &Path {
        &self.place.folder
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tails());
        }
        // Before the files that they hold.
        self.manager = None;
        self.apiserver = None;
        self.etcd.kill();
        let _ = std::fs::remove_dir_all(self.folder());
    }
}

/// The addresses with a number on the nodes' network.
fn addresses(number: u16) -> [IpAddr; 2] {
    let [high, low] = number.to_be_bytes();
    let v6 = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, number);
    [Ipv4Addr::new(10, 244, high, low).into(), v6.into()]
}
