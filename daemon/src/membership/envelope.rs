//! The body of a datagram: what every one says, and after that a message of foca, facts, views, or
//! nothing.

use super::identity::{Id, NodeId};

/// How the sender sees the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It does not know it.
    #[default]
    Unknown,
    /// It is alive.
    Alive,
    /// It has not answered, and is declared dead unless it objects.
    Suspect,
    /// It has been declared dead.
    Down,
}

/// A member as another one sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// How.
    pub state: State,
    /// Its life.
    pub generation: u64,
    /// How often it has objected in this life.
    pub incarnation: u16,
}

/// What every datagram says. Times are microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who sends it.
    pub src: Id,
    /// To which node.
    pub dst: NodeId,
    /// Whether an answer is wanted.
    pub question: bool,
    /// What comes after it.
    pub content: Content,
    /// What the receiver has to echo to prove a new session.
    pub challenge: u64,
    /// The receiver's challenge.
    pub echo: u64,
    /// When it was sent, by the sender's clock, which only the sender reads; never 0.
    pub stamp: u64,
    /// The latest such moment that came from the receiver; 0 for none.
    pub echo_stamp: u64,
    /// For how long the sender has been in this life.
    pub age: u64,
    /// For how long it has been since the sender's fence first opened, in whichever life; 0 for
    /// never.
    pub served: u64,
    /// Which versions of the facts of all nodes the sender has, as one number; 0 for none.
    pub facts: u64,
    /// Which nodes the sender sees alive, as one number.
    pub digest: u64,
    /// How the sender sees the receiver.
    pub sight: Sight,
}

/// What a datagram carries besides its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A message of foca, or nothing.
    Swim,
    /// Facts of some nodes ([`super::facts`]).
    Facts,
    /// Nothing; the sender goes, and will not answer any more.
    Leave,
    /// All that the sender knows of all members.
    View,
    /// Which versions of whose facts the sender has ([`super::facts::name`]).
    Versions,
}

/// Octets of an [`Envelope`].
pub const LEN: usize = Id::LEN + NodeId::LEN + 2 + 8 * 8 + 1 + 8 + 2;

impl Envelope {
    /// Writes it, and its content after it.
    pub fn encode(&self, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN + content.len());
        out.extend(self.src.node.octets());
        out.extend(self.src.generation.to_be_bytes());
        out.extend(self.dst.octets());
        out.push(u8::from(self.question));
        out.push(match self.content {
            Content::Swim => 0,
            Content::Facts => 1,
            Content::Leave => 2,
            Content::View => 3,
            Content::Versions => 4,
        });
        for number in [
            self.challenge,
            self.echo,
            self.stamp,
            self.echo_stamp,
            self.age,
            self.served,
            self.facts,
            self.digest,
        ] {
            out.extend(number.to_be_bytes());
        }
        out.push(match self.sight.state {
            State::Unknown => 0,
            State::Alive => 1,
            State::Suspect => 2,
            State::Down => 3,
        });
        out.extend(self.sight.generation.to_be_bytes());
        out.extend(self.sight.incarnation.to_be_bytes());
        out.extend(content);
        out
    }

    /// Reads it, and leaves its content; `None` if it is malformed.
    pub fn decode(body: &[u8]) -> Option<(Envelope, &[u8])> {
        let mut rest = body;
        let src = Id {
            node: NodeId::from_octets(take(&mut rest)?),
            generation: number(&mut rest)?,
        };
        let dst = NodeId::from_octets(take(&mut rest)?);
        let question = match take(&mut rest)? {
            [0] => false,
            [1] => true,
            [_] => return None,
        };
        let content = match take(&mut rest)? {
            [0] => Content::Swim,
            [1] => Content::Facts,
            [2] => Content::Leave,
            [3] => Content::View,
            [4] => Content::Versions,
            [_] => return None,
        };
        let envelope = Envelope {
            src,
            dst,
            question,
            content,
            challenge: number(&mut rest)?,
            echo: number(&mut rest)?,
            stamp: number(&mut rest)?,
            echo_stamp: number(&mut rest)?,
            age: number(&mut rest)?,
            served: number(&mut rest)?,
            facts: number(&mut rest)?,
            digest: number(&mut rest)?,
            sight: Sight {
                state: match take(&mut rest)? {
                    [0] => State::Unknown,
                    [1] => State::Alive,
                    [2] => State::Suspect,
                    [3] => State::Down,
                    [_] => return None,
                },
                generation: number(&mut rest)?,
                incarnation: u16::from_be_bytes(take(&mut rest)?),
            },
        };
        Some((envelope, rest))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_not_if_cut() {
        let sent = Envelope {
            src: Id {
                node: NodeId::of("a"),
                generation: 1,
            },
            dst: NodeId::of("b"),
            question: true,
            content: Content::Facts,
            challenge: 2,
            echo: 3,
            stamp: 4,
            echo_stamp: 5,
            age: 6,
            served: 11,
            facts: 9,
            digest: 10,
            sight: Sight {
                state: State::Suspect,
                generation: 7,
                incarnation: 8,
            },
        };
        let octets = sent.encode(b"foca");
        assert_eq!(Envelope::decode(&octets), Some((sent, &b"foca"[..])));
        assert_eq!(octets.len(), LEN + 4);
        for cut in 0..LEN {
            assert_eq!(Envelope::decode(&octets[..cut]), None);
        }
    }
}
