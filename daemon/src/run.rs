//! `herald run`: allocator and speaker in one process, out of a watched directory.

pub mod round;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use controller::file::Source;
use controller::record::Record;
use plan::World;
use tokio::sync::watch;
use tracing::info;

use crate::clock::{self, Clock};
use crate::links::Links;
use crate::links::conflicts::Conflicts;
use crate::links::keys::{self, KeySource};
use crate::net::interface;
use crate::observe::Observed;
use crate::options::{self, AnnounceArgs, DaemonArgs, LinkArgs, SharingArgs};
use crate::pace::{Pace, after};
use crate::peers::{Identity, Neighbours, Peers};
use crate::record::Recordings;
use crate::runtime;
use crate::signals::{Heard, Signals};
use crate::view::View;
use round::Rounds;

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
    #[command(flatten)]
    announce: AnnounceArgs,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    sharing: SharingArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Runs the command, until SIGTERM or SIGINT.
pub fn main(args: Args) -> ExitCode {
    runtime::run(&args.daemon.log.clone(), run(args))
}

async fn run(args: Args) -> Result<(), String> {
    let listeners = args.daemon.listeners().await?;
    let node: Arc<str> = args.node.map_or_else(options::host_name, Ok)?.into();
    let health = args.announce.health();
    let identity = Identity {
        node: Arc::clone(&node),
        host: interface::first_ipv4(),
    };
    let (views, view) = watch::channel(Arc::new(View::empty(Arc::clone(&node))));
    let recordings = args
        .announce
        .record
        .as_deref()
        .map(Recordings::open)
        .transpose()?;
    let peers = Peers::new(args.announce.listen, recordings);
    let observed = Observed::new(view, peers.table(), peers.listener_problems(), health);
    // Before anything is read: however long that takes, the daemon is alive, and not ready.
    let servers = listeners.serve(observed);
    let options = args.daemon.classes.options();
    let read = || open(args.state.as_deref(), &args.config, options);
    let (record, source) = tokio::task::block_in_place(read)?;
    info!(%node, config = %args.config.display(), version = env!("CARGO_PKG_VERSION"), "herald runs");
    let keys = match &args.links.membership_key {
        Some(path) => KeySource::File(path.clone()),
        None => KeySource::None,
    };
    let daemon = Daemon {
        conflicts: Conflicts::default(),
        links: Links::new(&node, args.links.options(health), keys::read(keys), None),
        rounds: Rounds::new(node, record, health, args.sharing.options()),
        clock: Clock::start(),
        source,
        peers,
        neighbours: Neighbours::new(identity),
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

struct Daemon {
    links: Links,
    conflicts: Conflicts,
    rounds: Rounds,
    clock: Clock,
    source: Source,
    peers: Peers,
    neighbours: Neighbours,
    views: watch::Sender<Arc<View>>,
}

impl Daemon {
    /// One round for each snapshot. What changes during a round is the next one.
    async fn serve(mut self) -> Result<(), String> {
        let mut signals = Signals::new()?;
        let mut snapshots = self.source.snapshots();
        snapshots.mark_changed();
        let mut due = None;
        let mut pace = Pace::new();
        loop {
            let listen = self.must_listen_again().then_some(LISTEN_AGAIN);
            let wait = due.into_iter().chain(listen).min();
            tokio::select! {
                changed = after(pace.next(), snapshots.changed()) => {
                    changed.map_err(|_| "the directory is no longer watched".to_owned())?;
                }
                () = self.links.changed() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
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
            due = tokio::task::block_in_place(|| pace.round(|| self.round(&snapshot)));
        }
        info!("stopping");
        self.links.stop().await;
        self.peers.stop(STOPPING).await;
        Ok(())
    }

    /// After how long there has to be another one although nothing changes.
    fn round(&mut self, snapshot: &controller::file::Snapshot) -> Option<Duration> {
        let since = Instant::now();
        let before = self.rounds.assignments();
        let now = self.clock.now();
        let strangers = match snapshot.world.nodes.len() {
            // Several hosts allocate each for itself, and must all come to the same.
            2.. => BTreeMap::new(),
            _ => self.links.strangers(),
        };
        let (conflicts, until) = self.conflicts.next(clock::now(), &strangers);
        let elect = |world: &mut World| self.links.next(clock::now(), world);
        let view = self.rounds.next(snapshot, now, conflicts, elect);
        let after = self.rounds.assignments();
        if !Arc::ptr_eq(&before, &after) {
            self.source.set_assignments(after);
        }
        if let Some(announcements) = &view.announcements {
            let peers = self.neighbours.desired(&view.world, announcements);
            self.peers.apply(peers, since);
        }
        let store = view.state_error.is_some().then_some(STORE_AGAIN);
        let deadline = view.allocation.deadline;
        let deadline = deadline.map(|deadline| self.clock.until(deadline));
        self.views.send_replace(Arc::new(view));
        let until = until.map(|at| at.saturating_duration_since(clock::now()));
        store.into_iter().chain(deadline).chain(until).min()
    }

    fn must_listen_again(&self) -> bool {
        !self.peers.listener_problems().texts().is_empty()
    }
}
