//! One family of an Adj-RIB-Out: what is desired, what the peer holds, and what is still to send.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;

use super::advertise::{Advertise, Group, Unsendable};
use super::pack::{self, Prefix};
use super::{Step, Unsent};
use crate::RouteSet;
use crate::message::refresh::Subtype;

/// Groups kept beyond twice those in use, before old ones are forgotten.
const SPARE_GROUPS: usize = 64;

/// What the peer holds for a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// No route.
    Nothing,
    /// A route that has to be sent again: a refresh was asked for.
    Stale,
    /// A route with the attributes of this group.
    Group(u32),
}

/// Where a refresh with its markers stands (RFC 7313 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    None,
    BeginOwed,
    EndOwed,
}

/// The Adj-RIB-Out of one family.
///
/// While the peer holds what is desired, this is a pointer to the shared set. Only while it does
/// not, there are 12 octets for every route besides.
#[derive(Debug)]
pub(super) struct Table<P> {
    desired: Arc<RouteSet>,
    /// For each set of attributes of `desired`: its group, or why its routes are not sent.
    wanted: Vec<Result<u32, Unsendable>>,
    groups: Vec<Group>,
    numbers: BTreeMap<Group, u32>,
    /// For each route of `desired`: what the peer holds. `None`: what is wanted.
    held: Option<Vec<Held>>,
    /// Sorted routes that the peer holds and should not, and how many of them are withdrawn.
    withdrawals: Vec<(P, Held)>,
    withdrawn: usize,
    /// Positions in `desired` to announce, by group, and how many of them are announced.
    announcements: Vec<u32>,
    announced: usize,
    /// Owed from the first set on, once (RFC 4724 §2). `None` until that set has come.
    end_of_rib: Option<bool>,
    refresh: Refresh,
    negotiated: bool,
}

impl<P: Prefix> Table<P> {
    pub(super) fn new(negotiated: bool) -> Table<P> {
        Table {
            desired: Arc::default(),
            wanted: Vec::new(),
            groups: Vec::new(),
            numbers: BTreeMap::new(),
            held: None,
            withdrawals: Vec::new(),
            withdrawn: 0,
            announcements: Vec::new(),
            announced: 0,
            end_of_rib: None,
            refresh: Refresh::None,
            negotiated,
        }
    }

    pub(super) fn set_desired(&mut self, desired: &Arc<RouteSet>, advertise: &Advertise) {
        if self.end_of_rib.is_none() {
            self.end_of_rib = Some(self.negotiated);
        }
        if Arc::ptr_eq(&self.desired, desired) {
            return;
        }
        let before = self.take_held(advertise);
        self.wanted = self.number_groups(desired, advertise);
        self.desired = Arc::clone(desired);
        let mut held = Vec::with_capacity(P::routes(desired).len());
        let mut withdrawals = Vec::new();
        let mut before = before.into_iter().peekable();
        for (prefix, attributes) in P::routes(desired) {
            while let Some(gone) = before.next_if(|(old, _)| old < prefix) {
                withdrawals.push(gone);
            }
            let now = match before.next_if(|(old, _)| old == prefix) {
                Some((_, now)) => now,
                None => Held::Nothing,
            };
            let sendable = matches!(self.wanted.get(*attributes as usize), Some(Ok(_)));
            match (sendable, now) {
                (true, _) | (false, Held::Nothing) => held.push(now),
                (false, Held::Stale | Held::Group(_)) => {
                    withdrawals.push((*prefix, now));
                    held.push(Held::Nothing);
                }
            }
        }
        withdrawals.extend(before);
        self.withdrawals = withdrawals;
        self.plan(held);
    }

    pub(super) fn refresh(&mut self, enhanced: bool) {
        if self.end_of_rib.is_none() || !self.negotiated {
            return;
        }
        if enhanced {
            self.refresh = Refresh::BeginOwed;
        }
        let held = (0..P::routes(&self.desired).len())
            .map(|index| stale(self.held_at(index)))
            .collect();
        self.plan(held);
    }

