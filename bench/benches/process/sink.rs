//! Peers that take what comes and count prefixes: one listener, any number of sessions.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::PEERS;

/// The peers' AS number.
pub const ASN: u16 = 64513;

/// Prefixes announced so far, by the peer's own address; an entry is a session that is up.
type Counts = Arc<Mutex<BTreeMap<IpAddr, u64>>>;

/// The peers, on 127.0.1.1 and following addresses.
pub struct Sink {
    /// Where they listen.
    pub addresses: Vec<SocketAddr>,
    counts: Counts,
    stopped: Arc<AtomicBool>,
}

impl Sink {
    /// Listens, on a free port for each.
    pub fn start() -> io::Result<Sink> {
        let counts = Counts::default();
        let stopped = Arc::new(AtomicBool::new(false));
        let mut addresses = Vec::new();
        for number in 1..=PEERS {
            let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 1, number), 0))?;
            addresses.push(listener.local_addr()?);
            let (counts, stopped) = (Arc::clone(&counts), Arc::clone(&stopped));
            std::thread::spawn(move || accept(&listener, &counts, &stopped));
        }
        Ok(Sink {
            addresses,
            counts,
            stopped,
        })
    }

    /// Whether every session is up, and has that many prefixes.
    pub fn has(&self, prefixes: u64) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.len() == usize::from(PEERS) && counts.values().all(|count| *count == prefixes)
    }

    /// The counts, for people.
    pub fn state(&self) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        format!("sessions and prefixes: {counts:?}")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // A connection wakes each listener, and it ends.
        for address in &self.addresses {
            drop(TcpStream::connect(address));
        }
    }
}

fn accept(listener: &TcpListener, counts: &Counts, stopped: &AtomicBool) {
    for stream in listener.incoming().map_while(Result::ok) {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let counts = Arc::clone(counts);
        std::thread::spawn(move || {
            let address = stream.local_addr().map(|address| address.ip());
            // Its end is the session's end.
            let _ = session(stream, &counts);
            if let Ok(address) = address {
                counts
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&address);
            }
        });
    }
}

/// RFC 4271 §4: OPEN and KEEPALIVE are sent, then all is read. Hold time 0: no timers.
fn session(mut stream: TcpStream, counts: &Counts) -> io::Result<()> {
    let address = stream.local_addr()?.ip();
    let [high, low] = ASN.to_be_bytes();
    // Multiprotocol IPv4 unicast, route refresh, extended message, four-octet AS number.
    let capabilities = [1, 4, 0, 1, 0, 1, 2, 0, 6, 0, 65, 4, 0, 0, high, low];
    let length = capabilities.len() as u8;
    let mut open = vec![4, high, low, 0, 0, 10, 9, 9, 9, length + 2, 2, length];
    open.extend(capabilities);
    write_message(&mut stream, 1, &open)?;
    write_message(&mut stream, 4, &[])?;
    let mut reader = io::BufReader::with_capacity(1 << 16, stream);
    loop {
        let mut header = [0; 19];
        reader.read_exact(&mut header)?;
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let mut body = vec![0; length.saturating_sub(19)];
        reader.read_exact(&mut body)?;
        let prefixes = match header[18] {
            2 => announced(&body).unwrap_or(0),
            // NOTIFICATION.
            3 => return Ok(()),
            4 => 0,
            _ => continue,
        };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(address).or_insert(0) += prefixes;
    }
}

fn write_message(stream: &mut TcpStream, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = (19 + body.len()) as u16;
    let mut message = vec![0xff; 16];
    message.extend(length.to_be_bytes());
    message.push(kind);
    message.extend(body);
    stream.write_all(&message)
}

/// Prefixes in the NLRI field of an UPDATE (RFC 4271 §4.3).
fn announced(body: &[u8]) -> Option<u64> {
    let (withdrawn, rest) = body.split_first_chunk()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*withdrawn))..)?;
    let (attributes, rest) = rest.split_first_chunk()?;
    let mut nlri = rest.get(usize::from(u16::from_be_bytes(*attributes))..)?;
    let mut count = 0;
    while let Some((length, rest)) = nlri.split_first() {
        nlri = rest.get(usize::from(length.div_ceil(8))..)?;
        count += 1;
    }
    Some(count)
}
