//! Prometheus text format 0.0.4: a metric as a row of a table, and the writing of it.

use std::fmt::{Display, Write};

use crate::histogram::Histogram;

/// A metric, and how its samples are read from each subject (a session, a pool, the daemon).
pub struct Metric<T> {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    read: fn(&T, &mut Samples<'_>),
}

impl<T> Metric<T> {
    /// A value that goes up and down.
    pub const fn gauge(
        name: &'static str,
        help: &'static str,
        read: fn(&T, &mut Samples<'_>),
    ) -> Metric<T> {
        Metric::new("gauge", name, help, read)
    }

    /// A value that only goes up.
    pub const fn counter(
        name: &'static str,
        help: &'static str,
        read: fn(&T, &mut Samples<'_>),
    ) -> Metric<T> {
        Metric::new("counter", name, help, read)
    }

    /// How long something took, each time.
    pub const fn histogram(
        name: &'static str,
        help: &'static str,
        read: fn(&T, &mut Samples<'_>),
    ) -> Metric<T> {
        Metric::new("histogram", name, help, read)
    }

    const fn new(
        kind: &'static str,
        name: &'static str,
        help: &'static str,
        read: fn(&T, &mut Samples<'_>),
    ) -> Metric<T> {
        Metric {
            name,
            kind,
            help,
            read,
        }
    }
}

/// Where the samples of one metric go.
pub struct Samples<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Samples<'_> {
    /// Adds a sample. Labels have the same names in each sample of a metric.
    pub fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let braces = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", written(labels)),
        };
        // A String takes every write.
        let _ = writeln!(self.text, "{}{braces} {value}", self.name);
    }

    /// Adds all samples of a histogram.
    pub fn add_histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        // A String takes every write.
        let _ = histogram.write(self.text, self.name, &written(labels));
    }
}

fn written(labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    labels.join(",")
}

/// Writes each metric of a table with its samples of all subjects.
pub fn write<T>(text: &mut String, table: &[Metric<T>], subjects: &[T]) {
    for metric in table {
        let Metric {
            name, kind, help, ..
        } = metric;
        // A String takes every write.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        let mut samples = Samples { name, text };
        for subject in subjects {
            (metric.read)(subject, &mut samples);
        }
    }
}

/// Backslash, quote and line feed.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_quotes_and_line_feeds_stays_one_label() {
        let metric = Metric::gauge("herald_x", "X.", |name: &&str, out| {
            out.add(&[("peer", name)], 1);
        });
        let mut text = String::new();
        write(&mut text, &[metric], &["a\"b\\c\nd"]);
        let expected = "# HELP herald_x X.\n# TYPE herald_x gauge\n\
                        herald_x{peer=\"a\\\"b\\\\c\\nd\"} 1\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn samples_of_all_subjects_stand_below_their_metric() {
        let table = [
            Metric::gauge("a", "A.", |number: &u8, out| out.add(&[], number)),
            Metric::counter("b_total", "B.", |number, out| out.add(&[], number + 1)),
        ];
        let mut text = String::new();
        write(&mut text, &table, &[1, 2]);
        let expected = "# HELP a A.\n# TYPE a gauge\na 1\na 2\n\
                        # HELP b_total B.\n# TYPE b_total counter\nb_total 2\nb_total 3\n";
        assert_eq!(text, expected);
    }
}
