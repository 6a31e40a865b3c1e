//! Failures in L2 mode with the API server away, and what a client has of them.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::ControlPlane;
use super::segment::{NEEDS, Plan, Segment, Traffic, Witness};
use crate::lab::Lab;
use crate::segment::capture::clock;
use crate::segment::traffic::{BRISK, Stream};
use crate::segment::witness::{longest_overlap, reigns};
use crate::wait::{SOON, eventually};

/// How long the API server is away before it is started again.
const AWAY: Duration = Duration::from_secs(3);
/// From a failure of the owner to the end of its round, if another node answers by then.
const WATCHED: Duration = Duration::from_millis(1_500);
/// How much later than a question its answer may come on a busy machine, and the time between two
/// questions: what an overlap may seem longer than it is.
const PAUSE: Duration = Duration::from_millis(60);
/// The Service.
const WEB: &str = "web";

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The API server is killed, and starts again: nothing is to happen.
    ApiServer,
    /// SIGKILL of the owner's speaker, while the API server is away.
    Kill,
    /// The owner's link goes down, while the API server is away.
    LinkDown,
}

impl Failure {
    /// All of them.
    pub const ALL: [Failure; 3] = [Failure::ApiServer, Failure::Kill, Failure::LinkDown];
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::ApiServer => "API server down",
            Failure::Kill => "kill -9 of the speaker, API server down",
            Failure::LinkDown => "link down, API server down",
        })
    }
}

/// What came of one failure. Times are from it.
#[derive(Clone, Debug)]
pub struct Round {
    /// Until another node answered; `None` where none did.
    pub answered_after: Option<Duration>,
    /// Pings.
    pub pings: Stream,
    /// Requests by TCP.
    pub requests: Stream,
    /// How long two answered at once, as captured: at most the fence and some 60 ms.
    pub overlap: Duration,
}

/// Three nodes with traffic through one address, which its owner gets back at once. Fields go in this
/// order.
#[derive(Debug)]
pub struct Outage {
    traffic: Traffic,
    witness: Witness,
    segment: Segment,
    cluster: ControlPlane,
    _lab: Lab,
    address: IpAddr,
    /// Its owner while all are well.
    home: usize,
    is_away: bool,
}

impl Outage {
    /// With a control plane of its own. `None` where the machine cannot.
    pub fn start() -> Option<Outage> {
        Lab::open(NEEDS)?;
        let lab = Lab::open(super::NEEDS)?;
        let cluster = ControlPlane::start_without_heartbeats(&lab);
        let segment = Plan::of(&cluster, &lab).start();
        segment.serve(WEB, 1, &[0, 1, 2], json!({}));
        let [address, _] = segment.vips(1);
        let witness = segment.witness(&lab, &[address]);
        let home = segment.owner(&witness, address);
        segment.await_status(WEB, home);
        segment.await_kept(WEB, home);
        Some(Outage {
            traffic: segment.traffic(&lab, address, BRISK),
            witness,
            segment,
            cluster,
            _lab: lab,
            address,
            home,
            is_away: false,
        })
    }

    /// Waits until all is well, has it fail, watches, and heals it.
    pub fn round(&mut self, failure: Failure) -> Round {
        self.set_away(failure != Failure::ApiServer);
        self.await_health();
        let (home, begin) = (self.home, clock());
        match failure {
            Failure::ApiServer => {
                self.set_away(true);
                std::thread::sleep(AWAY);
                self.set_away(false);
                std::thread::sleep(AWAY);
                return self.judge(begin, clock());
            }
            Failure::Kill => self.segment.speakers[home].kill(),
            Failure::LinkDown => self.segment.set_link(home, false),
        }
        let after = eventually("another node answers", SOON, || self.answered(begin));
        std::thread::sleep(
            WATCHED
                .max(after + WATCHED / 2)
                .saturating_sub(clock() - begin),
        );
        let round = self.judge(begin, clock());
        match failure {
            Failure::ApiServer => {}
            Failure::Kill => self.segment.relaunch(home),
            Failure::LinkDown => self.segment.set_link(home, true),
        }
        round
    }

    fn set_away(&mut self, away: bool) {
        match (self.is_away, away) {
            (false, true) => self.cluster.kill_apiserver(),
            (true, false) => self.cluster.start_apiserver(),
            (true, true) | (false, false) => {}
        }
        self.is_away = away;
    }

    /// How long it was until another node answered.
    fn answered(&self, begin: Duration) -> Result<Duration, String> {
        let answers = self.witness.answers(begin, self.address);
        let of_another = |by| self.segment.who(by) != Some(self.home);
        let first = answers.iter().find(|(_, by)| of_another(*by));
        let first = first.ok_or_else(|| format!("{} answers", answers.len()));
        Ok(first?.0 - begin)
    }

    fn judge(&self, begin: Duration, end: Duration) -> Round {
        let seen = self.witness.since(begin);
        let reigns = reigns(&seen, self.address, PAUSE * 2);
        // What was asked last may not be answered yet.
        let end = end - Duration::from_millis(100);
        Round {
            answered_after: self.answered(begin).ok(),
            pings: self.traffic.pings(begin, end),
            requests: self.traffic.requests(begin, end),
            overlap: longest_overlap(&reigns).map_or(Duration::ZERO, |(time, ..)| time),
        }
    }

    /// Waits until every speaker knows all, and the address is at home.
    fn await_health(&self) {
        eventually("every speaker knows all", SOON, || {
            for speaker in &self.segment.speakers {
                let status = speaker.overview()?;
                let known = status["l2"]["speakers"].as_array().map_or(0, Vec::len);
                if known != self.segment.nodes.len() {
                    return Err(status["l2"].to_string());
                }
            }
            Ok(())
        });
        self.segment
            .await_owner(&self.witness, self.address, self.home);
        self.traffic.await_flow();
    }
}
