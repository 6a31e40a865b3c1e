//! What the lab asks of a router, whichever it is.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::Value;

use crate::lab::{Lab, Need};
use crate::netns::Netns;

/// A router's configuration.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Its AS.
    pub asn: u32,
    /// Its BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Its neighbours.
    pub neighbours: Vec<Neighbour>,
    /// Prefixes that it announces itself.
    pub networks: Vec<IpNet>,
}

/// A neighbour, as the router's configuration has it.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its address; a link-local one goes with `interface`.
    pub address: IpAddr,
    /// The interface of a link-local address.
    pub interface: Option<String>,
    /// Its AS; 0 is any but the router's own, which GoBGP cannot.
    pub asn: u32,
    /// TCP MD5 password.
    pub password: Option<String>,
    /// The router waits for the neighbour to connect.
    pub passive: bool,
    /// Families on the session.
    pub families: Families,
    /// Hold time to propose, in seconds.
    pub hold_time: u16,
    /// TTL security for a directly connected neighbour (RFC 5082).
    pub ttl_security: bool,
    /// An eBGP neighbour further away than one hop.
    pub multihop: bool,
    /// Ends the session when the neighbour sends more prefixes than that.
    pub prefix_limit: Option<u32>,
    /// The router keeps the neighbour's routes while that restarts (RFC 4724 §4.2).
    pub graceful_restart: bool,
    /// More lines of the neighbour's configuration, in the router's own language.
    pub extra: Vec<String>,
}

/// Families on a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    Both,
}

impl Families {
    /// Whether IPv4 is among them.
    pub fn v4(self) -> bool {
        self != Families::V6
    }

    /// Whether IPv6 is among them.
    pub fn v6(self) -> bool {
        self != Families::V4
    }
}

impl Neighbour {
    /// A neighbour with the family of its address, a hold time of 9 s and nothing else.
    pub fn new(address: IpAddr, asn: u32) -> Neighbour {
        Neighbour {
            address,
            interface: None,
            asn,
            password: None,
            passive: false,
            families: match address {
                IpAddr::V4(_) => Families::V4,
                IpAddr::V6(_) => Families::V6,
            },
            hold_time: 9,
            ttl_security: false,
            multihop: false,
            prefix_limit: None,
            graceful_restart: false,
            extra: Vec::new(),
        }
    }
}

/// A route as a router holds it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The prefix.
    pub prefix: IpNet,
    /// NEXT_HOP, or the global one of MP_REACH_NLRI.
    pub next_hop: IpAddr,
    /// AS_PATH, sequences only.
    pub as_path: Vec<u32>,
    /// COMMUNITIES, `A:B`.
    pub communities: BTreeSet<String>,
    /// LARGE_COMMUNITY, `A:B:C`.
    pub large_communities: BTreeSet<String>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF of a route by iBGP; `None` by eBGP, where routers fill in a value of their own.
    pub local_pref: Option<u32>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} via {} path {:?}",
            self.prefix, self.next_hop, self.as_path
        )?;
        write!(
            f,
            " {:?} large {:?}",
            self.communities, self.large_communities
        )?;
        write!(f, " med {:?} local-pref {:?}", self.med, self.local_pref)
    }
}

/// A NOTIFICATION that a router received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// The text of a shutdown or reset (RFC 9003).
    pub text: String,
}

/// A router of the lab. It stops when dropped.
pub trait Router: Sized {
    /// Its name in messages and logs.
    const NAME: &'static str;
    /// What of the machine it needs.
    const NEEDS: &'static [Need];
    /// It puts routes into the kernel.
    const ROUTES_IN_KERNEL: bool;

    /// A soft reset in asks the neighbour (RFC 2918), rather than the router's own memory of what
    /// the neighbour has said.
    const SENDS_ROUTE_REFRESH: bool;

    /// Starts it in a namespace.
    fn start(lab: &Lab, netns: &Netns, config: &RouterConfig) -> Self;

    /// Starts it again after [`Router::stop`], with the same configuration.
    fn start_again(&mut self, netns: &Netns);

    /// Ends it at once, as a power cut does, except that the kernel closes its connections.
    fn stop(&mut self);

    /// It no longer runs, while its connections stay open.
    fn pause(&self);

    /// It runs on.
    fn resume(&self);

    /// Routes that it holds from neighbours, in order.
    fn routes(&self) -> Vec<Route>;

    /// The state of a session, in the router's words; `Established` is spelt so by all.
    fn state(&self, neighbour: IpAddr) -> String;

    /// The BGP Identifier that a neighbour has told; empty while there is none.
    fn identifier(&self, neighbour: IpAddr) -> String;

    /// UPDATEs received on a session; BIRD counts routes in place of messages.
    fn updates_received(&self, neighbour: IpAddr) -> u64;

    /// NOTIFICATIONs received until now, the oldest first.
    fn notifications_received(&self) -> Vec<Notification>;

    /// Soft reset in: looks at all routes of a neighbour again.
    fn soft_reset_in(&self, neighbour: IpAddr);

    /// Administrative shutdown with a text (RFC 9003). GoBGP comes back by itself.
    fn shut_down(&self, neighbour: IpAddr, text: &str);

    /// Administrative reset.
    fn reset(&self, neighbour: IpAddr);

    /// Takes the neighbour out of the configuration.
    fn remove(&self, neighbour: IpAddr);

    /// Its log, for messages of tests that fail.
    fn log(&self) -> String;

    /// Whether a session is Established.
    fn is_established(&self, neighbour: IpAddr) -> bool {
        self.state(neighbour) == "Established"
    }
}

/// A number in JSON as `u32`.
pub(crate) fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// An address in JSON.
pub(crate) fn address(value: &Value) -> Option<IpAddr> {
    // A link-local one may have its zone behind it (RFC 4007 §11.2).
    let text = value.as_str()?.split('%').next()?;
    text.parse().ok()
}
