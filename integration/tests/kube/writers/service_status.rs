//! The writer of Service status.

use std::collections::BTreeMap;
use std::time::Instant;

use controller::kube::call::Failure;
use controller::kube::fence::Fence;
use controller::kube::service_status::{Config, Outcome, ServiceStatusWriter, Status, Wanted};
use controller::record::Assignment;
use integration::kube::ControlPlane;
use integration::kube::gate::{Fault, Gate, Seen};
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use plan::alloc::{Outcome as Round, Reason};
use plan::world::{IpFamily, ObjectName};
use serde_json::{Value, json};

use super::{as_account, soon, with_client};
use crate::rbac::{CONTROLLER, HOME, join};

const POOL: &str = "metallb.io/ip-allocated-from-pool";

fn create(cluster: &ControlPlane, namespace: &str, name: &str) {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    });
    cluster.create(&service).expect("created");
}

fn start(client: Client) -> ServiceStatusWriter {
    ServiceStatusWriter::start(client, Fence::open(), Config::default())
}

fn holding(addresses: &[&str]) -> Status {
    let addresses = addresses.iter().map(|one| one.parse().expect("an address"));
    let assignment = Assignment {
        addresses: addresses.collect(),
        pool: Some("gold".into()),
    };
    Status::new(Some(&assignment), &Round::Assigned)
}

fn pending() -> Status {
    let family = IpFamily::IPv4;
    let tried = vec!["gold".into()];
    Status::new(None, &Round::Pending(Reason::Exhausted { family, tried }))
}

fn get(cluster: &ControlPlane, namespace: &str, name: &str) -> Value {
    cluster.get("Service", namespace, name).expect("a Service")
}

fn wanted(object: &Value, status: Status) -> (ObjectName, Wanted) {
    let service: Service = serde_json::from_value(object.clone()).expect("a Service");
    let text = |field: &str| object["metadata"][field].as_str().expect("one").into();
    let name = ObjectName {
        namespace: text("namespace"),
        name: text("name"),
    };
    let wanted = Wanted {
        uid: text("uid"),
        resource_version: Some(text("resourceVersion")),
        status,
        there: Status::of(&service),
        round: 1,
        since: tokio::time::Instant::now(),
    };
    (name, wanted)
}

async fn outcomes(writer: &ServiceStatusWriter) -> BTreeMap<ObjectName, Outcome> {
    let outcomes = soon("an outcome", writer.outcomes()).await.into_iter();
    outcomes
        .map(|(name, finished)| (name, finished.outcome))
        .collect()
}

/// What becomes of one change.
async fn write(writer: &ServiceStatusWriter, change: (ObjectName, Wanted)) -> Outcome {
    let name = change.0.clone();
    writer.submit(BTreeMap::from([change]));
    outcomes(writer).await.remove(&name).expect("its outcome")
}

