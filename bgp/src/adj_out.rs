//! Adj-RIB-Out: what the peer should hold, what it holds, and the UPDATEs between the two.
//!
//! It is a set, not a queue (RFC 4271 §3.2 "Adj-RIBs-Out"). [`AdjOut::set_routes`] takes the whole
//! desired set and only notes the difference; messages are built when [`AdjOut::write`] is called
//! because the socket can take some. What has not been sent when the next set comes is forgotten,
//! so a peer that reads slowly costs memory for its routes and never for their history.
//!
//! * `advertise`: the rules of eBGP and iBGP; routes whose attributes come out equal share a
//!   *group*.
//! * `table`: one family's difference, by a merge walk over sorted routes.
//! * `pack`: UPDATEs as octets, as few as fit.

mod advertise;
mod pack;
mod table;

use std::sync::Arc;

use bytes::BytesMut;
use ipnet::{Ipv4Net, Ipv6Net};

pub use advertise::Unsendable;

use crate::codec;
use crate::message::Message;
use crate::message::refresh::{RouteRefresh, Subtype};
use crate::negotiated::Negotiated;
use crate::peer::{LocalAddresses, Role};
use crate::{Family, RouteSet};
use advertise::Advertise;
use table::Table;

/// Routes of the desired set that are not advertised on this session, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Unsent {
    /// Their family.
    pub family: Family,
    /// Why.
    pub reason: Unsendable,
    /// How many.
    pub routes: usize,
}

/// The Adj-RIB-Out of one Established session.
#[derive(Debug)]
pub struct AdjOut {
    advertise: Advertise,
    enhanced_refresh: bool,
    ipv4: Table<Ipv4Net>,
    ipv6: Table<Ipv6Net>,
}

/// Messages written, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// UPDATEs, End-of-RIB among them.
    pub updates: u64,
    /// ROUTE-REFRESH messages: BoRR and EoRR (RFC 7313 §4).
    pub refreshes: u64,
}

impl AdjOut {
    /// The empty Adj-RIB-Out of a session that has just been Established. `local` holds our
    /// addresses, `role` is ours (RFC 9234).
    pub fn new(negotiated: &Negotiated, local: LocalAddresses, role: Option<Role>) -> AdjOut {
        let advertise = Advertise::new(negotiated, local, role);
        AdjOut {
            ipv4: Table::new(advertise.has(Family::Ipv4Unicast)),
            ipv6: Table::new(advertise.has(Family::Ipv6Unicast)),
            enhanced_refresh: negotiated.enhanced_route_refresh,
            advertise,
        }
    }

    /// Replaces the desired set. Nothing is sent for a route that the peer holds already, however
    /// many sets were skipped. Takes time proportional to the routes in both sets.
    pub fn set_routes(&mut self, routes: &Arc<RouteSet>) {
        self.ipv4.set_desired(routes, &self.advertise);
        self.ipv6.set_desired(routes, &self.advertise);
    }

    /// Sends every route of a family again (RFC 2918 §4), between BoRR and EoRR where enhanced
    /// route refresh is negotiated (RFC 7313 §4.1). A second request begins anew.
    pub fn refresh(&mut self, family: Family) {
        match family {
            Family::Ipv4Unicast => self.ipv4.refresh(self.enhanced_refresh),
            Family::Ipv6Unicast => self.ipv6.refresh(self.enhanced_refresh),
        }
    }

    /// Whether [`AdjOut::write`] would write something.
    pub fn is_pending(&self) -> bool {
        self.ipv4.is_pending() || self.ipv6.is_pending()
    }

    /// Appends messages to `out` until it has `limit` octets or nothing is left to send. The last
    /// message may go over the limit by its own length, at most 65,535 octets.
    pub fn write(&mut self, out: &mut BytesMut, limit: usize) -> Written {
        let mut written = Written::default();
        while out.len() < limit && self.write_one(out, &mut written) {}
        written
    }

    /// Routes the peer holds, so far as they have been handed to [`AdjOut::write`]'s caller.
    pub fn advertised(&self, family: Family) -> usize {
        match family {
            Family::Ipv4Unicast => self.ipv4.advertised(),
            Family::Ipv6Unicast => self.ipv6.advertised(),
        }
    }

    /// Desired routes that do not go to this peer, and why. Empty when all do.
    pub fn unsent(&self) -> Vec<Unsent> {
        let mut unsent = self.ipv4.unsent();
        unsent.extend(self.ipv6.unsent());
        unsent
    }

    /// Withdrawals of both families go first, then one family after the other.
    fn write_one(&mut self, out: &mut BytesMut, written: &mut Written) -> bool {
        let advertise = &self.advertise;
        let update = self.ipv4.write_withdrawals(out, advertise)
            || self.ipv6.write_withdrawals(out, advertise);
        if update {
            written.updates += 1;
            return true;
        }
        let step = match self.ipv4.write_next(out, advertise) {
            Step::Idle => self.ipv6.write_next(out, advertise),
            step @ (Step::Update | Step::Refresh(..)) => step,
        };
        match step {
            Step::Idle => return false,
            Step::Update => written.updates += 1,
            Step::Refresh(family, subtype) => {
                written.refreshes += 1;
                let family = family.afi_safi();
                let message = Message::RouteRefresh(RouteRefresh { family, subtype });
                // 23 octets fit in every session.
                let _ = codec::encode(&message, advertise.rules(), out);
            }
        }
        true
    }
}

/// What a table did when it was asked for one message.
enum Step {
    /// Nothing is left to do.
    Idle,
    /// It wrote an UPDATE.
    Update,
    /// This ROUTE-REFRESH has to be written.
    Refresh(Family, Subtype),
}
