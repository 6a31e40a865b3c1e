//! A cluster, watched: each change ends in a new [`Snapshot`], whole.
//!
//! One task a kind reads from the API server; one task puts what they tell into a
//! [`Store`] and publishes. What happens while it does is the next snapshot. Where the API server
//! cannot be heard, what was known stays known, for as long as that takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use kube::api::DynamicObject;
use kube::{Api, Client};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use super::lean::Lean;
use super::object;
use super::secrets;
use super::service_status::Condition;
use super::watch::{Change, Lists, Reading, refresh, watch as watch_kind};
use crate::assemble::{Store, service_name};
use crate::object::{Kind, ObjectKey};
use crate::record::Assignments;
use crate::snapshot::{self, Snapshot, Version, Versions};
use crate::translate::Options;

/// Changes that wait to be taken, at most; then watches wait, and the API server with them.
const WAITING: usize = 1_024;
/// Who wait for a refresh, at most; others wait for these.
const REFRESHES: usize = 16;
/// Services that are remembered as gone, at most.
const REMOVED: usize = 10_000;
/// Changes that are taken together, at most.
const TOGETHER: usize = 4_096;

/// Who asks: not everybody has to know everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Assigns addresses: knows no endpoint and no password.
    Controller,
    /// Announces them.
    Speaker,
}

/// How well one kind is heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hearing {
    /// A whole list has been read.
    pub listed: bool,
    /// Lists so far: one, and one more each time the API server had forgotten where we were.
    pub lists: u64,
    /// Changes told so far, those of lists among them.
    pub changes: u64,
    /// Failures so far.
    pub failures: u64,
    /// Why nothing is heard now; `None` while it is.
    pub error: Option<Arc<str>>,
}

impl Hearing {
    /// Whether what is known of the kind is all that there is now.
    pub fn is_up(&self) -> bool {
        self.listed && self.error.is_none()
    }
}

/// When the oldest change came that nobody has asked for yet.
type Oldest = Arc<Mutex<Option<Instant>>>;

/// How well each kind is heard.
pub type Hearings = BTreeMap<Kind, Hearing>;

/// Who wants to know each Service at least as it was at a time.
#[derive(Debug)]
struct Refresh {
    since: Instant,
    done: oneshot::Sender<()>,
}

/// A cluster that is being watched. Dropping it ends that.
#[derive(Debug)]
pub struct Source {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    hearings: watch::Receiver<Arc<Hearings>>,
    refresh: mpsc::Sender<Refresh>,
    oldest: Oldest,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl Source {
    /// Watches from now on, and Services once `services_after` has ended: who may soon lead would
    /// have to list them twice (see [`Source::refresh`]). `namespace` is where the `metallb.io` kinds
    /// are read.
    pub fn start(
        client: &Client,
        role: Role,
        namespace: &str,
        options: Options,
        services_after: impl Future<Output = ()> + Send + 'static,
    ) -> Source {
        let (changes, incoming) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        let mut kinds = start_watches(&mut tasks, client, role, namespace, &options, &changes);
        kinds.insert(Kind::Service);
        let services: Api<Lean<core::Service>> = Api::all(client.clone());
        let ours = options.clone();
        let read = move |Lean(service): &Lean<_>| read_service(service, &ours, role);
        let (list, lists) = watch::channel(Lists::default());
        let services = watch_kind(Kind::Service, services, read, changes.clone(), list);
        tasks.spawn(async move {
            services_after.await;
            services.await;
        });
        let (publish, snapshots) = watch::channel(None);
        let (heard, hearings) = watch::channel(Arc::default());
        let (want, wanted) = watch::channel(Arc::default());
        let (refresh, refreshes) = mpsc::channel(REFRESHES);
        let mut store = Store::default();
        match role {
            Role::Controller => store.without_passwords(),
            Role::Speaker => {
                tasks.spawn(secrets::read(client.clone(), wanted, changes.clone()));
            }
        }
        tasks.spawn(refresh_services(
            client.clone(),
            role,
            options,
            (changes, lists),
            refreshes,
        ));
        let oldest = Oldest::default();
        let task = Task {
            oldest: Arc::clone(&oldest),
            store,
            role,
            listing: BTreeMap::new(),
            hearings: kinds
                .into_iter()
                .map(|kind| (kind, Hearing::default()))
                .collect(),
            want,
            heard,
            publish,
            versions: Versions::new(),
            condition: None,
            removed: BTreeMap::new(),
        };
        tasks.spawn(task.run(incoming));
        Source {
            snapshots,
            hearings,
            refresh,
            oldest,
            _tasks: tasks,
        }
    }

    /// The latest snapshot, and notice of the next; `None` until every kind has been listed.
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.snapshots.clone()
    }

    /// When the first of the changes was told that snapshots have brought since this was asked last;
    /// now, where they have brought none.
    pub fn changed_since(&self) -> Instant {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.take().unwrap_or_else(Instant::now)
    }

