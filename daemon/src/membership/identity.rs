//! Who a member is, and how foca's messages are written: fixed sizes, big-endian.

use std::fmt;

use foca::{Codec, Header, Identity, Member, Message, State};
use foca::{Incarnation, ProbeNumber};
use ring::digest;

/// A node's name as 16 octets: the first half of its SHA-256. All have the same list of names, so
/// that the names themselves need not travel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NodeId::LEN]);

impl NodeId {
    /// Octets on the wire.
    pub const LEN: usize = 16;

    /// The identifier of a node's name.
    pub fn of(name: &str) -> NodeId {
        let digest = digest::digest(&digest::SHA256, name.as_bytes());
        let mut id = [0; NodeId::LEN];
        id.iter_mut()
            .zip(digest.as_ref())
            .for_each(|(to, from)| *to = *from);
        NodeId(id)
    }

    /// As it is on the wire.
    pub fn octets(self) -> [u8; NodeId::LEN] {
        self.0
    }

    /// From the wire.
    pub fn from_octets(octets: [u8; NodeId::LEN]) -> NodeId {
        NodeId(octets)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|o| write!(f, "{o:02x}"))
    }
}

/// A node's speaker in one of its lives: who was declared dead comes back in the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// The node.
    pub node: NodeId,
    /// Microseconds of the wall clock at the start, and more with every return. It orders the lives
    /// of one node; where a clock went back, the others tell which one they know, and the node
    /// takes the next ([`super::core::Core`]). In a life with an odd number a node is silent: it
    /// votes, and answers for nothing.
    pub generation: u64,
}

impl Id {
    /// Octets on the wire.
    pub const LEN: usize = NodeId::LEN + 8;

    /// The same node in a silent life of at least this number.
    pub fn silent(self, generation: u64) -> Id {
        Id {
            generation: generation | 1,
            ..self
        }
    }

    /// The same node in its next life, in which it may answer.
    pub fn outspoken(self) -> Id {
        let next = self.generation.saturating_add(1);
        Id {
            generation: next.saturating_add(next % 2),
            ..self
        }
    }

    /// Whether this is a life in which it answers for nothing.
    pub fn is_silent(self) -> bool {
        is_silent(self.generation)
    }

    /// Spreads it over all bits, for sums that say whether two have the same of all nodes.
    pub fn spread(self) -> u64 {
        let octets = self.node.octets();
        let (half, _) = octets.split_at(8);
        let node = half
            .iter()
            .fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
        let spread = (node ^ self.generation.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        spread ^ (spread >> 29)
    }
}

/// Whether a node answers for nothing in a life of this number.
pub fn is_silent(generation: u64) -> bool {
    generation % 2 == 1
}

impl Identity for Id {
    type Addr = NodeId;

    fn renew(&self) -> Option<Id> {
        Some(self.silent(self.generation.checked_add(1)?))
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Id) -> bool {
        self.generation > adversary.generation
    }
}

/// Octets of a [`Member`]: who, incarnation, state.
pub const MEMBER_LEN: usize = Id::LEN + 3;
/// Octets of a [`Header`]: source, its incarnation, destination, message, another member, number
/// of the probe.
pub const HEADER_LEN: usize = Id::LEN + 2 + Id::LEN + 1 + Id::LEN + 1;

/// A message that cannot be read, or for which there is no room.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed")
    }
}

impl std::error::Error for Malformed {}

/// How foca's messages are written.
#[derive(Clone, Copy, Debug)]
pub struct FixedCodec;

impl Codec<Id> for FixedCodec {
    type Error = Malformed;

    fn encode_header(
        &mut self,
        header: &Header<Id>,
        mut buf: impl bytes::BufMut,
    ) -> Result<(), Malformed> {
        if buf.remaining_mut() < HEADER_LEN {
            return Err(Malformed);
        }
        let (code, other, probe) = message_fields(&header.message);
        put_id(&mut buf, header.src);
        buf.put_u16(header.src_incarnation);
        put_id(&mut buf, header.dst);
        buf.put_u8(code);
        put_id(&mut buf, other.unwrap_or(NOBODY));
        buf.put_u8(probe);
        Ok(())
    }

