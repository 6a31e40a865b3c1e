//! The other side of the session: an embedded router, or one of the user's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bgp::peer::{PeerAs, StopReason};
use bgp::{Asn, BgpIdentifier, PeerConfig};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::held::{self, Rib};
use crate::net::tcp::Transport;
use crate::peer_io::{self, Accepted, Notice, PeerHandle, PeerSpec};

/// The BGP Identifier of the embedded router; the speaker's is another.
const IDENTIFIER: BgpIdentifier = match BgpIdentifier::new(Ipv4Addr::new(127, 0, 0, 2)) {
    Some(identifier) => identifier,
    None => panic!("it is not 0.0.0.0"),
};

/// A BGP speaker that only listens, keeps what it is told, and announces nothing.
pub(super) struct Router {
    peer: PeerHandle,
    task: JoinHandle<()>,
    accepting: JoinHandle<()>,
    pub(super) notices: broadcast::Receiver<Notice>,
}

impl Router {
    /// Starts one on a port of the loopback interface that the system picks.
    pub(super) async fn start(asn: Asn, speaker: Asn) -> io::Result<(Router, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let spec = PeerSpec {
            name: Arc::from("speaker"),
            config: PeerConfig {
                passive: true,
                keep_routes: true,
                ..PeerConfig::new(asn, PeerAs::Exactly(speaker), IDENTIFIER)
            },
            transport: Transport::to(address.ip(), address.port()),
        };
        let (peer, notices, task) = peer_io::spawn_with_notices(spec);
        let accepting = tokio::spawn(accept(listener, peer.clone()));
        let router = Router {
            peer,
            task,
            accepting,
            notices,
        };
        Ok((router, address))
    }

    /// Its Adj-RIB-In.
    pub(super) async fn rib(&self) -> Option<Rib> {
        let routes = self.peer.adj_in().await?;
        let routes = routes.into_iter();
        Some(
            routes
                .map(|(prefix, route)| (prefix, held::received(prefix, &route)))
                .collect(),
        )
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        self.accepting.abort();
        self.peer.stop(StopReason::PeerDeconfigured).await;
        // The task ends within a second; it has no more to say.
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, peer: PeerHandle) {
    // A connection that is gone already is none; the listening socket itself does not fail.
    while let Ok((stream, _)) = listener.accept().await {
        if let Ok(accepted) = Accepted::new(stream).await {
            peer.connection(accepted);
        }
    }
}
