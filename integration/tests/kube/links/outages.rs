//! L2 mode while the API server is away: what speakers know of each other carries on by itself.

use std::os::unix::fs::PermissionsExt as _;

use integration::kube::client::Patch;
use integration::kube::gate::Fault;
use integration::kube::herald::Daemon;
use integration::kube::segment::Traffic;
use integration::kube::{self, ControlPlane};
use integration::segment::traffic::PATIENT;
use integration::wait::LATER;

use super::*;

/// A machine that is busy with other tests makes everything later.
const AT_LAST: Duration = Duration::from_secs(5);
/// How long nothing may happen.
const QUIET: Duration = Duration::from_secs(5);

#[test]
fn a_speaker_that_was_killed_while_the_api_server_is_away_answers_again() {
    let Some(mut scene) = Scene::start() else {
        return;
    };
    let owner = scene.owner();
    scene.cluster.kill_apiserver();
    scene.segment.speakers[owner].kill();
    scene
        .segment
        .await_other(&scene.witness, scene.addresses[0], owner);
    scene.segment.relaunch(owner);
    // Addresses go back at once, as the advertisement says.
    scene.await_owner(owner);
    scene.assert_stays(owner);
    let speaker = &scene.segment.speakers[owner];
    assert_eq!(speakers(speaker).expect("a status"), 3);
    assert_secret(speaker);
    let up = "herald_watch_up{kind=\"ServiceL2Status\"}";
    assert_eq!(speaker.metric(up), Some(0.0));
    scene.cluster.start_apiserver();
    speaker.await_ready();
    scene.assert_stays(owner);
    scene.segment.await_status("web", owner);
    assert_heard(&scene.segment);
}

#[test]
fn nothing_is_lost_while_the_api_server_is_away_and_an_owner_that_dies_is_replaced() {
    let Some(mut scene) = Scene::start() else {
        return;
    };
    let first = scene.owner();
    let traffic = scene.traffic();
    let begin = clock();
    scene.cluster.kill_apiserver();
    scene.assert_stays(first);
    assert_nothing_lost(&traffic, begin);
    let begin = clock();
    scene.segment.speakers[first].kill();
    scene.assert_taken(begin, first, &traffic);
    scene.segment.relaunch(first);
    scene.await_owner(first);
    let begin = clock();
    scene.segment.set_link(first, false);
    scene.assert_taken(begin, first, &traffic);
    scene.segment.set_link(first, true);
    scene.await_owner(first);
    scene.cluster.start_apiserver();
    let speakers = scene.segment.speakers.iter();
    speakers.for_each(|speaker| speaker.await_ready());
    let begin = clock();
    scene.assert_stays(first);
    assert_nothing_lost(&traffic, begin);
}

#[test]
fn an_owner_that_alone_does_not_hear_of_its_cordon_leaves_its_addresses_to_the_next() {
    let Some(mut scene) = Scene::start() else {
        return;
    };
    let owner = scene.owner();
    let deaf = &scene.segment.nodes[owner];
    deaf.set_deaf(&scene.cluster, true);
    deaf.set_unschedulable(true);
    // Both answer until it has found that it hears nothing.
    eventually("it hears nothing", SOON, || {
        let up = scene.segment.speakers[owner].metric("herald_watch_up{kind=\"Node\"}");
        let is_up = up.unwrap_or(1.0) > 0.0;
        if is_up {
            Err(format!("{up:?}"))
        } else {
            Ok(())
        }
    });
    let next = scene
        .segment
        .await_other(&scene.witness, scene.addresses[0], owner);
    scene.await_owner(next);
    scene.assert_stays(next);
    // Among those that hear it, the third is next.
    scene.segment.speakers[next].kill();
    let third = scene
        .segment
        .await_other(&scene.witness, scene.addresses[0], next);
    assert_ne!(third, owner);
    let deaf = &scene.segment.nodes[owner];
    deaf.set_deaf(&scene.cluster, false);
    deaf.set_unschedulable(false);
    scene.await_owner(owner);
    scene.assert_stays(owner);
}

#[test]
fn what_never_goes_back_does_not_either_to_who_does_not_know_that_it_has_moved() {
    let Some(mut scene) = Scene::start_with("never") else {
        return;
    };
    let first = scene.owner();
    scene.segment.speakers[first].kill();
    let other = scene
        .segment
        .await_other(&scene.witness, scene.addresses[0], first);
    scene.await_owner(other);
    scene.segment.await_kept_by(other, "web", other);
    scene.cluster.kill_apiserver();
    // It has kept that it was the owner, and nobody is there to say that it is no more.
    scene.segment.relaunch(first);
    await_speakers(&scene.segment.speakers[first], 3);
    scene.assert_stays(other);
    scene.cluster.start_apiserver();
    scene.segment.speakers[first].await_ready();
    scene.assert_stays(other);
    scene.cluster.kill_apiserver();
    scene.segment.speakers[other].kill();
    let third = scene
        .segment
        .await_other(&scene.witness, scene.addresses[0], other);
    scene.await_owner(third);
}

