//! What must hold of every address at every moment.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two nodes answer for one address for at most this long: the fence, and what a datagram and a
/// round take.
pub const TWO: Duration = Duration::from_millis(246);
/// More than one does for at most this long, also where they relieve each other: as long as two that
/// do so one after the other may take.
pub const SEVERAL: Duration = TWO.saturating_mul(2);
/// Nobody does for at most this long after the last thing that happened, while more than half of the
/// nodes run and hear all of each other. While machines are so busy that fewer run, no time passes.
pub const NOBODY: Duration = Duration::from_millis(1_000);

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Since the start.
    pub at: Duration,
    /// The number of the address.
    pub vip: usize,
    /// What.
    pub what: What,
}

/// What did not hold of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Two of these nodes answered for it for so long.
    Two(Duration, Vec<usize>),
    /// More than one did for so long, these at the end of it.
    Several(Duration, Vec<usize>),
    /// Nobody answered for it for so long.
    Nobody(Duration),
    /// So many nodes answer for it although all is well again.
    NotOne(Vec<usize>),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { at, vip, what } = self;
        match what {
            What::Two(time, nodes) => {
                write!(
                    f,
                    "{at:?}: {nodes:?} answered for address {vip} for {time:?}"
                )
            }
            What::Several(time, nodes) => {
                write!(
                    f,
                    "{at:?}: several, {nodes:?} at last, answered for address {vip} for {time:?}"
                )
            }
            What::Nobody(time) => {
                write!(f, "{at:?}: nobody answered for address {vip} for {time:?}")
            }
            What::NotOne(nodes) => {
                write!(
                    f,
                    "{at:?}: {nodes:?} answer for address {vip} after all has healed"
                )
            }
        }
    }
}

/// Who answers for what, and for how long two have, or nobody.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    vips: Vec<Vip>,
    nodes: Vec<Answering>,
    /// No node falls silent by itself before.
    silent_at: Option<Instant>,
    /// How long more than half of the nodes were awake, up to the moment after it.
    awake: (Duration, Instant),
    /// They are.
    is_awake: bool,
    /// Since when, of that time, a node is connected to more than half of all, with nothing happening
    /// to any.
    candidate_since: Option<Duration>,
    /// The longest that the same two answered, and one of those that did had a majority.
    pub worst_two: Duration,
    /// The longest that more than one did.
    pub worst_several: Duration,
    /// The longest that more than one answered of which none had a majority when they began: they
    /// each had exactly half of the nodes.
    pub worst_halves: Duration,
    /// The longest that nobody did who could.
    pub worst_nobody: Duration,
    /// What did not hold first.
    pub broken: Option<Broken>,
}

#[derive(Clone, Debug, Default)]
struct Vip {
    /// Since when, from the earliest.
    answering: Vec<(usize, Instant)>,
    /// More than one.
    several_since: Option<Instant>,
    /// None of them had a majority then.
    of_halves: bool,
    /// Of the time in which more than half of the nodes were awake.
    nobody_since: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Answering {
    until: Option<Instant>,
    claimed: Arc<BTreeSet<usize>>,
    /// It has a majority.
    rules: bool,
}

impl Watch {
    /// Nobody answers for anything.
    pub fn new(now: Instant, nodes: usize, vips: usize) -> Watch {
        let vip = Vip {
            nobody_since: Some(Duration::ZERO),
            ..Vip::default()
        };
        Watch {
            start: now,
            vips: vec![vip; vips],
            nodes: vec![Answering::default(); nodes],
            silent_at: None,
            awake: (Duration::ZERO, now),
            is_awake: true,
            candidate_since: None,
            worst_two: Duration::ZERO,
            worst_several: Duration::ZERO,
            worst_halves: Duration::ZERO,
            worst_nobody: Duration::ZERO,
            broken: None,
        }
    }

