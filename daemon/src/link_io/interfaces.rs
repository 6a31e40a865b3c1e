//! This node's interfaces, as the kernel tells of them.
//!
//! One task hears every change; nothing is asked for from time to time. What is published is the
//! whole list, and only where it differs from the last.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use l2::responder::Interface;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, error, warn};

use crate::net::netlink::{Dump, MAX_DATAGRAM, Message, RouteSocket, messages};
use crate::panics;
use table::Table;

/// Wait before the kernel is asked anew after it has refused.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Lists in a row that were made while something changed; the next one is taken as it is, and what
/// changes after it is heard.
const MAX_LISTS: usize = 4;

/// Beginnings of names of interfaces that lead to the Pods and containers of this node, or between
/// nodes inside of tunnels: nobody asks there. The same as MetalLB leaves out by default.
pub const EXCLUDED: &[&str] = &[
    "docker",
    "cbr",
    "dummy",
    "virbr",
    "lxcbr",
    "veth",
    "cali",
    "tunl",
    "flannel",
    "kube-ipvs",
    "cni",
    "nodelocaldns",
    "lxc",
];

/// All interfaces of this node's network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// By index, ascending.
    pub list: Vec<Interface>,
    /// How often the link behind an interface has moved, by index: another port of the switch leads
    /// here then (IFLA_EVENT_NOTIFY_PEERS, IFLA_EVENT_BONDING_FAILOVER).
    pub moves: BTreeMap<u32, u64>,
    /// The prefixes on each, by index: whose hosts ask on this link for an address in one.
    pub subnets: BTreeMap<u32, BTreeSet<IpNet>>,
}

/// Begins to hear of interfaces. On those whose names begin like one of `excluded` nothing is
/// answered. `None` until the kernel has listed them. Ends with the last receiver.
pub fn spawn(excluded: &'static [&'static str]) -> watch::Receiver<Option<Arc<Interfaces>>> {
    let (publish, interfaces) = watch::channel(None);
    tokio::spawn(async move {
        tokio::select! {
            () = publish.closed() => {}
            () = hear(excluded, &publish) => {}
        }
    });
    interfaces
}

impl Interfaces {
    /// Those on which addresses can be answered for now.
    pub fn usable(&self) -> impl Iterator<Item = &Interface> {
        self.list.iter().filter(|interface| interface.is_usable())
    }
}

type Publish = watch::Sender<Option<Arc<Interfaces>>>;

/// Hears for ever; if that panics, begins anew with a list of everything.
async fn hear(excluded: &'static [&'static str], publish: &Publish) {
    loop {
        let Err(panic) = panics::caught(hear_until_panic(excluded, publish)).await;
        error!(
            panic,
            "the task that hears of interfaces failed, which is a defect; it begins again"
        );
        sleep(AGAIN_AFTER).await;
    }
}

async fn hear_until_panic(excluded: &'static [&'static str], publish: &Publish) -> Infallible {
    let mut table = Table::new(excluded);
    loop {
        let Err(error) = follow(&mut table, publish).await else {
            continue;
        };
        if error.raw_os_error() == Some(libc::ENOBUFS) {
            // Some changes are lost: the whole is listed again.
            debug!("the kernel told of more interfaces than were read");
            continue;
        }
        warn!(%error, "cannot hear of interfaces; it is tried again");
        sleep(AGAIN_AFTER).await;
    }
}

/// Lists everything, then takes changes, until the socket fails.
async fn follow(table: &mut Table, publish: &Publish) -> io::Result<()> {
    let mut socket = RouteSocket::open()?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    for _ in 0..MAX_LISTS {
        if list_all(&mut socket, &mut buffer, table).await? {
            break;
        }
    }
    loop {
        tell(table, publish);
        let length = socket.receive(&mut buffer).await?;
        let datagram = buffer.get(..length).unwrap_or_default();
        let changes = messages(datagram).filter_map(|envelope| envelope.message);
        changes.for_each(|change| table.take(change));
    }
}

/// Lists links and addresses. Whether nothing changed meanwhile, so that the list is of one moment.
async fn list_all(
    socket: &mut RouteSocket,
    buffer: &mut [u8],
    table: &mut Table,
) -> io::Result<bool> {
    table.clear();
    let mut is_whole = true;
    for dump in [Dump::Links, Dump::Addresses] {
        let sequence = socket.request(dump)?;
        let mut ended = false;
        while !ended {
            let length = socket.receive(buffer).await?;
            for envelope in messages(buffer.get(..length).unwrap_or_default()) {
                let is_ours = envelope.sequence == sequence;
                is_whole &= is_ours && !envelope.is_interrupted;
                match envelope.message {
                    Some(Message::Done) if is_ours => ended = true,
                    Some(Message::Refused(number)) if is_ours => {
                        return Err(io::Error::from_raw_os_error(number));
                    }
                    Some(message) => table.take(message),
                    None => {}
                }
            }
        }
    }
    Ok(is_whole)
}

fn tell(table: &Table, publish: &Publish) {
    publish.send_if_modified(|last| {
        let is_news = last.as_deref().is_none_or(|last| !table.is(last));
        if is_news {
            *last = Some(Arc::new(table.interfaces()));
        }
        is_news
    });
}
