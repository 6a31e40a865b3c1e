//! TCP connections as BGP wants them: opened, accepted, and listened for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use plan::world::Password;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{interface, sockopt};

/// Longest wait for an answer to a connection attempt: three SYNs. The kernel would wait for two
/// minutes, and a person would not know why.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// DSCP CS6, "network control" (RFC 4594 §3.1), in its octet.
const CS6: u32 = 0xc0;
/// The hop limit of RFC 5082 §3, and of sessions that may cross routers.
const MAX_TTL: u8 = 255;
/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 128;

/// How far away the peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hops {
    /// On a common link: TTL 1, so that nothing leaves it (eBGP's default).
    One,
    /// Anywhere: TTL 255 (iBGP, `ebgpMultiHop`).
    Any,
    /// At most so many hops away, 1 to 254, and held to it: TTL 255 sent, and at least
    /// 255 - hops + 1 accepted (RFC 5082 §3).
    Secured(u8),
}

impl Hops {
    fn ttl(self) -> u8 {
        match self {
            Hops::One => 1,
            Hops::Any | Hops::Secured(_) => MAX_TTL,
        }
    }

    fn min_ttl(self) -> Option<u8> {
        match self {
            Hops::One | Hops::Any => None,
            Hops::Secured(hops) => Some(MAX_TTL.saturating_sub(hops.max(1) - 1)),
        }
    }
}

/// How TCP reaches a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The peer's address.
    pub address: IpAddr,
    /// The interface of a link-local address.
    pub zone: Option<String>,
    /// The peer's port.
    pub port: u16,
    /// Our address; `None` lets the routing table choose.
    pub source: Option<IpAddr>,
    /// TCP MD5 (RFC 2385).
    pub password: Option<Password>,
    /// How far away the peer may be.
    pub hops: Hops,
}

impl Transport {
    /// A peer with none of the options.
    pub fn to(address: IpAddr, port: u16) -> Transport {
        Transport {
            address,
            zone: None,
            port,
            source: None,
            password: None,
            hops: Hops::Any,
        }
    }

    /// Opens a connection, and waits for the answer that long, [`CONNECT_TIMEOUT`] at most.
    ///
    /// # Errors
    /// A text for people: which step failed, why, and what to look at.
    pub async fn connect(&self, within: Duration) -> Result<TcpStream, String> {
        let remote = self.remote().map_err(|error| error.to_string())?;
        let socket = self.socket(remote)?;
        match tokio::time::timeout(within.min(CONNECT_TIMEOUT), socket.connect(remote)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(self.why(&error, remote)),
            Err(_) => Err(self.no_answer(remote)),
        }
    }

    /// Sets on an accepted connection what [`Transport::connect`] sets on its own. The password
    /// is inherited from the listening socket.
    ///
    /// # Errors
    /// The kernel refuses an option.
    pub fn accepted(&self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        common_options(&socket, self.address.is_ipv6())?;
        self.hop_options(&socket)
    }

    fn remote(&self) -> io::Result<SocketAddr> {
        match (self.address, &self.zone) {
            (IpAddr::V6(address), Some(zone)) => {
                let scope = interface::index(zone)?;
                Ok(SocketAddrV6::new(address, self.port, 0, scope).into())
            }
            (address, _) => Ok(SocketAddr::new(address, self.port)),
        }
    }

