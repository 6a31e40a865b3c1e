//! Routes in the kernel of a namespace.

pub mod monitor;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::netns::Netns;

/// Routes that a routing daemon has put there: each prefix with its next hops.
///
/// An IPv6 next hop is most often the link-local address of the neighbour; `fe80::/10` ones come
/// as they are.
pub fn routes(netns: &Netns) -> BTreeMap<IpNet, BTreeSet<IpAddr>> {
    let mut found: BTreeMap<IpNet, BTreeSet<IpAddr>> = BTreeMap::new();
    for protocol in ["bgp", "bird"] {
        for family in ["-4", "-6"] {
            let text = netns.ip(&format!("-json {family} route show proto {protocol}"));
            let rows: Value = serde_json::from_str(&text).unwrap_or_default();
            for row in rows.as_array().into_iter().flatten() {
                let Some(prefix) = prefix(&row["dst"]) else {
                    continue;
                };
                found.entry(prefix).or_default().extend(next_hops(row));
            }
        }
    }
    found
}

/// `10.0.0.0/24`, or an address alone.
fn prefix(value: &Value) -> Option<IpNet> {
    let text = value.as_str()?;
    let host = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(host)
}

fn next_hops(row: &Value) -> BTreeSet<IpAddr> {
    let several = row["nexthops"].as_array().into_iter().flatten();
    std::iter::once(row)
        .chain(several)
        .flat_map(|hop| [&hop["gateway"], &hop["via"]["host"]])
        .filter_map(|gateway| gateway.as_str()?.parse().ok())
        .collect()
}
