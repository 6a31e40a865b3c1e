//! `herald speaker`: announces, from one node of a cluster, what is assigned.

mod keeper;
mod link_reports;
mod reporter;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use controller::kube::service_bgp_status::Owner;
use controller::kube::{Role, Source, client};
use controller::last_known::{self, LastKnown};
use controller::snapshot::Snapshot;
use plan::Allocation;
use plan::announce::Announcer;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock;
use crate::links::keys::{self, KeySource, SpeakersSecret};
use crate::links::{Cluster, Links};
use crate::net::interface;
use crate::observe::Observed;
use crate::options::{AnnounceArgs, ClusterArgs, DaemonArgs, LinkArgs};
use crate::pace::{Pace, after};
use crate::peers::{Identity, Neighbours, Peers};
use crate::record::Recordings;
use crate::runtime;
use crate::signals::{Heard, Signals};
use crate::view::{ProblemLog, View};
use keeper::Keeper;
use reporter::Reporter;

/// How long the API server is waited for, before the World of the last run is announced.
const API_WITHIN: Duration = Duration::from_secs(3);
/// How often listening is tried again, if it has failed.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);
/// The text of the Cease that a stop sends (RFC 9003).
const STOPPING: &str = "herald stopping";

/// Announces, from one node of a cluster, what is assigned. Writes no Service.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// This node's name, as its Node object has it.
    #[arg(long, value_name = "NAME", env = "HERALD_NODE")]
    node: String,
    /// The file that keeps what the cluster last said, so that it is announced although the API
    /// server is away when this starts. Passwords of BGPPeers are in it; in FILE.keys beside it are
    /// the keys of speakers.
    #[arg(long, value_name = "FILE", env = "HERALD_STATE")]
    state: Option<PathBuf>,
    /// The Pod that this runs in: what it reports goes with it.
    #[arg(
        long,
        value_name = "NAME",
        env = "HERALD_POD_NAME",
        requires = "pod_uid"
    )]
    pod_name: Option<String>,
    /// Its uid.
    #[arg(
        long,
        value_name = "UID",
        env = "HERALD_POD_UID",
        requires = "pod_name"
    )]
    pod_uid: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    announce: AnnounceArgs,
    #[command(flatten)]
    links: LinkArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Runs the command, until SIGTERM or SIGINT.
pub fn main(args: Args) -> ExitCode {
    runtime::run(&args.daemon.log.clone(), run(args))
}

async fn run(args: Args) -> Result<(), String> {
    let listeners = args.daemon.listeners().await?;
    let node: Arc<str> = args.node.into();
    let health = args.announce.health();
    let client = client::connect(args.cluster.kubeconfig.as_deref()).await?;
    let recordings = args.announce.record.as_deref();
    let recordings = recordings.map(Recordings::open).transpose()?;
    let peers = Peers::new(args.announce.listen, recordings);
    let namespace = &args.cluster.namespace;
    let source = Source::start(
        &client,
        Role::Speaker,
        namespace,
        args.daemon.classes.options(),
        std::future::ready(()),
    );
    let (views, view) = watch::channel(Arc::new(View::empty(Arc::clone(&node))));
    let owner = args.pod_name.zip(args.pod_uid);
    let owner = owner.map(|(pod, uid)| Owner { pod, uid });
    let reporter = Reporter::new(
        &client,
        namespace,
        &node,
        owner,
        peers.table(),
        view.clone(),
    );
    let observed = Observed::new(view, peers.table(), peers.listener_problems(), health)
        .with_source(source.hearings())
        .with_writers(reporter.counts());
    let reports = tokio::spawn(reporter.run());
    let servers = listeners.serve(observed);
    info!(%node, %namespace, version = env!("CARGO_PKG_VERSION"), "herald speaks for the node");
    let identity = Identity {
        node: Arc::clone(&node),
        host: interface::first_ipv4(),
    };
    let keys = match &args.links.membership_key {
        Some(path) => KeySource::File(path.clone()),
        None => KeySource::Secret(SpeakersSecret {
            client: client.clone(),
            namespace: namespace.clone(),
            kept: args.state.as_deref().map(last_known::keys::beside),
        }),
    };
    let speaker = Speaker {
        links: Links::new(
            &node,
            args.links.options(health),
            keys::read(keys),
            Some(Cluster {
                client: client.clone(),
                namespace: namespace.clone(),
                hearings: source.hearings(),
            }),
        ),
        announcer: Announcer::new(&node, health),
        neighbours: Neighbours::new(identity),
        node,
        peers,
        views,
        last: args.state.clone(),
        keeper: Keeper::new(args.state),
        problems: ProblemLog::default(),
        rounds: 0,
    };
    speaker.serve(&source).await?;
    reports.abort();
    drop(servers);
    Ok(())
}