    /// A socket with every option set, not connected.
    fn socket(&self, remote: SocketAddr) -> Result<TcpSocket, String> {
        let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        let domain = Domain::for_address(remote);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))
            .map_err(failed("cannot make a socket"))?;
        common_options(&socket, remote.is_ipv6()).map_err(failed("cannot set a socket option"))?;
        self.hop_options(&socket)
            .map_err(failed("cannot set the TTL"))?;
        if let Some(password) = &self.password {
            sockopt::set_md5(&socket, remote, password.0.as_bytes())
                .map_err(|error| md5_error(&error))?;
        }
        if let Some(source) = self.source {
            let local = match (source, remote) {
                (IpAddr::V6(source), SocketAddr::V6(remote)) => {
                    SocketAddrV6::new(source, 0, 0, remote.scope_id()).into()
                }
                (source, _) => SocketAddr::new(source, 0),
            };
            socket
                .bind(&local.into())
                .map_err(|error| source_error(&error, source))?;
        }
        Ok(TcpSocket::from_std_stream(socket.into()))
    }

    fn hop_options(&self, socket: &Socket) -> io::Result<()> {
        let ttl = u32::from(self.hops.ttl());
        match (self.address, self.hops.min_ttl()) {
            (IpAddr::V4(_), min) => {
                socket.set_ttl_v4(ttl)?;
                min.map_or(Ok(()), |min| sockopt::set_min_ttl(socket, min))
            }
            (IpAddr::V6(_), min) => {
                socket.set_unicast_hops_v6(ttl)?;
                min.map_or(Ok(()), |min| sockopt::set_min_hop_count(socket, min))
            }
        }
    }

    fn why(&self, error: &io::Error, remote: SocketAddr) -> String {
        match error.raw_os_error() {
            Some(libc::ETIMEDOUT) => self.no_answer(remote),
            Some(libc::ECONNREFUSED) => format!(
                "connection refused by {remote}: no BGP speaker listens there, or it does not \
                 know this host as its neighbour"
            ),
            Some(libc::EHOSTUNREACH | libc::ENETUNREACH) => {
                format!("{remote} cannot be reached: {error}")
            }
            _ => format!("cannot connect to {remote}: {error}"),
        }
    }

    /// A kernel drops segments with a wrong signature, so a wrong password looks like silence.
    fn no_answer(&self, remote: SocketAddr) -> String {
        let why = match (&self.password, self.hops) {
            (Some(_), _) => "wrong TCP MD5 password, filtered, or peer down?",
            (None, Hops::One | Hops::Secured(_)) => {
                "peer down, filtered, more hops away than allowed, or does it want a TCP MD5 \
                 password?"
            }
            (None, Hops::Any) => "peer down, filtered, or does it want a TCP MD5 password?",
        };
        format!("no answer from {remote}: {why}")
    }
}

/// Options that every BGP connection has.
fn common_options(socket: &Socket, ipv6: bool) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    match ipv6 {
        true => socket.set_tclass_v6(CS6),
        false => socket.set_tos_v4(CS6),
    }
}

fn md5_error(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => {
            "this kernel has no TCP MD5 (CONFIG_TCP_MD5SIG): take the password away on both sides, \
             or use another kernel"
                .to_owned()
        }
        _ => format!("cannot set the TCP MD5 password: {error}"),
    }
}

fn source_error(error: &io::Error, source: IpAddr) -> String {
    match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => {
            format!("sourceAddress {source} is not an address of this host")
        }
        _ => format!("cannot use sourceAddress {source}: {error}"),
    }
}

/// Listens for connections at `address`. An IPv6 socket takes no IPv4 connections.
///
/// # Errors
/// A text for people: the port is in use, is not permitted, or the address is not ours.
pub fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    bind(address).map_err(|error| match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => format!(
            "no permission to listen at {address}: give the program CAP_NET_BIND_SERVICE, or listen \
             at a port above 1023"
        ),
        Some(libc::EADDRINUSE) => {
            format!("cannot listen at {address}: another BGP speaker has the port")
        }
        Some(libc::EADDRNOTAVAIL) => {
            format!("cannot listen at {address}: it is not an address of this host")
        }
        _ => format!("cannot listen at {address}: {error}"),
    })
}

/// Listens for people and Prometheus; an unspecified IPv6 address takes IPv4 connections too.
///
/// # Errors
/// The operating system's.
pub fn serve(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let kind = Type::STREAM.nonblocking();
    // A host without IPv6 still has metrics at every address.
    let (socket, address) = match Socket::new(domain, kind, Some(Protocol::TCP)) {
        Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::TCP))?;
            (socket, SocketAddr::new(unspecified(false), address.port()))
        }
        socket => (socket?, address),
    };
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // A peer with TTL security drops a SYN-ACK that has less.
    match address {
        SocketAddr::V4(_) => socket.set_ttl_v4(u32::from(MAX_TTL))?,
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_unicast_hops_v6(u32::from(MAX_TTL))?;
        }
    }
    common_options(&socket, address.is_ipv6())?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Gives a listening socket the password of a peer, or takes it away.