    pub(super) fn is_pending(&self) -> bool {
        self.withdrawn < self.withdrawals.len()
            || self.announced < self.announcements.len()
            || self.refresh != Refresh::None
            || self.end_of_rib == Some(true)
    }

    /// Writes one UPDATE of withdrawals, if there are any left.
    pub(super) fn write_withdrawals(&mut self, out: &mut BytesMut, advertise: &Advertise) -> bool {
        let rest = self.withdrawals.get(self.withdrawn..).unwrap_or_default();
        if rest.is_empty() {
            return false;
        }
        let prefixes = rest.iter().map(|(prefix, _)| *prefix);
        self.withdrawn += pack::withdraw(prefixes, advertise.rules().max_send_length(), out);
        if self.withdrawn == self.withdrawals.len() {
            self.withdrawals = Vec::new();
            self.withdrawn = 0;
        }
        true
    }

    /// Writes, or asks for, the next message after the withdrawals.
    pub(super) fn write_next(&mut self, out: &mut BytesMut, advertise: &Advertise) -> Step {
        let limit = advertise.rules().max_send_length();
        if self.refresh == Refresh::BeginOwed {
            self.refresh = Refresh::EndOwed;
            return Step::Refresh(P::FAMILY, Subtype::Begin);
        }
        if self.write_announcements(limit, out) {
            return Step::Update;
        }
        if self.refresh == Refresh::EndOwed {
            self.refresh = Refresh::None;
            return Step::Refresh(P::FAMILY, Subtype::End);
        }
        if self.end_of_rib == Some(true) {
            self.end_of_rib = Some(false);
            pack::end_of_rib::<P>(limit, out);
            return Step::Update;
        }
        Step::Idle
    }

    pub(super) fn advertised(&self) -> usize {
        let holds = |index: &usize| self.held_at(*index) != Held::Nothing;
        let still = self.withdrawals.len() - self.withdrawn;
        (0..P::routes(&self.desired).len()).filter(holds).count() + still
    }

    pub(super) fn unsent(&self) -> Vec<Unsent> {
        let mut counts: BTreeMap<Unsendable, usize> = BTreeMap::new();
        for (_, attributes) in P::routes(&self.desired) {
            if let Some(Err(reason)) = self.wanted.get(*attributes as usize) {
                *counts.entry(*reason).or_default() += 1;
            }
        }
        let unsent = |(reason, routes)| Unsent {
            family: P::FAMILY,
            reason,
            routes,
        };
        counts.into_iter().map(unsent).collect()
    }

    /// One UPDATE with routes of one group.
    fn write_announcements(&mut self, limit: usize, out: &mut BytesMut) -> bool {
        let routes = P::routes(&self.desired);
        let wanted = &self.wanted;
        let rest = self.announcements.get(self.announced..).unwrap_or_default();
        let lookup = |position: &u32| {
            let (prefix, attributes) = routes.get(*position as usize)?;
            let group = *wanted.get(*attributes as usize)?.as_ref().ok()?;
            Some((*prefix, group))
        };
        let Some(number) = rest.first().and_then(lookup).map(|(_, group)| group) else {
            return false;
        };
        let Some(group) = self.groups.get(number as usize) else {
            return false;
        };
        let prefixes = rest
            .iter()
            .map_while(lookup)
            .take_while(|(_, group)| *group == number)
            .map(|(prefix, _)| prefix);
        let count = pack::announce(group, prefixes, limit, out);
        if let Some(held) = &mut self.held {
            for position in rest.iter().take(count) {
                if let Some(held) = held.get_mut(*position as usize) {
                    *held = Held::Group(number);
                }
            }
        }
        self.announced += count;
        if self.announced == self.announcements.len() {
            self.announcements = Vec::new();
            self.announced = 0;
            self.held = None;
        }
        true
    }

    fn held_at(&self, index: usize) -> Held {
        match &self.held {
            Some(held) => held.get(index).copied().unwrap_or(Held::Nothing),
            None => self.wanted_at(index),
        }
    }

