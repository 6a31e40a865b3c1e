//! BIRD 2, in a namespace. It puts routes into the kernel there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use ipnet::IpNet;

use crate::command::output;
use crate::lab::{Lab, Need};
use crate::netns::Netns;
use crate::process::{Process, await_file};
use crate::router::{Neighbour, Notification, Route, Router, RouterConfig};

/// A running `bird`.
#[derive(Debug)]
pub struct Bird {
    config: RouterConfig,
    folder: PathBuf,
    log: PathBuf,
    daemon: Option<Process>,
}

impl Bird {
    fn ask(&self, command: &str) -> Result<String, String> {
        let socket = self.folder.join("bird.ctl");
        output("birdc", &["-s", &socket.to_string_lossy(), command])
    }

    fn command(&self, command: &str) {
        self.ask(command).unwrap_or_else(|error| panic!("{error}"));
    }

    /// The protocol of a neighbour: `n0`, `n1`, …
    fn protocol(&self, neighbour: IpAddr) -> String {
        let mut neighbours = self.config.neighbours.iter();
        let index = neighbours.position(|known| known.address == neighbour);
        match index {
            Some(index) => format!("n{index}"),
            None => panic!("{neighbour} is no neighbour"),
        }
    }

    fn write_config(&self, left_out: Option<IpAddr>) {
        let path = self.folder.join("bird.conf");
        let text = render(&self.config, left_out);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn launch(&mut self, netns: &Netns) {
        let file = |name: &str| self.folder.join(name);
        let mut command = Command::new("bird");
        command.arg("-f").arg("-c").arg(file("bird.conf"));
        command
            .arg("-s")
            .arg(file("bird.ctl"))
            .arg("-P")
            .arg(file("bird.pid"));
        // There is none at the first start.
        let _ = std::fs::remove_file(file("bird.ctl"));
        let mut daemon = Process::spawn(netns, &self.log, command);
        await_file(&file("bird.ctl"), &mut daemon);
        self.daemon = Some(daemon);
    }

    fn running(&self) -> &Process {
        let daemon = self.daemon.as_ref();
        daemon.unwrap_or_else(|| panic!("{} is stopped", Self::NAME))
    }
}

impl Router for Bird {
    const NAME: &'static str = "bird";
    const NEEDS: &'static [Need] = &[Need::Program("bird", "bird2")];
    const ROUTES_IN_KERNEL: bool = true;
    const SENDS_ROUTE_REFRESH: bool = true;

    fn start(lab: &Lab, netns: &Netns, config: &RouterConfig) -> Self {
        let mut router = Bird {
            config: config.clone(),
            folder: lab.folder("bird"),
            log: lab.log("bird"),
            daemon: None,
        };
        router.write_config(None);
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
        let internal = |protocol: &str| {
            let index: Option<usize> = protocol.strip_prefix('n').and_then(|n| n.parse().ok());
            let neighbour = index.and_then(|index| self.config.neighbours.get(index));
            neighbour.is_some_and(|neighbour| neighbour.asn == self.config.asn)
        };
        let text = self.ask("show route all where source = RTS_BGP");
        let mut routes = parse_routes(&text.unwrap_or_default(), internal);
        routes.sort();
        routes
    }

    fn state(&self, neighbour: IpAddr) -> String {
        let text = self.ask(&format!("show protocols all {}", self.protocol(neighbour)));
        let text = text.unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        let state = lines.find_map(|line| line.strip_prefix("BGP state:"));
        state.unwrap_or("Unknown").trim().to_owned()
    }

    fn identifier(&self, neighbour: IpAddr) -> String {
        let text = self.ask(&format!("show protocols all {}", self.protocol(neighbour)));
        let text = text.unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        let found = lines.find_map(|line| line.strip_prefix("Neighbor ID:"));
        found.unwrap_or_default().trim().to_owned()
    }

    fn updates_received(&self, neighbour: IpAddr) -> u64 {
        let text = self.ask(&format!("show protocols all {}", self.protocol(neighbour)));
        let text = text.unwrap_or_default();
        let rows = text.lines().map(str::trim);
        let rows = rows.filter_map(|line| line.strip_prefix("Import updates:"));
        let received = rows.filter_map(|row| row.split_whitespace().next()?.parse::<u64>().ok());
        received.sum()
    }

