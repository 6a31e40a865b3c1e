//! One task: a UDP socket, the clock, and the [`Core`] between them.
//!
//! Bounds: the latest value of each input; [`MAX_COMMANDS`]; [`MAX_BATCH`] datagrams between two
//! looks at the clock; what the Core holds itself.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::responder::Fence;
use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::core::{Core, Counters, Seed, Standing, Transmit};
use super::log::Log;
use super::{Addresses, Config, Facts, Keyring, Live, MAX_DATAGRAM};
use crate::clock::sleep_until;
use crate::panics::{self, Restarts};

/// Commands that wait for the task, at most.
pub const MAX_COMMANDS: usize = 16;
/// Datagrams read in one go, at most.
const MAX_BATCH: usize = 256;
/// A fence that is put off by less than this is not told: its readers need not wake for it.
const FENCE_STEP: Duration = Duration::from_millis(20);
/// A key that we do not have is logged at most once in so long a time.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What is asked of the task.
pub enum Command {
    /// [`Core::leave`]; answered when the others have been told.
    Leave(oneshot::Sender<()>),
    /// [`Core::is_back_in_service`].
    BackInService,
    /// What has been counted.
    Report(oneshot::Sender<Counters>),
}

/// The task's end of a handle.
pub struct Inbox {
    pub commands: mpsc::Receiver<Command>,
    pub peers: watch::Receiver<Option<Arc<Addresses>>>,
    pub keys: watch::Receiver<Keyring>,
    pub facts: watch::Receiver<Option<Arc<Facts>>>,
    pub live: watch::Sender<Option<Arc<Live>>>,
    pub fence: watch::Sender<Fence>,
    pub standing: watch::Sender<Standing>,
}

/// A socket on an address. One on all of IPv6 hears IPv4 too.
///
/// # Errors
/// The address is in use, is not of this machine, or the system has no descriptor left.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Runs the task; if it panics, logs that and runs it anew as a member that has just started.
/// Until then the fence is closed.
pub async fn supervise(config: Config, node: Arc<str>, socket: UdpSocket, mut inbox: Inbox) {
    let mut restarts = Restarts::default();
    loop {
        let run = Task::run(&config, &node, &socket, &mut inbox);
        let why = match panics::caught(run).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic,
        };
        inbox.fence.send_replace(Fence::Closed);
        inbox.standing.send_replace(Standing::Minority);
        error!(
            why,
            "the task for the liveness of speakers failed, which is a defect; it begins again"
        );
        tokio::time::sleep(restarts.wait()).await;
    }
}

struct Task<'a> {
    core: Core,
    socket: &'a UdpSocket,
    /// Whether IPv4 addresses go through a socket of IPv6.
    mapped: bool,
    unsent: u64,
    logged: Option<Instant>,
    log: Log,
}

