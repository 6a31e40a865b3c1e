//! The loop of a peer: wait for anything, give it to the Peer, do what the Peer wants.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::fsm::StateName;
use bgp::peer::{Direction, LocalAddresses};
use bgp::{Action, ConnId, Event};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tracing::{debug, info};

use super::connection::Connection;
use super::recorded::RecordedPeer;
use super::{Accepted, Command, Inbox, Notice, PeerReport, PeerSpec, local_addresses};
use crate::clock::{now, sleep_until};
use crate::histogram::Histogram;
use crate::net::tcp::Transport;
use crate::record::Recordings;
use crate::status::reason;

/// Connections that linger after their end, at most; the oldest words are then cut short.
const MAX_LINGERING: usize = 8;

/// A connection made, and the interface's other addresses.
type Opened = Result<(TcpStream, LocalAddresses), String>;

/// A connection being made.
type Attempt = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// A neighbour at work.
pub struct PeerTask {
    spec: PeerSpec,
    peer: RecordedPeer,
    connections: Vec<Connection>,
    connecting: Option<(ConnId, Attempt)>,
    lingering: JoinSet<()>,
    next_incoming: u64,
    state: StateName,
    /// Since when there is something that an Established peer has not been sent yet.
    unsent_since: Option<Instant>,
    until_sent: Histogram,
    /// The last reason logged, so that a peer that stays away is not news each time.
    logged: Option<String>,
}

/// Why the task wakes up.
enum Wake {
    Timer,
    Command(Option<Command>),
    Routes,
    Opened(ConnId, Opened),
    Ready(ConnId, std::io::Result<tokio::io::Ready>),
}

impl PeerTask {
    /// A task that has not begun, recorded if there is where to.
    pub fn new(spec: &PeerSpec, recordings: Option<&Recordings>) -> PeerTask {
        // Seeds the jitter only; the keys of a RandomState are random.
        let entropy = RandomState::new().build_hasher().finish();
        let recorder =
            recordings.and_then(|recordings| recordings.begin(&spec.name, &spec.config, entropy));
        PeerTask {
            peer: RecordedPeer::new(spec.config.clone(), entropy, now(), recorder),
            spec: spec.clone(),
            connections: Vec::new(),
            connecting: None,
            lingering: JoinSet::new(),
            next_incoming: 0,
            state: StateName::Idle,
            unsent_since: None,
            until_sent: Histogram::default(),
            logged: None,
        }
    }

    /// Runs until the peer is stopped or nobody is left to ask for it.
    pub async fn run(mut self, inbox: &mut Inbox) {
        inbox.routes.mark_changed();
        self.peer.handle(now(), Event::Start);
        loop {
            self.settle(inbox);
            let wake = self.wait(inbox).await;
            let stop = self.take(wake, inbox);
            if stop {
                break;
            }
        }
        self.settle(inbox);
        // Each ends within a second.
        while self.lingering.join_next().await.is_some() {}
        self.peer.finish().await;
    }

