//! The shared keys, and datagrams sealed with them.
//!
//! A sealed datagram, big-endian:
//!
//! | octets | what |
//! |---|---|
//! | 4 | `HSM` and the version of the format, 1 |
//! | 4 | identifier of the key, derived from it |
//! | 16 | session: drawn at random when the sender began |
//! | 8 | sequence number within the session, from 1 |
//! | … | the body, encrypted |
//! | 16 | tag |
//!
//! ChaCha20-Poly1305 (RFC 8439) with a key of its own for each session: HKDF-SHA-256 (RFC 5869) of
//! the shared key with the session as salt. So the sequence number is the nonce, and no two
//! senders, nor two runs of one, ever use a nonce twice with one key, however many datagrams they
//! send. What is before the body is authenticated with it.

use std::fmt;

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;

/// Octets of a session's identifier.
pub type SessionId = [u8; 16];

/// A key is at least this long, in octets.
pub const MIN_KEY: usize = 32;
/// A key is at most this long, in octets.
pub const MAX_KEY: usize = 1024;
/// There are at most this many keys.
pub const MAX_KEYS: usize = 8;
/// Octets that sealing adds.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;

const HEADER_LEN: usize = 32;
const TAG_LEN: usize = 16;
const MAGIC: [u8; 4] = *b"HSM\x01";

/// Names a key without telling it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|o| write!(f, "{o:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text holds no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no key in it.
    Empty,
    /// A key has fewer octets than [`MIN_KEY`], or more than [`MAX_KEY`].
    Length {
        /// Line, from 1.
        line: usize,
        /// Octets of the key.
        octets: usize,
    },
    /// There are more than [`MAX_KEYS`].
    TooMany,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Empty => f.write_str("there is no key"),
            KeyError::Length { line, octets } => write!(
                f,
                "line {line}: a key of {octets} octets; it must have {MIN_KEY} to {MAX_KEY}, such as those of: openssl rand -base64 48"
            ),
            KeyError::TooMany => write!(f, "there are more than {MAX_KEYS} keys"),
        }
    }
}

impl std::error::Error for KeyError {}

/// The keys that are accepted; the first one seals.
#[derive(Clone)]
pub struct Keyring {
    first: Key,
    others: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: KeyId,
    secret: Vec<u8>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys().map(|key| key.id))
            .finish()
    }
}

impl Keyring {
    /// Reads keys, one a line; empty lines do not count. To change the key without a gap: add the
    /// new one as the last line everywhere, then make it the first one everywhere, then remove the
    /// old one.
    ///
    /// # Errors
    /// Without a key, with a line that is too short or too long, and with too many keys.
    pub fn parse(text: &[u8]) -> Result<Keyring, KeyError> {
        let mut keys = Vec::new();
        for (index, line) in text.split(|octet| *octet == b'\n').enumerate() {
            let secret = line.trim_ascii();
            match secret.len() {
                0 => continue,
                MIN_KEY..=MAX_KEY => keys.push(Key::new(secret)),
                octets => {
                    return Err(KeyError::Length {
                        line: index + 1,
                        octets,
                    });
                }
            }
            if keys.len() > MAX_KEYS {
                return Err(KeyError::TooMany);
            }
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyError::Empty)?;
        Ok(Keyring {
            first,
            others: keys.collect(),
        })
    }

    /// What this end seals with in a session.
    pub fn sealer(&self, session: SessionId) -> Option<SessionKey> {
        self.first.for_session(session)
    }

    /// What opens a datagram.
    ///
    /// # Errors
    /// If no key has its identifier.
    pub fn opener(&self, datagram: &Sealed<'_>) -> Result<SessionKey, Refusal> {
        self.keys()
            .find(|key| key.id == datagram.key)
            .and_then(|key| key.for_session(datagram.session))
            .ok_or(Refusal::UnknownKey(datagram.key))
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Key {
    fn new(secret: &[u8]) -> Key {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"herald speakers: key id").extract(secret);
        let mut long = [0; 32];
        let filled = prk
            .expand(&[b"id"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut long));
        debug_assert!(filled.is_ok(), "the length is that of the hash");
        Key {
            id: KeyId([long[0], long[1], long[2], long[3]]),
            secret: secret.to_vec(),
        }
    }

    fn for_session(&self, session: SessionId) -> Option<SessionKey> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &session).extract(&self.secret);
        let okm = prk
            .expand(&[b"herald speakers: datagrams"], &aead::CHACHA20_POLY1305)
            .ok()?;
        Some(SessionKey {
            id: self.id,
            session,
            aead: LessSafeKey::new(UnboundKey::from(okm)),
        })
    }
}

/// A key for the datagrams of one session.
pub struct SessionKey {
    id: KeyId,
    session: SessionId,
    aead: LessSafeKey,
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl SessionKey {
    /// Seals a body. `sequence` is used once in a session. `None` only for a body beyond the
    /// algorithm's limit (256 GiB).
    pub fn seal(&self, sequence: u64, body: &[u8]) -> Option<Vec<u8>> {
        let mut datagram = Vec::with_capacity(OVERHEAD + body.len());
        datagram.extend(MAGIC);
        datagram.extend(self.id.0);
        datagram.extend(self.session);
        datagram.extend(sequence.to_be_bytes());
        let aad = Aad::from(datagram.clone());
        let mut sealed = body.to_vec();
        self.aead
            .seal_in_place_append_tag(nonce(sequence), aad, &mut sealed)
            .ok()?;
        datagram.extend(sealed);
        Some(datagram)
    }

    /// Whether it is the one for this datagram.
    pub fn fits(&self, datagram: &Sealed<'_>) -> bool {
        self.id == datagram.key && self.session == datagram.session
    }

    /// The body of a datagram.
    ///
    /// # Errors
    /// If it was not sealed with this key, or has been changed.
    pub fn open(&self, datagram: &Sealed<'_>) -> Result<Vec<u8>, Refusal> {
        let mut body = datagram.sealed.to_vec();
        let opened = self
            .aead
            .open_in_place(
                nonce(datagram.sequence),
                Aad::from(datagram.header),
                &mut body,
            )
            .map_err(|_| Refusal::Forged)?
            .len();
        body.truncate(opened);
        Ok(body)
    }
}

fn nonce(sequence: u64) -> Nonce {
    let mut nonce = [0; aead::NONCE_LEN];
    nonce[4..].copy_from_slice(&sequence.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Why a datagram is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not one of ours, or is cut.
    Malformed,
    /// It was sealed with a key that we do not have.
    UnknownKey(KeyId),
    /// Its tag is wrong.
    Forged,
}

/// A datagram as it came, taken apart; nothing in it is to be believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    header: &'a [u8],
    key: KeyId,
    /// The sender's session, as it claims.
    pub session: SessionId,
    /// The number in it, as it claims.
    pub sequence: u64,
    sealed: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// If it is too short or does not begin as ours do.
    pub fn parse(datagram: &'a [u8]) -> Result<Sealed<'a>, Refusal> {
        let parse = || {
            let (header, sealed) = datagram.split_at_checked(HEADER_LEN)?;
            let (magic, rest) = header.split_first_chunk::<4>()?;
            let (key, rest) = rest.split_first_chunk::<4>()?;
            let (session, rest) = rest.split_first_chunk::<16>()?;
            let sequence = rest.first_chunk::<8>()?;
            (*magic == MAGIC && sealed.len() >= TAG_LEN).then_some(Sealed {
                header,
                key: KeyId(*key),
                session: *session,
                sequence: u64::from_be_bytes(*sequence),
                sealed,
            })
        };
        parse().ok_or(Refusal::Malformed)
    }
}
