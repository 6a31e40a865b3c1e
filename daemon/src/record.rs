//! `--record DIR`: all that goes into each [`bgp::Peer`], in files that `herald replay` reads.
//!
//! A peer that begins (at the start, after a change of its session, after a defect) begins
//! `DIR/PEER.jsonl`; what that file held becomes `PEER.jsonl.1`, and so on up to [`KEPT`]. A file
//! holds at most [`MAX_FILE`] octets, and ends there: a recording without its beginning could not
//! be replayed. Passwords are the transport's, so none is in it.
//!
//! Each file has a thread of its own, as a disk may be slow: a peer's task never waits for one.
//! Where [`MAX_QUEUED`] entries wait, or the file cannot be written, the recording ends and the log
//! says so; the session goes on.

mod file;

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use bgp::record::{Recorded, RecordedInput};
use bgp::{ConnId, PeerConfig};
use tokio::sync::oneshot;
use tracing::{info, warn};

/// Octets of one file, at most: a quarter of what `herald replay` reads.
pub const MAX_FILE: u64 = 64 << 20;
/// Earlier recordings of a peer that stay.
pub const KEPT: usize = 4;
/// Entries that wait for the disk, at most. The largest are octets received: a read, 64 KiB or
/// little more.
const MAX_QUEUED: usize = 256;
/// How long the end of a peer's task waits for its file to be complete.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// Where recordings go.
#[derive(Clone, Debug)]
pub struct Recordings {
    folder: Arc<Path>,
}

impl Recordings {
    /// Recordings in this directory, which is made if need be, for this user only.
    ///
    /// # Errors
    /// A text for people: the directory cannot be made or written to.
    pub fn open(folder: &Path) -> Result<Recordings, String> {
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        let probe = folder.join(format!(".herald-{}", std::process::id()));
        let usable = made
            .and_then(|()| std::fs::write(&probe, ""))
            .and_then(|()| std::fs::remove_file(&probe));
        usable.map_err(|error| {
            format!(
                "cannot record into {}: {error}; see that it is a directory which can be written \
                 to, or leave out --record",
                folder.display()
            )
        })?;
        Ok(Recordings {
            folder: folder.into(),
        })
    }

    /// Begins the recording of a peer that is made of this configuration and entropy. `None`, with
    /// a line in the log, where no thread can be had.
    pub fn begin(&self, peer: &Arc<str>, config: &PeerConfig, entropy: u64) -> Option<Recorder> {
        let path = self.folder.join(file::name(peer));
        let (queue, entries) = sync_channel(MAX_QUEUED);
        let (finished, done) = oneshot::channel();
        let begin = Recorded::begin(config.clone(), entropy);
        let (name, of) = (Arc::clone(peer), path.clone());
        let thread = std::thread::Builder::new().name("record".into());
        let started = thread.spawn(move || {
            info!(peer = %name, file = %of.display(), max_octets = MAX_FILE, "the session is recorded");
            if let Err(reason) = file::write(&of, &begin, entries, MAX_FILE) {
                log_end(&name, &of, &reason);
            }
            // Whoever waited may have given up.
            let _ = finished.send(());
        });
        if let Err(error) = started {
            log_end(peer, &path, &format!("no thread for it: {error}"));
            return None;
        }
        Some(Recorder {
            peer: Arc::clone(peer),
            path,
            queue: Some(queue),
            done,
        })
    }
}

fn log_end(peer: &str, path: &Path, reason: &str) {
    warn!(peer, file = %path.display(), reason, "the recording ends here; the session goes on");
}

/// One call of the peer, and when, in microseconds since the beginning.
#[derive(Debug)]
enum Entry {
    Input(u64, RecordedInput),
    /// Digits are made of them on the file's thread.
    Received(u64, ConnId, Vec<u8>),
}

impl From<Entry> for Recorded {
    fn from(entry: Entry) -> Recorded {
        let (at_us, input) = match entry {
            Entry::Input(at_us, input) => (at_us, input),
            Entry::Received(at_us, conn, octets) => (at_us, RecordedInput::received(conn, &octets)),
        };
        Recorded::Input { at_us, input }
    }
}

/// The recording of one peer.
#[derive(Debug)]
pub struct Recorder {
    peer: Arc<str>,
    path: PathBuf,
    /// `None` once it has ended.
    queue: Option<SyncSender<Entry>>,
    done: oneshot::Receiver<()>,
}

impl Recorder {
    /// Adds a call, at this many microseconds since the beginning.
    pub fn input(&mut self, at_us: u64, input: RecordedInput) {
        self.add(Entry::Input(at_us, input));
    }

    /// Adds octets that arrived.
    pub fn received(&mut self, at_us: u64, conn: ConnId, octets: &[u8]) {
        if self.queue.is_some() {
            self.add(Entry::Received(at_us, conn, octets.to_vec()));
        }
    }

    fn add(&mut self, entry: Entry) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(entry) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => {
                log_end(&self.peer, &self.path, "the disk is too slow for it");
            }
            // Its thread has said why.
            Err(TrySendError::Disconnected(_)) => {}
        }
        self.queue = None;
    }

    /// Ends it: all of it is in the file then, unless the disk takes over a second.
    pub async fn finish(mut self) {
        self.queue = None;
        let _ = tokio::time::timeout(FINISH_WITHIN, self.done).await;
    }
}
