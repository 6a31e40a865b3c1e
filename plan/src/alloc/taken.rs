//! Who holds which address in a round, and who may join them.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::net::IpAddr;

use super::Reason;
use crate::world::{ExternalTrafficPolicy, Service};

/// Addresses held so far.
#[derive(Debug, Default)]
pub struct Taken<'a> {
    /// The first holder of each. Only looked up, never walked, and hashed the same way each time:
    /// nothing depends on chance.
    first: HashMap<IpAddr, &'a Service, BuildHasherDefault<DefaultHasher>>,
    /// Those who share an address with its first holder.
    others: BTreeMap<IpAddr, Vec<&'a Service>>,
    /// Addresses held under a sharing key.
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

    /// Whether the Service may have the address: nobody holds it, or all who do agree with it in
    /// sharing key, traffic policy (for Local: and selector), and no two want the same port.
    pub fn check(&self, address: IpAddr, service: &Service) -> Result<(), Reason> {
        let Some(first) = self.first.get(&address) else {
            return Ok(());
        };
        check_pair(address, first, service)?;
        let mut others = self.others.get(&address).into_iter().flatten();
        others.try_for_each(|other| check_pair(address, other, service))
    }

    /// Gives the address to the Service.
    pub fn add(&mut self, address: IpAddr, service: &'a Service) {
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

    /// Addresses held under the Service's sharing key, in order.
    pub fn shared(&self, service: &Service) -> impl Iterator<Item = IpAddr> + '_ {
        let key = service.sharing_key.as_deref();
        let addresses = key.and_then(|key| self.by_key.get(key));
        addresses.into_iter().flatten().copied()
    }
}

fn check_pair(address: IpAddr, holder: &Service, service: &Service) -> Result<(), Reason> {
    if holder.sharing_key.is_none() || holder.sharing_key != service.sharing_key {
        return Err(Reason::InUse {
            address,
            holder: holder.name.clone(),
        });
    }
    let same_backends = match (
        holder.external_traffic_policy,
        service.external_traffic_policy,
    ) {
        (ExternalTrafficPolicy::Cluster, ExternalTrafficPolicy::Cluster) => true,
        (ExternalTrafficPolicy::Local, ExternalTrafficPolicy::Local) => {
            holder.selector == service.selector
        }
        (ExternalTrafficPolicy::Cluster, ExternalTrafficPolicy::Local)
        | (ExternalTrafficPolicy::Local, ExternalTrafficPolicy::Cluster) => false,
    };
    if !same_backends {
        return Err(Reason::SharedOtherwise {
            address,
            holder: holder.name.clone(),
        });
    }
    match service
        .ports
        .iter()
        .find(|port| holder.ports.contains(port))
    {
        Some((protocol, port)) => Err(Reason::PortInUse {
            address,
            protocol: *protocol,
            port: *port,
            holder: holder.name.clone(),
        }),
        None => Ok(()),
    }
}
