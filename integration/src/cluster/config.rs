//! What the programs of a node are told.

use std::path::Path;

use ipnet::Ipv4Net;
use serde_json::json;

use super::images;

/// containerd's own socket. Each node has a `/run` of its own.
pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";

/// containerd's configuration: no registry, and nothing that only a root with all capabilities may.
pub(super) fn containerd(plugins: &Path) -> String {
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{plugins}"
"#,
        pause = images::NAME,
        plugins = plugins.display(),
    )
}

/// The network of a node's Pods: a bridge, whose addresses the other nodes have routes to.
pub(super) fn network(pods: Ipv4Net) -> String {
    let list = json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": pods}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    });
    format!("{list:#}\n")
}

/// kubelet's configuration. Its API, by which `kubectl logs` and `kubectl exec` work, answers
/// anybody: nobody but the cluster is on its network.
pub(super) fn kubelet(cgroup: &str) -> String {
    let none = "0%";
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "failCgroupV1": false,
        "failSwapOn": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "enforceNodeAllocatable": [],
        // What a root without CAP_SYS_RESOURCE has already.
        "oomScoreAdj": 0,
        "maxOpenFiles": 1024,
        // The machine's disk and memory are not the lab's to judge.
        "evictionHard": {
            "memory.available": none,
            "nodefs.available": none,
            "nodefs.inodesFree": none,
            "imagefs.available": none,
            "imagefs.inodesFree": none,
        },
        "imageGCHighThresholdPercent": 100,
        "nodeLeaseDurationSeconds": 20,
        "volumePluginDir": "/var/lib/kubelet/plugins",
    });
    format!("{config:#}\n")
}
