//! Which address each Service gets: a function of the [`World`], with no memory.
//!
//! What is assigned is in the World. A round goes over the Services three times, each time by
//! name: those that hold addresses keep them, as far as that is right; then those that ask for an
//! address or hold one family of two; then the rest. So nobody loses an address to a newcomer,
//! and nobody automatic takes the address that another asks for by name.
//!
//! Choices that MetalLB leaves to chance are made by name. A Service with a sharing key first takes
//! an address that is already shared under its key. Both families of a Service may come from
//! different pools when no pool has both.

mod keep;
mod outcome;
mod search;
mod taken;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

pub use outcome::{Outcome, Reason};

use crate::pools::family_of;
use crate::world::{IpFamily, IpFamilyPolicy, ObjectName, Service, World};
use search::Round;

/// What a Service holds after a round, and how it came to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Its addresses, IPv4 before IPv6; empty is none.
    pub addresses: Vec<IpAddr>,
    /// The pool of the first address.
    pub pool: Option<Arc<str>>,
    /// How it came to that.
    pub outcome: Outcome,
}

/// The result of a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allocation {
    /// Every Service of the World, by name.
    pub services: BTreeMap<ObjectName, Assignment>,
}

impl World {
    /// The World in which the allocation is what Services hold. Cheap where nothing changed.
    pub fn with(&self, allocation: &Allocation) -> World {
        let mut world = self.clone();
        for (name, assignment) in &allocation.services {
            let Some(service) = self.services.get(name) else {
                continue;
            };
            let same_pool = service.assigned_pool == assignment.pool;
            if service.assigned == assignment.addresses && same_pool {
                continue;
            }
            let services = Arc::make_mut(&mut world.services);
            if let Some(service) = services.get_mut(name) {
                let service = Arc::make_mut(service);
                service.assigned.clone_from(&assignment.addresses);
                service.assigned_pool.clone_from(&assignment.pool);
            }
        }
        world
    }
}

/// Assigns addresses. `allocate(world.with(allocate(world)))` changes nothing.
pub fn allocate(world: &World) -> Allocation {
    let mut round = Round::new(world);
    let mut waiting = Vec::new();
    let mut services: Vec<(&ObjectName, Option<Assignment>)> = Vec::new();
    for (position, (name, service)) in world.services.iter().enumerate() {
        let (assignment, wants_more) = round.keep(service);
        if wants_more {
            waiting.push((position, service));
        }
        services.push((name, Some(assignment)));
    }
    // False sorts first: what is asked for by name, or completes a Service, before the rest.
    waiting.sort_by_key(|(_, service)| {
        service.requested_addresses.is_empty() && service.assigned.is_empty()
    });
    for (position, service) in waiting {
        let slot = services
            .get_mut(position)
            .and_then(|(_, assignment)| assignment.as_mut());
        if let Some(assignment) = slot {
            round.assign(service, assignment);
        }
    }
    let done = services.into_iter();
    Allocation {
        services: done
            .filter_map(|(name, assignment)| Some((name.clone(), assignment?)))
            .collect(),
    }
}

/// The families that a Service is to have addresses of, the primary first: those of its cluster
/// addresses, or where it has none, its `ipFamilies`. A Service with one family gets one address,
/// whatever its policy.
pub(crate) fn families(service: &Service) -> Vec<IpFamily> {
    let mut families: Vec<IpFamily> = match service.cluster_ips.is_empty() {
        true => service.ip_families.clone(),
        false => service.cluster_ips.iter().copied().map(family_of).collect(),
    };
    families.dedup();
    match service.ip_family_policy {
        IpFamilyPolicy::SingleStack => families.truncate(1),
        IpFamilyPolicy::PreferDualStack | IpFamilyPolicy::RequireDualStack => families.truncate(2),
    }
    families
}
