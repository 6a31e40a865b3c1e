//! Who holds which address, and who may join them.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::net::IpAddr;
use std::sync::Arc;

use super::Reason;
use super::sharing::{SharingField, common_port, mismatch};
use crate::world::Service;

/// Addresses that are held: between rounds as the World says, and as far as it has come in one.
#[derive(Debug, Default)]
pub struct Taken {
    /// The first holder of each. Only looked up, never walked, and hashed the same way each time:
    /// nothing depends on chance.
    first: HashMap<IpAddr, Arc<Service>, BuildHasherDefault<DefaultHasher>>,
    /// Those who share an address with its first holder. Between rounds all are by name.
    others: BTreeMap<IpAddr, Vec<Arc<Service>>>,
    /// Addresses held under a sharing key, by how many, or held so before somebody lost one in this
    /// round.
    by_key: BTreeMap<Arc<str>, BTreeMap<IpAddr, u32>>,
    /// What has to be put right at the end of the round: keys of those who lost an address, and
    /// addresses whose holders may not be by name.
    lost: Vec<(Arc<str>, IpAddr)>,
    mixed: Vec<IpAddr>,
    /// Addresses that nobody holds any more, since they were asked for.
    freed: Vec<IpAddr>,
}

impl Taken {
    /// Nobody holds anything, with room for this many addresses.
    pub fn new(room: usize) -> Taken {
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
    pub fn of_another_namespace(&self, address: IpAddr, service: &Service) -> Option<&Service> {
        let mut holders = self.holders(address);
        let other = holders.find(|holder| holder.name.namespace != service.name.namespace);
        other.map(Arc::as_ref)
    }

    /// Who holds the address.
    fn holders(&self, address: IpAddr) -> impl Iterator<Item = &Arc<Service>> {
        let first = self.first.get(&address);
        // Most addresses have one holder, and the others are only looked for behind it.
        let others = first.and_then(|_| self.others.get(&address));
        first.into_iter().chain(others.into_iter().flatten())
    }

    /// The Service holds the address already: it comes among the holders by name.
    pub fn keep(&mut self, address: IpAddr, service: &Arc<Service>) {
        self.count_key(address, service);
        let Entry::Occupied(mut first) = self.first.entry(address) else {
            self.first.insert(address, Arc::clone(service));
            return;
        };
        let others = self.others.entry(address).or_default();
        let mut service = Arc::clone(service);
        if service.name < first.get().name {
            service = first.insert(service);
        }
        let at = others.partition_point(|other| other.name < service.name);
        others.insert(at, service);
    }

    /// Gives the address to the Service, after those who hold it.
    pub fn add(&mut self, address: IpAddr, service: &Arc<Service>) {
        self.count_key(address, service);
        match self.first.entry(address) {
            Entry::Occupied(_) => {
                let others = self.others.entry(address).or_default();
                others.push(Arc::clone(service));
                self.mixed.push(address);
            }
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(service));
            }
        }
    }

    /// The Service, which held the address between rounds, holds it no more.
    pub fn remove(&mut self, address: IpAddr, service: &Service) {
        if let Some(key) = &service.sharing_key {
            self.discount_key(key, address);
        }
        let of_this = |holder: &Arc<Service>| holder.name == service.name;
        let mut others = self.others.remove(&address).unwrap_or_default();
        if self.first.get(&address).is_some_and(of_this) {
            match others.is_empty() {
                true => {
                    self.first.remove(&address);
                    self.freed.push(address);
                }
                false => {
                    self.first.insert(address, others.remove(0));
                }
            }
        } else {
            others.retain(|holder| !of_this(holder));
        }
        if !others.is_empty() {
            self.others.insert(address, others);
        }
    }

    /// Addresses with several holders, and these, in order.
    pub fn shared(&self) -> impl Iterator<Item = (IpAddr, Vec<&Arc<Service>>)> {
        let addresses = self.others.keys();
        addresses.map(|address| (*address, self.holders(*address).collect()))
    }

    /// Leaves the address to these of its holders.
    pub fn leave_to(&mut self, address: IpAddr, holders: &[Arc<Service>]) {
        let stays = |service: &Service| holders.iter().any(|stays| stays.name == service.name);
        let lose = self.holders(address).filter(|holder| !stays(holder));
        let keys = lose.filter_map(|holder| holder.sharing_key.clone());
        let lost: Vec<_> = keys.map(|key| (key, address)).collect();
        self.lost.extend(lost);
        self.mixed.push(address);
        let Some((first, others)) = holders.split_first() else {
            self.first.remove(&address);
            self.others.remove(&address);
            self.freed.push(address);
            return;
        };
        self.first.insert(address, Arc::clone(first));
        match others.is_empty() {
            true => self.others.remove(&address),
            false => self.others.insert(address, others.to_vec()),
        };
    }

    /// Addresses held under the Service's sharing key, in order.
    pub fn under_key_of(&self, service: &Service) -> impl Iterator<Item = IpAddr> {
        let key = service.sharing_key.as_deref();
        let addresses = key.and_then(|key| self.by_key.get(key));
        addresses
            .into_iter()
            .flat_map(|addresses| addresses.keys().copied())
    }

    /// Addresses that nobody has come to hold any more since this was asked, and perhaps some that
    /// somebody has again.
    pub fn take_freed(&mut self) -> Vec<IpAddr> {
        std::mem::take(&mut self.freed)
    }

    /// Ends the round: what is held now is what the World says.
    pub fn end_round(&mut self) {
        for (key, address) in std::mem::take(&mut self.lost) {
            self.discount_key(&key, address);
        }
        for address in std::mem::take(&mut self.mixed) {
            let mut holders: Vec<_> = self.holders(address).cloned().collect();
            holders.sort_by(|one, other| one.name.cmp(&other.name));
            let Some((first, others)) = holders.split_first() else {
                continue;
            };
            self.first.insert(address, Arc::clone(first));
            if !others.is_empty() {
                self.others.insert(address, others.to_vec());
            }
        }
    }

    fn count_key(&mut self, address: IpAddr, service: &Service) {
        let Some(key) = &service.sharing_key else {
            return;
        };
        let addresses = match self.by_key.get_mut(key) {
            Some(addresses) => addresses,
            None => self.by_key.entry(Arc::clone(key)).or_default(),
        };
        *addresses.entry(address).or_default() += 1;
    }

    fn discount_key(&mut self, key: &Arc<str>, address: IpAddr) {
        let Some(addresses) = self.by_key.get_mut(key) else {
            return;
        };
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
            }
        }
        if addresses.is_empty() {
            self.by_key.remove(key);
        }
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
