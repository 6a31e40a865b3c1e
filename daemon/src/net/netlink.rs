//! The kernel's words about links and their addresses (rtnetlink(7)), as far as ARP and NDP need
//! them. Integers are in host byte order, as all of netlink.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use ipnet::IpNet;
use l2::MacAddr;
use l2::responder::InterfaceKind;
use libc::{c_int, c_ushort};
use netlink_packet_core::{NetlinkBuffer, NlaBuffer, NlasIterator};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{bind, recv, send, setsockopt, socket, sockopt};
use tokio::io::unix::AsyncFd;

use super::watched::watched;

/// Octets of a datagram, at most: the kernel puts no more into one.
pub const MAX_DATAGRAM: usize = 32 << 10;
/// What the kernel keeps for us while we do not read, in octets: some 1,000 changes. If more come
/// the whole is asked for anew.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Octets of `struct nlmsghdr`, `struct ifinfomsg` and `struct ifaddrmsg`.
const HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

/// A socket that hears of every change of a link or an address in its network namespace.
#[derive(Debug)]
pub struct RouteSocket {
    socket: AsyncFd<OwnedFd>,
    sequence: u32,
}

/// What the kernel can be asked to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dump {
    /// Every link.
    Links,
    /// Every address of every link.
    Addresses,
}

/// A link as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Interface index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Link-layer address; zeros where it has none of six octets.
    pub mac: MacAddr,
    /// IFF_UP and IFF_RUNNING.
    pub up: bool,
    /// What it is good for.
    pub kind: InterfaceKind,
    /// The link behind it has moved to another port of the switch.
    pub has_moved: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A link is there, and is so now.
    Link(Link),
    /// The link with this index is gone.
    LinkGone(u32),
    /// The link with this index has the address, in a prefix of that length.
    Address(u32, IpNet),
    /// It no longer has it.
    AddressGone(u32, IpNet),
    /// The end of the list.
    Done,
    /// The kernel refuses to list: a number of `errno`.
    Refused(i32),
}

/// A message and what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What is said, if that concerns us.
    pub message: Option<Message>,
    /// It is part of the list that was asked for with this number; another number is a change.
    pub sequence: u32,
    /// Something changed while the kernel made the list (NLM_F_DUMP_INTR).
    pub is_interrupted: bool,
}

impl RouteSocket {
    /// Opens one.
    ///
    /// # Errors
    /// The system has no file descriptor left.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open() -> io::Result<RouteSocket> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        // The kernel gives as much of it as it may (net.core.rmem_max).
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let address = NetlinkAddr::new(0, groups.cast_unsigned());
        bind(socket.as_raw_fd(), &address)?;
        Ok(RouteSocket {
            socket: watched(socket)?,
            sequence: 0,
        })
    }

    /// Asks for a list; the number that its messages carry. It must be read to its end before
    /// another is asked for.
    ///
    /// # Errors
    /// The kernel has no memory, or still makes the last one.
    pub fn request(&mut self, dump: Dump) -> io::Result<u32> {
        // 0 is the number of changes.
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let kind = match dump {
            Dump::Links => libc::RTM_GETLINK,
            Dump::Addresses => libc::RTM_GETADDR,
        };
        // `struct ifinfomsg` of the family AF_UNSPEC, whose beginning is `struct ifaddrmsg`, and an
        // IFLA_EXT_MASK that leaves statistics out.
        let length = HEADER + LINK_HEADER + 8;
        let mut octets = Vec::with_capacity(length);
        octets.extend_from_slice(&(length as u32).to_ne_bytes());
        octets.extend_from_slice(&kind.to_ne_bytes());
        let flags = netlink_packet_core::NLM_F_REQUEST | netlink_packet_core::NLM_F_DUMP;
        octets.extend_from_slice(&flags.to_ne_bytes());
        octets.extend_from_slice(&self.sequence.to_ne_bytes());
        octets.extend_from_slice(&[0; 4 + LINK_HEADER]);
        octets.extend_from_slice(&8_u16.to_ne_bytes());
        octets.extend_from_slice(&libc::IFLA_EXT_MASK.to_ne_bytes());
        octets.extend_from_slice(&libc::RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        send(self.socket.as_raw_fd(), &octets, MsgFlags::empty())?;
        Ok(self.sequence)
    }

    /// Waits for the next datagram and reads it; its length. Cancel-safe.
    ///
    /// # Errors
    /// `ENOBUFS` where the kernel had to drop messages.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = |socket: &OwnedFd| {
            let length = recv(socket.as_raw_fd(), buffer, MsgFlags::empty());
            length.map_err(io::Error::from)
        };
        self.socket
            .async_io(tokio::io::Interest::READABLE, read)
            .await
    }
}

/// The messages of a datagram. What is cut off or makes no sense ends it.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Envelope> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let whole = (buffer.length() as usize).next_multiple_of(4);
        rest = rest.get(whole..).unwrap_or_default();
        Some(Envelope {
            message: message(buffer.message_type(), buffer.payload()),
            sequence: buffer.sequence_number(),
            is_interrupted: buffer.flags() & netlink_packet_core::NLM_F_DUMP_INTR != 0,
        })
    })
}

