//! What writes to the API, against the real one, under the accounts and the RBAC of the deployment.

mod events;
mod keepers;
mod lease;
mod service_status;

use std::path::Path;
use std::time::Duration;

use controller::kube::client::connect;
use integration::kube::ControlPlane;
use integration::netns::Netns;
use integration::wait::SOON;
use kube::Client;
use tokio::runtime::{Builder, Runtime};

/// Runs work with a client of a kubeconfig, on a thread of its own in the API server's network.
fn with_client<T: Send>(
    netns: &Netns,
    kubeconfig: &Path,
    work: impl AsyncFnOnce(Client) -> T + Send,
) -> T {
    netns.enter(|| {
        runtime().block_on(async {
            let client = connect(Some(kubeconfig)).await;
            work(client.expect("a client")).await
        })
    })
}

/// As [`with_client`], for an account of the deployment.
fn as_account<T: Send>(
    cluster: &ControlPlane,
    account: &str,
    work: impl AsyncFnOnce(Client) -> T + Send,
) -> T {
    let kubeconfig = cluster.kubeconfig(crate::rbac::HOME, account);
    with_client(cluster.netns(), &kubeconfig, work)
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Waits for a value, and fails if it takes very long.
async fn soon<T>(what: &str, value: impl Future<Output = T>) -> T {
    within(SOON, what, value).await
}

async fn within<T>(limit: Duration, what: &str, value: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(limit, value).await;
    value.unwrap_or_else(|_| panic!("after {limit:?}, still not: {what}"))
}
