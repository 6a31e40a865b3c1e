//! `herald run`: allocator and speaker in one process, out of a watched directory.

pub mod round;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use controller::file::Source;
use controller::record::Record;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

use crate::cli::{self, ClassArg, SocketArg};
use crate::logging::{self, LogArgs};
use crate::net::{interface, memory};
use crate::observe::{self, Observed};
use crate::peers::{Identity, Peers, desired};
use crate::record::Recordings;
use crate::runtime;
use round::{Rounds, View};

/// Wait before a state file that could not be written is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(5);
/// How often listening is tried again, if it has failed.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);
/// The text of the Cease that a stop sends (RFC 9003).
const STOPPING: &str = "herald stopping";

/// Gives addresses to the Services of a directory of manifests, and announces them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory of manifests. It is watched; SIGHUP has it read at once.
    #[arg(long, value_name = "DIR", env = "HERALD_CONFIG")]
    config: PathBuf,
    /// The file that remembers which Service has which address. Without it, that is forgotten at
    /// exit.
    #[arg(long, value_name = "FILE", env = "HERALD_STATE")]
    state: Option<PathBuf>,
    /// This node's name, as Node manifests and endpoints have it; the host's name by default.
    #[arg(long, value_name = "NAME", env = "HERALD_NODE")]
    node: Option<String>,
    /// Listen for peers there (repeatable); port 179 if none is said. By default it listens at
    /// every address as long as a BGPPeer is passive.
    #[arg(
        long,
        value_name = "ADDR[:PORT]",
        env = "HERALD_LISTEN",
        value_delimiter = ',',
        value_parser = listen_address
    )]
    listen: Vec<SocketAddr>,
    /// Where /metrics, /healthz and /readyz are served, or `off`.
    #[arg(
        long,
        value_name = "ADDR:PORT|off",
        env = "HERALD_METRICS",
        default_value = ":7472",
        value_parser = metrics_address
    )]
    metrics: MetricsAddress,
    /// Record each peer's session into a file of this directory, for `herald replay`: 64 MiB a
    /// file at most, and up to four earlier ones a peer. Passwords are not in them.
    #[arg(long, value_name = "DIR", env = "HERALD_RECORD")]
    record: Option<PathBuf>,
    /// Announce from a node with the label that excludes it from external load balancers.
    #[arg(long, env = "HERALD_IGNORE_EXCLUDE_LB")]
    ignore_exclude_lb: bool,
    /// What a cordoned node does: announce with GRACEFUL_SHUTDOWN, or as before.
    #[arg(long, value_enum, default_value_t, env = "HERALD_ON_CORDON")]
    on_cordon: OnCordon,
    #[command(flatten)]
    socket: SocketArg,
    #[command(flatten)]
    classes: ClassArg,
    #[command(flatten)]
    log: LogArgs,
}

/// `--on-cordon`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum OnCordon {
    /// De-preferred, until it is drained.
    #[default]
    Leave,
    /// As if it were not cordoned.
    Keep,
}

/// `--metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MetricsAddress(Option<SocketAddr>);

fn metrics_address(text: &str) -> Result<MetricsAddress, String> {
    if text == "off" {
        return Ok(MetricsAddress(None));
    }
    let whole = match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => text.to_owned(),
    };
    let address = whole.parse();
    address
        .map(|address| MetricsAddress(Some(address)))
        .map_err(|_| "expected ADDR:PORT, :PORT or off".to_owned())
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let alone = text.parse::<IpAddr>().ok();
    let alone = alone.map(|address| SocketAddr::new(address, 179));
    alone
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "expected an address, or ADDR:PORT ([ADDR]:PORT for IPv6)".to_owned())
}

/// Runs the command, until SIGTERM or SIGINT.
pub fn main(args: Args) -> ExitCode {
    let ready = logging::start(&args.log).map_err(|error| (2, error));
    let done = ready.and_then(|()| {
        let runtime =
            runtime::daemon().map_err(|error| (1, format!("cannot start the runtime: {error}")))?;
        runtime.block_on(run(args)).map_err(|error| (1, error))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, error)) => {
            cli::fail(error);
            ExitCode::from(code)
        }
    }
}

