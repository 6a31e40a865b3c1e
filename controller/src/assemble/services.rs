//! Services, with the families and the addresses that nobody but us fills in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plan::world::{
    ExternalTrafficPolicy, Families, IpFamily, IpFamilyPolicy, ObjectName, Pool, Ports, Service,
    Services,
};

use super::advertisements::missing_hint;
use super::{Store, families, service_name};
use crate::object::{Draft, Kind, ObjectKey, ServiceDraft};
use crate::problem::Finding;
use crate::record::{Assignment, Assignments};
use crate::translate::address::family;
use crate::translate::annotation::{ADDRESS_POOL, LOAD_BALANCER_IPS, PREFIX};

type Pools = BTreeMap<Arc<str>, Arc<Pool>>;

/// Brings every Service in the store's World up to date.
pub fn all(store: &mut Store) {
    store.requests.clear();
    let services = store.of_kind(Kind::Service);
    let mut names: BTreeSet<ObjectName> = services.map(|(key, _)| service_name(key)).collect();
    names.extend(store.world.services.keys().cloned());
    names.extend(store.assignments.keys().cloned());
    some(store, &names);
}

/// Brings these Services up to date: those that want an address or hold one of ours are in the
/// World.
pub fn some(store: &mut Store, names: &BTreeSet<ObjectName>) {
    let pools = Arc::clone(&store.world.pools);
    let offered = families(pools.values().map(Arc::as_ref));
    let assignments = Arc::clone(&store.assignments);
    for name in names {
        let key = service_key(name);
        let mut findings = Vec::new();
        let service = store.entries.get_mut(&key).and_then(|entry| {
            let Some(Draft::Service(draft)) = &mut entry.draft else {
                return None;
            };
            fill_in(draft, &pools, &offered, &assignments);
            let service = &draft.service;
            let holds = !service.assigned.is_empty() || service.assigned_pool.is_some();
            let ours = service.wants_address || holds;
            ours.then(|| {
                let text = &entry.text;
                let found = request_findings(service, &pools).into_iter();
                findings.extend(found.map(|finding| text.problem(&key, finding)));
                Arc::clone(service)
            })
        });
        let service = service.or_else(|| {
            let assignment = assignments.get(name)?;
            let gone = !is_unreadable(store, &key);
            (!gone).then(|| Arc::new(unreadable(name, assignment)))
        });
        match findings.is_empty() {
            true => store.requests.remove(&key),
            false => store.requests.insert(key, findings),
        };
        put(&mut store.world.services, name, service);
    }
}

/// Leaves the map as it is where that is right, so that it still shares all with its copies.
fn put(services: &mut Services, name: &ObjectName, service: Option<Arc<Service>>) {
    match (services.get(name), service) {
        (Some(old), Some(new)) if Arc::ptr_eq(old, &new) || *old == new => {}
        (_, Some(new)) => {
            services.insert(new.name.clone(), new);
        }
        (Some(_), None) => {
            services.remove(name);
        }
        (None, None) => {}
    }
}

fn fill_in(
    draft: &mut ServiceDraft,
    pools: &Pools,
    offered: &[IpFamily],
    assignments: &Assignments,
) {
    assign(draft, assignments);
    if draft.families_unknown {
        let families = default_families(&draft.service, pools, offered);
        if draft.service.ip_families != families {
            Arc::make_mut(&mut draft.service).ip_families = families;
        }
    }
}

fn service_key(name: &ObjectName) -> ObjectKey {
    ObjectKey {
        kind: Kind::Service,
        namespace: Arc::clone(&name.namespace),
        name: Arc::clone(&name.name),
    }
}

/// Whether the Service may well exist, and only its manifest cannot be read.
fn is_unreadable(store: &Store, key: &ObjectKey) -> bool {
    let entry = store.entries.get(key);
    entry.map_or(store.incomplete, |entry| entry.draft.is_none())
}