fn message(kind: u16, payload: &[u8]) -> Option<Message> {
    match kind {
        libc::RTM_NEWLINK => link(payload).map(Message::Link),
        libc::RTM_DELLINK => link(payload).map(|link| Message::LinkGone(link.index)),
        libc::RTM_NEWADDR => address(payload).map(|(link, at)| Message::Address(link, at)),
        libc::RTM_DELADDR => address(payload).map(|(link, at)| Message::AddressGone(link, at)),
        netlink_packet_core::NLMSG_DONE => Some(Message::Done),
        netlink_packet_core::NLMSG_ERROR => Some(Message::Refused(-int(payload)?)),
        _ => None,
    }
}

/// `struct ifinfomsg` and its attributes.
fn link(payload: &[u8]) -> Option<Link> {
    // Other families say what a bridge thinks of its port (AF_BRIDGE), also that it is gone.
    let is_link = c_int::from(*payload.first()?) == libc::AF_UNSPEC;
    let hardware = u16::from_ne_bytes(payload.get(2..4)?.try_into().ok()?);
    let index = int(payload.get(4..)?)?.cast_unsigned();
    let flags = int(payload.get(8..)?)?;
    let mut link = Link {
        index,
        name: String::new(),
        mac: MacAddr::zero(),
        up: flags & libc::IFF_UP != 0 && flags & libc::IFF_RUNNING != 0,
        kind: InterfaceKind::WithoutArp,
        has_moved: false,
    };
    let (mut has_master, mut is_of_vrf) = (false, false);
    for attribute in attributes(payload.get(LINK_HEADER..)?) {
        let value = attribute.value();
        match attribute.kind() {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_ADDRESS => {
                let mac = <[u8; 6]>::try_from(value);
                link.mac = mac.map_or(MacAddr::zero(), MacAddr::from);
            }
            libc::IFLA_MASTER => has_master = int(value)? != 0,
            libc::IFLA_LINKINFO => {
                let slave = |info: &NlaBuffer<&[u8]>| info.kind() == libc::IFLA_INFO_SLAVE_KIND;
                let kind = attributes(value).find(slave);
                is_of_vrf = kind.is_some_and(|kind| text(kind.value()) == "vrf");
            }
            libc::IFLA_EVENT => {
                let event = int(value)?;
                link.has_moved = [IFLA_EVENT_BONDING_FAILOVER, IFLA_EVENT_NOTIFY_PEERS]
                    .contains(&event.cast_unsigned());
            }
            _ => {}
        }
    }
    let speaks = hardware == libc::ARPHRD_ETHER
        && flags & libc::IFF_BROADCAST != 0
        && flags & (libc::IFF_LOOPBACK | libc::IFF_POINTOPOINT | libc::IFF_NOARP) == 0;
    link.kind = match (speaks, has_master && !is_of_vrf) {
        (false, _) => InterfaceKind::WithoutArp,
        // A VRF is a table of routes, so its members speak for themselves.
        (true, false) => InterfaceKind::Ethernet,
        (true, true) => InterfaceKind::Enslaved,
    };
    (is_link && !link.name.is_empty()).then_some(link)
}

/// Values of IFLA_EVENT (linux/if_link.h).
const IFLA_EVENT_BONDING_FAILOVER: u32 = 3;
const IFLA_EVENT_NOTIFY_PEERS: u32 = 4;

/// `struct ifaddrmsg` and its attributes: the interface and its own address.
fn address(payload: &[u8]) -> Option<(u32, IpNet)> {
    let length = *payload.get(1)?;
    let index = int(payload.get(4..)?)?.cast_unsigned();
    let of = |kind: c_ushort| {
        let mut attributes = attributes(payload.get(ADDRESS_HEADER..)?);
        let found = attributes.find(|attribute| attribute.kind() == kind)?;
        ip(found.value())
    };
    // On a link to a peer IFA_ADDRESS is the peer's.
    let own = of(libc::IFA_LOCAL).or_else(|| of(libc::IFA_ADDRESS))?;
    Some((index, IpNet::new(own, length).ok()?))
}

/// The attributes, up to the first that makes no sense.
fn attributes(octets: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(octets).map_while(Result::ok)
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
        _ => None,
    }
}

fn int(octets: &[u8]) -> Option<i32> {
    let octets = octets.first_chunk::<4>()?;
    Some(i32::from_ne_bytes(*octets))
}

