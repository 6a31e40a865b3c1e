//! Reports of a speaker: what is announced to whom, over which session, and what is wrong with the
//! configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bgp::fsm::StateName;
use controller::crd::service_bgp_status::BgpSessionState;
use controller::kube::call::Counts;
use controller::kube::configuration_state::{Component, ConfigurationStateWriter};
use controller::kube::events::{self, About, Event, EventWriter};
use controller::kube::fence::Fence;
use controller::kube::service_bgp_status::{Config, Owner, Peers, ServiceBgpStatusWriter, Session};
use kube::Client;
use plan::announce::Verdict;
use plan::world::ObjectName;
use tokio::sync::watch;

use crate::peer_io::PeerReport;
use crate::peers::PeerTable;
use crate::status::reason;
use crate::view::View;

/// Between two reports.
const EVERY: Duration = Duration::from_secs(1);

/// Reports for as long as there are views.
pub struct Reporter {
    services: ServiceBgpStatusWriter,
    configuration: ConfigurationStateWriter,
    events: EventWriter,
    peers: PeerTable,
    views: watch::Receiver<Arc<View>>,
}

/// What has been announced to whom.
type Announced = BTreeMap<ObjectName, Peers>;

impl Reporter {
    /// Reports into a namespace, as the speaker of this node.
    pub fn new(
        client: &Client,
        namespace: &str,
        node: &str,
        owner: Option<Owner>,
        peers: PeerTable,
        views: watch::Receiver<Arc<View>>,
    ) -> Reporter {
        let component = Component::Speaker(node.to_owned());
        let reporter = events::Reporter {
            controller: "herald-speaker",
            instance: node.to_owned(),
        };
        let limits = events::Config::default();
        // Each node has objects of its own: no fence.
        let fence = Fence::open;
        let mut config = Config::new(namespace, node);
        config.owner = owner;
        Reporter {
            services: ServiceBgpStatusWriter::start(client.clone(), config),
            configuration: ConfigurationStateWriter::start(
                client.clone(),
                fence(),
                namespace,
                component,
            ),
            events: EventWriter::start(client.clone(), fence(), reporter, limits),
            peers,
            views,
        }
    }

    /// What it writes, and how much of it.
    pub fn counts(&self) -> Vec<(&'static str, Counts)> {
        vec![
            ("ServiceBGPStatus", self.services.counts().clone()),
            ("ConfigurationState", self.configuration.counts().clone()),
            ("Event", self.events.counts().clone()),
        ]
    }

    /// Reports each view that comes, and how sessions change.
    pub async fn run(mut self) {
        let mut rounds = 0;
        let mut before: Option<Announced> = None;
        while self.views.has_changed().is_ok() {
            let view = Arc::clone(&self.views.borrow_and_update());
            if view.rounds != rounds {
                rounds = view.rounds;
                self.configuration.set(&view.problems);
                let announced = announced(&view);
                match &before {
                    None => self.services.set(announced.clone()),
                    Some(before) => {
                        self.tell(before, &announced, &view);
                        self.services.change(changes(before, &announced));
                    }
                }
                before = Some(announced);
            }
            self.services.set_sessions(self.sessions().await);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// An Event for each Service that is announced from here from now on. What was announced at the
    /// start is no news: the node was assigned before.
    fn tell(&self, before: &Announced, now: &Announced, view: &View) {
        let new = now.keys().filter(|name| !before.contains_key(*name));
        for name in new {
            if let Some(version) = view.versions.get(name) {
                let about = About::service(name, Arc::clone(&version.uid));
                self.events.tell(Event::node_assigned(about, &view.node));
            }
        }
    }

    async fn sessions(&self) -> BTreeMap<Arc<str>, Session> {
        let mut sessions = BTreeMap::new();
        for (spec, handle) in self.peers.all() {
            let Some(PeerReport { status, .. }) = handle.status().await else {
                continue;
            };
            let last_error = status.last_error.as_ref();
            let last_error =
                last_error.map(|(_, error)| reason::text(error, &spec.config, status.heard).into());
            let session = Session {
                state: state(status.state),
                last_error,
            };
            sessions.insert(spec.name, session);
        }
        sessions
    }
}

fn announced(view: &View) -> Announced {
    let announced = view.announcements.iter();
    let verdicts = announced.flat_map(|announced| announced.services(&view.world));
    let announced = verdicts.filter_map(|(service, verdict)| match verdict {
        Verdict::Announced { peers } => Some((service.name.clone(), Arc::clone(peers))),
        Verdict::NotAnnounced(_) => None,
    });
    announced.collect()
}

/// What is announced otherwise than before; `None` is no more.
fn changes(before: &Announced, now: &Announced) -> BTreeMap<ObjectName, Option<Peers>> {
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    let gone = gone.map(|name| (name.clone(), None));
    let new = now
        .iter()
        .filter(|(name, peers)| before.get(*name) != Some(*peers));
    let new = new.map(|(name, peers)| (name.clone(), Some(Arc::clone(peers))));
    gone.chain(new).collect()
}

fn state(state: StateName) -> BgpSessionState {
    match state {
        StateName::Idle => BgpSessionState::Idle,
        StateName::Connect => BgpSessionState::Connect,
        StateName::Active => BgpSessionState::Active,
        StateName::OpenSent => BgpSessionState::OpenSent,
        StateName::OpenConfirm => BgpSessionState::OpenConfirm,
        StateName::Established => BgpSessionState::Established,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_announced_otherwise_is_a_change() {
        let name = |name: &str| ObjectName {
            namespace: "web".into(),
            name: name.into(),
        };
        let announced = |entries: &[(&str, &str)]| -> Announced {
            let entries = entries.iter();
            let peers = |peer: &str| Peers::from(vec![Arc::from(peer)]);
            entries
                .map(|(service, peer)| (name(service), peers(peer)))
                .collect()
        };
        let before = announced(&[("a", "tor"), ("b", "tor"), ("c", "tor")]);
        let now = announced(&[("b", "tor"), ("c", "spine"), ("d", "tor")]);
        let found = changes(&before, &now);
        let expected = BTreeMap::from([
            (name("a"), None),
            (name("c"), now.get(&name("c")).cloned()),
            (name("d"), now.get(&name("d")).cloned()),
        ]);
        assert_eq!(found, expected);
        assert!(changes(&now, &now.clone()).is_empty());
    }
}
