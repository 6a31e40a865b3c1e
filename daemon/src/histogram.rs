//! How long something takes, each time: a histogram as Prometheus knows it.

use std::array;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in milliseconds; the last bucket has none.
const BOUNDS: [u64; 14] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
];

/// Counts durations by how long they are. Clones are the same histogram.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets {
            counts: array::from_fn(|_| AtomicU64::new(0)),
            microseconds: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// It took so long once more.
    pub fn observe(&self, took: Duration) {
        let bucket = BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < took);
        // There is a bucket behind the last bound.
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0
            .microseconds
            .fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Its samples in the text format, in seconds. `labels` are written, such as `peer="tor"`, or
    /// empty.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut impl Write, name: &str, labels: &str) -> fmt::Result {
        let comma = if labels.is_empty() { "" } else { "," };
        let braces = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{labels}}}"),
        };
        let mut all = 0;
        let bounds = BOUNDS.iter().map(|bound| seconds(bound * 1_000));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (count, bound) in self.0.counts.iter().zip(bounds) {
            all += count.load(Ordering::Relaxed);
            writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {all}")?;
        }
        let sum = seconds(self.0.microseconds.load(Ordering::Relaxed));
        writeln!(out, "{name}_sum{braces} {sum}")?;
        writeln!(out, "{name}_count{braces} {all}")
    }
}

fn seconds(microseconds: u64) -> String {
    let (whole, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_is_not_shorter_and_in_all_after_it() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram
            .write(&mut text, "x_seconds", "peer=\"tor\"")
            .expect("a String");
        for line in [
            "x_seconds_bucket{peer=\"tor\",le=\"0.001\"} 2\n",
            "x_seconds_bucket{peer=\"tor\",le=\"0.002\"} 3\n",
            "x_seconds_bucket{peer=\"tor\",le=\"10\"} 3\n",
            "x_seconds_bucket{peer=\"tor\",le=\"30\"} 4\n",
            "x_seconds_bucket{peer=\"tor\",le=\"+Inf\"} 5\n",
            "x_seconds_sum{peer=\"tor\"} 60.002002\n",
            "x_seconds_count{peer=\"tor\"} 5\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn without_labels_only_buckets_have_braces() {
        let mut text = String::new();
        let empty = Histogram::default();
        empty.write(&mut text, "x_seconds", "").expect("a String");
        assert!(text.contains("x_seconds_bucket{le=\"0.5\"} 0\n"), "{text}");
        assert!(
            text.ends_with("x_seconds_sum 0\nx_seconds_count 0\n"),
            "{text}"
        );
    }
}
