//! Random schedules of partitions, freezes and restarts, and what the segment saw of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::capture::clock;
use super::scene::{Scene, served, vips};
use super::witness::{longest_overlap, reigns, silences};
use super::{name, vip, vip6};
use crate::manifests::{l2_advertisement, service};
use serde_json::{Value, json};

/// Changes of a schedule before all is healed.
const STEPS: usize = 4;
/// From one change to the next, in milliseconds: at least, and how much more at most.
const STEP: (u64, u64) = (700, 2_300);
/// Someone who does not answer for so long, though asked every 50 ms, has stopped.
const PAUSE: Duration = Duration::from_millis(150);
/// Between two questions for one address.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What does not pass between two nodes, one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// IPv4 and IPv6; ARP and NDP do.
    Ip,
    /// Nothing does.
    Frames,
}

/// How the segment is.
#[derive(Clone, Debug, Default)]
struct State {
    /// From one node to another.
    cuts: BTreeMap<(u8, u8), Cut>,
    frozen: BTreeSet<u8>,
}

/// One change.
#[derive(Clone, Debug)]
enum Step {
    Cut(BTreeMap<(u8, u8), Cut>),
    Freeze(u8),
    Resume(u8),
    Restart(u8),
}

/// What was seen of one schedule.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// From which it was made.
    pub seed: u64,
    /// Its changes, in milliseconds from the beginning.
    pub steps: Vec<String>,
    /// The longest time that two nodes answered for one address.
    pub overlap: Duration,
    /// The longest time that nobody answered for an address while more than half of the nodes ran
    /// and heard each other.
    pub silence: Duration,
    /// Where these were, for people.
    pub notes: Vec<String>,
}

/// Addresses that are asked for.
pub fn addresses() -> Vec<IpAddr> {
    vec![vip(1), vip(2), vip(3), vip(4), vip6(1)]
}

/// A segment for schedules; `None` where the machine cannot.
pub fn start(nodes: u8) -> Option<Scene> {
    let mut objects = vec![
        vips(),
        l2_advertisement("all", json!({"failback": "immediate"})),
    ];
    let of = |(index, address): (usize, &IpAddr)| -> [Value; 2] {
        served(
            service(&format!("web-{index}"), &[&address.to_string()]),
            nodes,
        )
    };
    objects.extend(addresses().iter().enumerate().flat_map(of));
    let scene = Scene::run_asking(
        super::Segment::build(nodes)?,
        &objects,
        &addresses(),
        ASK_EVERY,
    );
    for address in addresses() {
        scene.owner(address);
    }
    Some(scene)
}

/// Runs the schedule of a seed, heals everything, and waits until one node answers for each
/// address.
pub fn run(scene: &mut Scene, seed: u64) -> Outcome {
    let count = scene.segment.nodes.len() as u8;
    let mut random = Random(seed);
    let mut state = State::default();
    let begin = clock();
    let mut steps = Vec::new();
    // Times during which more than half hear each other.
    let mut quorate: Vec<(Duration, Duration)> = Vec::new();
    let mut since = begin;
    for _ in 0..STEPS {
        let step = random.step(count, &state);
        quorate.extend(state.has_quorum(count).then(|| (since, clock())));
        steps.push(format!("{} {step:?}", (clock() - begin).as_millis()));
        apply(scene, &mut state, step);
        since = clock();
        let wait = STEP.0 + random.below(STEP.1);
        std::thread::sleep(Duration::from_millis(wait));
    }
    quorate.extend(state.has_quorum(count).then(|| (since, clock())));
    steps.push(format!("{} healed", (clock() - begin).as_millis()));
    heal(scene, &mut state);
    let healed = clock();
    for address in addresses() {
        scene.owner(address);
    }
    quorate.push((healed, clock()));
    judge(scene, seed, begin, steps, &quorate)
}

fn judge(
    scene: &Scene,
    seed: u64,
    begin: Duration,
    steps: Vec<String>,
    quorate: &[(Duration, Duration)],
) -> Outcome {
    let seen = scene.witness.since(begin);
    let mut outcome = Outcome {
        seed,
        steps,
        overlap: Duration::ZERO,
        silence: Duration::ZERO,
        notes: Vec::new(),
    };
    let from_begin = |at: Duration| at.saturating_sub(begin).as_millis();
    for address in addresses() {
        let reigns = reigns(&seen, address, PAUSE);
        if let Some((time, one, other)) = longest_overlap(&reigns)
            && time > outcome.overlap
        {
            outcome.overlap = time;
            let text = [one, other].map(|reign| {
                let (first, last) = (from_begin(reign.first), from_begin(reign.last));
                format!("{} from {first} to {last}", reign.by)
            });
            outcome
                .notes
                .push(format!("{address}: {}", text.join(", ")));
        }
        for (first, last) in quorate {
            let within = reigns
                .iter()
                .filter(|r| r.last >= *first && r.first <= *last);
            let within: Vec<_> = within.copied().collect();
            for (from, to) in silences(&within, *first, *last, PAUSE) {
                let time = to.min(*last).saturating_sub(from.max(*first));
                if time > outcome.silence {
                    outcome.silence = time;
                    let (from, to) = (from_begin(from), from_begin(to));
                    outcome
                        .notes
                        .push(format!("{address}: nobody from {from} to {to}"));
                }
            }
        }
    }
    outcome
}

