//! The writer of IPAddressPool status.

use std::collections::BTreeMap;
use std::time::Duration;

use controller::crd::ip_address_pool::IPAddressPoolStatus;
use controller::kube::fence::Fence;
use controller::kube::pool_status::{PoolStatusWriter, Pools, Wanted};
use serde_json::json;
use tokio::time::sleep;

use crate::fake::{Fake, Fault};

const SECOND: Duration = Duration::from_secs(1);

fn path(pool: &str) -> String {
    format!("/apis/metallb.io/v1beta1/namespaces/herald-system/ipaddresspools/{pool}")
}

fn start(fake: &Fake) -> PoolStatusWriter {
    PoolStatusWriter::start(fake.client(), Fence::open(), "herald-system")
}

fn status(assigned: i64) -> IPAddressPoolStatus {
    IPAddressPoolStatus {
        assigned_ipv4: assigned,
        available_ipv4: 100 - assigned,
        ..IPAddressPoolStatus::default()
    }
}

/// What is there now, as its caller reads it.
fn there(fake: &Fake, pool: &str) -> Option<IPAddressPoolStatus> {
    let object = fake.object(&path(pool))?;
    serde_json::from_value(object["status"].clone()).ok()
}

/// Those pools, each with so many in use.
fn pools(fake: &Fake, pools: &[(&str, i64)]) -> Pools {
    let wanted = |(name, assigned): &(&str, i64)| {
        let wanted = Wanted {
            status: status(*assigned),
            there: there(fake, name),
        };
        ((*name).into(), wanted)
    };
    pools.iter().map(wanted).collect()
}

fn make(fake: &Fake, pool: &str) {
    fake.put(&path(pool), json!({"spec": {}}));
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_written_and_nothing_else() {
    let fake = Fake::new();
    make(&fake, "gold");
    make(&fake, "silver");
    let writer = start(&fake);
    writer.set(pools(&fake, &[("gold", 1), ("silver", 0)]));
    sleep(SECOND).await;
    assert_eq!(there(&fake, "gold"), Some(status(1)));
    let object = fake.object(&path("gold")).expect("a pool");
    assert_eq!(object["status"]["assignedIPv4"], 1);
    for _ in 0..10 {
        writer.set(pools(&fake, &[("gold", 1), ("silver", 0)]));
        sleep(SECOND).await;
    }
    assert_eq!(fake.writes().len(), 2);
    writer.set(pools(&fake, &[("gold", 1), ("silver", 7)]));
    sleep(SECOND).await;
    assert_eq!(there(&fake, "silver"), Some(status(7)));
    assert_eq!(fake.writes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_has_not_yet_seen_the_write_does_not_cause_another() {
    let fake = Fake::new();
    make(&fake, "gold");
    let writer = start(&fake);
    let unaware = pools(&fake, &[("gold", 1)]);
    for _ in 0..10 {
        writer.set(unaware.clone());
        sleep(SECOND).await;
    }
    assert_eq!(fake.writes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_one_write_a_second_and_the_last_is_written() {
    let fake = Fake::new();
    make(&fake, "gold");
    let writer = start(&fake);
    for assigned in 1..=100 {
        writer.set(pools(&fake, &[("gold", assigned)]));
        sleep(SECOND / 10).await;
    }
    sleep(SECOND).await;
    let writes = fake.writes().len();
    assert!((10..=11).contains(&writes), "{writes} writes in 11 s");
    assert_eq!(there(&fake, "gold"), Some(status(100)));
}

#[tokio::test(start_paused = true)]
async fn what_was_edited_by_hand_is_put_right() {
    let fake = Fake::new();
    make(&fake, "gold");
    let writer = start(&fake);
    for _ in 0..3 {
        let edited = json!({"spec": {}, "status": {"assignedIPv4": 99}});
        fake.put(&path("gold"), edited);
        for _ in 0..2 {
            writer.set(pools(&fake, &[("gold", 1)]));
            sleep(2 * SECOND).await;
        }
        assert_eq!(there(&fake, "gold"), Some(status(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_cannot_be_written_delays_no_other() {
    for fault in [
        Fault::Hang,
        Fault::Status(500, None),
        Fault::Status(429, Some(2)),
        Fault::Status(403, None),
    ] {
        let fake = Fake::new();
        make(&fake, "gold");
        make(&fake, "silver");
        fake.judge(move |seen| seen.path.contains("gold").then_some(fault));
        let writer = start(&fake);
        // One that is gone, too.
        writer.set(pools(&fake, &[("bronze", 1), ("gold", 1), ("silver", 1)]));
        sleep(SECOND).await;
        assert_eq!(there(&fake, "silver"), Some(status(1)), "{fault:?}");
        sleep(30 * SECOND).await;
        let writes = fake.writes().len();
        assert!(writes < 15, "{fault:?}: {writes} writes in 30 s");
        fake.heal();
        writer.set(pools(&fake, &[("gold", 2), ("silver", 1)]));
        sleep(20 * SECOND).await;
        assert_eq!(there(&fake, "gold"), Some(status(2)), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_writes_nothing() {
    let fake = Fake::new();
    make(&fake, "gold");
    let (_lead, leadership) = tokio::sync::watch::channel(Default::default());
    let fence = Fence::of(leadership);
    let writer = PoolStatusWriter::start(fake.client(), fence, "herald-system");
    writer.set(pools(&fake, &[("gold", 1)]));
    writer.set(BTreeMap::new());
    sleep(SECOND).await;
    assert!(fake.seen().is_empty());
}
