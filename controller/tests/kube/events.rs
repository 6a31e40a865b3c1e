//! Events.

use std::time::Duration;

use controller::kube::events::{About, Config, Event, EventWriter, Reporter, Severity};
use controller::kube::fence::Fence;
use controller::record::Assignment;
use http::Method;
use plan::alloc::{Outcome, Reason};
use plan::world::ObjectName;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fake::{Fake, Fault, Seen};

const SECOND: Duration = Duration::from_secs(1);

fn about(service: &str) -> About {
    let name = ObjectName {
        namespace: "web".into(),
        name: service.into(),
    };
    About::service(&name, "its-uid".into())
}

fn event(service: &str, note: &str) -> Event {
    Event {
        about: about(service),
        severity: Severity::Warning,
        reason: "AllocationFailed".into(),
        action: "AssignAddress",
        note: note.to_owned(),
        shared: false,
    }
}

fn start(fake: &Fake) -> EventWriter {
    let reporter = Reporter {
        controller: "herald-controller",
        instance: "pod".to_owned(),
    };
    EventWriter::start(fake.client(), Fence::open(), reporter, Config::default())
}

fn events(fake: &Fake) -> Vec<Value> {
    fake.objects().into_values().collect()
}

fn patches(fake: &Fake) -> Vec<Seen> {
    let writes = fake.writes().into_iter();
    writes.filter(|seen| seen.method == Method::PATCH).collect()
}

