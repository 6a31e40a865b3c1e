//! Frames of the host's links: a raw socket of packet(7) for each protocol.
//!
//! A socket is bound to one EtherType and to no interface, so it hears what a bridge or bond hands
//! up and not what their ports do, and nothing that this host sends.

#![allow(
    unsafe_code,
    reason = "addresses, options and control messages of packet(7) have no safe interface"
)]

use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use libc::{c_int, c_void, sockaddr_ll, socklen_t};
use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::filter::{self, Protocol};
use super::sockopt;
use super::watched::watched;

/// What the kernel keeps for us while we do not read, in octets: some 1,000 frames. What does not
/// fit is dropped and counted.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The same for what a driver does not take at once.
const SEND_BUFFER: usize = 1 << 20;

/// A frame that was read, besides its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Octets of it that are in the buffer.
    pub length: usize,
    /// Index of the interface it was read on.
    pub interface: u32,
    /// VLAN identifier of a tag that the kernel has removed.
    pub vlan: Option<u16>,
}

/// A socket that hears one protocol on every interface of the network namespace.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<Socket>,
    protocol: Protocol,
    dropped: u64,
}

impl PacketSocket {
    /// Opens one that hears nothing before [`PacketSocket::listen_to`].
    ///
    /// # Errors
    /// The process may not (`PermissionDenied`, which names the capability), or the system has no
    /// file descriptor left.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(protocol: Protocol) -> io::Result<PacketSocket> {
        // With protocol 0 it hears nothing, until it has its filter and is bound.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(explain)?;
        socket.set_nonblocking(true)?;
        // The kernel gives as much of it as it may (net.core.rmem_max, net.core.wmem_max).
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        let on: c_int = 1;
        sockopt::set(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, &on)?;
        socket.attach_filter(&filter::program(protocol, std::iter::empty()))?;
        socket.bind(&address(protocol, 0))?;
        Ok(PacketSocket {
            socket: watched(socket)?,
            protocol,
            dropped: 0,
        })
    }

    /// Replaces the keys ([`filter::key`]) of the addresses that it listens to.
    ///
    /// # Errors
    /// The kernel has no memory.
    pub fn listen_to(&self, keys: impl Iterator<Item = filter::Key>) -> io::Result<()> {
        let program: Vec<SockFilter> = filter::program(self.protocol, keys);
        self.socket.get_ref().attach_filter(&program)
    }

    /// Waits until [`PacketSocket::receive`] may have something. Cancel-safe.
    ///
    /// # Errors
    /// The runtime ends.
    pub async fn readable(&self) -> io::Result<()> {
        // Whoever reads says when there is nothing left.
        self.socket
            .readable()
            .await
            .map(|mut ready| ready.retain_ready())
    }

    /// Reads a frame into the buffer, from its Ethernet header on; what does not fit is cut.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; an interface went down (`ENETDOWN`), once.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.socket.try_io(tokio::io::Interest::READABLE, |socket| {
            receive(socket, buffer)
        })
    }

    /// Sends a frame, from its Ethernet header on, on an interface.
    ///
    /// # Errors
    /// `WouldBlock` or `ENOBUFS` where the driver takes no more, `ENXIO` or `ENETDOWN` where the
    /// interface is gone or down.
    pub fn send(&self, interface: u32, frame: &[u8]) -> io::Result<()> {
        let address = address(self.protocol, interface);
        self.socket.get_ref().send_to(frame, &address).map(|_| ())
    }

    /// Frames that passed the filter and were dropped because we were slow, since it was opened.
    pub fn dropped(&mut self) -> u64 {
        // The kernel counts from zero after each question.
        self.dropped += u64::from(drops(self.socket.get_ref()));
        self.dropped
    }
}

/// Says which capability is missing.
fn explain(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "ARP and NDP need a raw socket, for which this process lacks the capability NET_RAW \
         (CAP_NET_RAW)",
    )
}

