//! Schedules of deaths, freezes, restarts, cuts and loss, on a virtual clock.

use std::time::Duration;

use plan::world::Failback;
use sim::{Cluster, Kind, Outcome, Schedule, TWO};

/// Schedules that were once broken:
///
/// * Mixed 2: one that had been cut off told all others, when it was back, that they had been
///   declared dead; each began a new life, and nobody answered meanwhile.
/// * Mixed 46: it handed over, on its return, what it had never answered for.
/// * Mixed 74, 187: since when a node had been alive was a guess that was never put right, so that
///   nodes disagreed about who had returned.
/// * Mixed 107781: one that was frozen took what had waited for it for news, and others for younger
///   than they were.
/// * Mixed 399, Segment 108: those that had just started probed for too long, or began life after
///   life.
/// * Segment 214, 231: one that hears one and is heard by another was elected, and could not answer.
/// * Segment 277, 293: one that was frozen for long believed on waking that all was calm.
/// * Segment 203: one of half the nodes left what was being handed over to it, for two seconds.
/// * Segment 1057, 1222, 1318, 10054: one that began behind a cut between two did not learn what the
///   other one's link-layer address was, and took it for a stranger.
/// * Segment 1303: one that came back went on holding another one dead that it could not hear itself,
///   with half of the nodes, and answered for what that one had.
/// * Segment 2181, 105766: one that had been alone for long looked for others once a second.
/// * Segment 102010: one that hears one of three others by itself, and the rest through that, had half
///   of the votes, and for a second no more.
/// * Segment 102159: two pairs were exchanged, and to each of the four three were alive for a moment.
/// * Segment 100825, 102322, 103226: one that came back took an address at once from an owner that had
///   been cut off in the same moment, with another one that went on voting for it.
/// * Segment 104806, 105234: what had been left to others a few times was probed for too rarely when
///   they handed it over.
/// * Busy 56, 189: nodes that began did not know that another one had not been Ready.
/// * Busy 241: a node that was not Ready counted itself.
/// * Busy 1426: one that began probed everything, again with each pause, as the others had begun new
///   lives a moment before.
const KNOWN: [(Kind, u64); 29] = [
    (Kind::Mixed, 2),
    (Kind::Mixed, 46),
    (Kind::Mixed, 74),
    (Kind::Mixed, 187),
    (Kind::Mixed, 399),
    (Kind::Mixed, 107_781),
    (Kind::Segment, 108),
    (Kind::Segment, 203),
    (Kind::Segment, 214),
    (Kind::Segment, 231),
    (Kind::Segment, 277),
    (Kind::Segment, 293),
    (Kind::Segment, 1057),
    (Kind::Segment, 1222),
    (Kind::Segment, 1303),
    (Kind::Segment, 1318),
    (Kind::Segment, 2181),
    (Kind::Segment, 10_054),
    (Kind::Segment, 100_825),
    (Kind::Segment, 102_010),
    (Kind::Segment, 102_159),
    (Kind::Segment, 102_322),
    (Kind::Segment, 103_226),
    (Kind::Segment, 104_806),
    (Kind::Segment, 105_234),
    (Kind::Segment, 105_766),
    (Kind::Busy, 56),
    (Kind::Busy, 241),
    (Kind::Busy, 1426),
];

/// Schedules in which two halves answered for the same for one to three seconds:
///
/// * Mixed 103364, 104033, 104677, 106749, 108829: two that had been on links of their own
///   said nothing when those became one again.
/// * Busy 103027: one that was frozen did not ask anybody, as nobody else counted when it last looked.
const HALVES: [(Kind, u64); 6] = [
    (Kind::Mixed, 103_364),
    (Kind::Mixed, 104_033),
    (Kind::Mixed, 104_677),
    (Kind::Mixed, 106_749),
    (Kind::Mixed, 108_829),
    (Kind::Busy, 103_027),
];

fn holds(schedule: Schedule) -> Outcome {
    let outcome = schedule.run();
    if let Some((broken, state)) = &outcome.broken {
        panic!("{schedule:?}: {broken}\n{state}");
    }
    outcome
}

#[test]
fn two_answer_no_longer_than_the_fence_and_somebody_always_does() {
    let (mut two, mut nobody) = (Duration::ZERO, Duration::ZERO);
    let some = (100..108).flat_map(|number| {
        let kinds = [Kind::Mixed, Kind::Segment, Kind::Busy];
        kinds.map(|kind| (kind, number))
    });
    for (kind, number) in some.chain(KNOWN) {
        let outcome = holds(Schedule::small(kind, number));
        two = two.max(outcome.worst_two);
        nobody = nobody.max(outcome.worst_nobody);
    }
    println!("two answered for at most {two:?}, nobody for at most {nobody:?}");
    assert!(
        two > Duration::ZERO && nobody > Duration::ZERO,
        "nothing happened"
    );
}

#[test]
fn two_halves_answer_no_longer_than_the_fence_once_they_hear_each_other() {
    for (kind, number) in HALVES {
        let schedule = Schedule::small(kind, number);
        let halves = holds(schedule).worst_halves;
        assert!(halves <= TWO, "{schedule:?}: {halves:?}");
    }
}

/// From the death of a node until one answers for each address, in the median and at most.
fn failover(nodes: usize) -> (Duration, Duration) {
    let step = Duration::from_millis(5);
    let mut times: Vec<Duration> = (0..21)
        .map(|seed| {
            let mut cluster = Cluster::new(nodes, 8, Failback::Delayed, seed);
            cluster.run(Duration::from_secs(12) + step * (seed as u32 * 7 % 31));
            cluster.kill(1);
            let begun = cluster.now;
            while !cluster.watch.is_settled() && cluster.now < begun + Duration::from_secs(5) {
                cluster.run(step);
            }
            cluster.now - begun
        })
        .collect();
    times.sort();
    (times[10], times[20])
}

#[test]
fn what_a_dead_node_had_is_answered_for_within_a_second_by_one_that_is_left_too() {
    for nodes in [2, 3, 5] {
        let (median, most) = failover(nodes);
        println!("{nodes} nodes: {median:?}, at most {most:?}");
        assert!(most < Duration::from_secs(1), "{nodes} nodes: {most:?}");
        assert!(
            median < Duration::from_millis(600),
            "{nodes} nodes: {median:?}"
        );
    }
}

#[test]
fn a_schedule_follows_from_its_number() {
    let run = || {
        let mut said = Vec::new();
        let outcome = Schedule::small(Kind::Mixed, 7).run_and_say(|what| said.push(what.len()));
        (said.len(), outcome.worst_two, outcome.worst_nobody)
    };
    assert_eq!(run(), run());
}