async fn run(args: Args) -> Result<(), String> {
    let node: Arc<str> = args.node.map_or_else(host_name, Ok)?.into();
    let health = plan::health::Options {
        ignore_exclude_label: args.ignore_exclude_lb,
        keep_on_cordon: args.on_cordon == OnCordon::Keep,
    };
    let identity = Identity {
        node: Arc::clone(&node),
        host: interface::first_ipv4(),
    };
    let (views, view) = watch::channel(Arc::new(View::empty(Arc::clone(&node))));
    let recordings = args.record.as_deref().map(Recordings::open).transpose()?;
    let peers = Peers::new(args.listen, recordings);
    let observed = Observed::new(view, peers.table(), peers.listener_problems(), health);
    // Before anything is read: however long that takes, the daemon is alive, and not ready.
    let servers = observe::serve(&args.socket.socket, args.metrics.0, observed).await?;
    let options = args.classes.options();
    let read = || open(args.state.as_deref(), &args.config, options);
    let (record, source) = tokio::task::block_in_place(read)?;
    info!(%node, config = %args.config.display(), version = env!("CARGO_PKG_VERSION"), "herald runs");
    let daemon = Daemon {
        rounds: Rounds::new(node, record, health),
        source,
        peers,
        identity,
        views,
    };
    daemon.serve().await?;
    drop(servers);
    Ok(())
}

/// Reads what was assigned, and the directory for the first time.
fn open(
    state: Option<&Path>,
    config: &Path,
    options: controller::Options,
) -> Result<(Record, Source), String> {
    let record = match state {
        Some(path) => Record::open(path).map_err(|error| error.to_string())?,
        None => Record::in_memory(),
    };
    let source = Source::open(config, options, record.assignments());
    let source = source.map_err(|problem| problem.to_string())?;
    Ok((record, source))
}

/// The name the kernel has for this host.
fn host_name() -> Result<String, String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name =
        name.map_err(|error| format!("cannot find the host's name ({error}): set --node"))?;
    Ok(name.trim().to_owned())
}

struct Daemon {
    rounds: Rounds,
    source: Source,
    peers: Peers,
    identity: Identity,
    views: watch::Sender<Arc<View>>,
}

impl Daemon {
    /// One round for each snapshot. What changes during a round is the next one.
    async fn serve(mut self) -> Result<(), String> {
        let mut signals =
            Signals::new().map_err(|error| format!("cannot take signals: {error}"))?;
        let mut snapshots = self.source.snapshots();
        snapshots.mark_changed();
        let mut again = false;
        loop {
            let retry = match again {
                true => STORE_AGAIN,
                false => LISTEN_AGAIN,
            };
            tokio::select! {
                changed = snapshots.changed() => {
                    changed.map_err(|_| "the directory is no longer watched".to_owned())?;
                }
                () = tokio::time::sleep(retry), if again || self.must_listen_again() => {}
                heard = signals.next() => match heard {
                    Heard::Reread => {
                        info!("SIGHUP: reading the directory");
                        self.source.set_assignments(self.rounds.assignments());
                    }
                    Heard::Stop => break,
                }
            }
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            // It computes, and writes a file: the other thread has the peers meanwhile.
            again = tokio::task::block_in_place(|| self.round(&snapshot));
        }
        info!("stopping");
        self.peers.stop(STOPPING).await;
        Ok(())
    }

    /// Whether it has to be done again although nothing changes.
    fn round(&mut self, snapshot: &controller::file::Snapshot) -> bool {
        let before = self.rounds.assignments();
        let view = self.rounds.next(snapshot);
        let after = self.rounds.assignments();
        if !Arc::ptr_eq(&before, &after) {
            self.source.set_assignments(after);
        }
        self.peers
            .apply(desired(&view.world, &view.announcements, &self.identity));
        let again = view.state_error.is_some();
        self.views.send_replace(Arc::new(view));
        memory::trim();
        again
    }

    fn must_listen_again(&self) -> bool {
        !self.peers.listener_problems().texts().is_empty()
    }
}

enum Heard {
    Reread,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.hangup.recv() => Heard::Reread,
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_their_defaults() {
        assert_eq!(metrics_address("off"), Ok(MetricsAddress(None)));
        let any = "[::]:7472".parse().ok();
        assert_eq!(metrics_address(":7472"), Ok(MetricsAddress(any)));
        assert!(metrics_address("7472").is_err());
        let table = [
            ("127.0.0.2", "127.0.0.2:179"),
            ("127.0.0.2:1790", "127.0.0.2:1790"),
            ("::1", "[::1]:179"),
            ("[::1]:1790", "[::1]:1790"),
        ];
        for (text, address) in table {
            assert_eq!(listen_address(text).ok(), address.parse().ok(), "{text}");
        }
        assert!(listen_address("localhost").is_err());
    }
}
