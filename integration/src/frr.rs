//! FRR, in a namespace: `zebra` and `bgpd`. It puts routes into the kernel there.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{output, run};
use crate::lab::{Lab, Need};
use crate::netns::Netns;
use crate::process::{Process, await_file};
use crate::router::{Neighbour, Notification, Route, Router, RouterConfig, address, number};

const ZEBRA: &str = "/usr/lib/frr/zebra";
const BGPD: &str = "/usr/lib/frr/bgpd";
/// The user that FRR's daemons change to.
const USER: &str = "frr";

/// Running daemons of FRR.
#[derive(Debug)]
pub struct Frr {
    config: RouterConfig,
    folder: PathBuf,
    logs: [PathBuf; 2],
    daemons: Option<[Process; 2]>,
}

impl Frr {
    fn ask(&self, commands: &[&str]) -> Result<String, String> {
        let folder = self.folder.to_string_lossy();
        let mut arguments = vec!["--vty_socket", &folder, "-d", "bgpd"];
        arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
        output("vtysh", &arguments)
    }

    fn json(&self, command: &str) -> Value {
        let text = self.ask(&[command]).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn neighbour(&self, neighbour: IpAddr) -> Value {
        let all = self.json("show bgp neighbors json");
        all[neighbour.to_string()].clone()
    }

    fn command(&self, command: &str) {
        self.ask(&[command])
            .unwrap_or_else(|error| panic!("{error}"));
    }

    fn configure(&self, line: &str) {
        let router = format!("router bgp {}", self.config.asn);
        let configured = self.ask(&["configure terminal", &router, line]);
        configured.unwrap_or_else(|error| panic!("{error}"));
    }

    fn launch(&mut self, netns: &Netns) {
        let zebra = self.daemon(netns, ZEBRA, "zebra", Path::new("/dev/null"), &self.logs[0]);
        let config = self.folder.join("bgpd.conf");
        let bgpd = self.daemon(netns, BGPD, "bgpd", &config, &self.logs[1]);
        self.daemons = Some([zebra, bgpd]);
    }

    /// Starts a daemon with all its files in the test's folder, and waits until it can be asked.
    fn daemon(
        &self,
        netns: &Netns,
        program: &str,
        name: &str,
        config: &Path,
        log: &Path,
    ) -> Process {
        let file = |suffix: &str| self.folder.join(format!("{name}.{suffix}"));
        let mut command = Command::new(program);
        command.args(["-u", USER, "-g", USER, "-P", "0", "--log", "stdout"]);
        command.arg("--vty_socket").arg(&self.folder);
        command.arg("-i").arg(file("pid"));
        command.arg("-z").arg(self.folder.join("zserv"));
        command.arg("-f").arg(config);
        // There is none at the first start.
        let _ = std::fs::remove_file(file("vty"));
        let mut process = Process::spawn(netns, log, command);
        await_file(&file("vty"), &mut process);
        process
    }

    fn running(&self) -> &[Process; 2] {
        let daemons = self.daemons.as_ref();
        daemons.unwrap_or_else(|| panic!("{} is stopped", Self::NAME))
    }
}

impl Router for Frr {
    const NAME: &'static str = "frr";
    const NEEDS: &'static [Need] = &[
        Need::Program(BGPD, "frr"),
        Need::Program(ZEBRA, "frr"),
        Need::Program("vtysh", "frr"),
    ];
    const ROUTES_IN_KERNEL: bool = true;
    const SENDS_ROUTE_REFRESH: bool = true;

    fn start(lab: &Lab, netns: &Netns, config: &RouterConfig) -> Self {
        let folder = lab.folder("frr");
        let path = folder.join("bgpd.conf");
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::write(&path, render(config))
            .and_then(|()| std::fs::set_permissions(&path, open))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        run(
            "chown",
            &[&format!("{USER}:{USER}"), &folder.to_string_lossy()],
        );
        let mut router = Frr {
            config: config.clone(),
            folder,
            logs: [lab.log("zebra"), lab.log("bgpd")],
            daemons: None,
        };
        router.launch(netns);
        router
    }

    fn start_again(&mut self, netns: &Netns) {
        self.launch(netns);
    }

    fn stop(&mut self) {
        self.daemons = None;
    }

    fn pause(&self) {
        self.running().iter().for_each(Process::pause);
    }

    fn resume(&self) {
        self.running().iter().for_each(Process::resume);
    }

    fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let table = self.json(&format!("show bgp {family} unicast json detail"));
            for (prefix, paths) in table["routes"].as_object().into_iter().flatten() {
                let paths = paths.as_array().into_iter().flatten();
                routes.extend(paths.filter_map(|path| route(prefix, path)));
            }
        }
        routes.sort();
        routes
    }

    fn state(&self, neighbour: IpAddr) -> String {
        let state = self.neighbour(neighbour)["bgpState"].clone();
        state.as_str().unwrap_or("Unknown").to_owned()
    }

    fn identifier(&self, neighbour: IpAddr) -> String {
        let identifier = self.neighbour(neighbour)["remoteRouterId"].clone();
        identifier.as_str().unwrap_or_default().to_owned()
    }

    fn updates_received(&self, neighbour: IpAddr) -> u64 {
        let received = &self.neighbour(neighbour)["messageStats"]["updatesRecv"];
        received.as_u64().unwrap_or(0)
    }

    fn notifications_received(&self) -> Vec<Notification> {
        let log = self.log();
        log.lines().filter_map(notification).collect()
    }

    fn soft_reset_in(&self, neighbour: IpAddr) {
        self.command(&format!("clear bgp {neighbour} soft in"));
    }

    fn shut_down(&self, neighbour: IpAddr, text: &str) {
        self.configure(&format!("neighbor {neighbour} shutdown message {text}"));
    }

    fn reset(&self, neighbour: IpAddr) {
        self.command(&format!("clear bgp {neighbour}"));
    }

    fn remove(&self, neighbour: IpAddr) {
        let known = self
            .config
            .neighbours
            .iter()
            .find(|known| known.address == neighbour);
        let asn = known.map_or(0, |known| known.asn);
        self.configure(&format!("no neighbor {neighbour} remote-as {asn}"));
    }

    fn log(&self) -> String {
        crate::process::read_log(&self.logs[1])
    }
}