    /// Something happens to the nodes or their network. Whether one of them could answer from now
    /// on.
    pub fn happened(&mut self, now: Instant, has_candidate: bool) {
        for vip in 0..self.vips.len() {
            self.judge(now, vip);
        }
        self.candidate_since = has_candidate.then_some(self.awake_for(now));
    }

    /// Whether more than half of the nodes are awake from now on.
    pub fn set_awake(&mut self, now: Instant, is_awake: bool) {
        self.awake = (self.awake_for(now), now);
        self.is_awake = is_awake;
    }

    fn awake_for(&self, now: Instant) -> Duration {
        let (before, since) = self.awake;
        match self.is_awake {
            true => before + (now - since),
            false => before,
        }
    }

    /// Until when a node answers, and for what; `None`: it does not.
    pub fn node(
        &mut self,
        now: Instant,
        node: usize,
        until: Option<Instant>,
        claimed: Arc<BTreeSet<usize>>,
        rules: bool,
    ) {
        let Some(known) = self.nodes.get_mut(node) else {
            return;
        };
        self.silent_at = self.silent_at.into_iter().chain(until).min();
        known.rules = rules;
        let answered = known.until.is_some();
        known.until = until;
        if answered == until.is_some() && Arc::ptr_eq(&known.claimed, &claimed) {
            return;
        }
        let before = std::mem::replace(&mut known.claimed, Arc::clone(&claimed));
        let none = BTreeSet::new();
        let (old, new): (&BTreeSet<usize>, _) = (
            if answered { &before } else { &none },
            if until.is_some() { &claimed } else { &none },
        );
        let lost: Vec<usize> = old.difference(new).copied().collect();
        let won: Vec<usize> = new.difference(old).copied().collect();
        lost.iter()
            .for_each(|vip| self.count(now, node, *vip, false));
        won.iter().for_each(|vip| self.count(now, node, *vip, true));
    }

    /// A moment up to which no node falls silent by itself.
    pub fn next(&self) -> Option<Instant> {
        self.silent_at
    }

    /// Silences those whose time is over.
    pub fn pass(&mut self, now: Instant) {
        if self.silent_at.is_none_or(|at| at > now) {
            return;
        }
        for node in 0..self.nodes.len() {
            let Some(known) = self.nodes.get(node) else {
                continue;
            };
            if known.until.is_some_and(|until| until <= now) {
                let (claimed, rules) = (Arc::clone(&known.claimed), known.rules);
                self.node(now, node, None, claimed, rules);
            }
        }
        self.silent_at = self.nodes.iter().filter_map(|node| node.until).min();
    }

    /// Who answers for an address.
    pub fn answering(&self, vip: usize) -> Vec<usize> {
        let of = self.vips.get(vip).map(|of| of.answering.as_slice());
        of.unwrap_or_default()
            .iter()
            .map(|(node, _)| *node)
            .collect()
    }

    /// Whether exactly one node answers for each address.
    pub fn is_settled(&self) -> bool {
        self.vips.iter().all(|vip| vip.answering.len() == 1)
    }

    /// All is well again: exactly one answers for each address.
    pub fn must_be_settled(&mut self, now: Instant) {
        let wrong = self.vips.iter().position(|vip| vip.answering.len() != 1);
        if let Some(vip) = wrong {
            let nodes = self.answering(vip);
            self.breaks(now, vip, What::NotOne(nodes));
        }
    }

    fn count(&mut self, now: Instant, node: usize, vip: usize, more: bool) {
        self.judge(now, vip);
        let awake_for = self.awake_for(now);
        let Some(of) = self.vips.get_mut(vip) else {
            return;
        };
        match more {
            true => of.answering.push((node, now)),
            false => of.answering.retain(|(known, _)| *known != node),
        }
        let nobody_since = of.nobody_since.or(Some(awake_for));
        of.nobody_since = nobody_since.filter(|_| of.answering.is_empty());
        if of.answering.len() < 2 {
            of.several_since = None;
        } else if of.several_since.is_none() {
            of.several_since = Some(now);
            let mut nodes = of.answering.iter().map(|(node, _)| self.nodes.get(*node));
            of.of_halves = !nodes.any(|node| node.is_some_and(|node| node.rules));
        }
    }

