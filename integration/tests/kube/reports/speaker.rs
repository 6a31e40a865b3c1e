//! The speaker's: a ServiceBGPStatus for each Service, its ConfigurationState, and Events.

use integration::bird::Bird;
use integration::kube::fabric::{Fabric, PEER, Plan};
use integration::kube::gate::{Fault, Seen};
use integration::kube::shared::Shared;
use integration::manifests::peer;
use integration::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

use super::{await_events, await_result, heading, overlapping, problem_with};

/// The ServiceBGPStatus objects of a node.
fn statuses(cluster: &Shared, fabric: &Fabric<Bird>, node: usize) -> Vec<Value> {
    let query = format!(
        "labelSelector=metallb.io%2Fnode%3D{}",
        fabric.nodes[node].name()
    );
    let namespace = fabric.herald.namespace();
    let found = cluster.select("ServiceBGPStatus", namespace, &query);
    found.unwrap_or_default()
}

/// Waits until the only ServiceBGPStatus of a node says that, by its peers and their sessions.
fn await_status(cluster: &Shared, fabric: &Fabric<Bird>, node: usize, expected: &[(&str, &str)]) {
    let expected: Vec<Value> = expected
        .iter()
        .map(|(peer, state)| json!([peer, state]))
        .collect();
    let what = format!("node {node} reports {expected:?}");
    eventually(&what, LATER, || {
        let found = statuses(cluster, fabric, node);
        let [one] = &found[..] else {
            return Err(format!("{found:#?}"));
        };
        let status = &one["status"];
        let sessions = status["sessions"].as_array().into_iter().flatten();
        let sessions: Vec<Value> = sessions
            .map(|session| json!([session["peer"], session["state"]]))
            .collect();
        let peers: Vec<&Value> = expected.iter().map(|pair| &pair[0]).collect();
        let is_of = json!([
            status["node"],
            status["serviceName"],
            status["serviceNamespace"],
            status["peers"],
        ]);
        let should = json!([fabric.nodes[node].name(), "web", fabric.namespace, peers]);
        match is_of == should && sessions == expected {
            true => Ok(()),
            false => Err(format!("{status:#}")),
        }
    });
}

fn await_none(cluster: &Shared, fabric: &Fabric<Bird>, node: usize) {
    eventually("nothing is reported", SOON, || {
        match statuses(cluster, fabric, node) {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:#?}")),
        }
    });
}

#[test]
fn a_service_shows_which_node_announces_it_to_whom_until_it_does_no_more() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 2).establish::<Bird>();
    let local = json!({"externalTrafficPolicy": "Local"});
    let pods = fabric.serve("web", 1, &[0], local);
    await_status(&cluster, &fabric, 0, &[(PEER, "Established")]);
    assert_eq!(statuses(&cluster, &fabric, 1), [Value::Null; 0]);
    // A peer more, which nobody answers for.
    let passive = json!({"passive": true});
    let more = peer("a-spare", 65001, 65009, "10.244.0.250", passive);
    fabric.herald.put(more);
    let both = [("a-spare", "Active"), (PEER, "Established")];
    await_status(&cluster, &fabric, 0, &both);
    let name = statuses(&cluster, &fabric, 0)[0]["metadata"]["name"].clone();
    let name = name.as_str().expect("a name");
    fabric.herald.delete("ServiceBGPStatus", name);
    await_status(&cluster, &fabric, 0, &both);
    fabric.herald.delete("BGPPeer", "a-spare");
    await_status(&cluster, &fabric, 0, &[(PEER, "Established")]);
    // The other node has the Pod, then none has.
    pods[0].set_ready(false);
    await_none(&cluster, &fabric, 0);
    let other = fabric.pod("web", 1);
    await_status(&cluster, &fabric, 1, &[(PEER, "Established")]);
    other.set_ready(false);
    await_none(&cluster, &fabric, 1);
    other.set_ready(true);
    await_status(&cluster, &fabric, 1, &[(PEER, "Established")]);
    cluster
        .delete("Service", &fabric.namespace, "web")
        .expect("gone");
    await_none(&cluster, &fabric, 1);
}

#[test]
fn a_session_that_ends_is_shown_with_the_reason() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    await_status(&cluster, &fabric, 0, &[(PEER, "Established")]);
    let wrong = json!({"peerASN": 65_077});
    fabric.herald.change("BGPPeer", PEER, &wrong);
    eventually("the wrong AS is named", SOON, || {
        let found = statuses(&cluster, &fabric, 0);
        let [one] = &found[..] else {
            return Err(format!("{found:#?}"));
        };
        let session = &one["status"]["sessions"][0];
        let error = session["lastError"].as_str().unwrap_or_default();
        match session["state"] != "Established" && error.contains("65077") {
            true => Ok(()),
            false => Err(format!("{session:#}")),
        }
    });
}

