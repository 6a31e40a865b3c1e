//! The MRT files of `BGP_VECTORS`: every message of every file is read, and written again with
//! equal content.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use bgp::Message;
use bgp::codec::{self, Rules};
use bgp::mrt::{self, Content};
use bytes::BytesMut;

/// What one file holds. Of a file that is not in [`FILES`] the counts are only shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Messages of sessions.
    messages: usize,
    /// Routes of tables, each made into an UPDATE.
    routes: usize,
    /// Of both, those that are written octet by octet as they came. The others differ in the
    /// order of attributes, in an extended length where a short one is enough, or in the Partial
    /// bit.
    identical: usize,
    /// Of both, those with an error of RFC 7606 that keeps the session up.
    errors: usize,
}

/// Messages, routes, at least so many identical, errors; file name.
const FILES: &str = "
 54471   0  22545   0  bgprs-updates.20190101.0000.gz
    15   0     13   0  mrtparse-bird-mrtdump_bgp
     0  18     18   6  mrtparse-bird-mrtdump_rib
    15   0      7   0  mrtparse-bird6-mrtdump_bgp
     0  10     10   0  mrtparse-bird6-mrtdump_rib
    17   0      7   0  mrtparse-bird6_bgp
    17   0     13   0  mrtparse-bird_bgp
    71   0     37   0  mrtparse-openbgpd_bgp
     0  31     10   1  mrtparse-openbgpd_rib_table
     0  31      0   1  mrtparse-openbgpd_rib_table-mp
     0  33     13   0  mrtparse-openbgpd_rib_table-v2
    47   0     23   0  mrtparse-quagga_bgp
     0   9      0   0  mrtparse-quagga_rib
     0   4      0   0  osken-rib.20161101.0000_pick.bz2
  2623   0   1799   0  osken-updates.20161101.0000.bz2
  3941   0   3941   0  ripe-rrc00-2000.01-updates.20000102.2014.gz
   922   0    920   0  ripe-rrc01-2000.11-updates.20001104.0124.gz
   792   0    750   0  ripe-rrc03-2010.02-updates.20100227.1600.first-796-records.gz
  6595   0   6591   0  ripe-rrc15-2010.02-updates.20100227.1600.gz
  1937   0   1936   0  ripe-rrc15-2010.02-updates.20100227.1610.gz
";

fn expected() -> BTreeMap<&'static str, Counts> {
    let row = |line: &'static str| {
        let mut words = line.split_whitespace();
        let mut number = || words.next().unwrap().parse().unwrap();
        let counts = Counts {
            messages: number(),
            routes: number(),
            identical: number(),
            errors: number(),
        };
        (words.next().unwrap(), counts)
    };
    FILES.trim().lines().map(row).collect()
}

#[test]
fn every_message_of_every_mrt_file_is_read_and_written_with_equal_content() {
    let Some(folder) = folder() else { return };
    let mut expected = expected();
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let counts = walk(&name, &contents(&path));
        println!("{name}: {counts:?}");
        if let Some(expected) = expected.remove(name.as_str()) {
            let identical = expected.identical.min(counts.identical);
            let floor = Counts {
                identical,
                ..counts
            };
            assert_eq!(floor, expected, "{name}");
        }
    }
    assert!(expected.is_empty(), "files not there: {expected:?}");
}

/// Reads a whole file and counts; panics at the first message that does not read or write.
fn walk(name: &str, file: &[u8]) -> Counts {
    let mut counts = Counts::default();
    for record in mrt::records(file) {
        let record = record.unwrap_or_else(|error| panic!("{name}: {error}"));
        let place = format!("{name}: record at octet {}", record.offset);
        match record.content {
            Content::Message(message) => {
                counts.messages += 1;
                let (read, rules) = message
                    .decode()
                    .unwrap_or_else(|notification| panic!("{place}: {notification}"));
                counts.add(&place, &message.octets, read, &rules);
            }
            Content::Rib(rib) => {
                for entry in &rib.entries {
                    counts.routes += 1;
                    let update = entry.to_update(&rib).expect(&place);
                    let rules = rib.rules(entry);
                    counts.add(&place, &update, read(&place, &update, &rules), &rules);
                }
            }
            Content::StateChange(_) | Content::PeerIndexTable(_) => {}
            Content::Other(octets) => panic!("{place}: {} octets not read", octets.len()),
        }
    }
    counts
}

