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
use controller::kube::service_bgp_status::{
    Config, Owner, ServiceBgpStatusWriter, Session, changes, peers_of,
};
use controller::kube::service_l2_status::ServiceL2StatusWriter;
use kube::Client;
use plan::announce::Verdicts;
use tokio::sync::watch;

use super::link_reports::{LinkReports, News};
use crate::peer_io::PeerReport;
use crate::peers::PeerTable;
use crate::problem_events::ProblemEvents;
use crate::status::reason;
use crate::view::View;

/// Between two reports.
const EVERY: Duration = Duration::from_secs(1);

/// Reports for as long as there are views.
pub struct Reporter {
    services: ServiceBgpStatusWriter,
    links: ServiceL2StatusWriter,
    configuration: ConfigurationStateWriter,
    events: EventWriter,
    peers: PeerTable,
    views: watch::Receiver<Arc<View>>,
}

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
            services: ServiceBgpStatusWriter::start(client.clone(), config.clone()),
            links: ServiceL2StatusWriter::start(client.clone(), config),
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
            ("ServiceL2Status", self.links.counts().clone()),
            ("ConfigurationState", self.configuration.counts().clone()),
            ("Event", self.events.counts().clone()),
        ]
    }

    /// Reports each view that comes, and how sessions change.
    pub async fn run(mut self) {
        let mut rounds = 0;
        let mut before: Option<Verdicts> = None;
        let mut problems = ProblemEvents::default();
        let mut links = LinkReports::default();
        // The first round by itself: what comes a moment later is news.
        if self.views.wait_for(|view| view.rounds > 0).await.is_err() {
            return;
        }
        while self.views.has_changed().is_ok() {
            let view = Arc::clone(&self.views.borrow_and_update());
            if view.rounds != rounds {
                rounds = view.rounds;
                self.configuration.set(&view.problems);
                let news = problems.news(&view).into_iter();
                news.for_each(|event| self.events.tell(event));
                let verdicts = view.announcements.as_ref();
                let verdicts = verdicts.map(|announced| announced.verdicts.clone());
                let verdicts = verdicts.unwrap_or_default();
                // What the node was assigned before this was started is no news.
                if let Some(before) = &before {
                    self.tell(before, &verdicts, &view);
                }
                self.services.set(verdicts.clone());
                before = Some(verdicts);
                self.report_links(&mut links, &view);
            }
            self.services.set_sessions(self.sessions().await);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// An Event for each Service that is announced from here from now on.
    fn tell(&self, before: &Verdicts, now: &Verdicts, view: &View) {
        for (name, change) in changes(before, now) {
            let was_announced = before.get(name).and_then(peers_of).is_some();
            if change.is_some()
                && !was_announced
                && let Some(version) = view.versions.get(name)
            {
                let about = About::service(name, Arc::clone(&version.uid));
                self.events
                    .tell(Event::node_assigned(about, &view.node, "bgp"));
            }
        }
    }

    fn report_links(&self, links: &mut LinkReports, view: &View) {
        let News { answered, events } = links.news(view);
        if let Some(answered) = answered {
            self.links.set(answered);
        }
        events.into_iter().for_each(|event| self.events.tell(event));
    }

    async fn sessions(&self) -> BTreeMap<Arc<str>, Session> {
        let mut sessions = BTreeMap::new();
        for (spec, handle) in self.peers.all() {
            let Some(PeerReport { status, .. }) = handle.status().await else {
                continue;
            };
            let last_error = reason::of_last_error(&status, &spec.config);
            let session = Session {
                state: state(status.state),
                last_error: last_error.map(Arc::from),
            };
            sessions.insert(spec.name, session);
        }
        sessions
    }
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
