//! The way to the API server.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// How long a TCP connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);

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
    Client::try_from(config).map_err(|error| format!("cannot make a client: {error}"))
}

async fn from_file(path: &Path) -> Result<Config, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("kubeconfig {}: {error}", path.display());
    let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(file, &options).await;
    config.map_err(|error| wrong(&error))
}
