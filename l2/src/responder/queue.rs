//! Frames that wait to be sent, bounded.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::config::MAX_QUEUE;
use crate::ethernet::FrameBuf;

/// Why a frame is sent. It is looked at again when the frame is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Probe,
    Announcement,
    Answer,
}

/// A frame, and the address and interface it speaks for.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) interface: u32,
    pub(super) address: IpAddr,
    pub(super) purpose: Purpose,
    pub(super) frame: FrameBuf,
}

/// At most [`MAX_QUEUE`] frames, first in, first out.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Outgoing>);

impl Queue {
    pub(super) fn has_room(&self, frames: usize) -> bool {
        self.0.len() + frames <= MAX_QUEUE
    }

    /// Whether there was room.
    pub(super) fn push(&mut self, outgoing: Outgoing) -> bool {
        let room = self.has_room(1);
        if room {
            self.0.push_back(outgoing);
        }
        room
    }

    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        self.0.pop_front()
    }
}
