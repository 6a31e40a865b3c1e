//! What a person or Prometheus sees of the daemon: HTTP on a unix socket and, unless switched off,
//! on a TCP port. Only reading; nothing here changes anything.

pub mod client;
mod links;
mod listeners;
mod metrics;
mod report;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use controller::kube::Hearings;
use controller::kube::call::Counts;
use controller::kube::leadership::Leadership;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use plan::alloc::Outcome;
use plan::explain::Explanation;
use plan::world::ObjectName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use crate::histogram::Histogram;
use crate::links::failure;
use crate::peers::{ListenerProblems, PeerTable};
use crate::view::View;

pub use listeners::Listeners;

/// How long a connection may take from request to request.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Everything that can be asked about.
#[derive(Clone, Debug)]
pub struct Observed {
    view: watch::Receiver<Arc<View>>,
    peers: PeerTable,
    listener: ListenerProblems,
    options: plan::health::Options,
    /// How well the API server is heard; `None` where there is none.
    hearings: Option<watch::Receiver<Arc<Hearings>>>,
    /// What is written into the API, by what it is about, and how much of it.
    writers: Vec<(&'static str, Counts)>,
    /// From a change until it is in a Service's status; `None` where no status is written.
    until_status: Option<Histogram>,
    /// Who leads, of a controller.
    leadership: Option<watch::Receiver<Leadership>>,
    started: Instant,
}

impl Observed {
    /// The parts of a running daemon.
    pub fn new(
        view: watch::Receiver<Arc<View>>,
        peers: PeerTable,
        listener: ListenerProblems,
        options: plan::health::Options,
    ) -> Observed {
        Observed {
            view,
            peers,
            listener,
            options,
            hearings: None,
            writers: Vec::new(),
            until_status: None,
            leadership: None,
            started: Instant::now(),
        }
    }

    /// The parts of a controller, which has no peers.
    pub fn of_controller(
        view: watch::Receiver<Arc<View>>,
        leadership: watch::Receiver<Leadership>,
    ) -> Observed {
        let options = plan::health::Options::default();
        let listener = ListenerProblems::default();
        Observed {
            leadership: Some(leadership),
            ..Observed::new(view, PeerTable::default(), listener, options)
        }
    }

    /// The same of a daemon that watches a cluster.
    pub fn with_source(self, hearings: watch::Receiver<Arc<Hearings>>) -> Observed {
        Observed {
            hearings: Some(hearings),
            ..self
        }
    }

    /// The same of a daemon that writes this.
    pub fn with_writers(self, writers: Vec<(&'static str, Counts)>) -> Observed {
        Observed { writers, ..self }
    }

    /// The same of a daemon that writes the status of Services.
    pub fn with_status_times(self, until_status: Histogram) -> Observed {
        Observed {
            until_status: Some(until_status),
            ..self
        }
    }

    fn hearings(&self) -> Option<Arc<Hearings>> {
        let hearings = self.hearings.as_ref()?;
        Some(Arc::clone(&hearings.borrow()))
    }

    /// Whether it is decided here who gets which address: by the leader, and without a cluster.
    fn allocates(&self) -> bool {
        match &self.leadership {
            Some(leadership) => leadership.borrow().is_ours(),
            None => self.hearings.is_none(),
        }
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }
}

/// Serves a connection in a task of its own, once there is room for it. `trusted` is the unix
/// socket: only there the configuration is shown.
async fn connection<S>(stream: S, trusted: bool, observed: &Observed, slots: &Arc<Semaphore>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
        return;
    };
    let observed = observed.clone();
    tokio::spawn(async move {
        let service = service_fn(|request| {
            let observed = observed.clone();
            async move { Ok::<_, Infallible>(answer(&request, trusted, &observed).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_buf_size(8 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        // A client that breaks off is its own affair.
        let _ = served.await;
        drop(slot);
    });
}

async fn answer(
    request: &Request<Incoming>,
    trusted: bool,
    observed: &Observed,
) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
    }
    let parts: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
    match (trusted, parts.as_slice()) {
        (_, ["metrics"]) => metrics::response(metrics::text(observed).await),
        (_, ["healthz"]) => text(StatusCode::OK, "ok\n".into()),
        (_, ["readyz"]) => ready(observed),
        (true, ["status"]) => json(report::overview(observed).await),
        (true, ["status", subject]) => match report::subject(subject, observed).await {
            Some(value) => json(value),
            None => text(StatusCode::NOT_FOUND, "no such subject\n".into()),
        },
        (true, ["world"]) => json(report::world(&observed.view().world)),
        (true, ["explain", form, namespace, name]) => explain(form, namespace, name, observed),
        _ => text(StatusCode::NOT_FOUND, "not found\n".into()),
    }
}

/// Ready once the first round is announced, of a cluster that has been listed whole, and as long as
/// assignments can be kept.
fn ready(observed: &Observed) -> Response<Full<Bytes>> {
    let view = observed.view();
    let hearings = observed.hearings().unwrap_or_default();
    let unlisted = hearings.iter().filter(|(_, hearing)| !hearing.listed);
    let unlisted: Vec<&str> = unlisted.map(|(kind, _)| kind.name()).collect();
    if !unlisted.is_empty() {
        let message = format!("not listed yet: {}\n", unlisted.join(", "));
        return text(StatusCode::SERVICE_UNAVAILABLE, message);
    }
    match (view.rounds, &view.state_error) {
        (0, _) => text(StatusCode::SERVICE_UNAVAILABLE, "no round yet\n".into()),
        (_, Some(error)) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        (_, None) => text(StatusCode::OK, "ok\n".into()),
    }
}

fn explain(form: &str, namespace: &str, name: &str, observed: &Observed) -> Response<Full<Bytes>> {
    let view = observed.view();
    let service = ObjectName {
        namespace: namespace.into(),
        name: name.into(),
    };
    let explanation = plan::explain(&view.world, &service, Some(&view.node), observed.options);
    match explanation.map(|explanation| as_recorded(explanation, &view)) {
        None => text(StatusCode::NOT_FOUND, "no such Service\n".into()),
        Some(explanation) if form == "json" => json(serde_json::json!(explanation)),
        Some(explanation) => text(StatusCode::OK, explanation.to_string()),
    }
}

/// What `plan` would give is not what the Service has while that cannot be recorded; until when a
/// mismatch with other Services is tolerated, only the rounds know; and what there is on the links of
/// this node, only their tasks.
fn as_recorded(mut explanation: Explanation, view: &View) -> Explanation {
    if view.announcements.is_none() {
        // A controller knows no endpoints: each node's speaker knows what it announces.
        explanation.nodes.clear();
    }
    let Some(service) = view.world.services.get(&explanation.service) else {
        return explanation;
    };
    let held = view.allocation.of(service);
    if view.state_error.is_some() && explanation.addresses != held.addresses {
        explanation.addresses = held.addresses.to_vec();
        explanation.pool = held.pool.cloned();
        explanation.allocation = held.outcome.to_string();
        explanation.nodes.clear();
    }
    if let Outcome::Tolerated(_, _) = held.outcome {
        explanation.allocation = held.outcome.to_string();
    }
    let nodes = explanation.nodes.iter_mut();
    let here = nodes.filter(|node| node.node == view.node);
    for l2 in here.filter_map(|node| node.l2.as_mut()) {
        let failures = failure::all(view).into_iter();
        let of_service = failures.filter(|(name, ..)| *name == explanation.service);
        l2.failures = of_service
            .map(|(_, address, failure)| format!("{address}: {failure}"))
            .collect();
    }
    explanation
}

fn json(value: Value) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, format!("{value:#}\n"));
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
