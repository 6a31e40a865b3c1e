//! The way to the API server.

use std::path::Path;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::timeout::TimeoutLayer;
use tower::{BoxError, ServiceBuilder};

/// How long a TCP connection to the API server may take.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin. A watch's begins at once, whatever happens after.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// A watch on which nothing happens looks the same when the way to the API server is cut. The kernel
/// asks the other end after so long a silence (tcp(7), `TCP_KEEPIDLE`) …
const QUIET: Duration = Duration::from_secs(3);
/// … again after so long without an answer (`TCP_KEEPINTVL`) …
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// … and gives the connection up after so many (`TCP_KEEPCNT`).
const ASK_TIMES: u32 = 3;

/// A client by the kubeconfig file at this path; without one, as `kubectl` finds it: `KUBECONFIG`,
/// `~/.kube/config`, or the Pod's own ServiceAccount.
///
/// # Errors
/// There is no configuration, or it cannot be read; the text says which.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, String> {
    let config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(|error| {
            format!("there is no kubeconfig and no ServiceAccount ({error}): set --kubeconfig")
        })?,
    };
    let client = client(config);
    client.map_err(|error| format!("cannot make a client: {error}"))
}

/// kube's own stack (`ClientBuilder`), on connections that notice when the way is cut. Nothing is
/// repeated here: whoever makes a request knows whether and when to, and the leader asks its fence
/// first.
fn client(config: Config) -> Result<Client, BoxError> {
    if let Some(proxy) = &config.proxy_url {
        return Err(format!("a proxy ({proxy}) is not supported: remove proxy-url").into());
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(QUIET));
    tcp.set_keepalive_interval(Some(ASK_AGAIN));
    tcp.set_keepalive_retries(Some(ASK_TIMES));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(tls);
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(ANSWER))
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}

async fn from_file(path: &Path) -> Result<Config, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("kubeconfig {}: {error}", path.display());
    let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await;
    config.map_err(|error| wrong(&error))
}
