//! Nodes that die, freeze, come back; networks that lose and part.

use std::collections::BTreeSet;
use std::time::Duration;

use super::lab::{Lab, STEP, address, ms, name};

fn others_lost(lab: &Lab, dead: usize) -> bool {
    (0..lab.nodes.len())
        .filter(|n| *n != dead)
        .all(|n| !lab.live(n).contains(&dead))
}

fn all_know_all(lab: &Lab) -> bool {
    (0..lab.nodes.len()).all(|n| lab.live(n).len() == lab.nodes.len() && lab.is_open(n))
}

#[test]
fn a_dead_member_is_out_within_eight_tenths_of_a_second() {
    for nodes in [2, 3, 5, 20] {
        let mut times: Vec<Duration> = Vec::new();
        for seed in 0..20 {
            let mut lab = Lab::running(nodes, seed);
            let wait = STEP * (seed as u32 * 7 % 31);
            lab.run(wait);
            lab.kill(1);
            times.push(lab.wait(ms(1_000), |lab| others_lost(lab, 1)));
        }
        times.sort();
        println!(
            "{nodes} nodes: median {:?}, most {:?}",
            times[10], times[19]
        );
        assert!(times[19] <= ms(800) && times[0] >= ms(320), "{times:?}");
    }
}

#[test]
fn one_that_nobody_happens_to_ask_is_out_soon_since_another_one_watches_it() {
    for dead in 0..12 {
        let mut lab = Lab::empty(12, 7);
        lab.config.probe_period = Duration::from_secs(100);
        (0..12).for_each(|node| lab.start(node));
        lab.run(ms(1_500));
        lab.kill(dead);
        lab.wait(ms(800), |lab| others_lost(lab, dead));
    }
}

#[test]
fn who_cannot_hear_the_one_that_it_watches_suspects_it_once() {
    let pairs = (0..6).flat_map(|a| (0..a).map(move |b| (a, b)));
    let mut suspected = 0;
    for (a, b) in pairs {
        let mut lab = Lab::running(6, 8);
        lab.part(a, b);
        lab.losses.clear();
        lab.run(Duration::from_secs(5));
        assert!(lab.losses.is_empty(), "{a} {b}: {:?}", lab.losses);
        let suspicions = (0..6).map(|node| lab.core(node).counters().suspicions);
        let most = suspicions.max().unwrap_or_default();
        assert!(most <= 1, "{a} {b}: {most}");
        suspected += most;
    }
    assert!(suspected > 0);
}

#[test]
fn a_frozen_member_is_out_and_comes_back() {
    let mut lab = Lab::running(3, 1);
    let before = lab.core(0).live().nodes[&*name(1)].generation;
    lab.freeze(1);
    lab.wait(ms(800), |lab| others_lost(lab, 1));
    lab.run(Duration::from_secs(20));
    assert!(!lab.is_open(1));
    lab.thaw(1);
    lab.losses.clear();
    lab.wait(ms(500), all_know_all);
    assert!(
        lab.losses.is_empty(),
        "it blames nobody for its own sleep: {:?}",
        lab.losses
    );
    assert!(lab.core(0).live().nodes[&*name(1)].generation > before);
}

#[test]
fn all_agree_since_when_a_member_that_came_back_has_been_alive() {
    let mut lab = Lab::running(3, 2);
    lab.freeze(1);
    lab.run(Duration::from_secs(9));
    lab.thaw(1);
    let back = lab.now;
    lab.run(ms(2_000));
    for observer in 0..3 {
        let nodes = lab.core(observer).live().nodes.clone();
        let since = |node| nodes[&*name(node)].since;
        let apart = since(1).saturating_duration_since(back);
        assert!(since(1) >= back && apart < ms(100), "{apart:?}");
        assert!(since(0) < back && since(2) < back);
    }
}

