//! The first pass: who keeps what it holds.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::search::Round;
use super::{Assignment, Outcome, Reason, families};
use crate::pools::family_of;
use crate::world::{IpFamilyPolicy, Service};

impl<'a> Round<'a> {
    /// What the Service keeps, and whether the second pass has to look at it.
    pub fn keep(&mut self, service: &'a Service) -> (Assignment, bool) {
        if !service.wants_address {
            let outcome = match service.assigned.is_empty() {
                true => Outcome::NotWanted,
                false => Outcome::Cleared(Reason::NotWanted, None),
            };
            return (nothing(outcome), false);
        }
        let request_error = service.request_error.clone().map(Reason::Request);
        if service.assigned.is_empty() {
            // The second pass writes the outcome of those that ask for something readable.
            let reason = request_error.clone().unwrap_or(Reason::NoFamily);
            return (nothing(Outcome::Pending(reason)), request_error.is_none());
        }
        match self.may_keep(service) {
            Ok(()) => {
                self.take(service, &service.assigned);
                let wants_more = request_error.is_none()
                    && service.requested_addresses.is_empty()
                    && service.assigned.len() < families(service).len();
                let outcome = request_error.map_or(Outcome::Kept, Outcome::KeptDespite);
                (self.holding(service.assigned.clone(), outcome), wants_more)
            }
            Err(lost) => {
                let wants_more = request_error.is_none();
                (nothing(Outcome::Cleared(lost, request_error)), wants_more)
            }
        }
    }

    /// Why the Service may not keep what it holds, if it may not.
    fn may_keep(&self, service: &Service) -> Result<(), Reason> {
        for address in &service.assigned {
            let pool = self
                .index
                .pool_of(*address)
                .ok_or(Reason::NotInAnyPool(*address))?;
            // Of a Service that cannot be read only the addresses are known: it keeps them.
            if service.request_error.is_none() {
                self.may_have(service, *address, pool)?;
            }
            self.taken.check(*address, service)?;
        }
        if service.request_error.is_some() {
            return Ok(());
        }
        families_fit(service)?;
        let requested: BTreeSet<&IpAddr> = service.requested_addresses.iter().collect();
        let held: BTreeSet<&IpAddr> = service.assigned.iter().collect();
        match requested.is_empty() || requested == held {
            true => Ok(()),
            false => Err(Reason::OtherRequested),
        }
    }
}

/// Whether the addresses held are of the Service's families, one each. That one of two is missing
/// is no reason to lose the other.
fn families_fit(service: &Service) -> Result<(), Reason> {
    let mut wanted = families(service);
    if service.ip_family_policy == IpFamilyPolicy::RequireDualStack && wanted.len() < 2 {
        return Err(Reason::NotEnoughClusterIps);
    }
    for address in &service.assigned {
        let position = wanted
            .iter()
            .position(|family| *family == family_of(*address));
        match position {
            Some(position) => wanted.remove(position),
            None => return Err(Reason::WrongFamily(*address)),
        };
    }
    Ok(())
}

fn nothing(outcome: Outcome) -> Assignment {
    Assignment {
        addresses: Vec::new(),
        pool: None,
        outcome,
    }
}
