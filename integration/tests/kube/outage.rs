//! An API server that is not there for a while.

use integration::Lab;
use integration::kube::{ControlPlane, NEEDS, Options};
use serde_json::json;
use std::time::Duration;

#[test]
fn objects_outlive_every_way_in_which_the_api_server_goes() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let options = Options {
        controllers: None,
        ..Options::default()
    };
    let mut cluster = ControlPlane::start_with(&lab, options);
    let namespace = cluster.namespace("outage");
    let create = |cluster: &ControlPlane, name: &str| {
        let metadata = json!({"name": name, "namespace": namespace});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        cluster.create(&object).expect("created")
    };
    let first = create(&cluster, "first");
    cluster.kill_apiserver();
    let answer = cluster.get("ConfigMap", &namespace, "first");
    assert_eq!(answer.expect_err("it is killed").code, None);
    cluster.start_apiserver();
    let second = create(&cluster, "second");
    cluster.stop_apiserver();
    cluster.start_apiserver();
    cluster.freeze_apiserver();
    let hasty = cluster.with_patience(Duration::from_millis(500));
    let answer = hasty.get("ConfigMap", &namespace, "first");
    assert_eq!(answer.expect_err("it is frozen").code, None);
    cluster.thaw_apiserver();
    let get = |name: &str| cluster.get("ConfigMap", &namespace, name);
    assert_eq!([get("first"), get("second")], [Ok(first), Ok(second)]);
}