    fn decode_header(&mut self, mut buf: impl bytes::Buf) -> Result<Header<Id>, Malformed> {
        if buf.remaining() < HEADER_LEN {
            return Err(Malformed);
        }
        let src = get_id(&mut buf);
        let src_incarnation: Incarnation = buf.get_u16();
        let dst = get_id(&mut buf);
        let code = buf.get_u8();
        let other = get_id(&mut buf);
        let message = message(code, other, buf.get_u8()).ok_or(Malformed)?;
        Ok(Header {
            src,
            src_incarnation,
            dst,
            message,
        })
    }

    fn encode_member(
        &mut self,
        member: &Member<Id>,
        mut buf: impl bytes::BufMut,
    ) -> Result<(), Malformed> {
        if buf.remaining_mut() < MEMBER_LEN {
            return Err(Malformed);
        }
        put_id(&mut buf, *member.id());
        buf.put_u16(member.incarnation());
        buf.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl bytes::Buf) -> Result<Member<Id>, Malformed> {
        if buf.remaining() < MEMBER_LEN {
            return Err(Malformed);
        }
        let id = get_id(&mut buf);
        let incarnation = buf.get_u16();
        let state = match buf.get_u8() {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Down,
            _ => return Err(Malformed),
        };
        Ok(Member::new(id, incarnation, state))
    }
}

/// In the place of a member where a message has none.
const NOBODY: Id = Id {
    node: NodeId([0; NodeId::LEN]),
    generation: 0,
};

/// Code, further member and number of the probe of a message.
fn message_fields(message: &Message<Id>) -> (u8, Option<Id>, ProbeNumber) {
    match message {
        Message::Ping(probe) => (0, None, *probe),
        Message::Ack(probe) => (1, None, *probe),
        Message::PingReq {
            target,
            probe_number,
        } => (2, Some(*target), *probe_number),
        Message::IndirectPing {
            origin,
            probe_number,
        } => (3, Some(*origin), *probe_number),
        Message::IndirectAck {
            target,
            probe_number,
        } => (4, Some(*target), *probe_number),
        Message::ForwardedAck {
            origin,
            probe_number,
        } => (5, Some(*origin), *probe_number),
        Message::Announce => (6, None, 0),
        Message::Feed => (7, None, 0),
        Message::Gossip => (8, None, 0),
        Message::Broadcast => (9, None, 0),
        Message::TurnUndead => (10, None, 0),
    }
}

/// The reverse of [`message_fields`]; `None` for an unknown code.
fn message(code: u8, other: Id, probe_number: ProbeNumber) -> Option<Message<Id>> {
    Some(match code {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::PingReq {
            target: other,
            probe_number,
        },
        3 => Message::IndirectPing {
            origin: other,
            probe_number,
        },
        4 => Message::IndirectAck {
            target: other,
            probe_number,
        },
        5 => Message::ForwardedAck {
            origin: other,
            probe_number,
        },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        9 => Message::Broadcast,
        10 => Message::TurnUndead,
        _ => return None,
    })
}

fn put_id(buf: &mut impl bytes::BufMut, id: Id) {
    buf.put_slice(&id.node.octets());
    buf.put_u64(id.generation);
}

/// The caller has made sure that there are enough octets.
fn get_id(buf: &mut impl bytes::Buf) -> Id {
    let mut node = [0; NodeId::LEN];
    buf.copy_to_slice(&mut node);
    Id {
        node: NodeId(node),
        generation: buf.get_u64(),
    }
}

