//! What members tell of themselves.

use std::sync::Arc;
use std::time::Duration;

use l2::MacAddr;
use rand::Rng;

use super::super::facts::Facts;
use super::lab::{KEY, Lab, address, keys, ms, name};

/// Facts that differ by one number.
fn facts(number: u8) -> Arc<Facts> {
    let mac = MacAddr::new(2, 0, 0, 0, 0, number);
    Arc::new(Facts::new([("eth0".into(), mac), ("eth1".into(), mac)]).0)
}

fn publish(lab: &mut Lab, node: usize, number: u8) {
    let now = lab.now;
    lab.core(node).set_facts(now, facts(number));
    lab.flush(node);
}

/// What `observer` knows of a node.
fn known(lab: &Lab, observer: usize, node: usize) -> Option<Arc<Facts>> {
    let core = lab.nodes[observer].core.as_ref()?;
    core.live().nodes.get(&*name(node))?.facts.clone()
}

fn all_know(lab: &Lab, node: usize, number: u8) -> bool {
    let mut running = (0..lab.nodes.len()).filter(|n| lab.nodes[*n].core.is_some());
    running.all(|n| known(lab, n, node).as_deref() == Some(&*facts(number)))
}

#[test]
fn new_facts_reach_every_live_member_within_a_round_trip_and_make_no_new_life() {
    let mut lab = Lab::running(20, 1);
    assert!((0..20).all(|n| known(&lab, 0, n).is_none()));
    let life = lab.core(0).live().nodes[&*name(1)].generation;
    for number in [1, 2, 1] {
        publish(&mut lab, 1, number);
        // A datagram takes at most 2 ms.
        lab.run(ms(2));
        assert!(all_know(&lab, 1, number));
        lab.run(ms(200));
    }
    assert_eq!(lab.core(0).live().nodes[&*name(1)].generation, life);
}

#[test]
fn facts_are_not_sent_to_those_that_have_them() {
    let mut lab = Lab::running(5, 2);
    lab.run(ms(3_000));
    publish(&mut lab, 1, 1);
    lab.run(ms(100));
    lab.tape = Some(Vec::new());
    lab.run(Duration::from_secs(20));
    // Longer than an envelope alone, and shorter than one with a message of foca.
    let with_facts = |octets: &[u8]| (166..216).contains(&octets.len());
    let tape = lab.tape.take().unwrap_or_default();
    let of_one = tape.iter().filter(|(from, ..)| *from == 1);
    let idle = of_one.clone().filter(|(.., o)| with_facts(o)).count();
    // An envelope alone, and the names of five.
    let names = tape.iter().filter(|(.., o)| o.len() == 165 + 5 * 24);
    assert_eq!(names.count(), 0);
    lab.tape = Some(Vec::new());
    publish(&mut lab, 1, 2);
    let tape = lab.tape.take().unwrap_or_default();
    assert_eq!(tape.iter().filter(|(.., o)| with_facts(o)).count(), 4);
    assert!(idle == 0 && of_one.count() > 100, "{idle}");
}

#[test]
fn facts_reach_all_though_three_datagrams_in_ten_are_lost() {
    for seed in 0..10 {
        let mut lab = Lab::running(5, seed);
        lab.loss = 0.3;
        publish(&mut lab, 1, 1);
        lab.wait(ms(2_000), |lab| all_know(lab, 1, 1));
    }
}

#[test]
fn one_that_has_restarted_is_known_by_its_last_facts_until_it_tells_others() {
    let mut lab = Lab::running(3, 3);
    (0..3).for_each(|node| publish(&mut lab, node, 1));
    lab.run(ms(100));
    lab.kill(1);
    lab.start(1);
    lab.until(ms(1_000), |lab| {
        assert!(!lab.live(0).contains(&1) || known(lab, 0, 1).is_some());
        false
    });
    assert!(all_know(&lab, 0, 1) && all_know(&lab, 2, 1));
    publish(&mut lab, 1, 7);
    lab.run(ms(5));
    assert!(all_know(&lab, 1, 7));
}

