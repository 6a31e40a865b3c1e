//! The owner of addresses on Ethernet links, as a value.

mod address;
mod beacon;
mod config;
mod entry;
mod event;
mod interface;
mod link;
mod queue;
mod random;
mod rate;
mod receive;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use pnet_base::MacAddr;

pub use address::{Address, AddressSet, Claim, Interfaces, OnConflict, Refusal, Refused};
pub use config::{
    ANNOUNCE_INTERVAL, ANNOUNCE_NUM, BEACON_INTERVAL, CALM_AFTER, CONFLICT_OVER_AFTER, Config,
    DEFENCE_HEARD_AFTER, DEFEND_INTERVAL, FIRST_QUARANTINE, FIRST_YIELD, FIRST_YIELDS,
    MAX_ADDRESSES, MAX_INTERFACES, MAX_PROBE_TIME, MAX_QUARANTINE, MAX_QUEUE, Probing, REFRESH,
    UNHEARD_AFTER, YIELD,
};
pub use event::{
    Action, AddressCounters, AddressState, AddressStatus, Counters, Event, Fence, Received,
    Transmit,
};
pub use interface::{Interface, InterfaceKind};

use entry::Context;
use link::{Link, Notice};
use queue::{Purpose, Queue};
use random::Random;

/// Answers for addresses, announces them, and finds others that claim them: frames, sets and the
/// time go in; frames and actions come out.
///
/// After any call that takes `now`, ask [`Responder::poll_action`] until it has nothing (groups are
/// to be joined before anything is sent), then [`Responder::poll_transmit`] until it has nothing,
/// and [`Responder::poll_timeout`] for when to call [`Responder::handle_timeout`]. `now` never goes
/// back.
///
/// * An address is answered for while it is in the set of [`Responder::set_addresses`], and no
///   longer. Nothing is sent when it leaves: the next owner's announcements say all. To hand one
///   over, mark it [`Address::handing_over`], let the next owner take it, and take it out of the
///   set when that one is heard ([`Action::OtherOwner`]).
/// * [`Responder::answers_until`] is the fence. It is closed at first.
/// * Another of our nodes that announces an address is no stranger, and is not defended against:
///   name the link-layer addresses of the others in [`Responder::set_speakers`]. One that is not
///   named there is a stranger.
#[derive(Debug)]
pub struct Responder {
    config: Config,
    random: Random,
    fence: Fence,
    addresses: Arc<AddressSet>,
    speakers: Arc<BTreeSet<MacAddr>>,
    /// By interface index.
    links: BTreeMap<u32, Link>,
    /// Of all interfaces, also those that have no link.
    macs: BTreeSet<MacAddr>,
    queue: Queue,
    notices: BTreeSet<Notice>,
    counters: Counters,
}

