//! Which speakers are alive, asked among themselves, and until when this one may believe that it
//! counts as alive: SWIM over UDP, sealed with a shared key.
//!
//! Each member also tells all others a small value, [`facts::Facts`]: through which interfaces it
//! answers. Members pass on what others have told.
//!
//! [`core::Core`] is the protocol as a value; foca does SWIM in it. [`task`] gives it a socket and
//! the clock. [`Live`] says who is alive (for `plan::world::Liveness`), [`MembershipHandle::fence`]
//! goes to [`crate::link_io::LinkHandle::set_fence`].
//!
//! # How fast
//!
//! Every 60 ms a member asks one other (each in its turn); without an answer after 25 ms three
//! others ask too; after 60 ms it is suspect. Everybody who hears of that tells the suspect, at
//! once and every 40 ms; if it has not objected 320 ms later, it is dead. On the virtual clock of
//! the tests all others know of a death after 430 ms in the median with three nodes, at most 525;
//! with twenty, after 505 and at most 620.
//!
//! A member that restarts, or was declared dead and is not, is live again a round trip or two
//! later, in a new life ([`LiveNode::generation`]).
//!
//! # Silent lives
//!
//! Who is alive is not always able to answer: a node that hears one other and is heard by another
//! one has nobody's vote, and nobody would call it dead. So a member whose fence has been closed for
//! 100 ms begins a *silent* life, and every member begins in one: lives with odd numbers
//! ([`identity`]). It votes like any other, and is not among [`Live`], so that others are elected
//! for what it had. When it has the votes that it needs, it begins a life in which it answers, and
//! asks for votes anew: whoever votes for that one knows of it.
//!
//! # The fence, and why two do not answer
//!
//! Each datagram says how its sender sees the receiver, and tells back the latest moment that the
//! receiver has told of its own clock. From a member that sees us as *alive* that is a vote for us
//! until 240 ms after that moment: after our question was sent, by our own clock, whenever the
//! answer came. A member that suspects us, or has heard that somebody does, renews nothing.
//!
//! Voters are all nodes of the list, this one included, but for those that have left gracefully and
//! have not come back. How many are with us is our [`Standing`]. In calm times those that are alive
//! count, and the fence is open while a majority's votes are valid; of more than seven nodes, while
//! one is, as a majority would take too many questions. From the first suspicion on all are asked,
//! every 80 ms; 120 ms later and until it has been calm for 1,120 ms, only valid votes count. A
//! fence that has closed, because nobody voted or this process was asleep, opens by counted votes
//! only, whatever was calm before:
//!
//! | standing | voters with us | fence | two owners |
//! |---|---|---|---|
//! | [`Standing::Majority`] | more than half | open while so many votes are valid | for the fence and the time of news at most, whichever paths are cut: whoever takes over has told more than half that the old owner is suspect, and without one of them that one has no majority |
//! | [`Standing::Half`] | exactly half: one of two, two of four | open while the votes of the half are valid; of two nodes, by our own timer. Once closed, for 560 ms at least | not as long as the halves hear each other on the segment: what a half had it goes on answering for, and whatever it claims, or answers for again after its fence was closed, has been probed ([RFC 5227 §2.1.1]) |
//! | [`Standing::Minority`] | fewer | closed, until others come back, or leave the list | never |
//!
//! A single node in the list has a majority, and its fence is open. In a list of two, the other
//! one's death is [`Standing::Half`]; its graceful stop is not. A node that is not in the list, as
//! the API server holds it out, has no vote.
//!
//! With t = 0 when nothing passes any more, or when this node freezes:
//!
//! | from t = 0 | ms |
//! |---|---|
//! | our last question that can have been answered | ≤ 0 |
//! | so our fence has ended | ≤ 240 |
//! | somebody's question has not been answered in its whole probe period | ≥ 0 |
//! | and has told all others within two rounds of gossip | 80 |
//! | so it declares us dead | ≥ 320 |
//!
//! The second half holds for a suspicion that began before t = 0 too: nobody renews once all
//! have heard of it, so [`Config::check`] refuses a suspicion shorter than fence and two rounds.
//! A frozen process does not see its fence end; it sees that it has ended, before the first frame
//! that it answers, as the fence is a moment and not a timer. The rates of two machines' clocks
//! differ by some 100 in a million: 0.03 ms in that time. The clock is CLOCK_MONOTONIC, which
//! stands still while a machine is suspended: a virtual machine that is resumed elsewhere answers
//! for up to 240 ms.
//!
//! If only *some* paths are cut, a voter may have heard the objection of a suspect and not yet
//! that it was declared dead. In random schedules of cuts of pairs one or both ways, of groups,
//! freezes, restarts and loss, nobody answered for longer than 260 ms after another one with a
//! majority had taken over (`one_that_another_has_taken_over_from_is_silent_soon_after_its_fence`).
//!
//! A member that begins or comes back keeps its fence closed until it knows of all others that they
//! are alive, or dead, at most for 250 ms, so that it does not claim what others have. One that
//! begins votes for nobody before that: it does not know whom others have declared dead. Every
//! datagram has a digest of who is alive; two that disagree for longer than news take tell each
//! other all that they know.
//!
//! [RFC 5227 §2.1.1]: https://www.rfc-editor.org/rfc/rfc5227#section-2.1.1
//!
//! # Lossy networks and busy machines
//!
//! A verdict is wrong when a suspect's objections are all lost for 320 ms. In 10,000 s of
//! virtual time, five nodes that lose 10 %, and 30 %, of all datagrams declare nobody dead wrongly
//! and close no fence (`rates_of_wrong_verdicts_under_loss`). A process that is not scheduled for some
//! 350 ms is declared dead; it comes back at once, but its addresses have moved. For machines that
//! do that, longer [`Config::suspicion`] and [`Config::fence`] cost failover time. Whoever wakes
//! up late waits for others as long as it would have had it been awake, and reads what has arrived
//! before it judges: it does not blame others for its own sleep.
//!
//! # What is sent
//!
//! 33 datagrams of 243 octets a second from each node while nothing happens, however many nodes
//! there are; none is longer than 1,232. [`keyring`] says how they are sealed, [`session`] how
//! recordings are kept out. All who have the key are trusted to be who they say, if the name is in
//! the list.