    /// Returns when the latest snapshot has every Service at least as new as the API server had it
    /// at that time, which is not in the future. What a watch tells may be late; who is to write has
    /// to know.
    ///
    /// A list without a resourceVersion is at the most recent one when it is asked for (Kubernetes
    /// API concepts, "Resource versions": "Most Recent"; that is so for the first page, and the others
    /// are of the same version). So where the watch began with a list that was asked for after
    /// `since`, that one is enough; else there is another.
    ///
    /// # Errors
    /// The cluster is no longer watched.
    pub async fn refresh(&self, since: Instant) -> Result<(), Unwatched> {
        let (done, refreshed) = oneshot::channel();
        let refresh = Refresh { since, done };
        self.refresh.send(refresh).await.map_err(|_| Unwatched)?;
        refreshed.await.map_err(|_| Unwatched)
    }

    /// How well each kind is heard.
    pub fn hearings(&self) -> watch::Receiver<Arc<Hearings>> {
        self.hearings.clone()
    }
}

/// The cluster is no longer watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwatched;

/// Makes sure for each who asks, one after the other, that Services have been listed since.
async fn refresh_services(
    client: Client,
    role: Role,
    options: Options,
    (changes, mut lists): (mpsc::Sender<Change>, watch::Receiver<Lists>),
    mut refreshes: mpsc::Receiver<Refresh>,
) {
    while let Some(Refresh { since, done }) = refreshes.recv().await {
        let begun = lists.borrow().begun;
        // The first list, if it has yet to begin, begins later than that.
        if begun.is_none_or(|begun| begun >= since) {
            let listed = lists.wait_for(|lists| lists.whole.is_some_and(|begun| begun >= since));
            if listed.await.is_err() {
                return;
            }
            // It comes after what the list told. Where nobody listens any more nobody waits either.
            let _ = changes.send(Change::Refreshed(done)).await;
            continue;
        }
        let services: Api<Lean<core::Service>> = Api::all(client.clone());
        let read = |Lean(service): &Lean<_>| read_service(service, &options, role);
        refresh(Kind::Service, services, read, changes.clone(), done).await;
    }
}

fn read_service(service: &core::Service, options: &Options, role: Role) -> Reading {
    let version = object::version(service, role);
    (object::service(service, options), version)
}

fn start_watches(
    tasks: &mut JoinSet<()>,
    client: &Client,
    role: Role,
    namespace: &str,
    options: &Options,
    changes: &mpsc::Sender<Change>,
) -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::from([Kind::Node, Kind::Namespace]);
    let lists = || watch::channel(Lists::default()).0;
    let nodes: Api<Lean<core::Node>> = Api::all(client.clone());
    let read = |Lean(node): &Lean<_>| (object::node(node), None);
    tasks.spawn(watch_kind(
        Kind::Node,
        nodes,
        read,
        changes.clone(),
        lists(),
    ));
    let namespaces: Api<Lean<core::Namespace>> = Api::all(client.clone());
    let read = |Lean(namespace): &Lean<_>| (object::namespace(namespace), None);
    tasks.spawn(watch_kind(
        Kind::Namespace,
        namespaces,
        read,
        changes.clone(),
        lists(),
    ));
    if role == Role::Speaker {
        kinds.extend([Kind::EndpointSlice, Kind::Secret]);
        let slices: Api<Lean<discovery::EndpointSlice>> = Api::all(client.clone());
        let read = |Lean(slice): &Lean<_>| (object::endpoint_slice(slice), None);
        tasks.spawn(watch_kind(
            Kind::EndpointSlice,
            slices,
            read,
            changes.clone(),
            lists(),
        ));
    }
    for (kind, version, plural) in object::CONFIGURATION {
        kinds.insert(kind);
        let resource = object::resource(kind, version, plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let options = options.clone();
        let read = move |dynamic: &DynamicObject| {
            let object = object::configuration(kind, dynamic.clone(), &options);
            (Some(object), None)
        };
        tasks.spawn(watch_kind(kind, api, read, changes.clone(), lists()));
    }
    kinds
}

struct Task {
    store: Store,
    role: Role,
    /// For each kind that is being listed, what the list has named so far.
    listing: BTreeMap<Kind, BTreeSet<ObjectKey>>,
    hearings: Hearings,
    want: watch::Sender<Arc<secrets::Wanted>>,
    heard: watch::Sender<Arc<Hearings>>,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    oldest: Oldest,
    versions: Versions,
    /// The condition that was read last.
    condition: Option<Arc<Condition>>,
    /// Services that are gone, and since which version, until the next list begins: a list that
    /// was made before must not bring them back.
    removed: BTreeMap<ObjectKey, u64>,
}

