//! Keeps a set of objects of one kind as they should be: makes, changes and deletes them.
//!
//! It watches its objects, so it knows what is there, and what others did to them is undone. Requests
//! have a rate, deletions go first, and one object's failure delays no other.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, OptionFuture};
use futures::stream::{BoxStream, FuturesUnordered, StreamExt as _};
use http::Method;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ApiResource;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt as _};
use plan::world::ObjectName;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::call::{Caller, Counts, Failure, JSON, MERGE, Written};
use super::fence::Fence;
use super::lean::Reported;
use super::queue::{Queue, Urgency};
use super::rate_limit::RateLimit;
use super::watch::{PAGE, Page};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests at the same time.
const IN_FLIGHT: usize = 8;
/// How long a list of all objects may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// What differs from kind to kind. It has what is wanted.
pub(super) trait Kept: Send + 'static {
    /// The kind.
    type Object: Resource<DynamicType = (), Scope = NamespaceResourceScope>;
    /// What the caller says, not yet taken.
    type Inbox: Default + Send + 'static;

    /// Whom the object is about; `None` is not one of ours.
    fn about(&self, metadata: &ObjectMeta) -> Option<ObjectName>;

    /// The name of an object that is made.
    fn name(&self, about: &ObjectName) -> String;

    /// `metadata.ownerReferences` of all objects: one, if any.
    fn owner(&self) -> Option<Value>;

    /// Takes what the caller says; whose objects may have to change.
    fn take(&mut self, inbox: Self::Inbox) -> Affected;

    /// The object that should be there, if one should.
    fn wanted(&self, about: &ObjectName) -> Option<Wanted>;

    /// All whose object should be there.
    fn all(&self) -> Vec<ObjectName>;

    /// Whether the caller has said what is wanted. Before that nothing is touched.
    fn is_ready(&self) -> bool;
}

/// An object as it should be.
#[derive(Debug)]
pub(super) struct Wanted {
    /// `metadata.labels`.
    pub labels: Value,
    /// `status`.
    pub status: Value,
}

/// Whose objects may have to change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Affected {
    Some(Vec<ObjectName>),
    All,
}

/// What makes two statuses the same, in this process.
fn digest(status: &Value) -> NonZeroU64 {
    let mut hasher = DefaultHasher::new();
    status.hash(&mut hasher);
    NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MAX)
}

