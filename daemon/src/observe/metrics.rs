//! `/metrics`: names are `herald_…` in base units, and beside them those that dashboards for
//! MetalLB know ([`metallb`]). A metric is a row of the table of what it is about.

mod links;
mod metallb;
mod text;

use std::sync::Arc;

use bgp::peer::PeerStatus;
use bytes::Bytes;
use controller::kube::Hearing;
use controller::kube::call::Counts;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use plan::pools::PoolUsage;

use super::{Observed, report};
use crate::histogram::Histogram;
use crate::peer_io::PeerReport;
use crate::view::View;
use text::{Metric, Samples};

/// A neighbour that answers.
struct Session {
    peer: Arc<str>,
    /// Address and port.
    address: String,
    status: PeerStatus,
    until_sent: Histogram,
}

const SESSIONS: &[Metric<Session>] = &[
    Metric::gauge(
        "herald_bgp_session_up",
        "Whether the session is Established.",
        |session, out| out.add(&[session.peer()], session.is_up()),
    ),
    Metric::gauge(
        "herald_bgp_advertised_prefixes",
        "Prefixes that the peer holds from us.",
        |session, out| {
            let [ipv4, ipv6] = session.status.advertised;
            for (family, count) in [("ipv4", ipv4), ("ipv6", ipv6)] {
                out.add(&[session.peer(), ("family", family)], count);
            }
        },
    ),
    Metric::gauge(
        "herald_bgp_received_prefixes",
        "Prefixes that the peer has sent.",
        |session, out| {
            let received = session.status.received;
            let count = received.map_or(0, |all| all.ipv4 + all.ipv6);
            out.add(&[session.peer()], count);
        },
    ),
    Metric::gauge(
        "herald_bgp_updates_pending",
        "Whether UPDATEs are still to be sent: the peer is new, or slow.",
        |session, out| out.add(&[session.peer()], u8::from(session.status.pending)),
    ),
    Metric::histogram(
        "herald_bgp_update_duration_seconds",
        "Time from a change of a Service, its endpoints or the configuration until the last UPDATE \
         of it was given to an Established session.",
        |session, out| out.add_histogram(&[session.peer()], &session.until_sent),
    ),
    Metric::counter(
        "herald_bgp_messages_total",
        "Messages by type and direction.",
        Session::messages,
    ),
    Metric::counter(
        "herald_bgp_sessions_established_total",
        "Times that the session became Established.",
        |session, out| out.add(&[session.peer()], session.status.counters.established),
    ),
    Metric::counter(
        "herald_bgp_sessions_dropped_total",
        "Times that the session was Established and ended.",
        |session, out| out.add(&[session.peer()], session.status.counters.dropped),
    ),
    Metric::counter(
        "herald_bgp_updates_treated_as_withdraw_total",
        "Received UPDATEs with an error for which their routes count as withdrawn (RFC 7606).",
        |session, out| {
            let count = session.status.counters.treated_as_withdraw;
            out.add(&[session.peer()], count);
        },
    ),
    Metric::counter(
        "herald_bgp_attributes_discarded_total",
        "Received path attributes with an error for which they were discarded (RFC 7606).",
        |session, out| {
            let count = session.status.counters.attributes_discarded;
            out.add(&[session.peer()], count);
        },
    ),
];

impl Session {
    fn peer(&self) -> (&str, &str) {
        ("peer", &self.peer)
    }

    fn is_up(&self) -> u8 {
        u8::from(self.status.uptime.is_some())
    }

    fn messages(&self, out: &mut Samples<'_>) {
        let counters = &self.status.counters;
        for (direction, counts) in [("sent", counters.sent), ("received", counters.received)] {
            for (kind, count) in [
                ("open", counts.open),
                ("update", counts.update),
                ("notification", counts.notification),
                ("keepalive", counts.keepalive),
                ("route-refresh", counts.route_refresh),
            ] {
                let labels = [self.peer(), ("direction", direction), ("type", kind)];
                out.add(&labels, count);
            }
        }
    }
}

/// An IPAddressPool.
struct Pool {
    name: Arc<str>,
    usage: PoolUsage,
}

const POOLS: &[Metric<Pool>] = &[
    Metric::gauge(
        "herald_pool_assigned_addresses",
        "Addresses of a pool that Services hold.",
        |Pool { name, usage }, out| {
            out.add(&[("pool", name), ("family", "ipv4")], usage.assigned_ipv4);
            out.add(&[("pool", name), ("family", "ipv6")], usage.assigned_ipv6);
        },
    ),
    Metric::gauge(
        "herald_pool_available_addresses",
        "Addresses of a pool that are left.",
        |Pool { name, usage }, out| {
            out.add(&[("pool", name), ("family", "ipv4")], usage.available_ipv4);
            out.add(&[("pool", name), ("family", "ipv6")], usage.available_ipv6);
        },
    ),
];

/// A kind of object that is watched.
struct Watched {
    kind: &'static str,
    hearing: Hearing,
}

const WATCHES: &[Metric<Watched>] = &[
    Metric::gauge(
        "herald_watch_up",
        "Whether the API server is heard about a kind.",
        |watched, out| {
            let up = u8::from(watched.hearing.is_up());
            out.add(&[("kind", watched.kind)], up);
        },
    ),
    Metric::counter(
        "herald_watch_changes_total",
        "Objects of a kind that the API server told of, as often as it did.",
        |watched, out| out.add(&[("kind", watched.kind)], watched.hearing.changes),
    ),
    Metric::counter(
        "herald_watch_failures_total",
        "Requests to list or watch a kind that failed.",
        |watched, out| out.add(&[("kind", watched.kind)], watched.hearing.failures),
    ),
    Metric::counter(
        "herald_watch_lists_total",
        "Times that a kind was listed whole: once, and when the API server had forgotten the watch.",
        |watched, out| out.add(&[("kind", watched.kind)], watched.hearing.lists),
    ),
];

