//! The command line: one module a command, which has its own flags.
//!
//! Exit codes: 0 done; 1 what was asked about is wrong, or could not be done; 2 bad usage.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};

use crate::{check, controller, decode, demo, explain, replay, run, speaker, status};

/// Where the daemon is asked, unless `--socket` says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/herald/herald.sock";

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

/// `--socket`.
#[derive(Clone, Debug, clap::Args)]
pub struct SocketArg {
    /// The daemon's unix socket.
    #[arg(long, value_name = "PATH", env = "HERALD_SOCKET", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
}

/// `--lb-class`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClassArg {
    /// A loadBalancerClass that is ours (repeatable). Without it, Services without a class are.
    #[arg(
        long = "lb-class",
        value_name = "CLASS",
        env = "HERALD_LB_CLASS",
        value_delimiter = ','
    )]
    pub classes: Vec<String>,
}

impl ClassArg {
    /// The same, as the reader of manifests takes it.
    pub fn options(&self) -> ::controller::Options {
        ::controller::Options {
            load_balancer_classes: self.classes.clone(),
        }
    }
}

/// A number and `ms`, `s`, `m` or `h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit: 500ms, 10s, 1m, 1h".to_owned();
    let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(milliseconds) {
        // A year is as good as for ever, and no clock runs over.
        Some(total) if (1..=31_536_000_000).contains(&total) => Ok(Duration::from_millis(total)),
        Some(_) | None => Err("write a time between 1ms and 8760h".to_owned()),
    }
}

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

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let cases = [
            ("500ms", 500),
            ("10s", 10_000),
            ("1m", 60_000),
            ("2h", 7_200_000),
        ];
        for (text, expected) in cases {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(expected)),
                "{text}"
            );
        }
        for text in [
            "",
            "10",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "1d",
            "99999999999h",
            "8761h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
