//! Two sides of a cut never both answer for what one of them had.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};

use super::super::core::Standing;
use super::lab::{Lab, list, ms, name};

/// For how long a node has answered although another one with a majority, whose fence is open too,
/// holds it dead.
#[derive(Default)]
struct Overlaps {
    since: BTreeMap<(usize, usize), Instant>,
    worst: Duration,
}

impl Overlaps {
    fn look(&mut self, lab: &Lab) {
        let nodes = lab.nodes.len();
        let answers = |node: usize| !lab.nodes[node].frozen && lab.is_open(node);
        for new in (0..nodes).filter(|n| answers(*n)) {
            let rules = lab.standing(new) == Standing::Majority;
            let live = lab.live(new);
            for old in (0..nodes).filter(|n| *n != new) {
                if rules && answers(old) && !live.contains(&old) {
                    let since = *self.since.entry((new, old)).or_insert(lab.now);
                    self.worst = self.worst.max(lab.now - since);
                } else {
                    self.since.remove(&(new, old));
                }
            }
        }
        self.since.retain(|(new, _), _| answers(*new));
    }
}

fn trouble(lab: &mut Lab, rng: &mut SmallRng) {
    let nodes = lab.nodes.len();
    let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes));
    match rng.random_range(0..12) {
        0 | 1 => lab.part(a, b),
        2 => drop(lab.cut.insert((a, b))),
        3 | 4 => {
            let side = (0..nodes).choose_multiple(rng, a.max(1));
            for one in &side {
                let others = (0..nodes).filter(|n| !side.contains(n));
                others.for_each(|other| lab.part(*one, other));
            }
        }
        5 => lab.isolate(a),
        6 if lab.nodes[a].core.is_some() => lab.freeze(a),
        7 => lab.kill(a),
        8 => {
            lab.nodes[a].frozen = false;
            lab.start(a);
        }
        9 => lab.loss = f64::from(rng.random_range(0..3)) / 10.0,
        _ => {
            lab.cut.clear();
            (0..nodes).for_each(|node| lab.thaw(node));
        }
    }
}

fn worst_overlap(nodes: usize, seed: u64) -> Duration {
    let mut lab = Lab::running(nodes, seed);
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut overlaps = Overlaps::default();
    for _ in 0..rng.random_range(2..16) {
        trouble(&mut lab, &mut rng);
        let wait = ms(rng.random_range(0..1_500));
        lab.until(wait, |lab| {
            overlaps.look(lab);
            false
        });
    }
    overlaps.worst
}

/// Schedules that were once wrong: one that had just started voted for one that others had declared
/// dead.
const KNOWN: [(usize, u64); 4] = [(3, 450), (4, 278), (5, 225), (6, 68)];

#[test]
fn one_that_another_has_taken_over_from_is_silent_soon_after_its_fence() {
    let some = (0..36).map(|seed| (2 + seed as usize % 6, seed));
    for (nodes, seed) in some.chain(KNOWN) {
        let worst = worst_overlap(nodes, seed);
        // The fence, and until all have heard of the verdict.
        assert!(worst <= ms(260), "{nodes} nodes, seed {seed}: {worst:?}");
    }
}

#[test]
fn what_a_deaf_one_took_for_dead_is_no_news_to_those_whom_it_hears_again() {
    for (nodes, seed) in [(5, 1), (7, 2), (12, 3), (24, 4)] {
        let mut lab = Lab::running(nodes, seed);
        let deaf = |lab: &Lab| (0..nodes).find(|node| !lab.live(0).contains(node));
        lab.cut.extend((1..nodes).map(|node| (node, 0)));
        lab.wait(ms(1_000), |lab| deaf(lab).is_some());
        let alive = deaf(&lab).expect("waited for");
        assert!(lab.is_open(alive), "{nodes} nodes: {alive} answers");
        // The one that it took for dead is cut off the moment that it hears all others again.
        lab.cut.clear();
        lab.isolate(alive);
        lab.wait(ms(1_000), |lab| {
            let mut others = (0..nodes).filter(|node| *node != alive);
            let is_lost = others.any(|node| lab.is_open(node) && !lab.live(node).contains(&alive));
            assert!(!is_lost, "{nodes} nodes: {alive} may answer");
            !lab.is_open(alive)
        });
        assert!(lab.is_open(0), "{nodes} nodes");
    }
}