/// Works until dropped.
#[derive(Debug)]
pub(super) struct Keeper<K: Kept> {
    shared: Arc<Shared<K::Inbox>>,
    counts: Counts,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared<I> {
    inbox: Mutex<I>,
    told: Notify,
}

impl<K: Kept> Keeper<K> {
    /// Starts to keep the objects of a namespace that the watch is for.
    pub(super) fn start(
        client: Client,
        fence: Fence,
        (namespace, manager): (&str, &'static str),
        watch: watcher::Config,
        limit: RateLimit,
        kept: K,
    ) -> Keeper<K> {
        let shared: Arc<Shared<K::Inbox>> = Arc::default();
        // Whatever its status is, an object has a name.
        let kind = ApiResource::erase::<K::Object>(&());
        let api = Api::namespaced_with(client.clone(), namespace, &kind);
        let now = Instant::now();
        let caller = Caller::new(client, fence, TIMEOUT);
        let counts = caller.counts();
        let task = Task {
            caller,
            collection: K::Object::url_path(&(), Some(namespace)),
            manager,
            kept,
            events: events(&api, &watch),
            list_by: Some(now + LIST_TIMEOUT),
            watch: (api, watch),
            listing: BTreeMap::new(),
            page: Page::default(),
            there: None,
            queue: Queue::new(IN_FLIGHT),
            limit,
            in_flight: FuturesUnordered::new(),
        };
        Keeper {
            counts,
            task: tokio::spawn(task.run(Arc::clone(&shared))),
            shared,
        }
    }

    /// The requests so far.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Says what is wanted.
    pub(super) fn tell(&self, change: impl FnOnce(&mut K::Inbox)) {
        change(&mut lock(&self.shared.inbox));
        self.shared.told.notify_one();
    }
}

impl<K: Kept> Drop for Keeper<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is worked on. Objects that are there twice go first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    /// The object of that name is one too many.
    Extra(Arc<str>),
    /// The object about that.
    About(ObjectName),
}

/// An object that is there. There is one for each that is reported on: it is kept small.
#[derive(Clone, Debug)]
struct There {
    /// Where it is not the one that we give.
    name: Option<Box<str>>,
    version: u64,
    /// Of its status; `None` if it has still to be written.
    digest: Option<NonZeroU64>,
    /// Whether its owner is the one that we give.
    owned: bool,
}

type Events = BoxStream<'static, watcher::Result<Event<Reported>>>;

fn events(api: &Api<Reported>, watch: &watcher::Config) -> Events {
    let events = watcher::watcher(api.clone(), watch.clone().page_size(PAGE));
    events.default_backoff().boxed()
}

type Objects = BTreeMap<ObjectName, There>;

/// What a request does.
#[derive(Clone, Debug)]
enum Deed {
    Create,
    Adopt,
    WriteStatus { digest: NonZeroU64 },
    Delete,
}

struct Landed {
    item: Item,
    name: Arc<str>,
    deed: Deed,
    answer: Result<u64, Failure>,
}

struct Task<K: Kept> {
    caller: Caller,
    collection: String,
    manager: &'static str,
    kept: K,
    events: Events,
    /// While there is a list on its way: by then it has ended, or another one begins.
    list_by: Option<Instant>,
    watch: (Api<Reported>, watcher::Config),
    /// Of a list that has not ended.
    listing: Objects,
    page: Page<Reported>,
    /// `None` before the first list has ended.
    there: Option<Objects>,
    queue: Queue<Item, ()>,
    limit: RateLimit,
    in_flight: FuturesUnordered<BoxFuture<'static, Landed>>,
}

impl<K: Kept> Task<K> {
    async fn run(mut self, shared: Arc<Shared<K::Inbox>>) {
        loop {
            let inbox = std::mem::take(&mut *lock(&shared.inbox));
            match self.kept.take(inbox) {
                Affected::Some(names) => names.iter().for_each(|about| self.look_at(about)),
                Affected::All => self.look_at_all(),
            }
            let next = self.send_what_is_due(Instant::now());
            let wake = next.into_iter().chain(self.list_by).min();
            let wake = OptionFuture::from(wake.map(sleep_until));
            tokio::select! {
                () = shared.told.notified() => {}
                Some(landed) = self.in_flight.next() => self.landed(landed),
                // What is there need not be known before what should be: it is listed when the daemon
                // has done its own lists.
                Some(event) = self.events.next(), if self.kept.is_ready() => self.event(event),
                Some(()) = wake => self.list_anew_if_late(Instant::now()),
            }
        }
    }

    /// A list that nobody answers would be waited for without end.
    fn list_anew_if_late(&mut self, now: Instant) {
        if self.list_by.is_some_and(|by| by <= now) {
            self.events = events(&self.watch.0, &self.watch.1);
            self.list_by = Some(now + LIST_TIMEOUT);
        }
    }

    fn event(&mut self, event: watcher::Result<Event<Reported>>) {
        match event {
            Ok(Event::Init) => {
                self.listing.clear();
                self.page.end();
                self.list_by = Some(Instant::now() + LIST_TIMEOUT);
            }
            Ok(Event::InitApply(object)) => {
                if let Some((about, there)) = self.read(&object) {
                    self.listed(about, there);
                }
                self.page.keep(object);
            }
            Ok(Event::InitDone) => {
                self.list_by = None;
                self.page.end();
                self.there = Some(std::mem::take(&mut self.listing));
                self.look_at_all();
            }
            Ok(Event::Apply(object)) => {
                if let Some((about, there)) = self.read(&object) {
                    self.applied(about, there);
                }
            }
            Ok(Event::Delete(object)) => {
                if let Some((about, gone)) = self.read(&object) {
                    self.deleted(&about, &gone);
                }
            }
            Err(error) => debug!("the watch of {} is begun anew: {error}", self.collection),
        }
    }

