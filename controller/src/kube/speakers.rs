//! What speakers say of themselves in the API: which nodes have one, and which of them answers for
//! which Service by ARP and NDP.
//!
//! A node has a speaker as long as there is its ConfigurationState, which goes with the speaker's Pod.

mod follow;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use plan::world::ObjectName;
use tokio::sync::watch;

use follow::{Ear, follow};

use super::service_bgp_status::service_of;
use crate::crd::configuration_state::{COMPONENT_TYPE_LABEL, NODE_NAME_LABEL};
use crate::crd::service_bgp_status::NODE_LABEL;
use crate::crd::service_l2_status::AddressConflict;
use crate::crd::{ConfigurationState, ServiceL2Status};

/// The kind that says who answers for what, in [`Hearings`].
pub const OWNERS: &str = "ServiceL2Status";

/// What speakers say, as last heard. `None` until it has been listed for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speakers {
    /// The nodes that have one.
    pub nodes: Option<BTreeSet<Arc<str>>>,
    /// Who answers for a Service. While an address moves there are two who say so: the later one.
    pub owners: Option<BTreeMap<ObjectName, Arc<str>>>,
    /// Addresses that a host has that is none of ours, with its link-layer address.
    pub conflicts: BTreeMap<IpAddr, Arc<str>>,
}

pub use follow::Hearings;

/// What speakers say, and how well that is heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What they say.
    pub speakers: watch::Receiver<Arc<Speakers>>,
    /// How well each kind of object is heard.
    pub hearings: watch::Receiver<Hearings>,
}

/// What a ServiceL2Status says.
#[derive(Clone, Debug, PartialEq)]
struct Owner {
    service: ObjectName,
    node: Arc<str>,
    since: Option<Time>,
    conflicts: Vec<(IpAddr, Arc<str>)>,
}

/// Begins to hear what speakers say in a namespace; until it has been listed, they say what they last
/// did. Ends with the last receiver of that.
pub fn hear(client: &Client, namespace: &str, last: Arc<Speakers>) -> Heard {
    let (publish, speakers) = watch::channel(last);
    let (ears, hearings) = watch::channel(Hearings::new());
    let states: Api<ConfigurationState> = Api::namespaced(client.clone(), namespace);
    let statuses: Api<ServiceL2Status> = Api::namespaced(client.clone(), namespace);
    let of_speakers = watcher::Config::default().labels(&format!("{COMPONENT_TYPE_LABEL}=speaker"));
    let everybody = watcher::Config::default();
    tokio::spawn(async move {
        let ear = Ear::new("ConfigurationState", &ears);
        let states = follow(states, of_speakers, ear, node, |known| {
            let nodes = Some(known.values().cloned().collect());
            replace(&publish, |speakers| speakers.nodes = nodes);
        });
        let ear = Ear::new(OWNERS, &ears);
        let statuses = follow(statuses, everybody, ear, owner, |known| {
            let owners = Some(latest(known.values()));
            let conflicts = known
                .values()
                .flat_map(|owner| owner.conflicts.iter().cloned());
            let conflicts = conflicts.collect();
            replace(&publish, |speakers| {
                speakers.owners = owners;
                speakers.conflicts = conflicts;
            });
        });
        tokio::select! {
            () = publish.closed() => {}
            () = states => {}
            () = statuses => {}
        }
    });
    Heard { speakers, hearings }
}

fn replace(publish: &watch::Sender<Arc<Speakers>>, change: impl FnOnce(&mut Speakers)) {
    publish.send_if_modified(|known| {
        let mut now = Speakers::clone(known);
        change(&mut now);
        let is_news = now != **known;
        *known = Arc::new(now);
        is_news
    });
}

fn node(state: &ConfigurationState) -> Option<Arc<str>> {
    let node = state.labels().get(NODE_NAME_LABEL)?;
    Some(node.as_str().into())
}

fn owner(status: &ServiceL2Status) -> Option<Owner> {
    let said = status.status.iter();
    let conflicts = said.flat_map(|status| &status.conflicts);
    let conflict =
        |one: &AddressConflict| Some((one.ip.parse().ok()?, Arc::from(one.mac.as_str())));
    Some(Owner {
        service: service_of(&status.metadata)?,
        node: status.labels().get(NODE_LABEL)?.as_str().into(),
        since: status.metadata.creation_timestamp.clone(),
        conflicts: conflicts.filter_map(conflict).collect(),
    })
}

/// Of those who say so of one Service, the latest.
fn latest<'a>(all: impl Iterator<Item = &'a Owner>) -> BTreeMap<ObjectName, Arc<str>> {
    let mut all: Vec<&Owner> = all.collect();
    all.sort_by(|a, b| (&a.since, &a.node).cmp(&(&b.since, &b.node)));
    let all = all.into_iter();
    all.map(|owner| (owner.service.clone(), Arc::clone(&owner.node)))
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn of_two_who_answer_for_a_service_the_later_one_counts() {
        let service = |name: &str| ObjectName {
            namespace: "web".into(),
            name: name.into(),
        };
        let at = |second| Timestamp::from_second(second).ok().map(Time);
        let said = |name, node: &str, since| Owner {
            service: service(name),
            node: node.into(),
            since,
            conflicts: Vec::new(),
        };
        let said = [
            said("shop", "b", at(10)),
            said("shop", "a", at(20)),
            said("blog", "b", at(30)),
            said("blog", "a", None),
        ];
        let expected = [(service("shop"), "a".into()), (service("blog"), "b".into())];
        assert_eq!(latest(said.iter()), expected.into());
    }
}
