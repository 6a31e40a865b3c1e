//! A network namespace: a machine of the lab.

use std::fs::File;
use std::net::IpAddr;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::command::{output, run};

/// Where `ip netns` keeps its handles.
const HANDLES: &str = "/run/netns";
/// All names of the lab begin so: `herald-lab-PID-NUMBER-ROLE`.
const PREFIX: &str = "herald-lab-";

/// A network namespace, deleted when dropped.
#[derive(Debug)]
pub struct Netns {
    number: usize,
    name: String,
    handle: Handle,
}

/// A way into a namespace, which does not keep it from being deleted.
#[derive(Clone, Debug)]
pub struct Handle(Arc<File>);

impl Netns {
    /// Makes one, with its loopback up and IPv6 addresses usable at once (no duplicate address
    /// detection).
    pub(crate) fn new(number: usize, role: &str) -> Netns {
        let name = format!("{PREFIX}{}-{number}-{role}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let handle = File::open(Path::new(HANDLES).join(&name))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let handle = Handle(Arc::new(handle));
        let netns = Netns {
            number,
            name,
            handle,
        };
        for scope in ["all", "default"] {
            netns.sysctl(&format!("ipv6/conf/{scope}/accept_dad"), "0");
            netns.sysctl(&format!("ipv6/conf/{scope}/accept_ra"), "0");
            netns.sysctl(&format!("ipv4/conf/{scope}/rp_filter"), "0");
            // Link-local addresses are those that a test gives.
            netns.sysctl(&format!("ipv6/conf/{scope}/addr_gen_mode"), "1");
        }
        netns.ip("link set lo up");
        netns
    }

    /// Its name, as `ip -n` takes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its handle in the file system.
    pub fn path(&self) -> PathBuf {
        Path::new(HANDLES).join(&self.name)
    }

    /// `ip ARGUMENTS` in it; arguments are split at blanks.
    pub fn ip(&self, arguments: &str) -> String {
        let mut words = vec!["-n", &self.name];
        words.extend(arguments.split_whitespace());
        run("ip", &words)
    }

    /// Runs a program in it that must succeed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        self.enter(|| run(program, arguments))
    }

    /// A way into it that outlives this borrow.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes a sysctl below `/proc/sys/net`, given with slashes.
    pub fn sysctl(&self, key: &str, value: &str) {
        let path = Path::new("/proc/sys/net").join(key);
        let written = self.enter(|| std::fs::write(&path, value));
        written.unwrap_or_else(|error| panic!("{}: {}: {error}", self.name, path.display()));
    }

    /// Forwards packets between its links.
    pub fn forward(&self) {
        self.sysctl("ipv4/conf/all/forwarding", "1");
        self.sysctl("ipv6/conf/all/forwarding", "1");
    }

    /// Joins two namespaces by a veth pair; each end is up and has its name and addresses.
    pub fn join(
        &self,
        link: &str,
        addresses: &[&str],
        other: &Netns,
        other_link: &str,
        other_addresses: &[&str],
    ) {
        self.ip(&format!(
            "link add {link} type veth peer name {other_link} netns {}",
            other.name
        ));
        self.bring_up(link, addresses);
        other.bring_up(other_link, other_addresses);
    }

    /// Makes a bridge with addresses. It has a link-layer address of its own: else it takes that of a
    /// port, and loses it with that port, when whoever knows it waits up to a minute to ask again.
    /// Two bridges of one namespace are not for one link: their link-layer addresses are the same.
    pub fn bridge(&self, link: &str, addresses: &[&str]) {
        let [.., high, low] = self.number.to_be_bytes();
        self.ip(&format!(
            "link add {link} address 02:00:00:b0:{high:02x}:{low:02x} type bridge"
        ));
        self.bring_up(link, addresses);
    }

    /// Sets a link up and gives it addresses, `ADDRESS/LENGTH`.
    pub fn bring_up(&self, link: &str, addresses: &[&str]) {
        self.ip(&format!("link set {link} up"));
        for address in addresses {
            self.add_address(link, address);
        }
    }

    /// Adds an address, `ADDRESS/LENGTH`, to a link.
    pub fn add_address(&self, link: &str, address: &str) {
        let parsed: IpNet = address
            .parse()
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        let nodad = match parsed.addr() {
            IpAddr::V4(_) => "",
            IpAddr::V6(_) => "nodad",
        };
        self.ip(&format!("address add {address} dev {link} {nodad}"));
    }

    /// TCP connections to or from a port that are established there.
    pub fn established(&self, port: u16) -> usize {
        let text = self.enter(|| {
            let read =
                |name: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{name}"));
            read("tcp").unwrap_or_default() + &read("tcp6").unwrap_or_default()
        });
        let port = format!(":{port:04X}");
        let connection = |line: &&str| {
            // Number, local end, remote end, state: 01 is ESTABLISHED.
            let fields: Vec<&str> = line.split_whitespace().take(4).collect();
            let [_, local, remote, state] = fields[..] else {
                return false;
            };
            state == "01" && (local.ends_with(&port) || remote.ends_with(&port))
        };
        text.lines().filter(connection).count()
    }

    /// A counter of `/proc/net/snmp` there, such as `("Tcp", "ActiveOpens")`.
    pub fn snmp(&self, protocol: &str, counter: &str) -> u64 {
        let text = self
            .enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let start = format!("{protocol}: ");
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(&start));
        let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        names
            .split(' ')
            .zip(values.split(' '))
            .find(|(name, _)| *name == counter)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or_else(|| panic!("no counter {protocol} {counter}"))
    }
}

impl Deref for Netns {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Handle {
    /// Runs `work` on a thread of its own inside the namespace. Sockets and processes made there
    /// stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
                .unwrap_or_else(|error| panic!("cannot enter a namespace: {error}"));
            work()
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

/// Deletes namespaces, and ends processes in them, that a dead run of the lab left behind.
pub(crate) fn sweep() {
    let Ok(handles) = std::fs::read_dir(HANDLES) else {
        return;
    };
    for handle in handles.flatten() {
        let name = handle.file_name().to_string_lossy().into_owned();
        if owner(&name).is_some_and(|pid| !is_alive(pid)) {
            delete(&name);
        }
    }
}

/// The process whose namespace that is.
pub(crate) fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Whether a process of that number runs: one that only waits to be reaped does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state comes after the name, which is in parentheses and may have any.
    let state = stat.rsplit(')').next().unwrap_or("").trim_start();
    !state.is_empty() && !state.starts_with('Z')
}

/// Deletes a namespace with all that still runs in it: nothing else can be in a namespace of the
/// lab. Says so where it cannot: a test has its verdict by then.
fn delete(name: &str) {
    let pids = output("ip", &["netns", "pids", name]).unwrap_or_default();
    let pids: Vec<&str> = pids.split_whitespace().collect();
    if !pids.is_empty() {
        let mut arguments = vec!["-KILL"];
        arguments.extend(pids);
        // A process that ended in between is no matter.
        let _ = output("kill", &arguments);
    }
    if let Err(error) = output("ip", &["netns", "delete", name]) {
        eprintln!("{error}");
    }
}
