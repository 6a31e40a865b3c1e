//! What a [`super::Responder`] needs to know before it begins, and its fixed times and bounds.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Addresses of one [`super::Responder`]; what is above it is refused. Each takes about 300 octets
/// on each interface it is for.
pub const MAX_ADDRESSES: usize = 16_384;
/// Interfaces of one [`super::Responder`]; what is above it is left out.
pub const MAX_INTERFACES: usize = 64;
/// Frames that wait for [`super::Responder::poll_transmit`]. An answer for which there is no room
/// is not given, an announcement waits.
pub const MAX_QUEUE: usize = 2_048;
/// Timers that one call of [`super::Responder::handle_timeout`] serves on one interface.
pub(super) const MAX_TIMEOUTS: usize = MAX_ADDRESSES;

/// The shortest and the longest [`Config::refresh`]; one beyond is taken for it.
pub const REFRESH: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
/// The longest of the times in [`Probing`]; a longer one is taken for it.
pub const MAX_PROBE_TIME: Duration = Duration::from_secs(60);

/// Announcements on taking an address.
pub const ANNOUNCE_NUM: u8 = 3;
/// Between them. RFC 5227 §1.1 has two, 2 s apart. Linux does not let an entry of its ARP cache be
/// changed for one second after the last change (`locktime`), so the next comes just after that.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(1_100);
/// Between two announcements against somebody else that claims the address (RFC 5227 §1.1).
pub const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// A claim this soon after our defence may have been on its way before it.
pub const DEFENCE_HEARD_AFTER: Duration = Duration::from_secs(1);
/// An address that was left to another speaker ([`super::Claim::Divided`]) is probed again after at most
/// this long, as that one may be handing it over …
pub const FIRST_YIELD: Duration = Duration::from_millis(200);
/// … so often, then after twice as long each time …
pub const FIRST_YIELDS: u32 = 3;
/// … and at most this long: within a second somebody answers again if that one fell silent.
pub const YIELD: Duration = Duration::from_millis(700);
/// While other speakers may answer unheard ([`super::Claim::Divided`]), a node that answers for
/// anything announces one of its addresses this often …
pub const BEACON_INTERVAL: Duration = Duration::from_millis(100);
/// … and all of them when it hears another one that it has not heard for this long.
pub const UNHEARD_AFTER: Duration = Duration::from_millis(350);
/// A conflict is over when nobody else has claimed the address for this long.
pub const CONFLICT_OVER_AFTER: Duration = Duration::from_secs(60);
/// The first quarantine of an address; each further one is twice as long.
pub const FIRST_QUARANTINE: Duration = Duration::from_secs(10);
/// The longest quarantine. With it an address is probed more rarely than RFC 5227 §2.1.1 asks for
/// after many conflicts (MAX_CONFLICTS, RATE_LIMIT_INTERVAL).
pub const MAX_QUARANTINE: Duration = Duration::from_secs(300);
/// After this long without a conflict the next quarantine is a first one again.
pub const CALM_AFTER: Duration = Duration::from_secs(600);

/// How an address is probed before its first claim (RFC 5227 §2.1.1; RFC 4862 §5.4 for IPv6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// PROBE_NUM, for IPv6 DupAddrDetectTransmits: how many probes. With 0 there are none, for links
    /// on which a router answers every request (local proxy ARP, RFC 3069).
    pub num: u8,
    /// PROBE_WAIT: the most before the first; a random part of it is waited.
    pub wait: Duration,
    /// PROBE_MIN: the least between two.
    pub min: Duration,
    /// PROBE_MAX: the most between two.
    pub max: Duration,
    /// ANNOUNCE_WAIT, for IPv6 RetransTimer: after the last, before the address is claimed.
    pub announce_wait: Duration,
}

impl Probing {
    /// The times of RFC 5227 §1.1: an address is claimed 4 to 7 seconds after it is given.
    pub const RFC_5227: Probing = Probing {
        num: 3,
        wait: Duration::from_secs(1),
        min: Duration::from_secs(1),
        max: Duration::from_secs(2),
        announce_wait: Duration::from_secs(2),
    };

    /// The same three probes within a second: an address is claimed 0.55 to 0.7 seconds after it is
    /// given. The times of RFC 5227 allow for a station that wakes up slowly; on a wire a station
    /// answers within milliseconds. RFC 5227 §1.1 leaves shorter times to faster links. One that
    /// is missed is still found when it claims the address.
    pub const FAST: Probing = Probing {
        num: 3,
        wait: Duration::from_millis(50),
        min: Duration::from_millis(150),
        max: Duration::from_millis(200),
        announce_wait: Duration::from_millis(250),
    };

    /// Three probes within a tenth of a second, to find whether another of our nodes answers: those
    /// are stations that are awake, and answer at once.
    pub const DIVIDED: Probing = Probing {
        num: 3,
        wait: Duration::ZERO,
        min: Duration::from_millis(20),
        max: Duration::from_millis(20),
        announce_wait: Duration::from_millis(25),
    };

    /// The same with every time within its bounds.
    fn bounded(self) -> Probing {
        Probing {
            num: self.num,
            wait: self.wait.min(MAX_PROBE_TIME),
            min: self.min.min(MAX_PROBE_TIME),
            max: self.max.min(MAX_PROBE_TIME),
            announce_wait: self.announce_wait.min(MAX_PROBE_TIME),
        }
    }
}

/// How a [`super::Responder`] behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Every address is announced again this often, because tables of switches age; `None` is
    /// never. Each has a random phase, so that they are spread over the time.
    pub refresh: Option<Duration>,
    /// How an address is probed before its first claim.
    pub probing: Probing,
    /// How one is probed that another of our nodes may have ([`super::Claim::Divided`]).
    pub divided: Probing,
    /// The most answers in a second on one interface; a tenth of them may come at once. What is
    /// above is not answered: those who ask do so again.
    pub answers_per_second: NonZeroU32,
    /// The most frames of probes and announcements in a second on one interface; a tenth of them
    /// may come at once. What is above waits. For IPv4 each counts as two frames, as an announcement
    /// has two forms. Defences are bounded by [`DEFEND_INTERVAL`] instead.
    pub announcements_per_second: NonZeroU32,
}

impl Config {
    /// The same with every time within its bounds.
    pub(super) fn bounded(self) -> Config {
        let (shortest, longest) = (*REFRESH.start(), *REFRESH.end());
        Config {
            refresh: self.refresh.map(|time| time.clamp(shortest, longest)),
            probing: self.probing.bounded(),
            divided: self.divided.bounded(),
            ..self
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            refresh: Some(Duration::from_secs(60)),
            probing: Probing::FAST,
            divided: Probing::DIVIDED,
            answers_per_second: NonZeroU32::MIN.saturating_add(19_999),
            announcements_per_second: NonZeroU32::MIN.saturating_add(9_999),
        }
    }
}