#[test]
fn one_that_restarts_under_its_name_is_live_again_at_once_whatever_its_clock_says() {
    for generation in [1_000_000_000, 5] {
        let mut lab = Lab::running(3, 3);
        let before = lab.core(0).live().nodes[&*name(1)].generation;
        lab.kill(1);
        lab.losses.clear();
        lab.start_with(1, generation, super::lab::keys(super::lab::KEY));
        let anew = |lab: &Lab| {
            let seen = |n: usize| {
                lab.nodes[n]
                    .core
                    .as_ref()
                    .map(|c| c.live().nodes.get(&*name(1)).map(|n| n.generation))
            };
            all_know_all(lab) && [0, 2].iter().all(|n| seen(*n).flatten() > Some(before))
        };
        let time = lab.wait(ms(300), anew);
        println!("known again after {time:?}");
        lab.losses.clear();
        lab.run(ms(2_000));
        assert!(lab.losses.is_empty(), "{:?}", lab.losses);
    }
}

#[test]
fn one_that_was_dead_for_a_while_is_live_within_a_second_and_a_half_of_its_start() {
    let mut lab = Lab::running(3, 4);
    lab.kill(1);
    lab.run(Duration::from_secs(60));
    lab.start_with(1, 0, super::lab::keys(super::lab::KEY));
    println!("known after {:?}", lab.wait(ms(1_500), all_know_all));
}

#[test]
fn after_a_partition_the_larger_side_sees_itself_alive_and_it_heals() {
    let mut lab = Lab::running(5, 5);
    for (a, b) in [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)] {
        lab.part(a, b);
    }
    // Those that have too few votes are silent, and count as dead to each other.
    let side = |n: usize| match n {
        0 | 1 => BTreeSet::from([n]),
        _ => BTreeSet::from([2, 3, 4]),
    };
    lab.wait(ms(1_500), |lab| (0..5).all(|n| lab.live(n) == side(n)));
    lab.run(Duration::from_secs(30));
    assert!((0..5).all(|n| lab.live(n) == side(n) && lab.is_open(n) == (n > 1)));
    lab.cut.clear();
    println!("healed after {:?}", lab.wait(ms(2_500), all_know_all));
}

#[test]
fn one_that_begins_knows_that_others_have_answered_before_though_they_have_just_been_asleep() {
    let mut lab = Lab::running(3, 6);
    lab.run(ms(3_000));
    let joins = |lab: &Lab, node: usize| {
        let core = lab.nodes[node].core.as_ref().expect("it runs");
        core.live().joins(&name(node))
    };
    assert!((0..3).all(|node| !joins(&lab, node)), "all began together");
    lab.kill(0);
    [1, 2].iter().for_each(|node| lab.freeze(*node));
    lab.run(ms(600));
    [1, 2].iter().for_each(|node| lab.thaw(*node));
    lab.wait(ms(500), |lab| lab.is_open(1) && lab.is_open(2));
    lab.start(0);
    lab.wait(ms(500), |lab| lab.is_open(0));
    assert!(joins(&lab, 0) && !joins(&lab, 1) && !joins(&lab, 2));
}

#[test]
fn one_that_could_not_answer_alone_was_not_there_before_those_that_begin_later() {
    let mut lab = Lab::empty(3, 7);
    lab.start(0);
    lab.run(ms(10_000));
    [1, 2].iter().for_each(|node| lab.start(*node));
    lab.wait(ms(1_500), all_know_all);
    for node in 0..3 {
        assert!(!lab.core(node).live().joins(&name(node)));
    }
}

#[test]
fn one_that_was_frozen_knows_since_when_others_have_been_alive_though_their_word_had_to_wait() {
    let mut lab = Lab::running(3, 6);
    lab.freeze(0);
    // The other two fall silent, and begin new lives.
    lab.part(1, 2);
    lab.run(ms(600));
    lab.cut.clear();
    lab.wait(ms(1_500), |lab| lab.is_open(1) && lab.is_open(2));
    lab.run(ms(5_000));
    lab.thaw(0);
    lab.wait(ms(1_500), all_know_all);
    lab.run(ms(500));
    let since = |lab: &mut Lab, by: usize| lab.core(by).live().nodes[&*name(1)].since;
    let own = since(&mut lab, 1);
    for by in [0, 2] {
        let known = since(&mut lab, by);
        let differs = known.max(own) - known.min(own);
        assert!(differs < ms(10), "{by}: {differs:?}");
    }
}

#[test]
fn a_member_that_leaves_is_out_at_once() {
    let mut lab = Lab::running(5, 6);
    let now = lab.now;
    lab.core(1).leave(now);
    lab.flush(1);
    let time = lab.wait(ms(100), |lab| others_lost(lab, 1));
    println!("out after {time:?}");
    lab.run(Duration::from_secs(5));
    assert!(others_lost(&lab, 1), "and it stays out");
}

