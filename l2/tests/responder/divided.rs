//! Speakers that hear each other on the link and nowhere else.

use l2::MacAddr;
use l2::responder::{Address, BEACON_INTERVAL, Claim, YIELD};

use crate::common::VIPS;
use crate::common::segment::Segment;

fn divided() -> Address {
    Address::new(Claim::Divided)
}

/// Two that know each other.
fn two(vip: &'static str, entropy: u64) -> (Segment, [MacAddr; 2]) {
    let mut segment = Segment::new(vip, 2, entropy);
    segment.acquaint();
    segment.run(200);
    let macs = [0, 1].map(|station: usize| segment.stations[station].mac);
    (segment, macs)
}

/// Two that have claimed it while they did not hear each other, and now do; the lower one.
fn both_have_claimed(vip: &'static str) -> (Segment, MacAddr) {
    let (mut segment, [low, _]) = two(vip, 1);
    segment.stations[1].connected = false;
    segment.give(0, Some(divided()));
    segment.give(1, Some(divided()));
    segment.run(5_000);
    segment.stations[1].connected = true;
    (segment, low)
}

/// Two that were given it at the same time, and the lower one has it.
fn low_has_it(vip: &'static str) -> (Segment, [MacAddr; 2]) {
    let (mut segment, [low, high]) = two(vip, 1);
    segment.give(0, Some(divided()));
    segment.give(1, Some(divided()));
    segment.run(1_500);
    assert_eq!(segment.ask(), [low]);
    (segment, [low, high])
}

/// Frames of announcements that the lower one has sent.
fn announcements(segment: &Segment) -> u64 {
    let addresses = segment.stations[0].responder.addresses();
    addresses
        .map(|address| address.counters.announcements)
        .sum()
}

fn yielded() -> u64 {
    2 * YIELD.as_millis() as u64
}

#[test]
fn of_two_that_probe_at_the_same_time_only_the_lower_claims() {
    for vip in VIPS {
        for entropy in 0..50 {
            let (mut segment, [low, _]) = two(vip, entropy);
            segment.give(0, Some(divided()));
            segment.give(1, Some(divided()));
            for _ in 0..40 {
                segment.run(100);
                let answered = segment.ask();
                assert!(
                    answered.iter().all(|by| *by == low),
                    "{entropy}: {answered:?}"
                );
            }
            assert_eq!(segment.ask(), [low]);
        }
    }
}

#[test]
fn one_that_may_be_outdated_leaves_it_to_any_that_claims_it_and_has_it_again_after_that_one() {
    for vip in VIPS {
        for entropy in 0..20 {
            let (mut segment, [low, high]) = two(vip, entropy);
            let outdated = Address {
                yields: true,
                ..Address::new(Claim::TakenOver)
            };
            segment.give(0, Some(outdated));
            segment.run(5_000);
            assert_eq!(segment.ask(), [low], "{entropy}");
            segment.give(1, Some(Address::new(Claim::TakenOver)));
            for _ in 0..80 {
                segment.run(100);
                assert_eq!(segment.ask(), [high], "{entropy}");
            }
            segment.give(1, None);
            segment.run(yielded());
            assert_eq!(segment.ask(), [low], "{entropy}");
        }
    }
}

#[test]
fn one_that_has_it_keeps_it_from_a_lower_one_that_probes() {
    for vip in VIPS {
        for entropy in 0..50 {
            let (mut segment, [_, high]) = two(vip, entropy);
            segment.give(1, Some(divided()));
            segment.run(1_500);
            segment.give(0, Some(divided()));
            for _ in 0..80 {
                segment.run(100);
                assert_eq!(segment.ask(), [high], "{entropy}");
            }
        }
    }
}

#[test]
fn the_other_takes_over_when_the_owner_is_gone() {
    for vip in VIPS {
        let (mut segment, [_, high]) = low_has_it(vip);
        segment.stations[0].connected = false;
        segment.run(yielded() + 1_500);
        assert_eq!(segment.ask(), [high]);
    }
}

#[test]
fn when_all_hear_each_other_again_the_elected_one_answers_at_once() {
    for vip in VIPS {
        let (mut segment, [_, high]) = low_has_it(vip);
        segment.give(0, None);
        segment.give(1, Some(Address::new(Claim::TakenOver)));
        segment.run(10);
        assert_eq!(segment.ask(), [high]);
    }
}

#[test]
fn of_two_that_have_claimed_it_the_higher_falls_silent_when_it_hears_the_other() {
    for vip in VIPS {
        let (mut segment, low) = both_have_claimed(vip);
        let now = segment.now();
        let again = l2::responder::Event::Announce(crate::common::ip(vip));
        segment.stations[0].responder.handle(now, again);
        segment.run(10);
        assert_eq!(segment.ask(), [low]);
    }
}

#[test]
fn of_two_that_have_claimed_it_the_elected_one_announces_it_when_all_hear_each_other_again() {
    for vip in VIPS {
        let (mut segment, low) = both_have_claimed(vip);
        segment.give(0, Some(Address::new(Claim::TakenOver)));
        segment.run(10);
        assert_eq!(segment.ask(), [low]);
    }
}

#[test]
fn two_that_have_claimed_it_find_each_other_soon_after_their_links_become_one_again() {
    for vip in VIPS {
        let (mut segment, low) = both_have_claimed(vip);
        segment.run(BEACON_INTERVAL.as_millis() as u64 + 10);
        assert_eq!(segment.ask(), [low]);
    }
}

#[test]
fn an_owner_that_is_probed_again_and_again_does_not_announce_it_each_time() {
    for vip in VIPS {
        let (mut segment, [low, _]) = low_has_it(vip);
        segment.run(10_000);
        let before = announcements(&segment);
        segment.run(10_000);
        // The beacon, and no more.
        let sent = announcements(&segment) - before;
        assert!((95..=105).contains(&sent), "{sent}");
        assert_eq!(segment.ask(), [low]);
    }
}
