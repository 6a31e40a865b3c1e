//! The `herald` binary: sockets, tasks and files around the pure crates.

mod cli;
mod decode;
#[allow(dead_code, reason = "the commands that use it follow")]
mod logging;
#[allow(dead_code, reason = "the commands that use it follow")]
mod net;
#[allow(dead_code, reason = "the commands that use it follow")]
mod peer_io;
#[allow(dead_code, reason = "the commands that use it follow")]
mod runtime;
#[allow(dead_code, reason = "the commands that use it follow")]
mod status;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
