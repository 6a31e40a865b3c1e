//! Several replicas: one leads, and another takes over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use integration::Lab;
use integration::kube::balancer::{Balancer, addresses};
use integration::kube::herald::Installation;
use integration::kube::shared::Shared;
use integration::kube::{ControlPlane, NEEDS};
use integration::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

/// Who holds the Lease: the number of the replica.
fn leader(cluster: &ControlPlane, balancer: &Balancer<'_>) -> Option<usize> {
    let leases = cluster.list("Lease", balancer.herald.namespace());
    let leases = leases.unwrap_or_default();
    let holder = leases.first()?["spec"]["holderIdentity"].as_str()?;
    let (name, _) = holder.split_once('_')?;
    let number: usize = name.strip_prefix("controller-")?.parse().ok()?;
    Some(number - 1)
}

fn await_leader(cluster: &ControlPlane, balancer: &Balancer<'_>) -> usize {
    eventually("one leads", LATER, || {
        leader(cluster, balancer).ok_or_else(|| "nobody leads".to_owned())
    })
}

#[test]
fn another_replica_takes_over_within_a_second_of_sigterm() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let mut balancer = Balancer::with_replicas(&cluster, &cluster.lab, 2, &[]);
    balancer.pool("pool", &["10.54.0.0/24"], json!({}));
    balancer.service("before", json!({}));
    balancer.await_any("before");
    let first = await_leader(&cluster, &balancer);
    let signalled = Instant::now();
    balancer.replicas[first].terminate();
    let ended = signalled.elapsed();
    balancer.service("after", json!({}));
    let address = balancer.await_any("after");
    let took = signalled.elapsed();
    assert_eq!(address.to_string(), "10.54.0.1");
    assert_eq!(leader(&cluster, &balancer), Some(1 - first));
    // Far below the 15 s of a Lease that nobody gave back; a busy machine may be slow.
    eprintln!("SIGTERM: ended after {ended:?}, another gives addresses after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn each_replica_says_whether_it_leads_or_who_does() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::with_replicas(&cluster, &cluster.lab, 2, &[]);
    balancer.pool("pool", &["10.54.1.0/24"], json!({}));
    balancer.service("web", json!({}));
    balancer.await_any("web");
    let first = await_leader(&cluster, &balancer);
    for (replica, says) in [
        (first, "leads".to_owned()),
        (1 - first, format!("stands by, controller-{}_", first + 1)),
    ] {
        let head = format!("controller controller-{}: {says}", replica + 1);
        let text = eventually(&head, SOON, || {
            let text = balancer.replicas[replica].overview_text()?;
            match text.starts_with(&head) && text.contains("10.54.1.0") {
                true => Ok(text),
                false => Err(text),
            }
        });
        assert!(!text.contains("node") && !text.contains("peers"), "{text}");
    }
}

#[test]
fn a_replica_whose_port_is_taken_says_so_and_takes_no_lease() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let herald = Installation::add(&cluster);
    let mut replica = herald.controller(&cluster, &cluster.lab, "replica");
    let address = replica.metrics();
    let taken = cluster.netns().enter(|| TcpListener::bind(address));
    let taken = taken.expect("a port");
    let (code, said) = replica.fail_to_launch(cluster.netns());
    assert_eq!(code, Some(1), "{said}");
    let words = format!("cannot serve metrics at {address}");
    assert!(
        said.contains(&words) && said.contains("--metrics"),
        "{said}"
    );
    let leases = || cluster.list("Lease", herald.namespace()).expect("a list");
    assert_eq!(leases(), [Value::Null; 0]);
    drop(taken);
    replica.launch(cluster.netns());
    eventually("it leads", SOON, || match leases().len() {
        1 => Ok(()),
        other => Err(format!("{other} Leases")),
    });
}

/// How many Services are made while leaders are killed.
const SERVICES: usize = 1_000;
/// How many at a time.
const THREADS: usize = 4;

/// Kills whoever leads, again and again, until `done`; how often.
fn kill_leaders(
    cluster: &ControlPlane,
    balancer: &mut Balancer<'_>,
    done: impl Fn() -> bool,
) -> usize {
    let mut kills = 0;
    // Times that are no multiples of anything that the leader does.
    for pause in [1_310, 2_730, 870, 3_190, 1_970].iter().cycle() {
        if done() {
            break;
        }
        std::thread::sleep(Duration::from_millis(*pause));
        let Some(leader) = leader(cluster, balancer) else {
            continue;
        };
        balancer.replicas[leader].kill();
        kills += 1;
        balancer.launch(leader);
    }
    kills
}

/// Every address that each Service ever had.
fn histories(
    changes: Vec<integration::kube::watch::Change>,
) -> BTreeMap<String, BTreeSet<Vec<String>>> {
    let mut histories: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for change in changes {
        let name = change.object["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        let held = addresses(&change.object);
        if !held.is_empty() {
            histories.entry(name.to_owned()).or_default().insert(held);
        }
    }
    histories
}

#[test]
fn leaders_killed_at_any_time_give_no_address_twice_change_none_and_leak_none() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let cluster = ControlPlane::start_without_heartbeats(&lab);
    let lease = ["--lease-duration", "3s"];
    let mut balancer = Balancer::with_replicas(&cluster, &lab, 2, &lease);
    // As many as there are Services: one that leaks is one too few.
    balancer.pool("pool", &["10.55.0.0-10.55.3.231"], json!({}));
    let watch = cluster
        .watch("Service", &balancer.namespace)
        .expect("a watch");
    let manifest = |number: usize| balancer.manifest(&format!("s{number}"), json!({}));
    let manifests: Vec<Value> = (0..SERVICES).map(manifest).collect();
    let kills = std::thread::scope(|scope| {
        let makers: Vec<_> = manifests
            .chunks(SERVICES / THREADS)
            .map(|chunk| {
                let client = cluster.client();
                scope.spawn(move || chunk.iter().for_each(|one| drop(client.create(one))))
            })
            .collect();
        let done = || makers.iter().all(|maker| maker.is_finished());
        kill_leaders(&cluster, &mut balancer, done)
    });
    assert!(kills >= 2, "{kills} leaders were killed");
    eventually("each has an address", LATER + SOON, || {
        let services = cluster.list("Service", &balancer.namespace);
        let services = services.map_err(|failure| failure.to_string())?;
        let held: BTreeSet<Vec<String>> = services.iter().map(addresses).collect();
        match held.len() == SERVICES && !held.contains(&Vec::new()) {
            true => Ok(()),
            false => Err(format!("{} addresses", held.len())),
        }
    });
    let histories = histories(watch.history());
    let changed = histories.iter().filter(|(_, held)| held.len() > 1);
    assert_eq!(changed.collect::<Vec<_>>(), []);
    let given: BTreeSet<&Vec<String>> = histories.values().flatten().collect();
    assert_eq!((histories.len(), given.len()), (SERVICES, SERVICES));
}
