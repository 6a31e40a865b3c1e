//! How a command that asks something answers.

use std::io::{self, Write};
use std::process::ExitCode;

/// `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// Writes a command's answer to standard output. Whoever closes it early (`herald status | head`)
/// has read enough.
pub fn say(answer: impl std::fmt::Display) {
    let written = write!(io::stdout(), "{answer}");
    if let Err(error) = written.and_then(|()| io::stdout().flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("herald: cannot write to standard output: {error}");
    }
}

/// Says on standard error why a command cannot go on; exit code 1.
pub fn fail(reason: impl std::fmt::Display) -> ExitCode {
    eprintln!("herald: {reason}");
    ExitCode::from(1)
}
