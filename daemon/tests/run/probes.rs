//! /healthz, /readyz and /metrics over TCP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::json;

use crate::exposition::{Exposition, Family};
use crate::herald::{Herald, POOL, eventually, is_established, service};
use crate::pair::Pair;

#[test]
fn it_is_healthy_at_once_and_ready_only_after_the_first_round() {
    let mut herald = with_probes("127.0.22.1");
    herald.write("pool.yaml", POOL);
    herald.write("web.yaml", &service("web"));
    // A pipe without a writer: reading what was assigned takes as long as we like.
    let made = Command::new("mkfifo").arg(herald.state()).status().unwrap();
    assert!(made.success());
    herald.launch();
    let at = herald.metrics.clone();
    assert_eq!(get(&at, "/healthz").status, 200);
    let ready = get(&at, "/readyz");
    assert_eq!((ready.status, &*ready.body), (503, "no round yet\n"));
    assert_eq!(value(&at, "herald_rounds_total", &[]), 0.0);
    let nothing = r#"{"version": 1, "assignments": []}"#;
    std::fs::write(herald.state(), nothing).unwrap();
    eventually("it is ready", || match get(&at, "/readyz").status {
        200 => Ok(()),
        other => Err(format!("{other}: {}", herald.log())),
    });
    assert!(value(&at, "herald_rounds_total", &[]) >= 1.0);
    let pool = [("pool", "default"), ("family", "ipv4")];
    assert_eq!(value(&at, "herald_pool_assigned_addresses", &pool), 1.0);
    assert_eq!(get(&at, "/healthz").status, 200);
}

#[test]
fn it_is_not_ready_while_the_state_file_cannot_be_written_and_healthy_still() {
    let mut herald = with_probes("127.0.23.1");
    herald.write("pool.yaml", POOL);
    herald.launch();
    let at = herald.metrics.clone();
    let is_ready = |expected: u16| {
        eventually("readiness follows", || match get(&at, "/readyz") {
            answer if answer.status == expected => Ok(answer.body),
            answer => Err(format!("{}: {}", answer.status, answer.body)),
        })
    };
    is_ready(200);
    let folder = herald.state().parent().unwrap().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    herald.write("web.yaml", &service("web"));
    let body = is_ready(503);
    assert!(
        body.contains(&herald.state().display().to_string()),
        "{body}"
    );
    assert_eq!(value(&at, "herald_state_writable", &[]), 0.0);
    assert_eq!(get(&at, "/healthz").status, 200);
    std::fs::rename(&away, &folder).unwrap();
    is_ready(200);
}

