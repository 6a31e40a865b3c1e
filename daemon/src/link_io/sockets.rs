//! The raw sockets: for each protocol one while there are addresses of its family.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::net::filter::{self, Key, Protocol};
use crate::net::packet::{PacketSocket, Received};

/// Wait before a socket that cannot be opened is tried again: the first, and the longest.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MOST: Duration = Duration::from_secs(60);

/// The sockets that are needed.
#[derive(Debug, Default)]
pub struct Sockets {
    arp: Option<PacketSocket>,
    ndp: Option<PacketSocket>,
    /// The keys of the addresses for each.
    keys: [Vec<Key>; 2],
    failure: Option<Failure>,
    /// Of sockets that are closed.
    dropped: u64,
}

/// What is needed cannot be had.
#[derive(Debug)]
struct Failure {
    reason: String,
    again_at: Instant,
    wait: Duration,
}

impl Sockets {
    /// Opens what these addresses need, and closes what they do not.
    pub fn listen_to<'a>(&mut self, now: Instant, addresses: impl Iterator<Item = &'a IpAddr>) {
        self.keys = [Vec::new(), Vec::new()];
        for address in addresses {
            let (protocol, key) = filter::key(*address);
            self.keys[protocol as usize].push(key);
        }
        self.try_all(now);
    }

    /// Whether all that is needed is open.
    pub fn are_open(&self) -> bool {
        self.failure.is_none()
    }

    /// Why not.
    pub fn trouble(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| &*failure.reason)
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        usize::from(self.arp.is_some()) + usize::from(self.ndp.is_some())
    }

    /// When [`Sockets::retry`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.failure.as_ref().map(|failure| failure.again_at)
    }

    /// Tries again what failed, if it is time.
    pub fn retry(&mut self, now: Instant) {
        if self.due().is_some_and(|at| at <= now) {
            self.try_all(now);
        }
    }

    /// Waits until one may have a frame. Cancel-safe.
    pub async fn readable(&self) -> Protocol {
        tokio::select! {
            () = readable(self.arp.as_ref()) => Protocol::Arp,
            () = readable(self.ndp.as_ref()) => Protocol::Ndp,
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// `WouldBlock` where there is none.
    pub fn receive(&self, protocol: Protocol, buffer: &mut [u8]) -> io::Result<Received> {
        self.socket(protocol)?.receive(buffer)
    }

    /// Sends a frame on the interface with this index.
    ///
    /// # Errors
    /// Those of [`PacketSocket::send`].
    pub fn send(&self, interface: u32, frame: &[u8]) -> io::Result<()> {
        let protocol = match frame.get(12..14) {
            Some([8, 6]) => Protocol::Arp,
            _ => Protocol::Ndp,
        };
        self.socket(protocol)?.send(interface, frame)
    }

    /// Frames that were dropped because we were slow, since the beginning.
    pub fn dropped(&mut self) -> u64 {
        let open = [&mut self.arp, &mut self.ndp].into_iter().flatten();
        self.dropped + open.map(PacketSocket::dropped).sum::<u64>()
    }

    fn socket(&self, protocol: Protocol) -> io::Result<&PacketSocket> {
        let socket = match protocol {
            Protocol::Arp => self.arp.as_ref(),
            Protocol::Ndp => self.ndp.as_ref(),
        };
        socket.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn try_all(&mut self, now: Instant) {
        let [arp, ndp] = &self.keys;
        let done = settle(&mut self.arp, Protocol::Arp, arp, &mut self.dropped)
            .and_then(|()| settle(&mut self.ndp, Protocol::Ndp, ndp, &mut self.dropped));
        let before = self.failure.take();
        match (done, before) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => info!("ARP and NDP have their raw sockets now"),
            (Err(error), before) => {
                let wait = before
                    .as_ref()
                    .map_or(AGAIN_AFTER, |before| before.wait * 2);
                let wait = wait.min(AGAIN_AFTER_MOST);
                let reason = error.to_string();
                if before.is_none_or(|before| before.reason != reason) {
                    warn!(%error, "no address is answered for by ARP or NDP");
                }
                self.failure = Some(Failure {
                    reason,
                    again_at: now + wait,
                    wait,
                });
            }
        }
    }
}

/// Opens, closes or tunes the socket of a protocol.
fn settle(
    slot: &mut Option<PacketSocket>,
    protocol: Protocol,
    keys: &[Key],
    dropped: &mut u64,
) -> io::Result<()> {
    if keys.is_empty() {
        *dropped += slot.take().map_or(0, |mut socket| socket.dropped());
        return Ok(());
    }
    let socket = match slot.take() {
        Some(socket) => socket,
        None => PacketSocket::open(protocol)?,
    };
    slot.insert(socket).listen_to(keys.iter().copied())
}

async fn readable(socket: Option<&PacketSocket>) {
    match socket {
        // An error comes again where the frame is read.
        Some(socket) => drop(socket.readable().await),
        None => std::future::pending().await,
    }
}