impl Responder {
    /// One that has no addresses and no interfaces, and a closed fence. `entropy` seeds the jitter
    /// of its timers: two nodes should have different ones.
    pub fn new(config: Config, entropy: u64) -> Responder {
        Responder {
            config: config.bounded(),
            random: Random::new(entropy),
            fence: Fence::Closed,
            addresses: Arc::default(),
            speakers: Arc::default(),
            links: BTreeMap::new(),
            macs: BTreeSet::new(),
            queue: Queue::default(),
            notices: BTreeSet::new(),
            counters: Counters::default(),
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Instant, event: Event) {
        self.lapse(now);
        match event {
            Event::NotifyPeers { interface } => {
                if let Some(link) = self.links.get_mut(&interface) {
                    link.again(now);
                }
            }
            Event::Announce(address) => {
                for link in self.links.values_mut() {
                    link.step(address, &mut self.queue, &mut self.notices, |entry| {
                        entry.again(now);
                        None
                    });
                }
            }
        }
        self.serve(now);
    }

    /// Replaces the whole set of addresses to be answered for. An address that stays is not
    /// announced again; one that leaves is not answered for from now on. Returns those that are
    /// refused; the others are served.
    #[must_use = "an address that is refused is not answered for"]
    pub fn set_addresses(&mut self, now: Instant, addresses: &Arc<AddressSet>) -> Vec<Refused> {
        self.lapse(now);
        self.addresses = Arc::clone(addresses);
        self.reconcile(now);
        let refuse = |reason| move |address| Refused { address, reason };
        let special = addresses.keys().filter(|a| !address::is_unicast(**a));
        let special = special.copied().map(refuse(Refusal::NotUnicast));
        let unicast = addresses.keys().filter(|a| address::is_unicast(**a));
        let above = unicast.skip(MAX_ADDRESSES);
        special
            .chain(above.copied().map(refuse(Refusal::TooMany)))
            .collect()
    }

    /// Replaces the whole set of this node's interfaces. On one that is new, comes up, or has a new
    /// link-layer address, the addresses that are ours are announced. Returns how many interfaces
    /// are left out because there are more than [`MAX_INTERFACES`] of the kind
    /// [`InterfaceKind::Ethernet`]: the last ones of the slice.
    #[must_use = "on an interface that is left out nothing is answered"]
    pub fn set_interfaces(&mut self, now: Instant, interfaces: &[Interface]) -> usize {
        self.lapse(now);
        self.macs = interfaces.iter().map(|interface| interface.mac).collect();
        let ethernet = interfaces.iter();
        let ethernet = ethernet.filter(|interface| interface.kind == InterfaceKind::Ethernet);
        let count = ethernet.clone().count();
        let links: BTreeMap<u32, &Interface> = ethernet
            .take(MAX_INTERFACES)
            .map(|interface| (interface.index, interface))
            .collect();
        self.links.retain(|index, _| links.contains_key(index));
        for (index, interface) in links {
            let link = self.links.entry(index);
            link.and_modify(|link| link.set_interface(now, interface))
                .or_insert_with(|| Link::new(interface.clone(), &self.config, now));
        }
        self.reconcile(now);
        count.saturating_sub(MAX_INTERFACES)
    }

    /// Replaces the link-layer addresses of the other speakers' interfaces, as far as they are
    /// known. A conflict with one of them is none.
    pub fn set_speakers(&mut self, now: Instant, speakers: &Arc<BTreeSet<MacAddr>>) {
        self.lapse(now);
        self.speakers = Arc::clone(speakers);
        for link in self.links.values_mut() {
            link.forgive(now, speakers, &mut self.notices);
        }
        self.serve(now);
    }

    /// Replaces the fence: until when anything is answered and sent. From that moment on, whatever
    /// is called with a later `now` answers nothing and sends nothing, until the fence is put off.
    ///
    /// The caller puts it off while it knows that the others count it as alive. It must count from
    /// the moment when it asked them, and not from when it read the answer: what has waited in a
    /// socket while the process was frozen says nothing about the present. A moment that has passed
    /// closes the fence.
    ///
    /// When a fence that was closed opens, everything that is ours is announced anew, because
    /// another node may have answered meanwhile: hand in the set that holds now before.
    pub fn answers_until(&mut self, now: Instant, fence: Fence) {
        self.lapse(now);
        let was_closed = self.is_fenced();
        self.fence = fence;
        self.lapse(now);
        if was_closed != self.is_fenced() {
            self.reconcile(now);
        }
    }

    /// Serves the timers that have expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.lapse(now);
        self.serve(now);
    }

