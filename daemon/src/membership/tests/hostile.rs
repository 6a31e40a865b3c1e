//! Datagrams that somebody else has made, kept or changed.

use std::time::Duration;

use rand::Rng;

use super::super::core::Counters;
use super::super::{Live, MAX_DATAGRAM};
use super::lab::{KEY, Lab, address, keys, list, ms};

/// What must not change by anything that is not believed.
fn state(lab: &mut Lab, node: usize) -> (Live, u64) {
    let core = lab.core(node);
    ((**core.live()).clone(), core.counters().received)
}

fn counters(lab: &mut Lab, node: usize) -> Counters {
    lab.core(node).counters().clone()
}

/// A lab that has recorded a while.
fn recorded(nodes: usize, seed: u64) -> (Lab, Vec<(usize, usize, Vec<u8>)>) {
    let mut lab = Lab::running(nodes, seed);
    lab.tape = Some(Vec::new());
    lab.run(ms(2_000));
    let tape = lab.tape.take().unwrap_or_default();
    assert!(tape.len() > 100);
    // What is on its way arrives.
    lab.run(ms(5));
    (lab, tape)
}

#[test]
fn a_recorded_datagram_is_worth_nothing_once_it_has_arrived() {
    let (mut lab, tape) = recorded(3, 1);
    let before = state(&mut lab, 0);
    for (from, _, datagram) in &tape {
        lab.deliver(0, address(*from), datagram);
    }
    assert_eq!(state(&mut lab, 0), before);
    let counted = counters(&mut lab, 0);
    assert!(
        counted.replayed > 30 && counted.stranger > 30,
        "{counted:?}"
    );
}

#[test]
fn a_recording_is_worth_nothing_to_one_that_has_restarted() {
    let (mut lab, tape) = recorded(3, 2);
    (0..3).for_each(|node| lab.kill(node));
    lab.run(ms(100));
    lab.start(0);
    for (from, _, datagram) in tape.iter().filter(|(_, to, _)| *to == 0) {
        lab.deliver(0, address(*from), datagram);
        lab.run(ms(1));
    }
    lab.run(ms(1_000));
    assert_eq!(lab.live(0).len(), 1);
    assert_eq!(counters(&mut lab, 0).received, 0);
    assert!(!lab.is_open(0));
}

#[test]
fn a_recording_of_one_that_has_restarted_does_not_bring_its_old_life_back() {
    let (mut lab, tape) = recorded(3, 3);
    lab.kill(1);
    lab.start(1);
    lab.run(ms(1_000));
    let before = counters(&mut lab, 0).unproven;
    let live = state(&mut lab, 0).0;
    for (from, _, datagram) in tape.iter().filter(|(from, to, _)| (*from, *to) == (1, 0)) {
        lab.deliver(0, address(*from), datagram);
    }
    assert!(counters(&mut lab, 0).unproven > before);
    lab.losses.clear();
    lab.run(ms(2_000));
    assert_eq!(state(&mut lab, 0).0, live);
    assert!(lab.losses.is_empty());
}

#[test]
fn a_dead_node_is_not_kept_alive_by_its_recordings() {
    let (mut lab, tape) = recorded(3, 4);
    lab.kill(1);
    let mut copies = tape.iter().filter(|(from, ..)| *from == 1).cycle();
    lab.wait(ms(900), |lab| {
        !lab.live(0).contains(&1) && !lab.live(2).contains(&1)
    });
    for _ in 0..500 {
        let Some((from, to, datagram)) = copies.next() else {
            return;
        };
        lab.deliver(*to, address(*from), datagram);
        lab.run(ms(4));
        assert!(!lab.live(0).contains(&1) && !lab.live(2).contains(&1));
    }
}

