//! Which address each Service gets: a function of the [`World`], the time, and what the round before
//! remembered of shared addresses.
//!
//! What is assigned is in the World. A round goes over the Services three times, each time by
//! name: those that hold addresses keep them, as far as that is right; then those that ask for an
//! address or hold one family of two; then the rest. So nobody loses an address to a newcomer,
//! and nobody automatic takes the address that another asks for by name.
//!
//! Choices that MetalLB leaves to chance are made by name. A Service with a sharing key first takes
//! an address that is already shared under its key. Both families of a Service may come from
//! different pools when no pool has both.
//!
//! Who shares an address and is edited so that it no longer fits the others keeps it for a grace
//! period: the others are probably being edited too. See [`Options::sharing_grace`].

mod allocator;
mod draft;
mod keep;
mod outcome;
mod search;
mod settle;
mod sharing;
mod taken;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use allocator::Allocator;
/// A moment: a plain value, whose clock is the caller's.
pub use jiff::Timestamp;
pub use outcome::{Outcome, Reason};
pub use sharing::{Sharing, SharingField};

use crate::world::{Addresses, Families, IpFamilyPolicy, ObjectName, Service, World};
use allocator::Known;
use draft::Draft;
use settle::{Clock, Settled};

/// Choices of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long those who share an address may disagree in what sharing asks for, from the moment
    /// they begin to. Then the largest group that agrees keeps it; of equally large ones that which
    /// has not changed. 0 is MetalLB's way, but that it is the changed ones who lose it. Two
    /// Services never have one port, not even for that long.
    pub sharing_grace: Duration,
    /// Services of different namespaces may share an address of any pool, as in MetalLB; otherwise
    /// only of one that has [`crate::world::Pool::share_across_namespaces`]. Those who share an
    /// address already keep it in any case.
    pub share_across_namespaces: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sharing_grace: Duration::from_secs(120),
            share_across_namespaces: false,
        }
    }
}

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
    /// What the next round has to be given.
    pub sharing: Sharing,
    /// When there has to be a round although nothing changes: somebody then loses an address.
    /// `None`: not before something changes.
    pub deadline: Option<Timestamp>,
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

/// A round without a clock, for those who look on: sharers that disagree are tolerated, and nothing
/// is remembered. `allocate(world.with(allocate(world)))` changes nothing.
pub fn allocate(world: &World) -> Allocation {
    Known::nothing(world).round(world, None, Options::default())
}

/// A round at this time. `before` is [`Allocation::sharing`] of the round before, or the default
/// where there was none. `now` must not go back from round to round. A second round over the result,
/// at the same time, changes nothing.
pub fn allocate_at(
    world: &World,
    now: Timestamp,
    before: &Sharing,
    options: Options,
) -> Allocation {
    Known::nothing(world).round(world, Some(Clock { now, before }), options)
}

/// Puts what was decided about shared addresses into the drafts, which are by name and stay so.
fn apply<'a>(settled: Vec<(IpAddr, Settled)>, world: &'a World, drafts: &mut Vec<Draft<'a>>) {
    let mut new: BTreeMap<&ObjectName, Draft<'a>> = BTreeMap::new();
    for (address, settled) in settled {
        for (service, reason) in settled.lost {
            if let Some(draft) = draft_of(&service.name, world, drafts, &mut new) {
                draft.lose(address, reason);
            }
        }
        for (service, reason) in settled.tolerated {
            if let Some(draft) = draft_of(&service.name, world, drafts, &mut new) {
                draft.tolerated.get_or_insert((reason, settled.until));
            }
        }
    }
    if !new.is_empty() {
        drafts.extend(new.into_values());
        drafts.sort_by(|one, other| one.service.name.cmp(&other.service.name));
    }
}

/// The Service's draft, among those by name or among the new ones. Who holds an address is in the
/// World.
fn draft_of<'a, 'd>(
    name: &ObjectName,
    world: &'a World,
    drafts: &'d mut [Draft<'a>],
    new: &'d mut BTreeMap<&'a ObjectName, Draft<'a>>,
) -> Option<&'d mut Draft<'a>> {
    let found = drafts.binary_search_by(|draft| draft.service.name.cmp(name));
    match found.ok().and_then(|position| drafts.get_mut(position)) {
        Some(draft) => Some(draft),
        None => {
            let service = world.services.get(name)?;
            let entry = new.entry(&service.name);
            Some(entry.or_insert_with(|| Draft::new(service)))
        }
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