impl Task<'_> {
    async fn run(
        config: &Config,
        node: &str,
        socket: &UdpSocket,
        inbox: &mut Inbox,
    ) -> io::Result<()> {
        let keys = inbox.keys.borrow_and_update().clone();
        let generation = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0);
        let core = Core::new(
            config.clone(),
            node,
            keys,
            seed()?,
            generation.max(1),
            Instant::now(),
        );
        let core = core.ok_or_else(|| io::Error::other("the cipher cannot be set up"))?;
        let mapped = socket.local_addr()?.is_ipv6();
        let mut task = Task {
            core,
            socket,
            mapped,
            unsent: 0,
            logged: None,
            log: Log::default(),
        };
        inbox.peers.mark_changed();
        inbox.facts.mark_changed();
        loop {
            task.take_inputs(inbox);
            // What has arrived counts before what is due: who was asleep finds its answers first.
            task.receive();
            task.core.handle_timeout(Instant::now());
            task.transmit();
            task.tell(inbox);
            tokio::select! {
                () = sleep_until(task.core.poll_timeout()) => {}
                ready = socket.readable() => ready?,
                Ok(()) = inbox.peers.changed() => inbox.peers.mark_changed(),
                Ok(()) = inbox.keys.changed() => inbox.keys.mark_changed(),
                Ok(()) = inbox.facts.changed() => inbox.facts.mark_changed(),
                command = inbox.commands.recv() => match command {
                    Some(command) => task.command(command),
                    None => return Ok(()),
                },
            }
        }
    }

    fn take_inputs(&mut self, inbox: &mut Inbox) {
        if let Some(keys) = changed(&mut inbox.keys) {
            info!(?keys, "the keys of the speakers have changed");
            self.core.set_keys(keys);
        }
        if let Some(Some(peers)) = changed(&mut inbox.peers) {
            self.core.set_peers(Instant::now(), &peers);
        }
        if let Some(Some(facts)) = changed(&mut inbox.facts) {
            self.core.set_facts(Instant::now(), facts);
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Leave(done) => {
                self.core.leave(Instant::now());
                self.transmit();
                // Whoever asked may be gone.
                let _ = done.send(());
            }
            Command::BackInService => self.core.is_back_in_service(Instant::now()),
            Command::Report(reply) => {
                let mut counters = self.core.counters().clone();
                counters.unsent += self.unsent;
                let _ = reply.send(counters);
            }
        }
    }

    /// Reads what has arrived. An octet more than fits shows what is too long.
    fn receive(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM + 1];
        for _ in 0..MAX_BATCH {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((len, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    let datagram = buffer.get(..len).unwrap_or_default();
                    self.core.receive(Instant::now(), from, datagram);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Such as that nobody listens where we have sent to.
                Err(_) => {}
            }
        }
        self.log_unknown_key();
    }

    fn log_unknown_key(&mut self) {
        let Some((from, key)) = self.core.counters().last_unknown_key else {
            return;
        };
        let counted = self.core.counters().unknown_key;
        let now = Instant::now();
        if self
            .logged
            .is_none_or(|at| now.duration_since(at) >= LOG_EVERY)
        {
            self.logged = Some(now);
            warn!(%from, %key, counted, "a speaker seals with a key that this one does not have");
        }
    }

    /// Sends what is to be sent. What the system does not take is lost, as on a network.
    fn transmit(&mut self) {
        while let Some(Transmit { to, datagram }) = self.core.poll_transmit() {
            let to = match to.ip() {
                IpAddr::V4(ip) if self.mapped => {
                    SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
                }
                IpAddr::V4(_) | IpAddr::V6(_) => to,
            };
            if self.socket.try_send_to(&datagram, to).is_err() {
                self.unsent += 1;
            }
        }
    }

    fn tell(&mut self, inbox: &Inbox) {
        let state = (self.core.fence(), self.core.standing());
        let suspects = self.core.suspects();
        self.log
            .look(Instant::now(), self.core.live(), suspects, state);
        let live = self.core.live();
        inbox.live.send_if_modified(|told| {
            let new = told.as_ref().is_none_or(|told| !Arc::ptr_eq(told, live));
            if new {
                *told = Some(Arc::clone(live));
            }
            new
        });
        let standing = self.core.standing();
        inbox.standing.send_if_modified(|told| {
            let new = *told != standing;
            *told = standing;
            new
        });
        let fence = self.core.fence();
        inbox.fence.send_if_modified(|told| {
            let new = match (*told, fence) {
                (Fence::Until(old), Fence::Until(new)) => new < old || new - old >= FENCE_STEP,
                (old, new) => old != new,
            };
            if new {
                *told = fence;
            }
            new
        });
    }
}

/// The latest value, if it has not been read; also when nobody sends any more.
fn changed<T: Clone>(from: &mut watch::Receiver<T>) -> Option<T> {
    let latest = from.borrow_and_update();
    latest.has_changed().then(|| latest.clone())
}

fn seed() -> io::Result<Seed> {
    let mut seed = Seed::default();
    let drawn = SystemRandom::new().fill(&mut seed);
    drawn.map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(seed)
}
