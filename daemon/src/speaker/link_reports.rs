//! Reports of a speaker about L2 mode: for which Services it answers, and for which it cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use controller::crd::service_l2_status::AddressConflict;
use controller::kube::events::{About, Event};
use controller::kube::service_l2_status::Answered;
use plan::elect;
use plan::world::ObjectName;

use crate::links::failure::{self, Failure};
use crate::view::View;

/// What has been reported.
#[derive(Debug, Default)]
pub struct LinkReports {
    answered: Option<BTreeMap<ObjectName, Answered>>,
    failures: BTreeSet<(ObjectName, IpAddr, Failure)>,
}

/// What is to be reported.
#[derive(Debug)]
pub struct News {
    /// The Services that this node answers for, where that is news.
    pub answered: Option<BTreeMap<ObjectName, Answered>>,
    /// An Event for each Service that this node answers for from now on, and for each address that it
    /// should answer for and cannot.
    pub events: Vec<Event>,
}

impl LinkReports {
    /// What is news since the last view.
    pub fn news(&mut self, view: &View) -> News {
        let about = |name: &ObjectName| {
            let version = view.versions.get(name)?;
            Some(About::service(name, Arc::clone(&version.uid)))
        };
        let now = answered(view);
        // What it had before this was started is told by no Event.
        let before = self.answered.as_ref().unwrap_or(&now);
        let assigned = now.keys().filter(|name| !before.contains_key(*name));
        let assigned = assigned.filter_map(about);
        let assigned = assigned.map(|about| Event::node_assigned(about, &view.node, "layer2"));
        let mut events: Vec<Event> = assigned.collect();
        let failures = failure::all(view);
        for (name, address, failure) in failures.difference(&self.failures) {
            if let Some(about) = about(name) {
                let why = format!("{address}: {failure}");
                events.push(Event::announce_failed(about, &view.node, &why));
            }
        }
        self.failures = failures;
        let is_news = self.answered.as_ref() != Some(&now);
        let answered = is_news.then(|| now.clone());
        self.answered = Some(now);
        News { answered, events }
    }
}

/// The Services of which this node answers for an address, and how.
fn answered(view: &View) -> BTreeMap<ObjectName, Answered> {
    let mut answered: BTreeMap<ObjectName, Answered> = BTreeMap::new();
    for (address, elected) in &view.links.elections.by_address {
        let Some(here) = &elected.here else { continue };
        let states = failure::states(view, *address).into_iter();
        let conflicts = states.filter_map(|(interface, state)| {
            Some(AddressConflict {
                ip: address.to_string(),
                interface: interface.to_string(),
                mac: state.lost_to()?.to_string(),
            })
        });
        let conflicts: BTreeSet<AddressConflict> = conflicts.collect();
        for holder in &elected.holders {
            let entry = answered.entry(holder.clone()).or_default();
            if let elect::Interfaces::Named(names) = &here.interfaces {
                entry.interfaces = Arc::clone(names);
            }
            entry.conflicts.extend(conflicts.iter().cloned());
        }
    }
    answered
}