#[tokio::test(start_paused = true)]
async fn an_event_is_with_its_object_and_names_who_tells() {
    let fake = Fake::new();
    let writer = start(&fake);
    writer.tell(event("shop", "no available IPs"));
    sleep(SECOND).await;
    let path = &fake.writes()[0].path;
    assert_eq!(path, "/apis/events.k8s.io/v1/namespaces/web/events");
    let [event] = &events(&fake)[..] else {
        panic!("{:?}", events(&fake))
    };
    let name = event["metadata"]["name"].as_str().expect("one");
    assert!(name.starts_with("shop.") && name.len() == 5 + 16, "{name}");
    assert_eq!(
        event["regarding"],
        json!({
            "apiVersion": "v1", "kind": "Service", "namespace": "web", "name": "shop", "uid": "its-uid",
        })
    );
    let words = [
        "type",
        "reason",
        "action",
        "note",
        "reportingController",
        "reportingInstance",
    ];
    let words = words.map(|word| event[word].as_str().expect("a word"));
    assert_eq!(
        words,
        [
            "Warning",
            "AllocationFailed",
            "AssignAddress",
            "no available IPs",
            "herald-controller",
            "pod"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_again_is_counted() {
    let fake = Fake::new();
    let writer = start(&fake);
    for _ in 0..200 {
        writer.tell(event("shop", "no available IPs"));
        sleep(SECOND).await;
    }
    let [event] = &events(&fake)[..] else {
        panic!("{:?}", events(&fake))
    };
    assert_eq!(patches(&fake).len(), 3);
    let count = event["series"]["count"].as_u64().expect("a count");
    assert!((181..=184).contains(&count), "{count}");
    sleep(600 * SECOND).await;
    writer.tell(self::event("shop", "no available IPs"));
    sleep(SECOND).await;
    assert_eq!(events(&fake).len(), 2);
    assert_eq!(writer.counts().dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_before_the_event_was_written_is_in_it() {
    let fake = Fake::new();
    fake.judge(|_| Some(Fault::Slow(SECOND)));
    let writer = start(&fake);
    (0..3).for_each(|_| writer.tell(event("shop", "no available IPs")));
    sleep(2 * SECOND).await;
    let [event] = &events(&fake)[..] else {
        panic!("{:?}", events(&fake))
    };
    assert_eq!(event["series"]["count"], 3);
}

#[tokio::test(start_paused = true)]
async fn very_many_are_told_at_a_rate_and_the_rest_is_dropped_and_counted() {
    let fake = Fake::new();
    let writer = start(&fake);
    for number in 0..5_000 {
        writer.tell(event(&format!("shop-{number}"), "a"));
    }
    sleep(SECOND / 100).await;
    let at_once = fake.writes().len();
    assert!((100..=101).contains(&at_once), "{at_once}");
    sleep(10 * SECOND).await;
    let later = fake.writes().len();
    assert!((195..=205).contains(&later), "{later}");
    sleep(1_000 * SECOND).await;
    let told = fake.writes().len();
    assert!(told <= 2_000, "{told}");
    assert_eq!(told as u64 + writer.counts().dropped(), 5_000);
}

#[tokio::test(start_paused = true)]
async fn one_object_cannot_crowd_out_the_others() {
    let fake = Fake::new();
    let writer = start(&fake);
    (0..1_000).for_each(|number| writer.tell(event("noisy", &number.to_string())));
    writer.tell(event("quiet", "a"));
    sleep(SECOND).await;
    let events = events(&fake);
    let about = |name: &str| {
        events
            .iter()
            .filter(|event| event["regarding"]["name"] == name)
            .count()
    };
    assert_eq!((about("noisy"), about("quiet")), (25, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_gets_through_when_the_api_server_is_busy_and_is_dropped_when_it_will_not_have_it()
{
    let fake = Fake::new();
    let writer = start(&fake);
    let mut times = 2;
    fake.judge(move |_| {
        times -= 1;
        (times >= 0).then_some(Fault::Status(429, Some(1)))
    });
    writer.tell(event("shop", "a"));
    sleep(10 * SECOND).await;
    assert_eq!((events(&fake).len(), writer.counts().dropped()), (1, 0));
    fake.judge(|_| Some(Fault::Status(403, None)));
    writer.tell(event("shop", "b"));
    sleep(10 * SECOND).await;
    assert_eq!(writer.counts().dropped(), 1);
    fake.judge(|_| Some(Fault::Hang));
    writer.tell(event("shop", "c"));
    sleep(60 * SECOND).await;
    assert_eq!(writer.counts().dropped(), 2);
    fake.heal();
    writer.tell(event("shop", "c"));
    sleep(SECOND).await;
    assert_eq!(
        events(&fake).len(),
        2,
        "what was dropped is new when it happens again"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_made_without_an_answer_is_not_made_twice() {
    let fake = Fake::new();
    let mut first = true;
    fake.judge(move |_| std::mem::take(&mut first).then_some(Fault::DoneInSilence));
    let writer = start(&fake);
    writer.tell(event("shop", "a"));
    sleep(60 * SECOND).await;
    assert_eq!((events(&fake).len(), writer.counts().dropped()), (1, 0));
}

#[test]
fn what_a_round_did_is_told_by_metallbs_reasons() {
    let held = Assignment {
        addresses: ["10.0.0.1", "fd00::1"]
            .map(|one| one.parse().expect("one"))
            .into_iter()
            .collect(),
        pool: None,
    };
    let exhausted = || Reason::NoSuchPool("gold".into());
    let rows = [
        (Outcome::Kept, None),
        (Outcome::NotWanted, None),
        (Outcome::Assigned, Some((Severity::Normal, "IPAllocated"))),
        (
            Outcome::Pending(exhausted()),
            Some((Severity::Warning, "AllocationFailed")),
        ),
        (
            Outcome::Pending(Reason::Request("bad".to_owned())),
            Some((Severity::Warning, "LoadBalancerFailed")),
        ),
        (
            Outcome::Cleared(exhausted(), None),
            Some((Severity::Normal, "ClearAssignment")),
        ),
        (
            Outcome::KeptDespite(exhausted()),
            Some((Severity::Normal, "AdditionalAssignFailed")),
        ),
    ];
    for (outcome, expected) in rows {
        let event = Event::of_round(about("shop"), &outcome, Some(&held));
        let told = event.as_ref().map(|event| (event.severity, &*event.reason));
        assert_eq!(told, expected, "{outcome}");
    }
    let event = Event::of_round(about("shop"), &Outcome::Assigned, Some(&held)).expect("an Event");
    assert_eq!(event.note, "Assigned IP [10.0.0.1 fd00::1]");
}