#[test]
#[ignore = "takes minutes; it gives the figure that the module's documentation states"]
fn the_worst_overlap_in_many_schedules() {
    for nodes in [3, 4, 5, 6, 7, 12, 24] {
        let seeds = 6_000 / (nodes * nodes) as u64;
        let mut worst: Vec<_> = (0..seeds).map(|n| (worst_overlap(nodes, n), n)).collect();
        worst.sort();
        let some = worst
            .iter()
            .filter(|(overlap, _)| !overlap.is_zero())
            .count();
        let last = worst.last();
        println!("{nodes} nodes, {seeds} schedules: {some} with any, worst {last:?}");
    }
}

/// Sides of a clean cut of running nodes.
fn cut(lab: &mut Lab, first: usize) {
    let nodes = lab.nodes.len();
    for a in 0..first {
        (first..nodes).for_each(|b| lab.part(a, b));
    }
}

#[test]
fn sides_of_a_cut_stand_by_their_share_and_the_smaller_one_is_silent() {
    let rows = [
        (1, 2),
        (1, 3),
        (2, 3),
        (2, 5),
        (3, 4),
        (1, 1),
        (2, 2),
        (3, 3),
    ];
    for (first, second) in rows {
        let mut lab = Lab::running(first + second, 1);
        cut(&mut lab, first);
        lab.run(ms(2_500));
        let (small, large) = match first == second {
            true => (Standing::Half, Standing::Half),
            false => (Standing::Minority, Standing::Majority),
        };
        lab.until(Duration::from_secs(5), |lab| {
            for node in 0..first + second {
                let expected = if node < first { small } else { large };
                assert_eq!(lab.standing(node), expected, "{first}|{second}");
                assert_eq!(lab.is_open(node), expected > Standing::Minority);
            }
            false
        });
        lab.cut.clear();
        let healed = |lab: &Lab| {
            let all = 0..first + second;
            all.into_iter()
                .all(|n| lab.standing(n) == Standing::Majority && lab.is_open(n))
        };
        lab.wait(ms(3_500), healed);
    }
}

/// They go on voting for each other.
#[test]
fn a_few_that_are_cut_off_together_are_silent_as_soon_as_their_fence_ends() {
    for (first, second, seed) in (0..20).flat_map(|seed| [(2, 3, seed), (3, 4, seed)]) {
        let mut lab = Lab::running(first + second, seed);
        lab.run(ms(37 * seed));
        cut(&mut lab, first);
        lab.run(ms(241));
        let open: Vec<usize> = (0..first).filter(|node| lab.is_open(*node)).collect();
        assert!(open.is_empty(), "{open:?} of {first}|{second}, seed {seed}");
    }
}

#[test]
fn two_that_were_alone_for_long_answer_soon_after_they_hear_each_other() {
    for seed in 0..20 {
        let mut lab = Lab::running(3, seed);
        (0..3).for_each(|node| lab.isolate(node));
        lab.run(Duration::from_secs(8) + ms(37 * seed));
        lab.cut.remove(&(1, 2));
        lab.cut.remove(&(2, 1));
        let is_back = |lab: &Lab| lab.is_open(1) && lab.is_open(2);
        lab.wait(ms(400), is_back);
    }
}

#[test]
fn one_that_was_left_alone_answers_soon_after_one_of_the_others_starts_anew() {
    for seed in 0..20 {
        let mut lab = Lab::running(3, seed);
        lab.kill(1);
        lab.run(ms(1_500));
        lab.kill(2);
        lab.run(ms(2_000 + 37 * seed));
        assert!(!lab.is_open(0), "seed {seed}");
        lab.start(1);
        lab.wait(ms(450), |lab| lab.is_open(0) && lab.is_open(1));
    }
}

