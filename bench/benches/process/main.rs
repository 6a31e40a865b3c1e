//! What a daemon with 4 peers takes: resident memory, and the time from its start until every peer
//! has every route. `herald run` with no VIP and with 10,000, and BIRD with 10,000 static routes.
//!
//! The peers are threads of this process, which take what comes and count prefixes. An argument is
//! the number of runs; the table has the median of each figure.

mod daemons;
mod manifests;
mod sink;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use daemons::{Daemon, Memory};
use sink::Sink;

/// Peers of the daemon.
pub const PEERS: u8 = 4;
/// VIPs of the larger case: addresses of 203.0.0.0/16.
const VIPS: u64 = 10_000;
/// Runs, unless an argument says another number.
const RUNS: usize = 3;
/// The longest that routes may take to arrive.
const LIMIT: Duration = Duration::from_secs(60);
/// After the last route, until memory is read: what a start leaves behind is gone by then.
const SETTLE: Duration = Duration::from_secs(3);

/// What one run found.
struct Found {
    memory: Memory,
    took: Duration,
}

fn main() -> ExitCode {
    let number = |argument: String| argument.parse().ok();
    let runs = std::env::args().skip(1).find_map(number).unwrap_or(RUNS);
    match table(runs.max(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(runs: usize) -> Result<(), String> {
    let herald = daemons::herald()?;
    println!("{PEERS} peers, median of {runs} runs");
    println!("| | RSS, MiB | peak RSS, MiB | until all peers have all routes, ms |");
    println!("|---|---|---|---|");
    row(runs, "herald run, no VIP", 0, &|sink| {
        Daemon::herald(&herald, sink, 0)
    })?;
    row(runs, "herald run, 10,000 VIPs", VIPS, &|sink| {
        Daemon::herald(&herald, sink, VIPS)
    })?;
    match daemons::bird() {
        Some(bird) => row(runs, "BIRD 2, 10,000 static routes", VIPS, &|sink| {
            Daemon::bird(&bird, sink, VIPS)
        }),
        None => {
            println!("BIRD: skipped, it is not installed");
            Ok(())
        }
    }
}

fn row(
    runs: usize,
    name: &str,
    routes: u64,
    start: &dyn Fn(&Sink) -> Result<Daemon, String>,
) -> Result<(), String> {
    let found = (0..runs)
        .map(|_| measure(routes, start).map_err(|error| format!("{name}: {error}")))
        .collect::<Result<Vec<Found>, String>>()?;
    let mebibytes = |pick: fn(&Found) -> u64| {
        let kibibytes = median(found.iter().map(pick).collect());
        kibibytes as f64 / 1024.0
    };
    println!(
        "| {name} | {:.1} | {:.1} | {} |",
        mebibytes(|found| found.memory.resident),
        mebibytes(|found| found.memory.peak),
        median(found.iter().map(|found| found.took.as_millis()).collect()),
    );
    Ok(())
}

fn measure(routes: u64, start: &dyn Fn(&Sink) -> Result<Daemon, String>) -> Result<Found, String> {
    let sink = Sink::start().map_err(|error| format!("cannot listen on loopback: {error}"))?;
    let mut daemon = start(&sink)?;
    let started = daemon.started;
    while !sink.has(routes) {
        if started.elapsed() > LIMIT {
            return Err(format!("not in time: {}; {}", sink.state(), daemon.log()));
        }
        daemon.check()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = Instant::now() - started;
    std::thread::sleep(SETTLE);
    daemon.check()?;
    match sink.has(routes) {
        true => Ok(Found {
            memory: daemon.memory()?,
            took,
        }),
        false => Err(format!("sessions did not last: {}", sink.state())),
    }
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}
