//! The second pass: addresses for those that need some.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::draft::Draft;
use super::settle::{Clock, Settled, settle};
use super::taken::Taken;
use super::{Assignment, Options, Outcome, Reason, families};
use crate::pools::{RangeIndex, family_of, next_address};
use crate::world::{Addresses, Families, IpFamily, IpFamilyPolicy, Pool, Service, World};

/// What a round knows while it goes on.
#[derive(Debug)]
pub struct Round<'a, 'k> {
    world: &'a World,
    options: Options,
    /// Finds the pool of an address.
    pub index: RangeIndex<&'a Arc<Pool>>,
    /// Who holds what so far.
    pub taken: &'k mut Taken,
    /// Pools in the order in which they are tried.
    ranked: Vec<&'a Arc<Pool>>,
    cursors: &'k mut Cursors,
}

/// For a pool and the position of a range in it, the first address that may be free; `None` where
/// none is. While addresses are only taken it only moves up, and a range is walked once.
pub type Cursors = BTreeMap<(Arc<str>, usize), Option<IpAddr>>;

impl<'a, 'k> Round<'a, 'k> {
    /// A round in which this is held.
    pub fn new(
        world: &'a World,
        options: Options,
        taken: &'k mut Taken,
        cursors: &'k mut Cursors,
    ) -> Round<'a, 'k> {
        let mut ranked: Vec<_> = world.pools.values().collect();
        ranked.sort_by_key(|pool| pool.rank());
        Round {
            world,
            options,
            index: RangeIndex::new(world.pools.values().map(|pool| (pool.as_ref(), pool))),
            taken,
            ranked,
            cursors,
        }
    }

    /// The assignment of these addresses, IPv4 first.
    pub fn holding(&self, mut addresses: Addresses, outcome: Outcome) -> Assignment {
        addresses.sort();
        let first = addresses
            .first()
            .and_then(|address| self.index.find(*address));
        Assignment {
            pool: first.map(|pool| Arc::clone(&pool.name)),
            addresses,
            outcome,
        }
    }

    /// Whether the address, which is in this pool, is one that the Service may have, whoever holds
    /// it now.
    pub fn may_have(
        &self,
        service: &Service,
        address: IpAddr,
        pool: &Arc<Pool>,
    ) -> Result<(), Reason> {
        if let Some(requested) = service
            .requested_pool
            .as_ref()
            .filter(|name| **name != pool.name)
        {
            let (pool, requested) = (Arc::clone(&pool.name), Arc::clone(requested));
            return Err(Reason::OtherPool {
                address,
                pool,
                requested,
            });
        }
        if !pool.serves(service, self.world) {
            return Err(Reason::NotForService(Arc::clone(&pool.name)));
        }
        match pool.offers(address) {
            true => Ok(()),
            false => Err(Reason::Buggy(address)),
        }
    }

    /// Whether no stranger has the address.
    pub fn is_unclaimed(&self, address: IpAddr) -> Result<(), Reason> {
        match self.world.conflicts.get(&address) {
            Some(by) => Err(Reason::InUseByStranger {
                address,
                by: Arc::clone(by),
            }),
            None => Ok(()),
        }
    }

    /// Decides about the addresses with several holders: what becomes of each that do not agree.
    pub fn settle(&mut self, clock: Option<Clock<'_>>) -> Vec<(IpAddr, Settled)> {
        let disagree = |(address, holders): (IpAddr, Vec<&Arc<Service>>)| {
            let before = clock.and_then(|clock| clock.before.agreement(address));
            if before.is_some_and(|before| before.still_agree(&holders)) {
                return None;
            }
            let settled = settle(address, holders, clock, &self.options);
            let agree = settled.lost.is_empty() && settled.tolerated.is_empty();
            (!agree).then_some((address, settled))
        };
        let settled: Vec<_> = self.taken.shared().filter_map(disagree).collect();
        for (address, settled) in &settled {
            self.taken.leave_to(*address, &settled.stay);
        }
        settled
    }

