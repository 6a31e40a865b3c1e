//! What selectors select.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::labels::{LabelSelector, Labels, Operator, Requirement};
use plan::world::{Node, Pool, PoolSelection};

/// Whether every requirement of the selector holds.
pub fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && selector
            .match_expressions
            .iter()
            .all(|requirement| holds(requirement, labels))
}

fn holds(requirement: &Requirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    match requirement.operator {
        Operator::In => value.is_some_and(|value| requirement.values.contains(value)),
        Operator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

/// Whether the selection is of this pool.
pub fn selects(selection: &PoolSelection, pool: &Pool) -> bool {
    (selection.names.is_empty() && selection.selectors.is_empty())
        || selection.names.contains(&pool.name)
        || selection
            .selectors
            .iter()
            .any(|selector| matches(selector, &pool.labels))
}

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
    let of = |selectors: &[LabelSelector], node: &Node| {
        selectors
            .iter()
            .any(|selector| matches(selector, &node.labels))
    };
    nodes.values().any(|node| of(a, node) && of(b, node))
}