pub mod config;
pub mod core;
mod envelope;
pub mod facts;
mod identity;
pub mod keyring;
mod log;
mod peer;
mod session;
mod task;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l2::responder::Fence;
use plan::world::Liveness;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use config::Config;
pub use core::Standing;
pub use facts::Facts;
pub use keyring::Keyring;
use task::{Command, Inbox, MAX_COMMANDS};

/// The port of speakers, which MetalLB's have too: both cannot run on one node anyway.
pub const PORT: u16 = 7946;
/// A datagram has at most this many octets: what fits into the least MTU of IPv6 (RFC 8200 §5)
/// after its header and that of UDP.
pub const MAX_DATAGRAM: usize = 1280 - 40 - 8;
/// How long the task may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Members that begin within this time of each other begin together.
const TOGETHER: Duration = Duration::from_secs(2);

/// Node names and where their speakers may be reached.
pub type Addresses = BTreeMap<Arc<str>, Vec<SocketAddr>>;

/// Who is alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// By node name; this node is always among them.
    pub nodes: BTreeMap<Arc<str>, LiveNode>,
    /// What is known of the facts of others: one that is dead to this node may answer all the same.
    pub absent: BTreeMap<Arc<str>, Arc<Facts>>,
}

impl Live {
    /// Whether others could answer before this node could: by more than what members that begin
    /// together differ by. In which life does not matter.
    pub fn joins(&self, me: &str) -> bool {
        let own = self.nodes.get(me).and_then(|node| node.served);
        let mut all = self.nodes.values().filter_map(|node| node.served);
        own.is_some_and(|own| all.any(|one| one + TOGETHER < own))
    }

    /// What nodes last told of themselves, this one too, whether they are alive or not.
    pub fn facts(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Facts>)> {
        let nodes = self.nodes.iter();
        let live = nodes.filter_map(|(node, speaker)| Some((node, speaker.facts.as_ref()?)));
        live.chain(&self.absent)
    }

    /// As the plan takes it.
    pub fn liveness(&self) -> Liveness {
        Liveness::Live(self.nodes.keys().cloned().collect())
    }
}

/// A live node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveNode {
    /// Its life: another number after a restart, and after it was declared dead and came back.
    pub generation: u64,
    /// Since when it has been alive in this life. All members agree about it as well as a datagram
    /// is fast, whatever their clocks say, as each node tells its own age.
    pub since: Instant,
    /// When its fence first opened since it was started; `None`: not yet, or that has not been heard.
    pub served: Option<Instant>,
    /// What it tells of itself; `None` until that has been heard, from it or others. While it is
    /// being heard anew after a restart, what it told before.
    pub facts: Option<Arc<Facts>>,
}

