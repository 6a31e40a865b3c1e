//! Routes in the kernel of a namespace, as they change: heard of over rtnetlink(7) at once. Tests ask
//! what has happened to a route, measurements how many IPv4 routes there are, and since when.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use crate::netns::Netns;
use crate::wait::SOON;

/// The multicast groups RTNLGRP_IPV4_ROUTE and RTNLGRP_IPV6_ROUTE, as a mask.
const GROUPS: u32 = 0x40 | 0x400;
/// What the kernel keeps for us while we do not read, in octets: some 10,000s of messages.
const RECEIVE_BUFFER: usize = 64 << 20;
/// More than the kernel puts into one datagram.
const DATAGRAM: usize = 1 << 16;
/// How often the reader looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// Changes that are remembered, the first.
const REMEMBERED: usize = 200_000;

/// Listens until dropped.
#[derive(Debug)]
pub struct RouteMonitor {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    changed: Condvar,
    stopped: AtomicBool,
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteMonitor {
    /// Hears of all routes from now on.
    pub fn of_all(netns: &Netns) -> RouteMonitor {
        RouteMonitor::start(netns, Ipv4Net::default(), 1)
    }

    /// As [`RouteMonitor::of_all`], and counts those within `range`. `hops` is how many next hops a route may have
    /// that are told apart.
    ///
    /// # Panics
    ///
    /// If the kernel gives no such socket.
    pub fn start(netns: &Netns, range: Ipv4Net, hops: usize) -> RouteMonitor {
        let socket = netns.enter(open);
        let socket = socket.unwrap_or_else(|error| panic!("cannot hear of routes: {error}"));
        let shared = Arc::new(Shared {
            table: Mutex::new(Table::new(range, hops)),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        let told = Arc::clone(&shared);
        RouteMonitor {
            shared,
            reader: Some(std::thread::spawn(move || read(&socket, &told))),
        }
    }

    /// What has happened until now to the routes that routing daemons make, oldest first: nothing,
    /// unless one came, changed or went. The kernel does not tell of a route that replaces its equal.
    ///
    /// # Panics
    ///
    /// If not all of it was heard of, or is remembered.
    pub fn history(&self) -> Vec<Change> {
        let asked = Instant::now();
        let mut table = self.shared.table();
        // What the kernel told before this has been read once nothing more is there.
        while table.idle.is_none_or(|idle| idle < asked) {
            if let Some(error) = table.failed {
                panic!("routes are no longer heard of: {error}");
            }
            assert!(asked.elapsed() < SOON, "routes change without an end");
            let waited = self.shared.changed.wait_timeout(table, LOOK);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        assert!(table.history.len() < REMEMBERED, "too many changes");
        table.history.clone()
    }

    /// What has happened until now to the route of one address; panics as [`RouteMonitor::history`].
    pub fn history_of(&self, address: IpAddr) -> Vec<Change> {
        let mut history = self.history();
        history.retain(|change| change.prefix == address.into());
        history
    }

    /// How many prefixes have at least so many next hops.
    pub fn count(&self, hops: usize) -> usize {
        self.shared.table().mark(hops).count
    }

    /// Waits until exactly `count` prefixes have at least `hops` next hops; since when that is so.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`, or the kernel had to drop messages.
    pub fn await_count(&self, hops: usize, count: usize, limit: Duration) -> Instant {
        let started = Instant::now();
        let mut table = self.shared.table();
        loop {
            if let Some(error) = table.failed {
                panic!("routes are no longer heard of: {error}");
            }
            let Mark { count: now, since } = table.mark(hops);
            if now == count {
                return since;
            }
            let left = limit.saturating_sub(started.elapsed());
            assert!(
                !left.is_zero(),
                "after {} s, {now} of {count} routes with {hops} next hops",
                limit.as_secs()
            );
            let waited = self.shared.changed.wait_timeout(table, left);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for RouteMonitor {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // It cannot panic.
            let _ = reader.join();
        }
    }
}

fn open() -> Result<OwnedFd, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE, which is number 0.
        None,
    )?;
    sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
    sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(LOOK))?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

fn read(socket: &OwnedFd, shared: &Shared) {
    let mut buffer = vec![0; DATAGRAM];
    while !shared.stopped.load(Ordering::Relaxed) {
        let received = recv(socket, &mut buffer[..], RecvFlags::empty());
        let now = Instant::now();
        match received {
            Ok((length, _)) => {
                let mut table = shared.table();
                for change in changes(&buffer[..length]) {
                    table.take(change, now);
                }
            }
            Err(Errno::AGAIN) => shared.table().idle = Some(now),
            Err(Errno::INTR) => continue,
            Err(error) => {
                shared.table().failed = Some(error);
                shared.changed.notify_all();
                return;
            }
        }
        shared.changed.notify_all();
    }
}

/// How many routes there are, and since when it is that many.
#[derive(Clone, Copy, Debug)]
struct Mark {
    count: usize,
    since: Instant,
}

/// What is routed now.
#[derive(Debug)]
struct Table {
    range: Ipv4Net,
    hops: BTreeMap<Ipv4Net, usize>,
    /// Prefixes with at least 1 next hop, 2, and so on.
    marks: Vec<Mark>,
    /// What happened, the first [`REMEMBERED`].
    history: Vec<Change>,
    /// When there was last nothing to read.
    idle: Option<Instant>,
    failed: Option<Errno>,
}

impl Table {
    fn new(range: Ipv4Net, hops: usize) -> Table {
        let none = Mark {
            count: 0,
            since: Instant::now(),
        };
        Table {
            range,
            hops: BTreeMap::new(),
            marks: vec![none; hops.max(1)],
            history: Vec::new(),
            idle: None,
            failed: None,
        }
    }

    fn mark(&self, hops: usize) -> Mark {
        let last = self.marks.len() - 1;
        self.marks[hops.saturating_sub(1).min(last)]
    }

    fn take(&mut self, change: Change, now: Instant) {
        if change.by_daemon && self.history.len() < REMEMBERED {
            self.history.push(change);
        }
        let prefix = match change.prefix {
            IpNet::V4(prefix) if self.range.contains(&prefix) => prefix,
            IpNet::V4(_) | IpNet::V6(_) => return,
        };
        let before = match change.hops {
            0 => self.hops.remove(&prefix),
            hops => self.hops.insert(prefix, hops),
        };
        let before = before.unwrap_or(0);
        for (index, mark) in self.marks.iter_mut().enumerate() {
            let (was, is) = (before > index, change.hops > index);
            if was != is {
                mark.count = if is { mark.count + 1 } else { mark.count - 1 };
                mark.since = now;
            }
        }
    }
}

/// A route as it is now; without a next hop it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where to.
    pub prefix: IpNet,
    /// How many next hops it has now.
    pub hops: usize,
    /// It is of a routing daemon.
    by_daemon: bool,
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `rtm_protocol` of BIRD, and of BGP by whomever.
const ROUTING_DAEMONS: [u8; 2] = [12, 186];
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTA_DST: u16 = 1;
const RTA_MULTIPATH: u16 = 9;
/// `struct nlmsghdr` and `struct rtmsg`, in octets; numbers are in the machine's byte order.
const NLMSGHDR: usize = 16;
const RTMSG: usize = 12;

/// The changes of routes in a datagram of netlink(7) messages.
fn changes(mut datagram: &[u8]) -> Vec<Change> {
    let mut found = Vec::new();
    while let Some(length) = u32_at(datagram, 0) {
        let length = length as usize;
        let Some(message) = datagram.get(..length).filter(|_| length >= NLMSGHDR) else {
            break;
        };
        found.extend(change(message));
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
    }
    found
}

fn change(message: &[u8]) -> Option<Change> {
    let is_new = match u16_at(message, 4)? {
        RTM_NEWROUTE => true,
        RTM_DELROUTE => false,
        _ => return None,
    };
    let header = message.get(NLMSGHDR..NLMSGHDR + RTMSG)?;
    let (family, length, protocol) = (header[0], header[1], header[5]);
    let mut attributes = message.get(NLMSGHDR + RTMSG..)?;
    let mut hops = 1;
    let mut address: IpAddr = match family {
        AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    while let Some(size) = u16_at(attributes, 0) {
        let size = usize::from(size);
        let Some(value) = attributes.get(4..size) else {
            break;
        };
        match u16_at(attributes, 2)? {
            RTA_DST if family == AF_INET => address = <[u8; 4]>::try_from(value).ok()?.into(),
            RTA_DST => address = <[u8; 16]>::try_from(value).ok()?.into(),
            RTA_MULTIPATH => hops = next_hops(value),
            _ => {}
        }
        attributes = attributes.get(aligned(size)..).unwrap_or_default();
    }
    Some(Change {
        prefix: IpNet::new(address, length).ok()?,
        hops: if is_new { hops } else { 0 },
        by_daemon: ROUTING_DAEMONS.contains(&protocol),
    })
}

/// How many `struct rtnexthop` there are; each begins with its length.
fn next_hops(mut value: &[u8]) -> usize {
    let mut count = 0;
    while let Some(length) = u16_at(value, 0)
        && length > 0
    {
        count += 1;
        value = value.get(aligned(length.into())..).unwrap_or_default();
    }
    count
}

/// Messages and attributes begin at multiples of four octets.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    let value = octets.get(at..at + 2)?;
    value.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    let value = octets.get(at..at + 4)?;
    value.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    #[test]
    fn a_monitor_hears_of_routes_their_next_hops_and_their_end() {
        let Some(lab) = Lab::open(&[]) else {
            return;
        };
        let [netns, other] = ["router", "other"].map(|role| lab.netns(role));
        netns.join("eth0", &["10.1.0.1/24"], &other, "eth0", &[]);
        let range = "10.9.0.0/16".parse().expect("a range");
        let monitor = RouteMonitor::start(&netns, range, 2);
        let started = Instant::now();
        netns.ip("route add 10.8.0.1 via 10.1.0.2");
        netns.ip("route add 10.9.0.1 via 10.1.0.2");
        netns.ip("route add 10.9.0.2 nexthop via 10.1.0.2 nexthop via 10.1.0.3");
        assert!(monitor.await_count(1, 2, SOON) > started);
        assert_eq!([monitor.count(1), monitor.count(2)], [2, 1]);
        netns.ip("route replace 10.9.0.1 nexthop via 10.1.0.2 nexthop via 10.1.0.3");
        monitor.await_count(2, 2, SOON);
        netns.ip("route delete 10.9.0.2");
        monitor.await_count(1, 1, SOON);
        assert_eq!(monitor.count(2), 1);
    }

    #[test]
    fn a_monitor_remembers_what_happened_to_the_routes_of_daemons_in_both_families() {
        let Some(lab) = Lab::open(&[]) else {
            return;
        };
        let [netns, other] = ["router", "other"].map(|role| lab.netns(role));
        let ours = ["10.1.0.1/24", "fd00:1::1/64"];
        netns.join("eth0", &ours, &other, "eth0", &[]);
        let monitor = RouteMonitor::of_all(&netns);
        for (address, hop) in [("10.9.0.1", "10.1.0.2"), ("fd00:9::1", "fd00:1::2")] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(monitor.history_of(address), []);
            netns.ip(&format!("route add {address} via {hop}"));
            assert_eq!(monitor.history_of(address), [], "nobody's");
            netns.ip(&format!("route del {address}"));
            netns.ip(&format!("route add {address} proto bgp via {hop}"));
            netns.ip(&format!("route replace {address} proto bgp via {hop}"));
            netns.ip(&format!("route del {address} proto bgp"));
            let hops: Vec<usize> = monitor
                .history_of(address)
                .iter()
                .map(|one| one.hops)
                .collect();
            assert_eq!(
                (hops.first(), hops.last()),
                (Some(&1), Some(&0)),
                "{hops:?}"
            );
        }
        assert!(monitor.history().len() >= 4);
    }

    #[test]
    fn half_a_message_is_no_change() {
        let mut message = vec![0; 64];
        message[..4].copy_from_slice(&64_u32.to_ne_bytes());
        message[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        message[NLMSGHDR] = AF_INET;
        message[28..32].copy_from_slice(&[8, 0, 1, 0]);
        for length in 0..message.len() {
            assert_eq!(changes(&message[..length]), []);
        }
        assert_eq!(changes(&message).len(), 1);
    }
}
