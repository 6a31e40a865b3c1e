//! What `herald status` shows, as JSON: camelCase, times in seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::peer::{PeerAs, PeerStatus};
use plan::announce::Verdict;
use plan::world::{AddressRange, ObjectName, World};
use serde_json::{Value, json};

use super::{Observed, links};
use crate::peer_io::{PeerHandle, PeerReport, PeerSpec};
use crate::status::reason;
use crate::view::View;

/// Everything in short.
pub async fn overview(observed: &Observed) -> Value {
    let view = observed.view();
    if let Some(leadership) = &observed.leadership {
        // It has neither a node nor peers.
        let leadership = leadership.borrow().clone();
        return json!({
            "controller": view.node,
            "leads": leadership.is_ours(),
            "leader": leadership.holder,
            "version": env!("CARGO_PKG_VERSION"),
            "uptimeSeconds": seconds(observed.started.elapsed()),
            "rounds": view.rounds,
            "problems": view.problems,
            "pools": pools(&view),
            "services": services(observed, &view),
        });
    }
    json!({
        "node": view.node,
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": seconds(observed.started.elapsed()),
        "health": view.announcements.as_ref().map(|announced| announced.health.to_string()),
        "rounds": view.rounds,
        "stateError": view.state_error,
        "listenErrors": observed.listener.texts(),
        "problems": view.problems,
        "l2": links::overview(&view),
        "peers": peers(observed).await,
        "pools": pools(&view),
        "services": services(observed, &view),
    })
}

/// One subject, as `{SUBJECT: […]}`, and in `notHere` whom to ask instead; `None` if there is no such
/// subject.
pub async fn subject(subject: &str, observed: &Observed) -> Option<Value> {
    let view = observed.view();
    let entries = match subject {
        "peers" => peers(observed).await,
        "routes" => routes(&view),
        "services" => services(observed, &view),
        "pools" => pools(&view),
        "nodes" => nodes(observed, &view),
        _ => return None,
    };
    let mut answer = json!({ subject: entries });
    if observed.leadership.is_some() && matches!(subject, "peers" | "routes") {
        answer["notHere"] = json!(format!(
            "a controller has no {subject}: it gives addresses; ask the speaker of a node, such as \
             with: kubectl --namespace herald-system exec daemonset/herald-speaker -- /herald status \
             {subject}"
        ));
    }
    Some(answer)
}

/// The whole World, as lists of objects. Passwords are not in it.
pub fn world(world: &World) -> Value {
    let World {
        services,
        endpoint_slices,
        nodes,
        namespaces,
        pools,
        peers,
        bgp_advertisements,
        l2_advertisements,
        liveness,
        links,
        conflicts,
    } = world;
    json!({
        "services": services.values().collect::<Vec<_>>(),
        "endpointSlices": endpoint_slices.values().collect::<Vec<_>>(),
        "nodes": nodes.values().collect::<Vec<_>>(),
        "namespaces": namespaces,
        "pools": pools.values().collect::<Vec<_>>(),
        "peers": peers.values().collect::<Vec<_>>(),
        "bgpAdvertisements": bgp_advertisements.values().collect::<Vec<_>>(),
        "l2Advertisements": l2_advertisements.values().collect::<Vec<_>>(),
        "liveness": liveness,
        "links": links,
        "conflicts": conflicts,
    })
}

/// The reports of all peers, asked for at the same time.
pub async fn reports(observed: &Observed) -> Vec<(PeerSpec, Option<PeerReport>)> {
    let asked: Vec<_> = observed
        .peers
        .all()
        .into_iter()
        .map(|(spec, handle): (PeerSpec, PeerHandle)| {
            (spec, tokio::spawn(async move { handle.status().await }))
        })
        .collect();
    let mut reports = Vec::with_capacity(asked.len());
    for (spec, asked) in asked {
        reports.push((spec, asked.await.ok().flatten()));
    }
    reports
}

async fn peers(observed: &Observed) -> Value {
    let reports = reports(observed).await;
    reports
        .iter()
        .map(|(spec, report)| peer(spec, report.as_ref()))
        .collect()
}

fn peer(spec: &PeerSpec, report: Option<&PeerReport>) -> Value {
    let mut entry = json!({
        "name": spec.name,
        "address": address(spec),
        "port": spec.transport.port,
        "localAs": spec.config.local_as,
        "configuredPeerAs": match spec.config.peer_as {
            PeerAs::Exactly(asn) => json!(asn),
            PeerAs::Internal => json!("internal"),
            PeerAs::External => json!("external"),
        },
        "identifier": spec.config.identifier,
        "passive": spec.config.passive,
        "password": spec.transport.password.is_some(),
        "state": "Unknown",
    });
    if let (Some(report), Value::Object(fields)) = (report, &mut entry)
        && let Value::Object(more) = session(spec, report)
    {
        fields.extend(more);
    }
    entry
}

fn address(spec: &PeerSpec) -> String {
    match &spec.transport.zone {
        Some(zone) => format!("{}%{zone}", spec.transport.address),
        None => spec.transport.address.to_string(),
    }
}

