//! What `--record` keeps of a session with a real router.

use std::collections::BTreeSet;

use integration::router::Router;
use integration::wait::SOON;
use integration::wait::eventually_equal;
use serde_json::Value;

use crate::scene::{NODE_V4, PEER, Plan, VIP_2, ip};

pub fn a_recorded_session_replays_to_what_the_router_was_told_and_why_it_ended<R: Router>() {
    let plan = Plan::simple().with_service("shop", &[VIP_2]);
    let Some(mut scene) = plan.establish::<R>() else {
        return;
    };
    scene.await_prefixes(&["10.100.0.1/32", "10.100.0.2/32"]);
    let held: BTreeSet<String> = prefixes(&scene.router);
    scene.router.shut_down(ip(NODE_V4), "noon");
    scene.await_status("the shutdown is shown", |entry| {
        entry["lastError"].to_string().contains("noon")
    });
    scene.herald.terminate();
    let steps = scene.herald.replay(PEER);
    let announced: BTreeSet<String> = announced(&steps).collect();
    assert_eq!(announced, held);
    let mut states: Vec<&str> = steps.iter().filter_map(|s| s["state"].as_str()).collect();
    states.dedup();
    // An OPEN and a KEEPALIVE that are read at once leave no step in between.
    states.retain(|state| *state != "OpenConfirm");
    let lived = ["OpenSent", "Established", "Idle"];
    assert!(states.windows(3).any(|some| some == lived), "{states:?}");
    let down = "down, received Cease: Administrative Shutdown (6/2): \\\"noon\\\"";
    let told = steps
        .iter()
        .any(|step| step["actions"].to_string().contains(down));
    assert!(told, "{steps:#?}");
    eventually_equal("nothing is left", SOON, &0, || scene.router.routes().len());
}

fn prefixes(router: &impl Router) -> BTreeSet<String> {
    let routes = router.routes().into_iter();
    routes.map(|route| route.prefix.to_string()).collect()
}

/// NLRI of every UPDATE that the replayed peer sends.
fn announced(steps: &[Value]) -> impl Iterator<Item = String> + '_ {
    let sent = steps
        .iter()
        .filter_map(|step| step["sent"].as_array())
        .flatten();
    let nlri = sent
        .filter_map(|sent| sent["message"]["nlri"].as_array())
        .flatten();
    nlri.filter_map(|prefix| prefix.as_str().map(str::to_owned))
}
