//! The file of a recording: its name, its predecessors, its bound.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use bgp::record::Recorded;

use super::{Entry, KEPT};

/// Characters of a peer's name that are in the name of its file, at most.
const MAX_NAME: usize = 200;

/// The name of a peer's file. Names of Kubernetes stay as they are; what could be a path does not.
pub fn name(peer: &str) -> String {
    let mut name = String::with_capacity(peer.len() + 6);
    for (index, character) in peer.chars().take(MAX_NAME).enumerate() {
        let plain = character.is_ascii_alphanumeric()
            || character == '-'
            || (character == '.' && index > 0);
        match plain {
            true => name.push(character),
            // A String takes every write.
            false => drop(write!(name, "_{:x}_", u32::from(character))),
        }
        if name.len() >= MAX_NAME {
            break;
        }
    }
    name + ".jsonl"
}

/// Writes a recording until nobody adds to it, a line each, whole: a kill at any moment leaves
/// what can be replayed.
///
/// # Errors
/// Why it ends before: for people.
pub fn write(
    path: &Path,
    begin: &Recorded,
    entries: Receiver<Entry>,
    max: u64,
) -> Result<(), String> {
    let told = |error: io::Error| format!("it cannot be written: {error}");
    let mut recording = Recording::create(path, max).map_err(told)?;
    recording.add(begin)?;
    for entry in entries {
        recording.add(&entry.into())?;
    }
    Ok(())
}

struct Recording {
    file: File,
    octets: u64,
    max: u64,
}

impl Recording {
    fn create(path: &Path, max: u64) -> io::Result<Recording> {
        keep_earlier(path)?;
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Recording {
            file,
            octets: 0,
            max,
        })
    }

    fn add(&mut self, recorded: &Recorded) -> Result<(), String> {
        let mut line =
            serde_json::to_vec(recorded).map_err(|error| format!("it has no form: {error}"))?;
        line.push(b'\n');
        let octets = self.octets + line.len() as u64;
        if octets > self.max {
            return Err(format!("it has reached its {} octets", self.max));
        }
        if let Err(error) = self.file.write_all(&line) {
            // Half a line would spoil the others. If that fails too, nothing is left to do.
            let _ = self.file.set_len(self.octets);
            return Err(format!("it cannot be written: {error}"));
        }
        self.octets = octets;
        Ok(())
    }
}

/// `FILE` becomes `FILE.1`, that `FILE.2`, and the last one goes.
fn keep_earlier(path: &Path) -> io::Result<()> {
    for number in (0..KEPT).rev() {
        match std::fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use bgp::peer::PeerAs;
    use bgp::record::RecordedInput;
    use bgp::{Asn, BgpIdentifier, PeerConfig};

    use super::*;

    #[test]
    fn a_recording_ends_at_its_bound_with_a_whole_line() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("router.jsonl");
        let reason = record(&path, 100, 2_000).expect_err("it does not all fit");
        assert_eq!(reason, "it has reached its 2000 octets");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.len() > 1_900 && text.len() <= 2_000, "{}", text.len());
        assert!(text.ends_with('\n'));
        let lines = text.lines().map(serde_json::from_str::<Recorded>);
        assert!(lines.into_iter().all(|line| line.is_ok()));
    }

    #[test]
    fn a_recording_on_a_full_disk_ends_with_the_reason() {
        let file = OpenOptions::new().write(true).open("/dev/full");
        let mut recording = Recording {
            file: file.expect("Linux has it"),
            octets: 0,
            max: 10_000,
        };
        let reason = recording.add(&begin()).expect_err("there is no space");
        assert!(reason.contains("No space left on device"), "{reason}");
    }

    #[test]
    fn a_directory_that_is_gone_ends_the_recording_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("gone/router.jsonl");
        let reason = record(&path, 1, 10_000).expect_err("there is no directory");
        assert!(reason.contains("No such file or directory"), "{reason}");
    }

    #[test]
    fn a_new_recording_keeps_the_four_before_it() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("router.jsonl");
        for inputs in 0..7 {
            record(&path, inputs, 10_000).expect("written");
        }
        let inputs_of = |number| {
            let text = std::fs::read_to_string(numbered(&path, number)).ok()?;
            Some(text.lines().count() - 1)
        };
        let found: Vec<Option<usize>> = (0..6).map(inputs_of).collect();
        assert_eq!(found, [Some(6), Some(5), Some(4), Some(3), Some(2), None]);
    }

    #[test]
    fn no_name_of_a_peer_leads_out_of_the_directory() {
        let long = "x".repeat(300);
        let table = [
            ("tor-1.rack", "tor-1.rack.jsonl".to_owned()),
            ("../../etc/x", "_2e_._2f_.._2f_etc_2f_x.jsonl".to_owned()),
            (".hidden", "_2e_hidden.jsonl".to_owned()),
            (long.as_str(), format!("{}.jsonl", "x".repeat(200))),
        ];
        for (peer, expected) in table {
            assert_eq!(name(peer), expected);
        }
    }

    fn record(path: &Path, inputs: u64, max: u64) -> Result<(), String> {
        let (queue, entries) = sync_channel(100);
        for at_us in 0..inputs {
            let entry = Entry::Input(at_us, RecordedInput::Timeout);
            queue.send(entry).expect("there is room");
        }
        drop(queue);
        write(path, &begin(), entries, max)
    }

    fn begin() -> Recorded {
        let asn = Asn::new(65001).expect("not zero");
        let identifier = BgpIdentifier::new([10, 0, 0, 1].into()).expect("not zero");
        Recorded::begin(PeerConfig::new(asn, PeerAs::External, identifier), 7)
    }
}
