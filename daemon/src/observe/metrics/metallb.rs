//! Names that dashboards and alerts for MetalLB know, with its labels and its words.

use std::net::IpAddr;

use bgp::peer::MessageCounters;
use plan::announce::Verdict;
use plan::pools::PoolUsage;
use plan::world::ObjectName;

use super::text::{Metric, Samples};
use super::{Daemon, Pool, Session, Watched};

/// Of its native mode, and with a label `vrf` of its FRR mode.
pub(super) const SESSIONS: &[Metric<Session>] = &[
    Metric::gauge(
        "metallb_bgp_session_up",
        "BGP session state (1 is up, 0 is down)",
        |session, out| out.add(&[session.at()], session.is_up()),
    ),
    Metric::counter(
        "metallb_bgp_updates_total",
        "Number of BGP UPDATE messages sent",
        |session, out| out.add(&[session.at()], session.status.counters.sent.update),
    ),
    Metric::gauge(
        "metallb_bgp_announced_prefixes_total",
        "Number of prefixes currently being advertised on the BGP session",
        |session, out| {
            let [ipv4, ipv6] = session.status.advertised;
            out.add(&[session.at()], ipv4 + ipv6);
        },
    ),
    Metric::counter(
        "metallb_bgp_opens_sent",
        "Number of BGP open messages sent",
        |session, out| out.add(&session.in_vrf(), session.status.counters.sent.open),
    ),
    Metric::counter(
        "metallb_bgp_opens_received",
        "Number of BGP open messages received",
        |session, out| out.add(&session.in_vrf(), session.status.counters.received.open),
    ),
    Metric::counter(
        "metallb_bgp_notifications_sent",
        "Number of BGP notification messages sent",
        |session, out| out.add(&session.in_vrf(), session.status.counters.sent.notification),
    ),
    Metric::counter(
        "metallb_bgp_updates_total_received",
        "Number of BGP UPDATE messages received",
        |session, out| out.add(&session.in_vrf(), session.status.counters.received.update),
    ),
    Metric::counter(
        "metallb_bgp_keepalives_sent",
        "Number of BGP keepalive messages sent",
        |session, out| out.add(&session.in_vrf(), session.status.counters.sent.keepalive),
    ),
    Metric::counter(
        "metallb_bgp_keepalives_received",
        "Number of BGP keepalive messages received",
        |session, out| {
            out.add(
                &session.in_vrf(),
                session.status.counters.received.keepalive,
            )
        },
    ),
    Metric::counter(
        "metallb_bgp_route_refresh_sent",
        "Number of BGP route refresh messages sent",
        |session, out| {
            out.add(
                &session.in_vrf(),
                session.status.counters.sent.route_refresh,
            )
        },
    ),
    Metric::counter(
        "metallb_bgp_total_sent",
        "Number of total BGP messages sent",
        |session, out| out.add(&session.in_vrf(), total(session.status.counters.sent)),
    ),
    Metric::counter(
        "metallb_bgp_total_received",
        "Number of total BGP messages received",
        |session, out| out.add(&session.in_vrf(), total(session.status.counters.received)),
    ),
];

impl Session {
    fn at(&self) -> (&str, &str) {
        ("peer", &self.address)
    }

    fn in_vrf(&self) -> [(&str, &str); 2] {
        [self.at(), ("vrf", "default")]
    }
}

fn total(counters: MessageCounters) -> u64 {
    let MessageCounters {
        open,
        update,
        notification,
        keepalive,
        route_refresh,
    } = counters;
    open + update + notification + keepalive + route_refresh
}

