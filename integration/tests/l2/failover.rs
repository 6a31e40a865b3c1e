//! An owner fails, and another takes over. How fast is a matter of `cargo xtask bench l2failover`;
//! here the limits only tell a failover from none.

use std::time::Duration;

use integration::segment::failover::{Failover, Failure, Round};
use integration::segment::traffic::PATIENT;

/// Rounds of each.
const ROUNDS: usize = 3;
/// A machine that is busy with other tests makes everything later.
const AT_LAST: Duration = Duration::from_secs(5);
/// The fence, and what a capture on a busy machine may show above it.
const OVERLAP: Duration = Duration::from_millis(240 + 200);

fn rounds(failure: Failure, check: impl Fn(&Round)) {
    let Some(mut failover) = Failover::start(PATIENT) else {
        return;
    };
    for _ in 0..ROUNDS {
        let round = failover.round(failure);
        assert_eq!(round.stale_answers, 0, "{round:?}");
        assert!(round.answered_after < AT_LAST, "{round:?}");
        assert!(round.overlap < OVERLAP, "{round:?}");
        assert!(round.silence_at_return < AT_LAST, "{round:?}");
        assert!(
            round.pings.sent > 100 && round.requests.sent > 10,
            "{round:?}"
        );
        check(&round);
    }
}

fn is_served_again(round: &Round) {
    assert!(round.pings.longest_pause < AT_LAST, "{round:?}");
    assert!(round.requests.longest_pause < AT_LAST, "{round:?}");
}

#[test]
fn after_a_kill_another_node_answers() {
    rounds(Failure::Kill, is_served_again);
}

#[test]
fn after_its_link_went_down_another_node_has_the_traffic() {
    rounds(Failure::LinkDown, is_served_again);
}

#[test]
fn after_its_port_left_the_bridge_another_node_has_the_traffic() {
    rounds(Failure::Unplugged, is_served_again);
}

#[test]
fn a_frozen_owner_is_replaced_and_answers_nothing_when_it_goes_on() {
    rounds(Failure::Freeze, is_served_again);
}

#[test]
fn a_graceful_stop_loses_no_packet() {
    rounds(Failure::Stop, loses_nothing);
}

#[test]
fn a_cordon_loses_no_packet() {
    rounds(Failure::Cordon, loses_nothing);
}

#[test]
fn a_node_that_is_not_ready_hands_over_without_loss() {
    rounds(Failure::NotReady, loses_nothing);
}

fn loses_nothing(round: &Round) {
    assert_eq!(round.pings.lost, 0, "{round:?}");
    // The request that was open meanwhile is on a connection that the other node does not know.
    assert!(round.requests.lost <= 1, "{round:?}");
}
