//! One interface: the addresses on it, their timers, its groups and its rates.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;
use std::time::Instant;

use pnet_base::MacAddr;

use super::address::Address;
use super::beacon::Beacon;
use super::config::{Config, MAX_TIMEOUTS};
use super::entry::{Context, Entry, Send, Silence};
use super::interface::Interface;
use super::queue::{Outgoing, Purpose, Queue};
use super::rate::Rate;
use crate::arp::{Arp, Operation};
use crate::ethernet::FrameBuf;
use crate::ndp;

/// Frames of an announcement, at most.
const ANNOUNCEMENT_FRAMES: u32 = 2;

/// What the caller is still to be told; what it is, is looked up then. Never more than there are
/// addresses and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Notice {
    Group(u32, Ipv6Addr),
    State(u32, IpAddr),
    OtherOwner(u32, IpAddr),
}

/// An interface and what is said on it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) interface: Interface,
    entries: BTreeMap<IpAddr, Entry>,
    /// [`Entry::due`] of every entry that has one.
    timers: BTreeSet<(Instant, IpAddr)>,
    /// While other speakers may answer unheard.
    beacon: Option<Beacon>,
    /// The solicited-node groups that are needed, and those that the caller has been told to join.
    needed: BTreeSet<Ipv6Addr>,
    joined: BTreeSet<Ipv6Addr>,
    pub(super) answers: Rate,
    announcements: Rate,
}

impl Link {
    pub(super) fn new(interface: Interface, config: &Config, now: Instant) -> Link {
        Link {
            interface,
            entries: BTreeMap::new(),
            timers: BTreeSet::new(),
            beacon: None,
            needed: BTreeSet::new(),
            joined: BTreeSet::new(),
            answers: Rate::new(config.answers_per_second, now),
            announcements: Rate::new(config.announcements_per_second, now),
        }
    }

    /// Takes the interface as it is now. With a new link-layer address everything is said anew.
    pub(super) fn set_interface(&mut self, now: Instant, interface: &Interface) {
        let moved = self.interface.mac != interface.mac;
        if self.interface != *interface {
            self.interface = interface.clone();
        }
        if moved {
            self.again(now);
        }
    }

    /// Announces everything anew.
    pub(super) fn again(&mut self, now: Instant) {
        self.entries.values_mut().for_each(|entry| entry.again(now));
        self.set_timers();
    }

    /// The speakers are no strangers.
    pub(super) fn forgive(
        &mut self,
        now: Instant,
        speakers: &BTreeSet<MacAddr>,
        notices: &mut BTreeSet<Notice>,
    ) {
        for (address, entry) in &mut self.entries {
            entry.forgive(|by| speakers.contains(&by), now);
            if entry.reported != Some(entry.state()) {
                notices.insert(Notice::State(self.interface.index, *address));
            }
        }
        if let Some(beacon) = &mut self.beacon {
            beacon.keep(speakers);
        }
        self.set_timers();
    }

    /// Takes what is to be answered for on this interface. `claimed` are addresses that are ours on
    /// some interface already, `own` those of the kernel.
    pub(super) fn reconcile(
        &mut self,
        wanted: &BTreeMap<IpAddr, &Address>,
        (claimed, own): (&BTreeSet<IpAddr>, &BTreeSet<IpAddr>),
        fenced: bool,
        context: &mut Context<'_>,
        notices: &mut BTreeSet<Notice>,
    ) {
        self.entries
            .retain(|address, _| wanted.contains_key(address));
        for (address, desired) in wanted {
            let entry = self.entries.entry(*address);
            let entry = entry.or_insert_with(|| Entry::new(desired, claimed.contains(address)));
            entry.set(context.now, desired);
            let silence = match (fenced, own.contains(address)) {
                (_, true) => Err(Silence::OwnAddress),
                _ if !self.interface.speaks(*address) => Err(Silence::InterfaceDown),
                (true, false) => Err(Silence::Fenced),
                (false, false) => Ok(()),
            };
            entry.permit(silence, context);
            if entry.reported != Some(entry.state()) {
                notices.insert(Notice::State(self.interface.index, *address));
            }
        }
        match self.entries.values().any(Entry::is_divided) {
            true => {
                self.beacon.get_or_insert_with(|| Beacon::new(context.now));
            }
            false => self.beacon = None,
        }
        self.set_timers();
        self.set_groups(notices);
    }

    /// A speaker claims an address that is for this interface.
    pub(super) fn hear_speaker(&mut self, now: Instant, by: MacAddr) {
        if let Some(beacon) = &mut self.beacon {
            beacon.hear(now, by);
        }
    }

    /// Says that this node is there, as long as others may answer unheard.
    fn shine(&mut self, now: Instant, queue: &mut Queue) {
        let Some(beacon) = &mut self.beacon else {
            return;
        };
        if beacon.must_announce_all(now) {
            let claimed = self.entries.values_mut().filter(|entry| entry.is_claimed());
            claimed.for_each(|entry| entry.again(now));
            self.timers = timers(&self.entries);
        }
        let is_ours = |(address, entry): (&IpAddr, &Entry)| {
            let may_announce = entry.is_divided() && entry.may_send(Purpose::Announcement);
            may_announce.then_some(*address)
        };
        let address = beacon.turn(now, |after| {
            let after = self.entries.range((after, Bound::Unbounded));
            let address = after.chain(&self.entries).find_map(is_ours);
            address.filter(|_| self.announcements.take(now, 1))
        });
        if let Some(address) = address {
            self.send(address, Send::Defence, queue);
        }
    }