    fn read(&self, object: &Reported) -> Option<(ObjectName, There)> {
        let about = self.kept.about(&object.metadata)?;
        let name = object.name_any();
        let there = There {
            name: (name != self.kept.name(&about)).then(|| name.into()),
            version: version(object.resource_version().as_deref()),
            digest: Some(digest(&object.status)),
            owned: self.is_owned(object),
        };
        Some((about, there))
    }

    fn is_owned(&self, object: &Reported) -> bool {
        let owner = object.owner_references().first();
        self.kept
            .owner()
            .is_some_and(|ours| owner.is_some_and(|owner| ours["uid"].as_str() == Some(&owner.uid)))
    }

    fn listed(&mut self, about: ObjectName, there: There) {
        match self.listing.get(&about) {
            Some(known) if known.name != there.name => self.extra(&about, &there),
            Some(_) | None => drop(self.listing.insert(about, there)),
        }
    }

    fn applied(&mut self, about: ObjectName, new: There) {
        let Some(there) = &mut self.there else { return };
        match there.get(&about) {
            Some(known) if known.name != new.name => self.extra(&about, &new),
            // It is how we have made it, or older than that.
            Some(known) if new.version <= known.version => {}
            Some(_) | None => {
                there.insert(about.clone(), new);
                self.look_at(&about);
            }
        }
    }

    fn deleted(&mut self, about: &ObjectName, gone: &There) {
        let Some(there) = &mut self.there else { return };
        let known = there.get(about);
        if known.is_some_and(|known| known.name == gone.name && known.version <= gone.version) {
            there.remove(about);
            self.look_at(about);
        }
    }

    fn extra(&mut self, about: &ObjectName, there: &There) {
        let name = self.name_of(about, there);
        self.queue.put(Item::Extra(name), (), Urgency::Urgent);
    }

    fn name_of(&self, about: &ObjectName, there: &There) -> Arc<str> {
        let own = there.name.as_deref().map(Arc::from);
        own.unwrap_or_else(|| self.kept.name(about).into())
    }

    fn look_at_all(&mut self) {
        if self.there.is_none() || !self.kept.is_ready() {
            return;
        }
        let there = self.there.iter().flat_map(BTreeMap::keys).cloned();
        let mut all: Vec<ObjectName> = there.collect();
        all.extend(self.kept.all());
        all.iter().for_each(|about| self.look_at(about));
    }

    /// Queues what has to be done about an object. What is in the queue is looked at again when it
    /// is sent, and when it has landed.
    fn look_at(&mut self, about: &ObjectName) {
        let item = Item::About(about.clone());
        let urgency = match self.deed(about) {
            None => return,
            Some((_, Deed::Delete, _)) => Urgency::Urgent,
            Some((_, Deed::Create | Deed::Adopt | Deed::WriteStatus { .. }, _)) => Urgency::CanWait,
        };
        if urgency == Urgency::Urgent || !self.queue.contains(&item) {
            self.queue.put(item, (), urgency);
        }
    }

    /// What has to be done next about an object, its name, and the request's body.
    fn deed(&self, about: &ObjectName) -> Option<(Arc<str>, Deed, Value)> {
        let there = self.there.as_ref().filter(|_| self.kept.is_ready())?;
        let there = there.get(about);
        let (wanted, there) = match (self.kept.wanted(about), there) {
            (None, None) => return None,
            (None, Some(there)) => {
                return Some((self.name_of(about, there), Deed::Delete, json!({})));
            }
            (Some(wanted), there) => (wanted, there),
        };
        let references = Value::from_iter(self.kept.owner());
        let Some(there) = there else {
            let name = self.kept.name(about);
            let object = json!({
                "apiVersion": K::Object::api_version(&()),
                "kind": K::Object::kind(&()),
                "metadata": {
                    "name": name,
                    "labels": wanted.labels,
                    "ownerReferences": references,
                },
                "spec": {},
            });
            return Some((name.into(), Deed::Create, object));
        };
        let name = self.name_of(about, there);
        // An object of an earlier Pod would go with that Pod.
        if !there.owned && self.kept.owner().is_some() {
            let change = json!({"metadata": {"ownerReferences": references}});
            return Some((name, Deed::Adopt, change));
        }
        let digest = digest(&wanted.status);
        let status = json!({"status": wanted.status});
        (there.digest != Some(digest)).then_some((name, Deed::WriteStatus { digest }, status))
    }

