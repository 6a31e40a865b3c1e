//! One Service, until the router's kernel routes it; and how much of that is the API server's.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use integration::kernel::monitor::RouteMonitor;
use integration::kube::ControlPlane;
use integration::kube::client::Client;
use integration::kube::failure::Failure;
use serde_json::json;

use crate::figures::{load, p50_p99};
use crate::load::{service, slice};
use crate::scene::{NODES, Scene};

/// Columns of [`measure`].
pub const COLUMNS: &[&str] = &[
    "of",
    "one Service among",
    "samples",
    "POST answered, p50 / p99 ms",
    "routed to one node, p50 / p99 ms",
    "of that after the answer, p50 / p99 ms",
    "routed to both, p50 / p99 ms",
    "DELETE to no route, p50 / p99 ms",
    "load",
];

/// The longest that a route may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two samples: what the last one has left to do is done.
const REST: Duration = Duration::from_millis(400);
/// The first ones open connections.
const WARM_UP: usize = 3;

/// Columns of [`floor`].
pub const FLOOR: &[&str] = &[
    "of",
    "samples",
    "POST answered, p50 / p99 ms",
    "a watch shows it, p50 / p99 ms",
    "PATCH answered after that, p50 / p99 ms",
    "another watch shows its address, p50 / p99 ms",
    "load",
];

/// The least that it can take, whoever does it: a client creates a Service, a second one that hears
/// of it writes a fixed address into its status at once, and a third one hears of that. Nobody else
/// is there. An address that is announced before the API server has it could be given twice.
pub fn floor(cluster: &ControlPlane, samples: usize) -> Vec<String> {
    let (client, namespace) = (cluster.client(), cluster.namespace("floor"));
    let name = |number: usize| format!("one-{number}");
    let last = name(samples + WARM_UP - 1);
    let (heard, news) = mpsc::channel();
    let followers = [true, false].map(|writes| {
        let (client, heard) = (client.clone(), heard.clone());
        let (namespace, last) = (namespace.clone(), last.clone());
        std::thread::spawn(move || follow(&client, &namespace, &last, writes, &heard))
    });
    let mut times: [Vec<Duration>; 4] = Default::default();
    client.within(|client| {
        let news = news;
        for number in 0..samples + WARM_UP {
            let name = name(number);
            std::thread::sleep(REST * 2);
            let object = service(&namespace, &name);
            let sent = Instant::now();
            let created = client.create(&object);
            let mut at = [Instant::now(); 4];
            created.unwrap_or_else(|failure| panic!("{name}: {failure}"));
            for _ in 1..at.len() {
                let heard = news.recv_timeout(LIMIT);
                let (step, moment) = heard.unwrap_or_else(|error| panic!("{name}: {error}"));
                at[step as usize] = moment;
            }
            let deleted = client.delete("v1/Service", &namespace, &name);
            deleted.unwrap_or_else(|failure| panic!("{name}: {failure}"));
            let [answered, seen, written, shown] = at;
            let sample = [answered - sent, seen - sent, written - seen, shown - sent];
            for (times, sample) in times.iter_mut().zip(sample) {
                times.extend(Some(sample).filter(|_| number >= WARM_UP));
            }
        }
    });
    for follower in followers {
        let ended = follower.join().expect("a watch does not panic");
        ended.unwrap_or_else(|failure| panic!("the watch: {failure}"));
    }
    let mut row = vec!["the API server alone".to_owned(), samples.to_string()];
    row.extend(times.iter().map(|times| p50_p99(times)));
    row.push(load());
    row
}

/// Watches Services until the last one is deleted: the one that writes addresses, or the one that
/// looks for them.
fn follow(
    client: &Client,
    namespace: &str,
    last: &str,
    writes: bool,
    heard: &mpsc::Sender<(Step, Instant)>,
) -> Result<(), Failure> {
    client.within(|client| {
        client.follow("v1/Service", namespace, |change| {
            let now = Instant::now();
            let name = change.object["metadata"]["name"].as_str();
            let name = name.unwrap_or_default();
            let ingress = &change.object["status"]["loadBalancer"]["ingress"];
            // Nobody listens any more after a sample that failed.
            let tell = |step, at| heard.send((step, at)).unwrap_or_default();
            match (change.event.as_str(), writes) {
                ("ADDED", true) => {
                    let status = json!({"loadBalancer": {"ingress": [{"ip": "10.100.0.1"}]}});
                    let done = client.patch_status("v1/Service", namespace, name, &status);
                    done.unwrap_or_else(|failure| panic!("{name}: {failure}"));
                    tell(Step::Written, Instant::now());
                    tell(Step::Seen, now);
                }
                ("MODIFIED", false) if ingress.is_array() => tell(Step::Shown, now),
                _ => {}
            }
            change.event != "DELETED" || name != last
        })
    })
}

/// What a client of [`floor`] has done.
#[derive(Clone, Copy)]
enum Step {
    /// It was told of the Service.
    Seen = 1,
    /// The address that it has written was accepted.
    Written,
    /// It was told of the address.
    Shown,
}

/// Creates and deletes a Service again and again, beside those that are there. Times begin before
/// the request is sent.
pub fn measure<S: Scene>(scene: &S, there: usize, samples: usize) -> Vec<String> {
    let (place, routes) = ((scene.namespace(), scene.node()), scene.routes());
    let client = scene.cluster().client();
    let times = client.within(|client| sample(client, place, routes, there, samples));
    let mut row = vec![S::NAME.to_owned(), there.to_string(), samples.to_string()];
    row.extend(times.iter().map(|times| p50_p99(times)));
    row.push(load());
    row
}

/// Times of each sample, in the order of [`COLUMNS`].
fn sample(
    client: &Client,
    (namespace, node): (&str, &str),
    routes: &RouteMonitor,
    there: usize,
    samples: usize,
) -> [Vec<Duration>; 5] {
    let mut times: [Vec<Duration>; 5] = Default::default();
    for number in 0..samples + WARM_UP {
        let name = format!("one-{number}");
        let created = client.create(&slice(namespace, &name, node));
        created.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        std::thread::sleep(REST);
        let object = service(namespace, &name);
        let sent = Instant::now();
        let created = client.create(&object);
        let answered = Instant::now();
        created.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let first = routes.await_count(1, there + 1, LIMIT);
        let both = routes.await_count(NODES, there + 1, LIMIT);
        std::thread::sleep(REST);
        let deleting = Instant::now();
        let deleted = client.delete("v1/Service", namespace, &name);
        deleted.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let gone = routes.await_count(1, there, LIMIT);
        let deleted = client.delete("EndpointSlice", namespace, &format!("{name}-a"));
        deleted.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        if number >= WARM_UP {
            let sample = [
                answered - sent,
                first - sent,
                first.saturating_duration_since(answered),
                both - sent,
                gone - deleting,
            ];
            for (times, sample) in times.iter_mut().zip(sample) {
                times.push(sample);
            }
        }
    }
    times
}
