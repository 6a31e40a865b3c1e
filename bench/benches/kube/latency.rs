//! One Service, until the router's kernel routes it.

use std::time::{Duration, Instant};

use integration::kernel::monitor::RouteMonitor;
use integration::kube::client::Client;

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
