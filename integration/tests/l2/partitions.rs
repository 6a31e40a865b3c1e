//! Random partitions, freezes and restarts: never two for longer than the fence, never nobody for
//! long while more than half hear each other, one after healing. `cargo xtask bench l2partitions`
//! runs 200 of them, and says how long.

use std::time::Duration;

use integration::segment::partition;

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
