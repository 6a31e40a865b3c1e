//! Writes to which peers this node announces each Service: ServiceBGPStatus objects, one a Service.
//!
//! As MetalLB's they say what is meant to be announced; ours also say in which state the session with
//! each peer is. They belong to the speaker's Pod, with which they go. Those that earlier Pods, or
//! MetalLB, left for this node are taken over.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher;
use kube::{Client, Resource as _};
use plan::announce::{PeerNames, Verdict, Verdicts};
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
            verdicts: None,
            sessions: BTreeMap::new(),
        };
        // Each node has objects of its own: no fence.
        let keeper = Keeper::start(client, Fence::open(), place, watch, limit, statuses);
        ServiceBgpStatusWriter { keeper }
    }

    /// Which Services this node announces, and to whom.
    pub fn set(&self, verdicts: Verdicts) {
        self.keeper.tell(|inbox| inbox.verdicts = Some(verdicts));
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
    verdicts: Option<Verdicts>,
    sessions: Option<BTreeMap<Arc<str>, Session>>,
}

#[derive(Debug)]
struct Statuses {
    config: Config,
    /// `None` before it is known. Shared with those who announce, so it takes no room of its own.
    verdicts: Option<Verdicts>,
    sessions: BTreeMap<Arc<str>, Session>,
}

/// The peers that a Service is announced to; `None` where it is not.
pub fn peers_of(verdict: &Verdict) -> Option<&PeerNames> {
    match verdict {
        Verdict::Announced { peers } => Some(peers),
        Verdict::NotAnnounced(_) => None,
    }
}

/// What is announced otherwise than before, and to whom it is now.
pub fn changes<'a>(
    before: &'a Verdicts,
    now: &'a Verdicts,
) -> impl Iterator<Item = (&'a ObjectName, Option<&'a PeerNames>)> {
    before.diff(now).filter_map(|change| {
        let (name, was, is) = match change {
            DiffItem::Add(name, is) => (name, None, peers_of(is)),
            DiffItem::Update { old, new } => (new.0, peers_of(old.1), peers_of(new.1)),
            DiffItem::Remove(name, was) => (name, peers_of(was), None),
        };
        (was != is).then_some((name, is))
    })
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
        let service = service_of(metadata)?;
        let known = self.verdicts.as_ref();
        let known = known.and_then(|verdicts| verdicts.get_key_value(&service));
        // Names are kept once, whoever bears them.
        Some(known.map_or(service, |(name, _)| name.clone()))
    }

    fn name(&self, service: &ObjectName) -> String {
        object_name("bgp", &self.config.node, service)
    }

    fn owner(&self) -> Option<Value> {
        owner(&self.config)
    }

    fn take(&mut self, inbox: Inbox) -> Affected {
        let Inbox { verdicts, sessions } = inbox;
        let mut affected = Affected::Some(Vec::new());
        if let Some(now) = verdicts {
            affected = match &self.verdicts {
                None => Affected::All,
                Some(before) => {
                    let changes = changes(before, &now);
                    Affected::Some(changes.map(|(name, _)| name.clone()).collect())
                }
            };
            self.verdicts = Some(now);
        }
        if let Some(sessions) = sessions
            && sessions != self.sessions
        {
            self.sessions = sessions;
            affected = Affected::All;
        }
        affected
    }

    fn wanted(&self, service: &ObjectName) -> Option<Wanted> {
        let peers = peers_of(self.verdicts.as_ref()?.get(service)?)?;
        Some(Wanted {
            labels: labels(&self.config.node, service),
            status: json!(self.status(service, peers)),
        })
    }

    fn all(&self) -> Vec<ObjectName> {
        let verdicts = self.verdicts.iter().flatten();
        let announced = verdicts.filter(|(_, verdict)| peers_of(verdict).is_some());
        announced.map(|(name, _)| name.clone()).collect()
    }

    fn is_ready(&self) -> bool {
        self.verdicts.is_some()
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

#[cfg(test)]
mod tests {
    use plan::announce::NotAnnounced;

    use super::*;

    #[test]
    fn only_what_is_announced_otherwise_is_a_change() {
        let name = |name: &str| ObjectName {
            namespace: "web".into(),
            name: name.into(),
        };
        let verdicts = |entries: &[(&str, &str)]| -> Verdicts {
            let entries = entries.iter();
            let verdict = |peer: &str| match peer {
                "" => Verdict::NotAnnounced(NotAnnounced::NoEndpoints),
                peer => Verdict::Announced {
                    peers: PeerNames::from(vec![Arc::from(peer)]),
                },
            };
            entries
                .map(|(service, peer)| (name(service), verdict(peer)))
                .collect()
        };
        let before = verdicts(&[("a", "tor"), ("b", "tor"), ("c", "tor"), ("e", "tor")]);
        let now = verdicts(&[
            ("b", "tor"),
            ("c", "spine"),
            ("d", "tor"),
            ("e", ""),
            ("f", ""),
        ]);
        let found: BTreeMap<_, _> = changes(&before, &now)
            .map(|(name, peers)| (&*name.name, peers.map(|peers| peers[0].to_string())))
            .collect();
        let to = |peer: &str| Some(peer.to_owned());
        let expected = [
            ("a", None),
            ("c", to("spine")),
            ("d", to("tor")),
            ("e", None),
        ];
        assert_eq!(found, BTreeMap::from(expected));
        assert_eq!(changes(&now, &now.clone()).count(), 0);
    }
}