    /// Waits for whatever comes first. Cancel-safe, as what loses the race takes nothing with it:
    /// channels keep their values, [`Connection::ready`] only waits, and the connection attempt
    /// lives in `self`.
    async fn wait(&mut self, inbox: &mut Inbox) -> Wake {
        let deadline = self.peer.poll_timeout().map(|(at, _)| at);
        let connecting = &mut self.connecting;
        let opened = async {
            match connecting {
                Some((conn, attempt)) => (*conn, attempt.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep_until(deadline) => Wake::Timer,
            command = inbox.commands.recv() => Wake::Command(command),
            Ok(()) = inbox.routes.changed() => Wake::Routes,
            (conn, opened) = opened => Wake::Opened(conn, opened),
            (conn, ready) = any_ready(&self.connections) => Wake::Ready(conn, ready),
        }
    }

    /// Gives the Peer what happened. Whether the task is to end.
    fn take(&mut self, wake: Wake, inbox: &mut Inbox) -> bool {
        match wake {
            Wake::Timer => self.peer.handle_timeout(now()),
            Wake::Command(command) => return self.command(command),
            Wake::Routes => {
                let routes = inbox.routes.borrow_and_update().clone();
                if let Some((routes, since)) = routes {
                    self.peer.set_routes(now(), routes);
                    // Who is told everything anew when the session begins does not wait for this.
                    let since = Some(since).filter(|_| self.state == StateName::Established);
                    self.unsent_since = self.unsent_since.or(since);
                }
            }
            Wake::Opened(conn, opened) => {
                self.connecting = None;
                match opened {
                    Ok((stream, interface)) => {
                        self.connected(conn, Direction::Outgoing, stream, interface);
                    }
                    Err(reason) => self
                        .peer
                        .handle(now(), Event::ConnectFailed { conn, reason }),
                }
            }
            Wake::Ready(conn, ready) => self.ready(conn, ready, inbox),
        }
        false
    }

    fn command(&mut self, command: Option<Command>) -> bool {
        match command {
            None => {
                let text = "herald stopping".to_owned();
                let reason = bgp::peer::StopReason::AdministrativeShutdown(text);
                self.peer.handle(now(), Event::Stop(reason));
                return true;
            }
            Some(Command::Stop(reason)) => {
                self.peer.handle(now(), Event::Stop(reason));
                return true;
            }
            Some(Command::Connection(Accepted { stream, interface })) => {
                self.next_incoming += 1;
                let conn = ConnId(self.next_incoming);
                self.connected(conn, Direction::Incoming, stream, interface);
            }
            Some(Command::Status(reply)) => {
                let at = now();
                let status = self.peer.status(at);
                // Whoever asked may have gone.
                let until_sent = self.until_sent.clone();
                let _ = reply.send(PeerReport {
                    at,
                    status,
                    until_sent,
                });
            }
            Some(Command::AdjIn(reply)) => {
                let routes = self.peer.adj_in().into_iter();
                let routes = routes.flat_map(|adj_in| adj_in.routes());
                let routes = routes.map(|(prefix, attributes)| (*prefix, Arc::clone(attributes)));
                let _ = reply.send(routes.collect());
            }
        }
        false
    }

    fn connected(
        &mut self,
        conn: ConnId,
        direction: Direction,
        stream: TcpStream,
        interface: LocalAddresses,
    ) {
        let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else {
            let reason = "the connection ended at once".to_owned();
            self.peer
                .handle(now(), Event::ConnectFailed { conn, reason });
            return;
        };
        debug!(peer = %self.spec.name, %local, %remote, ?direction, "TCP connection");
        self.connections.push(Connection::new(conn, stream));
        let event = Event::Connected {
            conn,
            direction,
            local,
            remote,
            interface,
        };
        self.peer.handle(now(), event);
    }

    fn ready(&mut self, conn: ConnId, ready: std::io::Result<tokio::io::Ready>, inbox: &mut Inbox) {
        let Some(at) = self.connections.iter().position(|c| c.id == conn) else {
            return;
        };
        let connection = &mut self.connections[at];
        let outcome = match ready {
            // What can be written is written after every wake.
            Ok(ready) if !ready.is_readable() && !ready.is_read_closed() => return,
            Ok(_) => connection.read(&mut self.peer, now()),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                // Nobody may be listening.
                let _ = inbox.notices.send(Notice::Received);
            }
            Err(reason) => {
                self.connections.remove(at);
                self.peer.handle(now(), Event::Closed { conn, reason });
            }
        }
    }

    /// Does all that the Peer wants done, and writes what the sockets take.
    fn settle(&mut self, inbox: &Inbox) {
        while let Some(action) = self.peer.poll_action() {
            self.act(action, inbox);
        }
        for connection in &mut self.connections {
            connection.write(&mut self.peer, now());
        }
        if let Some(since) = self.unsent_since
            && !self.peer.is_pending()
        {
            self.unsent_since = None;
            self.until_sent
                .observe(now().saturating_duration_since(since));
        }
        let state = self.peer.state();
        if state != self.state {
            debug!(peer = %self.spec.name, from = %self.state, to = %state, "session state");
            self.state = state;
            self.unsent_since = None;
            let _ = inbox.notices.send(Notice::State(state));
        }
    }

    fn act(&mut self, action: Action, inbox: &Inbox) {
        match action {
            Action::Connect(conn) => {
                let attempt = open(self.spec.transport.clone(), self.attempt_time());
                self.connecting = Some((conn, Box::pin(attempt)));
            }
            Action::CancelConnect(conn) => {
                if self.connecting.as_ref().is_some_and(|(id, _)| *id == conn) {
                    self.connecting = None;
                }
            }
            Action::Close(conn) => self.close(conn),
            Action::Up(negotiated) => {
                info!(
                    peer = %self.spec.name,
                    peer_as = %negotiated.peer_as,
                    identifier = %negotiated.peer_identifier,
                    hold_time_s = negotiated.hold_time.seconds(),
                    "session is Established"
                );
                self.logged = None;
                let _ = inbox.notices.send(Notice::Up);
            }
            Action::Down(reason) => {
                let heard = self.peer.heard();
                let text = reason::text(&reason, &self.spec.config, heard);
                match self.logged.as_deref() == Some(&*text) {
                    true => debug!(peer = %self.spec.name, reason = text, "session is down"),
                    false => info!(peer = %self.spec.name, reason = text, "session is down"),
                }
                let _ = inbox.notices.send(Notice::Down(text.clone()));
                self.logged = Some(text);
            }
        }
    }

    /// How long an attempt may stay unanswered: less than the Peer's own timer, which is jittered
    /// down to 75 % (RFC 4271 §10), and would end it without a reason for people.
    fn attempt_time(&self) -> Duration {
        self.spec
            .config
            .connect_retry_time
            .max(Duration::from_secs(1))
            * 7
            / 10
    }

    fn close(&mut self, conn: ConnId) {
        while self.lingering.try_join_next().is_some() {}
        let Some(at) = self.connections.iter().position(|c| c.id == conn) else {
            return;
        };
        let connection = self.connections.remove(at);
        let linger = connection.close(&mut self.peer, now());
        if self.lingering.len() < MAX_LINGERING {
            self.lingering.spawn(linger);
        }
    }
}

/// The first connection with something to do; a Peer has at most two.
async fn any_ready(connections: &[Connection]) -> (ConnId, std::io::Result<tokio::io::Ready>) {
    match connections {
        [] => std::future::pending().await,
        [only] => only.ready().await,
        [one, other, ..] => tokio::select! {
            ready = one.ready() => ready,
            ready = other.ready() => ready,
        },
    }
}

async fn open(transport: Transport, within: Duration) -> Opened {
    let stream = transport.connect(within).await?;
    let ended = |error: std::io::Error| format!("the connection ended at once: {error}");
    let local = stream.local_addr().map_err(ended)?.ip();
    let remote = stream.peer_addr().map_err(ended)?.ip();
    Ok((stream, local_addresses(local, remote).await))
}