    /// When more may be sent.
    fn send_what_is_due(&mut self, now: Instant) -> Option<Instant> {
        if !self.queue.is_empty() && !self.caller.may_write(now) {
            // Whoever leads again is told again what is wanted.
            drop(self.queue.take_waiting());
        }
        loop {
            if let Some(next) = self.limit.next().filter(|next| now < *next) {
                return (!self.queue.is_empty()).then_some(next);
            }
            let Some((item, ())) = self.queue.next(now) else {
                return self.queue.wakes_at();
            };
            let deed = match &item {
                Item::Extra(name) => Some((Arc::clone(name), Deed::Delete, json!({}))),
                Item::About(about) => self.deed(about),
            };
            let Some((name, deed, body)) = deed else {
                self.queue.unsent(&item);
                continue;
            };
            self.limit.take(now);
            self.send(item, name, deed, body);
        }
    }

    fn send(&self, item: Item, name: Arc<str>, deed: Deed, body: Value) {
        let (caller, collection) = (self.caller.clone(), &self.collection);
        let manager = format!("fieldManager={}", self.manager);
        let path = match deed {
            Deed::Create => format!("{collection}?{manager}"),
            Deed::Adopt => format!("{collection}/{name}?{manager}"),
            Deed::WriteStatus { .. } => format!("{collection}/{name}/status?{manager}"),
            Deed::Delete => format!("{collection}/{name}"),
        };
        let send = async move {
            let answer = match deed {
                Deed::Create => caller.send(Method::POST, &path, JSON, &body).await,
                Deed::Adopt | Deed::WriteStatus { .. } => {
                    caller.send(Method::PATCH, &path, MERGE, &body).await
                }
                Deed::Delete => caller.ask(Method::DELETE, &path).await,
            };
            let answer = answer.map(|done: Written| version(Some(&done.resource_version())));
            Landed {
                item,
                name,
                deed,
                answer,
            }
        };
        self.in_flight.push(send.boxed());
    }

    fn landed(&mut self, landed: Landed) {
        let Landed {
            item,
            name,
            deed,
            answer,
        } = landed;
        let version = match answer {
            Ok(version) => Some(version),
            Err(failure @ (Failure::Busy(..) | Failure::NoAnswer(_))) => {
                debug!("{name} is tried again: {failure}");
                self.queue.retry(item, (), Instant::now(), &failure);
                return;
            }
            Err(Failure::Fenced) => {
                self.queue.unsent(&item);
                return;
            }
            // For a new object it is the namespace that is not there.
            Err(Failure::NotFound) if !matches!(deed, Deed::Create) => None,
            Err(Failure::Conflict(_)) => None,
            Err(failure @ (Failure::NotFound | Failure::Refused(..))) => {
                warn!(
                    "{} {name} cannot be written: {failure}",
                    K::Object::kind(&())
                );
                self.queue.refused(item, (), Instant::now());
                return;
            }
        };
        self.queue.done(&item);
        if let (Item::About(about), Some(there)) = (&item, &mut self.there) {
            done(there, about, deed, version);
            self.look_at(about);
        }
    }
}

/// What is there after a deed. Without a version it was not done: there is no such object, or for a
/// new one there is one already.
fn done(there: &mut Objects, about: &ObjectName, deed: Deed, version: Option<u64>) {
    let known = there.remove(about);
    let new = match (deed, version) {
        (Deed::Delete, _) | (Deed::Adopt | Deed::WriteStatus { .. }, None) => None,
        (Deed::Create, version) => Some(There {
            name: None,
            version: version.unwrap_or(0),
            digest: None,
            owned: version.is_some(),
        }),
        (Deed::Adopt, Some(version)) => known.map(|known| There {
            version,
            owned: true,
            ..known
        }),
        (Deed::WriteStatus { digest }, Some(version)) => known.map(|known| There {
            version,
            digest: Some(digest),
            ..known
        }),
    };
    if let Some(new) = new {
        there.insert(about.clone(), new);
    }
}

/// A resourceVersion as the number that it is (Kubernetes 1.35).
fn version(version: Option<&str>) -> u64 {
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}
