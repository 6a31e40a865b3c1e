//! What runs in the containers of a node, as the kernel knows it.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use super::node::Node;
use crate::process::signal;

/// A process in a container of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    pid: u32,
}

impl Program {
    /// Processes of that name (`/proc/PID/comm`) in the containers of a node.
    ///
    /// Containers have PID namespaces of their own below the node's; here they are found by their
    /// numbers on this machine.
    pub fn all(node: &Node, name: &str) -> Vec<Program> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let programs = pids.map(|pid| Program { pid });
        let wanted = format!("{name}\n");
        programs
            .filter(|program| program.file("comm").as_deref() == Some(&*wanted))
            .filter(|program| program.is_below(node.first_process()))
            .collect()
    }

    /// An argument; 0 is the program itself.
    pub fn argument(&self, index: usize) -> Option<String> {
        let line = self.file("cmdline")?;
        line.split('\0').nth(index).map(str::to_owned)
    }

    /// A variable of its environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        let all = self.file("environ")?;
        let mut all = all.split('\0').filter_map(|pair| pair.split_once('='));
        all.find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    }

    /// The first value of a field of `/proc/PID/status` (proc_pid_status(5)), such as `CapEff`.
    pub fn status(&self, field: &str) -> Option<String> {
        let text = self.file("status")?;
        let mut lines = text.lines();
        let values = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"))?;
        values.split('\t').next().map(str::to_owned)
    }

    /// The options of its root's mount, such as `ro,relatime`.
    pub fn root_options(&self) -> Option<String> {
        // proc_pid_mountinfo(5): the fifth field is where, the sixth how; of mounts at one place
        // the last is seen.
        let mounts = self.file("mountinfo")?;
        let fields = mounts.lines().map(|line| line.split(' ').skip(4));
        let mut roots = fields.filter_map(|mut fields| match fields.next() {
            Some("/") => fields.next().map(str::to_owned),
            Some(_) | None => None,
        });
        roots.next_back()
    }

    /// A file as it sees it.
    pub fn read(&self, path: &str) -> Result<String, String> {
        let path = format!("/proc/{}/root{path}", self.pid);
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }

    /// SIGKILL.
    pub fn kill(&self) {
        signal(self.pid, Signal::KILL);
    }

    fn is_below(&self, ancestor: u32) -> bool {
        let mut next = Some(self.pid);
        // Parents end at process 1, whose parent is 0.
        while let Some(pid) = next.filter(|pid| *pid > 1) {
            if pid == ancestor {
                return true;
            }
            let parent = Program { pid }.status("PPid");
            next = parent.and_then(|parent| parent.parse().ok());
        }
        false
    }

    fn file(&self, name: &str) -> Option<String> {
        let path = Path::new("/proc").join(self.pid.to_string()).join(name);
        fs::read_to_string(path).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_from_proc() {
        let own = Program {
            pid: std::process::id(),
        };
        assert!(own.is_below(std::process::id()));
        assert!(!own.is_below(u32::MAX));
        let name = own.argument(0).expect("its name");
        assert!(std::env::args().next().is_some_and(|own| own == name));
        assert_eq!(own.variable("PATH"), std::env::var("PATH").ok());
        assert_eq!(own.status("Pid"), Some(std::process::id().to_string()));
        assert!(own.root_options().is_some());
    }
}
