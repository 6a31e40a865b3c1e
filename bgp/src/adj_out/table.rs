//! One family of an Adj-RIB-Out: what is desired, what the peer holds, and what is still to send.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use imbl::ordmap::DiffItem;

use super::advertise::{Advertise, Group, Unsendable};
use super::pack::{self, Prefix};
use super::{Step, Unsent};
use crate::message::refresh::Subtype;
use crate::route::RoutesOf;
use crate::{Family, RouteAttributes, RouteSet};

/// Groups kept beyond twice the sets of attributes in use, before old ones are forgotten.
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

/// What becomes of the routes that share one set of attributes.
#[derive(Debug)]
struct Wanted {
    /// The number of their group, or why they are not sent.
    group: Result<u32, Unsendable>,
    /// Routes of the desired set that have it.
    routes: usize,
}

/// The Adj-RIB-Out of one family.
///
/// While the peer holds what is desired, this is the shared set. Only while it does not, there is
/// an entry for each route in which they differ.
#[derive(Debug)]
pub(super) struct Table<P: Prefix> {
    desired: RoutesOf<P>,
    /// Of each set of attributes in `desired`.
    wanted: BTreeMap<Arc<RouteAttributes>, Wanted>,
    groups: Vec<Group>,
    numbers: BTreeMap<Group, u32>,
    /// What the peer holds where that is not what is desired, but for what `to_send` has sent.
    differing: BTreeMap<P, Held>,
    to_send: ToSend<P>,
    /// Owed from the first set on, once (RFC 4724 §2). `None` until that set has come.
    end_of_rib: Option<bool>,
    refresh: Refresh,
    negotiated: bool,
}

/// `differing` in the order in which it is sent, and how much of it is.
#[derive(Debug)]
struct ToSend<P> {
    withdrawals: Vec<P>,
    withdrawn: usize,
    /// Routes of a group side by side, and in prefix order.
    announcements: Vec<(u32, P)>,
    announced: usize,
}

impl<P: Prefix> ToSend<P> {
    const NOTHING: ToSend<P> = ToSend {
        withdrawals: Vec::new(),
        withdrawn: 0,
        announcements: Vec::new(),
        announced: 0,
    };

    /// Routes of which the peer has been told since the lists were made.
    fn sent(&self) -> impl Iterator<Item = &P> {
        let announced = self.announcements.iter().take(self.announced);
        let withdrawn = self.withdrawals.iter().take(self.withdrawn);
        withdrawn.chain(announced.map(|(_, prefix)| prefix))
    }

    fn is_done(&self) -> bool {
        self.withdrawn == self.withdrawals.len() && self.announced == self.announcements.len()
    }
}

impl<P: Prefix> Table<P> {
    pub(super) fn new(negotiated: bool) -> Table<P> {
        Table {
            desired: RoutesOf::new(),
            wanted: BTreeMap::new(),
            groups: Vec::new(),
            numbers: BTreeMap::new(),
            differing: BTreeMap::new(),
            to_send: ToSend::NOTHING,
            end_of_rib: None,
            refresh: Refresh::None,
            negotiated,
        }
    }

    /// Replaces the desired set: takes the time of the difference to the one before.
    pub(super) fn set_desired(&mut self, desired: &RouteSet, advertise: &Advertise) {
        if self.end_of_rib.is_none() {
            self.end_of_rib = Some(self.negotiated);
        }
        let desired = P::routes(desired);
        if self.desired.ptr_eq(desired) {
            return;
        }
        self.note_sent();
        let before = std::mem::replace(&mut self.desired, desired.clone());
        let mut differing = Vec::new();
        for change in before.diff(desired) {
            let (prefix, old, new) = match change {
                DiffItem::Add(prefix, new) => (prefix, None, Some(new)),
                DiffItem::Update { old, new } => (new.0, Some(old.1), Some(new.1)),
                DiffItem::Remove(prefix, old) => (prefix, Some(old), None),
            };
            let before = old.and_then(|old| self.release(old));
            let wanted = new.and_then(|new| self.number(new, advertise));
            let held = match self.differing.remove(prefix) {
                Some(held) => held,
                None => before.map_or(Held::Nothing, Held::Group),
            };
            if held != wanted.map_or(Held::Nothing, Held::Group) {
                differing.push((*prefix, held));
            }
        }
        match self.differing.is_empty() {
            // In prefix order, which is built at once.
            true => self.differing = differing.into_iter().collect(),
            false => self.differing.extend(differing),
        }
        self.forget(advertise);
        self.plan();
    }

    pub(super) fn refresh(&mut self, enhanced: bool) {
        if self.end_of_rib.is_none() || !self.negotiated {
            return;
        }
        if enhanced {
            self.refresh = Refresh::BeginOwed;
        }
        self.note_sent();
        let mut differing = std::mem::take(&mut self.differing);
        for held in differing.values_mut() {
            *held = stale(*held);
        }
        let held = self.desired.iter();
        let held = held.filter(|(_, attributes)| self.group_of(attributes).is_some());
        for (prefix, _) in held {
            differing.entry(*prefix).or_insert(Held::Stale);
        }
        self.differing = differing;
        self.plan();
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.to_send.is_done() || self.refresh != Refresh::None || self.end_of_rib == Some(true)
    }

