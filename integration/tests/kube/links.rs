//! L2 mode in a cluster: speakers of nodes on one segment, a client on it, and what they report.

use std::net::IpAddr;

use integration::kube::herald::{Daemon, Installation};
use integration::kube::node::{LINK, Node};
use integration::kube::shared::Shared;
use integration::lab::{Lab, Need};
use integration::manifests::{l2_advertisement, pool};
use integration::netns::Netns;
use integration::wait::{SOON, eventually};
use serde_json::{Value, json};

/// Speakers and a controller; fields go in this order.
struct Segment {
    speakers: Vec<Daemon>,
    _controller: Daemon,
    nodes: Vec<Node>,
    client: Netns,
    herald: Installation,
    namespace: String,
    cluster: Shared,
}

impl Segment {
    /// Three nodes, and a pool of these addresses of the nodes' own network in L2 mode.
    fn start(range: &str) -> Option<Segment> {
        Lab::open(&[Need::Program("arping", "iputils-arping")])?;
        let cluster = Shared::join()?;
        let lab = &cluster.lab;
        let namespace = cluster.namespace("web");
        let herald = Installation::add(&cluster);
        let node = |index| Node::add_machine(&cluster, lab, &format!("{namespace}-node-{index}"));
        let nodes: Vec<Node> = (1..=3).map(node).collect();
        let client = lab.netns("client");
        cluster.attach(&client, LINK);
        herald.put(pool("segment", &[range]));
        herald.put(l2_advertisement(
            "segment",
            json!({"failback": "immediate"}),
        ));
        let mut controller = herald.controller(&cluster, lab, "controller");
        controller.launch(cluster.netns());
        let speakers = nodes.iter().map(|node| {
            let mut speaker = herald.speaker(&cluster, lab, node.name());
            speaker.launch(node.netns());
            // What it has by then is no news to it.
            speaker.await_ready();
            speaker
        });
        Some(Segment {
            speakers: speakers.collect(),
            _controller: controller,
            nodes,
            client,
            herald,
            namespace,
            cluster,
        })
    }

    /// Creates a Service with one ready endpoint; the Service.
    fn serve(&self, name: &str) -> Value {
        let metadata = json!({"name": name, "namespace": self.namespace});
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": self.herald.class(),
                "ports": [{"port": 80}],
            },
        });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{name}-a"),
                "namespace": self.namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{
                "addresses": ["10.244.255.1"],
                "nodeName": self.nodes[0].name(),
                "conditions": {"ready": true},
            }],
            "ports": [{"port": 80}],
        });
        let create = |object| self.cluster.create(object);
        create(&slice).unwrap_or_else(|failure| panic!("{failure}"));
        create(&service).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Waits until the Service has an address other than that; it.
    fn address(&self, name: &str, other_than: Option<IpAddr>) -> IpAddr {
        let object = ("v1/Service", &*self.namespace, name);
        let what = format!("{name} has an address other than {other_than:?}");
        self.cluster.wait_until(&what, SOON, object, |service| {
            let address = &service["status"]["loadBalancer"]["ingress"][0]["ip"];
            let address = address.as_str()?.parse().ok()?;
            (Some(address) != other_than).then_some(address)
        })
    }

    /// What is said in the API of who answers.
    fn statuses(&self) -> Vec<Value> {
        let found = self
            .cluster
            .list("ServiceL2Status", self.herald.namespace());
        let found = found.unwrap_or_default().into_iter();
        found.map(|mut status| status["status"].take()).collect()
    }

    /// Waits until the only ServiceL2Status, and who answers ARP, are one node other than that; its
    /// position.
    fn owner(&self, service: &str, address: IpAddr, other_than: Option<usize>) -> usize {
        eventually(&format!("one node answers for {service}"), SOON, || {
            let statuses = self.statuses();
            let said = statuses.iter().filter(|s| s["serviceName"] == *service);
            let said: Vec<&Value> = said.collect();
            let answers = self.arping(address);
            let mut nodes = self.nodes.iter();
            let owner = nodes.position(|node| {
                let [one] = &said[..] else { return false };
                one["node"] == *node.name() && answers.contains(&mac(node.netns()))
            });
            let owner = owner.filter(|owner| Some(*owner) != other_than);
            owner.ok_or_else(|| format!("{said:?}\n{answers}"))
        })
    }

    /// What `arping` says, in small letters.
    fn arping(&self, address: IpAddr) -> String {
        let command = format!("arping -c 1 -w 1 -I {LINK} {address} || true");
        self.client.run("sh", &["-c", &command]).to_lowercase()
    }
}