fn text(octets: &[u8]) -> String {
    let text = octets.split(|octet| *octet == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: c_int = libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_BROADCAST;

    #[test]
    fn a_link_speaks_arp_where_its_kind_and_its_master_let_it() {
        let vrf = attribute(libc::IFLA_INFO_SLAVE_KIND, b"vrf\0");
        let bond = attribute(libc::IFLA_INFO_SLAVE_KIND, b"bond\0");
        let of = |kind: &[u8]| [number(libc::IFLA_MASTER, 9), nested(kind)].concat();
        let ether = libc::ARPHRD_ETHER;
        let table = [
            ("alone", ether, UP, Vec::new(), InterfaceKind::Ethernet),
            ("of a VRF", ether, UP, of(&vrf), InterfaceKind::Ethernet),
            ("of a bond", ether, UP, of(&bond), InterfaceKind::Enslaved),
            ("of something", ether, UP, of(&[]), InterfaceKind::Enslaved),
            ("a tunnel", 768, UP, Vec::new(), InterfaceKind::WithoutArp),
            (
                "without ARP",
                ether,
                UP | libc::IFF_NOARP,
                Vec::new(),
                InterfaceKind::WithoutArp,
            ),
        ];
        for (what, hardware, flags, extra, expected) in table {
            let Some(Message::Link(link)) = only(&link_message(0, hardware, flags, &extra)) else {
                panic!("{what}: no link");
            };
            assert_eq!((link.kind, link.up), (expected, true), "{what}");
            assert_eq!((link.index, &*link.name), (7, "eth0"), "{what}");
            assert_eq!(link.mac, MacAddr::new(2, 0, 0, 0, 0, 1), "{what}");
        }
    }

    #[test]
    fn a_link_that_moved_says_so() {
        for (event, moved) in [(3, true), (4, true), (5, false), (0, false)] {
            let extra = number(libc::IFLA_EVENT, event);
            let said = only(&link_message(0, libc::ARPHRD_ETHER, UP, &extra));
            let is_so = |said| matches!(said, Some(Message::Link(link)) if link.has_moved == moved);
            assert!(is_so(said), "{event}");
        }
    }

    #[test]
    fn what_a_bridge_says_of_its_port_is_not_said_of_the_link() {
        let family = libc::AF_BRIDGE as u8;
        assert_eq!(
            only(&link_message(family, libc::ARPHRD_ETHER, UP, &[])),
            None
        );
    }

    #[test]
    fn an_address_of_a_link_to_a_peer_is_our_own_end() {
        let ends = [
            attribute(libc::IFA_ADDRESS, &[203, 0, 113, 9]),
            attribute(libc::IFA_LOCAL, &[203, 0, 113, 1]),
        ];
        let payload = [&[2, 32, 0, 0][..], &7_u32.to_ne_bytes(), &ends.concat()].concat();
        let ours = "203.0.113.1/32".parse().expect("a prefix");
        let said = only(&whole(libc::RTM_NEWADDR, &payload));
        assert_eq!(said, Some(Message::Address(7, ours)));
        let said = only(&whole(libc::RTM_DELADDR, &payload));
        assert_eq!(said, Some(Message::AddressGone(7, ours)));
    }

    #[test]
    fn a_refusal_is_a_number_of_errno() {
        let payload = (-libc::EPERM).to_ne_bytes();
        let said = only(&whole(netlink_packet_core::NLMSG_ERROR, &payload));
        assert_eq!(said, Some(Message::Refused(libc::EPERM)));
    }

    #[test]
    fn no_datagram_cut_or_changed_anywhere_stops_the_reader() {
        let extra = [number(libc::IFLA_MASTER, 9), nested(&[7; 9])].concat();
        let link = link_message(0, libc::ARPHRD_ETHER, UP, &extra);
        let datagram = [link.clone(), link].concat();
        assert_eq!(messages(&datagram).count(), 2);
        for length in 0..datagram.len() {
            assert!(messages(&datagram[..length]).count() <= 2);
        }
        for bit in 0..datagram.len() * 8 {
            let mut changed = datagram.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            // Each message takes a header at least.
            assert!(messages(&changed).count() <= datagram.len() / HEADER);
        }
    }

    /// The only message of a datagram.
    fn only(datagram: &[u8]) -> Option<Message> {
        let mut all = messages(datagram);
        let first = all.next().expect("a message");
        assert_eq!((first.sequence, all.next()), (5, None));
        first.message
    }

    fn whole(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = (HEADER + payload.len()) as u32;
        let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 2]];
        let rest = [&5_u32.to_ne_bytes()[..], &[0; 4], payload];
        [head.concat(), rest.concat()].concat()
    }

    fn link_message(family: u8, hardware: u16, flags: c_int, extra: &[u8]) -> Vec<u8> {
        let head = [&[family, 0][..], &hardware.to_ne_bytes()].concat();
        let fixed = [7_i32.to_ne_bytes(), flags.to_ne_bytes(), [0; 4]].concat();
        let name = attribute(libc::IFLA_IFNAME, b"eth0\0");
        let mac = attribute(libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]);
        let payload = [&head[..], &fixed, &name, &mac, extra].concat();
        whole(libc::RTM_NEWLINK, &payload)
    }

    fn nested(info: &[u8]) -> Vec<u8> {
        attribute(libc::IFLA_LINKINFO, info)
    }

    fn number(kind: c_ushort, value: u32) -> Vec<u8> {
        attribute(kind, &value.to_ne_bytes())
    }

    fn attribute(kind: c_ushort, value: &[u8]) -> Vec<u8> {
        let length = (4 + value.len()) as u16;
        let head = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        let mut octets = [&head[..], value].concat();
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }
}
