//! Who may share an address with whom, and what is remembered of those who do.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::world::{ExternalTrafficPolicy, ObjectName, Protocol, Service};

/// In what two Services differ that cannot share an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharingField {
    /// The annotation `metallb.io/allow-shared-ip`: the keys differ, or one has none.
    SharingKey,
    /// `spec.externalTrafficPolicy`.
    ExternalTrafficPolicy,
    /// `spec.selector`, which counts with policy Local.
    Selector,
}

impl fmt::Display for SharingField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SharingField::SharingKey => "metallb.io/allow-shared-ip",
            SharingField::ExternalTrafficPolicy => "externalTrafficPolicy",
            SharingField::Selector => "selector",
        })
    }
}

/// The first thing that keeps the two from sharing, ports aside; `None` where they agree.
/// Agreement is an equivalence among Services with a key.
pub(super) fn mismatch(one: &Service, other: &Service) -> Option<SharingField> {
    use ExternalTrafficPolicy::{Cluster, Local};
    if one.sharing_key.is_none() || one.sharing_key != other.sharing_key {
        return Some(SharingField::SharingKey);
    }
    match (one.external_traffic_policy, other.external_traffic_policy) {
        (Cluster, Cluster) => None,
        (Local, Local) => (one.selector != other.selector).then_some(SharingField::Selector),
        (Cluster, Local) | (Local, Cluster) => Some(SharingField::ExternalTrafficPolicy),
    }
}

/// A port that both want.
pub(super) fn common_port(one: &Service, other: &Service) -> Option<(Protocol, u16)> {
    let mut ports = one.ports.iter().copied();
    ports.find(|port| other.ports.contains(port))
}

/// What a round remembers of shared addresses for the next one: who shares, on what they agreed,
/// and since when they do not. At most one entry for each sharer of an address.
///
/// A process that has just started has nothing to remember; then the grace period of sharers that
/// disagree begins anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sharing {
    pub(super) addresses: BTreeMap<IpAddr, Arc<Agreement>>,
}

/// What is remembered of one address with several holders.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Agreement {
    /// One of those who last agreed, as it was then.
    pub agreed: Option<Arc<Service>>,
    /// Since when the holders disagree; `None` while they agree.
    pub since: Option<Timestamp>,
    /// The holders, by name.
    pub sharers: Vec<Sharer>,
}

/// A holder of a shared address, as it was in the round before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sharer {
    pub service: Arc<Service>,
    /// Since when it differs in this way from what was agreed on; `None` if it does not.
    pub differs: Option<Timestamp>,
}

impl Agreement {
    /// What is remembered of this Service.
    pub fn sharer(&self, name: &ObjectName) -> Option<&Sharer> {
        let at = self
            .sharers
            .binary_search_by(|sharer| sharer.service.name.cmp(name));
        self.sharers.get(at.ok()?)
    }

    /// Whether the Service had the port.
    pub fn had_port(&self, name: &ObjectName, port: &(Protocol, u16)) -> bool {
        let sharer = self.sharer(name);
        sharer.is_some_and(|sharer| sharer.service.ports.contains(port))
    }

    /// Whether these, by name, are the holders that it remembers, nothing of them has changed, and
    /// they agreed.
    pub fn still_agree(&self, holders: &[&Arc<Service>]) -> bool {
        self.is_of(holders, true)
    }

    /// Whether the Service is as it was agreed on.
    pub fn is_agreed(&self, service: &Service) -> bool {
        let agreed = self.agreed.as_ref();
        agreed.is_some_and(|agreed| mismatch(agreed, service).is_none())
    }

    /// Since when the Service differs in the way it does now.
    pub fn differs_since(&self, service: &Service, now: Timestamp) -> Timestamp {
        let before = self.sharer(&service.name);
        let same = before.filter(|before| same_terms(&before.service, service));
        same.and_then(|before| before.differs).unwrap_or(now)
    }

    /// What is to be remembered now of these holders, which are two at least.
    fn next(
        before: Option<&Arc<Agreement>>,
        mut holders: Vec<&Arc<Service>>,
        now: Timestamp,
    ) -> Arc<Agreement> {
        holders.sort_by(|one, other| one.name.cmp(&other.name));
        let agree = holders
            .windows(2)
            .all(|pair| mismatch(pair[0], pair[1]).is_none());
        if let Some(before) = before.filter(|before| before.is_of(&holders, agree)) {
            return Arc::clone(before);
        }
        let first = || holders.first().map(|first| Arc::clone(first));
        let sharer = |service: &&Arc<Service>| Sharer {
            service: Arc::clone(service),
            differs: match before {
                _ if agree => None,
                Some(before) if before.is_agreed(service) => None,
                Some(before) => Some(before.differs_since(service, now)),
                None => Some(now),
            },
        };
        Arc::new(Agreement {
            agreed: match agree {
                true => first(),
                false => before.and_then(|before| before.agreed.clone()),
            },
            since: (!agree).then(|| before.and_then(|before| before.since).unwrap_or(now)),
            sharers: holders.iter().map(sharer).collect(),
        })
    }

    /// Whether it says just this already.
    fn is_of(&self, holders: &[&Arc<Service>], agree: bool) -> bool {
        let pairs = || self.sharers.iter().zip(holders);
        agree == self.since.is_none()
            && self.sharers.len() == holders.len()
            && pairs().all(|(sharer, holder)| Arc::ptr_eq(&sharer.service, holder))
    }
}

impl Sharing {
    /// What is remembered of the address.
    pub(super) fn agreement(&self, address: IpAddr) -> Option<&Agreement> {
        self.addresses.get(&address).map(Arc::as_ref)
    }

    /// What is to be remembered of the addresses with several holders, after a round.
    pub(super) fn after<'a>(
        &self,
        shared: impl Iterator<Item = (IpAddr, Vec<&'a Arc<Service>>)>,
        now: Timestamp,
    ) -> Sharing {
        let next = |(address, holders)| {
            let before = self.addresses.get(&address);
            (address, Agreement::next(before, holders, now))
        };
        Sharing {
            addresses: shared.map(next).collect(),
        }
    }
}

/// Whether the Service differs in nothing that sharing asks for from what it was.
fn same_terms(before: &Service, now: &Service) -> bool {
    let local = |s: &Service| s.external_traffic_policy == ExternalTrafficPolicy::Local;
    before.sharing_key == now.sharing_key
        && local(before) == local(now)
        && (!local(now) || before.selector == now.selector)
}
