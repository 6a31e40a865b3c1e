//! One TCP connection of a peer: octets in, octets out, never waiting.

use std::io;
use std::time::{Duration, Instant};

use bgp::ConnId;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, Ready};
use tokio::net::TcpStream;
use tracing::{Level, enabled, trace};

use super::recorded::RecordedPeer;

/// Octets read at a time: one extended message fits.
const READ_CHUNK: usize = 64 * 1024;
/// Chunks of [`bgp::peer::TRANSMIT_CHUNK`] written in one turn; then others have theirs.
const CHUNKS_A_TURN: usize = 8;
/// Buffers larger than this are given back when they are empty.
const KEPT_CAPACITY: usize = 8 * 1024;
/// How long a closed connection stays for the peer to read our last words, and how much more we
/// take from it meanwhile. Closing with unread octets would reset it, and those words be lost.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 1024 * 1024;

/// A connection that stands.
#[derive(Debug)]
pub struct Connection {
    pub id: ConnId,
    stream: TcpStream,
    /// What has come and is not a whole message yet.
    inbound: BytesMut,
    /// What the Peer gave and the socket has not taken.
    outbound: BytesMut,
    /// The socket was full.
    wants_write: bool,
    /// Writing has failed. What the peer sent before may still be read: its NOTIFICATION, most of
    /// all.
    broken: Option<String>,
}

impl Connection {
    pub fn new(id: ConnId, stream: TcpStream) -> Connection {
        Connection {
            id,
            stream,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            wants_write: false,
            broken: None,
        }
    }

    /// Waits until there is something to do. Cancel-safe: it only waits, and takes nothing.
    pub async fn ready(&self) -> (ConnId, io::Result<Ready>) {
        let interest = match self.wants_write && self.broken.is_none() {
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        (self.id, self.stream.ready(interest).await)
    }

    /// Reads once, and gives the Peer what came. `Ok(false)` if there was nothing.
    ///
    /// # Errors
    /// The connection has ended: why, for people.
    pub fn read(&mut self, peer: &mut RecordedPeer, now: Instant) -> Result<bool, String> {
        self.inbound.reserve(READ_CHUNK);
        match self.stream.try_read_buf(&mut self.inbound) {
            Ok(0) => {
                let broken = self.broken.take();
                Err(broken.unwrap_or_else(|| "closed by peer".to_owned()))
            }
            Ok(read) => {
                trace_messages("received", &self.inbound);
                peer.receive(now, self.id, &mut self.inbound, read);
                shrink(&mut self.inbound);
                Ok(true)
            }
            Err(error) if is_transient(&error) => Ok(false),
            Err(error) => Err(self.broken.take().unwrap_or_else(|| error.to_string())),
        }
    }

    /// Writes what the Peer has to send, as far as the socket takes it.
    pub fn write(&mut self, peer: &mut RecordedPeer, now: Instant) {
        self.wants_write = false;
        for _ in 0..CHUNKS_A_TURN {
            if self.broken.is_some() {
                return;
            }
            if self.outbound.is_empty() {
                if !peer.poll_transmit(now, self.id, &mut self.outbound) {
                    shrink(&mut self.outbound);
                    return;
                }
                trace_messages("sent", &self.outbound);
            }
            match self.stream.try_write(&self.outbound) {
                Ok(written) => {
                    self.outbound.advance(written);
                    peer.transmitted(now, self.id, self.outbound.len());
                }
                Err(error) if is_transient(&error) => {
                    self.wants_write = true;
                    return;
                }
                Err(error) => self.broken = Some(error.to_string()),
            }
        }
        self.wants_write = true;
    }

    /// Sends what is left without waiting for the socket, and closes. The future only lingers, so
    /// that the last words arrive; it ends within a second.
    pub fn close(
        mut self,
        peer: &mut RecordedPeer,
        now: Instant,
    ) -> impl Future<Output = ()> + use<> {
        // What is half sent has to be whole before the NOTIFICATION behind it can be read.
        peer.poll_transmit(now, self.id, &mut self.outbound);
        trace_messages("sent last", &self.outbound);
        if self.broken.is_none() {
            // What the socket does not take now is not sent: the connection ends either way.
            let _ = self.stream.try_write(&self.outbound);
        }
        linger(self.stream)
    }
}

async fn linger(mut stream: TcpStream) {
    let drained = async {
        stream.shutdown().await?;
        let mut rest = stream.take(LINGER_OCTETS);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        rest.get_mut().shutdown().await
    };
    // However it ends, the socket is closed with it.
    let _ = tokio::time::timeout(LINGER, drained).await;
}

fn is_transient(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Interrupted
}

fn shrink(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > KEPT_CAPACITY {
        *buffer = BytesMut::new();
    }
}

/// The type of each whole message in `octets` (RFC 4271 §4.1), at TRACE.
fn trace_messages(what: &str, mut octets: &[u8]) {
    if !enabled!(Level::TRACE) {
        return;
    }
    while let [_, rest @ ..] = octets.get(15..).unwrap_or_default() {
        let [high, low, kind, ..] = rest else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let name = match kind {
            1 => "OPEN",
            2 => "UPDATE",
            3 => "NOTIFICATION",
            4 => "KEEPALIVE",
            5 => "ROUTE-REFRESH",
            _ => "unknown",
        };
        trace!(length, "{what} {name}");
        match octets.get(length.max(19)..) {
            Some(next) => octets = next,
            None => return,
        }
    }
}
