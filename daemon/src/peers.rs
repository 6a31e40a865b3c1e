//! Which neighbours this node has, and what each is told: the World's answer turned into tasks.
//!
//! [`Neighbours::desired`] says what should be, [`Peers::apply`] makes it so by comparing with what is. A peer
//! whose session parameters changed gets Cease/6 and begins anew; one whose routes changed keeps
//! its session.

mod listener;
mod routes;
mod spec;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bgp::RouteSet;
use bgp::peer::StopReason;
use plan::{Announcements, World};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::peer_io::{self, PeerHandle, PeerSpec};
use crate::record::Recordings;
use listener::Listener;
pub use listener::Problems as ListenerProblems;
pub use spec::Identity;

/// How long ending every session may take.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// A neighbour as wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredPeer {
    /// What the session is like.
    pub spec: PeerSpec,
    /// What it is told.
    pub routes: Arc<RouteSet>,
}

/// The neighbours that this node is to have, from round to round.
#[derive(Debug)]
pub struct Neighbours {
    identity: Identity,
    sets: routes::Sets,
}

impl Neighbours {
    /// None yet, of the node of this identity.
    pub fn new(identity: Identity) -> Neighbours {
        Neighbours {
            identity,
            sets: routes::Sets::default(),
        }
    }

    /// Those of this World, by name. Takes the time of what differs from the round before.
    pub fn desired(
        &mut self,
        world: &World,
        announcements: &Announcements,
    ) -> BTreeMap<Arc<str>, DesiredPeer> {
        self.sets.begin();
        let mut peers = BTreeMap::new();
        for (name, wanted) in &announcements.peers {
            let Some(peer) = world.peers.get(name) else {
                continue;
            };
            match spec::spec(peer, world, &self.identity) {
                Ok(spec) => {
                    let routes = self.sets.of(name, wanted, &spec.config);
                    peers.insert(Arc::clone(name), DesiredPeer { spec, routes });
                }
                // The reader of manifests refuses such a peer, so this is its defect.
                Err(reason) => warn!(peer = %name, reason, "the peer cannot be used"),
            }
        }
        peers
    }
}

/// The running peers, for those who ask about them.
#[derive(Clone, Debug, Default)]
pub struct PeerTable(Arc<RwLock<ByName>>);

/// A peer as it runs, by name.
type ByName = BTreeMap<Arc<str>, (PeerSpec, PeerHandle)>;

impl PeerTable {
    /// The peers now, by name.
    pub fn all(&self) -> Vec<(PeerSpec, PeerHandle)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.values().cloned().collect()
    }

    fn insert(&self, spec: PeerSpec, handle: PeerHandle) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.insert(Arc::clone(&spec.name), (spec, handle));
    }

    fn remove(&self, name: &str) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.remove(name);
    }
}

/// The peers of this node.
#[derive(Debug)]
pub struct Peers {
    running: BTreeMap<Arc<str>, Running>,
    ending: JoinSet<()>,
    table: PeerTable,
    listener: Listener,
    recordings: Option<Recordings>,
    /// No set has been applied yet: what starts now may take over from an earlier process.
    first: bool,
}

#[derive(Debug)]
struct Running {
    spec: PeerSpec,
    handle: PeerHandle,
    task: JoinHandle<()>,
}

impl Peers {
    /// None yet. `listen` is where to listen; empty is: at port 179, if a peer is passive. Every
    /// session is recorded, if there is where to.
    pub fn new(listen: Vec<SocketAddr>, recordings: Option<Recordings>) -> Peers {
        let table = PeerTable::default();
        Peers {
            running: BTreeMap::new(),
            ending: JoinSet::new(),
            listener: Listener::new(listen, table.clone()),
            table,
            recordings,
            first: true,
        }
    }

    /// The running peers, for those who ask about them.
    pub fn table(&self) -> PeerTable {
        self.table.clone()
    }

    /// What is wrong with listening, if anything is; shared with those who ask.
    pub fn listener_problems(&self) -> ListenerProblems {
        self.listener.problems()
    }

    /// Makes the running peers those of `desired`, because of something that came at `since`.
    pub fn apply(&mut self, desired: BTreeMap<Arc<str>, DesiredPeer>, since: Instant) {
        while self.ending.try_join_next().is_some() {}
        let gone: Vec<Arc<str>> = self
            .running
            .keys()
            .filter(|name| !desired.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            info!(peer = %name, "peer is no longer configured");
            if let Some(old) = self.running.remove(&name) {
                self.table.remove(&name);
                self.ending.spawn(end(old, StopReason::PeerDeconfigured));
            }
        }
        for (name, DesiredPeer { spec, routes }) in desired {
            let same = self
                .running
                .get(&name)
                .is_some_and(|running| running.spec == spec);
            if !same {
                let old = self.running.remove(&name);
                self.start(name.clone(), spec, old);
            }
            if let Some(running) = self.running.get(&name) {
                running.handle.set_routes(routes, since);
            }
        }
        self.first = false;
        self.listener
            .follow(self.running.values().map(|running| &running.spec));
    }

    fn start(&mut self, name: Arc<str>, spec: PeerSpec, old: Option<Running>) {
        info!(peer = %name, address = %spec.transport.address, anew = old.is_some(), "peer is configured");
        let mut begun = spec.clone();
        // RFC 4724 §4.1: a router that waits for us must hear that we are the one it waits for.
        begun.config.restarting = self.first && spec.config.graceful_restart_time.is_some();
        // The old session's Cease comes first.
        let before = old.map(|old| tokio::spawn(end(old, StopReason::OtherConfigurationChange)));
        let recordings = self.recordings.clone();
        let (handle, task) = peer_io::spawn_after(begun, before, recordings);
        self.table.insert(spec.clone(), handle.clone());
        let running = Running { spec, handle, task };
        self.running.insert(name, running);
    }

    /// Ends every session: silently where graceful restart is to bridge the gap, else with
    /// Cease/2 and a text. Takes three seconds at most.
    pub async fn stop(mut self, text: &str) {
        for (_, old) in std::mem::take(&mut self.running) {
            let reason = match old.spec.config.graceful_restart_time {
                Some(_) => StopReason::Restart,
                None => StopReason::AdministrativeShutdown(text.to_owned()),
            };
            self.ending.spawn(end(old, reason));
        }
        let ended = async { while self.ending.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            warn!("not every session could be ended in time");
        }
    }
}

async fn end(old: Running, reason: StopReason) {
    old.handle.stop(reason).await;
    // The task catches panics, so it ends by itself.
    let _ = old.task.await;
}
