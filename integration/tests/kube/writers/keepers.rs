//! The writers of pool status, ConfigurationState and ServiceBGPStatus.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use controller::crd::ip_address_pool::IPAddressPoolStatus;
use controller::crd::service_bgp_status::BgpSessionState;
use controller::kube::configuration_state::{Component, ConfigurationStateWriter};
use controller::kube::fence::Fence;
use controller::kube::pool_status::{PoolStatusWriter, Wanted};
use controller::kube::service_bgp_status::{Config, Owner, ServiceBgpStatusWriter, Session};
use controller::{Problem, Severity};
use integration::kube::ControlPlane;
use integration::kube::gate::{EXPIRED, Fault, Gate};
use plan::announce::{PeerNames, Verdict, Verdicts};
use plan::world::ObjectName;
use serde_json::{Value, json};

use super::{as_account, soon, with_client};
use crate::rbac::{CONTROLLER, HOME, SPEAKER, join};

/// Looks, while the runtime goes on, until `look` gives a value.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looked = async {
        loop {
            if let Some(value) = look() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(what, looked).await
}

fn pool(cluster: &ControlPlane, name: &str, range: &str) {
    let pool = json!({
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"addresses": [range]},
    });
    cluster.apply(&pool).expect("applied");
}

/// A pool's status as its caller reads it.
fn pool_status(cluster: &ControlPlane, name: &str) -> Option<IPAddressPoolStatus> {
    let pool = cluster.get("IPAddressPool", HOME, name).ok()?;
    serde_json::from_value(pool["status"].clone()).ok()
}

#[test]
fn a_pool_shows_how_full_it_is_and_edits_by_hand_do_not_last() {
    let Some(cluster) = join() else { return };
    pool(&cluster, "full", "198.18.40.0/28");
    let status = IPAddressPoolStatus {
        assigned_ipv4: 3,
        available_ipv4: 13,
        available_ipv6: i64::MAX,
        ..IPAddressPoolStatus::default()
    };
    as_account(&cluster, CONTROLLER, async |client| {
        let writer = PoolStatusWriter::start(client, Fence::open(), HOME);
        let set = || {
            let there = pool_status(&cluster, "full");
            let is_there = there.as_ref() == Some(&status);
            let status = status.clone();
            writer.set(BTreeMap::from([("full".into(), Wanted { status, there })]));
            is_there.then_some(())
        };
        until("it is written", set).await;
        let edited = json!({"assignedIPv4": 99});
        cluster
            .patch_status("IPAddressPool", HOME, "full", &edited)
            .expect("edited");
        until("it is put right", set).await;
    });
    cluster
        .delete("IPAddressPool", HOME, "full")
        .expect("deleted");
}

#[test]
fn a_configuration_state_says_what_is_wrong_and_is_made_anew_when_it_is_deleted() {
    let Some(cluster) = join() else { return };
    as_account(&cluster, SPEAKER, async |client| {
        let component = Component::Speaker("state-node".to_owned());
        let name = component.object_name();
        let writer = ConfigurationStateWriter::start(client, Fence::open(), HOME, component);
        writer.set(&[Problem::of_directory(
            Severity::Error,
            "it is wrong",
            "repair it",
        )]);
        let result = |expected: &str| {
            let state = cluster.get("ConfigurationState", HOME, &name).ok()?;
            (state["status"]["result"] == *expected).then_some(state)
        };
        let invalid = until("it is invalid", || result("Invalid")).await;
        assert_eq!(
            invalid["metadata"]["labels"]["metallb.io/node-name"],
            "state-node"
        );
        let table = cluster.kubectl(&["get", "configurationstate", "-n", HOME, &name], "");
        assert!(
            table
                .as_ref()
                .is_ok_and(|table| table.contains("it is wrong")),
            "{table:?}"
        );
        cluster
            .delete("ConfigurationState", HOME, &name)
            .expect("deleted");
        until("it is there again", || result("Invalid")).await;
        writer.set(&[]);
        let valid = until("it is valid", || result("Valid")).await;
        assert_eq!(valid["status"]["conditions"][0]["status"], "True");
        let edited = json!({"result": "Unknown"});
        cluster
            .patch_status("ConfigurationState", HOME, &name, &edited)
            .expect("edited");
        until("it is put right", || result("Valid")).await;
    });
}

fn service(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.into(),
        name: name.into(),
    }
}

/// These Services are announced to these peers.
fn announced(services: &[&str], peers: &[&str]) -> Verdicts {
    let peers: PeerNames = peers.iter().map(|name| Arc::from(*name)).collect();
    let verdict = Verdict::Announced { peers };
    let services = services.iter();
    services
        .map(|name| (service("web", name), verdict.clone()))
        .collect()
}