fn apply(scene: &mut Scene, state: &mut State, step: Step) {
    match step {
        Step::Cut(cuts) => {
            state.cuts = cuts;
            filter(scene, &state.cuts);
        }
        Step::Freeze(node) => {
            state.frozen.insert(node);
            scene.segment.node(node).herald.process().pause();
        }
        Step::Resume(node) => {
            state.frozen.remove(&node);
            scene.segment.node(node).herald.process().resume();
        }
        Step::Restart(node) => {
            let node = scene.segment.node_mut(node);
            node.herald.kill();
            node.launch();
        }
    }
}

fn heal(scene: &mut Scene, state: &mut State) {
    for node in std::mem::take(&mut state.frozen) {
        scene.segment.node(node).herald.process().resume();
    }
    apply(scene, state, Step::Cut(BTreeMap::new()));
}

/// Has the switch drop what is cut, from one moment on.
fn filter(scene: &Scene, cuts: &BTreeMap<(u8, u8), Cut>) {
    let rule = |((from, to), cut): (&(u8, u8), &Cut)| {
        let kinds: &[&str] = match cut {
            Cut::Ip => &["ether type ip", "ether type ip6 meta l4proto != icmpv6"],
            Cut::Frames => &[""],
        };
        let (from, to) = (name(*from), name(*to));
        let rule = |kind| format!("    iifname \"{from}\" oifname \"{to}\" {kind} drop\n");
        kinds.iter().map(rule).collect::<String>()
    };
    let rules: String = cuts.iter().map(rule).collect();
    let text = format!(
        "table bridge lab\ndelete table bridge lab\ntable bridge lab {{\n  chain forward {{\n    \
         type filter hook forward priority 0\n{rules}  }}\n}}\n"
    );
    let file = scene.segment.lab.folder("cuts").join("rules");
    std::fs::write(&file, text).unwrap_or_else(|error| panic!("{error}"));
    let switch = &scene.segment.switch;
    switch.run("nft", &["-f", &file.to_string_lossy()]);
}

impl State {
    /// Whether more than half of the nodes run, and hear all of each other.
    fn has_quorum(&self, count: u8) -> bool {
        let groups = 1_u32..1 << count;
        let nodes = |group: u32| (1..=count).filter(move |node| group & (1 << (node - 1)) != 0);
        let hears = |from, to| from == to || !self.cuts.contains_key(&(from, to));
        let mut majorities = groups.filter(|group| group.count_ones() > u32::from(count) / 2);
        majorities.any(|group| {
            let mut members = nodes(group);
            members.all(|one| {
                !self.frozen.contains(&one) && nodes(group).all(|other| hears(one, other))
            })
        })
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same schedule from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn node(&mut self, count: u8) -> u8 {
        1 + self.below(u64::from(count)) as u8
    }

    fn step(&mut self, count: u8, state: &State) -> Step {
        let node = self.node(count);
        match self.below(8) {
            _ if state.frozen.contains(&node) => Step::Resume(node),
            0 => Step::Freeze(node),
            // A frozen one is resumed before.
            1 => Step::Restart(node),
            _ => Step::Cut(self.cuts(count)),
        }
    }

    fn cuts(&mut self, count: u8) -> BTreeMap<(u8, u8), Cut> {
        // Halves that do not hear each other's probes may both claim: see `Standing::Half`.
        let cut = match count % 2 == 1 && self.below(2) == 0 {
            true => Cut::Frames,
            false => Cut::Ip,
        };
        let pairs = (1..=count).flat_map(|a| (1..=count).map(move |b| (a, b)));
        let pairs = pairs.filter(|(a, b)| a != b);
        let chosen: Vec<(u8, u8)> = match self.below(4) {
            // One or two are cut off from the rest.
            0 | 1 => {
                let off = [self.node(count), self.node(count)];
                let is_off = |node: &u8| off.contains(node);
                pairs.filter(|(a, b)| is_off(a) != is_off(b)).collect()
            }
            // Some pairs, both ways.
            2 => {
                let bits = self.next();
                let bit = |a: u8, b: u8| bits >> (a.min(b) * 8 + a.max(b)) & 1 == 1;
                pairs.filter(|(a, b)| bit(*a, *b)).collect()
            }
            // Some, one way.
            _ => {
                let bits = self.next();
                pairs
                    .filter(|(a, b)| bits >> (a * 8 + b) & 3 == 0)
                    .collect()
            }
        };
        chosen.into_iter().map(|pair| (pair, cut)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_more_than_half_that_run_and_hear_each_other() {
        let state = |cuts: &[(u8, u8)], frozen: &[u8]| State {
            cuts: cuts.iter().map(|pair| (*pair, Cut::Ip)).collect(),
            frozen: frozen.iter().copied().collect(),
        };
        for quorate in [state(&[], &[]), state(&[], &[1]), state(&[(1, 2)], &[])] {
            assert!(quorate.has_quorum(3), "{quorate:?}");
        }
        let all_cut = state(&[(1, 2), (3, 2), (1, 3)], &[]);
        for not in [state(&[], &[1, 2]), state(&[(1, 2)], &[3]), all_cut] {
            assert!(!not.has_quorum(3), "{not:?}");
        }
        assert!(!state(&[], &[1, 2]).has_quorum(4));
    }

    #[test]
    fn a_seed_gives_its_schedule_and_cuts_of_even_groups_leave_arp() {
        let steps = |seed, count| {
            let mut random = Random(seed);
            let state = State::default();
            let steps = (0..20).map(|_| random.step(count, &state));
            steps.map(|step| format!("{step:?}")).collect::<Vec<_>>()
        };
        assert_eq!(steps(7, 3), steps(7, 3));
        assert_ne!(steps(7, 3), steps(8, 3));
        assert!(steps(7, 4).iter().all(|step| !step.contains("Frames")));
        assert!(steps(7, 3).iter().any(|step| step.contains("Frames")));
    }
}
