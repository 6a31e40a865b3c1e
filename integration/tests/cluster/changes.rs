//! What happens to an installed herald: a rollout, a leader that dies, a node that is lost, its end.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use integration::cluster::program::Program;
use integration::cluster::{READY, ready};
use integration::http;
use integration::router::Router as _;
use integration::wait::{LATER, SOON, eventually, eventually_equal};
use serde_json::{Value, json};

use crate::installed::VIP;
use crate::manifests::SECOND;
use crate::requests::{Count, Requests};
use crate::scene::{NAMESPACE, NODES, Scene, server};

/// The node that is lost.
const LOST: &str = NODES[1];
/// The node whose Pod answers then.
const LEFT: &str = NODES[2];
/// Where a speaker answers on its node.
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7472);
/// The address of the second Service.
const SECOND_VIP: &str = "198.51.100.2";

impl Scene {
    /// The router keeps the routes of a speaker that restarts (RFC 4724 §4.2). What changes are the
    /// capabilities.
    pub fn a_rollout_loses_neither_request_nor_route(&self) {
        let requests = Requests::start(&self.client, server(VIP));
        let (old, before) = (self.speaker_programs(), self.routes.history());
        assert_eq!(self.ends_of_sessions(), Vec::<String>::new());
        self.run_script("BGP only");
        self.cluster
            .await_rollout("DaemonSet", NAMESPACE, "herald-speaker");
        self.every_session_is_established();
        nothing_was_lost(requests.stop());
        assert_eq!(self.routes.history(), before, "the router's routes");
        assert_eq!(self.withdrawals(), Vec::<String>::new());
        assert_eq!(self.ends_of_sessions(), ["graceful-restart"; NODES.len()]);
        let new = self.speaker_programs();
        assert_eq!(new.len(), NODES.len());
        assert!(new.is_disjoint(&old), "no speaker is an old one");
        self.await_hops(VIP, &NODES);
        self.reports_belong_to_pods_of_now();
    }

    /// `kill -9`: the Lease is not given back.
    pub fn another_controller_takes_over_from_a_leader_that_is_killed(&self) {
        let requests = Requests::start(&self.client, server(VIP));
        let leader = self.leader();
        let controllers = self.programs("controller");
        let mut controllers = controllers.into_iter().map(|(_, program)| program);
        let program = controllers
            .find(|program| program.variable("HERALD_IDENTITY").as_deref() == Some(&*leader))
            .expect("the leader's process");
        program.kill();
        let new = eventually("another leads", LATER, || match self.leader() {
            same if same == leader => Err(same),
            other => Ok(other),
        });
        println!("{new} leads in place of {leader}");
        self.cluster.control_plane.apply_yaml(SECOND);
        // Its policy is Local.
        self.await_hops(SECOND_VIP, &NODES[1..]);
        self.await_answers(SECOND_VIP, &NODES[1..]);
        nothing_was_lost(requests.stop());
    }

