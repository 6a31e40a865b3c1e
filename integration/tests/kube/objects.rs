//! Objects go in, and come out.

use std::path::Path;

use integration::kube::client::Patch;
use integration::kube::shared::Shared;
use integration::kube::watch::{Change, Watch};
use serde_json::{Value, json};

fn widget(namespace: &str, size: i64) -> Value {
    json!({
        "apiVersion": "lab.invalid/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {"size": size},
    })
}

#[test]
fn a_kind_from_a_file_is_served_with_its_rules() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kube");
    cluster.apply_files(&folder.join("widgets.yaml"));
    let namespace = cluster.namespace("widgets");
    let refused = cluster
        .create(&widget(&namespace, 0))
        .expect_err("size of 0");
    assert_eq!(refused.code, Some(422));
    assert!(refused.message.contains("a widget has a size"), "{refused}");
    cluster.create(&widget(&namespace, 3)).expect("created");
    let status = json!({"phase": "Sold"});
    cluster
        .patch_status("Widget", &namespace, "one", &status)
        .expect("a status");
    let seen = cluster.get("Widget", &namespace, "one").expect("there");
    assert_eq!(seen["spec"]["size"], 3);
    assert_eq!(seen["status"]["phase"], "Sold");
}

#[test]
fn yaml_of_several_objects_is_applied_as_a_whole() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = cluster.namespace("yaml");
    let map = |name: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
             data:\n  key: {value}\n---\n"
        )
    };
    cluster.apply_yaml(&(map("a", "first") + &map("b", "second")));
    cluster.apply_yaml(&map("a", "third"));
    let data = |name: &str| {
        let found = cluster.get("ConfigMap", &namespace, name).expect("there");
        found["data"]["key"].clone()
    };
    assert_eq!([data("a"), data("b")], ["third", "second"]);
    cluster.delete("ConfigMap", &namespace, "a").expect("gone");
    cluster.wait_until_gone("ConfigMap", &namespace, "a");
}

#[test]
fn an_old_version_of_an_object_is_not_written() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = cluster.namespace("conflict");
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": namespace},
        "data": {"key": "first"},
    });
    let old = cluster.apply(&object).expect("applied");
    let change = json!({"data": {"key": "second"}});
    cluster
        .patch("ConfigMap", &namespace, "a", Patch::Merge, &change)
        .expect("changed");
    let refused = cluster.replace(&old).expect_err("an old version");
    assert_eq!(refused.reason, "Conflict");
}

#[test]
fn an_event_is_found_by_the_object_that_it_is_about() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = cluster.namespace("events");
    let get = |name: &str| cluster.get("ServiceAccount", &namespace, name);
    let account = get("default").expect("made by its controller");
    assert_eq!(cluster.events_of(&account), Ok(Vec::new()));
    let event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "seen", "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reason": "Seen",
        "action": "Look",
        "note": "by a test",
        "reportingController": "lab",
        "reportingInstance": "lab",
        "regarding": {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "namespace": namespace,
            "name": "default",
            "uid": account["metadata"]["uid"],
        },
    });
    cluster.create(&event).expect("created");
    let events = cluster.events_of(&account).expect("a list");
    let told: Vec<_> = events
        .iter()
        .map(|event| [&event["reason"], &event["message"]])
        .collect();
    assert_eq!(told, [["Seen", "by a test"]]);
}

#[test]
fn a_watch_has_every_state_that_an_object_was_in() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = cluster.namespace("watch");
    let watch = cluster.watch("ConfigMap", &namespace).expect("a watch");
    let name = "counter";
    for number in 0..20 {
        let metadata = json!({"name": name, "namespace": namespace});
        let data = json!({"number": number.to_string()});
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        cluster.apply(&object).expect("applied");
    }
    let number = |change: &Change| change.object["data"]["number"].as_str()?.parse().ok();
    let numbers =
        |watch: &Watch| -> Vec<Option<u32>> { watch.history_of(name).iter().map(number).collect() };
    let counted: Vec<_> = (0..20).map(Some).collect();
    assert_eq!(numbers(&watch), counted);
    cluster.delete("ConfigMap", &namespace, name).expect("gone");
    let last = watch.history_of(name).pop().expect("changes");
    assert_eq!(last.event, "DELETED");
}
