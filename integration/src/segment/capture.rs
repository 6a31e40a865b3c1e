//! tcpdump as a witness: a capture that is read while it grows.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::frame::Frame;
use crate::lab::Lab;
use crate::netns::Handle;
use crate::process::Process;
use crate::wait::{SOON, eventually};

/// Octets of a frame that are kept.
const SNAP_LENGTH: u32 = 128;
/// The header of a pcap file, and that of each packet in it
/// (draft-ietf-opsawg-pcap §4 and §5).
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// The magic number of a file with nanoseconds, in the order of this machine.
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// A frame, and when the kernel saw it, since 1970.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Duration,
    /// What.
    pub frame: Frame,
}

/// A running tcpdump. Its file stays among the test's logs.
#[derive(Debug)]
pub struct Capture {
    file: PathBuf,
    _tcpdump: Process,
}

impl Capture {
    /// Begins to write what passes an interface and a filter (pcap-filter(7)), and waits until it
    /// does.
    pub fn start(lab: &Lab, netns: &Handle, name: &str, interface: &str, filter: &str) -> Capture {
        let log = lab.log(&format!("tcpdump-{name}"));
        let file = log.with_extension("pcap");
        let mut command = Command::new("tcpdump");
        command.args(["-n", "-U", "--immediate-mode", "-Z", "root", "-B", "16384"]);
        command.args(["--time-stamp-precision=nano", "-i", interface]);
        command.args(["-s", &SNAP_LENGTH.to_string(), "-w"]);
        command.arg(&file).arg(filter);
        let tcpdump = Process::spawn(netns, &log, command);
        eventually("tcpdump listens", SOON, || match tcpdump.log() {
            log if log.contains("listening on") => Ok(()),
            log => Err(log),
        });
        Capture {
            file,
            _tcpdump: tcpdump,
        }
    }

    /// All frames until now that are of the kinds of [`Frame`], in their order.
    pub fn seen(&self) -> Vec<Seen> {
        let octets = std::fs::read(&self.file).unwrap_or_default();
        read(&octets)
    }

    /// Those since a moment.
    pub fn since(&self, begin: Duration) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|one| one.at >= begin);
        seen
    }
}

/// The time as captures have it.
pub fn clock() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_else(|error| panic!("the clock is before 1970: {error}"))
}

/// The packets of a pcap file; the last may not be whole yet.
fn read(octets: &[u8]) -> Vec<Seen> {
    let word = |octets: &[u8], at: usize| {
        let four = octets.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(four))
    };
    let Some(magic) = word(octets, 0) else {
        return Vec::new();
    };
    assert_eq!(magic, NANOSECONDS, "not a capture with nanoseconds");
    let mut rest = octets.get(FILE_HEADER..).unwrap_or_default();
    let mut seen = Vec::new();
    while let (Some(seconds), Some(nanoseconds), Some(length)) =
        (word(rest, 0), word(rest, 4), word(rest, 8))
    {
        let end = PACKET_HEADER + length as usize;
        let Some(packet) = rest.get(PACKET_HEADER..end) else {
            break;
        };
        let at = Duration::new(u64::from(seconds), nanoseconds);
        seen.extend(Frame::parse(packet).map(|frame| Seen { at, frame }));
        rest = &rest[end..];
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pnet_base::MacAddr;

    use super::super::frame::gratuitous;
    use super::*;

    #[test]
    fn a_capture_that_still_grows_is_read_up_to_its_last_whole_packet() {
        let frame = gratuitous(MacAddr::new(2, 0, 0, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 1));
        let mut file = NANOSECONDS.to_ne_bytes().to_vec();
        file.resize(FILE_HEADER, 0);
        for second in [5_u32, 6] {
            for word in [second, 7, frame.len() as u32, frame.len() as u32] {
                file.extend(word.to_ne_bytes());
            }
            file.extend(&frame);
        }
        let times = |octets: &[u8]| read(octets).iter().map(|seen| seen.at).collect::<Vec<_>>();
        let (first, second) = (Duration::new(5, 7), Duration::new(6, 7));
        assert_eq!(times(&file), [first, second]);
        assert_eq!(times(&file[..file.len() - 1]), [first]);
        assert!(times(&file[..3]).is_empty());
    }
}
