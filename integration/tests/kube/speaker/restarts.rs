//! A speaker that ends and starts again.

use integration::bird::Bird;
use integration::kube::fabric::{Fabric, Plan};
use integration::kube::gate::Fault;
use integration::kube::shared::Shared;
use integration::wait::{LATER, SOON, eventually};
use serde_json::json;

#[test]
fn a_speaker_that_starts_while_the_api_server_is_away_announces_what_it_last_knew() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    for fault in [Fault::Cut, Fault::Silence] {
        let mut plan = Plan::of(&cluster, &cluster.lab, 1);
        plan.gates = true;
        let mut fabric = plan.establish::<Bird>();
        let _pods = fabric.serve("web", 1, &[0], json!({}));
        fabric.await_hops(fabric.vip(1), &[0]);
        fabric.gates[0].fail(fault, |_| true);
        fabric.gates[0].cut();
        fabric.speakers[0].terminate();
        fabric.await_hops(fabric.vip(1), &[]);
        fabric.speakers[0].launch(fabric.nodes[0].netns());
        fabric.await_hops(fabric.vip(1), &[0]);
        // Others may take over what this one does not know.
        let (code, text) = fabric.speakers[0].page("/readyz").expect("an answer");
        assert_eq!(code, 503, "{text}");
        fabric.gates[0].heal();
        fabric.speakers[0].await_ready();
        fabric.assign("web", &[fabric.vip(2)]);
        fabric.await_hops(fabric.vip(2), &[0]);
    }
}

#[test]
fn a_speaker_that_was_killed_while_the_api_server_is_away_announces_what_it_last_knew() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut plan = Plan::of(&cluster, &cluster.lab, 1);
    plan.gates = true;
    let mut fabric = plan.establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    let vip = fabric.vip(1).to_string();
    eventually("the address is kept", LATER, || {
        let state = std::fs::read_to_string(fabric.speakers[0].state()).unwrap_or_default();
        match state.contains(&vip) {
            true => Ok(()),
            false => Err(state),
        }
    });
    fabric.gates[0].fail(Fault::Cut, |_| true);
    fabric.gates[0].cut();
    fabric.speakers[0].kill();
    fabric.await_hops(fabric.vip(1), &[]);
    fabric.speakers[0].launch(fabric.nodes[0].netns());
    fabric.await_hops(fabric.vip(1), &[0]);
}

/// Two nodes whose router keeps routes while a speaker restarts.
fn graceful(cluster: &Shared) -> Fabric<Bird> {
    let mut plan = Plan::of(cluster, &cluster.lab, 2);
    plan.peer = json!({"enableGracefulRestart": true});
    plan.neighbour = |neighbour| neighbour.graceful_restart = true;
    plan.establish()
}

#[test]
fn a_killed_speakers_routes_stay_by_graceful_restart() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut fabric = graceful(&cluster);
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    let witness = fabric.witness();
    fabric.speakers[0].kill();
    fabric.speakers[0].launch(fabric.nodes[0].netns());
    fabric.await_established();
    eventually("the routes are its own again", SOON, || {
        let entry = fabric.speakers[0].entry("peers", integration::kube::fabric::PEER)?;
        match entry["advertisedPrefixes"] == 1 && entry["pending"] == false {
            true => Ok(()),
            false => Err(entry.to_string()),
        }
    });
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    let changes = witness.history_of(fabric.vip(1));
    let gone = changes.iter().filter(|change| change.hops == 0);
    assert_eq!(gone.count(), 0, "{changes:#?}");
}
