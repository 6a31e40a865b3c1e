//! Why a Service has (not) an address, and why each node does (not) announce it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use crate::alloc::allocate;
use crate::announce::{Announcements, Attributes, Verdict, announce};
use crate::elect::{self, Election};
use crate::health::{self, Health};
use crate::world::{ObjectName, World};

/// All there is to say of one Service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Namespace and name.
    pub service: ObjectName,
    /// Its addresses; empty is none.
    pub addresses: Vec<IpAddr>,
    /// The pool of the first one.
    pub pool: Option<Arc<str>>,
    /// How it came to that, in a sentence.
    pub allocation: String,
    /// A verdict of each node, by name.
    pub nodes: Vec<NodeExplanation>,
}

/// Whether one node announces the Service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeExplanation {
    /// The node.
    pub node: Arc<str>,
    /// Its health.
    pub health: Health,
    /// What it announces, to whom; empty is nothing.
    pub routes: Vec<RouteExplanation>,
    /// Why it announces nothing, in one word; `None` where it announces something.
    pub reason: Option<&'static str>,
    /// The same in a sentence.
    pub message: String,
    /// Whether it answers by ARP and NDP; `None` where no address is of a pool in L2 mode.
    pub l2: Option<L2Explanation>,
}

/// Whether one node answers for a Service's addresses by ARP and NDP.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct L2Explanation {
    /// Why it does not, in one word; `None` where it was elected.
    pub reason: Option<&'static str>,
    /// The same in a sentence.
    pub message: String,
    /// What keeps it from answering, or its answers from being of use, as that node has found out. Not
    /// known of other nodes.
    pub failures: Vec<String>,
}

/// A route of the Service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteExplanation {
    /// The BGPPeer it is announced to.
    pub peer: Arc<str>,
    /// The prefix.
    pub prefix: IpNet,
    /// What is said of it.
    pub attributes: Attributes,
}

/// Explains a Service; `None` where the World has none of this name that is ours or holds an
/// address. `me` is a node to name even where no Node object describes it.
pub fn explain(
    world: &World,
    name: &ObjectName,
    me: Option<&str>,
    options: health::Options,
) -> Option<Explanation> {
    let allocation = allocate(world);
    let held = allocation.of(world.services.get(name)?);
    let assigned = world.with(&allocation);
    let election = elect::election_of(&assigned, name, me, options);
    let alone = only(&assigned, name);
    let mut nodes: Vec<Arc<str>> = world.nodes.keys().cloned().collect();
    nodes.extend(
        me.filter(|me| !world.nodes.contains_key(*me))
            .map(Arc::from),
    );
    nodes.sort();
    Some(Explanation {
        service: name.clone(),
        addresses: held.addresses.to_vec(),
        pool: held.pool.cloned(),
        allocation: held.outcome.to_string(),
        nodes: nodes
            .into_iter()
            .map(|node| explain_node(node, &alone, options, election.as_ref()))
            .collect(),
    })
}

/// The World with no other Service.
fn only(world: &World, name: &ObjectName) -> World {
    let services = world.services.iter().filter(|(other, _)| *other == name);
    let slices = world
        .endpoint_slices
        .iter()
        .filter(|((other, _), _)| other == name);
    World {
        services: services
            .map(|(name, service)| (name.clone(), Arc::clone(service)))
            .collect(),
        endpoint_slices: slices
            .map(|(key, slice)| (key.clone(), Arc::clone(slice)))
            .collect(),
        ..world.clone()
    }
}

fn explain_node(
    node: Arc<str>,
    alone: &World,
    options: health::Options,
    election: Option<&Election>,
) -> NodeExplanation {
    let Announcements {
        health,
        peers,
        verdicts,
    } = announce(&node, alone, options);
    let routes: Vec<RouteExplanation> = peers
        .iter()
        .flat_map(|(peer, routes)| routes.iter().map(move |route| (peer, route)))
        .map(|(peer, (prefix, attributes))| RouteExplanation {
            peer: Arc::clone(peer),
            prefix: *prefix,
            attributes: attributes.as_ref().clone(),
        })
        .collect();
    let (reason, message) = match verdicts.into_iter().next().map(|(_, verdict)| verdict) {
        Some(Verdict::NotAnnounced(reason)) => (Some(reason.word()), reason.to_string()),
        Some(Verdict::Announced { peers }) => (None, format!("announced to {}", peers.join(", "))),
        None => (
            Some("notLoadBalancer"),
            "the Service is not known".to_owned(),
        ),
    };
    let l2 = election.map(|election| match election.others.get(&node) {
        Some(reason) => L2Explanation {
            reason: Some(reason.word()),
            message: reason.to_string(),
            failures: Vec::new(),
        },
        None => L2Explanation {
            reason: None,
            message: "answers by ARP and NDP".to_owned(),
            failures: Vec::new(),
        },
    });
    NodeExplanation {
        l2,
        node,
        health,
        routes,
        reason,
        message,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        let held = match (addresses.is_empty(), &self.pool) {
            (true, _) => "no address".to_owned(),
            (false, Some(pool)) => format!("{} from IPAddressPool {pool}", addresses.join(", ")),
            (false, None) => addresses.join(", "),
        };
        writeln!(f, "Service {}: {held}", self.service)?;
        writeln!(f, "  allocation: {}", self.allocation)?;
        for node in &self.nodes {
            writeln!(f, "  node {} ({})", node.node, node.health)?;
            match node.reason {
                Some(reason) => writeln!(f, "    not announced, {reason}: {}", node.message)?,
                None => writeln!(f, "    {}", node.message)?,
            }
            if let Some(l2) = &node.l2 {
                match l2.reason {
                    Some(reason) => writeln!(f, "    not elected, {reason}: {}", l2.message)?,
                    None => writeln!(f, "    elected: {}", l2.message)?,
                }
                for failure in &l2.failures {
                    writeln!(f, "    but {failure}")?;
                }
            }
            for route in &node.routes {
                writeln!(f, "    {} to {}", route.prefix, route.peer)?;
            }
        }
        Ok(())
    }
}
