//! Leader election.

use std::time::Duration;

use controller::kube::leadership::Leadership;
use controller::kube::lease::{Config, Election};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::fake::{Fake, Fault, Seen};

const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/herald-system/leases/herald-controller";
const SECOND: Duration = Duration::from_secs(1);

fn start(fake: &Fake, name: &str) -> Election {
    let config = Config::new("herald-system", name);
    Election::start(fake.client(), config).expect("good times")
}

/// Waits for leadership, or its end; how long that took.
async fn until(election: &Election, leads: bool) -> Duration {
    let began = Instant::now();
    let mut leadership = election.leadership();
    let told = leadership.wait_for(|leadership| leadership.is_ours() == leads);
    let told = timeout(600 * SECOND, told).await;
    assert!(told.is_ok(), "leads: {leads} is never told");
    began.elapsed()
}

fn holder(fake: &Fake) -> String {
    let lease = fake.object(LEASE).expect("a Lease");
    lease["spec"]["holderIdentity"]
        .as_str()
        .expect("one")
        .to_owned()
}

fn transitions(fake: &Fake) -> Value {
    fake.object(LEASE).expect("a Lease")["spec"]["leaseTransitions"].clone()
}

fn may_write(leadership: &watch::Receiver<Leadership>) -> bool {
    leadership.borrow().may_write(Instant::now())
}

