//! Durations of several runs as they are printed.

use std::time::Duration;

/// The value that so many of 100 do not exceed: the nearest rank. Of nothing it is zero.
pub fn percentile(values: &[Duration], percent: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// What the columns of [`p50_p99_max`] are.
pub const P50_P99_MAX: &str = "milliseconds: p50 / p99 / max";

/// The median, the 99th percentile and the largest, in whole ms. Of nothing it is `never`.
pub fn p50_p99_max(values: &[Duration]) -> String {
    if values.is_empty() {
        return "never".to_owned();
    }
    let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(values, percent).as_millis());
    format!("{p50} / {p99} / {max}")
}
