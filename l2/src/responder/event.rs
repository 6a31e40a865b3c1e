//! What goes into a [`super::Responder`] besides the time and the desired sets, and what comes out.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use pnet_base::MacAddr;

use crate::ethernet::FrameBuf;

/// A frame that arrived. Of use are ARP requests and replies (EtherType 0x0806), and ICMPv6 of the
/// types 135 and 136 (EtherType 0x86dd); a filter in the kernel should keep out all others, and
/// what this node has sent itself (PACKET_OUTGOING).
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Index of the interface it was read on.
    pub interface: u32,
    /// VLAN identifier of a tag that the kernel has removed (`tp_vlan_tci` of PACKET_AUXDATA, its
    /// low 12 bits). 0 is a priority tag, which belongs to the interface itself.
    pub vlan: Option<u16>,
    /// The frame from its Ethernet header on.
    pub frame: &'a [u8],
}

/// A frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Index of the interface to send it on, untagged.
    pub interface: u32,
    /// The frame from its Ethernet header on.
    pub frame: FrameBuf,
}

/// What happens, besides frames and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The link behind an interface has moved (IFLA_EVENT_NOTIFY_PEERS, IFLA_EVENT_BONDING_FAILOVER):
    /// another port of the switch leads here. Everything is announced there anew.
    NotifyPeers {
        /// Index of the interface.
        interface: u32,
    },
    /// Announce an address anew: the caller has found that another node has announced it, and has
    /// stopped.
    Announce(IpAddr),
}

/// Until when anything is answered or sent at all. A node that was frozen or is cut off falls
/// silent by itself, because another one answers by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Silent now.
    Closed,
    /// Silent from this moment on, unless it is put off.
    Until(Instant),
    /// Never silent: there is no other node, or nobody watches them.
    Open,
}

impl Fence {
    /// Whether anything may be answered or sent at this moment.
    pub fn is_open(self, now: Instant) -> bool {
        match self {
            Fence::Closed => false,
            Fence::Until(at) => now < at,
            Fence::Open => true,
        }
    }
}

/// What the caller has to do, or should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Join a solicited-node group, to hear Neighbor Solicitations for an address.
    JoinGroup {
        /// Index of the interface.
        interface: u32,
        /// The group.
        group: Ipv6Addr,
    },
    /// Leave it. Memberships of an interface that has vanished went with it.
    LeaveGroup {
        /// Index of the interface.
        interface: u32,
        /// The group.
        group: Ipv6Addr,
    },
    /// What was last said of an address on an interface no longer holds. States that came and went
    /// between two calls of [`super::Responder::poll_action`] are left out.
    State {
        /// The address.
        address: IpAddr,
        /// Index of the interface.
        interface: u32,
        /// How it is now.
        state: AddressState,
    },
    /// Another of our speakers, or while it is handed over anybody, claims an address that we
    /// answer for: the next owner has it, or there are two.
    OtherOwner {
        /// The address.
        address: IpAddr,
        /// Index of the interface.
        interface: u32,
        /// Its link-layer address.
        by: MacAddr,
    },
}

/// How an address is, on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Not answered for: the [`Fence`] is closed.
    Fenced,
    /// Not answered for: the interface is down, or has no IPv6.
    InterfaceDown,
    /// Not answered for: the kernel does, because an interface of this node has it.
    OwnAddress,
    /// Not answered for yet: its first claim is being probed.
    Probing,
    /// Answered for.
    Claimed,
    /// Answered for, and a stranger claims it too.
    Contested {
        /// The stranger's link-layer address.
        by: MacAddr,
    },
    /// Not answered for: a stranger has it. It is probed again from time to time.
    Quarantined {
        /// The stranger's link-layer address.
        by: MacAddr,
    },
}

impl AddressState {
    /// The stranger that claims the address.
    pub fn stranger(self) -> Option<MacAddr> {
        match self {
            AddressState::Contested { by } | AddressState::Quarantined { by } => Some(by),
            AddressState::Fenced
            | AddressState::InterfaceDown
            | AddressState::OwnAddress
            | AddressState::Probing
            | AddressState::Claimed => None,
        }
    }

    /// The stranger that has the address, which is not answered for.
    pub fn lost_to(self) -> Option<MacAddr> {
        self.stranger().filter(|_| !self.is_answered())
    }

    /// Whether requests are answered.
    pub fn is_answered(self) -> bool {
        match self {
            AddressState::Claimed | AddressState::Contested { .. } => true,
            AddressState::Fenced
            | AddressState::InterfaceDown
            | AddressState::OwnAddress
            | AddressState::Probing
            | AddressState::Quarantined { .. } => false,
        }
    }
}

/// An address on one interface, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressStatus {
    /// The address.
    pub address: IpAddr,
    /// Index of the interface.
    pub interface: u32,
    /// How it is.
    pub state: AddressState,
    /// What has happened since it was added.
    pub counters: AddressCounters,
}

/// Counts of one address on one interface since it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressCounters {
    /// Requests and solicitations for it.
    pub requests: u64,
    /// Answers sent.
    pub answers: u64,
    /// Frames of announcements sent, unasked.
    pub announcements: u64,
    /// Frames in which a stranger claimed it.
    pub conflicts: u64,
}

/// Counts of a whole [`super::Responder`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that claim to be ARP or Neighbor Discovery and are ignored as RFC 826 and RFC 4861
    /// ask.
    pub malformed: u64,
    /// Answers not given because there were too many.
    pub suppressed: u64,
}