impl Counts {
    fn add(&mut self, place: &str, octets: &[u8], message: Message<'_>, rules: &Rules) {
        let mut written = BytesMut::new();
        codec::encode(&message, rules, &mut written).expect(place);
        let again = content(read(place, &written, rules));
        assert_eq!(again, content(message.clone()), "{place}");
        self.identical += usize::from(written == octets);
        match &message {
            Message::Update(update) if !update.errors.is_empty() => self.errors += 1,
            Message::Update(_) => {
                let [came, went] = [octets, &written].map(attributes_in_order);
                assert_eq!(came, went, "{place}");
            }
            Message::Open(_)
            | Message::Notification(_)
            | Message::Keepalive
            | Message::RouteRefresh(_) => {}
        }
    }
}

/// Withdrawn Routes; code, flags and value of every attribute; NLRI.
type Sorted = (Vec<u8>, Vec<(u8, u8, Vec<u8>)>, Vec<u8>);

/// The body of an UPDATE as (Withdrawn Routes, attributes by their code, NLRI): what may differ
/// between messages of equal content is left out. This does not use the codec.
fn attributes_in_order(message: &[u8]) -> Sorted {
    let split = |octets: &[u8]| {
        let length = usize::from(u16::from_be_bytes([octets[0], octets[1]]));
        let (block, rest) = octets[2..].split_at(length);
        (block.to_vec(), rest.to_vec())
    };
    let (withdrawn, rest) = split(&message[codec::HEADER_LENGTH..]);
    let (list, nlri) = split(&rest);
    let mut attributes = Vec::new();
    let mut rest = list.as_slice();
    while let [flags, code, length, after @ ..] = rest {
        let (value, after) = match flags & 0x10 {
            0 => after.split_at(usize::from(*length)),
            _ => after[1..].split_at(usize::from(u16::from_be_bytes([*length, after[0]]))),
        };
        // The Extended Length bit, the Partial bit and the unused ones.
        attributes.push((*code, flags & 0xc0, value.to_vec()));
        rest = after;
    }
    attributes.sort();
    (withdrawn, attributes, nlri)
}

fn read<'a>(place: &str, octets: &'a [u8], rules: &Rules) -> Message<'a> {
    match codec::decode(octets, rules) {
        Ok(Some((message, length))) => {
            assert_eq!(length, octets.len(), "{place}");
            message
        }
        Ok(None) => panic!("{place}: the message is not whole"),
        Err(notification) => panic!("{place}: {notification}"),
    }
}

/// The message without the errors found: what was discarded is not written again.
fn content(message: Message<'_>) -> Message<'_> {
    match message {
        Message::Update(mut update) => {
            update.errors.clear();
            Message::Update(update)
        }
        other @ (Message::Open(_)
        | Message::Notification(_)
        | Message::Keepalive
        | Message::RouteRefresh(_)) => other,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the folder of the vectors is named there"
)]
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BGP_VECTORS").map(|folder| Path::new(&folder).join("mrt"));
    if folder.is_none() {
        println!("skipped: BGP_VECTORS does not name the folder of the vectors");
    }
    folder
}

#[expect(clippy::disallowed_methods, reason = "the vectors are files")]
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of the MRT files");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "the vectors are files")]
fn contents(path: &Path) -> Vec<u8> {
    let file = std::fs::File::open(path).unwrap();
    let mut reader: Box<dyn Read> = match path.extension().and_then(|end| end.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("bz2") => Box::new(bzip2::read::MultiBzDecoder::new(file)),
        Some(_) | None => Box::new(file),
    };
    let mut contents = Vec::new();
    reader.read_to_end(&mut contents).unwrap();
    contents
}