    fn notifications_received(&self) -> Vec<Notification> {
        let log = self.log();
        log.lines().filter_map(notification).collect()
    }

    fn soft_reset_in(&self, neighbour: IpAddr) {
        self.command(&format!("reload in {}", self.protocol(neighbour)));
    }

    fn shut_down(&self, neighbour: IpAddr, text: &str) {
        self.command(&format!("disable {} \"{text}\"", self.protocol(neighbour)));
    }

    fn reset(&self, neighbour: IpAddr) {
        self.command(&format!("restart {}", self.protocol(neighbour)));
    }

    fn remove(&self, neighbour: IpAddr) {
        self.write_config(Some(neighbour));
        self.command("configure");
    }

    fn log(&self) -> String {
        crate::process::read_log(&self.log)
    }
}

/// The configuration, with one neighbour left out.
fn render(config: &RouterConfig, left_out: Option<IpAddr>) -> String {
    let mut text = format!(
        "log stderr all;\ndebug protocols {{ states }};\nrouter id {};\nprotocol device {{}}\n\
         protocol direct {{ ipv4; ipv6; }}\n",
        config.router_id
    );
    for family in ["ipv4", "ipv6"] {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "protocol kernel {{ {family} {{ export where source = RTS_BGP; }}; merge paths yes; }}"
        );
        let _ = writeln!(text, "protocol static {{ {family};");
        let of_family = |network: &&IpNet| matches!(network, IpNet::V4(_)) == (family == "ipv4");
        for network in config.networks.iter().filter(of_family) {
            let _ = writeln!(text, "  route {network} blackhole;");
        }
        text += "}\n";
    }
    for (index, neighbour) in config.neighbours.iter().enumerate() {
        if Some(neighbour.address) != left_out {
            text += &render_neighbour(config.asn, index, neighbour);
        }
    }
    text
}

fn render_neighbour(asn: u32, index: usize, neighbour: &Neighbour) -> String {
    let mut text = format!("protocol bgp n{index} {{\n  local as {asn};\n");
    let zone = match &neighbour.interface {
        Some(interface) => format!("%{interface}"),
        None => String::new(),
    };
    let asn = match neighbour.asn {
        0 => "external".to_owned(),
        asn => format!("as {asn}"),
    };
    let _ = writeln!(text, "  neighbor {}{zone} {asn};", neighbour.address);
    let _ = writeln!(text, "  hold time {};", neighbour.hold_time);
    text += "  connect delay time 1; connect retry time 1; error wait time 1, 2;\n";
    if let Some(password) = &neighbour.password {
        let _ = writeln!(text, "  password \"{password}\";");
    }
    if neighbour.passive {
        text += "  passive yes;\n";
    }
    if neighbour.ttl_security {
        text += "  ttl security yes;\n";
    }
    text += match neighbour.graceful_restart {
        true => "  graceful restart aware;\n",
        false => "  graceful restart off;\n",
    };
    for line in &neighbour.extra {
        let _ = writeln!(text, "  {line}");
    }
    text += match neighbour.multihop {
        true => "  multihop 255;\n",
        false => "  direct;\n",
    };
    let limit = match neighbour.prefix_limit {
        Some(limit) => format!("receive limit {limit} action disable;"),
        None => String::new(),
    };
    let families = [
        ("ipv4", neighbour.families.v4()),
        ("ipv6", neighbour.families.v6()),
    ];
    for (family, _) in families.iter().filter(|(_, wanted)| *wanted) {
        let _ = writeln!(
            text,
            "  {family} {{ import all; export where source = RTS_STATIC; {limit} }};"
        );
    }
    text + "}\n"
}

/// `show route all`: a line begins each route, lines that begin with a blank describe it. Only the
/// first route of a prefix has the prefix in front.
fn parse_routes(text: &str, internal: impl Fn(&str) -> bool) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut prefix: Option<IpNet> = None;
    let mut by_ibgp = false;
    for line in text.lines() {
        if let Some((head, rest)) = line.split_once('[') {
            let first = head.split_whitespace().next();
            prefix = first.and_then(|word| word.parse().ok()).or(prefix);
            by_ibgp = internal(rest.split_whitespace().next().unwrap_or(""));
            routes.extend(prefix.map(empty_route));
        } else if let Some((name, value)) = line.trim().split_once(':')
            && let Some(route) = routes.last_mut()
        {
            read_attribute(route, name, value.trim(), by_ibgp);
        }
    }
    routes
}

