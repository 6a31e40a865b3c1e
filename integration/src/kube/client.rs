//! A client of the API server, for tests: blocking, in JSON, from any thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::{Method, Request, Response};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, AsSendBody, Body};

use super::failure::Failure;
use super::resource::{self, Resource};
use crate::netns::Handle;
use crate::wait;

/// The longest that one request may take, unless told.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a kind may be unknown that a CustomResourceDefinition has just brought.
const DISCOVERY: Duration = Duration::from_secs(10);
/// The largest answer that is read, in octets: a list of all there is.
const LARGEST: u64 = 1 << 30;
/// JSON, and for discovery everything at once.
const ACCEPT: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json,*/*";

/// How a patch is meant; each has its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// RFC 7386: what is named is replaced, lists as a whole; null removes.
    Merge,
    /// Lists are merged by their keys. Built-in kinds only.
    Strategic,
    /// Server-side apply of a whole intent; conflicts are forced.
    Apply,
}

/// One user at the API server. A clone is the same user on the same connections.
#[derive(Clone, Debug)]
pub struct Client {
    door: Handle,
    /// This thread is in the namespace already.
    inside: bool,
    agent: Agent,
    server: String,
    token: Arc<str>,
    patience: Duration,
    resources: Arc<Mutex<Vec<Resource>>>,
}

impl Client {
    /// A client whose connections start in a namespace. `authorities` are the certificates, in
    /// PEM, that sign the server's.
    pub(super) fn new(door: Handle, server: &str, authorities: &str, token: &str) -> Client {
        let certificates = parse_pem(authorities.as_bytes()).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            Ok(_) | Err(_) => None,
        });
        let tls = TlsConfig::builder().root_certs(RootCerts::from(certificates));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls.build())
            .proxy(None)
            .max_idle_connections(32)
            .max_idle_connections_per_host(32)
            .build();
        Client {
            door,
            inside: false,
            agent: agent.new_agent(),
            server: server.to_owned(),
            token: token.into(),
            patience: PATIENCE,
            resources: Arc::default(),
        }
    }

    /// The same server for another user.
    pub fn with_token(&self, token: &str) -> Client {
        Client {
            token: token.into(),
            ..self.clone()
        }
    }

    /// The same user, who waits no longer than that for an answer.
    pub fn with_patience(&self, patience: Duration) -> Client {
        Client {
            patience,
            ..self.clone()
        }
    }

    /// Any request with a JSON body, or none; `path` begins with a slash and may have a query.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let body = body.map(|body| ("application/json", body));
        as_json(&self.send(method, path, body)?)
    }

    /// The answer to a GET, whatever it is.
    pub fn text(&self, path: &str) -> Result<String, Failure> {
        self.send("GET", path, None)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<String, Failure> {
        let method = Method::from_bytes(method.as_bytes()).map_err(Failure::no_answer)?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", ACCEPT);
        let answer = self.enter(|| {
            let mut answer = match body {
                None => self.run(request.body(())?),
                Some((media_type, body)) => {
                    let request = request.header("content-type", media_type);
                    self.run(request.body(body.to_string())?)
                }
            }?;
            let body = answer.body_mut().with_config().limit(LARGEST);
            let text = body.read_to_string()?;
            Ok::<_, ureq::Error>((answer.status(), text))
        });
        match answer {
            Ok((status, text)) if status.is_success() => Ok(text),
            Ok((status, text)) => Err(Failure::of(status.as_u16(), &text)),
            Err(error) => Err(Failure::no_answer(error)),
        }
    }

    /// Does work that enters the namespace once, and not for each request, which takes time: it is
    /// given the same user on the same connections.
    pub fn within<T: Send>(&self, work: impl FnOnce(&Client) -> T + Send) -> T {
        let inside = Client {
            inside: true,
            ..self.clone()
        };
        self.door.enter(|| work(&inside))
    }

    fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.inside {
            true => work(),
            false => self.door.enter(work),
        }
    }

    /// The same user on connections of its own.
    pub(super) fn on_new_connections(&self) -> Client {
        Client {
            agent: self.agent.config().new_agent(),
            ..self.clone()
        }
    }

    /// The same user by another address, on connections of its own.
    pub(super) fn through(&self, server: &str) -> Client {
        Client {
            server: server.to_owned(),
            ..self.on_new_connections()
        }
    }

    /// Ends all its connections, and the requests on them.
    pub(super) fn close(self) {
        self.agent.shutdown();
    }

    /// Passes a request on as its own, headers and all; the answer comes as it is read, with
    /// no limit of time.
    pub(super) fn pass(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, Vec<u8>)],
        body: &[u8],
    ) -> Result<Response<Body>, ureq::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(name, value.as_slice());
        }
        self.enter(|| match body {
            [] => self.agent.run(request.body(())?),
            body => self.agent.run(request.body(body)?),
        })
    }

    fn run<B: AsSendBody>(&self, request: Request<B>) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request);
        self.agent
            .run(request.timeout_global(Some(self.patience)).build())
    }

    /// Where objects of a kind are. `kind` is a name alone, such as `Service`, or has its group and
    /// version before it: `events.k8s.io/v1/Event`.
    fn resource(&self, kind: &str) -> Resource {
        wait::eventually(&format!("the server knows {kind}"), DISCOVERY, || {
            let mut known = self
                .resources
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(resource) = resource::find(&known, kind) {
                return Ok(resource);
            }
            let mut lists = Vec::new();
            for path in ["/api", "/apis"] {
                let list = self.request("GET", path, None);
                lists.push(list.map_err(|failure| failure.to_string())?);
            }
            *known = resource::read(&lists);
            resource::find(&known, kind).ok_or_else(|| "it does not".to_owned())
        })
    }

    /// The path of all objects of a kind.
    pub(super) fn collection(&self, kind: &str, namespace: &str) -> String {
        self.resource(kind).collection(namespace)
    }

    /// The path of one object. `namespace` is of no matter for a kind without.
    fn path(&self, kind: &str, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection(kind, namespace))
    }

    /// An object.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, Failure> {
        self.request("GET", &self.path(kind, namespace, name), None)
    }

    /// All objects of a kind in a namespace; in all of them if that is empty.
    pub fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>, Failure> {
        self.select(kind, namespace, "")
    }

    /// As [`Client::list`], with a query such as `labelSelector=app%3Dweb`.
    pub fn select(&self, kind: &str, namespace: &str, query: &str) -> Result<Vec<Value>, Failure> {
        let path = format!("{}?{query}", self.collection(kind, namespace));
        let mut list = self.request("GET", &path, None)?;
        let items = serde_json::from_value(list["items"].take());
        items.map_err(|error| Failure::no_answer(format!("no list: {error}")))
    }

    /// Makes an object. Its status is set by [`Client::patch_status`].
    pub fn create(&self, object: &Value) -> Result<Value, Failure> {
        let (kind, namespace, _) = names(object);
        let collection = self.collection(&kind, namespace);
        self.request("POST", &collection, Some(object))
    }

    /// Replaces an object as a whole; it fails with `Conflict` where `resourceVersion` is old.
    pub fn replace(&self, object: &Value) -> Result<Value, Failure> {
        let (kind, namespace, name) = names(object);
        self.request("PUT", &self.path(&kind, namespace, name), Some(object))
    }

    /// Server-side apply: makes the object, or gives its fields these values.
    pub fn apply(&self, object: &Value) -> Result<Value, Failure> {
        let (kind, namespace, name) = names(object);
        self.patch(&kind, namespace, name, Patch::Apply, object)
    }

    /// Changes an object; `name` may go on with a subresource: `web/scale`.
    pub fn patch(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        patch: Patch,
        change: &Value,
    ) -> Result<Value, Failure> {
        let (media_type, force) = match patch {
            Patch::Merge => ("application/merge-patch+json", ""),
            Patch::Strategic => ("application/strategic-merge-patch+json", ""),
            // JSON is YAML.
            Patch::Apply => ("application/apply-patch+yaml", "&force=true"),
        };
        let path = self.path(kind, namespace, name);
        let path = format!("{path}?fieldManager=lab{force}");
        as_json(&self.send("PATCH", &path, Some((media_type, change)))?)
    }

    /// Merges fields into an object's status ([`Patch::Merge`]).
    pub fn patch_status(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Result<Value, Failure> {
        let change = json!({ "status": status });
        self.patch(
            kind,
            namespace,
            &format!("{name}/status"),
            Patch::Merge,
            &change,
        )
    }

    /// Deletes an object, at once: a Pod without its grace period.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, Failure> {
        let path = self.path(kind, namespace, name);
        let path = format!("{path}?gracePeriodSeconds=0&propagationPolicy=Background");
        self.request("DELETE", &path, None)
    }

    /// The Events about an object, as the API server gives it: oldest first.
    pub fn events_of(&self, object: &Value) -> Result<Vec<Value>, Failure> {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let query = format!("fieldSelector=involvedObject.uid%3D{uid}");
        let mut events = self.select("v1/Event", "", &query)?;
        events.sort_by_key(|event| event["metadata"]["creationTimestamp"].to_string());
        Ok(events)
    }

    /// Looks at an object until `look` gives a value; what it says otherwise is told if that takes
    /// longer than `limit`.
    ///
    /// # Panics
    ///
    /// As [`wait::eventually`].
    pub fn wait_until<T>(
        &self,
        what: &str,
        limit: Duration,
        (kind, namespace, name): (&str, &str, &str),
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        wait::eventually(what, limit, || {
            let object = self.get(kind, namespace, name);
            let object = object.map_err(|failure| failure.to_string())?;
            look(&object).ok_or_else(|| format!("{object:#}"))
        })
    }

    /// Waits until an object is gone.
    ///
    /// # Panics
    ///
    /// As [`wait::eventually`].
    pub fn wait_until_gone(&self, kind: &str, namespace: &str, name: &str) {
        let what = format!("{kind} {namespace}/{name} is gone");
        wait::eventually(&what, wait::SOON, || {
            match self.get(kind, namespace, name) {
                Ok(object) => Err(format!("{object:#}")),
                Err(failure) if failure.is_not_found() => Ok(()),
                Err(failure) => Err(failure.to_string()),
            }
        });
    }
}

fn as_json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::no_answer(format!("{error}: {text}")))
}

/// Kind with group and version, namespace, and name of an object.
fn names(object: &Value) -> (String, &str, &str) {
    let word = |name: &str| object[name].as_str().unwrap_or_default();
    let kind = format!("{}/{}", word("apiVersion"), word("kind"));
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    (
        kind,
        namespace,
        metadata["name"].as_str().unwrap_or_default(),
    )
}