/// The address that receives the protocol, or is sent to: interface 0 is every one.
fn address(protocol: Protocol, interface: u32) -> SockAddr {
    let ether_type = match protocol {
        Protocol::Arp => libc::ETH_P_ARP,
        Protocol::Ndp => libc::ETH_P_IPV6,
    };
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the `sockaddr_*` types of this platform: it fits into the
    // storage, and all zeros is a valid one.
    let link: &mut sockaddr_ll = unsafe { storage.view_as() };
    // The constants are 17 and 16 bits wide numbers of the kernel's interface.
    link.sll_family = libc::AF_PACKET as u16;
    link.sll_protocol = (ether_type as u16).to_be();
    link.sll_ifindex = interface.cast_signed();
    link.sll_halen = 6;
    let length = mem::size_of::<sockaddr_ll>() as socklen_t;
    // SAFETY: the storage holds a `sockaddr_ll`, whose family says so, and `length` is its size.
    unsafe { SockAddr::new(storage, length) }
}

/// Room for one control message with a `tpacket_auxdata` (36 octets), aligned as `cmsghdr`.
#[repr(C, align(8))]
struct Control([u8; 64]);

fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast::<c_void>(),
        iov_len: buffer.len(),
    };
    let mut control = Control([0; 64]);
    // SAFETY: both are plain structs of the C interface, for which all zeros is valid: null
    // pointers and lengths of 0.
    let (mut from, mut message): (sockaddr_ll, libc::msghdr) = unsafe { mem::zeroed() };
    message.msg_name = std::ptr::from_mut(&mut from).cast::<c_void>();
    message.msg_namelen = mem::size_of::<sockaddr_ll>() as socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast::<c_void>();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the descriptor is open as long as `socket` is borrowed. The pointers in `message` are
    // to `from`, `part`, `control` and through `part` to `buffer`, each with its own length, and
    // all of them live and are not otherwise used until the call returns.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    Ok(Received {
        length: length.min(buffer.len()),
        interface: from.sll_ifindex.cast_unsigned(),
        vlan: vlan(&message),
    })
}

/// The VLAN identifier in the control messages of a message that was received.
fn vlan(message: &libc::msghdr) -> Option<u16> {
    // SAFETY: `message` has been filled by recvmsg, and its control buffer still lives: `receive`
    // calls this before it returns. The function only reads the lengths.
    let first = unsafe { libc::CMSG_FIRSTHDR(message) };
    // One option is on, so the kernel writes at most this one message.
    // SAFETY: the pointer is null, which `as_ref` checks, or to a `cmsghdr` within the control
    // buffer, which is aligned for it.
    let header = unsafe { first.as_ref() }?;
    let wanted = mem::size_of::<libc::tpacket_auxdata>();
    // SAFETY: a computation on integers.
    let whole = unsafe { libc::CMSG_LEN(wanted as u32) } as usize;
    let is_auxdata = header.cmsg_level == libc::SOL_PACKET
        && header.cmsg_type == libc::PACKET_AUXDATA
        && header.cmsg_len as usize >= whole;
    if !is_auxdata {
        return None;
    }
    // SAFETY: `first` is not null, and `cmsg_len` says that a whole `tpacket_auxdata` follows; the
    // kernel keeps that within the buffer. It may lie unaligned. Any octets are a valid value.
    let auxdata: libc::tpacket_auxdata = unsafe {
        libc::CMSG_DATA(first)
            .cast::<libc::tpacket_auxdata>()
            .read_unaligned()
    };
    let is_tagged = auxdata.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
    // The low 12 bits of the tag (IEEE 802.1Q §9.6).
    is_tagged.then_some(auxdata.tp_vlan_tci & 0x0fff)
}

/// Frames dropped since this was last asked; 0 where the kernel does not say.
fn drops(socket: &Socket) -> u32 {
    let mut counts = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut length = mem::size_of::<libc::tpacket_stats>() as socklen_t;
    // SAFETY: the descriptor is open as long as `socket` is borrowed. `counts` and `length` live
    // for the whole call, and `length` is the size of `counts`, so the kernel writes no more.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut counts).cast::<c_void>(),
            &raw mut length,
        )
    };
    match result {
        0 => counts.tp_drops,
        _ => 0,
    }
}
