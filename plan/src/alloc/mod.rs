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

use crate::world::{Addresses, Families, IpFamilyPolicy, ObjectName, Service, World};
use search::Round;

/// What a Service holds after a round, and how it came to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Its addresses, IPv4 before IPv6; empty is none.
    pub addresses: Addresses,
    /// The pool of the first address.
    pub pool: Option<Arc<str>>,
    /// How it came to that.
    pub outcome: Outcome,
}

/// The result of a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allocation {
    /// Services to which something happened or that lack something. The others, nearly all, keep
    /// just what they hold: [`Allocation::of`] knows.
    pub notable: BTreeMap<ObjectName, Assignment>,
}

/// What one Service holds after a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held<'a> {
    /// Its addresses, IPv4 before IPv6; empty is none.
    pub addresses: &'a [IpAddr],
    /// The pool of the first address.
    pub pool: Option<&'a Arc<str>>,
    /// How it came to that.
    pub outcome: &'a Outcome,
}

impl Allocation {
    /// What the Service, one of the World that was allocated, holds now.
    pub fn of<'a>(&'a self, service: &'a Service) -> Held<'a> {
        match self.notable.get(&service.name) {
            Some(assignment) => Held {
                addresses: &assignment.addresses,
                pool: assignment.pool.as_ref(),
                outcome: &assignment.outcome,
            },
            None => Held {
                addresses: &service.assigned,
                pool: service.assigned_pool.as_ref(),
                outcome: match service.assigned.is_empty() {
                    true => &Outcome::NotWanted,
                    false => &Outcome::Kept,
                },
            },
        }
    }
}

impl World {
    /// The World in which the allocation is what Services hold. Costs nothing where nothing changed.
    pub fn with(&self, allocation: &Allocation) -> World {
        let mut world = self.clone();
        for (name, assignment) in &allocation.notable {
            let Some(service) = self.services.get(name) else {
                continue;
            };
            let same_pool = service.assigned_pool == assignment.pool;
            if service.assigned == assignment.addresses && same_pool {
                continue;
            }
            if let Some(service) = world.services.get_mut(name) {
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
    let mut notable: Vec<(&ObjectName, Assignment)> = Vec::new();
    let mut waiting = Vec::new();
    for (name, service) in world.services.iter() {
        let Some((assignment, wants_more)) = round.keep(service) else {
            continue;
        };
        if wants_more {
            waiting.push((notable.len(), service));
        }
        notable.push((name, assignment));
    }
    // False sorts first: what is asked for by name, or completes a Service, before the rest.
    waiting.sort_by_key(|(_, service)| {
        service.requested_addresses.is_empty() && service.assigned.is_empty()
    });
    for (position, service) in waiting {
        if let Some((_, assignment)) = notable.get_mut(position) {
            round.assign(service, assignment);
        }
    }
    let notable = notable.into_iter();
    Allocation {
        notable: notable
            .map(|(name, assignment)| (name.clone(), assignment))
            .collect(),
    }
}

/// The families that a Service is to have addresses of. A Service with one family gets one address,
/// whatever its policy.
pub(crate) fn families(service: &Service) -> Families {
    match service.ip_family_policy {
        IpFamilyPolicy::SingleStack => service.ip_families.iter().take(1).collect(),
        IpFamilyPolicy::PreferDualStack | IpFamilyPolicy::RequireDualStack => service.ip_families,
    }
}
