//! What is known of who leads.

use std::sync::Arc;

use tokio::time::Instant;

/// Who leads, as far as we know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The holder's identity; `None` if there is none, or none is known yet.
    pub holder: Option<Arc<str>>,
    /// If it is us: until when we may write. It moves on with each renewal, about which receivers
    /// are not told.
    pub until: Option<Instant>,
    /// If it is us: the Lease's resourceVersion when we got it. All that earlier leaders wrote is
    /// older; so a cache of this version or a later one knows all of it.
    pub since: Option<Arc<str>>,
    /// If it is us: when we knew that we had got it. What is read after that knows all that earlier
    /// leaders wrote.
    pub acquired: Option<Instant>,
    /// How often the Lease went from one to another (`spec.leaseTransitions`).
    pub transitions: i32,
}

impl Leadership {
    /// Whether it is us, and nobody else can be before the request that is sent now gets there.
    pub fn may_write(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Whether it is us. Receivers are told when that changes, at the deadline at the latest.
    pub fn is_ours(&self) -> bool {
        self.until.is_some()
    }
}
