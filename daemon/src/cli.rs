//! The command line: one module a command, which has its own flags.
//!
//! Exit codes: 0 done; 1 what was asked about is wrong, or could not be done; 2 bad usage.

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};

use crate::{check, controller, decode, demo, explain, replay, run, speaker, status};

/// Gives Services of a bare-metal Kubernetes cluster addresses, and announces them by BGP.
#[derive(Debug, clap::Parser)]
#[command(
    name = "herald",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    styles = Styles::styled()
        .header(AnsiColor::Green.on_default().bold())
        .usage(AnsiColor::Green.on_default().bold())
        .literal(AnsiColor::Cyan.on_default())
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run(run::Args),
    Controller(controller::Args),
    Speaker(speaker::Args),
    Check(check::Args),
    Status(status::Args),
    Explain(explain::Args),
    Decode(decode::Args),
    Demo(demo::Args),
    Replay(replay::Args),
}

impl Cli {
    /// Runs the command that was asked for.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::main(args),
            Command::Controller(args) => controller::main(args),
            Command::Speaker(args) => speaker::main(args),
            Command::Check(args) => check::main(&args),
            Command::Status(args) => status::main(&args),
            Command::Explain(args) => explain::main(&args),
            Command::Decode(args) => decode::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Replay(args) => replay::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_that_several_commands_have_has_an_environment_variable() {
        for command in Cli::command().get_subcommands() {
            for name in [
                "socket",
                "classes",
                "state",
                "record",
                "metrics",
                "node",
                "log_format",
            ] {
                let argument = command.get_arguments().find(|a| a.get_id() == name);
                let variable = argument.map(|argument| argument.get_env().is_some());
                assert_ne!(variable, Some(false), "{} {name}", command.get_name());
            }
        }
    }
}
