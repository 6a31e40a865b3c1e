//! Schedules of deaths, freezes, restarts, cuts and loss, on a virtual clock.

use std::time::Duration;

use sim::{Outcome, Schedule};

/// Schedules that were once broken:
///
/// * 2: one that had been cut off told all others, when it was back, that they had been declared
///   dead; each began a new life, and nobody answered meanwhile.
/// * 46: it handed over, on its return, what it had never answered for.
const KNOWN: [u64; 2] = [2, 46];

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
    for number in (100..124).chain(KNOWN) {
        let outcome = holds(Schedule::small(number));
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
fn a_schedule_follows_from_its_number() {
    let run = || {
        let mut said = Vec::new();
        let outcome = Schedule::small(7).run_and_say(|what| said.push(what.len()));
        (said.len(), outcome.worst_two, outcome.worst_nobody)
    };
    assert_eq!(run(), run());
}
