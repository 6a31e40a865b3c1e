//! The controller is replaced while thousands of Services are there.

use std::time::{Duration, Instant};

use integration::Lab;

use crate::figures::{load, seconds};
use crate::load::{service, slice};
use crate::scene::Herald;

/// Columns of [`measure`].
pub const COLUMNS: &[&str] = &[
    "controller replaced",
    "runs",
    "until a new Service is routed, s (each run)",
    "load",
];

/// The longest that a route may take: a Lease runs out meanwhile.
const LIMIT: Duration = Duration::from_secs(90);
/// After a start, until the next replacement.
const REST: Duration = Duration::from_secs(3);
/// A process that was told to end has ended by then.
const END: Duration = Duration::from_secs(30);
/// How often each is done. Where a Lease has to run out, once less tells as much.
const RUNS: usize = 3;

/// How the leader ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGTERM: it gives its Lease back.
    Terminated,
    /// SIGKILL: its Lease runs out.
    Killed,
}

/// Replaces the controller each way. The new Service is posted when the old leader has ended: at
/// the start of the next process, or when a replica may take over.
pub fn measure(lab: &Lab, scene: &mut Herald, services: usize) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut number = 0;
    for (end, words) in [
        (End::Terminated, "SIGTERM, then started anew: from exec"),
        (End::Killed, "kill -9, then started anew: from exec"),
    ] {
        let runs = (0..RUNS).map(|_| {
            number += 1;
            start_anew(scene, end, services + number)
        });
        rows.push(row(words, &runs.collect::<Vec<_>>()));
    }
    for (end, words) in [
        (End::Terminated, "SIGTERM, a replica waits: from the signal"),
        (End::Killed, "kill -9, a replica waits: from the signal"),
    ] {
        let runs = (0..RUNS).map(|_| {
            number += 1;
            scene.add_replica(lab);
            take_over(scene, end, services + number)
        });
        rows.push(row(words, &runs.collect::<Vec<_>>()));
    }
    rows
}

fn row(words: &str, runs: &[Duration]) -> Vec<String> {
    let each: Vec<String> = runs.iter().map(|run| seconds(*run)).collect();
    vec![
        words.to_owned(),
        runs.len().to_string(),
        each.join(", "),
        load(),
    ]
}

fn start_anew(scene: &mut Herald, end: End, expected: usize) -> Duration {
    prepare(scene, expected);
    match end {
        End::Terminated => scene.controllers[0].terminate(),
        End::Killed => scene.controllers[0].kill(),
    }
    let Herald {
        controllers,
        cluster,
        fabric,
        routes,
    } = scene;
    let (client, namespace) = (cluster.client(), &fabric.namespace);
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| post(client, namespace, expected));
        controllers[0].launch(cluster.netns());
    });
    routes.await_count(1, expected, LIMIT) - started
}

fn take_over(scene: &mut Herald, end: End, expected: usize) -> Duration {
    prepare(scene, expected);
    let mut leader = scene.controllers.remove(0);
    let pid = leader.process().pid();
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| match end {
            End::Terminated => leader.terminate(),
            End::Killed => leader.kill(),
        });
        await_end(pid);
        post(scene.cluster.client(), &scene.fabric.namespace, expected);
    });
    scene.routes.await_count(1, expected, LIMIT) - started
}

fn name(number: usize) -> String {
    format!("after-{number}")
}

/// Posts the EndpointSlice of the next Service.
fn prepare(scene: &Herald, number: usize) {
    let node = scene.fabric.nodes[0].name();
    let created = scene
        .cluster
        .create(&slice(&scene.fabric.namespace, &name(number), node));
    created.unwrap_or_else(|failure| panic!("{failure}"));
    std::thread::sleep(REST);
}

fn post(client: &integration::kube::client::Client, namespace: &str, number: usize) {
    let created = client.create(&service(namespace, &name(number)));
    created.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Waits until a process runs no more, whether or not it has been waited for.
fn await_end(pid: u32) {
    let started = Instant::now();
    while is_running(pid) {
        assert!(started.elapsed() < END, "process {pid} does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// By the state in `/proc/PID/stat`, which comes after the name in parentheses.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or("").trim_start();
    !state.is_empty() && !state.starts_with('Z')
}
