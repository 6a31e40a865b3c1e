//! Hold time (RFC 4271 §4.2): 0, or at least 3 seconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A Hold Time that RFC 4271 §4.2 allows: 0 (no KEEPALIVEs, no hold timer) or 3 to 65,535 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldTime(u16);

impl HoldTime {
    /// No hold timer and no KEEPALIVEs.
    pub const DISABLED: HoldTime = HoldTime(0);
    /// 90 seconds, RFC 4271 §10's suggestion.
    pub const DEFAULT: HoldTime = HoldTime(90);

    /// A hold time of `seconds`, or `None` for 1 and 2.
    pub const fn new(seconds: u16) -> Option<HoldTime> {
        match seconds {
            1 | 2 => None,
            seconds => Some(HoldTime(seconds)),
        }
    }

    /// Seconds, 0 for disabled.
    pub const fn seconds(self) -> u16 {
        self.0
    }

    /// The time after which a silent peer is down; `None` when disabled.
    pub fn duration(self) -> Option<Duration> {
        (self.0 != 0).then(|| Duration::from_secs(u64::from(self.0)))
    }
}
