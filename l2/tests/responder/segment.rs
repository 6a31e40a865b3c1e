//! Nodes of one cluster on one link, as a client sees them.

use l2::responder::{Action, Address, AddressState, Event};
use proptest::prelude::*;

use crate::common::segment::{FENCE, Segment, Station};
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

/// What befalls one of the nodes.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Freeze,
    Thaw,
    /// The others do not hear it, nor it them; the client does.
    OutOfTouch,
    InTouch,
}

fn fate() -> impl Strategy<Value = (usize, Fate, u64)> {
    let fates = vec![Fate::Freeze, Fate::Thaw, Fate::OutOfTouch, Fate::InTouch];
    (0..3_usize, prop::sample::select(fates), 0..1_500_u64)
}

/// Gives the address to the first node that the others hear, once the fence of the one before has
/// closed for sure. A node that is out of touch is not told of it.
struct Election {
    owner: usize,
}

impl Election {
    fn hold(&mut self, segment: &mut Segment) {
        let hears = |node: &usize| segment.stations[*node].in_touch && segment.stations[*node].runs;
        let next = (0..3).find(hears);
        let is_silent = segment.time > segment.stations[self.owner].put_off + FENCE;
        if let (true, Some(next)) = (is_silent, next) {
            self.owner = next;
        }
        for node in (0..3).filter(hears).collect::<Vec<_>>() {
            segment.give(node, (node == self.owner).then(taken_over));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever is frozen or cut off, no two nodes ever answer, and while one of them has been in
    /// touch for a second, one does.
    #[test]
    fn with_a_fence_no_two_nodes_ever_answer(
        fates in prop::collection::vec(fate(), 0..25),
        vip in prop::sample::select(VIPS.to_vec()),
        entropy in any::<u32>(),
    ) {
        let mut segment = Segment::new(vip, 3, entropy.into());
        segment.acquaint();
        let mut election = Election { owner: 0 };
        let mut nobody_since = 0;
        for (node, fate, wait) in fates {
            let station = &mut segment.stations[node];
            match fate {
                Fate::Freeze => station.runs = false,
                Fate::Thaw => station.runs = true,
                Fate::OutOfTouch => station.in_touch = false,
                Fate::InTouch => station.in_touch = true,
            }
            for _ in 0..wait / 10 {
                election.hold(&mut segment);
                segment.run(10);
                let now = segment.now();
                let running = segment.stations.iter().filter(|station| station.runs);
                let answers = |s: &&Station| s.responder.is_answered(now, ETH0, ip(vip));
                let count = running.filter(answers).count();
                prop_assert!(count <= 1, "two answer");
                let candidate = |s: &Station| s.runs && s.in_touch;
                if count == 1 || !segment.stations.iter().any(candidate) {
                    nobody_since = segment.time;
                }
                prop_assert!(segment.time <= nobody_since + 1_000, "nobody answers");
                prop_assert!(segment.ask().len() <= 1, "two answered");
            }
        }
    }
}
