//! The writer of ServiceBGPStatus.

use std::collections::BTreeMap;
use std::time::Duration;

use controller::crd::service_bgp_status::BgpSessionState;
use controller::kube::service_bgp_status::{Config, Owner, ServiceBgpStatusWriter, Session};
use http::Method;
use plan::announce::{PeerNames, Verdict, Verdicts};
use plan::world::ObjectName;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fake::{Fake, Fault, Seen};

const SECOND: Duration = Duration::from_secs(1);
const COLLECTION: &str = "/apis/metallb.io/v1beta1/namespaces/herald-system/servicebgpstatuses";

fn start(fake: &Fake) -> ServiceBgpStatusWriter {
    let mut config = Config::new("herald-system", "node-1");
    config.owner = Some(Owner {
        pod: "speaker-abcde".to_owned(),
        uid: "pod-uid".to_owned(),
    });
    ServiceBgpStatusWriter::start(fake.client(), config)
}

fn service(number: usize) -> ObjectName {
    ObjectName {
        namespace: "web".into(),
        name: format!("shop-{number}").into(),
    }
}

fn announced(numbers: impl Iterator<Item = usize>, peers: &[&str]) -> Verdicts {
    let peers: PeerNames = peers.iter().map(|peer| (*peer).into()).collect();
    let verdict = Verdict::Announced { peers };
    numbers
        .map(|number| (service(number), verdict.clone()))
        .collect()
}

fn objects(fake: &Fake) -> Vec<Value> {
    fake.objects().into_values().collect()
}

/// The object about a Service of this node.
fn object(fake: &Fake, number: usize) -> Option<Value> {
    let name = format!("shop-{number}");
    objects(fake).into_iter().find(|object| {
        let labels = &object["metadata"]["labels"];
        labels["metallb.io/service-name"] == *name && labels["metallb.io/node"] == "node-1"
    })
}

/// One as another wrote it.
fn old(fake: &Fake, name: &str, node: &str, number: usize) {
    let object = json!({
        "apiVersion": "metallb.io/v1beta1",
        "kind": "ServiceBGPStatus",
        "metadata": {
            "labels": {
                "metallb.io/node": node,
                "metallb.io/service-name": format!("shop-{number}"),
                "metallb.io/service-namespace": "web",
            },
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "old", "uid": "old-uid"}],
        },
        "spec": {},
        "status": {"node": node, "serviceName": format!("shop-{number}"), "serviceNamespace": "web", "peers": ["tor"]},
    });
    fake.put(&format!("{COLLECTION}/{name}"), object);
}

