//! L2 mode in a cluster: what a client has of it that the API server goes away, and that the owner of an
//! address fails meanwhile. As root, with the herald beside this program, or `HERALD_BIN`.
//!
//! Arguments: the number of rounds (30), then parts of names of failures (all).

use std::time::Duration;

use bench::figures::{P50_P99_MAX, p50_p99_max};
use bench::rounds::Rounds;
use integration::kube::outage::{Failure, Outage, Round};

fn main() {
    let rounds = Rounds::from_arguments();
    let Some(mut outage) = Outage::start() else {
        return;
    };
    println!("{} rounds each; {P50_P99_MAX}", rounds.each);
    println!(
        "| failure | another node answers | ping passes again | a request passes again | \
         pings lost, worst of its round | two answered |"
    );
    println!("|---|---|---|---|---|---|");
    for failure in rounds.chosen(Failure::ALL) {
        let done: Vec<Round> = (0..rounds.each).map(|_| outage.round(failure)).collect();
        println!("{}", row(failure, &done));
    }
}

fn row(failure: Failure, rounds: &[Round]) -> String {
    let figures = |of: &dyn Fn(&Round) -> Option<Duration>| {
        let all: Vec<Duration> = rounds.iter().filter_map(of).collect();
        p50_p99_max(&all)
    };
    let lost = rounds.iter().map(|round| round.pings.lost);
    let sent = rounds.iter().map(|round| round.pings.sent);
    format!(
        "| {failure} | {} | {} | {} | {} of {}, {} | {} |",
        figures(&|round| round.answered_after),
        figures(&|round| Some(round.pings.longest_pause)),
        figures(&|round| Some(round.requests.longest_pause)),
        lost.clone().sum::<usize>(),
        sent.sum::<usize>(),
        lost.max().unwrap_or_default(),
        figures(&|round| Some(round.overlap)),
    )
}
