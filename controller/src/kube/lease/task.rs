//! Does what the elector says: requests, a watch, and one timer.

use futures::future::{BoxFuture, OptionFuture};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use http::Method;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::WatchEvent;
use kube::{Client, Resource as _};
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::elector::{Elector, Refusal, Step};
use super::record::{self, Record};
use super::{Config, Stop};
use crate::kube::backoff::jittered;
use crate::kube::call::{Caller, Failure, JSON, MERGE};
use crate::kube::fence::Fence;
use crate::kube::leadership::Leadership;

/// How often the Lease is tried to be given back.
const GIVE_BACK_TRIES: u32 = 3;
/// A watch ends after this time in seconds, and another one begins.
const WATCH_SECONDS: u32 = 290;

type Events = BoxStream<'static, kube::Result<WatchEvent<Lease>>>;
type Request = BoxFuture<'static, Answer>;

/// What a request was, when it began, and what came of it.
#[derive(Debug)]
struct Answer {
    is_write: bool,
    began: Instant,
    lease: Result<Lease, Failure>,
}

pub(super) struct Task {
    client: Client,
    caller: Caller,
    config: Config,
    elector: Elector,
    told: watch::Sender<Leadership>,
}

impl Task {
    pub(super) fn new(
        client: Client,
        config: Config,
        elector: Elector,
        told: watch::Sender<Leadership>,
    ) -> Task {
        // Its own requests are what opens the fence.
        let caller = Caller::new(client.clone(), Fence::open(), config.request_timeout());
        Task {
            client,
            caller,
            config,
            elector,
            told,
        }
    }

    pub(super) async fn run(mut self, mut stopped: oneshot::Receiver<Stop>) {
        let mut events = self.watch();
        let mut request: Option<Request> = None;
        let stop = loop {
            let now = Instant::now();
            self.elector.lapse(now);
            self.tell();
            let mut wake = self.elector.deadline();
            if request.is_none() {
                match self.elector.step(now) {
                    Step::Wait(until) => wake = Some(wake.map_or(until, |wake| wake.min(until))),
                    step @ (Step::Look | Step::Create | Step::Acquire(_) | Step::Renew(_)) => {
                        request = self.begin(step);
                    }
                }
            }
            let timer = OptionFuture::from(wake.map(sleep_until));
            let waited_for = OptionFuture::from(request.as_mut());
            tokio::select! {
                stop = &mut stopped => break stop,
                Some(()) = timer => {}
                Some(answer) = waited_for => {
                    request = None;
                    self.answered(answer);
                }
                event = events.next() => match event {
                    Some(event) => self.event(event),
                    None => events = self.watch_later(),
                },
            }
        };
        // An error is an election that was dropped, and this task with it.
        if let Ok(stop) = stop {
            self.stop(stop, request).await;
        }
    }

    /// Ends leadership, waits until the Lease may be given back, and does it.
    async fn stop(mut self, stop: Stop, request: Option<Request>) {
        self.elector.abdicate();
        self.tell();
        if let Some(request) = request {
            self.answered(request.await);
        }
        // Gone without a word means the same.
        let _ = stop.give_back.await;
        for _ in 0..GIVE_BACK_TRIES {
            let Some(ours) = self.elector.abdicate() else {
                return;
            };
            let answer = self.patch(record::release(&ours)).await;
            match answer.lease {
                Ok(_) => return info!("gave the Lease back"),
                Err(Failure::Conflict(_)) => {
                    let answer = self.look().await;
                    self.answered(answer);
                }
                Err(failure) => return warn!("the Lease runs out, not given back: {failure}"),
            }
        }
    }

    fn begin(&self, step: Step) -> Option<Request> {
        let Config {
            name,
            lease_duration,
            ..
        } = &self.config;
        let identity = self.elector.identity();
        match step {
            Step::Wait(_) => None,
            Step::Look => Some(self.look()),
            Step::Create => {
                let lease = record::creation(name, identity, *lease_duration);
                Some(self.write(Method::POST, JSON, self.collection(), lease))
            }
            Step::Acquire(old) => {
                Some(self.patch(record::acquisition(&old, identity, *lease_duration)))
            }
            Step::Renew(old) => Some(self.patch(record::renewal(&old, identity, *lease_duration))),
        }
    }

