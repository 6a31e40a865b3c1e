//! L2 mode in a cluster: what a client has of it that the API server goes away, and that the owner of an
//! address fails meanwhile. As root, with the herald beside this program, or `HERALD_BIN`.
//!
//! Arguments: the number of rounds (30), then parts of names of failures (all).

use std::time::Duration;

use integration::kube::outage::{Failure, Outage, Round};

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
    let Some(mut outage) = Outage::start() else {
        return;
    };
    println!("{rounds} rounds each; milliseconds: p50 / p99 / max");
    println!(
        "| failure | another node answers | ping passes again | a request passes again | \
         pings lost, worst of its round | two answered |"
    );
    println!("|---|---|---|---|---|---|");
    for failure in Failure::ALL.into_iter().filter(is_chosen) {
        let done: Vec<Round> = (0..rounds).map(|_| outage.round(failure)).collect();
        println!("{}", row(failure, &done));
    }
}

fn row(failure: Failure, rounds: &[Round]) -> String {
    let figures = |of: &dyn Fn(&Round) -> Option<Duration>| {
        let mut all: Vec<Duration> = rounds.iter().filter_map(of).collect();
        all.sort();
        if all.is_empty() {
            return "never".to_owned();
        }
        let at = |percent: usize| all[(all.len() * percent).div_ceil(100).max(1) - 1];
        let [median, p99, max] = [50, 99, 100].map(|percent| at(percent).as_millis());
        format!("{median} / {p99} / {max}")
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
