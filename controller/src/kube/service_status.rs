//! Writes what a Service holds into its status: addresses, the pool they are from, and why.
//!
//! One strategic-merge PATCH of `services/status` says all three; the pool is an annotation, which
//! that subresource takes too, so `services/status` is all that may be written. The patch names the
//! Service's uid, so that one made anew under an old name gets nothing that was meant for the old
//! one, and where the caller says so its resourceVersion.
//!
//! The caller hands over changes as they come and never waits. Of each Service the newest is kept;
//! each ends in one [`Outcome`], of which the newest is kept too. So memory is bounded by the number
//! of Services. What changes an address goes before what only says why there is none.

mod patch;
mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, OptionFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use http::Method;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use plan::world::ObjectName;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::call::{Caller, Counts, Failure, STRATEGIC_MERGE, Written};
use super::fence::Fence;
use super::queue::{Queue, Urgency};

pub use status::{ADDRESS_ASSIGNED, Condition, Status};

/// The name under which fields are written (`metadata.managedFields`).
pub const FIELD_MANAGER: &str = "herald-controller";
/// How often one change is tried before it is said to have failed: for about half a minute.
const ATTEMPTS: u32 = 8;

/// How a writer writes.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Requests at the same time, at most.
    pub in_flight: usize,
    /// How long one request may take.
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            in_flight: 64,
            timeout: Duration::from_secs(5),
        }
    }
}

/// What a Service's status should be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The Service's `metadata.uid`.
    pub uid: Arc<str>,
    /// Its `metadata.resourceVersion`, if this must not be written over a later change.
    pub resource_version: Option<Arc<str>>,
    /// What it should be.
    pub status: Status,
    /// What it is, as last read. Where that says the same, nothing is written.
    pub there: Status,
    /// In which of the caller's rounds this was decided: told with the outcome.
    pub round: u64,
    /// Since when there is what made it so: told with the outcome.
    pub since: Instant,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written, or was there already in this version.
    Written {
        /// The Service's new version.
        resource_version: Arc<str>,
    },
    /// Nothing to write.
    Unchanged,
    /// The Service has another uid or resourceVersion by now: decide anew when that is read.
    Conflict,
    /// There is no such Service.
    Gone,
    /// We lead no more.
    Fenced,
    /// It cannot be written, for this reason; it will not be tried again.
    Failed(Failure),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Written { resource_version } => write!(f, "written as {resource_version}"),
            Outcome::Unchanged => f.write_str("unchanged"),
            Outcome::Conflict => f.write_str("changed by others meanwhile"),
            Outcome::Gone => f.write_str("there is no such Service"),
            Outcome::Fenced => f.write_str("we lead no more"),
            Outcome::Failed(failure) => failure.fmt(f),
        }
    }
}

/// What became of which change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The Service's `metadata.uid`, as it was handed over.
    pub uid: Arc<str>,
    /// The round in which it was decided, as it was handed over.
    pub round: u64,
    /// Since when there was what made it so, as it was handed over.
    pub since: Instant,
    /// What became of it.
    pub outcome: Outcome,
}

impl Finished {
    /// What is told of two changes of one Service of which nobody has been told. A second one that
    /// found it written already is of that same write.
    fn follow(&mut self, next: &Finished) {
        let was_written = matches!(self.outcome, Outcome::Written { .. });
        match was_written && next.outcome == Outcome::Unchanged && self.uid == next.uid {
            true => self.round = next.round,
            false => self.clone_from(next),
        }
    }
}

/// Finished changes by Service, the newest of each.
pub type Outcomes = BTreeMap<ObjectName, Finished>;

/// Writes until dropped.
#[derive(Debug)]
pub struct ServiceStatusWriter {
    shared: Arc<Shared>,
    settled: watch::Receiver<u64>,
    counts: Counts,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    submitted: Notify,
    outcomes: Mutex<Outcomes>,
    finished: Notify,
}

/// What the task has not taken yet.
#[derive(Debug, Default)]
struct Inbox {
    wanted: BTreeMap<ObjectName, Wanted>,
    /// How often something was submitted.
    submissions: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ServiceStatusWriter {
    /// Starts to write, in a task of the current runtime.
    pub fn start(client: Client, fence: Fence, config: Config) -> ServiceStatusWriter {
        let shared: Arc<Shared> = Arc::default();
        let (told, settled) = watch::channel(0);
        let caller = Caller::new(client, fence, config.timeout);
        let counts = caller.counts();
        let task = Task {
            caller,
            shared: Arc::clone(&shared),
            queue: Queue::new(config.in_flight),
            in_flight: FuturesUnordered::new(),
            taken: 0,
            told,
        };
        ServiceStatusWriter {
            shared,
            settled,
            counts,
            task: tokio::spawn(task.run()),
        }
    }

    /// Takes changes; what it has of the same Services and is not on its way is forgotten.
    pub fn submit(&self, wanted: BTreeMap<ObjectName, Wanted>) {
        if !wanted.is_empty() {
            let mut inbox = lock(&self.shared.inbox);
            inbox.wanted.extend(wanted);
            inbox.submissions += 1;
            drop(inbox);
            self.shared.submitted.notify_one();
        }
    }

    /// What became of changes since the last time; waits until there is something. For one caller.
    pub async fn outcomes(&self) -> Outcomes {
        loop {
            let outcomes = std::mem::take(&mut *lock(&self.shared.outcomes));
            if !outcomes.is_empty() {
                return outcomes;
            }
            self.shared.finished.notified().await;
        }
    }

    /// Waits until everything submitted has its outcome. Behind a closed fence that takes no longer
    /// than one request may.
    pub async fn settled(&self) {
        let submissions = lock(&self.shared.inbox).submissions;
        // So that it looks at the fence, even if all it has waits to be tried again.
        self.shared.submitted.notify_one();
        let mut settled = self.settled.clone();
        // An error is a task that has ended: nothing will change any more.
        let _ = settled.wait_for(|settled| *settled >= submissions).await;
    }

    /// The requests so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for ServiceStatusWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that has ended.
struct Landed {
    name: ObjectName,
    wanted: Wanted,
    answer: Result<Arc<str>, Failure>,
}

struct Task {
    caller: Caller,
    shared: Arc<Shared>,
    queue: Queue<ObjectName, Wanted>,
    in_flight: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// Submissions taken.
    taken: u64,
    /// Submissions of which everything has its outcome.
    told: watch::Sender<u64>,
}

impl Task {
    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            self.take_submitted();
            self.send_what_is_due();
            if self.queue.is_empty() {
                self.told
                    .send_if_modified(|told| std::mem::replace(told, self.taken) != self.taken);
            }
            let wake = OptionFuture::from(self.queue.wakes_at().map(sleep_until));
            tokio::select! {
                () = shared.submitted.notified() => {}
                Some(landed) = self.in_flight.next() => self.landed(landed),
                Some(()) = wake => {}
            }
        }
    }

