//! What becomes of a message that could be read, by its type.

use std::time::Instant;

use super::slots::Slot;
use super::{Heard, Peer};
use crate::Family;
use crate::fsm::{Input, StateName};
use crate::message::Message;
use crate::message::open::Open;
use crate::message::refresh::{RouteRefresh, Subtype};
use crate::message::update::Update;

impl Peer {
    /// One message that could be read.
    pub(super) fn message(&mut self, now: Instant, slot: Slot, message: Message<'_>) {
        self.counters.received.count(&message);
        match message {
            Message::Open(open) => self.open_received(now, slot, open),
            Message::Update(update) => self.update_received(now, slot, &update),
            Message::Notification(notification) => {
                self.input(now, slot, Input::Notification(notification));
            }
            Message::Keepalive => self.input(now, slot, Input::Keepalive),
            Message::RouteRefresh(refresh) => self.refresh_received(now, slot, refresh),
        }
    }

    /// Event 19, and collision detection (RFC 4271 §6.8) before it.
    fn open_received(&mut self, now: Instant, slot: Slot, open: Open) {
        self.heard = open.asn().map(|asn| Heard {
            asn,
            identifier: open.identifier,
        });
        let waits = self
            .slots
            .get(slot)
            .is_some_and(|connection| connection.fsm.name() == StateName::OpenSent);
        let expected = self.config.expectations();
        if waits && open.check(&expected).is_ok() && !self.survives_collision(now, slot, &open) {
            self.counters.collisions += 1;
            self.input(now, slot, Input::CollisionDump);
            return;
        }
        self.input(now, slot, Input::Open(Box::new(open)));
    }

    fn update_received(&mut self, now: Instant, slot: Slot, update: &Update<'_>) {
        self.input(now, slot, Input::Update);
        let Some(session) = self.slots.session_mut(slot) else {
            return;
        };
        self.counters.count_errors(update);
        if let Err(over_limit) = session.adj_in.update(update) {
            self.input(now, slot, Input::AutomaticStop(over_limit));
        }
    }

    /// RFC 2918 §4, RFC 7313 §4. What is not a request for a family of ours is ignored: we keep
    /// nothing that BoRR and EoRR could mark as stale.
    fn refresh_received(&mut self, now: Instant, slot: Slot, refresh: RouteRefresh) {
        self.input(now, slot, Input::RouteRefresh);
        let family = Family::from_afi_safi(refresh.family);
        match (self.slots.session_mut(slot), family, refresh.subtype) {
            (Some(session), Some(family), Subtype::Request) => session.adj_out.refresh(family),
            (_, _, Subtype::Request | Subtype::Begin | Subtype::End | Subtype::Unknown(_)) => {}
        }
    }
}
