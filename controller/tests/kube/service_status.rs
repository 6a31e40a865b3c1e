//! The writer of Service status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use controller::kube::call::Failure;
use controller::kube::fence::Fence;
use controller::kube::leadership::Leadership;
use controller::kube::service_status::{
    ADDRESS_ASSIGNED, Config, Outcome, ServiceStatusWriter, Status, Wanted,
};
use controller::record::Assignment;
use k8s_openapi::api::core::v1::Service;
use plan::alloc::{Outcome as Round, Reason};
use plan::world::{IpFamily, ObjectName};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::fake::{Fake, Fault, Seen};

const SECOND: Duration = Duration::from_secs(1);
const POOL: &str = "metallb.io/ip-allocated-from-pool";

fn name(number: usize) -> ObjectName {
    ObjectName {
        namespace: "default".into(),
        name: format!("web-{number}").into(),
    }
}

fn path(number: usize) -> String {
    format!("/api/v1/namespaces/default/services/web-{number}")
}

/// So many Services in the API server.
fn services(fake: &Fake, count: usize) {
    (0..count).for_each(|number| drop(fake.put(&path(number), json!({"spec": {}}))));
}

fn start(fake: &Fake) -> ServiceStatusWriter {
    ServiceStatusWriter::start(fake.client(), Fence::open(), Config::default())
}

fn holding(address: &str) -> Status {
    let assignment = Assignment {
        addresses: [address.parse().expect("an address")].into_iter().collect(),
        pool: Some("gold".into()),
    };
    Status::new(Some(&assignment), &Round::Assigned)
}

fn pending() -> Status {
    let family = IpFamily::IPv4;
    let tried = vec!["gold".into()];
    Status::new(None, &Round::Pending(Reason::Exhausted { family, tried }))
}

/// That status for a Service, as the fake has it now.
fn wanted(fake: &Fake, number: usize, status: Status) -> Wanted {
    let object = fake.object(&path(number)).expect("a Service");
    let service: Service = serde_json::from_value(object.clone()).expect("a Service");
    Wanted {
        uid: object["metadata"]["uid"].as_str().expect("one").into(),
        resource_version: Some(version(&object)),
        status,
        there: Status::of(&service),
        round: 1,
        since: tokio::time::Instant::now(),
    }
}

fn version(object: &Value) -> Arc<str> {
    object["metadata"]["resourceVersion"]
        .as_str()
        .expect("one")
        .into()
}

fn submit(fake: &Fake, writer: &ServiceStatusWriter, number: usize, status: Status) {
    let change = (name(number), wanted(fake, number, status));
    writer.submit(BTreeMap::from([change]));
}

async fn outcomes(writer: &ServiceStatusWriter) -> BTreeMap<ObjectName, Outcome> {
    let outcomes = timeout(600 * SECOND, writer.outcomes()).await;
    let outcomes = outcomes.expect("outcomes").into_iter();
    outcomes
        .map(|(name, finished)| (name, finished.outcome))
        .collect()
}

/// The outcome of one change of one Service.
async fn write(fake: &Fake, writer: &ServiceStatusWriter, status: Status) -> Outcome {
    submit(fake, writer, 0, status);
    outcomes(writer)
        .await
        .remove(&name(0))
        .expect("its outcome")
}

fn status_now(fake: &Fake) -> Status {
    let object = fake.object(&path(0)).expect("a Service");
    Status::of(&serde_json::from_value(object).expect("a Service"))
}

#[tokio::test(start_paused = true)]
async fn addresses_pool_and_condition_are_one_request() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    let outcome = write(&fake, &writer, holding("10.0.0.1")).await;
    let service = fake.object(&path(0)).expect("a Service");
    let resource_version = version(&service);
    assert_eq!(outcome, Outcome::Written { resource_version });
    assert_eq!(
        service["status"]["loadBalancer"],
        json!({"ingress": [{"ip": "10.0.0.1"}]})
    );
    assert_eq!(service["metadata"]["annotations"][POOL], "gold");
    let condition = &service["status"]["conditions"][0];
    assert_eq!(condition["type"], ADDRESS_ASSIGNED);
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("True"), &json!("Assigned"))
    );
    assert_eq!(condition["message"], "10.0.0.1 from IPAddressPool gold");
    let [request] = &fake.writes()[..] else {
        panic!("{:?}", fake.writes())
    };
    assert_eq!(request.path, format!("{}/status", path(0)));
}

#[tokio::test(start_paused = true)]
async fn what_is_cleared_leaves_the_reason_and_what_is_not_ours_leaves_nothing() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    write(&fake, &writer, holding("10.0.0.1")).await;
    write(&fake, &writer, pending()).await;
    let status = status_now(&fake);
    assert!(status.addresses.is_empty() && status.pool.is_none());
    let condition = status.condition.expect("a condition");
    assert_eq!(
        (condition.is_true, &*condition.reason),
        (false, "NoAvailableIPs")
    );
    write(&fake, &writer, Status::new(None, &Round::NotWanted)).await;
    assert_eq!(status_now(&fake), Status::default());
}

