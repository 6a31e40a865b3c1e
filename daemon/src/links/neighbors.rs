//! Has the kernels at both ends find speakers again as soon as a cut is over.
//!
//! A kernel that could not find the link-layer address of a neighbor asks for it again once a second
//! (RetransTimer, RFC 4861 §10; the same for ARP), and keeps what is to go there meanwhile. After a
//! cut, two speakers would not hear each other for so long. So a speaker without a majority asks for
//! the others' link-layer addresses itself, and often: being asked, and an answer, tell each kernel
//! the address of the other.
//!
//! Bounds: [`MAX_ASKED`] frames each [`EVERY`]; none once there has been a majority [`AFTERWARDS`] times.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use l2::arp::Arp;
use l2::responder::Interface;
use l2::{FrameBuf, ndp};
use tokio::sync::watch;
use tracing::debug;

use crate::link_io::interfaces::Interfaces;
use crate::membership::{Addresses, Standing};
use crate::net::filter::Protocol;
use crate::net::packet::PacketSocket;

/// From one time that others are asked for to the next.
const EVERY: Duration = Duration::from_millis(200);
/// Questions then, at most; where there are more, they take turns.
const MAX_ASKED: usize = 32;
/// How many more times they are asked for once there is a majority: not all that come back may have
/// been heard yet.
const AFTERWARDS: u32 = 5;

/// A question for a link-layer address, and the index of the interface that it goes out on.
type Question = (u32, Protocol, FrameBuf);

