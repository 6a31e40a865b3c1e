//! L2 mode: how long an address is gone, and its traffic, when its owner fails. As root, with the
//! herald beside this program, or `HERALD_BIN`.
//!
//! Arguments: the number of rounds (30), then parts of names of failures (all).

use std::time::Duration;

use integration::segment::failover::{Failover, Failure, Round};

const ROUNDS: usize = 30;

fn main() {
    // Cargo adds `--bench`.
    let words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"));
    let words: Vec<String> = words.collect();
    let number = words.first().and_then(|word| word.parse().ok());
    let rounds = number.unwrap_or(ROUNDS);
    let chosen = words
        .get(usize::from(number.is_some())..)
        .unwrap_or_default();
    let is_chosen = |failure: &Failure| {
        let name = failure.to_string();
        chosen.is_empty() || chosen.iter().any(|word| name.contains(word.as_str()))
    };
    println!("{rounds} rounds each; milliseconds: p50 / p99 / max");
    println!(
        "| failure | another node answers | ping passes again | a request passes again | \
         pings lost, worst of its round | two answered | nobody answered at its return |"
    );
    println!("|---|---|---|---|---|---|---|");
    for failure in Failure::ALL.into_iter().filter(is_chosen) {
        let Some(mut failover) = Failover::start() else {
            return;
        };
        let done: Vec<Round> = (0..rounds).map(|_| failover.round(failure)).collect();
        println!("{}", row(failure, &done));
    }
}

fn row(failure: Failure, rounds: &[Round]) -> String {
    let figures = |of: &dyn Fn(&Round) -> Duration| {
        let mut all: Vec<Duration> = rounds.iter().map(of).collect();
        all.sort();
        let at = |percent: usize| all[(all.len() * percent).div_ceil(100).max(1) - 1];
        let [median, p99, max] = [50, 99, 100].map(|percent| at(percent).as_millis());
        format!("{median} / {p99} / {max}")
    };
    let lost: Vec<(usize, usize)> = rounds
        .iter()
        .map(|round| (round.pings.lost, round.pings.sent))
        .collect();
    let worst = lost.iter().max().copied().unwrap_or_default();
    let sums = lost
        .iter()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let stale: usize = rounds.iter().map(|round| round.stale_answers).sum();
    let warning = match stale {
        0 => String::new(),
        stale => format!(" **{stale} stale answers**"),
    };
    format!(
        "| {failure} | {} | {} | {} | {} of {}, {} | {} | {}{warning} |",
        figures(&|round| round.answered_after),
        figures(&|round| round.pings.longest_pause),
        figures(&|round| round.requests.longest_pause),
        sums.0,
        sums.1,
        worst.0,
        figures(&|round| round.overlap),
        figures(&|round| round.silence_at_return),
    )
}
