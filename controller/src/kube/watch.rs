//! One kind, watched: a list, and then each change, for as long as somebody listens.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch as value};
use tokio::time::Instant;
use tracing::warn;

use super::backoff::Retry;
use super::call::chain;
use super::client::{ANSWER, CONNECT};
use super::object::key;
use crate::object::{Kind, Object, ObjectKey};
use crate::snapshot::Version;

/// After so long a watch is ended and resumed, which costs one request. A connection that is dead
/// and does not say so is noticed then.
const WATCH: Duration = Duration::from_secs(100);
/// A request that has not failed by then has been answered.
const OPEN: Duration = CONNECT.saturating_add(ANSWER);
/// How long the answer to a list may take.
const LIST: Duration = Duration::from_secs(30);
/// Objects in one answer to a list.
pub const PAGE: u32 = 500;

/// What a watch tells.
#[derive(Debug)]
pub enum Change {
    /// A list begins: what is not in it is gone.
    ListBegins(Kind),
    /// The list is complete.
    ListEnds(Kind),
    /// The object as it is now, and how new that is.
    Apply(Box<Object>, Option<Version>),
    /// The object is gone, or is nothing to us any more.
    Remove(ObjectKey, Option<Version>),
    /// A list that was asked for in between has been told whole.
    Refreshed(oneshot::Sender<()>),
    /// The API server cannot be heard, and why. What was known stays known.
    Failing(Kind, Arc<str>),
    /// It can be heard again.
    Working(Kind),
}

/// How far a kind is listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lists {
    /// When the latest list began: nothing of it was asked for before.
    pub begun: Option<Instant>,
    /// When the latest one began that has been told whole.
    pub whole: Option<Instant>,
}

/// What is read out of an object of the API: itself, unless it is nothing to us, and of a Service
/// which one it is.
pub type Reading = (Option<Object>, Option<Version>);

/// Objects of a page of a list that have been read. They are let go together: what is made of them
/// lives long, and would lie scattered among what each of them leaves free, of which then nothing
/// goes back to the operating system.
#[derive(Debug)]
pub struct Page<K>(Vec<K>);

impl<K> Default for Page<K> {
    fn default() -> Page<K> {
        Page(Vec::new())
    }
}

impl<K> Page<K> {
    /// One more has been read; the last of a page ends it.
    pub fn keep(&mut self, object: K) {
        self.0.push(object);
        if self.0.len() >= PAGE as usize {
            self.end();
        }
    }

    /// There is no more.
    pub fn end(&mut self) {
        self.0 = Vec::new();
    }
}

/// Tells each change of the kind until nobody listens, and in `lists` how far it is listed.
pub async fn watch<K>(
    kind: Kind,
    api: Api<K>,
    read: impl Fn(&K) -> Reading,
    out: mpsc::Sender<Change>,
    lists: value::Sender<Lists>,
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    // Not all kinds at the same time.
    let seconds = WATCH.as_secs() + fastrand::u64(0..WATCH.as_secs() / 4);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let config = watcher::Config::default().timeout(seconds).page_size(PAGE);
    let mut events = pin!(watcher::watcher(api, config));
    let mut retry = Retry::default();
    let mut failing = false;
    let mut page = Page::default();
    let told = |object: &K| told(kind, object, &read);
    loop {
        // While nothing happens a watch that has begun again says nothing; one that could not begin
        // says so within that time.
        let event = match failing {
            true => tokio::time::timeout(OPEN, events.next()).await,
            false => Ok(events.next().await),
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(_) => {
                failing = false;
                retry.reset();
                if out.send(Change::Working(kind)).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let (change, wait) = match event {
            Ok(Event::Init) => {
                // The request is sent when the next event is asked for.
                lists.send_modify(|lists| lists.begun = Some(Instant::now()));
                (Change::ListBegins(kind), None)
            }
            Ok(Event::InitApply(object)) => {
                let change = told(&object);
                page.keep(object);
                (change, None)
            }
            Ok(Event::Apply(object)) => (told(&object), None),
            Ok(Event::InitDone) => {
                page.end();
                (Change::ListEnds(kind), None)
            }
            Ok(Event::Delete(object)) => {
                let key = key(kind, object.meta());
                (Change::Remove(key, read(&object).1), None)
            }
            Err(error) => {
                let change = Change::Failing(kind, chain(&error).into());
                (change, Some(retry.after_failure()))
            }
        };
        // The beginning of a list is not yet an answer.
        let heard = wait.is_none() && !matches!(change, Change::ListBegins(_));
        if heard && std::mem::take(&mut failing) {
            retry.reset();
            if out.send(Change::Working(kind)).await.is_err() {
                return;
            }
        }
        let is_whole = matches!(change, Change::ListEnds(_));
        if out.send(change).await.is_err() {
            return;
        }
        if is_whole {
            lists.send_modify(|lists| lists.whole = lists.begun);
        }
        if let Some(wait) = wait {
            failing = true;
            tokio::time::sleep(wait).await;
        }
    }
}

/// Tells every object there is now, each at least as new as when this was called, and then `done`.
pub async fn refresh<K>(
    kind: Kind,
    api: Api<K>,
    read: impl Fn(&K) -> Reading,
    out: mpsc::Sender<Change>,
    done: oneshot::Sender<()>,
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut retry = Retry::default();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = match tokio::time::timeout(LIST, api.list(&page)).await {
            Ok(Ok(list)) => list,
            Ok(Err(error)) => {
                warn!(%kind, error = chain(&error), "the API server does not list");
                // A place in a list is forgotten after a while; then it begins anew.
                page.continue_token = None;
                tokio::time::sleep(retry.after_failure()).await;
                continue;
            }
            Err(_) => {
                warn!(%kind, "the API server does not answer");
                tokio::time::sleep(retry.after_failure()).await;
                continue;
            }
        };
        for object in &list.items {
            if out.send(told(kind, object, &read)).await.is_err() {
                return;
            }
        }
        page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
        if page.continue_token.is_none() {
            // Where nobody listens any more nobody waits either.
            let _ = out.send(Change::Refreshed(done)).await;
            return;
        }
    }
}

fn told<K: kube::Resource>(kind: Kind, object: &K, read: &impl Fn(&K) -> Reading) -> Change {
    let key = key(kind, object.meta());
    match read(object) {
        (Some(object), version) => Change::Apply(Box::new(object), version),
        (None, version) => Change::Remove(key, version),
    }
}
