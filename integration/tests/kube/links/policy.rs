//! `externalTrafficPolicy: Local`: the owner is a node with a usable endpoint, and its Pod gets the
//! traffic.

use std::net::SocketAddr;

use integration::kube::pod::Pod;
use integration::tcp;

use super::*;

/// Waits until a Pod answers the client at each address.
fn await_answer(segment: &Segment, addresses: [IpAddr; 2], pod: &str) {
    for address in addresses {
        let what = format!("{pod} answers at {address}");
        eventually(&what, SOON, || {
            let answer = tcp::ask(&segment.client, SocketAddr::new(address, 80))?;
            (answer == pod).then_some(()).ok_or(answer)
        });
    }
}

#[test]
fn a_local_service_is_answered_for_where_its_pod_is_and_follows_it() {
    let Some((segment, cluster)) = segment(|plan| plan.proxies = true) else {
        return;
    };
    let spec = json!({"spec": {
        "externalTrafficPolicy": "Local",
        "selector": {"app": "web"},
    }});
    let addresses = segment.vips(1);
    segment.create("web", &addresses, spec);
    let witness = segment.witness(&cluster.lab, &addresses);
    let mut last: Option<Pod> = None;
    for node in [0, 1, 2, 0] {
        let pod = segment.pod("web", node);
        // Both are ready for a moment, as when a Deployment is rolled out.
        if let Some(last) = last.replace(pod) {
            last.set_ready(false);
        }
        for address in addresses {
            segment.await_owner(&witness, address, node);
        }
        let pod = last.as_ref().expect("one");
        await_answer(&segment, addresses, pod.name());
        segment.await_status("web", node);
    }
    last.expect("one").set_ready(false);
    await_nobody(&segment, &witness, addresses);
    let name = format!("{}/web", segment.namespace);
    let explained = segment.speakers[0].explain(&name).expect("an explanation");
    let nodes = explained["nodes"].as_array().into_iter().flatten();
    let ours = |one: &&Value| segment.nodes.iter().any(|node| one["node"] == *node.name());
    let reasons: Vec<&Value> = nodes.filter(ours).map(|one| &one["l2"]["reason"]).collect();
    assert_eq!(reasons, ["noEndpoints"; 3]);
}
