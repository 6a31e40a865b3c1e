//! A Service on its way through a round.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Outcome, Reason, families};
use crate::world::{Addresses, Service};

/// What a Service has so far, and what the end of the round makes of it.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The Service.
    pub service: &'a Arc<Service>,
    /// What it keeps.
    pub kept: Addresses,
    /// Why it lost what it does not keep; `None` where it lost nothing.
    pub lost: Option<Reason>,
    /// Why it will lose an address, and when, unless something changes.
    pub tolerated: Option<(Reason, Option<Timestamp>)>,
}

impl<'a> Draft<'a> {
    /// A Service that keeps all it holds.
    pub fn new(service: &'a Arc<Service>) -> Draft<'a> {
        Draft {
            service,
            kept: service.assigned.clone(),
            lost: None,
            tolerated: None,
        }
    }

    /// Takes an address away; the first reason is the one that is told.
    pub fn lose(&mut self, address: IpAddr, reason: Reason) {
        self.kept.retain(|kept| *kept != address);
        self.lost.get_or_insert(reason);
    }

    /// Whether it has to be looked for more.
    pub fn wants_more(&self) -> bool {
        let service = self.service;
        let wanted = match service.requested_addresses.len() {
            0 => families(service).len().max(1),
            requested => requested,
        };
        service.wants_address && service.request_error.is_none() && self.kept.len() < wanted
    }

    /// How it came to what it holds: `found` is what was found for it, and `shortfall` why that is
    /// not all that it wants.
    pub fn outcome(self, found: bool, shortfall: Option<Reason>) -> Outcome {
        if !self.service.wants_address {
            return Outcome::Cleared(Reason::NotWanted, None);
        }
        let request_error = self.service.request_error.clone().map(Reason::Request);
        let shortfall = shortfall.or(request_error);
        match (self.kept.is_empty(), self.lost, found) {
            (_, Some(lost), true) => Outcome::Reassigned(lost),
            (nothing, Some(lost), false) => {
                let shortfall = shortfall.filter(|reason| *reason != lost);
                match nothing {
                    true => Outcome::Cleared(lost, shortfall),
                    false => Outcome::Reduced(lost, shortfall),
                }
            }
            (_, None, true) => Outcome::Assigned,
            (true, None, false) => Outcome::Pending(shortfall.unwrap_or(Reason::NoFamily)),
            (false, None, false) => match (self.tolerated, shortfall) {
                (Some((reason, until)), _) => Outcome::Tolerated(reason, until),
                (None, Some(reason)) => Outcome::KeptDespite(reason),
                (None, None) => Outcome::Kept,
            },
        }
    }
}
