//! `herald status`: what the daemon on this host is doing.

pub mod reason;
mod table;

use std::process::ExitCode;

use serde_json::Value;

use crate::answer::{self, Output};
use crate::observe::client;
use crate::options::SocketArg;

/// Asks the daemon on this host what it is doing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to show; everything in short if nothing is said.
    #[arg(value_enum)]
    subject: Option<Subject>,
    /// How to show it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Show all that the daemon knows, as JSON (or YAML with `-o yaml`).
    #[arg(long, conflicts_with = "subject")]
    world: bool,
    #[command(flatten)]
    socket: SocketArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// Sessions: state, last error, when it is tried again.
    Peers,
    /// What each peer is told.
    Routes,
    /// Services, their addresses, and to whom they are announced.
    Services,
    /// Pools, and how full they are.
    Pools,
    /// Nodes, and whether they may announce.
    Nodes,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Subject::Peers => "peers",
            Subject::Routes => "routes",
            Subject::Services => "services",
            Subject::Pools => "pools",
            Subject::Nodes => "nodes",
        }
    }
}

/// Runs the command.
pub fn main(args: &Args) -> ExitCode {
    let path = match (args.world, args.subject) {
        (true, _) => "/world".to_owned(),
        (false, Some(subject)) => format!("/status/{}", subject.name()),
        (false, None) => "/status".to_owned(),
    };
    let answer = client::get(&args.socket.socket, &path).and_then(|(found, text)| match found {
        true => serde_json::from_str::<Value>(&text).map_err(|error| error.to_string()),
        false => Err(format!(
            "the daemon does not know {path}: is it another version?"
        )),
    });
    let value = match answer {
        Ok(value) => value,
        Err(reason) => return answer::fail(reason),
    };
    match args.output {
        Output::Yaml => answer::say(controller::yaml::document(&value)),
        Output::Table if !args.world => answer::say(table::text(&value)),
        Output::Json | Output::Table => answer::say(format_args!("{value:#}\n")),
    }
    ExitCode::SUCCESS
}