#[test]
fn a_path_that_works_in_one_direction_only_or_through_others_makes_nobody_dead() {
    let mut lab = Lab::running(4, 7);
    lab.part(0, 1);
    lab.cut.insert((2, 3));
    lab.losses.clear();
    lab.run(Duration::from_secs(120));
    assert!(lab.losses.is_empty(), "{:?}", lab.losses);
}

/// Lets members lose datagrams; how often one was declared dead, and for how much of the time a
/// fence was closed.
fn lossy(nodes: usize, loss: f64, time: Duration, seed: u64) -> (usize, f64) {
    let mut lab = Lab::running(nodes, seed);
    lab.loss = loss;
    lab.losses.clear();
    let (mut closed, mut looks) = (0_u32, 0_u32);
    lab.until(time, |lab| {
        looks += nodes as u32;
        closed += (0..nodes).filter(|n| !lab.is_open(*n)).count() as u32;
        false
    });
    (lab.losses.len(), f64::from(closed) / f64::from(looks))
}

#[test]
fn one_datagram_lost_in_ten_makes_nobody_dead() {
    let (dead, closed) = lossy(5, 0.1, Duration::from_secs(300), 8);
    println!("dead {dead}, closed {closed:.6}");
    assert_eq!(dead, 0);
    assert!(closed < 0.001, "{closed}");
}

#[test]
fn three_datagrams_lost_in_ten_make_nobody_dead() {
    let (dead, closed) = lossy(5, 0.3, Duration::from_secs(300), 9);
    println!("dead {dead}, closed {closed:.6}");
    assert_eq!(dead, 0);
    assert!(closed < 0.01, "{closed}");
}

#[test]
#[ignore = "takes minutes; it gives the rates that the module's documentation states"]
fn rates_of_wrong_verdicts_under_loss() {
    for (nodes, seconds) in [(5, 10_000), (3, 10_000), (2, 2_000)] {
        for loss in [0.1, 0.3] {
            let (dead, closed) = lossy(nodes, loss, Duration::from_secs(seconds), 10);
            println!("{nodes} nodes, {seconds} s, loss {loss}: dead {dead}, closed {closed:.6}");
            assert!(loss > 0.2 || nodes < 3 || dead == 0);
        }
    }
}

#[test]
fn a_node_is_found_at_the_last_of_its_addresses() {
    let mut lab = Lab::empty(2, 11);
    let nowhere = |last| ([10, 9, 9, last], 1).into();
    for node in [0, 1] {
        lab.start(node);
        let mut list = super::lab::list(2);
        list.insert(
            name(1 - node).into(),
            vec![nowhere(1), nowhere(2), address(1 - node)],
        );
        let now = lab.now;
        lab.core(node).set_peers(now, &list);
        lab.core(node).poll_transmit();
    }
    lab.wait(ms(3_000), all_know_all);
}

#[test]
fn what_a_node_sends_does_not_grow_with_the_cluster() {
    for nodes in [2, 3, 10, 40] {
        let mut lab = Lab::running(nodes, 12);
        // News of the start are no longer passed on.
        lab.run(ms(3_000));
        lab.tape = Some(Vec::new());
        lab.run(Duration::from_secs(5));
        let tape = lab.tape.take().unwrap_or_default();
        let octets: usize = tape.iter().map(|(.., datagram)| datagram.len()).sum();
        let rate = tape.len() / nodes / 5;
        println!(
            "{nodes} nodes: {rate} datagrams/s each, {} octets",
            octets / tape.len()
        );
        assert!(rate < 120 && octets / tape.len() < 300);
    }
}

#[test]
fn one_that_slept_and_heard_nothing_meanwhile_suspects_nobody() {
    let mut lab = Lab::running(3, 13);
    let before = lab.core(1).counters().suspicions;
    for round in 0..60 {
        lab.freeze(1);
        lab.run(ms(150) + STEP * (round % 13));
        lab.lose_inbox(1);
        lab.thaw(1);
        lab.run(ms(500) + STEP * (round % 17));
    }
    let counted = lab.core(1).counters();
    assert_eq!(counted.suspicions, before);
    assert!(counted.asleep >= 60);
}
