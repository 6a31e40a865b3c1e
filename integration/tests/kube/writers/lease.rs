//! Leader election.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use controller::kube::fence::Fence;
use controller::kube::leadership::Leadership;
use controller::kube::lease::{Config, Election};
use integration::kube::ControlPlane;
use integration::kube::gate::{Fault, Gate};
use integration::wait::{LATER, SOON, eventually};
use kube::Client;
use serde_json::Value;

use super::{as_account, soon, with_client, within};
use crate::rbac::{CONTROLLER, HOME, join};

/// Short, so that one that is lost is found soon.
const LEASE: Duration = Duration::from_secs(3);
/// So long that whoever waits for it to run out waits in vain.
const LONG: Duration = Duration::from_secs(600);

fn start(client: Client, lease: &str, identity: &str, duration: Duration) -> Election {
    let mut config = Config::new(HOME, identity).with_lease_duration(duration);
    config.name = lease.to_owned();
    Election::start(client, config).expect("good times")
}

async fn leads(election: &Election) {
    let mut leadership = election.leadership();
    let told = within(LATER, "it leads", leadership.wait_for(Leadership::is_ours)).await;
    drop(told.expect("it runs"));
}

fn spec(cluster: &ControlPlane, lease: &str) -> Value {
    cluster.get("Lease", HOME, lease).expect("a Lease")["spec"].clone()
}

#[test]
fn when_the_leader_is_lost_another_takes_over() {
    let Some(cluster) = join() else { return };
    let lease = "lost";
    as_account(&cluster, CONTROLLER, async |client| {
        let first = start(client.clone(), lease, "a", LEASE);
        leads(&first).await;
        let second = start(client, lease, "b", LEASE);
        let lost = Instant::now();
        drop(first);
        leads(&second).await;
        println!("took over {:?} after the leader was lost", lost.elapsed());
        assert_eq!(spec(&cluster, lease)["holderIdentity"], **second.identity());
        assert_eq!(spec(&cluster, lease)["leaseTransitions"], 1);
    });
}

#[test]
fn a_leader_that_resigns_does_not_keep_others_waiting_for_its_lease() {
    let Some(cluster) = join() else { return };
    as_account(&cluster, CONTROLLER, async |client| {
        let first = start(client.clone(), "resigned", "a", LONG);
        leads(&first).await;
        let second = start(client, "resigned", "b", LONG);
        let mut seen = second.leadership();
        let knows = seen.wait_for(|leadership| leadership.holder.is_some());
        drop(soon("it knows the leader", knows).await.expect("it runs"));
        let resigned = Instant::now();
        soon("it resigns", async {
            first.resign().await.give_back().await
        })
        .await;
        leads(&second).await;
        println!(
            "took over {:?} after the leader resigned",
            resigned.elapsed()
        );
    });
}

#[test]
fn a_lease_is_shown_as_kubectl_shows_leases() {
    let Some(cluster) = join() else { return };
    as_account(&cluster, CONTROLLER, async |client| {
        let election = start(client, "shown", "the-pod", LEASE);
        leads(&election).await;
        let shown = cluster.kubectl(&["get", "lease", "-n", HOME, "shown"], "");
        assert!(
            shown.as_ref().is_ok_and(|shown| shown.contains("the-pod_")),
            "{shown:?}"
        );
        let spec = spec(&cluster, "shown");
        assert_eq!(spec["leaseDurationSeconds"], 3);
        assert!(spec["renewTime"].is_string() && spec["acquireTime"].is_string());
    });
}

#[test]
fn a_lease_that_is_deleted_is_made_anew() {
    let Some(cluster) = join() else { return };
    as_account(&cluster, CONTROLLER, async |client| {
        let election = start(client, "deleted", "a", LEASE);
        leads(&election).await;
        let since = election.leadership().borrow().since.clone();
        cluster.delete("Lease", HOME, "deleted").expect("deleted");
        let mut leadership = election.leadership();
        let again = leadership.wait_for(|now| now.is_ours() && now.since != since);
        drop(soon("it leads again", again).await.expect("it runs"));
    });
}