    /// Addresses that have become free are looked at again.
    pub fn look_at_freed(&mut self) {
        for address in self.taken.take_freed() {
            let Some(pool) = self.index.find(address) else {
                continue;
            };
            let mut ranges = pool.ranges.iter();
            let Some(position) = ranges.position(|range| range.contains(address)) else {
                continue;
            };
            let cursor = self.cursors.get_mut(&(Arc::clone(&pool.name), position));
            if let Some(cursor) = cursor
                && cursor.is_none_or(|cursor| address < cursor)
            {
                *cursor = Some(address);
            }
        }
    }

    /// Gives the Service what it lacks, and says how that went.
    pub fn assign(&mut self, draft: Draft<'a>) -> Assignment {
        let service = draft.service;
        let (found, shortfall) = match draft.wants_more() {
            true => self.find(service, &draft.kept),
            false => (Vec::new(), None),
        };
        for address in &found {
            self.taken.add(*address, service);
        }
        let addresses = draft.kept.iter().copied().chain(found.iter().copied());
        let addresses: Addresses = addresses.collect();
        self.holding(addresses, draft.outcome(!found.is_empty(), shortfall))
    }

    /// Addresses to give in addition to those held, and why they are not all that is wanted.
    fn find(&mut self, service: &Service, held: &[IpAddr]) -> (Vec<IpAddr>, Option<Reason>) {
        let wanted = families(service);
        let required = service.ip_family_policy == IpFamilyPolicy::RequireDualStack;
        if wanted.is_empty() {
            return (Vec::new(), Some(Reason::NoFamily));
        }
        if required && wanted.len() < 2 {
            return (Vec::new(), Some(Reason::NotEnoughClusterIps));
        }
        if !service.requested_addresses.is_empty() {
            return match self.requested(service, held, wanted, required) {
                Ok(()) => {
                    let requested = service.requested_addresses.iter();
                    let lacking = requested.filter(|address| !held.contains(address));
                    (lacking.copied().collect(), None)
                }
                Err(reason) => (Vec::new(), Some(reason)),
            };
        }
        let missing: Vec<IpFamily> = wanted
            .iter()
            .filter(|family| held.iter().all(|address| family_of(*address) != *family))
            .collect();
        let (found, shortfall) = match self.candidates(service) {
            Ok(pools) => self.search_pools(service, &pools, &missing, held),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        match required && held.is_empty() && found.len() < missing.len() {
            true => (Vec::new(), shortfall),
            false => (found, shortfall),
        }
    }

    /// Whether the Service may have just the addresses that it asks for.
    fn requested(
        &self,
        service: &Service,
        held: &[IpAddr],
        wanted: Families,
        required: bool,
    ) -> Result<(), Reason> {
        let requested = service.requested_addresses.iter();
        for address in requested.filter(|address| !held.contains(address)) {
            if !wanted.contains(family_of(*address)) {
                return Err(Reason::WrongFamily(*address));
            }
            let pool = self
                .index
                .find(*address)
                .ok_or(Reason::NotInAnyPool(*address))?;
            self.may_have(service, *address, pool)?;
            self.may_join(service, *address, pool)?;
        }
        match required && service.requested_addresses.len() < 2 {
            true => Err(Reason::RequestOfOneFamily),
            false => Ok(()),
        }
    }

    /// Whether the Service may have the address, which is in this pool, beside those who hold it.
    fn may_join(&self, service: &Service, address: IpAddr, pool: &Pool) -> Result<(), Reason> {
        self.taken.check(address, service)?;
        let across = self.options.share_across_namespaces || pool.share_across_namespaces;
        match self.taken.of_another_namespace(address, service) {
            Some(holder) if !across => Err(Reason::OtherNamespace {
                address,
                pool: Arc::clone(&pool.name),
                holder: holder.name.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The pools to take from, in order: the one asked for, or all that give automatically.
    fn candidates(&self, service: &Service) -> Result<Vec<&'a Arc<Pool>>, Reason> {
        if let Some(name) = &service.requested_pool {
            let pools = &self.world.pools;
            let pool = pools
                .get(name)
                .ok_or_else(|| Reason::NoSuchPool(Arc::clone(name)))?;
            return match pool.serves(service, self.world) {
                true => Ok(vec![pool]),
                false => Err(Reason::NotForService(Arc::clone(name))),
            };
        }
        let automatic = self.ranked.iter().copied().filter(|pool| pool.auto_assign);
        Ok(automatic
            .filter(|pool| pool.serves(service, self.world))
            .collect())
    }

    /// One address of each family. First those that are shared under the Service's key already;
    /// the rest all out of the first pool that has them all, else each out of the first pool that
    /// has it.
    fn search_pools(
        &mut self,
        service: &Service,
        pools: &[&'a Arc<Pool>],
        missing: &[IpFamily],
        held: &[IpAddr],
    ) -> (Vec<IpAddr>, Option<Reason>) {
        let mut found: Vec<IpAddr> = missing
            .iter()
            .filter_map(|family| self.shared_in(service, pools, *family).ok())
            .collect();
        let lacks = |family: &IpFamily| found.iter().all(|a| family_of(*a) != *family);
        let missing: Vec<IpFamily> = missing.iter().copied().filter(lacks).collect();
        let home = [held, &found].concat().first().copied();
        let home = home.and_then(|address| self.index.find(address));
        let mut ordered = pools.to_vec();
        // The second family preferably out of the pool of the first; stable otherwise.
        ordered.sort_by_key(|pool| home.is_none_or(|home| home.name != pool.name));
        let mut together = ordered.iter().map(|pool| -> Vec<IpAddr> {
            let families = missing.iter();
            families
                .filter_map(|family| self.lowest_in(pool, *family))
                .collect()
        });
        if let Some(all) = together.find(|all| all.len() == missing.len()) {
            found.extend(all);
            return (found, None);
        }
        let mut shortfall = None;
        for family in missing {
            let address = ordered.iter().find_map(|pool| self.lowest_in(pool, family));
            match address {
                Some(address) => found.push(address),
                None if shortfall.is_some() => {}
                None => {
                    let refused = self.shared_in(service, pools, family).err().flatten();
                    shortfall = refused.or_else(|| Some(exhausted(service, &ordered, family)));
                }
            }
        }
        (found, shortfall)
    }

    /// The lowest address of these pools that is held under the Service's key and that it may join.
    ///
    /// # Errors
    /// There is none; with the reason if one is only refused for the namespace of its holder.
    fn shared_in(
        &self,
        service: &Service,
        pools: &[&'a Arc<Pool>],
        family: IpFamily,
    ) -> Result<IpAddr, Option<Reason>> {
        let mut refused = None;
        for address in self.taken.under_key_of(service) {
            let pool = self.index.find(address).filter(|pool| {
                let of_pools = pools.iter().any(|other| other.name == pool.name);
                of_pools
                    && pool.offers(address)
                    && family_of(address) == family
                    && self.is_unclaimed(address).is_ok()
            });
            let Some(pool) = pool else {
                continue;
            };
            match self.may_join(service, address, pool) {
                Ok(()) => return Ok(address),
                Err(reason @ Reason::OtherNamespace { .. }) => {
                    refused.get_or_insert(reason);
                }
                Err(_) => {}
            }
        }
        Err(refused)
    }

    /// The lowest free address of the first range of the pool that has any.
    fn lowest_in(&mut self, pool: &'a Arc<Pool>, family: IpFamily) -> Option<IpAddr> {
        (0..pool.ranges.len()).find_map(|range| self.first_free(pool, range, family))
    }

    fn first_free(&mut self, pool: &'a Pool, position: usize, family: IpFamily) -> Option<IpAddr> {
        let range = pool
            .ranges
            .get(position)
            .filter(|range| range.family() == family)?;
        let cursor = self
            .cursors
            .entry((Arc::clone(&pool.name), position))
            .or_insert(Some(range.first));
        // Each step passes an address that is held or never given; the cursor keeps the way.
        while let Some(address) = *cursor {
            let unclaimed = !self.world.conflicts.contains_key(&address);
            if self.taken.is_free(address) && pool.offers(address) && unclaimed {
                return Some(address);
            }
            *cursor = next_address(address).filter(|_| address < range.last);
        }
        None
    }
}

fn exhausted(service: &Service, tried: &[&Arc<Pool>], family: IpFamily) -> Reason {
    if let Some(pool) = &service.requested_pool {
        let pool = Arc::clone(pool);
        return Reason::PoolExhausted { pool, family };
    }
    let with_family = tried.iter().filter(|pool| pool.has_family(family));
    Reason::Exhausted {
        family,
        tried: with_family.map(|pool| Arc::clone(&pool.name)).collect(),
    }
}
