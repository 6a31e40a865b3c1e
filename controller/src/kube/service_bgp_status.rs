//! Writes to which peers this node announces each Service: ServiceBGPStatus objects, one a Service.
//!
//! As MetalLB's they say what is meant to be announced; ours also say in which state the session with
//! each peer is. They belong to the speaker's Pod, with which they go. Those that earlier Pods, or
//! MetalLB, left for this node are taken over.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher;
use kube::{Client, Resource as _};
use plan::world::ObjectName;
use serde_json::{Value, json};

use super::call::Counts;
use super::fence::Fence;
use super::keeper::{Affected, Keeper, Kept, Wanted};
use super::rate_limit::RateLimit;
use crate::crd::ServiceBGPStatus;
use crate::crd::service_bgp_status::{
    BgpSessionState, NODE_LABEL, SERVICE_NAME_LABEL, SERVICE_NAMESPACE_LABEL, ServiceBGPSession,
    ServiceBGPStatusStatus,
};

/// The name under which fields are written (`metadata.managedFields`).
pub(super) const FIELD_MANAGER: &str = "herald-speaker";
/// The longest text about a session, in characters.
const LONGEST_ERROR: usize = 1_024;

/// Names of the BGPPeers that a Service is announced to.
pub type Peers = Arc<[Arc<str>]>;

/// A session as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its state.
    pub state: BgpSessionState,
    /// Why it ended the last time, or could not begin.
    pub last_error: Option<Arc<str>>,
}

/// The Pod that the objects belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The Pod's name.
    pub pod: String,
    /// Its uid.
    pub uid: String,
}

/// How a writer writes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the objects are: our own namespace.
    pub namespace: String,
    /// This node.
    pub node: String,
    /// The speaker's Pod, if it is one.
    pub owner: Option<Owner>,
    /// Requests a second, in the long run.
    pub per_second: u32,
    /// Requests at once, before that counts.
    pub burst: u32,
}

impl Config {
    /// 20 requests a second, 100 at once.
    pub fn new(namespace: impl Into<String>, node: impl Into<String>) -> Config {
        Config {
            namespace: namespace.into(),
            node: node.into(),
            owner: None,
            per_second: 20,
            burst: 100,
        }
    }
}

/// Writes until dropped.
#[derive(Debug)]
pub struct ServiceBgpStatusWriter {
    keeper: Keeper<Statuses>,
}

impl ServiceBgpStatusWriter {
    /// Starts to write, in a task of the current runtime. Nothing is written before the first
    /// [`ServiceBgpStatusWriter::set`].
    pub fn start(client: Client, config: Config) -> ServiceBgpStatusWriter {
        let watch = watcher::Config::default().labels(&format!("{NODE_LABEL}={}", config.node));
        let limit = RateLimit::new(config.per_second, config.burst);
        let place = (&*config.namespace.clone(), FIELD_MANAGER);
        let statuses = Statuses {
            config,
            announced: None,
            sessions: BTreeMap::new(),
        };
        // Each node has objects of its own: no fence.
        let keeper = Keeper::start(client, Fence::open(), place, watch, limit, statuses);
        ServiceBgpStatusWriter { keeper }
    }

    /// All Services that this node announces, each to at least one peer.
    pub fn set(&self, announced: BTreeMap<ObjectName, Peers>) {
        self.keeper.tell(|inbox| {
            inbox.all = Some(announced);
            inbox.changes.clear();
        });
    }

    /// Some Services are announced otherwise; without peers, no more.
    pub fn change(&self, changes: BTreeMap<ObjectName, Option<Peers>>) {
        self.keeper.tell(|inbox| inbox.changes.extend(changes));
    }

    /// The requests so far.
    pub fn counts(&self) -> &Counts {
        self.keeper.counts()
    }

    /// The sessions with all peers. One that is not there counts as Idle.
    pub fn set_sessions(&self, sessions: BTreeMap<Arc<str>, Session>) {
        self.keeper.tell(|inbox| inbox.sessions = Some(sessions));
    }
}

#[derive(Debug, Default)]
struct Inbox {
    all: Option<BTreeMap<ObjectName, Peers>>,
    /// After `all`.
    changes: BTreeMap<ObjectName, Option<Peers>>,
    sessions: Option<BTreeMap<Arc<str>, Session>>,
}

