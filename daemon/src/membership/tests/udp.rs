//! Members on sockets of the loopback interface.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use l2::responder::Fence;
use plan::world::Liveness;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::super::{Addresses, Config, Facts, Membership, MembershipHandle};
use super::lab::{KEY, keys};

/// Only so that a defect does not hang the tests.
const GENEROUS: Duration = Duration::from_secs(30);

struct Speaker {
    handle: MembershipHandle,
    task: JoinHandle<()>,
    peers: watch::Sender<Option<Arc<Addresses>>>,
}

fn start(node: &str, listen: SocketAddr) -> Speaker {
    // Slower than the default, because the machine may be busy.
    let config = Config {
        suspicion: Duration::from_secs(2),
        fence: Duration::from_millis(1_900),
        settle: Duration::from_secs(4),
        ..Config::default()
    };
    let (peers, list) = watch::channel(None);
    let (keys, ring) = watch::channel(keys(KEY));
    // The keys stay as they are.
    drop(keys);
    let membership = Membership::bind(config, node, listen).expect("a free port");
    let address = membership.address();
    let (handle, task) = membership.spawn(list, ring);
    assert_eq!(handle.address(), Some(address));
    Speaker {
        handle,
        task,
        peers,
    }
}

fn introduce(speakers: &[&Speaker]) {
    let list: Addresses = (0..)
        .zip(speakers)
        .map(|(n, speaker)| {
            (
                Arc::from(format!("node-{n}")),
                speaker.handle.address().into_iter().collect(),
            )
        })
        .collect();
    let list = Arc::new(list);
    for speaker in speakers {
        speaker.peers.send_replace(Some(list.clone()));
    }
}

async fn sees(speaker: &Speaker, nodes: &[&str]) {
    let expected: BTreeSet<Arc<str>> = nodes.iter().map(|node| Arc::from(*node)).collect();
    let mut live = speaker.handle.live();
    let expected = Liveness::Live(expected);
    let seen = live.wait_for(|live| {
        live.as_ref()
            .is_some_and(|live| live.liveness() == expected)
    });
    timeout(GENEROUS, seen)
        .await
        .expect("in time")
        .expect("it runs");
}

async fn is_open(speaker: &Speaker) {
    let mut fence = speaker.handle.fence();
    let open = fence.wait_for(|fence| match fence {
        Fence::Until(at) => Instant::now() < (*at).into(),
        Fence::Open => true,
        Fence::Closed => false,
    });
    timeout(GENEROUS, open)
        .await
        .expect("in time")
        .expect("it runs");
}

#[tokio::test]
async fn speakers_find_each_other_lose_one_and_see_it_leave() {
    let names = ["node-0", "node-1", "node-2"];
    // One hears both families, one IPv4 only.
    let listen = ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"];
    let listen = listen.map(|at| at.parse().expect("an address"));
    let [a, b, c] = [0, 1, 2].map(|n| start(names[n], listen[n]));
    introduce(&[&a, &b, &c]);
    for speaker in [&a, &b, &c] {
        sees(speaker, &names).await;
        is_open(speaker).await;
    }
    let mac = l2::MacAddr::new(2, 0, 0, 0, 0, 1);
    let (facts, _) = Facts::new([("eth0".into(), mac)]);
    a.handle.publish(facts.clone());
    let mut live = b.handle.live();
    let told = live.wait_for(|live| {
        let node = live.as_ref().and_then(|live| live.nodes.get("node-0"));
        node.and_then(|node| node.facts.as_deref()) == Some(&facts)
    });
    assert!(timeout(GENEROUS, told).await.is_ok_and(|told| told.is_ok()));
    c.task.abort();
    sees(&a, &["node-0", "node-1"]).await;
    sees(&b, &["node-0", "node-1"]).await;
    b.handle.leave().await;
    sees(&a, &["node-0"]).await;
    let counters = a.handle.report().await.expect("it runs");
    assert!(
        counters.received > 0 && counters.forged == 0,
        "{counters:?}"
    );
}

#[tokio::test]
async fn a_socket_of_all_families_reaches_ipv4() {
    let Ok(all) = Membership::bind(
        Config::default(),
        "node-0",
        "[::]:0".parse().expect("an address"),
    ) else {
        println!("skipped: no IPv6 here");
        return;
    };
    let port = all.address().port();
    drop(all);
    let a = start(
        "node-0",
        format!("[::]:{port}").parse().expect("an address"),
    );
    let b = start("node-1", "127.0.0.1:0".parse().expect("an address"));
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let list: Addresses = [
        ("node-0".into(), vec![at]),
        ("node-1".into(), b.handle.address().into_iter().collect()),
    ]
    .into();
    let list = Arc::new(list);
    a.peers.send_replace(Some(list.clone()));
    b.peers.send_replace(Some(list));
    sees(&a, &["node-0", "node-1"]).await;
    sees(&b, &["node-0", "node-1"]).await;
}

#[tokio::test]
async fn alone_in_the_list_and_switched_off_the_fence_is_open() {
    let alone = start("node-0", "127.0.0.1:0".parse().expect("an address"));
    assert_eq!(*alone.handle.fence().borrow(), Fence::Closed);
    introduce(&[&alone]);
    is_open(&alone).await;
    let off = MembershipHandle::off();
    assert_eq!(*off.fence().borrow(), Fence::Open);
    assert_eq!(*off.live().borrow(), None);
}