    fn answered(&mut self, answer: Answer) {
        let Answer {
            is_write,
            began,
            lease,
        } = answer;
        let now = Instant::now();
        match lease {
            Ok(lease) if is_write => self.elector.wrote(began, now, Record::of(&lease)),
            Ok(lease) => self.elector.saw(now, Record::of(&lease)),
            Err(Failure::NotFound) if !is_write => self.elector.saw_none(),
            Err(failure @ (Failure::NotFound | Failure::Conflict(_))) => {
                debug!("the Lease was not written: {failure}");
                self.elector.refused(began, Refusal::Outdated);
            }
            Err(
                failure @ (Failure::Fenced
                | Failure::Refused(..)
                | Failure::Busy(..)
                | Failure::NoAnswer(_)),
            ) => {
                warn!("the Lease cannot be read or written: {failure}");
                self.elector.refused(began, Refusal::Unknown);
            }
        }
    }

    fn event(&mut self, event: kube::Result<WatchEvent<Lease>>) {
        match event {
            Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => {
                self.elector.saw(Instant::now(), Record::of(&lease));
            }
            Ok(WatchEvent::Deleted(lease)) => self.elector.saw_deletion(&Record::of(&lease)),
            Ok(WatchEvent::Bookmark(_)) => {}
            // The stream ends after it, and is begun anew.
            Ok(WatchEvent::Error(error)) => debug!("the watch of the Lease ends: {error}"),
            Err(error) => debug!("the watch of the Lease ends: {error}"),
        }
    }

    /// Tells receivers who leads, unless only time goes on.
    fn tell(&self) {
        let new = self.elector.leadership();
        self.told.send_if_modified(|told| {
            let old = std::mem::replace(told, new);
            let is_news = (&old.holder, old.is_ours(), &old.since, old.transitions)
                != (&told.holder, told.is_ours(), &told.since, told.transitions);
            if old.is_ours() != told.is_ours() {
                match told.is_ours() {
                    true => info!(transitions = told.transitions, "leads"),
                    false => info!(holder = told.holder.as_deref(), "leads no more"),
                }
            }
            is_news
        });
    }

    fn collection(&self) -> String {
        let Config { namespace, .. } = &self.config;
        Lease::url_path(&(), Some(namespace))
    }

    fn object(&self) -> String {
        format!("{}/{}", self.collection(), self.config.name)
    }

    fn look(&self) -> Request {
        let (caller, path) = (self.caller.clone(), self.object());
        let began = Instant::now();
        let ask = async move {
            Answer {
                is_write: false,
                began,
                lease: caller.ask(Method::GET, &path).await,
            }
        };
        ask.boxed()
    }

    fn patch(&self, change: Value) -> Request {
        self.write(Method::PATCH, MERGE, self.object(), change)
    }

    fn write(
        &self,
        method: Method,
        media_type: &'static str,
        path: String,
        body: Value,
    ) -> Request {
        let caller = self.caller.clone();
        let began = Instant::now();
        let path = format!("{path}?fieldManager={}", super::CONTROLLER);
        let send = async move {
            Answer {
                is_write: true,
                began,
                lease: caller.send(method, &path, media_type, &body).await,
            }
        };
        send.boxed()
    }

    /// The Lease as it is, and each change.
    fn watch(&self) -> Events {
        let Config { name, .. } = &self.config;
        let path = format!(
            "{}?watch=true&fieldSelector=metadata.name%3D{name}&timeoutSeconds={WATCH_SECONDS}",
            self.collection()
        );
        let client = self.client.clone();
        let open = async move {
            let request = http::Request::get(path).body(Vec::new());
            let request = request.map_err(kube::Error::HttpError)?;
            client.request_events::<Lease>(request).await
        };
        open.map_ok(|events| -> Events { events.boxed() })
            .try_flatten_stream()
            .boxed()
    }

    /// As [`Task::watch`], after a while. It only makes things faster: while nothing is heard of
    /// the Lease, it is read.
    fn watch_later(&self) -> Events {
        let pause = sleep(jittered(self.config.retry_period));
        let events = self.watch();
        pause.map(|()| events).flatten_stream().boxed()
    }
}
