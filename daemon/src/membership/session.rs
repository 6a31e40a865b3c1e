//! What keeps recorded datagrams out, without any clock.
//!
//! Each end draws a session at its start and numbers its datagrams. A receiver takes each number
//! once, within a window. A session that it does not know, because either end has just started, it
//! takes only from a datagram that echoes its current challenge for that node: a random number
//! that every datagram to the node carries, and that is drawn anew as soon as it has been used. So
//! a recording of an earlier run, of either end, is worth nothing from the moment that run ended,
//! and one of the current run from the moment it has arrived (or [`WINDOW`] others have).

use super::keyring::{SessionId, SessionKey};

/// A datagram may be overtaken by this many others, less one.
const WINDOW: u32 = u128::BITS;

/// What one end knows of the other's session.
#[derive(Debug)]
pub struct Session {
    /// What the other end has to echo before a new session of it is taken.
    pub challenge: u64,
    /// The last challenge of the other end.
    pub echo: u64,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    id: SessionId,
    /// `None` since the keys have changed.
    key: Option<SessionKey>,
    /// The highest number that has arrived, and below it, from bit 0 on, itself and those before.
    highest: u64,
    seen: u128,
}

/// What a datagram is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is new.
    Fresh,
    /// It is new, and the first one of a session that has proved itself.
    NewSession,
    /// It has been here, or is too old.
    Replayed,
    /// Its session has yet to prove itself: answer with our challenge.
    Unproven,
}

impl Session {
    /// Nothing is known yet.
    pub fn new(challenge: u64) -> Session {
        Session {
            challenge,
            echo: 0,
            current: None,
        }
    }

    /// The key of the current session.
    pub fn key(&self) -> Option<&SessionKey> {
        self.current
            .as_ref()
            .and_then(|current| current.key.as_ref())
    }

    /// Whether a session has proved itself.
    pub fn is_proven(&self) -> bool {
        self.current.is_some()
    }

    /// The keys have changed: the next datagram is opened with one of those that are valid now.
    pub fn forget_key(&mut self) {
        if let Some(current) = &mut self.current {
            current.key = None;
        }
    }

    /// Judges a datagram that has been opened, and notes it. After [`Verdict::NewSession`] the
    /// caller draws a new challenge.
    pub fn judge(
        &mut self,
        id: SessionId,
        sequence: u64,
        echo: u64,
        key: Option<SessionKey>,
    ) -> Verdict {
        if let Some(current) = self.current.as_mut().filter(|current| current.id == id) {
            current.key = key.or(current.key.take());
            return if current.take(sequence) {
                Verdict::Fresh
            } else {
                Verdict::Replayed
            };
        }
        match key {
            Some(key) if echo == self.challenge => {
                self.current = Some(Current {
                    id,
                    key: Some(key),
                    highest: sequence,
                    seen: 1,
                });
                Verdict::NewSession
            }
            Some(_) | None => Verdict::Unproven,
        }
    }
}

impl Current {
    /// Notes a number; whether it is new.
    fn take(&mut self, sequence: u64) -> bool {
        if let Some(ahead) = sequence
            .checked_sub(self.highest)
            .filter(|ahead| *ahead > 0)
        {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.highest = sequence;
            return true;
        }
        let behind = u32::try_from(self.highest - sequence).unwrap_or(u32::MAX);
        if behind >= WINDOW {
            return false;
        }
        let bit = 1_u128 << behind;
        let new = self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyring::Keyring;
    use super::*;

    fn key(session: u8) -> Option<SessionKey> {
        let keys = Keyring::parse(&[b'k'; 32]).expect("long enough");
        keys.sealer([session; 16])
    }

    #[test]
    fn each_number_is_taken_once_within_the_window() {
        let mut session = Session::new(7);
        assert_eq!(session.judge([1; 16], 10, 7, key(1)), Verdict::NewSession);
        let rows = [
            (10, false),
            (12, true),
            (11, true),
            (11, false),
            (9, true),
            (300, true),
            (173, true),
            (172, false),
            (301, true),
            (173, false),
            (u64::MAX, true),
            (301, false),
            (0, false),
        ];
        for (sequence, new) in rows {
            let expected = if new {
                Verdict::Fresh
            } else {
                Verdict::Replayed
            };
            assert_eq!(
                session.judge([1; 16], sequence, 0, None),
                expected,
                "{sequence}"
            );
        }
    }

    #[test]
    fn a_new_session_needs_the_current_challenge() {
        let mut session = Session::new(7);
        assert_eq!(session.judge([1; 16], 1, 6, key(1)), Verdict::Unproven);
        assert!(!session.is_proven());
        assert_eq!(session.judge([1; 16], 1, 7, key(1)), Verdict::NewSession);
        session.challenge = 8;
        assert_eq!(
            session.judge([2; 16], 5, 7, key(2)),
            Verdict::Unproven,
            "used before"
        );
        assert_eq!(session.judge([2; 16], 5, 8, key(2)), Verdict::NewSession);
        session.challenge = 9;
        assert_eq!(
            session.judge([1; 16], 2, 8, key(1)),
            Verdict::Unproven,
            "the one before"
        );
    }
}
