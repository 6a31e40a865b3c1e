//! Nodes of one cluster on one link, as a client sees them.

use l2::responder::{Action, Address, AddressState, Event};

use crate::common::segment::{FENCE, Segment};
use crate::common::{ETH0, VIPS, first_ever, ip, taken_over};

/// The first of two nodes has the address, and the client knows it.
fn owned(vip: &'static str) -> Segment {
    let mut segment = Segment::new(vip, 2, 1);
    segment.acquaint();
    segment.run(100);
    segment.give(0, Some(first_ever()));
    segment.run(5_000);
    assert_eq!(segment.ask(), [segment.stations[0].mac]);
    segment
}

#[test]
fn a_client_follows_a_takeover_although_its_cache_is_locked_for_a_second() {
    for vip in VIPS {
        let mut segment = owned(vip);
        segment.run(1_500);
        // It has just learnt the old owner.
        assert_eq!(segment.ask(), [segment.stations[0].mac]);
        segment.stations[0].connected = false;
        segment.run(300);
        segment.give(1, Some(taken_over()));
        segment.run(1_200);
        assert_eq!(segment.owner(), Some(segment.stations[1].mac));
    }
}

#[test]
fn a_node_that_was_frozen_answers_none_of_what_has_waited_for_it() {
    for vip in VIPS {
        let mut segment = owned(vip);
        segment.stations[0].runs = false;
        segment.run(FENCE + 50);
        segment.give(1, Some(taken_over()));
        segment.run(2_000);
        assert_eq!(segment.ask(), [segment.stations[1].mac]);
        segment.stations[0].in_touch = false;
        segment.stations[0].runs = true;
        for _ in 0..100 {
            assert_eq!(segment.ask(), [segment.stations[1].mac]);
        }
        segment.give(0, None);
        segment.stations[0].in_touch = true;
        segment.run(2_000);
        assert_eq!(segment.ask(), [segment.stations[1].mac]);
        assert_eq!(segment.owner(), Some(segment.stations[1].mac));
    }
}

#[test]
fn during_a_graceful_hand_over_somebody_answers_every_time() {
    for vip in VIPS {
        let mut segment = owned(vip);
        let (old, new) = (segment.stations[0].mac, segment.stations[1].mac);
        let leaving = Address {
            handing_over: true,
            ..first_ever()
        };
        segment.give(0, Some(leaving));
        let mut heard = false;
        for step in 0..200 {
            if step == 20 {
                segment.give(1, Some(taken_over()));
            }
            if !heard && told_of_other(&segment) {
                heard = true;
                segment.give(0, None);
            }
            let answers = segment.ask();
            let known = answers.iter().all(|mac| [old, new].contains(mac));
            assert!(known && !answers.is_empty(), "{step}: {answers:?}");
        }
        assert!(heard && segment.ask() == [new]);
        segment.run(2_500);
        assert_eq!(segment.owner(), Some(new));
    }
}

fn told_of_other(segment: &Segment) -> bool {
    let actions = &segment.stations[0].actions;
    actions
        .iter()
        .any(|action| matches!(action, Action::OtherOwner { .. }))
}

#[test]
fn two_owners_do_not_shout_at_each_other_and_the_one_that_remains_is_believed() {
    for vip in VIPS {
        let mut segment = owned(vip);
        segment.give(1, Some(taken_over()));
        segment.run(3_000);
        segment.seen.clear();
        segment.run(30_000);
        assert!(
            segment.seen.len() <= 4,
            "a refresh each: {:?}",
            segment.seen
        );
        segment.give(1, None);
        let now = segment.now();
        let first = &mut segment.stations[0].responder;
        first.handle(now, Event::Announce(ip(vip)));
        segment.run(3_000);
        assert_eq!(segment.ask(), [segment.stations[0].mac]);
        assert_eq!(segment.owner(), Some(segment.stations[0].mac));
    }
}

#[test]
fn of_strangers_that_want_the_same_address_one_gets_it_in_the_end() {
    for vip in VIPS {
        for entropy in (0..10).map(|n| n * 7) {
            let mut segment = Segment::new(vip, 3, entropy);
            segment.run(100);
            (0..3).for_each(|station| segment.give(station, Some(first_ever())));
            for _ in 0..60 {
                segment.run(10_000);
                assert!(segment.ask().len() <= 1, "never two");
            }
            let states = segment.stations.iter();
            let states = states.map(|s| s.responder.state(ETH0, ip(vip)));
            let claimed = states.filter(|state| *state == Some(AddressState::Claimed));
            assert_eq!(claimed.count(), 1, "entropy {entropy}");
        }
    }
}