fn session(spec: &PeerSpec, report: &PeerReport) -> Value {
    let PeerReport { at, status, .. } = report;
    let PeerStatus {
        state,
        connection,
        negotiated,
        uptime,
        next_timer,
        last_error,
        last_notification: _,
        heard,
        failures,
        received,
        advertised: [ipv4, ipv6],
        pending,
        unsent,
        counters,
    } = status;
    let last_error = last_error.as_ref().map(|(when, _)| {
        json!({
            "message": reason::of_last_error(status, &spec.config),
            "secondsAgo": seconds(at.saturating_duration_since(*when)),
        })
    });
    let is_down = uptime.is_none();
    let until = |when: &Instant| seconds(when.saturating_duration_since(*at));
    let timer = next_timer.as_ref();
    json!({
        "state": state.to_string(),
        "peerAs": heard.map(|heard| heard.asn),
        "peerIdentifier": heard.map(|heard| heard.identifier),
        "uptimeSeconds": uptime.map(seconds),
        "lastError": last_error,
        "retryInSeconds": timer.filter(|_| is_down).map(|(when, _)| until(when)),
        "nextTimer": timer.map(|(when, timer)| json!({"timer": timer, "inSeconds": until(when)})),
        "failures": failures,
        "receivedPrefixes": received.as_ref().map(|received| received.ipv4 + received.ipv6),
        "received": received,
        "advertisedPrefixes": ipv4 + ipv6,
        "advertised": {"ipv4": ipv4, "ipv6": ipv6},
        "pending": pending,
        "notAdvertised": unsent,
        "local": connection.map(|connection| connection.local),
        "remote": connection.map(|connection| connection.remote),
        "direction": connection.map(|connection| connection.direction),
        "holdTimeSeconds": negotiated.as_ref().map(|n| n.hold_time.seconds()),
        "families": negotiated.as_ref().map(|n| n.families.clone()),
        "messages": counters,
    })
}

fn services(observed: &Observed, view: &View) -> Value {
    let allocates = observed.allocates();
    let announced = view.announcements.as_ref();
    let verdict = |name: &ObjectName| announced?.verdicts.get(name);
    let services = view.world.services.values();
    services
        .map(|service| {
            let held = view.allocation.of(service);
            let (peers, reason, message) = match verdict(&service.name) {
                Some(Verdict::Announced { peers }) => (peers.to_vec(), None, None),
                Some(Verdict::NotAnnounced(reason)) => {
                    (Vec::new(), Some(reason.word()), Some(reason.to_string()))
                }
                None => (Vec::new(), None, None),
            };
            json!({
                "namespace": service.name.namespace,
                "name": service.name.name,
                "addresses": held.addresses,
                "pool": held.pool,
                "allocation": allocates.then(|| held.outcome.to_string()),
                "announcedTo": peers,
                "notAnnounced": reason,
                "message": message,
                "l2": links::of_service(view, service),
            })
        })
        .collect()
}

fn pools(view: &View) -> Value {
    let usage = plan::pools::usage(&view.world);
    let pools = view.world.pools.values();
    pools
        .map(|pool| {
            let ranges: Vec<String> = pool.ranges.iter().map(range).collect();
            json!({
                "name": pool.name,
                "addresses": ranges,
                "autoAssign": pool.auto_assign,
                "usage": usage.get(&pool.name),
            })
        })
        .collect()
}

fn range(range: &AddressRange) -> String {
    match range.first == range.last {
        true => range.first.to_string(),
        false => format!("{}-{}", range.first, range.last),
    }
}

fn nodes(observed: &Observed, view: &View) -> Value {
    let mut names: Vec<Arc<str>> = view.world.nodes.keys().cloned().collect();
    let this = observed.leadership.is_none().then_some(&view.node);
    names.extend(
        this.filter(|this| !view.world.nodes.contains_key(*this))
            .cloned(),
    );
    names
        .iter()
        .map(|name| {
            let health = plan::health::judge(name, &view.world, observed.options);
            json!({
                "name": name,
                "thisNode": Some(name) == this,
                "class": health.class,
                "reason": health.why,
                "message": health.why.to_string(),
            })
        })
        .collect()
}

fn routes(view: &View) -> Value {
    let announced = view.announcements.iter();
    announced
        .flat_map(|announced| &announced.peers)
        .flat_map(|(peer, routes)| {
            routes.iter().map(move |(prefix, attributes)| {
                json!({
                    "peer": peer,
                    "prefix": prefix,
                    "localPref": attributes.local_pref,
                    "med": attributes.med,
                    "asPathPrepend": attributes.as_path_prepend,
                    "communities": communities(&attributes.communities),
                })
            })
        })
        .collect()
}

fn communities(communities: &[plan::world::Community]) -> Vec<String> {
    let text = |community: &plan::world::Community| match *community {
        plan::world::Community::Standard(value) => bgp::community::Community(value).to_string(),
        plan::world::Community::Large(a, b, c) => format!("{a}:{b}:{c}"),
    };
    communities.iter().map(text).collect()
}

/// With a tenth of a second.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}
