//! Failures of an owner, and what a client has of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use super::capture::{Capture, Seen, clock};
use super::frame::Message;
use super::scene::{Scene, usual};
use super::traffic::{Requests, Stream, echoes, ping};
use super::witness::{answers, longest_overlap, reigns, silences};
use super::{LINK, PORT, Segment, mac, name, node_object, vip};
use crate::manifests::merge;
use crate::process::Process;
use crate::wait::{SOON, eventually};

/// Between two pings.
pub const PING_EVERY: Duration = Duration::from_millis(5);
/// From a failure to the end of its round, if another node answers by then.
const WATCHED: Duration = Duration::from_millis(1_500);
/// How much later than a question its answer may come on a busy machine, and the time between two
/// questions: what an overlap may seem longer than it is.
const PAUSE: Duration = Duration::from_millis(60);

/// What happens to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// SIGKILL of its speaker.
    Kill,
    /// Its link goes down.
    LinkDown,
    /// Its port leaves the bridge: it keeps its carrier.
    Unplugged,
    /// SIGSTOP of its speaker; SIGCONT when another has answered for a second.
    Freeze,
    /// SIGTERM of its speaker.
    Stop,
    /// `kubectl cordon`.
    Cordon,
    /// The condition Ready of its Node is False.
    NotReady,
}

impl Failure {
    /// All of them.
    pub const ALL: [Failure; 7] = [
        Failure::Kill,
        Failure::LinkDown,
        Failure::Unplugged,
        Failure::Freeze,
        Failure::Stop,
        Failure::Cordon,
        Failure::NotReady,
    ];

    /// Whether the owner can hand over, so that nothing may be lost.
    pub fn is_graceful(self) -> bool {
        match self {
            Failure::Stop | Failure::Cordon | Failure::NotReady => true,
            Failure::Kill | Failure::LinkDown | Failure::Unplugged | Failure::Freeze => false,
        }
    }

    fn inflict(self, segment: &mut Segment, number: u8) {
        let changed = |more: Value| merge(node_object(number), more);
        match self {
            Failure::Kill => segment.node_mut(number).herald.kill(),
            Failure::LinkDown => {
                let machine = &segment.node(number).machine;
                machine.netns.ip(&format!("link set {LINK} down"));
            }
            Failure::Unplugged => segment.plug(&name(number), false),
            Failure::Freeze => segment.node(number).herald.process().pause(),
            // Others are to be heard while it ends.
            Failure::Stop => segment.node(number).herald.process().interrupt(),
            Failure::Cordon => segment.write(&changed(json!({"spec": {"unschedulable": true}}))),
            Failure::NotReady => {
                let conditions = json!([{"type": "Ready", "status": "False"}]);
                segment.write(&changed(json!({"status": {"conditions": conditions}})));
            }
        }
    }

    fn heal(self, segment: &mut Segment, number: u8) {
        match self {
            Failure::Kill => segment.node_mut(number).launch(),
            Failure::LinkDown => {
                let machine = &segment.node(number).machine;
                machine.netns.ip(&format!("link set {LINK} up"));
            }
            Failure::Unplugged => segment.plug(&name(number), true),
            Failure::Freeze => segment.node(number).herald.process().resume(),
            Failure::Stop => {
                let node = segment.node_mut(number);
                node.herald.terminate();
                node.launch();
            }
            Failure::Cordon | Failure::NotReady => segment.write(&node_object(number)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Kill => "kill -9 of the speaker",
            Failure::LinkDown => "link down",
            Failure::Unplugged => "link set nomaster",
            Failure::Freeze => "SIGSTOP, then SIGCONT",
            Failure::Stop => "graceful stop",
            Failure::Cordon => "cordon",
            Failure::NotReady => "node NotReady",
        })
    }
}

/// What came of one failure. Times are from it.
#[derive(Clone, Debug)]
pub struct Round {
    /// Who failed, and who took over.
    pub from: u8,
    /// The other.
    pub to: u8,
    /// Until another node announced the address, or answered for it.
    pub taken_after: Duration,
    /// Until another node answered a question.
    pub answered_after: Duration,
    /// Pings, one each [`PING_EVERY`].
    pub pings: Stream,
    /// Requests by TCP.
    pub requests: Stream,
    /// How long two answered at once, as captured: at most the fence and [`PAUSE`].
    pub overlap: Duration,
    /// The longest time that nobody answered while the old owner came back and took over again.
    pub silence_at_return: Duration,
    /// Answers of the old owner, when it was well again, before it had announced the address: they
    /// can only be to questions from before.
    pub stale_answers: usize,
}

