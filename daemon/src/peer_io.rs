//! One task a neighbour: it owns the [`bgp::Peer`], its sockets, and gives it time and octets.
//!
//! Nothing here decides anything about the protocol. Nothing here waits for one socket while
//! another could go on either: the task waits for all of its sources at once, reads and writes
//! only what is ready, and tasks share nothing. So a slow or silent peer delays nobody.
//!
//! Bounds: two connections; one chunk of input and one of output each ([`connection`]); a queue
//! of [`MAX_COMMANDS`]; the latest set of routes only.

mod connection;
mod recorded;
#[cfg(test)]
mod stalled;
mod task;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::adj_in::ReceivedAttributes;
use bgp::fsm::StateName;
use bgp::peer::{LocalAddresses, PeerStatus, StopReason};
use bgp::{PeerConfig, RouteSet};
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::error;

use crate::histogram::Histogram;
use crate::net::interface;
use crate::net::tcp::Transport;
use crate::panics::{self, Restarts};
use crate::record::Recordings;

/// Commands that wait for a peer's task, at most; more are refused.
const MAX_COMMANDS: usize = 32;
/// Notices that wait for a slow listener; it then loses the oldest.
const MAX_NOTICES: usize = 64;
/// How long a peer's task may take to answer a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A neighbour: what the session needs and how TCP reaches it. If any of it changes, so must the
/// session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSpec {
    /// The BGPPeer's name.
    pub name: Arc<str>,
    /// What the session needs to know.
    pub config: PeerConfig,
    /// How TCP reaches it.
    pub transport: Transport,
}

/// A connection that the peer has opened.
#[derive(Debug)]
pub struct Accepted {
    stream: TcpStream,
    interface: LocalAddresses,
}

impl Accepted {
    /// A connection from the listening socket. Asks the kernel for the interface's addresses on a
    /// thread for what blocks.
    ///
    /// # Errors
    /// The connection is gone already.
    pub async fn new(stream: TcpStream) -> std::io::Result<Accepted> {
        let (local, remote) = (stream.local_addr()?.ip(), stream.peer_addr()?.ip());
        let interface = local_addresses(local, remote).await;
        Ok(Accepted { stream, interface })
    }
}

async fn local_addresses(local: std::net::IpAddr, remote: std::net::IpAddr) -> LocalAddresses {
    let asked = tokio::task::spawn_blocking(move || interface::local_addresses(local, remote));
    // It only fails when the runtime ends.
    asked.await.unwrap_or_default()
}

/// What is asked of a peer's task.
enum Command {
    Connection(Accepted),
    /// End the session for this reason, and the task with it.
    Stop(StopReason),
    Status(oneshot::Sender<PeerReport>),
    AdjIn(oneshot::Sender<Vec<ReceivedRoute>>),
}

/// A route of the Adj-RIB-In.
pub type ReceivedRoute = (IpNet, Arc<ReceivedAttributes>);

/// What a peer says of itself, and when it did.
#[derive(Clone, Debug)]
pub struct PeerReport {
    /// The moment that the times in `status` relate to.
    pub at: Instant,
    /// The Peer's own words.
    pub status: PeerStatus,
    /// How long it took from a change until the peer was sent all of it, in this task's time.
    pub until_sent: Histogram,
}

/// What has just happened to a peer, for whoever listens.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The session is in this state now; states it only passed through are left out.
    State(StateName),
    /// Established.
    Up,
    /// No longer Established, or an attempt has failed: why, and the same for people.
    Down(String),
    /// Messages came in: the Adj-RIB-In may have changed.
    Received,
}

/// A running peer. Clones are the same peer.
#[derive(Clone, Debug)]
pub struct PeerHandle {
    commands: mpsc::Sender<Command>,
    routes: Arc<watch::Sender<Option<Routes>>>,
}

/// What a peer is to be told, and since when there is what made it so.
type Routes = (Arc<RouteSet>, Instant);

/// The task's end of a [`PeerHandle`].
struct Inbox {
    commands: mpsc::Receiver<Command>,
    routes: watch::Receiver<Option<Routes>>,
    notices: broadcast::Sender<Notice>,
}

