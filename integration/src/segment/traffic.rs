//! Streams through a virtual address, and how long they were interrupted.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::capture::{Seen, clock};
use super::frame::Message;
use crate::background::{Background, IsOver};
use crate::lab::Lab;
use crate::netns::Handle;
use crate::process::Process;

/// So long a request may take where others keep the machine busy; then the next begins.
pub const PATIENT: Duration = Duration::from_millis(200);
/// So long where nothing else does, and it is measured how soon requests pass again: what is lost
/// hides what comes after it for no longer.
pub const BRISK: Duration = Duration::from_millis(50);
/// Between two requests.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(10);

/// A `ping` that runs until dropped. What came of it is in the capture of its machine.
pub fn ping(lab: &Lab, netns: &Handle, address: IpAddr, every: Duration) -> Process {
    let mut command = Command::new("ping");
    let every = every.as_secs_f64().to_string();
    command.args(["-n", "-q", "-i", &every]);
    command.arg(address.to_string());
    Process::spawn(netns, &lab.log(&format!("ping-{address}")), command)
}

/// What came of the requests of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Requests.
    pub sent: usize,
    /// Those without an answer.
    pub lost: usize,
    /// The longest time from one answer, or the beginning, to the next, or the end.
    pub longest_pause: Duration,
}

/// The echo requests of an address between two moments, and what was answered until now.
pub fn echoes(seen: &[Seen], address: IpAddr, begin: Duration, end: Duration) -> Stream {
    let mut sent = std::collections::BTreeMap::new();
    let mut stream = Stream::default();
    let mut last = begin;
    for one in seen.iter().filter(|one| one.at >= begin) {
        let Message::Echo {
            is_reply,
            target,
            identifier,
            sequence,
        } = one.frame.message
        else {
            continue;
        };
        if target != address {
            continue;
        }
        let key = (identifier, sequence);
        match is_reply {
            false if one.at < end => drop(sent.insert(key, one.at)),
            false => {}
            true if sent.remove(&key).is_some() => {
                stream.sent += 1;
                let pause = one.at.saturating_sub(last);
                stream.longest_pause = stream.longest_pause.max(pause);
                last = one.at;
            }
            true => {}
        }
    }
    stream.longest_pause = stream.longest_pause.max(end.saturating_sub(last));
    stream.lost = sent.len();
    stream.sent += sent.len();
    stream
}

/// Requests by TCP, one after the other, each on a connection of its own, until dropped.
#[derive(Debug)]
pub struct Requests {
    done: Arc<Mutex<Vec<Request>>>,
    _background: Background,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it was over.
    pub at: Duration,
    /// What the server answered.
    pub answer: Result<String, String>,
}

impl Requests {
    /// Begins. A request that takes longer than `within` is lost.
    pub fn start(netns: &Handle, server: SocketAddr, within: Duration) -> Requests {
        let done: Arc<Mutex<Vec<Request>>> = Arc::default();
        let tell = Arc::clone(&done);
        let netns = netns.clone();
        let send = move |is_over: &IsOver<'_>| {
            netns.enter(|| {
                while !is_over() {
                    let answer = request(server, within);
                    let request = Request {
                        at: clock(),
                        answer: answer.map_err(|error| error.to_string()),
                    };
                    lock(&tell).push(request);
                    std::thread::sleep(BETWEEN_REQUESTS);
                }
            });
        };
        Requests {
            done,
            _background: Background::start(send),
        }
    }

    /// All that are over since a moment.
    pub fn since(&self, begin: Duration) -> Vec<Request> {
        let done = lock(&self.done);
        let since = done.iter().filter(|request| request.at >= begin);
        since.cloned().collect()
    }

    /// Those between two moments.
    pub fn stream(&self, begin: Duration, end: Duration) -> Stream {
        let mut stream = Stream::default();
        let mut last = begin;
        for request in self.since(begin).iter().filter(|request| request.at < end) {
            stream.sent += 1;
            match &request.answer {
                Ok(_) => {
                    let pause = request.at.saturating_sub(last);
                    stream.longest_pause = stream.longest_pause.max(pause);
                    last = request.at;
                }
                Err(_) => stream.lost += 1,
            }
        }
        stream.longest_pause = stream.longest_pause.max(end.saturating_sub(last));
        stream
    }
}

fn request(server: SocketAddr, within: Duration) -> std::io::Result<String> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect_timeout(&server, within)?;
    let left = within.saturating_sub(begin.elapsed());
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use pnet_base::MacAddr;

    use super::super::frame::Frame;
    use super::*;

    fn echo(at: u64, is_reply: bool, sequence: u16) -> Seen {
        let mac = MacAddr::zero();
        Seen {
            at: Duration::from_millis(at),
            frame: Frame {
                source: mac,
                destination: mac,
                message: Message::Echo {
                    is_reply,
                    target: [10, 0, 0, 1].into(),
                    identifier: 1,
                    sequence,
                },
            },
        }
    }

    #[test]
    fn a_lost_echo_is_counted_and_the_pause_is_between_answers() {
        let seen = [
            echo(0, false, 1),
            echo(1, true, 1),
            echo(5, false, 2),
            echo(10, false, 3),
            echo(11, true, 3),
        ];
        let ms = Duration::from_millis;
        let stream = echoes(&seen, [10, 0, 0, 1].into(), ms(0), ms(12));
        assert_eq!((stream.sent, stream.lost), (3, 1));
        assert_eq!(stream.longest_pause, ms(10));
    }
}
