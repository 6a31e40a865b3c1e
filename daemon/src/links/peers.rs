//! Whose speakers count among those that watch each other.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use plan::World;
use plan::health::{self, Class};
use plan::labels;
use plan::world::{Node, Ready};

use crate::membership::Addresses;

/// The nodes whose speakers count, and where they hear: those that the API server does not hold
/// out, as long as one of them may answer for an address. Only nodes with a speaker, where that is
/// known.
pub fn addresses(
    world: &World,
    speakers: Option<&BTreeSet<Arc<str>>>,
    options: health::Options,
    port: u16,
) -> Addresses {
    let nodes = world.nodes.values();
    let nodes = nodes.filter(|node| speakers.is_none_or(|known| known.contains(&node.name)));
    let mut candidates = nodes
        .clone()
        .filter(|node| may_answer(node, world, options));
    // Those that are out have to answer then, and cannot where nobody hears them.
    let all_out = candidates.all(|node| is_out(node));
    let counted = nodes.filter(|node| all_out || !is_out(node));
    let hears = |node: &Arc<Node>| {
        let ips = node.internal_ips.iter();
        let at = ips.map(|ip| SocketAddr::new(*ip, port)).collect();
        (Arc::clone(&node.name), at)
    };
    counted.map(hears).collect()
}

fn is_out(node: &Node) -> bool {
    node.ready != Ready::True || node.out_of_service
}

fn may_answer(node: &Node, world: &World, options: health::Options) -> bool {
    let health = health::judge(&node.name, world, options);
    let mut advertisements = world.l2_advertisements.values();
    health.class != Class::Excluded
        && advertisements.any(|ad| labels::any_or_all(&ad.node_selectors, &node.labels))
}

#[cfg(test)]
mod tests {
    use controller::record::Assignments;
    use controller::{Options, file};

    use super::*;

    #[test]
    fn nodes_that_are_out_count_where_no_other_may_answer() {
        let rows: [([&str; 3], &str, &[&str]); 7] = [
            (["", "", ""], "", &["a", "b", "c"]),
            (["out", "", ""], "", &["b", "c"]),
            (["out", "out", "out"], "", &["a", "b", "c"]),
            (["out", "excluded", ""], "", &["b", "c"]),
            (["out", "excluded", "excluded"], "", &["a", "b", "c"]),
            (["out", "", ""], "a", &["a", "b", "c"]),
            (["out", "", ""], "b", &["b", "c"]),
        ];
        for (nodes, selected, expected) in rows {
            let world = world(nodes, selected);
            let found = addresses(&world, None, health::Options::default(), 7946);
            let found: Vec<&str> = found.keys().map(|name| &**name).collect();
            assert_eq!(found, expected, "{nodes:?} {selected}");
        }
        let known = BTreeSet::from(["b".into()]);
        let world = world(["", "", ""], "");
        let found = addresses(&world, Some(&known), health::Options::default(), 7946);
        assert_eq!(found.keys().collect::<Vec<_>>(), [&Arc::from("b")]);
    }

    /// Nodes `a`, `b` and `c` that are so, and an L2Advertisement for that one, or all.
    fn world(nodes: [&str; 3], selected: &str) -> World {
        let node = |(name, state): (&str, &str)| {
            let (kind, status) = match state {
                "out" => ("Ready", "False"),
                "excluded" => ("NetworkUnavailable", "True"),
                _ => ("Ready", "True"),
            };
            format!(
                "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{at: {name}}}}}\n\
                 status: {{conditions: [{{type: {kind}, status: '{status}'}}]}}\n---\n"
            )
        };
        let selectors = match selected {
            "" => String::new(),
            name => format!("nodeSelectors: [{{matchLabels: {{at: {name}}}}}]"),
        };
        let nodes: String = ["a", "b", "c"].into_iter().zip(nodes).map(node).collect();
        let all = format!(
            "{nodes}apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\n\
             metadata: {{name: l2}}\nspec: {{{selectors}}}\n"
        );
        let files = [("all.yaml", &*all)];
        file::from_texts(&files, &Options::default(), &Assignments::new()).world
    }
}