    /// Judges the time that ends now.
    fn judge(&mut self, now: Instant, vip: usize) {
        let Some(of) = self.vips.get(vip) else {
            return;
        };
        // Of those that answer now, the two that began first are the two that have longest.
        let two = of.answering.get(1).map(|(_, since)| now - *since);
        let several = of.several_since.map(|since| now - since);
        let begun = [of.nobody_since, self.candidate_since];
        let is_all = begun.iter().all(Option::is_some);
        let nobody = begun.into_iter().flatten().max().filter(|_| is_all);
        let nobody = nobody.map(|since| self.awake_for(now) - since);
        self.worst_nobody = self.worst_nobody.max(nobody.unwrap_or_default());
        if of.of_halves {
            self.worst_halves = self.worst_halves.max(several.unwrap_or_default());
        } else if let (Some(two), Some(several)) = (two, several) {
            self.worst_two = self.worst_two.max(two);
            self.worst_several = self.worst_several.max(several);
            if two > TWO {
                self.breaks(now, vip, What::Two(two, self.answering(vip)));
            }
            if several > SEVERAL {
                self.breaks(now, vip, What::Several(several, self.answering(vip)));
            }
        }
        if let Some(time) = nobody.filter(|time| *time > NOBODY) {
            self.breaks(now, vip, What::Nobody(time));
        }
    }

    fn breaks(&mut self, now: Instant, vip: usize, what: What) {
        let at = now - self.start;
        self.broken.get_or_insert(Broken { at, vip, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_answer_are_told_from_several_that_relieve_each_other() {
        let rows = [
            (
                "one after the other",
                vec![(0, 0, 100), (1, 100, 200)],
                0,
                0,
                None,
            ),
            (
                "two for a while",
                vec![(0, 0, 300), (1, 200, 900)],
                100,
                100,
                None,
            ),
            (
                "the same two, twice",
                vec![(0, 0, 900), (1, 100, 200), (1, 300, 450)],
                150,
                150,
                None,
            ),
            (
                "three relieve each other",
                vec![(0, 0, 300), (1, 100, 500), (2, 290, 900)],
                210,
                400,
                None,
            ),
            (
                "two for too long",
                vec![(0, 0, 300), (1, 50, 900)],
                250,
                250,
                Some("[0, 1] answered"),
            ),
            (
                "several for too long",
                vec![(0, 0, 300), (1, 100, 500), (2, 270, 700), (3, 470, 900)],
                230,
                600,
                Some("several, [2, 3] at last, answered"),
            ),
        ];
        let vips = Arc::new(BTreeSet::from([0]));
        for (what, answers, two, several, broken) in rows {
            let start = Instant::now();
            let at = |moment: u64| start + Duration::from_millis(moment);
            let mut watch = Watch::new(start, 4, 1);
            let mut changes: Vec<(u64, bool, usize)> = answers
                .iter()
                .flat_map(|(node, from, to)| [(*from, true, *node), (*to, false, *node)])
                .collect();
            changes.sort();
            for (moment, begins, node) in changes {
                let until = begins.then(|| at(10_000));
                watch.node(at(moment), node, until, Arc::clone(&vips), true);
            }
            let worst = [watch.worst_two, watch.worst_several].map(|time| time.as_millis());
            assert_eq!(worst, [two, several], "{what}");
            let said = watch.broken.map(|broken| broken.to_string());
            match (&said, broken) {
                (Some(said), Some(part)) => assert!(said.contains(part), "{what}: {said}"),
                (said, broken) => assert_eq!(said.is_some(), broken.is_some(), "{what}: {said:?}"),
            }
        }
    }
}