/// Whom they were with is still alive to each of the two when it hears another one.
#[test]
fn two_of_a_half_that_each_get_another_partner_at_once_have_no_majority_each() {
    for seed in 0..20 {
        let mut lab = Lab::running(4, seed);
        lab.isolate(2);
        lab.isolate(3);
        lab.run(Duration::from_secs(4) + ms(37 * seed));
        lab.cut.clear();
        for (a, b) in [(0, 1), (0, 3), (1, 2), (2, 3)] {
            lab.part(a, b);
        }
        lab.until(Duration::from_secs(2), |lab| {
            let rules = |node| lab.standing(node) == Standing::Majority && lab.is_open(node);
            let both = (rules(0) || rules(2)) && (rules(1) || rules(3));
            assert!(!both, "seed {seed}");
            false
        });
    }
}

#[test]
fn one_that_comes_back_from_a_cut_costs_the_others_nothing() {
    for nodes in [3, 5, 7] {
        let mut lab = Lab::running(nodes, 3);
        let lives = |lab: &Lab| -> Vec<u64> {
            let core = lab.nodes[0].core.as_ref().expect("it runs");
            let live = &core.live().nodes;
            let life = |n| live.get(&*name(n)).map_or(0, |node| node.generation);
            (0..nodes).map(life).collect()
        };
        let before = lives(&lab);
        lab.isolate(1);
        lab.run(Duration::from_secs(5));
        assert_eq!(lab.live(1).len(), 1);
        lab.cut.clear();
        lab.until(ms(3_000), |lab| {
            assert!((0..nodes).all(|n| n == 1 || lab.is_open(n)));
            false
        });
        let after = lives(&lab);
        assert!(after[1] > before[1] && lab.is_open(1));
        assert!(
            (0..nodes).all(|n| n == 1 || after[n] == before[n]),
            "{after:?}"
        );
    }
}

#[test]
fn half_of_the_nodes_answer_on_when_the_others_die() {
    for (nodes, seed) in (0..20).flat_map(|seed| [(2, seed), (4, seed)]) {
        let mut lab = Lab::running(nodes, seed);
        lab.run(ms(7 * seed));
        (nodes / 2..nodes).for_each(|node| lab.kill(node));
        lab.until(ms(2_000), |lab| {
            assert!(lab.is_open(0), "{nodes} nodes, seed {seed}");
            false
        });
        assert_eq!(lab.standing(0), Standing::Half);
        assert_eq!(lab.live(0).len(), nodes / 2);
    }
}

#[test]
fn half_of_the_nodes_that_were_frozen_are_silent_until_the_others_have_settled() {
    for (nodes, seed) in (0..20).flat_map(|seed| [(2, seed), (4, seed)]) {
        let mut lab = Lab::running(nodes, seed);
        (0..nodes / 2).for_each(|node| lab.freeze(node));
        lab.run(ms(5_000 + 7 * seed));
        (nodes / 2..nodes).for_each(|node| lab.kill(node));
        (0..nodes / 2).for_each(|node| lab.lose_inbox(node));
        (0..nodes / 2).for_each(|node| lab.thaw(node));
        let opened = lab.wait(ms(1_500), |lab| lab.is_open(0));
        assert!(opened >= lab.config.settle, "{nodes}, {seed}: {opened:?}");
        assert_eq!(lab.standing(0), Standing::Half);
    }
}

#[test]
fn one_that_wakes_counts_votes_though_it_has_missed_all_that_happened() {
    for seed in 0..20 {
        let mut lab = Lab::running(4, seed);
        lab.freeze(2);
        lab.run(ms(1_500));
        cut(&mut lab, 2);
        lab.run(ms(2_000 + 7 * seed));
        lab.lose_inbox(2);
        lab.thaw(2);
        // It reaches one other only, and believes the rest to be alive as before.
        lab.until(ms(500), |lab| {
            assert!(!lab.is_open(2), "seed {seed}");
            false
        });
    }
}

