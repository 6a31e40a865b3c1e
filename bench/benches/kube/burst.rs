//! Thousands of Services, posted as fast as the API server takes them.

use std::time::{Duration, Instant};

use crate::figures::{load, ms, seconds};
use crate::load::{self, create};
use crate::scene::{NODES, Scene};

/// Columns of [`measure`].
pub const COLUMNS: &[&str] = &[
    "of",
    "Services",
    "posted in, s",
    "last routed to one node after the last POST, ms",
    "to both, ms",
    "CPU of the controller, s",
    "of each speaker, s",
    "CPU a Service: controller, ms",
    "speaker, ms",
    "CPU after it, % of a core: controller",
    "speaker",
    "load",
];

/// The longest that routes may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long CPU is measured after the last route.
const AFTER: Duration = Duration::from_secs(10);

/// Posts EndpointSlices, lets all rest, posts Services, and waits for the last route. CPU is that
/// from the first POST to the last route, and then for a while what reports take.
pub fn measure<S: Scene>(scene: &S, services: usize) -> Vec<String> {
    let client = scene.cluster().client();
    let (namespace, node) = (scene.namespace(), scene.node());
    let name = |number: usize| format!("service-{number}");
    create(client, 0..services, |number| {
        load::slice(namespace, &name(number), node)
    });
    scene.await_quiet();
    let before = (scene.controller().cpu, scene.speakers());
    let started = Instant::now();
    let posted = create(client, 0..services, |number| {
        load::service(namespace, &name(number))
    });
    let first = scene.routes().await_count(1, services, LIMIT);
    let both = scene.routes().await_count(NODES, services, LIMIT);
    let then = (scene.controller().cpu, scene.speakers());
    std::thread::sleep(AFTER);
    let after = (scene.controller().cpu, scene.speakers());
    let speaker = |from: &[_; NODES], to: &[_; NODES]| -> Duration {
        let total = to.iter().zip(from).map(|(to, from)| cpu(to) - cpu(from));
        total.sum::<Duration>() / NODES as u32
    };
    let used = [then.0 - before.0, speaker(&before.1, &then.1)];
    let reports = [after.0 - then.0, speaker(&then.1, &after.1)];
    let mut row = vec![
        S::NAME.to_owned(),
        services.to_string(),
        seconds(posted - started),
    ];
    row.extend([first, both].map(|at| ms(at.saturating_duration_since(posted))));
    row.extend(used.map(seconds));
    row.extend(used.map(|used| format!("{:.2}", used.as_secs_f64() * 1e3 / services as f64)));
    row.extend(reports.map(|used| format!("{:.1}", used.div_duration_f64(AFTER) * 100.0)));
    row.push(load());
    row
}

fn cpu(usage: &integration::process::Usage) -> Duration {
    usage.cpu
}
