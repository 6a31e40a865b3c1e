//! A router whose TCP takes nothing any more, recorded and replayed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::fsm::StateName;
use bgp::peer::{Direction, DownReason, LocalAddresses, PeerAs};
use bgp::record::{Recorded, RecordedInput, replay};
use bgp::{Action, Asn, BgpIdentifier, ConnId, Event, Peer, PeerConfig, RouteSet};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::connection::Connection;
use super::recorded::RecordedPeer;
use crate::record::Recordings;

/// Small, so that they are full soon.
const BUFFERS: u32 = 4_096;
/// More than fit into them.
const ROUTES: u32 = 20_000;
const SEND_HOLD: Duration = Duration::from_secs(30);
/// Long enough for both sides to have heard what the other has sent.
const TURNS: usize = 100;

fn config(number: u8) -> PeerConfig {
    let asn = |number: u8| Asn::new(65_000 + u32::from(number)).expect("not zero");
    let identifier = BgpIdentifier::new([10, 0, 0, number].into()).expect("not zero");
    let peer_as = PeerAs::Exactly(asn(3 - number));
    let mut config = PeerConfig::new(asn(number), peer_as, identifier);
    config.send_hold_time = Some(SEND_HOLD);
    config
}

fn connected(conn: ConnId, stream: &TcpStream, direction: Direction) -> Event {
    let address = |address: std::io::Result<SocketAddr>| address.expect("an address");
    Event::Connected {
        conn,
        direction,
        local: address(stream.local_addr()),
        remote: address(stream.peer_addr()),
        interface: LocalAddresses::default(),
    }
}

/// Both ends of a connection with small buffers.
async fn streams() -> [TcpStream; 2] {
    let socket = || TcpSocket::new_v4().expect("a socket");
    let (ours, theirs) = (socket(), socket());
    ours.set_send_buffer_size(BUFFERS).expect("a size");
    theirs.set_recv_buffer_size(BUFFERS).expect("a size");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    theirs.bind(any).expect("an address");
    let listener = theirs.listen(1).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (ours, theirs) = tokio::join!(ours.connect(address), listener.accept());
    [ours.expect("connected"), theirs.expect("accepted").0]
}

/// The router's side.
struct Router {
    peer: Peer,
    stream: TcpStream,
    inbound: BytesMut,
}

const INCOMING: ConnId = ConnId(1);

impl Router {
    fn new(stream: TcpStream, now: Instant) -> Router {
        let mut peer = Peer::new(config(2), 2, now);
        peer.handle(now, Event::Start);
        peer.handle(now, connected(INCOMING, &stream, Direction::Incoming));
        Router {
            peer,
            stream,
            inbound: BytesMut::new(),
        }
    }

    async fn turn(&mut self, now: Instant) {
        let mut out = BytesMut::new();
        if self.peer.poll_transmit(now, INCOMING, &mut out) {
            self.stream.write_all(&out).await.expect("written");
            self.peer.transmitted(now, INCOMING, 0);
        }
        let read = self.stream.read_buf(&mut self.inbound);
        if let Ok(read) = tokio::time::timeout(Duration::from_millis(5), read).await {
            read.expect("octets");
            self.peer.receive(now, INCOMING, &mut self.inbound);
        }
    }
}

fn routes() -> Arc<RouteSet> {
    let attributes = Arc::default();
    let route = |number: u32| {
        let address = Ipv4Addr::from(0x0a00_0000 + number);
        (IpAddr::V4(address).into(), Arc::clone(&attributes))
    };
    Arc::new((0..ROUTES).map(route).collect())
}

fn actions(peer: &mut RecordedPeer) -> Vec<Action> {
    std::iter::from_fn(|| peer.poll_action()).collect()
}

/// A session that comes up, and whose router then reads no more: what the peer did in the end.
async fn stall(folder: &Path) -> (StateName, Vec<Action>) {
    let begun = Instant::now();
    let recordings = Recordings::open(folder).expect("a folder");
    let recorder = recordings.begin(&"router".into(), &config(1), 1);
    let mut peer = RecordedPeer::new(config(1), 1, begun, recorder);
    peer.handle(begun, Event::Start);
    let conn = ConnId::OUTGOING;
    assert!(matches!(actions(&mut peer)[..], [Action::Connect(asked)] if asked == conn));
    let [ours, theirs] = streams().await;
    let mut router = Router::new(theirs, begun);
    peer.handle(begun, connected(conn, &ours, Direction::Outgoing));
    let mut connection = Connection::new(conn, ours);
    for _ in 0..TURNS {
        let now = Instant::now();
        connection.write(&mut peer, now);
        router.turn(now).await;
        connection.read(&mut peer, now).expect("it stands");
        if peer.state() == StateName::Established {
            break;
        }
    }
    assert_eq!(peer.state(), StateName::Established);
    let full = Instant::now();
    peer.set_routes(full, routes());
    for _ in 0..TURNS {
        connection.write(&mut peer, full);
    }
    actions(&mut peer);
    // The hold time goes on, as the router still talks.
    let last = full + SEND_HOLD - Duration::from_secs(1);
    for now in [full + SEND_HOLD / 2, last, full + SEND_HOLD] {
        peer.handle_timeout(now);
        connection.write(&mut peer, now);
    }
    let done = (peer.state(), actions(&mut peer));
    drop(connection.close(&mut peer, full + SEND_HOLD));
    peer.finish().await;
    done
}

#[tokio::test]
async fn a_router_that_takes_no_more_is_left_by_the_send_hold_time_and_by_its_replay_too() {
    let folder = tempfile::tempdir().expect("a directory");
    let (state, actions) = stall(folder.path()).await;
    assert_ne!(state, StateName::Established);
    let is_down = |action: &&Action| matches!(action, Action::Down(_));
    let Some(Action::Down(reason)) = actions.iter().find(is_down) else {
        panic!("{actions:?}")
    };
    let text = std::fs::read_to_string(folder.path().join("router.jsonl")).expect("a file");
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<Recorded> = lines.collect::<Result<_, _>>().expect("a recording");
    let partly = |line: &&Recorded| match line {
        Recorded::Input { input, .. } => {
            matches!(input, RecordedInput::Transmitted { pending, .. } if *pending > 0)
        }
        Recorded::Begin { .. } => false,
    };
    assert!(lines.iter().any(|line| partly(&line)), "{text}");
    let (peer, steps) = replay(&lines, Instant::now()).expect("a recording");
    assert_eq!(peer.state(), state);
    let downs = steps.iter().flat_map(|step| &step.actions);
    let downs: Vec<&String> = downs.filter(|text| text.starts_with("down, ")).collect();
    let DownReason::Sent(sent) = reason else {
        panic!("{reason:?}")
    };
    assert_eq!(downs, [&format!("down, sent {sent}")]);
    assert!(downs[0].contains("Send Hold Timer Expired"), "{downs:?}");
}