    fn take_submitted(&mut self) {
        let mut inbox = lock(&self.shared.inbox);
        let mut submitted = std::mem::take(&mut inbox.wanted);
        self.taken = inbox.submissions;
        drop(inbox);
        while let Some((name, wanted)) = submitted.pop_first() {
            if wanted.status.says_the_same(&wanted.there) && !self.queue.contains(&name) {
                self.finish(name, &wanted, Outcome::Unchanged);
                continue;
            }
            let urgency = match wanted.status.holds_the_same(&wanted.there) {
                true => Urgency::CanWait,
                false => Urgency::Urgent,
            };
            self.queue.put(name, wanted, urgency);
        }
    }

    fn send_what_is_due(&mut self) {
        let now = Instant::now();
        if !self.queue.is_empty() && !self.caller.may_write(now) {
            for (name, wanted) in self.queue.take_waiting() {
                self.finish(name, &wanted, Outcome::Fenced);
            }
        }
        while let Some((name, wanted)) = self.queue.next(now) {
            let caller = self.caller.clone();
            self.in_flight.push(send(caller, name, wanted).boxed());
        }
    }

    fn landed(&mut self, landed: Landed) {
        let Landed {
            name,
            wanted,
            answer,
        } = landed;
        let now = Instant::now();
        let outcome = match answer {
            Ok(version) => {
                self.follow_up(&name, &wanted, &version);
                self.queue.done(&name);
                Outcome::Written {
                    resource_version: version,
                }
            }
            Err(Failure::Fenced) => {
                self.queue.unsent(&name);
                Outcome::Fenced
            }
            Err(Failure::NotFound) => {
                self.queue.done(&name);
                Outcome::Gone
            }
            Err(Failure::Conflict(message)) => {
                debug!("Service {name} was changed meanwhile: {message}");
                self.queue.done(&name);
                Outcome::Conflict
            }
            Err(failure @ Failure::Refused(..)) => {
                warn!("the status of Service {name} cannot be written: {failure}");
                self.queue.done(&name);
                Outcome::Failed(failure)
            }
            Err(failure @ (Failure::Busy(..) | Failure::NoAnswer(_))) => {
                if self.queue.failures(&name) + 1 < ATTEMPTS {
                    debug!("the status of Service {name} is tried again: {failure}");
                    self.queue.retry(name, wanted, now, &failure);
                    return;
                }
                warn!("the status of Service {name} cannot be written: {failure}");
                self.queue.give_up(&name, now, &failure);
                Outcome::Failed(failure)
            }
        };
        self.finish(name, &wanted, outcome);
    }

    /// What was decided on the same version is still right for the version that we have made of it.
    fn follow_up(&mut self, name: &ObjectName, sent: &Wanted, version: &Arc<str>) {
        self.queue.amend(name, |next| {
            if next.resource_version.is_some() && next.resource_version == sent.resource_version {
                next.resource_version = Some(Arc::clone(version));
            }
        });
    }

    fn finish(&self, name: ObjectName, wanted: &Wanted, outcome: Outcome) {
        let finished = Finished {
            uid: Arc::clone(&wanted.uid),
            round: wanted.round,
            since: wanted.since,
            outcome,
        };
        lock(&self.shared.outcomes)
            .entry(name)
            .and_modify(|last| last.follow(&finished))
            .or_insert(finished);
        self.shared.finished.notify_one();
    }
}

async fn send(caller: Caller, name: ObjectName, wanted: Wanted) -> Landed {
    let ObjectName {
        namespace,
        name: service,
    } = &name;
    let path = format!(
        "/api/v1/namespaces/{namespace}/services/{service}/status?fieldManager={FIELD_MANAGER}"
    );
    let patch = patch::of(&wanted, Timestamp::now());
    let written = caller.send::<Written>(Method::PATCH, &path, STRATEGIC_MERGE, &patch);
    let answer = written.await.map(Written::resource_version);
    Landed {
        name,
        wanted,
        answer,
    }
}
