//! Events.

use controller::kube::events::{About, Config, Event, EventWriter, Reporter, Severity};
use controller::kube::fence::Fence;
use integration::kube::ControlPlane;
use integration::kube::client::Patch;
use kube::Client;
use plan::world::ObjectName;
use serde_json::{Value, json};

use super::as_account;
use crate::rbac::{CONTROLLER, HOME, SPEAKER, join};

fn start(client: Client, controller: &'static str) -> EventWriter {
    let reporter = Reporter {
        controller,
        instance: "the-pod".to_owned(),
    };
    EventWriter::start(client, Fence::open(), reporter, Config::default())
}

/// A Service, and who it is.
fn service(cluster: &ControlPlane, namespace: &str) -> (Value, About) {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    });
    let service = cluster.create(&service).expect("created");
    let uid = service["metadata"]["uid"].as_str().expect("one").into();
    let name = ObjectName {
        namespace: namespace.into(),
        name: "web".into(),
    };
    (service, About::service(&name, uid))
}

/// Waits for so many Events about an object, while the runtime goes on.
async fn events(cluster: &ControlPlane, object: &Value, count: usize) -> Vec<Value> {
    let look = async {
        loop {
            let events = cluster.events_of(object).expect("a list");
            if events.len() == count {
                return events;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    super::soon("so many Events", look).await
}

#[test]
fn kubectl_describe_tells_what_the_controller_and_the_speaker_told() {
    let Some(cluster) = join() else { return };
    let namespace = cluster.namespace("events");
    let (object, about) = service(&cluster, &namespace);
    as_account(&cluster, CONTROLLER, async |client| {
        let writer = start(client, CONTROLLER);
        writer.tell(Event {
            about: about.clone(),
            severity: Severity::Warning,
            reason: "AllocationFailed".into(),
            action: "AssignAddress",
            note: "no available IPs".to_owned(),
            shared: false,
        });
        events(&cluster, &object, 1).await;
    });
    as_account(&cluster, SPEAKER, async |client| {
        let writer = start(client, SPEAKER);
        writer.tell(Event::node_assigned(about, "node-1", "bgp"));
        events(&cluster, &object, 2).await;
    });
    let told = cluster.kubectl(&["describe", "service", "-n", &namespace, "web"], "");
    let told = told.expect("described");
    for line in [
        [
            "Warning",
            "AllocationFailed",
            CONTROLLER,
            "no available IPs",
        ],
        [
            "Normal",
            "nodeAssigned",
            SPEAKER,
            "announcing from node \"node-1\" with protocol \"bgp\"",
        ],
    ] {
        let told = told
            .lines()
            .any(|told| line.iter().all(|word| told.contains(word)));
        assert!(told, "{line:?}");
    }
}

#[test]
fn an_event_about_our_configuration_is_in_our_namespace() {
    let Some(cluster) = join() else { return };
    as_account(&cluster, CONTROLLER, async |client| {
        let writer = start(client, CONTROLLER);
        let about = About {
            api_version: "metallb.io/v1beta1".into(),
            kind: "IPAddressPool".into(),
            namespace: HOME.into(),
            name: "a-pool-that-is-wrong".into(),
            uid: None,
        };
        writer.tell(Event {
            about,
            severity: Severity::Warning,
            reason: "InvalidConfiguration".into(),
            action: "ReadConfiguration",
            note: "é".repeat(2_000),
            shared: false,
        });
        let query = "fieldSelector=involvedObject.name%3Da-pool-that-is-wrong";
        let told = async {
            while cluster
                .select("v1/Event", HOME, query)
                .expect("a list")
                .is_empty()
            {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        super::soon("it is told", told).await;
        assert_eq!(writer.counts().dropped(), 0);
    });
}

#[test]
fn the_api_server_takes_an_event_that_has_happened_often() {
    let Some(cluster) = join() else { return };
    let namespace = cluster.namespace("events");
    let (object, about) = service(&cluster, &namespace);
    as_account(&cluster, CONTROLLER, async |client| {
        let writer = start(client, CONTROLLER);
        (0..3).for_each(|_| writer.tell(Event::node_assigned(about.clone(), "node-1", "bgp")));
        let told = events(&cluster, &object, 1).await;
        assert_eq!(told[0]["series"]["count"], 3);
        assert_eq!(writer.counts().dropped(), 0);
    });
    // As the writer does it a minute later.
    let events = cluster.select("events.k8s.io/v1/Event", &namespace, "");
    let events = events.expect("a list");
    let name = events[0]["metadata"]["name"].as_str().expect("one");
    let series = json!({"series": {"count": 4, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}});
    let patched = cluster.client_as(HOME, CONTROLLER).patch(
        "events.k8s.io/v1/Event",
        &namespace,
        name,
        Patch::Merge,
        &series,
    );
    assert_eq!(patched.expect("patched")["series"]["count"], 4);
}
