//! Socket options that `socket2` does not have: TCP MD5 signatures, and TTL security.

#![allow(
    unsafe_code,
    reason = "setsockopt takes a pointer to the option's value"
)]

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_void, socklen_t};
use socket2::SockAddr;

/// Longest TCP MD5 password, octets (Linux: TCP_MD5SIG_MAXKEYLEN).
pub const MAX_MD5_KEY: usize = 80;

/// Linux `struct tcp_md5sig` (include/uapi/linux/tcp.h).
#[repr(C)]
struct TcpMd5Sig {
    /// `repr(transparent)` over `sockaddr_storage`.
    address: socket2::SockAddrStorage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: c_int,
    key: [u8; MAX_MD5_KEY],
}

/// Signs and checks every segment to and from `peer` (RFC 2385); an empty key ends that. The port
/// of `peer` is not looked at. Works on a socket before it connects, and on one that listens.
///
/// # Errors
/// The kernel has no TCP MD5 (`ENOPROTOOPT`), the key is longer than [`MAX_MD5_KEY`]
/// (`InvalidInput`), or there was none to remove (`ENOENT`).
pub fn set_md5(socket: &impl AsFd, peer: SocketAddr, key: &[u8]) -> io::Result<()> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "over 80 octets");
    let mut option = TcpMd5Sig {
        address: SockAddr::from(peer).as_storage(),
        flags: 0,
        prefix_length: 0,
        key_length: u16::try_from(key.len()).map_err(|_| too_long())?,
        interface: 0,
        key: [0; MAX_MD5_KEY],
    };
    let room = option.key.get_mut(..key.len()).ok_or_else(too_long)?;
    room.copy_from_slice(key);
    set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG, &option)
}

/// Drops segments whose IPv4 TTL is below `ttl` (RFC 5082 §3).
///
/// # Errors
/// Not an IPv4 socket.
pub fn set_min_ttl(socket: &impl AsFd, ttl: u8) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &c_int::from(ttl))
}

/// Drops segments whose IPv6 hop limit is below `hops` (RFC 5082 §3).
///
/// # Errors
/// Not an IPv6 socket.
pub fn set_min_hop_count(socket: &impl AsFd, hops: u8) -> io::Result<()> {
    let hops = c_int::from(hops);
    set(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &hops)
}

/// Sets one option to a value of plain memory.
pub(super) fn set<T>(socket: &impl AsFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let length = socklen_t::try_from(mem::size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open as long as `socket` is borrowed. `value` is a reference, so
    // it points to `size_of::<T>()` readable octets for the whole call, and the kernel only
    // copies them. Every `T` used here is an integer, or a `repr(C)` struct of integers without
    // padding that the kernel reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast::<c_void>(),
            length,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn the_option_has_the_size_the_kernel_expects() {
        assert_eq!(mem::size_of::<TcpMd5Sig>(), 128 + 8 + MAX_MD5_KEY);
    }

    #[test]
    fn a_key_can_be_set_replaced_and_removed_for_each_family() {
        for (domain, address) in families() {
            let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
            let peer = SocketAddr::new(address, 179);
            match set_md5(&socket, peer, b"one") {
                Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                    println!("skipped: the kernel has no TCP MD5");
                    return;
                }
                result => result.expect("a key is set"),
            }
            set_md5(&socket, peer, b"another").expect("it is replaced");
            set_md5(&socket, peer, b"").expect("it is removed");
            let error = set_md5(&socket, peer, b"").expect_err("there is none any more");
            assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        }
    }

    #[test]
    fn a_key_of_81_octets_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 179));
        let error = set_md5(&socket, peer, &[b'x'; 81]).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn ttl_security_is_for_the_family_of_the_socket() {
        let ipv4 = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        set_min_ttl(&ipv4, 254).expect("IPv4 has a TTL");
        assert!(set_min_hop_count(&ipv4, 254).is_err());
        let ipv6 = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
        set_min_hop_count(&ipv6, 254).expect("IPv6 has a hop limit");
    }

    fn families() -> [(Domain, std::net::IpAddr); 2] {
        [
            (Domain::IPV4, Ipv4Addr::LOCALHOST.into()),
            (Domain::IPV6, Ipv6Addr::LOCALHOST.into()),
        ]
    }
}
