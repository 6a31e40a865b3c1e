//! Memberships in solicited-node groups (RFC 4291 §2.7.1).
//!
//! The kernel then tells the switches (MLD) and opens the interface's filter. Sockets that nothing
//! is ever read from hold the memberships; they are not bound, so nothing is delivered to them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tracing::{debug, warn};

/// Memberships of one socket: they count against its memory for options (net.core.optmem_max,
/// 20 KiB in older kernels), at 56 octets each.
const PER_SOCKET: usize = 256;
/// Sockets, at most: 65,536 memberships.
pub const MAX_SOCKETS: usize = 256;
/// Wait before those that failed are tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

type Membership = (u32, Ipv6Addr);

/// Every group that we are, or should be, a member of.
#[derive(Debug, Default)]
pub struct Groups {
    /// Each with the number of its memberships.
    sockets: Vec<(Socket, usize)>,
    /// By interface and group: which socket.
    joined: BTreeMap<Membership, usize>,
    missing: BTreeSet<Membership>,
    again_at: Option<Instant>,
}

impl Groups {
    /// Becomes a member. What fails is tried again at [`Groups::due`].
    pub fn join(&mut self, now: Instant, interface: u32, group: Ipv6Addr) {
        let membership = (interface, group);
        if self.joined.contains_key(&membership) {
            return;
        }
        match self.try_join(membership) {
            Ok(()) => {
                self.missing.remove(&membership);
                debug!(interface, %group, "joined a group");
            }
            Err(error) => {
                if self.missing.insert(membership) {
                    warn!(interface, %group, %error, "cannot join a group; it is tried again");
                }
                self.again_at = Some(now + AGAIN_AFTER);
            }
        }
    }

    /// Is a member no longer.
    pub fn leave(&mut self, interface: u32, group: Ipv6Addr) {
        let membership = (interface, group);
        self.missing.remove(&membership);
        let Some(at) = self.joined.remove(&membership) else {
            return;
        };
        if let Some((socket, count)) = self.sockets.get_mut(at) {
            *count -= 1;
            // The kernel has ended it already where the interface is gone, and says so.
            let left = socket.leave_multicast_v6(&group, interface);
            debug!(interface, %group, ?left, "left a group");
        }
        if self.joined.is_empty() {
            self.sockets.clear();
        }
    }

    /// Forgets the groups of interfaces that are gone.
    pub fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        let all = self.joined.keys().chain(&self.missing);
        let gone: Vec<Membership> = all.filter(|(at, _)| !is_there(*at)).copied().collect();
        for (interface, group) in gone {
            self.leave(interface, group);
        }
    }

    /// When [`Groups::retry`] has something to do.
    pub fn due(&self) -> Option<Instant> {
        self.again_at.filter(|_| !self.missing.is_empty())
    }

    /// Tries again what failed, if it is time.
    pub fn retry(&mut self, now: Instant) {
        if self.due().is_none_or(|at| at > now) {
            return;
        }
        for (interface, group) in self.missing.clone() {
            self.join(now, interface, group);
        }
    }

    /// How many could not be joined.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    fn try_join(&mut self, membership: Membership) -> io::Result<()> {
        let (interface, group) = membership;
        let free = self.sockets.iter();
        let free = free.clone().position(|(_, count)| *count < PER_SOCKET);
        let at = free.unwrap_or(self.sockets.len());
        if at == MAX_SOCKETS {
            return Err(io::Error::other("there are too many groups"));
        }
        if at == self.sockets.len() {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
            self.sockets.push((socket, 0));
        }
        let (socket, count) = &mut self.sockets[at];
        socket.join_multicast_v6(&group, interface)?;
        *count += 1;
        self.joined.insert(membership, at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loopback interface, which is the first of every network namespace.
    const LOOPBACK: u32 = 1;
    const NO_INTERFACE: u32 = u32::MAX >> 1;

    #[tokio::test]
    async fn a_thousand_groups_are_joined_and_left() {
        let now = tokio::time::Instant::now().into_std();
        let mut groups = Groups::default();
        let group = |n: u16| Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff77, n);
        (0..1_000).for_each(|n| groups.join(now, LOOPBACK, group(n)));
        assert_eq!((groups.joined.len(), groups.missing()), (1_000, 0));
        assert_eq!((groups.sockets.len(), listed()), (4, 1_000));
        (0..400).for_each(|n| groups.leave(LOOPBACK, group(n)));
        assert_eq!(listed(), 600);
        groups.retain(|_| false);
        assert_eq!((groups.sockets.len(), listed()), (0, 0));
    }

    #[tokio::test]
    async fn what_cannot_be_joined_is_tried_again_until_it_is_not_wanted() {
        let now = tokio::time::Instant::now().into_std();
        let mut groups = Groups::default();
        groups.join(
            now,
            NO_INTERFACE,
            "ff02::1:ff00:7".parse().expect("a group"),
        );
        assert_eq!(
            (groups.missing(), groups.due()),
            (1, Some(now + AGAIN_AFTER))
        );
        let later = now + AGAIN_AFTER;
        groups.retry(later);
        assert_eq!(
            (groups.missing(), groups.due()),
            (1, Some(later + AGAIN_AFTER))
        );
        groups.retain(|interface| interface != NO_INTERFACE);
        assert_eq!((groups.missing(), groups.due()), (0, None));
    }

    /// Groups of the test above that the kernel lists on the loopback interface.
    fn listed() -> usize {
        let text = std::fs::read_to_string("/proc/self/net/igmp6").expect("the kernel's list");
        let ours = |line: &&str| line.contains("ff0200000000000000000001ff77");
        text.lines().filter(ours).count()
    }
}
