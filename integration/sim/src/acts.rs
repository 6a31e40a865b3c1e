//! What happens to a cluster.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;

use crate::{Cluster, Kind};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How many things happen before all is healed.
pub fn steps(kind: Kind, rng: &mut SmallRng) -> usize {
    match kind {
        Kind::Mixed => rng.random_range(1..10),
        Kind::Segment => 4,
        Kind::Busy => 3,
    }
}

/// One thing that happens, and how long it is until the next.
pub fn act(kind: Kind, cluster: &mut Cluster, rng: &mut SmallRng) -> (String, Duration) {
    match kind {
        Kind::Mixed => (anything(cluster, rng), ms(rng.random_range(0..2_500))),
        Kind::Segment => (of_segment(cluster, rng), ms(rng.random_range(700..3_000))),
        Kind::Busy => (departure(cluster, rng), ms(rng.random_range(1_500..6_000))),
    }
}

/// Lets time pass while machines are busy now and then.
pub fn run_busy(cluster: &mut Cluster, rng: &mut SmallRng, time: Duration) {
    let end = cluster.now + time;
    while cluster.now < end {
        let node = rng.random_range(0..cluster.nodes());
        cluster.pause(node, ms(rng.random_range(50..400)));
        let wait = ms(rng.random_range(0..400));
        cluster.run(wait.min(end - cluster.now));
    }
}

fn anything(cluster: &mut Cluster, rng: &mut SmallRng) -> String {
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

/// As `integration/src/segment/partition.rs` does it.
fn of_segment(cluster: &mut Cluster, rng: &mut SmallRng) -> String {
    let nodes = cluster.nodes();
    let node = rng.random_range(0..nodes);
    if cluster.is_frozen(node) {
        cluster.thaw(node);
        return format!("thaw {node}");
    }
    match rng.random_range(0..8) {
        0 => {
            cluster.freeze(node);
            return format!("freeze {node}");
        }
        1 => {
            cluster.start(node);
            return format!("restart {node}");
        }
        _ => cluster.uncut(),
    }
    // Halves that do not hear each other's probes may both claim.
    let frames = nodes % 2 == 1 && rng.random_bool(0.5);
    let pairs = (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b)));
    let pairs = pairs.filter(|(a, b)| a != b);
    let chosen: Vec<(usize, usize)> = match rng.random_range(0..4) {
        0 | 1 => {
            let off = [rng.random_range(0..nodes), rng.random_range(0..nodes)];
            let is_off = |node: &usize| off.contains(node);
            pairs.filter(|(a, b)| is_off(a) != is_off(b)).collect()
        }
        2 => {
            let bits: u64 = rng.random();
            let at = |a: usize, b: usize| (a.min(b) * 8 + a.max(b)) as u32;
            let is_cut = |(a, b): &(usize, usize)| bits.rotate_right(at(*a, *b)) & 1 == 1;
            pairs.filter(is_cut).collect()
        }
        _ => pairs.filter(|_| rng.random_bool(0.25)).collect(),
    };
    for (from, to) in &chosen {
        match frames {
            true => cluster.cut_frames(*from, *to),
            false => cluster.cut(*from, *to),
        }
    }
    format!("cut {chosen:?}, frames too: {frames}")
}

/// One leaves or returns, or the API server says that it is not Ready, or is again.
fn departure(cluster: &mut Cluster, rng: &mut SmallRng) -> String {
    let node = rng.random_range(0..cluster.nodes());
    match (cluster.has_left(node), cluster.is_ready(node)) {
        (true, _) => {
            cluster.start(node);
            format!("start {node}")
        }
        (false, false) => {
            cluster.set_ready(node, true);
            format!("{node} is Ready")
        }
        (false, true) if rng.random_bool(0.5) => {
            cluster.set_ready(node, false);
            format!("{node} is not Ready")
        }
        (false, true) => {
            cluster.stop(node);
            format!("stop {node}")
        }
    }
}
