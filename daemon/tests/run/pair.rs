//! A node and its router, both `herald run`.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::herald::{ADVERTISEMENT, Herald, POOL, peer, service};

/// A node that connects, and a router that listens.
pub struct Pair {
    pub node: Herald,
    pub router: Herald,
    network: &'static str,
    port: u16,
}

impl Pair {
    /// On addresses of this /24 of loopback. `more` has fields of the node's BGPPeer.
    pub fn start(network: &'static str, more: Value) -> Pair {
        let mut pair = Pair::prepare(network, more);
        pair.node.launch();
        pair
    }

    /// As [`Pair::start`], the node not yet running.
    pub fn prepare(network: &'static str, more: Value) -> Pair {
        let free = TcpListener::bind((format!("{network}.2"), 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut router = Herald::new("router");
        router.arguments = vec!["--listen".into(), format!("{network}.2:{port}")];
        let node = Herald::new("node");
        let mut pair = Pair {
            node,
            router,
            network,
            port,
        };
        pair.write_router_peer(json!({}));
        pair.router.launch();
        pair.node.write("pool.yaml", POOL);
        pair.node.write("advertisement.yaml", ADVERTISEMENT);
        pair.node.write("web.yaml", &service("web"));
        pair.write_peer(more);
        pair
    }

    /// Where the router listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The router's BGPPeer, with more fields.
    pub fn write_router_peer(&self, more: Value) {
        let network = self.network;
        let spec = json!({"myASN": 64513, "peerASN": 64512, "passive": true,
            "peerAddress": format!("{network}.1"), "sourceAddress": format!("{network}.2")});
        self.router.write("peer.yaml", &peer("node", spec, more));
    }

    /// The node's BGPPeer, with more fields.
    pub fn write_peer(&self, more: Value) {
        let Pair { network, port, .. } = self;
        let spec = json!({"myASN": 64512, "peerASN": 64513, "peerPort": port,
            "peerAddress": format!("{network}.2"), "sourceAddress": format!("{network}.1")});
        self.node.write("peer.yaml", &peer("router", spec, more));
    }
}
