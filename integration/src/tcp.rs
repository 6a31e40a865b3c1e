//! A TCP client and a TCP server on machines of the lab.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::background::{Background, IsOver};
use crate::netns::Netns;

/// How long a client waits for each step.
const PATIENCE: Duration = Duration::from_secs(2);

/// A backend: answers each connection with its own name, and closes it.
#[derive(Debug)]
pub struct Server {
    _background: Background,
}

impl Server {
    /// Serves on an address of a namespace.
    pub fn start(netns: &Netns, address: SocketAddr, name: &str) -> Server {
        let listener = netns.enter(|| TcpListener::bind(address));
        let listener = listener.unwrap_or_else(|error| panic!("{address}: {error}"));
        let name = name.to_owned();
        listener
            .set_nonblocking(true)
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        let serve = move |is_over: &IsOver<'_>| {
            while !is_over() {
                match listener.accept() {
                    // A client that has gone is no matter to the next.
                    Ok((mut stream, _)) => drop(stream.write_all(name.as_bytes())),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        };
        Server {
            _background: Background::start(serve),
        }
    }
}

/// Connects from a namespace; what the server answers.
pub fn ask(netns: &Netns, server: SocketAddr) -> Result<String, String> {
    netns
        .enter(|| {
            let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })
        .map_err(|error: std::io::Error| format!("{server}: {error}"))
}

/// A router that accepts TCP connections on port 179 and then says nothing.
#[derive(Debug)]
pub struct SilentRouter {
    _listener: TcpListener,
}

impl SilentRouter {
    /// Listens on an address of a namespace. The kernel completes connections; nobody reads.
    pub fn start(netns: &Netns, address: IpAddr) -> SilentRouter {
        let address = SocketAddr::new(address, 179);
        let listener = netns.enter(|| TcpListener::bind(address));
        SilentRouter {
            _listener: listener.unwrap_or_else(|error| panic!("{address}: {error}")),
        }
    }
}
