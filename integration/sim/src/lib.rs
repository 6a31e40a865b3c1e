//! Whole clusters in L2 mode on a virtual clock: who answers for which address while nodes die,
//! freeze and restart, and the network between them loses, delays and cuts.
//!
//! Each node is made of the very parts that run in production: the membership's `Core`, the
//! elections of `plan`, `Holding`, and `l2::Responder`. Only what puts them together is written
//! here anew ([`node`]). The API server tells every node the same, and nothing new.
//!
//! A [`Schedule`] follows from its number alone; what breaks can be run again:
//! `cargo run -p sim -- --first NUMBER --count 1`, with `--mixed`, `--segment` or `--busy`.

mod acts;
mod cluster;
mod node;
mod watch;
mod world;

use std::time::Duration;

use plan::world::Failback;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

pub use cluster::Cluster;
pub use watch::{Broken, NOBODY, SEVERAL, TWO, What};

/// What happens to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Everything else follows from it.
    pub number: u64,
    /// What sort of things.
    pub kind: Kind,
    /// Nodes.
    pub nodes: usize,
    /// Addresses.
    pub vips: usize,
    /// How often things happen, and all is healed after them: the start of a large cluster takes
    /// longer than what happens to it.
    pub rounds: u64,
}

/// What sort of things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything, one after the other, up to two and a half seconds apart.
    Mixed,
    /// What the tests in network namespaces do (`integration/src/segment/partition.rs`): cuts that
    /// replace each other, of frames too where halves cannot be, freezes and restarts, 0.7 to 3 s
    /// apart; addresses go back at once.
    Segment,
    /// One node leaves, or is not Ready any more; and all the time machines are too busy to run
    /// anything for 50 to 400 ms.
    Busy,
}

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The longest that the same two nodes answered for one address, of which one had a majority.
    pub worst_two: Duration,
    /// The longest that more than one did, also where they relieved each other.
    pub worst_several: Duration,
    /// The longest that more than one did that had each exactly half of the nodes.
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
/// Before the next round it has to be so for this long.
const SETTLED: Duration = Duration::from_secs(1);

impl Schedule {
    /// A small cluster: two to eight nodes, one to sixteen addresses.
    pub fn small(kind: Kind, number: u64) -> Schedule {
        let mut rng = SmallRng::seed_from_u64(number);
        let nodes = match kind {
            Kind::Mixed => 2..=8,
            Kind::Segment => 3..=7,
            Kind::Busy => 3..=5,
        };
        Schedule {
            number,
            kind,
            nodes: rng.random_range(nodes),
            vips: rng.random_range(1..=16),
            rounds: 1,
        }
    }

    /// Fifty nodes and a thousand addresses.
    pub fn full(kind: Kind, number: u64, rounds: u64) -> Schedule {
        Schedule {
            number,
            kind,
            nodes: 50,
            vips: 1_000,
            rounds,
        }
    }

    /// Runs it.
    pub fn run(self) -> Outcome {
        self.run_and_say(|_| {})
    }

    /// Runs it, and says what happens.
    pub fn run_and_say(self, mut say: impl FnMut(&str)) -> Outcome {
        let mut rng = SmallRng::seed_from_u64(self.number ^ 0x5eed);
        let failback = match self.kind {
            Kind::Mixed | Kind::Busy => Failback::Delayed,
            Kind::Segment => Failback::Immediate,
        };
        let mut cluster = Cluster::new(self.nodes, self.vips, failback, self.number);
        cluster.run(BEGINS);
        cluster.watch.must_be_settled(cluster.now);
        cluster.happened();
        for round in 1..=self.rounds {
            self.happen(&mut cluster, &mut rng, &mut say);
            if cluster.watch.broken.is_some() {
                break;
            }
            cluster.heal();
            cluster.happened();
            if round < self.rounds {
                cluster.run_until_settled(HEALS - SETTLED);
                cluster.happened();
                cluster.watch.must_be_settled(cluster.now);
                cluster.run(SETTLED);
            } else {
                cluster.run(HEALS);
            }
            // A node that came back a while ago may take its addresses just now.
            cluster.run_until_settled(TWO);
            cluster.happened();
            cluster.watch.must_be_settled(cluster.now);
        }
        let state = cluster.describe();
        if cluster.watch.broken.is_none() {
            assert!(cluster.is_watched_rightly(self.vips), "{state}");
        }
        Outcome {
            worst_two: cluster.watch.worst_two,
            worst_several: cluster.watch.worst_several,
            worst_halves: cluster.watch.worst_halves,
            worst_nobody: cluster.watch.worst_nobody,
            broken: cluster.watch.broken.map(|broken| (broken, state)),
        }
    }

    /// What happens until all is healed; no more than that if something does not hold.
    fn happen(self, cluster: &mut Cluster, rng: &mut SmallRng, mut say: impl FnMut(&str)) {
        for _ in 0..acts::steps(self.kind, rng) {
            let (what, wait) = acts::act(self.kind, cluster, rng);
            cluster.happened();
            say(&what);
            match self.kind {
                Kind::Mixed | Kind::Segment => cluster.run(wait),
                Kind::Busy => acts::run_busy(cluster, rng, wait),
            }
            cluster.happened();
            say(&cluster.describe());
            if cluster.watch.broken.is_some() {
                return;
            }
        }
    }
}
