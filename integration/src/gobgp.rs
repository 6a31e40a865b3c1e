//! GoBGP, in its container. It holds routes and puts none into the kernel.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::Value;

use crate::command::output;
use crate::container::Daemon;
use crate::lab::{Lab, Need};
use crate::netns::Netns;
use crate::router::{Neighbour, Notification, Route, Router, RouterConfig, address, number};
use crate::setup::{self, Gobgp};
use crate::wait;

/// A running `gobgpd`.
#[derive(Debug)]
pub struct GoBgp {
    build: &'static Gobgp,
    config: RouterConfig,
    folder: PathBuf,
    log: PathBuf,
    daemon: Option<Daemon>,
}

impl GoBgp {
    /// Asks the daemon by its client; standard output.
    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let target = format!("unix://{}", self.folder.join("api.sock").display());
        let mut all = vec!["--target", &target];
        all.extend(arguments);
        output(&self.build.client.to_string_lossy(), &all)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ask(arguments).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A verb of `gobgp neighbor ADDRESS`.
    fn command(&self, neighbour: IpAddr, verb: &[&str]) {
        let name = self.name_of(neighbour);
        let mut arguments = vec!["neighbor", &name];
        arguments.extend(verb);
        self.ask(&arguments)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    fn name_of(&self, neighbour: IpAddr) -> String {
        let mut neighbours = self.config.neighbours.iter();
        let found = neighbours.find(|known| known.address == neighbour);
        found.map_or(neighbour.to_string(), name)
    }

    /// What it has logged with a message, such as `Peer Down`, whose reason is in `Reason`.
    pub fn events(&self, message: &str) -> Vec<Value> {
        let log = crate::process::read_log(&self.log);
        let events = log.lines().filter_map(event);
        events.filter(|event| event["msg"] == message).collect()
    }

    fn launch(&mut self, netns: &Netns) {
        let config = self.folder.join("gobgpd.toml");
        let socket = self.folder.join("api.sock");
        // There is none at the first start.
        let _ = std::fs::remove_file(&socket);
        let hosts = format!("unix://{}", socket.display());
        let config = config.to_string_lossy();
        let arguments = ["-f", &config, "--api-hosts", &hosts, "--log-level", "debug"];
        self.daemon = Some(Daemon::start(
            self.build,
            netns,
            &self.folder,
            &self.log,
            &arguments,
        ));
        wait::eventually("gobgpd answers", wait::SOON, || {
            self.ask(&["global"])
                .map_err(|error| format!("{error}\n{}", self.log()))
        });
        for network in &self.config.networks {
            let (family, origin) = match network {
                ipnet::IpNet::V4(_) => ("ipv4", "0.0.0.0"),
                ipnet::IpNet::V6(_) => ("ipv6", "::"),
            };
            let network = network.to_string();
            let add = [
                "global", "rib", "add", "-a", family, &network, "nexthop", origin,
            ];
            self.ask(&add).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    fn running(&self) -> &Daemon {
        let daemon = self.daemon.as_ref();
        daemon.unwrap_or_else(|| panic!("{} is stopped", Self::NAME))
    }
}

impl Router for GoBgp {
    const NAME: &'static str = "gobgp";
    const NEEDS: &'static [Need] = &[Need::Gobgp];
    const ROUTES_IN_KERNEL: bool = false;
    const SENDS_ROUTE_REFRESH: bool = false;

    fn start(lab: &Lab, netns: &Netns, config: &RouterConfig) -> Self {
        let folder = lab.folder("gobgp");
        let path = folder.join("gobgpd.toml");
        std::fs::write(&path, render(config))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut router = GoBgp {
            build: setup::gobgp().unwrap_or_else(|error| panic!("{error}")),
            config: config.clone(),
            folder,
            log: lab.log("gobgpd"),
            daemon: None,
        };
        router.launch(netns);
        router
    }

    fn start_again(&mut self, netns: &Netns) {
        self.launch(netns);
    }

    fn stop(&mut self) {
        self.daemon = None;
    }

    fn pause(&self) {
        self.running().pause();
    }

    fn resume(&self) {
        self.running().resume();
    }

    fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let table = self.json(&["global", "rib", "-a", family, "-j"]);
            for (prefix, paths) in table.as_object().into_iter().flatten() {
                let learnt = |path: &&Value| address(&path["peer-address"]).is_some();
                let paths = paths.as_array().into_iter().flatten().filter(learnt);
                routes.extend(paths.filter_map(|path| route(prefix, path)));
            }
        }
        routes.sort();
        routes
    }

    fn state(&self, neighbour: IpAddr) -> String {
        let found = self.json(&["neighbor", &self.name_of(neighbour), "-j"]);
        let found = found.get(0).unwrap_or(&found);
        let names = [
            "Unknown",
            "Idle",
            "Connect",
            "Active",
            "OpenSent",
            "OpenConfirm",
            "Established",
        ];
        let state = found["state"]["session_state"].as_u64();
        let state = state.and_then(|state| usize::try_from(state).ok());
        let name = state.and_then(|state| names.get(state));
        name.unwrap_or(&"Unknown").to_string()
    }

    fn identifier(&self, neighbour: IpAddr) -> String {
        let found = self.json(&["neighbor", &self.name_of(neighbour), "-j"]);
        let found = found.get(0).unwrap_or(&found);
        let identifier = found["state"]["router_id"].as_str();
        identifier.unwrap_or_default().to_owned()
    }

    fn updates_received(&self, neighbour: IpAddr) -> u64 {
        let found = self.json(&["neighbor", &self.name_of(neighbour), "-j"]);
        let found = found.get(0).unwrap_or(&found);
        let received = &found["state"]["messages"]["received"]["update"];
        received.as_u64().unwrap_or(0)
    }

    fn notifications_received(&self) -> Vec<Notification> {
        let received = self.events("received notification");
        received.iter().filter_map(notification).collect()
    }

    fn soft_reset_in(&self, neighbour: IpAddr) {
        self.command(neighbour, &["softresetin"]);
    }

    fn shut_down(&self, neighbour: IpAddr, text: &str) {
        // `disable` sends no text.
        self.command(neighbour, &["shutdown", "--reason", text]);
    }

    fn reset(&self, neighbour: IpAddr) {
        self.command(neighbour, &["reset"]);
    }

    fn remove(&self, neighbour: IpAddr) {
        let name = self.name_of(neighbour);
        self.ask(&["neighbor", "del", &name])
            .unwrap_or_else(|error| panic!("{error}"));
    }

    fn log(&self) -> String {
        crate::process::read_log(&self.log)
    }
}

/// The neighbour's address with its zone.
fn name(neighbour: &Neighbour) -> String {
    match &neighbour.interface {
        Some(interface) => format!("{}%{interface}", neighbour.address),
        None => neighbour.address.to_string(),
    }
}

fn render(config: &RouterConfig) -> String {
    let mut text = format!(
        "[global.config]\n  as = {}\n  router-id = \"{}\"\n",
        config.asn, config.router_id
    );
    for neighbour in &config.neighbours {
        text += &render_neighbour(neighbour);
    }
    text
}

fn render_neighbour(neighbour: &Neighbour) -> String {
    let mut text = format!(
        "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"{}\"\n    peer-as = {}\n",
        name(neighbour),
        neighbour.asn
    );
    for line in &neighbour.extra {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {line}");
    }
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, "    auth-password = \"{password}\"");
    }
    let _ = writeln!(
        text,
        "  [neighbors.timers.config]\n    connect-retry = 1\n    hold-time = {}\n    \
         idle-hold-time-after-reset = 1",
        neighbour.hold_time
    );
    if neighbour.passive {
        text += "  [neighbors.transport.config]\n    passive-mode = true\n";
    }
    if neighbour.ttl_security {
        text += "  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n";
    }
    if neighbour.multihop {
        text += "  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 255\n";
    }
    if neighbour.graceful_restart {
        text +=
            "  [neighbors.graceful-restart.config]\n    enabled = true\n    helper-only = true\n";
    }
    let families = [
        ("ipv4-unicast", neighbour.families.v4()),
        ("ipv6-unicast", neighbour.families.v6()),
    ];
    for (family, _) in families.iter().filter(|(_, wanted)| *wanted) {
        let _ = writeln!(
            text,
            "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      \
             afi-safi-name = \"{family}\""
        );
        if neighbour.graceful_restart {
            text += "    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n";
        }
        if let Some(limit) = neighbour.prefix_limit {
            let _ = writeln!(
                text,
                "    [neighbors.afi-safis.prefix-limit.config]\n      max-prefixes = {limit}"
            );
        }
    }
    text
}

