//! The task that watches a directory and publishes snapshots of it: a thread of its own, since
//! reading files blocks.
//!
//! The kernel's notices only say *when* to look; what changed is found by listing the directory.
//! So a lost notice costs time, never truth: the directory is also listed every [`RESCAN`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

use super::Snapshot;
use super::directory::{Directory, SETTLE};
use super::scan;
use crate::problem::{Problem, Severity};
use crate::record::Assignments;
use crate::translate::Options;

/// How often the directory is listed although nothing is heard.
pub const RESCAN: Duration = Duration::from_secs(30);
/// How often it is looked at whether the directory is still the same one.
const IDENTITY: Duration = Duration::from_secs(2);
/// The same while there is no directory, and the time between listings where the kernel cannot
/// watch it.
const POLL: Duration = Duration::from_secs(1);
/// How long a file that is being written may stay unread, if its writer does not close it.
const UNCLOSED: Duration = Duration::from_secs(1);

/// A directory that is being watched. Dropping it ends that.
#[derive(Debug)]
pub struct Source {
    shared: Arc<Shared>,
    bell: Bell,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

#[derive(Debug)]
struct Shared {
    assignments: Mutex<Arc<Assignments>>,
    stop: AtomicBool,
}

/// Wakes the task. Waking it again before it has looked costs nothing.
#[derive(Clone, Debug)]
struct Bell {
    ring: SyncSender<()>,
    /// Whether somebody has rung with [`Wake::Now`] since the task last listened.
    urgent: Arc<AtomicBool>,
}

impl Bell {
    fn ring(&self, when: Wake) {
        if when == Wake::Now {
            self.urgent.store(true, Ordering::Release);
        }
        // A full channel means that the task is about to look anyway.
        let _ = self.ring.try_send(());
    }
}

/// When to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Now,
    /// Something is being written: look when it is done, or after [`UNCLOSED`].
    Later,
}

impl Source {
    /// Reads the directory, and watches it from then on. The first snapshot is there on return;
    /// `assignments` are in it.
    ///
    /// # Errors
    /// There is no readable directory, or no thread can be had.
    pub fn open(
        directory: &Path,
        options: Options,
        assignments: Arc<Assignments>,
    ) -> Result<Source, Box<Problem>> {
        let (ring, woken) = sync_channel(1);
        let bell = Bell {
            ring,
            urgent: Arc::default(),
        };
        let mut watcher = DirectoryWatcher::new(directory, bell.clone());
        // Watch first, read then: a change between the two is heard.
        watcher.start();
        let mut state = Directory::new(directory, options);
        let again = state.refresh(false)?;
        let first = with_watcher_problem(state.snapshot(&assignments), &watcher);
        let (sender, snapshots) = watch::channel(Arc::new(first));
        let shared = Arc::new(Shared {
            assignments: Mutex::new(assignments),
            stop: AtomicBool::new(false),
        });
        let task = Task {
            state,
            watcher,
            shared: Arc::clone(&shared),
            sender,
            again,
            missing: None,
        };
        std::thread::Builder::new()
            .name("manifests".into())
            .spawn(move || task.run(&woken))
            .map_err(|error| {
                let message = format!("cannot start a thread to watch the directory: {error}");
                let hint = "raise the limit of threads";
                Box::new(Problem::of_directory(Severity::Error, message, hint))
            })?;
        Ok(Source {
            shared,
            bell,
            snapshots,
        })
    }

    /// The snapshots: the latest one, and notice of the next.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// What is assigned now. A snapshot with it in its World follows, even if nothing else is new;
    /// one that was under way may come before, and
    /// [tells so](crate::file::Snapshot::assignments).
    pub fn set_assignments(&self, assignments: Arc<Assignments>) {
        let mut held = self
            .shared
            .assignments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *held = assignments;
        drop(held);
        self.bell.ring(Wake::Now);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.bell.ring(Wake::Now);
    }
}

struct Task {
    state: Directory,
    watcher: DirectoryWatcher,
    shared: Arc<Shared>,
    sender: watch::Sender<Arc<Snapshot>>,
    /// A file may be half written: look again soon.
    again: bool,
    /// The directory cannot be read.
    missing: Option<Problem>,
}

