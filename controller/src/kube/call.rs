//! One request to the API server, and what became of it.
//!
//! `kube::Api` drops the headers of an answer, and with them `Retry-After`; and it reads whole
//! objects, of which a writer needs the resourceVersion. So writers make their requests here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::{Body, Client};
use kube::core::Status;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::fence::Fence;

/// The longest answer that is read, in octets. An object in etcd has at most 1.5 MiB.
const LONGEST: usize = 8 * 1024 * 1024;
/// The longest delay that a server may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How a PATCH is meant, by its media type.
pub const STRATEGIC_MERGE: &str = "application/strategic-merge-patch+json";
/// RFC 7386.
pub const MERGE: &str = "application/merge-patch+json";
/// A whole object.
pub const JSON: &str = "application/json";

/// Why a request did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was not sent, or not waited for: we may not write.
    Fenced,
    /// There is no such object (404), or no such kind.
    NotFound,
    /// The object is not as the request takes for granted (409): `metadata.uid` or
    /// `metadata.resourceVersion` differ, or it exists already.
    Conflict(String),
    /// The request will never be granted as it is (other 4xx).
    Refused(StatusCode, String),
    /// Not now (429, 5xx), and when to ask again if the server says so.
    Busy(StatusCode, Option<Duration>, String),
    /// Nobody answered, or not in time; it may have been done.
    NoAnswer(String),
}

impl Failure {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Failure::Busy(..) | Failure::NoAnswer(_) => true,
            Failure::Fenced | Failure::NotFound | Failure::Conflict(_) | Failure::Refused(..) => {
                false
            }
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Busy(_, retry_after, _) => *retry_after,
            Failure::Fenced
            | Failure::NotFound
            | Failure::Conflict(_)
            | Failure::Refused(..)
            | Failure::NoAnswer(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Fenced => f.write_str("the Lease is not held"),
            Failure::NotFound => f.write_str("it is not there (404)"),
            Failure::Conflict(message) => write!(f, "conflict (409): {message}"),
            Failure::Refused(code, message) | Failure::Busy(code, _, message) => {
                write!(f, "{}: {message}", code.as_u16())
            }
            Failure::NoAnswer(message) => write!(f, "no answer: {message}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What of a written object its writer needs.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    metadata: WrittenMetadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMetadata {
    #[serde(default)]
    resource_version: String,
}

impl Written {
    /// `metadata.resourceVersion`.
    pub(super) fn resource_version(self) -> Arc<str> {
        self.metadata.resource_version.into()
    }
}

/// How many requests a writer has made, for metrics.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    failures: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    /// Requests sent.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Those that did not do what they should, whatever the reason.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// What was to be written and never will be.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// One more thing will never be written.
    pub(super) fn drop_one(&self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes requests, each no longer than a time and never past its fence.
///
/// The client should leave repetition to the writers: `Config::default_retry` off.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    fence: Fence,
    timeout: Duration,
    counts: Counts,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("fence", &self.fence)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Caller {
    /// A caller whose requests take at most `timeout`.
    pub fn new(client: Client, fence: Fence, timeout: Duration) -> Caller {
        Caller {
            client,
            fence,
            timeout,
            counts: Counts::default(),
        }
    }

    /// What it and its clones count.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Whether a request may be sent now.
    pub fn may_write(&self, now: Instant) -> bool {
        self.fence.may_write(now)
    }

    /// Makes a request with a body, and reads the answer as JSON.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says.
    pub async fn send<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path_and_query: &str,
        media_type: &'static str,
        body: &Value,
    ) -> Result<T, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path_and_query)
            .header(header::CONTENT_TYPE, media_type)
            .header(header::ACCEPT, JSON)
            .body(Body::from(body.to_string().into_bytes()));
        self.make(request).await
    }

    /// Reads an object or a list, or deletes one.
    ///
    /// # Errors
    ///
    /// As [`Failure`] says.
    pub async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path_and_query: &str,
    ) -> Result<T, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path_and_query)
            .header(header::ACCEPT, JSON)
            .body(Body::empty());
        self.make(request).await
    }

    async fn make<T: for<'de> Deserialize<'de>>(
        &self,
        request: http::Result<Request<Body>>,
    ) -> Result<T, Failure> {
        let request = request.map_err(|error| {
            Failure::Refused(StatusCode::BAD_REQUEST, format!("not a request: {error}"))
        })?;
        let now = Instant::now();
        let limit = now + self.timeout;
        let fenced_at = self.fence.permit(now).map_err(|_| Failure::Fenced)?;
        let until = fenced_at.map_or(limit, |fenced_at| fenced_at.min(limit));
        self.counts.0.requests.fetch_add(1, Ordering::Relaxed);
        // The time first: what wakes up too late sends nothing.
        let answer = tokio::select! {
            biased;
            () = sleep_until(until) => Err(match fenced_at {
                Some(fenced_at) if fenced_at <= limit => Failure::Fenced,
                _ => Failure::NoAnswer(format!("none in {:?}", self.timeout)),
            }),
            answer = answer(&self.client, request) => answer,
        };
        if answer.is_err() {
            self.counts.0.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

async fn answer<T: for<'de> Deserialize<'de>>(
    client: &Client,
    request: Request<Body>,
) -> Result<T, Failure> {
    let response = client.send(request).await;
    let response = response.map_err(|error| Failure::NoAnswer(chain(&error)))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, LONGEST).collect().await;
    let body = body.map_err(|error| Failure::NoAnswer(format!("half an answer: {error}")))?;
    let body = body.to_bytes();
    if !head.status.is_success() {
        return Err(failure(&Response::from_parts(head, &*body)));
    }
    let read = serde_json::from_slice(&body);
    read.map_err(|error| Failure::NoAnswer(format!("not the JSON that was expected: {error}")))
}

/// What an error says, and what is behind it, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // A chain is short; this holds even for one that bites its tail.
    for _ in 0..8 {
        let Some(error) = source else { break };
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

/// What an answer that is no success means.
fn failure(response: &Response<&[u8]>) -> Failure {
    let code = response.status();
    let status: Status = serde_json::from_slice(response.body()).unwrap_or_default();
    let message = match status.message.as_str() {
        "" => shortened(&String::from_utf8_lossy(response.body())),
        message => shortened(message),
    };
    match code {
        StatusCode::NOT_FOUND | StatusCode::GONE => Failure::NotFound,
        StatusCode::CONFLICT => Failure::Conflict(message),
        // The object of that name is another one than the request means.
        StatusCode::UNPROCESSABLE_ENTITY if is_about_uid(&status) => Failure::Conflict(message),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Failure::Busy(code, retry_after(response.headers()), message)
        }
        code if code.is_server_error() => {
            Failure::Busy(code, retry_after(response.headers()), message)
        }
        code => Failure::Refused(code, message),
    }
}

fn is_about_uid(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .into_iter()
        .any(|cause| cause.field == "metadata.uid")
}

/// `Retry-After` in seconds, as the API server sends it (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let asked = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(asked.min(LONGEST_RETRY_AFTER))
}

/// At most 300 characters: it goes into logs.
fn shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
