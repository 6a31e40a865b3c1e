//! Who holds which address in a round, and who may join them.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::net::IpAddr;
use std::sync::Arc;

use super::Reason;
use super::sharing::{SharingField, common_port, mismatch};
use crate::world::Service;

/// Addresses held so far.
#[derive(Debug, Default)]
pub struct Taken<'a> {
    /// The first holder of each. Only looked up, never walked, and hashed the same way each time:
    /// nothing depends on chance.
    first: HashMap<IpAddr, &'a Arc<Service>, BuildHasherDefault<DefaultHasher>>,
    /// Those who share an address with its first holder.
    others: BTreeMap<IpAddr, Vec<&'a Arc<Service>>>,
    /// Addresses held under a sharing key, or held so before somebody lost one.
    by_key: BTreeMap<&'a str, BTreeSet<IpAddr>>,
}

impl<'a> Taken<'a> {
    /// Nobody holds anything, with room for this many addresses.
    pub fn new(room: usize) -> Taken<'a> {
        Taken {
            first: HashMap::with_capacity_and_hasher(room, BuildHasherDefault::default()),
            ..Taken::default()
        }
    }

    /// Whether nobody holds the address.
    pub fn is_free(&self, address: IpAddr) -> bool {
        !self.first.contains_key(&address)
    }

    /// Whether the Service, which does not hold the address, may have it: nobody holds it, or all
    /// who do agree with it in sharing key, traffic policy (for Local: and selector), and no two
    /// want the same port.
    pub fn check(&self, address: IpAddr, service: &Service) -> Result<(), Reason> {
        self.holders(address)
            .try_for_each(|holder| check_pair(address, holder, service))
    }

    /// A holder of the address that is of another namespace than the Service.
    pub fn of_another_namespace(&self, address: IpAddr, service: &Service) -> Option<&'a Service> {
        let mut holders = self.holders(address);
        let other = holders.find(|holder| holder.name.namespace != service.name.namespace);
        other.map(Arc::as_ref)
    }

    /// Who holds the address.
    fn holders(&self, address: IpAddr) -> impl Iterator<Item = &'a Arc<Service>> + '_ {
        let first = self.first.get(&address).copied();
        // Most addresses have one holder, and the others are only looked for behind it.
        let others = first.and_then(|_| self.others.get(&address));
        first
            .into_iter()
            .chain(others.into_iter().flatten().copied())
    }

    /// Gives the address to the Service.
    pub fn add(&mut self, address: IpAddr, service: &'a Arc<Service>) {
        if let Some(key) = &service.sharing_key {
            self.by_key.entry(key).or_default().insert(address);
        }
        match self.first.entry(address) {
            Entry::Occupied(_) => self.others.entry(address).or_default().push(service),
            Entry::Vacant(entry) => {
                entry.insert(service);
            }
        }
    }

    /// Addresses with several holders, and these, in order.
    pub fn shared(&self) -> impl Iterator<Item = (IpAddr, Vec<&'a Arc<Service>>)> + '_ {
        let addresses = self.others.keys();
        addresses.map(|address| (*address, self.holders(*address).collect()))
    }

    /// Leaves the address to these of its holders.
    pub fn leave_to(&mut self, address: IpAddr, holders: &[&'a Arc<Service>]) {
        let Some((first, others)) = holders.split_first() else {
            self.first.remove(&address);
            self.others.remove(&address);
            return;
        };
        self.first.insert(address, first);
        match others.is_empty() {
            true => self.others.remove(&address),
            false => self.others.insert(address, others.to_vec()),
        };
    }

    /// Addresses held under the Service's sharing key, in order.
    pub fn under_key_of(&self, service: &Service) -> impl Iterator<Item = IpAddr> + '_ {
        let key = service.sharing_key.as_deref();
        let addresses = key.and_then(|key| self.by_key.get(key));
        addresses.into_iter().flatten().copied()
    }
}

fn check_pair(address: IpAddr, holder: &Service, service: &Service) -> Result<(), Reason> {
    match mismatch(holder, service) {
        Some(SharingField::SharingKey) => Err(Reason::InUse {
            address,
            holder: holder.name.clone(),
        }),
        Some(field @ (SharingField::ExternalTrafficPolicy | SharingField::Selector)) => {
            Err(Reason::SharedOtherwise {
                address,
                holder: holder.name.clone(),
                field,
            })
        }
        None => check_ports(address, holder, service),
    }
}

fn check_ports(address: IpAddr, holder: &Service, service: &Service) -> Result<(), Reason> {
    match common_port(service, holder) {
        Some((protocol, port)) => Err(Reason::PortInUse {
            address,
            protocol,
            port,
            holder: holder.name.clone(),
        }),
        None => Ok(()),
    }
}
