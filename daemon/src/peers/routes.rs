//! Routes of `plan` as routes of `bgp`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::community::{Community, LargeCommunity};
use bgp::peer::PeerAs;
use bgp::{Asn, PeerConfig, Route, RouteAttributes, RouteSet};

/// Sets made so far. Peers that share a table, and of which our AS is the same, share a set.
#[derive(Debug, Default)]
pub struct Sets {
    made: BTreeMap<(usize, Option<Asn>), Arc<RouteSet>>,
}

impl Sets {
    /// The table as a set for a peer of this configuration.
    pub fn of(
        &mut self,
        table: &Arc<Vec<plan::announce::Route>>,
        config: &PeerConfig,
    ) -> Arc<RouteSet> {
        // RFC 4271 §5.1.2: AS_PATH grows at the border of an AS only.
        let prepended = is_external(config).then_some(config.local_as);
        let key = (Arc::as_ptr(table).addr(), prepended);
        let set = self
            .made
            .entry(key)
            .or_insert_with(|| Arc::new(set(table, prepended)));
        Arc::clone(set)
    }
}

/// Whether the peer is in another AS, as configured.
pub fn is_external(config: &PeerConfig) -> bool {
    match config.peer_as {
        PeerAs::Exactly(asn) => asn != config.local_as,
        PeerAs::Internal => false,
        PeerAs::External => true,
    }
}

fn set(table: &[plan::announce::Route], prepended: Option<Asn>) -> RouteSet {
    let mut last: Option<(usize, Arc<RouteAttributes>)> = None;
    table
        .iter()
        .map(
            |plan::announce::Route {
                 prefix,
                 attributes: plain,
             }| {
                let at = Arc::as_ptr(plain).addr();
                let shared = match &last {
                    Some((same, shared)) if *same == at => Arc::clone(shared),
                    Some(_) | None => Arc::new(attributes(plain, prepended)),
                };
                last = Some((at, Arc::clone(&shared)));
                Route {
                    prefix: *prefix,
                    attributes: shared,
                }
            },
        )
        .collect()
}

fn attributes(plain: &plan::announce::Attributes, prepended: Option<Asn>) -> RouteAttributes {
    let plan::announce::Attributes {
        local_pref,
        med,
        as_path_prepend,
        communities,
    } = plain;
    let mut standard = Vec::new();
    let mut large = Vec::new();
    for community in communities {
        match *community {
            plan::world::Community::Standard(value) => standard.push(Community(value)),
            plan::world::Community::Large(global_administrator, local_data_1, local_data_2) => {
                large.push(LargeCommunity {
                    global_administrator,
                    local_data_1,
                    local_data_2,
                });
            }
        }
    }
    RouteAttributes {
        next_hop: None,
        med: *med,
        local_pref: *local_pref,
        as_path: prepended
            .into_iter()
            .flat_map(|asn| std::iter::repeat_n(asn, usize::from(*as_path_prepend)))
            .collect(),
        communities: standard,
        large_communities: large,
    }
}
