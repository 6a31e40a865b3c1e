//! A client that asks all the time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use integration::http;
use integration::netns::{Handle, Netns};

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Count {
    pub answered: usize,
    /// Why each of the others failed.
    pub lost: Vec<String>,
}

/// Requests one after the other, each on a connection of its own, until stopped.
pub struct Requests {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Count>,
}

impl Requests {
    pub fn start(client: &Netns, server: SocketAddr) -> Requests {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let client: Handle = client.handle();
        let ask = move || {
            let mut count = Count::default();
            while !stopped.load(Ordering::Relaxed) {
                match http::get(&client, server, "/") {
                    Ok((200, _)) => count.answered += 1,
                    other => count.lost.push(format!("{other:?}")),
                }
                std::thread::sleep(PAUSE);
            }
            count
        };
        Requests {
            stop,
            thread: std::thread::spawn(ask),
        }
    }

    /// Waits for the last one.
    pub fn stop(self) -> Count {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the client does not panic")
    }
}
