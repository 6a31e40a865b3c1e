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
                self.tell(before.as_ref(), &announced, &view);
                self.services.set(announced.clone());
                before = Some(announced);
            }
            self.services.set_sessions(self.sessions().await);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// An Event for each Service that is announced from here from now on. What was announced at the
    /// start is no news: the node was assigned before.
    fn tell(&self, before: Option<&Announced>, now: &Announced, view: &View) {
        let Some(before) = before else {
            return;
        };
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
