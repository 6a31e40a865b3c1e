//! The leader's: how full each pool is, its ConfigurationState, and Events.

use integration::kube::balancer::Balancer;
use integration::kube::gate::{Fault, Seen};
use integration::kube::shared::Shared;
use integration::wait::LATER;
use serde_json::json;

use super::{await_events, await_result, heading, overlapping, problem_with};

const RANGE: &str = "10.56.0.0/28";

#[test]
fn the_leader_names_what_is_wrong_in_its_configuration_state_and_by_an_event() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut balancer = Balancer::start(&cluster, &cluster.lab);
    let home = balancer.herald.namespace().to_owned();
    let result = |result: &str| await_result(&cluster, &home, "controller", result);
    result("Valid");
    balancer.pool("pool", &[RANGE], json!({}));
    balancer.herald.put(overlapping(RANGE));
    let invalid = result("Invalid");
    let problem = problem_with(&invalid, &format!("IPAddressPool {home}/zz-overlapping"));
    assert_eq!(problem["field"], "spec.addresses[0]", "{invalid:#}");
    let pool = cluster.get("IPAddressPool", &home, "zz-overlapping");
    let pool = pool.expect("it");
    let told = || await_events(&cluster, &pool, "InvalidConfiguration");
    let expected = json!(["Warning", "IPAddressPool", home, "zz-overlapping"]);
    assert_eq!(heading(&told()[0]), expected);
    balancer.herald.delete("ConfigurationState", "controller");
    result("Invalid");
    // The next leader says it again in the object, and finds that the Event is there.
    balancer.replicas[0].terminate();
    balancer.herald.delete("ConfigurationState", "controller");
    balancer.launch(0);
    result("Invalid");
    assert!(matches!(told().len(), 1 | 2), "{:#?}", told());
    balancer.herald.delete("IPAddressPool", "zz-overlapping");
    result("Valid");
}

#[test]
fn a_controller_says_who_has_the_peers_and_routes() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    for subject in ["peers", "routes"] {
        let answer = balancer.replicas[0].status(subject).expect("an answer");
        assert_eq!(answer[subject], json!([]), "{answer}");
        let elsewhere = answer["notHere"].as_str().unwrap_or_default();
        assert!(elsewhere.contains("daemonset/herald-speaker"), "{answer}");
    }
    let answer = balancer.replicas[0].status("pools").expect("an answer");
    assert_eq!(answer.get("notHere"), None);
}

#[test]
fn what_the_api_server_refuses_of_the_leaders_reports_is_reported_later() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut balancer = Balancer::start(&cluster, &cluster.lab);
    balancer.replicas[0].terminate();
    let gate = balancer.replicas[0].through_gate(&cluster);
    balancer.launch(0);
    let home = balancer.herald.namespace();
    await_result(&cluster, home, "controller", "Valid");
    let refused =
        |kind: &'static str| move |seen: &Seen| seen.method != "GET" && seen.path.contains(kind);
    let busy = Fault::Status(429, "TooManyRequests", Some(1));
    gate.fail_times(2, busy, refused("/ipaddresspools"));
    let broken = Fault::Status(503, "ServiceUnavailable", None);
    gate.fail_times(2, broken, refused("/configurationstates"));
    let internal = Fault::Status(500, "InternalError", None);
    gate.fail_times(2, internal, refused("/events"));
    balancer.pool("pool", &[RANGE], json!({}));
    balancer.herald.put(overlapping(RANGE));
    balancer.service("web", json!({}));
    balancer.await_event("web", "IPAllocated", "10.56.0.0");
    await_result(&cluster, home, "controller", "Invalid");
    let pool = ("IPAddressPool", home, "pool");
    cluster.wait_until("one is assigned", LATER, pool, |pool| {
        (pool["status"]["assignedIPv4"] == 1).then_some(())
    });
    for kind in ["/ipaddresspools", "/configurationstates", "/events"] {
        let seen = gate.seen();
        let tries = seen.iter().filter(|seen| refused(kind)(seen)).count();
        assert!(tries >= 3, "{kind}: {tries}");
    }
}