    /// When to call [`Responder::handle_timeout`]. `None`: not before something else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fence = match self.fence {
            Fence::Closed => return None,
            Fence::Until(at) => Some(at),
            Fence::Open => None,
        };
        // With a full queue no timer can be served before frames are fetched.
        let links = self.links.values().filter(|_| self.queue.has_room(2));
        links.filter_map(Link::due).chain(fence).min()
    }

    /// The next frame to send. What the fence forbids now, or is not ours any longer, is thrown
    /// away.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.lapse(now);
        // At most MAX_QUEUE.
        while let Some(outgoing) = self.queue.pop() {
            let Some(link) = self.links.get_mut(&outgoing.interface) else {
                continue;
            };
            let is_current = outgoing.frame.source() == link.interface.mac;
            let entry = link.entry_mut(outgoing.address);
            let Some(entry) = entry.filter(|entry| is_current && entry.may_send(outgoing.purpose))
            else {
                continue;
            };
            match outgoing.purpose {
                Purpose::Probe => {}
                Purpose::Announcement => entry.counters.announcements += 1,
                Purpose::Answer => entry.counters.answers += 1,
            }
            return Some(Transmit {
                interface: outgoing.interface,
                frame: outgoing.frame,
            });
        }
        None
    }

    /// What the caller has to do, or should know.
    pub fn poll_action(&mut self) -> Option<Action> {
        // At most one for each address and group of each interface.
        while let Some(notice) = self.notices.pop_first() {
            if let Some(action) = self.action(notice) {
                return Some(action);
            }
        }
        None
    }

    /// Every address on every interface it is for.
    pub fn addresses(&self) -> impl Iterator<Item = AddressStatus> + '_ {
        self.links.iter().flat_map(|(index, link)| {
            link.entries().map(|(address, entry)| AddressStatus {
                address,
                interface: *index,
                state: entry.state(),
                counters: entry.counters,
            })
        })
    }

    /// How an address is on an interface; `None` where it is not for that one.
    pub fn state(&self, interface: u32, address: IpAddr) -> Option<AddressState> {
        Some(self.links.get(&interface)?.entry(address)?.state())
    }

    /// Whether a request that arrives on an interface now is answered, but for the bound on answers.
    pub fn is_answered(&self, now: Instant, interface: u32, address: IpAddr) -> bool {
        let state = self.state(interface, address);
        self.fence.is_open(now) && state.is_some_and(AddressState::is_answered)
    }

    /// Counts since it was made.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn action(&mut self, notice: Notice) -> Option<Action> {
        match notice {
            Notice::Group(interface, group) => {
                let joins = self.links.get_mut(&interface)?.settle_group(group)?;
                Some(match joins {
                    true => Action::JoinGroup { interface, group },
                    false => Action::LeaveGroup { interface, group },
                })
            }
            Notice::State(interface, address) => {
                let entry = self.links.get_mut(&interface)?.entry_mut(address)?;
                let state = entry.state();
                let is_news = entry.reported.replace(state) != Some(state);
                is_news.then_some(Action::State {
                    address,
                    interface,
                    state,
                })
            }
            Notice::OtherOwner(interface, address) => {
                let entry = self.links.get_mut(&interface)?.entry_mut(address)?;
                let by = entry.other_owner.take()?;
                Some(Action::OtherOwner {
                    address,
                    interface,
                    by,
                })
            }
        }
    }

    fn is_fenced(&self) -> bool {
        match self.fence {
            Fence::Closed => true,
            Fence::Until(_) | Fence::Open => false,
        }
    }

    /// Closes the fence when its time has come.
    fn lapse(&mut self, now: Instant) {
        match self.fence {
            Fence::Until(at) if at <= now => {
                self.fence = Fence::Closed;
                self.reconcile(now);
            }
            Fence::Until(_) | Fence::Open | Fence::Closed => {}
        }
    }

    /// Brings every link in line with the sets, the interfaces and the fence.
    fn reconcile(&mut self, now: Instant) {
        let links = self.links.values();
        let claimed = links.flat_map(|link| {
            let claimed = link.entries().filter(|(_, entry)| entry.is_claimed());
            claimed.map(|(address, _)| address)
        });
        let claimed: BTreeSet<IpAddr> = claimed.collect();
        let links = self.links.values();
        let own = links.flat_map(|link| link.interface.addresses.iter().copied());
        let own: BTreeSet<IpAddr> = own.collect();
        let fenced = self.is_fenced();
        let usable = self.addresses.iter();
        let usable = usable.filter(|(address, _)| address::is_unicast(**address));
        let usable = usable.take(MAX_ADDRESSES);
        for link in self.links.values_mut() {
            let here = usable.clone();
            let here = here.filter(|(_, a)| a.interfaces.selects(&link.interface.name));
            let wanted: BTreeMap<IpAddr, &Address> = here.map(|(at, a)| (*at, a)).collect();
            let mut context = Context {
                now,
                config: &self.config,
                random: &mut self.random,
            };
            let facts = (&claimed, &own);
            link.reconcile(&wanted, facts, fenced, &mut context, &mut self.notices);
        }
        self.serve(now);
    }

    fn serve(&mut self, now: Instant) {
        if self.is_fenced() {
            return;
        }
        for link in self.links.values_mut() {
            let mut context = Context {
                now,
                config: &self.config,
                random: &mut self.random,
            };
            link.serve(&mut self.queue, &mut self.notices, &mut context);
        }
    }
}
