//! Reports of the leader about the configuration: how full each pool is, and what is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use controller::crd::IPAddressPool;
use controller::crd::ip_address_pool::IPAddressPoolStatus;
use controller::kube::call::Counts;
use controller::kube::configuration_state::{Component, ConfigurationStateWriter};
use controller::kube::events::EventWriter;
use controller::kube::fence::Fence;
use controller::kube::leadership::Leadership;
use controller::kube::pool_status::{PoolStatusWriter, Pools, Wanted};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use crate::problem_events::ProblemEvents;
use crate::view::View;

/// Between two reports, at least.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether somebody else changed what is written.
const LOOK: Duration = Duration::from_secs(10);
/// How long the answer to that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What pools say of themselves, as last read.
type Statuses = BTreeMap<Arc<str>, IPAddressPoolStatus>;

/// Reports for as long as there are views.
pub struct Reporter {
    pools: PoolStatusWriter,
    configuration: ConfigurationStateWriter,
    events: Arc<EventWriter>,
    api: Api<IPAddressPool>,
    leadership: watch::Receiver<Leadership>,
    views: watch::Receiver<Arc<View>>,
}

impl Reporter {
    /// Reports into a namespace, behind the leader's fence.
    pub fn new(
        client: &Client,
        fence: &Fence,
        namespace: &str,
        events: Arc<EventWriter>,
        leadership: watch::Receiver<Leadership>,
        views: watch::Receiver<Arc<View>>,
    ) -> Reporter {
        let (client, fence) = (client.clone(), fence.clone());
        let component = Component::Controller;
        Reporter {
            pools: PoolStatusWriter::start(client.clone(), fence.clone(), namespace),
            configuration: ConfigurationStateWriter::start(
                client.clone(),
                fence,
                namespace,
                component,
            ),
            events,
            api: Api::namespaced(client, namespace),
            leadership,
            views,
        }
    }

    /// What it writes, and how much of it.
    pub fn counts(&self) -> Vec<(&'static str, Counts)> {
        vec![
            ("IPAddressPool", self.pools.counts().clone()),
            ("ConfigurationState", self.configuration.counts().clone()),
        ]
    }

    /// Reports each view that comes while we lead, and anew when we begin to.
    pub async fn run(mut self) {
        let mut there = Statuses::new();
        let mut looked: Option<Instant> = None;
        let mut problems = ProblemEvents::default();
        loop {
            let view = Arc::clone(&self.views.borrow_and_update());
            let leads = self.leadership.borrow_and_update().is_ours();
            if leads && view.rounds > 0 {
                if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                    looked = Some(Instant::now());
                    there = self.look().await.unwrap_or(there);
                }
                self.configuration.set(&view.problems);
                let news = problems.news(&view).into_iter();
                news.for_each(|event| self.events.tell(event));
                self.pools.set(pools(&view, &there));
            } else {
                looked = None;
                problems = ProblemEvents::default();
            }
            tokio::time::sleep(EVERY).await;
            tokio::select! {
                changed = self.views.changed() => if changed.is_err() {
                    return;
                },
                // An election that has ended changes nothing any more.
                Ok(()) = self.leadership.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look(&self) -> Option<Statuses> {
        let parameters = ListParams::default();
        let list = self.api.list(&parameters);
        match tokio::time::timeout(PATIENCE, list).await {
            Ok(Ok(list)) => {
                let pools = list.items.into_iter();
                let statuses = pools.filter_map(|pool| {
                    let name: Arc<str> = pool.metadata.name?.into();
                    Some((name, pool.status?))
                });
                Some(statuses.collect())
            }
            Ok(Err(error)) => {
                debug!(%error, "the pools' status is not known");
                None
            }
            Err(_) => None,
        }
    }
}

fn pools(view: &View, there: &Statuses) -> Pools {
    let usage = plan::pools::usage(&view.world).into_iter();
    let pools = usage.map(|(name, usage)| {
        let wanted = Wanted {
            status: IPAddressPoolStatus {
                assigned_ipv4: usage.assigned_ipv4,
                assigned_ipv6: usage.assigned_ipv6,
                available_ipv4: usage.available_ipv4,
                available_ipv6: usage.available_ipv6,
            },
            there: there.get(&name).cloned(),
        };
        (name, wanted)
    });
    pools.collect()
}
