//! Messages out of an MRT file (RFC 6396), one record at a time.

use std::io::{self, Read, Write};
use std::path::Path;

use bgp::codec::{self, Rules};
use bgp::message::Message;
use bgp::message::notification::Notification;
use bgp::mrt::{self, Content, PeerEntry, Record, Rib, RibEntry, SessionMessage};

use super::verdict::{Origin, Verdict};
use super::{CHUNK, Output, Session, input};

/// Octets of a record's header; its last four are the length of the rest.
const HEADER: usize = 12;
/// Octets of a record, at most. The largest there are list the peers of a collector, or the
/// routes to one prefix from each of these: under 4 MiB.
const MAX_RECORD: usize = 16 << 20;

/// Prints every message of a file.
pub(super) fn run<O: Write, E: Write>(
    path: &Path,
    session: &Session,
    out: &mut Output<O, E>,
) -> io::Result<()> {
    let mut reader = Reader {
        input: input::open(path)?,
        offset: 0,
        record: Vec::new(),
    };
    let mut printer = Printer {
        session: *session,
        peers: Vec::new(),
        without: 0,
    };
    while let Some(offset) = reader.next(out)? {
        for record in mrt::records(&reader.record) {
            match record {
                Ok(record) => printer.record(offset, &record, out)?,
                // Its own offset is within the record.
                Err(error) => {
                    out.wrong(&format!("MRT record at octet {offset}: {}", error.reason))?;
                }
            }
        }
    }
    match printer.without {
        0 => Ok(()),
        records => out.note(&format!("MRT records without a BGP message: {records}")),
    }
}

/// A file, record by record.
struct Reader {
    input: Box<dyn Read>,
    /// Octets before what is read next.
    offset: u64,
    record: Vec<u8>,
}

impl Reader {
    /// Reads the next record into `self.record` and gives its offset. A record that the file's end
    /// cuts stays cut; one over [`MAX_RECORD`] ends the file.
    fn next<O: Write, E: Write>(&mut self, out: &mut Output<O, E>) -> io::Result<Option<u64>> {
        let offset = self.offset;
        self.record.clear();
        self.fill(HEADER)?;
        let length = match self.record.get(8..HEADER) {
            None if self.record.is_empty() => return Ok(None),
            None => return Ok(Some(offset)),
            Some(length) => length
                .iter()
                .fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
        };
        if length > MAX_RECORD {
            out.wrong(&format!(
                "MRT record at octet {offset}: it says it has {length} octets, and no more than \
                 {MAX_RECORD} are read; this is no MRT file, or a broken one"
            ))?;
            return Ok(None);
        }
        self.fill(HEADER + length)?;
        Ok(Some(offset))
    }

    /// Reads until the record has `length` octets, or the file ends. The buffer grows by what is
    /// there, not by what the header says.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.record.len() < length {
            let start = self.record.len();
            self.record.resize(length.min(start + CHUNK), 0);
            let read = input::read(
                &mut self.input,
                self.record.get_mut(start..).unwrap_or_default(),
            );
            self.record.truncate(start + *read.as_ref().unwrap_or(&0));
            match read? {
                0 => return Ok(()),
                read => self.offset += read as u64,
            }
        }
        Ok(())
    }
}

struct Printer {
    session: Session,
    /// Of the last PEER_INDEX_TABLE.
    peers: Vec<PeerEntry>,
    /// Records without a message.
    without: u64,
}

impl Printer {
    fn record<O: Write, E: Write>(
        &mut self,
        offset: u64,
        record: &Record<'_>,
        out: &mut Output<O, E>,
    ) -> io::Result<()> {
        let microseconds = f64::from(record.microseconds.unwrap_or(0));
        let origin = Origin {
            offset,
            timestamp: f64::from(record.timestamp) + microseconds / 1e6,
            ..Origin::default()
        };
        match &record.content {
            Content::Message(message) => self.message(origin, message, out),
            Content::Rib(rib) => {
                let entries = rib.entries.iter();
                entries
                    .map(|entry| (rib, entry))
                    .try_for_each(|route| self.route(origin, route, out))
            }
            Content::PeerIndexTable(table) => {
                self.peers.clone_from(&table.peers);
                self.without += 1;
                Ok(())
            }
            Content::StateChange(_) | Content::Other(_) => {
                self.without += 1;
                Ok(())
            }
        }
    }

    fn message<O: Write, E: Write>(
        &self,
        origin: Origin,
        message: &SessionMessage<'_>,
        out: &mut Output<O, E>,
    ) -> io::Result<()> {
        let origin = Origin {
            peer: message.session.peer,
            peer_as: Some(message.session.peer_as),
            sent: message.sent,
            ..origin
        };
        let decoded = match self.session.overrule(message.rules()) {
            Some(rules) => whole(&message.octets, &rules),
            None => message.decode().map(|(message, _)| message),
        };
        print(decoded, &origin, out)
    }

    fn route<O: Write, E: Write>(
        &self,
        origin: Origin,
        (rib, entry): (&Rib<'_>, &RibEntry<'_>),
        out: &mut Output<O, E>,
    ) -> io::Result<()> {
        let listed = entry
            .peer_index
            .and_then(|index| self.peers.get(usize::from(index)));
        let session = entry.session.as_ref();
        let origin = Origin {
            peer: session
                .and_then(|session| session.peer)
                .or(listed.map(|peer| peer.address)),
            peer_as: session
                .map(|session| session.peer_as)
                .or(listed.map(|peer| peer.asn)),
            table: true,
            ..origin
        };
        let Some(octets) = entry.to_update(rib) else {
            let offset = origin.offset;
            return out.wrong(&format!(
                "MRT record at octet {offset}: the attributes of a route do not fit their lengths"
            ));
        };
        let rules = rib.rules(entry);
        let rules = self.session.overrule(rules).unwrap_or(rules);
        print(whole(&octets, &rules), &origin, out)
    }
}

/// A message that has exactly these octets.
fn whole<'a>(octets: &'a [u8], rules: &Rules) -> Result<Message<'a>, Notification> {
    match codec::decode(octets, rules)? {
        Some((message, length)) if length == octets.len() => Ok(message),
        // RFC 4271 §6.1.
        Some(_) | None => Err(Notification::BAD_MESSAGE_LENGTH),
    }
}

fn print<O: Write, E: Write>(
    decoded: Result<Message<'_>, Notification>,
    origin: &Origin,
    out: &mut Output<O, E>,
) -> io::Result<()> {
    match decoded {
        Ok(message) => out.verdict(&Verdict::of(&message).recorded(origin)),
        Err(notification) => {
            let answer = Message::Notification(notification);
            out.verdict(&Verdict::refused(&answer).recorded(origin))
        }
    }
}
