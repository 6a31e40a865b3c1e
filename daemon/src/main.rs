//! The `herald` binary. All it does is in the library beside it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    herald::Cli::parse().run()
}
