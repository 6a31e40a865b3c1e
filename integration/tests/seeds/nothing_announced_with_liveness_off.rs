//! Liveness between speakers was switched off, and nothing was announced: "no list" was read as
//! "nobody on the list".

use integration::bird::Bird;
use integration::kube::fabric::Plan;
use integration::kube::shared::Shared;
use serde_json::json;

#[test]
fn without_liveness_every_node_that_the_api_knows_announces() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let fabric = Plan::of(&cluster, &cluster.lab, 2).establish::<Bird>();
    let _pods = fabric.serve("web", 1, &[0], json!({}));
    let _local = fabric.serve("local", 2, &[1], json!({"externalTrafficPolicy": "Local"}));
    fabric.await_hops(fabric.vip(1), &[0, 1]);
    fabric.await_hops(fabric.vip(2), &[1]);
    for speaker in &fabric.speakers {
        let nodes = speaker.status("nodes").expect("the nodes");
        let nodes = nodes["nodes"].as_array().cloned().unwrap_or_default();
        let ours = |name: &str| nodes.iter().find(|node| node["name"] == name).cloned();
        for node in &fabric.nodes {
            let judged = ours(node.name()).expect("it is known");
            assert_eq!(judged["class"], "in-service", "{judged}");
        }
    }
}