#[test]
fn one_that_hears_one_and_is_heard_by_another_is_no_candidate() {
    for seed in 0..20 {
        let mut lab = Lab::running(3, seed);
        lab.cut.extend([(0, 2), (2, 1)]);
        lab.wait(ms(600), |lab| {
            lab.live(0) == lab.live(1) && lab.live(0).len() == 2
        });
        lab.until(ms(5_000), |lab| {
            assert!(!lab.live(0).contains(&2) && !lab.live(1).contains(&2));
            assert!(lab.is_open(0) && lab.is_open(1) && !lab.is_open(2));
            false
        });
        lab.cut.clear();
        lab.wait(ms(500), |lab| {
            (0..3).all(|n| lab.live(n).len() == 3 && lab.is_open(n))
        });
    }
}

#[test]
fn one_that_comes_back_knows_of_one_that_it_cannot_hear_itself() {
    for seed in 0..20 {
        let mut lab = Lab::running(4, seed);
        lab.isolate(0);
        lab.run(ms(2_000 + 7 * seed));
        // 3 has another life than the one that 0 has declared over; 1 has not.
        lab.freeze(3);
        lab.run(ms(600));
        lab.thaw(3);
        lab.run(ms(1_000));
        lab.cut.clear();
        // 3 is between 0 and 1, and 2 is gone.
        lab.part(0, 1);
        lab.isolate(2);
        let knows = |lab: &Lab| {
            [0, 1, 3]
                .iter()
                .all(|n| [0, 1, 3].iter().all(|m| lab.live(*n).contains(m)))
        };
        println!("after {:?}", lab.wait(ms(1_500), knows));
    }
}

#[test]
fn one_that_the_list_does_not_have_is_silent() {
    let mut lab = Lab::running(3, 4);
    let without = |node: &str| {
        let all = list(3).into_iter();
        all.filter(|(name, _)| &**name != node).collect()
    };
    for node in 0..3 {
        let now = lab.now;
        lab.core(node).set_peers(now, &without(&name(1)));
    }
    lab.wait(ms(500), |lab| !lab.is_open(1));
    lab.until(ms(5_000), |lab| {
        assert!(lab.is_open(0) && lab.is_open(2) && !lab.is_open(1));
        false
    });
}

#[test]
fn one_that_leaves_is_no_voter_until_it_comes_back() {
    let mut lab = Lab::running(2, 5);
    for _ in 0..3 {
        let now = lab.now;
        lab.core(1).leave(now);
        lab.flush(1);
        lab.run(ms(5));
        lab.kill(1);
        assert_eq!(lab.standing(0), Standing::Majority);
        lab.until(ms(3_000), |lab| {
            assert!(lab.is_open(0) && lab.standing(0) == Standing::Majority);
            false
        });
        lab.start(1);
        lab.wait(ms(1_500), |lab| lab.live(0).len() == 2 && lab.is_open(1));
    }
    lab.kill(1);
    lab.wait(ms(500), |lab| lab.standing(0) == Standing::Half);
}

#[test]
fn voters_that_the_list_no_longer_has_do_not_count() {
    let mut lab = Lab::running(4, 6);
    cut(&mut lab, 1);
    lab.run(ms(2_000));
    assert_eq!(lab.standing(0), Standing::Minority);
    let now = lab.now;
    lab.core(0).set_peers(now, &list(1));
    assert!(lab.is_open(0) && lab.standing(0) == Standing::Majority);
    let now = lab.now;
    lab.core(0).set_peers(now, &list(2));
    assert!(lab.is_open(0) && lab.standing(0) == Standing::Half);
    let now = lab.now;
    lab.core(0).set_peers(now, &list(3));
    assert!(!lab.is_open(0) && lab.standing(0) < Standing::Half);
}