///
/// # Errors
/// A text for people.
pub fn listen_with_password(
    listener: &TcpListener,
    peer: &Transport,
    password: Option<&Password>,
) -> Result<(), String> {
    let remote = peer.remote().map_err(|error| error.to_string())?;
    let key = password.map_or(&[][..], |password| password.0.as_bytes());
    match sockopt::set_md5(listener, remote, key) {
        // There was none to take away.
        Err(error) if key.is_empty() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        Err(error) => Err(md5_error(&error)),
        Ok(()) => Ok(()),
    }
}

/// Every address of a family.
pub fn unspecified(ipv6: bool) -> IpAddr {
    match ipv6 {
        true => Ipv6Addr::UNSPECIFIED.into(),
        false => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_security_sends_255_and_accepts_what_came_that_few_hops() {
        let cases = [
            (Hops::One, 1, None),
            (Hops::Any, 255, None),
            (Hops::Secured(1), 255, Some(255)),
            (Hops::Secured(2), 255, Some(254)),
            (Hops::Secured(254), 255, Some(2)),
        ];
        for (hops, ttl, min) in cases {
            assert_eq!((hops.ttl(), hops.min_ttl()), (ttl, min), "{hops:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_has_the_options_of_a_router() {
        let listener = listen(loopback(0)).expect("it listens");
        let port = listener.local_addr().expect("bound").port();
        let transport = Transport {
            hops: Hops::Secured(1),
            ..Transport::to(loopback(0).ip(), port)
        };
        let stream = transport
            .connect(CONNECT_TIMEOUT)
            .await
            .expect("it connects");
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tos_v4().expect("a TOS"), CS6);
        assert_eq!(socket.ttl_v4().expect("a TTL"), 255);
        let (accepted, _) = listener.accept().await.expect("accepted");
        let one = Transport {
            hops: Hops::One,
            ..transport
        };
        one.accepted(&accepted).expect("options are set");
        assert_eq!(SockRef::from(&accepted).ttl_v4().expect("a TTL"), 1);
    }

    #[tokio::test]
    async fn failures_say_what_to_look_at() {
        let closed = listen(loopback(0)).expect("it listens");
        let port = closed.local_addr().expect("bound").port();
        drop(closed);
        let refused = Transport::to(loopback(0).ip(), port);
        let foreign = Transport {
            source: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77))),
            ..refused.clone()
        };
        let zoneless = Transport {
            zone: Some("no-such-if".to_owned()),
            ..Transport::to("fe80::1".parse().expect("an address"), 179)
        };
        let cases = [
            (refused, "connection refused"),
            (foreign, "203.0.113.77 is not an address of this host"),
            (zoneless, "no interface \"no-such-if\""),
        ];
        for (transport, words) in cases {
            let error = transport
                .connect(CONNECT_TIMEOUT)
                .await
                .expect_err("it fails");
            assert!(error.contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_said_to_be() {
        let first = listen(loopback(0)).expect("it listens");
        let address = first.local_addr().expect("bound");
        let error = listen(address).expect_err("taken");
        assert!(error.contains("another BGP speaker"), "{error}");
    }

    #[tokio::test]
    async fn connections_with_one_password_stand_and_with_two_do_not() {
        let listener = listen(loopback(0)).expect("it listens");
        let port = listener.local_addr().expect("bound").port();
        let with = |password: &str| Transport {
            password: Some(Password(password.to_owned())),
            ..Transport::to(loopback(0).ip(), port)
        };
        let right = with("right");
        if let Err(error) = listen_with_password(&listener, &right, right.password.as_ref()) {
            println!("skipped: {error}");
            return;
        }
        right
            .connect(CONNECT_TIMEOUT)
            .await
            .expect("the right password connects");
        let error = with("wrong")
            .connect(CONNECT_TIMEOUT)
            .await
            .expect_err("no answer");
        assert!(error.contains("wrong TCP MD5 password"), "{error}");
    }

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}
