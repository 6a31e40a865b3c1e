//! What the kernel has told of links and addresses so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use l2::responder::{Interface, InterfaceKind};

use super::Interfaces;
use crate::net::netlink::{Link, Message};

/// Links and addresses; as many as the kernel has.
#[derive(Debug)]
pub struct Table {
    excluded: &'static [&'static str],
    links: BTreeMap<u32, Link>,
    /// By interface index. An address may be told of before its link.
    addresses: BTreeMap<u32, BTreeSet<IpNet>>,
    /// Survive [`Table::clear`], as they only ever grow.
    moves: BTreeMap<u32, u64>,
}

impl Table {
    /// An empty one.
    pub fn new(excluded: &'static [&'static str]) -> Table {
        Table {
            excluded,
            links: BTreeMap::new(),
            addresses: BTreeMap::new(),
            moves: BTreeMap::new(),
        }
    }

    /// Forgets all links and addresses.
    pub fn clear(&mut self) {
        self.links.clear();
        self.addresses.clear();
    }

    /// Takes what the kernel says.
    pub fn take(&mut self, message: Message) {
        match message {
            Message::Link(link) => {
                if link.has_moved {
                    *self.moves.entry(link.index).or_default() += 1;
                }
                self.links.insert(link.index, link);
            }
            Message::LinkGone(index) => {
                self.links.remove(&index);
                self.addresses.remove(&index);
                self.moves.remove(&index);
            }
            Message::Address(index, address) => {
                self.addresses.entry(index).or_default().insert(address);
            }
            Message::AddressGone(index, address) => {
                if let Some(addresses) = self.addresses.get_mut(&index) {
                    addresses.remove(&address);
                }
            }
            Message::Done | Message::Refused(_) => {}
        }
    }

    /// Whether this is what `interfaces` says.
    pub fn is(&self, interfaces: &Interfaces) -> bool {
        self.list().eq(interfaces.list.iter().cloned())
            && self.moves == interfaces.moves
            && self.subnets() == interfaces.subnets
    }

    /// All that is known.
    pub fn interfaces(&self) -> Interfaces {
        Interfaces {
            list: self.list().collect(),
            moves: self.moves.clone(),
            subnets: self.subnets(),
        }
    }

    /// The prefixes of the addresses of each link that is there.
    fn subnets(&self) -> BTreeMap<u32, BTreeSet<IpNet>> {
        let of_links = self.addresses.iter();
        let of_links = of_links.filter(|(index, _)| self.links.contains_key(index));
        of_links
            .map(|(index, addresses)| (*index, addresses.iter().map(|own| own.trunc()).collect()))
            .collect()
    }

    fn list(&self) -> impl Iterator<Item = Interface> + '_ {
        self.links.values().map(|link| Interface {
            index: link.index,
            name: Arc::from(&*link.name),
            mac: link.mac,
            addresses: {
                let own = self.addresses.get(&link.index).into_iter().flatten();
                own.map(|own| own.addr()).collect()
            },
            up: link.up,
            kind: match self.excluded.iter().any(|name| link.name.starts_with(name)) {
                true => InterfaceKind::WithoutArp,
                false => link.kind,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use l2::MacAddr;

    use super::*;

    #[test]
    fn an_interface_has_its_addresses_until_they_or_it_are_gone() {
        let mut table = Table::new(&[]);
        table.take(Message::Address(2, net("203.0.113.2/24")));
        table.take(Message::Link(link(2, "eth0", false)));
        table.take(Message::Address(2, net("fe80::2/64")));
        assert_eq!(addresses(&table), [ip("203.0.113.2"), ip("fe80::2")].into());
        let subnets = [net("203.0.113.0/24"), net("fe80::/64")].into();
        assert_eq!(table.interfaces().subnets, [(2, subnets)].into());
        table.take(Message::AddressGone(2, net("203.0.113.2/24")));
        assert_eq!(addresses(&table), [ip("fe80::2")].into());
        table.take(Message::LinkGone(2));
        assert_eq!(table.interfaces(), Interfaces::default());
    }

    #[test]
    fn a_link_that_moves_is_news_each_time() {
        let mut table = Table::new(&[]);
        table.take(Message::Link(link(2, "bond0", false)));
        let before = table.interfaces();
        assert!(table.is(&before));
        table.take(Message::Link(link(2, "bond0", true)));
        assert!(!table.is(&before));
        table.take(Message::Link(link(2, "bond0", true)));
        assert_eq!(table.interfaces().moves, [(2, 2)].into());
        table.clear();
        assert_eq!(table.interfaces().moves, [(2, 2)].into());
    }

    #[test]
    fn the_interfaces_of_pods_speak_no_arp() {
        let mut table = Table::new(super::super::EXCLUDED);
        for (index, name) in ["eth0", "cali12ab", "veth7", "bond0.7"].iter().enumerate() {
            table.take(Message::Link(link(index as u32, name, false)));
        }
        let speaks = |one: &&Interface| one.kind == InterfaceKind::Ethernet;
        let found = table.interfaces().list;
        let found: Vec<&str> = found.iter().filter(speaks).map(|one| &*one.name).collect();
        assert_eq!(found, ["eth0", "bond0.7"]);
    }

    fn addresses(table: &Table) -> BTreeSet<IpAddr> {
        let list = table.interfaces().list.into_iter();
        list.flat_map(|one| one.addresses).collect()
    }

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn link(index: u32, name: &str, has_moved: bool) -> Link {
        Link {
            index,
            name: name.to_owned(),
            mac: MacAddr::new(2, 0, 0, 0, 0, 2),
            up: true,
            kind: InterfaceKind::Ethernet,
            has_moved,
        }
    }
}
