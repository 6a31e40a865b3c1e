//! Who holds which address in a round, and who may join them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Reason;
use crate::world::{ExternalTrafficPolicy, Service};

/// Addresses held so far.
#[derive(Debug, Default)]
pub struct Taken<'a> {
    holders: BTreeMap<IpAddr, Holders<'a>>,
    /// Addresses held under a sharing key.
    by_key: BTreeMap<&'a str, BTreeSet<IpAddr>>,
}

/// Most addresses get one holder, which costs no allocation.
#[derive(Debug)]
struct Holders<'a> {
    first: &'a Service,
    others: Vec<&'a Service>,
}

impl<'a> Taken<'a> {
    /// Whether nobody holds the address.
    pub fn is_free(&self, address: IpAddr) -> bool {
        !self.holders.contains_key(&address)
    }

    /// Whether the Service may have the address: nobody holds it, or all who do agree with it in
    /// sharing key, traffic policy (for Local: and selector), and no two want the same port.
    pub fn check(&self, address: IpAddr, service: &Service) -> Result<(), Reason> {
        let Some(holders) = self.holders.get(&address) else {
            return Ok(());
        };
        let all = std::iter::once(&holders.first).chain(&holders.others);
        for holder in all {
            check_pair(address, holder, service)?;
        }
        Ok(())
    }

    /// Gives the address to the Service.
    pub fn add(&mut self, address: IpAddr, service: &'a Service) {
        if let Some(key) = &service.sharing_key {
            self.by_key.entry(key).or_default().insert(address);
        }
        self.holders
            .entry(address)
            .and_modify(|holders| holders.others.push(service))
            .or_insert(Holders {
                first: service,
                others: Vec::new(),
            });
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
