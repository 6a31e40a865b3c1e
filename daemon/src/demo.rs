//! `herald demo`: the whole line on one machine, without a cluster and without root.
//!
//! The sample manifests become a World, the World assignments and announcements, and these a BGP
//! session over TCP on loopback with an embedded router, which shows what it holds. All of it is
//! what `herald run` uses; only the picture is the demonstration's own.

mod event;
mod held;
mod manifests;
mod picture;
mod router;
mod screen;
mod speaker;
mod stage;
mod table;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use screen::{Format, Screen};

/// Show allocation, BGP and a failover on this machine: no root, no cluster.
///
/// Sample Services get addresses out of sample pools, and these are announced over TCP on loopback
/// to an embedded router, which shows the routes it holds. Then the endpoint of one Service goes
/// away and comes back, over and over, and the withdrawal and the announcement are timed as the
/// router sees them. It runs until Ctrl-C, or for the time of `--for`; nothing is left behind.
///
/// Exit code 1: `--for` is over and the session never came up.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after this time, such as 10s or 1m (default: Ctrl-C ends it, piped or not).
    #[arg(long = "for", value_name = "DURATION", env = "HERALD_FOR", value_parser = crate::options::duration)]
    time: Option<Duration>,
    /// Talk to this router instead of the embedded one. It has to expect a neighbour in AS 64512.
    /// What it holds is not known here; our Adj-RIB-Out is shown.
    #[arg(long, value_name = "ADDR:PORT", requires = "router_asn")]
    router: Option<SocketAddr>,
    /// The AS of the router (the embedded one: 64513).
    #[arg(long, value_name = "ASN", value_parser = clap::value_parser!(u32).range(1..))]
    router_asn: Option<u32>,
    /// How to show it (default: table on a terminal, text elsewhere).
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let stdout = io::stdout();
    let format = args.output.unwrap_or_else(|| Format::default_of(&stdout));
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut screen = Screen::new(stdout.lock(), format, colour);
    let done = runtime().and_then(|runtime| {
        let done = runtime.block_on(stage::play(args, &mut screen));
        // Nothing that is left has anything to say.
        runtime.shutdown_background();
        done
    });
    let finished = screen.finish(size());
    drop(screen);
    match done.and_then(|established| finished.map(|()| established)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever read the lines has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "herald demo: {error}");
            ExitCode::from(1)
        }
    }
}

/// Threads of their own for the sessions: a screen that blocks must not hold them up.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// Columns and rows of the terminal, if there is one.
fn size() -> Option<(usize, usize)> {
    let (columns, rows) = terminal_size::terminal_size()?;
    Some((columns.0.into(), rows.0.into()))
}