    /// It reads what the last one kept on the node.
    pub fn a_speaker_that_dies_while_the_api_server_is_away_comes_back_with_its_routes(&mut self) {
        self.what_it_knows_is_kept_on(LEFT);
        self.cluster.control_plane.kill_apiserver();
        let requests = Requests::start(&self.client, server(VIP));
        let (old, before) = (self.speaker_programs(), self.routes.history());
        let ends = self.ends_of_sessions().len() + 1;
        let programs = self.programs("speaker").into_iter();
        let mut of_left = programs.filter(|(node, _)| node == LEFT);
        let (_, program) = of_left.next().expect("its speaker");
        program.kill();
        let what = "the router has seen it go, and another process is there";
        eventually(what, LATER, || {
            let (ended, new) = (self.ends_of_sessions().len(), self.speaker_programs());
            match ended == ends && new.len() == old.len() && new != old {
                true => Ok(()),
                false => Err(format!("{ended} {new:?}")),
            }
        });
        self.every_session_is_established();
        nothing_was_lost(requests.stop());
        assert_eq!(self.routes.history(), before, "the router's routes");
        assert_eq!(self.withdrawals(), Vec::<String>::new());
        self.cluster.control_plane.start_apiserver();
        eventually("it has heard of everything", LATER, || {
            let netns = self.cluster.node(LEFT).netns();
            match http::get(netns, METRICS, "/readyz")? {
                (200, _) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        assert_eq!(self.routes.history(), before, "the router's routes");
    }

    fn what_it_knows_is_kept_on(&self, node: &str) {
        let path = self.cluster.node(node).path("/var/lib/herald/speaker.json");
        // The second one's slice comes after it, in a write of its own, perhaps.
        let parts = [VIP, SECOND_VIP, "\"second-"];
        let what = "the state file has both Services, and their endpoints";
        eventually(what, SOON, || {
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            match parts.iter().all(|part| text.contains(part)) {
                true => Ok(()),
                false => Err(text),
            }
        });
    }

    pub fn a_lost_node_is_left_and_traffic_goes_on(&mut self) {
        self.cluster.lose(LOST);
        self.await_hops(VIP, &[NODES[0], LEFT]);
        self.await_hops(SECOND_VIP, &[LEFT]);
        let object = ("Node", "", LOST);
        let what = "the lost node is no longer Ready";
        self.cluster
            .control_plane
            .wait_until(what, READY, object, |node| {
                (ready(node) != Some("True")).then_some(())
            });
        // Its Pod is an endpoint for a moment more.
        for address in [VIP, SECOND_VIP] {
            let what = "20 requests in a row are answered by the other";
            eventually(what, LATER, || self.only_one_answers(address));
        }
    }

    pub fn it_is_removed_as_documented(&self) {
        self.run_script("Remove");
        for address in [VIP, SECOND_VIP] {
            self.await_hops(address, &[]);
        }
        eventually_equal("no process is left", LATER, &Vec::new(), || {
            [self.programs("speaker"), self.programs("controller")].concat()
        });
        let kind = "CustomResourceDefinition";
        self.cluster
            .control_plane
            .wait_until_gone(kind, "", "bgppeers.metallb.io");
    }

    /// UPDATEs that the router received with withdrawals in them.
    fn withdrawals(&self) -> Vec<String> {
        let mut updates = self.router.events("received update");
        updates.retain(|update| update["withdrawals"] != json!([]));
        updates.iter().map(Value::to_string).collect()
    }

    /// Why the router's sessions ended, each time that one did.
    fn ends_of_sessions(&self) -> Vec<String> {
        let ends = self.router.events("Peer Down");
        let reason = |end: &Value| end["Reason"].as_str().unwrap_or_default().to_owned();
        ends.iter().map(reason).collect()
    }

    fn only_one_answers(&self, address: &str) -> Result<(), String> {
        let expected = Ok((200, LEFT.to_owned()));
        let mut answers = (0..20).map(|_| http::get(&self.client, server(address), "/"));
        match answers.find(|answer| *answer != expected) {
            None => Ok(()),
            Some(other) => Err(format!("{other:?}")),
        }
    }

    fn every_session_is_established(&self) {
        for node in self.cluster.nodes() {
            let what = format!("the session with {} is Established", node.name());
            eventually(&what, LATER, || match self.router.state(node.address()) {
                state if state == "Established" => Ok(()),
                state => Err(state),
            });
        }
    }

    fn speaker_programs(&self) -> BTreeSet<Program> {
        let programs = self.programs("speaker").into_iter();
        programs.map(|(_, program)| program).collect()
    }

    /// The Pod of the controller that leads, which what it adds in the Lease does not change.
    fn leader(&self) -> String {
        let lease = self
            .cluster
            .control_plane
            .get("Lease", NAMESPACE, "herald-controller");
        let lease: Value = lease.expect("the Lease");
        let holder = lease["spec"]["holderIdentity"].as_str();
        let pod = holder.and_then(|holder| holder.split('_').next());
        pod.unwrap_or_default().to_owned()
    }
}

fn nothing_was_lost(count: Count) {
    println!("{} requests were answered", count.answered);
    assert_eq!(count.lost, Vec::<String>::new());
    assert!(count.answered > 0);
}
