//! What happens in a demonstration: one value an event, as JSON and as a line of text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bgp::Asn;
use bgp::community::{Community, LargeCommunity};
use bgp::fsm::StateName;
use ipnet::IpNet;
use serde::Serialize;

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Timed {
    #[serde(flatten)]
    pub(super) event: Event,
    /// Milliseconds since the demonstration began.
    pub(super) at_ms: u64,
}

/// Where a change of routes was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SeenAt {
    /// In the router's Adj-RIB-In.
    Router,
    /// In our own Adj-RIB-Out: what a router that is not ours holds is not known.
    AdjRibOut,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event {
    /// An IPAddressPool there is.
    Pool {
        name: String,
        addresses: Vec<String>,
        auto_assign: bool,
    },
    /// A Service was given addresses.
    Assigned {
        service: String,
        addresses: Vec<IpAddr>,
        pool: String,
    },
    /// A Service was given none.
    Unassigned { service: String, reason: String },
    /// The router the speaker talks to.
    Router {
        address: SocketAddr,
        asn: u32,
        embedded: bool,
    },
    /// The session's FSM, as the speaker sees it, changed its state.
    Session {
        peer: String,
        state: StateName,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The endpoints of a Service went away, or came back.
    Endpoints { service: String, usable: bool },
    /// A prefix is there.
    Announced(Change),
    /// A prefix is there no longer.
    Withdrawn(Change),
    /// A route as it is held.
    Route(Held),
    /// The demonstration ends.
    End {
        established: bool,
        routes: usize,
        failovers: u32,
    },
}

/// A prefix that came or went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Change {
    pub(super) prefix: IpNet,
    /// Services behind the prefix.
    pub(super) services: Vec<String>,
    pub(super) seen_at: SeenAt,
    /// Milliseconds since the endpoints changed, where that was the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_ms: Option<f64>,
}

/// A route with its attributes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Held {
    pub(super) prefix: IpNet,
    /// `None` is "self", where the session is not there to say which address that is.
    pub(super) next_hop: Option<IpAddr>,
    pub(super) as_path: Vec<Asn>,
    pub(super) communities: Vec<Community>,
    pub(super) large_communities: Vec<LargeCommunity>,
    pub(super) med: Option<u32>,
    pub(super) local_pref: Option<u32>,
}

impl Held {
    /// AS_PATH as routers print it.
    pub(super) fn as_path(&self) -> String {
        joined(&self.as_path)
    }

    /// Communities of both kinds.
    pub(super) fn communities(&self) -> String {
        let large = self
            .large_communities
            .iter()
            .map(|large| format!("large:{large}"));
        let standard = self.communities.iter().map(ToString::to_string);
        standard.chain(large).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn next_hop(&self) -> String {
        self.next_hop
            .map_or_else(|| "self".to_owned(), |address| address.to_string())
    }
}

/// Values with a space between them.
pub(super) fn joined<T: fmt::Display>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(" ")
}

/// A line of text: seconds, what happened, and to what.
impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timed { event, at_ms } = self;
        write!(
            f,
            "{:>4}.{:03}  {:<10} ",
            at_ms / 1000,
            at_ms % 1000,
            event.name()
        )?;
        event.write_details(f)
    }
}

impl Event {
    fn name(&self) -> &'static str {
        match self {
            Event::Pool { .. } => "pool",
            Event::Assigned { .. } => "assigned",
            Event::Unassigned { .. } => "unassigned",
            Event::Router { .. } => "router",
            Event::Session { .. } => "session",
            Event::Endpoints { .. } => "endpoints",
            Event::Announced(_) => "announced",
            Event::Withdrawn(_) => "withdrawn",
            Event::Route(_) => "route",
            Event::End { .. } => "end",
        }
    }

    fn write_details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Pool {
                name,
                addresses,
                auto_assign,
            } => {
                write!(f, "{name}: {}", addresses.join(", "))?;
                match auto_assign {
                    true => Ok(()),
                    false => f.write_str(" (only on request)"),
                }
            }
            Event::Assigned {
                service,
                addresses,
                pool,
            } => {
                write!(f, "{service}: {} from pool {pool}", joined(addresses))
            }
            Event::Unassigned { service, reason } => write!(f, "{service}: {reason}"),
            Event::Router {
                address,
                asn,
                embedded,
            } => {
                let kind = if *embedded { "embedded" } else { "yours" };
                write!(f, "{address}, AS {asn} ({kind})")
            }
            Event::Session {
                peer,
                state,
                reason,
            } => match reason {
                Some(reason) => write!(f, "{peer}: {state} ({reason})"),
                None => write!(f, "{peer}: {state}"),
            },
            Event::Endpoints {
                service,
                usable: true,
            } => {
                write!(f, "{service}: its endpoint is back")
            }
            Event::Endpoints {
                service,
                usable: false,
            } => {
                write!(f, "{service}: its endpoint is gone")
            }
            Event::Announced(change) | Event::Withdrawn(change) => write!(f, "{change}"),
            Event::Route(held) => write!(f, "{held}"),
            Event::End {
                established,
                routes,
                failovers,
            } => {
                let session = if *established {
                    "Established"
                } else {
                    "not Established"
                };
                write!(
                    f,
                    "session {session}, {routes} routes, {failovers} failovers"
                )
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.seen_at {
            SeenAt::Router => "at the router",
            SeenAt::AdjRibOut => "in our Adj-RIB-Out",
        };
        write!(f, "{} ({}) {place}", self.prefix, self.services.join(", "))?;
        match self.after_ms {
            Some(after) => write!(f, " {after:.1} ms later"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} next hop {}", self.prefix, self.next_hop())?;
        if !self.as_path.is_empty() {
            write!(f, ", AS_PATH {}", self.as_path())?;
        }
        if !(self.communities.is_empty() && self.large_communities.is_empty()) {
            write!(f, ", communities {}", self.communities())?;
        }
        if let Some(med) = self.med {
            write!(f, ", MED {med}")?;
        }
        match self.local_pref {
            Some(preference) => write!(f, ", LOCAL_PREF {preference}"),
            None => Ok(()),
        }
    }
}
