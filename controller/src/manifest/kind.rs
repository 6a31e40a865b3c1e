//! Which kind a document is.

use super::tree::{Node, Value};
use super::{suggest, title};
use crate::object::Kind;
use crate::problem::Finding;

/// What a document turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// A kind that is read.
    Known(Kind),
    /// Another kind, which is left alone; why.
    Ignored(String),
    /// No manifest, or one whose `kind` or `apiVersion` is mistaken.
    Wrong {
        /// As much of the object's title as is known.
        object: Option<String>,
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
}

/// Whether a `kind` is a list of manifests: `List`, or that of a kind that is read.
pub fn is_list(kind: &str) -> bool {
    kind.strip_suffix("List").is_some_and(|item| {
        item.is_empty() || Kind::ALL.into_iter().any(|known| known.name() == item)
    })
}

/// Kinds of `metallb.io` that are written by the software, never read.
const WRITTEN: [&str; 3] = ["ServiceBGPStatus", "ServiceL2Status", "ConfigurationState"];

/// Which kind `node` is.
pub fn identify(node: &Node) -> Identity {
    if !matches!(node.value, Value::Map(_)) {
        return wrong(
            None,
            format!("the document is {} and not a manifest", node.type_name()),
            "a manifest is a mapping with apiVersion, kind, metadata and spec".into(),
        );
    }
    let text = |key| node.get(key).and_then(Node::as_str);
    let (Some(kind), Some(version)) = (text("kind"), text("apiVersion")) else {
        let missing = if text("kind").is_none() {
            "kind"
        } else {
            "apiVersion"
        };
        return wrong(
            text("kind").map(|kind| title(kind, node)),
            format!("`{missing}` is missing"),
            "a manifest begins with lines such as `apiVersion: metallb.io/v1beta1` and \
             `kind: IPAddressPool`"
                .into(),
        );
    };
    match Kind::ALL.into_iter().find(|known| known.name() == kind) {
        Some(known) if known.api_versions().contains(&version) => Identity::Known(known),
        Some(known) if group(version) != group(known.api_versions()[0]) && foreign(version) => {
            Identity::Ignored(format!("{kind} of {version} is not used"))
        }
        Some(known) => wrong(
            Some(title(kind, node)),
            format!("`{version}` is not an apiVersion of {kind}"),
            format!("write apiVersion: {}", known.api_versions()[0]),
        ),
        None => unknown(kind, version, node),
    }
}

fn unknown(kind: &str, version: &str, node: &Node) -> Identity {
    let ours = !foreign(version);
    let known = Kind::ALL
        .into_iter()
        .filter(|known| group(known.api_versions()[0]) == group(version));
    let near = suggest::nearest(kind, known.map(Kind::name));
    match (ours, near) {
        _ if WRITTEN.contains(&kind) => {
            Identity::Ignored(format!("{kind} is written, never read: it is not used"))
        }
        (true, Some(near)) => wrong(
            Some(title(kind, node)),
            format!("there is no kind `{kind}` in {version}"),
            format!("did you mean {near}?"),
        ),
        (true, None) if group(version) == "metallb.io" => wrong(
            Some(title(kind, node)),
            format!("there is no kind `{kind}` in {version}"),
            "those that are: IPAddressPool, BGPPeer, BGPAdvertisement, L2Advertisement, Community, \
             BFDProfile"
                .into(),
        ),
        (true | false, _) => Identity::Ignored(format!("{kind} is not used")),
    }
}

/// A warning for a version that is read, yet is not the current one.
pub fn version_finding(kind: Kind, node: &Node) -> Option<Finding> {
    let current = kind.api_versions()[0];
    let given = node.get("apiVersion").and_then(Node::as_str)?;
    (given != current).then(|| {
        let message = format!("{given} of {kind} is deprecated");
        Finding::warning("apiVersion", message, format!("write {current}"))
    })
}

/// The group of an `apiVersion`; that of `v1` is empty.
fn group(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether no kind that is read is of this version's group.
fn foreign(version: &str) -> bool {
    !["", "metallb.io", "discovery.k8s.io"].contains(&group(version))
}

fn wrong(object: Option<String>, message: String, hint: String) -> Identity {
    Identity::Wrong {
        object,
        message,
        hint,
    }
}
