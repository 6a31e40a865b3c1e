//! The first pass: who keeps what it holds.

use std::net::IpAddr;
use std::sync::Arc;

use super::draft::Draft;
use super::search::Round;
use super::{Reason, families};
use crate::pools::family_of;
use crate::world::{IpFamilyPolicy, Service};

impl<'a> Round<'a, '_> {
    /// What the Service keeps, whoever else holds it; `None` where it keeps just what it holds and
    /// lacks nothing.
    pub fn keep(&mut self, service: &'a Arc<Service>) -> Option<Draft<'a>> {
        if !service.wants_address {
            let holds = !service.assigned.is_empty() || service.assigned_pool.is_some();
            let mut draft = holds.then(|| Draft::new(service))?;
            draft.kept.clear();
            return Some(draft);
        }
        let mut draft: Option<Draft<'a>> = None;
        let mut pool = None;
        for (position, address) in service.assigned.iter().enumerate() {
            match self.may_keep(service, position, *address) {
                Ok(of) => {
                    pool = pool.or(Some(of));
                    self.taken.keep(*address, service);
                }
                Err(reason) => draft
                    .get_or_insert_with(|| Draft::new(service))
                    .lose(*address, reason),
            }
        }
        if draft.is_some() {
            return draft;
        }
        let draft = Draft::new(service);
        let as_recorded = pool == service.assigned_pool.as_ref() && service.assigned.is_sorted();
        let nothing_to_say = as_recorded && service.request_error.is_none() && !draft.wants_more();
        (!nothing_to_say).then_some(draft)
    }

    /// The pool of the address, or why the Service may not keep it.
    fn may_keep(
        &self,
        service: &Service,
        position: usize,
        address: IpAddr,
    ) -> Result<&'a Arc<str>, Reason> {
        let pool = self.index.find(address);
        let pool = pool.ok_or(Reason::NotInAnyPool(address))?;
        // Of a Service that cannot be read only the addresses are known: it keeps them.
        if service.request_error.is_some() {
            return Ok(&pool.name);
        }
        self.may_have(service, address, pool)?;
        family_fits(service, position, address)?;
        let requested = &service.requested_addresses;
        if requested.is_empty() {
            self.is_unclaimed(address)?;
        }
        match requested.is_empty() || requested.contains(&address) {
            true => Ok(&pool.name),
            false => Err(Reason::OtherRequested),
        }
    }
}

/// Whether the address is of the Service's families, and the first of its own. That one of two is
/// missing is no reason to lose the other.
fn family_fits(service: &Service, position: usize, address: IpAddr) -> Result<(), Reason> {
    let wanted = families(service);
    if service.ip_family_policy == IpFamilyPolicy::RequireDualStack && wanted.len() < 2 {
        return Err(Reason::NotEnoughClusterIps);
    }
    let family = family_of(address);
    let mut before = service.assigned.iter().take(position);
    match !wanted.contains(family) || before.any(|other| family_of(*other) == family) {
        true => Err(Reason::WrongFamily(address)),
        false => Ok(()),
    }
}
