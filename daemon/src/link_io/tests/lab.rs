//! Two machines on one link: this thread becomes the node, and another namespace is its neighbour.

use std::fs::File;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use l2::responder::{Address, AddressSet, AddressState, Claim, Config, Fence, Interface};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::interfaces::{self, Interfaces};
use super::super::{LinkHandle, LinkReport, spawn};
use crate::net::filter;
use crate::net::packet::PacketSocket;

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);
/// The link-layer addresses of both.
pub const NODE: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A node with its task, and a client, on the link `node0` - `client0`.
pub struct Lab {
    client: File,
    pub interfaces: watch::Receiver<Option<Arc<Interfaces>>>,
    pub links: LinkHandle,
}

/// Runs a test in a lab, or says why it does not.
pub fn in_lab<F: Future<Output = ()>>(test: impl FnOnce(Lab) -> F + Send) {
    if !nix::unistd::geteuid().is_root() {
        return skip("network namespaces need root");
    }
    let body = || {
        let client = namespace();
        let node = namespace();
        setns(&node, CloneFlags::CLONE_NEWNET).expect("a namespace");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            let lab = Lab::new(client);
            test(lab).await;
        });
    };
    // The thread is not used again: it is in another namespace.
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(body).join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// What is announced is announced because of the test.
fn without_refresh() -> Config {
    Config {
        refresh: None,
        ..Config::default()
    }
}

/// Says that a test does not run, and why; in CI none may be left out.
fn skip(reason: &str) {
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!strict, "may not be skipped in CI: {reason}");
    let thread = std::thread::current();
    eprintln!("SKIP {}: {reason}", thread.name().unwrap_or("link_io"));
}

/// Runs a test of this program again, in a process that may not open raw sockets.
pub fn again_without_net_raw(mark: &str, name: &str) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("setpriv")
        .args(["--bounding-set=-net_raw", "--inh-caps=-net_raw", "--"])
        .arg(program)
        .args(["--exact", "--nocapture", name])
        .env(mark, "1")
        .output();
    let Ok(output) = output else {
        return skip("there is no setpriv");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// A namespace of its own, which lasts as long as the handle, or something in it.
fn namespace() -> File {
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
        for family in ["accept_dad", "accept_ra"] {
            sysctl(&format!("ipv6/conf/default/{family}"), "0");
        }
        ip("link set lo up");
        File::open("/proc/thread-self/ns/net").expect("its handle")
    });
    made.join().expect("a namespace")
}

/// `ip ARGUMENTS` in the namespace of this thread.
pub fn ip(arguments: &str) -> String {
    run("ip", arguments).unwrap_or_else(|said| panic!("ip {arguments}: {said}"))
}

fn run(program: &str, arguments: &str) -> Result<String, String> {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

/// Adds so many pairs of links, `x0` to `y0` and so on, and sets them up.
pub fn add_links(count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let batch = folder.path().join("batch");
    let add = |n| format!("link add x{n} up type veth peer name y{n}\nlink set y{n} up\n");
    std::fs::write(&batch, (0..count).map(add).collect::<String>()).expect("a file");
    ip(&format!("-batch {}", batch.display()));
}

/// The most messages that the kernel has dropped for one netlink socket of this namespace.
pub fn netlink_drops() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/netlink").expect("the list");
    // sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks, Drops.
    let drops = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(8));
    let drops = drops.filter_map(|drops| drops.parse().ok());
    drops.max().unwrap_or(0)
}

/// To the port for what is thrown away.
fn send_datagram(to: IpAddr, device: &str) -> std::io::Result<usize> {
    let scope = crate::net::interface::index(device).expect("an interface");
    let (from, to): (IpAddr, SocketAddr) = match to {
        IpAddr::V4(to) => (Ipv4Addr::UNSPECIFIED.into(), (to, 9).into()),
        IpAddr::V6(to) => {
            let to = SocketAddrV6::new(to, 9, 0, scope);
            (Ipv6Addr::UNSPECIFIED.into(), to.into())
        }
    };
    let socket = UdpSocket::bind((from, 0)).expect("a socket");
    socket.send_to(b"?", to)
}

