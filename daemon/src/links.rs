//! L2 mode of a node: the speakers that are alive, the elections among them, and what this node
//! answers for.
//!
//! Only a pool that an L2Advertisement selects is in L2 mode. Without one there is no task, no raw
//! socket and no membership.

pub mod conflicts;
pub mod failure;
mod freshness;
pub mod holding;
pub mod keys;
mod mode;
mod neighbors;
mod peers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use controller::kube::Hearings;
use controller::kube::speakers::{self, Speakers};
use imbl::OrdMap;
use l2::MacAddr;
use l2::responder::Fence;
use plan::World;
use plan::elect::{Elections, Elector};
use plan::health::{self, Class, Why};
use plan::tenure::{Presence, Returned, Tenure};
use plan::world::{self, Failback};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::clock::{now, sleep_until};
use crate::link_io::interfaces::Interfaces;
use crate::link_io::{LinkHandle, LinkView};
use crate::membership::{Live, Standing};
use freshness::Freshness;
use holding::{Facts, Holding, Trust};
use keys::Keys;
use mode::Mode;

/// How a node takes part in L2 mode.
#[derive(Clone, Debug)]
pub struct Options {
    /// How nodes are judged.
    pub health: health::Options,
    /// Whether speakers watch each other.
    pub liveness: bool,
    /// Where this one hears the others; they hear at the same port.
    pub membership: SocketAddr,
    /// How addresses are answered for.
    pub responder: l2::responder::Config,
}

/// An API in which nodes say which of them have a speaker, and what these answer for.
#[derive(Clone)]
pub struct Cluster {
    /// Where it is.
    pub client: kube::Client,
    /// Herald's namespace.
    pub namespace: String,
    /// How well the World is heard from there.
    pub hearings: watch::Receiver<Arc<Hearings>>,
}

/// What is known of L2 mode, for people, peers and reports.
#[derive(Clone, Debug, Default)]
pub struct LinksView {
    /// Who answers for what.
    pub elections: Elections,
    /// How nodes are judged for that.
    pub health: health::Options,
    /// How this node's addresses are.
    pub link: LinkView,
    /// This node's interfaces; `None` until they are known, and out of L2 mode.
    pub interfaces: Option<Arc<Interfaces>>,
    /// Which speakers are alive; `None` until that is known, and where it is not watched.
    pub live: Option<Arc<Live>>,
    /// How many of all speakers this node knows to be alive; `None` where that is not watched.
    pub standing: Option<Standing>,
    /// Why nothing is answered for.
    pub trouble: Option<Arc<str>>,
    /// Where the task can be asked for counts; `None` out of L2 mode.
    pub task: Option<LinkHandle>,
    /// How well it is heard what speakers say of themselves in an API; `None` where there is none.
    pub hearings: Option<watch::Receiver<speakers::Hearings>>,
}

/// L2 mode of one node, on and off as the World asks for it.
pub struct Links {
    me: Arc<str>,
    options: Options,
    keys: watch::Receiver<Keys>,
    cluster: Option<Cluster>,
    /// What speakers last said of themselves.
    speakers: Arc<Speakers>,
    elector: Elector,
    tenure: Tenure,
    /// How this node was last, for its tenure.
    presence: Option<Presence>,
    holding: Holding,
    mode: Option<Mode>,
    /// `None` without a cluster.
    freshness: Option<Freshness>,
    /// Others may have heard from the API server what this node has not.
    is_outdated: bool,
    /// Until then it may not know the link-layer addresses of all others, and counts none as a
    /// stranger.
    acquainted_by: Instant,
    /// The last one handed to elections.
    known: Arc<world::Links>,
    /// Addresses are to stay with whoever has them ([`Failback::Never`]), and who that is was last
    /// heard before this node began.
    may_have_moved: bool,
    /// Link-layer addresses of other speakers, also of those that are gone: they may come back.
    macs: BTreeMap<Arc<str>, BTreeSet<MacAddr>>,
    /// As last told.
    elections: Elections,
    /// When to elect anew, although nothing has changed.
    due: Option<Instant>,
}