struct Speaker {
    node: Arc<str>,
    links: Links,
    announcer: Announcer,
    neighbours: Neighbours,
    peers: Peers,
    views: watch::Sender<Arc<View>>,
    keeper: Keeper,
    problems: ProblemLog,
    rounds: u64,
    /// Where the World of the last run is, until the API server has been heard.
    last: Option<PathBuf>,
}

impl Speaker {
    /// One round for each snapshot. What changes meanwhile is the next one.
    async fn serve(mut self, source: &Source) -> Result<(), String> {
        let mut signals = Signals::new()?;
        let mut snapshots = source.snapshots();
        let waited = tokio::time::sleep_until(Instant::now() + API_WITHIN);
        let mut waited = std::pin::pin!(waited);
        let mut pace = Pace::new();
        let mut current: Option<Arc<Snapshot>> = None;
        loop {
            tokio::select! {
                changed = after(pace.next(), snapshots.changed()) => {
                    changed.map_err(|_| "the cluster is no longer watched".to_owned())?;
                    current.clone_from(&snapshots.borrow_and_update());
                    self.last = None;
                }
                () = &mut waited, if self.last.is_some() => {
                    let Some(path) = self.last.take() else { continue };
                    let last = tokio::task::block_in_place(|| load(&path));
                    let Some(LastKnown { world, speakers }) = last else { continue };
                    warn!("the API server is not heard: what it last said is announced");
                    self.links.recall(speakers);
                    let last = Snapshot { world, ..Snapshot::default() };
                    current = Some(Arc::new(last));
                }
                () = self.links.changed() => {}
                () = tokio::time::sleep(LISTEN_AGAIN), if self.must_listen_again() => {}
                heard = signals.next() => match heard {
                    // There is nothing to read again: the API server tells of every change.
                    Heard::Reread => continue,
                    Heard::Stop => break,
                }
            }
            if let Some(snapshot) = &current {
                // It computes: the other threads have the peers meanwhile.
                let since = source.changed_since();
                tokio::task::block_in_place(|| pace.round(|| self.round(snapshot, since)));
            }
        }
        info!("stopping");
        self.links.stop().await;
        self.peers.stop(STOPPING).await;
        self.keeper.stop().await;
        Ok(())
    }

    fn round(&mut self, snapshot: &Snapshot, since: Instant) {
        self.problems.log(&snapshot.problems);
        let mut world = snapshot.world.clone();
        let links = self.links.next(clock::now(), &mut world);
        let announcements = self.announcer.next(&world);
        let peers = self.neighbours.desired(&world, &announcements);
        self.peers.apply(peers, since.into_std());
        self.rounds += 1;
        self.keeper.keep(&world, self.links.speakers());
        self.views.send_replace(Arc::new(View {
            node: Arc::clone(&self.node),
            problems: snapshot.problems.clone(),
            versions: snapshot.versions.clone(),
            rounds: self.rounds,
            state_error: None,
            announcements: Some(announcements),
            links,
            allocation: Allocation::default(),
            world,
        }));
    }

    fn must_listen_again(&self) -> bool {
        !self.peers.listener_problems().texts().is_empty()
    }
}

/// What the last run knew, if there was one. It is as large as what the API server says, so it is
/// read only where that is not heard.
fn load(path: &Path) -> Option<LastKnown> {
    last_known::load(path).unwrap_or_else(|error| {
        warn!(%error, "what the cluster last said is not known");
        None
    })
}
