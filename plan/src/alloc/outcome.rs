//! How a Service came to hold what it holds, in a machine's word and in a sentence.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::sharing::SharingField;
use crate::world::{IpFamily, ObjectName, Protocol};

/// What a round did with a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is not a Service of ours that wants an address, and holds none.
    NotWanted,
    /// It holds what it held.
    Kept,
    /// It holds what it held, and what it asks for cannot be had.
    KeptDespite(Reason),
    /// It holds what it held, though it no longer agrees with those it shares an address with.
    /// Unless they agree again it loses that at this time; `None` where no clock runs.
    Tolerated(Reason, Option<Timestamp>),
    /// It lost some of what it held for the first reason, and lacks more for the second.
    Reduced(Reason, Option<Reason>),
    /// It was given addresses.
    Assigned,
    /// It lost what it held for this reason, and was given other addresses.
    Reassigned(Reason),
    /// It holds nothing, for this reason.
    Pending(Reason),
    /// It lost what it held for the first reason, and holds nothing for the second.
    Cleared(Reason, Option<Reason>),
}

impl Outcome {
    /// The reason of the Kubernetes Event that says it, as MetalLB words it (`SharingMismatch` is
    /// ours); `None` where nothing happened.
    pub fn event_reason(&self) -> Option<&'static str> {
        match self {
            Outcome::NotWanted | Outcome::Kept => None,
            Outcome::Assigned | Outcome::Reassigned(_) => Some("IPAllocated"),
            Outcome::KeptDespite(Reason::Request(_)) => Some("LoadBalancerFailed"),
            Outcome::KeptDespite(_) => Some("AdditionalAssignFailed"),
            Outcome::Pending(Reason::Request(_)) => Some("LoadBalancerFailed"),
            Outcome::Pending(_) => Some("AllocationFailed"),
            Outcome::Cleared(_, _) | Outcome::Reduced(_, _) => Some("ClearAssignment"),
            Outcome::Tolerated(_, _) => Some("SharingMismatch"),
        }
    }

    /// Whether there is nothing to complain of.
    pub fn is_well(&self) -> bool {
        match self {
            Outcome::NotWanted | Outcome::Kept | Outcome::Assigned | Outcome::Reassigned(_) => true,
            Outcome::KeptDespite(_)
            | Outcome::Tolerated(_, _)
            | Outcome::Reduced(_, _)
            | Outcome::Pending(_)
            | Outcome::Cleared(_, _) => false,
        }
    }

    /// Why the Service does not hold all that it wants; `None` where it does.
    pub fn shortfall(&self) -> Option<&Reason> {
        match self {
            Outcome::NotWanted
            | Outcome::Kept
            | Outcome::Tolerated(_, _)
            | Outcome::Assigned
            | Outcome::Reassigned(_) => None,
            Outcome::Reduced(_, none) => none.as_ref(),
            Outcome::KeptDespite(reason) | Outcome::Pending(reason) => Some(reason),
            Outcome::Cleared(lost, none) => Some(none.as_ref().unwrap_or(lost)),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::NotWanted => f.write_str("wants no address from us"),
            Outcome::Kept => f.write_str("keeps what it holds"),
            Outcome::KeptDespite(reason) => write!(f, "keeps what it holds; {reason}"),
            Outcome::Tolerated(reason, Some(until)) => {
                write!(
                    f,
                    "keeps what it holds, tolerated until {until:.0}; {reason}"
                )
            }
            Outcome::Tolerated(reason, None) => {
                write!(
                    f,
                    "keeps what it holds, tolerated for the grace period; {reason}"
                )
            }
            Outcome::Reduced(lost, None) => write!(f, "keeps a part; {lost}"),
            Outcome::Reduced(lost, Some(none)) => write!(f, "keeps a part; {lost}; {none}"),
            Outcome::Assigned => f.write_str("assigned"),
            Outcome::Reassigned(reason) => write!(f, "assigned anew; {reason}"),
            Outcome::Pending(reason) => write!(f, "pending; {reason}"),
            Outcome::Cleared(lost, None) => write!(f, "cleared; {lost}"),
            Outcome::Cleared(lost, Some(none)) => write!(f, "cleared; {lost}; {none}"),
        }
    }
}