/// Leads, tells its fence, freezes for three leases, and says whether it then may write.
async fn freeze_as_leader(client: Client, lease: &str, told: mpsc::Sender<Fence>) -> bool {
    let election = start(client, lease, "frozen", LEASE);
    leads(&election).await;
    told.send(election.fence()).expect("somebody listens");
    // Nothing of this runtime runs meanwhile: what SIGSTOP does.
    std::thread::sleep(3 * LEASE);
    let may_write = election.fence().may_write(tokio::time::Instant::now());
    let mut leadership = election.leadership();
    let lost = leadership.wait_for(|leadership| !leadership.is_ours());
    drop(soon("it is told", lost).await.expect("it runs"));
    may_write
}

#[test]
fn a_leader_that_was_frozen_does_not_write_when_it_wakes() {
    let Some(cluster) = join() else { return };
    let (told, fences) = mpsc::channel();
    std::thread::scope(|scope| {
        let frozen = scope.spawn(|| {
            as_account(&cluster, CONTROLLER, async |client| {
                freeze_as_leader(client, "frozen", told).await
            })
        });
        let fence = fences.recv_timeout(LATER).expect("it leads");
        as_account(&cluster, CONTROLLER, async |client| {
            let other = start(client, "frozen", "other", LEASE);
            leads(&other).await;
            assert!(!fence.may_write(tokio::time::Instant::now()), "both lead");
        });
        let may_write = frozen.join().expect("no panic");
        assert!(!may_write, "it may write when it wakes");
    });
}

#[test]
fn a_leader_that_the_api_does_not_answer_stops_before_another_begins() {
    let Some(cluster) = join() else { return };
    let gate = Gate::open_as(&cluster, HOME, CONTROLLER);
    let cut_off = gate.kubeconfig(&cluster);
    with_client(cluster.netns(), &cut_off, async |client| {
        let first = start(client, "silence", "a", LEASE);
        leads(&first).await;
        gate.fail(Fault::Silence, |_| true);
        let fence = first.fence();
        let direct = cluster.kubeconfig(HOME, CONTROLLER);
        let direct = controller::kube::client::connect(Some(&direct)).await;
        let second = start(direct.expect("a client"), "silence", "b", LEASE);
        let other = second.fence();
        let both = async {
            loop {
                let now = tokio::time::Instant::now();
                assert!(!(fence.may_write(now) && other.may_write(now)), "both lead");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = both => {}
            () = leads(&second) => {}
        }
        assert!(!fence.may_write(tokio::time::Instant::now()));
    });
}

#[test]
fn a_leader_goes_on_through_errors_and_broken_connections() {
    let Some(cluster) = join() else { return };
    let gate = Gate::open_as(&cluster, HOME, CONTROLLER);
    with_client(
        cluster.netns(),
        &gate.kubeconfig(&cluster),
        async |client| {
            let election = start(client, "errors", "a", Duration::from_secs(15));
            leads(&election).await;
            let since = election.leadership().borrow().since.clone();
            let renewed = || spec(&cluster, "errors")["renewTime"].clone();
            for fault in [
                Fault::Status(429, "TooManyRequests", Some(1)),
                Fault::Status(500, "InternalError", None),
                Fault::Cut,
            ] {
                gate.fail_times(1, fault, |seen| seen.method == "PATCH");
                let before = renewed();
                let again = async {
                    while renewed() == before {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                };
                within(SOON, "it is renewed", again).await;
            }
            gate.cut();
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(
                election.leadership().borrow().since,
                since,
                "it leads without a break"
            );
        },
    );
    eventually("the Lease is still there", SOON, || {
        cluster
            .get("Lease", HOME, "errors")
            .map_err(|failure| failure.to_string())
    });
}
