//! Control groups: a folder of a node's own in every hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::netns::{is_alive, owner};
use crate::wait;

const MOUNT: &str = "/sys/fs/cgroup";
/// Files that a cpuset needs to be filled in before a process can be in it (cgroup v1).
const CPUSET: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// A folder of one name in every hierarchy; removed, with all below, when dropped.
#[derive(Debug)]
pub struct Cgroup {
    name: String,
}

impl Cgroup {
    /// Makes it.
    pub fn new(name: &str) -> Cgroup {
        let cgroup = Cgroup {
            name: name.to_owned(),
        };
        for hierarchy in hierarchies() {
            let folder = hierarchy.join(name);
            fs::create_dir_all(&folder)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            for file in CPUSET.map(|file| (hierarchy.join(file), folder.join(file))) {
                let (from, to) = file;
                if let Ok(value) = fs::read_to_string(from) {
                    fs::write(&to, value)
                        .unwrap_or_else(|error| panic!("{}: {error}", to.display()));
                }
            }
        }
        cgroup
    }

    /// Its name at the top of each hierarchy.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel takes its time to count processes out that have ended.
        let limit = std::time::Instant::now() + wait::SOON;
        for folder in hierarchies().iter().map(|top| top.join(&self.name)) {
            while let Err(error) = remove(&folder) {
                if std::time::Instant::now() > limit {
                    eprintln!("{}: {error}", folder.display());
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

/// Names at the tops of the hierarchies, in order.
pub(super) fn names() -> Vec<String> {
    let tops = hierarchies();
    let folders = tops.iter().flat_map(|top| children(top));
    let mut names: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    names.sort();
    names
}

/// Removes those that a dead run of the lab left behind.
pub(crate) fn sweep() {
    for folder in hierarchies().iter().flat_map(|top| children(top)) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if owner(&name).is_some_and(|pid| !is_alive(pid)) {
            // Another run may be as far.
            let _ = remove(&folder);
        }
    }
}

/// The mounts: one for all controllers (v2), or one for each (v1).
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut found = Vec::new();
    for mount in mounts.lines() {
        let mut fields = mount.split(' ').skip(1);
        let (Some(path), Some(kind)) = (fields.next(), fields.next()) else {
            continue;
        };
        if path.starts_with(MOUNT) && (kind == "cgroup" || kind == "cgroup2") {
            found.push(PathBuf::from(path));
        }
    }
    found
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// What is below first; its files are the kernel's.
fn remove(folder: &Path) -> std::io::Result<()> {
    for child in children(folder) {
        remove(&child)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