/// A Service of which only the assignment is known: it keeps that, so that nobody else gets it, and
/// asks for nothing.
fn unreadable(name: &ObjectName, assignment: &Assignment) -> Service {
    Service {
        name: name.clone(),
        labels: plan::labels::Labels::NONE,
        wants_address: true,
        ip_families: assignment
            .addresses
            .iter()
            .map(|address| family(*address))
            .collect(),
        ip_family_policy: IpFamilyPolicy::PreferDualStack,
        external_traffic_policy: ExternalTrafficPolicy::Cluster,
        ports: Ports::new(),
        selector: plan::labels::Labels::NONE,
        requested_addresses: Vec::new(),
        requested_pool: None,
        sharing_key: None,
        request_error: Some("its manifest cannot be read".into()),
        assigned: assignment.addresses.clone(),
        assigned_pool: assignment.pool.clone(),
    }
}

/// Fills in what is assigned: what the record says; else what the manifest's status says, if the
/// Service wants an address or its annotation says that the address is ours.
fn assign(draft: &mut ServiceDraft, assignments: &Assignments) {
    let recorded = assignments.get(&draft.service.name).cloned();
    let wants_address = draft.service.wants_address;
    let own = || {
        let status = draft.own_status();
        status.filter(|status| wants_address || status.pool.is_some())
    };
    let assignment = recorded.or_else(own).unwrap_or_default();
    draft.assign(assignment);
}

/// The families of a Service for which the API server has not chosen any, as in a directory.
///
/// In a cluster they follow the cluster's own addresses. Here they follow what there is to give:
/// the families asked for by address; else those of the pool asked for; else those of all pools.
/// Of these, IPv4 before IPv6, `SingleStack` takes the first and the other policies take both;
/// `RequireDualStack` wants both whatever there is.
fn default_families(service: &Service, pools: &Pools, offered: &[IpFamily]) -> Families {
    let requested: Vec<IpFamily> = service
        .requested_addresses
        .iter()
        .map(|address| family(*address))
        .collect();
    let pool = service
        .requested_pool
        .as_ref()
        .and_then(|name| pools.get(name));
    let candidates = match (requested.is_empty(), pool) {
        (false, _) => requested,
        (true, Some(pool)) => families(std::iter::once(pool.as_ref())),
        (true, None) => offered.to_vec(),
    };
    match service.ip_family_policy {
        IpFamilyPolicy::SingleStack => candidates.into_iter().take(1).collect(),
        IpFamilyPolicy::PreferDualStack => candidates.into_iter().collect(),
        IpFamilyPolicy::RequireDualStack => [IpFamily::IPv4, IpFamily::IPv6].into(),
    }
}

/// What is wrong with what the Service asks for.
fn request_findings(service: &Service, pools: &Pools) -> Vec<Finding> {
    let mut findings = Vec::new();
    let pool = match &service.requested_pool {
        Some(name) if !pools.contains_key(name) => {
            let known: Vec<&str> = pools.keys().map(AsRef::as_ref).collect();
            findings.push(Finding::error(
                format!("metadata.annotations[\"{PREFIX}{ADDRESS_POOL}\"]"),
                format!("there is no valid IPAddressPool `{name}`"),
                missing_hint(name, &known, "IPAddressPool"),
            ));
            return findings;
        }
        Some(name) => pools.get(name),
        None => None,
    };
    for address in &service.requested_addresses {
        let holds = |pool: &Arc<Pool>| {
            pool.ranges.iter().any(|range| {
                range.first.is_ipv4() == address.is_ipv4()
                    && (range.first..=range.last).contains(address)
            })
        };
        let holder = pools.values().find(|pool| holds(pool));
        let (message, hint) = match (holder, pool) {
            (None, _) => (
                format!("{address} is in no valid IPAddressPool"),
                "ask for an address of a pool, or add it to one".to_owned(),
            ),
            (Some(holder), Some(asked)) if holder.name != asked.name => (
                format!(
                    "{address} is in IPAddressPool {}, not in {}",
                    holder.name, asked.name
                ),
                format!(
                    "remove the annotation {PREFIX}{ADDRESS_POOL}, or name {}",
                    holder.name
                ),
            ),
            (Some(_), _) => continue,
        };
        let field = format!("metadata.annotations[\"{PREFIX}{LOAD_BALANCER_IPS}\"]");
        findings.push(Finding::error(field, message, hint));
    }
    findings
}
