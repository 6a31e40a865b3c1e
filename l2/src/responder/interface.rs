//! The interfaces of this node.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use pnet_base::MacAddr;

/// An interface, as the kernel has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Interface index; never used twice while the kernel runs.
    pub index: u32,
    /// Name.
    pub name: Arc<str>,
    /// Link-layer address.
    pub mac: MacAddr,
    /// The kernel's own addresses on it, IPv6 link-local ones included.
    pub addresses: BTreeSet<IpAddr>,
    /// IFF_UP and IFF_RUNNING: it is switched on and has a carrier.
    pub up: bool,
    /// What it is good for.
    pub kind: InterfaceKind,
}

/// What an interface is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceKind {
    /// Ethernet, with broadcast and ARP; also a bridge, a bond, a VLAN or a macvlan.
    Ethernet,
    /// A port of a bridge or a member of a bond: the bridge or bond speaks, and it does not.
    Enslaved,
    /// Without link-layer addresses or ARP: loopback, point-to-point, IFF_NOARP. The addresses it
    /// has (`kube-ipvs0`) are not answered for by the kernel.
    WithoutArp,
}

impl Interface {
    /// Whether addresses can be answered for on it now.
    pub fn is_usable(&self) -> bool {
        self.up && self.kind == InterfaceKind::Ethernet
    }

    /// Whether ARP (IPv4) or Neighbor Discovery (IPv6) is spoken on it now. The latter needs a
    /// link-local address of the kernel: without one IPv6 is off there, and no group can be joined.
    pub(super) fn speaks(&self, address: IpAddr) -> bool {
        let is_station = self.mac.is_unicast() && !self.mac.is_zero();
        let family = match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(_) => self.addresses.iter().any(is_link_local),
        };
        self.is_usable() && is_station && family
    }
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