/// The objects of a node, whose statuses are whole.
fn statuses(cluster: &ControlPlane, node: &str) -> Vec<Value> {
    let query = format!("labelSelector=metallb.io%2Fnode%3D{node}");
    let found = cluster
        .select("ServiceBGPStatus", HOME, &query)
        .expect("a list");
    found
        .into_iter()
        .filter(|one| one["status"]["node"] == *node)
        .collect()
}

/// A Pod of the speaker, as the owner of what it writes.
fn owner(cluster: &ControlPlane, name: &str) -> Owner {
    let container = json!({"name": "speaker", "image": "none.invalid/none"});
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": HOME},
        "spec": {"containers": [container], "serviceAccountName": SPEAKER},
    });
    let made = cluster.create(&pod).expect("a Pod");
    Owner {
        pod: name.to_owned(),
        uid: made["metadata"]["uid"].as_str().expect("one").to_owned(),
    }
}

#[test]
fn services_show_their_peers_and_sessions_until_the_speakers_pod_is_gone() {
    let Some(cluster) = join() else { return };
    let node = "status-node";
    as_account(&cluster, SPEAKER, async |client| {
        let mut config = Config::new(HOME, node);
        config.owner = Some(owner(&cluster, "speaker-status-a"));
        let writer = ServiceBgpStatusWriter::start(client.clone(), config.clone());
        let all = announced(&["a", "b", "c"], &["tor-a", "tor-b"]);
        writer.set(all.clone());
        until("three are there", || {
            (statuses(&cluster, node).len() == 3).then_some(())
        })
        .await;
        let up = Session {
            state: BgpSessionState::Established,
            last_error: None,
        };
        writer.set_sessions(BTreeMap::from([("tor-b".into(), up)]));
        let shown = || {
            let all = statuses(&cluster, node);
            let up = |one: &Value| one["status"]["sessions"][1]["state"] == "Established";
            all.iter().all(up).then_some(all)
        };
        let shown = until("the session is up", shown).await;
        assert_eq!(shown[0]["status"]["peers"], json!(["tor-a", "tor-b"]));
        writer.set(announced(&["a", "c"], &["tor-a", "tor-b"]));
        until("two are there", || {
            (statuses(&cluster, node).len() == 2).then_some(())
        })
        .await;
        // The next Pod takes over what the one before it left, so that it outlives that one.
        drop(writer);
        config.owner = Some(owner(&cluster, "speaker-status-b"));
        let next = ServiceBgpStatusWriter::start(client, config);
        next.set(all);
        let adopted = || {
            let owned =
                |one: &Value| one["metadata"]["ownerReferences"][0]["name"] == "speaker-status-b";
            let all = statuses(&cluster, node);
            (all.len() == 3 && all.iter().all(owned)).then_some(())
        };
        until("they are taken over", adopted).await;
        cluster
            .delete("Pod", HOME, "speaker-status-a")
            .expect("deleted");
        drop(next);
    });
    cluster
        .delete("Pod", HOME, "speaker-status-b")
        .expect("deleted");
    let gone = || match statuses(&cluster, node).len() {
        0 => Ok(()),
        left => Err(format!("{left} are left")),
    };
    integration::wait::eventually("all are gone", integration::wait::LATER, gone);
}

#[test]
fn objects_are_put_right_through_watches_and_requests_that_fail() {
    let Some(cluster) = join() else { return };
    let gate = Gate::open_as(&cluster, HOME, SPEAKER);
    let node = "fault-node";
    with_client(
        cluster.netns(),
        &gate.kubeconfig(&cluster),
        async |client| {
            let writer = ServiceBgpStatusWriter::start(client, Config::new(HOME, node));
            let faults = [
                Fault::Status(429, "TooManyRequests", Some(1)),
                Fault::Status(500, "InternalError", None),
                Fault::Cut,
                Fault::Silence,
            ];
            for (number, fault) in faults.into_iter().enumerate() {
                gate.fail_times(1, fault, |seen| seen.method != "GET");
                let name = format!("web-{number}");
                let names: Vec<_> = (0..=number).map(|one| format!("web-{one}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                writer.set(announced(&names, &["tor"]));
                let shown = || {
                    statuses(&cluster, node)
                        .into_iter()
                        .find(|one| one["status"]["serviceName"] == *name)
                };
                until("it is there in spite of that", shown).await;
            }
            gate.fail_times(1, EXPIRED, |seen| seen.is_watch());
            gate.cut();
            let gone = statuses(&cluster, node)[0]["metadata"]["name"].clone();
            cluster
                .delete("ServiceBGPStatus", HOME, gone.as_str().expect("one"))
                .expect("deleted");
            until("it is there again", || {
                (statuses(&cluster, node).len() == 4).then_some(())
            })
            .await;
            writer.set(Verdicts::new());
            until("all are gone", || {
                statuses(&cluster, node).is_empty().then_some(())
            })
            .await;
        },
    );
}
