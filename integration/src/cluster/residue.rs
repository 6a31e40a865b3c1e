//! What is on the machine that a cluster could leave behind.

use std::collections::BTreeSet;
use std::fs;

use super::cgroup;
use crate::command::run;
use crate::netns::{is_alive, owner};

/// Folders that a kubelet, containerd, CNI plugins or herald make where they run without a lab.
const FOLDERS: [&str; 7] = [
    "/run/containerd",
    "/run/flannel",
    "/run/herald",
    "/var/lib/cni",
    "/var/lib/herald",
    "/var/lib/kubelet",
    "/var/log/pods",
];

/// Names of what was there at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue(BTreeSet<String>);

impl Residue {
    /// What is there now: mounts, network namespaces, control groups, links and rules of this
    /// namespace, processes in other PID namespaces, and folders of the programs that run on nodes.
    /// What belongs to another run of the lab is not looked at.
    pub fn now() -> Residue {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut found: BTreeSet<String> = named("mount", mounts.lines());
        let namespaces = fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let namespaces: Vec<String> = namespaces
            .map(|entry| entry.path().display().to_string())
            .collect();
        found.extend(named("netns", namespaces.iter().map(String::as_str)));
        let cgroups = cgroup::names();
        found.extend(named("cgroup", cgroups.iter().map(String::as_str)));
        let links = run("ip", &["-oneline", "link"]);
        let links = links.lines().filter_map(|line| line.split(": ").nth(1));
        found.extend(named("link", links));
        found.extend(named("rules", run("nft", &["list", "tables"]).lines()));
        let there = FOLDERS
            .into_iter()
            .filter(|path| fs::exists(path).unwrap_or(true));
        found.extend(named("folder", there));
        found.extend(processes());
        Residue(found)
    }

    /// What is there and was not `before`.
    pub fn since(&self, before: &Residue) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

fn named<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let ours = names.filter(|name| !is_of_another_run(name));
    ours.map(|name| format!("{what} {name}")).collect()
}

/// A name with `herald-lab-PID` in it, of a process that runs and is not this one.
fn is_of_another_run(name: &str) -> bool {
    let start = name.find("herald-lab-");
    let pid = start.and_then(|start| owner(name.get(start..)?));
    pid.is_some_and(|pid| pid != std::process::id() && is_alive(pid))
}

/// Processes in PID namespaces that are not this one's.
fn processes() -> BTreeSet<String> {
    let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = of("self");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let is_process = pid.bytes().all(|octet| octet.is_ascii_digit());
        if is_process && let Some(namespace) = of(&pid).filter(|_| of(&pid) != own) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.insert(format!(
                "process {pid} {} {}",
                name.trim(),
                namespace.display()
            ));
        }
    }
    found
}
