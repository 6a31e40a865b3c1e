//! What a person who looks at the log at night has to know of the membership, at INFO: who is gone or
//! back, who does not answer, and when this node falls silent. Of each kind there is at most one line
//! a second; what comes in between is told by the next one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::responder::Fence;
use tracing::info;

use super::Live;
use super::core::Standing;

/// Lines of one kind, at most one in so long a time.
const EVERY: Duration = Duration::from_secs(1);

/// What was last told.
#[derive(Debug, Default)]
pub struct Log {
    live: Told<BTreeSet<Arc<str>>>,
    suspects: Told<BTreeSet<Arc<str>>>,
    is_open: Told<bool>,
}

/// One kind of lines.
#[derive(Debug, Default)]
struct Told<T> {
    value: T,
    at: Option<Instant>,
}

impl<T: PartialEq> Told<T> {
    /// Whether this is to be told now; what was told before.
    fn news(&mut self, now: Instant, value: T) -> Option<T> {
        let is_early = self.at.is_some_and(|at| now < at + EVERY);
        if is_early || self.value == value {
            return None;
        }
        self.at = Some(now);
        Some(std::mem::replace(&mut self.value, value))
    }
}

impl Log {
    /// Tells what is new. Cheap where nothing is: it is asked at every wake.
    pub fn look(
        &mut self,
        now: Instant,
        live: &Live,
        suspects: BTreeSet<Arc<str>>,
        (fence, standing): (Fence, Standing),
    ) {
        let nodes: BTreeSet<Arc<str>> = live.nodes.keys().cloned().collect();
        let alive = nodes.len();
        if let Some(before) = self.live.news(now, nodes) {
            let now = &self.live.value;
            let lost: Vec<&Arc<str>> = before.difference(now).collect();
            let found: Vec<&Arc<str>> = now.difference(&before).collect();
            if !lost.is_empty() {
                info!(nodes = ?lost, alive, "speakers are gone or cannot answer; others take over their addresses");
            }
            if !found.is_empty() {
                info!(nodes = ?found, alive, "speakers are alive");
            }
        }
        if let Some(before) = self.suspects.news(now, suspects) {
            let new: Vec<&Arc<str>> = self.suspects.value.difference(&before).collect();
            if !new.is_empty() {
                info!(nodes = ?new, "speakers do not answer; they are given up if they do not object at once");
            }
        }
        let is_open = fence.is_open(now);
        if self.is_open.news(now, is_open).is_some() {
            match is_open {
                true => info!(
                    ?standing,
                    "enough speakers are with this node: it answers by ARP and NDP"
                ),
                false => info!(
                    ?standing,
                    "too few speakers are with this node, or it was not running: it answers nothing by ARP and NDP until they are back"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_kind_a_line_is_told_once_a_second_and_nothing_is_left_out() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut told = Told::<u8>::default();
        let rows = [
            (0, 0, None),
            (10, 1, Some(0)),
            (500, 2, None),
            (900, 1, None),
            (1_010, 3, Some(1)),
            (3_000, 3, None),
        ];
        for (ms, value, expected) in rows {
            assert_eq!(told.news(at(ms), value), expected, "{ms}");
        }
    }
}