impl Task {
    fn run(mut self, woken: &Receiver<()>) {
        let mut next_scan = Instant::now() + RESCAN;
        loop {
            if !self.wait(woken, next_scan) || self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            if self.watcher.is_stale() {
                self.watcher.start();
            }
            self.refresh();
            next_scan = Instant::now() + self.interval();
        }
    }

    /// How long until the directory is listed although nothing is heard.
    fn interval(&self) -> Duration {
        if self.again {
            SETTLE / 2
        } else if self.missing.is_some() || self.watcher.problem.is_some() {
            POLL
        } else {
            RESCAN
        }
    }

    /// Waits until there is reason to look. Whether there still is anybody to look for.
    fn wait(&self, woken: &Receiver<()>, next_scan: Instant) -> bool {
        let mut deadline = next_scan;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match woken.recv_timeout(left.min(IDENTITY)) {
                Ok(()) if self.watcher.bell.urgent.swap(false, Ordering::Acquire) => return true,
                Ok(()) => deadline = deadline.min(Instant::now() + UNCLOSED),
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    if Instant::now() >= deadline || self.watcher.is_stale() {
                        return true;
                    }
                }
            }
        }
    }

    fn refresh(&mut self) {
        match self.state.refresh(true) {
            Ok(again) => {
                self.again = again;
                self.missing = None;
            }
            Err(mut problem) => {
                // Not the same as an empty directory: nobody is known to have deleted anything.
                problem.last_valid_in_use = true;
                self.missing = Some(*problem);
            }
        }
        let assignments = {
            let held = self
                .shared
                .assignments
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&held)
        };
        let mut snapshot = with_watcher_problem(self.state.snapshot(&assignments), &self.watcher);
        snapshot.problems.extend(self.missing.clone());
        self.sender.send_if_modified(|current| {
            let new =
                !Arc::ptr_eq(&current.assignments, &snapshot.assignments) || **current != snapshot;
            if new {
                *current = Arc::new(snapshot);
            }
            new
        });
    }
}

fn with_watcher_problem(mut snapshot: Snapshot, watcher: &DirectoryWatcher) -> Snapshot {
    snapshot.problems.extend(watcher.problem.clone());
    snapshot
}

/// The kernel's watch on the directory.
struct DirectoryWatcher {
    directory: PathBuf,
    bell: Bell,
    /// Held for what its drop ends.
    watcher: Option<RecommendedWatcher>,
    /// The directory that is watched.
    identity: Option<(u64, u64)>,
    /// Why the kernel cannot watch it.
    problem: Option<Problem>,
}

impl DirectoryWatcher {
    fn new(directory: &Path, bell: Bell) -> DirectoryWatcher {
        let directory = directory.to_owned();
        DirectoryWatcher {
            directory,
            bell,
            watcher: None,
            identity: None,
            problem: None,
        }
    }

    /// Whether there is another directory at the path than the one watched, or none any more, or
    /// one again.
    fn is_stale(&self) -> bool {
        scan::identity(&self.directory) != self.identity
    }

    /// Watches what is at the path now.
    fn start(&mut self) {
        self.watcher = None;
        self.problem = None;
        self.identity = scan::identity(&self.directory);
        if self.identity.is_none() {
            return;
        }
        let bell = self.bell.clone();
        let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(when) = when_to_look(&event) {
                bell.ring(when);
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(&self.directory, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match started {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => {
                self.problem = Some(Problem::of_directory(
                    Severity::Warning,
                    format!("the kernel cannot watch the directory ({error})"),
                    format!(
                        "it is looked at every {} s instead; raising fs.inotify.max_user_watches or \
                         max_user_instances may help",
                        POLL.as_secs()
                    ),
                ));
            }
        }
    }
}

/// What a notice calls for. A file that is being written is best read when it is closed.
fn when_to_look(event: &notify::Result<notify::Event>) -> Option<Wake> {
    let Ok(event) = event else {
        return Some(Wake::Now);
    };
    if event.need_rescan() {
        return Some(Wake::Now);
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Wake::Now),
        EventKind::Access(_) => None,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => Some(Wake::Later),
        EventKind::Any | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {
            Some(Wake::Now)
        }
    }
}
