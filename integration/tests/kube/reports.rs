//! What the running daemons report to the API server: what is announced, what is wrong, and Events.

mod controller;
mod speaker;

use integration::kube::ControlPlane;
use integration::wait::{SOON, eventually};
use serde_json::{Value, json};

/// Waits until a ConfigurationState has that result; it.
fn await_result(cluster: &ControlPlane, namespace: &str, name: &str, result: &str) -> Value {
    let object = ("ConfigurationState", namespace, name);
    let what = format!("{name} is {result}");
    cluster.wait_until(&what, SOON, object, |state| {
        (state["status"]["result"] == *result).then(|| state.clone())
    })
}

/// What a ConfigurationState says of an object; null if nothing.
fn problem_with(state: &Value, object: &str) -> Value {
    let problems = state["status"]["problems"].as_array();
    let mut problems = problems.into_iter().flatten();
    let found = problems.find(|problem| problem["object"] == *object);
    found.cloned().unwrap_or_default()
}

/// Waits until there are Events of that reason about an object; all of them.
fn await_events(cluster: &ControlPlane, object: &Value, reason: &str) -> Vec<Value> {
    eventually(&format!("{reason} is told"), SOON, || {
        let events = cluster.events_of(object);
        let mut events = events.map_err(|failure| failure.to_string())?;
        events.retain(|event| event["reason"] == *reason);
        match events.is_empty() {
            true => Err("no such Event".to_owned()),
            false => Ok(events),
        }
    })
}

/// A pool that collides with `range`: well-formed, and wrong all the same.
fn overlapping(range: &str) -> Value {
    integration::manifests::pool("zz-overlapping", &[range])
}

/// Of which object an Event is, how bad it is, and who tells it.
fn heading(event: &Value) -> Value {
    let of = &event["involvedObject"];
    json!([event["type"], of["kind"], of["namespace"], of["name"]])
}
