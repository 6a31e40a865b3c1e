//! Writes how full each IPAddressPool is into its status.
//!
//! The caller hands over all pools with what should be and what is there, as often as it likes. A
//! pool is written only where the two differ, and at most once a second: what changes in between is
//! in the next write, which always comes. A status that was edited by hand is put right.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, OptionFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use http::Method;
use kube::Client;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::call::{Caller, Counts, Failure, MERGE};
use super::fence::Fence;
use super::queue::{Queue, Urgency};
use super::service_status::FIELD_MANAGER;
use crate::crd::ip_address_pool::IPAddressPoolStatus;

/// Between two writes of one pool.
const EVERY: Duration = Duration::from_secs(1);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests at the same time.
const IN_FLIGHT: usize = 4;

/// A pool's status as it should be and as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What it should be.
    pub status: IPAddressPoolStatus,
    /// What it is, as last read; `None` if it has none.
    pub there: Option<IPAddressPoolStatus>,
}

/// All pools by name.
pub type Pools = BTreeMap<Arc<str>, Wanted>;

/// Writes until dropped.
#[derive(Debug)]
pub struct PoolStatusWriter {
    shared: Arc<Shared>,
    counts: Counts,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Option<Pools>>,
    told: Notify,
}

impl PoolStatusWriter {
    /// Starts to write the pools of a namespace, in a task of the current runtime.
    pub fn start(client: Client, fence: Fence, namespace: &str) -> PoolStatusWriter {
        let shared: Arc<Shared> = Arc::default();
        let caller = Caller::new(client, fence, TIMEOUT);
        let counts = caller.counts();
        let task = Task {
            caller,
            collection: format!("/apis/metallb.io/v1beta1/namespaces/{namespace}/ipaddresspools"),
            shared: Arc::clone(&shared),
            pools: BTreeMap::new(),
            queue: Queue::new(IN_FLIGHT),
            in_flight: FuturesUnordered::new(),
        };
        PoolStatusWriter {
            shared,
            counts,
            task: tokio::spawn(task.run()),
        }
    }

    /// This is how all pools should be.
    pub fn set(&self, pools: Pools) {
        let mut inbox = self
            .shared
            .inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *inbox = Some(pools);
        drop(inbox);
        self.shared.told.notify_one();
    }

    /// The requests so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for PoolStatusWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Pool {
    wanted: Wanted,
    /// The last write that the API server answered.
    answered: Option<Wanted>,
    sent: Option<Instant>,
}

impl Pool {
    /// Whether something is to be written. What was answered is not sent again before something
    /// else is wanted, or is there.
    fn is_due(&self) -> bool {
        let differs = self.wanted.there.as_ref() != Some(&self.wanted.status);
        differs && self.answered.as_ref() != Some(&self.wanted)
    }
}

/// A request that has ended.
struct Landed {
    name: Arc<str>,
    sent: Wanted,
    answer: Result<IgnoredAny, Failure>,
}

struct Task {
    caller: Caller,
    collection: String,
    shared: Arc<Shared>,
    pools: BTreeMap<Arc<str>, Pool>,
    queue: Queue<Arc<str>, ()>,
    in_flight: FuturesUnordered<BoxFuture<'static, Landed>>,
}

impl Task {
    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            self.take();
            self.send_what_is_due();
            let wake = OptionFuture::from(self.queue.wakes_at().map(sleep_until));
            tokio::select! {
                () = shared.told.notified() => {}
                Some(landed) = self.in_flight.next() => self.landed(landed),
                Some(()) = wake => {}
            }
        }
    }

    fn take(&mut self) {
        let inbox = self.shared.inbox.lock();
        let Some(pools) = inbox.unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let mut known = std::mem::take(&mut self.pools);
        for (name, wanted) in pools {
            let old = known.remove(&name);
            // Once it is there as wanted, whatever differs later is another's doing.
            let arrived = wanted.there.as_ref() == Some(&wanted.status);
            let answered = old.as_ref().and_then(|old| old.answered.clone());
            let pool = Pool {
                answered: answered.filter(|_| !arrived),
                wanted,
                sent: old.and_then(|old| old.sent),
            };
            self.pools.insert(Arc::clone(&name), pool);
            self.queue_if_due(&name);
        }
        known.keys().for_each(|gone| self.queue.forget(gone));
    }

    /// What is in the queue is looked at again when it is sent, and when it has landed.
    fn queue_if_due(&mut self, name: &Arc<str>) {
        let Some(pool) = self.pools.get(name) else {
            return;
        };
        if !pool.is_due() || self.queue.contains(name) {
            return;
        }
        let name = Arc::clone(name);
        match pool.sent {
            Some(sent) => (self.queue).put_later(name, (), Urgency::Urgent, sent + EVERY),
            None => self.queue.put(name, (), Urgency::Urgent),
        }
    }

    fn send_what_is_due(&mut self) {
        let now = Instant::now();
        if !self.queue.is_empty() && !self.caller.may_write(now) {
            // Whoever leads again hands over everything again.
            drop(self.queue.take_waiting());
        }
        while let Some((name, ())) = self.queue.next(now) {
            let Some(pool) = self.pools.get_mut(&name).filter(|pool| pool.is_due()) else {
                self.queue.unsent(&name);
                continue;
            };
            pool.sent = Some(now);
            let path = format!(
                "{}/{name}/status?fieldManager={FIELD_MANAGER}",
                self.collection
            );
            let (caller, sent) = (self.caller.clone(), pool.wanted.clone());
            let send = async move {
                let body = json!({"status": sent.status});
                let answer = caller.send(Method::PATCH, &path, MERGE, &body).await;
                Landed { name, sent, answer }
            };
            self.in_flight.push(send.boxed());
        }
    }

    fn landed(&mut self, Landed { name, sent, answer }: Landed) {
        match answer {
            Err(failure @ (Failure::Busy(..) | Failure::NoAnswer(_))) => {
                debug!("the status of IPAddressPool {name} is tried again: {failure}");
                self.queue.retry(name, (), Instant::now(), &failure);
                return;
            }
            Err(Failure::Fenced) => {
                self.queue.unsent(&name);
                return;
            }
            Err(failure @ (Failure::Conflict(_) | Failure::Refused(..))) => {
                warn!("the status of IPAddressPool {name} cannot be written: {failure}");
            }
            // A pool that is gone will be gone for the caller, too.
            Err(Failure::NotFound) | Ok(_) => {}
        }
        self.queue.done(&name);
        if let Some(pool) = self.pools.get_mut(&name) {
            pool.answered = Some(sent);
        }
        self.queue_if_due(&name);
    }
}
