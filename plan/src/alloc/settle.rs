//! Which holders of a shared address stay, where they do not all agree.
//!
//! A port has one holder: who had it before, else the first by name. A mismatch in what sharing
//! asks for is tolerated for the grace period, because the others are probably being changed too.
//! When it ends, the largest group that agrees stays.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::sharing::{Agreement, Sharing, SharingField, mismatch};
use super::{Options, Reason};
use crate::world::{ObjectName, Protocol, Service};

/// The time, and what the round before remembered.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    /// The time of this round.
    pub now: Timestamp,
    /// What the round before remembered.
    pub before: &'a Sharing,
}

/// What becomes of the holders of one address.
#[derive(Debug, Default)]
pub struct Settled {
    /// Those who keep it.
    pub stay: Vec<Arc<Service>>,
    /// Those who lose it.
    pub lost: Vec<(Arc<Service>, Reason)>,
    /// Those of who keep it that will lose it unless something changes.
    pub tolerated: Vec<(Arc<Service>, Reason)>,
    /// When they will; `None` where nothing is tolerated, or no clock runs.
    pub until: Option<Timestamp>,
}

/// Holders that agree in all that sharing asks for, never empty.
struct Group<'a> {
    first: &'a Arc<Service>,
    members: Vec<&'a Arc<Service>>,
}

/// Decides about an address. Without a clock a mismatch has just begun, whenever that is.
pub fn settle<'a>(
    address: IpAddr,
    mut holders: Vec<&'a Arc<Service>>,
    clock: Option<Clock<'_>>,
    options: &Options,
) -> Settled {
    let before = clock.and_then(|clock| clock.before.agreement(address));
    let remembered = |service: &Service| before.is_some_and(|b| b.sharer(&service.name).is_some());
    // Those who shared it before come before whoever claims to hold it too.
    holders.sort_by(|one, other| {
        let rank = |service: &Service| !remembered(service);
        let ranks = rank(one).cmp(&rank(other));
        ranks.then_with(|| one.name.cmp(&other.name))
    });
    let mut settled = Settled::default();
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut ports = Owners::of_before(&holders, before);
    for service in holders {
        let admitted =
            admits(address, &groups, service, before).and_then(|()| ports.take(address, service));
        match admitted {
            Ok(()) => add(&mut groups, service),
            Err(reason) => settled.lost.push((Arc::clone(service), reason)),
        }
    }
    let winner = match groups.len() > 1 {
        true => winner(&groups, clock, before),
        false => 0,
    };
    let Some(first) = groups.get(winner).map(|group| group.first) else {
        return settled;
    };
    let until = clock.map(|clock| {
        let since = before.and_then(|before| before.since).unwrap_or(clock.now);
        add_time(since, options)
    });
    let is_over = clock
        .zip(until)
        .is_some_and(|(clock, until)| until <= clock.now);
    for (position, group) in groups.into_iter().enumerate() {
        let stays = position == winner;
        let reason = |service: &Service| otherwise(address, first, service);
        let with_reason = group
            .members
            .iter()
            .map(|service| (Arc::clone(service), reason(service)));
        match (stays, is_over) {
            (true, _) => {}
            (false, true) => settled.lost.extend(with_reason),
            (false, false) => settled.tolerated.extend(with_reason),
        }
        if stays || !is_over {
            settled.stay.extend(group.members.into_iter().cloned());
        }
    }
    settled.until = until.filter(|_| !settled.tolerated.is_empty());
    settled
}

/// The end of the grace period; the end of time where that is before it.
fn add_time(since: Timestamp, options: &Options) -> Timestamp {
    since
        .checked_add(options.sharing_grace)
        .unwrap_or(Timestamp::MAX)
}

/// Whether the mismatch with each of those who are in is one that may be temporary: both shared the
/// address before, or both have its key. With nothing remembered, both have any key at all: the
/// key itself may be what is being changed.
fn admits(
    address: IpAddr,
    groups: &[Group<'_>],
    service: &Service,
    before: Option<&Agreement>,
) -> Result<(), Reason> {
    let remembered = |service: &Service| before.is_some_and(|b| b.sharer(&service.name).is_some());
    for group in groups {
        let holder = group.first;
        let one_key = holder.sharing_key.is_some() && holder.sharing_key == service.sharing_key;
        let both_keyed = holder.sharing_key.is_some() && service.sharing_key.is_some();
        let both_shared = remembered(holder) && remembered(service);
        if !(one_key || both_shared || (before.is_none() && both_keyed)) {
            let holder = holder.name.clone();
            return Err(Reason::InUse { address, holder });
        }
    }
    Ok(())
}

fn add<'a>(groups: &mut Vec<Group<'a>>, service: &'a Arc<Service>) {
    let agrees = |group: &&mut Group<'_>| mismatch(group.first, service).is_none();
    match groups.iter_mut().find(agrees) {
        Some(group) => group.members.push(service),
        None => groups.push(Group {
            first: service,
            members: vec![service],
        }),
    }
}

/// The position of the group that stays: the largest; of equally large ones that which is as it was
/// agreed on, else the first to differ, else the first by name.
fn winner(groups: &[Group<'_>], clock: Option<Clock<'_>>, before: Option<&Agreement>) -> usize {
    let rank = |group: &Group<'_>| {
        let agreed = before.is_some_and(|before| before.is_agreed(group.first));
        let members = group.members.iter();
        let differs = clock.zip(before).and_then(|(clock, before)| {
            let since = members.map(|service| before.differs_since(service, clock.now));
            since.min()
        });
        let name = group.members.iter().map(|service| &service.name).min();
        (
            Reverse(group.members.len()),
            !agreed,
            differs,
            name.cloned(),
        )
    };
    let positions = 0..groups.len();
    positions
        .min_by_key(|position| groups.get(*position).map(&rank))
        .unwrap_or_default()
}

fn otherwise(address: IpAddr, holder: &Service, service: &Service) -> Reason {
    Reason::SharedOtherwise {
        address,
        holder: holder.name.clone(),
        // Of two groups.
        field: mismatch(holder, service).unwrap_or(SharingField::SharingKey),
    }
}

/// Who has which port of the address.
struct Owners<'a>(BTreeMap<(Protocol, u16), &'a ObjectName>);

impl<'a> Owners<'a> {
    /// Those who have a port that they had before.
    fn of_before(holders: &[&'a Arc<Service>], before: Option<&Agreement>) -> Owners<'a> {
        let mut owners = Owners(BTreeMap::new());
        let Some(before) = before else {
            return owners;
        };
        for service in holders {
            let had = |port: &&(Protocol, u16)| before.had_port(&service.name, port);
            for port in service.ports.iter().filter(had) {
                owners.0.entry(*port).or_insert(&service.name);
            }
        }
        owners
    }

    /// Gives the Service all its ports, or none.
    fn take(&mut self, address: IpAddr, service: &'a Service) -> Result<(), Reason> {
        let other = |port: &(Protocol, u16)| {
            let owner = self.0.get(port).copied();
            owner.filter(|owner| **owner != service.name)
        };
        let mut ports = service.ports.iter();
        let clash = ports.find_map(|port| Some((*port, other(port)?.clone())));
        if let Some(((protocol, port), holder)) = clash {
            self.0.retain(|_, owner| **owner != service.name);
            return Err(Reason::PortInUse {
                address,
                protocol,
                port,
                holder,
            });
        }
        let ports = service.ports.iter();
        self.0.extend(ports.map(|port| (*port, &service.name)));
        Ok(())
    }
}