/// What is written into the API.
struct Writer {
    object: &'static str,
    counts: Counts,
}

const WRITERS: &[Metric<Writer>] = &[
    Metric::counter(
        "herald_api_writes_total",
        "Requests that write into the API, by what they write.",
        |writer, out| out.add(&[writer.object()], writer.counts.requests()),
    ),
    Metric::counter(
        "herald_api_write_failures_total",
        "Requests that write into the API and did not do it; most are made again.",
        |writer, out| out.add(&[writer.object()], writer.counts.failures()),
    ),
    Metric::counter(
        "herald_api_writes_dropped_total",
        "What was to be written and never will be: of Events, too many.",
        |writer, out| out.add(&[writer.object()], writer.counts.dropped()),
    ),
];

impl Writer {
    fn object(&self) -> (&'static str, &'static str) {
        ("object", self.object)
    }
}

const STATUS_TIMES: &[Metric<Histogram>] = &[Metric::histogram(
    "herald_service_status_duration_seconds",
    "Time from a change until the API server has a Service's new status.",
    |histogram, out| out.add_histogram(&[], histogram),
)];

/// The process and its World.
struct Daemon {
    view: Arc<View>,
    /// TCP connections of strangers, so far.
    refused: u64,
}

const DAEMON: &[Metric<Daemon>] = &[
    Metric::counter(
        "herald_rounds_total",
        "Rounds of allocation.",
        |daemon, out| out.add(&[], daemon.view.rounds),
    ),
    Metric::gauge(
        "herald_services",
        "Services that are ours.",
        |daemon, out| out.add(&[], daemon.view.world.services.len()),
    ),
    Metric::gauge(
        "herald_services_pending",
        "Services that lack an address.",
        |daemon, out| {
            let notable = daemon.view.allocation.notable.values();
            let pending = notable.filter(|held| held.outcome.shortfall().is_some());
            out.add(&[], pending.count());
        },
    ),
    Metric::gauge(
        "herald_state_writable",
        "Whether assignments can be recorded; while they cannot, nothing new is given.",
        |daemon, out| out.add(&[], u8::from(daemon.view.state_error.is_none())),
    ),
    Metric::gauge(
        "herald_config_errors",
        "Errors in the configuration; the last valid version of each object stays in use.",
        |daemon, out| out.add(&[], daemon.errors()),
    ),
    Metric::counter(
        "herald_bgp_connections_refused_total",
        "TCP connections closed because no configured peer opened them.",
        |daemon, out| out.add(&[], daemon.refused),
    ),
];

impl Daemon {
    fn errors(&self) -> usize {
        let problems = self.view.problems.iter();
        problems.filter(|problem| problem.is_error()).count()
    }
}

/// All metrics.
pub async fn text(observed: &Observed) -> String {
    let view = observed.view();
    let sessions = sessions(observed).await;
    let pools = plan::pools::usage(&view.world).into_iter();
    let pools: Vec<Pool> = pools.map(|(name, usage)| Pool { name, usage }).collect();
    let refused = observed.listener.strangers();
    let mut text = String::new();
    let of_speakers = view.links.hearings.clone();
    let daemon = [Daemon { view, refused }];
    for table in [SESSIONS, metallb::SESSIONS] {
        text::write(&mut text, table, &sessions);
    }
    for table in [POOLS, metallb::POOLS] {
        text::write(&mut text, table, &pools);
    }
    for table in [DAEMON, metallb::DAEMON] {
        text::write(&mut text, table, &daemon);
    }
    if let Some(link) = link(observed).await {
        for table in [links::LINK, links::METALLB] {
            text::write(&mut text, table, std::slice::from_ref(&link));
        }
    }
    if let Some(hearings) = observed.hearings() {
        let watched = hearings.iter().map(|(kind, hearing)| Watched {
            kind: kind.name(),
            hearing: hearing.clone(),
        });
        let of_speakers = of_speakers.map(|heard| heard.borrow().clone());
        let of_speakers = of_speakers.into_iter().flatten();
        let of_speakers = of_speakers.map(|(kind, hearing)| Watched { kind, hearing });
        let watched: Vec<Watched> = watched.chain(of_speakers).collect();
        text::write(&mut text, WATCHES, &watched);
        text::write(&mut text, metallb::WATCHES, &[watched]);
    }
    let writers = observed.writers.iter().map(|(object, counts)| Writer {
        object,
        counts: counts.clone(),
    });
    let writers: Vec<Writer> = writers.collect();
    if !writers.is_empty() {
        text::write(&mut text, WRITERS, &writers);
    }
    if let Some(until_status) = &observed.until_status {
        text::write(&mut text, STATUS_TIMES, std::slice::from_ref(until_status));
    }
    text
}

async fn sessions(observed: &Observed) -> Vec<Session> {
    let reports = report::reports(observed).await.into_iter();
    let sessions = reports.filter_map(|(spec, report)| {
        let PeerReport {
            status, until_sent, ..
        } = report?;
        Some(Session {
            address: format!("{}:{}", spec.transport.address, spec.transport.port),
            peer: spec.name,
            status,
            until_sent,
        })
    });
    sessions.collect()
}

/// L2 mode, where a pool is in it and its task answers.
async fn link(observed: &Observed) -> Option<links::Link> {
    let view = observed.view();
    let task = view.links.task.as_ref()?;
    let live = view.links.live.as_ref();
    let speakers = live.map(|live| live.nodes.len());
    Some(links::Link::new(task.report().await?, speakers))
}

/// The text as a response.
pub fn response(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
