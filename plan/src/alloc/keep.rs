//! The first pass: who keeps what it holds.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::search::Round;
use super::{Assignment, Outcome, Reason, families};
use crate::pools::family_of;
use crate::world::{Addresses, IpFamilyPolicy, Service};

impl<'a> Round<'a> {
    /// What the Service keeps, and whether the second pass has to look at it; `None` where it keeps
    /// just what it holds and lacks nothing.
    pub fn keep(&mut self, service: &'a Service) -> Option<(Assignment, bool)> {
        if !service.wants_address {
            let cleared = Outcome::Cleared(Reason::NotWanted, None);
            return (!service.assigned.is_empty()).then(|| (nothing(cleared), false));
        }
        let request_error = service.request_error.clone().map(Reason::Request);
        if service.assigned.is_empty() {
            // The second pass writes the outcome of those that ask for something readable.
            let reason = request_error.clone().unwrap_or(Reason::NoFamily);
            let wants_more = request_error.is_none();
            return Some((nothing(Outcome::Pending(reason)), wants_more));
        }
        let pool = match self.may_keep(service) {
            Ok(pool) => pool,
            Err(lost) => {
                let wants_more = request_error.is_none();
                let cleared = Outcome::Cleared(lost, request_error);
                return Some((nothing(cleared), wants_more));
            }
        };
        self.take(service, &service.assigned);
        let wants_more = request_error.is_none()
            && service.requested_addresses.is_empty()
            && service.assigned.len() < families(service).len();
        let as_recorded = service.assigned_pool.as_ref() == Some(pool);
        let nothing_to_say = request_error.is_none() && !wants_more && as_recorded;
        if nothing_to_say && service.assigned.is_sorted() {
            return None;
        }
        let outcome = request_error.map_or(Outcome::Kept, Outcome::KeptDespite);
        let assignment = self.holding(service.assigned.clone(), outcome);
        Some((assignment, wants_more))
    }

    /// The pool of the first address, or why the Service may not keep what it holds.
    fn may_keep(&self, service: &Service) -> Result<&'a Arc<str>, Reason> {
        let mut first = None;
        for address in &service.assigned {
            let pool = self
                .index
                .find(*address)
                .ok_or(Reason::NotInAnyPool(*address))?;
            first = first.or(Some(&pool.name));
            // Of a Service that cannot be read only the addresses are known: it keeps them.
            if service.request_error.is_none() {
                self.may_have(service, *address, pool)?;
            }
            self.taken.check(*address, service)?;
        }
        // Of no address there is no pool; the caller has looked.
        let first = first.ok_or(Reason::NoFamily)?;
        if service.request_error.is_some() {
            return Ok(first);
        }
        families_fit(service)?;
        match service.requested_addresses.is_empty() || holds_what_it_asks(service) {
            true => Ok(first),
            false => Err(Reason::OtherRequested),
        }
    }
}

/// Whether the addresses held are of the Service's families, one each. That one of two is missing
/// is no reason to lose the other.
fn families_fit(service: &Service) -> Result<(), Reason> {
    let wanted = families(service);
    if service.ip_family_policy == IpFamilyPolicy::RequireDualStack && wanted.len() < 2 {
        return Err(Reason::NotEnoughClusterIps);
    }
    for (position, address) in service.assigned.iter().enumerate() {
        let family = family_of(*address);
        let mut before = service.assigned.iter().take(position);
        if !wanted.contains(family) || before.any(|other| family_of(*other) == family) {
            return Err(Reason::WrongFamily(*address));
        }
    }
    Ok(())
}

fn holds_what_it_asks(service: &Service) -> bool {
    let requested: BTreeSet<&IpAddr> = service.requested_addresses.iter().collect();
    let held: BTreeSet<&IpAddr> = service.assigned.iter().collect();
    requested == held
}

fn nothing(outcome: Outcome) -> Assignment {
    Assignment {
        addresses: Addresses::new(),
        pool: None,
        outcome,
    }
}