fn render(config: &RouterConfig) -> String {
    let mut text = format!(
        "debug bgp neighbor-events\n\
         router bgp {}\n bgp router-id {}\n bgp log-neighbor-changes\n \
         no bgp ebgp-requires-policy\n no bgp network import-check\n \
         no bgp default ipv4-unicast\n bgp bestpath as-path multipath-relax\n",
        config.asn, config.router_id
    );
    for neighbour in &config.neighbours {
        text += &render_neighbour(neighbour);
    }
    for family in ["ipv4", "ipv6"] {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            " address-family {family} unicast\n  maximum-paths 8\n  maximum-paths ibgp 8"
        );
        let of_family = |v4: bool| v4 == (family == "ipv4");
        for network in config
            .networks
            .iter()
            .filter(|network| of_family(network.addr().is_ipv4()))
        {
            let _ = writeln!(text, "  network {network}");
        }
        for neighbour in &config.neighbours {
            let wanted = match family {
                "ipv4" => neighbour.families.v4(),
                _ => neighbour.families.v6(),
            };
            if wanted {
                text += &render_activation(neighbour);
            }
        }
        text += " exit-address-family\n";
    }
    text
}

fn render_neighbour(neighbour: &Neighbour) -> String {
    let start = format!(" neighbor {}", neighbour.address);
    let hold = neighbour.hold_time;
    let asn = match neighbour.asn {
        0 => "external".to_owned(),
        asn => asn.to_string(),
    };
    let mut text = format!(
        "{start} remote-as {asn}\n{start} timers {} {hold}\n{start} timers connect 1\n",
        hold / 3
    );
    let mut option = |words: String| text += &format!("{start} {words}\n");
    if let Some(interface) = &neighbour.interface {
        option(format!("interface {interface}"));
    }
    if let Some(password) = &neighbour.password {
        option(format!("password {password}"));
    }
    if neighbour.passive {
        option("passive".to_owned());
    }
    if neighbour.ttl_security {
        option("ttl-security hops 1".to_owned());
    }
    if neighbour.multihop {
        option("ebgp-multihop 255".to_owned());
    }
    if neighbour.graceful_restart {
        option("graceful-restart-helper".to_owned());
    }
    for line in &neighbour.extra {
        option(line.clone());
    }
    text
}

fn render_activation(neighbour: &Neighbour) -> String {
    let mut text = format!("  neighbor {} activate\n", neighbour.address);
    if let Some(limit) = neighbour.prefix_limit {
        let _ = writeln!(
            text,
            "  neighbor {} maximum-prefix {limit}",
            neighbour.address
        );
    }
    text
}

/// A path of `show bgp … json detail`. The first entry of each prefix describes the prefix and
/// has no AS_PATH.
fn route(prefix: &str, path: &Value) -> Option<Route> {
    let segments = path["aspath"]["segments"].as_array()?;
    let internal = path["peer"]["type"] == "internal";
    let hops = path["nexthops"].as_array()?;
    let global = |hop: &&Value| hop["scope"] != "link-local";
    let next_hop = hops.iter().find(global).or(hops.first())?;
    let list = |name: &str| {
        let list = path[name]["list"].as_array();
        list.into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
    };
    // Routes of the router's own have no peer address.
    address(&path["peer"]["peerId"]).filter(|peer| !peer.is_unspecified())?;
    Some(Route {
        prefix: prefix.parse().ok()?,
        next_hop: address(&next_hop["ip"])?,
        as_path: segments
            .iter()
            .flat_map(|segment| segment["list"].as_array().into_iter().flatten())
            .filter_map(number)
            .collect(),
        communities: list("community").map(community).collect(),
        large_communities: list("largeCommunity").collect(),
        med: number(&path["metric"]).or_else(|| number(&path["med"])),
        local_pref: number(&path["locPrf"]).filter(|_| internal),
    })
}

/// FRR names well-known communities (RFC 1997) in words of its own.
fn community(name: String) -> String {
    match name.as_str() {
        "noExport" => "65535:65281".to_owned(),
        "noAdvertise" => "65535:65282".to_owned(),
        "localAs" => "65535:65283".to_owned(),
        "gracefulShutdown" => "65535:0".to_owned(),
        _ => name,
    }
}

/// A line of the log such as `%NOTIFICATION: received from neighbor 10.1.0.1 6/2 (…) 4 bytes …`.
fn notification(line: &str) -> Option<Notification> {
    let (_, said) = line.split_once("%NOTIFICATION: received from neighbor ")?;
    let (code, subcode) = said.split_whitespace().nth(1)?.split_once('/')?;
    Some(Notification {
        code: code.parse().ok()?,
        subcode: subcode.parse().ok()?,
        text: said.split('"').nth(1).unwrap_or("").to_owned(),
    })
}
