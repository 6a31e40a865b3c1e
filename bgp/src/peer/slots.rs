//! The at most two connections of a peer.

use std::time::Instant;

use super::ConnId;
use super::connection::Connection;
use super::session::Session;
use crate::fsm::{StateName, Timer};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Always there: starts, connects, retries.
    Primary,
    /// A connection the peer opened while the primary one has, or makes, its own.
    Secondary,
}

impl Slot {
    pub(super) fn other(self) -> Slot {
        match self {
            Slot::Primary => Slot::Secondary,
            Slot::Secondary => Slot::Primary,
        }
    }
}

/// The state machines of a peer, each with its connection.
#[derive(Debug, Default)]
pub(super) struct Slots {
    primary: Connection,
    secondary: Option<Connection>,
}

impl Slots {
    pub(super) fn primary(&self) -> &Connection {
        &self.primary
    }

    pub(super) fn primary_mut(&mut self) -> &mut Connection {
        &mut self.primary
    }

    pub(super) fn secondary(&self) -> Option<&Connection> {
        self.secondary.as_ref()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Connection> {
        match slot {
            Slot::Primary => Some(&self.primary),
            Slot::Secondary => self.secondary.as_ref(),
        }
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Connection> {
        match slot {
            Slot::Primary => Some(&mut self.primary),
            Slot::Secondary => self.secondary.as_mut(),
        }
    }

    /// The session on one of them, in Established.
    pub(super) fn session_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        self.get_mut(slot)?.fsm.session_mut()
    }

    /// The primary one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        [&self.primary].into_iter().chain(&self.secondary)
    }

    /// The primary one first.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        [&mut self.primary].into_iter().chain(&mut self.secondary)
    }

    /// Where messages of this connection belong.
    pub(super) fn slot_of(&self, conn: ConnId) -> Option<Slot> {
        let has = |slot: &Slot| self.get(*slot).is_some_and(|one| one.is_conn(conn));
        [Slot::Primary, Slot::Secondary].into_iter().find(has)
    }

    /// The connection of this name.
    pub(super) fn find_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.iter_mut().find(|one| one.is_conn(conn))
    }

    /// The one that is Established.
    pub(super) fn established_mut(&mut self) -> Option<&mut Connection> {
        self.iter_mut().find(|one| one.is_established())
    }

    /// The one that is furthest.
    pub(super) fn best(&self) -> &Connection {
        match &self.secondary {
            Some(secondary) if secondary.fsm.name() > self.primary.fsm.name() => secondary,
            Some(_) | None => &self.primary,
        }
    }

    pub(super) fn states(&self) -> impl Iterator<Item = StateName> {
        self.iter().map(|connection| connection.fsm.name())
    }

    /// The next timer of each.
    pub(super) fn timers(&self) -> impl Iterator<Item = (Instant, Timer, Slot)> {
        let slots = [Slot::Primary, Slot::Secondary].into_iter();
        slots.filter_map(|slot| {
            let (at, timer) = self.get(slot)?.poll_timeout()?;
            Some((at, timer, slot))
        })
    }

    /// Puts a connection into the second place; what was there must have ended.
    pub(super) fn set_secondary(&mut self, connection: Connection) {
        self.secondary = Some(connection);
    }

    pub(super) fn remove_secondary(&mut self) {
        self.secondary = None;
    }

    /// The second takes the first place; what was there must have ended.
    pub(super) fn promote(&mut self) {
        if let Some(secondary) = self.secondary.take() {
            self.primary = secondary;
        }
    }
}
