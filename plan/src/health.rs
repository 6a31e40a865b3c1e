//! A verdict for each node, with its reason: the only place that judges nodes.
//!
//! BGP and L2 both start here and differ only in the last step: every eligible node announces, or
//! one owner among them.

use std::fmt;

use serde::Serialize;

use crate::world::{Liveness, Node, Ready, World};

/// How good a node is to announce from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Ready, schedulable, its speaker alive.
    InService,
    /// Cordoned: announces, de-preferred, until it is drained.
    Leaving,
    /// Not ready, out of service, or its speaker gone: announces only where nothing is better.
    Out,
    /// Never announces.
    Excluded,
}

/// Why a node is in its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// Nothing is wrong with it.
    Healthy,
    /// No Node object says anything of it: standalone, without a manifest for the node.
    NoNodeObject,
    /// `spec.unschedulable`.
    NodeUnschedulable,
    /// Condition Ready is False.
    NodeNotReady,
    /// Condition Ready is Unknown.
    NodeReadyUnknown,
    /// Taint `node.kubernetes.io/out-of-service`.
    NodeOutOfService,
    /// Its speaker does not answer.
    SpeakerNotLive,
    /// Label `node.kubernetes.io/exclude-from-external-load-balancers`.
    NodeLabeledExcludeBalancers,
    /// Condition NetworkUnavailable is True.
    NodeNetworkUnavailable,
}

/// The label whose presence, whatever its value, excludes a node.
pub const EXCLUDE_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// A class and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// How good it is.
    pub class: Class,
    /// Why.
    pub why: Why,
}

/// Choices of the user that judge nodes differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Disregard [`EXCLUDE_LABEL`].
    pub ignore_exclude_label: bool,
    /// Disregard `spec.unschedulable`: announce from a cordoned node as before.
    pub keep_on_cordon: bool,
}

/// The verdict on the node of this name. A name that no Node object bears is a machine that is
/// told nothing about itself: it is in service, so that standalone works without Node manifests.
pub fn judge(name: &str, world: &World, options: Options) -> Health {
    match world.nodes.get(name) {
        Some(node) => judge_node(node, &world.liveness, options),
        None if is_live(name, &world.liveness) => Health {
            class: Class::InService,
            why: Why::NoNodeObject,
        },
        None => Health {
            class: Class::Out,
            why: Why::SpeakerNotLive,
        },
    }
}

/// The worst class that anything puts the node into, with the first reason for it.
fn judge_node(node: &Node, liveness: &Liveness, options: Options) -> Health {
    let excluded = !options.ignore_exclude_label && node.labels.contains_key(EXCLUDE_LABEL);
    let unschedulable = node.unschedulable && !options.keep_on_cordon;
    let table = [
        (
            node.network_unavailable,
            Class::Excluded,
            Why::NodeNetworkUnavailable,
        ),
        (excluded, Class::Excluded, Why::NodeLabeledExcludeBalancers),
        (node.out_of_service, Class::Out, Why::NodeOutOfService),
        (node.ready == Ready::False, Class::Out, Why::NodeNotReady),
        (
            node.ready == Ready::Unknown,
            Class::Out,
            Why::NodeReadyUnknown,
        ),
        (
            !is_live(&node.name, liveness),
            Class::Out,
            Why::SpeakerNotLive,
        ),
        (unschedulable, Class::Leaving, Why::NodeUnschedulable),
    ];
    let first = table.into_iter().find(|(applies, _, _)| *applies);
    let (class, why) = first.map_or((Class::InService, Why::Healthy), |(_, class, why)| {
        (class, why)
    });
    Health { class, why }
}

/// Whether the node's speaker answers, or nobody looks.
pub(crate) fn is_live(name: &str, liveness: &Liveness) -> bool {
    match liveness {
        Liveness::Off => true,
        Liveness::Live(live) => live.contains(name),
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Healthy => "the node is in service",
            Why::NoNodeObject => "no Node object describes this node, so it counts as in service",
            Why::NodeUnschedulable => "the node is cordoned (spec.unschedulable)",
            Why::NodeNotReady => "the node's condition Ready is False",
            Why::NodeReadyUnknown => "the node's condition Ready is Unknown",
            Why::NodeOutOfService => "the node has the taint node.kubernetes.io/out-of-service",
            Why::SpeakerNotLive => "the node's speaker does not answer",
            Why::NodeLabeledExcludeBalancers => {
                "the node has the label node.kubernetes.io/exclude-from-external-load-balancers"
            }
            Why::NodeNetworkUnavailable => "the node's condition NetworkUnavailable is True",
        })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            Class::InService => "in service",
            Class::Leaving => "leaving",
            Class::Out => "out",
            Class::Excluded => "excluded",
        };
        write!(f, "{class}: {}", self.why)
    }
}
