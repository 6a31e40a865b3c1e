//! L2 mode: random partitions, freezes and restarts, and how long two nodes, or none, answered for
//! an address. As root, with the herald beside this program, or `HERALD_BIN`. Exits with 1 where it
//! was for longer than they may.
//!
//! Arguments: the number of schedules (200), the first seed (0), and how many nodes there are (3).
//! With an even number ARP and NDP always pass: halves have nothing else by which to know of each other.

use std::process::ExitCode;
use std::time::Duration;

use bench::figures::{P50_P99_MAX, p50_p99_max};
use bench::rounds::words;
use integration::segment::partition::{self, Outcome};

const SCHEDULES: u64 = 200;
/// Schedules on one segment: captures are read as a whole.
const ON_ONE: usize = 10;
/// The fence, 240 ms, and the time between two questions.
const OVERLAP: Duration = Duration::from_millis(240 + 60);
/// One second, and the time between two questions.
const SILENCE: Duration = Duration::from_millis(1_000 + 60);

fn main() -> ExitCode {
    let numbers: Vec<u64> = words()
        .iter()
        .filter_map(|word| word.parse().ok())
        .collect();
    let schedules = numbers.first().copied().unwrap_or(SCHEDULES);
    let first = numbers.get(1).copied().unwrap_or(0);
    let nodes = numbers.get(2).copied().unwrap_or(3) as u8;
    let mut outcomes = Vec::new();
    let seeds: Vec<u64> = (first..first + schedules).collect();
    for some in seeds.chunks(ON_ONE) {
        let Some(mut scene) = partition::start(nodes) else {
            return ExitCode::FAILURE;
        };
        outcomes.extend(some.iter().map(|seed| partition::run(&mut scene, *seed)));
    }
    report(&outcomes)
}

fn report(outcomes: &[Outcome]) -> ExitCode {
    let is_wrong = |one: &&Outcome| one.overlap > OVERLAP || one.silence > SILENCE;
    let wrong: Vec<&Outcome> = outcomes.iter().filter(is_wrong).collect();
    for outcome in &wrong {
        println!("{outcome:#?}");
    }
    let figures = |of: &dyn Fn(&Outcome) -> Duration| {
        let all: Vec<Duration> = outcomes.iter().map(of).collect();
        p50_p99_max(&all)
    };
    println!("{} schedules; {P50_P99_MAX}", outcomes.len());
    println!("two answered for {}", figures(&|one| one.overlap));
    println!("nobody answered for {}", figures(&|one| one.silence));
    println!("{} for longer than they may", wrong.len());
    match wrong.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
