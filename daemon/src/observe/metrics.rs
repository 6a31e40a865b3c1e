//! `/metrics`: Prometheus text format 0.0.4. Names are `herald_…` in base units, and beside them
//! the names that dashboards for MetalLB know.

use std::fmt::{Display, Write};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::{Observed, report};

/// A metric's samples under its HELP and TYPE lines.
struct Family {
    name: &'static str,
    text: String,
}

impl Family {
    fn new(name: &'static str, kind: &str, help: &str) -> Family {
        let text = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { name, text }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let braces = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        // A String takes every write.
        let _ = writeln!(self.text, "{}{braces} {value}", self.name);
    }
}

/// Text format 0.0.4: backslash, quote and line feed.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The text as a response.
pub fn response(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// All metrics.
pub async fn text(observed: &Observed) -> String {
    let mut families = sessions(observed).await;
    families.extend(pools(observed));
    families.extend(daemon(observed));
    families.into_iter().map(|family| family.text).collect()
}

async fn sessions(observed: &Observed) -> Vec<Family> {
    let mut up = Family::new(
        "herald_bgp_session_up",
        "gauge",
        "Whether the session is Established.",
    );
    let mut metallb_up = Family::new(
        "metallb_bgp_session_up",
        "gauge",
        "BGP session state (1 is up, 0 is down)",
    );
    let mut metallb_updates = Family::new(
        "metallb_bgp_updates_total",
        "counter",
        "Number of BGP UPDATE messages sent",
    );
    let mut metallb_announced = Family::new(
        "metallb_bgp_announced_prefixes_total",
        "gauge",
        "Number of prefixes currently being advertised on the BGP session",
    );
    let mut advertised = Family::new(
        "herald_bgp_advertised_prefixes",
        "gauge",
        "Prefixes that the peer holds from us.",
    );
    let mut received = Family::new(
        "herald_bgp_received_prefixes",
        "gauge",
        "Prefixes that the peer has sent.",
    );
    let mut messages = Family::new(
        "herald_bgp_messages_total",
        "counter",
        "Messages by type and direction.",
    );
    let mut established = Family::new(
        "herald_bgp_sessions_established_total",
        "counter",
        "Times that the session became Established.",
    );
    for (spec, reported) in report::reports(observed).await {
        let Some(reported) = reported else { continue };
        let status = &reported.status;
        let old_name = format!("{}:{}", spec.transport.address, spec.transport.port);
        let (peer, old) = ([("peer", &*spec.name)], [("peer", &*old_name)]);
        let is_up = u8::from(status.uptime.is_some());
        let [ipv4, ipv6] = status.advertised;
        up.sample(&peer, is_up);
        metallb_up.sample(&old, is_up);
        metallb_updates.sample(&old, status.counters.sent.update);
        metallb_announced.sample(&old, ipv4 + ipv6);
        for (family, count) in [("ipv4", ipv4), ("ipv6", ipv6)] {
            advertised.sample(&[("peer", &*spec.name), ("family", family)], count);
        }
        let prefixes = status.received.map_or(0, |all| all.ipv4 + all.ipv6);
        received.sample(&peer, prefixes);
        established.sample(&peer, status.counters.established);
        let directions = [
            ("sent", status.counters.sent),
            ("received", status.counters.received),
        ];
        for (direction, counts) in directions {
            let types = [
                ("open", counts.open),
                ("update", counts.update),
                ("notification", counts.notification),
                ("keepalive", counts.keepalive),
                ("route-refresh", counts.route_refresh),
            ];
            for (kind, count) in types {
                let labels = [
                    ("peer", &*spec.name),
                    ("direction", direction),
                    ("type", kind),
                ];
                messages.sample(&labels, count);
            }
        }
    }
    vec![
        up,
        advertised,
        received,
        messages,
        established,
        metallb_up,
        metallb_updates,
        metallb_announced,
    ]
}

fn pools(observed: &Observed) -> Vec<Family> {
    let mut assigned = Family::new(
        "herald_pool_assigned_addresses",
        "gauge",
        "Addresses of a pool that Services hold.",
    );
    let mut available = Family::new(
        "herald_pool_available_addresses",
        "gauge",
        "Addresses of a pool that are left.",
    );
    let mut old_total = Family::new(
        "metallb_allocator_addresses_total",
        "gauge",
        "Number of usable IP addresses, per pool",
    );
    let mut old_used = Family::new(
        "metallb_allocator_addresses_in_use_total",
        "gauge",
        "Number of IP addresses in use, per pool",
    );
    for (pool, usage) in plan::pools::usage(&observed.view().world) {
        let families = [
            ("ipv4", usage.assigned_ipv4, usage.available_ipv4),
            ("ipv6", usage.assigned_ipv6, usage.available_ipv6),
        ];
        for (family, used, left) in families {
            let labels = [("pool", &*pool), ("family", family)];
            assigned.sample(&labels, used);
            available.sample(&labels, left);
        }
        let used = usage.assigned_ipv4.saturating_add(usage.assigned_ipv6);
        let left = usage.available_ipv4.saturating_add(usage.available_ipv6);
        old_total.sample(&[("pool", &*pool)], used.saturating_add(left));
        old_used.sample(&[("pool", &*pool)], used);
    }
    vec![assigned, available, old_total, old_used]
}

fn daemon(observed: &Observed) -> Vec<Family> {
    let view = observed.view();
    let gauge = |name, help, value: u64| {
        let mut family = Family::new(name, "gauge", help);
        family.sample(&[], value);
        family
    };
    let counter = |name, help, value: u64| {
        let mut family = Family::new(name, "counter", help);
        family.sample(&[], value);
        family
    };
    let errors = view.problems.iter().filter(|problem| problem.is_error());
    let errors = errors.count() as u64;
    let pending = view.allocation.notable.values();
    let pending = pending.filter(|assignment| assignment.outcome.shortfall().is_some());
    vec![
        counter("herald_rounds_total", "Rounds of allocation.", view.rounds),
        gauge(
            "herald_services",
            "Services that are ours.",
            view.world.services.len() as u64,
        ),
        gauge(
            "herald_services_pending",
            "Services that lack an address.",
            pending.count() as u64,
        ),
        gauge(
            "herald_config_errors",
            "Errors in the configuration; the last valid version of each object stays in use.",
            errors,
        ),
        gauge(
            "metallb_k8s_client_config_stale_bool",
            "1 if running on a stale configuration, because the latest config failed to load",
            u64::from(errors > 0),
        ),
        counter(
            "herald_bgp_connections_refused_total",
            "TCP connections closed because no configured peer opened them.",
            observed.listener.strangers(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_quotes_and_line_feeds_stays_one_label() {
        let mut family = Family::new("herald_x", "gauge", "X.");
        family.sample(&[("peer", "a\"b\\c\nd")], 1);
        let expected = "# HELP herald_x X.\n# TYPE herald_x gauge\n\
                        herald_x{peer=\"a\\\"b\\\\c\\nd\"} 1\n";
        assert_eq!(family.text, expected);
    }
}