/// The link-layer address of a machine on the segment.
fn mac(netns: &Netns) -> String {
    let link = netns.ip(&format!("-br link show dev {LINK}"));
    let mac = link.split_whitespace().nth(2);
    mac.unwrap_or_else(|| panic!("{link}")).to_owned()
}

#[test]
fn one_node_answers_says_so_and_leaves_the_address_to_another_when_it_is_cordoned() {
    let Some(segment) = Segment::start("10.244.251.0/24") else {
        return;
    };
    let service = segment.serve("web");
    let address = segment.address("web", None);
    let owner = segment.owner("web", address, None);
    let node = segment.nodes[owner].name();
    eventually("the Service's Event names the node", SOON, || {
        let events = segment.cluster.events_of(&service);
        let events = events.map_err(|failure| failure.to_string())?;
        let note = format!("announcing from node \"{node}\" with protocol \"layer2\"");
        let mut notes = events.iter().map(|event| &event["message"]);
        match notes.any(|message| *message == *note) {
            true => Ok(()),
            false => Err(format!("{events:#?}")),
        }
    });
    let name = format!("{}/web", segment.namespace);
    let metric = format!(
        "metallb_speaker_announced{{service=\"{name}\",protocol=\"layer2\",node=\"{node}\",\
         ip=\"{address}\"}}"
    );
    let speaker = &segment.speakers[owner];
    assert_eq!(speaker.metric(&metric), Some(1.0));
    let answers = format!("metallb_layer2_responses_sent{{ip=\"{address}\"}}");
    assert!(speaker.metric(&answers) > Some(0.0));
    segment.nodes[owner].set_unschedulable(true);
    segment.owner("web", address, Some(owner));
    assert_eq!(speaker.metric(&metric), None);
    let explained = speaker.explain(&name).expect("an explanation");
    let nodes = explained["nodes"].as_array().into_iter().flatten();
    let cordoned = nodes.filter(|one| one["node"] == *node);
    let reasons: Vec<&Value> = cordoned.map(|one| &one["l2"]["reason"]).collect();
    assert_eq!(reasons, ["nodeUnschedulable"]);
}

#[test]
fn an_interface_that_no_node_has_is_named_and_nobody_answers_until_it_is_there() {
    let Some(segment) = Segment::start("10.244.253.0/24") else {
        return;
    };
    let of_interfaces = |names: &Value| json!({"interfaces": names});
    let put = |names| {
        let spec = of_interfaces(&names);
        segment.herald.put(l2_advertisement("segment", spec));
    };
    put(json!(["nope0"]));
    let service = segment.serve("web");
    let address = segment.address("web", None);
    eventually("the Service's Event says why", SOON, || {
        let events = segment.cluster.events_of(&service);
        let events = events.map_err(|failure| failure.to_string())?;
        let mut told = events
            .iter()
            .filter(|one| one["reason"] == "announceFailed");
        let note = |event: &Value| event["message"].to_string().contains("see interfaces");
        told.any(note).then_some(()).ok_or(format!("{events:#?}"))
    });
    assert_eq!(segment.statuses(), [Value::Null; 0]);
    assert!(!segment.arping(address).contains("reply from"));
    put(json!(["nope0", LINK]));
    segment.owner("web", address, None);
    let statuses = segment.statuses();
    let interfaces: Vec<&Value> = statuses.iter().map(|one| &one["interfaces"]).collect();
    assert_eq!(interfaces, [&json!([{"name": LINK}, {"name": "nope0"}])]);
}

#[test]
fn an_address_that_a_stranger_has_is_named_and_the_service_is_given_another_one() {
    let Some(segment) = Segment::start("10.244.252.0/24") else {
        return;
    };
    // The host has the pool's first address.
    segment
        .client
        .ip(&format!("address add 10.244.252.0/32 dev {LINK}"));
    let service = segment.serve("web");
    let taken: IpAddr = "10.244.252.0".parse().expect("an address");
    let address = segment.address("web", Some(taken));
    segment.owner("web", address, None);
    let events = segment.cluster.events_of(&service).expect("Events");
    let mac = mac(&segment.client);
    let told = |event: &Value| {
        let note = event["message"].as_str().unwrap_or_default();
        event["reason"] == "announceFailed" && note.contains(&mac)
    };
    assert!(events.iter().any(told), "{mac}: {events:#?}");
}
