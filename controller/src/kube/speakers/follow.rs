//! All objects of a kind that speakers write, followed: a list, and then each change.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::kube::backoff::Retry;
use crate::kube::call::chain;
use crate::kube::client::{ANSWER, CONNECT};
use crate::kube::source::Hearing;

/// After so long a watch is ended and resumed: a connection that is dead is noticed then.
const WATCH: Duration = Duration::from_secs(100);
/// A request that has not failed by then has been answered.
const OPEN: Duration = CONNECT.saturating_add(ANSWER);
/// Objects in one answer to a list.
const PAGE: u32 = 500;
/// Objects that are kept, at most: a cluster has fewer nodes, and fewer Services in L2 mode.
const MOST: usize = 50_000;
/// Changes that are told together, at most.
const AT_ONCE: usize = 1_000;
/// Between one telling and the next, at least: each looks at all objects.
const BETWEEN: Duration = Duration::from_millis(50);

/// How well each kind is heard, by its name.
pub type Hearings = BTreeMap<&'static str, Hearing>;

/// Notes how well one kind is heard.
pub struct Ear<'a> {
    kind: &'static str,
    hearings: &'a watch::Sender<Hearings>,
}

/// What is kept of the objects, by their names.
struct Book<T> {
    known: BTreeMap<String, T>,
    /// A list that is not whole yet.
    listing: BTreeMap<String, T>,
}

/// Follows all objects of a kind for ever; of each it keeps what `read` takes from it. `tell` is
/// called with all of them after changes, from the first whole list on. Where the API server is not
/// heard, what was known stays.
pub async fn follow<K, T: PartialEq>(
    api: Api<K>,
    config: watcher::Config,
    ear: Ear<'_>,
    read: fn(&K) -> Option<T>,
    tell: impl Fn(&BTreeMap<String, T>),
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let seconds = u32::try_from(WATCH.as_secs()).unwrap_or(u32::MAX);
    let config = config.timeout(seconds).page_size(PAGE);
    let mut events = pin!(watcher::watcher(api, config));
    let mut retry = Retry::default();
    let mut book = Book {
        known: BTreeMap::new(),
        listing: BTreeMap::new(),
    };
    loop {
        // A watch that has begun again and has nothing to tell says nothing.
        let mut next = match ear.is_failing() {
            true => tokio::time::timeout(OPEN, events.next()).await,
            false => Ok(events.next().await),
        };
        let (mut is_news, mut has_failed) = (false, false);
        for _ in 0..AT_ONCE {
            match next {
                Ok(None) => return,
                Ok(Some(Ok(event))) => is_news |= book.note(event, &ear, read),
                Ok(Some(Err(error))) => {
                    ear.fails(&error);
                    has_failed = true;
                    break;
                }
                Err(_) => ear.works(),
            }
            match events.next().now_or_never() {
                Some(more) => next = Ok(more),
                None => break,
            }
        }
        if is_news {
            tell(&book.known);
            tokio::time::sleep(BETWEEN).await;
        }
        match has_failed {
            true => tokio::time::sleep(retry.after_failure()).await,
            false if !ear.is_failing() => retry.reset(),
            false => {}
        }
    }
}

impl<T: PartialEq> Book<T> {
    /// Notes an event; whether anything is otherwise than before.
    fn note<K>(&mut self, event: Event<K>, ear: &Ear<'_>, read: fn(&K) -> Option<T>) -> bool
    where
        K: kube::Resource,
    {
        match event {
            // No answer yet.
            Event::Init => {
                self.listing.clear();
                false
            }
            Event::InitApply(object) => {
                ear.hears();
                if let Some(read) = read(&object) {
                    insert(&mut self.listing, object.name_any(), read);
                }
                false
            }
            Event::InitDone => {
                ear.lists();
                self.known = std::mem::take(&mut self.listing);
                true
            }
            Event::Apply(object) => {
                ear.hears();
                let name = object.name_any();
                match read(&object) {
                    Some(read) if self.known.get(&name) == Some(&read) => false,
                    Some(read) => insert(&mut self.known, name, read),
                    None => self.known.remove(&name).is_some(),
                }
            }
            Event::Delete(object) => {
                ear.hears();
                self.known.remove(&object.name_any()).is_some()
            }
        }
    }
}

/// Keeps an object, if there is room; whether there was.
fn insert<T>(all: &mut BTreeMap<String, T>, name: String, object: T) -> bool {
    let has_room = all.len() < MOST || all.contains_key(&name);
    if has_room {
        all.insert(name, object);
    }
    has_room
}

impl<'a> Ear<'a> {
    /// For the kind of this name.
    pub fn new(kind: &'static str, hearings: &'a watch::Sender<Hearings>) -> Ear<'a> {
        let ear = Ear { kind, hearings };
        ear.note(|_| ());
        ear
    }

