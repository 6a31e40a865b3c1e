//! Random partitions, freezes and restarts: never two for longer than the fence, never nobody for
//! long while more than half hear each other, one after healing. `cargo xtask bench l2partitions`
//! runs 200 of them, and says how long.

use std::time::Duration;

use integration::segment::scene::Scene;
use integration::segment::{LINK, name, partition};
use integration::wait::{SOON, eventually};

/// The fence, 240 ms, and the time between two questions.
const OVERLAP: Duration = Duration::from_millis(240 + 60);
/// A machine that is busy with other tests makes everything later.
const SILENCE: Duration = Duration::from_secs(5);

fn schedules(nodes: u8, seeds: std::ops::Range<u64>) {
    let Some(mut scene) = partition::start(nodes) else {
        return;
    };
    for seed in seeds {
        let outcome = partition::run(&mut scene, seed);
        assert!(outcome.overlap < OVERLAP, "{outcome:#?}");
        assert!(outcome.silence < SILENCE, "{outcome:#?}");
    }
}

#[test]
fn of_three_nodes_no_two_answer_for_longer_than_the_fence() {
    schedules(3, 0..5);
}

#[test]
fn of_four_nodes_that_hear_each_others_arp_and_ndp_no_two_answer_for_longer_than_the_fence() {
    schedules(4, 100..105);
}

#[test]
fn a_node_that_was_cut_off_is_heard_again_however_seldom_kernels_ask_for_its_link_layer_address() {
    let Some(scene) = Scene::usual() else {
        return;
    };
    scene.await_speakers();
    let segment = &scene.segment;
    for node in &segment.nodes {
        for family in ["ipv4", "ipv6"] {
            let key = format!("{family}/neigh/{LINK}/retrans_time_ms");
            node.machine.netns.sysctl(&key, "600000");
        }
    }
    segment.plug(&name(1), false);
    for (node, alive) in segment.nodes.iter().zip([1, 2, 2]) {
        node.machine.netns.ip(&format!("neigh flush dev {LINK}"));
        eventually("it asks in vain, and for ten minutes no more", SOON, || {
            let neighbors = node.machine.netns.ip(&format!("neigh show dev {LINK}"));
            neighbors
                .contains("INCOMPLETE")
                .then_some(())
                .ok_or(neighbors)
        });
        eventually("those that hear each other are alive", SOON, || {
            node.knows(alive)
        });
    }
    segment.plug(&name(1), true);
    scene.await_speakers();
}
