//! The arguments of benchmarks that let something fail again and again.

use std::fmt::Display;

/// Rounds of each failure where none are asked for.
const ROUNDS: usize = 30;

/// The words of the command line. Cargo adds `--bench` to them.
pub fn words() -> Vec<String> {
    let words = std::env::args().skip(1);
    words.filter(|word| !word.starts_with("--")).collect()
}

/// How often to let fail what.
pub struct Rounds {
    /// Of each failure.
    pub each: usize,
    /// Parts of their names; all are chosen where there are none.
    names: Vec<String>,
}

impl Rounds {
    /// As the command line says: the number of rounds (30), then parts of names of failures (all).
    pub fn from_arguments() -> Rounds {
        let mut names = words();
        let number = names.first().and_then(|word| word.parse().ok());
        names.drain(..usize::from(number.is_some()));
        Rounds {
            each: number.unwrap_or(ROUNDS),
            names,
        }
    }

    /// Those of them that are asked for.
    pub fn chosen<F: Display>(
        &self,
        failures: impl IntoIterator<Item = F>,
    ) -> impl Iterator<Item = F> {
        let is_chosen = |failure: &F| {
            let failure = failure.to_string();
            self.names.is_empty() || self.names.iter().any(|name| failure.contains(name))
        };
        failures.into_iter().filter(is_chosen)
    }
}