/// Asks for the others as long as this node has no majority. Ends when nobody says any more how it
/// stands.
pub async fn ask(
    me: Arc<str>,
    mut standing: watch::Receiver<Standing>,
    interfaces: watch::Receiver<Option<Arc<Interfaces>>>,
    peers: watch::Receiver<Option<Arc<Addresses>>>,
) {
    let mut turn = 0;
    let lacks_majority = |standing: &Standing| *standing != Standing::Majority;
    while standing.wait_for(lacks_majority).await.is_ok() {
        let mut left = AFTERWARDS;
        while left > 0 {
            left = match *standing.borrow() {
                Standing::Majority => left - 1,
                Standing::Half | Standing::Minority => AFTERWARDS,
            };
            let (interfaces, peers) = (interfaces.borrow().clone(), peers.borrow().clone());
            if let (Some(interfaces), Some(peers)) = (interfaces, peers) {
                let all = questions(&me, &interfaces, &peers);
                let some = all.iter().cycle().skip(turn).take(all.len().min(MAX_ASKED));
                if let Err(error) = send(some) {
                    debug!(%error, "cannot ask for the link-layer addresses of other speakers");
                }
                turn = (turn + MAX_ASKED) % all.len().max(1);
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// One question for each address of each other node that is on a link of this node.
fn questions(me: &str, interfaces: &Interfaces, peers: &Addresses) -> Vec<Question> {
    let ip = |address: &SocketAddr| address.ip();
    let own: BTreeSet<IpAddr> = peers.get(me).into_iter().flatten().map(ip).collect();
    let others = peers.iter().filter(|(name, _)| &***name != me);
    let others: Vec<IpAddr> = others.flat_map(|(_, at)| at.iter().map(ip)).collect();
    let mut questions = Vec::new();
    for interface in interfaces.usable() {
        let nets = interfaces.subnets.get(&interface.index);
        for net in nets.into_iter().flatten() {
            let from = interface.addresses.intersection(&own);
            let Some(from) = from.copied().find(|own| net.contains(own)) else {
                continue;
            };
            let near = others.iter().filter(|other| net.contains(*other));
            questions.extend(near.filter_map(|other| question(interface, *net, from, *other)));
        }
    }
    questions
}

/// `None` where the families differ, or where no link-layer address can be asked for.
fn question(interface: &Interface, net: IpNet, from: IpAddr, other: IpAddr) -> Option<Question> {
    if net.prefix_len() == net.max_prefix_len() {
        return None;
    }
    let (protocol, frame) = match (from, other) {
        (IpAddr::V4(from), IpAddr::V4(other)) => {
            (Protocol::Arp, Arp::request(interface.mac, from, other))
        }
        (IpAddr::V6(from), IpAddr::V6(other)) => {
            (Protocol::Ndp, ndp::solicitation(interface.mac, from, other))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    Some((interface.index, protocol, frame))
}

/// Sends them, by sockets that are open for no longer: what others send is not heard here.
fn send<'a>(questions: impl Iterator<Item = &'a Question>) -> io::Result<()> {
    let (mut arp, mut ndp) = (None, None);
    let mut done = Ok(());
    for (interface, protocol, frame) in questions {
        let slot = match protocol {
            Protocol::Arp => &mut arp,
            Protocol::Ndp => &mut ndp,
        };
        let socket = match slot {
            Some(socket) => socket,
            None => slot.insert(PacketSocket::open(*protocol)?),
        };
        // Another interface may be up.
        done = done.and(socket.send(*interface, frame));
    }
    done
}

#[cfg(test)]
mod tests {
    use l2::MacAddr;
    use l2::ndp::NeighborSolicitation;
    use l2::responder::InterfaceKind;

    use super::*;

    fn interface(index: u32, addresses: &[&str], up: bool) -> (Interface, (u32, BTreeSet<IpNet>)) {
        let nets = addresses.iter().map(|text| text.parse().expect("a prefix"));
        let nets: Vec<IpNet> = nets.collect();
        let interface = Interface {
            index,
            name: format!("eth{index}").into(),
            mac: MacAddr::new(2, 0, 0, 0, 0, index as u8),
            addresses: nets.iter().map(IpNet::addr).collect(),
            up,
            kind: InterfaceKind::Ethernet,
        };
        let subnets = nets.iter().map(IpNet::trunc).collect();
        (interface, (index, subnets))
    }

    fn asked(interfaces: &[(&[&str], bool)], peers: &[(&str, &[&str])]) -> Vec<String> {
        let interfaces = interfaces.iter().zip(1..);
        let (list, subnets): (Vec<_>, Vec<_>) = interfaces
            .map(|((addresses, up), index)| interface(index, addresses, *up))
            .unzip();
        let interfaces = Interfaces {
            list,
            subnets: subnets.into_iter().collect(),
            ..Interfaces::default()
        };
        let address = |text: &&str| SocketAddr::new(text.parse().expect("an address"), 7946);
        let peers = peers
            .iter()
            .map(|(name, at)| (Arc::from(*name), at.iter().map(address).collect()));
        let questions = questions("me", &interfaces, &peers.collect());
        let text = |(index, protocol, frame): &Question| match protocol {
            Protocol::Arp => {
                let arp = Arp::parse(frame).expect("well formed").expect("ARP");
                let (from, to) = (arp.sender_protocol, arp.target_protocol);
                format!("{index}: {from} asks for {to}")
            }
            Protocol::Ndp => {
                let read = NeighborSolicitation::parse(frame).expect("well formed");
                let read = read.expect("a Neighbor Solicitation");
                format!("{index}: {} asks for {}", read.source, read.target)
            }
        };
        questions.iter().map(text).collect()
    }

    #[test]
    fn others_are_asked_for_from_the_address_that_they_know_on_the_link_that_they_are_on() {
        let peers: [(&str, &[&str]); 3] = [
            ("a", &["203.0.113.2", "2001:db8::2"]),
            ("far", &["198.51.100.2"]),
            ("me", &["203.0.113.1", "2001:db8::1"]),
        ];
        let first: &[&str] = &["203.0.113.9/24", "203.0.113.1/24", "2001:db8::1/64"];
        let expected = [
            "1: 203.0.113.1 asks for 203.0.113.2",
            "1: 2001:db8::1 asks for 2001:db8::2",
        ];
        assert_eq!(asked(&[(first, true)], &peers), expected);
        let other: &[&str] = &["198.51.100.1/24", "fe80::1/64"];
        assert_eq!(asked(&[(first, true), (other, true)], &peers), expected);
        assert_eq!(asked(&[(first, false)], &peers), [""; 0]);
        assert_eq!(asked(&[(&["203.0.113.1/32"], true)], &peers), [""; 0]);
    }
}
