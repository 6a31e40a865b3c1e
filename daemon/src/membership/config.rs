//! How fast, and how patient.

use std::fmt;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// The times of the protocol. All speakers should have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Every so often one other member is asked, each in its turn, in an order drawn anew for each
    /// turn.
    pub probe_period: Duration,
    /// Without an answer after this long, others are asked to ask.
    pub probe_rtt: Duration,
    /// So many others.
    pub indirect_probes: NonZeroUsize,
    /// Who has not answered by the end of a probe period is suspect for this long, and can object;
    /// then it is declared dead.
    pub suspicion: Duration,
    /// Every so often news are passed on, suspects are told, and an old fence is renewed.
    pub gossip: Duration,
    /// For how long after a question that another member has answered this one may believe that
    /// it counts as alive.
    pub fence: Duration,
    /// After the first suspicion it is asked for this long who is with us, before that counts.
    pub grace: Duration,
    /// For so long after it last had a majority, a node with exactly half of the voters is silent:
    /// by then all have settled who is dead.
    pub settle: Duration,
    /// A member whose fence has been closed for this long says so: others answer for what it had.
    pub silence: Duration,
    /// A member that begins, or comes back, keeps its fence closed until it knows all others as
    /// alive, or for this long.
    pub join: Duration,
    /// Nodes of which nothing is known, or that are dead, are asked at first after this long, then
    /// after twice as long each time …
    pub retry: Duration,
    /// … and at most this long.
    pub retry_most: Duration,
    /// Whoever is scheduled this much too late has been asleep: its waiting for others begins
    /// where it was.
    pub asleep: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            probe_period: Duration::from_millis(60),
            probe_rtt: Duration::from_millis(25),
            indirect_probes: NonZeroUsize::MIN.saturating_add(2),
            suspicion: Duration::from_millis(320),
            gossip: Duration::from_millis(40),
            fence: Duration::from_millis(240),
            grace: Duration::from_millis(120),
            settle: Duration::from_millis(560),
            silence: Duration::from_millis(100),
            join: Duration::from_millis(250),
            retry: Duration::from_millis(80),
            retry_most: Duration::from_secs(1),
            asleep: Duration::from_millis(20),
        }
    }
}

/// Why a [`Config`] cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A time is 0.
    Zero,
    /// `probe_period` is not more than twice `probe_rtt`: no time for indirect answers.
    ProbeRtt,
    /// `fence` and two of `gossip` are more than `suspicion`: others could take over before a
    /// member that is cut off has fallen silent.
    Fence,
    /// `grace` is more than `fence`, or `settle` is less than `suspicion` and `fence`.
    Settle,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigError::Zero => "a time of the membership is 0; each must be more",
            ConfigError::ProbeRtt => "probe_period must be more than twice probe_rtt",
            ConfigError::Fence => "fence and two times gossip must not be more than suspicion",
            ConfigError::Settle => {
                "grace must not be more than fence, nor settle less than suspicion and fence"
            }
        })
    }
}

impl std::error::Error for ConfigError {}

/// foca's part of a datagram is at most this long, in octets: with everything around it, a
/// datagram fits into 1,280, the least MTU of IPv6 (RFC 8200 §5).
pub const MAX_MESSAGE: usize = 1024;

impl Config {
    /// Checks that the times fit together.
    ///
    /// # Errors
    /// As [`ConfigError`] says.
    pub fn check(&self) -> Result<(), ConfigError> {
        let times = [
            self.probe_period,
            self.probe_rtt,
            self.suspicion,
            self.gossip,
            self.fence,
            self.grace,
            self.settle,
            self.retry,
            self.retry_most,
        ];
        if times.iter().any(Duration::is_zero) {
            return Err(ConfigError::Zero);
        }
        if self.probe_period <= self.probe_rtt * 2 {
            return Err(ConfigError::ProbeRtt);
        }
        if self.fence + self.gossip * 2 > self.suspicion {
            return Err(ConfigError::Fence);
        }
        if self.grace > self.fence || self.settle < self.suspicion + self.fence {
            return Err(ConfigError::Settle);
        }
        Ok(())
    }

    /// What foca is told.
    pub fn for_foca(&self) -> foca::Config {
        foca::Config {
            probe_period: self.probe_period,
            probe_rtt: self.probe_rtt,
            num_indirect_probes: self.indirect_probes,
            max_transmissions: NonZeroU8::MIN.saturating_add(19),
            suspect_to_down_after: self.suspicion,
            remove_down_after: Duration::from_secs(600),
            max_packet_size: NonZeroUsize::MIN.saturating_add(MAX_MESSAGE - 1),
            // Every datagram tells its receiver how it is seen. foca 1.0 would also tell those that
            // have refuted a suspicion that they are dead.
            notify_down_members: false,
            periodic_announce: Some(foca::PeriodicParams {
                frequency: Duration::from_secs(10),
                num_members: NonZeroUsize::MIN,
            }),
            periodic_announce_to_down_members: None,
            periodic_gossip: Some(foca::PeriodicParams {
                frequency: self.gossip,
                num_members: NonZeroUsize::MIN.saturating_add(2),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_must_end_before_others_take_over() {
        assert_eq!(Config::default().check(), Ok(()));
        let fence = Duration::from_millis(241);
        let late = Config {
            fence,
            ..Config::default()
        };
        assert_eq!(late.check(), Err(ConfigError::Fence));
        let unsettled = Config {
            settle: Duration::from_millis(559),
            ..Config::default()
        };
        assert_eq!(unsettled.check(), Err(ConfigError::Settle));
        let hasty = Config {
            probe_rtt: Duration::from_millis(30),
            ..Config::default()
        };
        assert_eq!(hasty.check(), Err(ConfigError::ProbeRtt));
        let never = Config {
            gossip: Duration::ZERO,
            ..Config::default()
        };
        assert_eq!(never.check(), Err(ConfigError::Zero));
    }
}
