//! One kind, watched: a list, and then each change, for as long as somebody listens.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::object::key;
use super::retry::Retry;
use crate::object::{Kind, Object, ObjectKey};

/// After so long a watch is ended and resumed, which costs one request. A connection that is dead
/// and does not say so is noticed then.
const WATCH: Duration = Duration::from_secs(100);
/// Objects in one answer to a list.
const PAGE: u32 = 500;

/// What a watch tells.
#[derive(Debug)]
pub enum Change {
    /// A list begins: what is not in it is gone.
    ListBegins(Kind),
    /// The list is complete.
    ListEnds(Kind),
    /// The object as it is now.
    Apply(Box<Object>),
    /// The object is gone, or is nothing to us any more.
    Remove(ObjectKey),
    /// The API server cannot be heard, and why. What was known stays known.
    Failing(Kind, Arc<str>),
    /// It can be heard again.
    Working(Kind),
}

/// Tells each change of the kind until nobody listens. `read` is `None` of an object that is
/// nothing to us.
pub async fn watch<K>(
    kind: Kind,
    api: Api<K>,
    read: impl Fn(K) -> Option<Object>,
    out: mpsc::Sender<Change>,
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
    let told = |object: K| {
        let key = key(kind, object.meta());
        match read(object) {
            Some(object) => Change::Apply(Box::new(object)),
            None => Change::Remove(key),
        }
    };
    while let Some(event) = events.next().await {
        let (change, wait) = match event {
            Ok(Event::Init) => (Change::ListBegins(kind), None),
            Ok(Event::InitApply(object) | Event::Apply(object)) => (told(object), None),
            Ok(Event::InitDone) => (Change::ListEnds(kind), None),
            Ok(Event::Delete(object)) => (Change::Remove(key(kind, object.meta())), None),
            Err(error) => {
                let change = Change::Failing(kind, reason(&error).into());
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
        if out.send(change).await.is_err() {
            return;
        }
        if let Some(wait) = wait {
            failing = true;
            tokio::time::sleep(wait).await;
        }
    }
}

/// The error and what caused it, on one line.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    // A chain has an end; this is against one that has not.
    for _ in 0..8 {
        let Some(next) = cause else {
            break;
        };
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}