    fn note<R>(&self, note: impl FnOnce(&mut Hearing) -> R) -> Option<R> {
        let mut noted = None;
        self.hearings.send_modify(|hearings| {
            noted = Some(note(hearings.entry(self.kind).or_default()));
        });
        noted
    }

    fn is_failing(&self) -> bool {
        let hearings = self.hearings.borrow();
        let hearing = hearings.get(self.kind);
        hearing.is_some_and(|hearing| hearing.error.is_some())
    }

    fn hears(&self) {
        self.works();
        self.note(|hearing| hearing.changes += 1);
    }

    fn lists(&self) {
        self.works();
        self.note(|hearing| {
            hearing.lists += 1;
            hearing.listed = true;
        });
    }

    fn works(&self) {
        if self
            .note(|hearing| hearing.error.take())
            .flatten()
            .is_some()
        {
            info!(kind = self.kind, "the API server is heard again");
        }
    }

    fn fails(&self, error: &watcher::Error) {
        let reason: Arc<str> = chain(error).into();
        let said = Arc::clone(&reason);
        let before = self.note(|hearing| {
            hearing.failures += 1;
            hearing.error.replace(reason)
        });
        if before.flatten().as_ref() != Some(&said) {
            warn!(
                kind = self.kind,
                reason = %said,
                "the API server is not heard; what was known stays in use"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn a_list_counts_when_it_is_whole_and_changes_only_where_they_are_some() {
        let (hearings, _) = watch::channel(Hearings::new());
        let ear = Ear::new("ConfigMap", &hearings);
        let mut book = Book {
            known: BTreeMap::new(),
            listing: BTreeMap::new(),
        };
        let rows = [
            (Event::Init, false, 0),
            (Event::InitApply(object("a", "1")), false, 0),
            (Event::InitApply(object("b", "1")), false, 0),
            (Event::InitDone, true, 2),
            (Event::Apply(object("a", "1")), false, 2),
            (Event::Apply(object("a", "2")), true, 2),
            (Event::Apply(object("b", "")), true, 1),
            (Event::Delete(object("b", "1")), false, 1),
            (Event::Delete(object("a", "2")), true, 0),
            (Event::Apply(object("c", "1")), true, 1),
            // Anew: what is not in the list is gone.
            (Event::Init, false, 1),
            (Event::InitApply(object("d", "1")), false, 1),
            (Event::InitApply(object("e", "1")), false, 1),
            (Event::InitDone, true, 2),
        ];
        for (index, (event, is_news, known)) in rows.into_iter().enumerate() {
            assert_eq!(book.note(event, &ear, value), is_news, "{index}");
            assert_eq!(book.known.len(), known, "{index}");
        }
        let heard = hearings.borrow()["ConfigMap"].clone();
        assert_eq!((heard.listed, heard.lists, heard.changes), (true, 2, 10));
    }

    #[test]
    fn what_has_no_room_is_left_out_and_what_is_there_can_change() {
        let mut all: BTreeMap<String, u8> = (0..MOST).map(|n| (n.to_string(), 0)).collect();
        assert!(!insert(&mut all, "one more".to_owned(), 1));
        assert!(insert(&mut all, "7".to_owned(), 1));
        assert_eq!((all.len(), all["7"]), (MOST, 1));
    }

    fn object(name: &str, value: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.data = Some([("value".to_owned(), value.to_owned())].into());
        object
    }

    fn value(object: &ConfigMap) -> Option<String> {
        let value = object.data.as_ref()?.get("value")?;
        (!value.is_empty()).then(|| value.clone())
    }
}
