//! A cluster, watched: each change ends in a new [`Snapshot`], whole.
//!
//! One task a kind reads from the API server; one task puts what they tell into a
//! [`Store`] and publishes. What happens while it does is the next snapshot. Where the API server
//! cannot be heard, what was known stays known, for as long as that takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use kube::api::DynamicObject;
use kube::{Api, Client};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::object;
use super::secrets;
use super::watch::{Change, watch};
use crate::assemble::Store;
use crate::object::{Kind, ObjectKey};
use crate::record::Assignments;
use crate::snapshot::{self, Snapshot};
use crate::translate::Options;

/// Changes that wait to be taken, at most; then watches wait, and the API server with them.
const WAITING: usize = 1_024;
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
    /// Failures so far.
    pub failures: u64,
    /// Why nothing is heard now; `None` while it is.
    pub error: Option<Arc<str>>,
}

/// How well each kind is heard.
pub type Hearings = BTreeMap<Kind, Hearing>;

/// A cluster that is being watched. Dropping it ends that.
#[derive(Debug)]
pub struct Source {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    hearings: watch::Receiver<Arc<Hearings>>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl Source {
    /// Watches from now on. `namespace` is where the `metallb.io` kinds are read.
    pub fn start(client: &Client, role: Role, namespace: &str, options: Options) -> Source {
        let (changes, incoming) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        let kinds = start_watches(&mut tasks, client, role, namespace, &options, &changes);
        let (publish, snapshots) = watch::channel(None);
        let (heard, hearings) = watch::channel(Arc::default());
        let (want, wanted) = watch::channel(Arc::default());
        let mut store = Store::default();
        match role {
            Role::Controller => store.without_passwords(),
            Role::Speaker => {
                tasks.spawn(secrets::read(client.clone(), wanted, changes));
            }
        }
        let task = Task {
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
        };
        tasks.spawn(task.run(incoming));
        Source {
            snapshots,
            hearings,
            _tasks: tasks,
        }
    }

    /// The latest snapshot, and notice of the next; `None` until every kind has been listed.
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.snapshots.clone()
    }

    /// How well each kind is heard.
    pub fn hearings(&self) -> watch::Receiver<Arc<Hearings>> {
        self.hearings.clone()
    }
}

fn start_watches(
    tasks: &mut JoinSet<()>,
    client: &Client,
    role: Role,
    namespace: &str,
    options: &Options,
    changes: &mpsc::Sender<Change>,
) -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::from([Kind::Service, Kind::Node, Kind::Namespace]);
    let services: Api<core::Service> = Api::all(client.clone());
    let ours = options.clone();
    let read = move |service| object::service(&service, &ours);
    tasks.spawn(watch(Kind::Service, services, read, changes.clone()));
    let nodes: Api<core::Node> = Api::all(client.clone());
    let read = |node| object::node(&node);
    tasks.spawn(watch(Kind::Node, nodes, read, changes.clone()));
    let namespaces: Api<core::Namespace> = Api::all(client.clone());
    let read = |namespace| object::namespace(&namespace);
    tasks.spawn(watch(Kind::Namespace, namespaces, read, changes.clone()));
    if role == Role::Speaker {
        kinds.extend([Kind::EndpointSlice, Kind::Secret]);
        let slices: Api<discovery::EndpointSlice> = Api::all(client.clone());
        let read = |slice| object::endpoint_slice(&slice);
        tasks.spawn(watch(Kind::EndpointSlice, slices, read, changes.clone()));
    }
    for (kind, version, plural) in object::CONFIGURATION {
        kinds.insert(kind);
        let resource = object::resource(kind, version, plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let options = options.clone();
        let read = move |dynamic| Some(object::configuration(kind, dynamic, &options));
        tasks.spawn(watch(kind, api, read, changes.clone()));
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
}

impl Task {
    async fn run(mut self, mut incoming: mpsc::Receiver<Change>) {
        let mut batch = Vec::new();
        let none = Arc::new(Assignments::new());
        while incoming.recv_many(&mut batch, TOGETHER).await > 0 {
            let before = self.hearings.clone();
            for change in batch.drain(..) {
                self.take(change);
            }
            if self.hearings != before {
                self.heard.send_replace(Arc::new(self.hearings.clone()));
            }
            if self.role == Role::Speaker {
                self.want_secrets();
            }
            let listed = self.hearings.values().all(|hearing| hearing.listed);
            let first = self.publish.borrow().is_none();
            if !listed || !(first || self.store.has_changed()) {
                continue;
            }
            let (world, problems) = self.store.assemble(&none);
            let snapshot = Snapshot {
                world,
                problems: snapshot::bounded(problems),
                assignments: Arc::clone(&none),
            };
            self.publish.send_replace(Some(Arc::new(snapshot)));
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::ListBegins(kind) => {
                self.listing.insert(kind, BTreeSet::new());
            }
            Change::Apply(object) => {
                if let Some(listing) = self.listing.get_mut(&object.key.kind) {
                    listing.insert(object.key.clone());
                }
                self.store.apply(*object);
            }
            Change::Remove(key) => self.store.remove(&key),
            Change::ListEnds(kind) => {
                if let Some(named) = self.listing.remove(&kind) {
                    let gone: Vec<ObjectKey> = self
                        .store
                        .keys(kind)
                        .filter(|key| !named.contains(*key))
                        .cloned()
                        .collect();
                    gone.iter().for_each(|key| self.store.remove(key));
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