/// Takes out of a message of foca every update about a node that is not `known`, and checks that
/// it is from `src` and about nobody unknown. `None`: it is not to be read at all.
pub fn only_known(message: &[u8], src: Id, known: impl Fn(NodeId) -> bool) -> Option<Vec<u8>> {
    let header = FixedCodec.decode_header(message).ok()?;
    let named = match header.message {
        Message::PingReq { target, .. } | Message::IndirectAck { target, .. } => Some(target),
        Message::ForwardedAck { origin, .. } => Some(origin),
        // Whoever is asked only tells it back.
        Message::IndirectPing { .. } => None,
        Message::Ping(_) | Message::Ack(_) | Message::Announce | Message::Feed => None,
        Message::Gossip | Message::Broadcast | Message::TurnUndead => None,
    };
    if header.src != src || named.is_some_and(|id| !known(id.node)) {
        return None;
    }
    with_members(message, |member| known(member.id().node))
}

/// Takes out of a message of foca every update that is not to be kept; `None` if it is malformed.
pub fn with_members(message: &[u8], keep: impl Fn(&Member<Id>) -> bool) -> Option<Vec<u8>> {
    let (head, rest) = message.split_at_checked(HEADER_LEN)?;
    let mut kept = head.to_vec();
    if rest.is_empty() {
        return Some(kept);
    }
    let (count, members) = rest.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    if members.len() != count.checked_mul(MEMBER_LEN)? {
        return None;
    }
    let members: Vec<&[u8]> = members
        .chunks_exact(MEMBER_LEN)
        .filter(|member| {
            FixedCodec
                .decode_member(*member)
                .is_ok_and(|member| keep(&member))
        })
        .collect();
    kept.extend_from_slice(&u16::try_from(members.len()).ok()?.to_be_bytes());
    members
        .iter()
        .for_each(|member| kept.extend_from_slice(member));
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, generation: u64) -> Id {
        Id {
            node: NodeId::of(name),
            generation,
        }
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        for code in 0..=10 {
            let sent = message(code, id("b", 7), 9).expect("a known code");
            let header = Header {
                src: id("a", 1),
                src_incarnation: 3,
                dst: id("c", 5),
                message: sent,
            };
            let mut octets = Vec::new();
            FixedCodec
                .encode_header(&header, &mut octets)
                .expect("room");
            let expected = match code {
                0 | 1 => message(code, NOBODY, 9),
                2..=5 => message(code, id("b", 7), 9),
                6.. => message(code, NOBODY, 0),
            };
            let read = FixedCodec.decode_header(&octets[..]).expect("whole");
            assert_eq!(Some(&read.message), expected.as_ref());
            assert_eq!(
                (read.src, read.dst, octets.len()),
                (header.src, header.dst, HEADER_LEN)
            );
        }
        assert_eq!(message(11, NOBODY, 0), None);
    }

    #[test]
    fn what_is_said_of_unknown_nodes_is_left_out() {
        let header = Header {
            src: id("a", 1),
            src_incarnation: 0,
            dst: id("c", 5),
            message: Message::Gossip,
        };
        let mut octets = Vec::new();
        FixedCodec
            .encode_header(&header, &mut octets)
            .expect("room");
        octets.extend([0, 2]);
        for name in ["stranger", "b"] {
            let member = Member::new(id(name, 4), 2, State::Suspect);
            FixedCodec
                .encode_member(&member, &mut octets)
                .expect("room");
        }
        let known = |node| node != NodeId::of("stranger");
        let kept = only_known(&octets, id("a", 1), known).expect("readable");
        assert_eq!(kept.len(), HEADER_LEN + 2 + MEMBER_LEN);
        let left = FixedCodec
            .decode_member(&kept[HEADER_LEN + 2..])
            .expect("whole");
        assert_eq!(*left.id(), id("b", 4));
        assert_eq!(
            only_known(&octets, id("b", 1), known),
            None,
            "another source"
        );
        assert_eq!(
            only_known(&octets[..octets.len() - 1], id("a", 1), known),
            None,
            "cut"
        );
    }
}
