//! Faults that a test puts between one client and the API server.

use std::time::Duration;

use integration::kube::client::Client;
use integration::kube::gate::{EXPIRED, Fault, Gate};
use integration::kube::shared::Shared;
use integration::wait::{SOON, eventually_equal};
use serde_json::json;

/// A gate, the Kubernetes namespace of the test, and a client of its own through the gate, which
/// may do everything.
fn open() -> Option<(Shared, Gate, String, Client)> {
    let cluster = Shared::join()?;
    let gate = Gate::open(&cluster);
    let namespace = cluster.namespace("gate");
    let client = gate.client();
    Some((cluster, gate, namespace, client))
}

#[test]
fn what_has_no_fault_goes_through_a_gate_and_is_counted() {
    let Some((cluster, gate, namespace, client)) = open() else {
        return;
    };
    let metadata = json!({"name": "a", "namespace": namespace});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    client.list("ConfigMap", &namespace).expect("a list");
    gate.forget();
    let created = client.create(&object).expect("created");
    assert_eq!(cluster.get("ConfigMap", &namespace, "a"), Ok(created));
    client.delete("ConfigMap", &namespace, "a").expect("gone");
    let seen = gate.seen();
    let methods: Vec<&str> = seen.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(methods, ["POST", "DELETE"]);
}

#[test]
fn a_fault_is_for_its_requests_and_for_as_many_as_it_says() {
    let Some((_cluster, gate, namespace, client)) = open() else {
        return;
    };
    client.list("ConfigMap", &namespace).expect("a list");
    let busy = Fault::Status(429, "TooManyRequests", Some(1));
    gate.fail_times(2, busy, |seen| seen.path.contains("configmaps"));
    let code = |answer: Result<_, integration::kube::failure::Failure>| match answer {
        Ok(()) => Some(200),
        Err(failure) => failure.code,
    };
    let ask = |kind: &str| code(client.list(kind, &namespace).map(drop));
    let codes = ["ConfigMap", "Secret", "ConfigMap", "ConfigMap"].map(ask);
    assert_eq!(codes, [Some(429), Some(200), Some(429), Some(200)]);
    gate.fail(Fault::Cut, |_| true);
    assert_eq!(ask("Secret"), None);
    gate.fail(Fault::Silence, |_| true);
    gate.heal();
    assert_eq!(ask("Secret"), Some(200));
    gate.fail(Fault::Silence, |_| true);
    let hasty = client.with_patience(Duration::from_millis(500));
    assert_eq!(code(hasty.list("Secret", &namespace).map(drop)), None);
}

#[test]
fn a_watch_ends_when_the_gate_says_that_it_is_too_old_or_cuts_it() {
    let Some((_cluster, gate, namespace, client)) = open() else {
        return;
    };
    let path = format!("/api/v1/namespaces/{namespace}/configmaps?watch=true");
    gate.fail_times(1, EXPIRED, |seen| seen.is_watch());
    let event = client.request("GET", &path, None).expect("one event");
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
    let answer = std::thread::scope(|scope| {
        let watch = scope.spawn(|| client.text(&path));
        eventually_equal("the watch is open", SOON, &2, || gate.seen().len());
        gate.cut();
        watch.join().expect("no panic")
    });
    assert_eq!(answer.expect_err("it is cut").code, None);
}

#[test]
fn a_program_behind_a_gate_is_the_account_that_it_is_for() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = cluster.namespace("gate");
    let gate = Gate::open_as(&cluster, &namespace, "default");
    let kubeconfig = gate.kubeconfig(&cluster);
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let name = "jsonpath={.status.userInfo.username}";
    let who = cluster.kubectl(&[&kubeconfig, "auth", "whoami", "-o", name], "");
    let expected = format!("system:serviceaccount:{namespace}:default");
    assert_eq!(who, Ok(expected));
    assert!(!gate.seen().is_empty());
}