#[test]
fn facts_that_changed_behind_a_cut_are_known_once_it_is_healed() {
    let mut lab = Lab::running(3, 4);
    publish(&mut lab, 1, 1);
    lab.run(ms(100));
    lab.isolate(1);
    lab.run(ms(2_000));
    publish(&mut lab, 1, 2);
    lab.run(ms(1_000));
    lab.cut.clear();
    lab.wait(ms(3_000), |lab| all_know(lab, 1, 2));
}

#[test]
fn recorded_facts_do_not_come_back() {
    let mut lab = Lab::running(3, 5);
    lab.tape = Some(Vec::new());
    publish(&mut lab, 1, 1);
    lab.run(ms(100));
    publish(&mut lab, 1, 2);
    lab.run(ms(100));
    let tape = lab.tape.take().unwrap_or_default();
    let (before, _) = (lab.core(0).counters().replayed, lab.run(ms(10)));
    for (from, _, datagram) in tape.iter().filter(|(_, to, _)| *to == 0) {
        lab.deliver(0, address(*from), datagram);
    }
    assert!(lab.core(0).counters().replayed > before);
    assert!(all_know(&lab, 1, 2));
}

#[test]
fn whatever_the_network_did_all_know_the_last_facts_of_all_in_the_end() {
    for seed in 0..20 {
        let mut lab = Lab::running(4, seed);
        let mut last = [None; 4];
        for number in 0..40 {
            let (a, b) = (lab.rng.random_range(0..4), lab.rng.random_range(0..4));
            match lab.rng.random_range(0..6) {
                0 => lab.part(a, b),
                1 => lab.cut.clear(),
                2 => lab.freeze(a),
                3 => lab.thaw(a),
                4 => {
                    lab.thaw(a);
                    lab.start(a);
                    last[a] = None;
                }
                _ => lab.loss = 0.3,
            }
            if !lab.nodes[b].frozen {
                publish(&mut lab, b, number);
                last[b] = Some(number);
            }
            let wait = lab.rng.random_range(0..700);
            lab.run(ms(wait));
        }
        lab.loss = 0.0;
        lab.cut.clear();
        (0..4).for_each(|node| lab.thaw(node));
        let told =
            |lab: &Lab| (0..4).all(|n| last[n].is_none_or(|number| all_know(lab, n, number)));
        lab.wait(ms(4_000), told);
    }
}

#[test]
fn facts_get_past_a_cut_between_two_that_a_third_one_hears() {
    for seed in 0..10 {
        let mut lab = Lab::running(4, seed);
        (0..4).for_each(|node| publish(&mut lab, node, 1));
        lab.run(ms(100));
        lab.part(0, 1);
        lab.kill(0);
        lab.start(0);
        publish(&mut lab, 0, 7);
        let known = |lab: &Lab| all_know(lab, 1, 1) && all_know(lab, 0, 7);
        println!("after {:?}", lab.wait(ms(600), known));
        publish(&mut lab, 1, 2);
        println!(
            "new after {:?}",
            lab.wait(ms(600), |lab| all_know(lab, 1, 2))
        );
    }
}

#[test]
fn one_that_begins_learns_how_those_are_known_that_are_dead_to_it() {
    let mut lab = Lab::running(3, 6);
    (0..3).for_each(|node| publish(&mut lab, node, 1));
    lab.run(ms(100));
    lab.kill(2);
    lab.run(ms(5_000));
    lab.kill(0);
    lab.start(0);
    let known = |lab: &Lab| {
        let live = lab.nodes[0].core.as_ref().map(|core| core.live());
        live.is_some_and(|live| live.absent.get(&*name(2)) == Some(&facts(1)))
    };
    println!("after {:?}", lab.wait(ms(300), known));
}

#[test]
fn one_whose_clock_went_back_is_known_by_what_it_tells_now() {
    let mut lab = Lab::running(3, 7);
    publish(&mut lab, 1, 1);
    lab.run(ms(100));
    lab.kill(1);
    lab.start_with(1, 5, keys(KEY));
    publish(&mut lab, 1, 2);
    lab.wait(ms(1_000), |lab| all_know(lab, 1, 2));
    publish(&mut lab, 1, 3);
    lab.run(ms(2));
    assert!(all_know(&lab, 1, 3));
}
