//! What the task for ARP and NDP says of itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use imbl::OrdMap;
use l2::MacAddr;
use l2::responder::{AddressState, AddressStatus, Counters, Refused};

/// How every address is. A copy shares what did not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkView {
    /// Each address on each interface (by index) that it is for.
    pub states: OrdMap<(IpAddr, u32), AddressState>,
    /// Who else claimed an address that we answer for, where that is no stranger, last
    /// ([`l2::responder::Action::OtherOwner`]).
    pub other_owners: OrdMap<(IpAddr, u32), OtherOwner>,
    /// Addresses that no station can have, or too many.
    pub refused: Arc<[Refused]>,
    /// Interfaces that are left out because there are too many.
    pub interfaces_left_out: usize,
    /// Why nothing is answered at all.
    pub trouble: Option<Arc<str>>,
}

/// Another speaker that claimed an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherOwner {
    /// Its link-layer address.
    pub by: MacAddr,
    /// When it was last heard.
    pub at: Instant,
}

/// Everything, with counts.
#[derive(Clone, Debug)]
pub struct LinkReport {
    /// Every address on every interface.
    pub addresses: Vec<AddressStatus>,
    /// The Responder's counts.
    pub counters: Counters,
    /// The task's own.
    pub io: IoCounters,
    /// Raw sockets that are open: none, for ARP, for NDP, or both.
    pub sockets: usize,
}

/// Counts since the task began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoCounters {
    /// How often frames woke the task.
    pub wakes: u64,
    /// Frames that were read.
    pub received: u64,
    /// Frames that were sent.
    pub sent: u64,
    /// Frames that the kernel did not take.
    pub unsent: u64,
    /// Frames that the kernel dropped because we were slow.
    pub dropped: u64,
    /// Solicited-node groups that cannot be joined at the moment.
    pub groups_missing: u64,
}
