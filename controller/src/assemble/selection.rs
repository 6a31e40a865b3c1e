//! What selectors select.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::labels::{LabelSelector, any_or_all};
use plan::world::Node;

/// Whether two lists of node selectors (empty is all nodes) may be of a node in common: some known
/// node is; or, with no node known, one is of all nodes or they are the same.
pub fn share_a_node(
    a: &[LabelSelector],
    b: &[LabelSelector],
    nodes: &BTreeMap<Arc<str>, Arc<Node>>,
) -> bool {
    if a.is_empty() || b.is_empty() || a == b {
        return true;
    }
    nodes
        .values()
        .any(|node| any_or_all(a, &node.labels) && any_or_all(b, &node.labels))
}