fn sysctl(key: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{key}"), value).expect("a sysctl");
}

/// An address that is taken over, so that it is not probed.
pub fn set(addresses: &[&str]) -> Arc<AddressSet> {
    claim(Claim::TakenOver, addresses)
}

pub fn claim(claim: Claim, addresses: &[&str]) -> Arc<AddressSet> {
    let addresses = addresses.iter();
    Arc::new(
        addresses
            .map(|text| (self::address(text), Address::new(claim)))
            .collect(),
    )
}

pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl Lab {
    fn new(client: File) -> Lab {
        let interfaces = interfaces::spawn(interfaces::EXCLUDED);
        let (links, _) = spawn(without_refresh(), interfaces.clone());
        links.set_fence(Fence::Open);
        Lab {
            client,
            interfaces,
            links,
        }
    }

    /// Joins both machines by a link.
    pub fn join(&self) {
        self.join_by("node0", NODE, "client0", CLIENT);
        ip("address add 203.0.113.1/24 dev node0");
        self.client(|| ip("address add 203.0.113.2/24 dev client0"));
    }

    pub fn join_by(&self, ours: &str, our_mac: [u8; 6], theirs: &str, their_mac: [u8; 6]) {
        let netns = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            self.client.as_raw_fd()
        );
        let (our_mac, their_mac) = (l2::MacAddr::from(our_mac), l2::MacAddr::from(their_mac));
        ip(&format!(
            "link add {ours} address {our_mac} type veth peer name {theirs} address {their_mac} \
             netns {netns}"
        ));
        ip(&format!("link set {ours} up"));
        self.client(|| ip(&format!("link set {theirs} up")));
    }

    /// Does something in the client's namespace.
    pub fn client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let runtime = tokio::runtime::Handle::current();
        let inside = || {
            setns(&self.client, CloneFlags::CLONE_NEWNET).expect("a namespace");
            let _guard = runtime.enter();
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().expect("it works"))
    }

    /// The client's ear and mouth: hears what is about the address.
    pub fn witness(&self, text: &str) -> PacketSocket {
        let (protocol, key) = filter::key(address(text));
        self.client(|| {
            let socket = PacketSocket::open(protocol).expect("a raw socket");
            socket.listen_to([key].into_iter()).expect("a filter");
            socket
        })
    }

    /// Index of one of the client's interfaces.
    pub fn client_index(&self, name: &str) -> u32 {
        self.client(|| crate::net::interface::index(name).expect("an interface"))
    }

    /// The link-layer address that the client's kernel finds for an address; `None` when it has
    /// asked in vain.
    pub async fn found_by_client(&self, device: &str, address: &str) -> Option<String> {
        // Nobody serves the datagram; the neighbour is found, or is not, on its way.
        let begin = tokio::time::Instant::now();
        let mut sent = false;
        while begin.elapsed() < LIMIT {
            // The client's own address may not be there yet.
            sent = sent || self.client(|| send_datagram(self::address(address), device).is_ok());
            let table = self.client(|| ip(&format!("neighbor show {address} dev {device}")));
            let words: Vec<&str> = table.split_whitespace().collect();
            if let Some(at) = words.iter().position(|word| *word == "lladdr") {
                return words.get(at + 1).map(|mac| (*mac).to_owned());
            }
            if words.contains(&"FAILED") {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the client's kernel neither finds {address} nor gives up");
    }

    /// Waits until the address is so on the interface.
    pub async fn until(&self, text: &str, interface: &str, is: impl Fn(AddressState) -> bool) {
        let index = crate::net::interface::index(interface).expect("an interface");
        let mut view = self.links.view();
        let at = (address(text), index);
        let so = view.wait_for(|view| view.states.get(&at).is_some_and(|state| is(*state)));
        let so = timeout(LIMIT, so).await.is_ok();
        assert!(so, "{:?}", self.links.view().borrow().states);
    }

    pub async fn until_claimed(&self, text: &str) {
        self.until(text, "node0", |state| state == AddressState::Claimed)
            .await;
    }

    /// Waits until the kernel says so of its interface.
    pub async fn until_interface(&self, name: &str, is: impl Fn(&Interface) -> bool) {
        let mut interfaces = self.interfaces.clone();
        let so = interfaces.wait_for(|interfaces| {
            let mut list = interfaces.iter().flat_map(|all| &all.list);
            list.any(|one| &*one.name == name && is(one))
        });
        let so = timeout(LIMIT, so).await.is_ok();
        assert!(so, "{:?}", self.interfaces.borrow());
    }

    /// Begins the task anew, and from now on it hears of interfaces from the test.
    pub fn tell_by_hand(&mut self) -> watch::Sender<Option<Arc<Interfaces>>> {
        let now = self.interfaces.borrow().clone();
        let (teller, interfaces) = watch::channel(now);
        let (links, _) = spawn(without_refresh(), interfaces);
        links.set_fence(Fence::Open);
        self.links = links;
        teller
    }

    /// Waits until the one address has been announced by so many frames.
    pub async fn until_announced(&self, frames: u64) {
        let announced = async || {
            let addresses = self.report().await.addresses.into_iter();
            addresses.map(|one| one.counters.announcements).sum::<u64>()
        };
        let begin = tokio::time::Instant::now();
        while announced().await < frames {
            assert!(begin.elapsed() < LIMIT, "{} frames", announced().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(announced().await, frames);
    }

    /// Waits until so many raw sockets are open.
    pub async fn until_sockets(&self, count: usize) {
        let so = async { while self.report().await.sockets != count {} };
        let so = timeout(LIMIT, so).await.is_ok();
        assert!(so, "not {count} sockets");
    }

    pub async fn report(&self) -> LinkReport {
        self.links.report().await.expect("a report")
    }
}

/// The next frame that the witness hears; from its Ethernet header on.
pub async fn heard(witness: &PacketSocket) -> Vec<u8> {
    let mut buffer = [0; filter::SNAP_LENGTH];
    let frame = async {
        loop {
            witness.readable().await.expect("a socket");
            if let Ok(received) = witness.receive(&mut buffer) {
                return buffer[..received.length].to_vec();
            }
        }
    };
    timeout(LIMIT, frame).await.expect("a frame in time")
}

/// An ARP request of the client for the target, behind a VLAN tag where there is one.
pub fn request(target: [u8; 4], tag: Option<u16>) -> Vec<u8> {
    let tag = tag.map(|tag| [&[0x81, 0][..], &tag.to_be_bytes()].concat());
    let tag = tag.unwrap_or_default();
    let head = [
        &[0xff; 6][..],
        &CLIENT,
        &tag,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
    ];
    let body = [&CLIENT[..], &[203, 0, 113, 2], &[0; 6], &target, &[0; 18]];
    [head.concat(), body.concat()].concat()
}

/// How many raw sockets for ARP and NDP this namespace has, if need be after a while in which it
/// comes to have so many: a program that another test starts has a copy of each file at first, also
/// of one that is then closed.
pub async fn raw_sockets(expected: (usize, usize)) -> (usize, usize) {
    let open = || {
        let text = std::fs::read_to_string("/proc/thread-self/net/packet");
        let text = text.expect("the kernel's list");
        let types = text.lines().skip(1);
        let types = types.filter_map(|line| line.split_whitespace().nth(3));
        let open = |ether_type| types.clone().filter(|one| *one == ether_type).count();
        (open("0806"), open("86dd"))
    };
    let as_expected = async {
        while open() != expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = timeout(LIMIT, as_expected).await;
    open()
}