    fn set_timers(&mut self) {
        self.timers = timers(&self.entries);
    }

    /// A group is kept while the interface is down, as the kernel does.
    fn set_groups(&mut self, notices: &mut BTreeSet<Notice>) {
        let speaks = |address: &&IpAddr| {
            let group = group_of(**address);
            let joined = group.is_some_and(|group| self.joined.contains(&group));
            joined || self.interface.speaks(**address)
        };
        let addresses = self.entries.keys().filter(speaks);
        let needed: BTreeSet<Ipv6Addr> = addresses.filter_map(|a| group_of(*a)).collect();
        let index = self.interface.index;
        let differ = needed.symmetric_difference(&self.joined);
        notices.extend(differ.map(|group| Notice::Group(index, *group)));
        self.needed = needed;
    }

    /// Whether the caller has to join (`true`) or leave the group. It counts as done then.
    pub(super) fn settle_group(&mut self, group: Ipv6Addr) -> Option<bool> {
        match (self.needed.contains(&group), self.joined.contains(&group)) {
            (true, false) => {
                self.joined.insert(group);
                Some(true)
            }
            (false, true) => {
                self.joined.remove(&group);
                Some(false)
            }
            (true, true) | (false, false) => None,
        }
    }

    pub(super) fn entry(&self, address: IpAddr) -> Option<&Entry> {
        self.entries.get(&address)
    }

    /// For counters and reports; what may change its state goes through [`Link::step`].
    pub(super) fn entry_mut(&mut self, address: IpAddr) -> Option<&mut Entry> {
        self.entries.get_mut(&address)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (IpAddr, &Entry)> {
        self.entries
            .iter()
            .map(|(address, entry)| (*address, entry))
    }

    /// Takes a step of an address's state machine, and sends what it says.
    pub(super) fn step(
        &mut self,
        address: IpAddr,
        queue: &mut Queue,
        notices: &mut BTreeSet<Notice>,
        step: impl FnOnce(&mut Entry) -> Option<Send>,
    ) {
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        let before = entry.due();
        let send = step(entry);
        let after = entry.due();
        if before != after {
            self.timers.extend(after.map(|due| (due, address)));
            if let Some(before) = before {
                self.timers.remove(&(before, address));
            }
        }
        let index = self.interface.index;
        if entry.reported != Some(entry.state()) {
            notices.insert(Notice::State(index, address));
        }
        if entry.other_owner.is_some() {
            notices.insert(Notice::OtherOwner(index, address));
        }
        if let Some(send) = send {
            self.send(address, send, queue);
        }
    }

    fn send(&self, address: IpAddr, send: Send, queue: &mut Queue) {
        let purpose = match send {
            Send::Probe => Purpose::Probe,
            Send::Announcement | Send::Defence => Purpose::Announcement,
        };
        for frame in frames(&self.interface, address, send).into_iter().flatten() {
            // Where there is no room, the next one of the row comes in time.
            queue.push(Outgoing {
                interface: self.interface.index,
                address,
                purpose,
                frame,
            });
        }
    }

    /// Serves timers that have expired, as far as the rate and the queue allow.
    pub(super) fn serve(
        &mut self,
        queue: &mut Queue,
        notices: &mut BTreeSet<Notice>,
        context: &mut Context<'_>,
    ) {
        self.shine(context.now, queue);
        for _ in 0..MAX_TIMEOUTS {
            let due = self.timers.first().copied();
            let Some((_, address)) = due.filter(|(at, _)| *at <= context.now) else {
                break;
            };
            let room = queue.has_room(ANNOUNCEMENT_FRAMES as usize);
            if !room || !self.announcements.take(context.now, frames_of(address)) {
                break;
            }
            self.step(address, queue, notices, |entry| entry.timeout(context));
        }
    }

    /// When [`Link::serve`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let timer = self.timers.first();
        let timer = timer.map(|(at, address)| {
            let available = self.announcements.available(frames_of(*address));
            available.max(*at)
        });
        let beacon = self.beacon.as_ref().map(Beacon::due);
        timer.into_iter().chain(beacon).min()
    }
}

/// [`Entry::due`] of every entry that has one.
fn timers(entries: &BTreeMap<IpAddr, Entry>) -> BTreeSet<(Instant, IpAddr)> {
    let due = |(address, entry): (&IpAddr, &Entry)| Some((entry.due()?, *address));
    entries.iter().filter_map(due).collect()
}

/// Frames that one announcement of the address takes.
fn frames_of(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => ANNOUNCEMENT_FRAMES,
        IpAddr::V6(_) => 1,
    }
}

fn group_of(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(ndp::solicited_node(address)),
    }
}

fn frames(interface: &Interface, address: IpAddr, send: Send) -> [Option<FrameBuf>; 2] {
    let ours = interface.mac;
    match (address, send) {
        (IpAddr::V4(address), Send::Probe) => [Some(Arp::probe(ours, address)), None],
        (IpAddr::V4(address), Send::Announcement) => [Operation::Request, Operation::Reply]
            .map(|operation| Some(Arp::gratuitous(operation, ours, address))),
        // RFC 5227 §2.4: a single one.
        (IpAddr::V4(address), Send::Defence) => [
            Some(Arp::gratuitous(Operation::Request, ours, address)),
            None,
        ],
        (IpAddr::V6(address), Send::Probe) => [Some(ndp::probe(ours, address)), None],
        (IpAddr::V6(address), Send::Announcement | Send::Defence) => {
            [Some(ndp::unsolicited_advertisement(ours, address)), None]
        }
    }
}