#[derive(Debug)]
struct Statuses {
    config: Config,
    /// `None` before it is known.
    announced: Option<BTreeMap<ObjectName, Peers>>,
    sessions: BTreeMap<Arc<str>, Session>,
}

impl Statuses {
    fn status(&self, service: &ObjectName, peers: &[Arc<str>]) -> ServiceBGPStatusStatus {
        let session = |peer: &Arc<str>| {
            let session = self.sessions.get(peer);
            let last_error = session.and_then(|session| session.last_error.as_deref());
            ServiceBGPSession {
                peer: peer.to_string(),
                state: session.map_or(BgpSessionState::Idle, |session| session.state),
                last_error: last_error.map(|error| error.chars().take(LONGEST_ERROR).collect()),
            }
        };
        ServiceBGPStatusStatus {
            node: Some(self.config.node.clone()),
            service_name: Some(service.name.to_string()),
            service_namespace: Some(service.namespace.to_string()),
            peers: peers.iter().map(ToString::to_string).collect(),
            sessions: peers.iter().map(session).collect(),
        }
    }
}

impl Kept for Statuses {
    type Object = ServiceBGPStatus;
    type Inbox = Inbox;

    fn about(&self, metadata: &ObjectMeta) -> Option<ObjectName> {
        service_of(metadata)
    }

    fn take(&mut self, inbox: Inbox) -> Affected {
        let Inbox {
            all,
            changes,
            sessions,
        } = inbox;
        let mut everything = false;
        if let Some(all) = all {
            everything = true;
            self.announced = Some(all);
        }
        if let Some(sessions) = sessions
            && sessions != self.sessions
        {
            everything = true;
            self.sessions = sessions;
        }
        let Some(announced) = &mut self.announced else {
            return Affected::Some(Vec::new());
        };
        let mut names = Vec::new();
        for (service, peers) in changes {
            match peers {
                Some(peers) => announced.insert(service.clone(), peers),
                None => announced.remove(&service),
            };
            names.push(service);
        }
        match everything {
            true => Affected::All,
            false => Affected::Some(names),
        }
    }

    fn wanted(&self, service: &ObjectName) -> Option<Wanted> {
        let peers = self.announced.as_ref()?.get(service)?;
        Some(Wanted {
            name: object_name("bgp", &self.config.node, service),
            labels: labels(&self.config.node, service),
            owner: owner(&self.config),
            status: json!(self.status(service, peers)),
        })
    }

    fn all(&self) -> Vec<ObjectName> {
        self.announced
            .iter()
            .flat_map(BTreeMap::keys)
            .cloned()
            .collect()
    }

    fn is_ready(&self) -> bool {
        self.announced.is_some()
    }
}

/// The Service that an object is about, by its labels.
pub(super) fn service_of(metadata: &ObjectMeta) -> Option<ObjectName> {
    let labels = metadata.labels.as_ref()?;
    let label = |name: &str| labels.get(name).map(|value| value.as_str().into());
    Some(ObjectName {
        namespace: label(SERVICE_NAMESPACE_LABEL)?,
        name: label(SERVICE_NAME_LABEL)?,
    })
}

/// The Pod that objects belong to.
pub(super) fn owner(config: &Config) -> Option<Value> {
    let owner = config.owner.as_ref()?;
    Some(json!({
        "apiVersion": Pod::api_version(&()),
        "kind": Pod::kind(&()),
        "name": owner.pod,
        "uid": owner.uid,
    }))
}

pub(super) fn labels(node: &str, service: &ObjectName) -> Value {
    json!({
        NODE_LABEL: node,
        SERVICE_NAME_LABEL: service.name,
        SERVICE_NAMESPACE_LABEL: service.namespace,
    })
}

/// A word and a number that nothing else has: the same each time, so that nothing is made twice.
pub(super) fn object_name(word: &str, node: &str, service: &ObjectName) -> String {
    let text = format!("{node}/{service}");
    // FNV-1a, 128 bits.
    let hash = text.bytes().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d,
        |hash: u128, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    format!("{word}-{hash:032x}")
}