/// A member whose socket is open, and that does nothing yet.
pub struct Membership {
    config: Config,
    node: Arc<str>,
    socket: UdpSocket,
    address: SocketAddr,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Membership {
    /// Opens the socket of a node. `[::]:7946` hears IPv4 too; where there is no IPv6, it is
    /// `0.0.0.0:7946`.
    ///
    /// # Errors
    /// The times do not fit together, or the socket cannot be opened.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(config: Config, node: &str, listen: SocketAddr) -> io::Result<Membership> {
        config
            .check()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let socket = task::bind(listen)?;
        let address = socket.local_addr()?;
        Ok(Membership {
            config,
            node: node.into(),
            socket,
            address,
        })
    }

    /// Where it hears.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it. `peers`: all nodes that have a speaker, with this one or without; `None` until
    /// that is known. It ends with the last handle.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(
        self,
        peers: watch::Receiver<Option<Arc<Addresses>>>,
        keys: watch::Receiver<Keyring>,
    ) -> (MembershipHandle, JoinHandle<()>) {
        let (commands, command_inbox) = mpsc::channel(MAX_COMMANDS);
        let (told_live, live) = watch::channel(None);
        let (told_fence, fence) = watch::channel(Fence::Closed);
        let (told_standing, standing) = watch::channel(Standing::Minority);
        let (facts, facts_inbox) = watch::channel(None);
        let inbox = Inbox {
            commands: command_inbox,
            peers,
            keys,
            facts: facts_inbox,
            live: told_live,
            fence: told_fence,
            standing: told_standing,
        };
        let handle = MembershipHandle {
            commands: Some(commands),
            address: Some(self.address),
            facts,
            live,
            fence,
            standing,
        };
        let task = task::supervise(self.config, self.node, self.socket, inbox);
        (handle, tokio::spawn(task))
    }
}

/// The running member. Clones are the same one.
#[derive(Clone, Debug)]
pub struct MembershipHandle {
    commands: Option<mpsc::Sender<Command>>,
    address: Option<SocketAddr>,
    facts: watch::Sender<Option<Arc<Facts>>>,
    live: watch::Receiver<Option<Arc<Live>>>,
    fence: watch::Receiver<Fence>,
    standing: watch::Receiver<Standing>,
}

impl MembershipHandle {
    /// Liveness is not watched: nothing is known of who is alive, and the fence is open.
    pub fn off() -> MembershipHandle {
        MembershipHandle {
            commands: None,
            address: None,
            facts: watch::channel(None).0,
            live: watch::channel(None).1,
            fence: watch::channel(Fence::Open).1,
            standing: watch::channel(Standing::Majority).1,
        }
    }

    /// Where it hears; `None` if it is switched off.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Tells all others these facts of this node, and whoever joins later. If it is switched off,
    /// nobody is told.
    pub fn publish(&self, facts: Facts) {
        self.facts.send_if_modified(|told| {
            let new = told.as_deref() != Some(&facts);
            if new {
                *told = Some(Arc::new(facts));
            }
            new
        });
    }

    /// This node is in service again, after it was not: for elections it has been alive since now.
    /// If it is switched off, or has too much to do, nobody is told.
    pub fn is_back_in_service(&self) {
        if let Some(commands) = &self.commands {
            // Others may have seen it themselves.
            let _ = commands.try_send(Command::BackInService);
        }
    }

    /// Who is alive, as it changes; `None` at first, and for ever if it is switched off.
    pub fn live(&self) -> watch::Receiver<Option<Arc<Live>>> {
        self.live.clone()
    }

    /// Until when this node may answer. Should the sender be gone, its last word holds: an end in
    /// time comes by itself.
    pub fn fence(&self) -> watch::Receiver<Fence> {
        self.fence.clone()
    }

    /// How many of the voters are with this node. It says how new addresses are to be claimed: in
    /// [`Standing::Half`] each is probed before. Whether anything is answered at all is what
    /// [`MembershipHandle::fence`] says. If it is switched off, it is [`Standing::Majority`].
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Tells the others that this node goes, and waits until that is sent, at most two seconds.
    /// From then on it hears nobody, and the fence ends.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        if let Some(commands) = &self.commands {
            let asked = async {
                commands.send(Command::Leave(done)).await.ok()?;
                left.await.ok()
            };
            // It may have ended before.
            let _ = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        }
    }

    /// What has been counted; `None` if it is switched off or does not answer within two seconds.
    pub async fn report(&self) -> Option<core::Counters> {
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.as_ref()?;
        let asked = async {
            commands.send(Command::Report(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.ok()?
    }
}
