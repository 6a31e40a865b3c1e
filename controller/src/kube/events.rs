//! Tells people what happened to an object: Events of `events.k8s.io/v1`, with MetalLB's reasons.
//!
//! An Event never delays anything: who has one to tell hands it over and goes on. The same about the
//! same object within ten minutes is one Event whose series counts, written once a minute at most.
//! How many Events there are is limited for each object and for all together; what is over that is
//! counted and dropped. Everything kept has a bound.

mod event;
mod known;
mod memory;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, OptionFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use http::Method;
use kube::Client;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::call::{Caller, Counts, Failure, JSON, MERGE};
use super::fence::Fence;
use super::queue::{Queue, Urgency};
use super::rate_limit::RateLimit;
use memory::{Heard, Key, Memory};

pub use event::{About, Event, Severity};

/// How long one request may take. There may be a later, better one.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests at the same time.
const IN_FLIGHT: usize = 4;
/// How often one Event is tried.
const ATTEMPTS: u32 = 4;
/// Events that wait to be looked at, at most; then the oldest goes.
const LONGEST_INBOX: usize = 2_000;
/// Events that wait to be written, at most; then counts of series go, and then new ones.
const LONGEST_QUEUE: usize = 1_000;

/// Who tells.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// `reportingController`: `herald-controller` or `herald-speaker`.
    pub controller: &'static str,
    /// `reportingInstance`: the Pod's or the Node's name.
    pub instance: String,
}

/// How many Events there may be.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Requests a second, in the long run.
    pub per_second: u32,
    /// Requests at once, before that counts.
    pub burst: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            per_second: 10,
            burst: 100,
        }
    }
}

/// Tells Events until dropped.
#[derive(Debug)]
pub struct EventWriter {
    shared: Arc<Shared>,
    counts: Counts,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<VecDeque<Event>>,
    told: Notify,
}

impl EventWriter {
    /// Starts to tell, in a task of the current runtime.
    pub fn start(client: Client, fence: Fence, reporter: Reporter, config: Config) -> EventWriter {
        let shared: Arc<Shared> = Arc::default();
        let caller = Caller::new(client, fence, TIMEOUT);
        let counts = caller.counts();
        let task = Task {
            caller,
            counts: counts.clone(),
            reporter,
            shared: Arc::clone(&shared),
            memory: Memory::default(),
            queue: Queue::new(IN_FLIGHT),
            limit: RateLimit::new(config.per_second, config.burst),
            in_flight: FuturesUnordered::new(),
        };
        EventWriter {
            shared,
            counts,
            task: tokio::spawn(task.run()),
        }
    }

    /// Tells an Event, some time.
    pub fn tell(&self, event: Event) {
        let mut inbox = self
            .shared
            .inbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if inbox.len() >= LONGEST_INBOX {
            inbox.pop_front();
            self.counts.drop_one();
        }
        inbox.push_back(event);
        drop(inbox);
        self.shared.told.notify_one();
    }

    /// The requests so far, and how many Events were dropped: too many, or the API server would not
    /// have them.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for EventWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that has ended.
struct Landed {
    key: Key,
    answer: Result<IgnoredAny, Failure>,
}

struct Task {
    caller: Caller,
    counts: Counts,
    reporter: Reporter,
    shared: Arc<Shared>,
    memory: Memory,
    queue: Queue<Key, ()>,
    limit: RateLimit,
    in_flight: FuturesUnordered<BoxFuture<'static, Landed>>,
}

impl Task {
    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            self.listen();
            let now = Instant::now();
            let wake = match self.send_what_is_due(now) {
                Some(next) => Some(next),
                None => self.queue.wakes_at(),
            };
            let wake = OptionFuture::from(wake.map(sleep_until));
            tokio::select! {
                () = shared.told.notified() => {}
                Some(landed) = self.in_flight.next() => self.landed(landed),
                Some(()) = wake => {}
            }
        }
    }

    fn listen(&mut self) {
        let inbox = self.shared.inbox.lock();
        let mut inbox = std::mem::take(&mut *inbox.unwrap_or_else(PoisonError::into_inner));
        let now = Instant::now();
        while let Some(event) = inbox.pop_front() {
            let full = self.queue.len() >= LONGEST_QUEUE;
            match self.memory.hear(now, event) {
                Heard::New(key) if !full => self.queue.put(key, (), Urgency::Urgent),
                Heard::Again(key) if !full => self.queue.put(key, (), Urgency::CanWait),
                // A count that is not written now is written with the next one.
                Heard::Again(_) | Heard::Counted => {}
                Heard::New(key) => {
                    self.memory.forget(&key);
                    self.counts.drop_one();
                }
                Heard::TooMany => self.counts.drop_one(),
            }
        }
    }

    /// When more may be sent, if it is the rate that forbids it.
    fn send_what_is_due(&mut self, now: Instant) -> Option<Instant> {
        if !self.queue.is_empty() && !self.caller.may_write(now) {
            for (key, ()) in self.queue.take_waiting() {
                self.memory.forget(&key);
                self.counts.drop_one();
            }
        }
        loop {
            if let Some(next) = self.limit.next().filter(|next| now < *next) {
                return (!self.queue.is_empty()).then_some(next);
            }
            let (key, ()) = self.queue.next(now)?;
            let Some((method, path, media_type, body)) = self.request(&key, now) else {
                self.queue.unsent(&key);
                continue;
            };
            self.limit.take(now);
            let caller = self.caller.clone();
            let send = async move {
                let answer = caller.send(method, &path, media_type, &body).await;
                Landed { key, answer }
            };
            self.in_flight.push(send.boxed());
        }
    }

    /// What to send about an Event, as it is known now.
    fn request(&mut self, key: &Key, now: Instant) -> Option<Request> {
        let known = self.memory.sent(key, now)?;
        let collection = format!(
            "/apis/events.k8s.io/v1/namespaces/{}/events",
            known.event.about.event_namespace()
        );
        let manager = self.reporter.controller;
        Some(match known.is_written {
            false => (
                Method::POST,
                format!("{collection}?fieldManager={manager}"),
                JSON,
                known.creation(&self.reporter),
            ),
            true => (
                Method::PATCH,
                format!("{collection}/{}?fieldManager={manager}", known.name),
                MERGE,
                known.series(),
            ),
        })
    }

    fn landed(&mut self, Landed { key, answer }: Landed) {
        let now = Instant::now();
        match answer {
            Ok(_) => {
                self.memory.written(&key);
                self.queue.done(&key);
            }
            // A POST that was done and not answered.
            Err(Failure::Conflict(_)) => {
                self.memory.written(&key);
                self.queue.done(&key);
            }
            Err(failure @ (Failure::Busy(..) | Failure::NoAnswer(_)))
                if self.queue.failures(&key) + 1 < ATTEMPTS =>
            {
                self.queue.retry(key, (), now, &failure);
            }
            Err(failure) => {
                debug!("an Event is dropped: {failure}");
                self.counts.drop_one();
                self.memory.forget(&key);
                match failure.is_temporary() {
                    true => self.queue.give_up(&key, now, &failure),
                    false => self.queue.done(&key),
                }
            }
        }
    }
}

/// Method, path, media type, body.
type Request = (Method, String, &'static str, Value);
