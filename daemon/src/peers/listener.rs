//! The listening sockets: connections of configured peers go to their tasks, all others are closed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::PeerTable;
use crate::net::interface;
use crate::net::tcp::{self, Transport};
use crate::peer_io::{Accepted, PeerHandle, PeerSpec};

/// BGP's port (RFC 4271 §8).
pub const BGP_PORT: u16 = 179;
/// Time between two log lines about connections of strangers.
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Wait after the system could not give a connection (no file descriptor left).
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Why it does not listen where it should, by address; and connections of strangers closed.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    texts: Arc<Mutex<BTreeMap<String, String>>>,
    strangers: Arc<AtomicU64>,
}

impl Problems {
    /// What is wrong now.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.values().cloned().collect()
    }

    /// Connections closed because no configured peer opened them.
    pub fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// Notes, or with `None` takes back, a problem. Logs what is new.
    fn note(&self, place: &str, problem: Option<String>) {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            None => {
                texts.remove(place);
            }
            Some(text) => {
                if texts.get(place) != Some(&text) {
                    warn!("{text}");
                }
                texts.insert(place.to_owned(), text);
            }
        }
    }
}

/// Listens where it is told to, or at port 179 as long as a peer is passive.
#[derive(Debug)]
pub struct Listener {
    addresses: Vec<SocketAddr>,
    sockets: BTreeMap<SocketAddr, Socket>,
    table: PeerTable,
    problems: Problems,
}

#[derive(Debug)]
struct Socket {
    listener: Arc<TcpListener>,
    accepting: JoinHandle<()>,
    /// The passwords it has, by peer.
    passwords: BTreeMap<Arc<str>, Transport>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener {
    /// `addresses` empty is: port 179 of every address, as long as a peer is passive.
    pub fn new(addresses: Vec<SocketAddr>, table: PeerTable) -> Listener {
        Listener {
            addresses,
            sockets: BTreeMap::new(),
            table,
            problems: Problems::default(),
        }
    }

    /// What is wrong, for those who ask.
    pub fn problems(&self) -> Problems {
        self.problems.clone()
    }

    /// Opens and closes sockets, and sets their passwords, as these peers need it.
    pub fn follow<'a>(&mut self, peers: impl Iterator<Item = &'a PeerSpec> + Clone) {
        let passive = peers.clone().any(|peer| peer.config.passive);
        let wanted = match (self.addresses.is_empty(), passive) {
            (false, _) => self.addresses.clone(),
            (true, true) => [false, true]
                .map(|ipv6| SocketAddr::new(tcp::unspecified(ipv6), BGP_PORT))
                .to_vec(),
            (true, false) => Vec::new(),
        };
        self.sockets.retain(|address, _| wanted.contains(address));
        for address in wanted {
            if !self.sockets.contains_key(&address) {
                self.open(address);
            }
        }
        for (address, socket) in &mut self.sockets {
            socket.set_passwords(*address, peers.clone(), &self.problems);
        }
    }

    fn open(&mut self, address: SocketAddr) {
        let place = address.to_string();
        match tcp::listen(address) {
            Err(problem) => self.problems.note(&place, Some(problem)),
            Ok(listener) => {
                self.problems.note(&place, None);
                info!(%address, "listening for peers");
                let listener = Arc::new(listener);
                let accepting = tokio::spawn(accept(
                    Arc::clone(&listener),
                    self.table.clone(),
                    self.problems.clone(),
                ));
                let socket = Socket {
                    listener,
                    accepting,
                    passwords: BTreeMap::new(),
                };
                self.sockets.insert(address, socket);
            }
        }
    }
}

impl Socket {
    fn set_passwords<'a>(
        &mut self,
        address: SocketAddr,
        peers: impl Iterator<Item = &'a PeerSpec>,
        problems: &Problems,
    ) {
        let mut wanted: BTreeMap<Arc<str>, Transport> = peers
            .filter(|peer| peer.transport.password.is_some())
            .filter(|peer| peer.transport.address.is_ipv6() == address.is_ipv6())
            .map(|peer| (Arc::clone(&peer.name), peer.transport.clone()))
            .collect();
        let old = std::mem::take(&mut self.passwords);
        for (name, transport) in old {
            if wanted.get(&name) == Some(&transport) {
                wanted.remove(&name);
                self.passwords.insert(name, transport);
            } else if let Err(reason) = tcp::listen_with_password(&self.listener, &transport, None)
            {
                warn!(peer = %name, reason, "the old password stays on the listening socket");
            }
        }
        for (name, transport) in wanted {
            let password = transport.password.as_ref();
            let set = tcp::listen_with_password(&self.listener, &transport, password);
            let place = format!("{address} {name}");
            problems.note(
                &place,
                set.err().map(|reason| format!("peer {name}: {reason}")),
            );
            self.passwords.insert(name, transport);
        }
    }
}

async fn accept(listener: Arc<TcpListener>, table: PeerTable, problems: Problems) {
    let mut logged: Option<Instant> = None;
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        if let Some((spec, handle)) = owner(&table, remote, &stream) {
            // The task may be busy, and this one has others to serve.
            tokio::spawn(hand_over(stream, spec, handle));
            continue;
        }
        problems.strangers.fetch_add(1, Ordering::Relaxed);
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            logged = Some(Instant::now());
            let total = problems.strangers();
            info!(%remote, total, "closed a connection that no configured peer opened");
        }
    }
}

/// The peer that a connection is from: by its address, and among several of that address by ours.
fn owner(
    table: &PeerTable,
    remote: SocketAddr,
    stream: &TcpStream,
) -> Option<(PeerSpec, PeerHandle)> {
    let local = stream.local_addr().ok()?.ip().to_canonical();
    let zone = match remote {
        SocketAddr::V6(remote) if remote.scope_id() != 0 => interface::name(remote.scope_id()),
        SocketAddr::V6(_) | SocketAddr::V4(_) => None,
    };
    let address: IpAddr = remote.ip().to_canonical();
    let mut peers = table.all();
    peers.retain(|(spec, _)| {
        let zone_matches = spec.transport.zone.is_none() || spec.transport.zone == zone;
        spec.transport.address == address && zone_matches
    });
    let exact = peers
        .iter()
        .position(|(spec, _)| spec.transport.source == Some(local));
    let open = || {
        peers
            .iter()
            .position(|(spec, _)| spec.transport.source.is_none())
    };
    exact.or_else(open).map(|at| peers.swap_remove(at))
}

async fn hand_over(stream: TcpStream, spec: PeerSpec, handle: PeerHandle) {
    if let Err(error) = spec.transport.accepted(&stream) {
        warn!(peer = %spec.name, %error, "cannot set options of a connection; it is closed");
        return;
    }
    // An error is a connection that is gone already.
    if let Ok(accepted) = Accepted::new(stream).await
        && !handle.connection(accepted)
    {
        warn!(peer = %spec.name, "closed a connection: too many wait already");
    }
}
