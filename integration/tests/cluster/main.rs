//! Herald in a cluster of kubelets, from its image and its manifests, as people install it.
//!
//! Three nodes, one of them of the control plane, GoBGP in its container on their network, and a
//! client behind it. `cargo xtask test cluster` builds the image first.

mod changes;
mod installed;
mod manifests;
mod requests;
mod scene;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use integration::cluster::residue::Residue;
use integration::cluster::{Cluster, images};
use integration::lab::skip;
use integration::setup;
use integration::wait::{SOON, eventually_equal};

use installed::{NET_BIND_SERVICE, NET_BIND_SERVICE_AND_NET_RAW};
use manifests::DEPLOYMENT;
use scene::Scene;

/// What one cluster has on the machine, another must not take for its own residue.
static ALONE: Mutex<()> = Mutex::new(());

/// All in one, since a cluster takes half a minute to start.
#[test]
#[ignore = "needs the image, which takes minutes to build: cargo xtask test cluster"]
fn a_cluster_is_served_through_a_rollout_and_the_loss_of_a_node_and_nothing_is_left_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((lab, own)) = Cluster::prepare() else {
        return;
    };
    let herald = match images::herald() {
        Ok(archive) => archive,
        Err(reason) => return skip(lab.test(), &reason),
    };
    let before = Residue::now();
    let mut scene = Scene::start(lab, own, herald);
    scene.pods_answer_across_nodes();
    scene.it_is_installed_as_documented();
    scene.containers_may_do_no_more_than_they_need(NET_BIND_SERVICE_AND_NET_RAW);
    scene.a_client_behind_the_router_is_served();
    scene.it_is_checked_as_documented();
    scene.a_rollout_loses_neither_request_nor_route();
    scene.containers_may_do_no_more_than_they_need(NET_BIND_SERVICE);
    scene.another_controller_takes_over_from_a_leader_that_is_killed();
    scene.nothing_was_refused();
    scene.a_speaker_that_dies_while_the_api_server_is_away_comes_back_with_its_routes();
    scene.a_lost_node_is_left_and_traffic_goes_on();
    scene.it_is_removed_as_documented();
    scene.every_script_has_run();
    drop(scene);
    nothing_is_left_since(&before);
}

const FAILURE: &str = "as a test that fails does";

#[test]
fn a_cluster_that_fails_half_way_leaves_nothing_behind_either() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((lab, own)) = Cluster::prepare() else {
        return;
    };
    let before = Residue::now();
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let cluster = Cluster::start(lab, own, &[], &["node-a"]);
        cluster.control_plane.apply_yaml(DEPLOYMENT);
        cluster.await_rollout("Deployment", "default", "web");
        let what_runs = Residue::now().since(&before);
        let is_seen = |what: &str| what_runs.iter().any(|name| name.starts_with(what));
        assert!(
            ["netns", "cgroup", "process"]
                .iter()
                .all(|what| is_seen(what)),
            "{what_runs:?}"
        );
        std::panic::panic_any(FAILURE);
    }));
    let failure = failed.expect_err("it fails");
    assert_eq!(failure.downcast_ref(), Some(&FAILURE));
    nothing_is_left_since(&before);
}

fn nothing_is_left_since(before: &Residue) {
    let gobgp = setup::gobgp().expect("it has run");
    let what = "the machine is as it was";
    eventually_equal(what, SOON, &Vec::new(), || {
        gobgp.engine.unmount();
        Residue::now().since(before)
    });
}
