//! A node with a kubelet: as much of a machine as one process tree can be.
//!
//! It has namespaces of its own for its network, its mounts and its processes: `/run`, `/var/lib`
//! and `/var/log` are in memory and its own, and when its first process ends, the kernel ends every
//! other, containers too, and takes its mounts away.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipnet::Ipv4Net;
use rustix::process::Signal;

use super::cgroup::Cgroup;
use super::config;
use crate::command::output;
use crate::kube::ControlPlane;
use crate::kube::node::kube_proxy;
use crate::lab::Lab;
use crate::netns::Netns;
use crate::process::{Process, await_file, read_log, signal, tail};
use crate::wait;

/// A node's link to the nodes' network.
pub const LINK: &str = "eth0";
/// How long containerd may take until it answers.
const CONTAINERD: Duration = Duration::from_secs(60);
/// The first process: the folders of its own, and then whoever loses its parent. `$0` is a file
/// that says that all is there.
const INIT: &str = "set -e
for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs $folder; done
mkdir /run/netns
: > \"$0\"
sleep infinity & wait";

/// A running node; it loses its power when dropped.
#[derive(Debug)]
pub struct Node {
    name: String,
    address: IpAddr,
    pods: Ipv4Net,
    logs: Vec<PathBuf>,
    // What is in its namespaces ends with the first process, which Drop sees to.
    services: Vec<Process>,
    first: u32,
    unshare: Process,
    // After all that is in them.
    _cgroup: Cgroup,
    netns: Netns,
}

impl Node {
    /// Starts it; its kubelet may not be Ready yet.
    pub(super) fn start(
        lab: &Lab,
        control_plane: &ControlPlane,
        number: u8,
        name: &str,
        archives: &[PathBuf],
    ) -> Node {
        let netns = lab.netns(name);
        netns.forward();
        let [address, _] = control_plane.attach(&netns, LINK);
        // Without a route, what runs on the node itself cannot begin to reach a ClusterIP.
        let (gateway, _) = control_plane.endpoint();
        netns.ip(&format!("route add default via {gateway}"));
        let cgroup = Cgroup::new(netns.name());
        let folder = lab.folder(name);
        let log = |program: &str| lab.log(&format!("{program}-{name}"));
        let (unshare, first) = first_process(&netns, &folder, &log("init"));
        let mut node = Node {
            name: name.to_owned(),
            address,
            pods: pods_of(number),
            logs: ["containerd", "kubelet", "kube-proxy"].map(log).into(),
            services: Vec::new(),
            first,
            unshare,
            _cgroup: cgroup,
            netns,
        };
        node.start_containerd(&folder, archives);
        node.start_kubelet(&folder, control_plane);
        let proxy = kube_proxy(control_plane, &node.netns, &node.logs[2], name);
        node.services.push(proxy);
        node
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the nodes' network.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Addresses of its Pods.
    pub fn pods(&self) -> Ipv4Net {
        self.pods
    }

    /// Its network.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// A file of the node as this machine sees it, such as `/var/lib/herald`.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    /// The first process of the node, and with it the namespace of all its processes.
    pub fn first_process(&self) -> u32 {
        self.first
    }

    /// Runs a program there that must succeed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let target = self.first.to_string();
        let mut all = vec!["--target", &target, "--mount", "--pid", program];
        all.extend(arguments);
        self.netns.enter(|| output("nsenter", &all))
    }

    /// The ends of all logs, those of its Pods too.
    pub fn log_tails(&self) -> String {
        let mut logs = self.logs.clone();
        files_below(&self.path("/var/log/pods"), &mut logs);
        let shown = logs
            .iter()
            .map(|path| format!("-- {}\n{}\n", path.display(), tail(&read_log(path))));
        shown.collect()
    }

    fn spawn(&self, log: &Path, program: &Path, arguments: &[String]) -> Process {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.to_string(), "--mount", "--pid"])
            .arg(program)
            .args(arguments);
        Process::spawn_bounded(&self.netns, log, command)
    }

    fn start_containerd(&mut self, folder: &Path, archives: &[PathBuf]) {
        let plugins = folder.join("cni");
        write(&plugins.join("pods.conflist"), &config::network(self.pods));
        let path = folder.join("containerd.toml");
        write(&path, &config::containerd(&plugins));
        let arguments = ["--config".to_owned(), path.display().to_string()];
        let containerd = self.spawn(&self.logs[0], Path::new("containerd"), &arguments);
        self.services.push(containerd);
        wait::eventually("containerd answers", CONTAINERD, || {
            self.run("ctr", &["version"])
                .map_err(|error| format!("{error}\n{}", self.log_tails()))
        });
        for archive in archives {
            let archive = archive.to_string_lossy();
            let import = ["--namespace", "k8s.io", "images", "import", &archive];
            self.run("ctr", &import)
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }

    fn start_kubelet(&mut self, folder: &Path, control_plane: &ControlPlane) {
        let path = folder.join("kubelet.yaml");
        write(&path, &config::kubelet(self.netns.name()));
        let arguments = [
            format!("--config={}", path.display()),
            format!(
                "--kubeconfig={}",
                control_plane.admin_kubeconfig().display()
            ),
            format!("--hostname-override={}", self.name),
            format!("--node-ip={}", self.address),
        ];
        let program = control_plane.program("kubelet");
        let kubelet = self.spawn(&self.logs[1], &program, &arguments);
        self.services.push(kubelet);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The link first, as a power cut does: nobody hears a last word.
        let _ = output(
            "ip",
            &["-n", self.netns.name(), "link", "set", LINK, "down"],
        );
        if crate::netns::is_alive(self.first) {
            signal(self.first, Signal::KILL);
        }
        self.unshare.wait();
        self.services.clear();
    }
}

/// The Pods of a node: `10.64.NUMBER.0/24`.
fn pods_of(number: u8) -> Ipv4Net {
    let network = Ipv4Addr::new(10, 64, number, 0);
    Ipv4Net::new(network, 24).unwrap_or_else(|error| panic!("{network}: {error}"))
}

/// Starts the first process in namespaces of its own: `unshare`, which ends after it, and its
/// number here.
fn first_process(netns: &Netns, folder: &Path, log: &Path) -> (Process, u32) {
    let ready = folder.join("ready");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", INIT])
        .arg(&ready);
    let mut unshare = Process::spawn(netns, log, command);
    await_file(&ready, &mut unshare);
    let pid = unshare.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let first = children.ok().and_then(|text| text.trim().parse().ok());
    let first = first.unwrap_or_else(|| panic!("the node has no first process"));
    (unshare, first)
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Regular files; Pods' logs are three folders deep.
fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            Ok(_) | Err(_) => {}
        }
    }
}