fn deletions(seen: &[Seen]) -> usize {
    seen.iter()
        .filter(|seen| seen.method == Method::DELETE)
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_announced_has_an_object_that_says_to_whom() {
    let fake = Fake::new();
    let writer = start(&fake);
    let up = Session {
        state: BgpSessionState::Established,
        last_error: None,
    };
    writer.set_sessions(BTreeMap::from([("tor-a".into(), up)]));
    writer.set(announced(1..2, &["tor-a", "tor-b"]));
    sleep(SECOND).await;
    let made = object(&fake, 1).expect("an object");
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "pod-uid");
    assert_eq!(
        made["metadata"]["labels"]["metallb.io/service-namespace"],
        "web"
    );
    assert_eq!(
        made["status"],
        json!({
            "node": "node-1", "serviceName": "shop-1", "serviceNamespace": "web",
            "peers": ["tor-a", "tor-b"],
            "sessions": [
                {"peer": "tor-a", "state": "Established"},
                {"peer": "tor-b", "state": "Idle"},
            ],
        })
    );
    writer.set(announced(0..0, &[]));
    sleep(SECOND).await;
    assert!(objects(&fake).is_empty());
    assert_eq!(fake.writes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_shows_with_its_reason_on_each_service() {
    let fake = Fake::new();
    let writer = start(&fake);
    writer.set(announced(1..4, &["tor"]));
    sleep(SECOND).await;
    let down = Session {
        state: BgpSessionState::Active,
        last_error: Some("Hold Timer Expired".into()),
    };
    writer.set_sessions(BTreeMap::from([("tor".into(), down)]));
    sleep(SECOND).await;
    for number in 1..4 {
        let object = object(&fake, number).expect("an object");
        let session =
            json!([{"peer": "tor", "state": "Active", "lastError": "Hold Timer Expired"}]);
        assert_eq!(object["status"]["sessions"], session);
    }
}

#[tokio::test(start_paused = true)]
async fn what_earlier_pods_left_is_taken_over_and_what_is_too_much_is_deleted() {
    let fake = Fake::new();
    old(&fake, "bgp-aaaaa", "node-1", 1);
    old(&fake, "bgp-bbbbb", "node-1", 1);
    old(&fake, "bgp-ccccc", "node-1", 2);
    old(&fake, "bgp-ddddd", "node-2", 1);
    let writer = start(&fake);
    sleep(SECOND).await;
    let kept = fake
        .objects()
        .contains_key(&format!("{COLLECTION}/bgp-ccccc"));
    assert!(
        kept,
        "nothing is taken away before it is known what is announced"
    );
    writer.set(announced(1..2, &["tor"]));
    sleep(SECOND).await;
    let objects = fake.objects();
    let names: Vec<_> = objects
        .keys()
        .filter_map(|path| path.rsplit('/').next())
        .collect();
    assert_eq!(names, ["bgp-aaaaa", "bgp-ddddd"]);
    let taken_over = object(&fake, 1).expect("an object");
    assert_eq!(
        taken_over["metadata"]["ownerReferences"][0]["uid"],
        "pod-uid"
    );
    assert_eq!(taken_over["status"]["sessions"][0]["state"], "Idle");
    let others = &objects[&format!("{COLLECTION}/bgp-ddddd")];
    assert_eq!(others["metadata"]["ownerReferences"][0]["uid"], "old-uid");
}

#[tokio::test(start_paused = true)]
async fn what_others_delete_or_edit_is_put_right() {
    let fake = Fake::new();
    let writer = start(&fake);
    writer.set(announced(1..3, &["tor"]));
    sleep(SECOND).await;
    let before = fake.objects();
    let paths: Vec<&String> = before.keys().collect();
    fake.delete(paths[0]);
    let mut edited = before[paths[1]].clone();
    edited["status"]["peers"] = json!(["nobody"]);
    fake.put(paths[1], edited);
    sleep(SECOND).await;
    let statuses = |objects: BTreeMap<String, Value>| -> Vec<Value> {
        objects
            .into_values()
            .map(|mut object| object["status"].take())
            .collect()
    };
    assert_eq!(statuses(fake.objects()), statuses(before));
}

#[tokio::test(start_paused = true)]
async fn very_many_are_written_at_a_rate_and_deletions_go_first() {
    let fake = Fake::new();
    (0..200).for_each(|number| old(&fake, &format!("bgp-{number}"), "node-1", number));
    let writer = start(&fake);
    writer.set(announced(1_000..11_000, &["tor"]));
    sleep(SECOND / 10).await;
    let at_once = fake.writes();
    assert!((100..=103).contains(&at_once.len()), "{}", at_once.len());
    assert_eq!(deletions(&at_once), at_once.len());
    sleep(9 * SECOND).await;
    let later = fake.writes();
    assert!((270..=290).contains(&later.len()), "{}", later.len());
    assert_eq!(deletions(&later), 200);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_delays_no_other_and_is_written_in_the_end() {
    for fault in [
        Fault::Hang,
        Fault::DoneInSilence,
        Fault::Status(500, None),
        Fault::Status(429, Some(1)),
        Fault::Status(409, None),
    ] {
        let fake = Fake::new();
        let mut times = 3;
        fake.judge(move |seen| {
            let is_bad = seen.body["metadata"]["labels"]["metallb.io/service-name"] == "shop-2";
            times -= i32::from(is_bad);
            (is_bad && times > 0).then_some(fault)
        });
        let writer = start(&fake);
        writer.set(announced(1..4, &["tor"]));
        sleep(2 * SECOND).await;
        for number in [1, 3] {
            let object = object(&fake, number).expect("an object");
            assert_eq!(object["status"]["peers"], json!(["tor"]), "{fault:?}");
        }
        sleep(60 * SECOND).await;
        let object = object(&fake, 2).unwrap_or_else(|| panic!("{fault:?}: none"));
        assert_eq!(object["status"]["peers"], json!(["tor"]), "{fault:?}");
        assert_eq!(objects(&fake).len(), 3, "{fault:?}");
    }
}
