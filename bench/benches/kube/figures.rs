//! Figures as they are printed.

use std::fmt;
use std::time::Duration;

use bench::figures::percentile;

/// A table in Markdown.
pub struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub fn new(columns: &'static [&'static str]) -> Table {
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row, and shows it at once.
    pub fn row(&mut self, row: Vec<String>) {
        println!("{}: {}", self.columns[0], row.join(" | "));
        self.rows.push(row);
    }

    /// Adds rows.
    pub fn rows(&mut self, rows: Vec<Vec<String>>) {
        rows.into_iter().for_each(|row| self.row(row));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.columns.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// Columns of [`crate::scene::Scene::memory`].
pub const MEMORY: &[&str] = &[
    "of",
    "memory",
    "RSS of the controller, MiB",
    "of each speaker, MiB",
    "peak of the controller, MiB",
    "of each speaker, MiB",
    "load",
];

/// A time in ms.
pub fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// A time in s.
pub fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

/// Octets in MiB.
pub fn mebibytes(octets: u64) -> String {
    format!("{:.1}", octets as f64 / f64::from(1 << 20))
}

/// p50 and p99 in ms.
pub fn p50_p99(values: &[Duration]) -> String {
    let [p50, p99] = [50, 99].map(|percent| ms(percentile(values, percent)));
    format!("{p50} / {p99}")
}

/// The machine's load of the last minute: what the benchmark itself does is in it.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// Cores and kernel.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, Linux {}, load {}", kernel.trim(), load())
}
