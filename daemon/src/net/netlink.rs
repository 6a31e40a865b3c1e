//! The kernel's words about links and their addresses (rtnetlink(7)), as far as ARP and NDP need
//! them. Integers are in host byte order, as all of netlink.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use l2::MacAddr;
use l2::responder::InterfaceKind;
use libc::{c_int, c_ushort};
use netlink_packet_core::{NetlinkBuffer, NlaBuffer, NlasIterator};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{bind, recv, send, setsockopt, socket, sockopt};
use tokio::io::unix::AsyncFd;

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
    /// The link with this index has the address.
    Address(u32, IpAddr),
    /// It no longer has it.
    AddressGone(u32, IpAddr),
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
            socket: super::watched(socket)?,
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
fn address(payload: &[u8]) -> Option<(u32, IpAddr)> {
    let index = int(payload.get(4..)?)?.cast_unsigned();
    let of = |kind: c_ushort| {
        let mut attributes = attributes(payload.get(ADDRESS_HEADER..)?);
        let found = attributes.find(|attribute| attribute.kind() == kind)?;
        ip(found.value())
    };
    // On a link to a peer IFA_ADDRESS is the peer's.
    Some((
        index,
        of(libc::IFA_LOCAL).or_else(|| of(libc::IFA_ADDRESS))?,
    ))
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
