//! An API server in memory: objects with versions, preconditions and watches, and faults on request.
//!
//! It answers as the real one does as far as writers look at it; that it does is what the tests
//! against the real one show (`integration/tests/kube/writers.rs`).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use http_body_util::StreamBody;
use kube::client::{Body, Client};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::sleep;

type Frames = BoxStream<'static, Result<http_body::Frame<Bytes>, Infallible>>;
type Answer = Response<StreamBody<Frames>>;

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A `Status` of that code, and `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// It is never answered, and not done.
    Hang,
    /// It is done, and never answered.
    DoneInSilence,
    /// It is done and answered after a while.
    Slow(Duration),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// Without its query.
    pub path: String,
    pub query: String,
    pub body: Value,
}

type Judge = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<(String, Value)>,
}

struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    seen: Vec<Seen>,
    judge: Judge,
}

impl Fake {
    pub fn new() -> Fake {
        let state = State {
            objects: BTreeMap::new(),
            version: 1_000,
            seen: Vec::new(),
            judge: Box::new(|_| None),
        };
        Fake {
            state: Arc::new(Mutex::new(state)),
            changes: broadcast::channel(1_024).0,
        }
    }

    pub fn client(&self) -> Client {
        Client::new(Server(self.clone()), "default")
    }

    /// From now on, this says what goes wrong.
    pub fn judge(&self, judge: impl FnMut(&Seen) -> Option<Fault> + Send + 'static) {
        self.state().judge = Box::new(judge);
    }

    pub fn heal(&self) {
        self.judge(|_| None);
    }

    /// The requests there have been.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Those that are no GET.
    pub fn writes(&self) -> Vec<Seen> {
        let seen = self.seen().into_iter();
        seen.filter(|seen| seen.method != Method::GET).collect()
    }

    pub fn object(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    pub fn objects(&self) -> BTreeMap<String, Value> {
        self.state().objects.clone()
    }

    /// As another user does it.
    pub fn put(&self, path: &str, mut object: Value) -> Value {
        let name = path.rsplit('/').next().unwrap_or_default();
        let known = self.object(path);
        object["metadata"]["name"] = json!(name);
        if object["metadata"]["uid"].is_null() {
            let uid = known.as_ref().map(|known| known["metadata"]["uid"].clone());
            object["metadata"]["uid"] = uid.unwrap_or_else(|| json!(format!("uid of {path}")));
        }
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        self.store(path, kind, object)
    }

    /// As another user does it.
    pub fn delete(&self, path: &str) {
        let gone = self.state().objects.remove(path);
        if let Some(mut gone) = gone {
            let version = self.next_version();
            gone["metadata"]["resourceVersion"] = json!(version);
            self.tell(path, "DELETED", &gone);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_version(&self) -> String {
        let mut state = self.state();
        state.version += 1;
        state.version.to_string()
    }

    fn store(&self, path: &str, kind: &str, mut object: Value) -> Value {
        object["metadata"]["resourceVersion"] = json!(self.next_version());
        self.state().objects.insert(path.to_owned(), object.clone());
        self.tell(path, kind, &object);
        object
    }

    fn tell(&self, path: &str, kind: &str, object: &Value) {
        let event = json!({"type": kind, "object": object});
        // Nobody watches, perhaps.
        let _ = self.changes.send((path.to_owned(), event));
    }

    async fn serve(self, request: Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap_or_default();
        let seen = Seen {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        let fault = {
            let mut state = self.state();
            state.seen.push(seen.clone());
            (state.judge)(&seen)
        };
        match fault {
            Some(Fault::Status(code, retry_after)) => return refusal(code, "as told", retry_after),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::DoneInSilence) => {
                self.answer(&seen);
                std::future::pending().await
            }
            Some(Fault::Slow(time)) => sleep(time).await,
            None => {}
        }
        self.answer(&seen)
    }

    fn answer(&self, seen: &Seen) -> Answer {
        let path = seen.path.strip_suffix("/status").unwrap_or(&seen.path);
        if seen.query.contains("watch=true") {
            return self.watch(path, &seen.query);
        }
        let known = self.object(path);
        match (&seen.method, known) {
            (&Method::GET, Some(object)) => success(&object),
            (&Method::GET, None) if !path.rsplit('/').next().is_some_and(is_collection) => {
                refusal(404, "not found", None)
            }
            (&Method::GET, None) => self.list(path, &seen.query),
            (&Method::POST, _) => self.create(path, &seen.body),
            (_, None) => refusal(404, "not found", None),
            (&Method::DELETE, Some(object)) => self.remove(path, &seen.body, &object),
            (&Method::PATCH, Some(object)) => self.patch(path, object, &seen.body),
            (method, Some(_)) => refusal(405, method.as_str(), None),
        }
    }

    fn create(&self, collection: &str, body: &Value) -> Answer {
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{collection}/{name}");
        match self.object(&path) {
            Some(_) => refusal(409, "already exists", None),
            None => success(&self.put(&path, body.clone())),
        }
    }

    fn patch(&self, path: &str, mut object: Value, change: &Value) -> Answer {
        for field in ["uid", "resourceVersion"] {
            let wanted = &change["metadata"][field];
            if !wanted.is_null() && *wanted != object["metadata"][field] {
                return refusal(409, field, None);
            }
        }
        let before = object.clone();
        merge(&mut object, change);
        match object == before {
            true => success(&object),
            false => success(&self.store(path, "MODIFIED", object)),
        }
    }

    fn remove(&self, path: &str, body: &Value, object: &Value) -> Answer {
        let wanted = &body["preconditions"]["uid"];
        if !wanted.is_null() && *wanted != object["metadata"]["uid"] {
            return refusal(409, "uid", None);
        }
        self.delete(path);
        success(object)
    }

    fn list(&self, collection: &str, query: &str) -> Answer {
        let objects = self.objects();
        let within = objects.iter().filter(|(path, _)| {
            let parts = collection.rsplit_once('/');
            let everywhere = parts.is_some_and(|(group, kind)| {
                path.starts_with(&format!("{group}/namespaces/"))
                    && path.contains(&format!("/{kind}/"))
            });
            everywhere || path.starts_with(&format!("{collection}/"))
        });
        let items: Vec<&Value> = within
            .map(|(_, object)| object)
            .filter(|object| selected(object, query))
            .collect();
        let version = self.state().version.to_string();
        let metadata = json!({"resourceVersion": version});
        success(&json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items}))
    }

    /// What changes from now on; without a version to begin from, before it what is there.
    fn watch(&self, collection: &str, query: &str) -> Answer {
        let start = format!("{collection}/");
        let begins_now = !query.contains("resourceVersion=");
        let first: Vec<Value> = self
            .objects()
            .into_iter()
            .filter(|(path, object)| {
                begins_now && path.starts_with(&start) && selected(object, query)
            })
            .map(|(_, object)| json!({"type": "ADDED", "object": object}))
            .collect();
        let (changes, query) = (self.changes.subscribe(), query.to_owned());
        let later = futures::stream::unfold(changes, move |mut changes| {
            let (start, query) = (start.clone(), query.clone());
            async move {
                loop {
                    let (path, event) = changes.recv().await.ok()?;
                    if path.starts_with(&start) && selected(&event["object"], &query) {
                        return Some((event, changes));
                    }
                }
            }
        });
        let lines = futures::stream::iter(first).chain(later);
        let frames = lines.map(|event| {
            let line = format!("{event}\n");
            Ok(http_body::Frame::data(Bytes::from(line)))
        });
        Response::new(StreamBody::new(frames.boxed()))
    }
}

fn is_collection(last: &str) -> bool {
    last.ends_with('s') && !last.contains('-')
}

/// Whether `labelSelector=a%3Db` and `fieldSelector=metadata.name%3Da` select the object.
fn selected(object: &Value, query: &str) -> bool {
    let parameter = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name));
        value.and_then(|value| value.strip_prefix('=')?.split_once("%3D"))
    };
    let labels = &object["metadata"]["labels"];
    let label = parameter("labelSelector")
        .is_none_or(|(key, value)| labels[key.replace("%2F", "/")] == *value);
    let field =
        parameter("fieldSelector").is_none_or(|(_, value)| object["metadata"]["name"] == *value);
    label && field
}

/// RFC 7386; conditions are merged by their type, as a strategic merge does.
fn merge(target: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in change {
        match (key.as_str(), value) {
            (_, Value::Null) => {
                if let Some(target) = target.as_object_mut() {
                    target.remove(key);
                }
            }
            ("conditions", Value::Array(conditions)) => {
                merge_conditions(&mut target[key], conditions);
            }
            _ => merge(&mut target[key], value),
        }
    }
}

fn merge_conditions(target: &mut Value, conditions: &[Value]) {
    let mut merged = target.as_array().cloned().unwrap_or_default();
    for condition in conditions {
        merged.retain(|known| known["type"] != condition["type"]);
        if condition["$patch"] != "delete" {
            merged.push(condition.clone());
        }
    }
    *target = Value::Array(merged);
}

fn success(object: &Value) -> Answer {
    respond(200, object, None)
}

fn refusal(code: u16, message: &str, retry_after: Option<u64>) -> Answer {
    let status = json!({"kind": "Status", "status": "Failure", "code": code, "message": message});
    respond(code, &status, retry_after)
}

fn respond(code: u16, body: &Value, retry_after: Option<u64>) -> Answer {
    let frame = http_body::Frame::data(Bytes::from(body.to_string()));
    let frames = futures::stream::iter([Ok(frame)]).boxed();
    let mut response = Response::new(StreamBody::new(frames));
    *response.status_mut() = StatusCode::from_u16(code).expect("a code");
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

struct Server(Fake);

impl tower_service::Service<Request<Body>> for Server {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fake = self.0.clone();
        Box::pin(async move { Ok(fake.serve(request).await) })
    }
}