    /// Writes one UPDATE of withdrawals, if there are any left.
    pub(super) fn write_withdrawals(&mut self, out: &mut BytesMut, advertise: &Advertise) -> bool {
        let ToSend {
            withdrawals,
            withdrawn,
            ..
        } = &self.to_send;
        let rest = withdrawals.get(*withdrawn..).unwrap_or_default();
        if rest.is_empty() {
            return false;
        }
        let limit = advertise.rules().max_send_length();
        self.to_send.withdrawn += pack::withdraw(rest.iter().copied(), limit, out);
        self.finish();
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

    /// Takes the time of what is still to be sent.
    pub(super) fn advertised(&self) -> usize {
        let wanted = self.wanted.values().filter(|wanted| wanted.group.is_ok());
        let wanted: usize = wanted.map(|wanted| wanted.routes).sum();
        let ToSend {
            withdrawals,
            withdrawn,
            announcements,
            announced,
        } = &self.to_send;
        let rest = announcements.get(*announced..).unwrap_or_default();
        let lacks = |(_, prefix): &&(u32, P)| self.differing.get(prefix) == Some(&Held::Nothing);
        let lacking = rest.iter().filter(lacks).count();
        wanted + (withdrawals.len() - withdrawn) - lacking
    }

    pub(super) fn unsent(&self) -> Vec<Unsent> {
        let mut counts: BTreeMap<Unsendable, usize> = BTreeMap::new();
        for wanted in self.wanted.values() {
            if let Err(reason) = wanted.group {
                *counts.entry(reason).or_default() += wanted.routes;
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
        let ToSend {
            announcements,
            announced,
            ..
        } = &self.to_send;
        let rest = announcements.get(*announced..).unwrap_or_default();
        let Some((number, _)) = rest.first() else {
            return false;
        };
        let Some(group) = self.groups.get(*number as usize) else {
            return false;
        };
        let of_group = rest.iter().take_while(|(other, _)| other == number);
        let count = pack::announce(group, of_group.map(|(_, prefix)| *prefix), limit, out);
        self.to_send.announced += count;
        self.finish();
        true
    }

    /// The group of routes with these attributes; `None` where they are not sent.
    fn group_of(&self, attributes: &Arc<RouteAttributes>) -> Option<u32> {
        let wanted = self.wanted.get(attributes)?;
        wanted.group.ok()
    }

    /// One route more has these attributes: gives their group, if they are sent.
    fn number(&mut self, attributes: &Arc<RouteAttributes>, advertise: &Advertise) -> Option<u32> {
        let wanted = match self.wanted.get_mut(attributes) {
            Some(wanted) => wanted,
            None => {
                let (groups, numbers) = (&mut self.groups, &mut self.numbers);
                let group = group(attributes, P::FAMILY, advertise, groups, numbers);
                let wanted = self.wanted.entry(Arc::clone(attributes));
                wanted.or_insert(Wanted { group, routes: 0 })
            }
        };
        wanted.routes += 1;
        wanted.group.ok()
    }

    /// One route less has these attributes: gives their group, if they were sent.
    fn release(&mut self, attributes: &Arc<RouteAttributes>) -> Option<u32> {
        let wanted = self.wanted.get_mut(attributes)?;
        wanted.routes = wanted.routes.saturating_sub(1);
        let (group, is_used) = (wanted.group.ok(), wanted.routes > 0);
        if !is_used {
            self.wanted.remove(attributes);
        }
        group
    }

    /// Where attributes change over and over, groups that nothing has any more are forgotten.
    fn forget(&mut self, advertise: &Advertise) {
        if self.groups.len() <= 2 * self.wanted.len() + SPARE_GROUPS {
            return;
        }
        self.groups.clear();
        self.numbers.clear();
        let (groups, numbers) = (&mut self.groups, &mut self.numbers);
        for (attributes, wanted) in &mut self.wanted {
            wanted.group = group(attributes, P::FAMILY, advertise, groups, numbers);
        }
        // The peer is slow and the attributes change: it is told some of them once more.
        for held in self.differing.values_mut() {
            *held = stale(*held);
        }
    }

    /// Notes what has been sent since the lists were made, which are to be made anew.
    fn note_sent(&mut self) {
        let to_send = std::mem::replace(&mut self.to_send, ToSend::NOTHING);
        for prefix in to_send.sent() {
            self.differing.remove(prefix);
        }
    }

    /// When all is sent the peer holds what is desired.
    fn finish(&mut self) {
        if self.to_send.is_done() {
            self.to_send = ToSend::NOTHING;
            self.differing = BTreeMap::new();
        }
    }

    /// Lists what has to be sent.
    fn plan(&mut self) {
        let mut to_send = ToSend::NOTHING;
        for prefix in self.differing.keys() {
            let attributes = self.desired.get(prefix);
            match attributes.and_then(|attributes| self.group_of(attributes)) {
                Some(group) => to_send.announcements.push((group, *prefix)),
                None => to_send.withdrawals.push(*prefix),
            }
        }
        // Those of a group stay in prefix order.
        to_send.announcements.sort_by_key(|(group, _)| *group);
        self.to_send = to_send;
    }
}

/// The number of the group of these attributes, a new one if there is none.
fn group(
    attributes: &RouteAttributes,
    family: Family,
    advertise: &Advertise,
    groups: &mut Vec<Group>,
    numbers: &mut BTreeMap<Group, u32>,
) -> Result<u32, Unsendable> {
    let group = advertise.group(family, attributes)?;
    let next = u32::try_from(groups.len()).unwrap_or(u32::MAX);
    Ok(*numbers.entry(group).or_insert_with_key(|group| {
        groups.push(group.clone());
        next
    }))
}

fn stale(held: Held) -> Held {
    match held {
        Held::Nothing => Held::Nothing,
        Held::Stale | Held::Group(_) => Held::Stale,
    }
}
