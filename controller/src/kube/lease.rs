//! Leader election over a `coordination.k8s.io/v1` Lease.
//!
//! The Lease is taken and renewed by writes that name the resourceVersion they are based on, so of
//! several who try one succeeds. Nobody compares clocks of two machines: who holds the Lease counts
//! from when it sent the renewal that was accepted, all others from when they saw the Lease change,
//! which is later. The holder stops to write after the renew deadline, the others take over after
//! the whole lease duration; what lies between is the margin for a write that is on its way.
//!
//! A holder that stops gives the Lease back ([`Election::resign`]), and the others, who watch it,
//! take it at once. They take a Lease that was deleted only after its duration.
//!
//! It needs `get`, `watch`, `create` and `patch` on Leases in its namespace.

mod elector;
mod record;
mod task;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::fence::Fence;
use super::leadership::Leadership;
use elector::Elector;

/// The name of the controller's Lease.
pub const CONTROLLER: &str = "herald-controller";
/// The longest lease that is taken to be meant, whatever a Lease says.
const LONGEST_LEASE: Duration = Duration::from_secs(3_600);

/// What an election is about, and its times. MetalLB has none; the times are client-go's.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who we are, for people: the Pod's name. Something random is added, so that no two processes
    /// are ever taken for one.
    pub identity: String,
    /// How long others wait after the last renewal that they saw.
    pub lease_duration: Duration,
    /// How long the holder writes after it sent the last renewal that was accepted.
    pub renew_deadline: Duration,
    /// Between two renewals, two looks, or two attempts; at random up to a fifth longer.
    pub retry_period: Duration,
}

impl Config {
    /// A Lease of 15 s that is renewed every 2 s, with a deadline of 10 s.
    pub fn new(namespace: impl Into<String>, identity: impl Into<String>) -> Config {
        Config {
            namespace: namespace.into(),
            name: CONTROLLER.to_owned(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }

    /// The times of a lease of this duration, in the proportions of [`Config::new`].
    #[must_use]
    pub fn with_lease_duration(mut self, duration: Duration) -> Config {
        self.lease_duration = duration;
        self.renew_deadline = duration * 2 / 3;
        self.retry_period = duration * 2 / 15;
        self
    }

    /// No request takes longer, so that at least one more fits in before the deadline.
    fn request_timeout(&self) -> Duration {
        self.renew_deadline / 3
    }

    fn check(&self) -> Result<(), ConfigError> {
        let seconds = self.lease_duration.as_secs();
        let whole = Duration::from_secs(seconds) == self.lease_duration;
        if !whole || seconds == 0 || self.lease_duration > LONGEST_LEASE {
            return Err(ConfigError(
                "the lease duration is whole seconds, from 1 s to 1 h",
            ));
        }
        if self.renew_deadline >= self.lease_duration {
            return Err(ConfigError(
                "the renew deadline is shorter than the lease duration",
            ));
        }
        if self.retry_period * 2 > self.renew_deadline || self.retry_period.is_zero() {
            return Err(ConfigError(
                "the retry period is at most half of the renew deadline",
            ));
        }
        Ok(())
    }
}

/// Times that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(pub &'static str);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Taking part in an election, until dropped. A drop without [`Election::resign`] leaves the Lease
/// to run out.
#[derive(Debug)]
pub struct Election {
    identity: Arc<str>,
    leadership: watch::Receiver<Leadership>,
    stop: Option<oneshot::Sender<Stop>>,
    task: JoinHandle<()>,
}

/// Told to the task: write no more; give the Lease back when the receiver is told or gone.
#[derive(Debug)]
struct Stop {
    give_back: oneshot::Receiver<()>,
}

impl Election {
    /// Takes part, in a task of the current runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the times do not go together.
    pub fn start(client: Client, config: Config) -> Result<Election, ConfigError> {
        config.check()?;
        let identity: Arc<str> = format!("{}_{:016x}", config.identity, fastrand::u64(..)).into();
        let (told, leadership) = watch::channel(Leadership::default());
        let (stop, stopped) = oneshot::channel();
        let elector = Elector::new(Arc::clone(&identity), &config);
        let task = task::Task::new(client, config, elector, told);
        Ok(Election {
            identity,
            leadership,
            stop: Some(stop),
            task: tokio::spawn(task.run(stopped)),
        })
    }

    /// Our own identity, as [`Leadership::holder`] would name us.
    pub fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    /// Who leads. Changes are told, renewals are not.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// For those who write as the leader.
    pub fn fence(&self) -> Fence {
        Fence::of(self.leadership())
    }

    /// Ends our leadership at once: the fence is closed when this returns. Then what is on its way
    /// can end, and [`Resignation::give_back`] lets others take over.
    pub async fn resign(mut self) -> Resignation {
        let (give_back, told) = oneshot::channel();
        let sent = self
            .stop
            .take()
            .map(|stop| stop.send(Stop { give_back: told }));
        let mut leadership = self.leadership.clone();
        if matches!(sent, Some(Ok(()))) {
            // An error is a task that has ended, which closes the fence as well.
            let _ = leadership
                .wait_for(|leadership| !leadership.is_ours())
                .await;
        }
        Resignation {
            give_back,
            election: self,
        }
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// We lead no more, and still hold the Lease if we did.
#[derive(Debug)]
pub struct Resignation {
    give_back: oneshot::Sender<()>,
    election: Election,
}

impl Resignation {
    /// Gives the Lease back, which others see at once. Ends after a request timeout at the latest;
    /// if it could not be given back, it runs out.
    pub async fn give_back(mut self) {
        let _ = self.give_back.send(());
        // A task that panicked has given nothing back.
        let _ = (&mut self.election.task).await;
    }
}