fn empty_route(prefix: IpNet) -> Route {
    Route {
        prefix,
        next_hop: IpAddr::from([0, 0, 0, 0]),
        as_path: Vec::new(),
        communities: BTreeSet::new(),
        large_communities: BTreeSet::new(),
        med: None,
        local_pref: None,
    }
}

fn read_attribute(route: &mut Route, name: &str, value: &str, by_ibgp: bool) {
    let mut words = value.split_whitespace();
    match name {
        "BGP.as_path" => route.as_path = words.filter_map(|word| word.parse().ok()).collect(),
        "BGP.next_hop" => {
            if let Some(next_hop) = words.next().and_then(|word| word.parse().ok()) {
                route.next_hop = next_hop;
            }
        }
        "BGP.med" => route.med = value.parse().ok(),
        "BGP.local_pref" if by_ibgp => route.local_pref = value.parse().ok(),
        "BGP.community" => route.communities = tuples(value),
        "BGP.large_community" => route.large_communities = tuples(value),
        _ => {}
    }
}

/// `(1,2) (3,4)` as `1:2` and `3:4`.
fn tuples(value: &str) -> BTreeSet<String> {
    let tuples = value.split('(').filter_map(|part| part.split_once(')'));
    tuples
        .map(|(tuple, _)| {
            let numbers: Vec<&str> = tuple.split(',').map(str::trim).collect();
            numbers.join(":")
        })
        .collect()
}

/// A line of the log such as `n0: Received: Administrative shutdown: "text"`.
fn notification(line: &str) -> Option<Notification> {
    let (_, said) = line.split_once("> ")?.1.split_once(": Received: ")?;
    let (_, code, subcode) = NOTIFICATIONS
        .iter()
        .find(|(name, ..)| said.starts_with(name))?;
    let text = said.split('"').nth(1).unwrap_or("");
    Some(Notification {
        code: *code,
        subcode: *subcode,
        text: text.to_owned(),
    })
}

/// What BIRD calls the errors that the lab provokes.
const NOTIFICATIONS: &[(&str, u8, u8)] = &[
    ("Bad peer AS", 2, 2),
    ("Bad BGP identifier", 2, 3),
    ("Unacceptable hold time", 2, 6),
    ("Hold timer expired", 4, 0),
    ("Maximum number of prefixes reached", 6, 1),
    ("Administrative shutdown", 6, 2),
    ("Peer de-configured", 6, 3),
    ("Administrative reset", 6, 4),
    ("Connection rejected", 6, 5),
    ("Other configuration change", 6, 6),
    ("Connection collision resolution", 6, 7),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_one_prefix_are_told_apart() {
        let text = "Table master4:\n\
            10.8.0.1/32          unicast [n0 07:28] * (100) [AS65002i]\n\
            \tvia 10.1.0.254 on eth0\n\
            \tBGP.as_path: 65002 65002\n\
            \tBGP.next_hop: 10.1.0.254\n\
            \tBGP.community: (64512,1) (64512,2)\n\
            \x20                    unicast [n1 07:28] (100) [i]\n\
            \tBGP.next_hop: fd00::1 fe80::1\n\
            \tBGP.large_community: (1, 2, 3)\n\
            \tBGP.local_pref: 300\n";
        let routes = parse_routes(text, |protocol| protocol == "n1");
        assert_eq!(routes.len(), 2);
        assert_eq!(routes[0].as_path, [65002, 65002]);
        assert_eq!(routes[0].communities.len(), 2);
        assert_eq!(routes[1].prefix, routes[0].prefix);
        assert_eq!(routes[1].next_hop.to_string(), "fd00::1");
        assert_eq!(routes[1].local_pref, Some(300));
        assert!(routes[1].large_communities.contains("1:2:3"));
    }

    #[test]
    fn a_notification_keeps_its_text() {
        let line = "2026-11-21 07:28:11 <RMT> n1: Received: Administrative shutdown: \"bye bye\"";
        let expected = Notification {
            code: 6,
            subcode: 2,
            text: "bye bye".to_owned(),
        };
        assert_eq!(notification(line), Some(expected));
    }
}
