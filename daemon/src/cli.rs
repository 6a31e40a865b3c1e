//! The command line.

use std::process::ExitCode;

use crate::decode;

/// Addresses for Services of a bare-metal cluster, announced by BGP.
#[derive(Debug, clap::Parser)]
#[command(
    name = "herald",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Decode(decode::Args),
}

impl Cli {
    /// Runs the command that was asked for.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Decode(args) => decode::run(&args),
        }
    }
}