/// A scene with traffic through one address, which its owner gets back at once. Fields go in this
/// order.
#[derive(Debug)]
pub struct Failover {
    requests: Requests,
    _ping: Process,
    pings: Capture,
    /// The rest.
    pub scene: Scene,
    address: IpAddr,
    /// Its owner while all are well.
    home: u8,
}

impl Failover {
    /// Three nodes and the Service `web`; a request may take so long. `None` where the machine cannot.
    pub fn start(request_within: Duration) -> Option<Failover> {
        let address = vip(1);
        let scene = Scene::start(3, &usual(3), &[address])?;
        let home = scene.owner(address);
        let segment = &scene.segment;
        let client = &segment.client.netns;
        let pings = Capture::start(&segment.lab, client, "client", LINK, "icmp");
        let server = SocketAddr::new(address, PORT);
        Some(Failover {
            requests: Requests::start(client, server, request_within),
            _ping: ping(&segment.lab, client, address, PING_EVERY),
            pings,
            address,
            home,
            scene,
        })
    }

    /// Waits until all is well, has the owner fail, watches, and heals it.
    pub fn round(&mut self, failure: Failure) -> Round {
        self.await_health();
        let (from, begin) = (self.home, clock());
        failure.inflict(&mut self.scene.segment, from);
        let (to, taken_after) = self.await_other(from, begin);
        let end = begin + WATCHED.max(taken_after + WATCHED / 2);
        std::thread::sleep(end.saturating_sub(clock()));
        let resumed = clock();
        failure.heal(&mut self.scene.segment, from);
        self.await_health();
        let returned = clock();
        let seen = self.scene.witness.since(begin);
        let answered = answers(&seen, self.address);
        let of_others = answered.iter().find(|(_, by)| *by != mac(from));
        let first = of_others.unwrap_or_else(|| panic!("nobody else answers: {answered:?}"));
        let after = seen.iter().filter(|one| one.at >= resumed);
        let after = after.filter(|one| one.frame.claim() == Some((self.address, mac(from))));
        let is_answer = |one: &&Seen| matches!(one.frame.message, Message::Answer { .. });
        let reigns = reigns(&seen, self.address, PAUSE * 2);
        let silent = silences(&reigns, resumed, returned, PAUSE * 2).into_iter();
        let silent = silent.map(|(from, to)| to.saturating_sub(from.max(resumed)));
        Round {
            silence_at_return: silent.max().unwrap_or_default(),
            from,
            to,
            taken_after,
            answered_after: first.0 - begin,
            pings: echoes(&self.pings.since(begin), self.address, begin, end),
            requests: self.requests.stream(begin, end),
            overlap: longest_overlap(&reigns).map_or(Duration::ZERO, |(time, ..)| time),
            stale_answers: after.take_while(is_answer).count(),
        }
    }

    /// Waits until every speaker knows all, and the address is at home.
    fn await_health(&self) {
        self.scene.await_speakers();
        eventually("the address is at home", SOON, || {
            match self.scene.owner(self.address) {
                owner if owner == self.home => Ok(()),
                owner => Err(format!("node {owner} has it")),
            }
        });
        eventually("a request is answered by the owner", SOON, || {
            let recent = self.requests.since(clock() - Duration::from_millis(500));
            let home = Ok(name(self.home));
            match recent.iter().all(|request| request.answer == home) && !recent.is_empty() {
                true => Ok(()),
                false => Err(format!("{:?}", recent.last())),
            }
        });
    }

    /// Waits until another node announces the address or answers for it.
    fn await_other(&self, old: u8, begin: Duration) -> (u8, Duration) {
        let what = format!("another node than {old} has {}", self.address);
        eventually(&what, SOON, || {
            let seen = self.scene.witness.since(begin);
            let other = seen.iter().find_map(|one| match one.frame.message {
                Message::Answer { target, at } | Message::Announcement { target, at, .. }
                    if target == self.address && at != mac(old) =>
                {
                    Some((self.scene.segment.who(at)?, one.at - begin))
                }
                Message::Answer { .. }
                | Message::Announcement { .. }
                | Message::Ask { .. }
                | Message::Echo { .. } => None,
            });
            other.ok_or_else(|| format!("{} frames", seen.len()))
        })
    }
}
