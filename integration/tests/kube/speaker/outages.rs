//! An API server that is away, hangs, or does not want to: nothing is withdrawn, and nothing is
//! asked for that is known.

use std::time::Duration;

use integration::Lab;
use integration::bird::Bird;
use integration::kube::fabric::{Fabric, Plan};
use integration::kube::gate::{EXPIRED, Fault, Gate, Seen};
use integration::kube::herald::Daemon;
use integration::kube::shared::Shared;
use integration::kube::{ControlPlane, NEEDS};
use integration::wait::{LATER, eventually};
use serde_json::json;

/// Longer than a watch may last before it is given up, with time to ask again.
const HANG: Duration = Duration::from_secs(145);
/// How many kinds a speaker watches.
const KINDS: usize = 10;

/// A node with a Service at address 1, which has not to move from now on.
fn announced(mut plan: Plan<'_>) -> Fabric<Bird> {
    plan.advertisement = json!({});
    let fabric = plan.establish::<Bird>();
    fabric.service("web", json!({}));
    fabric.service("late", json!({}));
    std::mem::forget([fabric.pod("web", 0), fabric.pod("late", 0)]);
    fabric.assign("web", &[fabric.vip(1)]);
    fabric.await_hops(fabric.vip(1), &[0]);
    fabric
}

/// Kinds that the API server is not heard about, as `/metrics` has it.
fn unheard(speaker: &Daemon) -> usize {
    let (_, text) = speaker.page("/metrics").unwrap_or_default();
    let lines = text.lines();
    let down = |line: &&str| line.starts_with("herald_watch_up{") && line.ends_with(" 0");
    lines.filter(down).count()
}

fn await_unheard(speaker: &Daemon, what: &str, is: impl Fn(usize) -> bool) {
    eventually(what, LATER, || match unheard(speaker) {
        count if is(count) => Ok(()),
        count => Err(format!("{count} kinds are not heard")),
    });
}

/// What happens next arrives: an address is given, and announced.
fn assert_hears(fabric: &Fabric<Bird>, last: u8) {
    fabric.assign("late", &[fabric.vip(last)]);
    fabric.await_hops(fabric.vip(last), &[0]);
}

fn lists(gate: &Gate) -> usize {
    let is_list = |seen: &&Seen| !seen.is_watch() && seen.path.contains("limit=");
    gate.seen().iter().filter(is_list).count()
}

#[test]
fn nothing_is_withdrawn_while_the_api_server_or_etcd_is_away() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let mut cluster = ControlPlane::start_without_heartbeats(&lab);
    let fabric = announced(Plan::of(&cluster, &lab, 1));
    let witness = fabric.witness();
    let speaker = &fabric.speakers[0];
    let pause = || std::thread::sleep(Duration::from_secs(3));
    cluster.kill_apiserver();
    await_unheard(speaker, "it is noticed", |count| count >= KINDS - 1);
    pause();
    // What was known is still known.
    assert_eq!(speaker.page("/readyz").map(|(code, _)| code), Ok(200));
    cluster.start_apiserver();
    assert_hears(&fabric, 2);
    await_unheard(speaker, "all is heard again", |count| count == 0);
    cluster.stop_apiserver();
    pause();
    cluster.start_apiserver();
    assert_hears(&fabric, 3);
    cluster.freeze_etcd();
    std::thread::sleep(Duration::from_secs(10));
    cluster.thaw_etcd();
    eventually("objects are written again", LATER, || {
        let change = json!({"data": {}});
        let name = &fabric.namespace;
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": name}, "data": change["data"]});
        let written = cluster.apply(&config);
        written.map(|_| ()).map_err(|failure| failure.to_string())
    });
    assert_hears(&fabric, 4);
    assert_eq!(witness.history_of(fabric.vip(1)), []);
}

#[test]
fn nothing_is_withdrawn_while_the_api_server_hangs_for_longer_than_a_watch() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let mut cluster = ControlPlane::start_without_heartbeats(&lab);
    let fabric = announced(Plan::of(&cluster, &lab, 1));
    let witness = fabric.witness();
    cluster.freeze_apiserver();
    // Longer than a watch lasts, and longer than anybody waits for its end.
    std::thread::sleep(HANG);
    assert_ne!(unheard(&fabric.speakers[0]), 0);
    cluster.thaw_apiserver();
    assert_hears(&fabric, 2);
    await_unheard(&fabric.speakers[0], "all is heard again", |count| {
        count == 0
    });
    assert_eq!(witness.history_of(fabric.vip(1)), []);
}

#[test]
fn an_api_server_that_fails_is_asked_again_and_lists_only_what_it_has_forgotten() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 1);
    plan.gates = true;
    let fabric = announced(plan);
    let witness = fabric.witness();
    let gate = &fabric.gates[0];
    let faults = [
        (Fault::Status(429, "TooManyRequests", Some(1)), 0),
        (Fault::Status(503, "ServiceUnavailable", None), 0),
        (Fault::WatchError(500, "InternalError"), 0),
        (Fault::Cut, 0),
        (EXPIRED, KINDS),
    ];
    for (last, (fault, most)) in (2..).zip(faults) {
        gate.forget();
        if fault == EXPIRED {
            // Once each: then it lists, and watches from there.
            gate.fail_times(KINDS - 1, EXPIRED, Seen::is_watch);
        } else {
            gate.fail(fault, Seen::is_watch);
        }
        gate.cut();
        if fault != EXPIRED {
            await_unheard(&fabric.speakers[0], "it is noticed", |count| count > 0);
            std::thread::sleep(Duration::from_secs(2));
        }
        gate.heal();
        assert_hears(&fabric, last);
        await_unheard(&fabric.speakers[0], "all is heard again", |count| {
            count == 0
        });
        let (lists, requests) = (lists(gate), gate.seen().len());
        assert!(lists <= most, "{fault:?}: {lists} lists: {:?}", gate.seen());
        assert!(requests <= 20 * KINDS, "{fault:?}: {requests} requests");
    }
    assert_eq!(witness.history_of(fabric.vip(1)), []);
}

#[test]
fn requests_that_nobody_answers_are_given_up() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 1);
    plan.gates = true;
    let fabric = announced(plan);
    let witness = fabric.witness();
    let gate = &fabric.gates[0];
    gate.fail(Fault::Silence, |_| true);
    gate.cut();
    await_unheard(&fabric.speakers[0], "it is noticed", |count| {
        count >= KINDS - 1
    });
    // Those that got silence stay without an answer.
    gate.heal();
    assert_hears(&fabric, 2);
    await_unheard(&fabric.speakers[0], "all is heard again", |count| {
        count == 0
    });
    assert_eq!(witness.history_of(fabric.vip(1)), []);
}