impl Links {
    /// Of the node of this name, out of L2 mode. `keys` are those of the membership. Without a
    /// cluster all nodes have a speaker.
    pub fn new(
        me: &str,
        options: Options,
        keys: watch::Receiver<Keys>,
        cluster: Option<Cluster>,
    ) -> Links {
        let hearings = cluster.as_ref().map(|cluster| cluster.hearings.clone());
        Links {
            freshness: hearings.map(Freshness::new),
            cluster,
            speakers: Arc::default(),
            elector: Elector::new(me, options.health),
            me: me.into(),
            options,
            keys,
            tenure: Tenure::default(),
            presence: None,
            holding: Holding::default(),
            mode: None,
            is_outdated: false,
            acquainted_by: now(),
            known: Arc::default(),
            may_have_moved: false,
            macs: BTreeMap::new(),
            elections: Elections::default(),
            due: None,
        }
    }

    /// What speakers said of themselves in an earlier run: it counts until they are heard.
    pub fn recall(&mut self, speakers: Arc<Speakers>) {
        self.speakers = speakers;
    }

    /// What speakers last said of themselves.
    pub fn speakers(&self) -> Arc<Speakers> {
        Arc::clone(&self.speakers)
    }

    /// Elects over the World, to which it adds what speakers know of each other, and hands this
    /// node's addresses to the task.
    pub fn next(&mut self, now: Instant, world: &mut World) -> LinksView {
        self.due = None;
        if !in_l2_mode(world) {
            self.end();
            return LinksView::default();
        }
        if self.mode.is_none() {
            match Mode::begin(
                &self.me,
                &self.options,
                self.keys.clone(),
                self.cluster.as_ref(),
                Arc::clone(&self.speakers),
            ) {
                Ok(mode) => {
                    self.mode = Some(mode);
                    self.acquainted_by = now + ACQUAINTED_WITHIN;
                }
                Err(error) => {
                    self.due = Some(now + AGAIN_AFTER);
                    let trouble = Some(Arc::from(error));
                    return LinksView {
                        trouble,
                        ..LinksView::default()
                    };
                }
            }
        }
        let Some(mode) = &mut self.mode else {
            return LinksView::default();
        };
        let speakers = mode.speakers();
        self.speakers = Arc::clone(&speakers);
        let port = self.options.membership.port();
        mode.set_peers(peers::addresses(
            world,
            speakers.nodes.as_ref(),
            self.options.health,
            port,
        ));
        let mut seen = mode.see();
        if let Some(live) = &seen.live {
            world.liveness = live.liveness();
        }
        self.may_have_moved = stays(world) && !knows_owners(&seen);
        self.know(now, world, &seen, &speakers);
        seen.health = self.options.health;
        seen.elections = self.elector.next(world);
        self.elections = seen.elections.clone();
        self.judge_freshness(now);
        self.hold(now, &seen);
        seen
    }

    fn judge_freshness(&mut self, now: Instant) {
        let Some(freshness) = &mut self.freshness else {
            return;
        };
        let (is_outdated, until) = freshness.is_outdated(now);
        self.wake_at(until);
        match (
            std::mem::replace(&mut self.is_outdated, is_outdated),
            is_outdated,
        ) {
            (false, true) => warn!(
                "the API server is not heard: an address is left to another speaker that announces it"
            ),
            (true, false) => info!("the API server is heard again"),
            (false, false) | (true, true) => {}
        }
    }

