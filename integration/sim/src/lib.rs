//! Whole clusters in L2 mode on a virtual clock: who answers for which address while nodes die,
//! freeze and restart, and the network between them loses, delays and cuts.
//!
//! Each node is made of the very parts that run in production: the membership's `Core`, the
//! elections of `plan`, `Holding`, and `l2::Responder`. Only what puts them together is written
//! here anew ([`node`]). The API server tells every node the same, and nothing new.
//!
//! A [`Schedule`] follows from its number alone; what breaks can be run again:
//! `cargo run -p sim -- --first NUMBER --count 1`.

mod cluster;
mod node;
mod watch;
mod world;

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};

pub use cluster::Cluster;
pub use watch::{Broken, NOBODY, TWO, What};

/// What happens to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Everything else follows from it.
    pub number: u64,
    /// Nodes.
    pub nodes: usize,
    /// Addresses.
    pub vips: usize,
}

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The longest that two nodes answered for one address, of which one had a majority.
    pub worst_two: Duration,
    /// The longest that two did that had each exactly half of the nodes.
    pub worst_halves: Duration,
    /// The longest that nobody answered for one, while a node was connected to more than half.
    pub worst_nobody: Duration,
    /// What did not hold, and how the nodes were then.
    pub broken: Option<(Broken, String)>,
}

/// All addresses are taken by then, from the start, and a node that starts later has to wait before
/// it takes some from others (`plan::tenure::TOGETHER`).
const BEGINS: Duration = Duration::from_secs(12);
/// After all has healed, exactly one node answers for each by then.
const HEALS: Duration = Duration::from_secs(15);

impl Schedule {
    /// A small cluster: two to eight nodes, one to sixteen addresses.
    pub fn small(number: u64) -> Schedule {
        let mut rng = SmallRng::seed_from_u64(number);
        Schedule {
            number,
            nodes: rng.random_range(2..=8),
            vips: rng.random_range(1..=16),
        }
    }

    /// Fifty nodes and a thousand addresses.
    pub fn full(number: u64) -> Schedule {
        Schedule {
            number,
            nodes: 50,
            vips: 1_000,
        }
    }

    /// Runs it.
    pub fn run(self) -> Outcome {
        self.run_and_say(|_| {})
    }

    /// Runs it, and says what happens.
    pub fn run_and_say(self, mut say: impl FnMut(&str)) -> Outcome {
        let mut rng = SmallRng::seed_from_u64(self.number ^ 0x5eed);
        let mut cluster = Cluster::new(self.nodes, self.vips, self.number);
        cluster.run(BEGINS);
        cluster.watch.must_be_settled(cluster.now);
        cluster.happened();
        let mut state = String::new();
        for _ in 0..rng.random_range(1..10) {
            let what = act(&mut cluster, &mut rng);
            cluster.happened();
            say(&what);
            cluster.run(Duration::from_millis(rng.random_range(0..2_500)));
            cluster.happened();
            say(&cluster.describe());
            if cluster.watch.broken.is_some() {
                state = cluster.describe();
                break;
            }
        }
        if cluster.watch.broken.is_none() {
            cluster.heal();
            cluster.happened();
            cluster.run(HEALS);
            cluster.happened();
            cluster.watch.must_be_settled(cluster.now);
            assert!(
                cluster.is_watched_rightly(self.vips),
                "{}",
                cluster.describe()
            );
            state = cluster.describe();
        }
        Outcome {
            worst_two: cluster.watch.worst_two,
            worst_halves: cluster.watch.worst_halves,
            worst_nobody: cluster.watch.worst_nobody,
            broken: cluster.watch.broken.map(|broken| (broken, state)),
        }
    }
}

/// One thing that happens.
fn act(cluster: &mut Cluster, rng: &mut SmallRng) -> String {
    let nodes = cluster.nodes();
    let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes));
    match rng.random_range(0..16) {
        0 | 1 => {
            cluster.cut(a, b);
            cluster.cut(b, a);
            format!("cut {a} {b}")
        }
        2 => {
            cluster.cut(a, b);
            format!("cut from {a} to {b}")
        }
        3 | 4 => {
            let side = (0..nodes).choose_multiple(rng, a.max(1));
            for one in &side {
                for other in (0..nodes).filter(|n| !side.contains(n)) {
                    cluster.cut(*one, other);
                    cluster.cut(other, *one);
                }
            }
            format!("cut off {side:?}")
        }
        5 | 6 => {
            cluster.attach(a, false);
            format!("link of {a} down")
        }
        7 | 8 => {
            cluster.freeze(a);
            format!("freeze {a}")
        }
        9 | 10 => {
            cluster.kill(a);
            format!("kill {a}")
        }
        11 => {
            cluster.start(a);
            format!("start {a}")
        }
        12 => {
            cluster.loss = f64::from(rng.random_range(0..3)) / 10.0;
            format!("loss {}", cluster.loss)
        }
        13 => {
            cluster.attach(a, true);
            cluster.thaw(a);
            format!("link of {a} up, and it runs")
        }
        _ => {
            cluster.heal();
            "heal".to_owned()
        }
    }
}
