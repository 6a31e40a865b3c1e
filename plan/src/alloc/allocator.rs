//! Addresses from round to round.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::draft::Draft;
use super::search::{Cursors, Round};
use super::settle::Clock;
use super::taken::Taken;
use super::{Allocation, Options, Sharing, Timestamp, apply};
use crate::changes;
use crate::world::{ObjectName, World};

/// Knows who holds what in one World, and comes from there to the next: where nothing but Services
/// differ, it looks only at those that do, at those that lack something, and at shared addresses.
/// The result is that of [`super::allocate_at`] from nothing.
#[derive(Debug, Default)]
pub struct Allocator {
    options: Options,
    sharing: Sharing,
    known: Option<Known>,
}

/// What is known of one World.
#[derive(Debug, Default)]
pub struct Known {
    /// The World, with what the round gave.
    world: World,
    taken: Taken,
    cursors: Cursors,
    /// Services that lack something, or may lose something.
    lacking: BTreeSet<ObjectName>,
}

impl Allocator {
    /// One that has seen no World yet.
    pub fn new(options: Options) -> Allocator {
        Allocator {
            options,
            ..Allocator::default()
        }
    }

    /// The next round. `now` must not go back from round to round.
    pub fn next(&mut self, world: &World, now: Timestamp) -> Allocation {
        let known = self.known.take();
        let known = known.filter(|known| differ_in_services_only(&known.world, world));
        let mut known = known.unwrap_or_else(|| Known::nothing(world));
        let clock = Clock {
            now,
            before: &self.sharing,
        };
        let allocation = known.round(world, Some(clock), self.options);
        self.sharing.clone_from(&allocation.sharing);
        self.known = Some(known);
        allocation
    }
}

/// Whether two Worlds have all that matters to allocation in common, by memory, but Services.
fn differ_in_services_only(one: &World, other: &World) -> bool {
    let World {
        services: _,
        endpoint_slices: _,
        nodes: _,
        namespaces,
        pools,
        peers: _,
        bgp_advertisements: _,
        l2_advertisements: _,
        liveness: _,
        links: _,
        conflicts,
    } = one;
    Arc::ptr_eq(namespaces, &other.namespaces)
        && Arc::ptr_eq(pools, &other.pools)
        && *conflicts == other.conflicts
}

impl Known {
    /// Of a World like this one, but without Services.
    pub fn nothing(world: &World) -> Known {
        Known {
            world: World {
                services: Default::default(),
                ..world.clone()
            },
            taken: Taken::new(world.services.len()),
            ..Known::default()
        }
    }

    /// The round of this World, which may differ from the one before in its Services.
    pub fn round(
        &mut self,
        world: &World,
        clock: Option<Clock<'_>>,
        options: Options,
    ) -> Allocation {
        let before = std::mem::take(&mut self.world.services);
        let lacking = std::mem::take(&mut self.lacking);
        let differ = before.diff(&world.services).map(changes::key);
        let mut names: Vec<&ObjectName> = differ.chain(&lacking).collect();
        // Two sorted runs.
        names.sort();
        names.dedup();
        for old in names.iter().filter_map(|name| before.get(*name)) {
            for address in &old.assigned {
                self.taken.remove(*address, old);
            }
        }
        let mut round = Round::new(world, options, &mut self.taken, &mut self.cursors);
        let services = names.iter().filter_map(|name| world.services.get(*name));
        let mut drafts: Vec<Draft<'_>> =
            services.filter_map(|service| round.keep(service)).collect();
        let settled = round.settle(clock);
        let untils = settled.iter().filter_map(|(_, settled)| settled.until);
        let deadline = untils.min();
        apply(settled, world, &mut drafts);
        // False sorts first: what is asked for by name, or completes a Service, before the rest.
        drafts.sort_by_key(|draft| {
            let service = draft.service;
            service.requested_addresses.is_empty() && service.assigned.is_empty()
        });
        round.look_at_freed();
        let drafts = drafts.into_iter();
        let notable = drafts.map(|draft| (draft.service.name.clone(), round.assign(draft)));
        let notable = notable.collect();
        self.taken.end_round();
        let allocation = Allocation {
            notable,
            sharing: clock.map_or_else(Sharing::default, |clock| {
                clock.before.after(self.taken.shared(), clock.now)
            }),
            deadline,
        };
        let lacking = allocation.notable.iter();
        let lacking = lacking.filter(|(_, assignment)| !assignment.outcome.is_well());
        self.lacking = lacking.map(|(name, _)| name.clone()).collect();
        self.world = world.with(&allocation);
        allocation
    }
}
