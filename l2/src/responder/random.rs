//! Numbers from a seed, for jitter only.

use std::time::Duration;

/// A stream of numbers that depends on nothing but its seed (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// From 0 to `most`.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1);
        Duration::from_nanos(self.next() % (nanos + 1))
    }

    /// From `least` to `most`; `least` where that is the greater.
    pub(super) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + self.up_to(most.saturating_sub(least))
    }

    /// From 75 % to 100 % of `time`.
    pub(super) fn jitter(&mut self, time: Duration) -> Duration {
        self.between(time - time / 4, time)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_within_its_bounds_and_two_seeds_give_two_rows() {
        let (least, most) = (Duration::from_millis(200), Duration::from_millis(300));
        let row = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(move |_| random.between(least, most))
        };
        assert!(row(7).all(|time| (least..=most).contains(&time)));
        assert!(row(7).ne(row(8)) && row(7).eq(row(7)));
        assert_eq!(Random::new(7).between(most, least), most);
        assert!(Random::new(7).up_to(Duration::MAX) < Duration::MAX);
    }
}
