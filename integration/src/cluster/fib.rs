//! The routes of a BGP daemon that has no kernel under it, such as GoBGP, in a router's kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::background::{Background, IsOver};
use crate::command::output;
use crate::netns::Netns;
use crate::router::Route;

/// How often the daemon is asked.
const PAUSE: Duration = Duration::from_millis(200);

type Table = BTreeMap<IpNet, BTreeSet<IpAddr>>;

/// Keeps a namespace's routes as the daemon has them, several next hops for each, until dropped. What
/// becomes of them is heard of by a [`RouteMonitor`](crate::kernel::monitor::RouteMonitor).
#[derive(Debug)]
pub struct Fib {
    _background: Background,
}

impl Fib {
    /// Begins; `routes` asks the daemon.
    pub fn start(netns: &Netns, routes: impl Fn() -> Vec<Route> + Send + 'static) -> Fib {
        let name = netns.name().to_owned();
        let keep = move |is_over: &IsOver<'_>| {
            let mut installed = Table::new();
            while !is_over() {
                let wanted = table(routes());
                for arguments in differences(&installed, &wanted) {
                    let mut all = vec!["-n", &name];
                    all.extend(arguments.split(' '));
                    if let Err(error) = output("ip", &all) {
                        eprintln!("{error}");
                    }
                }
                installed = wanted;
                std::thread::sleep(PAUSE);
            }
        };
        Fib {
            _background: Background::start(keep),
        }
    }
}

fn table(routes: Vec<Route>) -> Table {
    let mut table = Table::new();
    for route in routes {
        table
            .entry(route.prefix)
            .or_default()
            .insert(route.next_hop);
    }
    table
}

/// Arguments of `ip` that make the one of the other. A route is replaced as a whole, so that no
/// packet finds none.
fn differences(installed: &Table, wanted: &Table) -> Vec<String> {
    let gone = installed
        .keys()
        .filter(|prefix| !wanted.contains_key(prefix))
        .map(|prefix| format!("route del {prefix} proto bgp"));
    let new = wanted
        .iter()
        .filter(|(prefix, hops)| installed.get(prefix) != Some(hops))
        .map(|(prefix, hops)| {
            let hops: Vec<String> = hops
                .iter()
                .map(|hop| format!("nexthop via {hop}"))
                .collect();
            format!("route replace {prefix} proto bgp {}", hops.join(" "))
        });
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let row = |prefix: &str, hops: &[&str]| {
            let hops = hops.iter().map(|hop| hop.parse().expect("an address"));
            (prefix.parse().expect("a prefix"), hops.collect())
        };
        let before = Table::from([
            row("198.51.100.1/32", &["10.0.0.1"]),
            row("198.51.100.2/32", &["10.0.0.1"]),
            row("198.51.100.3/32", &["10.0.0.1", "10.0.0.2"]),
        ]);
        let after = Table::from([
            row("198.51.100.1/32", &["10.0.0.1"]),
            row("198.51.100.3/32", &["10.0.0.2"]),
        ]);
        let expected = [
            "route del 198.51.100.2/32 proto bgp",
            "route replace 198.51.100.3/32 proto bgp nexthop via 10.0.0.2",
        ];
        assert_eq!(differences(&before, &after), expected);
        assert!(differences(&after, &after).is_empty());
    }
}