/// Starts a peer's task, and gives every notice from the very first on. It gets no routes before
/// the first [`PeerHandle::set_routes`], and ends after [`PeerHandle::stop`] or with the last
/// handle.
pub fn spawn_with_notices(
    spec: PeerSpec,
) -> (PeerHandle, broadcast::Receiver<Notice>, JoinHandle<()>) {
    start(spec, None, None)
}

/// Starts a peer's task once its old one has ended, or after two seconds; it is recorded if there
/// is where to.
pub fn spawn_after(
    spec: PeerSpec,
    before: Option<JoinHandle<()>>,
    recordings: Option<Recordings>,
) -> (PeerHandle, JoinHandle<()>) {
    let (handle, _, task) = start(spec, before, recordings);
    (handle, task)
}

fn start(
    spec: PeerSpec,
    before: Option<JoinHandle<()>>,
    recordings: Option<Recordings>,
) -> (PeerHandle, broadcast::Receiver<Notice>, JoinHandle<()>) {
    let (commands, command_inbox) = mpsc::channel(MAX_COMMANDS);
    let (routes, route_inbox) = watch::channel(None);
    let (notices, first) = broadcast::channel(MAX_NOTICES);
    let inbox = Inbox {
        commands: command_inbox,
        routes: route_inbox,
        notices,
    };
    let task = tokio::spawn(async move {
        if let Some(before) = before {
            // Its Cease has been sent by then, or will never be.
            let _ = tokio::time::timeout(ANSWER_WITHIN, before).await;
        }
        supervise(spec, recordings, inbox).await;
    });
    let handle = PeerHandle {
        commands,
        routes: Arc::new(routes),
    };
    (handle, first, task)
}

impl PeerHandle {
    /// Replaces the whole desired Adj-RIB-Out, which is so because of something that came at
    /// `since`. The task takes the latest one when it comes to it.
    pub fn set_routes(&self, routes: Arc<RouteSet>, since: Instant) {
        self.routes.send_if_modified(|current| {
            let new = current.as_ref().is_none_or(|(known, _)| *known != routes);
            if new {
                *current = Some((routes, since));
            }
            new
        });
    }

    /// Hands over a connection that the peer opened. Whether the task had room for it; otherwise
    /// it is closed.
    pub fn connection(&self, accepted: Accepted) -> bool {
        self.commands
            .try_send(Command::Connection(accepted))
            .is_ok()
    }

    /// Ends the session, and the task.
    pub async fn stop(&self, reason: StopReason) {
        let _ = self.commands.send(Command::Stop(reason)).await;
    }

    /// What the peer says of itself; `None` if it does not answer within two seconds.
    pub async fn status(&self) -> Option<PeerReport> {
        self.ask(Command::Status).await
    }

    /// The routes that the peer holds from its neighbour, where its configuration keeps them.
    pub async fn adj_in(&self) -> Option<Vec<ReceivedRoute>> {
        self.ask(Command::AdjIn).await
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.commands.send(question(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.ok()?
    }
}

/// Runs the task; if it panics, logs that and runs it anew, ever later. No other peer notices.
async fn supervise(spec: PeerSpec, recordings: Option<Recordings>, mut inbox: Inbox) {
    let mut restarts = Restarts::default();
    loop {
        let run = task::PeerTask::new(&spec, recordings.as_ref()).run(&mut inbox);
        let Err(panic) = panics::caught(run).await else {
            return;
        };
        let wait = restarts.wait();
        error!(
            peer = %spec.name,
            panic,
            retry_in_s = wait.as_secs(),
            "the peer's task failed, which is a defect; it begins again"
        );
        if inbox.stopped_within(wait).await {
            return;
        }
    }
}

impl Inbox {
    /// Lets time pass; whether the peer was stopped meanwhile. Questions stay unanswered.
    async fn stopped_within(&mut self, wait: Duration) -> bool {
        let stopped = async {
            loop {
                match self.commands.recv().await {
                    None | Some(Command::Stop(_)) => return,
                    Some(Command::Connection(_) | Command::Status(_) | Command::AdjIn(_)) => {}
                }
            }
        };
        tokio::time::timeout(wait, stopped).await.is_ok()
    }
}