pub(super) const POOLS: &[Metric<Pool>] = &[
    Metric::gauge(
        "metallb_allocator_addresses_total",
        "Number of usable IP addresses, per pool",
        |Pool { name, usage }, out| {
            out.add(
                &[("pool", name)],
                size_ipv4(usage).saturating_add(size_ipv6(usage)),
            )
        },
    ),
    Metric::gauge(
        "metallb_allocator_addresses_in_use_total",
        "Number of IP addresses in use, per pool",
        |Pool { name, usage }, out| out.add(&[("pool", name)], in_use(usage)),
    ),
    Metric::gauge(
        "metallb_allocator_ipv4_addresses_total",
        "Number of usable IPv4 addresses, per pool",
        |Pool { name, usage }, out| out.add(&[("pool", name)], size_ipv4(usage)),
    ),
    Metric::gauge(
        "metallb_allocator_ipv4_addresses_in_use_total",
        "Number of IPv4 addresses in use, per pool",
        |Pool { name, usage }, out| out.add(&[("pool", name)], usage.assigned_ipv4),
    ),
    Metric::gauge(
        "metallb_allocator_ipv6_addresses_total",
        "Number of usable IPv6 addresses, per pool",
        |Pool { name, usage }, out| out.add(&[("pool", name)], size_ipv6(usage)),
    ),
    Metric::gauge(
        "metallb_allocator_ipv6_addresses_in_use_total",
        "Number of IPv6 addresses in use, per pool",
        |Pool { name, usage }, out| out.add(&[("pool", name)], usage.assigned_ipv6),
    ),
];

fn in_use(usage: &PoolUsage) -> i64 {
    usage.assigned_ipv4.saturating_add(usage.assigned_ipv6)
}

fn size_ipv4(usage: &PoolUsage) -> i64 {
    usage.assigned_ipv4.saturating_add(usage.available_ipv4)
}

fn size_ipv6(usage: &PoolUsage) -> i64 {
    usage.assigned_ipv6.saturating_add(usage.available_ipv6)
}

/// Of all kinds together.
pub(super) const WATCHES: &[Metric<Vec<Watched>>] = &[
    Metric::counter(
        "metallb_k8s_client_updates_total",
        "Number of k8s object updates that have been processed",
        |kinds, out| {
            let changes = kinds.iter().map(|kind| kind.hearing.changes);
            out.add(&[], changes.sum::<u64>());
        },
    ),
    Metric::counter(
        "metallb_k8s_client_update_errors_total",
        "Number of k8s object updates that failed for some reason",
        |kinds, out| {
            let failures = kinds.iter().map(|kind| kind.hearing.failures);
            out.add(&[], failures.sum::<u64>());
        },
    ),
];

pub(super) const DAEMON: &[Metric<Daemon>] = &[
    Metric::gauge(
        "metallb_k8s_client_config_loaded_bool",
        "1 if the MetalLB configuration was successfully loaded at least once",
        |daemon, out| out.add(&[], u8::from(daemon.view.rounds > 0)),
    ),
    Metric::gauge(
        "metallb_k8s_client_config_stale_bool",
        "1 if running on a stale configuration, because the latest config failed to load",
        |daemon, out| out.add(&[], u8::from(daemon.errors() > 0)),
    ),
    Metric::gauge(
        "metallb_speaker_announced",
        "Services being announced from this node. This is desired state, it does not guarantee \
         that the routing protocols have converged",
        Daemon::announced,
    ),
];

impl Daemon {
    fn announced(&self, out: &mut Samples<'_>) {
        let view = &self.view;
        let announced = view.announcements.iter();
        for (service, verdict) in announced.flat_map(|announced| announced.services(&view.world)) {
            if matches!(verdict, Verdict::NotAnnounced(_)) {
                continue;
            }
            for address in &service.assigned {
                self.announces(&service.name, "bgp", *address, out);
            }
        }
        for (address, elected) in &view.links.elections.by_address {
            for holder in elected.holders.iter().filter(|_| elected.here.is_some()) {
                self.announces(holder, "layer2", *address, out);
            }
        }
    }

    fn announces(
        &self,
        service: &ObjectName,
        protocol: &str,
        address: IpAddr,
        out: &mut Samples<'_>,
    ) {
        let labels = [
            ("service", &*service.to_string()),
            ("protocol", protocol),
            ("node", &*self.view.node),
            ("ip", &*address.to_string()),
        ];
        out.add(&labels, 1);
    }
}
