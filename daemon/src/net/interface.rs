//! The host's interfaces and their addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp::peer::LocalAddresses;
use ipnet::IpNet;
use nix::net::if_::InterfaceFlags;

/// An address of an interface, with its subnet's length.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InterfaceAddress {
    interface: String,
    net: IpNet,
    loopback: bool,
}

/// The index of an interface, as a socket address of a link-local peer needs it.
///
/// # Errors
/// There is no interface of this name.
pub fn index(name: &str) -> io::Result<u32> {
    nix::net::if_::if_nametoindex(name).map_err(|_| {
        let reason = format!("there is no interface {name:?} on this host");
        io::Error::new(io::ErrorKind::NotFound, reason)
    })
}

/// The name of the interface with this index, if there is one.
pub fn name(index: u32) -> Option<String> {
    addresses_by_name(|name| nix::net::if_::if_nametoindex(name) == Ok(index))
}

/// The other addresses of the interface that has the address `local`, for next hops on the session
/// to `remote`. Blocks while the kernel lists its addresses.
pub fn local_addresses(local: IpAddr, remote: IpAddr) -> LocalAddresses {
    // Without the list there are no next hops of the other family; the Peer then says so.
    select(&list().unwrap_or_default(), local, remote)
}

/// An IPv4 address of this host for a BGP Identifier: the lowest that is not a loopback's.
pub fn first_ipv4() -> Option<Ipv4Addr> {
    let addresses = list().unwrap_or_default();
    let usable = addresses.iter().filter(|address| !address.loopback);
    usable
        .filter_map(|address| match address.net {
            IpNet::V4(net) => Some(net.addr()),
            IpNet::V6(_) => None,
        })
        .min()
}

fn select(addresses: &[InterfaceAddress], local: IpAddr, remote: IpAddr) -> LocalAddresses {
    let (local, remote) = (local.to_canonical(), remote.to_canonical());
    let Some(own) = addresses.iter().find(|address| address.net.addr() == local) else {
        return LocalAddresses::default();
    };
    let same = || {
        let siblings = addresses.iter();
        siblings.filter(|address| address.interface == own.interface)
    };
    let ipv4 = same().find_map(|address| match address.net {
        IpNet::V4(net) => Some(net.addr()),
        IpNet::V6(_) => None,
    });
    let ipv6 = |link_local: bool| {
        same().find_map(|address| match address.net {
            IpNet::V6(net) if net.addr().is_unicast_link_local() == link_local => Some(net.addr()),
            IpNet::V6(_) | IpNet::V4(_) => None,
        })
    };
    // RFC 2545 §3: the link-local next hop only goes to a peer on the same link.
    let on_link = same().any(|address| address.net.contains(&remote)) || is_link_local(remote);
    LocalAddresses {
        ipv4,
        ipv6: ipv6(false),
        link_local: ipv6(true).filter(|_| on_link),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => Ipv6Addr::is_unicast_link_local(&address),
    }
}

fn addresses_by_name(matches: impl Fn(&str) -> bool) -> Option<String> {
    let mut interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let found = interfaces.find(|entry| matches(&entry.interface_name))?;
    Some(found.interface_name)
}

/// In the kernel's order, which puts an interface's primary address first.
fn list() -> io::Result<Vec<InterfaceAddress>> {
    let mut addresses = Vec::new();
    for entry in nix::ifaddrs::getifaddrs()? {
        let (Some(address), Some(mask)) = (&entry.address, &entry.netmask) else {
            continue;
        };
        let pair = |storage: &nix::sys::socket::SockaddrStorage| {
            let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        };
        let (Some(address), Some(mask)) = (pair(address), pair(mask)) else {
            continue;
        };
        if let Ok(net) = IpNet::with_netmask(address, mask) {
            addresses.push(InterfaceAddress {
                interface: entry.interface_name,
                net,
                loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            });
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_come_from_the_interface_of_the_session() {
        let addresses = [
            on("eth0", "10.0.0.1/24"),
            on("eth0", "fe80::1/64"),
            on("eth0", "2001:db8::1/64"),
            on("eth1", "2001:db8:1::1/64"),
        ];
        let found = select(&addresses, ip("10.0.0.1"), ip("10.0.0.254"));
        assert_eq!(found.ipv4, Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(found.ipv6, "2001:db8::1".parse().ok());
        assert_eq!(found.link_local, "fe80::1".parse().ok());
        let found = select(&addresses, ip("2001:db8:1::1"), ip("2001:db8:1::2"));
        assert_eq!((found.ipv4, found.link_local), (None, None));
    }

    #[test]
    fn a_peer_behind_a_router_gets_no_link_local_next_hop() {
        let addresses = [on("eth0", "10.0.0.1/24"), on("eth0", "fe80::1/64")];
        let found = select(&addresses, ip("10.0.0.1"), ip("10.9.0.1"));
        assert_eq!(found.link_local, None);
    }

    #[test]
    fn the_loopback_interface_has_its_address() {
        let found = local_addresses(ip("127.0.0.1"), ip("127.0.0.1"));
        assert_eq!(found.ipv4, Some(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn a_missing_interface_is_named() {
        let error = index("no-such-if").expect_err("there is none").to_string();
        assert!(error.contains("no-such-if"), "{error}");
    }

    fn on(interface: &str, net: &str) -> InterfaceAddress {
        InterfaceAddress {
            interface: interface.to_owned(),
            net: net.parse().expect("a prefix"),
            loopback: false,
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }
}
