//! Nodes, the Pods on them, and what the real controllers and kube-proxy make of both.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use integration::Lab;
use integration::http;
use integration::kube::node::Node;
use integration::kube::pod::Pod;
use integration::kube::shared::Shared;
use integration::kube::{ControlPlane, NEEDS, Options};
use integration::tcp::ask;
use integration::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

const PORT: u16 = 8080;

fn service(namespace: &str, spec: Value) -> Value {
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": PORT}],
        },
    });
    if let (Some(all), Value::Object(spec)) = (service["spec"].as_object_mut(), spec) {
        all.extend(spec);
    }
    service
}

/// Addresses and conditions in all slices of a namespace's Service.
fn endpoints(cluster: &ControlPlane, namespace: &str) -> Vec<(String, Value)> {
    let slices = cluster.list("EndpointSlice", namespace).unwrap_or_default();
    let endpoints = slices
        .iter()
        .flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    let mut found: Vec<_> = endpoints
        .map(|endpoint| {
            let address = endpoint["addresses"][0].as_str().unwrap_or_default();
            (address.to_owned(), endpoint["conditions"].clone())
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

#[test]
fn the_endpointslice_controller_follows_a_pods_conditions() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = cluster.namespace("slices");
    let node = Node::add_object(&cluster, &namespace);
    cluster
        .create(&service(&namespace, json!({})))
        .expect("created");
    let pod = Pod::start(
        &cluster,
        &node,
        &namespace,
        "web-1",
        &json!({"app": "web"}),
        PORT,
    );
    let conditions = |ready: bool, serving: bool, terminating: bool| json!({"ready": ready, "serving": serving, "terminating": terminating});
    let [address, _] = pod.addresses().map(|address| address.to_string());
    let await_conditions = |expected: Value| {
        let expected = vec![(address.clone(), expected)];
        integration::wait::eventually_equal("the slice", SOON, &expected, || {
            endpoints(&cluster, &namespace)
        });
    };
    await_conditions(conditions(false, false, false));
    pod.set_ready(true);
    await_conditions(conditions(true, true, false));
    pod.terminate();
    await_conditions(conditions(false, true, true));
    pod.delete();
    cluster.wait_until_gone("Pod", &namespace, pod.name());
}

/// A Service of both families whose status has these addresses.
fn balanced(cluster: &ControlPlane, namespace: &str, vips: [IpAddr; 2]) {
    let spec = json!({"ipFamilyPolicy": "RequireDualStack"});
    let created = cluster.create(&service(namespace, spec));
    created.expect("created");
    let ingress = vips.map(|vip| json!({"ip": vip}));
    let status = json!({"loadBalancer": {"ingress": ingress}});
    let patched = cluster.patch_status("Service", namespace, "web", &status);
    patched.expect("a status");
}

#[test]
fn kube_proxy_serves_a_load_balancers_addresses_from_pods_on_two_nodes() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = cluster.namespace("proxy");
    let add = |name| Node::add(&cluster, &cluster.lab, &format!("{namespace}-{name}"));
    let nodes = ["a", "b"].map(add);
    let labels = json!({"app": "web"});
    let run = |(node, name)| Pod::run(&cluster, node, &namespace, name, &labels, PORT);
    let pods: Vec<Pod> = nodes.iter().zip(["web-a", "web-b"]).map(run).collect();
    let vips = ["10.101.0.1", "fd00:101::1"].map(|vip| vip.parse().expect("an address"));
    balanced(&cluster, &namespace, vips);
    let health = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 10256);
    let health = http::get(nodes[0].netns(), health, "/livez");
    assert_eq!(health.map(|(code, _)| code), Ok(200));
    let client = cluster.lab.netns("client");
    cluster.attach(&client, "eth0");
    for (vip, through) in vips.into_iter().zip(nodes[0].addresses()) {
        client.ip(&format!("route add {vip} via {through}"));
        let server = SocketAddr::new(vip, 80);
        for pod in &pods {
            let what = format!("{} answers at {vip}", pod.name());
            eventually(&what, SOON, || match ask(&client, server) {
                Ok(answer) if answer == pod.name() => Ok(()),
                other => Err(format!("{other:?}\n{}", nodes[0].rules())),
            });
        }
    }
}

#[test]
fn a_node_is_what_the_test_says_while_its_heart_beats() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let options = Options {
        node_monitor_grace_period: Duration::from_secs(8),
        ..Options::default()
    };
    let cluster = ControlPlane::start_with(&lab, options);
    let mut node = Node::add_object(&cluster, "node-1");
    let ready = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array()?;
        let ready = conditions.iter().find(|one| one["type"] == "Ready")?;
        Some(ready["status"].as_str()?.to_owned())
    };
    let await_ready = |status: &str| {
        let what = format!("the node's Ready is {status}");
        let node = ("Node", "", "node-1");
        cluster.wait_until(&what, LATER, node, |node| {
            ready(node).filter(|seen| seen == status)
        });
    };
    node.set_ready("False");
    let tainted = |node: &Value| {
        node["spec"]["taints"]
            .to_string()
            .contains("not-ready")
            .then_some(())
    };
    cluster.wait_until("the node is tainted", SOON, ("Node", "", "node-1"), tainted);
    await_ready("False");
    node.set_ready("True");
    node.stop_heartbeat();
    await_ready("Unknown");
    node.start_heartbeat();
    node.set_ready("True");
    node.set_unschedulable(true);
    await_ready("True");
}
