//! A node's heartbeat: what a kubelet does so that the node-lifecycle controller lets it be.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::json;

use super::client::Client;

/// Between two heartbeats.
const PERIOD: Duration = Duration::from_secs(2);

/// Renews a node's Lease until dropped. Failures are no matter: that is what the Lease is for.
#[derive(Debug)]
pub(super) struct Heartbeat {
    _stop: Sender<()>,
}

impl Heartbeat {
    pub(super) fn start(client: Client, node: &str) -> Heartbeat {
        let (stop, stopped) = channel();
        let node = node.to_owned();
        std::thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::ZERO) {
                let _ = client.apply(&lease(&node));
                if let Err(RecvTimeoutError::Disconnected) = stopped.recv_timeout(PERIOD) {
                    return;
                }
            }
        });
        Heartbeat { _stop: stop }
    }
}

fn lease(node: &str) -> serde_json::Value {
    // MicroTime has six digits, no more and no less.
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node, "namespace": "kube-node-lease"},
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": 40,
            "renewTime": now.to_string(),
        },
    })
}