#[tokio::test(start_paused = true)]
async fn a_write_of_which_nobody_was_told_is_not_forgotten_for_one_that_was_not_needed() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    submit(&fake, &writer, 0, pending());
    writer.settled().await;
    let mut again = wanted(&fake, 0, pending());
    again.round = 2;
    writer.submit(BTreeMap::from([(name(0), again)]));
    writer.settled().await;
    let finished = writer.outcomes().await.remove(&name(0)).expect("one");
    assert!(matches!(finished.outcome, Outcome::Written { .. }));
    assert_eq!(finished.round, 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_reason_is_written_again_only_if_it_is_about_something_else() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    write(&fake, &writer, pending()).await;
    assert_eq!(write(&fake, &writer, pending()).await, Outcome::Unchanged);
    assert_eq!(fake.writes().len(), 1);
    let mut of_another = pending();
    of_another.condition.as_mut().expect("one").message = "another address".to_owned();
    let outcome = write(&fake, &writer, of_another).await;
    assert!(matches!(outcome, Outcome::Written { .. }), "{outcome}");
    let condition = status_now(&fake).condition.expect("a condition");
    assert_eq!(condition.message, "another address");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_condition_changes_with_its_status_only() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    let old = json!([{
        "type": ADDRESS_ASSIGNED, "status": "False", "reason": "Old", "message": "",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
    }]);
    let mut service = fake.object(&path(0)).expect("a Service");
    service["status"]["conditions"] = old;
    fake.put(&path(0), service);
    let time = |fake: &Fake| {
        let service = fake.object(&path(0)).expect("a Service");
        service["status"]["conditions"][0]["lastTransitionTime"].clone()
    };
    write(&fake, &writer, pending()).await;
    assert_eq!(time(&fake), "2020-01-01T00:00:00Z");
    write(&fake, &writer, holding("10.0.0.1")).await;
    assert_ne!(time(&fake), "2020-01-01T00:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_service_made_anew_does_not_get_what_was_meant_for_the_old_one() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    let mut old = wanted(&fake, 0, holding("10.0.0.1"));
    old.resource_version = None;
    fake.delete(&path(0));
    fake.put(&path(0), json!({"metadata": {"uid": "another"}}));
    writer.submit(BTreeMap::from([(name(0), old.clone())]));
    assert_eq!(outcomes(&writer).await[&name(0)], Outcome::Conflict);
    assert_eq!(status_now(&fake), Status::default());
    fake.delete(&path(0));
    writer.submit(BTreeMap::from([(name(0), old)]));
    assert_eq!(outcomes(&writer).await[&name(0)], Outcome::Gone);
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_on_an_old_version_is_not_written() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    let old = wanted(&fake, 0, holding("10.0.0.1"));
    let service = fake.object(&path(0)).expect("a Service");
    fake.put(&path(0), service);
    writer.submit(BTreeMap::from([(name(0), old)]));
    assert_eq!(outcomes(&writer).await[&name(0)], Outcome::Conflict);
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_what_is_wanted_is_written_and_the_rest_is_not() {
    let fake = Fake::new();
    services(&fake, 1);
    fake.judge(|_| Some(Fault::Slow(SECOND)));
    let writer = start(&fake);
    submit(&fake, &writer, 0, holding("10.0.0.1"));
    sleep(SECOND / 2).await;
    for last in 2..=9 {
        submit(&fake, &writer, 0, holding(&format!("10.0.0.{last}")));
    }
    writer.settled().await;
    let written = status_now(&fake).addresses;
    assert_eq!(
        written.to_vec(),
        ["10.0.0.9".parse::<std::net::IpAddr>().expect("one")]
    );
    assert_eq!(
        fake.writes().len(),
        2,
        "our own write is no reason for a conflict"
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_flow_so_many_at_a_time() {
    let fake = Fake::new();
    services(&fake, 10_000);
    fake.judge(|_| Some(Fault::Slow(SECOND / 100)));
    let writer = start(&fake);
    let all = (0..10_000).map(|number| (name(number), wanted(&fake, number, holding("10.0.0.1"))));
    let began = Instant::now();
    writer.submit(all.collect());
    let mut written = 0;
    while written < 10_000 {
        let outcomes = outcomes(&writer).await;
        let good = |outcome: &&Outcome| matches!(outcome, Outcome::Written { .. });
        assert_eq!(outcomes.values().filter(good).count(), outcomes.len());
        written += outcomes.len();
    }
    // 10,000 in rows of 64, each 10 ms.
    let took = began.elapsed();
    assert!((1_560..=1_900).contains(&took.as_millis()), "{took:?}");
    assert_eq!(fake.writes().len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn an_address_goes_before_the_words_of_ten_thousand() {
    let fake = Fake::new();
    services(&fake, 1_001);
    fake.judge(|_| Some(Fault::Slow(SECOND)));
    let writer = start(&fake);
    let words = (0..1_000).map(|number| (name(number), wanted(&fake, number, pending())));
    writer.submit(words.collect());
    sleep(SECOND / 2).await;
    submit(&fake, &writer, 1_000, holding("10.0.0.1"));
    let began = Instant::now();
    while !outcomes(&writer).await.contains_key(&name(1_000)) {}
    assert!(began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_delays_no_other_and_is_tried_again() {
    let faults = [
        Fault::Status(429, Some(3)),
        Fault::Status(500, None),
        Fault::Status(503, Some(1)),
        Fault::Hang,
        Fault::DoneInSilence,
    ];
    for fault in faults {
        let fake = Fake::new();
        services(&fake, 100);
        let mut times = 2;
        fake.judge(move |seen: &Seen| {
            let is_bad = seen.path.contains("web-7/");
            times -= u32::from(is_bad && times > 0);
            (is_bad && times > 0).then_some(fault)
        });
        let writer = start(&fake);
        let all = (0..100).map(|number| (name(number), wanted(&fake, number, holding("10.0.0.1"))));
        let all: BTreeMap<_, _> = all
            .map(|(name, change)| {
                (
                    name,
                    Wanted {
                        resource_version: None,
                        ..change
                    },
                )
            })
            .collect();
        writer.submit(all);
        let first = outcomes(&writer).await;
        assert!(!first.contains_key(&name(7)), "{fault:?}");
        let began = Instant::now();
        writer.settled().await;
        assert!(
            began.elapsed() < 10 * SECOND,
            "{fault:?}: {:?}",
            began.elapsed()
        );
        let bad = fake.object(&path(7)).expect("a Service");
        assert_eq!(bad["metadata"]["annotations"][POOL], "gold", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_will_never_take_fails_at_once_and_what_never_comes_fails_in_the_end() {
    let fake = Fake::new();
    services(&fake, 1);
    let writer = start(&fake);
    fake.judge(|_| Some(Fault::Status(403, None)));
    let outcome = write(&fake, &writer, holding("10.0.0.1")).await;
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Refused(..))),
        "{outcome}"
    );
    assert_eq!(fake.writes().len(), 1);
    fake.judge(|_| Some(Fault::Status(503, None)));
    let outcome = write(&fake, &writer, holding("10.0.0.1")).await;
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Busy(..))),
        "{outcome}"
    );
    assert_eq!(fake.writes().len(), 1 + 8);
    assert_eq!(
        (writer.counts().requests(), writer.counts().failures()),
        (9, 9)
    );
    fake.heal();
    let outcome = write(&fake, &writer, holding("10.0.0.1")).await;
    assert!(matches!(outcome, Outcome::Written { .. }), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_all_is_not_stormed() {
    let fake = Fake::new();
    services(&fake, 1_000);
    fake.judge(|_| Some(Fault::Status(429, Some(1))));
    let writer = start(&fake);
    let all = (0..1_000).map(|number| (name(number), wanted(&fake, number, holding("10.0.0.1"))));
    writer.submit(all.collect());
    sleep(5 * SECOND).await;
    // Each once, and few twice.
    let seen = fake.writes().len();
    assert!((1_000..1_200).contains(&seen), "{seen} requests");
    fake.heal();
    writer.settled().await;
    assert!(
        fake.objects()
            .values()
            .all(|service| service["status"].is_object())
    );
}

fn lead(until: Option<Duration>) -> (watch::Sender<Leadership>, Fence) {
    let (lead, leadership) = watch::channel(Leadership::default());
    lead.send_modify(|leadership| leadership.until = until.map(|time| Instant::now() + time));
    (lead, Fence::of(leadership))
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_sends_nothing() {
    let fake = Fake::new();
    services(&fake, 1);
    let (lead, fence) = lead(None);
    let writer = ServiceStatusWriter::start(fake.client(), fence, Config::default());
    assert_eq!(
        write(&fake, &writer, holding("10.0.0.1")).await,
        Outcome::Fenced
    );
    assert_eq!(fake.seen().len(), 0);
    lead.send_modify(|leadership| leadership.until = Some(Instant::now() + SECOND));
    let outcome = write(&fake, &writer, holding("10.0.0.1")).await;
    assert!(matches!(outcome, Outcome::Written { .. }), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_leadership_ends_is_not_sent_and_what_is_on_its_way_is_given_up() {
    let fake = Fake::new();
    services(&fake, 500);
    fake.judge(|_| Some(Fault::Hang));
    let (_lead, fence) = lead(Some(2 * SECOND));
    let writer = ServiceStatusWriter::start(fake.client(), fence, Config::default());
    let all = (0..500).map(|number| (name(number), wanted(&fake, number, holding("10.0.0.1"))));
    writer.submit(all.collect());
    let began = Instant::now();
    writer.settled().await;
    assert!(
        began.elapsed() <= 2 * SECOND + SECOND / 10,
        "{:?}",
        began.elapsed()
    );
    assert_eq!(fake.seen().len(), 64);
    let outcomes = outcomes(&writer).await;
    assert_eq!(outcomes.len(), 500);
    assert!(outcomes.values().all(|outcome| *outcome == Outcome::Fenced));
}