    /// Waits until [`Links::next`] has something to look at. Cancel-safe.
    pub async fn changed(&mut self) {
        let due = self.due;
        let freshness = self.freshness.as_mut().filter(|_| self.mode.is_some());
        let hearing = async {
            match freshness {
                Some(freshness) => freshness.changed().await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            match (&mut self.mode, due) {
                (Some(mode), _) => mode.changed().await,
                // It could not begin: for want of keys, perhaps.
                (None, Some(_)) if self.keys.changed().await.is_ok() => {}
                (None, _) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep_until(due) => {}
            () = hearing => {}
            () = news => {}
        }
    }

    /// Addresses that a stranger has, and the stranger's link-layer address.
    pub fn strangers(&self) -> BTreeMap<IpAddr, Arc<str>> {
        let Some(mode) = &self.mode else {
            return BTreeMap::new();
        };
        let view = mode.view();
        let states = view.states.iter();
        let lost = states.filter_map(|((address, _), state)| {
            Some((*address, state.lost_to()?.to_string().into()))
        });
        lost.collect()
    }

    /// Hands over what this node answers for, and ends.
    pub async fn stop(&mut self) {
        let Some(mode) = &self.mode else { return };
        mode.leave().await;
        self.holding.leave(now());
        let limit = now() + holding::LEAVE;
        while let Some(mode) = &mut self.mode {
            let mut seen = mode.see();
            seen.elections = self.elections.clone();
            if self.hold(now(), &seen) == 0 || now() >= limit {
                break;
            }
            // Others are heard, or it is late.
            let _ = tokio::time::timeout_at(limit.into(), self.changed()).await;
        }
        self.end();
    }

    /// Adds to the World what elections have to know of speakers.
    fn know(&mut self, now: Instant, world: &mut World, seen: &LinksView, speakers: &Speakers) {
        let mut interfaces: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
        let live = seen.live.iter().flat_map(|live| &live.nodes);
        for (node, speaker) in live.filter(|(node, _)| **node != self.me) {
            if let Some(facts) = &speaker.facts {
                let told = facts.interfaces();
                interfaces.insert(Arc::clone(node), told.keys().cloned().collect());
            }
        }
        let known = seen.live.iter().flat_map(|live| live.facts());
        for (node, facts) in known.filter(|(node, _)| **node != self.me) {
            let told = facts.interfaces().values();
            self.macs.insert(Arc::clone(node), told.copied().collect());
        }
        if let Some(own) = &seen.interfaces {
            let names = own.usable().map(|one| Arc::clone(&one.name)).collect();
            interfaces.insert(Arc::clone(&self.me), names);
        }
        let presence = self.presence(world, seen);
        self.tell_presence(presence.get(&self.me).copied());
        let Returned {
            nodes,
            arriving,
            until,
        } = self.tenure.next(now, &presence);
        self.wake_at(until);
        let known = world::Links {
            interfaces,
            returned: nodes,
            arriving,
            owners: owners(world, speakers),
        };
        if *self.known != known {
            self.known = Arc::new(known);
        }
        world.links = Arc::clone(&self.known);
    }

    /// Tells the others if this node is in service again: whoever begins only now has not seen
    /// that it was not.
    fn tell_presence(&mut self, own: Option<Presence>) {
        let was_out = self.presence == Some(Presence::Out);
        if let (true, Some(Presence::InService(_)), Some(mode)) = (was_out, own, &self.mode) {
            mode.is_back_in_service();
        }
        self.presence = own;
    }

    /// How each node is, for its tenure.
    fn presence(&self, world: &World, seen: &LinksView) -> BTreeMap<Arc<str>, Presence> {
        let mut nodes: BTreeSet<&Arc<str>> = world.nodes.keys().collect();
        nodes.insert(&self.me);
        let presence = |node: &Arc<str>| {
            let health = health::judge(node, world, self.options.health);
            let speaker = seen.live.as_ref().and_then(|live| live.nodes.get(node));
            match (health.class, health.why) {
                (Class::InService, _) => Presence::InService(speaker.map(|s| s.since)),
                (_, Why::SpeakerNotLive) => Presence::Dead,
                (Class::Leaving | Class::Out | Class::Excluded, _) => Presence::Out,
            }
        };
        let nodes = nodes.into_iter();
        nodes
            .map(|node| (Arc::clone(node), presence(node)))
            .collect()
    }

    /// Hands this node's addresses to the task. How many there are.
    fn hold(&mut self, now: Instant, seen: &LinksView) -> usize {
        let Some(mode) = &self.mode else { return 0 };
        if now < self.acquainted_by && !self.is_acquainted(seen) {
            self.due = self.due.into_iter().chain([self.acquainted_by]).min();
        }
        let facts = Facts {
            elections: &seen.elections,
            owners: &self.known.owners,
            view: &seen.link,
            trust: self.trust(now, seen, mode.fence()),
            joins: seen.live.as_ref().is_some_and(|live| live.joins(&self.me)),
            is_outdated: self.is_outdated,
        };
        let next = self.holding.next(now, facts);
        let held = next.addresses.len();
        mode.hold(next.addresses, &next.announce, &self.macs);
        self.wake_at(next.due);
        held
    }

    /// Whether the link-layer addresses of all speakers that are alive are known.
    fn is_acquainted(&self, seen: &LinksView) -> bool {
        let mut live = seen.live.iter().flat_map(|live| &live.nodes);
        live.all(|(node, speaker)| **node == *self.me || speaker.facts.is_some())
    }

    /// How far this node may trust in what it knows of who answers.
    fn trust(&self, now: Instant, seen: &LinksView, fence: Fence) -> Trust {
        let trust = self.trust_in_others(now, seen, fence);
        match self.may_have_moved && trust == Trust::Full {
            // Who has an address keeps it, and that may be another one.
            true => Trust::Probe,
            false => trust,
        }
    }

    fn trust_in_others(&self, now: Instant, seen: &LinksView, fence: Fence) -> Trust {
        if now < self.acquainted_by && !self.is_acquainted(seen) {
            return Trust::None;
        }
        match (self.options.liveness, &seen.live, seen.standing) {
            (false, _, _) => Trust::Full,
            (true, None, _) | (true, _, None) => Trust::None,
            // Behind a closed fence nothing is known of what others have taken meanwhile.
            (true, Some(_), Some(_)) if !fence.is_open(now) => Trust::None,
            (true, Some(_), Some(Standing::Minority)) => Trust::None,
            (true, Some(_), Some(Standing::Half)) => Trust::Probe,
            (true, Some(_), Some(Standing::Majority)) => Trust::Full,
        }
    }

    fn wake_at(&mut self, at: Option<Instant>) {
        self.due = self.due.into_iter().chain(at).min();
    }

    fn end(&mut self) {
        self.due = None;
        if self.mode.take().is_some() {
            info!("nothing is answered for by ARP or NDP any more");
        }
        self.holding = Holding::default();
        self.tenure = Tenure::default();
        self.presence = None;
        self.macs.clear();
    }
}

/// How long after the beginning others may take to tell of their interfaces. Who has not by then may
/// be taken for a stranger.
pub const ACQUAINTED_WITHIN: Duration = Duration::from_secs(1);

/// After the membership could not begin.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Whether an L2Advertisement selects a pool.
fn in_l2_mode(world: &World) -> bool {
    let mut advertisements = world.l2_advertisements.values();
    advertisements.any(|ad| world.pools.values().any(|pool| ad.pools.selects(pool)))
}

/// Whether an L2Advertisement leaves addresses with whoever has them.
fn stays(world: &World) -> bool {
    let mut advertisements = world.l2_advertisements.values();
    advertisements.any(|ad| ad.failback == Failback::Never)
}

/// Whether it has been heard since this node began who answers for what. Without an API nobody says.
fn knows_owners(seen: &LinksView) -> bool {
    let Some(hearings) = &seen.hearings else {
        return true;
    };
    let hearings = hearings.borrow();
    let of_owners = hearings.get(speakers::OWNERS);
    of_owners.is_some_and(|hearing| hearing.listed)
}

/// Who answers for each address, as speakers say of the Services that hold it.
fn owners(world: &World, speakers: &Speakers) -> OrdMap<IpAddr, Arc<str>> {
    let said = speakers.owners.iter().flatten();
    let known = said.filter_map(|(name, node)| Some((world.services.get(name)?, node)));
    known
        .flat_map(|(service, node)| {
            let held = service.assigned.iter();
            held.map(|address| (*address, Arc::clone(node)))
        })
        .collect()
}