    fn wanted_at(&self, index: usize) -> Held {
        let route = P::routes(&self.desired).get(index);
        match route.and_then(|(_, attributes)| self.wanted.get(*attributes as usize)) {
            Some(Ok(group)) => Held::Group(*group),
            Some(Err(_)) | None => Held::Nothing,
        }
    }

    /// Everything the peer holds, sorted.
    fn take_held(&mut self, advertise: &Advertise) -> Vec<(P, Held)> {
        let forget = self.groups.len() > 2 * self.wanted.len() + SPARE_GROUPS;
        if forget && self.held.is_none() && self.withdrawals.is_empty() {
            self.groups.clear();
            self.numbers.clear();
            let desired = Arc::clone(&self.desired);
            self.wanted = self.number_groups(&desired, advertise);
        }
        let withdrawals = std::mem::take(&mut self.withdrawals);
        let gone = withdrawals.into_iter().skip(self.withdrawn);
        self.withdrawn = 0;
        let routes = P::routes(&self.desired).iter().enumerate();
        let kept = routes
            .map(|(index, (prefix, _))| (*prefix, self.held_at(index)))
            .filter(|(_, held)| *held != Held::Nothing);
        let mut held = merge(kept, gone);
        if forget && self.groups.len() > 2 * self.wanted.len() + SPARE_GROUPS {
            // The peer is slow and the attributes change: it is told some of them once more.
            self.groups.clear();
            self.numbers.clear();
            for (_, held) in &mut held {
                *held = stale(*held);
            }
        }
        held
    }

    fn number_groups(
        &mut self,
        desired: &RouteSet,
        advertise: &Advertise,
    ) -> Vec<Result<u32, Unsendable>> {
        let mut number = |group: Group| {
            let next = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
            let groups = &mut self.groups;
            *self.numbers.entry(group).or_insert_with_key(|group| {
                groups.push(group.clone());
                next
            })
        };
        let attributes = match P::routes(desired).is_empty() {
            true => &[],
            false => desired.attributes(),
        };
        attributes
            .iter()
            .map(|attributes| advertise.group(P::FAMILY, attributes).map(&mut number))
            .collect()
    }

    /// Lists what has to be announced, routes of a group side by side and in prefix order.
    fn plan(&mut self, held: Vec<Held>) {
        self.announced = 0;
        let mut starts = vec![0_usize; self.groups.len() + 1];
        let differing = |table: &Table<P>, index: usize, held: Held| match table.wanted_at(index) {
            wanted @ Held::Group(group) if wanted != held => Some(group as usize),
            Held::Group(_) | Held::Stale | Held::Nothing => None,
        };
        for (index, held) in held.iter().enumerate() {
            if let Some(group) = differing(self, index, *held) {
                starts[group + 1] += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut announcements = vec![0; total];
        for (index, held) in held.iter().enumerate() {
            if let Some(group) = differing(self, index, *held) {
                announcements[starts[group]] = u32::try_from(index).unwrap_or(u32::MAX);
                starts[group] += 1;
            }
        }
        self.held = (!announcements.is_empty()).then_some(held);
        self.announcements = announcements;
    }
}

fn stale(held: Held) -> Held {
    match held {
        Held::Nothing => Held::Nothing,
        Held::Stale | Held::Group(_) => Held::Stale,
    }
}

/// Two sorted lists without a common prefix, as one.
fn merge<P: Prefix>(
    one: impl Iterator<Item = (P, Held)>,
    other: impl Iterator<Item = (P, Held)>,
) -> Vec<(P, Held)> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    let mut merged = Vec::with_capacity(one.size_hint().1.unwrap_or(0));
    loop {
        let order = match (one.peek(), other.peek()) {
            (Some((left, _)), Some((right, _))) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return merged,
        };
        merged.extend(match order {
            Ordering::Less | Ordering::Equal => one.next(),
            Ordering::Greater => other.next(),
        });
    }
}
