//! An API server that is not there for a while, or does not want to.

use std::path::Path;
use std::time::Duration;

use integration::Lab;
use integration::command::run;
use integration::kube::{ControlPlane, NEEDS, Options};
use integration::wait::{LATER, eventually};
use serde_json::{Value, json};

fn create(cluster: &ControlPlane, namespace: &str, name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    cluster.create(&object).expect("created")
}

#[test]
fn objects_outlive_every_way_in_which_the_api_server_goes() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let mut cluster = ControlPlane::start_without_heartbeats(&lab);
    let namespace = cluster.namespace("outage");
    let first = create(&cluster, &namespace, "first");
    cluster.kill_apiserver();
    let answer = cluster.get("ConfigMap", &namespace, "first");
    assert_eq!(answer.expect_err("it is killed").code, None);
    cluster.start_apiserver();
    let second = create(&cluster, &namespace, "second");
    cluster.stop_apiserver();
    cluster.start_apiserver();
    cluster.freeze_apiserver();
    let hasty = cluster.with_patience(Duration::from_millis(500));
    let answer = hasty.get("ConfigMap", &namespace, "first");
    assert_eq!(answer.expect_err("it is frozen").code, None);
    cluster.thaw_apiserver();
    let get = |name: &str| cluster.get("ConfigMap", &namespace, name);
    assert_eq!([get("first"), get("second")], [Ok(first), Ok(second)]);
    // The controllers are back, too: a namespace gets its account.
    cluster.namespace("after");
}

#[test]
fn a_watch_from_before_a_restart_is_refused_as_too_old() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let mut cluster = ControlPlane::start_without_heartbeats(&lab);
    let namespace = cluster.namespace("gone");
    let old = create(&cluster, &namespace, "first");
    create(&cluster, &namespace, "second");
    cluster.kill_apiserver();
    cluster.start_apiserver();
    let version = old["metadata"]["resourceVersion"].as_str().expect("one");
    let query = format!("watch=true&timeoutSeconds=1&resourceVersion={version}");
    let path = format!("/api/v1/namespaces/{namespace}/configmaps?{query}");
    let event = cluster.request("GET", &path, None).expect("one event");
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
}

#[test]
fn a_frozen_etcd_is_a_server_error() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let options = Options {
        apiserver: vec!["--request-timeout=3s".to_owned()],
        ..Options::default()
    };
    let mut cluster = ControlPlane::start_with(&lab, options);
    let namespace = cluster.namespace("etcd");
    cluster.freeze_etcd();
    let metadata = json!({"name": "late", "namespace": namespace});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    let refused = cluster.create(&object).expect_err("etcd is frozen");
    assert!(refused.code.is_some_and(|code| code >= 500), "{refused}");
    cluster.thaw_etcd();
    eventually("objects are written again", LATER, || {
        let written = cluster.apply(&object);
        written.map_err(|failure| failure.to_string())
    });
}

#[test]
fn a_control_plane_leaves_nothing_behind_when_its_test_fails() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let paths = std::sync::Mutex::new(Vec::new());
    let failed = std::panic::catch_unwind(|| {
        let cluster = ControlPlane::start_without_heartbeats(&lab);
        let kubeconfig = cluster.admin_kubeconfig();
        let processes = run("ip", &["netns", "pids", cluster.netns().name()]);
        let processes = processes.lines().map(|pid| Path::new("/proc").join(pid));
        let mut paths = paths.lock().expect("mine");
        paths.extend([kubeconfig, cluster.netns().path()]);
        paths.extend(processes);
        assert!(paths.len() >= 5 && paths.iter().all(|path| path.exists()));
        drop(paths);
        panic!("as a test does");
    });
    failed.expect_err("it fails");
    for path in paths.into_inner().expect("mine") {
        assert!(!path.exists(), "{} is still there", path.display());
    }
}
