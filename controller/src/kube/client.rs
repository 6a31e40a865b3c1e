//! The way to the API server.

use std::path::Path;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::timeout::TimeoutLayer;

/// How long a TCP connection to the API server may take.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin. A watch's begins at once, whatever happens after.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// A client by the kubeconfig file at this path; without one, as `kubectl` finds it: `KUBECONFIG`,
/// `~/.kube/config`, or the Pod's own ServiceAccount.
///
/// # Errors
/// There is no configuration, or it cannot be read; the text says which.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, String> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(|error| {
            format!("there is no kubeconfig and no ServiceAccount ({error}): set --kubeconfig")
        })?,
    };
    config.connect_timeout = Some(CONNECT);
    // A watch is silent for as long as nothing happens; it has an end of its own.
    config.read_timeout = None;
    // Whoever makes a request knows whether and when to repeat it; the leader asks its fence first.
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config);
    let builder = builder.map_err(|error| format!("cannot make a client: {error}"))?;
    Ok(builder.with_layer(&TimeoutLayer::new(ANSWER)).build())
}

async fn from_file(path: &Path) -> Result<Config, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("kubeconfig {}: {error}", path.display());
    let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await;
    config.map_err(|error| wrong(&error))
}
