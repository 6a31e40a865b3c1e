//! L2 mode: how long an address is gone, and its traffic, when its owner fails. As root, with the
//! herald beside this program, or `HERALD_BIN`.
//!
//! Arguments: the number of rounds (30), then parts of names of failures (all).

use std::time::Duration;

use bench::figures::{P50_P99_MAX, p50_p99_max};
use bench::rounds::Rounds;
use integration::segment::failover::{Failover, Failure, Round};
use integration::segment::traffic::BRISK;

fn main() {
    let rounds = Rounds::from_arguments();
    println!("{} rounds each; {P50_P99_MAX}", rounds.each);
    println!(
        "| failure | another node answers | ping passes again | a request passes again | \
         pings lost, worst of its round | two answered | nobody answered at its return |"
    );
    println!("|---|---|---|---|---|---|---|");
    for failure in rounds.chosen(Failure::ALL) {
        let Some(mut failover) = Failover::start(BRISK) else {
            return;
        };
        let done: Vec<Round> = (0..rounds.each).map(|_| failover.round(failure)).collect();
        println!("{}", row(failure, &done));
    }
}

fn row(failure: Failure, rounds: &[Round]) -> String {
    let figures = |of: &dyn Fn(&Round) -> Duration| {
        let all: Vec<Duration> = rounds.iter().map(of).collect();
        p50_p99_max(&all)
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