/// A path of `gobgp global rib -j`: attributes by their type code.
fn route(prefix: &str, path: &Value) -> Option<Route> {
    let attributes = path["attrs"].as_array()?;
    let attribute = |code: u64| attributes.iter().find(|known| known["type"] == code);
    let next_hop = attribute(14).or_else(|| attribute(3))?;
    let segments = attribute(2).and_then(|path| path["as_paths"].as_array());
    let communities = attribute(8).and_then(|value| value["communities"].as_array());
    let large = attribute(32).and_then(|value| value["value"].as_array());
    Some(Route {
        prefix: prefix.parse().ok()?,
        next_hop: address(&next_hop["nexthop"])?,
        as_path: segments
            .into_iter()
            .flatten()
            .flat_map(|segment| segment["asns"].as_array().into_iter().flatten())
            .filter_map(number)
            .collect(),
        communities: communities
            .into_iter()
            .flatten()
            .filter_map(number)
            .map(|value| format!("{}:{}", value >> 16, value & 0xffff))
            .collect(),
        large_communities: large
            .into_iter()
            .flatten()
            .map(|value| {
                format!(
                    "{}:{}:{}",
                    value["ASN"], value["LocalData1"], value["LocalData2"]
                )
            })
            .collect(),
        med: attribute(4).and_then(|value| number(&value["metric"])),
        local_pref: attribute(5).and_then(|value| number(&value["value"])),
    })
}

/// A line of the log. The container engine may put its own words in front of the JSON.
fn event(line: &str) -> Option<Value> {
    serde_json::from_str(line.get(line.find('{')?..)?).ok()
}

/// An event that tells of a NOTIFICATION received.
fn notification(event: &Value) -> Option<Notification> {
    let octet = |value: &Value| number(value).and_then(|number| u8::try_from(number).ok());
    Some(Notification {
        code: octet(&event["Code"])?,
        subcode: octet(&event["Subcode"])?,
        text: event["Communicated-Reason"]
            .as_str()
            .unwrap_or("")
            .to_owned(),
    })
}