/// Why a Service loses an address, or cannot have one. `Display` says it and what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is no longer a Service of ours that wants an address.
    NotWanted,
    /// Policy RequireDualStack, and not two families to have addresses of.
    NotEnoughClusterIps,
    /// Neither `clusterIPs` nor `ipFamilies` name a family.
    NoFamily,
    /// What it asks for cannot be read.
    Request(String),
    /// It asks for both families and names an address of one only.
    RequestOfOneFamily,
    /// The address is of a family that the Service does not have.
    WrongFamily(IpAddr),
    /// The address is in no pool.
    NotInAnyPool(IpAddr),
    /// The pool asked for does not exist.
    NoSuchPool(Arc<str>),
    /// The address is in another pool than the one asked for.
    OtherPool {
        /// The address.
        address: IpAddr,
        /// The pool it is in.
        pool: Arc<str>,
        /// The pool asked for.
        requested: Arc<str>,
    },
    /// The pool's `serviceAllocation` does not select the Service.
    NotForService(Arc<str>),
    /// The pool has `avoidBuggyIPs`, and the address ends in .0 or .255.
    Buggy(IpAddr),
    /// A host that is none of ours has the address.
    InUseByStranger {
        /// The address.
        address: IpAddr,
        /// The host's link-layer address.
        by: Arc<str>,
    },
    /// It asks for other addresses than it holds.
    OtherRequested,
    /// Another Service holds the address, and one of the two has no sharing key, or another key.
    InUse {
        /// The address.
        address: IpAddr,
        /// Who holds it.
        holder: ObjectName,
    },
    /// Another Service holds the address, and differs in what sharing asks for.
    SharedOtherwise {
        /// The address.
        address: IpAddr,
        /// Who holds it.
        holder: ObjectName,
        /// In what they differ.
        field: SharingField,
    },
    /// A Service of another namespace holds the address, and its pool does not allow that.
    OtherNamespace {
        /// The address.
        address: IpAddr,
        /// Its pool.
        pool: Arc<str>,
        /// Who holds it.
        holder: ObjectName,
    },
    /// The keys agree, and the port is taken.
    PortInUse {
        /// The address.
        address: IpAddr,
        /// Protocol of the port that both want.
        protocol: Protocol,
        /// The port.
        port: u16,
        /// Who has it.
        holder: ObjectName,
    },
    /// The pool asked for has no address of the family left, or never had one.
    PoolExhausted {
        /// The pool.
        pool: Arc<str>,
        /// The family.
        family: IpFamily,
    },
    /// No pool that is for the Service has an address of the family left.
    Exhausted {
        /// The family.
        family: IpFamily,
        /// The pools that were tried, in order; empty means that none is for the Service.
        tried: Vec<Arc<str>>,
    },
    /// An address was found, and could not be recorded. Said by who records, with the error.
    NotRecorded(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotWanted => f.write_str("it is no longer a LoadBalancer Service of ours"),
            Reason::NotEnoughClusterIps => f.write_str(
                "not enough clusterIPs: ipFamilyPolicy RequireDualStack needs one of each family",
            ),
            Reason::NoFamily => f.write_str(
                "no IP family is known: set spec.ipFamilies, or add an IPAddressPool to take it from",
            ),
            Reason::Request(error) => f.write_str(error),
            Reason::RequestOfOneFamily => f.write_str(
                "RequireDualStack needs both families: ask for one address of each, or for none",
            ),
            Reason::WrongFamily(address) => write!(
                f,
                "{address} is not of a family of the Service: see spec.ipFamilies"
            ),
            Reason::NotInAnyPool(address) => write!(
                f,
                "{address} is in no IPAddressPool: add it to one, or ask for another"
            ),
            Reason::NoSuchPool(pool) => write!(f, "there is no IPAddressPool {pool}"),
            Reason::OtherPool { address, pool, requested } => write!(
                f,
                "{address} is in IPAddressPool {pool}, and {requested} is asked for"
            ),
            Reason::NotForService(pool) => write!(
                f,
                "IPAddressPool {pool} is not for this Service: its serviceAllocation selects others"
            ),
            Reason::Buggy(address) => write!(
                f,
                "{address} is left out by its pool's avoidBuggyIPs"
            ),
            Reason::InUseByStranger { address, by } => write!(
                f,
                "{address} is in use by the host {by}: give that host another address, or take \
                 this one out of the IPAddressPool"
            ),
            Reason::OtherRequested => f.write_str("it asks for other addresses than it held"),
            Reason::InUse { address, holder } => write!(
                f,
                "{address} is in use by {holder}: to share it, give both the same \
                 metallb.io/allow-shared-ip"
            ),
            Reason::SharedOtherwise { address, holder, field } => write!(
                f,
                "can't change sharing key: {address} is also in use by {holder}, whose {field} \
                 differs: make them the same"
            ),
            Reason::OtherNamespace { address, pool, holder } => write!(
                f,
                "{address} is in use by {holder}, of another namespace: to share it, set \
                 spec.allowSharingAcrossNamespaces of IPAddressPool {pool} to true"
            ),
            Reason::PortInUse { address, protocol, port, holder } => write!(
                f,
                "port {protocol}/{port} of {address} is already in use by {holder}"
            ),
            Reason::PoolExhausted { pool, family } => write!(
                f,
                "no available IPs in IPAddressPool {pool} for {family:?}"
            ),
            Reason::Exhausted { family, tried } if tried.is_empty() => write!(
                f,
                "no available IPs: no IPAddressPool that gives {family:?} automatically is for this \
                 Service"
            ),
            Reason::Exhausted { family, tried } => write!(
                f,
                "no available IPs: {family:?} is used up in IPAddressPool {}; add addresses, or \
                 free some",
                tried.join(", ")
            ),
            Reason::NotRecorded(error) => write!(f, "what it was to have is not recorded: {error}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_recorded_is_no_fault_of_the_request() {
        let error = "cannot write the state file; see that it has space";
        for (of, event, text) in [
            (
                Reason::NotRecorded(error.to_owned()),
                ["AllocationFailed", "AdditionalAssignFailed"],
                format!("what it was to have is not recorded: {error}"),
            ),
            (
                Reason::Request(error.to_owned()),
                ["LoadBalancerFailed"; 2],
                error.to_owned(),
            ),
        ] {
            let pending = Outcome::Pending(of.clone());
            let kept = Outcome::KeptDespite(of);
            let reasons = [&pending, &kept].map(Outcome::event_reason);
            assert_eq!(reasons, event.map(Some));
            assert_eq!(pending.to_string(), format!("pending; {text}"));
            assert!(!pending.is_well() && !kept.is_well());
        }
    }
}