#[test]
fn a_service_shows_its_addresses_their_pool_and_why() {
    let Some(cluster) = join() else { return };
    let namespace = cluster.namespace("status");
    create(&cluster, &namespace, "web");
    as_account(&cluster, CONTROLLER, async |client| {
        let writer = start(client);
        let now = || get(&cluster, &namespace, "web");
        let outcome = write(&writer, wanted(&now(), holding(&["10.0.0.1", "fd00::1"]))).await;
        let service = now();
        let version = service["metadata"]["resourceVersion"]
            .as_str()
            .expect("one");
        let resource_version = version.into();
        assert_eq!(outcome, Outcome::Written { resource_version });
        assert_eq!(service["metadata"]["annotations"][POOL], "gold");
        let table = cluster.kubectl(&["get", "service", "-n", &namespace, "web"], "");
        assert!(
            table
                .as_ref()
                .is_ok_and(|table| table.contains("10.0.0.1,fd00::1")),
            "{table:?}"
        );
        // Somebody else's condition stays.
        let others = json!({"conditions": [{"type": "other.io/Fine", "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        cluster
            .patch(
                "Service",
                &namespace,
                "web/status",
                integration::kube::client::Patch::Strategic,
                &json!({"status": others}),
            )
            .expect("patched");
        write(&writer, wanted(&now(), pending())).await;
        let service = now();
        assert_eq!(service["status"]["loadBalancer"], json!({}));
        assert_eq!(service["metadata"]["annotations"][POOL], Value::Null);
        let waiting = ["wait", "-n", &namespace, "service/web", "--timeout=1s"];
        let waiting = [
            &waiting[..],
            &["--for=condition=herald.io/AddressAssigned=False"],
        ]
        .concat();
        cluster.kubectl(&waiting, "").expect("the condition");
        write(
            &writer,
            wanted(&service, Status::new(None, &Round::NotWanted)),
        )
        .await;
        let conditions = now()["status"]["conditions"].clone();
        assert_eq!(
            conditions.as_array().map(Vec::len),
            Some(1),
            "{conditions:#}"
        );
        assert_eq!(conditions[0]["type"], "other.io/Fine");
    });
}

#[test]
fn a_service_that_is_another_one_by_now_gets_nothing() {
    let Some(cluster) = join() else { return };
    let namespace = cluster.namespace("status");
    create(&cluster, &namespace, "web");
    as_account(&cluster, CONTROLLER, async |client| {
        let writer = start(client);
        let old = get(&cluster, &namespace, "web");
        let change = || wanted(&old, holding(&["10.0.0.1"]));
        let label = json!({"metadata": {"labels": {"changed": "meanwhile"}}});
        let merge = integration::kube::client::Patch::Merge;
        cluster
            .patch("Service", &namespace, "web", merge, &label)
            .expect("changed");
        assert_eq!(
            write(&writer, change()).await,
            Outcome::Conflict,
            "an old version"
        );
        let without_version = || {
            let (name, mut wanted) = change();
            wanted.resource_version = None;
            (name, wanted)
        };
        cluster
            .delete("Service", &namespace, "web")
            .expect("deleted");
        assert_eq!(write(&writer, without_version()).await, Outcome::Gone);
        create(&cluster, &namespace, "web");
        assert_eq!(
            write(&writer, without_version()).await,
            Outcome::Conflict,
            "another uid"
        );
        let new = get(&cluster, &namespace, "web");
        assert_eq!(new["status"]["loadBalancer"], json!({}));
    });
}

#[test]
fn a_change_gets_through_whatever_the_api_answers_at_first() {
    let Some(cluster) = join() else { return };
    let gate = Gate::open_as(&cluster, HOME, CONTROLLER);
    let namespace = cluster.namespace("status");
    let faults = [
        Fault::Status(429, "TooManyRequests", Some(1)),
        Fault::Status(500, "InternalError", None),
        Fault::Status(503, "ServiceUnavailable", Some(1)),
        Fault::Cut,
        Fault::Silence,
    ];
    with_client(
        cluster.netns(),
        &gate.kubeconfig(&cluster),
        async |client| {
            let writer = start(client);
            for (number, fault) in faults.into_iter().enumerate() {
                let [bad, good] = ["bad", "good"].map(|name| format!("{name}-{number}"));
                let path = format!("/{bad}/");
                gate.fail_times(2, fault, move |seen: &Seen| seen.path.contains(&path));
                for name in [&bad, &good] {
                    create(&cluster, &namespace, name);
                }
                let changes = [&bad, &good]
                    .map(|name| wanted(&get(&cluster, &namespace, name), holding(&["10.0.0.1"])));
                writer.submit(changes.into());
                let first = outcomes(&writer).await;
                let names: Vec<&str> = first.keys().map(|name| &*name.name).collect();
                assert_eq!(names, [&good], "{fault:?}");
                let second = outcomes(&writer).await;
                let second = second.into_values().next();
                assert!(
                    matches!(second, Some(Outcome::Written { .. })),
                    "{fault:?}: {second:?}"
                );
            }
        },
    );
}

#[test]
fn what_the_account_may_not_do_fails_with_what_the_api_says() {
    let Some(cluster) = join() else { return };
    let namespace = cluster.namespace("status");
    create(&cluster, &namespace, "web");
    as_account(&cluster, crate::rbac::SPEAKER, async |client| {
        let writer = start(client);
        let change = wanted(&get(&cluster, &namespace, "web"), holding(&["10.0.0.1"]));
        let outcome = write(&writer, change).await;
        let Outcome::Failed(Failure::Refused(code, message)) = outcome else {
            panic!("{outcome}");
        };
        assert_eq!(code, 403);
        assert!(message.contains("services/status"), "{message}");
    });
}

#[test]
fn a_thousand_changes_flow() {
    let Some(cluster) = join() else { return };
    let namespace = cluster.namespace("status");
    let names: Vec<String> = (0..1_000).map(|number| format!("web-{number}")).collect();
    std::thread::scope(|scope| {
        for names in names.chunks(250) {
            let (cluster, namespace) = (&cluster, &namespace);
            scope.spawn(move || {
                names
                    .iter()
                    .for_each(|name| create(cluster, namespace, name))
            });
        }
    });
    let services = cluster.list("Service", &namespace).expect("a list");
    as_account(&cluster, CONTROLLER, async |client| {
        let writer = start(client);
        let changes = services
            .iter()
            .map(|service| wanted(service, holding(&["10.0.0.1"])));
        let began = Instant::now();
        writer.submit(changes.collect());
        let mut written = 0;
        while written < services.len() {
            let outcomes = outcomes(&writer).await;
            let good = |outcome: &&Outcome| matches!(outcome, Outcome::Written { .. });
            assert_eq!(outcomes.values().filter(good).count(), outcomes.len());
            written += outcomes.len();
        }
        println!("{written} changes in {:?}", began.elapsed());
        let mut single: Vec<_> = Vec::new();
        for service in cluster
            .list("Service", &namespace)
            .expect("a list")
            .iter()
            .take(100)
        {
            let change = wanted(service, holding(&["10.0.0.2"]));
            let began = Instant::now();
            write(&writer, change).await;
            single.push(began.elapsed());
        }
        single.sort();
        println!("one at a time: median {:?}", single[single.len() / 2]);
    });
}
