//! L2 mode: a thousand addresses on one interface under 10,000 questions a second, and a storm of
//! broadcasts that are about others. As root, with the herald beside this program, or
//! `HERALD_BIN`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bench::figures::percentile;
use integration::manifests::service;
use integration::segment::Segment;
use integration::segment::capture::{Seen, clock};
use integration::segment::frame::Message;
use integration::segment::scene::{Scene, at_once, served, vips};
use integration::segment::wire::Wire;
use integration::segment::{LINK, vip};
use integration::wait::{LATER, eventually};

const ADDRESSES: u16 = 1_000;
const QUESTIONS_PER_SECOND: u32 = 10_000;
/// Frames that are sent without a pause between.
const BURST: u32 = 10;
const LASTS: Duration = Duration::from_secs(20);
const STORM: u32 = 100_000;

fn main() {
    let Some(segment) = Segment::build(1) else {
        return;
    };
    let addresses: Vec<IpAddr> = (1..=ADDRESSES).map(vip).collect();
    let of = |address: &IpAddr| {
        let name = format!("web-{address}").replace('.', "-");
        served(service(&name, &[&address.to_string()]), 1)
    };
    let mut objects = vec![vips(), at_once()];
    objects.extend(addresses.iter().flat_map(of));
    let scene = Scene::run(segment, &objects, &addresses[..1]);
    await_all(&scene, &addresses);
    questions(&scene, &addresses);
    storm(&scene);
}

/// Waits until each address has had its last announcement of the first three.
fn await_all(scene: &Scene, addresses: &[IpAddr]) {
    eventually("all are announced", LATER, || {
        let mut announced: HashMap<IpAddr, usize> = HashMap::new();
        for one in scene.witness.seen() {
            if let Message::Announcement { target, .. } = one.frame.message {
                *announced.entry(target).or_default() += 1;
            }
        }
        let all = addresses.iter();
        let done = all.filter(|one| announced.get(one).is_some_and(|count| *count >= 6));
        match done.count() {
            count if count == addresses.len() => Ok(()),
            count => Err(format!("{count} of {}", addresses.len())),
        }
    });
}

fn questions(scene: &Scene, addresses: &[IpAddr]) {
    let observer = &scene.segment.observer;
    let identity = observer.identity();
    let frames: Vec<Vec<u8>> = addresses.iter().map(|to| identity.question(*to)).collect();
    let mut wire = Wire::open(&observer.netns, LINK);
    let daemon = scene.segment.node(1).herald.process();
    let before = daemon.usage();
    let (begin, started) = (clock(), Instant::now());
    let mut sent = 0_u32;
    let mut next = frames.iter().cycle();
    while started.elapsed() < LASTS {
        for frame in next.by_ref().take(BURST as usize) {
            wire.send(frame);
        }
        sent += BURST;
        let due = started + Duration::from_secs(1) * sent / QUESTIONS_PER_SECOND;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let took = started.elapsed();
    let used = daemon.usage();
    // The last answers, and what tcpdump has not written yet.
    std::thread::sleep(Duration::from_secs(1));
    let (latencies, asked) = latencies(&scene.witness.since(begin));
    let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&latencies, percent));
    println!(
        "{} addresses, {:.0} questions a second",
        ADDRESSES,
        f64::from(sent) / took.as_secs_f64()
    );
    println!("answered: {} of {asked} as captured", latencies.len());
    println!("latency p50 {p50:?}, p99 {p99:?}, max {max:?}");
    println!("CPU {:?} in {took:?}", used.cpu - before.cpu);
    println!(
        "resident {} KiB, at most {} KiB",
        used.resident / 1024,
        used.peak / 1024
    );
}

/// From each question to its answer, and how many questions there were.
fn latencies(seen: &[Seen]) -> (Vec<Duration>, usize) {
    let mut open: HashMap<IpAddr, Duration> = HashMap::new();
    let (mut latencies, mut asked) = (Vec::new(), 0);
    for one in seen {
        match one.frame.message {
            Message::Ask { sender, target } if !sender.is_unspecified() => {
                asked += 1;
                open.insert(target, one.at);
            }
            Message::Answer { target, .. } => {
                latencies.extend(
                    open.remove(&target)
                        .map(|asked| one.at.saturating_sub(asked)),
                );
            }
            Message::Ask { .. } | Message::Announcement { .. } | Message::Echo { .. } => {}
        }
    }
    (latencies, asked)
}

fn storm(scene: &Scene) {
    let observer = &scene.segment.observer;
    // In the subnet, and nobody's.
    let nobody: IpAddr = [10, 9, 200, 1].into();
    let frame = observer.identity().question(nobody);
    let mut wire = Wire::open(&observer.netns, LINK);
    let daemon = scene.segment.node(1).herald.process();
    let before = daemon.usage();
    let started = Instant::now();
    (0..STORM).for_each(|_| wire.send(&frame));
    let took = started.elapsed();
    let cpu = daemon.usage().cpu - before.cpu;
    println!("{STORM} broadcasts about others in {took:?}: CPU of herald {cpu:?}");
}