#[test]
fn a_speaker_that_knows_an_old_key_gets_the_new_one_with_the_api_server() {
    Lab::open(NEEDS);
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut segment = Plan::of(&cluster, &cluster.lab).build();
    let gate = segment.speakers[0].through_gate(&cluster);
    segment.launch(&cluster);
    let (addresses, witness) = web(&segment, &cluster.lab);
    segment.owner(&witness, addresses[0]);
    await_speakers(&segment.speakers[0], 3);
    gate.fail(Fault::Cut, |_| true);
    gate.cut();
    segment.speakers[0].kill();
    change_key(&segment, &cluster);
    // The others read it when they start, and know no other.
    for speaker in [1, 2, 0] {
        segment.relaunch(speaker);
    }
    await_speakers(&segment.speakers[0], 1);
    gate.heal();
    await_speakers(&segment.speakers[0], 3);
    let owner = segment.owner(&witness, addresses[0]);
    segment.await_owner(&witness, addresses[1], owner);
}

fn change_key(segment: &Segment, cluster: &ControlPlane) {
    let key = json!({"stringData": {"keys": "another-key-of-all-speakers-of-this-very-segment"}});
    let (secret, namespace) = ("herald-speakers", segment.herald.namespace());
    let changed = cluster.patch("Secret", namespace, secret, Patch::Merge, &key);
    changed.unwrap_or_else(|failure| panic!("{failure}"));
}

/// How many speakers this one knows.
fn speakers(speaker: &Daemon) -> Result<usize, String> {
    let status = speaker.overview()?;
    let known = status["l2"]["speakers"].as_array().map(Vec::len);
    known.ok_or_else(|| status["l2"].to_string())
}

fn await_speakers(speaker: &Daemon, expected: usize) {
    let what = format!("{expected} speakers are known");
    eventually(&what, LATER, || match speakers(speaker)? {
        number if number == expected => Ok(()),
        number => Err(number.to_string()),
    });
}

/// That the keys that are kept are for nobody else, and in no log.
fn assert_secret(speaker: &Daemon) {
    let keys = speaker.kept_keys();
    let mode = std::fs::metadata(&keys).expect("a file").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(&keys).expect("keys");
    let log = speaker.log();
    assert!(log.contains("last known"), "{log}");
    assert!(!log.contains(secret.trim()), "{log}");
    // Libraries say nothing of each request that fails.
    assert!(!log.contains("failed with error"), "{log}");
}

fn assert_nothing_lost(traffic: &[Traffic], begin: Duration) {
    for traffic in traffic {
        let pings = traffic.pings(begin, clock() - Duration::from_millis(100));
        assert_eq!(pings.lost, 0, "{pings:?}");
        assert!(pings.sent > 200, "{pings:?}");
    }
}

/// A segment at a control plane of its own, and its Service.
struct Scene {
    witness: Witness,
    segment: Segment,
    cluster: ControlPlane,
    lab: Lab,
    addresses: [IpAddr; 2],
}

impl Scene {
    fn start() -> Option<Scene> {
        Scene::start_with("immediate")
    }

    /// With addresses that go back so.
    fn start_with(failback: &str) -> Option<Scene> {
        Lab::open(NEEDS)?;
        let lab = Lab::open(kube::NEEDS)?;
        let cluster = ControlPlane::start_without_heartbeats(&lab);
        let mut plan = Plan::of(&cluster, &lab);
        plan.advertisement = json!({ "failback": failback });
        let segment = plan.start();
        let (addresses, witness) = web(&segment, &lab);
        let scene = Scene {
            witness,
            segment,
            cluster,
            lab,
            addresses,
        };
        let owner = scene.owner();
        scene.segment.await_status("web", owner);
        scene.segment.await_kept("web", owner);
        Some(scene)
    }

    fn owner(&self) -> usize {
        let owner = self.segment.owner(&self.witness, self.addresses[0]);
        self.await_owner(owner);
        owner
    }

    /// Waits until that node alone answers for both addresses.
    fn await_owner(&self, node: usize) {
        for address in self.addresses {
            self.segment.await_owner(&self.witness, address, node);
        }
    }

    /// Begins traffic through both addresses.
    fn traffic(&self) -> [Traffic; 2] {
        let begin = |address| self.segment.traffic(&self.lab, address, PATIENT);
        let traffic = self.addresses.map(begin);
        traffic.iter().for_each(Traffic::await_flow);
        traffic
    }

    /// That since a moment another node than that answers, and traffic passes.
    fn assert_taken(&self, begin: Duration, old: usize, traffic: &[Traffic]) {
        let (segment, witness) = (&self.segment, &self.witness);
        let other = segment.await_other(witness, self.addresses[0], old);
        self.await_owner(other);
        for address in self.addresses {
            let answers = witness.answers(begin, address);
            let mut answers = answers.iter();
            let first = answers.find(|(_, by)| segment.who(*by) == Some(other));
            let after = first.expect("it answers").0 - begin;
            assert!(after < AT_LAST, "{address}: {after:?}");
        }
        traffic.iter().for_each(Traffic::await_flow);
    }

    /// That for a while that node answers, and nobody else.
    fn assert_stays(&self, owner: usize) {
        let begin = clock();
        std::thread::sleep(QUIET);
        for address in self.addresses {
            let answers = self.witness.answers(begin, address);
            let by_owner = |(_, by): &(Duration, _)| self.segment.who(*by) == Some(owner);
            assert!(answers.iter().all(by_owner), "{address}: {answers:?}");
            let times = [begin].into_iter().chain(answers.iter().map(|(at, _)| *at));
            let pauses = times.clone().skip(1).zip(times).map(|(at, last)| at - last);
            let longest = pauses.max().unwrap_or(QUIET);
            assert!(longest < QUIET / 2, "{address}: {longest:?}");
        }
    }
}
