//! Writes which Services this node answers ARP and NDP for: ServiceL2Status objects, one a Service.
//!
//! They belong to the speaker's Pod, with which they go. Those that earlier Pods, or MetalLB, left for
//! this node are taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::runtime::watcher;
use plan::world::ObjectName;
use serde_json::{Value, json};

use super::call::Counts;
use super::fence::Fence;
use super::keeper::{Affected, Keeper, Kept, Wanted};
use super::rate_limit::RateLimit;
use super::service_bgp_status::{Config, FIELD_MANAGER, labels, object_name, owner, service_of};
use crate::crd::ServiceL2Status;
use crate::crd::service_bgp_status::NODE_LABEL;
use crate::crd::service_l2_status::{AddressConflict, InterfaceInfo, ServiceL2StatusStatus};

/// How a Service is answered for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The interfaces; empty is all.
    pub interfaces: Arc<BTreeSet<Arc<str>>>,
    /// Hosts that have an address of it.
    pub conflicts: BTreeSet<AddressConflict>,
}

/// Writes until dropped.
#[derive(Debug)]
pub struct ServiceL2StatusWriter {
    keeper: Keeper<Statuses>,
}

impl ServiceL2StatusWriter {
    /// Starts to write, in a task of the current runtime. Nothing is written before the first
    /// [`ServiceL2StatusWriter::set`].
    pub fn start(client: Client, config: Config) -> ServiceL2StatusWriter {
        let watch = watcher::Config::default().labels(&format!("{NODE_LABEL}={}", config.node));
        let limit = RateLimit::new(config.per_second, config.burst);
        let place = (&*config.namespace.clone(), FIELD_MANAGER);
        let statuses = Statuses {
            config,
            answered: None,
        };
        // Each node has objects of its own: no fence.
        let keeper = Keeper::start(client, Fence::open(), place, watch, limit, statuses);
        ServiceL2StatusWriter { keeper }
    }

    /// All Services that this node answers for.
    pub fn set(&self, answered: BTreeMap<ObjectName, Answered>) {
        self.keeper.tell(|inbox| *inbox = Some(answered));
    }

    /// The requests so far.
    pub fn counts(&self) -> &Counts {
        self.keeper.counts()
    }
}

#[derive(Debug)]
struct Statuses {
    config: Config,
    /// `None` before it is known.
    answered: Option<BTreeMap<ObjectName, Answered>>,
}

impl Kept for Statuses {
    type Object = ServiceL2Status;
    type Inbox = Option<BTreeMap<ObjectName, Answered>>;

    fn about(&self, metadata: &ObjectMeta) -> Option<ObjectName> {
        service_of(metadata)
    }

    fn name(&self, service: &ObjectName) -> String {
        object_name("l2", &self.config.node, service)
    }

    fn owner(&self) -> Option<Value> {
        owner(&self.config)
    }

    fn take(&mut self, inbox: Self::Inbox) -> Affected {
        let Some(now) = inbox else {
            return Affected::Some(Vec::new());
        };
        let Some(before) = self.answered.replace(now) else {
            return Affected::All;
        };
        let now = self.answered.as_ref();
        let of_now = |name: &ObjectName| now.and_then(|now| now.get(name));
        let gone_or_changed = before.iter();
        let gone_or_changed = gone_or_changed.filter(|(name, was)| of_now(name) != Some(*was));
        let new = now.into_iter().flat_map(BTreeMap::keys);
        let new = new.filter(|name| !before.contains_key(*name));
        let names = gone_or_changed.map(|(name, _)| name).chain(new);
        Affected::Some(names.cloned().collect())
    }

    fn wanted(&self, service: &ObjectName) -> Option<Wanted> {
        let answered = self.answered.as_ref()?.get(service)?;
        let info = |name: &Arc<str>| InterfaceInfo {
            name: Some(name.to_string()),
        };
        let status = ServiceL2StatusStatus {
            node: Some(self.config.node.clone()),
            service_name: Some(service.name.to_string()),
            service_namespace: Some(service.namespace.to_string()),
            interfaces: answered.interfaces.iter().map(info).collect(),
            conflicts: answered.conflicts.iter().cloned().collect(),
        };
        Some(Wanted {
            labels: labels(&self.config.node, service),
            status: json!(status),
        })
    }

    fn all(&self) -> Vec<ObjectName> {
        let answered = self.answered.iter();
        answered.flat_map(BTreeMap::keys).cloned().collect()
    }

    fn is_ready(&self) -> bool {
        self.answered.is_some()
    }
}