#[test]
fn cut_bent_and_swollen_datagrams_change_nothing() {
    let (mut lab, tape) = recorded(3, 5);
    let before = state(&mut lab, 0);
    for (from, _, datagram) in tape.iter().filter(|(_, to, _)| *to == 0).take(20) {
        for cut in 0..datagram.len() {
            lab.deliver(0, address(*from), &datagram[..cut]);
        }
        for octet in 0..datagram.len() {
            let mut bent = datagram.clone();
            bent[octet] ^= 1 << lab.rng.random_range(0..8);
            lab.deliver(0, address(*from), &bent);
        }
        let mut swollen = datagram.clone();
        swollen.resize(MAX_DATAGRAM, 0);
        lab.deliver(0, address(*from), &swollen);
        swollen.resize(MAX_DATAGRAM + 1, 0);
        lab.deliver(0, address(*from), &swollen);
    }
    assert_eq!(state(&mut lab, 0), before);
    let counted = counters(&mut lab, 0);
    assert_eq!(counted.oversized, 20);
    assert!(counted.malformed > 0 && counted.forged > 0, "{counted:?}");
}

#[test]
fn noise_changes_nothing() {
    let mut lab = Lab::running(2, 6);
    let before = state(&mut lab, 0);
    for _ in 0..10_000 {
        let mut noise = vec![0; lab.rng.random_range(0..200)];
        lab.rng.fill(&mut noise[..]);
        lab.deliver(0, address(1), &noise);
    }
    assert_eq!(state(&mut lab, 0), before);
}

#[test]
fn a_member_with_another_key_is_not_heard_and_is_named() {
    let mut lab = Lab::running(3, 7);
    lab.kill(1);
    lab.run(ms(1_000));
    lab.start_with(
        1,
        1_000_000,
        keys("another key that nobody else has been told"),
    );
    lab.run(ms(2_000));
    assert!(!lab.live(0).contains(&1) && lab.live(1).len() == 1);
    let counted = counters(&mut lab, 0);
    assert!(counted.unknown_key > 0);
    assert_eq!(
        counted.last_unknown_key.map(|(from, _)| from),
        Some(address(1))
    );
}

#[test]
fn keys_are_changed_one_node_after_another_and_nobody_is_lost() {
    let mut lab = Lab::running(3, 8);
    let new = "the second shared key, of more than 32 octets";
    lab.losses.clear();
    for text in [
        format!("{KEY}\n{new}\n"),
        format!("{new}\n{KEY}"),
        new.to_owned(),
    ] {
        for node in 0..3 {
            lab.core(node).set_keys(keys(&text));
            lab.run(Duration::from_secs(2));
        }
    }
    assert!(lab.losses.is_empty(), "{:?}", lab.losses);
    assert_eq!(counters(&mut lab, 0).unknown_key, 0);
}

#[test]
fn a_name_that_is_not_in_the_list_is_refused_though_it_has_the_key() {
    let mut lab = Lab::running(3, 9);
    let now = lab.now;
    lab.core(0).set_peers(now, &list(2));
    assert!(!lab.live(0).contains(&2));
    lab.run(ms(3_000));
    assert!(!lab.live(0).contains(&2));
    assert!(counters(&mut lab, 0).stranger > 0);
    let now = lab.now;
    lab.core(0).set_peers(now, &list(3));
    lab.wait(ms(3_000), |lab| (0..3).all(|n| lab.live(n).len() == 3));
}

#[test]
fn a_new_member_is_not_blamed_by_those_that_have_not_heard_of_it() {
    let mut lab = Lab::empty(3, 10);
    (0..3).for_each(|node| lab.start(node));
    let now = lab.now;
    lab.core(0).set_peers(now, &list(2));
    lab.run(ms(2_000));
    assert_eq!(
        (lab.live(0).len(), lab.live(1).len(), lab.live(2).len()),
        (2, 3, 3)
    );
    lab.losses.clear();
    lab.run(Duration::from_secs(20));
    assert!(lab.losses.is_empty(), "{:?}", lab.losses);
}

#[test]
fn nobody_sends_more_than_fits_into_the_least_mtu_of_ipv6() {
    let mut lab = Lab::empty(40, 11);
    lab.tape = Some(Vec::new());
    (0..40).for_each(|node| lab.start(node));
    lab.wait(ms(3_000), |lab| (0..40).all(|n| lab.live(n).len() == 40));
    let most = lab
        .tape
        .iter()
        .flatten()
        .map(|(.., datagram)| datagram.len())
        .max();
    assert!(most.is_some_and(|most| most <= MAX_DATAGRAM), "{most:?}");
}
