//! Whether a write may still be sent.
//!
//! Kubernetes has no way to refuse a request because its sender is the leader no longer. So the
//! leader watches its own clock: from the renew deadline on, which is well before anybody else can
//! hold the Lease, it sends nothing, and gives up what it waits for.

use tokio::sync::watch;
use tokio::time::Instant;

use super::leadership::Leadership;

/// Asked right before each request.
#[derive(Clone, Debug)]
pub struct Fence {
    leadership: Option<watch::Receiver<Leadership>>,
}

impl Fence {
    /// For objects that have one writer by their name, such as a node's own: always open.
    pub fn open() -> Fence {
        Fence { leadership: None }
    }

    /// Open as long as the Lease is held.
    pub fn of(leadership: watch::Receiver<Leadership>) -> Fence {
        Fence {
            leadership: Some(leadership),
        }
    }

    /// Whether a request may be sent now.
    pub fn may_write(&self, now: Instant) -> bool {
        self.permit(now).is_ok()
    }

    /// Until when a request that begins now may take; `None` is without end.
    ///
    /// # Errors
    ///
    /// [`Fenced`] if nothing may be sent.
    pub fn permit(&self, now: Instant) -> Result<Option<Instant>, Fenced> {
        let Some(leadership) = &self.leadership else {
            return Ok(None);
        };
        let until = leadership.borrow().until;
        until.filter(|until| now < *until).map(Some).ok_or(Fenced)
    }
}

/// We do not hold the Lease, or not for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced;
