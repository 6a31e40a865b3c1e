//! Keeps what is known of the cluster in the state file: the latest, now and then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use controller::kube::speakers::Speakers;
use controller::last_known::{self, LastKnown};
use plan::World;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

/// Time between two writes, at least: how old the file may be while things change.
const SHORTEST_REST: Duration = Duration::from_secs(1);
/// The same, at most.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// Between the two, the writes of large Worlds take a hundredth of the time.
const RESTS_PER_WRITE: u32 = 100;

/// The task that writes, if there is a file.
#[derive(Debug)]
pub struct Keeper(Option<Task>);

#[derive(Debug)]
struct Task {
    latest: watch::Sender<Option<LastKnown>>,
    stop: Arc<Notify>,
    handle: JoinHandle<()>,
}

impl Keeper {
    /// For this file; `None` keeps nothing.
    pub fn new(path: Option<PathBuf>) -> Keeper {
        Keeper(path.map(|path| {
            let (latest, all) = watch::channel(None);
            let stop = Arc::new(Notify::new());
            let handle = tokio::spawn(keep(path, all, Arc::clone(&stop)));
            Task {
                latest,
                stop,
                handle,
            }
        }))
    }

    /// This is the World now, and what speakers say of themselves.
    pub fn keep(&self, world: &World, speakers: Arc<Speakers>) {
        if let Some(task) = &self.0 {
            let world = world.clone();
            let known = LastKnown { world, speakers };
            task.latest.send_replace(Some(known));
        }
    }

    /// Writes what is not yet written, and ends.
    pub async fn stop(self) {
        if let Some(Task {
            latest,
            stop,
            handle,
        }) = self.0
        {
            drop(latest);
            stop.notify_one();
            // It ends by itself once nobody can tell it anything.
            let _ = handle.await;
        }
    }
}

async fn keep(path: PathBuf, mut all: watch::Receiver<Option<LastKnown>>, stop: Arc<Notify>) {
    let mut failed = false;
    // What was told before the end is still heard.
    while all.changed().await.is_ok() {
        let Some(known) = all.borrow_and_update().clone() else {
            continue;
        };
        let file = path.clone();
        let started = Instant::now();
        let saved = tokio::task::spawn_blocking(move || last_known::save(&file, &known)).await;
        match saved {
            Ok(Err(error)) if !std::mem::replace(&mut failed, true) => {
                warn!(%error, "what the cluster says cannot be kept for the next start");
            }
            Ok(Err(_)) | Err(_) => {}
            Ok(Ok(())) => failed = false,
        }
        tokio::select! {
            () = tokio::time::sleep(rest(started.elapsed())) => {}
            () = stop.notified() => {}
        }
    }
}

/// After a write that took so long.
fn rest(write: Duration) -> Duration {
    let rest = write.saturating_mul(RESTS_PER_WRITE);
    rest.clamp(SHORTEST_REST, LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_world_is_written_each_second_and_a_large_one_more_rarely() {
        let rows = [
            (0, 1_000),
            (10, 1_000),
            (30, 3_000),
            (100, 10_000),
            (5_000, 10_000),
        ];
        for (write, expected) in rows {
            let rest = rest(Duration::from_millis(write));
            assert_eq!(rest.as_millis(), expected, "{write} ms");
        }
    }
}
