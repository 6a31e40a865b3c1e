//! L2 mode in a cluster: speakers of nodes on one segment, a client on it, and what they report.

mod health;
mod input;
mod modes;
mod outages;
mod policy;

use std::net::IpAddr;
use std::time::Duration;

use integration::kube::segment::{NEEDS, Plan, Segment, Witness};
use integration::kube::shared::Shared;
use integration::lab::Lab;
use integration::segment::capture::clock;
use integration::wait::{SOON, eventually, eventually_equal};
use serde_json::{Value, json};

/// Three nodes on the segment of a shared cluster, changed before they start.
fn segment(change: impl FnOnce(&mut Plan<'_>)) -> Option<(Segment, Shared)> {
    Lab::open(NEEDS)?;
    let cluster = Shared::join()?;
    let mut plan = Plan::of(&cluster, &cluster.lab);
    change(&mut plan);
    Some((plan.start(), cluster))
}

/// A Service `web` of both families with an endpoint on every node, and who watches it.
fn web(segment: &Segment, lab: &Lab) -> ([IpAddr; 2], Witness) {
    let nodes: Vec<usize> = (0..segment.nodes.len()).collect();
    segment.serve("web", 1, &nodes, json!({}));
    let addresses = segment.vips(1);
    (addresses, segment.witness(lab, &addresses))
}

/// Waits until nobody has answered for a while.
fn await_nobody(segment: &Segment, witness: &Witness, addresses: [IpAddr; 2]) {
    eventually("nobody answers", SOON, || {
        let recently = clock().saturating_sub(Duration::from_secs(1));
        let answers = addresses.map(|address| witness.answers(recently, address));
        match answers.iter().all(Vec::is_empty) {
            true => Ok(()),
            false => Err(format!("{answers:?}, of {:?}", segment.macs)),
        }
    });
}

#[test]
fn one_node_answers_says_so_and_leaves_the_address_to_another_when_it_is_cordoned() {
    let Some((segment, cluster)) = segment(|_| ()) else {
        return;
    };
    let (addresses, witness) = web(&segment, &cluster.lab);
    let service = segment.service("web");
    let owner = segment.owner(&witness, addresses[0]);
    segment.await_owner(&witness, addresses[1], owner);
    segment.await_status("web", owner);
    let node = segment.nodes[owner].name();
    let assigned = format!("announcing from node \"{node}\" with protocol \"layer2\"");
    segment.await_event(&service, "nodeAssigned", &[&assigned]);
    assert_heard(&segment);
    let name = format!("{}/web", segment.namespace);
    let speaker = &segment.speakers[owner];
    assert_metrics(&segment, &name, addresses, Some(owner));
    segment.nodes[owner].set_unschedulable(true);
    let other = segment.await_other(&witness, addresses[0], owner);
    segment.await_status("web", other);
    assert_metrics(&segment, &name, addresses, Some(other));
    let explained = speaker.explain(&name).expect("an explanation");
    let nodes = explained["nodes"].as_array().into_iter().flatten();
    let cordoned = nodes.filter(|one| one["node"] == *node);
    let reasons: Vec<&Value> = cordoned.map(|one| &one["l2"]["reason"]).collect();
    assert_eq!(reasons, ["nodeUnschedulable"]);
    cluster
        .delete("Service", &segment.namespace, "web")
        .expect("gone");
    eventually("nobody says that it answers", SOON, || {
        let statuses = segment.statuses();
        statuses
            .is_empty()
            .then_some(())
            .ok_or(format!("{statuses:?}"))
    });
    assert_metrics(&segment, &name, addresses, None);
}

/// That what speakers say of themselves is heard by them and by the controller.
fn assert_heard(segment: &Segment) {
    for daemon in segment.speakers.iter().chain([&segment.controller]) {
        for kind in ["ConfigurationState", "ServiceL2Status"] {
            let up = format!("herald_watch_up{{kind=\"{kind}\"}}");
            let is_up = || daemon.metric(&up).filter(|up| *up == 1.0).map(|_| ());
            eventually(&up, SOON, || is_up().ok_or("it is not heard".to_owned()));
        }
    }
}

/// That MetalLB's metrics of these addresses are those of their owner, and no other has any.
fn assert_metrics(segment: &Segment, service: &str, addresses: [IpAddr; 2], owner: Option<usize>) {
    let all = segment.speakers.iter().zip(&segment.nodes).enumerate();
    for (index, (speaker, node)) in all {
        for ip in addresses {
            let node = node.name();
            let announced = format!(
                "metallb_speaker_announced{{service=\"{service}\",protocol=\"layer2\",\
                 node=\"{node}\",ip=\"{ip}\"}}"
            );
            let counted = ["requests_received", "responses_sent", "gratuitous_sent"];
            let counted = counted.map(|name| format!("metallb_layer2_{name}{{ip=\"{ip}\"}}"));
            for name in [announced].into_iter().chain(counted) {
                let what = format!("{name} is only of the owner, {owner:?}");
                eventually(&what, SOON, || match (speaker.metric(&name), owner) {
                    (Some(count), Some(owner)) if owner == index && count > 0.0 => Ok(()),
                    (None, owner) if owner != Some(index) => Ok(()),
                    (value, _) => Err(format!("{node}: {value:?}")),
                });
            }
        }
    }
}