#[test]
fn a_speaker_names_what_is_wrong_in_its_configuration_state_and_by_one_event() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 2).establish::<Bird>();
    let home = fabric.herald.namespace();
    let states = [0, 1].map(|node| format!("speaker-{}", fabric.nodes[node].name()));
    let result = |result: &str| {
        let states = states.iter();
        let found = states.map(|state| await_result(&cluster, home, state, result));
        found.collect::<Vec<Value>>()
    };
    result("Valid");
    let secret = json!({"passwordSecret": {"name": "no-such-secret"}});
    let bad = peer("zz-secret", 65001, 65009, "10.244.0.250", secret);
    fabric.herald.put(bad);
    let object = format!("BGPPeer {home}/zz-secret");
    for state in result("Invalid") {
        let problem = problem_with(&state, &object);
        let words = problem["message"].as_str().unwrap_or_default();
        assert!(words.contains("no-such-secret"), "{state:#}");
    }
    fabric.herald.delete("ConfigurationState", &states[0]);
    result("Invalid");
    let bad = cluster.get("BGPPeer", home, "zz-secret").expect("it");
    let events = await_events(&cluster, &bad, "InvalidConfiguration");
    // Both say the same: it is one Event, unless its time ran out between the two.
    assert!(matches!(events.len(), 1 | 2), "{events:#?}");
    let expected = json!(["Warning", "BGPPeer", home, "zz-secret"]);
    assert_eq!(heading(&events[0]), expected);
    let note = events[0]["message"].as_str().unwrap_or_default();
    assert!(note.starts_with("spec.passwordSecret"), "{note}");
    fabric.herald.delete("BGPPeer", "zz-secret");
    result("Valid");
}

#[test]
fn a_node_tells_once_that_it_begins_to_announce_a_service() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut fabric = Plan::of(&cluster, &cluster.lab, 1).establish::<Bird>();
    let pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0]);
    let service = cluster.get("Service", &fabric.namespace, "web");
    let service = service.expect("it");
    let told = || await_events(&cluster, &service, "nodeAssigned");
    let expected = json!(["Normal", "Service", fabric.namespace, "web"]);
    assert_eq!(heading(&told()[0]), expected);
    let node = format!("from node \"{}\"", fabric.nodes[0].name());
    let note = told()[0]["message"].to_string().replace('\\', "");
    assert!(note.contains(&node), "{note}");
    // Again within ten minutes is counted, and a restart is no news.
    pods[0].set_ready(false);
    fabric.await_hops(fabric.vip(1), &[]);
    pods[0].set_ready(true);
    fabric.await_hops(fabric.vip(1), &[0]);
    fabric.speakers[0].terminate();
    fabric.speakers[0].launch(fabric.nodes[0].netns());
    fabric.speakers[0].await_ready();
    let other = fabric.serve("other", 2, &[0], json!({}));
    let next = cluster.get("Service", &fabric.namespace, "other");
    await_events(&cluster, &next.expect("it"), "nodeAssigned");
    assert_eq!(told().len(), 1, "{:#?}", told());
    drop(other);
}

#[test]
fn what_the_api_server_refuses_of_a_speakers_reports_is_reported_later() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 1);
    plan.gates = true;
    let fabric = plan.establish::<Bird>();
    let home = fabric.herald.namespace();
    let state = format!("speaker-{}", fabric.nodes[0].name());
    await_result(&cluster, home, &state, "Valid");
    let refused =
        |kind: &'static str| move |seen: &Seen| seen.method != "GET" && seen.path.contains(kind);
    let gate = &fabric.gates[0];
    let busy = Fault::Status(429, "TooManyRequests", Some(1));
    gate.fail_times(2, busy, refused("/servicebgpstatuses"));
    let broken = Fault::Status(503, "ServiceUnavailable", None);
    gate.fail_times(2, broken, refused("/configurationstates"));
    let internal = Fault::Status(500, "InternalError", None);
    gate.fail_times(2, internal, refused("/events"));
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    let [range, _] = fabric.ranges();
    fabric.herald.put(overlapping(&range));
    await_status(&cluster, &fabric, 0, &[(PEER, "Established")]);
    await_result(&cluster, home, &state, "Invalid");
    let service = cluster.get("Service", &fabric.namespace, "web");
    await_events(&cluster, &service.expect("it"), "nodeAssigned");
    let pool = cluster.get("IPAddressPool", home, "zz-overlapping");
    await_events(&cluster, &pool.expect("it"), "InvalidConfiguration");
    for kind in ["/servicebgpstatuses", "/configurationstates", "/events"] {
        let seen = gate.seen();
        let tries = seen.iter().filter(|seen| refused(kind)(seen)).count();
        assert!(tries >= 3, "{kind}: {tries}");
    }
}