impl Task {
    async fn run(mut self, mut incoming: mpsc::Receiver<Change>) {
        let mut batch = Vec::new();
        let mut waiting = Vec::new();
        let none = Arc::new(Assignments::new());
        while incoming.recv_many(&mut batch, TOGETHER).await > 0 {
            let came = Instant::now();
            let before = self.hearings.clone();
            let mut refreshed = Vec::new();
            for change in batch.drain(..) {
                refreshed.extend(self.take(change));
            }
            if self.hearings != before {
                self.heard.send_replace(Arc::new(self.hearings.clone()));
            }
            if self.role == Role::Speaker {
                self.want_secrets();
            }
            let listed = self.hearings.values().all(|hearing| hearing.listed);
            if !listed {
                // Whoever asked is told with the first snapshot.
                waiting.append(&mut refreshed);
                continue;
            }
            refreshed.append(&mut waiting);
            let first = self.publish.borrow().is_none();
            if first || self.store.has_changed() {
                self.publish(&none, came);
            }
            for done in refreshed {
                // It may have given up waiting.
                let _ = done.send(());
            }
        }
    }

    fn publish(&mut self, none: &Arc<Assignments>, came: Instant) {
        let (world, problems) = self.store.assemble(none);
        let snapshot = Snapshot {
            world,
            problems: snapshot::bounded(problems),
            assignments: Arc::clone(none),
            versions: self.versions.clone(),
        };
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.get_or_insert(came);
        drop(oldest);
        self.publish.send_replace(Some(Arc::new(snapshot)));
    }

    /// Takes a change; gives who waits for a refresh that is now done.
    fn take(&mut self, change: Change) -> Option<oneshot::Sender<()>> {
        match change {
            Change::ListBegins(kind) => {
                self.removed.clear();
                self.listing.insert(kind, BTreeSet::new());
            }
            Change::Apply(object, version) => {
                self.heard(object.key.kind);
                if let Some(listing) = self.listing.get_mut(&object.key.kind) {
                    listing.insert(object.key.clone());
                }
                if self.is_news(&object.key, version.as_ref()) {
                    self.store.apply(*object);
                }
            }
            Change::Remove(key, version) => {
                self.heard(key.kind);
                let name = service_name(&key);
                let gone = self.versions.get(&name);
                let newer = gone.zip(version.as_ref());
                if newer.is_none_or(|(known, gone)| known.resource_version <= gone.resource_version)
                {
                    self.remove(&key, version.as_ref());
                }
            }
            Change::Refreshed(done) => return Some(done),
            Change::ListEnds(kind) => {
                if let Some(named) = self.listing.remove(&kind) {
                    let gone: Vec<ObjectKey> = self
                        .store
                        .keys(kind)
                        .filter(|key| !named.contains(*key))
                        .cloned()
                        .collect();
                    gone.iter().for_each(|key| self.remove(key, None));
                }
                let hearing = self.hearings.entry(kind).or_default();
                hearing.listed = true;
                hearing.lists += 1;
                hearing.error = None;
            }
            Change::Failing(kind, reason) => {
                let hearing = self.hearings.entry(kind).or_default();
                hearing.failures += 1;
                if hearing.error.as_ref() != Some(&reason) {
                    warn!(%kind, %reason, "the API server is not heard; what was known stays in use");
                    hearing.error = Some(reason);
                }
                if kind == Kind::Secret {
                    // A peer whose Secret cannot be read is refused with that reason; the others
                    // do not wait for it.
                    hearing.listed = true;
                }
            }
            Change::Working(kind) => {
                info!(%kind, "the API server is heard again");
                self.hearings.entry(kind).or_default().error = None;
            }
        }
        None
    }

    fn heard(&mut self, kind: Kind) {
        self.hearings.entry(kind).or_default().changes += 1;
    }

    /// Whether this version of the object is newer than what is known; notes it if so. Versions of
    /// one object are different, also where it is deleted and made anew.
    fn is_news(&mut self, key: &ObjectKey, version: Option<&Version>) -> bool {
        let Some(version) = version else {
            return true;
        };
        let mut name = service_name(key);
        let known = self.versions.get(&name).map(|known| known.resource_version);
        let newest = known.max(self.removed.get(key).copied());
        // What is known already would only be kept twice, here and in the snapshots so far.
        if newest >= Some(version.resource_version) {
            return false;
        }
        self.store.share(&mut name);
        let mut version = version.clone();
        // Many were given theirs in the same second: they have one in common.
        match (&self.condition, &version.condition) {
            (Some(last), Some(condition)) if last == condition => {
                version.condition = Some(Arc::clone(last));
            }
            (_, condition) => self.condition.clone_from(condition),
        }
        self.versions.insert(name, version);
        true
    }

    fn remove(&mut self, key: &ObjectKey, version: Option<&Version>) {
        self.store.remove(key);
        if key.kind != Kind::Service {
            return;
        }
        let known = self.versions.remove(&service_name(key));
        if let (Some(_), Some(version)) = (known, version) {
            if self.removed.len() >= REMOVED {
                self.removed.clear();
            }
            self.removed.insert(key.clone(), version.resource_version);
        }
    }

    fn want_secrets(&mut self) {
        let wanted = self.store.secrets_wanted();
        self.want.send_if_modified(|known| {
            let changed = **known != wanted;
            if changed {
                *known = Arc::new(wanted);
            }
            changed
        });
    }
}
