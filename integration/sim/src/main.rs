//! Runs schedules, and says which did not hold.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sim::{Kind, Schedule, TWO};

const USAGE: &str = "usage: sim [--first N] [--count N] [--full-every N] [--nodes N] [--vips N] [--rounds N] [--mixed|--segment|--busy] [--say]\n\
  One schedule in N has 50 nodes and 1,000 addresses, the others 2 to 8 nodes and up to 16.\n\
  With --nodes all have so many instead, and as many addresses as --vips says (16).\n\
  With --rounds each cluster of 50, or of --nodes, has so many schedules, one after the other,\n\
  and a line when they are done.\n\
  Of four schedules two are mixed, one is as in the tests on segments, one of busy machines.\n\
  With --say each says what happens, and how the nodes are when something does not hold.";

struct Options {
    first: u64,
    count: u64,
    full_every: u64,
    /// 0: as the numbers say.
    nodes: u64,
    vips: u64,
    rounds: u64,
    kind: Option<Kind>,
    say: bool,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let next = AtomicU64::new(options.first);
    let worst = Mutex::new(Worst::default());
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| work(&options, &next, &worst));
        }
    });
    let worst = worst
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    println!(
        "{} schedules, {} of them with 50 nodes and 1,000 addresses: {} broken; two answered for \
         at most {:?}, more than one for {:?}, nobody for at most {:?}, two halves for at most {:?} ({} for longer than {TWO:?})",
        worst.all,
        worst.full,
        worst.broken,
        worst.two,
        worst.several,
        worst.nobody,
        worst.halves,
        worst.long_halves
    );
    ExitCode::from(u8::from(worst.broken > 0))
}

/// Of all schedules.
#[derive(Default)]
struct Worst {
    two: Duration,
    several: Duration,
    halves: Duration,
    nobody: Duration,
    /// Schedules in which two halves answered for longer than anybody else may.
    long_halves: u64,
    broken: u64,
    all: u64,
    full: u64,
}

fn work(options: &Options, next: &AtomicU64, worst: &Mutex<Worst>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.first + options.count {
            return;
        }
        let is_full = options.full_every > 0 && number.is_multiple_of(options.full_every);
        let kind = options.kind.unwrap_or(match number % 4 {
            0 | 1 => Kind::Mixed,
            2 => Kind::Segment,
            _ => Kind::Busy,
        });
        let schedule = match (options.nodes, is_full) {
            (0, true) => Schedule::full(kind, number, options.rounds),
            (0, false) => Schedule::small(kind, number),
            (nodes, _) => Schedule {
                nodes: nodes as usize,
                vips: options.vips as usize,
                rounds: options.rounds,
                ..Schedule::small(kind, number)
            },
        };
        let outcome = schedule.run_and_say(|what| {
            if options.say {
                println!("{what}");
            }
        });
        if let Some((broken, state)) = &outcome.broken {
            println!("{schedule:?}\n  {broken}");
            if options.say {
                println!("{state}");
            }
        }
        if schedule.rounds > 1 {
            println!(
                "{number}: two answered for at most {:?}, more than one for {:?}, nobody for at most {:?}",
                outcome.worst_two, outcome.worst_several, outcome.worst_nobody
            );
        }
        let mut worst = worst.lock().unwrap_or_else(|poison| poison.into_inner());
        worst.two = worst.two.max(outcome.worst_two);
        worst.several = worst.several.max(outcome.worst_several);
        worst.halves = worst.halves.max(outcome.worst_halves);
        worst.nobody = worst.nobody.max(outcome.worst_nobody);
        worst.long_halves += u64::from(outcome.worst_halves > TWO);
        worst.broken += u64::from(outcome.broken.is_some());
        worst.all += schedule.rounds;
        worst.full += if is_full { schedule.rounds } else { 0 };
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        first: 0,
        count: 1_000,
        full_every: 0,
        nodes: 0,
        vips: 16,
        rounds: 1,
        kind: None,
        say: false,
    };
    while let Some(word) = words.next() {
        let number = match word.as_str() {
            "--say" => {
                options.say = true;
                continue;
            }
            "--mixed" | "--segment" | "--busy" => {
                options.kind = Some(match word.as_str() {
                    "--mixed" => Kind::Mixed,
                    "--segment" => Kind::Segment,
                    _ => Kind::Busy,
                });
                continue;
            }
            "--first" => &mut options.first,
            "--count" => &mut options.count,
            "--full-every" => &mut options.full_every,
            "--nodes" => &mut options.nodes,
            "--vips" => &mut options.vips,
            "--rounds" => &mut options.rounds,
            _ => return None,
        };
        *number = words.next()?.parse().ok()?;
    }
    Some(options)
}