#[test]
fn metrics_have_their_names_types_and_values_once_a_session_is_up() {
    let mut pair = Pair::prepare("127.0.24", json!({}));
    pair.node.metrics = free_port("127.0.24.1");
    pair.node.write("broken.yaml", "kind: [");
    pair.node.launch();
    pair.node
        .await_peer("router", "is Established", is_established);
    pair.node.await_peer("router", "has the route", |peer| {
        peer["advertisedPrefixes"] == 1
    });
    let answer = get(&pair.node.metrics, "/metrics");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .head
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        answer.head
    );
    let found = Exposition::parse(&answer.body).unwrap();
    let router = ("peer", "router");
    let address = format!("127.0.24.2:{}", pair.port());
    let (old, pool) = (("peer", &*address), ("pool", "default"));
    let (ipv4, ipv6) = (("family", "ipv4"), ("family", "ipv6"));
    let opens = [router, ("direction", "sent"), ("type", "open")];
    let in_vrf = [old, ("vrf", "default")];
    let ip = ("ip", "203.0.113.0");
    let announced = [
        ("service", "default/web"),
        ("protocol", "bgp"),
        ("node", "node"),
        ip,
    ];
    let table: [Row<'_>; 34] = [
        ("herald_bgp_session_up", "gauge", &[router], 1.0),
        (
            "herald_bgp_sessions_established_total",
            "counter",
            &[router],
            1.0,
        ),
        (
            "herald_bgp_advertised_prefixes",
            "gauge",
            &[router, ipv4],
            1.0,
        ),
        (
            "herald_bgp_advertised_prefixes",
            "gauge",
            &[router, ipv6],
            0.0,
        ),
        ("herald_bgp_received_prefixes", "gauge", &[router], 0.0),
        ("herald_bgp_messages_total", "counter", &opens, 1.0),
        ("herald_bgp_connections_refused_total", "counter", &[], 0.0),
        (
            "herald_pool_assigned_addresses",
            "gauge",
            &[pool, ipv4],
            1.0,
        ),
        (
            "herald_pool_available_addresses",
            "gauge",
            &[pool, ipv4],
            255.0,
        ),
        (
            "herald_pool_available_addresses",
            "gauge",
            &[pool, ipv6],
            0.0,
        ),
        ("herald_services", "gauge", &[], 1.0),
        ("herald_services_pending", "gauge", &[], 0.0),
        ("herald_config_errors", "gauge", &[], 1.0),
        (
            "herald_bgp_sessions_dropped_total",
            "counter",
            &[router],
            0.0,
        ),
        (
            "herald_bgp_updates_treated_as_withdraw_total",
            "counter",
            &[router],
            0.0,
        ),
        (
            "herald_bgp_attributes_discarded_total",
            "counter",
            &[router],
            0.0,
        ),
        ("herald_state_writable", "gauge", &[], 1.0),
        ("metallb_bgp_session_up", "gauge", &[old], 1.0),
        ("metallb_bgp_announced_prefixes_total", "gauge", &[old], 1.0),
        ("metallb_bgp_updates_total", "counter", &[old], 2.0),
        ("metallb_allocator_addresses_total", "gauge", &[pool], 256.0),
        (
            "metallb_allocator_addresses_in_use_total",
            "gauge",
            &[pool],
            1.0,
        ),
        ("herald_bgp_updates_pending", "gauge", &[router], 0.0),
        ("metallb_bgp_opens_sent", "counter", &in_vrf, 1.0),
        ("metallb_bgp_opens_received", "counter", &in_vrf, 1.0),
        ("metallb_bgp_notifications_sent", "counter", &in_vrf, 0.0),
        ("metallb_bgp_route_refresh_sent", "counter", &in_vrf, 0.0),
        (
            "metallb_allocator_ipv4_addresses_total",
            "gauge",
            &[pool],
            256.0,
        ),
        (
            "metallb_allocator_ipv4_addresses_in_use_total",
            "gauge",
            &[pool],
            1.0,
        ),
        (
            "metallb_allocator_ipv6_addresses_total",
            "gauge",
            &[pool],
            0.0,
        ),
        (
            "metallb_allocator_ipv6_addresses_in_use_total",
            "gauge",
            &[pool],
            0.0,
        ),
        ("metallb_k8s_client_config_loaded_bool", "gauge", &[], 1.0),
        ("metallb_speaker_announced", "gauge", &announced, 1.0),
        ("metallb_k8s_client_config_stale_bool", "gauge", &[], 1.0),
    ];
    for (name, kind, labels, expected) in table {
        let family = found.family(name);
        assert_eq!(family.map(|family| &*family.kind), Some(kind), "{name}");
        let value = family.and_then(|family| family.value(labels));
        assert_eq!(value, Some(expected), "{name}{labels:?}\n{}", answer.body);
    }
    // What the table does not say is said by nobody: a metric more is a row more.
    let known = table.map(|(name, ..)| name);
    let names = found.families.iter().map(|family| &*family.name);
    let new: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
    let grows_with_time = [
        "herald_bgp_update_duration_seconds",
        "metallb_bgp_updates_total_received",
        "metallb_bgp_keepalives_sent",
        "metallb_bgp_keepalives_received",
        "metallb_bgp_total_sent",
        "metallb_bgp_total_received",
        "herald_rounds_total",
    ];
    assert_eq!(new, grows_with_time);
}

#[test]
fn over_tcp_the_configuration_is_not_shown() {
    let mut herald = with_probes("127.0.25.1");
    herald.launch();
    for path in ["/status", "/world", "/explain/text/default/web", "/"] {
        assert_eq!(get(&herald.metrics, path).status, 404, "{path}");
    }
}

/// Name, type, labels, value.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], f64);

fn with_probes(address: &str) -> Herald {
    let mut herald = Herald::new("node");
    herald.metrics = free_port(address);
    herald
}

fn free_port(address: &str) -> String {
    let free = TcpListener::bind((address, 0)).unwrap();
    free.local_addr().unwrap().to_string()
}

/// One sample of /metrics.
fn value(at: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let body = get(at, "/metrics").body;
    let found = Exposition::parse(&body).unwrap();
    let sample = found
        .family(name)
        .and_then(|family: &Family| family.value(labels));
    sample.unwrap_or_else(|| panic!("no {name}{labels:?} in\n{body}"))
}

struct Answer {
    status: u16,
    /// In small letters.
    head: String,
    body: String,
}

fn get(at: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(at).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}
