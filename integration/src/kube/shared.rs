//! One control plane for all tests that run at the same time in a process.

use std::ops::Deref;
use std::sync::{Arc, Mutex, Weak};

use super::{ControlPlane, NEEDS};
use crate::lab::{Lab, next_number};

/// A test's hold on the control plane that it shares with others; the last one ends it.
///
/// Whoever shares it makes Kubernetes namespaces of its own ([`ControlPlane::namespace`]), names
/// objects of the whole cluster after them, and leaves the API server alone.
#[derive(Debug)]
pub struct Shared {
    // Before the lab, which has the folders of it.
    inner: Arc<Inner>,
    /// The test's own lab.
    pub lab: Lab,
}

#[derive(Debug)]
struct Inner {
    control_plane: ControlPlane,
    _lab: Lab,
}

/// The running one. It is locked while one starts; if that fails, it fails at once for all others.
static RUNNING: Mutex<Weak<Inner>> = Mutex::new(Weak::new());

impl Shared {
    /// Joins the others, or starts it for them; `None` where the machine cannot, as
    /// [`Lab::open`].
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn join() -> Option<Shared> {
        let lab = Lab::open(NEEDS)?;
        let mut running = RUNNING
            .lock()
            .unwrap_or_else(|_| panic!("the shared control plane did not start"));
        let inner = running.upgrade().unwrap_or_else(|| {
            let lab = Lab::of(format!("control-plane-{}", next_number()));
            let inner = Inner {
                control_plane: ControlPlane::start(&lab),
                _lab: lab,
            };
            Arc::new(inner)
        });
        *running = Arc::downgrade(&inner);
        Some(Shared { inner, lab })
    }
}

impl Deref for Shared {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.inner.control_plane
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tails());
        }
    }
}
