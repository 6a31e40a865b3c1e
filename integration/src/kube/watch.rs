//! What objects have been, not only what they are.

use std::io::{BufRead, BufReader};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use crate::wait;

/// How many changes are kept; a test with more of them fails.
const LIMIT: usize = 200_000;
/// Before a watch that broke begins again.
const PAUSE: Duration = Duration::from_millis(50);

/// A change of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub event: String,
    /// The object after it; of a deleted one, the last that there was.
    pub object: Value,
}

/// Watches all objects of a kind in a namespace, until dropped. It goes on after the API server was
/// away.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    kind: String,
    namespace: String,
    /// The version that it began after.
    start: u64,
    state: Arc<State>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    closed: AtomicBool,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct History {
    changes: Vec<Change>,
    /// Why it has a gap.
    gap: Option<String>,
}

impl State {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Watches a kind in a namespace, in all of them if that is empty, from now on: what is there
    /// already is in its history when it changes.
    pub fn watch(&self, kind: &str, namespace: &str) -> Result<Watch, Failure> {
        let path = self.collection(kind, namespace);
        let list = self.request("GET", &format!("{path}?limit=1"), None)?;
        let version = list["metadata"]["resourceVersion"].as_str();
        let version = version.unwrap_or_default().to_owned();
        let client = self.on_new_connections();
        let state = Arc::<State>::default();
        let (follower, followed) = (client.clone(), Arc::clone(&state));
        let first = version.clone();
        let reader = std::thread::spawn(move || follow(&follower, &path, first, &followed));
        Ok(Watch {
            client,
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            start: number(&version),
            state,
            reader: Some(reader),
        })
    }

    /// Hands each change of a kind in a namespace to `take` the moment it arrives, until that says
    /// no, or the API server ends the watch. What is there already comes first.
    pub fn follow(
        &self,
        kind: &str,
        namespace: &str,
        mut take: impl FnMut(Change) -> bool,
    ) -> Result<(), Failure> {
        let path = format!("{}?watch=true", self.collection(kind, namespace));
        let lines = lines(self, &path).map_err(Failure::no_answer)?;
        let mut changes = lines.filter_map(|line| Change::of(read(&line)));
        changes.all(&mut take);
        Ok(())
    }
}

impl Watch {
    /// All changes until now, oldest first.
    ///
    /// # Panics
    ///
    /// If some were missed: the API server has forgotten them, or there were too many.
    pub fn history(&self) -> Vec<Change> {
        let history = self.state.history();
        if let Some(gap) = &history.gap {
            panic!("the watch of {} missed something: {gap}", self.kind);
        }
        history.changes.clone()
    }

    /// The changes of one object, up to what it is now.
    ///
    /// # Panics
    ///
    /// As [`Watch::history`], and if the watch does not get that far.
    pub fn history_of(&self, name: &str) -> Vec<Change> {
        let what = format!("the watch has seen {} {name} as it is", self.kind);
        let version =
            |object: &Value| number(object["metadata"]["resourceVersion"].as_str().unwrap_or(""));
        wait::eventually(&what, wait::SOON, || {
            let now = self.client.get(&self.kind, &self.namespace, name);
            let mut changes = self.history();
            changes.retain(|change| change.object["metadata"]["name"] == name);
            let last = changes.last();
            let is_current = match &now {
                Ok(now) => {
                    let seen = last.map_or(self.start, |last| version(&last.object));
                    seen >= version(now)
                }
                Err(failure) if failure.is_not_found() => {
                    last.is_some_and(|last| last.event == "DELETED")
                }
                Err(_) => false,
            };
            is_current
                .then_some(changes)
                .ok_or_else(|| format!("now: {now:?}"))
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
        self.client.clone().close();
        if let Some(reader) = self.reader.take() {
            // It cannot panic.
            let _ = reader.join();
        }
    }
}

/// A resourceVersion as what it is: they grow.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

/// Reads changes after a version until the watch is closed, or has a gap.
fn follow(client: &Client, path: &str, mut version: String, state: &State) {
    while !state.closed.load(Ordering::Relaxed) && state.history().gap.is_none() {
        let query = format!("watch=true&allowWatchBookmarks=true&resourceVersion={version}");
        for line in lines(client, &format!("{path}?{query}"))
            .into_iter()
            .flatten()
        {
            take(&line, &mut version, &mut state.history());
        }
        std::thread::sleep(PAUSE);
    }
}

/// The lines of one watch, as they arrive, until it ends.
fn lines(client: &Client, path: &str) -> Result<impl Iterator<Item = String>, ureq::Error> {
    let response = client.pass("GET", path, &[], &[])?;
    let lines = BufReader::new(response.into_body().into_reader()).lines();
    Ok(lines.map_while(Result::ok))
}

/// One line of a watch; nothing, if it is not whole.
fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_default()
}

impl Change {
    /// What an event of a watch says of an object; `None` if it is of something else.
    fn of(mut event: Value) -> Option<Change> {
        let object = event["object"].take();
        let kind = event["type"].as_str()?;
        let is_change = matches!(kind, "ADDED" | "MODIFIED" | "DELETED");
        let is_known = object["metadata"]["resourceVersion"].is_string();
        (is_change && is_known).then(|| Change {
            event: kind.to_owned(),
            object,
        })
    }
}

/// Notes the version of an object that has been seen.
fn known(object: &Value, version: &mut String) {
    if let Some(seen) = object["metadata"]["resourceVersion"].as_str() {
        seen.clone_into(version);
    }
}

/// Takes one line of a watch.
fn take(line: &str, version: &mut String, history: &mut History) {
    let event = read(line);
    if event["object"]["code"] == 410 {
        history.gap = Some(event["object"].to_string());
        return;
    }
    if event["type"] == "BOOKMARK" {
        known(&event["object"], version);
    }
    // A server that stops or is not ready says so; the watch begins again.
    let Some(change) = Change::of(event) else {
        return;
    };
    known(&change.object, version);
    match history.changes.len() < LIMIT {
        true => history.changes.push(change),
        false => history.gap = Some(format!("more than {LIMIT} changes")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_watch_keeps_changes_and_says_where_it_has_a_gap() {
        let (mut version, mut history) = ("1".to_owned(), History::default());
        let object = |version: &str| json!({"metadata": {"resourceVersion": version}});
        for event in [
            json!({"type": "ADDED", "object": object("2")}),
            json!({"type": "BOOKMARK", "object": object("7")}),
            json!({"type": "ERROR", "object": {"code": 503}}),
        ] {
            take(&event.to_string(), &mut version, &mut history);
        }
        take("half a li", &mut version, &mut history);
        assert_eq!((version.as_str(), history.changes.len()), ("7", 1));
        assert_eq!(history.gap, None);
        let gone = json!({"type": "ERROR", "object": {"code": 410}});
        take(&gone.to_string(), &mut version, &mut history);
        assert!(history.gap.is_some());
    }
}
