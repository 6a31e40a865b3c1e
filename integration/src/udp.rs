//! A UDP client and a UDP server on machines of the lab.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::background::{Background, IsOver};
use crate::netns::Netns;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a server looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than any question or answer.
const DATAGRAM: usize = 1_500;

/// A backend: answers each datagram with its own name, until dropped.
#[derive(Debug)]
pub struct Server {
    _background: Background,
}

impl Server {
    /// Serves on an address of a namespace.
    pub fn start(netns: &Netns, address: SocketAddr, name: &str) -> Server {
        let socket = netns.enter(|| {
            let socket = UdpSocket::bind(address)?;
            socket.set_read_timeout(Some(LOOK))?;
            Ok::<_, std::io::Error>(socket)
        });
        let socket = socket.unwrap_or_else(|error| panic!("{address}: {error}"));
        let name = name.to_owned();
        let serve = move |is_over: &IsOver<'_>| {
            let mut question = [0; DATAGRAM];
            while !is_over() {
                if let Ok((_, client)) = socket.recv_from(&mut question) {
                    // A client that has gone is no matter to the next.
                    let _ = socket.send_to(name.as_bytes(), client);
                }
            }
        };
        Server {
            _background: Background::start(serve),
        }
    }
}

/// Asks from a namespace; what the server answers.
pub fn ask(netns: &Netns, server: SocketAddr) -> Result<String, String> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    netns
        .enter(|| {
            let socket = UdpSocket::bind((any, 0))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            // Connected: an answer from another address is none.
            socket.connect(server)?;
            socket.send(b"who?")?;
            let mut answer = [0; DATAGRAM];
            let length = socket.recv(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
        })
        .map_err(|error: std::io::Error| format!("{server}: {error}"))
}