fn is_lease_write(seen: &Seen) -> bool {
    seen.method != Method::GET
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_goes_on_to() {
    let fake = Fake::new();
    let (first, second) = (start(&fake, "a"), start(&fake, "b"));
    sleep(SECOND).await;
    let leads = [&first, &second].map(|election| election.leadership().borrow().is_ours());
    assert_eq!(leads.iter().filter(|leads| **leads).count(), 1);
    let leader = [&first, &second][usize::from(leads[1])];
    for _ in 0..600 {
        sleep(SECOND).await;
        assert!(may_write(&leader.leadership()));
    }
    assert_eq!(holder(&fake), **leader.identity());
    assert_eq!(transitions(&fake), 0);
    let other = [&first, &second][usize::from(leads[0])];
    assert_eq!(
        other.leadership().borrow().holder.as_ref(),
        Some(leader.identity())
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_no_news() {
    let fake = Fake::new();
    let election = start(&fake, "a");
    until(&election, true).await;
    let mut leadership = election.leadership();
    leadership.mark_unchanged();
    let first = leadership.borrow().until;
    sleep(60 * SECOND).await;
    assert!(!leadership.has_changed().expect("it runs"));
    assert!(leadership.borrow().until > first);
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_is_killed_another_takes_over_within_one_lease() {
    let fake = Fake::new();
    let first = start(&fake, "a");
    until(&first, true).await;
    let second = start(&fake, "b");
    sleep(20 * SECOND).await;
    drop(first);
    let took = until(&second, true).await;
    assert!((12 * SECOND..=15 * SECOND).contains(&took), "{took:?}");
    assert_eq!(transitions(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_a_dead_leaders_lease_runs_waits_all_of_it() {
    let fake = Fake::new();
    let first = start(&fake, "a");
    until(&first, true).await;
    drop(first);
    sleep(10 * SECOND).await;
    let second = start(&fake, "b");
    let took = until(&second, true).await;
    assert!((15 * SECOND..=16 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_resigns_is_followed_at_once() {
    let fake = Fake::new();
    let first = start(&fake, "a");
    until(&first, true).await;
    let fence = first.fence();
    let second = start(&fake, "b");
    sleep(20 * SECOND).await;
    let resignation = first.resign().await;
    assert!(!fence.may_write(Instant::now()));
    sleep(5 * SECOND).await;
    assert!(
        !second.leadership().borrow().is_ours(),
        "it is not given back yet"
    );
    resignation.give_back().await;
    let took = until(&second, true).await;
    assert!(took < SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_while_a_renewal_is_on_its_way_is_given_back() {
    let fake = Fake::new();
    let election = start(&fake, "a");
    until(&election, true).await;
    fake.judge(|seen| is_lease_write(seen).then_some(Fault::Slow(SECOND / 2)));
    let before = fake.writes().len();
    while fake.writes().len() == before {
        sleep(SECOND / 100).await;
    }
    election.resign().await.give_back().await;
    assert_eq!(holder(&fake), "");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_others_changed_is_given_back_too() {
    let fake = Fake::new();
    let election = start(&fake, "a");
    until(&election, true).await;
    let resignation = election.resign().await;
    let mut lease = fake.object(LEASE).expect("a Lease");
    lease["metadata"]["labels"] = json!({"by": "hand"});
    fake.put(LEASE, lease);
    resignation.give_back().await;
    assert_eq!(holder(&fake), "");
    let labels = &fake.object(LEASE).expect("a Lease")["metadata"]["labels"];
    assert_eq!(*labels, json!({"by": "hand"}));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_frozen_does_not_write_when_it_wakes() {
    let fake = Fake::new();
    let election = start(&fake, "a");
    until(&election, true).await;
    let fence = election.fence();
    sleep(SECOND).await;
    // Time goes on, and no task of this runtime runs: what SIGSTOP does.
    advance(11 * SECOND).await;
    assert!(!fence.may_write(Instant::now()));
    assert_eq!(fence.permit(Instant::now()).ok(), None);
    // It then sees that nobody took over, and leads again.
    until(&election, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_frozen_sees_who_took_over() {
    let fake = Fake::new();
    let election = start(&fake, "a");
    until(&election, true).await;
    let mut lease = fake.object(LEASE).expect("a Lease");
    lease["spec"]["holderIdentity"] = json!("other");
    lease["spec"]["leaseTransitions"] = json!(1);
    advance(20 * SECOND).await;
    fake.judge(|seen| seen.query.contains("watch").then_some(Fault::Hang));
    fake.put(LEASE, lease);
    until(&election, false).await;
    sleep(5 * SECOND).await;
    let leadership = election.leadership().borrow().clone();
    assert_eq!(leadership.holder.as_deref(), Some("other"));
    assert_eq!((leadership.until, leadership.transitions), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn while_the_api_hangs_the_leader_stops_before_anybody_could_take_over() {
    let fake = Fake::new();
    let (first, second) = (start(&fake, "a"), start(&fake, "b"));
    until(&first, true).await;
    sleep(10 * SECOND).await;
    fake.judge(|_| Some(Fault::Hang));
    let took = until(&first, false).await;
    assert!((7 * SECOND..=10 * SECOND).contains(&took), "{took:?}");
    fake.heal();
    sleep(30 * SECOND).await;
    let leads = [&first, &second].map(|election| election.leadership().borrow().is_ours());
    assert_eq!(leads.iter().filter(|leads| **leads).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn at_no_time_do_two_lead_while_the_api_comes_and_goes() {
    let fake = Fake::new();
    let elections = ["a", "b", "c"].map(|name| start(&fake, name));
    let fences = elections.each_ref().map(Election::fence);
    let (mut led, mut number) = (0, 0_u32);
    let faults = [
        Some(Fault::Hang),
        None,
        Some(Fault::Status(503, Some(1))),
        Some(Fault::DoneInSilence),
        None,
        Some(Fault::Slow(4 * SECOND)),
    ];
    for round in 0..600 {
        let fault = faults[round / 7 % faults.len()];
        fake.judge(move |seen| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let now_and_then = number >> 24 < 200;
            fault.filter(|_| now_and_then || !is_lease_write(seen))
        });
        for _ in 0..10 {
            sleep(SECOND / 10).await;
            let now = Instant::now();
            let open = fences.iter().filter(|fence| fence.may_write(now)).count();
            assert!(open <= 1, "{open} lead");
            led += open;
        }
    }
    assert!(
        led > 2_000,
        "somebody leads most of the time: {led} of 6,000"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_came_is_found_out() {
    let fake = Fake::new();
    let mut first = true;
    fake.judge(move |seen| {
        let lost = is_lease_write(seen) && std::mem::take(&mut first);
        lost.then_some(Fault::DoneInSilence)
    });
    let election = start(&fake, "a");
    let took = until(&election, true).await;
    assert!(took < 8 * SECOND, "{took:?}");
    assert_eq!(holder(&fake), **election.identity());
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_is_deleted_stops_and_makes_it_anew() {
    let fake = Fake::new();
    let (first, second) = (start(&fake, "a"), start(&fake, "b"));
    until(&first, true).await;
    sleep(20 * SECOND).await;
    let since = first.leadership().borrow().since.clone();
    fake.delete(LEASE);
    first
        .leadership()
        .wait_for(|now| now.since != since)
        .await
        .expect("it runs");
    until(&first, true).await;
    assert_ne!(first.leadership().borrow().since, since);
    assert!(!second.leadership().borrow().is_ours());
}

#[tokio::test(start_paused = true)]
async fn whoever_sees_a_lease_deleted_waits_as_long_as_it_was_held() {
    let fake = Fake::new();
    let first = start(&fake, "a");
    until(&first, true).await;
    let second = start(&fake, "b");
    sleep(20 * SECOND).await;
    drop(first);
    fake.delete(LEASE);
    let took = until(&second, true).await;
    assert!((12 * SECOND..=15 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_without_a_holder_or_with_nonsense_is_taken() {
    let rows = [
        (json!({}), Duration::ZERO),
        (json!({"holderIdentity": ""}), Duration::ZERO),
        (
            json!({"holderIdentity": "x", "leaseDurationSeconds": -5}),
            15 * SECOND,
        ),
        (
            json!({"holderIdentity": "x", "leaseDurationSeconds": 4, "leaseTransitions": -3}),
            4 * SECOND,
        ),
        (
            json!({"holderIdentity": "x", "leaseDurationSeconds": 2_000_000_000}),
            3_600 * SECOND,
        ),
    ];
    for (spec, expected) in rows {
        let fake = Fake::new();
        fake.put(LEASE, json!({"spec": spec}));
        let election = start(&fake, "a");
        let mut leadership = election.leadership();
        let began = Instant::now();
        leadership
            .wait_for(Leadership::is_ours)
            .await
            .expect("it runs");
        let took = began.elapsed();
        assert!(
            (expected..expected + SECOND).contains(&took),
            "{spec}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_leases_to_read_the_api_is_asked_once_a_retry_period() {
    let fake = Fake::new();
    fake.judge(|_| Some(Fault::Status(403, None)));
    let election = start(&fake, "a");
    sleep(100 * SECOND).await;
    assert!(!election.leadership().borrow().is_ours());
    let seen = fake.seen().into_iter();
    let (watches, looks): (Vec<Seen>, Vec<Seen>) =
        seen.partition(|seen| seen.query.contains("watch"));
    assert!((40..=51).contains(&looks.len()), "{} looks", looks.len());
    assert!(
        (40..=51).contains(&watches.len()),
        "{} watches",
        watches.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_sees_renewals_asks_nothing() {
    let fake = Fake::new();
    let first = start(&fake, "a");
    until(&first, true).await;
    let before = fake.seen().len();
    let second = start(&fake, "b");
    sleep(100 * SECOND).await;
    let by_both = fake.seen().len() - before;
    // Its first look, its watch, and the renewals of the other.
    assert!(by_both <= 2 + 51, "{by_both} requests");
    drop(second);
}

#[test]
fn times_that_do_not_go_together_are_refused() {
    let config = Config::new("a", "b");
    let rows: [fn(&mut Config); 5] = [
        |config| config.lease_duration = Duration::from_millis(1_500),
        |config| config.lease_duration = Duration::ZERO,
        |config| config.renew_deadline = config.lease_duration,
        |config| config.retry_period = Duration::ZERO,
        |config| config.retry_period = config.renew_deadline,
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    let client = Fake::new().client();
    for row in rows {
        let mut wrong = config.clone();
        row(&mut wrong);
        assert!(Election::start(client.clone(), wrong).is_err());
    }
    assert!(Election::start(client, config).is_ok());
}
